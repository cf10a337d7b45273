//! Loads and removes modules: COMING, init, live; GOING, exit, nothing.
//!
//! A single request does all of it. If the client is killed before it has sent the request, nothing is left; if it is
//! killed later, the module is live.

use std::collections::BTreeSet;

use super::call::Call;
use super::kernel::{ConnectionId, Kernel, Resident, too_many};
use super::klog;
use super::params::{self, Param};
use crate::limits;
use crate::protocol::{AfterInit, Load, Loaded, Protection, State};
use crate::sim_error::SimError;

impl Kernel {
    pub(super) fn load(&mut self, id: ConnectionId, client: i32, load: Load) -> Result<Loaded, SimError> {
        let params = self.check(id, &load)?;
        // From here on the module owns the areas, and frees them with itself.
        let holding = self.holding(id);
        for area in &load.areas {
            holding.areas.remove(&area.address);
        }
        let mut uses = load.uses.clone();
        uses.sort();
        uses.dedup();
        let name = load.name.clone();
        self.modules.push(Resident {
            name: name.clone(),
            state: State::Coming,
            areas: load.areas.iter().map(|area| area.address).collect(),
            uses,
            exports: load.exports.clone(),
            init: load.init,
            exit: load.exit,
            had_init: load.init.is_some(),
            params,
            number: self.loads,
            loader: id,
        });
        self.loads += 1;
        let came = self.come(client, &load);
        match came {
            Ok(_) => self.settle(&load),
            Err(_) => self.vanish(client, &name),
        }
        came
    }

    /// Checks everything that can be checked before module code runs. Changes nothing.
    fn check(&self, id: ConnectionId, load: &Load) -> Result<Vec<Param>, SimError> {
        let name = &load.name;
        check_name("module", name, limits::MODULE_NAME, |c| c.is_ascii_alphanumeric() || b"_-.".contains(&c))?;
        too_many("modules", limits::MODULES as u64, self.modules.len() as u64 + 1)?;
        too_many("exports of one module", limits::EXPORTS_PER_MODULE as u64, load.exports.len() as u64)?;
        too_many("modules used by one", limits::USES_PER_MODULE as u64, load.uses.len() as u64)?;
        too_many("bytes of arguments", limits::ARGS as u64, load.args.len() as u64)?;
        if load.args.contains('\0') {
            return Err(SimError::Malformed { what: "a NUL in the arguments".into(), at: 0 });
        }
        if let Some(other) = self.modules.iter().find(|module| module.name == *name) {
            return Err(match other.state {
                State::Live => SimError::Exists { name: name.clone() },
                State::Coming | State::Going => SimError::NotLive { name: name.clone() },
            });
        }
        self.check_areas(id, load)?;
        for used in &load.uses {
            match self.modules.iter().find(|module| module.name == *used) {
                Some(module) if module.state == State::Live => {
                    // It was removed and loaded again since the client listed it, so its addresses may differ.
                    let listed = self.holdings.get(&id).and_then(|holding| holding.listed);
                    if module.loader != id && listed.is_some_and(|listed| module.number >= listed) {
                        return Err(SimError::Stale { name: name.clone(), used: used.clone() });
                    }
                }
                Some(_) => return Err(SimError::NotLive { name: used.clone() }),
                None => return Err(SimError::NeedsMissing { name: name.clone(), needed: shortened(used) }),
            }
        }
        let executable = |what: &str, address: u64, kept: bool| {
            let area = self.area_of(load, address, kept).and_then(|area| self.arena.area(area));
            match area {
                Some(area) if area.protection == Protection::ReadExecute => Ok(()),
                _ => Err(SimError::NotExecutable { what: what.into(), address }),
            }
        };
        load.init.map_or(Ok(()), |address| executable("init", address, false))?;
        load.exit.map_or(Ok(()), |address| executable("exit", address, true))?;
        self.check_exports(load)?;
        let Some(table) = &load.params else { return Ok(Vec::new()) };
        let owns = |area: u64| load.areas.iter().any(|own| own.address == area && own.after_init != AfterInit::Free);
        params::read_table(&self.arena, &self.image, &owns, table)
            .map_err(|what| SimError::BadParams { name: name.clone(), what })
    }

