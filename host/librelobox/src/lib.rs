//! librelobox.so.1: programs in C, and in languages that can call C, link kernel modules with it. See docs/librelobox.md.
//!
//! Every module and every symbol file is read by another process, `relobox-linker`, which has no rights. This library
//! parses neither; it asks [questions](relobox_questions).
//!
//! | module | what it has |
//! |---|---|
//! | `exports`, `types` | the functions and types of the C interface, from which the header is made |
//! | `pointers`, `objects`, `elements`, `report` | the boundary: memory of programs, handles, errors |
//! | `context` | settings, and the linking process |
//! | `symbols`, `module` | what a program gives |
//! | `info`, `image`, `loaded`, `plugins` | what it gets |

mod context;
mod elements;
mod exports;
mod image;
mod info;
mod loaded;
mod module;
mod objects;
mod plugins;
mod pointers;
mod report;
mod symbols;
mod types;
