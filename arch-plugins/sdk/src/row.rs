//! What [`architecture!`](crate::architecture) makes of the parts of a row.

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

/// A formula as a description has it. That it is rounded, it says as psABIs do.
#[macro_export]
#[doc(hidden)]
macro_rules! __formula {
    ([] $formula:expr) => {
        stringify!($formula)
    };
    ([$high:literal] $formula:expr) => {
        $crate::__shown(stringify!($formula), concat!("ha(", stringify!($formula), ")"))
    };
}

#[macro_export]
#[doc(hidden)]
macro_rules! __derived {
    ([]) => {
        0
    };
    ([$of:ident]) => {
        $crate::abi::row_flag::DERIVED
    };
}

#[macro_export]
#[doc(hidden)]
macro_rules! __effect {
    ([] $read:expr) => {
        $read
    };
    ([absolute] $read:expr) => {
        $crate::abi::effect::ABSOLUTE
    };
    ([relative] $read:expr) => {
        $crate::abi::effect::RELATIVE
    };
    ([plus] $read:expr) => {
        $crate::abi::effect::PLUS
    };
    ([minus] $read:expr) => {
        $crate::abi::effect::MINUS
    };
    ([pages] $read:expr) => {
        $crate::abi::effect::PAGES
    };
    ([in_page] $read:expr) => {
        $crate::abi::effect::IN_PAGE
    };
    ([partner] $read:expr) => {
        $crate::abi::effect::PARTNER
    };
    ([slot] $read:expr) => {
        $crate::abi::effect::SLOT
    };
    ([size] $read:expr) => {
        $crate::abi::effect::SIZE
    };
}

#[macro_export]
#[doc(hidden)]
macro_rules! __pair {
    ([] $types:ident) => {
        ($crate::abi::pairing::NONE, 0)
    };
    ([next $partner:ident] $types:ident) => {
        ($crate::abi::pairing::NEXT, $types::$partner)
    };
    ([label $partner:ident] $types:ident) => {
        ($crate::abi::pairing::LABEL, $types::$partner)
    };
    ([labelled $partner:ident] $types:ident) => {
        ($crate::abi::pairing::LABELLED, $types::$partner)
    };
    ([behind $partner:ident] $types:ident) => {
        ($crate::abi::pairing::BEHIND, $types::$partner)
    };
    ([place $partner:ident] $types:ident) => {
        ($crate::abi::pairing::PLACE, $types::$partner)
    };
    ([part $partner:ident] $types:ident) => {
        ($crate::abi::pairing::PART, $types::$partner)
    };
}

