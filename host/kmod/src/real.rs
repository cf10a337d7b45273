//! This machine's kernel: by its device, or vetted. Modules are linked by another process, without rights.

use crate::state;
use crate::target::{Loader, Target, no_depmod};
use clap::{Args, ValueEnum};
use relobox_cli::args::{Common, Inputs};
use relobox_cli::output;
use relobox_core::error::{Error, Result};
use relobox_core::inserted::{Called, Inserted, refusal};
use relobox_core::kernel::{Failure, Kernel, Mode};
use relobox_core::sealed::seal;
use relobox_core::state::{Boot, DIRECTORY, Origin, digest};
use relobox_isolate::{Linker, Options};
use relobox_kernels::device::{self, Device, Flat};
use relobox_kernels::kallsyms::Kallsyms;
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

/// How modules get into this machine's kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Choice {
    /// By the device if it is there and can load, else vetted, with a warning that says why
    Auto,
    /// The kernel relocates nothing: /dev/relobox steers its loader
    Device,
    /// The kernel is given the original file after it was linked here without a fault
    Vet,
}

/// This machine's kernel.
#[derive(Clone, Debug, Args)]
pub struct Real {
    /// How modules get into the kernel
    #[arg(
        long = "kernel",
        value_name = "KERNEL",
        value_enum,
        default_value = "auto",
        env = "RELOBOX_KERNEL",
        hide_env_values = true
    )]
    choice: Choice,
    #[arg(skip)]
    decided: OnceLock<Decided>,
    #[arg(skip)]
    linking: Linking,
    #[arg(skip)]
    kallsyms: Arc<Kallsyms>,
}

/// How the linking process is started.
#[derive(Clone, Debug)]
pub struct Linking {
    /// The program.
    pub program: fn() -> Result<PathBuf>,
    /// The directory of compiled code, if the program has a compiler.
    pub cache: fn() -> Option<PathBuf>,
    /// The compiled code of a plugin that is not built in.
    pub compiled: fn(&Pins, &PluginFile) -> Result<OwnedFd>,
}

impl Default for Linking {
    /// By `relobox-linker`, which has no compiler.
    fn default() -> Self {
        Self { program: beside, cache: || None, compiled: compiled::of_pin }
    }
}

/// The program that links, where it was installed.
pub const LINKER: &str = "relobox-linker";

/// `relobox-linker` beside this program, or where packages put it.
fn beside() -> Result<PathBuf> {
    let program = std::env::current_exe().map_err(Error::io("/proc/self/exe"))?;
    let places = [program.with_file_name(LINKER), Path::new("/usr/lib/relobox").join(LINKER)];
    places.iter().find(|path| path.exists()).cloned().ok_or_else(|| {
        let [first, second] = places.map(|path| path.display().to_string());
        Error::Usage(format!("there is no {LINKER}, neither as {first} nor as {second}"))
    })
}

/// The choice, with `auto` decided.
#[derive(Clone, Debug)]
struct Decided {
    choice: Choice,
    /// Why `auto` is not the device.
    downgrade: Option<String>,
}

impl Real {
    /// The same without a command line.
    #[must_use]
    pub fn new(choice: Choice, linking: Linking) -> Self {
        Self { choice, decided: OnceLock::new(), linking, kallsyms: Arc::default() }
    }

    /// Whether it is by the device, once `auto` is decided: once, since that opens the device.
    fn by_device(&self) -> bool {
        self.decided().choice == Choice::Device
    }

    fn decided(&self) -> &Decided {
        self.decided.get_or_init(|| match self.choice {
            Choice::Auto => decide(Device::open().map(|device| device.cannot_load())),
            choice => Decided { choice, downgrade: None },
        })
    }

    /// Says that the kernel will relocate modules itself, where `auto` had to decide so, and why.
    fn warn_of_downgrade(&self) {
        if let Some(why) = &self.decided().downgrade {
            output::warning(format_args!(
                "{why}; so the kernel relocates modules itself, after they were found to link here ('--kernel vet' says \
                 nothing of this)"
            ));
        }
    }

    /// Starts the process without rights that links.
    ///
    /// # Errors
    /// If there is none, or a plugin that would be used is not trusted.
    pub fn start_linker(&self, plugins: Plugins, inputs: &Inputs) -> Result<Linker> {
        Linker::start(&Options {
            program: (self.linking.program)()?,
            compiled: self.linking.compiled,
            cache: (self.linking.cache)(),
            machine: Some(relobox_kernels::linux::machine()),
            plugins,
            inputs: inputs.input.clone(),
        })
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
        Ok(if self.by_device() { Box::new(open_device()?) } else { Box::new(Vet::without_file(self.kallsyms.clone())) })
    }

    fn remover(&self) -> Result<Box<dyn Kernel>> {
        Ok(Box::new(Vet::without_file(self.kallsyms.clone())))
    }

