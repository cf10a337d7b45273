//! The relocations that plugins support, as tables from their own descriptions.

use crate::description::PluginRow;
use crate::guests::{Guests, Plugin};
use relobox_abi::{Machine, row_flag, rule};
use relobox_core::error::Result;
use relobox_core::text::escaped;
use relobox_core::text::order_of;
use std::fmt::Write as _;

/// Returns what happens with a relocation of this type: `applied`, `ignored` or `refused`.
#[must_use]
pub fn treatment(row: &PluginRow) -> &'static str {
    match row.row.flags {
        flags if flags & row_flag::NOP != 0 => "ignored",
        flags if flags & row_flag::REJECT != 0 => "refused",
        _ => "applied",
    }
}

/// Returns the overflow rule as text: `signed 33, multiple of 4`. It is empty for rows that write nothing.
#[must_use]
pub fn rule_of(row: &PluginRow) -> String {
    if !row.writes() {
        return String::new();
    }
    let range = match row.row.rule {
        rule::SIGNED => format!("signed {}", row.row.bits),
        rule::UNSIGNED => format!("unsigned {}", row.row.bits),
        rule::EITHER => format!("signed or unsigned {}", row.row.bits),
        _ if row.is(row_flag::BY_HAND) => "by hand".into(),
        _ => "unchecked".into(),
    };
    let align = if row.row.align > 1 { format!(", multiple of {}", row.row.align) } else { String::new() };
    let fallback = if row.is(row_flag::FALLBACK) { ", else through a stub" } else { "" };
    format!("{range}{align}{fallback}")
}

/// Formats one plugin's table as Markdown.
#[must_use]
pub fn markdown(plugin: &Plugin) -> String {
    let about = &plugin.about;
    let [name, title, psabi] = [&about.name, &about.title, &about.psabi].map(|text| escaped(text));
    let mut out = format!("## {name}\n\n{title} · psABI: <{psabi}>\n\n");
    out.push_str("| type | name | formula | field | rule |\n|---:|---|---|---|---|\n");
    for row in &about.rows {
        let cells = match treatment(row) {
            "applied" => format!("`{}` | `{}` | {}", row.formula, row.field, rule_of(row)),
            "ignored" => "ignored | |".into(),
            _ => format!("refused: it {} | |", row.formula),
        };
        let _ = writeln!(out, "| {} | `{}` | {} |", row.row.kind, escaped(&row.name), escaped(&cells));
    }
    out
}

/// Formats docs/relocation-support.md: a summary, and the table of each plugin.
///
/// # Errors
/// The error of the first plugin that cannot be described.
pub fn page(guests: &Guests) -> Result<String> {
    let plugins = guests.plugins().map(|(_, plugin)| plugin).collect::<Result<Vec<_>>>()?;
    let mut out = String::from(
        "# Relocation types by architecture\n\n\
         Generated from what the plugins say of themselves, by `scripts/support-table`; do not edit. `relobox plugin \
         info\n\
         NAME` prints the same for one plugin.\n\n\
         *Applied* types change bytes. *Ignored* ones are known and change nothing. *Refused* ones are known, and an \
         error\n\
         in a kernel module. Any other type is an error too.\n\n\
         Formulas have the letters of the psABI that each section links to: S is the symbol's value, A the addend, P \
         the\n\
         address of the place, GOT the address of the global offset table, G an entry in it, L an entry in the \
         procedure\n\
         linkage table, V what the field holds before. A name with parentheses is a function in the plugin's source,\n\
         `arch-plugins/NAME/src/lib.rs`, which says what it does.\n\n\
         A rule says which values fit: `signed N` is -2^(N-1) to 2^(N-1)-1; `unsigned N` is 0 to 2^N-1; `unchecked` \
         cuts\n\
         the value to its field; `by hand` is for code that checks by itself. `relobox plugin info NAME --json` has \
         each\n\
         field's bits.\n\n\
         | plugin | ELF machine, class, byte order | applied | ignored | refused |\n|---|---|---:|---:|---:|\n",
    );
    for plugin in &plugins {
        let kind = |m: &Machine| format!("{}, {} bits, {}", m.machine, m.class, order_of(m.order));
        let kinds: Vec<_> = plugin.about.machines.iter().map(kind).collect();
        let count = |what| plugin.about.rows.iter().filter(|row| treatment(row) == what).count();
        let [applied, ignored, refused] = ["applied", "ignored", "refused"].map(count);
        let (name, kinds) = (&plugin.about.name, kinds.join("; "));
        let _ = writeln!(out, "| [{name}](#{name}) | {kinds} | {applied} | {ignored} | {refused} |");
    }
    for plugin in &plugins {
        out.push('\n');
        out.push_str(&markdown(plugin));
    }
    Ok(out)
}
