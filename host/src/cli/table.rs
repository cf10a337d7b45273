//! Tables of text, which fit the terminal.

use super::output;
use comfy_table::{CellAlignment, Table, presets};

/// Prints a table with rules, whose first column is text, and whose others are numbers.
pub(crate) fn print(header: &[&str], rows: &[Vec<String>]) {
    fit(presets::UTF8_HORIZONTAL_ONLY, header, rows, |column| column != 0);
}

/// Prints a table without rules. `numbers` says which columns are numbers.
pub(crate) fn plain(header: &[&str], rows: &[Vec<String>], numbers: impl Fn(usize) -> bool) {
    fit(presets::NOTHING, header, rows, numbers);
}

/// Prints a table. If the terminal is too narrow for all of it, the last columns are left out.
fn fit(preset: &str, header: &[&str], rows: &[Vec<String>], numbers: impl Fn(usize) -> bool) {
    let width = width().unwrap_or(usize::MAX);
    let made = |columns: usize| {
        let mut table = Table::new();
        table.load_preset(preset);
        table.set_header(&header[..columns]);
        for row in rows {
            table.add_row(&row[..columns]);
        }
        for (_, column) in table.column_iter_mut().enumerate().filter(|(at, _)| numbers(*at)) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        // The table puts a space before every line without rules.
        let text = table.to_string();
        match preset == presets::NOTHING {
            true => text
                .lines()
                .map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end())
                .collect::<Vec<_>>()
                .join("\n"),
            false => text,
        }
    };
    let fits = |text: &String| text.lines().all(|line| line.chars().count() <= width);
    let shown = (2..=header.len()).rev().map(|columns| (columns, made(columns)));
    let (columns, text) = shown.clone().find(|(_, text)| fits(text)).unwrap_or_else(|| (2, made(2)));
    output::lines(text);
    if columns < header.len() {
        output::line(format_args!("(this terminal is too narrow for: {})", header[columns..].join(", ")));
    }
}

/// The columns of the terminal, or of `COLUMNS` if it is set. `None` if standard output is not a terminal.
pub(crate) fn width() -> Option<usize> {
    let set = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let terminal = || rustix::termios::tcgetwinsize(std::io::stdout()).ok().map(|size| usize::from(size.ws_col));
    set.or_else(terminal).filter(|columns| *columns != 0)
}
