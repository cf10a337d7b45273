//! Reads the list of mutants, `tests/planted/mutants.txt`: shipped plugins with one change each.

use anyhow::{Context as _, Result, ensure};
use std::path::Path;

/// A shipped plugin with a bug: one line of its source is changed.
#[derive(Debug, Default)]
pub struct Mutant {
    /// The mutant's name.
    pub name: String,
    /// The architecture.
    pub plugin: String,
    /// The file, from `arch-plugins/PLUGIN/src/`.
    pub file: String,
    /// The text that is replaced, which occurs once in the file.
    pub from: String,
    /// What stands there instead.
    pub to: String,
    /// What is wrong.
    pub what: String,
    /// What finds it: `kit`, `fuzzer` or `vectors`.
    pub found: String,
}

/// Where plugins can be found wanting.
pub const FINDERS: [&str; 3] = ["kit", "fuzzer", "vectors"];

impl Mutant {
    /// Reads the list.
    ///
    /// # Panics
    /// If the list, which is part of the repository, is malformed.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("planted/mutants.txt");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut all: Vec<Self> = Vec::new();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (key, rest) = line.split_once(' ').unwrap_or((line, ""));
            let rest = rest.trim().to_owned();
            if key == "mutant" {
                let (plugin, _) = rest.split_once('-').unwrap_or_else(|| panic!("{rest}: PLUGIN-NAME"));
                all.push(Self { plugin: plugin.to_owned(), name: rest, ..Self::default() });
                continue;
            }
            let mutant = all.last_mut().unwrap_or_else(|| panic!("{line}: no mutant begins here"));
            let field = match key {
                "file" => &mut mutant.file,
                "from" => &mut mutant.from,
                "to" => &mut mutant.to,
                "what" => &mut mutant.what,
                "found" => &mut mutant.found,
                _ => panic!("{line}: there is no such key"),
            };
            *field = rest;
        }
        all
    }

    /// Returns the source of the mutant's file, from the directory of the repository.
    ///
    /// # Errors
    /// If the file cannot be read, or does not have the text exactly once.
    pub fn source(&self, root: &Path) -> Result<String> {
        let path = root.join(self.path());
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let count = text.matches(&self.from).count();
        ensure!(count == 1, "{}: {:?} occurs {count} times in {}", self.name, self.from, path.display());
        Ok(text.replace(&self.from, &self.to))
    }

    /// Returns the path of the file that is changed.
    #[must_use]
    pub fn path(&self) -> String {
        format!("arch-plugins/{}/src/{}", self.plugin, self.file)
    }
}
