//! The messages between a client and the kernel.
//!
//! Each request has one reply. Both are one message of a `SOCK_SEQPACKET` Unix socket: a version byte, a tag byte, and
//! the fields (see [`wire`](crate::wire)). A connection owns what it allocated, like an open file of a device.

use crate::sim_error::SimError;
use crate::wire::{Bytes, choice, record};

pub use crate::wire::VERSION;

record! {
    /// Memory that a client asks for.
    pub struct AreaRequest {
        /// The size in bytes, at least 1. It is rounded up to whole pages.
        pub size: u64,
        /// The alignment in bytes: a power of two.
        pub align: u64,
    }
}

record! {
    /// Memory that was granted, or that a module occupies.
    pub struct Area {
        /// The first address. It identifies the area in other requests.
        pub address: u64,
        /// The size in bytes: whole pages.
        pub size: u64,
        /// The current protection.
        pub protection: Protection,
    }
}

choice! {
    /// The protection of an area. It starts as `ReadWrite`, and can change once.
    #[derive(Copy)]
    pub enum Protection {
        /// Data. Only in this state can bytes be put.
        0 = ReadWrite,
        /// Constants.
        1 = ReadOnly,
        /// Code.
        2 = ReadExecute,
    }
}

choice! {
    /// What happens to an area after the module's init has succeeded.
    #[derive(Copy)]
    pub enum AfterInit {
        /// The area stays as it is.
        0 = Keep,
        /// The area is freed: init text and init data.
        1 = Free,
        /// The area becomes read-only: `.data..ro_after_init`.
        2 = ReadOnly,
    }
}

record! {
    /// An area that becomes part of a module.
    pub struct LoadArea {
        /// The address that the allocation returned.
        pub address: u64,
        /// What happens to it after init.
        pub after_init: AfterInit,
    }
}

record! {
    /// A symbol that other modules can use.
    pub struct Export {
        /// The symbol's name.
        pub name: String,
        /// The symbol's address.
        pub address: u64,
        /// True if only modules with a GPL-compatible licence may use it. The linker enforces this, not the kernel.
        pub gpl: bool,
    }
}

record! {
    /// The table of `struct kernel_param` of a module.
    pub struct ParamTable {
        /// The address of the first entry.
        pub address: u64,
        /// The number of entries.
        pub count: u64,
    }
}

record! {
    /// A description of the module that areas of a connection become.
    pub struct Load {
        /// The module's name.
        pub name: String,
        /// The areas of the module. The connection keeps all others.
        pub areas: Vec<LoadArea>,
        /// The address of the init function. A module without one is a library.
        pub init: Option<u64>,
        /// The address of the exit function. A module with init but without exit cannot be removed.
        pub exit: Option<u64>,
        /// The exports, which lie in areas of the module.
        pub exports: Vec<Export>,
        /// The names of the modules that it uses. They must be live; their use counts increase. A module that was
        /// loaded since this connection's last [`Listing`] is refused, because the addresses in that list may be wrong.
        pub uses: Vec<String>,
        /// The module's parameters.
        pub params: Option<ParamTable>,
        /// The values of parameters: `name=value`, separated by blanks.
        pub args: String,
    }
}

choice! {
    /// The state of a module. A single request loads or removes a module, so a client only ever sees `Live`. A kernel
    /// with several threads would show the other states as well.
    #[derive(Copy)]
    pub enum State {
        /// The module is registered; its init runs.
        0 = Coming,
        /// The module can be used.
        1 = Live,
        /// The module's exit runs.
        2 = Going,
    }
}

record! {
    /// A module in a [`Listing`].
    pub struct Module {
        /// The module's name.
        pub name: String,
        /// The module's state.
        pub state: State,
        /// The module's memory.
        pub areas: Vec<Area>,
        /// The names of the modules that use it. Their number is the use count.
        pub users: Vec<String>,
        /// The names of the modules that it uses.
        pub uses: Vec<String>,
        /// The module's exports.
        pub exports: Vec<Export>,
        /// The address of the init function, unless it was freed.
        pub init: Option<u64>,
        /// The address of the exit function.
        pub exit: Option<u64>,
    }
}

