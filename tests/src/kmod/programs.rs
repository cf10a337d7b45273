//! The programs of kmod 34.

use anyhow::{Context as _, Result, ensure};
use relobox_needs::kmod_root;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The path of one of kmod 34's programs.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    kmod_root().join("bin").join(name)
}

/// Runs depmod on the modules of a root directory.
///
/// # Errors
/// If it fails.
pub fn depmod(root: &Path, version: &str) -> Result<()> {
    let output = Command::new(program("depmod")).arg("-b").arg(root).arg(version).output().context("depmod")?;
    ensure!(output.status.success(), "depmod: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
