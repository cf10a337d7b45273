//! Fuzz targets for the guests that take whole files: the engine and the unpacker.
//!
//! An input is a file. `model` parses it into sections, `edit` changes it structurally, and `fields` then damages it in
//! place. `oracles` compare the answers of the engine with the file, which they parse again with `elf`, and the files
//! that it writes with the file that it read. [`unpacker`] does the same for packed files.

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
