//! s390x.
//!
//! psABI: ELF Application Binary Interface, s390x Supplement,
//! <https://github.com/IBM/s390x-abi>, chapter "Relocation".
//!
//! What to know of it:
//!
//! * Everything is big-endian: data, and instructions of 2, 4 or 6 bytes. Instructions lie on even
//!   addresses, never more: places in code are even, places in data are anything.
//! * Instructions count distances in halfwords, from the *start* of the instruction. The displacement
//!   is half of the value (`DBL`), and an odd value has none: it is a fault, never rounded. The compiler
//!   puts the distance from the instruction to the place (2, in `bprp` also 1 and 3) into the addend.
//! * A memory operand is base register and displacement. Short ones are 12 bits without a sign, in
//!   the halfword whose top four bits name the register. Long ones are 20 bits with a sign, and lie
//!   in the word that begins with the register as `DL`, the low 12 bits, then `DH`, the high 8 bits;
//!   the word's last byte is the opcode's second half.
//! * `bprp` has a 12-bit distance beside a 4-bit mask, at an odd address, and one of 24 bits in three
//!   bytes. They end the instruction: there may be no fourth byte to read.
//! * `brasl` and `larl` reach 4 GiB either way. Before Linux 6.10 the kernel lies at 1 MiB and modules
//!   just below 4 TiB, so that nothing but a 64-bit word leads from one to the other: calls (`PLT32DBL`)
//!   go through a PLT entry if the target is out of reach, data is read through the GOT (`GOTENT`).
//!   `PC32DBL` has no such way out.
//! * GOT and PLT entries belong to a symbol, whatever the addend: `A` is added to the entry's address.
//! * `%r1` is free for linkage code at a call. A branch to it can be mispredicted; kernels that mind
//!   (`expoline`) execute it out of line: `exrl` of a `br`, and a loop behind it that stops speculation.
//! * Where psABI and practice differ: `PLT32` is `L + A` in the psABI's table and relative to the place
//!   in its sister `PLT64`, in GNU ld, lld and Linux: we do as they do. `GOTPC` is 64 bits wide in the
//!   psABI, GNU as, ld and lld, and 32 in Linux: we do as the psABI does.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use relobox_plugin::abi::{Machine, fault, order};
use relobox_plugin::{BySymbol, Cx, Field, Hooks, Job, Plan, Trouble, Value, architecture, slice};

const BYTE8: Field = Field::data(1);
const HALF16: Field = Field::data(2);
const WORD32: Field = Field::data(4);
const QUAD64: Field = Field::data(8);
const LOW12: Field = Field::insn(2, order::BIG, &[slice(0, 0, 12)]);
const MID20: Field = Field::insn(4, order::BIG, &[slice(0, 16, 12), slice(12, 8, 8)]);
const PC12: Field = Field::insn(2, order::BIG, &[slice(1, 0, 12)]);
const PC16: Field = Field::insn(2, order::BIG, &[slice(1, 0, 16)]);
const PC24: Field = Field::insn(3, order::BIG, &[slice(1, 0, 24)]);
const PC32: Field = Field::insn(4, order::BIG, &[slice(1, 0, 32)]);

