//! The parts of the command lines that the programs share: options of several commands, and all output.
#![warn(missing_docs)]

pub mod args;
pub mod help;
pub mod output;
