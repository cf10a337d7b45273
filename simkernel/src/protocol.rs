//! What a client and the kernel say to each other.
//!
//! One request, one reply, each one message of a `SOCK_SEQPACKET` Unix socket: a version byte, a tag byte, the
//! fields. The shape is a device's: a connection owns what it allocated, as an open file of a device would.

use crate::sim_error::SimError;
use crate::wire::{Bytes, choice, record};

pub use crate::wire::VERSION;

record! {
    /// Space that a client asks for.
    pub struct AreaRequest {
        /// Bytes, at least one; rounded up to whole pages.
        pub size: u64,
        /// A power of two.
        pub align: u64,
    }
}

record! {
    /// Space that was granted, or that a module occupies.
    pub struct Area {
        /// Its first address, which is also its name in other requests.
        pub address: u64,
        /// Bytes, in whole pages.
        pub size: u64,
        /// What may be done with it now.
        pub protection: Protection,
    }
}

choice! {
    /// What may be done with an area. It starts as `ReadWrite` and changes once, never back.
    #[derive(Copy)]
    pub enum Protection {
        /// Data; the only state in which bytes can be put.
        0 = ReadWrite,
        /// Constants.
        1 = ReadOnly,
        /// Code.
        2 = ReadExecute,
    }
}

choice! {
    /// What becomes of an area when the module's init has succeeded.
    #[derive(Copy)]
    pub enum AfterInit {
        /// It stays as it is.
        0 = Keep,
        /// It is freed: init text and init data.
        1 = Free,
        /// It becomes read-only: `.data..ro_after_init`.
        2 = ReadOnly,
    }
}

record! {
    /// One of a module's areas, as handed over by [`Load`].
    pub struct LoadArea {
        /// The address that allocate returned.
        pub address: u64,
        /// What becomes of it.
        pub after_init: AfterInit,
    }
}

record! {
    /// A symbol that others may use.
    pub struct Export {
        /// Its name.
        pub name: String,
        /// Its address.
        pub address: u64,
        /// Only for modules with a GPL-compatible licence. The kernel reports this, the linker enforces it.
        pub gpl: bool,
    }
}

record! {
    /// A module's table of `struct kernel_param`.
    pub struct ParamTable {
        /// Where its first entry is.
        pub address: u64,
        /// How many entries it has.
        pub count: u64,
    }
}

record! {
    /// Everything that makes the areas of a connection a module.
    pub struct Load {
        /// The module's name.
        pub name: String,
        /// Areas that become the module's; the others stay with the connection.
        pub areas: Vec<LoadArea>,
        /// The init function; a module without one is a library.
        pub init: Option<u64>,
        /// The exit function; a module with init and without exit can never be removed.
        pub exit: Option<u64>,
        /// What it exports, in its own areas.
        pub exports: Vec<Export>,
        /// Names of the modules it uses. They must be live, and their use counts go up. One that somebody else has
        /// loaded since this connection's last [`Listing`] is refused: its addresses may not be those listed.
        pub uses: Vec<String>,
        /// Its parameters.
        pub params: Option<ParamTable>,
        /// Its arguments, `name=value` separated by blanks.
        pub args: String,
    }
}

choice! {
    /// Where a module is in its life. One request takes it from nothing to live or from live to nothing, so a client
    /// only ever sees `Live` here; a kernel with more than one thread would show the others too.
    #[derive(Copy)]
    pub enum State {
        /// Registered; its init runs.
        0 = Coming,
        /// It can be used.
        1 = Live,
        /// Its exit runs.
        2 = Going,
    }
}

record! {
    /// A module as listed.
    pub struct Module {
        /// Its name.
        pub name: String,
        /// Where it is in its life.
        pub state: State,
        /// Where it is in memory.
        pub areas: Vec<Area>,
        /// Names of the modules that use it; their number is its use count.
        pub users: Vec<String>,
        /// Names of the modules it uses.
        pub uses: Vec<String>,
        /// What it exports.
        pub exports: Vec<Export>,
        /// Its init function, if it still exists.
        pub init: Option<u64>,
        /// Its exit function.
        pub exit: Option<u64>,
    }
}

