//! Cross-check: two plugins, written apart, link the same module at the same addresses, and must come to the same.
//!
//! Whatever differs is a problem of its own: the alignments they ask for, what they find wrong, and then every field. What
//! is compared is what a kernel would run: see [`crate::kit::agree`]. Their relocation tables need not be
//! the same, and neither need the numbers of their GOT entries and stubs.

use crate::areas::ABSENT;
use crate::diagnostic::Diagnostic;
use crate::error::{Error, Result};
use crate::guests::Plugin;
use crate::index::TargetId;
use crate::kit::agree::{Difference, differences};
use crate::kit::{self, Case};
use crate::layout::Layout;
use crate::limits;
use crate::link::{Linked, Prepared, kind_of, prepare_by};
use crate::parse::Module;
use crate::records::Records;
use crate::resolve::Sources;
use crate::text::hex;
use relobox_abi::{group_flag, section_flag, synthetic_kind};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Whether `plugin`, which the user `named`, can say anything of a module.
///
/// # Errors
///
/// [`Error::Usage`] if it is for another machine.
pub fn must_link(plugin: &Plugin, named: &str, records: &Records<'_>) -> Result<()> {
    let p = records.parsed;
    let wanted = TargetId { machine: p.machine, class: p.class, order: p.order, flags: p.elf_flags };
    if plugin.about.machines.iter().any(|m| wanted.is(m)) {
        return Ok(());
    }
    let (name, what) = (&plugin.about.name, kind_of(records));
    Err(Error::Usage(format!("--cross-check {named}: plugin {name} is for another machine than {what}")))
}

/// Links `modules`, the same one twice, with a plugin each, where `lay` puts it. The first one's result, if the second
/// one's is the same; else every difference.
pub fn link_both(
    plugins: [Arc<Plugin>; 2],
    modules: [Module; 2],
    inputs: &[(String, u64)],
    lay: impl Fn(&Prepared) -> Result<Layout>,
    sources: Sources<'_>,
) -> Result<Linked> {
    let names = labels(&plugins);
    let [first, second] = plugins;
    let [one, two] = modules;
    let file = one.name.clone();
    let mut differences = Differences { file: &file, names, found: Vec::new(), more: 0, spare: Diagnostic::default() };
    let mut made_up = MadeUp::of(&two.records(), inputs);
    let first = attempt(first, one, inputs, &lay, sources)?;
    let second = match &first {
        Ok((_, first)) => attempt(second, two, inputs, |prepared| Ok(beside(first, prepared)), sources)?,
        Err(_) => attempt(second, two, inputs, &lay, sources)?,
    };
    let linked = match (first, second) {
        (Ok((asked, linked)), Ok((others, other))) => {
            differences.alignments(&asked, &others);
            if differences.found.is_empty() {
                made_up.lie(&linked.layout);
                differences.linked(&made_up, &linked, &other);
            }
            Ok(linked)
        }
        (Err(first), Err(second)) => {
            differences.faults(&first, &second);
            Err(Error::Module(first))
        }
        (Ok(_), Err(faults)) => {
            differences.faults(&[], &faults);
            Err(Error::Module(faults))
        }
        (Err(faults), Ok(_)) => {
            differences.faults(&faults, &[]);
            Err(Error::Module(faults))
        }
    };
    let (mut found, mut more) = (differences.found, differences.more);
    if found.is_empty() {
        return linked;
    }
    more += found.len().saturating_sub(limits::FAULTS);
    if more != 0 {
        found.truncate(limits::FAULTS);
        found.push(Diagnostic::new("more", file, format!("and at least {more} more differences")));
    }
    Err(Error::Module(found))
}

/// What distinguishes them for a person.
fn labels(plugins: &[Arc<Plugin>; 2]) -> [String; 2] {
    plugins.each_ref().map(|p| format!("{} ({})", p.about.name, p.origin))
}

/// What a plugin asked of the module's own sections: section and alignment.
type Alignments = BTreeSet<(String, u64)>;

fn alignments(prepared: &Prepared) -> Alignments {
    let records = prepared.module.records();
    prepared.needs().alignments.iter().map(|a| (records.section_name(a.section), a.align)).collect()
}

type Attempt = Result<(Alignments, Linked), Vec<Diagnostic>>;

