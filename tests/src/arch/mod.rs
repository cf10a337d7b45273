//! What the tests must know of each architecture: one file for each, named like its plugin, found by `build.rs`.
//!
//! Such a file names the linkers that judge the architecture and the corpora of real modules. It says what the formulas
//! of its table mean to the generator of golden vectors, decides where the linkers disagree, and decodes the code that
//! linkers make (PLT entries, veneers, stubs). None of it comes from a plugin.

use crate::golden::{Difference, Generator, Shape, Vector};
use crate::module_spec::RowDescription;
use crate::oracle::Image;
use crate::oracle::destination::Destination;
use anyhow::{Context as _, Result, ensure};
use relobox_abi::{Machine, order};
use std::fmt;

include!(concat!(env!("OUT_DIR"), "/architectures.rs"));

/// An architecture: the machines that one plugin links.
pub struct Architecture {
    /// The name of the plugin.
    pub name: &'static str,
    /// One for each machine of the plugin, at least.
    pub variants: &'static [Variant],
    /// Links of real modules whose symbols are far away.
    pub far: &'static [Far],
    /// The real modules, by the names of `tests/scripts/fetch-corpora`.
    pub corpora: &'static [&'static str],
    /// Further ones, by the names of `tests/scripts/build-corpora`: of architectures that Debian has no kernel of.
    pub built: &'static [&'static str],
    /// The forms of addends to test: `true` is in place (SHT_REL). Golden vectors have the first one.
    pub in_place: &'static [bool],
    /// The alignment of instructions, in bytes, where rows of branches have none: vectors branch only to such addresses.
    pub code_align: i64,
    /// The distance from the start of a branch to its field, in bytes, which compilers put into the addend.
    pub field_in_branch: i64,
    /// The length in bytes of the longest field that can hold an indirect reference.
    pub field_length: u64,
    /// The name of a type for which a linker makes a GOT slot.
    pub slot_type: &'static str,
    /// Whether GNU ld extends the sign of 32-bit addresses, but not that of a value in its script.
    pub ld_extends_sign: bool,
    /// Names that a linker of this architecture defines itself, beside `_GLOBAL_OFFSET_TABLE_`.
    pub linkers_own: &'static [&'static str],
    /// Returns symbols that a linker is told, since they follow from where it puts sections that have other names then.
    pub placed: fn(sections: &[(String, u32, u64)]) -> Vec<(&'static str, u64)>,
    /// Further sections that a linker fills itself: their names, and the script's patterns of their inputs.
    pub generated: &'static [(&'static str, &'static str)],
    /// The forms of addends for which the metamorphic properties of `crate::metamorphic` hold as they are written. Where
    /// they do not know what a row does with its field (a sign beside a magnitude, an instruction that is read, a pair
    /// that is composed), the conformance kit's own properties judge the architecture, and this is empty.
    pub metamorphic: &'static [bool],
    /// Types that no metamorphic property judges, because their value is no address or their field has no fixed length.
    pub unjudged: &'static [&'static str],
    /// Types whose linked code is run by `tests/executed.rs`, since no linker judges them, or not all that they do.
    pub executed: &'static [&'static str],
    /// Returns the shape of a row's formula, if it is not `S + A` or `S + A - P`.
    pub shape: fn(&RowDescription) -> Option<Shape>,
    /// Makes vectors beside those of the row's shape; all of them if that is [`Shape::Special`].
    pub vectors: fn(&mut Generator<'_>, &RowDescription) -> Vec<Vector>,
    /// Returns whether a vector is left out: a linker changes the instruction at its place instead of patching it, or its
    /// machine does not have the type.
    pub rewritten: fn(&Vector) -> bool,
    /// High parts and their low parts, for the metamorphic properties.
    pub pairs: &'static [Pair],
    /// Decisions where the linkers disagree.
    pub differences: &'static [Difference],
    /// Returns whether a stub is for the symbol alone and the addend of this type is added to its address.
    pub is_stub_of_symbol: fn(name: &str) -> bool,
    /// Returns the distance to which a row's field refers, from the value that its slices hold.
    pub distance: fn(&RowDescription, i64) -> i64,
    /// Returns the bytes of a call to the place `distance` bytes behind the call's start; empty where no linker makes
    /// code.
    pub call: fn(&Variant, distance: u64) -> Vec<u8>,
    /// Returns the destination of the instruction `code` at `address`, if it refers to anything.
    pub reference: fn(&Variant, &Image, address: u64, code: &[u8]) -> Option<Destination>,
    /// Returns whether two linkers may have made this of one indirect field, as far as it is not its target: a wrong
    /// register, say, would lead to the same destination. Each slice begins with the field.
    pub may_differ: fn(left: &[u8], right: &[u8]) -> bool,
    /// Returns whether a relocation of this type, with `value` as its symbol's offset in the same section, is resolved
    /// from that offset: the second half of a pair that names the first.
    pub names_its_pair: fn(kind: u32) -> bool,
}

