//! The exports of the modules, and duplicates among them.
//!
//! The kernel refuses a module that exports a symbol which the kernel or a live module exports already
//! (verify_exported_symbols in kernel/module/main.c). If two modules export the same name, only one of them can be
//! live. The check assumes that this is the one that Module.symvers names, or otherwise the first one by path.

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

/// The exports of a module.
pub(super) struct Exports {
    /// The module's own name, or otherwise that of its file.
    owner: Arc<str>,
    all: Vec<(Vec<u8>, Definition)>,
}

/// Reads the exports of a module.
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

/// The symbols that the modules of each tree can use, and those that the files can use that were named themselves.
pub(super) struct Scopes {
    trees: Vec<Symbols>,
    named: Symbols,
    /// The diagnostics of each file.
    duplicates: Vec<Vec<Diagnostic>>,
}

impl Scopes {
    /// `exports` are those of the files in `found`, in the same order.
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
                    // The kernel's own definition is preferred, except for its CRC, which only the module may know.
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
        // If there is a single tree, it decides for the files that were named themselves.
        let named = match (found.trees.len(), found.modules.iter().any(|file| file.tree.is_none())) {
            (1, _) | (_, false) => Symbols::new(),
            _ => scope(&|file| file.tree.is_none(), &|_| true),
        };
        Self { trees, named, duplicates }
    }

    /// The symbols that `file` can use.
    pub(super) fn of(&self, file: &File) -> &Symbols {
        match (file.tree, &self.trees[..]) {
            (Some(tree), trees) => trees.get(tree).unwrap_or(&self.named),
            (None, [only]) => only,
            (None, _) => &self.named,
        }
    }

    /// The duplicate exports of each file.
    pub(super) fn duplicates(&self) -> &[Vec<Diagnostic>] {
        &self.duplicates
    }
}

/// The problem for which the kernel prints "exports duplicate symbol".
fn duplicate(path: &Path, name: &[u8], other: &str) -> Diagnostic {
    let (text, hint) = match other {
        "vmlinux" => ("the module and the kernel both export it".to_owned(), "the kernel refuses the module"),
        other => {
            (format!("this module and module {} both export it", other), "only one of the two can be loaded at a time")
        }
    };
    let problem = Diagnostic::new("duplicate-export", path.display().to_string(), text).hint(hint);
    Diagnostic { symbol: Some(decoded(name)), ..problem }
}
