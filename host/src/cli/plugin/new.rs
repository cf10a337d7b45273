//! `relobox plugin new`: a plugin of one's own, to begin with.

use clap::Args;
use relobox::{Error, Result};
use std::process::ExitCode;

/// Write a template for a new plugin
#[derive(Debug, Args)]
pub(crate) struct NewArgs {}

pub(super) fn run(_: NewArgs) -> Result<ExitCode> {
    Err(Error::Usage("not written yet".into()))
}
