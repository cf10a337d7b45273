//! The plugin kit: made-up modules, the stages that link them, and what is proved of a plugin with them.
//!
//! Nothing here knows an architecture: what there is to prove comes from a plugin's own description.

pub mod case;
pub mod check;
pub mod field;
pub mod formula;
pub mod judge;
pub mod minimise;
pub mod places;
pub mod run;
pub mod subject;
pub mod text;

pub use case::{Case, Relocation, Section, Symbol};
pub use check::{Complaint, Wrong};
pub use judge::{Forms, Judge, Verdict};
pub use minimise::minimise;
pub use run::{Fault, Linked, Made, Outcome, Run, run};
pub use subject::Subject;
pub use text::{Expected, Recorded, Unreadable};
