//! Binary files as text: 32 bytes on each line in hexadecimal, and runs of equal bytes as `COUNT * BYTE`. Lines that
//! begin with `#` are comments.

use relobox_core::limits;
use relobox_core::text::{Escaped, hex};
use std::fmt::Write as _;

const LINE: std::ops::RangeInclusive<usize> = 1..=32;

/// Formats `bytes`, after `remarks` as comments.
pub(crate) fn write(bytes: &[u8], remarks: &[String]) -> String {
    let mut out = String::new();
    for remark in remarks {
        let _ = writeln!(out, "# {}", Escaped(remark.replace('\n', " ")));
    }
    let mut rest = bytes;
    while let Some(first) = rest.first() {
        let run = rest.iter().take_while(|b| *b == first).count();
        if run >= 16 {
            let _ = writeln!(out, "{run} * {first:02x}");
            rest = &rest[run..];
            continue;
        }
        // End the line where a run begins.
        let run_at = rest.windows(16).take(*LINE.end()).position(|w| w.iter().all(|b| *b == w[0]));
        let (line, after) = rest.split_at(run_at.unwrap_or(*LINE.end()).min(rest.len()));
        let words: Vec<_> = line.chunks(4).map(hex).collect();
        let _ = writeln!(out, "{}", words.join(" "));
        rest = after;
    }
    out
}

/// Parses the text that [`write()`] produces.
pub(crate) fn read(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    for (n, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.starts_with('#')) {
        let bad = || format!("line {n} is neither hexadecimal nor a run");
        let byte = |digits: &str| u8::from_str_radix(digits, 16).map_err(|_| bad());
        if let Some((run, value)) = line.split_once('*') {
            let run: usize = run.trim().parse().map_err(|_| bad())?;
            let end = bytes.len().saturating_add(run);
            if end as u64 > limits::FUZZ_INPUT {
                return Err(format!("line {n} makes the file larger than {} bytes", limits::FUZZ_INPUT));
            }
            bytes.resize(end, byte(value.trim())?);
            continue;
        }
        let digits: String = line.split_whitespace().collect();
        if !digits.is_ascii() || !digits.len().is_multiple_of(2) {
            return Err(bad());
        }
        for at in (0..digits.len()).step_by(2) {
            bytes.push(byte(&digits[at..at + 2])?);
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::{read, write};

    #[test]
    fn text_round_trips() {
        for bytes in [vec![], vec![0; 15], vec![0; 16], [vec![1, 2, 3], vec![0; 40], vec![9; 33]].concat()] {
            let text = write(&bytes, &["a remark".to_owned()]);
            assert_eq!(read(&text), Ok(bytes), "{text}");
        }
        let counted: Vec<u8> = (0..=255).collect();
        assert_eq!(read(&write(&counted, &[])), Ok(counted));
        assert!(
            read("123").is_err()
                && read("xy").is_err()
                && read(&format!("{} * 00", u32::MAX)).is_err()
                && read("é0").is_err()
        );
    }
}
