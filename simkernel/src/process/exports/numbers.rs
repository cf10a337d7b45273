//! kstrtoint and related functions. The whole string must be a number.

use std::ffi::c_char;

use super::entry::{Entry, functions};
use super::print::shown;

pub(super) fn entries() -> Vec<Entry> {
    functions![Function:
        kstrtoint, kstrtouint, kstrtol, kstrtoul, kstrtoll, kstrtoull, kstrtos16, kstrtou16, kstrtos8, kstrtou8, kstrtobool,
    ]
    .into()
}

pub(super) const EINVAL: i32 = -22;
const ERANGE: i32 = -34;

/// Parses a number with an optional sign and an optional line break at its end. Base 0 uses the prefix: 0x, 0 or none.
pub(super) fn parse(text: &str, base: u32) -> Result<i128, i32> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let (negative, digits) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    let hex = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let (base, digits) = match (base, hex) {
        (0 | 16, Some(hex)) => (16, hex),
        (0, None) if digits.len() > 1 && digits.starts_with('0') => (8, &digits[1..]),
        (0, None) => (10, digits),
        (base @ 2..=36, _) => (base, digits),
        _ => return Err(EINVAL),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(base)) {
        return Err(EINVAL);
    }
    let value = u64::from_str_radix(digits, base).map_err(|_| ERANGE)?;
    Ok(if negative { -i128::from(value) } else { i128::from(value) })
}

/// Parses a number of type `T`.
pub(super) fn parse_as<T: TryFrom<i128>>(text: &str, base: u32) -> Result<T, i32> {
    let value = parse(text, base)?;
    let unsigned = T::try_from(-1).is_err();
    if unsigned && text.starts_with('-') {
        return Err(EINVAL);
    }
    T::try_from(value).map_err(|_| ERANGE)
}

/// The kernel's values for true and false.
pub(super) fn parse_bool(text: &str) -> Result<bool, i32> {
    match text.as_bytes() {
        [b'y' | b'Y' | b't' | b'T' | b'1', ..] => Ok(true),
        [b'n' | b'N' | b'f' | b'F' | b'0', ..] => Ok(false),
        [b'o' | b'O', b'n' | b'N', ..] => Ok(true),
        [b'o' | b'O', b'f' | b'F', ..] => Ok(false),
        _ => Err(EINVAL),
    }
}

fn store<T>(result: *mut T, value: Result<T, i32>) -> i32 {
    match value {
        Ok(value) => {
            // SAFETY: the caller passes the address for the result.
            unsafe { result.write(value) };
            0
        }
        Err(errno) => errno,
    }
}

macro_rules! parsers {
    ($($name:ident: $type:ty),* $(,)?) => {$(
        extern "C" fn $name(text: *const c_char, base: u32, result: *mut $type) -> i32 {
            store(result, parse_as::<$type>(&shown(text), base))
        }
    )*};
}
parsers! {
    kstrtoint: i32, kstrtouint: u32, kstrtol: i64, kstrtoul: u64, kstrtoll: i64, kstrtoull: u64,
    kstrtos16: i16, kstrtou16: u16, kstrtos8: i8, kstrtou8: u8,
}

extern "C" fn kstrtobool(text: *const c_char, result: *mut bool) -> i32 {
    store(result, parse_bool(&shown(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_strings_only() {
        for (text, wanted) in [
            ("42", Ok(42)),
            ("-42\n", Ok(-42)),
            ("0x2a", Ok(42)),
            ("052", Ok(42)),
            ("0", Ok(0)),
            ("2147483647", Ok(i32::MAX)),
            ("2147483648", Err(ERANGE)),
            ("99999999999999999999999", Err(ERANGE)),
            ("", Err(EINVAL)),
            ("4 2", Err(EINVAL)),
            ("0x", Err(EINVAL)),
            ("+-1", Err(EINVAL)),
        ] {
            assert_eq!(parse_as::<i32>(text, 0), wanted, "{text:?}");
        }
        assert_eq!(parse_as::<u32>("-1", 0), Err(EINVAL));
        assert_eq!(parse_bool("on"), Ok(true));
        assert_eq!(parse_bool("Nope"), Ok(false));
        assert_eq!(parse_bool("maybe"), Err(EINVAL));
    }
}
