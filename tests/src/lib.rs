//! Integration tests of relobox, with oracles and generators.
//!
//! This crate tests relobox and therefore shares no code with it: it has the corpora of real modules, other linkers for
//! comparison, and the comparison with the memory of a running kernel. Only [`real`] calls relobox, to do the same as
//! the others.

pub mod arch;
pub mod corpus;
pub mod golden;
pub mod hostile;
pub mod imports;
pub mod kernel_memory;
pub mod kmod;
pub mod metamorphic;
pub mod module_builder;
pub mod module_spec;
pub mod mutants;
pub mod oracle;
pub mod pack;
pub mod parallel;
pub mod planted;
pub mod real;
pub mod snapshot;
