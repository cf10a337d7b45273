//! The conformance kit: tests relocation plugins against their own descriptions. It contains no knowledge of any
//! architecture.
//!
//! The modules, in the order of the data flow:
//!
//! 1. `test_module`, `fixture` and `test_case` make the input: a kernel module as records, or a `.case` file.
//! 2. `run` links it with the plugin, in the host's own stages.
//! 3. `reference_model` predicts the result from the description. `formula`, `value_source` and `value` compute the
//!    value; `encode`, `field` and `places` turn it into bytes; `predict` combines both into a `prediction`.
//! 4. `infer_tables`, `infer_range` and `tables` infer from a few links what the description leaves open.
//! 5. `indirection` and `slots` resolve fields that refer to table entries or stubs.
//! 6. `decode` reads fields, stubs and entries as the processor does, by the plugin's `decoding` rules, whose language
//!    is in `expression`.
//! 7. [`oracle`] compares the result with the prediction (`check`), with a second link (`metamorphic`, `cost`) or with
//!    a second plugin ([`agree`], `destination`, `stub`). It returns a `diagnostic`; [`blame`] attributes stray writes.
//! 8. The checks of each `group` derive modules from the rows: `describe`, `bits`, `vectors`, `edges`, `sample`,
//!    `pairs`, `decode_cases`, `properties`, `hostile`.
//! 9. `runner` applies oracles for a `plugin_under_test`; `minimise` and [`minimiser`] reduce what failed.
//! 10. `conformance` collects the report; `reproducer`, `junit` and [`junit_xml`] write it. [`html`] is for pages of
//!     other reports.
#![warn(missing_docs)]

pub mod agree;
mod bits;
pub mod blame;
mod check;
mod conformance;
mod cost;
mod decode;
mod decode_cases;
mod decoding;
mod describe;
mod destination;
mod diagnostic;
mod edges;
mod encode;
mod expression;
mod fault_kinds;
mod field;
mod fixture;
mod formula;
mod group;
mod hostile;
pub mod html;
mod indirection;
mod infer_range;
mod infer_tables;
mod junit;
pub mod junit_xml;
mod metamorphic;
mod minimise;
pub mod minimiser;
pub mod oracle;
mod pairs;
mod places;
mod plugin_under_test;
mod predict;
mod prediction;
mod properties;
mod reference_model;
mod reproducer;
mod run;
mod runner;
mod sample;
mod slots;
mod stub;
mod tables;
mod test_case;
mod test_module;
mod value;
mod value_source;
mod vectors;

pub use conformance::{ConformanceReport, run_checks};
pub use cost::Growth;
pub use diagnostic::{DiagnosticKind, PluginDiagnostic};
pub use fixture::Fixture;
pub use group::Group;
pub use indirection::RowCoverage;
pub use junit::junit;
pub use minimise::minimise;
pub use oracle::Oracle;
pub use plugin_under_test::PluginUnderTest;
pub use reference_model::{AddendForms, ReferenceModel};
pub use reproducer::Reproducer;
pub use run::{Fault, Linked, Made, Outcome, Run, run};
pub use runner::{Check, CheckFailure, Selection};
pub use test_case::{Expected, ParseError, TestCase};
pub use test_module::{Relocation, Section, Symbol, TestModule};