    fn check_areas(&self, id: ConnectionId, load: &Load) -> Result<(), SimError> {
        let mut seen = BTreeSet::new();
        for &crate::protocol::LoadArea { address, after_init } in &load.areas {
            if !self.holdings.get(&id).is_some_and(|holding| holding.areas.contains(&address)) {
                return Err(SimError::NotOwned { address, size: 0 });
            }
            if !seen.insert(address) {
                return Err(SimError::Twice { address });
            }
            let writable = self.arena.area(address).is_some_and(|area| area.protection == Protection::ReadWrite);
            if after_init == AfterInit::ReadOnly && !writable {
                return Err(SimError::Protected { address });
            }
        }
        Ok(())
    }

    /// Finds the area of the future module that contains `address`. With `kept`, areas that are freed after init are
    /// excluded.
    fn area_of(&self, load: &Load, address: u64, kept: bool) -> Option<u64> {
        let area = self.arena.holding(address, 1)?.address;
        let own = load.areas.iter().find(|own| own.address == area)?;
        (!kept || own.after_init != AfterInit::Free).then_some(area)
    }

    fn check_exports(&self, load: &Load) -> Result<(), SimError> {
        let mut own = BTreeSet::new();
        for export in &load.exports {
            check_name("symbol", &export.name, limits::SYMBOL_NAME, |c| c.is_ascii_graphic())?;
            if self.area_of(load, export.address, true).is_none() {
                return Err(SimError::Outside {
                    name: load.name.clone(),
                    what: format!("export '{}'", export.name),
                    address: export.address,
                });
            }
            let owner = if !own.insert(&export.name) {
                Some("it".to_owned())
            } else if self.image.exports.binary_search_by(|e| e.name.cmp(&export.name)).is_ok() {
                Some("the kernel".to_owned())
            } else {
                let other = self.modules.iter().find(|m| m.exports.iter().any(|e| e.name == export.name));
                other.map(|module| format!("module '{}'", module.name))
            };
            if let Some(owner) = owner {
                return Err(SimError::DuplicateExport { name: load.name.clone(), symbol: export.name.clone(), owner });
            }
        }
        Ok(())
    }

    /// Sets the parameters and runs init.
    fn come(&mut self, client: i32, load: &Load) -> Result<Loaded, SimError> {
        let name = &load.name;
        let mut unknown_args = Vec::new();
        for argument in params::split(&load.args) {
            let module = self.modules.last().expect("it was registered just now");
            let Some(param) = params::find(&module.params, &argument.name).cloned() else {
                klog::log(4, &format!("{name}: unknown parameter '{}' ignored", shortened(&argument.name)));
                unknown_args.push(argument.name);
                continue;
            };
            let refused = |errno| SimError::BadArgument { name: name.clone(), argument: argument.name.clone(), errno };
            let value = match &argument.value {
                // The string was checked for NULs, so this loses nothing.
                Some(value) => Some(std::ffi::CString::new(value.as_str()).map_err(|_| refused(-22))?),
                None if param.no_argument => None,
                None => return Err(refused(-22)),
            };
            let value = value.as_ref().map_or(0, |value| value.as_ptr().expose_provenance() as u64);
            let what = format!("parameter '{}' of '{name}'", argument.name);
            let errno = Call { what: &what, client, address: param.set }.run(value, param.entry);
            if errno < 0 {
                return Err(refused(errno));
            }
        }
        let returned = match load.init {
            Some(address) => Call { what: &format!("init of '{name}'"), client, address }.run(0, 0),
            None => 0,
        };
        if returned < 0 {
            klog::log(4, &format!("{name}: init failed with {returned}"));
            return Err(SimError::InitFailed { name: name.clone(), errno: returned });
        }
        if returned > 0 {
            klog::log(4, &format!("{name}: init returned {returned}, which should be 0 or negative"));
        }
        Ok(Loaded { returned, unknown_args })
    }

