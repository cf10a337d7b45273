//! The kernel of this machine, with the device or without. Another process, without rights, links modules.

use crate::signatures::{Judged, judge, told};
use crate::strict_setting::is_set;
use crate::target::{Loader, Target, no_depmod};
use crate::{state, trail};
use clap::{Args, ValueEnum};
use relobox_cli::args::{Common, Inputs, Signatures};
use relobox_cli::output::{self, Level};
use relobox_core::diagnostic::Diagnostic;
use relobox_core::error::{Error, Result};
use relobox_core::inserted::{Called, Inserted, kernel_error};
use relobox_core::kernel::{Kernel, KernelError, Mode};
use relobox_core::keys::Trust;
use relobox_core::names;
use relobox_core::sealed::seal;
use relobox_core::state::{Boot, DIRECTORY, Origin, digest};
use relobox_isolate::{Linker, Options, Process, Start};
use relobox_kernels::device::{self, Device, Flat};
use relobox_kernels::kallsyms::Kallsyms;
use relobox_kernels::linux::Force;
use relobox_kernels::vet::Vet;
use relobox_modprobe::plan::Needs;
use relobox_plugins::compiled;
use relobox_plugins::pins::Pins;
use relobox_plugins::plugin_file::PluginFile;
use relobox_plugins::registry::Plugins;
use std::collections::HashMap;
use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// How modules are loaded into the kernel of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    /// Use 'device' if it is available, otherwise 'vet' with a warning that gives the reason. In strict mode (see
    /// 'relobox-kmod strict'), use 'device' only
    Auto,
    /// relobox relocates the module; /dev/relobox makes the kernel's loader use the result
    Device,
    /// relobox links the module as a check; then the kernel loads the original file
    Vet,
}

/// The kernel of this machine.
#[derive(Clone, Debug, Args)]
pub struct Real {
    /// How to load modules into the kernel
    #[arg(
        long = "kernel",
        value_name = "KERNEL",
        value_enum,
        default_value = "auto",
        env = "RELOBOX_KERNEL",
        hide_env_values = true
    )]
    choice: Backend,
    #[arg(skip)]
    decision: OnceLock<Decision>,
    #[arg(skip)]
    linking: Linking,
    #[arg(skip)]
    kallsyms: Arc<Kallsyms>,
    /// What the kernel is forced to do.
    #[arg(skip)]
    force: Force,
}

/// How to start the linking process.
#[derive(Clone, Debug)]
pub struct Linking {
    /// Returns the path of the program.
    pub program: fn() -> Result<PathBuf>,
    /// Returns the directory of the cache of compiled code, if the program has a compiler.
    pub cache: fn() -> Option<PathBuf>,
    /// Returns the compiled code of a plugin that is not built in.
    pub compiled: fn(&Pins, &PluginFile) -> Result<OwnedFd>,
    /// Starts the program.
    pub start: Start,
}

impl Default for Linking {
    /// Starts `relobox-linker`, which has no compiler.
    fn default() -> Self {
        Self { program: linker_program, cache: || None, compiled: compiled::of_pin, start: Process::start }
    }
}

/// The name of the program that links.
pub const LINKER: &str = "relobox-linker";

/// The directory where packages install it.
pub const LIBRARY: &str = "/usr/lib/relobox";

/// The path of `relobox-linker`: beside this program, or in [`LIBRARY`].
fn linker_program() -> Result<PathBuf> {
    let program = std::env::current_exe().map_err(Error::io("/proc/self/exe"))?;
    let places = [program.with_file_name(LINKER), Path::new(LIBRARY).join(LINKER)];
    places.iter().find(|path| path.exists()).cloned().ok_or_else(|| {
        let [first, second] = places.map(|path| path.display().to_string());
        Error::Usage(format!("{LINKER} was not found, neither as {first} nor as {second}"))
    })
}

