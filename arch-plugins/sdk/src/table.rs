//! The relocation table.

/// Declares an architecture: its description, its relocation table, and the exports of its guest.
///
/// ```
/// use relobox_plugin::abi::{Machine, order};
/// use relobox_plugin::testing::Module;
/// use relobox_plugin::{Field, architecture, slice};
///
/// const WORD32: Field = Field::data(4);
/// /// Bits 2 to 25 of the distance, in the low bits of the instruction.
/// const IMM24: Field = Field::insn(4, order::LITTLE, &[slice(2, 0, 24)]);
/// const UPPER20: Field = Field::insn(4, order::LITTLE, &[slice(12, 12, 20)]);
/// const LOWER12: Field = Field::insn(4, order::LITTLE, &[slice(0, 20, 12)]);
///
/// architecture! {
///     name: "toy", title: "An example", psabi: "not published",
///     machines: [Machine {
///         machine: 0x7e57, class: 32, order: order::LITTLE, flags_mask: 0, flags_value: 0, reserved: 0,
///         base: 0x4000_0000, kernel: 0x4100_0000, reach: 0x200_0000,
///     }],
///     addends: explicit,            // explicit (RELA), in_place (REL), or either
///     state: (),                    // implements Hooks
///     letters: (cx, S, A, P),       // names for the formulas: the context, and the psABI's letters
///     rows: {
///         R_TOY_32   = 1: S + A,         WORD32,  either 32;
///         R_TOY_CALL = 2: S + A - P,     IMM24,   signed 26, align 4;
///         R_TOY_HI   = 3: S + A + 0x800, UPPER20, signed 32;
///         R_TOY_LO   = 4: S + A,         LOWER12, unchecked;
///     }
///     values: { is absolute round 12: R_TOY_HI; }
///     pairs: { part R_TOY_HI: R_TOY_LO; }
///     ignored: { R_TOY_NONE = 0 }
///     refused: { R_TOY_COPY = 9 "is for dynamic linking" }
/// }
///
/// fn main() {
///     let mut module = Module::<Arch>::new();
///     let text = module.section(".text", 0x4000_0000, &[0; 8]);
///     let printk = module.symbol("_printk", 0x4000_1000);
///     module.relocate(text, 4, types::R_TOY_CALL, printk, 0);
///     let linked = module.link().unwrap();
///     assert_eq!(linked.section(text)[4..], (0xffcu32 >> 2).to_le_bytes());
/// }
/// ```
///
/// What contradicts itself does not compile, and the compiler's error names the row: a rule that there is not, more bits
/// than the field holds, slices that overlap, two rows of one type.
///
/// ```compile_fail
/// # use relobox_plugin::{Field, abi::{Machine, order}, architecture};
/// # const WORD32: Field = Field::data(4);
/// # architecture! {
/// #     name: "toy", title: "", psabi: "",
/// #     machines: [Machine { machine: 1, class: 32, order: order::LITTLE, flags_mask: 0, flags_value: 0, reserved: 0,
/// #         base: 0, kernel: 0, reach: 0 }],
/// #     addends: explicit, state: (), letters: (cx, S, A, P),
/// #     rows: {
/// R_TOY_32 = 1: S + A, WORD32, sigend 32;   // no such rule
/// #     }
/// #     ignored: {} refused: {}
/// # }
/// # fn main() {}
/// ```
/// ```compile_fail,E0080
/// # use relobox_plugin::{Field, abi::{Machine, order}, architecture};
/// # const WORD32: Field = Field::data(4);
/// # architecture! {
/// #     name: "toy", title: "", psabi: "",
/// #     machines: [Machine { machine: 1, class: 32, order: order::LITTLE, flags_mask: 0, flags_value: 0, reserved: 0,
/// #         base: 0, kernel: 0, reach: 0 }],
/// #     addends: explicit, state: (), letters: (cx, S, A, P),
/// #     rows: {
/// R_TOY_32 = 1: S + A, WORD32, signed 80;   // a word has 32 bits
/// #     }
/// #     ignored: {} refused: {}
/// # }
/// # fn main() {}
/// ```
/// ```compile_fail,E0080
/// # use relobox_plugin::{Field, abi::{Machine, order}, architecture};
/// # const WORD32: Field = Field::data(4);
/// # architecture! {
/// #     name: "toy", title: "", psabi: "",
/// #     machines: [Machine { machine: 1, class: 32, order: order::LITTLE, flags_mask: 0, flags_value: 0, reserved: 0,
/// #         base: 0, kernel: 0, reach: 0 }],
/// #     addends: explicit, state: (), letters: (cx, S, A, P),
/// #     rows: {
/// R_TOY_32 = 1: S + A, WORD32, signed 32;
/// R_TOY_16 = 1: S + A, WORD32, signed 16;   // the same type
/// #     }
/// #     ignored: {} refused: {}
/// # }
/// # fn main() {}
/// ```
///
/// A row reads: type, formula, field, rule, and then in this order what it needs of: `align N` (the
/// value is a multiple of N), `else FORMULA` (used where the first is out of range), `window START, LEN, ROUND` (bytes it may change, if not just the field),
/// `extra N` (plan may declare one more window of up to N bytes).
///
/// `values` and `pairs`, which may be left out, say what the conformance kit and the fuzzer cannot see in a formula.
/// `is E: ROWS` names the [`effect`](crate::abi::effect) that these formulas have, in lower case, and `of E: ROWS` the one
/// that they are a function of; `round N` behind it says that they round for a signed low half of N bits. `S + A` and
/// `S + A - P` need no words; a formula that calls a function named by a psABI's letter for a table or an entry in it
/// (`G`, `GOT`, `O`, `L`, `T`) says `slot` by itself. `HOW R_OTHER: ROWS` pairs rows; see [`pairing`](crate::abi::pairing).
///
/// Rules: `signed N`, `unsigned N`, `either N`, `unchecked`, `whole` (unchecked, and in a 32-bit class
/// the formula's 64 bits are not cut to 32 and sign-extended), and `by_hand`: then the formula is a
/// function that has written the field itself and gives `()`.
///
/// A formula is an expression of type [`Value`](crate::Value); `?` passes a
/// [`Trouble`](crate::Trouble) on. Where `kind_mask` is given, the row is chosen by those bits only.
/// With `zero_places: true` a place that is not zero before is a fault.
#[macro_export]
macro_rules! architecture {
    (
        name: $arch:literal, title: $title:literal, psabi: $psabi:literal,
        machines: [$($machine:expr),* $(,)?],
        addends: $addends:ident,
        $(kind_mask: $mask:literal,)?
        $(zero_places: $zero:literal,)?
        $(inputs: [$($input:literal = $default:literal),* $(,)?],)?
        state: $state:ty,
        letters: ($cx:ident, $S:ident, $A:ident, $P:ident),
        rows: { $(
            $(#[$meta:meta])*
            $name:ident = $kind:literal: $formula:expr, $field:ident, $rule:ident $($bits:literal)?
            $(, align $align:literal)? $(, else $else:expr)?
            $(, window $wstart:literal, $wlen:literal, $wround:literal)? $(, extra $extra:literal)?;
        )* }
        $(values: { $($is:ident $effect:ident $(round $round:literal)?: $($valued:ident),+ $(,)?;)* })?
        $(pairs: { $($pairing:ident $partner:ident: $($paired:ident),+ $(,)?;)* })?
        ignored: { $($iname:ident = $ikind:literal),* $(,)? }
        refused: { $($rname:ident = $rkind:literal $why:literal),* $(,)? }
    ) => {
        /// The architecture.
        pub struct Arch;

        #[allow(dead_code, reason = "a type's number is useful to hooks and tests")]
        #[doc(hidden)]
        pub mod types {
            $(pub const $name: u32 = $kind;)*
            $(pub const $iname: u32 = $ikind;)*
            $(pub const $rname: u32 = $rkind;)*
        }

        const KIND_MASK: u32 = $crate::__or!([$($mask)?] u32::MAX);
        const ZERO_PLACES: bool = $crate::__or!([$($zero)?] false);

        /// Effect, rounding and flag of a row.
        const fn value_of(kind: u32, formula: &str) -> (u8, u8, u32) {
            match kind {
                $($($(types::$valued)|+ => (
                    $crate::__effect!($effect),
                    $crate::__or!([$($round)?] 0),
                    $crate::__derived!($is),
                ),)*)?
                _ => ($crate::__effect_of(formula), 0, 0),
            }
        }

        const fn pair_of(kind: u32) -> (u8, u32) {
            match kind {
                $($($(types::$paired)|+ => ($crate::__pairing!($pairing), types::$partner),)*)?
                _ => ($crate::abi::pairing::NONE, 0),
            }
        }

        // Each row under its own name, so that the compiler's error names it.
        #[allow(dead_code, non_upper_case_globals, reason = "only evaluated")]
        mod verified {
            const table: () = $crate::__verify_table(&<super::Arch as $crate::Architecture>::ABOUT);
            $(const $name: () = $crate::__verify_row(&<super::Arch as $crate::Architecture>::ABOUT, $kind);)*
        }

        impl $crate::Architecture for Arch {
            type State = $state;

            const ABOUT: $crate::About = $crate::About {
                name: $arch,
                title: $title,
                psabi: $psabi,
                machines: &[$($machine),*],
                kind_mask: KIND_MASK,
                inputs: &[$($(($input, $default)),*)?],
                rows: &[
                    $($crate::RowInfo {
                        kind: $kind,
                        name: stringify!($name),
                        formula: stringify!($formula),
                        field: stringify!($field),
                        slices: $field.slices,
                        width: $field.width,
                        order: $field.order,
                        rule: $crate::__rule!([$rule $($bits)?] $crate::__or!([$($align)?] 1)),
                        flags: $crate::__flags!([$rule $($bits)?] ZERO_PLACES [$($else)?])
                            | value_of($kind, stringify!($formula)).2,
                        window: $crate::__or!([$(($wstart, $wlen, $wround))?] (0, $field.width, 1)),
                        extra: $crate::__or!([$($extra)?] 0),
                        effect: value_of($kind, stringify!($formula)).0,
                        round: value_of($kind, stringify!($formula)).1,
                        pair: pair_of($kind),
                    },)*
                    $($crate::RowInfo::bare($ikind, stringify!($iname), "", $crate::abi::row_flag::NOP),)*
                    $($crate::RowInfo::bare($rkind, stringify!($rname), $why, $crate::abi::row_flag::REJECT),)*
                ],
            };

            fn apply<'a>(cx: &mut $crate::Cx<'a, $state>, relocations: &'a [$crate::abi::Relocation]) {
                let have = (cx.job.big_endian(), cx.job.header.class == 32, $crate::__in_place(cx));
                if !$crate::__addends!($addends).contains(&have.2) {
                    return $crate::__wrong_addends(cx);
                }
                // Byte order, class and addend form are settled once, outside the loop; combinations
                // that no machine of this plugin has fold away.
                $crate::__dispatch!(apply(cx, relocations), have, $crate::__addends!($addends);
                    (false false false) (false false true) (false true false) (false true true)
                    (true false false) (true false true) (true true false) (true true true));
            }
        }

        #[allow(unused_variables, non_snake_case, clippy::unit_arg, clippy::ignored_unit_patterns,
                reason = "the letters are the psABI's, and few rows use all of them")]
        fn apply<'a, const BIG: bool, const NARROW: bool, const IN_PLACE: bool>(
            cx: &mut $crate::Cx<'a, $state>,
            relocations: &'a [$crate::abi::Relocation],
        ) {
            let base = cx.section.address;
            $crate::__each(cx, relocations, #[inline(always)] |$cx, r, s| {
                let $S = $crate::Value::of(s);
                let $P = $crate::Value::of(base.wrapping_add(r.offset));
                match r.kind & KIND_MASK {
                    $($kind => {
                        let Some(place) = $crate::__place($cx.data, r.offset, $field.width) else {
                            return $cx.stand(relocations, r).outside();
                        };
                        let $A = if IN_PLACE {
                            $crate::Value($field.addend(place, BIG))
                        } else {
                            $crate::Value(r.addend)
                        };
                        $crate::__write!(
                            [$rule $($bits)?] $cx, (relocations, r), $formula, $field, [$($else)?],
                            $crate::__or!([$($align)?] 1), BIG, NARROW
                        )
                    })*
                    $($ikind => {})*
                    $($rkind => $cx.stand(relocations, r).report($crate::Trouble::new($crate::abi::fault::REJECTED, $why)),)*
                    other => $cx.stand(relocations, r).report($crate::__unknown(other)),
                }
            });
        }

        $crate::guest!(Arch);
    };
}