    /// Called after init has succeeded: frees what only init needed, and makes the module live.
    fn settle(&mut self, load: &Load) {
        let mut init_gone = false;
        for area in &load.areas {
            match area.after_init {
                AfterInit::Keep => {}
                AfterInit::ReadOnly => {
                    if let Err(refusal) = self.arena.protect(area.address, Protection::ReadOnly) {
                        klog::log(3, &format!("{}: still writable: {refusal}", load.name));
                    }
                }
                AfterInit::Free => {
                    let held = self.arena.area(area.address).map(|a| a.address..a.address + a.size);
                    init_gone |= load.init.is_some_and(|init| held.is_some_and(|range| range.contains(&init)));
                    self.arena.free(area.address);
                }
            }
        }
        let module = self.modules.last_mut().expect("it was registered just now");
        module.areas.retain(|area| self.arena.area(*area).is_some());
        if init_gone {
            module.init = None;
        }
        module.state = State::Live;
    }

    pub(super) fn remove(&mut self, client: i32, name: &str) -> Result<(), SimError> {
        let users = self.users(name);
        let Some(module) = self.modules.iter_mut().find(|module| module.name == name) else {
            return Err(SimError::Unknown { name: shortened(name) });
        };
        let name = module.name.clone();
        if module.state != State::Live {
            return Err(SimError::NotLive { name });
        }
        if !users.is_empty() {
            return Err(SimError::InUse { name, users });
        }
        if module.had_init && module.exit.is_none() {
            return Err(SimError::Permanent { name });
        }
        module.state = State::Going;
        if let Some(address) = module.exit {
            Call { what: &format!("exit of '{name}'"), client, address }.run(0, 0);
        }
        self.vanish(client, &name);
        Ok(())
    }

    /// Frees a module, and its references to the modules that it used.
    fn vanish(&mut self, client: i32, name: &str) {
        let Some(at) = self.modules.iter().position(|module| module.name == name) else { return };
        let module = &self.modules[at];
        for param in module.params.iter().filter(|param| param.free != 0) {
            let what = format!("a parameter's free of '{name}'");
            Call { what: &what, client, address: param.free }.run(param.argument, 0);
        }
        let module = self.modules.remove(at);
        for area in module.areas {
            self.arena.free(area);
        }
    }
}

fn check_name(what: &str, name: &str, most: usize, allowed: impl Fn(u8) -> bool) -> Result<(), SimError> {
    let good = (1..=most).contains(&name.len()) && name.bytes().all(allowed) && !name.starts_with('.');
    // Some compilers emit local symbols that start with a dot, but those are not exported.
    if good { Ok(()) } else { Err(SimError::BadName { what: what.into(), name: shortened(name) }) }
}

/// Shortens a hostile name, so that it does not fill a reply.
fn shortened(name: &str) -> String {
    name.chars().take(64).map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::arena::Arena;

    fn load(name: &str, uses: &[&str]) -> Load {
        Load {
            name: name.into(),
            areas: vec![],
            init: None,
            exit: None,
            exports: vec![],
            uses: uses.iter().map(|used| used.to_string()).collect(),
            params: None,
            args: String::new(),
        }
    }

    /// No client sees these states, because one request passes through them. The rules hold nevertheless.
    #[test]
    fn who_is_coming_or_going_can_be_neither_used_nor_loaded_nor_removed() {
        let mut kernel = Kernel::new(Arena::reserve(4 << 20).unwrap()).unwrap();
        kernel.connect(1);
        kernel.load(1, -1, load("busy", &[])).unwrap();
        for state in [State::Coming, State::Going] {
            kernel.modules[0].state = state;
            let not_live = SimError::NotLive { name: "busy".into() };
            assert_eq!(kernel.load(1, -1, load("user", &["busy"])), Err(not_live.clone()));
            assert_eq!(kernel.load(1, -1, load("busy", &[])), Err(not_live.clone()));
            assert_eq!(kernel.remove(-1, "busy"), Err(not_live));
        }
        kernel.modules[0].state = State::Live;
        kernel.load(1, -1, load("user", &["busy"])).unwrap();
        assert_eq!(kernel.users("busy"), ["user"]);
    }
}