/// The choice, after `auto` was replaced.
#[derive(Clone, Debug)]
struct Decision {
    choice: Backend,
    /// Why `auto` did not choose the device.
    downgrade: Option<String>,
    /// `auto` in strict mode: nothing but the device's own module is loaded without the device.
    strict: bool,
}

impl Decision {
    fn of(choice: Backend) -> Self {
        Self { choice, downgrade: None, strict: false }
    }
}

impl Real {
    /// Makes a choice without a command line.
    #[must_use]
    pub fn new(choice: Backend, linking: Linking) -> Self {
        Self { choice, decision: OnceLock::new(), linking, kallsyms: Arc::default(), force: Force::default() }
    }

    /// The choice in the environment variable `RELOBOX_KERNEL`, of a kernel that is forced to do something.
    ///
    /// # Errors
    /// [`Error::Usage`] if the variable has another value than the names of [`Backend`].
    pub fn from_environment(force: Force) -> Result<Self> {
        let named = std::env::var_os("RELOBOX_KERNEL").unwrap_or_else(|| "auto".into());
        let choice = named.to_str().and_then(|named| Backend::from_str(named, false).ok());
        let unknown = || Error::Usage(format!("RELOBOX_KERNEL is '{}', and not a choice", named.display()));
        Ok(Self { force, ..Self::new(choice.ok_or_else(unknown)?, Linking::default()) })
    }

    /// The kernel without the device.
    fn vet(&self) -> Vet {
        Vet::without_file(self.kallsyms.clone()).forced(self.force)
    }

    /// True if modules are loaded with the device. Decides `auto` once, because that opens the device.
    fn by_device(&self) -> bool {
        self.decision().choice == Backend::Device
    }

    fn decision(&self) -> &Decision {
        self.decision.get_or_init(|| match self.choice {
            // Only the kernel's own loader can be forced.
            Backend::Auto if self.force.loads() && !is_set(Path::new("/")) => Decision::of(Backend::Vet),
            Backend::Auto => decide(usable(), is_set(Path::new("/"))),
            choice => Decision::of(choice),
        })
    }

    /// Returns whether the module at `path` is loaded with the device.
    ///
    /// # Errors
    /// In strict mode, if the device cannot load it.
    fn loads_by_device(&self, path: &Path) -> Result<bool> {
        // The device may have been loaded since the decision.
        if self.decision().strict { strictly(path, usable()) } else { Ok(self.by_device()) }
    }

    /// Warns that the kernel relocates modules itself if `auto` chose that, with the reason.
    fn warn_of_downgrade(&self) {
        if let Some(why) = self.downgrade() {
            output::message(
                Level::Notice,
                format_args!(
                    "{why}; so the kernel relocates modules itself, after relobox has checked that they link \
                 ('--kernel vet' suppresses this warning)"
                ),
            );
        }
    }

    /// Starts the linking process.
    ///
    /// `plugins` are the plugins that are not built in, and `inputs` the numbers for plugins.
    ///
    /// # Errors
    /// If the program is missing or cannot start, or if a plugin that would be used is not trusted.
    pub fn start_linker(&self, plugins: Plugins, inputs: &Inputs) -> Result<Linker> {
        Linker::start(&Options {
            program: (self.linking.program)()?,
            compiled: self.linking.compiled,
            cache: (self.linking.cache)(),
            machine: Some(relobox_kernels::linux::machine()),
            plugins,
            inputs: inputs.input.clone(),
            start: self.linking.start,
        })
    }

    /// Why modules are loaded without the device, if `auto` decided so.
    #[must_use]
    pub fn downgrade(&self) -> Option<&str> {
        let Decision { downgrade, strict, .. } = self.decision();
        downgrade.as_deref().filter(|_| !strict)
    }

