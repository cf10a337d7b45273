//! The plugin kit: made-up modules, the stages that link them, and what is proved of a plugin with them.
//!
//! Nothing here knows an architecture: what there is to prove comes from a plugin's own description.

pub mod agree;
mod bits;
pub mod blame;
pub mod case;
pub mod check;
pub mod cost;
mod describe;
mod destination;
pub mod field;
pub mod follow;
pub mod formula;
mod hostile;
pub mod judge;
mod junit;
pub mod kinds;
mod measure;
pub mod minimise;
pub mod oracle;
mod pairs;
pub mod places;
mod properties;
pub mod prove;
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

pub use case::{Case, Relocation, Section, Symbol};
pub use check::{Complaint, Wrong};
pub use follow::Seen;
pub use judge::{Forms, Judge, Verdict};
pub use junit::{escaped, junit};
pub use minimise::minimise;
pub use oracle::Oracle;
pub use prove::{Check, Failure, Group, Proof, Wanted, prove};
pub use reproducer::Reproducer;
pub use run::{Fault, Linked, Made, Outcome, Run, run};
pub use subject::Subject;
pub use text::{Expected, Recorded, Unreadable};