/// The bits of the column `needs`: the architecture's own, or those of `needs`.
#[macro_export]
#[doc(hidden)]
macro_rules! __needs {
    () => {
        0
    };
    ($($need:ident)|+) => {{
        #[allow(unused_imports, reason = "an architecture may have its own")]
        use $crate::needs::*;
        0 $(| $need)+
    }};
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

/// `apply` for what `$have` holds at run time. The first machine has code of its own, in which all of it is constant; the
/// others share some that asks for what varies among them, and where there are none, there is none.
#[macro_export]
#[doc(hidden)]
macro_rules! __dispatch {
    ($apply:ident($cx:expr, $relocations:expr), $have:expr, $addends:expr) => {{
        const FIRST: $crate::Form = $crate::Form::first(&<Arch as $crate::Architecture>::ABOUT, &$addends);
        const VARYING: $crate::Form = $crate::Form::varying(&<Arch as $crate::Architecture>::ABOUT, &$addends);
        if !VARYING.any() || $have == FIRST {
            $apply($cx, $relocations, FIRST)
        } else {
            $apply($cx, $relocations, FIRST.where_varying(VARYING, $have))
        }
    }};
}

/// One row. Few branches on the way that nearly all relocations take: fuel is counted at each, and
/// what goes wrong is found out again, apart.
#[macro_export]
#[doc(hidden)]
macro_rules! __write {
    ([by_hand] $letters:tt, ($cx:ident, $r:ident, $s:ident, $a:ident, $p:ident, $v:ident), $formula:expr, $field:ident, [],
     $align:expr, $high:expr, $big:ident, $narrow:ident) => {{
        $cx.stand($r);
        let () = $crate::__value!($letters, ($cx, $r, $s, $a, $p, $v), $formula, $field, $big);
    }};
    ([$($rule:tt)*] $letters:tt, ($cx:ident, $r:ident, $s:ident, $a:ident, $p:ident, $v:ident), $formula:expr, $field:ident,
     [$($else:expr)?], $align:expr, $high:expr, $big:ident, $narrow:ident) => {{
        const RULE: $crate::Rule = $crate::__rule!([$($rule)*] $align);
        const HALF: $crate::High = $crate::High($high);
        // A formula that is letters only does not ask where it stands.
        if const { $crate::__asks!($letters, $formula) } {
            $cx.stand($r);
        }
        let value: $crate::Value = $crate::__value!($letters, ($cx, $r, $s, $a, $p, $v), $formula, $field, $big);
        let value = HALF.round(value);
        let value = if $narrow && $crate::__narrows!($($rule)*) { value.narrow() } else { value };
        $(let value = if RULE.in_range(value) {
            value
        } else {
            $cx.stand($r);
            HALF.round($crate::__value!($letters, ($cx, $r, $s, $a, $p, $v), $else, $field, $big))
        };)?
        let Some(place) = $crate::__place($cx.data, $r.offset, $field.width) else {
            return $cx.stand($r).outside();
        };
        let before = if ZERO_PLACES { $field.word(place, $big) } else { 0 };
        if RULE.in_range(value) & RULE.aligned(value) & (before == 0) {
            $field.put(place, $big, HALF.join(value).0);
        } else {
            $cx.stand($r).inadmissible(&RULE, value, before);
        }
    }};
}

/// Whether a formula needs the context: it names it, or a letter whose meaning may.
#[macro_export]
#[doc(hidden)]
macro_rules! __asks {
    (($cx:ident, $S:ident, $A:ident, $P:ident $(, $V:ident)? $(; $($letter:ident = $meaning:expr),* $(,)?)?), $formula:expr) => {
        $crate::__names(stringify!($formula), stringify!($cx))
            $($(|| $crate::__names(stringify!($formula), stringify!($letter)))*)?
    };
}

/// What the field holds, if the formula has the letter for it.
#[macro_export]
#[doc(hidden)]
macro_rules! __held {
    (($cx:ident, $S:ident, $A:ident, $P:ident, $V:ident $(; $($rest:tt)*)?), $formula:expr, $place:ident, $field:ident, $big:ident) => {
        if const { $crate::__names(stringify!($formula), stringify!($V)) } {
            $crate::Value($field.extract($field.word($place, $big)) as i64)
        } else {
            $crate::Value(0)
        }
    };
    ($letters:tt, $formula:expr, $place:ident, $field:ident, $big:ident) => {
        $crate::Value(0)
    };
}

/// A formula's value; its trouble is reported of this relocation, also if the formula did not name the context, and
/// ends the row.
#[macro_export]
#[doc(hidden)]
macro_rules! __value {
    (($cx:ident, $S:ident, $A:ident, $P:ident $(, $V:ident)? $(; $($letter:ident = $meaning:expr),* $(,)?)?),
     ($at:ident, $r:ident, $s:ident, $a:ident, $p:ident, $v:ident), $formula:expr, $field:ident, $big:ident) => {
        match (|| {
            let $cx = &mut *$at;
            let ($S, $A, $P) = ($s, $a, $p);
            $(let $V = $v;)?
            $($(let $letter = if const { $crate::__names(stringify!($formula), stringify!($letter)) } {
                $meaning
            } else {
                $crate::Value(0)
            };)*)?
            Ok($formula)
        })() {
            Ok(value) => value,
            Err(ref trouble) => {
                let trouble: &$crate::Trouble = trouble;
                return $at.stand($r).report_here(trouble);
            }
        }
    };
}

use crate::Value;

/// How many bits the low half beside a row's value has, which has a sign; 0 if there is none.
#[derive(Clone, Copy, Debug)]
pub struct High(pub u32);

impl High {
    /// The value as the rule sees it.
    #[inline(always)]
    #[must_use]
    pub const fn round(self, value: Value) -> Value {
        if self.0 == 0 { value } else { crate::value::ha(value, self.0) }
    }

    /// The bits that fields take, of a value that is rounded: above those of it, below those of the value itself.
    #[inline(always)]
    #[must_use]
    pub const fn join(self, rounded: Value) -> Value {
        if self.0 == 0 {
            return rounded;
        }
        let (low, half) = ((1 << self.0) - 1, 1 << (self.0 - 1));
        Value(rounded.0 & !low | rounded.0.wrapping_sub(half) & low)
    }
}

/// Whether a row needs entries for symbol plus addend.
#[must_use]
pub const fn for_target(needs: u16) -> bool {
    needs & (crate::needs::TARGET_SLOT | crate::needs::TARGET_STUB) != 0
}

/// Whether addends may be in place.
#[must_use]
pub const fn in_place_too(addends: &[bool]) -> bool {
    addends[addends.len() - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn high_and_low_add_up() {
        for low in [0, 1, 0x7ff, 0x800, 0x801, 0xfff] {
            for high in [0_i64, 0x1000, 0x7fff_e000, -0x8000_0000, -0x1000] {
                let v = high + low;
                let pair = High(12).join(High(12).round(Value(v))).0;
                assert_eq!((pair >> 12 << 12) + (pair << 52 >> 52), v, "{v:#x}");
                assert_eq!(pair >> 12, (v + 0x800) >> 12, "{v:#x}");
            }
        }
        assert_eq!(High(0).join(High(0).round(Value(0x800))), Value(0x800));
    }
}
