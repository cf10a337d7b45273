//! The plugin kit: made-up modules, the stages that link them, and what is proved of a plugin with them.
//!
//! Nothing here knows an architecture: what there is to prove comes from a plugin's own description.
#![warn(missing_docs)]

pub mod agree;
mod bits;
pub mod blame;
mod check;
pub mod conformance;
pub mod cost;
mod describe;
mod destination;
pub mod diagnostic;
mod edges;
mod encode;
pub mod fault_kinds;
pub mod field;
pub mod fixture;
pub mod formula;
pub mod group;
mod hostile;
pub mod indirection;
mod infer_range;
mod infer_tables;
mod junit;
pub mod junit_xml;
mod metamorphic;
pub mod minimise;
pub mod minimiser;
pub mod oracle;
mod pairs;
pub mod places;
pub mod plugin_under_test;
mod predict;
pub mod prediction;
mod properties;
pub mod reference_model;
mod reproducer;
pub mod run;
pub mod runner;
mod sample;
mod slots;
mod stub;
mod tables;
pub mod test_case;
pub mod test_module;
mod value;
mod value_source;
mod vectors;

pub use conformance::{ConformanceReport, run_checks};
pub use diagnostic::{Diagnostic, DiagnosticKind};
pub use fixture::Fixture;
pub use group::Group;
pub use indirection::RowCoverage;
pub use junit::junit;
pub use minimise::minimise;
pub use oracle::Oracle;
pub use plugin_under_test::PluginUnderTest;
pub use prediction::Prediction;
pub use reference_model::{AddendForms, ReferenceModel};
pub use reproducer::Reproducer;
pub use run::{Fault, Linked, Made, Outcome, Run, run};
pub use runner::{Check, CheckFailure, Selection};
pub use test_case::{Expected, ParseError, TestCase};
pub use test_module::{Relocation, Section, Symbol, TestModule};

/// The name under which `relobox link --cross-check` uses [`TestModule`].
pub type Case = TestModule;
