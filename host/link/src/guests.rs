//! Which guests there are: those built in, and those of plugin directories.

use crate::description::About;
use crate::sandbox::{Guest, Sandbox};
use relobox_abi::{ABI_VERSION, Machine, export};
use relobox_core::digest::Digest;
use relobox_core::error::{Error, Result};
use relobox_core::kernel::Machine as Running;
use relobox_core::limits;
use relobox_core::problem::Problem;
use relobox_core::text::hex;
use relobox_core::text::order_of;
use relobox_plugins::built_in::{self, ENGINE, UNPACK};
use relobox_plugins::index::{Wanted, may_link, may_run_on, names_machines};
use relobox_plugins::plugin_file::{Origin, PluginFile};
use relobox_plugins::registry::{Plugins, Search};
use sha2::{Digest as _, Sha256};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Every guest this process knows, compiled when first wanted.
pub struct Guests {
    sandbox: Sandbox,
    engine: OnceLock<Guest>,
    unpack: OnceLock<Guest>,
    plugins: Vec<Candidate>,
    /// Which of several that link the same machine is meant: one of the first set, else one of the second.
    meant: [HashSet<Digest>; 2],
}

struct Candidate {
    name: String,
    wasm: std::borrow::Cow<'static, [u8]>,
    digest: OnceLock<Digest>,
    origin: Origin,
    plugin: OnceLock<Arc<Plugin>>,
}

impl Candidate {
    fn digest(&self) -> &Digest {
        self.digest.get_or_init(|| Sha256::digest(&self.wasm).into())
    }

    /// Whether it is a file that does not say which machines it links. What is broken in it is then no reason not to link
    /// by another plugin.
    fn may_be_left_out(&self) -> bool {
        self.origin != Origin::BuiltIn && !names_machines(&self.wasm)
    }

    /// The error with the file in which it is, since the name alone may be any file's.
    fn located(&self, error: Error) -> Error {
        match (error, &self.origin) {
            (Error::Guest { guest, what }, Origin::System(path) | Origin::User(path) | Origin::File(path)) => {
                Error::Guest { guest: format!("{guest} ({})", path.display()), what }
            }
            (error, _) => error,
        }
    }

    /// Whether it may link modules of a kernel that runs `machine`.
    fn may_serve(&self, machine: Option<&Running>) -> bool {
        machine.is_none_or(|m| may_run_on(&self.wasm, m.machine, m.class, m.order))
    }
}

/// A plugin.
pub struct Plugin {
    /// The compiled guest.
    pub guest: Guest,
    /// Where it came from.
    pub origin: Origin,
    /// What it says of itself.
    pub about: About,
}

impl Guests {
    /// The built-in guests, and every `*.wasm` of `dirs`.
    pub fn new(sandbox: Sandbox, dirs: &[PathBuf]) -> Result<Self> {
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
        let mut plugins = Vec::new();
        for PluginFile { name, wasm, digest, origin } in files {
            let digest = OnceLock::from(digest);
            plugins.push(Candidate { name, wasm: wasm.into(), digest, origin, plugin: OnceLock::new() });
        }
        for (name, wasm) in built_in::plugins() {
            let (name, wasm, digest) = (name.to_owned(), wasm.into(), OnceLock::new());
            plugins.push(Candidate { name, wasm, digest, origin: Origin::BuiltIn, plugin: OnceLock::new() });
        }
        Self { sandbox, engine: OnceLock::new(), unpack: OnceLock::new(), plugins, meant: Default::default() }
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
        let copy = || built_in::plugins().any(|(_, wasm)| <Digest>::from(Sha256::digest(wasm)) == *digest);
        plugin.origin == Origin::BuiltIn || self.meant[1].contains(digest) || copy()
    }

    /// Whether somebody chose plugins, and this is none of them.
    #[must_use]
    pub fn is_passed_over(&self, plugin: &Plugin) -> bool {
        !self.meant[0].is_empty() && !self.meant[0].contains(plugin.guest.digest())
    }

    /// Loads what is built in now: engine, unpacker, and the plugins of `machine`, or all of them.
    pub fn load_built_in(&self, machine: Option<&Running>) -> Result<()> {
        self.engine()?;
        self.unpack()?;
        let mut built_in = self.plugins.iter().filter(|c| c.origin == Origin::BuiltIn && c.may_serve(machine));
        built_in.try_for_each(|candidate| self.describe(candidate).map(drop))
    }

    /// Loads the other plugins of `machine` now. One that is broken is an error when it is asked for.
    pub fn load_others(&self, machine: Option<&Running>) {
        for candidate in self.plugins.iter().filter(|c| c.origin != Origin::BuiltIn && c.may_serve(machine)) {
            let _ = self.describe(candidate);
        }
    }

    /// See [`Sandbox::forget_cache`].
    pub fn forget_cache(&mut self) {
        self.sandbox.forget_cache();
    }

