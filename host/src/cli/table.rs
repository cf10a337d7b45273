//! Tables of text, which fit the terminal.

use super::output;
use comfy_table::{CellAlignment, Table, presets};

/// Prints a table whose first column is text, and whose others are numbers. If the terminal is too narrow for all of it,
/// the last columns are left out.
pub(crate) fn print(header: &[&str], rows: Vec<Vec<String>>) {
    let width = width().unwrap_or(usize::MAX);
    let made = |columns: usize| {
        let mut table = Table::new();
        table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
        table.set_header(&header[..columns]);
        rows.iter().for_each(|row| {
            table.add_row(&row[..columns]);
        });
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table.to_string()
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
