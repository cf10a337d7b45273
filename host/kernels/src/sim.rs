//! The simulated kernel as a [`Kernel`]: a process in which module code runs, reached through a Unix socket.
//!
//! ```standalone_crate
//! use relobox_core::areas::Kind;
//! use relobox_core::kernel::{Kernel, Protection, Request};
//! use relobox_kernels::sim::Sim;
//!
//! // `Sim::start` runs a program that serves the kernel. Here it is this example itself.
//! if std::env::args().any(|argument| argument == "--serve") {
//!     return Ok(relobox_simkernel::serve_stdin()?);
//! }
//! let directory = std::env::temp_dir().join(format!("relobox-example-{}", std::process::id()));
//! let mut kernel = Sim::start(&std::env::current_exe()?, &["--serve".into()], &directory.join("kernel.socket"))?;
//!
//! // A page of code: `mov eax, 7; ret`.
//! let request = Request { kind: Kind::Text, size: 4096, align: 4096 };
//! let [text] = kernel.allocate(&[request])?[..] else { unreachable!("one address for each request") };
//! kernel.put(text, b"\xb8\x07\x00\x00\x00\xc3")?;
//! kernel.protect(text, Protection::ReadExecute)?;
//! assert_eq!(kernel.call(text)?, 7);
//!
//! // It was not made a module, so nothing is listed. The memory is freed with the connection.
//! assert!(kernel.list(None)?.modules.is_empty());
//! kernel.power_off()?;
//! # std::fs::remove_dir_all(directory)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use relobox_core::areas::Kind;
use relobox_core::byte_order;
use relobox_core::kernel::{
    Export, Kernel, KernelError, Listing, Load, LoadFormat, Loaded, Machine, Module, Protection, Request,
};
use relobox_simkernel::protocol as wire;
use relobox_simkernel::{Client, ClientError, SimError};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The size in bytes of a `struct kernel_param` on a 64-bit machine (`include/linux/moduleparam.h`).
const PARAM: u64 = 40;

/// The only machine that the simulated kernel runs: x86-64, by ELF's numbers.
const MACHINE: (u16, u8, u8) = (62, 64, byte_order::LITTLE);

/// A connection to the simulated kernel.
pub struct Sim {
    client: Client,
}

/// The socket that is used by default: `$XDG_RUNTIME_DIR/relobox/kernel.socket`, or `/tmp/relobox-UID/kernel.socket`
/// without that variable.
#[must_use]
pub fn default_socket() -> PathBuf {
    let directory = match std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty()) {
        Some(dir) => PathBuf::from(dir).join("relobox"),
        None => std::env::temp_dir().join(format!("relobox-{}", rustix::process::geteuid().as_raw())),
    };
    directory.join("kernel.socket")
}

impl Sim {
    /// Connects to the kernel that serves `socket`.
    ///
    /// # Errors
    /// [`KernelError::Unreachable`] if no kernel answers there, or if it speaks another version of the protocol.
    pub fn connect(socket: &Path) -> Result<Self, KernelError> {
        Ok(Self { client: Client::connect(socket).map_err(failure)? })
    }

    /// Connects to the kernel at `socket`, or starts one: the program `exe` with `args`, which must call
    /// [`relobox_simkernel::serve_stdin`].
    ///
    /// # Errors
    /// [`KernelError::Unreachable`] if the program cannot be started, or does not answer.
    pub fn start(exe: &Path, args: &[OsString], socket: &Path) -> Result<Self, KernelError> {
        Ok(Self { client: relobox_simkernel::start(exe, args, socket).map_err(failure)? })
    }

    /// Returns the kernel's log, oldest line first: the level (0 to 7, as of printk) and the text of each line.
    ///
    /// # Errors
    /// [`KernelError::Unreachable`] if the kernel does not answer.
    pub fn log(&mut self) -> Result<Vec<(u8, String)>, KernelError> {
        let lines = self.client.log().map_err(failure)?;
        Ok(lines.into_iter().map(|line| (line.level, line.text)).collect())
    }

    /// Ends the kernel, and with it every module.
    ///
    /// # Errors
    /// [`KernelError::Unreachable`] if the kernel does not answer.
    pub fn power_off(self) -> Result<(), KernelError> {
        self.client.power_off().map_err(failure)
    }
}

impl Kernel for Sim {
    /// Lists everything, also what is not in `wanted`: this kernel has few symbols.
    fn list(&mut self, _: Option<&[&[u8]]>) -> Result<Listing, KernelError> {
        let list = self.client.list().map_err(failure)?;
        let (machine, class, order) = MACHINE;
        Ok(Listing {
            release: list.release,
            vermagic: list.vermagic,
            form: LoadFormat::Areas,
            complete: true,
            machine: Machine { name: list.machine, machine, class, order },
            modules: list.modules.into_iter().map(module).collect(),
            exports: list.exports.into_iter().map(export).collect(),
        })
    }