/// What one makes of it: the module, or what it finds wrong.
fn attempt(
    plugin: Arc<Plugin>,
    module: Module,
    inputs: &[(String, u64)],
    lay: impl Fn(&Prepared) -> Result<Layout>,
    sources: Sources<'_>,
) -> Result<Attempt> {
    let linked = prepare_by(plugin, module, inputs).and_then(|prepared| {
        let (asked, layout) = (alignments(&prepared), lay(&prepared)?);
        Ok((asked, prepared.link(layout, sources)?))
    });
    match linked {
        Err(Error::Module(problems)) => Ok(Err(problems)),
        Err(other) => Err(other),
        Ok(linked) => Ok(Ok(linked)),
    }
}

struct Differences<'a> {
    file: &'a str,
    names: [String; 2],
    found: Vec<Diagnostic>,
    /// How many were not kept. Every symbol and every word may be one.
    more: usize,
    /// One that is not kept.
    spare: Diagnostic,
}

impl Differences<'_> {
    fn add(&mut self, text: String) -> &mut Diagnostic {
        if self.found.len() >= limits::FAULTS {
            self.more += 1;
            return &mut self.spare;
        }
        self.found.push(Diagnostic::new("cross-check", self.file, text));
        let last = self.found.len() - 1;
        &mut self.found[last]
    }

    fn alignments(&mut self, first: &Alignments, second: &Alignments) {
        let [a, b] = self.names.clone();
        for (section, align) in first.symmetric_difference(second) {
            let who = if first.contains(&(section.clone(), *align)) { &a } else { &b };
            self.add(format!("only {who} aligns it to {align}")).section = Some(section.clone());
        }
    }

    /// What one of them finds wrong, and the other does not.
    fn faults(&mut self, first: &[Diagnostic], second: &[Diagnostic]) {
        let [a, b] = self.names.clone();
        // Names of types, symbols' values and ends of ranges are each plugin's own words for it.
        let same = |p: &Diagnostic, q: &Diagnostic| {
            (p.kind, &p.section, p.offset, p.index) == (q.kind, &q.section, q.offset, q.index)
        };
        for (mine, theirs, who, other) in [(first, second, &a, &b), (second, first, &b, &a)] {
            for problem in mine.iter().filter(|p| !theirs.iter().any(|q| same(p, q))) {
                let more = if problem.text.is_empty() { String::new() } else { format!(", {}", problem.text) };
                let text = format!("is refused by {who} ({}{more}), and not by {other}", problem.kind);
                self.found.push(Diagnostic {
                    kind: "cross-check",
                    text,
                    hint: String::new(),
                    min: None,
                    max: None,
                    ..problem.clone()
                });
            }
        }
    }

    fn linked(&mut self, made_up: &MadeUp, first: &Linked, second: &Linked) {
        let [a, b] = self.names.clone();
        let records = first.module.records();
        // What a plugin supplies may lie in what it made, which is elsewhere in the other.
        let inside = |linked: &Linked, value: u64| {
            linked.synthetic.iter().any(|s| value.wrapping_sub(s.address) <= s.contents.len() as u64)
        };
        let values = first.resolved.values.iter().zip(&second.resolved.values);
        for (i, (one, two)) in (0..).zip(values).filter(|(_, (one, two))| one != two) {
            if inside(first, *one) && inside(second, *two) {
                continue;
            }
            let symbol = records.symbol_name(i);
            self.add(format!("a symbol's value differs: {a} has {one:#x}, and {b} {two:#x}")).symbol = symbol;
        }
        let plugins = [&*first.plugin, &*second.plugin];
        let linked = [first, second].map(|linked| made_up.linked(linked));
        for found in differences(plugins, &made_up.case, [&linked[0], &linked[1]]) {
            let text = says(&self.names, &found);
            let problem = self.add(text);
            problem.offset = Some(found.offset);
            problem.section = match found.section {
                // The case's first section is section 1.
                Some(section) => Some(records.section_name(section as u32 + 1)),
                None => found.made,
            };
            let index = found.relocation.and_then(|i| made_up.relocations.get(i).copied());
            if let Some(relocation) = index.and_then(|i| records.relocations.get(i as usize)) {
                problem.index = index;
                problem.relocation = Some(first.plugin.about.relocation(relocation.kind));
                problem.symbol = records.symbol_name(relocation.symbol);
            }
        }
    }
}

fn says([a, b]: &[String; 2], found: &Difference) -> String {
    let [one, two] = found.bytes.each_ref().map(|bytes| {
        let bytes: Vec<_> = bytes.chunks(1).map(hex).collect();
        if bytes.is_empty() { "nothing".to_owned() } else { bytes.join(" ") }
    });
    let what = if found.leads { "does not lead to the same" } else { "differs" };
    format!("{what} at {:#x}: {a} has {one}, and {b} {two}", found.offset)
}

