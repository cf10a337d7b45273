//! A vector as text and as a module.

use crate::module_spec::{ModuleSpec, Relocation, RowDescription, Section, Symbol, SymbolKind};
use anyhow::{Context as _, Result, bail, ensure};
use relobox::text::hex;
use relobox_abi::{Machine, order};
use std::fmt;

/// The description of the format at the top of every file.
pub const FORMAT: &str = "\
# One vector a line:
#
#   MACHINE TYPE LABEL | at=ADDRESS s=VALUE ... | @OFFSET SYMBOL+ADDEND, ... | BEFORE -> AFTER | BY | differs: WHY
#
#   MACHINE  class and byte order: 64l is 64 bits, little-endian; -2: by these e_flags; -rel: addends stand in place.
#   LABEL    what the value is, by the row's range (max+1, odd, a5 ...), and the poison around and in the field.
#   at       the section's address. s, t: values of undefined symbols. So P = at + OFFSET, S = s.
#   GOT, G   where the linker's global offset table begins, and where the slot of s lies.
#   L        where the linker's own code for s lies (PLT entry or veneer); where there is none, L = S.
#   @OFFSET  the place. SYMBOL: s, t; .8 is a label 8 bytes into the section, .0:0x20 one of size 0x20; w is weak and
#            missing. Further relocations of the section follow, each after its type.
#   BEFORE   the section's bytes. AFTER: its bytes once linked; `slot` has those of the slot of s. Or how it is
#            refused: overflow, misaligned, refused. Or `through VALUE`: the field leads to VALUE through a PLT
#            entry or a veneer.
#   BY       who recorded AFTER; the versions are below. `psABI`: neither linker, the text after `differs:` says why.
#   differs  the linkers disagree, or relobox deliberately does otherwise; the reason, and what they say.
#
# Do not edit: `cargo run -p relobox-tests --bin bless` writes this file, and differences are declared in
# the architecture's file in tests/src/arch/.
";

/// A golden vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vector {
    /// The machine, such as `64l` or `32b-rel`.
    pub machine: String,
    /// The name of the relocation type under test.
    pub name: String,
    /// The name of the value and the poison.
    pub label: String,
    /// The address of the section.
    pub at: u64,
    /// The values of undefined symbols by name, and of `GOT`, `G` and `L`.
    pub values: Vec<(String, u64)>,
    /// The relocations, beginning with the one under test.
    pub sites: Vec<Site>,
    /// The contents of the section before linking.
    pub before: Vec<u8>,
    /// The expected outcome.
    pub after: Outcome,
    /// The linkers that gave this answer.
    pub by: String,
    /// The reason why the answer differs from that of a linker.
    pub differs: Option<String>,
}

/// A relocation of a vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The name of the type.
    pub name: String,
    /// The offset in the section.
    pub offset: u64,
    /// The symbol: `s`, `.8`, `.0:0x20`, `w`.
    pub symbol: String,
    /// The addend.
    pub addend: i64,
}

/// The outcome of linking a vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The contents after linking, and the contents of the slot of `s`.
    Bytes(Vec<u8>, Option<Vec<u8>>),
    /// The field leads to this address through code that the linker made.
    Through(u64),
    /// The value is out of range.
    Overflow,
    /// The value is misaligned.
    Misaligned,
    /// The linker refuses the vector for another reason.
    Refused,
    /// The linker does not know the type. This never occurs in a file.
    Unsupported,
}

fn unhex(text: &str) -> Result<Vec<u8>> {
    let pair = |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..text.len()).step_by(2).map(|at| pair(at).with_context(|| format!("{text} is not hexadecimal"))).collect()
}

fn number(text: &str) -> Result<u64> {
    let digits = text.strip_prefix("0x").with_context(|| format!("{text} is not a number"))?;
    u64::from_str_radix(digits, 16).with_context(|| text.to_owned())
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes, None) => f.write_str(&hex(bytes)),
            Self::Bytes(bytes, Some(slot)) => write!(f, "{} slot {}", hex(bytes), hex(slot)),
            Self::Through(value) => write!(f, "through {value:#x}"),
            Self::Overflow => f.write_str("overflow"),
            Self::Misaligned => f.write_str("misaligned"),
            Self::Refused => f.write_str("refused"),
            Self::Unsupported => f.write_str("unsupported"),
        }
    }
}

impl Outcome {
    fn parse(text: &str) -> Result<Self> {
        Ok(match text.split_once(' ') {
            Some(("through", value)) => Self::Through(number(value)?),
            Some((bytes, slot)) => {
                let slot = slot.strip_prefix("slot ").context("a slot")?;
                Self::Bytes(unhex(bytes)?, Some(unhex(slot)?))
            }
            None => match text {
                "overflow" => Self::Overflow,
                "misaligned" => Self::Misaligned,
                "refused" => Self::Refused,
                _ => Self::Bytes(unhex(text)?, None),
            },
        })
    }

    /// Returns whether the vector was linked.
    pub fn is_linked(&self) -> bool {
        matches!(self, Self::Bytes(..) | Self::Through(_))
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.addend < 0 { '-' } else { '+' };
        write!(f, "@{} {}{sign}{:#x}", self.offset, self.symbol, self.addend.unsigned_abs())
    }
}

