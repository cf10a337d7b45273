//! `relobox plugin`: lists, describes, creates, tests and pins plugins.

mod info;
mod list;
mod new;
mod pin;
mod report;
mod test;

use super::common::Common;
use clap::{Args, Subcommand};
use relobox::Result;
use relobox_cli::args::output_file;
use std::path::PathBuf;
use std::process::ExitCode;

/// List, describe, create, test and pin relocation plugins
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct PluginArgs {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the plugins with their machines, digests and origins
    #[command(after_help = "Examples:
  relobox plugin list
  relobox plugin list --plugin-dir ./mine --json")]
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Show the relocation table of a plugin, according to its own description
    #[command(after_help = "Examples:
  relobox plugin info aarch64
  relobox plugin info ./mine.wasm
  relobox plugin info mine --plugin-dir ./mine --json
  relobox plugin info riscv64 --markdown
  relobox plugin info aarch64 --svg aarch64.svg")]
    Info {
        /// The plugin: a name, the first digits of its digest, or a .wasm file
        arch: String,
        /// Print the table as Markdown, as in docs/relocation-support.md
        #[arg(long, conflicts_with = "json")]
        markdown: bool,
        /// Also draw where the bits of each value go, into this SVG file; - is standard output
        #[arg(long, value_name = "FILE", value_parser = output_file())]
        svg: Option<PathBuf>,
        #[command(flatten)]
        common: Common,
    },
    New(new::NewArgs),
    Test(test::TestArgs),
    Pin(pin::PinArgs),
    Compile(pin::CompileArgs),
}

impl PluginArgs {
    pub(crate) fn json(&self) -> bool {
        match &self.command {
            Verb::List { common } | Verb::Info { common, .. } => common.json,
            Verb::New(_) => false,
            Verb::Test(args) => args.common.json,
            Verb::Pin(args) => args.common.json,
            Verb::Compile(args) => args.common.json,
        }
    }
}

pub(crate) fn run(args: PluginArgs) -> Result<ExitCode> {
    match args.command {
        Verb::List { common } => list::run(&common),
        Verb::Info { arch, markdown, svg, common } => info::run(&arch, markdown, svg.as_deref(), &common),
        Verb::New(args) => new::run(args),
        Verb::Test(args) => test::run(args),
        Verb::Pin(args) => pin::run(args),
        Verb::Compile(args) => pin::run_compile(args),
    }
}
