//! Escaping of untrusted text, and formats of numbers.
//!
//! Names come from modules, plugins, files, kernels, arguments and the environment. They are kept as they are, and
//! escaped where they become output: in the `Display` of errors, in output of commands, in JSON and in XML. Characters
//! that would move a terminal's cursor, change the order of letters, or be invisible are written as `\u{…}`. Escaping
//! is idempotent.

use crate::byte_order;
use crate::limits;
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter};
use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::io;

/// Returns whether a character can be printed as it is: it is visible, takes its own place, and has no effect on a
/// terminal. Control characters, format characters (such as the bidirectional ones), line and paragraph separators,
/// blanks other than the space, and private or unassigned characters are not harmless.
#[must_use]
pub fn is_harmless(c: char) -> bool {
    match c {
        ' '..='~' => true,
        // Fillers, joiners and variation selectors: letters and marks by category, but invisible.
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' => false,
        '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{e0100}'..='\u{e01ef}' => false,
        // The standard library knows the categories. It escapes a combining mark only at the start of a text.
        c => {
            let mut bytes = [b'a'; 5];
            let len = c.encode_utf8(&mut bytes[1..]).len();
            std::str::from_utf8(&bytes[..=len]).is_ok_and(|text| text.escape_debug().count() == 2)
        }
    }
}

/// A writer that escapes everything that is written to it.
#[derive(Debug)]
pub struct Escaping<'a, W: fmt::Write + ?Sized>(pub &'a mut W);

impl<W: fmt::Write + ?Sized> fmt::Write for Escaping<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| !is_harmless(*c)) {
            self.0.write_str(&rest[..at])?;
            write!(self.0, "{}", c.escape_unicode())?;
            rest = &rest[at + c.len_utf8()..];
        }
        self.0.write_str(rest)
    }
}

/// Displays its contents escaped. Line ends are escaped, too, so the result is one line.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<T>(pub T);

impl<T: fmt::Display> fmt::Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

/// Returns a text escaped.
#[must_use]
pub fn escaped(text: &str) -> Cow<'_, str> {
    match text.chars().all(is_harmless) {
        true => Cow::Borrowed(text),
        false => Cow::Owned(Escaped(text).to_string()),
    }
}

/// Decodes text from a guest or a module: valid UTF-8 of at most [`limits::TEXT`] characters. It is not escaped.
#[must_use]
pub fn decoded(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(limits::TEXT)];
    let mut out = String::from_utf8_lossy(cut).into_owned();
    if bytes.len() > cut.len() {
        out.push('…');
    }
    out
}

/// Formats bytes as lower-case hexadecimal, two digits each.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
        let _ = write!(out, "{b:02x}");
        out
    })
}

/// Groups digits by `size`, from the right.
#[must_use]
pub fn grouped(digits: &str, size: usize, separator: char) -> String {
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i != 0 && (digits.len() - i).is_multiple_of(size) {
            out.push(separator);
        }
        out.push(digit);
    }
    out
}

/// Formats a number with thousands separators: `1,407,153`.
#[must_use]
pub fn thousands(number: u64) -> String {
    grouped(&number.to_string(), 3, ',')
}

/// Writes JSON in which every character is harmless. Others are written as `\uXXXX`, which has the same meaning.
///
/// # Errors
/// If `out` cannot be written, or `value` has a map whose keys are not text.
pub fn write_json(out: impl io::Write, value: &impl Serialize) -> serde_json::Result<()> {
    value.serialize(&mut serde_json::Serializer::with_formatter(out, Json(PrettyFormatter::new())))
}