record! {
    /// The state of the kernel.
    pub struct Listing {
        /// The kernel's release.
        pub release: String,
        /// The `vermagic=` that a module must have.
        pub vermagic: String,
        /// The machine, as in `uname -m`.
        pub machine: String,
        /// Live modules, oldest first.
        pub modules: Vec<Module>,
        /// The exports of the kernel itself, sorted by name.
        pub exports: Vec<Export>,
        /// The lowest address that an area can have.
        pub arena_address: u64,
        /// The size in bytes of the range in which all areas lie.
        pub arena_size: u64,
        /// The total size in bytes of all areas, of modules and of connections.
        pub allocated: u64,
        /// The number of bytes that module code holds from kmalloc.
        pub heap: u64,
    }
}

record! {
    /// A line of the kernel's log.
    pub struct LogLine {
        /// The number of the line, from 0. A reader can tell from it how many lines it missed.
        pub number: u64,
        /// The level: 0 (emergency) to 7 (debug).
        pub level: u8,
        /// The text, without the line break.
        pub text: String,
    }
}

record! {
    /// The reply to a successful load.
    pub struct Loaded {
        /// The return value of init: 0, or a positive number, for which the kernel logs a warning.
        pub returned: i32,
        /// The arguments that named no parameter. As in Linux, they are logged and otherwise ignored.
        pub unknown_args: Vec<String>,
    }
}

choice! {
    /// The subject of a [`Request::Snapshot`].
    #[derive(Copy)]
    pub enum View {
        /// A [`Listing`].
        0 = Listing,
        /// The log: a vector of [`LogLine`].
        1 = Log,
    }
}

choice! {
    /// A request of a client.
    pub enum Request {
        /// Take a snapshot. It can be read in several pieces and stays consistent. The reply is `Length`.
        0 = Snapshot { /** Of what. */ view: View },
        /// Read the snapshot from an offset. The reply is `Contents`.
        1 = Read { /** Bytes to skip. */ offset: u64 },
        /// Allocate all of these areas or none. The reply is `Areas`.
        2 = Allocate { /** Which. */ areas: Vec<AreaRequest> },
        /// Put bytes into one writable area of the connection.
        3 = Put { /** Where. */ address: u64, /** What. */ bytes: Bytes },
        /// Change the protection of an area from read-write to another one.
        4 = Protect { /** The area. */ address: u64, /** What it becomes. */ protection: Protection },
        /// Call a function in an executable area of the connection. The reply is `Returned`.
        5 = Call { /** Where. */ address: u64 },
        /// Free an area.
        6 = Release { /** The area. */ address: u64 },
        /// Make a module of the connection's areas. The reply is `Loaded`.
        7 = Load { /** All of it. */ load: Load },
        /// Remove a module.
        8 = Remove { /** Its name. */ name: String },
        /// End the kernel and all modules.
        9 = PowerOff,
    }
}

choice! {
    /// A reply of the kernel.
    pub enum Reply {
        /// The request succeeded.
        0 = Done,
        /// The request failed. Nothing has changed unless the refusal says otherwise.
        1 = Refused { /** Why. */ refusal: SimError },
        /// The size of the snapshot in bytes.
        2 = Length { /** Bytes. */ length: u64 },
        /// A piece of the snapshot.
        3 = Contents { /** At most [`CHUNK`](crate::limits::CHUNK). */ bytes: Bytes },
        /// The allocated areas, in the order of the request.
        4 = Areas { /** Which. */ areas: Vec<Area> },
        /// The return value of the function.
        5 = Returned { /** Its result. */ value: i32 },
        /// The module is live.
        6 = Loaded { /** With what to say about it. */ loaded: Loaded },
        /// The kernel dies: its last message, which the signal handler writes.
        7 = Oops { /** What happened. */ report: String },
    }
}

/// The tag of [`Reply::Oops`]. The signal handler cannot use the encoder.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub(crate) const OOPS_TAG: u8 = 7;
