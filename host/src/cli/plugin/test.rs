//! `relobox plugin test`: the conformance kit.

use clap::Args;
use relobox::{Error, Result};
use std::process::ExitCode;

/// Prove a plugin: the conformance kit
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    #[command(flatten)]
    pub(crate) common: crate::cli::Common,
}

pub(super) fn run(_: TestArgs) -> Result<ExitCode> {
    Err(Error::Usage("not written yet".into()))
}
