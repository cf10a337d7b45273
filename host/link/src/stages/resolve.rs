//! Resolve: every symbol of the module gets its value, by the kernel's rules and policy.
//!
//! The rules are those of simplify_symbols in kernel/module/main.c. The value of a defined symbol is its section's
//! address plus its `st_value`. An absolute symbol has its `st_value`. An undefined symbol is looked up; if it is weak
//! and not found, its value is 0. A common symbol is an error.
//!
//! The policy: CRCs must agree if both sides have one, GPL-only symbols need a GPL-compatible licence, and a namespace
//! must be imported. A namespace that begins with `module:` cannot be imported: it lists the modules that may use its
//! symbols (EXPORT_SYMBOL_FOR_MODULES, Linux 6.16).

use crate::needs::Needs;
use crate::records::Records;
use crate::stages::layout::Layout;
use relobox_abi::{Supplied, Symbol, supply, symbol_flag};
use relobox_core::areas::ABSENT;
use relobox_core::diagnostic::{Diagnostic, Diagnostics};
use relobox_core::error::{Error, Result};
use relobox_core::symbols::{Definition, Symbols};
use relobox_core::text::decoded;
use std::collections::{HashMap, HashSet};

/// The definitions of undefined symbols.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// The symbol tables.
    pub symbols: &'a Symbols,
    /// In a dry run, the address from which symbols without an address are placed. If no symbol table of the kernel was
    /// given, this also applies to all undefined symbols.
    pub assume: Option<u64>,
}

/// The values of symbols, and where they come from.
#[derive(Default)]
pub struct Resolved {
    /// The values by symbol index.
    pub values: Vec<u64>,
    /// The values by index in [`Needs::kernel_symbols`].
    pub kernel_symbols: Vec<u64>,
    /// The addresses of function descriptors, by symbol index, ascending.
    pub descriptors: Vec<(u32, u64)>,
    /// The modules that define symbols of this one, in the order of first use.
    pub uses: Vec<String>,
}

impl Resolved {
    /// Returns the address by which other modules refer to a symbol: that of its function descriptor if it has one, or
    /// else its value.
    #[must_use]
    pub fn known_by(&self, symbol: u32) -> u64 {
        match self.descriptors.binary_search_by_key(&symbol, |d| d.0) {
            Ok(i) => self.descriptors[i].1,
            Err(_) => self.values.get(symbol as usize).copied().unwrap_or(0),
        }
    }
}

/// Licences of modules that may use GPL-only symbols (include/linux/license.h).
const GPL_COMPATIBLE: [&[u8]; 6] =
    [b"GPL", b"GPL v2", b"GPL and additional rights", b"Dual BSD/GPL", b"Dual MIT/GPL", b"Dual MPL/GPL"];

/// Computes the value of every symbol.
///
/// # Errors
/// [`Error::Module`] with every symbol that has no value, and every breach of the policy.
pub fn resolve(records: &Records<'_>, needs: &Needs, layout: &Layout, sources: Sources<'_>) -> Result<Resolved> {
    let mut supplied: HashMap<u32, &(Supplied, Vec<u8>)> = HashMap::new();
    for s in &needs.supplied {
        supplied.insert(s.0.symbol, s);
    }
    let mut problems = Diagnostics::default();
    let mut uses: Vec<String> = Vec::new();
    let mut used: HashSet<&str> = HashSet::new();
    let policy = Policy::new(records);
    let mut value_of = |i: u32, s: &Symbol| -> u64 {
        if s.flags & symbol_flag::UNDEFINED == 0 {
            return defined(records, layout, i, s, &mut problems);
        }
        let name = match supplied.get(&i) {
            Some((s, _)) if s.how == supply::CONSTANT => return s.value,
            Some((s, _)) if s.how == supply::IN_SECTION => {
                return layout.addresses[s.index as usize].wrapping_add(s.value);
            }
            Some((s, _)) if s.how == supply::IN_SYNTHETIC => {
                return layout.synthetic[s.index as usize].wrapping_add(s.value);
            }
            Some((_, name)) => name.as_slice(),
            None => records.bytes(s.name),
        };
        if s.flags & symbol_flag::REGISTER != 0 {
            return 0;
        }
        let found = sources.symbols.get(name);
        if let Some(definition) = found {
            policy.check(records, i, name, definition, &mut problems);
            if let Some(owner) = &definition.owner
                && used.insert(owner)
            {
                uses.push(owner.to_string());
            }
        }
        match (found, sources.assume) {
            (Some(Definition { address: Some(address), .. }), _) => *address,
            (Some(_), Some(base)) => base.wrapping_add(u64::from(i) * 16),
            (None, Some(base)) if !sources.symbols.know_kernel() => base.wrapping_add(u64::from(i) * 16),
            (None, _) if s.flags & symbol_flag::WEAK != 0 => 0,
            (found, _) => {
                problems.add(|| missing(records, i, name, found, sources.symbols));
                0
            }
        }
    };
    let mut values = Vec::with_capacity(records.symbols.len());
    values.push(0);
    values.extend((1..).zip(&records.symbols[1..]).map(|(i, s)| value_of(i, s)));
    gone(records, layout, &mut problems);
    if let Some(problem) = imported_lists(records) {
        problems.add(|| problem);
    }
    if problems.is_empty() {
        let kernel_symbols = needs.kernel_symbols.iter().map(|wanted| {
            let found = sources.symbols.get(&wanted.name).and_then(|definition| definition.address);
            found.or(sources.assume.filter(|_| !sources.symbols.know_kernel())).unwrap_or(wanted.default)
        });
        let descriptors = needs.descriptors.iter().map(|d| {
            let section = layout.synthetic.get(d.index as usize).copied().unwrap_or(ABSENT);
            (d.symbol, section.wrapping_add(d.offset))
        });
        Ok(Resolved { values, kernel_symbols: kernel_symbols.collect(), descriptors: descriptors.collect(), uses })
    } else {
        Err(Error::Module(problems.into_vec(records.name)))
    }
}

