//! `relobox plugin`: which architectures there are, and what each can do.

use super::{Common, output};
use clap::{Args, Subcommand};
use relobox::guests::{Plugin, PluginRow};
use relobox::sandbox::hex;
use relobox::support::{markdown, order_of, rule_of, treatment};
use relobox::{Error, Result};
use serde::Serialize;
use std::process::ExitCode;

/// List the relocation plugins, or describe one
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct PluginArgs {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Which plugins there are: machine, class, byte order, digest, origin
    #[command(after_help = "Examples:
  relobox plugin list
  relobox plugin list --plugin-dir ./mine --json")]
    List {
        #[command(flatten)]
        common: Common,
    },
    /// A plugin's relocation table, as it describes it itself
    #[command(after_help = "Examples:
  relobox plugin info aarch64
  relobox plugin info mine --plugin-dir ./mine --json
  relobox plugin info riscv64 --markdown")]
    Info {
        /// The plugin's name
        arch: String,
        /// Print the table as Markdown (the documentation's support table)
        #[arg(long, conflicts_with = "json")]
        markdown: bool,
        #[command(flatten)]
        common: Common,
    },
}

impl PluginArgs {
    pub(crate) fn json(&self) -> bool {
        match &self.command {
            Verb::List { common } | Verb::Info { common, .. } => common.json,
        }
    }
}

pub(crate) fn run(args: PluginArgs) -> Result<ExitCode> {
    match args.command {
        Verb::List { common } => list(&common),
        Verb::Info { arch, markdown, common } => info(&arch, markdown, &common),
    }
}

#[derive(Serialize)]
struct Listed {
    name: String,
    title: String,
    machines: Vec<Kind>,
    abi: u32,
    sha256: String,
    origin: String,
    relocation_types: usize,
}

#[derive(Serialize)]
struct Kind {
    machine: u16,
    class: u8,
    byte_order: &'static str,
}

impl Listed {
    fn of(plugin: &Plugin) -> Self {
        let machines = plugin.about.machines.iter();
        Self {
            name: plugin.about.name.clone(),
            title: plugin.about.title.clone(),
            machines: machines
                .map(|m| Kind { machine: m.machine, class: m.class, byte_order: order_of(m.order) })
                .collect(),
            abi: relobox_abi::ABI_VERSION,
            sha256: hex(plugin.guest.digest()),
            origin: plugin.origin.to_string(),
            relocation_types: plugin.about.rows.iter().filter(|r| r.writes()).count(),
        }
    }
}

fn list(common: &Common) -> Result<ExitCode> {
    let guests = common.guests()?;
    let (mut listed, mut failed) = (Vec::new(), None);
    for (name, plugin) in guests.plugins() {
        match plugin {
            Ok(plugin) => listed.push(Listed::of(plugin)),
            Err(error) => {
                output::error(&error, false);
                failed = Some(error.exit_code());
                let _ = name;
            }
        }
    }
    if common.json {
        output::json(&listed);
    } else {
        for p in &listed {
            let kinds: Vec<_> =
                p.machines.iter().map(|m| format!("{}/{}/{}", m.machine, m.class, m.byte_order)).collect();
            output::line(format_args!(
                "{:<10} {:>3} types  ABI {}  {}…  {:<22} {}",
                p.name,
                p.relocation_types,
                p.abi,
                &p.sha256[..16],
                kinds.join(" "),
                p.origin
            ));
        }
    }
    Ok(ExitCode::from(failed.unwrap_or(0)))
}

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

fn info(arch: &str, as_markdown: bool, common: &Common) -> Result<ExitCode> {
    let guests = common.guests()?;
    let mut names = Vec::new();
    let mut found = None;
    for (name, plugin) in guests.plugins() {
        let plugin = plugin?;
        if found.is_none() && (plugin.about.name == arch || name == arch) {
            found = Some(plugin);
        }
        names.push(plugin.about.name.clone());
    }
    let Some(plugin) = found else {
        return Err(Error::Usage(format!("there is no plugin {arch:?}; there are: {}", names.join(", "))));
    };
    let rows: Vec<_> = plugin.about.rows.iter().map(RowReport::of).collect();
    if common.json {
        let (psabi, inputs) = (plugin.about.psabi.clone(), plugin.about.inputs.clone());
        output::json(&Info { listed: Listed::of(plugin), psabi, inputs, relocations: rows });
    } else if as_markdown {
        output::line(markdown(plugin));
    } else {
        print_info(plugin, &rows);
    }
    Ok(ExitCode::SUCCESS)
}

fn print_info(plugin: &Plugin, rows: &[RowReport]) {
    let about = &plugin.about;
    output::line(format_args!("{}: {}", about.name, about.title));
    output::line(format_args!("psABI: {}", about.psabi));
    output::line(format_args!("from:  {}, SHA-256 {}", plugin.origin, hex(plugin.guest.digest())));
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