/// The first if there is one, else the second.
#[macro_export]
#[doc(hidden)]
macro_rules! __or {
    ([] $default:expr) => {
        $default
    };
    ([$value:expr] $default:expr) => {
        $value
    };
}

#[macro_export]
#[doc(hidden)]
macro_rules! __addends {
    (explicit) => {
        [false]
    };
    (in_place) => {
        [true]
    };
    (either) => {
        [false, true]
    };
}

#[macro_export]
#[doc(hidden)]
macro_rules! __rule {
    ([signed $bits:literal] $align:expr) => {
        $crate::Rule { kind: $crate::abi::rule::SIGNED, bits: $bits, align: $align }
    };
    ([unsigned $bits:literal] $align:expr) => {
        $crate::Rule { kind: $crate::abi::rule::UNSIGNED, bits: $bits, align: $align }
    };
    ([either $bits:literal] $align:expr) => {
        $crate::Rule { kind: $crate::abi::rule::EITHER, bits: $bits, align: $align }
    };
    ([unchecked] $align:expr) => {
        $crate::Rule { kind: $crate::abi::rule::NONE, bits: 64, align: $align }
    };
    ([whole] $align:expr) => {
        $crate::__rule!([unchecked] $align)
    };
    ([by_hand] $align:expr) => {
        $crate::__rule!([unchecked] $align)
    };
    ([$($other:tt)*] $align:expr) => {
        compile_error!(concat!("no such rule: `", stringify!($($other)*),
            "`; there are `signed N`, `unsigned N`, `either N`, `unchecked`, `whole` and `by_hand`"))
    };
}

