//! modprobe: finds every module that must be loaded for a name, and loads them in order.
//!
//! Reading ([`Tree`], [`Config`]), planning ([`plan()`]) and running ([`run()`], [`remove`]) are separate. A plan is
//! data. The caller of [`run()`] supplies the function that loads one module. The input files are those of kmod's
//! modprobe, in their text form.
//!
//! ```
//! use relobox_modprobe::plan::Needs;
//! use relobox_modprobe::{Action, Config, Request, Tree, plan};
//! use std::collections::HashSet;
//!
//! // The output of depmod: `hello.ko` needs `printer.ko`.
//! let root = std::env::temp_dir().join(format!("relobox-modprobe-{}", std::process::id()));
//! std::fs::create_dir_all(&root)?;
//! std::fs::write(root.join("modules.dep"), "printer.ko:\nhello.ko: printer.ko\n")?;
//! let tree = Tree::open(&root)?;
//!
//! let mut config = Config::default();
//! config.parse("/etc/modprobe.d/hello.conf", "alias greeting hello\noptions hello count=3\n");
//!
//! let names = ["greeting".to_owned()];
//! let request = Request {
//!     names: &names,
//!     args: "name=world",
//!     blacklist: false,
//!     ignore_commands: false,
//!     show_depends: false,
//!     live: &HashSet::new(),
//!     // Called only for a file that is newer than modules.dep.
//!     inspect: &|_| Ok(Needs::default()),
//! };
//! let plan = plan(&tree, &config, &request);
//! let [printer, hello] = &plan.steps[..] else { panic!("{plan:?}") };
//! assert_eq!(printer.action, Action::Load(root.join("printer.ko")));
//! assert_eq!((&*hello.name, &*hello.args, &hello.requires[..]), ("hello", "count=3 name=world", &[0][..]));
//! # std::fs::remove_dir_all(&root)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![warn(missing_docs)]

pub mod config;
pub mod depmod;
mod find;
pub mod glob;
mod load;
pub mod plan;
pub mod remove;
pub mod run;
pub mod show;
pub mod tree;

pub use config::Config;
pub use find::resolve;
pub use load::load;
pub use plan::{Action, LoadPlan, Request, Step, Target, plan};
pub use run::{Outcome, run};
pub use tree::Tree;

use relobox_core::error::{Error, Result};
use relobox_core::files::{self, Kind};
use std::path::Path;

/// A place in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The name of the file.
    pub file: std::sync::Arc<str>,
    /// The number of the line, from 1. It is 0 if the place has no line, as in the kernel's command line.
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

/// Reads a text file of at most `limit` bytes. `None` if the file does not exist. Invalid UTF-8 is replaced.
///
/// # Errors
/// If it cannot be read, or is larger.
pub fn read_text(path: &Path, limit: u64) -> Result<Option<String>> {
    let text = match files::read(path, Kind::Config, limit) {
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        text => text?,
    };
    Ok(Some(String::from_utf8(text).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())))
}
