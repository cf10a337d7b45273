//! A simulated kernel: a process with the three primitives that Roman Zippel proposed in 2002.
//!
//! A client can *list* the modules and exports, *allocate* memory, and *put* bytes there and *call* them. Two more
//! requests turn areas into a module (load: init runs, then the module is live, or nothing of it is left) and remove
//! it. Module code really runs, in a process that gave up the rights that it does not need before its first client
//! came.
//!
//! ```text
//! Client ──one message──> socket ──> process::server  (poll, ownership by connection)
//!                                     └─ kernel       (requests: what is allowed, what changes)
//!                                         ├─ arena    (memory in the low 2 GiB, writable or executable)
//!                                         ├─ load     (COMING, init, live; or nothing)
//!                                         ├─ params   (parse_args with the module's own table)
//!                                         └─ call     (calls module code; a signal handler reports an oops)
//! ```
//!
//! **A crash in module code kills the kernel**, as it can kill a real one. The kernel writes a line to its console
//! (standard error), sends a last message to the client whose request it was, and closes all connections. The client
//! reports this as [`ClientError::KernelDied`]. The next [`start()`] begins without modules, like a reboot.
//!
//! **Trust.** Clients are not trusted: the kernel checks every address, size, count and name against what the
//! connection owns. Module code is trusted like the kernel's own. Only the confinement of the process restricts it.
//!
//! ```standalone_crate
//! use relobox_simkernel::protocol::AreaRequest;
//!
//! // `start` runs a program that serves the kernel. Here it is this example itself.
//! if std::env::args().any(|argument| argument == "--serve") {
//!     return Ok(relobox_simkernel::serve_stdin()?);
//! }
//! let directory = std::env::temp_dir().join(format!("relobox-simkernel-{}", std::process::id()));
//! let socket = directory.join("kernel.socket");
//! let mut kernel = relobox_simkernel::start(&std::env::current_exe()?, &["--serve".into()], &socket)?;
//! let areas = kernel.allocate(&[AreaRequest { size: 100, align: 16 }])?;
//! assert_eq!(areas[0].size, 4096);
//! kernel.put(areas[0].address, b"data")?;
//! kernel.power_off()?;
//! # std::fs::remove_dir_all(directory)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod limits;
pub mod protocol;
pub mod samples;
mod sim_error;
pub mod wire;

mod client;
mod error;
mod release;
mod serve;
mod start;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod process;

pub use client::{Client, ClientError};
pub use error::ServeError;
pub use release::{RELEASE, VERMAGIC};
pub use serve::{serve, serve_stdin};
pub use sim_error::SimError;
pub use start::{bind, spawn, start};
