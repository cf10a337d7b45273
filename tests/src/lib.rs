//! Integration tests, oracles and generators of relobox.
//!
//! SymbolKind is here judges relobox and so shares no code with it: the corpora of real modules, the linkers
//! that serve as a second opinion, and the comparison with a running kernel's memory. Only [`real`] knows
//! relobox: it makes it do what the others do.

pub mod corpus;
pub mod golden;
pub mod hostile;
pub mod imports;
pub mod kernel_memory;
pub mod metamorphic;
pub mod module_builder;
pub mod module_spec;
pub mod oracle;
pub mod pack;
pub mod planted;
pub mod real;
pub mod snapshot;
