//! `relobox insmod`, `lsmod` and `rmmod`.

use crate::signatures;
use crate::signatures::SignatureJson;
use crate::target::{Target, failed};
use clap::Args;
use relobox_cli::args::{Common, Inputs, Signatures};
use relobox_cli::output::{self, Level};
use relobox_core::error::Result;
use relobox_core::inserted::Inserted;
use relobox_core::kernel::{Listing, Mode};
use relobox_core::names;
use relobox_core::parameters::join_args;
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Link a kernel module in the sandbox and load it
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  relobox insmod hello.ko
  relobox insmod hello.ko name='Roman Zippel' times=2
  relobox insmod hello.ko --json

Exit code 1: the module cannot be linked or was refused, or its init failed. Nothing of it is left
then.")]
pub struct InsmodArgs<T: Target> {
    /// The module file (.ko, .ko.gz, .ko.xz or .ko.zst)
    module: PathBuf,
    /// Module parameters
    #[arg(value_name = "NAME=VALUE")]
    parameters: Vec<String>,
    #[command(flatten)]
    inputs: Inputs,
    #[command(flatten)]
    signatures: Signatures,
    /// The choice of a kernel.
    #[command(flatten)]
    pub target: T,
    /// The choice of plugins and the output format.
    #[command(flatten)]
    pub common: Common,
}

#[derive(Serialize)]
struct InsertedJson<'a> {
    name: &'a str,
    kernel: Mode,
    areas: Vec<AreaJson>,
    relocations: usize,
    plugin: &'a str,
    uses: &'a [String],
    returned: i32,
    unknown_args: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<SignatureJson<'a>>,
}

#[derive(Serialize)]
struct AreaJson {
    kind: &'static str,
    address: u64,
    size: u64,
}