architecture! {
    name: "s390x",
    title: "s390x (z/Architecture, 64-bit), big-endian, RELA",
    psabi: "https://github.com/IBM/s390x-abi",
    machines: [Machine {
        machine: 22,
        class: 64,
        order: order::BIG,
        flags_mask: 0,
        flags_value: 0,
        reserved: 0,
        // The last 2 GiB below 4 TiB are the modules'; the kernel of 6.10 and later is linked into them.
        base: 0x3ff_8000_0000,
        kernel: 0x3ff_e000_0000,
        reach: 0x1_0000_0000,
    }],
    addends: explicit,
    inputs: ["expoline" = 0],
    state: Tables,
    letters: (cx, S, A, P),
    rows: {
        R_390_8         = 1:  S + A,                   BYTE8,  unsigned 8;
        R_390_12        = 2:  S + A,                   LOW12,  unsigned 12;
        R_390_16        = 3:  S + A,                   HALF16, either 16;
        R_390_32        = 4:  S + A,                   WORD32, either 32;
        R_390_PC32      = 5:  S + A - P,               WORD32, signed 32;
        R_390_GOT12     = 6:  O(cx)? + A,              LOW12,  unsigned 12;
        R_390_GOT32     = 7:  O(cx)? + A,              WORD32, either 32;
        R_390_PLT32     = 8:  L(cx)? + A - P,          WORD32, signed 32;
        R_390_GOTOFF32  = 13: S + A - G(cx)?,          WORD32, either 32;
        R_390_GOTPC     = 14: G(cx)? + A - P,          QUAD64, unchecked;
        R_390_GOT16     = 15: O(cx)? + A,              HALF16, either 16;
        R_390_PC16      = 16: S + A - P,               HALF16, signed 16;
        R_390_PC16DBL   = 17: S + A - P,               PC16,   signed 17, align 2;
        R_390_PLT16DBL  = 18: S + A - P,               PC16,   signed 17, align 2, else far(cx, S)? + A - P;
        R_390_PC32DBL   = 19: S + A - P,               PC32,   signed 33, align 2;
        R_390_PLT32DBL  = 20: S + A - P,               PC32,   signed 33, align 2, else far(cx, S)? + A - P;
        R_390_GOTPCDBL  = 21: G(cx)? + A - P,          PC32,   signed 33, align 2;
        R_390_64        = 22: S + A,                   QUAD64, unchecked;
        R_390_PC64      = 23: S + A - P,               QUAD64, unchecked;
        R_390_GOT64     = 24: O(cx)? + A,              QUAD64, unchecked;
        R_390_PLT64     = 25: L(cx)? + A - P,          QUAD64, unchecked;
        R_390_GOTENT    = 26: G(cx)? + O(cx)? + A - P, PC32,   signed 33, align 2;
        R_390_GOTOFF16  = 27: S + A - G(cx)?,          HALF16, either 16;
        R_390_GOTOFF64  = 28: S + A - G(cx)?,          QUAD64, unchecked;
        R_390_GOTPLT12  = 29: T(cx)? + A,              LOW12,  unsigned 12;
        R_390_GOTPLT16  = 30: T(cx)? + A,              HALF16, either 16;
        R_390_GOTPLT32  = 31: T(cx)? + A,              WORD32, either 32;
        R_390_GOTPLT64  = 32: T(cx)? + A,              QUAD64, unchecked;
        R_390_GOTPLTENT = 33: G(cx)? + T(cx)? + A - P, PC32,   signed 33, align 2;
        R_390_PLTOFF16  = 34: L(cx)? - G(cx)? + A,     HALF16, either 16;
        R_390_PLTOFF32  = 35: L(cx)? - G(cx)? + A,     WORD32, either 32;
        R_390_PLTOFF64  = 36: L(cx)? - G(cx)? + A,     QUAD64, unchecked;
        R_390_20        = 57: S + A,                   MID20,  signed 20;
        R_390_GOT20     = 58: O(cx)? + A,              MID20,  signed 20;
        R_390_GOTPLT20  = 59: T(cx)? + A,              MID20,  signed 20;
        R_390_PC12DBL   = 62: S + A - P,               PC12,   signed 13, align 2;
        R_390_PLT12DBL  = 63: S + A - P,               PC12,   signed 13, align 2, else far(cx, S)? + A - P;
        R_390_PC24DBL   = 64: S + A - P,               PC24,   signed 25, align 2;
        R_390_PLT24DBL  = 65: S + A - P,               PC24,   signed 25, align 2, else far(cx, S)? + A - P;
    }
    ignored: { R_390_NONE = 0 }
    refused: {
        R_390_COPY = 9 "is for dynamic linking",
        R_390_GLOB_DAT = 10 "is for dynamic linking",
        R_390_JMP_SLOT = 11 "is for dynamic linking",
        R_390_RELATIVE = 12 "is for dynamic linking",
        R_390_TLS_LOAD = 37 "is thread-local storage, which a kernel does not have",
        R_390_TLS_GDCALL = 38 "is thread-local storage, which a kernel does not have",
        R_390_TLS_LDCALL = 39 "is thread-local storage, which a kernel does not have",
        R_390_TLS_GD32 = 40 "is thread-local storage of 31-bit code",
        R_390_TLS_GD64 = 41 "is thread-local storage, which a kernel does not have",
        R_390_TLS_GOTIE12 = 42 "is thread-local storage, which a kernel does not have",
        R_390_TLS_GOTIE32 = 43 "is thread-local storage of 31-bit code",
        R_390_TLS_GOTIE64 = 44 "is thread-local storage, which a kernel does not have",
        R_390_TLS_LDM32 = 45 "is thread-local storage of 31-bit code",
        R_390_TLS_LDM64 = 46 "is thread-local storage, which a kernel does not have",
        R_390_TLS_IE32 = 47 "is thread-local storage of 31-bit code",
        R_390_TLS_IE64 = 48 "is thread-local storage, which a kernel does not have",
        R_390_TLS_IEENT = 49 "is thread-local storage, which a kernel does not have",
        R_390_TLS_LE32 = 50 "is thread-local storage of 31-bit code",
        R_390_TLS_LE64 = 51 "is thread-local storage, which a kernel does not have",
        R_390_TLS_LDO32 = 52 "is thread-local storage of 31-bit code",
        R_390_TLS_LDO64 = 53 "is thread-local storage, which a kernel does not have",
        R_390_TLS_DTPMOD = 54 "is thread-local storage, which a kernel does not have",
        R_390_TLS_DTPOFF = 55 "is thread-local storage, which a kernel does not have",
        R_390_TLS_TPOFF = 56 "is thread-local storage, which a kernel does not have",
        R_390_TLS_GOTIE20 = 60 "is thread-local storage, which a kernel does not have",
        R_390_IRELATIVE = 61 "is for dynamic linking",
    }
}

