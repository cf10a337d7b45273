//! Minimisation of files: removes sections, symbols and bytes, and replaces bytes by zeros.

use super::elf::SectionType;
use super::model::Model;
use libafl::inputs::BytesInput;
use relobox_kit::minimiser::Minimiser;

/// Returns the smallest file found for which `still` is true, among those that `simpler` returns repeatedly.
pub(crate) fn minimise(
    input: &BytesInput,
    simpler: impl Fn(&[u8]) -> Vec<Vec<u8>>,
    still: &mut dyn FnMut(&BytesInput) -> bool,
) -> BytesInput {
    let (mut small, mut last) = (Minimiser::new(input.clone(), still), usize::MAX);
    loop {
        let candidates: Vec<_> = simpler(small.best().as_ref()).into_iter().map(BytesInput::new).collect();
        // Continue behind the candidate that was accepted last, since the earlier ones usually fail again.
        let first = if last < candidates.len() { last } else { 0 };
        match (first..candidates.len()).chain(0..first).find(|n| small.try_candidate(candidates[*n].clone())) {
            Some(n) => last = n,
            None => return small.into_best(),
        }
    }
}

/// Returns simpler variants of `file`, the most promising first.
pub(crate) fn simpler(file: &[u8]) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    if let Some(model) = Model::read(file) {
        out.extend(simpler_models(&model).iter().filter_map(Model::write).filter(|new| simpler_than(new, file)));
    }
    out.extend(pieces(file));
    out
}

/// Returns the file without each of its pieces, and with zeros instead of each piece.
pub(crate) fn pieces(file: &[u8]) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let mut len = file.len() / 2;
    while len >= 4.min(file.len()) && len > 0 {
        for at in (0..file.len()).step_by(len) {
            let end = (at + len).min(file.len());
            out.push([&file[..at], &file[end..]].concat());
            if file[at..end].iter().any(|b| *b != 0) {
                let zeros = vec![0; end - at];
                out.push([&file[..at], &zeros, &file[end..]].concat());
            }
        }
        len /= 2;
    }
    out
}

/// Returns whether `new` is shorter than `old`, or as long and with fewer bytes that are not zero.
fn simpler_than(new: &[u8], old: &[u8]) -> bool {
    let said = |file: &[u8]| file.iter().filter(|b| **b != 0).count();
    (new.len(), said(new)) < (old.len(), said(old))
}

fn simpler_models(model: &Model) -> Vec<Model> {
    let mut out = Vec::new();
    let mut with = |change: &mut dyn FnMut(&mut Model)| {
        let mut new = model.clone();
        change(&mut new);
        out.push(new);
    };
    with(&mut |m| m.tail.clear());
    for i in (0..model.sections.len()).rev() {
        // Without links to later sections, the section's number can be removed as well.
        with(&mut |m| drop(m.sections.remove(i)));
        let part = &model.sections[i];
        if part.data.is_empty() {
            continue;
        }
        with(&mut |m| m.sections[i].data.clear());
        let entry = match part.kind {
            kind if kind == SectionType::ProgBits as u32 || kind == SectionType::StrTab as u32 => 1,
            _ => (part.entry as usize).clamp(1, 64),
        };
        let half = (part.data.len() / entry).div_ceil(2) * entry;
        with(&mut |m| m.sections[i].data.truncate(half));
        with(&mut |m| drop(m.sections[i].data.drain(..half.min(part.data.len()))));
        let less = part.data.len().saturating_sub(entry);
        with(&mut |m| m.sections[i].data.truncate(less));
    }
    out
}
