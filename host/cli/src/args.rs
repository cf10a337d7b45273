//! Options of several commands: plugins, and numbers for plugins.

use crate::output;
use clap::Args;
use clap::builder::{PathBufValueParser, PossibleValuesParser, TypedValueParser};
use relobox_core::error::Result;
use relobox_core::keys::Trust;
use relobox_core::signature::Policy;
use relobox_plugins::pins::Pins;
use relobox_plugins::registry::{Plugins, Search};
use std::path::PathBuf;

/// Options of every command that links: where plugins are searched, and which are used.
#[derive(Clone, Debug, Args)]
pub struct Common {
    /// Print JSON instead of text (see docs/json.md)
    #[arg(long)]
    pub json: bool,
    /// Search DIR for plugins (*.wasm) too; can be repeated. RELOBOX_PLUGIN_DIR is a list of such directories,
    /// separated by ':'
    #[arg(long, value_name = "DIR")]
    pub plugin_dir: Vec<PathBuf>,
    /// Use this plugin if several link the same machine: a name, a digest or a file; can be repeated
    #[arg(long = "plugin", value_name = "PLUGIN")]
    pub chosen: Vec<String>,
    /// Read trusted plugins from FILE instead of /etc/relobox/pins and the user's file
    #[arg(long, value_name = "FILE", env = "RELOBOX_PINS", hide_env_values = true)]
    pub pins: Option<PathBuf>,
}

impl Common {
    /// Finds the plugins that are not built in. If `privileged`, no home directory is searched.
    ///
    /// # Errors
    /// If a directory, a pin file or a named plugin cannot be read, or if other users could have written it.
    pub fn plugins(&self, privileged: bool) -> Result<Plugins> {
        let pins = Pins::from_environment(privileged, self.pins.as_deref())?;
        let search = Search::from_environment(privileged, &self.plugin_dir);
        let mut plugins = Plugins::find(&search, &self.chosen, pins)?;
        if privileged {
            plugins.leave_out_silent();
        }
        plugins.skipped.iter().for_each(output::warning);
        Ok(plugins)
    }
}

/// What is done about signatures, as a command line says.
#[derive(Clone, Debug, Default, Args)]
pub struct Signatures {
    /// Verify signatures before anything else: 'require' uses only modules that a trusted key has signed, 'warn' reports
    /// the others (docs/signatures.md) [default: the word in /etc/relobox/signatures, or off]
    #[arg(long = "signatures", value_name = "off|warn|require", hide_possible_values = true, value_parser = policy())]
    pub policy: Option<Policy>,
    /// Trust the certificates in DIR (DER or PEM) instead of those in /etc/relobox/keys and /usr/share/relobox/keys; can
    /// be repeated
    #[arg(long, value_name = "DIR")]
    pub keys: Vec<PathBuf>,
}

impl Signatures {
    /// What is done for this machine's kernel: the command line comes before the machine's setting.
    ///
    /// # Errors
    /// As [`Trust::of_machine`].
    pub fn of_machine(&self) -> Result<Trust> {
        Trust::of_machine(self.policy, &self.keys)
    }

    /// What the command line says alone, for modules that this machine's kernel does not get.
    ///
    /// # Errors
    /// As [`Trust::of_machine`].
    pub fn given(&self) -> Result<Trust> {
        Trust::of_machine(Some(self.policy.unwrap_or_default()), &self.keys)
    }
}

/// Parses a policy for signatures.
#[must_use]
pub fn policy() -> impl TypedValueParser<Value = Policy> {
    PossibleValuesParser::new(Policy::NAMES).try_map(|word| word.parse::<Policy>())
}

/// The numbers that a plugin needs and that are not in the module.
#[derive(Clone, Debug, Args)]
pub struct Inputs {
    /// Set a number that a plugin asks for (see 'relobox plugin info'); can be repeated
    #[arg(long, value_name = "NAME=NUMBER", value_parser = input)]
    pub input: Vec<(String, u64)>,
}

/// The name of standard input as a file.
pub const STDIN: &str = "/dev/stdin";
/// The name of standard output as a file.
pub const STDOUT: &str = "/dev/stdout";

/// Parses the name of a file to read: `-` is standard input.
#[must_use]
pub fn input_file() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().map(|path| if path.as_os_str() == "-" { STDIN.into() } else { path })
}

/// Parses the name of a file to write: `-` is standard output.
#[must_use]
pub fn output_file() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().map(|path| if path.as_os_str() == "-" { STDOUT.into() } else { path })
}

/// Returns whether a file to write is standard output.
#[must_use]
pub fn is_stdout(path: Option<&PathBuf>) -> bool {
    path.is_some_and(|path| path.as_os_str() == STDOUT)
}

/// Parses a number on the command line: decimal, or hexadecimal after `0x`, with `_` as an optional separator of
/// digits.
///
/// # Errors
/// A message if `text` is not a number of 64 bits.
pub fn address(text: &str) -> Result<u64, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(&digits.replace('_', ""), 16),
        None => text.parse(),
    };
    parsed.map_err(|e| format!("{e}; an address is 0x… or decimal"))
}

fn input(text: &str) -> Result<(String, u64), String> {
    let (name, number) = text.split_once('=').ok_or("the form is NAME=NUMBER")?;
    Ok((name.to_owned(), address(number)?))
}
