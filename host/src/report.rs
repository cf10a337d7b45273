//! Where faults become words, and nowhere else.

use crate::error::{Misbehaviour, Problem};
use crate::guests::About;
use crate::limits;
use crate::parse::Records;
use crate::records::{bytes, table};
use crate::text::{Escaping, decoded};
use relobox_abi::{Fault, NONE, Table, fault, symbol_flag};
use std::fmt::{self, Write as _};

pub use crate::text::grouped;

/// The stable word for a kind of fault, as in JSON.
fn kind_of(fault: u32) -> &'static str {
    match fault {
        fault::UNKNOWN_TYPE => "unknown-relocation",
        fault::OUT_OF_RANGE => "out-of-range",
        fault::MISALIGNED => "misaligned",
        fault::OUTSIDE => "outside-section",
        fault::BAD_SYMBOL => "bad-symbol",
        fault::UNPAIRED => "unpaired",
        fault::NOT_ZERO => "not-zero",
        fault::REJECTED => "rejected-relocation",
        fault::BAD_INSTRUCTION => "bad-instruction",
        fault::ADDEND_FORM => "addend-form",
        fault::BAD_MACHINE => "bad-machine",
        fault::MALFORMED => "malformed",
        fault::TOO_LARGE => "too-large",
        fault::NOT_ELF => "not-elf",
        fault::BAD_STREAM => "bad-stream",
        _ => "other",
    }
}

/// A fault of the engine or the unpacker.
pub fn file_fault(memory: &[u8], file: &str, f: &Fault, section: impl Fn(u32) -> Option<String>) -> Problem {
    let text = bytes(memory, f.text).map(decoded).unwrap_or_default();
    Problem {
        kind: kind_of(f.kind),
        file: file.to_owned(),
        section: (f.section != NONE).then(|| section(f.section).unwrap_or_else(|| format!("#{}", f.section))),
        offset: Some(f.offset),
        value: Some(f.value),
        max: (f.max != 0).then_some(f.max),
        text,
        ..Problem::default()
    }
}

/// All faults of the engine's or the unpacker's answer that are kept, and how many more there were.
pub fn file_faults(
    memory: &[u8],
    file: &str,
    faults: &[Fault],
    section: impl Fn(u32) -> Option<String>,
) -> Vec<Problem> {
    let kept = faults.iter().take(limits::FAULTS).map(|f| file_fault(memory, file, f, &section));
    kept.chain(more(file, faults.len().saturating_sub(limits::FAULTS) as u64)).collect()
}

/// Says that `count` problems beyond those that are listed were not kept, if there are any.
pub(crate) fn more(file: &str, count: u64) -> Option<Problem> {
    (count != 0).then(|| Problem::new("more", file, format!("and {count} more faults")))
}

/// A fault of a plugin.
fn relocation_fault(
    memory: &[u8],
    records: &Records<'_>,
    about: &About,
    f: &Fault,
    defined_in: impl Fn(u32) -> Option<String>,
) -> Problem {
    let relocation = records.relocations.get(f.relocation as usize);
    let symbol = relocation.map(|r| r.symbol).unwrap_or(f.symbol);
    let kind = kind_of(f.kind);
    let ranged = matches!(f.kind, fault::OUT_OF_RANGE);
    if records.name.is_empty() {
        let offset = (f.section != NONE).then_some(f.offset);
        let index = relocation.is_some().then_some(f.relocation);
        return Problem { kind, offset, index, value: Some(f.value), ..Problem::default() };
    }
    let mut problem = Problem {
        kind,
        file: records.name.to_owned(),
        section: (f.section != NONE).then(|| records.section_name(f.section)),
        offset: (f.section != NONE).then_some(f.offset),
        relocation: relocation.map(|r| about.relocation(r.kind)),
        index: relocation.is_some().then_some(f.relocation),
        symbol: records.symbol_name(symbol),
        defined_in: defined_in(symbol),
        value: Some(f.value),
        min: (ranged || f.kind == fault::MISALIGNED).then_some(f.min),
        max: (ranged || f.kind == fault::OUTSIDE || f.kind == fault::BAD_SYMBOL).then_some(f.max),
        text: bytes(memory, f.text).map(decoded).unwrap_or_default(),
        hint: String::new(),
    };
    problem.hint = hint(f, records, about, symbol);
    problem
}

