//! `relobox state`: shows, exports and imports the records of loaded modules.

use crate::target::{Target, failed};
use clap::{Args, Subcommand};
use relobox_cli::output;
use relobox_core::error::{Error, Result};
use relobox_core::files::{self, Kind};
use relobox_core::inserted::Inserted;
use relobox_core::kernel::{KernelError, Listing, Mode};
use relobox_core::limits;
use relobox_core::state::{self, Origin, Record, State, Store};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Show, export or import the records of the modules that relobox loaded in this boot
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:
  relobox state show
  relobox state export -o /run/relobox/handover.json      # in the initramfs
  relobox state import /run/relobox/handover.json         # in the real root
  relobox link foo.ko --symbols System.map --symbols /run/relobox/handover.json

relobox records each module that it loads in /run/relobox/state. RELOBOX_STATE names another
directory; if it is empty, nothing is recorded. Exit code 1: the state belongs to another boot or
kernel, or other users can write to it."
)]
pub struct StateArgs<T: Target> {
    #[command(subcommand)]
    what: What,
    /// The choice of a kernel.
    #[command(flatten)]
    pub target: T,
    /// Print JSON instead of text (see docs/json.md)
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print the live modules that relobox loaded
    Show,
    /// Write the records of these modules, with their exports
    Export {
        /// Write to FILE instead of standard output
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Add the records that an earlier stage of this boot exported
    Import {
        /// The file that 'relobox state export' wrote
        file: PathBuf,
    },
}

/// Runs `relobox state`.
///
/// # Errors
/// If the kernel cannot be asked, or a state cannot be read, is of another boot or kernel, or others may have written
/// it.
pub fn run<T: Target>(args: &StateArgs<T>) -> Result<ExitCode> {
    match &args.what {
        What::Show => show(args),
        What::Export { output } => {
            let state = current(args)?;
            match output {
                Some(path) => state::write(path, &state::json(&state))?,
                None => output::json(&state),
            }
            Ok(ExitCode::SUCCESS)
        }
        What::Import { file } => {
            let mut state = State::read(file)?;
            let (boot, listing) = (args.target.boot()?, list(&args.target)?);
            state.check(&file.display().to_string(), &boot)?;
            state.confirm(&listing.modules).iter().for_each(output::warning);
            let directory = directory(&args.target)
                .ok_or_else(|| Error::Usage("RELOBOX_STATE is empty: no state is recorded".into()))?;
            let store = Store::create(&directory)?;
            for record in state.modules.clone() {
                store.keep(&boot, record)?;
            }
            if args.json {
                output::json(&state);
            } else {
                output::line(format_args!("{} modules", state.modules.len()));
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn show<T: Target>(args: &StateArgs<T>) -> Result<ExitCode> {
    let state = current(args)?;
    if args.json {
        output::json(&state);
        return Ok(ExitCode::SUCCESS);
    }
    for record in &state.modules {
        let at = record.areas.first().map(|(address, _)| *address).filter(|address| *address != 0);
        let at = at.map_or_else(|| "(hidden)".to_owned(), |at| format!("{at:#018x}"));
        let exports = record.exports.len();
        let Record { name, plugin, file, kernel, .. } = record;
        let plugin = match kernel {
            Some(Mode::Vet) => format!("checked by plugin {plugin} (vet)"),
            Some(mode) => format!("relocated by plugin {plugin} ({})", mode.name()),
            None => format!("plugin {plugin}"),
        };
        output::line(format_args!("{name:<24} {at:<18}  {exports:>4} exports  {plugin}  {file}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// The records that are still true, completed with what the kernel reports now.
fn current<T: Target>(args: &StateArgs<T>) -> Result<State> {
    let (boot, listing) = (args.target.boot()?, list(&args.target)?);
    let (mut state, mut warnings) = match directory(&args.target).map(|path| Store::open(&path)).transpose()?.flatten()
    {
        Some(store) => store.state(&boot)?,
        None => (State::new(&boot), Vec::new()),
    };
    warnings.extend(state.confirm(&listing.modules));
    state.complete(&listing.modules);
    warnings.iter().for_each(output::warning);
    Ok(state)
}

/// Lists the kernel's modules with their exports.
fn list<T: Target>(target: &T) -> Result<Listing> {
    let mut listing = target.connect()?.list(None).map_err(|failure| failed("state", &failure))?;
    if target.mode() == Mode::Vet {
        // Without the device, kallsyms has at least the names and addresses of exports.
        let path = Path::new("/proc/kallsyms");
        let text = files::read_text(path, Kind::Regular, limits::SYMBOLS)?;
        let mut exports = state::exports_in_kallsyms(&text);
        for module in &mut listing.modules {
            module.exports = exports.remove(&module.name).unwrap_or_default();
        }
    }
    Ok(listing)
}

/// The directory of the records. A simulated kernel has one beside its socket.
fn directory<T: Target>(target: &T) -> Option<PathBuf> {
    match std::env::var_os("RELOBOX_STATE") {
        Some(path) => Some(PathBuf::from(path)).filter(|path| !path.as_os_str().is_empty()),
        None => Some(target.state_directory()),
    }
}

/// Records a module that was just loaded. A failure is only a warning, because the module is live anyway.
pub fn record<T: Target>(target: &T, inserted: &Inserted, origin: impl FnOnce() -> Result<Origin>) {
    let Some(directory) = directory(target) else { return };
    let keep = || -> Result<()> {
        // The exports are only read when a state is exported.
        let wanted: Option<&[&[u8]]> = if target.mode() == Mode::Device { Some(&[]) } else { None };
        let listing = target.connect()?.list(wanted).map_err(|failure| failed(&inserted.name, &failure))?;
        let Some(module) = listing.modules.iter().find(|m| m.name == inserted.name) else {
            let gone = KernelError::Unknown { name: inserted.name.clone() };
            return Err(failed(&inserted.name, &gone));
        };
        Store::create(&directory)?.keep(&target.boot()?, Record::new(inserted, module, origin()?))
    };
    if let Err(error) = keep() {
        output::warning(format_args!("{}: the module is loaded, but was not recorded: {error}", inserted.name));
    }
}

/// Removes the record of a module that was removed.
pub fn forget<T: Target>(target: &T, name: &str) {
    let forgotten = || match directory(target).map(|path| Store::open(&path)).transpose()?.flatten() {
        Some(store) => store.forget(name),
        None => Ok(()),
    };
    if let Err(error) = forgotten() {
        output::warning(format_args!("{name}: the module is removed, but its record is not: {error}"));
    }
}
