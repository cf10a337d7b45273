//! Cross-check: two independent plugins link the same module at the same addresses, and must agree.
//!
//! Each difference is a problem: in the alignments that they ask for, in the errors that they report, and then in every
//! field. The comparison is about what a kernel would execute, see [`crate::kit::agree`]. The plugins' relocation
//! tables and the numbers of GOT entries and stubs may differ.

use crate::areas::ABSENT;
use crate::diagnostic::Diagnostic;
use crate::error::{Error, Result};
use crate::guests::Plugin;
use crate::index::TargetId;
use crate::kit::agree::{Difference, differences};
use crate::kit::{self, TestModule};
use crate::layout::Layout;
use crate::limits;
use crate::link::{Linked, Prepared, kind_of, prepare_by};
use crate::parse::Module;
use crate::records::Records;
use crate::resolve::Sources;
use crate::text::hex;
use relobox_abi::{Machine, group_flag, section_flag, synthetic_kind};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Checks that `plugin` can link a module of this machine. `named` is the name that the user gave for it.
///
/// # Errors
///
/// [`Error::Usage`] if the plugin is for another machine.
pub fn must_link(plugin: &Plugin, named: &str, records: &Records<'_>) -> Result<()> {
    if machine_of(plugin, records).is_some() {
        return Ok(());
    }
    let (name, what) = (&plugin.about.name, kind_of(records));
    Err(Error::Usage(format!("--cross-check {named}: plugin {name} is for another machine than {what}")))
}

/// Returns the plugin's entry for the machine of a module, or `None` if the plugin does not link it.
#[must_use]
pub fn machine_of<'a>(plugin: &'a Plugin, records: &Records<'_>) -> Option<&'a Machine> {
    let p = records.parsed;
    let wanted = TargetId { machine: p.machine, class: p.class, order: p.order, flags: p.elf_flags };
    plugin.about.machine_for(&wanted)
}

