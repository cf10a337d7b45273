//! Plugins that are deliberately wrong, each in one way. None is shipped. They run natively, without a sandbox, so the
//! oracles alone must notice the defect.

use crate::module_spec::native::Native;
use crate::module_spec::{LinkError, LinkOutput, Linker, ModuleSpec, RowDescription};
use relobox_abi::{Machine, Slice, fault, order};
use relobox_plugin::{Cx, Field, Hooks, Trouble, Value, slice};
use std::sync::atomic::{AtomicI64, Ordering};

const WORD32: Field = Field::data(4);
const IMM12: Field = Field::insn(4, order::LITTLE, IMM12_BITS);
const IMM12_BITS: &[Slice] = &[slice(0, 7, 5), slice(5, 25, 7)];
const IMM26: Field = Field::insn(4, order::LITTLE, &[slice(2, 0, 26)]);
const IMM16: Field = Field::insn(4, order::LITTLE, &[slice(0, 0, 16)]);
const UPPER16: Field = Field::insn(4, order::LITTLE, &[slice(16, 0, 16)]);

const MACHINE: Machine = Machine {
    machine: 0xfeed,
    class: 64,
    order: order::LITTLE,
    flags_mask: 0,
    flags_value: 0,
    reserved: 0,
    base: 0x4000_0000,
    kernel: 0,
    reach: 0,
};

/// State that a toy plugin keeps between relocations.
#[derive(Debug, Default)]
pub struct Memory {
    seen: i64,
}

impl Hooks for Memory {}