/// The second plugin's layout: the module's sections where the first one has them. What a plugin makes lies where the
/// first one's of that kind does if there is room, or else behind everything: its size is each plugin's own affair.
fn beside(first: &Linked, prepared: &Prepared) -> Layout {
    let records = first.module.records();
    let sections = records.sections.iter().zip(&first.layout.addresses).filter(|(_, address)| **address != ABSENT);
    let ends = sections.map(|(s, address)| address.saturating_add(s.size));
    let made = first.synthetic.iter().map(|s| s.address.saturating_add(s.contents.len() as u64));
    let mut next = ends.chain(made).max().unwrap_or(0);
    let mut taken = BTreeSet::new();
    let mut place = |wanted: &relobox_abi::Synthetic| {
        let fits = |(i, s): &(usize, &crate::apply::Synthetic)| {
            let r = &s.wanted.record;
            let room = r.size >= wanted.size && s.address & (wanted.align.max(1) - 1) == 0;
            !taken.contains(i)
                && room
                && (r.kind, r.placement, r.section) == (wanted.kind, wanted.placement, wanted.section)
        };
        if let Some((i, s)) = first.synthetic.iter().enumerate().find(fits) {
            taken.insert(i);
            return s.address;
        }
        let at = next.next_multiple_of(wanted.align.max(1));
        next = at.saturating_add(wanted.size);
        at
    };
    let synthetic = prepared.needs().synthetic.iter().map(|wanted| place(&wanted.record)).collect();
    Layout { synthetic, ..first.layout.clone() }
}

/// A module as a case of the kit's: section 1 is its first, and its symbols have their own indices.
struct MadeUp {
    case: Case,
    /// The index in the module of each of the case's relocations.
    relocations: Vec<u32>,
}

impl MadeUp {
    fn of(records: &Records<'_>, inputs: &[(String, u64)]) -> Self {
        let p = records.parsed;
        let mut case = Case {
            machine: p.machine,
            class: p.class,
            order: p.order,
            elf_flags: p.elf_flags,
            inputs: inputs.to_vec(),
            ..Case::default()
        };
        let mut relocations = Vec::new();
        for (index, s) in (0..).zip(records.sections).skip(1) {
            let allocated = s.flags & section_flag::ALLOC != 0;
            let mut section = kit::Section {
                name: records.section_name(index),
                align: s.align,
                flags: s.flags,
                bytes: if allocated { records.bytes(s.data).to_vec() } else { Vec::new() },
                ..kit::Section::default()
            };
            for group in records.groups.iter().filter(|group| group.section == index && !section.bytes.is_empty()) {
                section.in_place = group.flags & group_flag::IN_PLACE != 0;
                let its = group.first..group.first + group.count;
                section.relocations.extend(its.clone().filter_map(|i| records.relocations.get(i as usize)).map(|r| {
                    let relobox_abi::Relocation { offset, addend, kind, symbol } = *r;
                    kit::Relocation { offset, kind, symbol, addend }
                }));
                relocations.extend(its);
            }
            case.sections.push(section);
        }
        let symbols = (0..).zip(records.symbols).skip(1);
        case.symbols.extend(symbols.map(|(i, s)| kit::Symbol {
            name: records.symbol_name(i).unwrap_or_default(),
            section: s.section,
            value: s.value,
            size: s.size,
            info: s.info,
            other: s.other,
            flags: s.flags,
        }));
        Self { case, relocations }
    }

    /// Its sections lie there.
    fn lie(&mut self, layout: &Layout) {
        let addresses = layout.addresses.iter().skip(1);
        self.case.sections.iter_mut().zip(addresses).for_each(|(s, address)| s.address = *address);
        self.case.synthetic = layout.synthetic.first().copied().unwrap_or_default();
    }

    fn linked(&self, linked: &Linked) -> kit::Linked {
        let sections = (1..).zip(&self.case.sections).map(|(i, s)| match s.bytes.is_empty() {
            true => Vec::new(),
            false => linked.contents(i).to_vec(),
        });
        let made = linked.synthetic.iter().map(|s| kit::Made {
            name: s.wanted.name.clone(),
            address: s.address,
            contents: s.contents.clone(),
            text: s.wanted.record.kind == synthetic_kind::TEXT,
        });
        kit::Linked { sections: sections.collect(), made: made.collect(), values: linked.resolved.values.clone() }
    }
}
