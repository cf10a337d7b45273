//! What every command that runs guests in this process takes: where its plugins come from, and which of them are meant.

use super::output;
use relobox::Result;
use relobox::cache::Cache;
use relobox::guests::Guests;
use relobox::registry::Plugins;
use relobox::sandbox::Sandbox;
pub(crate) use relobox_cli::args::Common;

/// The guests, with the cache of compiled code.
pub(crate) fn guests(common: &Common) -> Result<Guests> {
    guests_of(common.plugins(false)?)
}

/// The same with these plugins. Those that cannot be used are named on standard error.
pub(crate) fn guests_of(plugins: Plugins) -> Result<Guests> {
    let guests = Guests::of(Sandbox::new(Cache::from_environment())?, plugins);
    for (_, error) in guests.unusable() {
        output::warning(format_args!("{error}; it does not say which machines it links, and is left out"));
    }
    Ok(guests)
}
