//! The guests of a process: those that are built in, and plugins from files.

use crate::description::PluginDescription;
use crate::sandbox::{Compiled, Guest, Sandbox};
use relobox_abi::{ABI_VERSION, Machine, export};
use relobox_core::diagnostic::Diagnostic;
use relobox_core::digest::Digest;
use relobox_core::error::{Error, GuestError, Result};
use relobox_core::kernel::Machine as Running;
use relobox_core::limits;
use relobox_core::text::{hex, order_of};
use relobox_guests::{ENGINE, UNPACK, catalogue};
use relobox_plugins::index::{Machines, TargetId};
use relobox_plugins::plugin_file::Origin;
#[cfg(feature = "compiler")]
use relobox_plugins::plugin_file::PluginFile;
#[cfg(feature = "compiler")]
use relobox_plugins::registry::{Plugins, Search};
use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// All guests of this process. Each is loaded when it is first used.
pub struct Guests {
    sandbox: Sandbox,
    /// The engine and the unpacker.
    own: Vec<Candidate>,
    plugins: Vec<Candidate>,
    /// Which plugins take precedence where several link the same machine: those of the first set, then those of the
    /// second.
    preferred: [HashSet<Digest>; 2],
}

/// A guest that is not loaded yet.
#[derive(Clone, Debug)]
pub struct Unloaded {
    /// The guest's name.
    pub name: String,
    /// The SHA-256 of its Wasm.
    pub digest: Digest,
    /// Where it came from.
    pub origin: Origin,
    /// The machines of its `relobox.machines` section.
    pub machines: Machines,
    /// Its code.
    pub code: Code,
}

/// The code of a guest.
#[derive(Clone, Debug)]
pub enum Code {
    /// WebAssembly, to be compiled.
    #[cfg(feature = "compiler")]
    Wasm(std::borrow::Cow<'static, [u8]>),
    /// Native code that was compiled ahead.
    Compiled(Compiled),
}

impl Unloaded {
    /// Returns whether it is the engine or the unpacker, which are built with the host and have its ABI version.
    fn is_own(&self) -> bool {
        self.origin == Origin::BuiltIn && [ENGINE, UNPACK].contains(&&*self.name)
    }
}

struct Candidate {
    unloaded: Unloaded,
    /// The loaded code, or why it cannot be used. It is loaded once, while this process can still load code.
    guest: OnceLock<Result<Guest, GuestError>>,
    /// The plugin with its description, if it is a plugin.
    plugin: OnceLock<Arc<Plugin>>,
}

impl Candidate {
    fn new(unloaded: Unloaded) -> Self {
        Self { unloaded, guest: OnceLock::new(), plugin: OnceLock::new() }
    }

    fn guest(&self, sandbox: &Sandbox) -> Result<&Guest> {
        let Unloaded { name, digest, code, .. } = &self.unloaded;
        let guest = match self.guest.get() {
            Some(guest) => guest,
            None => {
                let loaded = match code {
                    #[cfg(feature = "compiler")]
                    Code::Wasm(wasm) => sandbox.load_digested(name, *digest, wasm),
                    Code::Compiled(code) => sandbox.load_compiled(name, *digest, *code),
                };
                let loaded = match loaded {
                    Ok(guest) if self.unloaded.is_own() => Ok(guest.of_version(ABI_VERSION)),
                    Ok(guest) => Ok(guest),
                    Err(Error::Guest { what, .. }) => Err(what),
                    // This error may not occur again, so it is not kept.
                    Err(error) => return Err(error),
                };
                self.guest.get_or_init(|| loaded)
            }
        };
        guest.as_ref().map_err(|what| Error::Guest { guest: name.clone(), what: what.clone() })
    }
    /// Returns whether it is a file that does not say which machines it links. If such a file is broken, another plugin
    /// may still link the module.
    fn may_be_left_out(&self) -> bool {
        self.unloaded.origin != Origin::BuiltIn && !self.unloaded.machines.are_named()
    }

    /// Adds the path of the file to an error, since the name alone is ambiguous.
    fn located(&self, error: Error) -> Error {
        match (error, &self.unloaded.origin) {
            (Error::Guest { guest, what }, Origin::System(path) | Origin::User(path) | Origin::File(path)) => {
                Error::Guest { guest: format!("{guest} ({})", path.display()), what }
            }
            (error, _) => error,
        }
    }

