//! The kernel that a command uses: a simulated one, or this machine's, for which another program is responsible.

use super::common::{Common, guests, guests_of};
use super::sim::{Socket, connect};
use super::{linking, output};
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
use relobox::signatures::Verifier;
use relobox::state::{Boot, Origin, digest};
use relobox::{Error, Result, built_in, files};
use relobox_abi::symbol_flag;
use relobox_cli::args::{Inputs, Signatures};
use relobox_kmod::real::{self, Real};
use relobox_kmod::signatures::told;
use relobox_kmod::state;
use relobox_kmod::target::{Loader, Target};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The kernel that modules are loaded into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Backend {
    /// This machine's kernel: use 'device' if it is available, otherwise 'vet' with a warning that gives the reason
    Auto,
    /// This machine's kernel: relobox relocates the module; /dev/relobox makes the kernel's loader use the result
    Device,
    /// This machine's kernel: relobox links the module as a check; then the kernel loads the original file
    Vet,
    /// A simulated kernel, which needs no privilege
    Sim,
}

/// The choice of a kernel: a simulated one, or this machine's.
#[derive(Clone, Debug, Args)]
pub(crate) struct KernelArgs {
    /// The kernel to use
    #[arg(
        long = "kernel",
        value_name = "KERNEL",
        value_enum,
        default_value = "auto",
        env = "RELOBOX_KERNEL",
        hide_env_values = true
    )]
    choice: Backend,
    /// Change this machine's kernel from this program, although it contains a compiler; relobox-kmod and relobox-linker
    /// contain none
    #[arg(
        long,
        env = "RELOBOX_ALL_IN_ONE",
        hide_env_values = true,
        value_parser = clap::builder::FalseyValueParser::new()
    )]
    all_in_one: bool,
    #[arg(skip)]
    real: OnceLock<Real>,
    #[command(flatten)]
    socket: Socket,
}

impl KernelArgs {
    fn is_sim(&self) -> bool {
        self.choice == Backend::Sim || self.choice == Backend::Auto && self.socket.given()
    }

    /// True if the command is for relobox-kmod, if that is installed.
    pub(crate) fn uses_kmod(&self) -> bool {
        !self.is_sim() && !self.all_in_one
    }

    fn real(&self) -> &Real {
        self.real.get_or_init(|| {
            let choice = match self.choice {
                Backend::Device => real::Backend::Device,
                Backend::Vet => real::Backend::Vet,
                Backend::Auto | Backend::Sim => real::Backend::Auto,
            };
            Real::new(choice, linking::all_in_one())
        })
    }
}

impl Target for KernelArgs {
    fn mode(&self) -> Mode {
        if self.is_sim() { Mode::Sim } else { self.real().mode() }
    }

    fn permit(&self) -> Result<()> {
        if self.is_sim() || self.all_in_one {
            return Ok(());
        }
        let text = "relobox-kmod and relobox-linker change this machine's kernel, but they are not installed beside \
                    this program (scripts/build-programs builds them). This program contains a compiler; '--all-in-one' \
                    permits it nevertheless, and '--kernel sim' uses a simulated kernel";
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

    fn loader<'a>(
        &'a self,
        common: &Common,
        inputs: &'a Inputs,
        signatures: &Signatures,
    ) -> Result<Box<dyn Loader + 'a>> {
        if !self.is_sim() {
            return self.real().loader(common, inputs, signatures);
        }
        let trust = Verifier::new(&signatures.given()?);
        let plugins = common.plugins(false)?;
        let guests = guests_of(plugins.clone())?;
        Ok(Box::new(InThisProcess { args: self, plugins, guests, inputs, trust }))
    }

    fn call(
        &self,
        object: &Path,
        function: Option<&str>,
        common: &Common,
        inputs: &Inputs,
        signatures: &Signatures,
    ) -> Result<Called> {
        // Only the device calls code, so `auto` means the device here.
        if !self.is_sim() {
            return self.real().call(object, function, common, inputs, signatures);
        }
        let guests = guests(common)?;
        let name = object.display().to_string();
        let (source, verdict) = Verifier::new(&signatures.given()?).open(&guests, object)?;
        for warning in verdict.iter().filter_map(|verdict| told(&name, verdict)) {
            output::warning(warning);
        }
        let object = load(&guests, &name, source)?;
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

    /// A simulated kernel has its own directory beside its socket.
    fn state_directory(&self) -> PathBuf {
        if self.is_sim() { self.socket.path().with_extension("state") } else { self.real().state_directory() }
    }
}

/// Links in this process: a simulated kernel has no rights that a module could abuse.
struct InThisProcess<'a> {
    args: &'a KernelArgs,
    plugins: Plugins,
    guests: Guests,
    inputs: &'a Inputs,
    trust: Verifier,
}

impl Loader for InThisProcess<'_> {
    fn insert(&self, path: &Path, args: &str) -> Result<Inserted> {
        // A file that is not a module does not start a kernel.
        let (source, signature) = self.trust.open(&self.guests, path)?;
        let module = load(&self.guests, &path.display().to_string(), source)?;
        let mut kernel = self.args.socket.connect_or_start()?;
        let inserted = insmod(&self.guests, &mut kernel, module, args, &self.inputs.input)?;
        state::record(self.args, &inserted, || {
            let file = files::open(path, files::Kind::Regular).map_err(std::io::Error::other);
            let digest = file.and_then(|file| digest(&file)).map_err(Error::io(path))?;
            let plugin = self.plugins.known(inserted.plugin_digest.as_ref());
            Ok(Origin::new(path, digest, plugin, built_in::digest_of("engine").as_ref()))
        });
        Ok(Inserted { signature, ..inserted })
    }
}
