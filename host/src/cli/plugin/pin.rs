//! `relobox plugin pin`: which plugins are trusted.

use clap::Args;
use relobox::{Error, Result};
use std::process::ExitCode;

/// Pin a plugin by its digest
#[derive(Debug, Args)]
pub(crate) struct PinArgs {
    #[command(flatten)]
    pub(crate) common: crate::cli::Common,
}

pub(super) fn run(_: PinArgs) -> Result<ExitCode> {
    Err(Error::Usage("not written yet".into()))
}
