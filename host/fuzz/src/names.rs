//! The names of a guest's functions, for reports.

use std::collections::HashMap;
use wasmparser::{ExternalKind, KnownCustom, Name, Parser, Payload};

/// The names of functions, by their index. A guest imports nothing, so function 0 has the first body.
#[derive(Default)]
pub(crate) struct Names {
    names: HashMap<u32, String>,
    /// Whether the guest has a name section with names of functions.
    pub(crate) has_section: bool,
}

impl Names {
    /// Returns the name of a function, or `function N`.
    pub(crate) fn name(&self, index: u32) -> String {
        self.names.get(&index).cloned().unwrap_or_else(|| format!("function {index}"))
    }
}

/// Reads the names of a guest. Names are not needed for anything else, so a malformed name section ends them.
pub(crate) fn of(wasm: &[u8]) -> Names {
    let mut out = Names::default();
    let mut exported = HashMap::new();
    for payload in Parser::new(0).parse_all(wasm).map_while(Result::ok) {
        match payload {
            Payload::ExportSection(exports) => {
                let functions = exports.into_iter().map_while(Result::ok).filter(|e| e.kind == ExternalKind::Func);
                exported.extend(functions.map(|e| (e.index, e.name.to_owned())));
            }
            Payload::CustomSection(section) => {
                let KnownCustom::Name(section) = section.as_known() else { continue };
                for name in section.into_iter().map_while(Result::ok) {
                    let Name::Function(functions) = name else { continue };
                    let functions = functions.into_iter().map_while(Result::ok);
                    out.names.extend(functions.map(|naming| (naming.index, naming.name.to_owned())));
                }
            }
            _ => {}
        }
    }
    out.has_section = !out.names.is_empty();
    for (index, name) in exported {
        out.names.entry(index).or_insert(name);
    }
    out
}
