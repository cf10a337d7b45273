//! Privilege separation: linking runs in a process without rights, and this crate is the privileged side.
//!
//! The privileged *parent* holds the kernel and the module's file, and parses neither. It starts a [`Linker`]: the
//! program `relobox-linker`, whose first process is the *zygote*. The zygote loads the guests, and then gives up its
//! user, capabilities, files, network and all but a few system calls. It forks a process for each job. That process
//! gives up the rest, links the module, and asks the parent for what only a kernel can do. The parent allows one list,
//! one allocation and one load, in this order. See `docs/isolation.md`.
//! `docs/isolation.md`.
//!
//! | module | what it has |
//! | [`wire`] | packets, memfds and buffers: how bytes get from one process to the other |
//! | [`message`] | the messages, and which of their fields are trusted |
//! | [`shown`] | the errors that a job reports: text for people |
//! | `linker` | [`Linker`]: starts the process and its jobs |
//! | [`indices`], `index_job` | the messages of the jobs of depmod and modinfo, and the parent's side |
//! | `signed` | the jobs that unpack a module and judge its signature, before it is linked |
//! | `name` | names as bytes |
//! | `process` | the started process: how it begins and ends |
//! | `serve` | one job: checks each request, and then carries it out |
//! | `prove` | tries from inside a linking process what it must not be able to do |
//! | `prove` | what a linking process can do, tried from inside it |
#![warn(missing_docs)]

mod index_job;
pub mod indices;
mod linker;
pub mod message;
mod name;
mod process;
mod prove;
mod serve;
pub mod shown;
mod signed;
pub mod wire;

pub use index_job::IndexJob;
pub use linker::{Linker, Options};
pub use message::{ARGUMENT, Tried};
pub use process::{Process, Start};
pub use prove::{ATTEMPTS, prove};
pub use signed::{Checked, keys_form};
