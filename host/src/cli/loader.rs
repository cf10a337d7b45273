//! How a module gets into a kernel.

use super::common::Common;
use super::kernel::{Choice, Which, open_device};
use super::link::Inputs;
use super::state;
use relobox::cache::Cache;
use relobox::guests::Guests;
use relobox::inserted::Inserted;
use relobox::insmod::insmod;
use relobox::isolate::{Linker, Options};
use relobox::kernels::vet::Vet;
use relobox::link::load;
use relobox::open::{Source, seal};
use relobox::registry::Plugins;
use relobox::state::{Origin, digest};
use relobox::{Error, Result, built_in, files};
use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::Path;

/// Starts the process without rights that links for a real kernel.
pub(crate) fn start_linker(plugins: Plugins, inputs: &Inputs) -> Result<Linker> {
    Linker::start(&Options {
        cache: Cache::from_environment().map(|cache| cache.path().to_owned()),
        machine: Some(relobox::kernels::linux::machine()),
        plugins,
        inputs: inputs.input.clone(),
        ..Options::default()
    })
}

/// Puts modules into a kernel; several threads may share it.
pub(crate) struct Loader<'a> {
    which: &'a Which,
    choice: Choice,
    plugins: Plugins,
    inputs: &'a Inputs,
    by: By,
}

/// Who links.
enum By {
    /// This process: it has no rights that a module could abuse.
    Guests(Box<Guests>),
    /// A process without any rights; this one then never looks into a module.
    Linker(Box<Linker>),
}

impl<'a> Loader<'a> {
    pub(crate) fn new(which: &'a Which, common: &'a Common, inputs: &'a Inputs) -> Result<Self> {
        let choice = which.choice();
        which.warn_of_downgrade();
        // From here on plugins need a pin, and nobody's home is searched for them: see Plugins::trusted.
        let plugins = common.plugins(choice != Choice::Sim)?;
        let by = match choice {
            Choice::Sim => By::Guests(Box::new(common.guests_of(plugins.clone())?)),
            Choice::Device | Choice::Vet | Choice::Auto => By::Linker(Box::new(start_linker(plugins.clone(), inputs)?)),
        };
        Ok(Self { which, choice, plugins, inputs, by })
    }

    /// Links the module at `path`, makes it a live module of the kernel, and records that.
    pub(crate) fn insert(&self, path: &Path, args: &str) -> Result<Inserted> {
        let name = path.display().to_string();
        let source = Source::open(path)?;
        let linker = match &self.by {
            By::Guests(guests) => {
                // A file that is no module starts no kernel.
                let module = load(guests, &name, source)?;
                let inserted =
                    insmod(guests, &mut self.which.socket.connect_or_start()?, module, args, &self.inputs.input)?;
                self.record(path, &inserted, || {
                    let file = files::open(path, files::Kind::Regular).map_err(std::io::Error::other)?;
                    digest(&file)
                });
                return Ok(inserted);
            }
            By::Linker(linker) => linker,
        };
        let (file, packed) = seal(source, path)?;
        let copy = || file.try_clone().map_err(Error::io(path));
        let sealed = File::from(copy()?);
        std::thread::scope(|scope| {
            // Of the very bytes that are linked, while they are.
            let digest = state::recorded(self.which).then(|| scope.spawn(|| digest(&sealed)));
            let inserted = match self.choice {
                Choice::Device => linker.insmod(&mut open_device()?, &name, file.as_fd(), args)?,
                _ => {
                    let inserted = linker.insmod(&mut Vet::new(copy()?, packed), &name, file.as_fd(), args)?;
                    // The kernel chose other addresses than those that it was linked for.
                    let areas = relobox::kernels::linux::areas(&inserted.name);
                    Inserted { areas, ..inserted }
                }
            };
            if let Some(digest) = digest {
                let panicked = |_| std::io::Error::other("its digest could not be computed");
                self.record(path, &inserted, || digest.join().map_err(panicked)?);
            }
            Ok(inserted)
        })
    }

    fn record(&self, path: &Path, inserted: &Inserted, digest: impl FnOnce() -> std::io::Result<String>) {
        state::record(self.which, inserted, || {
            let plugin = self.plugins.known(inserted.plugin_digest.as_ref());
            Ok(Origin::new(path, digest().map_err(Error::io(path))?, plugin, built_in::digest_of("engine").as_ref()))
        });
    }
}
