//! What every command that runs guests takes: where its plugins come from, and which of them are meant.

use super::output;
use clap::Args;
use relobox::Result;
use relobox::cache::Cache;
use relobox::guests::Guests;
use relobox::pins::Pins;
use relobox::registry::{Plugins, Search};
use relobox::sandbox::Sandbox;
use std::path::PathBuf;

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
    #[arg(long, value_name = "FILE", env = "RELOBOX_PINS", hide_env_values = true)]
    pub(crate) pins: Option<PathBuf>,
}

impl Common {
    /// The plugins that are not built in. In `privileged` use, nothing in a home is looked at.
    pub(crate) fn plugins(&self, privileged: bool) -> Result<Plugins> {
        let pins = Pins::from_environment(privileged, self.pins.as_deref())?;
        let search = Search::from_environment(privileged, &self.plugin_dir);
        let mut plugins = Plugins::find(&search, &self.chosen, pins)?;
        if privileged {
            plugins.leave_out_silent();
        }
        plugins.skipped.iter().for_each(output::warning);
        Ok(plugins)
    }

    /// The guests, with the cache of compiled code.
    pub(crate) fn guests(&self) -> Result<Guests> {
        self.guests_of(self.plugins(false)?)
    }

    /// The same with these plugins. Those that cannot be used are named on standard error.
    pub(crate) fn guests_of(&self, plugins: Plugins) -> Result<Guests> {
        let guests = Guests::of(Sandbox::new(Cache::from_environment())?, plugins);
        for (_, error) in guests.unusable() {
            output::warning(format_args!("{error}; it does not say which machines it links, and is left out"));
        }
        Ok(guests)
    }
}