/// Global offset table and procedure linkage table.
#[derive(Default)]
pub struct Tables {
    got: Entries,
    plt: Entries,
    expoline: bool,
}

/// One table: an entry for each symbol that needs one.
#[derive(Default)]
struct Entries {
    slots: BySymbol,
    section: Option<usize>,
}

/// A PLT entry without its last eight bytes, the target.
///
/// ```text
///  0  lgrl %r1, target
///  6  br   %r1
/// ```
const PLT: [u8; 8] = [0xc4, 0x18, 0, 0, 0, 4, 0x07, 0xf1];

/// The same where a branch to a register must not be predicted: gcc's thunk, inline.
///
/// ```text
///  0  lgrl %r1, target
///  6  exrl %r0, 16
/// 12  j    12
/// 16  br   %r1
/// ```
const PLT_EXPOLINE: [u8; 24] =
    [0xc4, 0x18, 0, 0, 0, 12, 0xc6, 0, 0, 0, 0, 5, 0xa7, 0xf4, 0, 0, 0x07, 0xf1, 0, 0, 0, 0, 0, 0];

/// What a type asks of plan: a GOT to count from,
const GOT: u8 = 1;
/// an entry in it,
const SLOT: u8 = 2;
/// a PLT entry,
const ENTRY: u8 = 4;
/// a PLT entry if the symbol is not the module's own: every part of a module reaches every other.
const ENTRY_OUTSIDE: u8 = 8;

/// Compiles to a look-up table.
const fn needs(kind: u32) -> u8 {
    use types::*;
    match kind {
        R_390_GOT12 | R_390_GOT16 | R_390_GOT20 | R_390_GOT32 | R_390_GOT64 | R_390_GOTENT => GOT | SLOT,
        R_390_GOTPLT12 | R_390_GOTPLT16 | R_390_GOTPLT20 => GOT | SLOT,
        R_390_GOTPLT32 | R_390_GOTPLT64 | R_390_GOTPLTENT => GOT | SLOT,
        R_390_GOTOFF16 | R_390_GOTOFF32 | R_390_GOTOFF64 | R_390_GOTPC | R_390_GOTPCDBL => GOT,
        R_390_PLTOFF16 | R_390_PLTOFF32 | R_390_PLTOFF64 => GOT | ENTRY,
        R_390_PLT32 | R_390_PLT64 | R_390_PLT12DBL | R_390_PLT16DBL | R_390_PLT24DBL => ENTRY,
        R_390_PLT32DBL => ENTRY_OUTSIDE,
        _ => 0,
    }
}

