//! `relobox plugin info`: a plugin's relocation table, as it describes it itself.

use super::list::Listed;
use crate::cli::{Common, output};
use relobox::guests::{Plugin, PluginRow};
use relobox::registry::is_named;
use relobox::sandbox::hex;
use relobox::support::{markdown, order_of, rule_of, treatment};
use relobox::{Error, Result};
use serde::Serialize;
use std::process::ExitCode;
use std::sync::Arc;

#[derive(Serialize)]
struct Info {
    #[serde(flatten)]
    listed: Listed,
    psabi: String,
    inputs: Vec<(String, u64)>,
    relocations: Vec<RowReport>,
}

#[derive(Serialize)]
struct RowReport {
    #[serde(rename = "type")]
    kind: u32,
    name: String,
    does: &'static str,
    formula: String,
    field: String,
    bytes: u8,
    bits: Vec<(u8, u8, u8)>,
    rule: String,
}

impl RowReport {
    fn of(row: &PluginRow) -> Self {
        Self {
            kind: row.row.kind,
            name: row.name.clone(),
            does: treatment(row),
            formula: row.formula.clone(),
            field: row.field.clone(),
            bytes: row.row.width,
            bits: row.slices.iter().map(|s| (s.value_bit, s.field_bit, s.len)).collect(),
            rule: rule_of(row),
        }
    }
}

pub(super) fn run(arch: &str, as_markdown: bool, common: &Common) -> Result<ExitCode> {
    let guests = common.guests()?;
    let mut names = Vec::new();
    let mut found: Vec<&Arc<Plugin>> = Vec::new();
    for (name, plugin) in guests.plugins() {
        // What is broken is nobody's business but its own.
        let plugin = match plugin {
            Err(error) if name == arch => return Err(error),
            Err(_) => continue,
            Ok(plugin) => plugin,
        };
        let (digest, called) = (plugin.guest.digest(), [name, plugin.about.name.as_str()]);
        let meant = called.iter().any(|name| is_named(arch, name, digest)) && !guests.is_passed_over(plugin);
        if meant && found.iter().all(|other| other.guest.digest() != digest) {
            found.push(plugin);
        }
        names.push(plugin.about.name.clone());
    }
    let plugin = match found[..] {
        [plugin] => plugin,
        [] => return Err(Error::Usage(format!("there is no plugin {arch:?}; there are: {}", names.join(", ")))),
        _ => {
            let digests: Vec<_> = found.iter().map(|p| format!("{} is {}", p.origin, hex(p.guest.digest()))).collect();
            let text = format!("several plugins are called {arch:?}: name one by its digest; {}", digests.join(", "));
            return Err(Error::Usage(text));
        }
    };
    let rows: Vec<_> = plugin.about.rows.iter().map(RowReport::of).collect();
    if common.json {
        let (psabi, inputs) = (plugin.about.psabi.clone(), plugin.about.inputs.clone());
        output::json(&Info { listed: Listed::of(&guests, plugin), psabi, inputs, relocations: rows });
    } else if as_markdown {
        output::line(markdown(plugin));
    } else {
        print_info(plugin, guests.is_pinned(plugin), &rows);
    }
    Ok(ExitCode::SUCCESS)
}

fn print_info(plugin: &Plugin, pinned: bool, rows: &[RowReport]) {
    let about = &plugin.about;
    output::line(format_args!("{}: {}", about.name, about.title));
    output::line(format_args!("psABI: {}", about.psabi));
    let not = if pinned { "" } else { "not " };
    output::line(format_args!("from:  {}, SHA-256 {}, {not}pinned", plugin.origin, hex(plugin.guest.digest())));
    for m in &about.machines {
        let order = order_of(m.order);
        output::line(format_args!(
            "links: machine {}, {} bits, {order}-endian; modules at {:#x}",
            m.machine, m.class, m.base
        ));
    }
    for (name, default) in &about.inputs {
        output::line(format_args!("reads: {name} (--input {name}=…; {default} if not given)"));
    }
    output::line("");
    for r in rows {
        let rest = match r.does {
            "applied" => format!("{:<28} {:<10} {}", r.formula, r.field, r.rule),
            "ignored" => "ignored: changes nothing".into(),
            _ => format!("refused: {}", r.formula),
        };
        output::line(format_args!("{:>4}  {:<34} {rest}", r.kind, r.name));
    }
}