struct Json(PrettyFormatter<'static>);

/// Everything except strings is left to the pretty formatter.
macro_rules! pretty {
    ($($name:ident($($arg:ident: $of:ty)?)),*) => {$(
        fn $name<W: io::Write + ?Sized>(&mut self, out: &mut W $(, $arg: $of)?) -> io::Result<()> {
            self.0.$name(out $(, $arg)?)
        }
    )*};
}

impl Formatter for Json {
    pretty! {
        begin_array(), end_array(), begin_array_value(first: bool), end_array_value(),
        begin_object(), end_object(), begin_object_key(first: bool), begin_object_value(), end_object_value()
    }

    fn write_string_fragment<W: io::Write + ?Sized>(&mut self, out: &mut W, text: &str) -> io::Result<()> {
        let mut rest = text;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| !is_harmless(*c)) {
            out.write_all(&rest.as_bytes()[..at])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = &rest[at + c.len_utf8()..];
        }
        out.write_all(rest.as_bytes())
    }
}

/// Formats a size: `2 GiB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..0x10_0000 => format!("{} KiB", bytes >> 10),
        0x10_0000..0x4000_0000 => format!("{} MiB", bytes >> 20),
        _ => format!("{} GiB", bytes >> 30),
    }
}

/// Formats a number as hexadecimal in groups of four, with a sign: `-0x8000_0000`.
#[must_use]
pub fn hex_value(value: i64) -> String {
    let sign = if value < 0 { "-0x" } else { "0x" };
    format!("{sign}{}", grouped(&format!("{:x}", value.unsigned_abs()), 4, '_'))
}

/// Returns the name of a byte order; see [`byte_order`].
#[must_use]
pub fn order_of(order: u8) -> &'static str {
    match order {
        byte_order::LITTLE => "little",
        byte_order::BIG => "big",
        _ => "as data",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One character of each kind that must not reach a terminal.
    const HOSTILE: &str = "\0\u{7}\t\n\r\u{1b}\u{7f}\u{80}\u{85}\u{9b}\u{9f}\u{a0}\u{ad}\u{34f}\u{61c}\u{115f}\u{180e}\
        \u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2060}\
        \u{2066}\u{2067}\u{2068}\u{2069}\u{206f}\u{3000}\u{3164}\u{e000}\u{fe0f}\u{feff}\u{ffa0}\u{fff9}\u{ffff}\u{378}\
        \u{e0001}\u{e0041}\u{e0100}\u{f0000}\u{10ffff}";

    #[test]
    fn what_is_not_seen_is_escaped() {
        for c in HOSTILE.chars() {
            assert!(!is_harmless(c), "{c:?}");
            assert_eq!(escaped(&format!("a{c}b")), format!("a\\u{{{:x}}}b", u32::from(c)));
        }
        // Letters of all kinds, with their marks, and the characters that relobox itself prints.
        for good in ["módulo", "e\u{301}", "राम", "日本語", "файл", "… · —", "😀", "\u{fffd}", "a\\b'\"`"]
        {
            assert!(matches!(escaped(good), Cow::Borrowed(text) if text == good), "{good}");
        }
    }

    #[test]
    fn escaping_twice_is_escaping_once() {
        let once = Escaped(HOSTILE).to_string();
        assert!(once.chars().all(is_harmless));
        assert_eq!(Escaped(&once).to_string(), once);
    }

    #[test]
    fn json_means_what_it_meant() {
        let value = serde_json::json!({ HOSTILE: [HOSTILE, "\"\\", {}, []] });
        let mut text = Vec::new();
        write_json(&mut text, &value).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.chars().all(|c| c == '\n' || is_harmless(c)), "{text:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
        assert_eq!(text.lines().count(), serde_json::to_string_pretty(&value).unwrap().lines().count());
    }

    #[test]
    fn digits_are_in_groups() {
        assert_eq!([0, 999, 1000, 1_407_153].map(thousands), ["0", "999", "1,000", "1,407,153"]);
        assert_eq!((hex(&[]).as_str(), hex(&[0, 0xab]).as_str()), ("", "00ab"));
    }

    #[test]
    fn long_text_is_cut_and_wrong_text_is_seen() {
        assert_eq!(decoded(b"a\xffb\x1b"), "a\u{fffd}b\u{1b}");
        assert_eq!(decoded(&[b'x'; 1000]).chars().count(), limits::TEXT + 1);
    }
}