record! {
    /// Everything there is.
    pub struct Listing {
        /// The kernel's release.
        pub release: String,
        /// What a module's `vermagic=` must say.
        pub vermagic: String,
        /// The machine whose code it runs.
        pub machine: String,
        /// Live modules, oldest first.
        pub modules: Vec<Module>,
        /// The kernel's own exports, by name.
        pub exports: Vec<Export>,
        /// The lowest address an area can have.
        pub arena_address: u64,
        /// Bytes from there in which all areas lie.
        pub arena_size: u64,
        /// Bytes of all areas, whether of modules or of connections.
        pub allocated: u64,
        /// Bytes that module code holds by kmalloc.
        pub heap: u64,
    }
}

record! {
    /// A line of the kernel's log.
    pub struct LogLine {
        /// Counts up from 0, so that a reader sees what it missed.
        pub number: u64,
        /// 0 (emergency) to 7 (debug).
        pub level: u8,
        /// The text, without the line's end.
        pub text: String,
    }
}

record! {
    /// What a successful load says.
    pub struct Loaded {
        /// What init returned: 0, or a positive number that the kernel warns about.
        pub returned: i32,
        /// Arguments that named no parameter. As in the kernel, they are logged and otherwise ignored.
        pub unknown_args: Vec<String>,
    }
}

choice! {
    /// What [`Request::Snapshot`] takes a picture of.
    #[derive(Copy)]
    pub enum View {
        /// A [`Listing`].
        0 = Listing,
        /// The log: a vector of [`LogLine`].
        1 = Log,
    }
}

choice! {
    /// What a client asks.
    pub enum Request {
        /// Take a picture, to be read piece by piece and yet consistent. Answered by `Length`.
        0 = Snapshot { /** Of what. */ view: View },
        /// Read the picture from an offset. Answered by `Contents`.
        1 = Read { /** Bytes to skip. */ offset: u64 },
        /// Allocate: all of these areas or none. Answered by `Areas`.
        2 = Allocate { /** Which. */ areas: Vec<AreaRequest> },
        /// Put bytes. They must lie in one area that is the connection's own and writable.
        3 = Put { /** Where. */ address: u64, /** What. */ bytes: Bytes },
        /// Change an area from read-write to something else.
        4 = Protect { /** The area. */ address: u64, /** What it becomes. */ protection: Protection },
        /// Call a function in an executable area of the connection's own. Answered by `Returned`.
        5 = Call { /** Where. */ address: u64 },
        /// Give an area back.
        6 = Release { /** The area. */ address: u64 },
        /// Make a module of the connection's areas. Answered by `Loaded`.
        7 = Load { /** All of it. */ load: Load },
        /// Remove a module.
        8 = Remove { /** Its name. */ name: String },
        /// End the kernel, and every module with it.
        9 = PowerOff,
    }
}

choice! {
    /// What the kernel answers.
    pub enum Reply {
        /// Done.
        0 = Done,
        /// Not done, and nothing changed unless the refusal says so.
        1 = Refused { /** Why. */ refusal: SimError },
        /// The size of the snapshot.
        2 = Length { /** Bytes. */ length: u64 },
        /// A piece of the snapshot.
        3 = Contents { /** At most [`CHUNK`](crate::limits::CHUNK). */ bytes: Bytes },
        /// What was allocated, in the order asked for.
        4 = Areas { /** Which. */ areas: Vec<Area> },
        /// What the function returned.
        5 = Returned { /** Its result. */ value: i32 },
        /// The module is live.
        6 = Loaded { /** With what to say about it. */ loaded: Loaded },
        /// The kernel dies: the last message there is. Written by the signal handler.
        7 = Oops { /** What happened. */ report: String },
    }
}

/// The tag of [`Reply::Oops`], for the signal handler, which cannot use the encoder.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub(crate) const OOPS_TAG: u8 = 7;
