//! The commands that load modules into a kernel and take them out: what is privileged, and so knows no ELF file, no guest's code
//! and no compiler.
//!
//! | module | what it has |
//! |---|---|
//! | [`insmod`], [`modprobe`], [`call`], [`state`] | the commands |
//! | [`target`] | what the commands ask of a kernel |
//! | [`real`] | this machine's: its device, or its own loader; `relobox-linker` links |
//!
//! `relobox`, the workshop, has the same commands for a simulated kernel.
#![warn(missing_docs)]

pub mod call;
pub mod insmod;
pub mod modprobe;
pub mod real;
pub mod state;
pub mod target;
