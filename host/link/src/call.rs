//! A function of an object: put into a kernel at areas of its own, called once, and taken out again.
//!
//! The object is any relocatable file, and no module: the kernel's loader never sees it. So nothing is done for it that
//! only the loader does, and an object that counts on it is refused. What decides whether a symbol may be used is the
//! same as for a module: it must be exported, and one that is for GPL-compatible modules wants a licence in `.modinfo`.

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

/// The low four bits of [`relobox_abi::Symbol::info`]: no type, as assemblers give it, and a function.
const TYPES: [u8; 2] = [0, 2];

/// How names of the padding before a function begin, which a kernel's build gives it: nobody calls that.
const PADDING: [&str; 2] = ["__pfx_", "__cfi_"];

/// Sections that are memory and nothing else. Each stands for those that continue it after a dot, too.
const PLAIN: [&str; 6] = [".text", ".rodata", ".data", ".bss", ".eh_frame", ".note"];

/// Lists that only the kernel's loader reads, and that code does without: for stack traces, for tracers, and to make code
/// faster that works as it is. What begins like this is put where it belongs and stays unread.
const UNREAD: [&str; 7] = [
    ".orc_",
    "__mcount_loc",
    "__patchable_function_entries",
    ".discard",
    ".retpoline_sites",
    ".call_sites",
    ".ibt_endbr",
];

/// Exported symbols that compilers call, and that are right only in code which was compiled, or is patched at load, for
/// just this kernel; and the option that does without.
const COMPILERS: [(&[u8], &str, &str); 2] = [
    (b"__stack_chk_fail", "a program's stack protector is not the kernel's", "-fno-stack-protector"),
    (b"__x86_return_thunk", "only the kernel's loader patches such returns", "-mfunction-return=keep"),
];

/// Links `object`, has `kernel` call its `function`, or else its only global one, and leaves nothing there when `kernel` is
/// dropped. `inputs` are numbers from the kernel that plugins ask for.
///
/// # Errors
/// What is wrong with the object, or why the kernel would not. Then nothing was called.
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

/// Everything that can be refused before anything is allocated; every reason. The function's symbol.
fn check(records: &Records<'_>, needs: &Needs, symbols: &Symbols, function: Option<&str>) -> Result<u32> {
    if records.sections.iter().any(|s| records.bytes(s.name) == b".gnu.linkonce.this_module") {
        // Nothing else that is wrong with it matters.
        let problem =
            Diagnostic::new("is-a-module", records.name, "it is a module, which the kernel's loader has to see");
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

/// What is wrong with its sections.
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
            let text = format!("its alignment is {:#x}, and more than a page cannot be had", section.align);
            refuse("alignment", text, "");
        }
    }
    problems
}

/// Symbols that it may not use. What nobody exports is found when it is linked.
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
        // With one, its licence is judged when it is linked, as a module's is.
        if found.gpl && records.modinfo.is_empty() {
            let text = "the symbol is for GPL-compatible code only, and the object does not say its licence";
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

/// The symbol of the function that is meant.
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
