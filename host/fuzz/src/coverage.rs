//! The coverage of a campaign as one HTML page: for each function of the guest, how many of its edges were covered.

use super::driver::Summary;
use super::instrument::Instrumented;
use relobox_core::text::thousands;
use relobox_kit::html;
use std::fmt::Write as _;

/// Long names break, and phones have no room for the indices.
const STYLE: &str = "td:first-child { overflow-wrap: anywhere }
@media (max-width: 40em) { th:nth-child(2), td:nth-child(2) { display: none } }
";

/// A function of a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row<'a> {
    name: &'a str,
    index: usize,
    covered: usize,
    edges: usize,
}

impl Row<'_> {
    fn missing(&self) -> usize {
        self.edges - self.covered
    }

    fn cells(&self) -> Vec<String> {
        let Self { name, index, covered, edges } = *self;
        let numbers = [covered, edges, self.missing()].map(|n| thousands(n as u64));
        [vec![name.to_owned(), index.to_string()], numbers.to_vec(), vec![percent(covered, edges)]].concat()
    }
}

/// Formats a part of a whole: `97.3 %`. Only the whole is `100.0 %`, and only nothing is `0.0 %`.
fn percent(part: usize, whole: usize) -> String {
    let exact = (part * 1000).checked_div(whole).unwrap_or(1000);
    let shown = if part == 0 { 0 } else { exact.max(1) };
    format!("{}.{} %", shown / 10, shown % 10)
}

/// Returns the page for a campaign on the guest `name`. Functions with the most missing edges come first.
#[must_use]
pub fn page(name: &str, guest: &Instrumented, seed: u64, summary: &Summary) -> String {
    let covered = |edge: usize| summary.covered.get(edge).copied().unwrap_or(false);
    let mut rows: Vec<_> = (0..)
        .zip(&guest.functions)
        .map(|(index, function)| Row {
            name: &function.name,
            index,
            covered: function.edges.clone().filter(|edge| covered(*edge)).count(),
            edges: function.edges.len(),
        })
        .collect();
    let sum = |of: fn(&Row<'_>) -> usize| rows.iter().map(of).sum::<usize>();
    let total = Row { name: "all functions", index: 0, covered: sum(|row| row.covered), edges: sum(|row| row.edges) };
    let entered = rows.iter().filter(|row| row.covered != 0).count();
    rows.sort_by_key(|row| (std::cmp::Reverse(row.missing()), row.index));

    let mut out = String::new();
    let number = |n: usize| thousands(n as u64);
    let _ = writeln!(
        out,
        "<p>{} of {} edges ({}) and {} of {} functions were reached, by {} executions with the seed {seed}.<br>\n\
         Inputs in the corpus: {}. Findings: {}.<br>\nSHA-256 of the guest: {}</p>",
        number(total.covered),
        number(total.edges),
        percent(total.covered, total.edges),
        number(entered),
        number(rows.len()),
        thousands(summary.progress.executions),
        number(summary.progress.corpus),
        number(summary.progress.findings),
        guest.digest
    );
    out.push_str(
        "<p>An edge is the entry of a function, a branch that is taken or not, a case of a table of branches, or the \
         head of a loop. Only executions of inputs count: what a guest does once, such as the description of a \
         plugin, does not.</p>\n",
    );
    if !guest.named {
        out.push_str("<p>The guest has no names of functions, so only exported functions are named.</p>\n");
    }
    let header = ["function", "index", "covered", "edges", "missing", "percent"];
    let mut cells: Vec<_> = rows.iter().map(Row::cells).collect();
    let mut last = total.cells();
    last[1].clear();
    cells.push(last);
    html::table(&mut out, &header, &cells, 1);
    html::page(&format!("relobox fuzz: coverage of {name}"), STYLE, &out)
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn only_the_whole_is_a_hundred_percent() {
        assert_eq!(percent(0, 3), "0.0 %");
        assert_eq!(percent(1, 5000), "0.1 %");
        assert_eq!(percent(2, 3), "66.6 %");
        assert_eq!(percent(4999, 5000), "99.9 %");
        assert_eq!(percent(3, 3), "100.0 %");
    }
}
