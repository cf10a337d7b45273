//! Converts the faults of guests to diagnostics. This is the only place that does so.

use crate::description::PluginDescription;
use crate::records::Records;
use crate::views::{bytes, table};
use relobox_abi::{Fault, NONE, Table, fault, symbol_flag};
use relobox_core::diagnostic::Diagnostic;
use relobox_core::diagnostic::more;
use relobox_core::error::GuestError;
use relobox_core::limits;
use relobox_core::text::decoded;
use relobox_core::text::size;

/// Returns the stable identifier of a kind of fault, as in JSON.
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

/// Converts a fault of the engine or the unpacker.
pub(crate) fn file_fault(memory: &[u8], file: &str, f: &Fault, section: impl Fn(u32) -> Option<String>) -> Diagnostic {
    let text = bytes(memory, f.text).map(decoded).unwrap_or_default();
    Diagnostic {
        kind: kind_of(f.kind),
        file: file.to_owned(),
        section: (f.section != NONE).then(|| section(f.section).unwrap_or_else(|| format!("#{}", f.section))),
        offset: Some(f.offset),
        value: Some(f.value),
        max: (f.max != 0).then_some(f.max),
        text,
        ..Diagnostic::default()
    }
}

/// Converts all faults of an answer of the engine or the unpacker, up to the limit. A last diagnostic has the number of
/// the others.
pub(crate) fn file_faults(
    memory: &[u8],
    file: &str,
    faults: &[Fault],
    section: impl Fn(u32) -> Option<String>,
) -> Vec<Diagnostic> {
    let kept = faults.iter().take(limits::FAULTS).map(|f| file_fault(memory, file, f, &section));
    kept.chain(more(file, faults.len().saturating_sub(limits::FAULTS) as u64)).collect()
}

/// Converts a fault of a plugin.
fn relocation_fault(
    memory: &[u8],
    records: &Records<'_>,
    about: &PluginDescription,
    f: &Fault,
    defined_in: impl Fn(u32) -> Option<String>,
) -> Diagnostic {
    let relocation = records.relocations.get(f.relocation as usize);
    let symbol = relocation.map(|r| r.symbol).unwrap_or(f.symbol);
    let kind = kind_of(f.kind);
    let ranged = matches!(f.kind, fault::OUT_OF_RANGE);
    if records.name.is_empty() {
        let offset = (f.section != NONE).then_some(f.offset);
        let index = relocation.is_some().then_some(f.relocation);
        return Diagnostic { kind, offset, index, value: Some(f.value), ..Diagnostic::default() };
    }
    let mut problem = Diagnostic {
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

/// Converts all faults of a plugin's answer. `more` is the number of faults that the plugin did not keep.
///
/// # Errors
/// [`GuestError::MalformedAnswer`] if the answer points outside of the guest's memory or is inconsistent.
pub(crate) fn relocation_faults(
    memory: &[u8],
    records: &Records<'_>,
    about: &PluginDescription,
    faults: Table,
    more: u32,
    defined_in: impl Fn(u32) -> Option<String>,
) -> Result<Vec<Diagnostic>, GuestError> {
    let faults: &[Fault] = table(memory, faults)?;
    if faults.is_empty() && more != 0 {
        return Err(GuestError::MalformedAnswer(format!("it counts {more} more faults than none")));
    }
    let kept = &faults[..faults.len().min(limits::FAULTS)];
    let mut problems: Vec<_> = kept.iter().map(|f| relocation_fault(memory, records, about, f, &defined_in)).collect();
    let more = u64::from(more) + (faults.len() - kept.len()) as u64;
    problems.extend(self::more(records.name, more));
    Ok(problems)
}

/// Returns a hint for the user.
fn hint(f: &Fault, records: &Records<'_>, about: &PluginDescription, symbol: u32) -> String {
    let flags = records.symbols.get(symbol as usize).map_or(0, |s| s.flags);
    match f.kind {
        fault::OUT_OF_RANGE if flags & symbol_flag::WEAK != 0 && flags & symbol_flag::UNDEFINED != 0 => {
            "the symbol is weak and not defined, so its value is 0".into()
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

#[cfg(test)]
mod tests {
    use super::*;

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
