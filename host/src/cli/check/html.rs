//! The result of `relobox check` as one HTML page, which loads nothing from elsewhere.

use super::report::{ModuleFailure, Report};
use super::text::{HEADER, cells, compared_line, grouped, kernel_line, linked, placed_line, rows};
use relobox::check::{Found, Outcome};
use relobox::kit::html::{self, list, table, xml};
use std::collections::BTreeSet;
use std::fmt::Write as _;

const STYLE: &str = include_str!("page.css");

/// Shows the rows that contain all words of the search field.
const SCRIPT: &str = include_str!("page.js");

/// Returns the page.
pub(super) fn page(found: &Found, outcomes: &[Outcome], report: &Report<'_>) -> String {
    let title = format!("relobox check: {}, {} rejected", linked(report.linked), grouped(report.rejected));
    let mut out = String::new();
    for (at, kernel) in report.kernels.iter().enumerate() {
        let _ = writeln!(out, "<h2>Kernel {}</h2>", xml(kernel.release.unwrap_or("of an unknown release")));
        let _ = writeln!(out, "<p>{}</p>", xml(&kernel_line(kernel)));
        table(&mut out, &HEADER, &cells(&rows(outcomes, |outcome| outcome.kernel == Some(at))), 1);
    }
    let unknown = rows(outcomes, |outcome| outcome.kernel.is_none());
    if !unknown.is_empty() {
        out.push_str("<h2>Modules that cannot be read</h2>\n");
        table(&mut out, &HEADER, &cells(&unknown), 1);
    }
    let lines = report.placed.iter().map(placed_line).chain(report.cross_check.iter().map(compared_line));
    list(&mut out, "Assumed addresses", lines);
    if !report.reasons.is_empty() {
        out.push_str("<h2>Reasons</h2>\n");
        let reasons = report.reasons.iter();
        let reasons = reasons.map(|r| vec![r.kind.to_owned(), grouped(r.problems), grouped(r.modules)]);
        table(&mut out, &["reason", "problems", "modules"], &reasons.collect::<Vec<_>>(), 1);
    }
    if !report.refused_types.is_empty() {
        out.push_str("<h2>Refused relocation types</h2>\n");
        let types = report
            .refused_types
            .iter()
            .map(|t| vec![t.relocation.to_owned(), t.kind.to_owned(), grouped(t.relocations), grouped(t.modules)]);
        table(&mut out, &["type", "reason", "relocations", "modules"], &types.collect::<Vec<_>>(), 2);
    }
    failures(&mut out, report);
    let shadowed = found.shadowed.iter();
    let shadowed =
        shadowed.map(|s| format!("{}: not checked, because modprobe uses {}", s.path.display(), s.by.display()));
    let unlisted = found.unlisted.iter().map(|path| format!("{}: modprobe does not know it", path.display()));
    list(&mut out, "Warnings", found.warnings.iter().cloned().chain(shadowed).chain(unlisted));
    let _ = write!(out, "<script>\n{SCRIPT}</script>\n");
    html::page(&title, STYLE, &out)
}

fn failures(out: &mut String, report: &Report<'_>) {
    if report.failures.is_empty() {
        return;
    }
    let _ = write!(
        out,
        "<h2>Rejected modules</h2>\n<p><label>Search <input id=\"search\" type=\"search\" \
         placeholder=\"words of a path, a reason, a symbol\"></label> <span id=\"count\"></span></p>\n\
         <div class=\"wide\"><table id=\"failures\">\n<thead><tr><th>module</th><th>reasons</th><th>problems</th></tr>\
         </thead>\n<tbody>\n"
    );
    for failure in &report.failures {
        let release = failure.kernel.and_then(|at| report.kernels.get(at)?.release);
        let release = release.map_or_else(String::new, |release| format!("<br><small>{}</small>", xml(release)));
        let message: Vec<_> = failure.message.lines().map(xml).collect();
        let _ = writeln!(
            out,
            "<tr><td>{}{release}</td><td>{}</td><td><pre>{}</pre></td></tr>",
            xml(&failure.module.display().to_string()),
            kinds(failure),
            message.join("\n")
        );
    }
    out.push_str("</tbody></table></div>\n");
}

/// The kinds of a module's problems.
fn kinds(failure: &ModuleFailure<'_>) -> String {
    let kinds: BTreeSet<&str> = failure.problems.iter().map(|problem| problem.kind).collect();
    match kinds.is_empty() {
        true if failure.exit_code == 3 => "guest".to_owned(),
        true => "unreadable".to_owned(),
        false => kinds.into_iter().map(xml).collect::<Vec<_>>().join("<br>"),
    }
}
