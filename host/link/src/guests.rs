//! Which guests there are: those built in, and those of plugin directories.

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

/// Every guest this process knows, loaded when first wanted.
pub struct Guests {
    sandbox: Sandbox,
    /// Engine and unpacker.
    own: Vec<Candidate>,
    plugins: Vec<Candidate>,
    /// Which of several that link the same machine is meant: one of the first set, else one of the second.
    meant: [HashSet<Digest>; 2],
}

/// A guest before it is loaded.
#[derive(Clone, Debug)]
pub struct Unloaded {
    /// Its name.
    pub name: String,
    /// The SHA-256 of its Wasm.
    pub digest: Digest,
    /// Where it came from.
    pub origin: Origin,
    /// The machines that it says it links.
    pub machines: Machines,
    /// What there is of it.
    pub code: Code,
}

/// What a guest is loaded from.
#[derive(Clone, Debug)]
pub enum Code {
    /// WebAssembly.
    #[cfg(feature = "compiler")]
    Wasm(std::borrow::Cow<'static, [u8]>),
    /// What was made of it ahead.
    Compiled(Compiled),
}

impl Unloaded {
    /// Whether it is the engine or the unpacker. They are built with the host: there is no older one to be kind to.
    fn is_own(&self) -> bool {
        self.origin == Origin::BuiltIn && [ENGINE, UNPACK].contains(&&*self.name)
    }
}

struct Candidate {
    unloaded: Unloaded,
    /// Its code, or why that cannot be used: so that it is loaded once, and where loading code is still possible.
    guest: OnceLock<Result<Guest, GuestError>>,
    /// What it says of itself, if it is a plugin.
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
                    // It may go better another time.
                    Err(error) => return Err(error),
                };
                self.guest.get_or_init(|| loaded)
            }
        };
        guest.as_ref().map_err(|what| Error::Guest { guest: name.clone(), what: what.clone() })
    }
    /// Whether it is a file that does not say which machines it links. What is broken in it is then no reason not to link
    /// by another plugin.
    fn may_be_left_out(&self) -> bool {
        self.unloaded.origin != Origin::BuiltIn && !self.unloaded.machines.are_named()
    }

    /// The error with the file in which it is, since the name alone may be any file's.
    fn located(&self, error: Error) -> Error {
        match (error, &self.unloaded.origin) {
            (Error::Guest { guest, what }, Origin::System(path) | Origin::User(path) | Origin::File(path)) => {
                Error::Guest { guest: format!("{guest} ({})", path.display()), what }
            }
            (error, _) => error,
        }
    }

    /// Whether it may link modules of a kernel that runs `machine`.
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
    /// What it says of itself.
    pub about: PluginDescription,
}

#[cfg(feature = "compiler")]
impl Guests {
    /// The built-in guests, and every `*.wasm` of `dirs`.
    pub fn new(sandbox: Sandbox, dirs: &[std::path::PathBuf]) -> Result<Self> {
        let search = Search { given: dirs.to_vec(), ..Search::default() };
        Ok(Self::with_plugins(sandbox, search.read()?.files))
    }

    /// The built-in guests, and what was found; what was chosen or else pinned is preferred.
    #[must_use]
    pub fn of(sandbox: Sandbox, plugins: Plugins) -> Self {
        let pinned: Vec<Digest> = plugins.pins.iter().map(|pin| pin.digest).collect();
        Self::with_plugins(sandbox, plugins.files).preferring(plugins.chosen, pinned)
    }

    /// The built-in guests, and these.
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

    /// The guests that are built in, to be compiled.
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

    /// See [`Sandbox::forget_cache`].
    pub fn forget_cache(&mut self) {
        self.sandbox.forget_cache();
    }

    /// Replaces the engine: tests put a hostile one in its place.
    pub fn with_engine(mut self, wasm: &[u8]) -> Result<Self> {
        let guest = self.sandbox.load(ENGINE, wasm)?.of_version(ABI_VERSION);
        for engine in self.own.iter_mut().filter(|own| own.unloaded.name == ENGINE) {
            engine.guest = OnceLock::from(Ok(guest.clone()));
        }
        Ok(self)
    }

