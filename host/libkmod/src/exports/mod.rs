//! The functions of kmod's library, in the order of its header.

mod config;
mod contents;
mod context;
mod kernel;
mod lists;
mod modules;
