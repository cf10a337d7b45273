//! The kernels that relobox can load modules into. Each is a [`Kernel`](relobox_core::kernel::Kernel).
//!
//! | module | kernel |
//! |---|---|
//! | [`device`] | a real kernel with relobox's device: relobox relocates the module |
//! | [`vet`] | any real kernel: relobox links the module as a check, and the kernel loads the original file |
//! | `sim` | the simulated kernel, with the feature `sim` |
#![warn(missing_docs)]

pub mod device;
mod errno;
pub mod kallsyms;
pub mod linux;
mod log;
mod proc;
#[cfg(feature = "sim")]
pub mod sim;
pub mod vet;