    /// Makes a loader that uses these plugins and trusts these certificates, without a warning.
    ///
    /// # Errors
    /// As [`Target::loader`].
    pub fn loader_with(&self, plugins: Plugins, inputs: &Inputs, trust: Trust) -> Result<LinkerLoader<'_>> {
        let linker = self.start_linker(plugins.clone(), inputs)?;
        Ok(self.loader_by(plugins, Arc::new(linker), trust))
    }

    /// Makes a loader that uses a linking process, which has these plugins, without a warning.
    #[must_use]
    pub fn loader_by(&self, plugins: Plugins, linker: Arc<Linker>, trust: Trust) -> LinkerLoader<'_> {
        LinkerLoader { real: self, plugins, linker, trust }
    }
}

impl Target for Real {
    fn mode(&self) -> Mode {
        if self.by_device() { Mode::Device } else { Mode::Vet }
    }

    fn permit(&self) -> Result<()> {
        Ok(())
    }

    fn connect(&self) -> Result<Box<dyn Kernel>> {
        Ok(if self.by_device() { Box::new(open_device()?) } else { Box::new(self.vet()) })
    }

    fn remover(&self) -> Result<Box<dyn Kernel>> {
        Ok(Box::new(self.vet()))
    }

    /// Opening the device increases its use count.
    fn use_counts(&self) -> Result<HashMap<String, Option<u32>>, KernelError> {
        if !self.by_device() {
            // The list already has the right counts.
            return Ok(HashMap::new());
        }
        let modules = self.vet().list(None)?.modules;
        Ok(modules.into_iter().map(|m| (m.name, m.use_count)).collect())
    }

    fn loader<'a>(
        &'a self,
        common: &Common,
        inputs: &'a Inputs,
        signatures: &Signatures,
    ) -> Result<Box<dyn Loader + 'a>> {
        if self.force.loads() && (self.by_device() || self.decision().strict) {
            let text =
                "the device makes the kernel use what relobox linked, so nothing can be forced; '--kernel vet' can";
            return Err(Error::Usage(text.into()));
        }
        self.warn_of_downgrade();
        // From here on, plugins need a pin, and no home directory is searched for them: see Plugins::trusted.
        Ok(Box::new(self.loader_with(common.plugins(true)?, inputs, signatures.of_machine()?)?))
    }

    fn call(
        &self,
        object: &Path,
        function: Option<&str>,
        common: &Common,
        inputs: &Inputs,
        signatures: &Signatures,
    ) -> Result<Called> {
        if self.choice == Backend::Vet {
            return Err(Error::Usage("'--kernel vet' cannot call code: only the device can".into()));
        }
        let (plugins, trust) = (common.plugins(true)?, signatures.of_machine()?);
        let mut kernel = open_flat()?;
        let linker = self.start_linker(plugins, inputs)?;
        let name = object.display().to_string();
        let (file, packed) = seal(object).inspect_err(|error| trail::called(object, None, Err(error)))?;
        let (called, digest) = with_digest(object, &file, || {
            let original = file.try_clone().map_err(Error::io(object))?;
            let Judged { file, verdict, .. } = judge(&linker, &name, original, packed, &trust)?;
            for warning in verdict.iter().filter_map(|verdict| told(&name, verdict)) {
                output::message(Level::Warning, warning);
            }
            linker.call(&mut kernel, &name, file.as_fd(), function)
        });
        trail::called(object, digest.as_ref().ok(), called.as_ref());
        called
    }

    fn needs(&self, path: &Path, _: &Common) -> Result<Needs> {
        Err(no_depmod(path))
    }

    fn release(&self) -> String {
        rustix::system::uname().release().to_string_lossy().into_owned()
    }

    fn boot(&self) -> Result<Boot> {
        Boot::of_machine()
    }

    fn state_directory(&self) -> PathBuf {
        DIRECTORY.into()
    }
}

/// Links in a process without rights. This process never parses a module.
pub struct LinkerLoader<'a> {
    real: &'a Real,
    plugins: Plugins,
    linker: Arc<Linker>,
    trust: Trust,
}

impl Loader for LinkerLoader<'_> {
    fn insert(&self, path: &Path, args: &str) -> Result<Inserted> {
        let (file, packed) = seal(path).inspect_err(|error| trail::loaded(path, None, Mode::Device, Err(error)))?;
        self.insert_sealed(path, &file, packed, args)
    }
}