#[macro_export]
#[doc(hidden)]
macro_rules! __flags {
    ([by_hand] $zero:ident []) => {
        $crate::abi::row_flag::BY_HAND
    };
    ([$($rule:tt)*] $zero:ident []) => {
        if $zero { $crate::abi::row_flag::ZERO } else { 0 }
    };
    ([$($rule:tt)*] $zero:ident [$else:expr]) => {
        $crate::abi::row_flag::FALLBACK
    };
}

#[macro_export]
#[doc(hidden)]
macro_rules! __derived {
    (is) => {
        0
    };
    (of) => {
        $crate::abi::row_flag::DERIVED
    };
}

#[macro_export]
#[doc(hidden)]
macro_rules! __effect {
    (absolute) => {
        $crate::abi::effect::ABSOLUTE
    };
    (relative) => {
        $crate::abi::effect::RELATIVE
    };
    (plus) => {
        $crate::abi::effect::PLUS
    };
    (minus) => {
        $crate::abi::effect::MINUS
    };
    (pages) => {
        $crate::abi::effect::PAGES
    };
    (in_page) => {
        $crate::abi::effect::IN_PAGE
    };
    (partner) => {
        $crate::abi::effect::PARTNER
    };
    (slot) => {
        $crate::abi::effect::SLOT
    };
    (size) => {
        $crate::abi::effect::SIZE
    };
}

