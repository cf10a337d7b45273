//! The command line: one definition gives the parser, `--help`, man pages and completions.

mod check;
mod demo;
#[cfg(feature = "fuzz")]
mod fuzz;
mod insmod;
mod inspect;
mod kernel;
mod link;
mod manual;
mod modprobe;
mod output;
mod plugin;
mod sim;
mod state;

use clap::{Args, Parser, Subcommand};
use relobox::Result;
use relobox::cache::Cache;
use relobox::guests::Guests;
use relobox::pins::Pins;
use relobox::registry::{Plugins, Search};
use relobox::sandbox::Sandbox;
use std::path::PathBuf;
use std::process::ExitCode;

/// Links Linux kernel modules outside the kernel, inside a WebAssembly sandbox.
#[derive(Debug, Parser)]
#[command(name = "relobox", version, max_term_width = 100, arg_required_else_help = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Shown at the end of `--help`.
const EXIT_CODES: &str = "Exit codes:
  0  done
  1  a module cannot be linked, or a kernel refused it; every reason is printed
  2  wrong usage, or a file cannot be read or written
  3  a guest (engine or plugin) misbehaved: trap, fuel, memory, malformed answer";

#[derive(Debug, Subcommand)]
enum Command {
    Link(link::LinkArgs),
    Check(check::CheckArgs),
    Inspect(inspect::InspectArgs),
    Plugin(plugin::PluginArgs),
    #[cfg(feature = "fuzz")]
    Fuzz(Box<fuzz::FuzzArgs>),
    Insmod(insmod::InsmodArgs),
    Modprobe(modprobe::ModprobeArgs),
    Lsmod(insmod::LsmodArgs),
    Rmmod(insmod::RmmodArgs),
    State(state::StateArgs),
    Dmesg(sim::DmesgArgs),
    Sim(sim::SimArgs),
    Demo(demo::DemoArgs),
    Man(manual::ManArgs),
    Completions(manual::CompletionsArgs),
}

/// What every command that runs guests takes.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Print JSON instead of text (docs/json.md)
    #[arg(long)]
    pub(crate) json: bool,
    /// Look for plugins (*.wasm) here as well; can be repeated, and so can paths in RELOBOX_PLUGIN_DIR, with ':'
    #[arg(long, value_name = "DIR")]
    pub(crate) plugin_dir: Vec<PathBuf>,
    /// Use this plugin where several link the same machine: a name, a digest or a file; can be repeated
    #[arg(long = "plugin", value_name = "PLUGIN")]
    pub(crate) chosen: Vec<String>,
    /// The file of trusted plugins, instead of /etc/relobox/pins and the user's
    #[arg(long, value_name = "FILE", env = "RELOBOX_PINS")]
    pub(crate) pins: Option<PathBuf>,
}

impl Common {
    /// The plugins that are not built in. In `privileged` use, nothing in a home is looked at.
    pub(crate) fn plugins(&self, privileged: bool) -> Result<Plugins> {
        let pins = Pins::from_environment(privileged, self.pins.as_deref())?;
        Plugins::find(&Search::from_environment(privileged, &self.plugin_dir), &self.chosen, pins)
    }

    /// The guests, with the cache of compiled code.
    pub(crate) fn guests(&self) -> Result<Guests> {
        self.guests_of(self.plugins(false)?)
    }

    /// The same with these plugins.
    pub(crate) fn guests_of(&self, plugins: Plugins) -> Result<Guests> {
        Ok(Guests::of(Sandbox::new(Cache::from_environment())?, plugins))
    }
}

/// Runs the command of the process's arguments.
pub(crate) fn main() -> ExitCode {
    if let Some(code) = sim::serve_if_asked().or_else(relobox::isolate::serve_if_asked) {
        return code;
    }
    // A closed pipe ends the output, not in a panic.
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let (json, result) = match cli.command {
        Command::Link(args) => (args.common.json, link::run(args)),
        Command::Check(args) => (args.common.json, check::run(args)),
        Command::Inspect(args) => (args.common.json, inspect::run(args)),
        Command::Plugin(args) => (args.json(), plugin::run(args)),
        #[cfg(feature = "fuzz")]
        Command::Fuzz(args) => (false, fuzz::run(*args)),
        Command::Insmod(args) => (args.common.json, insmod::run(args)),
        Command::Modprobe(args) => (args.common.json, modprobe::run(args)),
        Command::Lsmod(args) => (args.json, insmod::lsmod(args)),
        Command::Rmmod(args) => (args.json, insmod::rmmod(args)),
        Command::State(args) => (args.json, state::run(args)),
        Command::Dmesg(args) => (args.json, sim::dmesg(args)),
        Command::Sim(args) => (false, sim::run(args)),
        Command::Demo(args) => (false, demo::run(args)),
        Command::Man(args) => (false, manual::man(args)),
        Command::Completions(args) => (false, manual::completions(args)),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            output::error(&error, json);
            ExitCode::from(error.exit_code())
        }
    }
}