/// A link of modules of the first corpus, in which symbols to which only some types refer are far away, so that these go
/// through a GOT, a PLT or veneers.
#[derive(Clone, Copy, Debug)]
pub struct Far {
    /// The distance in bytes.
    pub distance: u64,
    /// The numbers of the types.
    pub types: &'static [u32],
    /// Whether linkers can do the same, so that the results are compared.
    pub linkers: bool,
}

/// A type for the high part of a value, and one for its low part.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    /// The name of the type for the high part.
    pub high: &'static str,
    /// The name of the type for the low part.
    pub low: &'static str,
    /// Whether the value is relative to the place of the high part.
    pub relative: bool,
    /// Whether the low part's symbol is the label of the high part, instead of its symbol.
    pub low_names_high: bool,
    /// What the addend of the low part has beside that of the high part, where addends are explicit.
    pub low_addend: i64,
}

impl Pair {
    /// Two halves of `S + A`.
    pub const fn absolute(high: &'static str, low: &'static str) -> Pair {
        Pair { high, low, relative: false, low_names_high: false, low_addend: 0 }
    }

    /// Two halves of `S + A - P`, or of its page and the rest.
    pub const fn relative(high: &'static str, low: &'static str) -> Pair {
        Pair { relative: true, ..Pair::absolute(high, low) }
    }
}

/// A machine as its linkers see it.
pub struct Variant {
    /// A name for messages and tests: that of the linkers' target.
    pub name: &'static str,
    /// ELF's `e_machine`.
    pub machine: u16,
    /// 32 or 64.
    pub class: u8,
    /// The byte order of data, one of `relobox_abi::order`.
    pub order: u8,
    /// Bits of `e_flags` by which files of this variant are told apart, and their value.
    pub flags: (u32, u32),
    /// Further bits of `e_flags` without which linkers refuse an object.
    pub e_flags: u32,
    /// The program name of GNU ld, and its name for the emulation.
    pub gnu_ld: Option<(&'static str, &'static str)>,
    /// lld's name for the emulation.
    pub lld: Option<&'static str>,
    /// Whether llvm-jitlink links its modules.
    pub jitlink: bool,
    /// Further options for GNU ld, and for lld.
    pub options: (&'static [&'static str], &'static [&'static str]),
    /// The address at which modules usually start.
    pub base: u64,
    /// The address of golden vectors, if it cannot be the plugin's base.
    pub vectors_at: Option<u64>,
    /// Whether nothing stands between a branch and its target, not even in another linker's output.
    pub direct: bool,
}

