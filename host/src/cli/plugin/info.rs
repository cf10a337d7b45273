//! `relobox plugin info`: prints the relocation table of a plugin, according to its own description.

use super::list::Listed;
use crate::cli::common::{self, Common};
use crate::cli::output;
use relobox::description::{PluginDescription, PluginRow};
use relobox::guests::{Guests, Plugin};
use relobox::picture::svg;
use relobox::pins::is_named;
use relobox::registry::{is_path, no_such};
use relobox::support::{markdown, rule_of, treatment};
use relobox::text::hex;
use relobox::text::order_of;
use relobox::text::size;
use relobox::{Error, Result};
use relobox_abi::{effect, pairing, row_flag};
use serde::Serialize;
use std::path::Path;
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
    effect: &'static str,
    round: u8,
    derived: bool,
    pairing: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    partner: Option<String>,
}

impl RowReport {
    fn of(row: &PluginRow, about: &PluginDescription) -> Self {
        Self {
            kind: row.row.kind,
            name: row.name.clone(),
            does: treatment(row),
            formula: row.formula.clone(),
            field: row.field.clone(),
            bytes: row.row.width,
            bits: row.slices.iter().map(|s| (s.value_bit, s.field_bit, s.len)).collect(),
            rule: rule_of(row),
            effect: effect_of(row.row.effect),
            round: row.row.round,
            derived: row.is(row_flag::DERIVED),
            pairing: pairing_of(row.row.pairing),
            partner: (row.row.pairing != pairing::NONE).then(|| about.relocation(row.row.partner)),
        }
    }

    /// Describes for people which bits go where, how the value is rounded, and what it is computed from.
    fn value(&self) -> String {
        let whole = matches!(self.bits[..], [(0, 0, len)] if len == self.bytes * 8);
        let slice = |(value, field, len): &(u8, u8, u8)| {
            let top = len.saturating_sub(1);
            match top {
                0 => format!("[{field}] = value[{value}]"),
                _ => format!("[{}:{field}] = value[{}:{value}]", field + top, value + top),
            }
        };
        let mut out = String::new();
        if !whole && !self.bits.is_empty() {
            out = format!("; {}", self.bits.iter().map(slice).collect::<Vec<_>>().join(" "));
        }
        if self.round != 0 {
            out.push_str(&format!("; rounded for a signed low half of {} bits", self.round));
        }
        match (self.effect, self.derived) {
            ("unknown", _) => {}
            (effect, false) => out.push_str(&format!("; {effect}")),
            (effect, true) => out.push_str(&format!("; a function of a value that is {effect}")),
        }
        out
    }

    /// Describes the row's pair for people. Empty if the row is not paired.
    fn pair(&self) -> String {
        let Some(partner) = &self.partner else { return String::new() };
        match self.pairing {
            "next" => format!("; completed by the next {partner}"),
            "label" => format!("; low half of the {partner} at its label"),
            "labelled" => format!("; {partner} refers to its label"),
            "behind" => format!("; directly after {partner}"),
            "place" => format!("; paired with {partner} at the same place"),
            _ => format!("; low part of the value that {partner} begins"),
        }
    }
}

/// Describes the `e_flags` that a machine's files must have.
fn flags_of(mask: u32, value: u32) -> String {
    if mask == 0 { "any flags".into() } else { format!("flags & {mask:#x} = {value:#x}") }
}

/// The name of an effect in the ABI.
fn effect_of(word: u8) -> &'static str {
    match word {
        effect::ABSOLUTE => "absolute",
        effect::RELATIVE => "relative",
        effect::PLUS => "plus",
        effect::MINUS => "minus",
        effect::PAGES => "pages",
        effect::IN_PAGE => "in-page",
        effect::PARTNER => "partner",
        effect::SLOT => "slot",
        effect::SIZE => "size",
        _ => "unknown",
    }
}

