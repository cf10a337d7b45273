//! The plugin kit: made-up modules, the stages that link them, and what is proved of a plugin with them.
//!
//! Nothing here knows an architecture: what there is to prove comes from a plugin's own description.

pub mod case;
pub mod run;
pub mod text;

pub use case::{Case, Relocation, Section, Symbol};
pub use run::{Fault, Linked, Made, Outcome, Run, run};
pub use text::{Expected, Recorded, Unreadable};
