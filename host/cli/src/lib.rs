//! What the command lines of the programs share: options that several commands have, and everything that is printed.
#![warn(missing_docs)]

pub mod args;
pub mod output;
