//! `relobox plugin pin` and `relobox plugin compile`: the trusted plugins, and their compiled code.

use crate::cli::common::Common;
use crate::cli::{linking, output, table};
use clap::Args;
use relobox::built_in;
use relobox::pins::{Pin, Pins, digest};
use relobox::plugin_file::Origin;
use relobox::plugin_file::PluginFile;
use relobox::registry::{Plugins, Search};
use relobox::text::hex;
use relobox::{Error, Result, compiled};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Pin plugins: trust them by their digests
#[derive(Debug, Args)]
#[command(after_help = "Only pinned plugins can link modules for this machine's kernel (insmod, modprobe). Built-in
plugins are always pinned. Pinning does not run a plugin, but compiles it in a process without
rights, because the programs that load modules contain no compiler. The code is kept in the
directory 'compiled' beside the pin file. See docs/plugins.md.

Examples:
  relobox plugin pin ./mine.wasm --comment 'of 2027-01-10, cross-checked'
  relobox plugin pin mine --plugin-dir ./plugins
  relobox plugin pin --list
  relobox plugin pin --remove mine")]
pub(crate) struct PinArgs {
    /// Files, names of installed plugins, or digests
    #[arg(required_unless_present = "list", conflicts_with = "list", value_name = "PLUGIN")]
    plugins: Vec<String>,
    /// List the pins
    #[arg(long)]
    list: bool,
    /// Remove the pins of these plugins
    #[arg(long, conflicts_with = "list")]
    remove: bool,
    /// The pin file [default: --pins, otherwise /etc/relobox/pins for root and ~/.config/relobox/pins for others]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// A comment for the pins
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true,
        conflicts_with_all = ["list", "remove"]
    )]
    comment: String,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// Compile every pinned plugin again, in a process without rights, after an upgrade of relobox
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  relobox plugin compile
  relobox plugin compile --file ./pins --plugin-dir ./plugins

Exit code 2: a pinned plugin was not found, so it cannot be used to load modules.")]
pub(crate) struct CompileArgs {
    /// The pin file [default: --pins, otherwise /etc/relobox/pins for root and ~/.config/relobox/pins for others]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) common: Common,
}

#[derive(Serialize)]
struct PinsJson<'a> {
    file: &'a PathBuf,
    pins: Vec<PinJson<'a>>,
}

#[derive(Serialize)]
struct PinJson<'a> {
    sha256: String,
    name: &'a str,
    machines: Vec<&'a str>,
    comment: &'a str,
}

impl<'a> PinJson<'a> {
    fn of(pin: &'a Pin) -> Self {
        let machines = pin.machines.split(',').filter(|kind| *kind != "-").collect();
        Self { sha256: hex(&pin.digest), name: &pin.name, machines, comment: &pin.comment }
    }
}