/// Reports symbols that relocations use and whose section will not be in memory: that address could belong to anything.
///
/// Not so the begin and the end of a list that is empty, which are one address of nothing. A linker script that collects
/// it makes a section for them that is not allocated (m68k's `.m68k_fixup`).
fn gone(records: &Records<'_>, layout: &Layout, problems: &mut Diagnostics) {
    let empty = |s: &Symbol| s.value == 0 && records.sections[s.section as usize].size == 0;
    let absent = |s: &Symbol| s.section != 0 && layout.addresses[s.section as usize] == ABSENT && !empty(s);
    let absent: Vec<bool> = records.symbols.iter().map(absent).collect();
    let used = |symbol: u32| absent.get(symbol as usize).copied().unwrap_or(false);
    let mut seen = HashSet::new();
    for symbol in records.relocations.iter().map(|r| r.symbol).filter(|symbol| used(*symbol)) {
        if seen.insert(symbol) {
            problems.add(|| {
                let section = records.section_name(records.symbols[symbol as usize].section);
                let text = format!("it is in {section}, which will not be in memory");
                about(records, symbol, "not-in-memory", text)
            });
        }
    }
}

fn defined(records: &Records<'_>, layout: &Layout, i: u32, s: &Symbol, problems: &mut Diagnostics) -> u64 {
    if s.flags & symbol_flag::COMMON != 0 {
        // The kernel ignores the marker of link-time optimisation.
        if !records.bytes(s.name).starts_with(b"__gnu_lto") {
            problems.add(|| {
                about(records, i, "common-symbol", "a common symbol is not allowed in a module")
                    .hint("compile with -fno-common")
            });
        }
        return 0;
    }
    if s.section == 0 || s.flags & (symbol_flag::ABSOLUTE | symbol_flag::LIVEPATCH) != 0 {
        return s.value;
    }
    match layout.addresses[s.section as usize] {
        ABSENT => s.value,
        address => address.wrapping_add(s.value),
    }
}

/// Returns a diagnostic that the module was compiled against version `want` of a symbol, and that it has version
/// `have`. The caller adds the symbol's name.
pub(crate) fn crc_mismatch(records: &Records<'_>, want: u32, have: u32) -> Diagnostic {
    let text = format!("the module was compiled against version {want:#010x} of a symbol that is now {have:#010x}");
    Diagnostic::new("crc-mismatch", records.name, text).hint("compile it against this kernel")
}

fn about(records: &Records<'_>, symbol: u32, kind: &'static str, text: impl Into<String>) -> Diagnostic {
    Diagnostic { symbol: records.symbol_name(symbol), ..Diagnostic::new(kind, records.name, text) }
}

fn missing(
    records: &Records<'_>,
    symbol: u32,
    name: &[u8],
    found: Option<&Definition>,
    symbols: &Symbols,
) -> Diagnostic {
    match found {
        Some(_) if symbols.hides(name) => {
            let hint = "the kernel shows addresses to root (CAP_SYSLOG) only, and while kernel.kptr_restrict is 0 or 1";
            about(records, symbol, "no-address", "its address is hidden (0) in the files given with --symbols")
                .hint(hint)
        }
        Some(definition) => {
            let owner = definition.owner.as_deref().unwrap_or("vmlinux");
            about(records, symbol, "no-address", format!("a symbol of {owner} has no address"))
                .hint("Module.symvers has no addresses: give System.map or /proc/kallsyms too")
        }
        None => about(records, symbol, "undefined-symbol", "undefined symbol").hint(match symbols.know_kernel() {
            true => "no file given with --symbols, and no other module, defines it",
            false => "--symbols names System.map, /proc/kallsyms or Module.symvers",
        }),
    }
}

/// The prefix of a namespace that lists modules.
pub(crate) const FOR_MODULES: &str = "module:";