    /// A plugin that is none of these.
    pub fn load_plugin(&self, file: &PluginFile) -> Result<Arc<Plugin>> {
        Ok(Arc::new(Plugin::describe(self.sandbox.load(&file.name, &file.wasm)?, file.origin.clone())?))
    }
}

impl Guests {
    /// These guests, in which there are engine and unpacker, and nothing else. Of several plugins that link the same machine,
    /// none is preferred.
    #[must_use]
    pub fn with(sandbox: Sandbox, guests: impl IntoIterator<Item = Unloaded>) -> Self {
        let (own, plugins): (Vec<_>, Vec<_>) = guests.into_iter().partition(Unloaded::is_own);
        Self {
            sandbox,
            own: own.into_iter().map(Candidate::new).collect(),
            plugins: plugins.into_iter().map(Candidate::new).collect(),
            meant: Default::default(),
        }
    }

    /// Where several plugins link a machine, a `chosen` one is used, else a `pinned` one.
    #[must_use]
    pub fn preferring(self, chosen: Vec<Digest>, pinned: Vec<Digest>) -> Self {
        Self { meant: [chosen, pinned].map(|digests| digests.into_iter().collect()), ..self }
    }

    /// Whether the program or a pin file vouches for it.
    #[must_use]
    pub fn is_pinned(&self, plugin: &Plugin) -> bool {
        let digest = plugin.guest.digest();
        let copy = || catalogue().iter().any(|entry| entry.is_plugin() && entry.digest == *digest);
        plugin.origin == Origin::BuiltIn || self.meant[1].contains(digest) || copy()
    }

    /// Whether somebody chose plugins, and this is none of them.
    #[must_use]
    pub fn is_excluded(&self, plugin: &Plugin) -> bool {
        !self.meant[0].is_empty() && !self.meant[0].contains(plugin.guest.digest())
    }

    /// Loads what is built in now: engine, unpacker, and the plugins of `machine`, or all of them.
    pub fn load_built_in(&self, machine: Option<&Running>) -> Result<()> {
        self.engine()?;
        self.unpack()?;
        let mut built_in = self.plugins.iter().filter(|c| c.unloaded.origin == Origin::BuiltIn && c.may_serve(machine));
        built_in.try_for_each(|candidate| self.describe(candidate).map(drop))
    }

    /// Loads the code of the other plugins of `machine` now, and runs none of it. One that cannot be used is an error when it
    /// is asked for.
    pub fn load_code_of_others(&self, machine: Option<&Running>) {
        for candidate in self.plugins.iter().filter(|c| c.unloaded.origin != Origin::BuiltIn && c.may_serve(machine)) {
            let _ = candidate.guest(&self.sandbox);
        }
    }

    /// Loads the other plugins of `machine` now. One that is broken is an error when it is asked for.
    pub fn load_others(&self, machine: Option<&Running>) {
        for candidate in self.plugins.iter().filter(|c| c.unloaded.origin != Origin::BuiltIn && c.may_serve(machine)) {
            let _ = self.describe(candidate);
        }
    }

    /// The name of the plugin that says it links such files, without loading it.
    #[must_use]
    pub fn name_for(&self, machine: u16, class: u8, order: u8, flags: u32) -> Option<&str> {
        let wanted = TargetId { machine, class, order, flags };
        let here = self.plugins.iter().find(|c| c.unloaded.machines.may_link(&wanted));
        // A program that loads modules has only the plugin of its own machine, and the names of all.
        let shipped =
            || catalogue().iter().find(|e| e.is_plugin() && Machines::of_section(e.machines).may_link(&wanted));
        here.map(|c| c.unloaded.name.as_str()).or_else(|| shipped().map(|entry| entry.name))
    }

