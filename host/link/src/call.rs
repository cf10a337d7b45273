//! Calls a function of an object in a kernel: its sections go into areas of their own, the function is called once, and
//! the memory is freed.
//!
//! The object is a relocatable file that is not a module. The kernel's module loader never sees it, so work that only
//! the loader does is not done, and an object that depends on it is refused. The same policy as for modules decides
//! which symbols it may use: they must be exported, and GPL-only symbols need a licence in `.modinfo`.

use crate::guests::Guests;
use crate::insmod::{advise, symbols, wanted, writable_code, wrong_machine};
use crate::link::{ask, plugin_of};
use crate::needs::Needs;
use crate::records::Records;
use crate::stages::layout::kind_of;
use crate::stages::parse::Module;
use crate::stages::place::{self, PlaceError};
use crate::stages::resolve::{FOR_MODULES, Sources};
use relobox_abi::{section_flag, symbol_flag};
use relobox_core::areas::PAGE;
use relobox_core::diagnostic::{Diagnostic, Diagnostics, some_of};
use relobox_core::error::{Error, Result};
use relobox_core::inserted::{Called, kernel_error};
use relobox_core::kernel::{Kernel, KernelError};
use relobox_core::symbols::Symbols;
use relobox_core::text::decoded;

/// Symbol types, the low four bits of [`relobox_abi::Symbol::info`]: STT_NOTYPE, which assemblers use, and STT_FUNC.
const TYPES: [u8; 2] = [0, 2];

/// Prefixes of symbols for the padding before a function, which the kernel's build generates. They are not functions.
const PADDING: [&str; 2] = ["__pfx_", "__cfi_"];

/// Sections that only hold code or data. Each stands for its variants after a dot, too.
const PLAIN: [&str; 6] = [".text", ".rodata", ".data", ".bss", ".eh_frame", ".note"];

/// Sections that only the kernel's loader reads, and that code works without: data for stack traces and tracers, and
/// optional optimisations. A section with such a prefix is placed in memory, and not read.
const UNREAD: [&str; 7] = [
    ".orc_",
    "__mcount_loc",
    "__patchable_function_entries",
    ".discard",
    ".retpoline_sites",
    ".call_sites",
    ".ibt_endbr",
];

/// Exported symbols that compilers call, and that only work in code which was compiled for this very kernel or is
/// patched at load; and the compiler option that avoids each.
const COMPILERS: [(&[u8], &str, &str); 2] = [
    (b"__stack_chk_fail", "a program's stack protector is not the kernel's", "-fno-stack-protector"),
    (b"__x86_return_thunk", "only the kernel's loader patches such returns", "-mfunction-return=keep"),
];

/// Links `object` and calls its `function` in `kernel`. Without a name, it calls the only global function. When
/// `kernel` is dropped, nothing of the object is left. `inputs` are values from the kernel that plugins read, by name.
///
/// # Errors
/// [`Error::Module`] if the object cannot be linked or called, [`Error::Kernel`] if the kernel refuses,
/// [`Error::Guest`] if a guest breaks its contract. In all cases nothing was called.
pub fn call(
    guests: &Guests,
    kernel: &mut dyn Kernel,
    object: Module,
    function: Option<&str>,
    inputs: &[(String, u64)],
) -> Result<Called> {
    let file = object.name.clone();
    let refused = |failure: KernelError| kernel_error(&file, &failure);
    let records = object.records();
    let asked = plugin_of(guests, &records, None).and_then(|plugin| ask(plugin, &records, inputs));
    let none = Needs::default();
    let needs = asked.as_ref().map_or(&none, |asked| &asked.planned.needs);
    let listing = kernel.list(Some(&wanted(&records, needs))).map_err(refused)?;
    if let Some(problem) = wrong_machine(guests, &records, &listing, "object") {
        return Err(problem.into());
    }
    let symbols = symbols(&records, needs, &listing);
    let index = check(&records, needs, &symbols, function)?;
    let prepared = asked?.of(object);
    let layout = place::allocate(kernel, &prepared.measured).map_err(refused)?;
    let linked = prepared.link(layout, Sources { symbols: &symbols, assume: None });
    let linked = linked.map_err(|error| advise(error, &[]))?;
    place::put(kernel, &linked).map_err(|why| match why {
        PlaceError::Kernel(failure) => refused(failure),
        PlaceError::Module(error) => error,
    })?;
    let address = linked.resolved.values.get(index as usize).copied().unwrap_or(0);
    let returned = kernel.call(address).map_err(refused)?;
    Ok(Called {
        function: linked.module.records().symbol_name(index).unwrap_or_default(),
        returned,
        relocations: linked.module.records().relocations.len(),
        plugin: linked.plugin.about.name.clone(),
        plugin_digest: Some(*linked.plugin.guest.digest()),
    })
}