    /// Returns whether it may link modules for a kernel that runs `machine`.
    fn may_serve(&self, machine: Option<&Running>) -> bool {
        machine.is_none_or(|m| self.unloaded.machines.may_run_on(m.machine, m.class, m.order))
    }
}

/// A plugin.
pub struct Plugin {
    /// The compiled guest.
    pub guest: Guest,
    /// Where it came from.
    pub origin: Origin,
    /// Its description.
    pub about: PluginDescription,
}

#[cfg(feature = "compiler")]
impl Guests {
    /// Creates the set of the built-in guests and every `*.wasm` in `dirs`.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Usage`] if a directory cannot be read or used.
    pub fn new(sandbox: Sandbox, dirs: &[std::path::PathBuf]) -> Result<Self> {
        let search = Search { given: dirs.to_vec(), ..Search::default() };
        Ok(Self::with_plugins(sandbox, search.read()?.files))
    }

    /// Creates the set of the built-in guests and `plugins`. Chosen plugins take precedence, then pinned ones.
    #[must_use]
    pub fn of(sandbox: Sandbox, plugins: Plugins) -> Self {
        let pinned: Vec<Digest> = plugins.pins.iter().map(|pin| pin.digest).collect();
        Self::with_plugins(sandbox, plugins.files).preferring(plugins.chosen, pinned)
    }

    /// Creates the set of the built-in guests and these plugins.
    #[must_use]
    pub fn with_plugins(sandbox: Sandbox, files: Vec<PluginFile>) -> Self {
        let files = files.into_iter().map(|PluginFile { name, wasm, digest, origin }| Unloaded {
            machines: Machines::of_wasm(&wasm),
            code: Code::Wasm(wasm.into()),
            name,
            digest,
            origin,
        });
        Self::with(sandbox, files.chain(Self::built_in()))
    }

    /// Returns the built-in guests, to be compiled.
    pub fn built_in() -> impl Iterator<Item = Unloaded> {
        catalogue().iter().filter_map(|entry| {
            Some(Unloaded {
                name: entry.name.to_owned(),
                digest: entry.digest,
                origin: Origin::BuiltIn,
                machines: Machines::of_section(entry.machines),
                code: Code::Wasm(relobox_guests::wasm_of(entry.name)?.into()),
            })
        })
    }

    /// Closes the cache; see [`Sandbox::forget_cache`].
    pub fn forget_cache(&mut self) {
        self.sandbox.forget_cache();
    }

    /// Replaces the engine. Tests use a hostile one.
    ///
    /// # Errors
    /// [`Error::Guest`] if `wasm` is not a usable guest.
    pub fn with_engine(self, wasm: &[u8]) -> Result<Self> {
        let guest = self.sandbox.load(ENGINE, wasm)?;
        Ok(self.with_loaded_engine(&guest))
    }

    /// As [`Guests::with_engine`], with a guest that the sandbox of this set has loaded.
    #[must_use]
    pub fn with_loaded_engine(mut self, guest: &Guest) -> Self {
        for engine in self.own.iter_mut().filter(|own| own.unloaded.name == ENGINE) {
            engine.guest = OnceLock::from(Ok(guest.clone().of_version(ABI_VERSION)));
        }
        self
    }

    /// Loads a plugin that is not in this set.
    ///
    /// # Errors
    /// [`Error::Guest`] if it is not a usable plugin.
    pub fn load_plugin(&self, file: &PluginFile) -> Result<Arc<Plugin>> {
        Ok(Arc::new(Plugin::describe(self.sandbox.load(&file.name, &file.wasm)?, file.origin.clone())?))
    }
}

impl Guests {
    /// Creates a set of exactly these guests, which must include the engine and the unpacker. No plugin takes
    /// precedence.
    #[must_use]
    pub fn with(sandbox: Sandbox, guests: impl IntoIterator<Item = Unloaded>) -> Self {
        let (own, plugins): (Vec<_>, Vec<_>) = guests.into_iter().partition(Unloaded::is_own);
        Self {
            sandbox,
            own: own.into_iter().map(Candidate::new).collect(),
            plugins: plugins.into_iter().map(Candidate::new).collect(),
            preferred: Default::default(),
        }
    }

    /// Gives `chosen` plugins precedence where several link a machine, and `pinned` ones after them.
    #[must_use]
    pub fn preferring(self, chosen: Vec<Digest>, pinned: Vec<Digest>) -> Self {
        Self { preferred: [chosen, pinned].map(|digests| digests.into_iter().collect()), ..self }
    }

    /// Returns whether the plugin is built in or pinned.
    #[must_use]
    pub fn is_pinned(&self, plugin: &Plugin) -> bool {
        let digest = plugin.guest.digest();
        let copy = || catalogue().iter().any(|entry| entry.is_plugin() && entry.digest == *digest);
        plugin.origin == Origin::BuiltIn || self.preferred[1].contains(digest) || copy()
    }

    /// Returns whether the user chose plugins, and this is not one of them.
    #[must_use]
    pub fn is_excluded(&self, plugin: &Plugin) -> bool {
        !self.preferred[0].is_empty() && !self.preferred[0].contains(plugin.guest.digest())
    }

