//! A map of a linked module: its sections by address, their permissions, where relocations were done, and what the
//! plugin has made.

use crate::areas::{ABSENT, PAGE};
use crate::kit::html::xml;
use crate::link::Linked;
use relobox_abi::{section_flag, synthetic_kind};
use relobox_core::text::thousands;
use std::fmt::Write as _;

/// The sections of a module, by address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SectionMap {
    /// The file's name.
    pub name: String,
    /// The sections that have a size.
    pub sections: Vec<MapSection>,
}

/// A section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapSection {
    /// Its name.
    pub name: String,
    /// The address of its first byte.
    pub address: u64,
    /// Its size in bytes, at least 1.
    pub size: u64,
    /// Whether it can be written.
    pub writable: bool,
    /// Whether it can be executed.
    pub executable: bool,
    /// Whether the plugin made it (GOT, PLT, veneers).
    pub synthetic: bool,
    /// The offsets of its relocations.
    pub relocations: Vec<u64>,
}

/// Sections that are not farther apart than this many bytes are drawn on one axis.
const NEAR: u64 = 0x10_0000;

/// Width of the bars, the distance between rows, the height of a bar and the left edge of the bars, in pixels.
const WIDTH: u64 = 900;
const STEP: u64 = 22;
const HEIGHT: u64 = 14;
const LEFT: u64 = 500;
/// The most characters of a section's name that fit before its bar.
const NAME: usize = 26;
/// Pixels of one cell of density.
const CELL: u64 = 3;
/// The most page borders on one axis. Of more pages, only every second, fourth … border is drawn.
const BORDERS: u64 = 150;
/// Characters of a bar in the text.
const BAR: u64 = 32;

impl MapSection {
    /// Returns the address behind its last byte.
    fn end(&self) -> u64 {
        self.address.saturating_add(self.size)
    }

    /// Returns its permissions: `r--`, `rw-`, `r-x`, `rwx`.
    #[must_use]
    pub fn permissions(&self) -> &'static str {
        match (self.writable, self.executable) {
            (false, false) => "r--",
            (true, false) => "rw-",
            (false, true) => "r-x",
            (true, true) => "rwx",
        }
    }

    /// Counts its relocations in `cells` equal parts.
    fn density(&self, cells: u64) -> Vec<u64> {
        let mut counts = vec![0; cells as usize];
        for offset in self.relocations.iter().filter(|offset| **offset < self.size) {
            let cell = u128::from(*offset) * u128::from(cells) / u128::from(self.size);
            counts[cell as usize] += 1;
        }
        counts
    }
}

impl SectionMap {
    /// Returns the map of a linked module.
    #[must_use]
    pub fn of(linked: &Linked) -> Self {
        let records = linked.module.records();
        let mut relocations = vec![Vec::new(); records.sections.len()];
        for group in records.groups {
            if let Some(of) = relocations.get_mut(group.section as usize) {
                of.extend(records.relocations_of(group).iter().map(|relocation| relocation.offset));
            }
        }
        let own = (0..).zip(records.sections).zip(&linked.layout.addresses).zip(relocations);
        let own = own.filter(|(((_, section), address), _)| **address != ABSENT && section.size != 0);
        let own = own.map(|(((index, section), address), relocations)| MapSection {
            name: records.section_name(index),
            address: *address,
            size: section.size,
            writable: section.flags & section_flag::WRITE != 0,
            executable: section.flags & section_flag::EXEC != 0,
            synthetic: false,
            relocations,
        });
        let made = linked.synthetic.iter().filter(|made| !made.contents.is_empty()).map(|made| MapSection {
            name: made.wanted.name.clone(),
            address: made.address,
            size: made.contents.len() as u64,
            writable: matches!(made.wanted.record.kind, synthetic_kind::DATA | synthetic_kind::INIT_DATA),
            executable: matches!(made.wanted.record.kind, synthetic_kind::TEXT | synthetic_kind::INIT_TEXT),
            synthetic: true,
            relocations: Vec::new(),
        });
        let mut sections: Vec<_> = own.chain(made).collect();
        sections.sort_by_key(|section| section.address);
        Self { name: records.name.to_owned(), sections }
    }