    fn allocate(&mut self, areas: &[Request]) -> Result<Vec<u64>, KernelError> {
        let wanted: Vec<_> = areas.iter().map(|a| wire::AreaRequest { size: a.size, align: a.align }).collect();
        let granted = self.client.allocate(&wanted).map_err(failure)?;
        Ok(granted.into_iter().map(|area| area.address).collect())
    }

    fn put(&mut self, address: u64, bytes: &[u8]) -> Result<(), KernelError> {
        self.client.put(address, bytes).map_err(failure)
    }

    fn protect(&mut self, area: u64, protection: Protection) -> Result<(), KernelError> {
        let protection = match protection {
            Protection::ReadOnly => wire::Protection::ReadOnly,
            Protection::ReadExecute => wire::Protection::ReadExecute,
        };
        self.client.protect(area, protection).map_err(failure)
    }

    fn load(&mut self, load: &Load) -> Result<Loaded, KernelError> {
        let areas = load.areas.iter().map(|(address, kind)| {
            let after_init = match kind {
                Kind::InitText | Kind::InitRoData | Kind::InitData | Kind::Init => wire::AfterInit::Free,
                Kind::RoAfterInit => wire::AfterInit::ReadOnly,
                // This kernel has one processor: its copy of per-CPU data is the only one.
                Kind::Text | Kind::RoData | Kind::Data | Kind::PerCpu | Kind::Core => wire::AfterInit::Keep,
            };
            wire::LoadArea { address: *address, after_init }
        });
        let exports =
            load.exports.iter().map(|e| wire::Export { name: e.name.clone(), address: e.address, gpl: e.gpl });
        if let Some((_, bytes)) = load.params
            && bytes % PARAM != 0
        {
            return Err(KernelError::Refused(format!(
                "a parameter table of {bytes} bytes is not one of {PARAM} bytes each"
            )));
        }
        let loaded = self.client.load(&wire::Load {
            name: load.name.clone(),
            areas: areas.collect(),
            init: load.init,
            exit: load.exit,
            exports: exports.collect(),
            uses: load.uses.clone(),
            params: load.params.map(|(address, bytes)| wire::ParamTable { address, count: bytes / PARAM }),
            args: load.args.clone(),
        });
        let loaded = loaded.map_err(failure)?;
        Ok(Loaded { returned: loaded.returned, unknown_args: loaded.unknown_args })
    }

    fn call(&mut self, address: u64) -> Result<i32, KernelError> {
        self.client.call(address).map_err(failure)
    }

    fn remove(&mut self, name: &str) -> Result<(), KernelError> {
        self.client.remove(name).map_err(failure)
    }
}

fn export(e: wire::Export) -> Export {
    // This kernel has neither versions nor namespaces.
    Export { name: e.name, address: e.address, crc: None, gpl: e.gpl, namespace: String::new() }
}

fn module(m: wire::Module) -> Module {
    Module {
        name: m.name,
        live: m.state == wire::State::Live,
        areas: m.areas.iter().map(|area| (area.address, area.size)).collect(),
        // In this kernel, only modules use modules.
        use_count: Some(m.users.len() as u32),
        users: m.users,
        uses: m.uses,
        exports: m.exports.into_iter().map(export).collect(),
    }
}

fn failure(error: ClientError) -> KernelError {
    let refusal = match error {
        ClientError::Refused(refusal) => refusal,
        ClientError::KernelDied { during, report } => {
            let report = report.map(|report| relobox_core::text::decoded(report.as_bytes()));
            return KernelError::Died { during, report };
        }
        other => return KernelError::Unreachable(other.to_string()),
    };
    match refusal {
        SimError::InitFailed { errno, .. } => KernelError::Init { errno },
        SimError::BadArgument { argument, errno, .. } => KernelError::Argument { argument, errno },
        SimError::Exists { name } => KernelError::Exists { name },
        SimError::Unknown { name } => KernelError::Unknown { name },
        SimError::InUse { name, users } => KernelError::InUse { name, count: Some(users.len() as u32), users },
        SimError::Permanent { name } => KernelError::Permanent { name },
        SimError::NeedsMissing { needed, .. } => KernelError::Missing { needed },
        SimError::Stale { used, .. } => KernelError::Stale { used },
        SimError::NoSpace { size, .. } => KernelError::NoSpace { size },
        other => KernelError::Refused(other.to_string()),
    }
}
