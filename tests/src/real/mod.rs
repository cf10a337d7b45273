//! Links real modules with relobox, for comparison with the oracles.

pub mod dry;
pub mod image;
pub mod kernel;

use anyhow::{Context, Result, ensure};
use relobox::cache::Cache;
use relobox::guests::Guests;
use relobox::sandbox::Sandbox;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Returns the built-in guests, one set for the whole process.
///
/// # Errors
/// If the guests do not compile.
pub fn guests() -> Result<&'static Guests> {
    static GUESTS: OnceLock<Guests> = OnceLock::new();
    if let Some(guests) = GUESTS.get() {
        return Ok(guests);
    }
    let guests = Guests::new(Sandbox::new(Cache::from_environment())?, &[])?;
    Ok(GUESTS.get_or_init(|| guests))
}

/// Returns the path of the `relobox` command: `RELOBOX_BINARY` if it is set, or else a build of this source in the
/// profile of the tests.
///
/// # Errors
/// If the build fails.
pub fn binary() -> Result<PathBuf> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    if let Some(path) = std::env::var_os("RELOBOX_BINARY") {
        return Ok(path.into());
    }
    if let Some(path) = BUILT.get() {
        return Ok(path.clone());
    }
    let test = std::env::current_exe()?;
    let profile = test.ancestors().nth(2).context("the tests are in PROFILE/deps")?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Cargo runs in the workspace, without `--package`, so that dependencies keep the features of `cargo test` and are
    // not rebuilt.
    cargo.args(["build", "--quiet", "--bin", "relobox", "--target-dir"]);
    cargo.arg(profile.parent().context("the target directory")?);
    cargo.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    ensure!(cargo.stdin(Stdio::null()).status().context("cargo")?.success(), "relobox does not build");
    let path = profile.join("relobox");
    ensure!(path.is_file(), "no {}", path.display());
    Ok(BUILT.get_or_init(|| path).clone())
}