/// All faults of a plugin's answer; `more` is how many it found beyond those that it kept.
pub fn relocation_faults(
    memory: &[u8],
    records: &Records<'_>,
    about: &About,
    faults: Table,
    more: u32,
    defined_in: impl Fn(u32) -> Option<String>,
) -> Result<Vec<Problem>, Misbehaviour> {
    let faults: &[Fault] = table(memory, faults)?;
    if faults.is_empty() && more != 0 {
        return Err(Misbehaviour::Answer(format!("it counts {more} more faults than none")));
    }
    let kept = &faults[..faults.len().min(limits::FAULTS)];
    let mut problems: Vec<_> = kept.iter().map(|f| relocation_fault(memory, records, about, f, &defined_in)).collect();
    let more = u64::from(more) + (faults.len() - kept.len()) as u64;
    problems.extend(self::more(records.name, more));
    Ok(problems)
}

/// What to do about it.
fn hint(f: &Fault, records: &Records<'_>, about: &About, symbol: u32) -> String {
    let flags = records.symbols.get(symbol as usize).map_or(0, |s| s.flags);
    match f.kind {
        fault::OUT_OF_RANGE if flags & symbol_flag::WEAK != 0 && flags & symbol_flag::UNDEFINED != 0 => {
            "the symbol is weak and nobody defines it, so its value is 0".into()
        }
        fault::OUT_OF_RANGE if flags & symbol_flag::UNDEFINED != 0 => {
            let reach = about.machines.first().map_or(0, |m| m.reach);
            match reach {
                0 => "place the module nearer to it".into(),
                _ => format!("place the module within {} of it", size(reach)),
            }
        }
        fault::UNKNOWN_TYPE => format!("the {} plugin has no row for it; see 'relobox plugin info {0}'", about.name),
        fault::NOT_ZERO => "the module was relocated before, or is damaged".into(),
        fault::OUTSIDE | fault::BAD_SYMBOL => "the module is damaged".into(),
        _ => String::new(),
    }
}

/// `2 GiB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..0x10_0000 => format!("{} KiB", bytes >> 10),
        0x10_0000..0x4000_0000 => format!("{} MiB", bytes >> 20),
        _ => format!("{} GiB", bytes >> 30),
    }
}

/// Hexadecimal in groups of four, with a sign: `-0x8000_0000`.
#[must_use]
pub fn hex(value: i64) -> String {
    let sign = if value < 0 { "-0x" } else { "0x" };
    format!("{sign}{}", grouped(&format!("{:x}", value.unsigned_abs()), 4, '_'))
}

/// The kinds of problems that are told in their own way, below.
pub const TOLD_APART: [&str; 14] = [
    "out-of-range",
    "misaligned",
    "outside-section",
    "bad-symbol",
    "unknown-relocation",
    "unpaired",
    "not-zero",
    "rejected-relocation",
    "bad-instruction",
    "addend-form",
    "malformed",
    "too-large",
    "not-elf",
    "bad-stream",
];