impl Hooks for Tables {
    fn plan(&mut self, job: &Job<'_>, _: &[u8], plan: &mut Plan) {
        let (mut all, count) = (0, job.symbols.len());
        for r in job.relocations {
            let needs = needs(r.kind);
            all |= needs;
            if needs & SLOT != 0 {
                self.got.slots.want(r.symbol, count);
            }
            let outside = || job.symbols.get(r.symbol as usize).is_some_and(|s| s.section == 0);
            if needs & ENTRY != 0 || needs & ENTRY_OUTSIDE != 0 && outside() {
                self.plt.slots.want(r.symbol, count);
            }
        }
        let is_table = |i: &u32| job.symbol_name(*i) == b"_GLOBAL_OFFSET_TABLE_";
        let table = (0..).zip(job.symbols).filter(|(_, s)| s.name.len != 0).map(|(i, _)| i).find(is_table);
        // A table that is only named still needs an address.
        let named = all & GOT != 0 || table.is_some();
        let bytes = (self.got.slots.count() * 8).max(if named { 8 } else { 0 });
        self.got.section = plan.rodata(".relobox.got", bytes, 8);
        if let (Some(symbol), Some(section)) = (table, self.got.section) {
            plan.supply_in(symbol, section, 0);
        }
        self.expoline = job.input("expoline").is_some_and(|on| on != 0);
        self.plt.section = plan.text(".relobox.plt", self.plt.slots.count() * self.plt_entry(), 8);
    }
}

impl Tables {
    /// Bytes of a PLT entry.
    fn plt_entry(&self) -> usize {
        8 + if self.expoline { PLT_EXPOLINE.len() } else { PLT.len() }
    }
}

/// The address of the GOT.
#[allow(non_snake_case, reason = "the psABI's letter")]
fn G(cx: &mut Cx<'_, Tables>) -> Result<Value, Trouble> {
    let got = cx.state.got.section.and_then(|i| cx.synthetic.get(i));
    got.map(|got| Value::of(got.address)).ok_or(Trouble::unpaired("no GOT was planned"))
}

/// The offset in the GOT of the symbol's address, which is filled in.
#[allow(non_snake_case, reason = "the psABI's letter")]
fn O(cx: &mut Cx<'_, Tables>) -> Result<Value, Trouble> {
    const NO_SLOT: Trouble = Trouble::unpaired("no GOT slot was planned for it");
    let (symbol, got) = (cx.relocation.symbol, &cx.state.got);
    let offset = got.slots.number(symbol).ok_or(NO_SLOT)? * 8;
    let section = got.section.and_then(|i| cx.synthetic.get_mut(i)).ok_or(NO_SLOT)?;
    let entry = section.contents.get_mut(offset..).ok_or(NO_SLOT)?;
    QUAD64.put(entry, true, value(cx.job.values, symbol).0);
    Ok(Value(offset as i64))
}

/// The psABI lets this slot hold the address of the PLT entry, for lazy binding; a kernel binds at once.
#[allow(non_snake_case, reason = "the psABI's letter")]
fn T(cx: &mut Cx<'_, Tables>) -> Result<Value, Trouble> {
    O(cx)
}

/// The address of the symbol's PLT entry, which is filled in.
#[allow(non_snake_case, reason = "the psABI's letter")]
fn L(cx: &mut Cx<'_, Tables>) -> Result<Value, Trouble> {
    const NO_ENTRY: Trouble = Trouble::unpaired("no PLT entry was planned for it");
    let (symbol, plt) = (cx.relocation.symbol, &cx.state.plt);
    let len = cx.state.plt_entry();
    let offset = plt.slots.number(symbol).ok_or(NO_ENTRY)? * len;
    let section = plt.section.and_then(|i| cx.synthetic.get_mut(i)).ok_or(NO_ENTRY)?;
    let entry = section.contents.get_mut(offset..offset + len).ok_or(NO_ENTRY)?;
    let (code, target) = entry.split_at_mut(len - 8);
    if code[0] == 0 {
        let value = value(cx.job.values, symbol);
        if value.0 & 1 != 0 {
            // The distance to the entry is even whatever the target is.
            let odd = Trouble::new(fault::MISALIGNED, "is not where an instruction can be");
            return Err(Trouble { value: value.0, min: 2, ..odd });
        }
        code.copy_from_slice(if cx.state.expoline { &PLT_EXPOLINE } else { &PLT });
        QUAD64.put(target, true, value.0);
    }
    Ok(Value::of(section.address) + offset as i64)
}

/// `L` where a branch does not reach `S`. A symbol of the module itself may have no entry (somebody has
/// torn the module's sections apart); then it stays `S`, and the fault says how far away it is.
fn far(cx: &mut Cx<'_, Tables>, s: Value) -> Result<Value, Trouble> {
    match cx.state.plt.slots.number(cx.relocation.symbol) {
        Some(_) => L(cx),
        None => Ok(s),
    }
}

fn value(values: &[u64], symbol: u32) -> Value {
    Value::of(values.get(symbol as usize).map_or(0, |v| *v))
}

#[cfg(test)]
mod tests;