impl LinkerLoader<'_> {
    /// As [`Loader::insert`], for a module that was read before (see [`seal`]). `path` is for messages and the record.
    ///
    /// # Errors
    /// As [`Loader::insert`].
    pub fn insert_sealed(&self, path: &Path, file: &OwnedFd, packed: bool, args: &str) -> Result<Inserted> {
        let mut mode = Mode::Device;
        let (loaded, digest) = with_digest(path, file, || {
            if !self.real.loads_by_device(path)? {
                mode = Mode::Vet;
            }
            let original = file.try_clone().map_err(Error::io(path))?;
            // From here on, the module is what was judged.
            let judged = judge(&self.linker, &path.display().to_string(), original, packed, &self.trust)?;
            self.load(path, judged, mode, args)
        });
        trail::loaded(path, digest.as_ref().ok(), mode, loaded.as_ref());
        let inserted = loaded?;
        state::record(self.real, &inserted, || {
            let plugin = self.plugins.known(inserted.plugin_digest.as_ref());
            Ok(Origin::new(path, digest?, plugin, relobox_guests::digest_of("engine").as_ref()))
        });
        Ok(inserted)
    }

    fn load(&self, path: &Path, module: Judged, mode: Mode, args: &str) -> Result<Inserted> {
        let (name, Judged { file, packed, verdict: signature }) = (path.display().to_string(), module);
        if mode == Mode::Device {
            let inserted = self.linker.insmod(&mut open_device()?, &name, file.as_fd(), args)?;
            return Ok(Inserted { signature, ..inserted });
        }
        let copy = file.try_clone().map_err(Error::io(path))?;
        let mut vet = Vet::new(self.real.kallsyms.clone(), copy, packed).forced(self.real.force);
        let inserted = self.linker.insmod(&mut vet, &name, file.as_fd(), args)?;
        // The kernel chose other addresses than those of the link.
        let areas = relobox_kernels::linux::areas(&inserted.name);
        Ok(Inserted { areas, signature, ..inserted })
    }
}

/// Calls `link`. Also returns the SHA-256 of `file`, in hexadecimal digits, which is computed meanwhile. `path` is for
/// messages.
fn with_digest<T>(path: &Path, file: &OwnedFd, link: impl FnOnce() -> Result<T>) -> (Result<T>, Result<String>) {
    std::thread::scope(|scope| {
        let sealed = file.try_clone().map(File::from);
        // That there are too many threads is no reason not to load a module.
        let digest = sealed.and_then(|sealed| std::thread::Builder::new().spawn_scoped(scope, move || digest(&sealed)));
        let linked = link();
        let panicked = |_| std::io::Error::other("the computation of its digest failed");
        let digest = digest.and_then(|digest| digest.join().map_err(panicked).flatten());
        (linked, digest.map_err(Error::io(path)))
    })
}

/// Returns whether the module at `path` is loaded with the device, in strict mode. Only the device's own module is
/// loaded without it. `device` is as for [`decide`].
fn strictly(path: &Path, device: Result<Option<String>, KernelError>) -> Result<bool> {
    let Some(why) = decide(device, true).downgrade else { return Ok(true) };
    if names::of_file(path) == "relobox" {
        return Ok(false);
    }
    let text = format!("refused, since relobox is strict and the device cannot be used: {why}");
    let hint = "'modprobe relobox' loads the device; 'relobox-kmod strict off', or relobox.strict=0 on the kernel's \
         command line, ends strict mode";
    Err(Error::Kernel(Box::new(Diagnostic::new("strict", path.display().to_string(), text).hint(hint))))
}

/// Opens the device, to see whether it can load modules. Returns the reason if it cannot.
fn usable() -> Result<Option<String>, KernelError> {
    Device::open().map(|device| device.cannot_load())
}

