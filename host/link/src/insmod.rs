//! insmod as a library function. It refuses what the kernel would refuse, links at the kernel's addresses, and loads
//! the module.
//!
//! The kernel is only asked to load a module after it was parsed, planned and found to be for this kernel. If a later
//! step fails, nothing stays in the kernel, because allocated memory belongs to the connection until the module is
//! live.

use crate::guests::Guests;
use crate::layout_linux;
use crate::link::{ask, plugin_of};
use crate::needs::Needs;
use crate::records::Records;
use crate::stages::parse::Module;
use crate::stages::place::{self, PlaceError};
use crate::stages::resolve::{Sources, crc_mismatch};
use relobox_abi::{Group, Section, section_flag, section_kind};
use relobox_core::diagnostic::{Diagnostic, Diagnostics, some_of};
use relobox_core::error::{Error, Result};
use relobox_core::inserted::{Inserted, kernel_error};
use relobox_core::kernel::{Export, Kernel, KernelError, Listing, LoadFormat, MismatchKind};
use relobox_core::symbols::{Definition, Symbols};
use relobox_core::text::decoded;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Links `module` and loads it into `kernel`.
///
/// `args` are the module's parameters: `name=value`, separated by blanks. `inputs` are values from the kernel that
/// plugins read, by name. Symbols come from the kernel's own list. The policy is that of Linux (kernel/module/main.c):
/// vermagic, CRCs, licence, namespaces.
///
/// # Errors
/// [`Error::Module`] if the module cannot be linked, with every diagnostic that was found. [`Error::Kernel`] if the
/// kernel refuses. [`Error::Guest`] if a guest breaks its contract. Nothing of the module is loaded in any of these
/// cases.
pub fn insmod(
    guests: &Guests,
    kernel: &mut dyn Kernel,
    module: Module,
    args: &str,
    inputs: &[(String, u64)],
) -> Result<Inserted> {
    let file = module.name.clone();
    let refused = |failure: KernelError| kernel_error(&file, &failure);
    // The plugin may rename the symbols to look up, so it is asked first. Its errors are reported after the kernel's,
    // because the module may be for another machine.
    let records = module.records();
    let asked = plugin_of(guests, &records, None).and_then(|plugin| ask(plugin, &records, inputs));
    let none = Needs::default();
    let needs = asked.as_ref().map_or(&none, |asked| &asked.planned.needs);
    let listing = kernel.list(Some(&wanted(&records, needs))).map_err(refused)?;
    let name = check(guests, &records, needs, &listing)?;
    let symbols = symbols(&records, needs, &listing);
    let mut prepared = asked?.of(module);
    if let LoadFormat::Relocated(linux) = listing.form {
        prepared.measured = layout_linux::measure(&prepared.module.records(), prepared.needs(), linux)?;
    }
    let layout = place::allocate(kernel, &prepared.measured).map_err(refused)?;
    let depends = depends(&prepared.module.records(), &listing);
    // If a kernel lists only some of its exports, it checks the others itself.
    let assume = (!listing.complete).then(|| layout.areas.first().map_or(0, |area| area.address));
    let linked = prepared.link(layout, Sources { symbols: &symbols, assume });
    let mut linked = linked.map_err(|error| advise(error, &depends))?;
    let loaded = place::place(kernel, listing.form, &mut linked, &name, args).map_err(|why| match why {
        PlaceError::Kernel(failure) => named(&failure, &linked.module.records()),
        PlaceError::Module(error) => error,
    })?;
    Ok(Inserted {
        name,
        mode: listing.form.mode(),
        relocations: linked.module.records().relocations.len(),
        plugin: linked.plugin.about.name.clone(),
        plugin_digest: Some(*linked.plugin.guest.digest()),
        uses: linked.resolved.uses,
        areas: linked.layout.areas,
        returned: loaded.returned,
        unknown_args: loaded.unknown_args,
        signature: None,
    })
}

/// Turns a kernel's error into an error of the module, with names in place of the kernel's indices.
fn named(failure: &KernelError, records: &Records<'_>) -> Error {
    let mut error = kernel_error(records.name, failure);
    if let (Error::Kernel(problem), KernelError::Disagrees { of, .. }) = (&mut error, failure) {
        match of {
            MismatchKind::Section(i) if (*i as usize) < records.sections.len() => {
                problem.section = Some(records.section_name(*i));
            }
            MismatchKind::Symbol(i) if (*i as usize) < records.symbols.len() => {
                problem.symbol = records.symbol_name(*i)
            }
            _ => {}
        }
    }
    error
}

