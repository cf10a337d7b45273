//! libkmod.so.2: the library through which udev, systemd-modules-load and programs that build initial ramdisks load
//! modules, with relobox behind it. See docs/libkmod.md.
//!
//! | module | what it has |
//! |---|---|
//! | `exports` | kmod's functions |
//! | `c`, `log` | the boundary: arguments, errors, messages; objects are handles of relobox-cabi |
//! | `context`, `settings`, `index`, `stamp` | a context: its configuration, its indices, and whether they changed |
//! | `module`, `list`, `lookup`, `names` | modules, lists of them, and how they are found |
//! | `kernel_view` | what /sys and /proc say |
//! | `probe`, `loading` | which modules are loaded; loading them |
//! | `parsed` | what is in a module's file |

use relobox_cabi::{errno, handles};

mod c;
mod context;
mod exports;
mod index;
mod kernel_view;
mod list;
mod loading;
mod log;
mod lookup;
mod module;
mod names;
mod parsed;
mod probe;
mod settings;
mod stamp;
