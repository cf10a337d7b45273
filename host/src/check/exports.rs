//! The exports of the modules, and duplicates among them.
//!
//! The kernel refuses a module that exports a symbol which the kernel or a live module exports already
//! (verify_exported_symbols in kernel/module/main.c). If two modules export the same name, only one of them can be
//! live. The check assumes that this is the one that Module.symvers names, or otherwise the first one by path.

use super::machine::MachineId;
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

/// What other modules need to know of a module: its kernel and its exports.
pub(super) struct Header {
    pub(super) machine: MachineId,
    /// ELF's e_flags.
    pub(super) flags: u32,
    /// The first word of its vermagic.
    pub(super) release: Option<String>,
    /// The module's own name, or otherwise that of its file.
    owner: Arc<str>,
    exports: Vec<(Vec<u8>, Definition)>,
}

/// Reads the header of a module.
pub(super) fn header(guests: &Guests, path: &Path) -> Result<Header> {
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
    let exports = records.exports.iter().map(|e| (records.bytes(e.name).to_vec(), definition(e))).collect();
    let p = records.parsed;
    let machine = MachineId { machine: p.machine, class: p.class, order: p.order };
    let release = records.release().map(decoded);
    Ok(Header { machine, flags: p.elf_flags, release, owner, exports })
}

/// The symbols that the modules of a kernel can use: `kernel`'s, and the exports of `modules`. Also returns the problems
/// of those that export what is exported already, by their index in `modules`.
pub(super) fn scope(kernel: Symbols, modules: &[(&Path, &Header)]) -> (Symbols, Vec<(usize, Diagnostic)>) {
    let mut symbols = kernel.clone();
    let mut first: HashMap<&[u8], &Arc<str>> = HashMap::new();
    let mut duplicates = Vec::new();
    for (at, (path, header)) in modules.iter().enumerate() {
        let mut problems = 0;
        for (name, definition) in &header.exports {
            let other = match kernel.exporter(name) {
                Some(None) => Some("vmlinux"),
                Some(Some(other)) => Some(&**other),
                None => None,
            };
            let other = other.or_else(|| first.get(&**name).map(|other| &***other));
            if let Some(other) = other.filter(|other| **other != *header.owner) {
                if problems < limits::FAULTS {
                    problems += 1;
                    duplicates.push((at, duplicate(path, name, other)));
                }
                continue;
            }
            first.insert(name, &header.owner);
            // The kernel's own definition is preferred, except for its CRC, which only the module may know.
            match symbols.get(name) {
                Some(known) if known.crc.is_some() || known.exported => {}
                _ => symbols.define(name, definition.clone()),
            }
        }
    }
    (symbols, duplicates)
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
