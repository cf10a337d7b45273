//! The fuzzer for guests: coverage by instrumentation of the Wasm, mutators that know the records, and oracles that
//! know the contract.
//!
//! The modules, in the order of the data flow:
//!
//! 1. [`instrument`](mod@instrument) rewrites a guest to count edges.
//! 2. [`target`] defines [`target::FuzzTarget`]; [`plugin`] and [`engine`] implement it for plugins, the engine and the
//!    unpacker.
//! 3. [`seeds`] and [`corpus`] provide the first inputs.
//! 4. [`driver`] runs a campaign with LibAFL: it schedules inputs, calls [`mutate`](mod@mutate) through the target, and
//!    keeps inputs with new coverage. [`jobs`] runs several campaigns that exchange inputs.
//! 5. [`oracle`] and [`fuel`] check the outcome of each execution and return a [`target::Suspicion`].
//! 6. [`findings`] reproduces suspicions on the original guest, and minimises, deduplicates and stores them.
//! 7. [`report`] writes findings as SARIF and JUnit XML, and [`coverage`] a page of what was reached.
#![warn(missing_docs)]

pub mod command;
pub mod corpus;
pub mod coverage;
pub mod driver;
pub mod engine;
pub mod findings;
pub mod fuel;
pub mod instrument;
pub mod jobs;
mod marks;
pub mod mutate;
mod names;
pub mod oracle;
pub mod plugin;
pub mod report;
pub mod seeds;
pub mod target;
mod types;

/// The input of the engine and the unpacker: the bytes of a file.
pub use libafl::inputs::BytesInput;