/// Checks everything that can be checked before memory is allocated, and reports all that is wrong. Returns the
/// module's name.
fn check(guests: &Guests, records: &Records<'_>, needs: &Needs, kernel: &Listing) -> Result<String> {
    if let Some(problem) = wrong_machine(guests, records, kernel, "module") {
        // Other diagnostics would not matter.
        return Err(problem.into());
    }
    let mut problems = Vec::new();
    let mut refuse =
        |kind, text: String, hint: &str| problems.push(Diagnostic::new(kind, records.name, text).hint(hint));
    if records.modinfo.is_empty() {
        refuse(
            "not-a-module",
            "the file has no .modinfo, so it is not a module".into(),
            "'relobox link' links any object",
        );
    } else if let Some(text) = other_kernel(records, kernel) {
        refuse("vermagic", text, "compile it for this kernel");
    }
    problems.extend(writable_code(records));
    let mut refuse =
        |kind, text: String, hint: &str| problems.push(Diagnostic::new(kind, records.name, text).hint(hint));
    let name = records.module_name();
    if name.is_empty() {
        let text = "it has no name: .modinfo has no name=, and its file's name begins with a dot";
        refuse("not-a-module", text.into(), "rename the file");
    }
    if let Some(there) = kernel.modules.iter().find(|m| m.name == name) {
        match there.live {
            true => {
                let text = format!("a module named '{name}' is already loaded");
                refuse("already-loaded", text, "'relobox rmmod' removes it");
            }
            false => {
                let text = format!("a module named '{name}' is being loaded or removed at the moment");
                refuse("already-loaded", text, "try again");
            }
        }
    }
    problems.extend(check_form(records, kernel.form));
    problems.extend(check_versions(records, needs, kernel));
    if problems.is_empty() { Ok(name) } else { Err(Error::Module(problems)) }
}

/// Returns a diagnostic if the kernel runs another machine than a file, a `module` or an `object`, is for.
pub(crate) fn wrong_machine(
    guests: &Guests,
    records: &Records<'_>,
    kernel: &Listing,
    what: &str,
) -> Option<Diagnostic> {
    let (p, k) = (records.parsed, &kernel.machine);
    if (p.machine, p.class, p.order) == (k.machine, k.class, k.order) {
        return None;
    }
    let own = guests.name_for(p.machine, p.class, p.order, p.elf_flags);
    let own = own.map_or_else(|| format!("machine {}", p.machine), str::to_owned);
    let text = format!("the {what} is for {own}, {} bits, and the kernel runs {}, {} bits", p.class, k.name, k.class);
    Some(Diagnostic::new("wrong-machine", records.name, text))
}

/// Returns a diagnostic about the first section that is writable and executable.
pub(crate) fn writable_code(records: &Records<'_>) -> Option<Diagnostic> {
    let both = |s: &&Section| {
        s.flags & (section_flag::ALLOC | section_flag::WRITE | section_flag::EXEC)
            == section_flag::ALLOC | section_flag::WRITE | section_flag::EXEC
    };
    let section = records.sections.iter().find(both)?;
    let text = format!("section {} is writable and executable", decoded(records.bytes(section.name)));
    let problem = Diagnostic::new("writable-code", records.name, text);
    Some(problem.hint("self-modifying code is not allowed in a kernel"))
}

/// Returns a diagnostic about relocations that neither relobox nor the kernel would apply.
fn check_form(records: &Records<'_>, form: LoadFormat) -> Option<Diagnostic> {
    let of = |section: u32, text: &str, hint: &str| {
        let problem = Diagnostic::new("unsupported-relocations", records.name, text).hint(hint);
        Diagnostic { section: Some(records.section_name(section)), ..problem }
    };
    match form {
        LoadFormat::Areas => records
            .left_to_the_kernel()
            .next()
            .map(|section| of(section, "a live patch has relocations that only Linux itself applies", "")),
        // The kernel only looks for these two section types. It would load a module with others without relocating it.
        LoadFormat::Original => {
            let read = |g: &&Group| {
                let kind = records.sections[g.source as usize].kind;
                kind != section_kind::REL && kind != section_kind::RELA
            };
            let text = "the kernel does not support relocations of this form, and would not apply them";
            let hint = "'--kernel device' applies them; or compile without --crel";
            records.groups.iter().find(read).map(|group| of(group.source, text, hint))
        }
        LoadFormat::Relocated(_) => None,
    }
}

/// Compares vermagic as the kernel does (same_magic): if every symbol has a version, the releases may differ.
fn other_kernel(records: &Records<'_>, kernel: &Listing) -> Option<String> {
    let wanted = kernel.vermagic.as_bytes().trim_ascii();
    if wanted.is_empty() {
        return None;
    }
    let Some(own) = records.modinfo("vermagic") else {
        return Some(format!("the module does not say which kernel it is for, but this is '{}'", decoded(wanted)));
    };
    let (own_release, own_options) = first_word(own.trim_ascii());
    let (release, options) = first_word(wanted);
    let same_release = own_release == release || !records.versions.is_empty();
    let same_options = own_options == options || options.is_empty();
    (!same_release || !same_options)
        .then(|| format!("the module is for kernel '{}', but this is '{}'", decoded(own.trim_ascii()), decoded(wanted)))
}

