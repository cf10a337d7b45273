//! Cross-check: two plugins, written apart, link the same module at the same addresses, and must agree.
//!
//! Whatever differs is a problem of its own: what they ask for, what they find wrong, and then every byte. Their
//! relocation tables need not be the same, since what is compared is what a kernel would run.

use crate::confine::window_start;
use crate::error::{Error, Problem, Result};
use crate::guests::Plugin;
use crate::layout::{ABSENT, Layout};
use crate::limits;
use crate::link::{Linked, Prepared, prepare_by};
use crate::parse::{Module, Records};
use crate::resolve::Sources;
use relobox_abi::{placement, synthetic_kind};
use std::collections::BTreeSet;
use std::sync::Arc;

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
    let mut differences = Differences { file: &file, names, found: Vec::new(), more: 0, spare: Problem::default() };
    let first = attempt(first, one, inputs, &lay, sources)?;
    let second = attempt(second, two, inputs, &lay, sources)?;
    let linked = match (first, second) {
        (Ok((plan, linked)), Ok((other_plan, other))) => {
            differences.plans(&plan, &other_plan);
            if differences.found.is_empty() {
                differences.linked(&linked, &other);
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
        found.push(Problem::new("more", file, format!("and at least {more} more differences")));
    }
    Err(Error::Module(found))
}

/// What distinguishes them for a person.
fn labels(plugins: &[Arc<Plugin>; 2]) -> [String; 2] {
    plugins.each_ref().map(|p| format!("{} ({})", p.about.name, p.origin))
}

/// What a plugin asked for, without addresses in its memory.
#[derive(Default)]
struct Plan {
    /// Name, and the rest in words.
    synthetic: Vec<(String, String)>,
    /// Section and alignment.
    alignments: BTreeSet<(String, u64)>,
}

impl Plan {
    fn of(prepared: &Prepared) -> Self {
        let (records, needs) = (prepared.module.records(), prepared.needs());
        let made = needs.synthetic.iter().map(|s| {
            let kind = match s.record.kind {
                synthetic_kind::TEXT => "code",
                synthetic_kind::RODATA => "read-only data",
                _ => "data",
            };
            let place = match s.record.placement {
                placement::WITH_KIND => String::new(),
                placement::AFTER => format!(" after {}", records.section_name(s.record.section)),
                _ => format!(" before {}", records.section_name(s.record.section)),
            };
            (s.name.clone(), format!("{} bytes of {kind}, aligned to {}{place}", s.record.size, s.record.align))
        });
        let alignments = needs.alignments.iter().map(|a| (records.section_name(a.section), a.align));
        Self { synthetic: made.collect(), alignments: alignments.collect() }
    }
}

type Attempt = Result<(Plan, Linked), Vec<Problem>>;

/// What one makes of it: the module, or what it finds wrong.
fn attempt(
    plugin: Arc<Plugin>,
    module: Module,
    inputs: &[(String, u64)],
    lay: impl Fn(&Prepared) -> Result<Layout>,
    sources: Sources<'_>,
) -> Result<Attempt> {
    let linked = prepare_by(plugin, module, inputs).and_then(|prepared| {
        let (plan, layout) = (Plan::of(&prepared), lay(&prepared)?);
        Ok((plan, prepared.link(layout, sources)?))
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
    found: Vec<Problem>,
    /// How many were not kept. Every symbol and every word may be one.
    more: usize,
    /// One that is not kept.
    spare: Problem,
}

impl Differences<'_> {
    fn add(&mut self, text: String) -> &mut Problem {
        if self.found.len() >= limits::FAULTS {
            self.more += 1;
            return &mut self.spare;
        }
        self.found.push(Problem::new("cross-check", self.file, text));
        let last = self.found.len() - 1;
        &mut self.found[last]
    }

    fn plans(&mut self, first: &Plan, second: &Plan) {
        let [a, b] = self.names.clone();
        let most = first.synthetic.len().max(second.synthetic.len());
        for i in 0..most {
            let of = |plan: &Plan| {
                plan.synthetic.get(i).map_or("nothing".into(), |(name, what)| format!("{name:?}, {what}"))
            };
            let (one, two) = (of(first), of(second));
            if one != two {
                let name = first.synthetic.get(i).or(second.synthetic.get(i)).map(|(name, _)| name.clone());
                self.add(format!("{a} makes {one}, and {b} makes {two}")).section = name;
            }
        }
        for (section, align) in first.alignments.symmetric_difference(&second.alignments) {
            let who = if first.alignments.contains(&(section.clone(), *align)) { &a } else { &b };
            self.add(format!("only {who} aligns it to {align}")).section = Some(section.clone());
        }
    }

    /// What one of them finds wrong, and the other does not.
    fn faults(&mut self, first: &[Problem], second: &[Problem]) {
        let [a, b] = self.names.clone();
        let same = |p: &Problem, q: &Problem| {
            let place = (p.kind, &p.section, p.offset, &p.relocation) == (q.kind, &q.section, q.offset, &q.relocation);
            place && (&p.symbol, p.value, p.min, p.max) == (&q.symbol, q.value, q.min, q.max)
        };
        for (mine, theirs, who, other) in [(first, second, &a, &b), (second, first, &b, &a)] {
            for problem in mine.iter().filter(|p| !theirs.iter().any(|q| same(p, q))) {
                let more = if problem.text.is_empty() { String::new() } else { format!(", {}", problem.text) };
                let text = format!("is refused by {who} ({}{more}), and not by {other}", problem.kind);
                self.found.push(Problem {
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

    fn linked(&mut self, first: &Linked, second: &Linked) {
        let [a, b] = self.names.clone();
        let records = first.module.records();
        if first.layout != second.layout {
            self.add(format!("{a} and {b} do not agree on where sections go"));
            return;
        }
        let values = first.resolved.values.iter().zip(&second.resolved.values);
        for (i, (one, two)) in (0..).zip(values).filter(|(_, (one, two))| one != two) {
            let symbol = records.symbol_name(i);
            self.add(format!("a symbol's value differs: {a} has {one:#x}, and {b} {two:#x}")).symbol = symbol;
        }
        let in_memory = (0..).zip(&first.layout.addresses).filter(|(_, address)| **address != ABSENT);
        for (section, _) in in_memory {
            let (one, two) = (first.contents(section), second.contents(section));
            if one != two && self.found.len() >= limits::FAULTS {
                // To say where, all relocations would be looked at again.
                self.more += 1;
            } else if one != two {
                self.section(&records, section, [one, two], [first, second]);
            }
        }
        for (one, two) in first.synthetic.iter().zip(&second.synthetic) {
            let mut rest = 0;
            while let Some(at) = first_difference(&one.contents, &two.contents, rest) {
                // A word around it: what is made is tables of words, and code.
                let word = at / 8 * 8..(at / 8 * 8 + 8).min(one.contents.len());
                let text = says(&self.names, word.start, &one.contents[word.clone()], &two.contents[word.clone()]);
                let problem = self.add(text);
                (problem.section, problem.offset) = (Some(one.wanted.name.clone()), Some(word.start as u64));
                rest = word.end;
            }
        }
    }

    /// A problem for each relocation whose bytes differ.
    fn section(&mut self, records: &Records<'_>, section: u32, [one, two]: [&[u8]; 2], linked: [&Linked; 2]) {
        let owners = Owners::new(records, section, linked);
        let mut rest = 0;
        while let Some(at) = first_difference(one, two, rest) {
            let (start, end, owner) = owners.of(at as u64);
            let window = (start as usize).max(rest)..(end as usize).min(one.len()).max(at + 1);
            let text = says(&self.names, window.start, &one[window.clone()], &two[window.clone()]);
            let problem = self.add(text);
            problem.section = Some(records.section_name(section));
            problem.offset = Some(window.start as u64);
            if let Some(relocation) = owner.and_then(|i| records.relocations.get(i as usize)) {
                problem.index = owner;
                problem.relocation = Some(linked[0].plugin.about.relocation(relocation.kind));
                problem.symbol = records.symbol_name(relocation.symbol);
            }
            rest = window.end;
        }
    }
}

fn first_difference(one: &[u8], two: &[u8], from: usize) -> Option<usize> {
    let common = one.len().min(two.len());
    (from..common).find(|i| one[*i] != two[*i])
}

fn says([a, b]: &[String; 2], at: usize, one: &[u8], two: &[u8]) -> String {
    let bytes = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ");
    format!("differs at {at:#x}: {a} has {}, and {b} {}", bytes(one), bytes(two))
}

/// Which relocation's bytes are where: start, end and index, by start.
struct Owners(Vec<(u64, u64, u32)>);

impl Owners {
    fn new(records: &Records<'_>, section: u32, linked: [&Linked; 2]) -> Self {
        let mut windows = Vec::new();
        for group in records.groups.iter().filter(|group| group.section == section) {
            let first = group.first as usize;
            for (index, relocation) in (group.first..).zip(&records.relocations[first..first + group.count as usize]) {
                let rows = linked.iter().filter_map(|l| l.plugin.about.row(relocation.kind));
                windows.extend(rows.filter(|row| row.row.window_len != 0).map(|row| {
                    let start = window_start(&row.row, relocation.offset);
                    (start, start.saturating_add(row.row.window_len.into()), index)
                }));
            }
        }
        windows.sort_unstable();
        windows.dedup();
        Self(windows)
    }

    /// The window that a byte lies in; else what the last one before it declared further: plans have such windows.
    fn of(&self, at: u64) -> (u64, u64, Option<u32>) {
        let before = &self.0[..self.0.partition_point(|(start, ..)| *start <= at)];
        let near = before.iter().rev().take(limits::OVERLAPS);
        match near.clone().find(|(_, end, _)| at < *end).or_else(|| before.last()) {
            Some((start, end, index)) if at < *end => (*start, *end, Some(*index)),
            Some((.., index)) => (at, at + 1, Some(*index)),
            None => (at, at + 1, None),
        }
    }
}