#[macro_export]
#[doc(hidden)]
macro_rules! __pairing {
    (next) => {
        $crate::abi::pairing::NEXT
    };
    (label) => {
        $crate::abi::pairing::LABEL
    };
    (labelled) => {
        $crate::abi::pairing::LABELLED
    };
    (behind) => {
        $crate::abi::pairing::BEHIND
    };
    (place) => {
        $crate::abi::pairing::PLACE
    };
    (part) => {
        $crate::abi::pairing::PART
    };
}

#[macro_export]
#[doc(hidden)]
macro_rules! __narrows {
    (whole) => {
        false
    };
    ($($other:tt)*) => {
        true
    };
}

/// `apply` with the constants that `$have` holds at run time.
#[macro_export]
#[doc(hidden)]
macro_rules! __dispatch {
    ($apply:ident($cx:expr, $relocations:expr), $have:expr, $addends:expr; $(($big:literal $narrow:literal $in_place:literal))*) => {$(
        if const { $crate::__possible(&<Arch as $crate::Architecture>::ABOUT, &$addends, $big, $narrow, $in_place) }
            && $have == ($big, $narrow, $in_place)
        {
            return $apply::<$big, $narrow, $in_place>($cx, $relocations);
        }
    )*};
}

/// One row. Few branches on the way that nearly all relocations take: fuel is counted at each, and
/// what goes wrong is found out again, apart.
#[macro_export]
#[doc(hidden)]
macro_rules! __write {
    ([by_hand] $cx:ident, ($all:ident, $r:ident), $formula:expr, $field:ident, [], $align:expr, $big:ident, $narrow:ident) => {{
        $cx.stand($all, $r);
        let () = $crate::__value!($cx, ($all, $r), $formula);
    }};
    ([$($rule:tt)*] $cx:ident, ($all:ident, $r:ident), $formula:expr, $field:ident, [$($else:expr)?], $align:expr, $big:ident, $narrow:ident) => {{
        const RULE: $crate::Rule = $crate::__rule!([$($rule)*] $align);
        // A formula that is letters only does not ask where it stands.
        if const { $crate::__mentions(stringify!($formula), stringify!($cx)) } {
            $cx.stand($all, $r);
        }
        let value: $crate::Value = $crate::__value!($cx, ($all, $r), $formula);
        let value = if $narrow && $crate::__narrows!($($rule)*) { value.narrow() } else { value };
        $(let value = if RULE.in_range(value) {
            value
        } else {
            $cx.stand($all, $r);
            $crate::__value!($cx, ($all, $r), $else)
        };)?
        let Some(place) = $crate::__place($cx.data, $r.offset, $field.width) else {
            return $cx.stand($all, $r).outside();
        };
        let before = if ZERO_PLACES { $field.word(place, $big) } else { 0 };
        if RULE.in_range(value) & RULE.aligned(value) & (before == 0) {
            $field.put(place, $big, value.0);
        } else {
            $cx.stand($all, $r).inadmissible(&RULE, value, before);
        }
    }};
}

