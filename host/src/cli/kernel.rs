//! Which kernel a command is about: a simulated one, or this machine's, which is another program's business.

use super::common::{Common, guests, guests_of};
use super::linking;
use super::sim::{Socket, connect};
use clap::{Args, ValueEnum};
use relobox::call::call;
use relobox::guests::Guests;
use relobox::inserted::{Called, Inserted};
use relobox::insmod::insmod;
use relobox::kernel::{Kernel, KernelError, Mode};
use relobox::link::load;
use relobox::modprobe::plan::Needs;
use relobox::open::Source;
use relobox::registry::Plugins;
use relobox::state::{Boot, Origin, digest};
use relobox::{Error, Result, built_in, files};
use relobox_abi::symbol_flag;
use relobox_cli::args::Inputs;
use relobox_kmod::real::{self, Real};
use relobox_kmod::state;
use relobox_kmod::target::{Loader, Target};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The kernel that modules go into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Choice {
    /// This machine's: by the device if it is there and can load, else vetted, with a warning that says why
    Auto,
    /// This machine's, which relocates nothing: /dev/relobox steers its loader
    Device,
    /// This machine's, which is given the original file after it was linked here without a fault
    Vet,
    /// A simulated one, for trying out: no privilege needed
    Sim,
}

/// A simulated kernel, or this machine's.
#[derive(Clone, Debug, Args)]
pub(crate) struct Which {
    /// The kernel that modules go into
    #[arg(
        long = "kernel",
        value_name = "KERNEL",
        value_enum,
        default_value = "auto",
        env = "RELOBOX_KERNEL",
        hide_env_values = true
    )]
    choice: Choice,
    /// Change this machine's kernel from this program, which has a compiler in it; relobox-kmod and relobox-linker have none
    #[arg(long, env = "RELOBOX_ALL_IN_ONE", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new())]
    all_in_one: bool,
    #[arg(skip)]
    real: OnceLock<Real>,
    #[command(flatten)]
    socket: Socket,
}

impl Which {
    fn is_sim(&self) -> bool {
        self.choice == Choice::Sim || self.choice == Choice::Auto && self.socket.given()
    }

    /// Whether the command is for relobox-kmod, if that is there.
    pub(crate) fn is_to_be_handed_on(&self) -> bool {
        !self.is_sim() && !self.all_in_one
    }

    fn real(&self) -> &Real {
        self.real.get_or_init(|| {
            let choice = match self.choice {
                Choice::Device => real::Choice::Device,
                Choice::Vet => real::Choice::Vet,
                Choice::Auto | Choice::Sim => real::Choice::Auto,
            };
            Real::new(choice, linking::all_in_one())
        })
    }
}

impl Target for Which {
    fn mode(&self) -> Mode {
        if self.is_sim() { Mode::Sim } else { self.real().mode() }
    }

    fn permit(&self) -> Result<()> {
        if self.is_sim() || self.all_in_one {
            return Ok(());
        }
        let text = "this machine's kernel is changed by relobox-kmod and relobox-linker, which are not beside this program \
                    (scripts/build-programs builds them). This one has a compiler and all of its tools in it; \
                    '--all-in-one' uses it all the same, and '--kernel sim' a simulated kernel";
        Err(Error::Usage(text.into()))
    }

    fn connect(&self) -> Result<Box<dyn Kernel>> {
        if self.is_sim() { Ok(Box::new(connect(&self.socket)?)) } else { self.real().connect() }
    }

    fn remover(&self) -> Result<Box<dyn Kernel>> {
        if self.is_sim() { Ok(Box::new(connect(&self.socket)?)) } else { self.real().remover() }
    }

    fn use_counts(&self) -> Result<HashMap<String, Option<u32>>, KernelError> {
        if self.is_sim() { Ok(HashMap::new()) } else { self.real().use_counts() }
    }

    fn loader<'a>(&'a self, common: &Common, inputs: &'a Inputs) -> Result<Box<dyn Loader + 'a>> {
        if !self.is_sim() {
            return self.real().loader(common, inputs);
        }
        let plugins = common.plugins(false)?;
        let guests = guests_of(plugins.clone())?;
        Ok(Box::new(InThisProcess { which: self, plugins, guests, inputs }))
    }

    fn call(&self, object: &Path, function: Option<&str>, common: &Common, inputs: &Inputs) -> Result<Called> {
        // Without a word, code is called by the device: a kernel that has none calls nothing.
        if !self.is_sim() {
            return self.real().call(object, function, common, inputs);
        }
        let guests = guests(common)?;
        let object = load(&guests, &object.display().to_string(), Source::open(object)?)?;
        call(&guests, &mut self.socket.connect_or_start()?, object, function, &inputs.input)
    }

    fn needs(&self, path: &Path, common: &Common) -> Result<Needs> {
        let module = load(&guests(common)?, &path.display().to_string(), Source::open(path)?)?;
        let records = module.records();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let depends =
            records.modinfo("depends").unwrap_or_default().split(|b| *b == b',').filter(|name| !name.is_empty());
        let strong = |flags: u16| flags & (symbol_flag::UNDEFINED | symbol_flag::WEAK) == symbol_flag::UNDEFINED;
        let undefined = records.symbols.iter().filter(|s| strong(s.flags)).map(|s| text(records.bytes(s.name)));
        Ok(Needs {
            depends: depends.map(text).collect(),
            undefined: undefined.filter(|name| !name.is_empty()).collect(),
        })
    }

    fn release(&self) -> String {
        if self.is_sim() { relobox_simkernel::RELEASE.to_owned() } else { self.real().release() }
    }

    fn boot(&self) -> Result<Boot> {
        match self.is_sim() {
            true => Boot::of_socket(&self.socket.path(), relobox_simkernel::RELEASE),
            false => self.real().boot(),
        }
    }

    /// A simulated kernel has its own beside its socket.
    fn state_directory(&self) -> PathBuf {
        if self.is_sim() { self.socket.path().with_extension("state") } else { self.real().state_directory() }
    }
}

/// Links here: a simulated kernel has no rights that a module could abuse.
struct InThisProcess<'a> {
    which: &'a Which,
    plugins: Plugins,
    guests: Guests,
    inputs: &'a Inputs,
}

impl Loader for InThisProcess<'_> {
    fn insert(&self, path: &Path, args: &str) -> Result<Inserted> {
        // A file that is no module starts no kernel.
        let module = load(&self.guests, &path.display().to_string(), Source::open(path)?)?;
        let mut kernel = self.which.socket.connect_or_start()?;
        let inserted = insmod(&self.guests, &mut kernel, module, args, &self.inputs.input)?;
        state::record(self.which, &inserted, || {
            let file = files::open(path, files::Kind::Regular).map_err(std::io::Error::other);
            let digest = file.and_then(|file| digest(&file)).map_err(Error::io(path))?;
            let plugin = self.plugins.known(inserted.plugin_digest.as_ref());
            Ok(Origin::new(path, digest, plugin, built_in::digest_of("engine").as_ref()))
        });
        Ok(inserted)
    }
}