/// Decides `auto`. `device` is the result of opening the device: the reason why it cannot load modules, if it cannot.
fn decide(device: Result<Option<String>, KernelError>, strict: bool) -> Decision {
    let why = match device {
        Ok(None) => return Decision { strict, ..Decision::of(Backend::Device) },
        Ok(Some(why)) => format!("{}: {why}", device::PATH),
        Err(failure) => format!("{failure}{}", missing()),
    };
    Decision { choice: Backend::Vet, downgrade: Some(why), strict }
}

/// A hint for a device that does not exist.
fn missing() -> &'static str {
    if device::exists() { "" } else { " (is the module relobox loaded? See kernel/README.md)" }
}

fn open_device() -> Result<Device> {
    let hint = missing();
    let device = Device::open().map_err(|failure| match failure {
        KernelError::Unreachable(text) => Error::Usage(format!("{text}{hint}")),
        failure => kernel_error(device::PATH, &failure),
    })?;
    match device.cannot_load() {
        None => Ok(device),
        Some(why) => Err(Error::Usage(format!("{}: {why}; try '--kernel vet'", device::PATH))),
    }
}

/// Opens the device to call code.
fn open_flat() -> Result<Flat> {
    let hint = missing();
    Flat::open().map_err(|failure| match failure {
        KernelError::Unreachable(text) => Error::Usage(format!("{text}{hint}")),
        failure => kernel_error(device::PATH, &failure),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_is_the_device_or_says_why_not() {
        let decision = decide(Ok(None), false);
        assert_eq!((decision.choice, decision.downgrade), (Backend::Device, None));
        for (device, words) in [
            (
                Ok(Some("this kernel loads signed modules only".into())),
                "/dev/relobox: this kernel loads signed modules",
            ),
            (Err(KernelError::Unreachable("/dev/relobox: no such file".into())), "/dev/relobox: no such file"),
            (Err(KernelError::NotAllowed("CAP_SYS_MODULE".into())), "not allowed: CAP_SYS_MODULE"),
        ] {
            let decision = decide(device, false);
            assert_eq!(decision.choice, Backend::Vet);
            let why = decision.downgrade.unwrap();
            assert!(why.starts_with(words), "{why}");
        }
    }

    #[test]
    fn strict_loads_nothing_but_the_device_without_the_device() {
        let gone = || Err(KernelError::Unreachable("/dev/relobox: no such file".into()));
        for (path, device) in [("/m/relobox.ko.xz", true), ("./relobox.ko", true), ("/m/relobox-x.ko", false)] {
            let path = Path::new(path);
            assert_eq!(strictly(path, gone()).ok(), device.then_some(false), "{}", path.display());
            assert_eq!(strictly(path, Ok(None)).ok(), Some(true), "{}", path.display());
        }
        for device in [gone(), Ok(Some("/dev/relobox: signed modules only".into()))] {
            let error = strictly(Path::new("/m/xfs.ko"), device).unwrap_err();
            let text = error.to_string();
            assert!(text.starts_with("/m/xfs.ko: refused, since relobox is strict"), "{text}");
            assert!(text.contains("/dev/relobox: ") && text.contains("'relobox-kmod strict off'"), "{text}");
            assert_eq!(error.exit_code(), 1);
        }
    }

    #[test]
    fn in_strict_mode_there_is_no_downgrade_and_no_force() {
        let real = |strict| {
            let real = Real::new(Backend::Auto, Linking::default());
            real.decision.set(decide(Ok(Some("signed modules only".into())), strict)).unwrap();
            Real { force: Force { vermagic: true, ..Force::default() }, ..real }
        };
        assert!(real(false).downgrade().is_some() && real(true).downgrade().is_none());
        let common = Common { json: false, plugin_dir: Vec::new(), chosen: Vec::new(), pins: None };
        let inputs = Inputs { input: Vec::new() };
        let strict = real(true);
        assert!(
            matches!(strict.loader(&common, &inputs, &Signatures::default()), Err(Error::Usage(text)) if text.contains("forced"))
        );
    }
}
