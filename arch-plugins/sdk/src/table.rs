//! The relocation table.

/// Declares an architecture: its description, its relocation table, and the exports of its guest.
///
/// ```
/// use relobox_plugin::abi::{Machine, order};
/// use relobox_plugin::testing::Module;
/// use relobox_plugin::{DYNAMIC, Field, architecture, slice};
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
///         R_TOY_32   = 1: S + A,     WORD32,  either 32;
///         R_TOY_CALL = 2: S + A - P, IMM24,   signed 26, align 4;
///         R_TOY_HI   = 3: S + A,     UPPER20, signed 32, high 12;
///         R_TOY_LO   = 4: S + A,     LOWER12, unchecked, low R_TOY_HI;
///     }
///     ignored: { R_TOY_NONE = 0 }
///     refused: {
///         DYNAMIC => 9..=10 [R_TOY_COPY, R_TOY_RELATIVE], 12 [R_TOY_IRELATIVE];
///         "is for a processor that was never built" => 11 [R_TOY_WIDE];
///     }
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
/// A row reads: type, formula, field, rule, and then in this order what it needs of
///
/// | | |
/// |---|---|
/// | `align N` | the value is a multiple of N |
/// | `else FORMULA` | used where the first is out of range |
/// | `needs SLOT \| GOT` | what must be made before there are addresses: bits of [`needs`](crate::needs), or the architecture's own, from [`OWN`](crate::needs::OWN) up, for [`Hooks::need`](crate::Hooks::need) |
/// | `window START, LEN, ROUND` | bytes it may change, if not just the field |
/// | `extra N` | plan may declare one more window of up to N bytes |
/// | `high N` | the value is rounded, since the N bits below the field belong to a low half that has a sign: the rule speaks of value + 2^(N-1), and the bits from N up come from that |
/// | `is E`, `of E` | the [`effect`](crate::abi::effect) in lower case that the formula has, or that it is a function of; `is E round N` if the formula rounds by itself |
/// | `pair HOW R_OTHER` | the row's [`pairing`](crate::abi::pairing), in lower case |
/// | `low R_OTHER` | it holds the part of a value below the one that `R_OTHER` holds: `pair part R_OTHER` |
///
/// `is`, `of` and `pair` say what the conformance kit and the fuzzer cannot see in a formula. They see `S + A`, `S + A - P`,
/// `Z + A`, `V + S + A`, `V - S - A`, `page(S + A) - page(P)`, `lo12(S + A)`; that a value depends on a table, by the letters
/// `G`, `GOT`, `O`, `L` and `T`; and with `high`, the same in the first argument of a function around the whole.
///
/// Letters beyond the first four stand in the same parentheses: a fifth is what the field holds before (`V`); behind a
/// semicolon, each has its meaning, an expression that is computed for the rows whose formula has the letter:
/// `letters: (cx, S, A, P, V; GOT = cx.got()?, G = cx.slot()?)`.
///
/// Rules: `signed N`, `unsigned N`, `either N`, `unchecked`, `whole` (unchecked, and in a 32-bit class
/// the formula's 64 bits are not cut to 32 and sign-extended), and `by_hand`: then the formula is a
/// function that has written the field itself and gives `()`.
///
/// A formula is an expression of type [`Value`](crate::Value); `?` passes a
/// [`Trouble`](crate::Trouble) on. Where `kind_mask` is given, the row is chosen by those bits only.
/// With `zero_places: true` a place that is not zero before is a fault. With `sign_extends: true` the addresses of a 32-bit
/// class are sign-extended, for processors that hold them so in 64 bits: what is `whole` then has the right upper half.
///
/// `inputs`, `remade` and `details` may be left out: numbers from the kernel with their defaults, the sections that Linux's
/// loader makes anew ([`Remade`](crate::Remade)), and what rows cannot say of themselves ([`Detail`](crate::abi::Detail)).
/// So may `decoding: "decoding.txt"`: a file beside the source with decoding rules, which say what the processor reads
/// from the fields and stubs that the plugin writes. The conformance kit, whose documentation describes them, compares.
///
/// `refused` has for each reason the numbers, and names in the order of the numbers; [`TLS`](crate::TLS) and
/// [`DYNAMIC`](crate::DYNAMIC) are reasons that most architectures have.
#[macro_export]
macro_rules! architecture {
    (
        name: $arch:literal, title: $title:literal, psabi: $psabi:literal,
        machines: [$($machine:expr),* $(,)?],
        addends: $addends:ident,
        $(kind_mask: $mask:literal,)?
        $(zero_places: $zero:literal,)?
        $(sign_extends: $extends:literal,)?
        $(inputs: [$($input:literal = $default:literal),* $(,)?],)?
        $(remade: [$($remade:expr),* $(,)?],)?
        $(details: [$($detail:expr),* $(,)?],)?
        $(decoding: $decoding:literal,)?
        state: $state:ty,
        letters: $letters:tt,
        rows: { $(
            $(#[$meta:meta])*
            $name:ident = $kind:literal: $formula:expr, $field:ident, $rule:ident $($bits:literal)?
            $(, align $align:literal)? $(, else $else:expr)? $(, needs $($need:ident)|+)?
            $(, window $wstart:literal, $wlen:literal, $wround:literal)? $(, extra $extra:literal)?
            $(, high $high:literal)? $(, is $is:ident $(round $round:literal)?)? $(, of $of:ident)?
            $(, pair $pairing:ident $partner:ident)? $(, low $above:ident)?;
        )* }
        ignored: { $($iname:ident = $ikind:literal),* $(,)? }
        refused: { $(
            $why:expr => $($rfirst:literal $(..= $rlast:literal)? [$rname:ident $(, $rnext:ident)* $(,)?]),+;
        )* }
    ) => {
        /// The architecture.
        pub struct Arch;

        #[allow(dead_code, reason = "a type's number is useful to hooks and tests")]
        #[doc(hidden)]
        pub mod types {
            $(pub const $name: u32 = $kind;)*
            $(pub const $iname: u32 = $ikind;)*
            // Counts, and refuses a number that is given twice.
            #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
            #[repr(u32)]
            enum Refused {
                $($($rname = $rfirst, $($rnext,)*)+)*
                Last = u32::MAX,
            }
            $($(
                pub const $rname: u32 = Refused::$rname as u32;
                $(pub const $rnext: u32 = Refused::$rnext as u32;)*
            )+)*
        }

        const KIND_MASK: u32 = $crate::__or!([$($mask)?] u32::MAX);
        const ZERO_PLACES: bool = $crate::__or!([$($zero)?] false);
        const SIGN_EXTENDS: bool = $crate::__or!([$($extends)?] false);

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
                        formula: $crate::__formula!([$($high)?] $formula),
                        field: stringify!($field),
                        slices: $field.slices,
                        width: $field.width,
                        order: $field.order,
                        rule: $crate::__rule!([$rule $($bits)?] $crate::__or!([$($align)?] 1)),
                        flags: $crate::__flags!([$rule $($bits)?] ZERO_PLACES [$($else)?])
                            | $crate::__derived!([$($of)?]),
                        window: $crate::__or!([$(($wstart, $wlen, $wround))?] (0, $field.width, 1)),
                        extra: $crate::__or!([$($extra)?] 0),
                        effect: $crate::__effect!(
                            [$($is)? $($of)?] $crate::__effect_of(stringify!($formula), $crate::__or!([$($high)?] 0) != 0)
                        ),
                        round: $crate::__or!([$($high)? $($($round)?)?] 0),
                        pair: $crate::__pair!([$($pairing $partner)? $(part $above)?] types),
                    },)*
                    $($crate::RowInfo::bare($ikind, stringify!($iname), "", $crate::abi::row_flag::NOP),)*
                ],
                refused: &[
                    $($($crate::Refused {
                        first: $rfirst,
                        last: $crate::__or!([$($rlast)?] $rfirst),
                        names: &[stringify!($rname) $(, stringify!($rnext))*],
                        why: $why,
                    },)+)*
                ],
                remade: &[$($($remade),*)?],
                details: &[$($($detail),*)?],
            };

            const NEEDS: u16 = 0 $(| $crate::__needs!($($($need)|+)?))*;
            const IN_PLACE: bool = $crate::__in_place_too(&$crate::__addends!($addends));

            #[inline(always)]
            fn needs(kind: u32) -> u16 {
                // Compiles to a look-up table.
                match kind & KIND_MASK {
                    $($kind => $crate::__needs!($($($need)|+)?),)*
                    _ => 0,
                }
            }

            fn addend(kind: u32, place: &[u8], big: bool) -> i64 {
                match kind & KIND_MASK {
                    $($kind if const { $crate::__for_target($crate::__needs!($($($need)|+)?)) } => $field.addend(place, big),)*
                    _ => 0,
                }
            }

            fn apply<'a>(cx: &mut $crate::Cx<'a, $state>, relocations: &'a [$crate::abi::Relocation]) {
                let have = $crate::Form::of(cx);
                if !$crate::__addends!($addends).contains(&have.in_place) {
                    return $crate::__wrong_addends(cx);
                }
                // Byte order, class and addend form are settled once, outside the loop.
                $crate::__dispatch!(apply(cx, relocations), have, $crate::__addends!($addends));
            }
        }

        #[allow(unused_variables, non_snake_case, clippy::unit_arg, clippy::ignored_unit_patterns,
                reason = "the letters are the psABI's, and few rows use all of them")]
        #[inline(always)]
        fn apply<'a>(
            cx: &mut $crate::Cx<'a, $state>,
            relocations: &'a [$crate::abi::Relocation],
            $crate::Form { big, narrow, in_place }: $crate::Form,
        ) {
            let base = cx.section.address;
            $crate::__each(cx, relocations, #[inline(always)] |cx, r, s| {
                let (s, p) = ($crate::Value::of(s), $crate::Value::of(base.wrapping_add(r.offset)));
                let (s, p) = if narrow && SIGN_EXTENDS { (s.narrow(), p.narrow()) } else { (s, p) };
                match r.kind & KIND_MASK {
                    $($kind => {
                        let Some(place) = $crate::__place(cx.data, r.offset, $field.width) else {
                            return cx.stand(r).outside();
                        };
                        let a = if in_place {
                            $crate::Value($field.addend(place, big))
                        } else {
                            $crate::Value(r.addend)
                        };
                        let v = $crate::__held!($letters, $formula, place, $field, big);
                        $crate::__write!(
                            [$rule $($bits)?] $letters, (cx, r, s, a, p, v), $formula, $field, [$($else)?],
                            $crate::__or!([$($align)?] 1), $crate::__or!([$($high)?] 0), big, narrow
                        )
                    })*
                    $($ikind => {})*
                    other => cx.stand(r).report(refusal(other)),
                }
            });
        }

        /// Why a type that has no row is not applied. Apart from `apply`, of which there are up to eight.
        #[cold]
        #[inline(never)]
        const fn refusal(kind: u32) -> $crate::Trouble {
            match kind {
                $($($rfirst $(..= $rlast)? => $crate::Trouble::new($crate::abi::fault::REJECTED, $why),)+)*
                other => $crate::__unknown(other),
            }
        }

        $(
            /// The decoding rules, where a host finds them without running anything.
            #[cfg(target_arch = "wasm32")]
            #[allow(unsafe_code, dead_code, reason = "a custom section has a name, and is not in memory")]
            #[unsafe(link_section = "relobox.decoding")]
            static DECODING: [u8; $crate::__decoding::len(include_bytes!($decoding))] =
                $crate::__decoding::bare(include_bytes!($decoding));
        )?

        $crate::guest!(Arch);
    };
}

use crate::{Cx, Trouble};
use relobox_abi::fault;

/// No row has this type.
#[cold]
#[must_use]
pub const fn unknown(kind: u32) -> Trouble {
    Trouble { value: kind as i64, ..Trouble::new(fault::UNKNOWN_TYPE, "") }
}

/// The whole group has its addends in the wrong place.
#[cold]
pub fn wrong_addends<T>(cx: &mut Cx<'_, T>) {
    cx.report_at(cx.group.first, cx.relocation, Trouble::new(fault::ADDEND_FORM, ""));
}