/// Links a module with two plugins. `modules` is the same module twice, and `lay` computes its layout.
///
/// Returns the result of the first plugin.
///
/// # Errors
/// [`Error::Module`] with every difference, or with the errors that both plugins report.
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
    let mut kit_module = KitModule::of(&two.records(), inputs);
    let first = attempt(first, one, inputs, &lay, sources)?;
    let second = match &first {
        Ok((_, first)) => attempt(second, two, inputs, |prepared| Ok(beside(first, prepared)), sources)?,
        Err(_) => attempt(second, two, inputs, &lay, sources)?,
    };
    let linked = match (first, second) {
        (Ok((asked, linked)), Ok((others, other))) => {
            differences.alignments(&asked, &others);
            if differences.found.is_empty() {
                kit_module.set_addresses(&linked.layout);
                differences.linked(&kit_module, &linked, &other);
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

/// The plugins' names and origins, for people.
fn labels(plugins: &[Arc<Plugin>; 2]) -> [String; 2] {
    plugins.each_ref().map(|p| format!("{} ({})", p.about.name, p.origin))
}

/// The alignments that a plugin asked for: section and alignment.
type Alignments = BTreeSet<(String, u64)>;

fn alignments(prepared: &Prepared) -> Alignments {
    let records = prepared.module.records();
    prepared.needs().alignments.iter().map(|a| (records.section_name(a.section), a.align)).collect()
}

type Attempt = Result<(Alignments, Linked), Vec<Diagnostic>>;

/// Links with one plugin. The inner error has the problems that it reports.
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
    /// The number of differences that were not kept. Every symbol and every word can be one.
    more: usize,
    /// A problem that is not kept.
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

    /// Adds the errors that only one of the plugins reports.
    fn faults(&mut self, first: &[Diagnostic], second: &[Diagnostic]) {
        let [a, b] = self.names.clone();
        // Names of types, values of symbols and ends of ranges can differ.
        let same = |p: &Diagnostic, q: &Diagnostic| {
            (p.kind, &p.section, p.offset, p.index) == (q.kind, &q.section, q.offset, q.index)
        };
        for (mine, theirs, who, other) in [(first, second, &a, &b), (second, first, &b, &a)] {
            for problem in mine.iter().filter(|p| !theirs.iter().any(|q| same(p, q))) {
                let more = if problem.text.is_empty() { String::new() } else { format!(", {}", problem.text) };
                let text = format!("is refused by {who} ({}{more}), but not by {other}", problem.kind);
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

    fn linked(&mut self, kit_module: &KitModule, first: &Linked, second: &Linked) {
        let [a, b] = self.names.clone();
        let records = first.module.records();
        // A symbol that a plugin supplies can lie in a section that it made, which has another address with the other
        // plugin.
        let inside = |linked: &Linked, value: u64| {
            linked.synthetic.iter().any(|s| value.wrapping_sub(s.address) <= s.contents.len() as u64)
        };
        let values = first.resolved.values.iter().zip(&second.resolved.values);
        for (i, (one, two)) in (0..).zip(values).filter(|(_, (one, two))| one != two) {
            if inside(first, *one) && inside(second, *two) {
                continue;
            }
            let symbol = records.symbol_name(i);
            self.add(format!("the value of a symbol differs: {one:#x} with {a}, {two:#x} with {b}")).symbol = symbol;
        }
        let plugins = [&*first.plugin, &*second.plugin];
        let linked = [first, second].map(|linked| kit_module.linked(linked));
        for found in differences(plugins, &kit_module.module, [&linked[0], &linked[1]]) {
            let text = describe(&self.names, &found);
            let problem = self.add(text);
            problem.offset = Some(found.offset);
            problem.section = match found.section {
                // The first section of the test module is section 1.
                Some(section) => Some(records.section_name(section as u32 + 1)),
                None => found.made,
            };
            let index = found.relocation.and_then(|i| kit_module.relocations.get(i).copied());
            if let Some(relocation) = index.and_then(|i| records.relocations.get(i as usize)) {
                problem.index = index;
                problem.relocation = Some(first.plugin.about.relocation(relocation.kind));
                problem.symbol = records.symbol_name(relocation.symbol);
            }
        }
    }
}

fn describe([a, b]: &[String; 2], found: &Difference) -> String {
    let [one, two] = found.bytes.each_ref().map(|bytes| {
        let bytes: Vec<_> = bytes.chunks(1).map(hex).collect();
        if bytes.is_empty() { "nothing".to_owned() } else { bytes.join(" ") }
    });
    let what = if found.leads { "leads to different targets" } else { "differs" };
    format!("{what} at {:#x}: {a} has {one}, and {b} {two}", found.offset)
}

/// The layout for the second plugin. The module's own sections keep their addresses. A section that the plugin makes
/// takes the place of one of the first plugin's of the same kind if it fits, and otherwise comes after everything else.
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

/// A module as a test module of the kit. Its first section is section 1, and symbols keep their indices.
struct KitModule {
    module: TestModule,
    /// For each relocation of the test module, its index in the original module.
    relocations: Vec<u32>,
}

impl KitModule {
    fn of(records: &Records<'_>, inputs: &[(String, u64)]) -> Self {
        let p = records.parsed;
        let mut module = TestModule {
            machine: p.machine,
            class: p.class,
            order: p.order,
            elf_flags: p.elf_flags,
            inputs: inputs.to_vec(),
            ..TestModule::default()
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
            module.sections.push(section);
        }
        let symbols = (0..).zip(records.symbols).skip(1);
        module.symbols.extend(symbols.map(|(i, s)| kit::Symbol {
            name: records.symbol_name(i).unwrap_or_default(),
            section: s.section,
            value: s.value,
            size: s.size,
            info: s.info,
            other: s.other,
            flags: s.flags,
        }));
        Self { module, relocations }
    }

    /// Sets the addresses of the sections.
    fn set_addresses(&mut self, layout: &Layout) {
        let addresses = layout.addresses.iter().skip(1);
        self.module.sections.iter_mut().zip(addresses).for_each(|(s, address)| s.address = *address);
        self.module.synthetic = layout.synthetic.first().copied().unwrap_or_default();
    }

    fn linked(&self, linked: &Linked) -> kit::Linked {
        let sections = (1..).zip(&self.module.sections).map(|(i, s)| match s.bytes.is_empty() {
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