    /// The name of the plugin that says it links such files, without loading it.
    #[must_use]
    pub fn name_for(&self, machine: u16, class: u8, order: u8, flags: u32) -> Option<&str> {
        let wanted = Wanted { machine, class, order, flags };
        self.plugins.iter().find(|c| may_link(&c.wasm, &wanted)).map(|c| c.name.as_str())
    }

    /// Replaces the engine: tests put a hostile one in its place.
    pub fn with_engine(self, wasm: &[u8]) -> Result<Self> {
        let guest = self.sandbox.load(ENGINE, wasm)?.of_version(ABI_VERSION);
        Ok(Self { engine: OnceLock::from(guest), ..self })
    }

    /// The engine.
    pub fn engine(&self) -> Result<&Guest> {
        self.built_in(ENGINE, &self.engine)
    }

    /// The unpacker.
    pub fn unpack(&self) -> Result<&Guest> {
        self.built_in(UNPACK, &self.unpack)
    }

    fn built_in<'a>(&self, name: &str, cell: &'a OnceLock<Guest>) -> Result<&'a Guest> {
        if let Some(guest) = cell.get() {
            return Ok(guest);
        }
        let wasm = built_in::wasm_of(name);
        let missing = || Error::Usage(format!("this relobox was built without its {name} guest"));
        // Engine and unpacker are built with the host: there is no older one to be kind to.
        let guest = self.sandbox.load(name, wasm.ok_or_else(missing)?)?.of_version(ABI_VERSION);
        Ok(cell.get_or_init(|| guest))
    }

    fn describe<'a>(&self, candidate: &'a Candidate) -> Result<&'a Arc<Plugin>> {
        if let Some(plugin) = candidate.plugin.get() {
            return Ok(plugin);
        }
        let guest = self.sandbox.load(&candidate.name, &candidate.wasm);
        let plugin = guest.and_then(|guest| Plugin::describe(guest, candidate.origin.clone()));
        let plugin = Arc::new(plugin.map_err(|error| candidate.located(error))?);
        Ok(candidate.plugin.get_or_init(|| plugin))
    }

    /// Those that do not say for which machines they are, and cannot be asked either: nothing is linked by them, and
    /// they stop nothing. The path of each, and why.
    pub fn unusable(&self) -> impl Iterator<Item = (&Path, Error)> {
        // Who chose one hears of it when it is asked for.
        let silent = self.plugins.iter().filter(|c| c.may_be_left_out() && !self.meant[0].contains(c.digest()));
        silent.filter_map(|c| Some((c.origin.path(), self.describe(c).err()?)))
    }

    /// Every plugin; one that cannot be described is an error in its place. See [`Guests::unusable`].
    pub fn plugins(&self) -> impl Iterator<Item = (&str, Result<&Arc<Plugin>>)> {
        self.plugins.iter().map(|c| (c.name.as_str(), self.describe(c)))
    }

    /// A plugin that is none of these.
    pub fn load_plugin(&self, file: &PluginFile) -> Result<Arc<Plugin>> {
        Ok(Arc::new(Plugin::describe(self.sandbox.load(&file.name, &file.wasm)?, file.origin.clone())?))
    }

    /// The plugin with this digest.
    pub fn by_digest(&self, digest: &Digest) -> Result<Option<&Arc<Plugin>>> {
        self.plugins.iter().find(|c| c.digest() == digest).map(|c| self.describe(c)).transpose()
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
        self.plugin_beside(None, machine, class, order, flags)
    }

    /// The same, but for one plugin, which is spoken for.
    pub fn plugin_beside(
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
            let problem = Problem::new("plugin-conflict", "plugins", text);
            return Err(problem.hint("choose one with --plugin, or pin it ('relobox plugin pin')").into());
        }
        Ok(found.first().copied())
    }

    /// Those that could be used for a module: more than one if it is not clear which. Copies count once.
    pub fn plugins_for(&self, machine: u16, class: u8, order: u8, flags: u32) -> Result<Vec<(&Arc<Plugin>, Machine)>> {
        let wanted = Wanted { machine, class, order, flags };
        let may: Vec<_> = self.plugins.iter().filter(|c| may_link(&c.wasm, &wanted)).collect();
        let meant = self.meant.iter().filter(|digests| !digests.is_empty()).map(Some);
        let mut broken = None;
        for digests in meant.chain([None]) {
            let mut found: Vec<(&Arc<Plugin>, Machine)> = Vec::new();
            for candidate in may.iter().filter(|c| digests.is_none_or(|digests| digests.contains(c.digest()))) {
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
        let about = About::read(instance.memory(), at, instance.abi()).map_err(|what| instance.misbehaved(what))?;
        Ok(Self { guest: guest.of_version(about.abi), origin, about })
    }
}
