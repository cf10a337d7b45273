//! The result of `relobox check` as text.

use super::output;
use super::report::{Compared, KernelReport, Placed, Report};
use crate::cli::table;
use relobox::check::{Found, Outcome};
use relobox::limits;
use relobox::text::thousands;
use std::collections::BTreeMap;
use std::path::Path;

/// One line of the table: the modules of a directory.
#[derive(Default)]
pub(super) struct Row {
    pub(super) modules: usize,
    pub(super) linked: usize,
    pub(super) relocations: usize,
    synthetic: usize,
}

impl Row {
    fn add(&mut self, outcome: &Outcome) {
        self.modules += 1;
        if let Ok(done) = &outcome.result {
            self.linked += 1;
            self.relocations += done.relocations;
            self.synthetic += done.synthetic;
        }
    }

    /// The cells. A narrow terminal shows only the first of them.
    pub(super) fn cells(&self, name: &str) -> Vec<String> {
        let numbers = [self.modules, self.linked, self.modules - self.linked, self.relocations, self.synthetic];
        std::iter::once(output::cell(name)).chain(numbers.map(grouped)).collect()
    }
}

/// The header of the table.
pub(super) const HEADER: [&str; 6] = ["where", "modules", "linked", "rejected", "relocations", "bytes made"];

/// A number with separators: `1,407,153`.
pub(super) fn grouped(number: usize) -> String {
    thousands(number as u64)
}