pub(super) fn run(args: PinArgs) -> Result<ExitCode> {
    let path = pin_file(args.file.as_ref(), &args.common)?;
    if args.list {
        let own = rustix::process::geteuid().as_raw();
        let pins = Pins::read(&path, &[0, own])?.unwrap_or_default();
        let all: Vec<_> = pins.iter().collect();
        show(&args, &path, &all);
        return Ok(ExitCode::SUCCESS);
    }
    let changed = if args.remove { remove(&args, &path)? } else { add(&args, &path)? };
    if args.common.json {
        show(&args, &path, &changed.iter().collect::<Vec<_>>());
    } else {
        let done = if args.remove { "no longer pinned" } else { "pinned" };
        for pin in changed {
            output::line(format_args!("{}: {done} in {}; SHA-256 {}", pin.name, path.display(), hex(&pin.digest)));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The pin file of a command: `--file`, otherwise `--pins`, otherwise the default.
fn pin_file(file: Option<&PathBuf>, common: &Common) -> Result<PathBuf> {
    file.or(common.pins.as_ref()).cloned().map_or_else(Pins::default_file, Ok)
}

fn add(args: &PinArgs, path: &Path) -> Result<Vec<Pin>> {
    let search = Search::from_environment(false, &args.common.plugin_dir);
    let mut plugins = Plugins::find(&search, &args.common.chosen, Pins::default())?;
    let pins: Vec<_> =
        args.plugins.iter().map(|named| pin(&mut plugins, named, &args.comment)).collect::<Result<_>>()?;
    // A plugin that cannot be compiled is not pinned.
    let code: Vec<_> = pins.iter().map(|pin| compile(&plugins, pin)).collect::<Result<_>>()?;
    Pins::edit(path, |file| {
        pins.iter().cloned().for_each(|pin| file.add(pin));
        Ok(())
    })?;
    for (pin, code) in pins.iter().zip(code) {
        if let Some(code) = code {
            compiled::keep(path, &pin.digest, &code)?;
        }
    }
    Ok(pins)
}

/// The compiled code of a pinned plugin. `None` if the plugin is not here, or is built in and so compiled with the
/// program.
fn compile(plugins: &Plugins, pin: &Pin) -> Result<Option<Vec<u8>>> {
    plugins.files.iter().find(|file| file.digest == pin.digest).map(linking::compiled_bytes).transpose()
}

pub(super) fn run_compile(args: CompileArgs) -> Result<ExitCode> {
    let path = pin_file(args.file.as_ref(), &args.common)?;
    let own = rustix::process::geteuid().as_raw();
    let pins = Pins::read(&path, &[0, own])?.unwrap_or_default();
    let search = Search::from_environment(false, &args.common.plugin_dir);
    let plugins = Plugins::find(&search, &args.common.chosen, Pins::default())?;
    let mut code = 0;
    for pin in pins.iter().filter(|pin| built_in::catalogue().iter().all(|own| own.digest != pin.digest)) {
        match compile(&plugins, pin)? {
            Some(bytes) => {
                compiled::keep(&path, &pin.digest, &bytes)?;
                let to = compiled::path(&path, &pin.digest);
                if !args.common.json {
                    output::line(format_args!("{}: compiled to {}", pin.name, to.display()));
                }
            }
            None => {
                let digest = hex(&pin.digest);
                output::warning(format_args!("{}: no plugin has this pin's SHA-256, {digest}", pin.name));
                code = 2;
            }
        }
    }
    if args.common.json {
        output::json(&PinsJson { file: &path, pins: pins.iter().map(PinJson::of).collect() });
    }
    Ok(ExitCode::from(code))
}

fn pin(plugins: &mut Plugins, named: &str, comment: &str) -> Result<Pin> {
    let meant = match (plugins.one(named, None), digest(named)) {
        (Ok(meant), _) => meant,
        // The plugin need not be here yet.
        (Err(_), Some(digest)) => {
            let (name, machines) = ("-".to_owned(), "-".to_owned());
            return Ok(Pin { digest, name, machines, comment: comment.to_owned() });
        }
        (Err(error), None) => return Err(error),
    };
    let file = match plugins.files.iter().find(|file| file.digest == meant) {
        Some(file) => file.clone(),
        None => {
            let all = built_in::plugins();
            let mut all = all.map(|(name, wasm)| PluginFile::new(name.to_owned(), wasm.to_vec(), Origin::BuiltIn));
            let gone = || Error::Usage(format!("there is no plugin {named:?}"));
            all.find(|file| file.digest == meant).ok_or_else(gone)?
        }
    };
    if !file.wasm.starts_with(b"\0asm") {
        return Err(Error::Usage(format!("{}: this is not WebAssembly", file.origin)));
    }
    Ok(Pin::of(&file, comment))
}

fn remove(args: &PinArgs, path: &Path) -> Result<Vec<Pin>> {
    Pins::edit(path, |file| {
        let mut gone = Vec::new();
        for named in &args.plugins {
            // A file is identified by its digest. A plugin that no longer exists is identified by its name.
            let of_file = PathBuf::from(named).is_file().then(|| PluginFile::read(named.as_ref())).transpose()?;
            let named = of_file.map_or_else(|| named.clone(), |file| hex(&file.digest));
            let removed = file.remove(&named);
            if removed.is_empty() {
                return Err(Error::Usage(format!("{}: no pin is named {named:?}", path.display())));
            }
            gone.extend(removed);
        }
        Ok(gone)
    })
    .inspect(|gone| gone.iter().for_each(|pin| compiled::forget(path, &pin.digest)))
}

fn show(args: &PinArgs, path: &PathBuf, pins: &[&Pin]) {
    if args.common.json {
        return output::json(&PinsJson { file: path, pins: pins.iter().map(|pin| PinJson::of(pin)).collect() });
    }
    let cells = |pin: &&Pin| {
        let [name, machines, comment] = [&pin.name, &pin.machines, &pin.comment].map(|text| output::cell(text));
        vec![name, hex(&pin.digest), machines, comment]
    };
    let rows: Vec<_> = pins.iter().map(cells).collect();
    table::plain(&["name", "SHA-256", "machines", "comment"], &rows, |_| false);
}
