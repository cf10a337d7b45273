//! Which guests there are: those that are built in, and plugins in files; which of them are meant, and which are pinned.
//!
//! No guest is compiled or run here. What a plugin says of itself without being run is in its section of machines ([`index`]).
#![warn(missing_docs)]

pub mod compiled;
pub mod index;
pub mod pins;
pub mod plugin_file;
pub mod registry;

pub use relobox_guests::section;