    /// Returns the sections in groups, each of which lies in one piece of the address space.
    fn pieces(&self) -> Vec<&[MapSection]> {
        self.sections.chunk_by(|a, b| b.address.saturating_sub(a.end()) <= NEAR).collect()
    }

    /// Returns the map as lines of text. A bar shows where the section lies in its piece of the address space; the
    /// darker a cell, the more relocations it has.
    #[must_use]
    pub fn text(&self) -> Vec<String> {
        let mut out = Vec::new();
        for piece in self.pieces() {
            let axis = Axis::of(piece);
            let pages = thousands((axis.end - axis.start) / PAGE);
            out.push(format!("{:#x} to {:#x}: {pages} pages", axis.start, axis.end));
            for s in piece {
                let (first, cells) = axis.part(s, BAR);
                let density = s.density(cells);
                let most = density.iter().copied().max().unwrap_or(0);
                let cell = |count: &u64| match (count * 3).checked_div(most) {
                    _ if *count == 0 => '·',
                    Some(0) => '░',
                    Some(1) => '▒',
                    Some(2) => '▓',
                    _ => '█',
                };
                let bar: String = density.iter().map(cell).collect();
                let bar = format!("{}{bar}", " ".repeat(first as usize));
                let made = if s.synthetic { " (made by the plugin)" } else { "" };
                out.push(format!(
                    "  {:#018x} {} {:>9} |{bar:<width$}| {}{made}",
                    s.address,
                    s.permissions(),
                    s.size,
                    s.name,
                    width = BAR as usize
                ));
            }
        }
        out.push("r-x code, r-- constants, rw- data; · no relocation, ░▒▓█ more and more relocations".to_owned());
        out
    }

    /// Returns the map as an SVG picture.
    #[must_use]
    pub fn svg(&self) -> String {
        let pieces = self.pieces();
        let rows = self.sections.len() + 2 * pieces.len() + 3;
        let (width, height) = (LEFT + WIDTH + 16, rows as u64 * STEP + 16);
        let mut out = String::new();
        let _ = writeln!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" font-family=\"monospace\" font-size=\"12\">\n\
             <style>text{{fill:#222}}.r{{fill:#9ecae1}}.w{{fill:#a1d99b}}.x{{fill:#fdae6b}}.b{{fill:#e34a33}}\
             .s{{stroke:#54278f;stroke-width:2;stroke-dasharray:4 2}}.d{{fill:#000}}\
             .p{{stroke:#bbb;stroke-width:.5}}.a{{fill:#f5f5f5}}.o{{fill:#fff}}\n\
             @media(prefers-color-scheme:dark){{text{{fill:#e6e6e6}}.o{{fill:#161616}}.a{{fill:#242424}}\
             .p{{stroke:#555}}.s{{stroke:#c9b3ff}}.d{{fill:#fff}}svg{{background:#161616}}}}</style>\n\
             <rect class=\"o\" width=\"{width}\" height=\"{height}\"/>\n\
             <text x=\"8\" y=\"{STEP}\" font-weight=\"bold\">{}</text>",
            xml(&self.name)
        );
        let mut x = 8;
        for (class, text) in [
            ("x", "r-x code"),
            ("r", "r-- constants"),
            ("w", "rw- data"),
            ("b", "rwx"),
            ("r s", "made by the plugin"),
            ("d", "many relocations"),
        ] {
            let _ = write!(
                out,
                "<rect class=\"{class}\" x=\"{x}\" y=\"{}\" width=\"14\" height=\"12\"/><text x=\"{}\" y=\"{}\">{text}\
                 </text>",
                STEP + 12,
                x + 20,
                2 * STEP
            );
            x += 180;
        }
        let mut y = 3 * STEP;
        for piece in pieces {
            y = draw(&mut out, piece, y) + STEP;
        }
        out.push_str("</svg>\n");
        out
    }
}