fn first_word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|b| *b == b' ').unwrap_or(text.len());
    (&text[..end], text[end..].trim_ascii())
}

/// Returns the names of the module's undefined symbols.
fn undefined<'a>(records: &Records<'a>, needs: &'a Needs) -> impl Iterator<Item = &'a [u8]> {
    needs.looked_up(records).map(|(_, name)| name).filter(|name| !name.is_empty())
}

/// Returns these, and the other names that the module has versions of: `module_layout`, which stands for struct module.
pub(crate) fn wanted<'a>(records: &Records<'a>, needs: &'a Needs) -> Vec<&'a [u8]> {
    let versions = records.versions.iter().map(|v| records.bytes(v.name)).filter(|name| !name.is_empty());
    let names: HashSet<&[u8]> = undefined(records, needs).chain(versions).collect();
    let mut names: Vec<_> = names.into_iter().collect();
    names.sort_unstable();
    names
}

/// Checks versions that `resolve` does not see: of names that no relocation needs, and of modules that have none at
/// all.
fn check_versions(records: &Records<'_>, needs: &Needs, kernel: &Listing) -> Vec<Diagnostic> {
    let live = kernel.modules.iter().filter(|m| m.live).map(|m| &m.exports);
    let exports = || std::iter::once(&kernel.exports).chain(live.clone()).flatten();
    let needed: HashSet<&[u8]> = undefined(records, needs).collect();
    if records.versions.is_empty() {
        let versioned = exports().find(|e| e.crc.is_some() && needed.contains(e.name.as_bytes()));
        let problem = |e: &Export| Diagnostic {
            symbol: Some(decoded(e.name.as_bytes())),
            ..Diagnostic::new(
                "no-versions",
                records.name,
                "this kernel has versions of its symbols, and the module has none",
            )
            .hint("compile it with CONFIG_MODVERSIONS, as the kernel was")
        };
        return versioned.map(problem).into_iter().collect();
    }
    // A name may have two different versions in two tables.
    let mut others: HashMap<&[u8], Vec<u32>> = HashMap::new();
    for (name, crc) in records.versions.iter().map(|v| (records.bytes(v.name), v.crc)) {
        if !needed.contains(name) {
            others.entry(name).or_default().push(crc);
        }
    }
    let mut problems = Diagnostics::default();
    for e in exports() {
        let Some(have) = e.crc else { continue };
        let wanted = others.get(e.name.as_bytes()).and_then(|wanted| wanted.iter().find(|want| **want != have));
        if let Some(want) = wanted {
            problems.add(|| Diagnostic { symbol: Some(e.name.clone()), ..crc_mismatch(records, *want, have) });
        }
    }
    problems.into_vec(records.name)
}

/// Returns the exports of the kernel and its live modules that the module needs.
pub(crate) fn symbols(records: &Records<'_>, needs: &Needs, kernel: &Listing) -> Symbols {
    let wanted: HashSet<&[u8]> = undefined(records, needs).collect();
    let mut symbols = Symbols::new();
    let live = kernel.modules.iter().filter(|m| m.live).map(|m| (Some(Arc::<str>::from(&*m.name)), &m.exports));
    for (owner, exports) in std::iter::once((None, &kernel.exports)).chain(live) {
        for export in exports.iter().filter(|e| wanted.contains(e.name.as_bytes())) {
            let definition = Definition {
                address: Some(export.address),
                crc: export.crc,
                owner: owner.clone(),
                gpl: export.gpl,
                namespace: export.namespace.as_str().into(),
                exported: true,
            };
            // As in the kernel, the first definition wins, and the kernel's own exports come first.
            if symbols.get(export.name.as_bytes()).is_none() {
                symbols.define(export.name.as_bytes(), definition);
            }
        }
    }
    symbols
}

/// Returns the modules that the module depends on (`depends=`) and that are not live.
fn depends(records: &Records<'_>, kernel: &Listing) -> Vec<String> {
    let names = records.modinfo("depends").unwrap_or_default().split(|b| *b == b',').filter(|name| !name.is_empty());
    let live: HashSet<&[u8]> = kernel.modules.iter().filter(|m| m.live).map(|m| m.name.as_bytes()).collect();
    names.filter(|name| !live.contains(name)).map(decoded).collect()
}

/// Adds hints to the diagnostics about undefined symbols, where the kernel itself listed its exports.
pub(crate) fn advise(error: Error, depends: &[String]) -> Error {
    let Error::Module(mut problems) = error else { return error };
    for problem in problems.iter_mut().filter(|p| p.kind == "undefined-symbol") {
        problem.hint = match depends {
            [] => "neither the kernel nor a loaded module exports it".into(),
            names => format!("load {} first, which the module depends on", some_of(names)),
        };
    }
    Error::Module(problems)
}
