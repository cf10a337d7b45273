//! The kernels that there are: a real one with relobox's device, a real one without, and a simulated one.
//!
//! Each implements the trait [`Kernel`](relobox_core::kernel::Kernel).
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