    /// The engine.
    pub fn engine(&self) -> Result<&Guest> {
        self.own(ENGINE)
    }

    /// The unpacker.
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

    /// Those that do not say for which machines they are, and cannot be asked either: nothing is linked by them, and
    /// they stop nothing. The path of each, and why.
    pub fn unusable(&self) -> impl Iterator<Item = (&Path, Error)> {
        // Who chose one hears of it when it is asked for.
        let silent = self.plugins.iter().filter(|c| c.may_be_left_out() && !self.meant[0].contains(&c.unloaded.digest));
        silent.filter_map(|c| Some((c.unloaded.origin.path(), self.describe(c).err()?)))
    }

    /// Every plugin; one that cannot be described is an error in its place. See [`Guests::unusable`].
    pub fn plugins(&self) -> impl Iterator<Item = (&str, Result<&Arc<Plugin>>)> {
        self.plugins.iter().map(|c| (c.unloaded.name.as_str(), self.describe(c)))
    }

    /// The plugin with this digest.
    pub fn by_digest(&self, digest: &Digest) -> Result<Option<&Arc<Plugin>>> {
        self.plugins.iter().find(|c| c.unloaded.digest == *digest).map(|c| self.describe(c)).transpose()
    }

    /// The plugin for a module; several are an error, unless one is chosen or pinned. A plugin that might link it and is
    /// broken is an error: somebody put it there.
    pub fn plugin_for(
        &self,
        machine: u16,
        class: u8,
        order: u8,
        flags: u32,
    ) -> Result<Option<(&Arc<Plugin>, Machine)>> {
        self.plugin_excluding(None, machine, class, order, flags)
    }

    /// The same, but for one plugin, which is spoken for.
    pub fn plugin_excluding(
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

    /// Those that could be used for a module: more than one if it is not clear which. Copies count once.
    pub fn plugins_for(&self, machine: u16, class: u8, order: u8, flags: u32) -> Result<Vec<(&Arc<Plugin>, Machine)>> {
        let wanted = TargetId { machine, class, order, flags };
        let may: Vec<_> = self.plugins.iter().filter(|c| c.unloaded.machines.may_link(&wanted)).collect();
        let meant = self.meant.iter().filter(|digests| !digests.is_empty()).map(Some);
        let mut broken = None;
        for digests in meant.chain([None]) {
            let mut found: Vec<(&Arc<Plugin>, Machine)> = Vec::new();
            for candidate in may.iter().filter(|c| digests.is_none_or(|digests| digests.contains(&c.unloaded.digest))) {
                let plugin = match self.describe(candidate) {
                    Ok(plugin) => plugin,
                    // It says nothing of this machine. Who chose it hears why it does not work.
                    Err(error) if candidate.may_be_left_out() && digests.is_none() => {
                        broken.get_or_insert(error);
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                let copy = found.iter().any(|(other, _)| other.guest.digest() == plugin.guest.digest());
                let machine = plugin.about.machines.iter().find(|m| wanted.is(m)).filter(|_| !copy);
                found.extend(machine.map(|machine| (plugin, *machine)));
            }
            if !found.is_empty() {
                return Ok(found);
            }
        }
        // Without another one, it may be what was meant.
        broken.map_or(Ok(Vec::new()), Err)
    }

    /// What links nearly such files, in words: the same machine in another class, byte order or with other flags. Empty
    /// if nothing does.
    #[must_use]
    pub fn near_misses(&self, machine: u16, class: u8, order: u8, flags: u32) -> String {
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
    /// Asks a guest what it is.
    pub fn describe(guest: Guest, origin: Origin) -> Result<Self> {
        let mut instance = guest.instantiate(limits::memory_for(0), limits::fuel_for(0))?;
        let at = instance.call(export::DESCRIBE, ())?;
        let about = PluginDescription::read(instance.memory(), at, instance.abi())
            .map_err(|what| instance.guest_error(what))?;
        Ok(Self { guest: guest.of_version(about.abi), origin, about })
    }
}