/// The name of a pairing in the ABI.
fn pairing_of(word: u8) -> &'static str {
    match word {
        pairing::NEXT => "next",
        pairing::LABEL => "label",
        pairing::LABELLED => "labelled",
        pairing::BEHIND => "behind",
        pairing::PLACE => "place",
        pairing::PART => "part",
        _ => "none",
    }
}

pub(super) fn run(arch: &str, as_markdown: bool, picture: Option<&Path>, common: &Common) -> Result<ExitCode> {
    let (guests, plugin);
    if is_path(arch) {
        let mut plugins = common.plugins(false)?;
        let digest = plugins.one(arch, None)?;
        guests = common::guests_of(plugins)?;
        plugin = guests.by_digest(&digest)?.ok_or_else(|| Error::Usage(no_such(arch, Vec::new())))?;
    } else {
        guests = common::guests(common)?;
        plugin = named(&guests, arch)?;
    }
    if let Some(path) = picture {
        relobox::files::write(path, relobox::files::PUBLIC, svg(&plugin.about).as_bytes())?;
        // The picture is all that is on standard output then.
        if path == Path::new(relobox_cli::args::STDOUT) {
            return Ok(ExitCode::SUCCESS);
        }
    }
    let rows: Vec<_> = plugin.about.rows.iter().map(|row| RowReport::of(row, &plugin.about)).collect();
    if common.json {
        let (psabi, inputs) = (plugin.about.psabi.clone(), plugin.about.inputs.clone());
        output::json(&Info { listed: Listed::of(&guests, plugin), psabi, inputs, relocations: rows });
    } else if as_markdown {
        output::lines(markdown(plugin));
    } else {
        print_info(plugin, guests.is_pinned(plugin), &rows);
    }
    Ok(ExitCode::SUCCESS)
}

/// The plugin whose file name, own name or digest is `arch`.
fn named<'a>(guests: &'a Guests, arch: &str) -> Result<&'a Arc<Plugin>> {
    let mut names = Vec::new();
    let mut found: Vec<&Arc<Plugin>> = Vec::new();
    for (name, plugin) in guests.plugins() {
        // A broken plugin is only an error if it was asked for.
        let plugin = match plugin {
            Err(error) if name == arch => return Err(error),
            Err(_) => continue,
            Ok(plugin) => plugin,
        };
        let (digest, called) = (plugin.guest.digest(), [name, plugin.about.name.as_str()]);
        let meant = called.iter().any(|name| is_named(arch, name, digest)) && !guests.is_excluded(plugin);
        if meant && found.iter().all(|other| other.guest.digest() != digest) {
            found.push(plugin);
        }
        names.push(plugin.about.name.clone());
    }
    match found[..] {
        [plugin] => Ok(plugin),
        [] => Err(Error::Usage(no_such(arch, names))),
        _ => {
            let digests: Vec<_> = found.iter().map(|p| format!("{} is {}", p.origin, hex(p.guest.digest()))).collect();
            let text = format!("several plugins have the name {arch:?}: use a digest instead; {}", digests.join(", "));
            Err(Error::Usage(text))
        }
    }
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
            "links: machine {}, {} bits, {order}-endian, {}; modules at {:#x}, kernel at {:#x}{}",
            m.machine,
            m.class,
            flags_of(m.flags_mask, m.flags_value),
            m.base,
            m.kernel,
            if m.reach == 0 { String::new() } else { format!(", within {}", size(m.reach)) }
        ));
    }
    for (name, default) in &about.inputs {
        output::line(format_args!("reads: {name} (--input {name}=…; default {default})"));
    }
    output::line("");
    for r in rows {
        let rest = match r.does {
            "applied" => format!("{:<28} {:<10} {}{}{}", r.formula, r.field, r.rule, r.value(), r.pair()),
            "ignored" => "ignored: changes nothing".into(),
            _ => format!("refused: {}", r.formula),
        };
        output::line(format_args!("{:>4}  {:<34} {rest}", r.kind, r.name));
    }
}