    /// Loads the built-in guests now: engine, unpacker, and the plugins of `machine`, or all plugins.
    ///
    /// # Errors
    /// The error of the first guest that cannot be loaded.
    pub fn load_built_in(&self, machine: Option<&Running>) -> Result<()> {
        self.engine()?;
        self.unpack()?;
        let mut built_in = self.plugins.iter().filter(|c| c.unloaded.origin == Origin::BuiltIn && c.may_serve(machine));
        built_in.try_for_each(|candidate| self.describe(candidate).map(drop))
    }

    /// Loads the code of the other plugins of `machine` now, and runs none of it. A plugin that cannot be used is an
    /// error only when it is needed.
    pub fn load_code_of_others(&self, machine: Option<&Running>) {
        for candidate in self.plugins.iter().filter(|c| c.unloaded.origin != Origin::BuiltIn && c.may_serve(machine)) {
            let _ = candidate.guest(&self.sandbox);
        }
    }

    /// Loads the other plugins of `machine` now. A broken plugin is an error only when it is needed.
    pub fn load_others(&self, machine: Option<&Running>) {
        for candidate in self.plugins.iter().filter(|c| c.unloaded.origin != Origin::BuiltIn && c.may_serve(machine)) {
            let _ = self.describe(candidate);
        }
    }

    /// Returns the name of a plugin that says it links such files, without loading it.
    #[must_use]
    pub(crate) fn name_for(&self, machine: u16, class: u8, order: u8, flags: u32) -> Option<&str> {
        let wanted = TargetId { machine, class, order, flags };
        let here = self.plugins.iter().find(|c| c.unloaded.machines.may_link(&wanted));
        // `relobox-linker` has only the plugin of its own machine, but the names of all.
        let shipped =
            || catalogue().iter().find(|e| e.is_plugin() && Machines::of_section(e.machines).may_link(&wanted));
        here.map(|c| c.unloaded.name.as_str()).or_else(|| shipped().map(|entry| entry.name))
    }

    /// Returns the engine.
    ///
    /// # Errors
    /// [`Error::Usage`] if it was not built in, or as [`Sandbox`] reports when it is loaded.
    pub fn engine(&self) -> Result<&Guest> {
        self.own(ENGINE)
    }

    /// Returns the unpacker.
    ///
    /// # Errors
    /// As [`Guests::engine`].
    pub fn unpack(&self) -> Result<&Guest> {
        self.own(UNPACK)
    }

    fn own(&self, name: &str) -> Result<&Guest> {
        let missing = || Error::Usage(format!("this relobox was built without its {name} guest"));
        let own = self.own.iter().find(|own| own.unloaded.name == name).ok_or_else(missing)?;
        own.guest(&self.sandbox)
    }