    /// Opening the device counts as a use of it.
    fn use_counts(&self) -> Result<HashMap<String, Option<u32>>, Failure> {
        if !self.by_device() {
            // What is listed anyhow is all that there is to know.
            return Ok(HashMap::new());
        }
        let modules = Vet::without_file(self.kallsyms.clone()).list(None)?.modules;
        Ok(modules.into_iter().map(|m| (m.name, m.use_count)).collect())
    }

    fn loader<'a>(&'a self, common: &Common, inputs: &'a Inputs) -> Result<Box<dyn Loader + 'a>> {
        self.warn_of_downgrade();
        // From here on plugins need a pin, and nobody's home is searched for them: see Plugins::trusted.
        let plugins = common.plugins(true)?;
        let linker = self.start_linker(plugins.clone(), inputs)?;
        Ok(Box::new(ByLinker { real: self, plugins, linker }))
    }

    fn call(&self, object: &Path, function: Option<&str>, common: &Common, inputs: &Inputs) -> Result<Called> {
        if self.choice == Choice::Vet {
            return Err(Error::Usage("'--kernel vet' calls nothing: only the device does".into()));
        }
        let plugins = common.plugins(true)?;
        let mut kernel = open_flat()?;
        let (file, _) = seal(object)?;
        let name = object.display().to_string();
        self.start_linker(plugins, inputs)?.call(&mut kernel, &name, file.as_fd(), function)
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

/// Links in a process without any rights; this one never looks into a module.
struct ByLinker<'a> {
    real: &'a Real,
    plugins: Plugins,
    linker: Linker,
}

impl Loader for ByLinker<'_> {
    fn insert(&self, path: &Path, args: &str) -> Result<Inserted> {
        let name = path.display().to_string();
        let (file, packed) = seal(path)?;
        let copy = || file.try_clone().map_err(Error::io(path));
        let sealed = File::from(copy()?);
        std::thread::scope(|scope| {
            // Of the very bytes that are linked, while they are.
            let digest = state::recorded(self.real).then(|| scope.spawn(|| digest(&sealed)));
            let inserted = match self.real.by_device() {
                true => self.linker.insmod(&mut open_device()?, &name, file.as_fd(), args)?,
                false => {
                    let mut vet = Vet::new(self.real.kallsyms.clone(), copy()?, packed);
                    let inserted = self.linker.insmod(&mut vet, &name, file.as_fd(), args)?;
                    // The kernel chose other addresses than those that it was linked for.
                    let areas = relobox_kernels::linux::areas(&inserted.name);
                    Inserted { areas, ..inserted }
                }
            };
            if let Some(digest) = digest {
                let panicked = |_| std::io::Error::other("its digest could not be computed");
                state::record(self.real, &inserted, || {
                    let digest = digest.join().map_err(panicked).flatten().map_err(Error::io(path))?;
                    let plugin = self.plugins.known(inserted.plugin_digest.as_ref());
                    Ok(Origin::new(path, digest, plugin, relobox_guests::digest_of("engine").as_ref()))
                });
            }
            Ok(inserted)
        })
    }
}

/// What `auto` comes to, by what the device said when it was opened: why it cannot load modules, if it cannot.
fn decide(device: Result<Option<String>, Failure>) -> Decided {
    let why = match device {
        Ok(None) => return Decided { choice: Choice::Device, downgrade: None },
        Ok(Some(why)) => format!("{}: {why}", device::PATH),
        Err(failure) => format!("{failure}{}", missing()),
    };
    Decided { choice: Choice::Vet, downgrade: Some(why) }
}

/// What to do about a device that is not there.
fn missing() -> &'static str {
    if device::exists() { "" } else { " (is the module relobox loaded? See kernel/README.md)" }
}

fn open_device() -> Result<Device> {
    let hint = missing();
    let device = Device::open().map_err(|failure| match failure {
        Failure::Unreachable(text) => Error::Usage(format!("{text}{hint}")),
        failure => refusal(device::PATH, &failure),
    })?;
    match device.cannot_load() {
        None => Ok(device),
        Some(why) => Err(Error::Usage(format!("{}: {why}; '--kernel vet' may do", device::PATH))),
    }
}

/// The device, open for code that is called.
fn open_flat() -> Result<Flat> {
    let hint = missing();
    Flat::open().map_err(|failure| match failure {
        Failure::Unreachable(text) => Error::Usage(format!("{text}{hint}")),
        failure => refusal(device::PATH, &failure),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_is_the_device_or_says_why_not() {
        let decided = decide(Ok(None));
        assert_eq!((decided.choice, decided.downgrade), (Choice::Device, None));
        for (device, words) in [
            (
                Ok(Some("this kernel loads signed modules only".into())),
                "/dev/relobox: this kernel loads signed modules",
            ),
            (Err(Failure::Unreachable("/dev/relobox: no such file".into())), "/dev/relobox: no such file"),
            (Err(Failure::NotAllowed("CAP_SYS_MODULE".into())), "not allowed: CAP_SYS_MODULE"),
        ] {
            let decided = decide(device);
            assert_eq!(decided.choice, Choice::Vet);
            let why = decided.downgrade.unwrap();
            assert!(why.starts_with(words), "{why}");
        }
    }
}
