//! The stages, in their order. Each one uses the results of the one before, and [`link`](crate::link) runs them.

pub mod apply;
pub mod confine;
pub mod emit;
pub mod layout;
pub mod open;
pub mod parse;
pub mod place;
pub mod plan;
pub mod resolve;