/// The part of the address space that a row shows: whole pages.
struct Axis {
    start: u64,
    end: u64,
}

impl Axis {
    fn of(piece: &[MapSection]) -> Self {
        let start = piece.first().map_or(0, |first| first.address) & !(PAGE - 1);
        let end = piece.iter().map(MapSection::end).max().unwrap_or(0);
        Self { start, end: end.checked_next_multiple_of(PAGE).unwrap_or(u64::MAX).max(start + 1) }
    }

    /// Returns the position of an address, of `width` positions.
    fn at(&self, address: u64, width: u64) -> u64 {
        let (offset, len) = (address.saturating_sub(self.start), self.end - self.start);
        (u128::from(offset) * u128::from(width) / u128::from(len)) as u64
    }

    /// Returns the first position of a section, and how many positions it has; at least one.
    fn part(&self, section: &MapSection, width: u64) -> (u64, u64) {
        let first = self.at(section.address, width).min(width - 1);
        (first, self.at(section.end(), width).saturating_sub(first).clamp(1, width - first))
    }
}

/// Draws a piece of the address space from `y` down, and returns the y behind it.
fn draw(out: &mut String, piece: &[MapSection], y: u64) -> u64 {
    let axis = Axis::of(piece);
    let pages = (axis.end - axis.start) / PAGE;
    let step = PAGE * pages.div_ceil(BORDERS).next_power_of_two();
    let every = if step == PAGE { "a line is a page".into() } else { format!("a line is {} KiB", step >> 10) };
    let _ = writeln!(
        out,
        "<text x=\"8\" y=\"{}\" font-weight=\"bold\">{:#x} to {:#x}: {} pages ({every})</text>",
        y + HEIGHT - 3,
        axis.start,
        axis.end,
        thousands(pages)
    );
    let (top, bottom) = (y + STEP, y + STEP * (piece.len() as u64 + 1));
    let _ = writeln!(out, "<rect class=\"a\" x=\"{LEFT}\" y=\"{top}\" width=\"{WIDTH}\" height=\"{}\"/>", bottom - top);
    let mut borders = String::new();
    let mut border = axis.start;
    while border <= axis.end {
        let _ = write!(borders, "M{} {top}V{bottom}", LEFT + axis.at(border, WIDTH));
        let Some(next) = border.checked_add(step) else { break };
        border = next;
    }
    let _ = writeln!(out, "<path class=\"p\" d=\"{borders}\"/>");
    for (section, y) in piece.iter().zip((top + 4..).step_by(STEP as usize)) {
        row(out, section, &axis, y);
    }
    bottom
}

