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
pub mod field;
pub mod follow;
pub mod formula;
pub mod ground;
pub mod group;
mod hostile;
pub mod judge;
mod junit;
pub mod junit_xml;
pub mod kinds;
mod learn;
mod meaning;
mod measure;
pub mod minimise;
pub mod minimiser;
pub mod oracle;
mod pairs;
pub mod places;
mod predict;
mod properties;
pub mod prove;
pub mod prover;
mod relations;
mod reproducer;
pub mod run;
mod sample;
mod settle;
mod slots;
mod stub;
pub mod subject;
mod tables;
pub mod text;
mod value;
mod vectors;
pub mod verdict;

pub use case::{Case, Relocation, Section, Symbol};
pub use complaint::{Complaint, Wrong};
pub use follow::Seen;
pub use ground::Ground;
pub use group::Group;
pub use judge::{Forms, Judge};
pub use junit::junit;
pub use minimise::minimise;
pub use oracle::Oracle;
pub use prove::{Proof, prove};
pub use prover::{Check, Failure, Wanted};
pub use reproducer::Reproducer;
pub use run::{Fault, Linked, Made, Outcome, Run, run};
pub use subject::Subject;
pub use text::{Expected, Recorded, Unreadable};
pub use verdict::Verdict;
