//! modprobe: from a name to everything that has to be loaded for it, in order.
//!
//! Reading ([`Tree`], [`Config`]), deciding ([`plan`]) and doing ([`run`], [`remove`]) are apart: a plan is data,
//! and whoever runs it says how one module is loaded. What is read is what kmod's modprobe reads, in its text form.

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

use crate::error::{Error, Result};
use std::fs::File;
use std::io::Read as _;
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
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io(path)(e)),
    };
    let mut text = Vec::new();
    file.take(limit + 1).read_to_end(&mut text).map_err(Error::io(path))?;
    if text.len() as u64 > limit {
        return Err(Error::Usage(format!("{}: more than {limit} bytes", path.display())));
    }
    Ok(Some(String::from_utf8(text).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())))
}