impl Site {
    fn parse(text: &str, first: Option<&str>) -> Result<Self> {
        let mut words = text.split(' ');
        let mut next = || words.next().with_context(|| format!("{text} is not a relocation"));
        let name = match first {
            Some(name) => name,
            None => next()?,
        };
        let offset = next()?.strip_prefix('@').context("an offset")?.parse()?;
        let target = next()?;
        let sign = target.rfind(['+', '-']).context("an addend")?;
        let (symbol, addend) = target.split_at(sign);
        let magnitude = number(&addend[1..])?;
        let addend = if addend.starts_with('-') { magnitude.wrapping_neg() } else { magnitude } as i64;
        Ok(Self { name: name.to_owned(), offset, symbol: symbol.to_owned(), addend })
    }
}

impl fmt::Display for Vector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} | at={:#x}", self.machine, self.name, self.label, self.at)?;
        self.values.iter().try_for_each(|(name, value)| write!(f, " {name}={value:#x}"))?;
        f.write_str(" | ")?;
        for (i, site) in self.sites.iter().enumerate() {
            match i {
                0 => write!(f, "{site}")?,
                _ => write!(f, ", {} {site}", site.name)?,
            }
        }
        write!(f, " | {} -> {} | {}", hex(&self.before), self.after, self.by)?;
        self.differs.iter().try_for_each(|why| write!(f, " | differs: {why}"))
    }
}

impl Vector {
    /// Parses a line.
    ///
    /// # Errors
    ///
    /// If the line is malformed.
    pub fn parse(line: &str) -> Result<Self> {
        let parts: Vec<&str> = line.split(" | ").collect();
        ensure!(matches!(parts.len(), 5 | 6), "{} parts", parts.len());
        let head: Vec<&str> = parts[0].split(' ').collect();
        let [machine, name, label] = head[..] else { bail!("the first part") };
        let mut values = Vec::new();
        for word in parts[1].split(' ') {
            let (name, value) = word.split_once('=').context("NAME=VALUE")?;
            values.push((name.to_owned(), number(value)?));
        }
        ensure!(values.first().is_some_and(|v| v.0 == "at"), "an address");
        let at = values.remove(0).1;
        let mut sites = Vec::new();
        for (i, text) in parts[2].split(", ").enumerate() {
            sites.push(Site::parse(text, if i == 0 { Some(name) } else { None })?);
        }
        let (before, after) = parts[3].split_once(" -> ").context("BEFORE -> AFTER")?;
        let differs = match parts.get(5) {
            Some(text) => Some(text.strip_prefix("differs: ").context("differs:")?.to_owned()),
            None => None,
        };
        let (before, after) = (unhex(before)?, Outcome::parse(after)?);
        let [machine, name, label, by] = [machine, name, label, parts[4]].map(str::to_owned);
        Ok(Self { machine, name, label, at, values, sites, before, after, by, differs })
    }

    /// Returns the value of `s`, `G` and so on.
    pub fn value(&self, name: &str) -> Option<u64> {
        self.values.iter().find(|v| v.0 == name).map(|v| v.1)
    }

    /// Sets or removes such a value.
    pub fn set(&mut self, name: &str, value: Option<u64>) {
        self.values.retain(|v| v.0 != name);
        self.values.extend(value.map(|value| (name.to_owned(), value)));
    }

    /// Returns whether the vector must be linked in a module of its own, because it depends on the linker's sections.
    pub fn is_alone(&self) -> bool {
        self.value("G").or(self.value("GOT")).or(self.value("L")).is_some() || matches!(self.after, Outcome::Through(_))
    }

    /// Adds the vector to `module` as a further section with its own symbols, and returns the index of the section.
    ///
    /// # Errors
    ///
    /// If a type or a symbol of the vector does not exist.
    pub fn add_to(&self, module: &mut ModuleSpec, rows: &[RowDescription]) -> Result<usize> {
        let index = module.sections.len();
        let mut relocations = Vec::new();
        for site in &self.sites {
            let row = rows.iter().find(|row| row.name == site.name).with_context(|| format!("no row {}", site.name))?;
            let symbol = module.symbol(self.symbol(&site.symbol, index)?);
            relocations.push(Relocation { offset: site.offset, kind: row.row.kind, symbol, addend: site.addend });
        }
        module.sections.push(Section { address: self.at, bytes: self.before.clone(), relocations });
        Ok(index)
    }

    fn symbol(&self, text: &str, section: usize) -> Result<Symbol> {
        let name = format!("{text}{section:x}");
        Ok(match text.strip_prefix('.') {
            Some(label) => {
                let (offset, size) = label.split_once(':').unwrap_or((label, "0x0"));
                Symbol { name, kind: SymbolKind::Label(section, offset.parse()?), size: number(size)? }
            }
            None if text == "w" => Symbol { name, kind: SymbolKind::Missing, size: 0 },
            None => {
                let value = self.value(text).with_context(|| format!("{text} has no value"))?;
                Symbol { name, kind: SymbolKind::Outside(value), size: 0 }
            }
        })
    }
}

/// Returns the name of a machine in vectors.
pub(super) fn machine_name(machine: &Machine, in_place: bool) -> String {
    let order = if machine.order == order::BIG { 'b' } else { 'l' };
    let flags = if machine.flags_value == 0 { String::new() } else { format!("-{:x}", machine.flags_value) };
    format!("{}{order}{flags}{}", machine.class, if in_place { "-rel" } else { "" })
}