/// A formula's value; its trouble is reported of this relocation, also if the formula did not name the context, and ends
/// the row.
#[macro_export]
#[doc(hidden)]
macro_rules! __value {
    ($cx:ident, ($all:ident, $r:ident), $formula:expr) => {
        match (|| Ok($formula))() {
            Ok(value) => value,
            Err(trouble) => {
                let trouble: $crate::Trouble = trouble;
                return $cx.stand($all, $r).report(trouble);
            }
        }
    };
}

use crate::{About, Cx, Trouble};
use relobox_abi::{fault, order};

/// Whether a plugin can meet this combination at all.
#[must_use]
pub const fn possible(about: &About, addends: &[bool], big: bool, narrow: bool, in_place: bool) -> bool {
    let (mut form, mut i) = (false, 0);
    while i < addends.len() {
        form |= addends[i] == in_place;
        i += 1;
    }
    let (mut machine, mut i) = (false, 0);
    while i < about.machines.len() {
        let m = &about.machines[i];
        machine |= (m.order == order::BIG) == big && (m.class == 32) == narrow;
        i += 1;
    }
    form && machine
}

/// No row has this type.
#[cold]
#[must_use]
pub const fn unknown(kind: u32) -> Trouble {
    Trouble { value: kind as i64, ..Trouble::new(fault::UNKNOWN_TYPE, "") }
}

/// The whole group has its addends in the wrong place.
#[cold]
pub fn wrong_addends<T>(cx: &mut Cx<'_, T>) {
    cx.report(Trouble::new(fault::ADDEND_FORM, ""));
}
