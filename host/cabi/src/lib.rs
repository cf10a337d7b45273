//! What `libkmod.so.2` and `librelobox.so.1` share: the boundary to C, and how a program that knows nothing of it gets a
//! linking process.
//!
//! | module | what it has |
//! |---|---|
//! | [`boundary`] | text of C programs, panics, the library's own file |
//! | [`handles`] | what a program has instead of pointers to objects |
//! | [`errno`] | errors as numbers |
//! | [`spawn`] | starts the linking process, which is no child of the program |
#![warn(missing_docs)]

pub mod boundary;
pub mod errno;
pub mod handles;
pub mod spawn;
