//! Fuzzing of the engine, with whole files.
//!
//! An input is a file, as bytes. Those that can be taken apart are changed as files: a section, a symbol, an export more
//! (`model`, `edit`); then fields begin to lie (`fields`). What the engine says of a file is compared with the file
//! (`oracles`, which read ELF anew with `elf`), and what it writes with what it read.
//!
//! The unpacker is the other guest that takes files as they come; see `packed`.

mod check_error;
mod edit;
mod elf;
mod fields;
mod hex;
mod model;
mod mutate;
mod oracles;
mod seeds;
mod shrink;
mod target;
pub mod unpacker;

pub use target::EngineTarget;
