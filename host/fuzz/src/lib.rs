//! Fuzzing of guests: coverage without their source, mutators that know the records, oracles that know the contract.
//!
//! [`instrument`] rewrites a guest so that it counts; a [`target::FuzzTarget`] runs it with one kind of input and says
//! what looks wrong; [`driver`] has LibAFL choose the inputs; [`findings`] confirms on the original guest, makes small
//! and keeps.
#![warn(missing_docs)]

pub mod corpus;
pub mod driver;
pub mod engine;
pub mod findings;
pub mod fuel;
pub mod instrument;
pub mod jobs;
pub mod mutate;
pub mod oracle;
pub mod plugin;
pub mod report;
pub mod seeds;
pub mod target;
mod types;

/// What the engine and the unpacker are given: the bytes of a file.
pub use libafl::inputs::BytesInput;
