//! insmod, the library: refuse early what the kernel would refuse, link at the kernel's addresses, place.
//!
//! Nothing reaches the kernel before the module was parsed, planned and found to be for it; nothing stays in it
//! if a later step fails, since what was allocated belongs to the connection until the module is live.

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

/// Links `module` and makes it a live module of `kernel`. `inputs` are numbers from the kernel that plugins ask for.
pub fn insmod(
    guests: &Guests,
    kernel: &mut dyn Kernel,
    module: Module,
    args: &str,
    inputs: &[(String, u64)],
) -> Result<Inserted> {
    let file = module.name.clone();
    let refused = |failure: KernelError| kernel_error(&file, &failure);
    // The plugin knows best by what name a symbol is looked up. What it finds wrong is told after what the kernel would:
    // it may be another's machine.
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
    // Of a kernel that lists only some of its exports, the rest is for the kernel itself to check.
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
    })
}

/// A refusal, with the names of what the kernel only has numbers for.
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

/// Everything that can be refused before anything is allocated; every reason. The module's name.
fn check(guests: &Guests, records: &Records<'_>, needs: &Needs, kernel: &Listing) -> Result<String> {
    if let Some(problem) = wrong_machine(guests, records, kernel, "module") {
        // Nothing else it says can be right.
        return Err(problem.into());
    }
    let mut problems = Vec::new();
    let mut refuse =
        |kind, text: String, hint: &str| problems.push(Diagnostic::new(kind, records.name, text).hint(hint));
    if records.modinfo.is_empty() {
        refuse(
            "not-a-module",
            "the file has no .modinfo, so it is no module".into(),
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
                let text = format!("a module named '{name}' is just being loaded or removed");
                refuse("already-loaded", text, "try again");
            }
        }
    }
    problems.extend(check_form(records, kernel.form));
    problems.extend(check_versions(records, needs, kernel));
    if problems.is_empty() { Ok(name) } else { Err(Error::Module(problems)) }
}

/// That the kernel does not run what a file, a `module` or an `object`, is for.
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

/// The first section that is writable and executable.
pub(crate) fn writable_code(records: &Records<'_>) -> Option<Diagnostic> {
    let both = |s: &&Section| {
        s.flags & (section_flag::ALLOC | section_flag::WRITE | section_flag::EXEC)
            == section_flag::ALLOC | section_flag::WRITE | section_flag::EXEC
    };
    let section = records.sections.iter().find(both)?;
    let text = format!("section {} is writable and executable", decoded(records.bytes(section.name)));
    let problem = Diagnostic::new("writable-code", records.name, text);
    Some(problem.hint("code that changes itself has no place in a kernel"))
}

/// Relocations that would not be done: by us for the kernel, or by the kernel for us.
fn check_form(records: &Records<'_>, form: LoadFormat) -> Option<Diagnostic> {
    let of = |section: u32, text: &str, hint: &str| {
        let problem = Diagnostic::new("unsupported-relocations", records.name, text).hint(hint);
        Diagnostic { section: Some(records.section_name(section)), ..problem }
    };
    match form {
        LoadFormat::Areas => records
            .left_to_the_kernel()
            .next()
            .map(|section| of(section, "a live patch has relocations that only Linux itself does", "")),
        // It looks for these two, and takes a module with others for one without relocations.
        LoadFormat::Original => {
            let read = |g: &&Group| {
                let kind = records.sections[g.source as usize].kind;
                kind != section_kind::REL && kind != section_kind::RELA
            };
            let text = "the kernel does not know relocations of this form, and would not do them";
            let hint = "'--kernel device' does them; or compile without --crel";
            records.groups.iter().find(read).map(|group| of(group.source, text, hint))
        }
        LoadFormat::Relocated(_) => None,
    }
}

/// As the kernel does (same_magic): where every symbol has a version, the releases may differ.
fn other_kernel(records: &Records<'_>, kernel: &Listing) -> Option<String> {
    let wanted = kernel.vermagic.as_bytes().trim_ascii();
    let Some(own) = records.modinfo("vermagic") else {
        return Some(format!("the module does not say which kernel it is for, and this is '{}'", decoded(wanted)));
    };
    let (own_release, own_options) = first_word(own.trim_ascii());
    let (release, options) = first_word(wanted);
    let same_release = own_release == release || !records.versions.is_empty();
    let same_options = own_options == options || options.is_empty();
    (!same_release || !same_options)
        .then(|| format!("the module is for kernel '{}', and this is '{}'", decoded(own.trim_ascii()), decoded(wanted)))
}

fn first_word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|b| *b == b' ').unwrap_or(text.len());
    (&text[..end], text[end..].trim_ascii())
}

/// The names that the module asks others for.
fn undefined<'a>(records: &Records<'a>, needs: &'a Needs) -> impl Iterator<Item = &'a [u8]> {
    needs.looked_up(records).map(|(_, name)| name).filter(|name| !name.is_empty())
}

/// Those, and the other names that the module has versions of: `module_layout`, which stands for struct module.
pub(crate) fn wanted<'a>(records: &Records<'a>, needs: &'a Needs) -> Vec<&'a [u8]> {
    let versions = records.versions.iter().map(|v| records.bytes(v.name)).filter(|name| !name.is_empty());
    let names: HashSet<&[u8]> = undefined(records, needs).chain(versions).collect();
    let mut names: Vec<_> = names.into_iter().collect();
    names.sort_unstable();
    names
}

/// What `resolve` will not see: versions of names that no relocation needs, and a module that has none at all.
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
    // Of a name there may be two that differ, in two tables.
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

/// What the kernel and its live modules export, of what the module asks for.
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
            // As in the kernel, whose own exports come first, nobody replaces a definition.
            if symbols.get(export.name.as_bytes()).is_none() {
                symbols.define(export.name.as_bytes(), definition);
            }
        }
    }
    symbols
}

/// The modules that `module` says it depends on, and that are not live.
fn depends(records: &Records<'_>, kernel: &Listing) -> Vec<String> {
    let names = records.modinfo("depends").unwrap_or_default().split(|b| *b == b',').filter(|name| !name.is_empty());
    let live: HashSet<&[u8]> = kernel.modules.iter().filter(|m| m.live).map(|m| m.name.as_bytes()).collect();
    names.filter(|name| !live.contains(name)).map(decoded).collect()
}

/// What to do about undefined symbols, where the kernel itself was asked for them.
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
