//! What modules export to each other, and what they may not: a name that is exported already.
//!
//! The kernel refuses a module that exports what it exports itself, or what a module exports that is live
//! (verify_exported_symbols in kernel/module/main.c). Of two modules that export the same name only one can be live; which
//! one is first is not known here, so it is the one that Module.symvers names, or else the first by path.

use super::find::{File, Found};
use crate::guests::Guests;
use crate::open::{Source, open};
use crate::parse::parse;
use relobox_abi::{export_flag, parse as what};
use relobox_core::diagnostic::Diagnostic;
use relobox_core::error::Result;
use relobox_core::limits;
use relobox_core::symbols::{Definition, Symbols};
use relobox_core::text::decoded;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// A module's exports, by name.
pub(super) struct Exports {
    /// The module's name for itself, else its file's.
    owner: Arc<str>,
    all: Vec<(Vec<u8>, Definition)>,
}

/// Reads a module's exports.
pub(super) fn of(guests: &Guests, path: &Path) -> Result<Exports> {
    let name = path.display().to_string();
    let module = parse(&name, open(guests, &name, Source::open(path)?)?, what::EXPORTS)?;
    let records = module.records();
    let owner: Arc<str> = records.module_name().into();
    let definition = |e: &relobox_abi::Export| Definition {
        address: None,
        crc: (e.flags & export_flag::CRC != 0 && e.crc != 0).then_some(e.crc),
        owner: Some(owner.clone()),
        gpl: e.flags & export_flag::GPL != 0,
        namespace: String::from_utf8_lossy(records.bytes(e.namespace)).as_ref().into(),
        exported: true,
    };
    let all = records.exports.iter().map(|e| (records.bytes(e.name).to_vec(), definition(e))).collect();
    Ok(Exports { owner, all })
}

/// The symbols that modules of each tree see, and those that the files see that were named themselves.
pub(super) struct Scopes {
    trees: Vec<Symbols>,
    named: Symbols,
    /// Diagnostics of each file.
    duplicates: Vec<Vec<Diagnostic>>,
}

impl Scopes {
    /// `exports` are those of the files that were found, in their order.
    pub(super) fn new(found: &Found, kernel: Symbols, exports: Vec<Result<Exports>>) -> Self {
        let files: Vec<_> = found.modules.iter().zip(exports).map(|(file, exports)| (file, exports.ok())).collect();
        let mut duplicates = vec![Vec::new(); files.len()];
        let mut scope = |sees: &dyn Fn(&File) -> bool, judges: &dyn Fn(&File) -> bool| {
            let mut symbols = kernel.clone();
            let mut first: HashMap<&[u8], &Arc<str>> = HashMap::new();
            for (at, (file, exports)) in files.iter().enumerate().filter(|(_, (file, _))| sees(file)) {
                for (name, definition) in exports.iter().flat_map(|e| &e.all) {
                    let owner = exports.as_ref().map(|e| &e.owner);
                    let other = match kernel.exporter(name) {
                        Some(None) => Some("vmlinux"),
                        Some(Some(other)) => Some(&**other),
                        None => None,
                    };
                    let other = other.or_else(|| first.get(&**name).map(|other| &***other));
                    if let (Some(other), Some(owner)) = (other, owner)
                        && *other != **owner
                    {
                        let problems: &mut Vec<Diagnostic> = &mut duplicates[at];
                        if judges(file) && problems.len() < limits::FAULTS {
                            problems.push(duplicate(&file.path, name, other));
                        }
                        continue;
                    }
                    first.extend(owner.map(|owner| (&**name, owner)));
                    // The kernel's own definition is the better one, but for the CRC that only a module may know.
                    match symbols.get(name) {
                        Some(known) if known.crc.is_some() || known.exported => {}
                        _ => symbols.define(name, definition.clone()),
                    }
                }
            }
            symbols
        };
        let one = found.trees.len() < 2;
        let trees = (0..found.trees.len())
            .map(|tree| {
                let sees = |file: &File| file.tree.is_none_or(|of| of == tree);
                scope(&sees, &|file| file.tree.is_some() || one)
            })
            .collect();
        // With a single tree, the files that were named are judged there.
        let named = match (found.trees.len(), found.modules.iter().any(|file| file.tree.is_none())) {
            (1, _) | (_, false) => Symbols::new(),
            _ => scope(&|file| file.tree.is_none(), &|_| true),
        };
        Self { trees, named, duplicates }
    }

    /// What `file` sees.
    pub(super) fn of(&self, file: &File) -> &Symbols {
        match (file.tree, &self.trees[..]) {
            (Some(tree), trees) => trees.get(tree).unwrap_or(&self.named),
            (None, [only]) => only,
            (None, _) => &self.named,
        }
    }

    /// What each file exports that is exported already.
    pub(super) fn duplicates(&self) -> &[Vec<Diagnostic>] {
        &self.duplicates
    }
}

/// The message of the kernel is "exports duplicate symbol".
fn duplicate(path: &Path, name: &[u8], other: &str) -> Diagnostic {
    let (text, hint) = match other {
        "vmlinux" => {
            ("the module exports it, and the kernel exports it already".to_owned(), "the kernel refuses the module")
        }
        other => (
            format!("the module exports it, and module {} exports it, too", other),
            "only one of the two can be loaded at a time",
        ),
    };
    let problem = Diagnostic::new("duplicate-export", path.display().to_string(), text).hint(hint);
    Diagnostic { symbol: Some(decoded(name)), ..problem }
}