/// `1 module`, `1,407 modules`.
pub(super) fn counted(number: usize, what: &str) -> String {
    format!("{} {what}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// `1 module links`, `1,407 modules link`.
pub(super) fn linked(number: usize) -> String {
    format!("{} link{}", counted(number, "module"), if number == 1 { "s" } else { "" })
}

/// The row of a module: the directory below `kernel/`, or the module's own directory.
fn directory(path: &Path) -> String {
    let parts: Vec<_> = path.iter().map(|p| p.to_string_lossy()).collect();
    let below = parts.iter().position(|p| p == "kernel").map(|i| i + 1).filter(|i| i + 1 < parts.len());
    let parent = parts.len().saturating_sub(2);
    parts.get(below.unwrap_or(parent)).filter(|_| parts.len() > 1).map_or_else(|| ".".into(), ToString::to_string)
}

/// The rows of the modules that `of` accepts, by directory.
pub(super) fn rows(outcomes: &[Outcome], of: impl Fn(&Outcome) -> bool) -> BTreeMap<String, Row> {
    let mut rows = BTreeMap::<String, Row>::new();
    outcomes.iter().filter(|o| of(o)).for_each(|o| rows.entry(directory(&o.path)).or_default().add(o));
    rows
}

/// Prints warnings about files that are not checked as one might expect, a few of each kind.
fn print_found(found: &Found) {
    fn some<T>(all: &[T], what: &str, line: impl Fn(&T) -> String) {
        all.iter().take(limits::SHOWN).for_each(|one| output::warning(line(one)));
        let more = all.len().saturating_sub(limits::SHOWN);
        if more != 0 {
            output::warning(format_args!("… and {more} more {what} (--json lists all)"));
        }
    }
    some(&found.warnings, "warnings", Clone::clone);
    some(&found.shadowed, "files", |s| {
        format!("{}: not checked, because modprobe uses {}", s.path.display(), s.by.display())
    });
    some(&found.unlisted, "files", |path| {
        format!(
            "{}: modprobe does not know it, because modules.dep does not list it or depmod excludes it",
            path.display()
        )
    });
    let links = found.links.len();
    if links != 0 {
        output::warning(format_args!(
            "{links} of the modules are symbolic links out of their tree (--json lists them)"
        ));
    }
}

/// `kernel 6.1.0-56-amd64 in /lib/modules/6.1.0-56-amd64: 4,023 modules for machine 62, 64 bits, little-endian; …`
pub(super) fn kernel_line(kernel: &KernelReport<'_>) -> String {
    let release = kernel.release.map_or_else(|| "of an unknown release".to_owned(), ToOwned::to_owned);
    let tree = kernel.tree.map_or_else(String::new, |tree| format!(" in {}", tree.display()));
    let (machine, class, order) = (kernel.machine, kernel.class, kernel.byte_order);
    let symbols = match (kernel.symbols, kernel.symbols_not_found) {
        ([], None) => "each symbol that no module exports is assumed to be in the kernel".to_owned(),
        ([], Some(why)) => {
            format!("no symbols were found, and each that no module exports is assumed to be in the kernel ({why})")
        }
        (files, _) => {
            let names: Vec<_> = files.iter().map(|path| path.display().to_string()).collect();
            format!("symbols from {}", names.join(" and "))
        }
    };
    let modules = counted(kernel.modules, "module");
    format!("kernel {release}{tree}: {modules} for machine {machine}, {class} bits, {order}-endian; {symbols}")
}

pub(super) fn placed_line(place: &Placed<'_>) -> String {
    let kernel = if place.kernel_from_file { "the kernel is" } else { "the kernel is assumed to be" };
    format!(
        "plugin {}: {}, assumed to be at {:#x}; {kernel} at {:#x}, {} MiB away",
        place.plugin,
        counted(place.modules, "module"),
        place.base,
        place.kernel,
        thousands(place.distance >> 20)
    )
}

pub(super) fn compared_line(compared: &Compared) -> String {
    let (alike, differ) = (counted(compared.alike, "module"), grouped(compared.differ));
    let other = match compared.not_compared {
        0 => String::new(),
        n => format!(", {} not compared, because it is for another machine", grouped(n)),
    };
    let plugin = &compared.plugin;
    format!("cross-check by {} ({}): {alike} alike, {differ} different{other}", plugin.plugin, plugin.origin)
}

pub(super) fn print(found: &Found, outcomes: &[Outcome], report: &Report<'_>) {
    print_found(found);
    let failed = outcomes.iter().filter_map(|o| o.result.as_ref().err());
    for error in failed.clone().take(limits::SHOWN) {
        output::error(error, false);
    }
    let more = failed.count().saturating_sub(limits::SHOWN);
    if more != 0 {
        output::warning(format_args!("… and {more} more modules (--json lists all)"));
    }
    for (at, kernel) in report.kernels.iter().enumerate() {
        output::line(kernel_line(kernel));
        print_rows(&rows(outcomes, |outcome| outcome.kernel == Some(at)));
    }
    let unknown = rows(outcomes, |outcome| outcome.kernel.is_none());
    if !unknown.is_empty() {
        output::line("modules that cannot be read:");
        print_rows(&unknown);
    }
    for place in &report.placed {
        output::line(placed_line(place));
    }
    for reason in &report.reasons {
        let (problems, modules) = (counted(reason.problems, "problem"), counted(reason.modules, "module"));
        output::line(format_args!("reason {}: {problems} in {modules}", reason.kind));
    }
    for row in &report.refused_types {
        let what = if row.kind == "unknown-relocation" { "is unknown" } else { "is refused" };
        let (places, modules) = (counted(row.relocations, "place"), counted(row.modules, "module"));
        output::line(format_args!("relocation {} {what}: {places} in {modules}", row.relocation));
    }
    if let Some(verified) = report.verified {
        output::line(format_args!("{} of those that link: signature verified", counted(verified, "module")));
    }
    if let Some(compared) = &report.cross_check {
        output::line(compared_line(compared));
    }
    let rejected = grouped(report.rejected);
    output::line(format_args!("{}, {rejected} rejected", linked(report.linked)));
}

fn print_rows(rows: &BTreeMap<String, Row>) {
    table::print(&HEADER, &cells(rows));
}

/// The cells of all rows, and of their sum.
pub(super) fn cells(rows: &BTreeMap<String, Row>) -> Vec<Vec<String>> {
    let mut total = Row::default();
    for row in rows.values() {
        total.modules += row.modules;
        total.linked += row.linked;
        total.relocations += row.relocations;
        total.synthetic += row.synthetic;
    }
    let mut cells: Vec<_> = rows.iter().map(|(name, row)| row.cells(name)).collect();
    if rows.len() > 1 {
        cells.push(total.cells("all"));
    }
    cells
}
