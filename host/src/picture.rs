//! Draws where the bits of each relocation's value go.

use relobox_kit::html::xml;
use relobox_link::description::{PluginDescription, PluginRow};
use std::fmt::Write as _;

/// The width and height of a bit's cell, the distance between rows, and the left edge of the cells, in pixels.
const CELL: usize = 16;
const HEIGHT: usize = 14;
const STEP: usize = 22;
const LEFT: usize = 640;
/// The most bits of a field: two instruction words.
const MOST: usize = 64;

/// Returns an SVG picture of a plugin's table: a line for each type that changes bytes, with its number, its name, its
/// formula and the bits of its field, the most significant one first. A cell has the number of the value's bit that
/// goes there; the bits of grey cells stay. Of a word that is the value, only the ends are numbered.
#[must_use]
pub fn svg(about: &PluginDescription) -> String {
    let rows: Vec<&PluginRow> = about.rows.iter().filter(|row| row.writes() && !row.slices.is_empty()).collect();
    let bits = rows.iter().map(|row| bits_of(row)).max().unwrap_or(0);
    let (width, height) = (LEFT + bits * CELL + 8, (rows.len() + 1) * STEP + 8);
    let mut out = String::new();
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" font-family=\"monospace\" font-size=\"12\">\n\
         <style>text{{fill:#222}}.p{{fill:#fff}}.n{{font-size:9px;text-anchor:middle}}.f{{fill:#ddd}}.v{{fill:#bcd9f5}}\
         .g{{stroke:#888;fill:none;stroke-width:.5}}\n\
         @media(prefers-color-scheme:dark){{text{{fill:#e6e6e6}}.p{{fill:#161616}}.f{{fill:#383838}}\
         .v{{fill:#24527c}}svg{{background:#161616}}}}</style>\n\
         <rect class=\"p\" width=\"{width}\" height=\"{height}\"/>\n\
         <text x=\"8\" y=\"{STEP}\" font-weight=\"bold\">{}</text>",
        xml(&about.title)
    );
    for (row, y) in rows.into_iter().zip((STEP + 8..).step_by(STEP)) {
        line(&mut out, row, y);
    }
    out.push_str("</svg>\n");
    out
}

/// Returns the number of bits of the row's field.
fn bits_of(row: &PluginRow) -> usize {
    (usize::from(row.row.width) * 8).min(MOST)
}

fn line(out: &mut String, row: &PluginRow, y: usize) {
    let (bits, text) = (bits_of(row), y + HEIGHT - 3);
    let _ = writeln!(
        out,
        "<text x=\"8\" y=\"{text}\">{:>3} {}</text><text x=\"330\" y=\"{text}\">{}</text>",
        row.row.kind,
        xml(&row.name),
        xml(&row.formula)
    );
    let x = |bit: usize| LEFT + (bits - 1).saturating_sub(bit) * CELL;
    let _ = write!(out, "<rect class=\"f\" x=\"{LEFT}\" y=\"{y}\" width=\"{}\" height=\"{HEIGHT}\"/>", bits * CELL);
    let (mut cells, mut numbers) = (String::new(), String::new());
    for slice in &row.slices {
        let (first, len) = (usize::from(slice.field_bit), usize::from(slice.len));
        let last = (first + len).min(bits).max(1) - 1;
        let _ = write!(
            out,
            "<rect class=\"v\" x=\"{}\" y=\"{y}\" width=\"{}\" height=\"{HEIGHT}\"/>",
            x(last),
            (last + 1).saturating_sub(first) * CELL
        );
        let whole = (first, last, slice.value_bit) == (0, bits - 1, 0);
        // The ends say all of a word that is the value.
        for bit in (first..=last).filter(|bit| !whole || [0, bits - 1].contains(bit)) {
            let number = usize::from(slice.value_bit) + bit - first;
            let _ = write!(numbers, "<tspan x=\"{}\">{number}</tspan>", x(bit) + CELL / 2);
        }
    }
    let whole = matches!(&row.slices[..], [s] if usize::from(s.len) == bits && s.value_bit == 0);
    for bit in (0..bits).filter(|bit| !whole || bit % 8 == 7) {
        // Bytes are set apart.
        let (top, len) = if bit % 8 == 7 { (y - 3, HEIGHT + 6) } else { (y, HEIGHT) };
        let _ = write!(cells, "M{} {top}v{len}", x(bit));
    }
    let _ = writeln!(out, "<path class=\"g\" d=\"{cells}\"/><text class=\"n\" y=\"{}\">{numbers}</text>", text - 1);
}