impl fmt::Display for Problem {
    /// The wording that people know from linkers: `file:(section+offset): what; about which symbol; what to do`.
    /// Whatever names are in it, it is one line, and harmless.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let f = &mut Escaping(f);
        f.write_str(&self.file)?;
        if let Some(section) = &self.section {
            match (self.relocation.is_some(), self.offset) {
                (true, Some(offset)) => write!(f, ":({section}+{offset:#x})")?,
                _ => write!(f, ":({section})")?,
            }
        }
        f.write_str(": ")?;
        if let Some(relocation) = &self.relocation {
            write!(f, "relocation {relocation} ")?;
        }
        let (value, min, max) = (self.value.unwrap_or(0), self.min.unwrap_or(0), self.max.unwrap_or(0));
        match self.kind {
            "out-of-range" => {
                write!(f, "out of range: {} is not in [{}, {}]", hex(value), hex(min), hex(max))?;
                self.words(f, "; ")?;
            }
            "misaligned" => {
                write!(f, "misaligned: {} is not a multiple of {min}", hex(value))?;
                self.words(f, "; ")?;
            }
            "outside-section" => write!(f, "does not lie in its section, which has {max:#x} bytes")?,
            "bad-symbol" => write!(f, "names symbol {value}, and there are {}", max.saturating_add(1))?,
            "unknown-relocation" => f.write_str("is of a type that the plugin does not know")?,
            "unpaired" => {
                f.write_str("has no partner")?;
                self.words(f, ": ")?;
            }
            "not-zero" => write!(f, "finds {} where there should be zero", hex(value))?,
            "rejected-relocation" => {
                f.write_str("cannot be in a module: it ")?;
                f.write_str(&self.text)?;
            }
            "bad-instruction" => {
                write!(f, "does not patch the instruction it finds, {}", hex(value))?;
                self.words(f, ": ")?;
            }
            "addend-form" => {
                f.write_str("is in a section of the other kind: REL has addends in place, RELA explicit ones")?
            }
            "malformed" => {
                write!(f, "malformed: {} is {value:#x}", self.text)?;
                if let Some(max) = self.max {
                    write!(f, ", and may be {max:#x} at most")?;
                }
            }
            "too-large" => write!(f, "too large: {} {value}, limit {max}", self.text)?,
            "not-elf" => write!(f, "not a relocatable ELF file: {}", self.text)?,
            "bad-stream" => write!(f, "damaged: {}", self.text)?,
            _ => f.write_str(&self.text)?,
        }
        if let Some(symbol) = &self.symbol {
            write!(f, "; references '{symbol}'")?;
            if let Some(owner) = &self.defined_in {
                write!(f, " ({owner})")?;
            }
        }
        if !self.hint.is_empty() {
            write!(f, "; {}", self.hint)?;
        }
        Ok(())
    }
}

impl Problem {
    fn words(&self, f: &mut impl fmt::Write, before: &str) -> fmt::Result {
        if self.text.is_empty() { Ok(()) } else { write!(f, "{before}{}", self.text) }
    }
}

/// All problems, one on a line, up to a limit; and behind them how many were found and not kept.
#[must_use]
pub fn problems(problems: &[Problem]) -> String {
    let (listed, rest) = apart(problems);
    let shown = listed.iter().take(limits::SHOWN).map(Problem::to_string);
    let hidden = hidden(problems);
    let hidden = (hidden != 0).then(|| format!("… and {hidden} more"));
    shown.chain(hidden).chain(rest.map(Problem::to_string)).collect::<Vec<_>>().join("\n")
}

/// How many of `problems` [`problems()`](problems) only counts.
#[must_use]
pub fn hidden(problems: &[Problem]) -> usize {
    apart(problems).0.len().saturating_sub(limits::SHOWN)
}

/// Those that say what is wrong, and the one that says how many were not kept.
fn apart(problems: &[Problem]) -> (&[Problem], Option<&Problem>) {
    match problems {
        [listed @ .., last] if last.kind == "more" => (listed, Some(last)),
        _ => (problems, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_shown_is_counted_and_what_was_not_kept_is_said() {
        let many = |count: usize| vec![Problem::new("undefined-symbol", "m.ko", "undefined symbol"); count];
        assert_eq!((problems(&many(limits::SHOWN)).lines().count(), hidden(&many(limits::SHOWN))), (limits::SHOWN, 0));
        let mut kept = many(limits::FAULTS);
        let left = limits::FAULTS - limits::SHOWN;
        assert!(problems(&kept).ends_with(&format!("\n… and {left} more")));
        kept.extend(more("m.ko", 5000));
        assert!(problems(&kept).ends_with(&format!("\n… and {left} more\nm.ko: and 5000 more faults")));
        assert_eq!(hidden(&kept), left);
        assert_eq!(more("m.ko", 0), None);
        // No text promises what only some commands have.
        assert!(!problems(&kept).contains("--json"));
    }

    #[test]
    fn faults_beyond_the_limit_are_counted() {
        use zerocopy::FromZeros as _;
        let mut fault = Fault::new_zeroed();
        (fault.kind, fault.section) = (fault::NOT_ELF, NONE);
        let all = vec![fault; limits::FAULTS + 3];
        let kept = file_faults(&[0; 16], "m.ko", &all, |_| None);
        assert_eq!((kept.len(), kept[limits::FAULTS].text.as_str()), (limits::FAULTS + 1, "and 3 more faults"));
        assert_eq!(file_faults(&[0; 16], "m.ko", &all[..2], |_| None).len(), 2);
    }
}