fn row(out: &mut String, section: &MapSection, axis: &Axis, y: u64) {
    let class = match (section.writable, section.executable) {
        (false, false) => "r",
        (true, false) => "w",
        (false, true) => "x",
        (true, true) => "b",
    };
    let made = if section.synthetic { " s" } else { "" };
    let (first, wide) = axis.part(section, WIDTH);
    let name = xml(&section.name);
    let shown = match section.name.char_indices().nth(NAME - 1) {
        Some((at, last)) if section.name.len() > at + last.len_utf8() => xml(&format!("{}…", &section.name[..at])),
        _ => name.clone(),
    };
    let _ = write!(
        out,
        "<text x=\"8\" y=\"{0}\">{1:#018x} {2}</text><text x=\"290\" y=\"{0}\" text-anchor=\"end\">{3}</text>\
         <text x=\"300\" y=\"{0}\">{shown}</text>\
         <rect class=\"{class}{made}\" x=\"{4}\" y=\"{y}\" width=\"{wide}\" height=\"{HEIGHT}\"><title>{name}: {3} bytes, \
         {5} relocations</title></rect>",
        y + HEIGHT - 3,
        section.address,
        section.permissions(),
        thousands(section.size),
        LEFT + first,
        section.relocations.len()
    );
    let cells = (wide / CELL).max(1);
    let density = section.density(cells);
    let most = density.iter().copied().max().unwrap_or(0).max(1);
    for (cell, count) in (0..).zip(density).filter(|(_, count)| *count != 0) {
        let x = LEFT + first + cell * wide / cells;
        let (tenths, cell) = ((count * 9 / most).max(1), (wide / cells).max(1));
        let _ = write!(
            out,
            "<rect class=\"d\" x=\"{x}\" y=\"{}\" width=\"{cell}\" height=\"5\" opacity=\".{tenths}\"/>",
            y + HEIGHT - 5
        );
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(name: &str, address: u64, size: u64, relocations: &[u64]) -> MapSection {
        let (name, relocations) = (name.to_owned(), relocations.to_vec());
        let (executable, synthetic) = (name == ".text", name == ".got");
        MapSection { name, address, size, writable: !executable, executable, synthetic, relocations }
    }

    #[test]
    fn a_map_has_every_section_where_it_is() {
        let far = section(".far", 0xffff_ffff_ffff_f000, 0x1000, &[]);
        let sections = vec![
            section(".text", 0x10000, 0x2000, &[0, 4, 8, 0x1fff, 0x2000, u64::MAX]),
            section(".got", 0x13000, 8, &[]),
            section("<\u{1b}&", 0x13ff8, 8, &[0]),
            far,
        ];
        let map = SectionMap { name: "a<b>".into(), sections };
        let text = map.text();
        let bar = |density: &str, before: usize| format!("|{:<32}|", format!("{}{density}", " ".repeat(before)));
        let lines = [
            "0x10000 to 0x14000: 4 pages".to_owned(),
            format!("  0x0000000000010000 r-x      8192 {} .text", bar("█··············░", 0)),
            format!("  0x0000000000013000 rw-         8 {} .got (made by the plugin)", bar("·", 24)),
            format!("  0x0000000000013ff8 rw-         8 {} <\u{1b}&", bar("█", 31)),
            "0xfffffffffffff000 to 0xffffffffffffffff: 0 pages".to_owned(),
            format!("  0xfffffffffffff000 rw-      4096 {} .far", bar(&"·".repeat(32), 0)),
        ];
        assert_eq!(text[1].replace('▒', "░"), lines[1]);
        assert_eq!(
            [&text[0], &text[2], &text[3], &text[4], &text[5]],
            [&lines[0], &lines[2], &lines[3], &lines[4], &lines[5]]
        );
        let svg = map.svg();
        assert!(svg.contains("a&lt;b&gt;") && svg.contains("&lt;\\u{1b}&amp;"), "{svg}");
        assert!(!svg.contains('\u{1b}') && !svg.contains("a<b>"), "{svg}");
        // Five borders of four pages, and the two ends of the other piece; the text's first cell has three relocations.
        assert_eq!(svg.matches('M').count(), 5 + 1, "{svg}");
        assert!(svg.contains("class=\"w s\"") && svg.contains("opacity=\".9\""), "{svg}");
        assert_eq!(svg.matches("<title>").count(), 4);
    }

    #[test]
    fn a_long_name_does_not_reach_its_bar() {
        let (fits, long) = ("a".repeat(NAME), format!("{}\u{e9}b", "c".repeat(NAME - 1)));
        let sections = vec![section(&fits, 0x1000, 8, &[]), section(&long, 0x2000, 8, &[])];
        let svg = SectionMap { name: "m".into(), sections }.svg();
        let cut = format!(">{}…</text>", "c".repeat(NAME - 1));
        assert!(svg.contains(&format!(">{fits}</text>")) && svg.contains(&cut), "{svg}");
        assert!(svg.contains(&format!("<title>{long}: ")), "{svg}");
    }
}
