//! modprobe, insmod, rmmod and lsmod as kmod 34's are called, and with their output and exit codes: this program under
//! their names. They do what the commands of relobox do; only the command line and the output differ (docs/modprobe.md).
//!
//! | file | contents |
//! |---|---|
//! | `options` | the command line, as getopt_long(3) reads it |
//! | `program` | what the commands share: general options, messages, the kernel |
//! | `reason` | the error number of kmod's messages for an error of relobox |
//! | `modprobe`, `insmod`, `rmmod`, `lsmod` | a command each |

mod insmod;
mod lsmod;
mod modprobe;
pub(crate) mod options;
pub(crate) mod program;
mod reason;
mod rmmod;

use std::process::ExitCode;

/// The commands. Each takes its arguments, without its name.
pub const COMMANDS: [(&str, fn(Vec<String>) -> ExitCode); 6] = [
    ("depmod", crate::depmod::run),
    ("modinfo", crate::modinfo::run),
    (modprobe::PROGRAM.name, modprobe::run),
    (insmod::PROGRAM.name, insmod::run),
    (rmmod::PROGRAM.name, rmmod::run),
    (lsmod::PROGRAM.name, lsmod::run),
];