/// Returns whether a list such as `a,b-*` contains this module, as verify_module_namespace does in
/// kernel/module/main.c. A `*` at the end of a name stands for any suffix, and `-` and `_` are the same.
fn is_listed(list: &[u8], module: &[u8]) -> bool {
    let same = |a: &[u8], b: &[u8]| {
        let one = |c: &u8| if *c == b'-' { b'_' } else { *c };
        a.len() == b.len() && a.iter().map(one).eq(b.iter().map(one))
    };
    list.split(|b| *b == b',').any(|name| match name.strip_suffix(b"*") {
        Some(start) => module.get(..start.len()).is_some_and(|begin| same(start, begin)),
        None => same(name, module),
    })
}

/// Returns a diagnostic if the module imports such a namespace. The kernel then refuses it (setup_modinfo).
fn imported_lists(records: &Records<'_>) -> Option<Diagnostic> {
    let mut imports = records.modinfo_all("import_ns");
    let list = imports.find(|namespace| namespace.starts_with(FOR_MODULES.as_bytes()))?;
    let text = format!("the module imports {}, but only the modules that it lists may use its symbols", decoded(list));
    Some(Diagnostic::new("namespace", records.name, text).hint("remove the MODULE_IMPORT_NS"))
}

/// The policy checks of the kernel.
struct Policy<'a> {
    gpl: bool,
    /// The module's name, as the kernel writes it.
    name: String,
    imports: HashSet<&'a [u8]>,
    /// The CRCs that the module was compiled against, sorted. A name may have two different ones, in two tables.
    crcs: Vec<(&'a [u8], u32)>,
}

impl<'a> Policy<'a> {
    fn new(records: &Records<'a>) -> Self {
        // An object that is not a module has no licence to check.
        let gpl = match records.modinfo("license") {
            Some(license) => GPL_COMPATIBLE.contains(&license),
            None => records.modinfo.is_empty(),
        };
        let mut crcs: Vec<_> = records.versions.iter().map(|v| (records.bytes(v.name), v.crc)).collect();
        crcs.sort_unstable();
        let imports = records.modinfo_all("import_ns").collect();
        Self { gpl, name: records.module_name(), imports, crcs }
    }

    fn check(&self, records: &Records<'_>, i: u32, name: &[u8], found: &Definition, problems: &mut Diagnostics) {
        if found.gpl && !self.gpl {
            let text = "the symbol is for GPL-compatible modules only, and the module has another licence";
            problems.add(|| about(records, i, "gpl-only", text));
        }
        if let Some(modules) = found.namespace.strip_prefix(FOR_MODULES) {
            if !is_listed(modules.as_bytes(), self.name.as_bytes()) {
                problems.add(|| {
                    let text = format!("the symbol is for other modules only: {}", decoded(modules.as_bytes()));
                    about(records, i, "namespace", text)
                        .hint("the module's name decides, and the namespace cannot be imported")
                });
            }
        } else if !found.namespace.is_empty() && !self.imports.contains(found.namespace.as_bytes()) {
            problems.add(|| {
                let namespace = decoded(found.namespace.as_bytes());
                let text = format!("the module does not import the symbol's namespace, {namespace}");
                about(records, i, "namespace", text).hint(format!("MODULE_IMPORT_NS({namespace})"))
            });
        }
        // If the plugin has renamed a symbol, its version may be under either name.
        let own = records.bytes(records.symbols[i as usize].name);
        let versions = self.of(name).iter().chain(if own == name { &[] } else { self.of(own) });
        if let Some(have) = found.crc
            && let Some((_, want)) = versions.into_iter().find(|(_, want)| *want != have)
        {
            problems.add(|| Diagnostic { symbol: records.symbol_name(i), ..crc_mismatch(records, *want, have) });
        }
    }

    /// Returns the versions of a name.
    fn of(&self, name: &[u8]) -> &[(&'a [u8], u32)] {
        let start = self.crcs.partition_point(|(known, _)| *known < name);
        let rest = &self.crcs[start..];
        &rest[..rest.partition_point(|(known, _)| *known == name)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_modules_is_read_as_the_kernel_reads_it() {
        let yes = [
            ("kvm", "kvm"),
            ("a,kvm", "kvm"),
            ("kvm,b", "kvm"),
            ("vfio-demo", "vfio_demo"),
            ("vfio_demo", "vfio-demo"),
            ("a,kvm-*", "kvm_intel"),
            ("kvm-*", "kvm_"),
            ("kvm*", "kvm"),
            ("*", "anything"),
        ];
        let no = [
            ("kvm", "kvm_intel"),
            ("kvm-*", "kvm"),
            ("kvm-intel", "kvm"),
            ("*kvm", "a_kvm"),
            ("k*m", "kvm"),
            ("a, kvm", "kvm"),
            ("", "kvm"),
            ("a,,b", "kvm"),
            ("KVM", "kvm"),
        ];
        for (list, module) in yes {
            assert!(is_listed(list.as_bytes(), module.as_bytes()), "{list} {module}");
        }
        for (list, module) in no {
            assert!(!is_listed(list.as_bytes(), module.as_bytes()), "{list} {module}");
        }
    }
}
