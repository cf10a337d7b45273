//! modprobe: from a name to everything that has to be loaded for it, in order.
//!
//! Reading ([`Tree`], [`Config`]), deciding ([`plan()`]) and doing ([`run()`], [`remove`]) are apart: a plan is data,
//! and whoever runs it says how one module is loaded. What is read is what kmod's modprobe reads, in its text form.
#![warn(missing_docs)]

pub mod config;
pub mod depmod;
pub mod glob;
mod load;
pub mod plan;
pub mod remove;
pub mod run;
pub mod tree;

pub use config::Config;
pub use depmod::Depmod;
pub use load::load;
pub use plan::{Action, Plan, Request, Step, Target, plan};
pub use run::{Outcome, run};
pub use tree::Tree;

use relobox_core::error::{Error, Result};
use relobox_core::files::{self, Kind};
use std::path::Path;

/// Where something was said: file and line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: std::sync::Arc<str>,
    /// Its line, from 1; 0 where there is none to name.
    pub line: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            0 => write!(f, "{}", self.file),
            line => write!(f, "{}:{line}", self.file),
        }
    }
}

/// A text file of at most `limit` bytes; `None` if there is none.
fn read_text(path: &Path, limit: u64) -> Result<Option<String>> {
    let text = match files::read(path, Kind::Config, limit) {
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        text => text?,
    };
    Ok(Some(String::from_utf8(text).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())))
}
