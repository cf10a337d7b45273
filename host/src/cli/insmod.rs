//! `relobox insmod`, `lsmod`, `rmmod`: modules into a kernel and out of it.

use super::kernel::{Loader, Which, failed};
use super::link::Inputs;
use super::{Common, output};
use clap::Args;
use relobox::Result;
use relobox::insmod::{Inserted, join_args};
use relobox::kernel::Listing;
use relobox::names;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Link a module inside the sandbox and load it into a kernel
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  relobox insmod hello.ko
  relobox insmod hello.ko name='Roman Zippel' times=2
  relobox insmod hello.ko --json

  relobox insmod --kernel sim hello.ko

'--kernel sim' is a simulated kernel, started if there is none; 'relobox dmesg' shows what its modules print.
Exit code 1: the module cannot be linked, or it was refused, or its init failed; nothing of it is left.")]
pub(crate) struct InsmodArgs {
    /// The module: .ko, .ko.gz, .ko.xz, .ko.zst
    module: PathBuf,
    /// Parameters
    #[arg(value_name = "NAME=VALUE")]
    parameters: Vec<String>,
    #[command(flatten)]
    inputs: Inputs,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Serialize)]
struct InsertedJson<'a> {
    name: &'a str,
    areas: Vec<AreaJson>,
    relocations: usize,
    plugin: &'a str,
    uses: &'a [String],
    returned: i32,
    unknown_args: &'a [String],
}

#[derive(Serialize)]
struct AreaJson {
    kind: &'static str,
    address: u64,
    size: u64,
}

pub(crate) fn run(args: InsmodArgs) -> Result<ExitCode> {
    let name = args.module.display().to_string();
    let inserted =
        Loader::new(&args.which, &args.common, &args.inputs)?.insert(&args.module, &join_args(&args.parameters))?;
    if inserted.returned > 0 {
        output::warning(format_args!("{name}: init returned {}, which should be 0 or negative", inserted.returned));
    }
    for unknown in &inserted.unknown_args {
        output::warning(format_args!("{name}: unknown parameter '{unknown}' ignored"));
    }
    if args.common.json {
        json(&inserted)
    } else {
        print(&inserted)
    }
    Ok(ExitCode::SUCCESS)
}

fn json(inserted: &Inserted) {
    let areas = inserted.areas.iter().map(|a| AreaJson { kind: a.kind.name(), address: a.address, size: a.size });
    output::json(&InsertedJson {
        name: &inserted.name,
        areas: areas.collect(),
        relocations: inserted.relocations,
        plugin: &inserted.plugin,
        uses: &inserted.uses,
        returned: inserted.returned,
        unknown_args: &inserted.unknown_args,
    });
}

pub(crate) fn print(inserted: &Inserted) {
    let Inserted { name, relocations, plugin, .. } = inserted;
    let at = inserted.areas.first().map_or(String::new(), |area| format!(" at {:#x}", area.address));
    let uses = if inserted.uses.is_empty() { String::new() } else { format!("; uses {}", inserted.uses.join(", ")) };
    output::line(format_args!("{name}: live{at}, {relocations} relocations done by plugin {plugin}{uses}"));
}

/// List the modules in a kernel: size, use count, and who uses them
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  relobox lsmod
  relobox lsmod --json          # also addresses and exports")]
pub(crate) struct LsmodArgs {
    #[command(flatten)]
    which: Which,
    /// Print JSON instead of text (docs/json.md)
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn lsmod(args: LsmodArgs) -> Result<ExitCode> {
    let listing = args.which.connect()?.list(None).map_err(|failure| failed("lsmod", &failure))?;
    if args.json {
        /// Without the kernel's own exports, which `relobox sim symbols` has.
        #[derive(Serialize)]
        struct Json<'a> {
            release: &'a str,
            vermagic: &'a str,
            modules: &'a [relobox::kernel::Module],
        }
        let Listing { release, vermagic, modules, .. } = &listing;
        output::json(&Json { release, vermagic, modules });
        return Ok(ExitCode::SUCCESS);
    }
    output::line(format_args!("{:<24}{:>8}  Used by", "Module", "Size"));
    // The youngest first, as lsmod has always done.
    for module in listing.modules.iter().rev() {
        let users = module.users.join(",");
        let line = format!("{:<24}{:>8}  {} {users}", module.name, module.size(), module.users.len());
        output::line(line.trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

/// Remove a module that nobody uses from a kernel
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  relobox rmmod hello
  relobox rmmod math-user.ko    # as the file is called

Exit code 1: there is no such module, or others use it.")]
pub(crate) struct RmmodArgs {
    /// The module's name
    name: String,
    #[command(flatten)]
    which: Which,
    /// Print errors as JSON (docs/json.md)
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn rmmod(args: RmmodArgs) -> Result<ExitCode> {
    let name = names::of_argument(&args.name);
    // "hello: no module …": the name as the person gave it.
    args.which.connect()?.remove(&name).map_err(|failure| failed(&args.name, &failure))?;
    super::state::forget(&args.which, &name);
    if args.json {
        output::json(&serde_json::json!({ "removed": name }));
    }
    Ok(ExitCode::SUCCESS)
}