/// Runs `relobox insmod`.
///
/// # Errors
/// If the module cannot be linked or the kernel refuses it. [`Error::exit_code`](relobox_core::Error::exit_code) tells
/// which.
pub fn run<T: Target>(args: &InsmodArgs<T>) -> Result<ExitCode> {
    let name = args.module.display().to_string();
    args.target.permit()?;
    let loader = args.target.loader(&args.common, &args.inputs, &args.signatures)?;
    let inserted = loader.insert(&args.module, &join_args(&args.parameters))?;
    print_warnings(&name, &inserted);
    if args.common.json {
        json(&inserted)
    } else {
        print(&inserted)
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints what the kernel only warns about, and what the policy for signatures does.
pub fn print_warnings(name: &str, inserted: &Inserted) {
    for warning in signatures::warnings(name, inserted) {
        output::message(Level::Warning, warning);
    }
    if let Some(notice) = inserted.signature.as_ref().and_then(|verdict| signatures::expired(name, verdict)) {
        output::message(Level::Notice, notice);
    }
    if inserted.returned > 0 {
        output::message(
            Level::Notice,
            format_args!("{name}: init returned {}, which should be 0 or negative", inserted.returned),
        );
    }
    for unknown in &inserted.unknown_args {
        output::message(Level::Notice, format_args!("{name}: unknown parameter '{unknown}' ignored"));
    }
}

fn json(inserted: &Inserted) {
    let areas = inserted.areas.iter().map(|a| AreaJson { kind: a.kind.name(), address: a.address, size: a.size });
    output::json(&InsertedJson {
        name: &inserted.name,
        kernel: inserted.mode,
        areas: areas.collect(),
        relocations: inserted.relocations,
        plugin: &inserted.plugin,
        uses: &inserted.uses,
        returned: inserted.returned,
        unknown_args: &inserted.unknown_args,
        signature: inserted.signature.as_ref().map(SignatureJson::of),
    });
}

/// Prints one line about a loaded module.
pub fn print(inserted: &Inserted) {
    output::line(live(inserted));
}

/// The line: `hello: live at 0x…, 6 relocations done by plugin x86_64 (device); uses …`
fn live(inserted: &Inserted) -> String {
    let Inserted { name, relocations, plugin, .. } = inserted;
    let at = inserted.areas.first().map_or(String::new(), |area| format!(" at {:#x}", area.address));
    let uses = if inserted.uses.is_empty() { String::new() } else { format!("; uses {}", inserted.uses.join(", ")) };
    let mode = inserted.mode.name();
    match inserted.mode {
        // The plugin worked on a copy. The kernel relocated the file itself.
        Mode::Vet => format!(
            "{name}: live{at}, relocated by the kernel; checked before: {relocations} relocations link by plugin \
             {plugin} ({mode}){uses}"
        ),
        Mode::Device | Mode::Sim => {
            format!("{name}: live{at}, {relocations} relocations done by plugin {plugin} ({mode}){uses}")
        }
    }
}

/// List the loaded modules with their size, use count and users
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  relobox lsmod
  relobox lsmod --json          # also addresses and exports")]
pub struct LsmodArgs<T: Target> {
    /// The choice of a kernel.
    #[command(flatten)]
    pub target: T,
    /// Print JSON instead of text (docs/json.md)
    #[arg(long)]
    pub json: bool,
}

/// Runs `relobox lsmod`.
///
/// # Errors
/// If the kernel cannot be asked.
pub fn lsmod<T: Target>(args: &LsmodArgs<T>) -> Result<ExitCode> {
    // Opening the device increases its use count.
    let counts = args.target.use_counts().map_err(|failure| failed("lsmod", &failure))?;
    let mut listing = args.target.connect()?.list(None).map_err(|failure| failed("lsmod", &failure))?;
    for module in &mut listing.modules {
        module.use_count = counts.get(&module.name).copied().unwrap_or(module.use_count);
    }
    if args.json {
        /// Without the exports of the kernel itself, which `relobox sim symbols` prints.
        #[derive(Serialize)]
        struct Json<'a> {
            kernel: Mode,
            release: &'a str,
            vermagic: &'a str,
            modules: &'a [relobox_core::kernel::Module],
        }
        let Listing { release, vermagic, modules, .. } = &listing;
        output::json(&Json { kernel: listing.form.mode(), release, vermagic, modules });
        return Ok(ExitCode::SUCCESS);
    }
    output::line(format_args!("{:<24}{:>8}  Used by", "Module", "Size"));
    // The youngest first, as in kmod's lsmod.
    for module in listing.modules.iter().rev() {
        let users = module.users.join(",");
        let count = module.use_count.map_or("-".to_owned(), |count| count.to_string());
        let line = format!("{:<24}{:>8}  {count} {users}", module.name, module.size());
        output::line(line.trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

/// Remove an unused module from the kernel
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  relobox rmmod hello
  relobox rmmod math-user.ko    # the name of its file

Exit code 1: the module is not loaded, is in use, or cannot be removed.")]
pub struct RmmodArgs<T: Target> {
    /// The module's name, or its file name
    name: String,
    /// The choice of a kernel.
    #[command(flatten)]
    pub target: T,
    /// Print errors as JSON (docs/json.md)
    #[arg(long)]
    pub json: bool,
}

/// Runs `relobox rmmod`.
///
/// # Errors
/// If the module is not loaded, is in use, or cannot be removed.
pub fn rmmod<T: Target>(args: &RmmodArgs<T>) -> Result<ExitCode> {
    let name = names::of_argument(&args.name);
    // An error names the module as the user did.
    args.target.permit()?;
    args.target.remover()?.remove(&name).map_err(|failure| failed(&args.name, &failure))?;
    crate::state::forget(&args.target, &name);
    if args.json {
        output::json(&serde_json::json!({ "removed": name }));
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With vet, the kernel relocates the module. The text must not say otherwise.
    #[test]
    fn the_text_says_who_relocated() {
        let inserted = |mode| Inserted {
            name: "hello".into(),
            mode,
            areas: Vec::new(),
            relocations: 6,
            plugin: "x86_64".into(),
            plugin_digest: None,
            uses: vec!["helper".into()],
            returned: 0,
            unknown_args: Vec::new(),
            signature: None,
        };
        for (mode, expected) in [
            (Mode::Device, "hello: live, 6 relocations done by plugin x86_64 (device); uses helper"),
            (Mode::Sim, "hello: live, 6 relocations done by plugin x86_64 (sim); uses helper"),
            (
                Mode::Vet,
                "hello: live, relocated by the kernel; checked before: 6 relocations link by plugin x86_64 (vet); \
                 uses helper",
            ),
        ] {
            assert_eq!(live(&inserted(mode)), expected);
        }
    }
}
