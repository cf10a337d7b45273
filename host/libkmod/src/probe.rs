//! `kmod_module_probe_insert_module`: a module with all that it needs.

use crate::c::{PrintAction, RunInstall, c_text, has};
use crate::handles::Handle;
use crate::kernel_view;
use crate::loading::{Kernel, Loading};
use crate::log::{DEBUG, ERROR};
use crate::lookup::softdeps;
use crate::module::Module;
use relobox_core::limits;
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::ffi::{CStr, CString, c_int, c_uint, c_void};
use std::sync::Arc;

/// `KMOD_PROBE_FORCE_VERMAGIC` and `KMOD_PROBE_FORCE_MODVERSION`, which are also `KMOD_INSERT_…`.
const FORCE: c_uint = 0x3;
const IGNORE_COMMAND: c_uint = 0x4;
const IGNORE_LOADED: c_uint = 0x8;
const DRY_RUN: c_uint = 0x10;
const FAIL_ON_LOADED: c_uint = 0x20;
const BLACKLIST_ALL: c_uint = 0x1_0000;
const BLACKLIST: c_uint = 0x2_0000;
const BLACKLIST_ALIAS_ONLY: c_uint = 0x4_0000;

const OF: &CStr = c"kmod_module_probe_insert_module";

/// What a program passes besides the module.
pub(crate) struct Wanted<'a> {
    pub(crate) flags: c_uint,
    pub(crate) options: Option<&'a CStr>,
    pub(crate) run_install: Option<RunInstall>,
    pub(crate) data: *mut c_void,
    pub(crate) print_action: Option<PrintAction>,
}

/// Loads one module, without what it needs.
///
/// # Errors
/// `EOPNOTSUPP` for flags that would make the kernel ignore what it checks; else see [`Loading::insert`].
pub(crate) fn insert(module: &Module, flags: c_uint, options: Option<&CStr>) -> Result<(), Errno> {
    insert_with(&Kernel::new().loading(), module, flags, options.unwrap_or_default(), c"kmod_module_insert_module")
}

fn insert_with(loading: &Loading<'_>, module: &Module, flags: c_uint, args: &CStr, of: &CStr) -> Result<(), Errno> {
    if has(flags, FORCE) {
        let text = format!("{}: relobox loads no module that the kernel would refuse", module.name());
        module.context.log.say(ERROR, of, text);
        return Err(Errno::OPNOTSUPP);
    }
    loading.insert(module, args, of)
}

/// Loads a module with its dependencies. The result is 0, a negative error, or the flag of the blacklist that excludes
/// the module.
pub(crate) fn probe(module: &Arc<Module>, wanted: &Wanted<'_>) -> c_int {
    match attempt(module, wanted) {
        Ok(excluded) => excluded as c_int,
        Err(error) => crate::errno::negative(error),
    }
}

fn attempt(module: &Arc<Module>, wanted: &Wanted<'_>) -> Result<c_uint, Errno> {
    let flags = wanted.flags;
    if !has(flags, IGNORE_LOADED) && kernel_view::is_there(module) {
        return if has(flags, FAIL_ON_LOADED) { Err(Errno::EXIST) } else { Ok(0) };
    }
    if module.is_blacklisted() {
        let aliased = if module.alias.is_some() { BLACKLIST_ALIAS_ONLY } else { 0 };
        if let Some(flag) = [aliased, BLACKLIST_ALL, BLACKLIST].into_iter().find(|flag| has(flags, *flag)) {
            return Ok(flag);
        }
    }
    let mut list = List::default();
    list.add(module, true, has(flags, IGNORE_COMMAND), 0)?;
    if has(flags, BLACKLIST_ALL) {
        list.steps.retain(|step| !step.module.is_blacklisted());
        if list.steps.is_empty() {
            return Ok(BLACKLIST_ALL);
        }
    }
    let kernel = Kernel::new();
    let loading = kernel.loading();
    for step in &list.steps {
        let own = step.module.handle == module.handle;
        let result = run(&loading, step, own, wanted);
        match result {
            Err(Errno::EXIST) if own && has(flags, FAIL_ON_LOADED) => return Err(Errno::EXIST),
            // Another process was faster.
            Err(Errno::EXIST) => {}
            Err(error) if list.required.contains(&step.module.handle) => return Err(error),
            // A soft dependency may fail.
            _ => {}
        }
    }
    Ok(0)
}