/// Checks everything that can be checked before memory is allocated, and reports all that is wrong. Returns the index
/// of the function's symbol.
fn check(records: &Records<'_>, needs: &Needs, symbols: &Symbols, function: Option<&str>) -> Result<u32> {
    if records.sections.iter().any(|s| records.bytes(s.name) == b".gnu.linkonce.this_module") {
        // Other diagnostics would not matter.
        let problem =
            Diagnostic::new("is-a-module", records.name, "it is a module, which only the kernel's loader can load");
        return Err(problem.hint("'relobox insmod' loads it").into());
    }
    let mut problems = Diagnostics::default();
    for problem in sections(records) {
        problems.add(|| problem);
    }
    for problem in borrowed(records, needs, symbols) {
        problems.add(|| problem);
    }
    let index = choose(records, function);
    if let Err(problem) = &index {
        problems.add(|| (**problem).clone());
    }
    match index {
        Ok(index) if problems.is_empty() => Ok(index),
        _ => Err(Error::Module(problems.into_vec(records.name))),
    }
}

/// Checks the sections.
fn sections(records: &Records<'_>) -> Vec<Diagnostic> {
    let continues = |name: &[u8], start: &str| {
        let rest = name.strip_prefix(start.as_bytes());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"."))
    };
    let plain = |name: &[u8]| {
        !name.starts_with(b".data..percpu")
            && (PLAIN.iter().any(|start| continues(name, start))
                || UNREAD.iter().any(|start| name.starts_with(start.as_bytes())))
    };
    let mut problems: Vec<_> = writable_code(records).into_iter().collect();
    for (i, section) in (0..).zip(records.sections) {
        if kind_of(records, section).is_none() || section.size == 0 {
            continue;
        }
        let mut refuse = |kind, text: String, hint: &str| {
            let problem = Diagnostic::new(kind, records.name, text).hint(hint);
            problems.push(Diagnostic { section: Some(records.section_name(i)), ..problem });
        };
        if !plain(records.bytes(section.name)) {
            let text = "it is for the kernel's module loader, which does not see this object";
            refuse("loader-section", text.into(), "make a module of it, or compile it without");
        }
        if section.align > PAGE {
            let text = format!("its alignment is {:#x}, and areas are aligned to at most a page", section.align);
            refuse("alignment", text, "");
        }
    }
    problems
}

/// Checks the undefined symbols for those that the object may not use. Symbols that are not exported are found later,
/// when it is linked.
fn borrowed(records: &Records<'_>, needs: &Needs, symbols: &Symbols) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for (index, name) in needs.looked_up(records) {
        let Some(found) = symbols.get(name) else { continue };
        let mut refuse = |kind, text: String, hint: String| {
            let problem = Diagnostic::new(kind, records.name, text).hint(hint);
            problems.push(Diagnostic { symbol: records.symbol_name(index), ..problem });
        };
        if let Some((_, text, option)) = COMPILERS.iter().find(|(other, ..)| *other == name) {
            refuse("compiler-symbol", (*text).into(), format!("compile with {option}"));
        }
        // If there is a licence, it is checked when the object is linked, as for a module.
        if found.gpl && records.modinfo.is_empty() {
            let text = "the symbol is for GPL-compatible code only, and the object has no licence";
            let hint = "static const char license[] __attribute__((section(\".modinfo\"), used)) = \"license=GPL\";";
            refuse("gpl-only", text.into(), hint.into());
        }
        if found.namespace.starts_with(FOR_MODULES) {
            let text = format!("the symbol is for some modules only: {}", decoded(found.namespace.as_bytes()));
            refuse("namespace", text, String::new());
        }
    }
    problems
}

/// Returns the symbol of the function to call.
fn choose(records: &Records<'_>, function: Option<&str>) -> Result<u32, Box<Diagnostic>> {
    let elsewhere = symbol_flag::UNDEFINED | symbol_flag::ABSOLUTE | symbol_flag::COMMON | symbol_flag::LOCAL;
    let mut found = Vec::new();
    for (i, symbol) in (0..).zip(records.symbols) {
        let code = records.sections.get(symbol.section as usize).is_some_and(|s| s.flags & section_flag::EXEC != 0);
        if i != 0
            && code
            && symbol.flags & elsewhere == 0
            && TYPES.contains(&(symbol.info & 15))
            && symbol.name.len != 0
        {
            let name = decoded(records.bytes(symbol.name));
            if !PADDING.iter().any(|start| name.starts_with(start)) {
                found.push((i, name));
            }
        }
    }
    let problem = |text: String, hint: &str| Box::new(Diagnostic::new("no-function", records.name, text).hint(hint));
    let names: Vec<_> = found.iter().map(|(_, name)| name.clone()).collect();
    let there = || format!("its global functions are {}", some_of(&names));
    match (function, &found[..]) {
        (_, []) => Err(problem("it has no global function".into(), "")),
        (Some(wanted), found) => {
            let one = found.iter().find(|(_, name)| name == wanted).map(|(i, _)| *i);
            one.ok_or_else(|| problem(format!("it has no global function '{wanted}'"), &there()))
        }
        (None, [(i, _)]) => Ok(*i),
        (None, _) => Err(problem("it has several global functions".into(), &format!("{}; --function NAME", there()))),
    }
}
