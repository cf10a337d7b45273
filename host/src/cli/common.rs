//! The guests of a command, which run in this process.

use super::output;
use relobox::cache::Cache;
use relobox::files::{self, Kind};
use relobox::guests::Guests;
use relobox::open::Source;
use relobox::registry::Plugins;
use relobox::sandbox::Sandbox;
use relobox::{Result, limits};
pub(crate) use relobox_cli::args::Common;
use relobox_cli::args::STDIN;
use std::path::Path;

/// Makes the guests, with the cache of compiled code.
pub(crate) fn guests(common: &Common) -> Result<Guests> {
    guests_of(common.plugins(false)?)
}

/// Makes the guests with these plugins. Warns about plugins that cannot be used.
pub(crate) fn guests_of(plugins: Plugins) -> Result<Guests> {
    let guests = Guests::of(Sandbox::new(Cache::from_environment())?, plugins);
    for (_, error) in guests.unusable() {
        output::warning(format_args!("{error}; its machines are unknown, so it is not used"));
    }
    Ok(guests)
}

/// Opens a module. Standard input may be a pipe.
pub(crate) fn source(path: &Path) -> Result<Source> {
    match path.as_os_str() == STDIN {
        true => Ok(Source::Bytes(files::read(path, Kind::Pipe, limits::FILE)?)),
        false => Source::open(path),
    }
}
