//! The commands that load modules into a kernel and remove them. This is the privileged part: it does not parse ELF,
//! runs no guest, and contains no compiler.
//!
//! | module | contents |
//! |---|---|
//! | [`insmod`], [`modprobe`], [`call`], [`state`], [`strict`] | the commands |
//! | [`depmod`], [`modinfo`] | kmod's commands that only read modules |
//! | `indexing`, `tree` | what these two need: the linking process, the files of a tree |
//! | [`kmod`] | modprobe, insmod, rmmod and lsmod with the command lines and the output of kmod's |
//! | [`signatures`] | what is done about signatures before a link |
//! | [`target`] | the operations on a kernel that the commands need |
//! | [`real`] | the kernel of this machine; `relobox-linker` links for it |
//! | `strict_setting` | whether this machine is strict |
//! | `trail` | one record in the system's log for each load and each refusal |
//!
//! `relobox`, the workshop, has the same commands for a simulated kernel.
#![warn(missing_docs)]

pub mod call;
pub mod contents;
pub mod depmod;
mod indexing;
pub mod insmod;
pub mod kmod;
pub mod modinfo;
pub mod modprobe;
pub mod real;
mod session;
pub mod signatures;
pub mod state;
pub mod strict;
mod strict_setting;
pub mod target;
mod trail;
mod tree;