/// Defines a toy plugin. All toys have the same six rows, and in each toy one row is wrong: not its formula, which the
/// description states correctly, but the functions around the formula.
macro_rules! toy {
    ($(#[$doc:meta])* $name:ident, ($cx:ident, $S:ident, $A:ident, $P:ident),
     $word:expr, $distance:expr, $imm:expr, $branch:expr, $high:expr, $low:expr) => {
        $(#[$doc])*
        pub mod $name {
            use super::*;
            relobox_plugin::architecture! {
                name: "toy", title: "A toy", psabi: "none",
                machines: [MACHINE],
                addends: explicit,
                state: Memory,
                letters: ($cx, $S, $A, $P),
                rows: {
                    R_TOY_32     = 1: $word,     WORD32,  either 32;
                    R_TOY_PC32   = 2: $distance, WORD32,  signed 32;
                    R_TOY_IMM12  = 3: $imm,      IMM12,   signed 12;
                    R_TOY_BRANCH = 4: $branch,   IMM26,   signed 28, align 4;
                    R_TOY_HI16   = 5: $high,     UPPER16, unchecked;
                    R_TOY_LO16   = 6: $low,      IMM16,   unchecked;
                }
                ignored: { R_TOY_NONE = 0 }
                refused: { "is for dynamic linking" => 7 [R_TOY_COPY]; }
            }
        }
    };
}

toy!(
    #[doc = "Right in everything: no oracle may fire."]
    right,
    (cx, S, A, P),
    S + A,
    S + A - P,
    S + A,
    S + A - P,
    S + A + 0x8000,
    S + A
);
toy!(
    #[doc = "Does not admit the largest value of a range."]
    short_range,
    (cx, S, A, P),
    S + A,
    S + A - P,
    below(S + A)?,
    S + A - P,
    S + A + 0x8000,
    S + A
);
toy!(
    #[doc = "Takes one value more than the range has."]
    long_range,
    (cx, S, A, P),
    S + A,
    S + A - P,
    squeezed(S + A),
    S + A - P,
    S + A + 0x8000,
    S + A
);
toy!(
    #[doc = "Does not round the high part."]
    missing_carry,
    (cx, S, A, P),
    S + A,
    S + A - P,
    S + A,
    S + A - P,
    carryless(S + A + 0x8000),
    S + A
);
toy!(
    #[doc = "Two bits of a field are exchanged."]
    wrong_bit,
    (cx, S, A, P),
    S + A,
    S + A - P,
    crossed(S + A),
    S + A - P,
    S + A + 0x8000,
    S + A
);
toy!(
    #[doc = "A low part depends on what was relocated before."]
    order_dependent,
    (cx, S, A, P),
    remember(cx, S + A),
    S + A - P,
    S + A,
    S + A - P,
    S + A + 0x8000,
    recall(cx, S + A)
);
toy!(
    #[doc = "Forgets to subtract the place."]
    forgets_place,
    (cx, S, A, P),
    S + A,
    forgetful(S + A - P, P),
    S + A,
    S + A - P,
    S + A + 0x8000,
    S + A
);
toy!(
    #[doc = "Subtracts the symbol."]
    wrong_sign,
    (cx, S, A, P),
    negated(S + A),
    S + A - P,
    S + A,
    S + A - P,
    S + A + 0x8000,
    S + A
);
toy!(
    #[doc = "Changes a bit behind its field."]
    neighbour,
    (cx, S, A, P),
    scribble(cx, S + A),
    S + A - P,
    S + A,
    S + A - P,
    S + A + 0x8000,
    S + A
);
toy!(
    #[doc = "Changes a bit of its word that is not of its field."]
    stray_bit,
    (cx, S, A, P),
    S + A,
    S + A - P,
    opcode(cx, S + A)?,
    S + A - P,
    S + A + 0x8000,
    S + A
);
toy!(
    #[doc = "Sets bits without clearing the field."]
    unclean,
    (cx, S, A, P),
    S + A,
    S + A - P,
    S + A,
    S + A - P,
    S + A + 0x8000,
    ored(cx, S + A)?
);
toy!(
    #[doc = "Rounds what is not aligned."]
    careless,
    (cx, S, A, P),
    S + A,
    S + A - P,
    S + A,
    rounded(S + A - P),
    S + A + 0x8000,
    S + A
);
toy!(
    #[doc = "Is different each time."]
    moody,
    (cx, S, A, P),
    S + A,
    S + A - P,
    S + A,
    S + A - P,
    S + A + 0x8000,
    S + A + mood()
);

fn below(value: Value) -> Result<Value, Trouble> {
    let out = Trouble { value: value.0, min: -2048, max: 2046, ..Trouble::new(fault::OUT_OF_RANGE, "") };
    if value.0 == 2047 { Err(out) } else { Ok(value) }
}

fn squeezed(value: Value) -> Value {
    if value.0 == 2048 { Value(2047) } else { value }
}

fn carryless(value: Value) -> Value {
    value - 0x8000
}

fn crossed(value: Value) -> Value {
    let bit = |n: u32| value.0 >> n & 1;
    Value(value.0 & !0x60 | bit(5) << 6 | bit(6) << 5)
}

fn remember(cx: &mut Cx<'_, Memory>, value: Value) -> Value {
    cx.state.seen = value.0 & 1;
    cx.state.seen |= 2;
    value
}

fn recall(cx: &mut Cx<'_, Memory>, value: Value) -> Value {
    value + if cx.state.seen & 2 != 0 { 1 } else { 0 }
}

fn forgetful(value: Value, place: Value) -> Value {
    (value + place).narrow()
}

fn negated(value: Value) -> Value {
    -value
}

fn scribble(cx: &mut Cx<'_, Memory>, value: Value) -> Value {
    let behind = usize::try_from(cx.relocation.offset).unwrap_or(0) + 4;
    if let Some(byte) = cx.data.get_mut(behind) {
        *byte ^= 1;
    }
    value
}

fn opcode(cx: &mut Cx<'_, Memory>, value: Value) -> Result<Value, Trouble> {
    let word = cx.word(&IMM12, cx.relocation.offset)?;
    cx.set_word(&IMM12, cx.relocation.offset, word ^ 1 << 12)?;
    Ok(value)
}

fn ored(cx: &mut Cx<'_, Memory>, value: Value) -> Result<Value, Trouble> {
    let there = IMM16.extract(cx.word(&IMM16, cx.relocation.offset)?);
    Ok(Value(value.0 | there as i64))
}

fn rounded(value: Value) -> Value {
    value & !3
}

fn mood() -> i64 {
    static MOOD: AtomicI64 = AtomicI64::new(0);
    MOOD.fetch_add(1, Ordering::SeqCst)
}

/// A linker whose fuel grows with the square of the number of relocations. It returns the inner linker's output with a
/// made-up fuel count.
pub struct Quadratic<L>(pub L);

impl<L: Linker> Linker for Quadratic<L> {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn machines(&self) -> &[Machine] {
        self.0.machines()
    }

    fn rows(&self) -> &[RowDescription] {
        self.0.rows()
    }

    fn link(&self, module: &ModuleSpec) -> Result<LinkOutput, LinkError> {
        let n = module.relocations() as u64;
        self.0.link(module).map(|answer| LinkOutput { fuel: Some(10_000 + 10 * n + n * n / 1000), ..answer })
    }
}

/// Returns every wrong toy with the oracles that may notice it. The first of them must.
pub fn toys() -> Vec<(&'static str, Box<dyn Linker>, &'static str)> {
    fn toy<A: relobox_plugin::Architecture + 'static>() -> Box<dyn Linker> {
        Box::new(Native::<A>::default())
    }
    vec![
        ("short_range", toy::<short_range::Arch>(), "edges"),
        ("long_range", toy::<long_range::Arch>(), "edges"),
        ("careless", toy::<careless::Arch>(), "edges"),
        ("missing_carry", toy::<missing_carry::Arch>(), "shift symbols"),
        ("wrong_bit", toy::<wrong_bit::Arch>(), "shift symbols"),
        ("wrong_sign", toy::<wrong_sign::Arch>(), "shift symbols"),
        ("forgets_place", toy::<forgets_place::Arch>(), "shift everything"),
        ("order_dependent", toy::<order_dependent::Arch>(), "permute"),
        ("neighbour", toy::<neighbour::Arch>(), "poison"),
        ("stray_bit", toy::<stray_bit::Arch>(), "poison"),
        ("unclean", toy::<unclean::Arch>(), "poison"),
        ("moody", toy::<moody::Arch>(), "repeat"),
    ]
}
