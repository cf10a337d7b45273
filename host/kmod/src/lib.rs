//! The commands that load modules into a kernel and remove them. This is the privileged part: it does not parse ELF,
//! runs no guest, and contains no compiler.
//!
//! | module | contents |
//! |---|---|
//! | [`insmod`], [`modprobe`], [`call`], [`state`] | the commands |
//! | [`target`] | the operations on a kernel that the commands need |
//! | [`real`] | the kernel of this machine; `relobox-linker` links for it |
//!
//! `relobox`, the workshop, has the same commands for a simulated kernel.
#![warn(missing_docs)]

pub mod call;
pub mod insmod;
pub mod modprobe;
pub mod real;
pub mod state;
pub mod target;
