//! The plugin kit: made-up modules, the stages that link them, and what is proved of a plugin with them.
//!
//! Nothing here knows an architecture: what there is to prove comes from a plugin's own description.
#![warn(missing_docs)]

pub mod agree;
mod bits;
pub mod blame;
pub mod case;
mod check;
pub mod complaint;
pub mod cost;
mod describe;
mod destination;
mod edges;
mod encode;
pub mod fault_kinds;
pub mod field;
pub mod formula;
pub mod ground;
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
mod predict;
pub mod prediction;
mod properties;
pub mod prove;
pub mod prover;
pub mod reference_model;
mod reproducer;
pub mod run;
mod sample;
mod slots;
mod stub;
pub mod subject;
mod tables;
pub mod text;
mod value;
mod value_source;
mod vectors;

pub use case::{Case, Relocation, Section, Symbol};
pub use complaint::{Complaint, Wrong};
pub use ground::Ground;
pub use group::Group;
pub use indirection::RowCoverage;
pub use junit::junit;
pub use minimise::minimise;
pub use oracle::Oracle;
pub use prediction::Prediction;
pub use prove::{Proof, prove};
pub use prover::{Check, Failure, Wanted};
pub use reference_model::{Forms, ReferenceModel};
pub use reproducer::Reproducer;
pub use run::{Fault, Linked, Made, Outcome, Run, run};
pub use subject::Subject;
pub use text::{Expected, Recorded, Unreadable};
