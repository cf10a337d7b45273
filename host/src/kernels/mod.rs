//! The kernels that there are: a real one with relobox's device, a real one without, and a simulated one.

pub mod device;
mod errno;
pub mod linux;
mod log;
mod proc;
pub mod sim;
pub mod vet;
