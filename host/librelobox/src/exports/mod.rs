//! The functions of the library.

mod context;
mod modules;
mod results;
mod symbols;
