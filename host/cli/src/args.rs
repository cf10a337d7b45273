//! What several commands take: plugins, and what a plugin cannot know.

use crate::output;
use clap::Args;
use relobox_core::error::Result;
use relobox_plugins::pins::Pins;
use relobox_plugins::registry::{Plugins, Search};
use std::path::PathBuf;

/// What every command that links takes: where its plugins come from, and which of them are meant.
#[derive(Clone, Debug, Args)]
pub struct Common {
    /// Print JSON instead of text (docs/json.md)
    #[arg(long)]
    pub json: bool,
    /// Look for plugins (*.wasm) here as well; can be repeated, and so can paths in RELOBOX_PLUGIN_DIR, with ':'
    #[arg(long, value_name = "DIR")]
    pub plugin_dir: Vec<PathBuf>,
    /// Use this plugin where several link the same machine: a name, a digest or a file; can be repeated
    #[arg(long = "plugin", value_name = "PLUGIN")]
    pub chosen: Vec<String>,
    /// The file of trusted plugins, instead of /etc/relobox/pins and the user's
    #[arg(long, value_name = "FILE", env = "RELOBOX_PINS", hide_env_values = true)]
    pub pins: Option<PathBuf>,
}

impl Common {
    /// The plugins that are not built in. In `privileged` use, nothing in a home is looked at.
    ///
    /// # Errors
    /// If a directory, a pin file or a plugin that was named cannot be read, or others could have written it.
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

/// What a plugin cannot know and a module does not say.
#[derive(Clone, Debug, Args)]
pub struct Inputs {
    /// A number from the kernel that a plugin asks for ('relobox plugin info'); can be repeated
    #[arg(long, value_name = "NAME=NUMBER", value_parser = input)]
    pub input: Vec<(String, u64)>,
}

/// A number from the command line: `0x…` or decimal.
///
/// # Errors
/// What is wrong with it, in words.
pub fn address(text: &str) -> Result<u64, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(&digits.replace('_', ""), 16),
        None => text.parse(),
    };
    parsed.map_err(|e| format!("{e}; an address is 0x… or decimal"))
}

fn input(text: &str) -> Result<(String, u64), String> {
    let (name, number) = text.split_once('=').ok_or("it has the form NAME=NUMBER")?;
    Ok((name.to_owned(), address(number)?))
}