    fn describe<'a>(&self, candidate: &'a Candidate) -> Result<&'a Arc<Plugin>> {
        if let Some(plugin) = candidate.plugin.get() {
            return Ok(plugin);
        }
        let guest = candidate.guest(&self.sandbox).cloned();
        let plugin = guest.and_then(|guest| Plugin::describe(guest, candidate.unloaded.origin.clone()));
        let plugin = Arc::new(plugin.map_err(|error| candidate.located(error))?);
        Ok(candidate.plugin.get_or_init(|| plugin))
    }

    /// Returns the plugins that neither name their machines nor can be asked: their paths, and why. They link nothing,
    /// and prevent nothing.
    pub fn unusable(&self) -> impl Iterator<Item = (&Path, Error)> {
        // For a chosen plugin, the error is reported when it is needed.
        let silent =
            self.plugins.iter().filter(|c| c.may_be_left_out() && !self.preferred[0].contains(&c.unloaded.digest));
        silent.filter_map(|c| Some((c.unloaded.origin.path(), self.describe(c).err()?)))
    }

    /// Returns every plugin. If a plugin cannot be described, its error is in its place; see [`Guests::unusable`].
    pub fn plugins(&self) -> impl Iterator<Item = (&str, Result<&Arc<Plugin>>)> {
        self.plugins.iter().map(|c| (c.unloaded.name.as_str(), self.describe(c)))
    }

    /// Returns the plugin with this digest.
    ///
    /// # Errors
    /// [`Error::Guest`] if it cannot be loaded.
    pub fn by_digest(&self, digest: &Digest) -> Result<Option<&Arc<Plugin>>> {
        self.plugins.iter().find(|c| c.unloaded.digest == *digest).map(|c| self.describe(c)).transpose()
    }

    /// Returns the plugin for files with these fields of the ELF header, and its matching [`Machine`].
    ///
    /// # Errors
    /// [`Error::Module`] if several plugins link such files and none is chosen or pinned. [`Error::Guest`] if a plugin
    /// that might link them is broken.
    pub fn plugin_for(
        &self,
        machine: u16,
        class: u8,
        order: u8,
        flags: u32,
    ) -> Result<Option<(&Arc<Plugin>, Machine)>> {
        self.plugin_excluding(None, machine, class, order, flags)
    }

    /// As [`Guests::plugin_for`], without the plugin `taken`.
    ///
    /// # Errors
    /// As [`Guests::plugin_for`].
    pub(crate) fn plugin_excluding(
        &self,
        taken: Option<&Digest>,
        machine: u16,
        class: u8,
        order: u8,
        flags: u32,
    ) -> Result<Option<(&Arc<Plugin>, Machine)>> {
        let mut found = self.plugins_for(machine, class, order, flags)?;
        found.retain(|(plugin, _)| Some(plugin.guest.digest()) != taken);
        if found.len() > 1 {
            let name = |(p, _): &(&Arc<Plugin>, Machine)| {
                format!("{} ({}, SHA-256 {})", p.about.name, p.origin, hex(p.guest.digest()))
            };
            let (names, order) = (found.iter().map(name).collect::<Vec<_>>().join(" and "), order_of(order));
            let text = format!("several plugins link machine {machine}, {class} bits, {order}-endian: {names}");
            let problem = Diagnostic::new("plugin-conflict", "plugins", text);
            return Err(problem.hint("choose one with --plugin, or pin it ('relobox plugin pin')").into());
        }
        Ok(found.first().copied())
    }

    /// Returns all candidates for such files. There is more than one if the choice is ambiguous. Copies of a plugin
    /// count once.
    ///
    /// # Errors
    /// [`Error::Guest`] if a plugin that might link them is broken.
    pub fn plugins_for(&self, machine: u16, class: u8, order: u8, flags: u32) -> Result<Vec<(&Arc<Plugin>, Machine)>> {
        let wanted = TargetId { machine, class, order, flags };
        let may: Vec<_> = self.plugins.iter().filter(|c| c.unloaded.machines.may_link(&wanted)).collect();
        let preferred = self.preferred.iter().filter(|digests| !digests.is_empty()).map(Some);
        let mut broken = None;
        for digests in preferred.chain([None]) {
            let mut found: Vec<(&Arc<Plugin>, Machine)> = Vec::new();
            for candidate in may.iter().filter(|c| digests.is_none_or(|digests| digests.contains(&c.unloaded.digest))) {
                let plugin = match self.describe(candidate) {
                    Ok(plugin) => plugin,
                    // The plugin does not name this machine. If it was chosen, its error is reported.
                    Err(error) if candidate.may_be_left_out() && digests.is_none() => {
                        broken.get_or_insert(error);
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                let copy = found.iter().any(|(other, _)| other.guest.digest() == plugin.guest.digest());
                let machine = plugin.about.machine_for(&wanted).filter(|_| !copy);
                found.extend(machine.map(|machine| (plugin, *machine)));
            }
            if !found.is_empty() {
                return Ok(found);
            }
        }
        // Without another candidate, this one may have been the right one.
        broken.map_or(Ok(Vec::new()), Err)
    }

    /// Describes the plugins that link nearly such files: the same machine with another class, byte order or flags. The
    /// result is empty if there are none.
    #[must_use]
    pub(crate) fn near_misses(&self, machine: u16, class: u8, order: u8, flags: u32) -> String {
        let mut near = Vec::new();
        for (name, plugin) in self.plugins() {
            let Ok(plugin) = plugin else { continue };
            for m in plugin.about.machines.iter().filter(|m| m.machine == machine) {
                let mut differs = Vec::new();
                if m.class != class {
                    differs.push(format!("{} bits", m.class));
                }
                if m.order != order {
                    differs.push(format!("{}-endian", order_of(m.order)));
                }
                if flags & m.flags_mask != m.flags_value {
                    differs.push(format!("flags & {:#x} = {:#x}", m.flags_mask, m.flags_value));
                }
                let text = format!("{name} links this machine with {}", differs.join(", "));
                if !differs.is_empty() && !near.contains(&text) {
                    near.push(text);
                }
            }
        }
        near.join("; ")
    }
}

impl Plugin {
    /// Asks a guest for its description.
    ///
    /// # Errors
    /// [`Error::Guest`] if it traps or gives a malformed answer.
    pub fn describe(guest: Guest, origin: Origin) -> Result<Self> {
        let mut instance = guest.instantiate(limits::memory_for(0), limits::fuel_for(0))?;
        let at = instance.call(export::DESCRIBE, ())?;
        let about = PluginDescription::read(instance.memory(), at, instance.abi())
            .map_err(|what| instance.guest_error(what))?;
        Ok(Self { guest: guest.of_version(about.abi), origin, about })
    }
}