fn run(loading: &Loading<'_>, step: &Step, own: bool, wanted: &Wanted<'_>) -> Result<(), Errno> {
    let module = &step.module;
    if !has(wanted.flags, IGNORE_LOADED) && kernel_view::is_there(module) {
        module.context.log.say(DEBUG, OF, format_args!("{}: it is loaded", module.name()));
        return Err(Errno::EXIST);
    }
    let options = joined(module.options(), if own { wanted.options } else { None });
    let command = module.install_command().filter(|_| !step.ignore_command);
    let dry = has(wanted.flags, DRY_RUN);
    // A module that a program is told about exists until the call returns.
    let _told = Arc::clone(module);
    if let Some(print) = wanted.print_action {
        print(module.handle, command.is_some(), options.as_ptr());
    }
    match command {
        _ if dry => Ok(()),
        Some(command) => install(module, command, &options, wanted),
        None => insert_with(loading, module, wanted.flags, &options, OF),
    }
}

/// The options of the configuration, a blank, and those of the program.
fn joined(configured: Option<&CStr>, given: Option<&CStr>) -> CString {
    let given = given.unwrap_or_default().to_bytes();
    c_text(match configured {
        Some(configured) => [configured.to_bytes(), given].join(&b' '),
        None => given.to_vec(),
    })
}

/// An `install` command: the program runs it. Without a function for it, only `true` and `false` have a meaning, since
/// no shell is run here.
fn install(module: &Module, command: &CStr, options: &CStr, wanted: &Wanted<'_>) -> Result<(), Errno> {
    let text = command.to_string_lossy();
    if let Some(run) = wanted.run_install {
        let command = c_text(text.replace("$CMDLINE_OPTS", &options.to_string_lossy()));
        return match run(module.handle, command.as_ptr(), wanted.data) {
            result if result < 0 => Err(Errno::from_raw_os_error(result.saturating_neg())),
            _ => Ok(()),
        };
    }
    let program = text.split_whitespace().next().and_then(|word| word.rsplit('/').next());
    match program {
        Some("true") => Ok(()),
        Some("false") => Err(Errno::INVAL),
        _ => {
            let text = format!("{}: it has an install command, and relobox runs none: {text}", module.name());
            module.context.log.say(ERROR, OF, text);
            Err(Errno::INVAL)
        }
    }
}

struct Step {
    module: Arc<Module>,
    /// True if its `install` command does not count, since it has soft dependencies or was asked for without.
    ignore_command: bool,
}

/// The modules in the order of loading.
#[derive(Default)]
struct List {
    steps: Vec<Step>,
    visited: BTreeSet<Handle>,
    required: BTreeSet<Handle>,
}

impl List {
    /// Adds a module after what it needs.
    fn add(&mut self, module: &Arc<Module>, required: bool, ignore_command: bool, depth: usize) -> Result<(), Errno> {
        if !self.visited.insert(module.handle) {
            return Ok(());
        }
        if depth > limits::MODPROBE_DEPTH {
            module.context.log.say(ERROR, OF, format_args!("{}: too many soft dependencies", module.name()));
            return Err(Errno::LOOP);
        }
        let needed = module.dependencies();
        if required {
            self.required.extend(needed.iter().chain([module]).map(|module| module.handle));
        }
        for needed in needed {
            self.add_with_soft(needed, depth)?;
        }
        if ignore_command {
            self.steps.push(Step { module: Arc::clone(module), ignore_command: true });
            return Ok(());
        }
        self.add_with_soft(module, depth)
    }

    /// Adds a module between its soft dependencies.
    fn add_with_soft(&mut self, module: &Arc<Module>, depth: usize) -> Result<(), Errno> {
        let (before, after) = softdeps(module);
        for soft in &before {
            self.add(soft, false, false, depth + 1)?;
        }
        let ignore_command = !before.is_empty() || !after.is_empty();
        self.steps.push(Step { module: Arc::clone(module), ignore_command });
        for soft in &after {
            self.add(soft, false, false, depth + 1)?;
        }
        Ok(())
    }
}