impl Architecture {
    /// An architecture without peculiarities.
    pub const PLAIN: Architecture = Architecture {
        name: "",
        variants: &[],
        far: &[],
        corpora: &[],
        built: &[],
        in_place: &[false],
        code_align: 1,
        field_in_branch: 0,
        field_length: 4,
        slot_type: "",
        ld_extends_sign: false,
        linkers_own: &[],
        placed: |_| Vec::new(),
        generated: &[],
        metamorphic: &[],
        unjudged: &[],
        executed: &[],
        shape: |_| None,
        vectors: |_, _| Vec::new(),
        rewritten: |_| false,
        pairs: &[],
        differences: &[],
        is_stub_of_symbol: |_| false,
        distance: |_, value| value,
        call: |_, _| Vec::new(),
        reference: |_, _, _, _| None,
        may_differ: |_, _| true,
        names_its_pair: |_| false,
    };

    /// Returns the architecture of plugin `name`.
    pub fn named(name: &str) -> Option<&'static Architecture> {
        ALL.iter().find(|arch| arch.name == name).copied()
    }
}

impl Variant {
    /// A variant without peculiarities.
    pub const PLAIN: Variant = Variant {
        name: "",
        machine: 0,
        class: 64,
        order: order::LITTLE,
        flags: (0, 0),
        e_flags: 0,
        gnu_ld: None,
        lld: None,
        jitlink: false,
        options: (&[], &[]),
        base: 0,
        vectors_at: None,
        direct: false,
    };
}

/// A variant of an architecture, for which at least one oracle links.
#[derive(Clone, Copy)]
pub struct Target {
    /// The architecture.
    pub arch: &'static Architecture,
    /// One of its variants.
    pub variant: &'static Variant,
}

impl PartialEq for Target {
    fn eq(&self, other: &Target) -> bool {
        self.variant.name == other.variant.name
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.variant.name)
    }
}

impl Target {
    /// Returns all targets.
    pub fn all() -> impl Iterator<Item = Target> {
        ALL.iter().flat_map(|arch| arch.variants.iter().map(move |variant| Target { arch, variant }))
    }

    /// Returns the target with this name, which a test wrote down.
    ///
    /// # Panics
    /// If there is none.
    pub fn named(name: &str) -> Target {
        Target::all().find(|target| target.variant.name == name).unwrap_or_else(|| panic!("no target {name}"))
    }

    /// Returns the target of a plugin's machine.
    ///
    /// # Errors
    /// If no oracle links for it.
    pub fn of_machine(machine: &Machine) -> Result<Target> {
        Target::find(machine.machine, machine.class, machine.order, machine.flags_value)
    }

    /// Reads the target from an object's header.
    ///
    /// # Errors
    /// If the header cannot be read, or no oracle links for its machine.
    pub fn of(elf: &[u8]) -> Result<Target> {
        let bytes = |at: usize, len: usize| elf.get(at..at + len).context("the object's ELF header");
        ensure!(elf.starts_with(b"\x7fELF"), "not an ELF file");
        let (class, big) = (if bytes(4, 1)? == [2] { 64 } else { 32 }, bytes(5, 1)? == [2]);
        let flags_at = if class == 64 { 48 } else { 36 };
        let (machine, flags): ([u8; 2], [u8; 4]) = (bytes(18, 2)?.try_into()?, bytes(flags_at, 4)?.try_into()?);
        if big {
            Target::find(u16::from_be_bytes(machine), class, order::BIG, u32::from_be_bytes(flags))
        } else {
            Target::find(u16::from_le_bytes(machine), class, order::LITTLE, u32::from_le_bytes(flags))
        }
    }

    fn find(machine: u16, class: u8, order: u8, flags: u32) -> Result<Target> {
        let is =
            |v: &Variant| (v.machine, v.class, v.order) == (machine, class, order) && flags & v.flags.0 == v.flags.1;
        Target::all().find(|target| is(target.variant)).with_context(|| {
            format!("no oracle links machine {machine}, {class} bits, order {order}, flags {flags:#x}")
        })
    }

    /// Returns the common start of the names of the target's GNU tools, such as `s390x-linux-gnu`.
    pub fn tools(self) -> &'static str {
        self.variant.gnu_ld.map_or("", |(ld, _)| ld.trim_end_matches("-ld"))
    }
}
