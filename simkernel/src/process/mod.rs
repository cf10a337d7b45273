//! The process of the simulated kernel.

#[allow(unsafe_code, reason = "maps, protects and writes memory that module code lives in")]
mod arena;
#[allow(unsafe_code, reason = "calls module code, and catches its faults in a signal handler")]
mod call;
mod confine;
#[allow(unsafe_code, reason = "closes descriptors and sets the base of GS, for which there is no safe interface")]
mod descriptors;
#[allow(unsafe_code, reason = "implements C functions that work on raw pointers")]
mod exports;
mod kernel;
mod klog;
mod load;
mod params;
mod server;

pub(crate) use server::serve;
