//! Names of the exports. All parameters and results are `i32`.

/// The guest's only memory, exported.
pub const MEMORY: &str = "memory";
/// `() -> version`; see [`ABI_VERSION`](crate::ABI_VERSION). Every guest.
pub const ABI: &str = "relobox_abi";
/// `(bytes) -> at`: zeroed room, 16-aligned, that stays until the instance ends; 0 when there is none. Every guest.
pub const RESERVE: &str = "relobox_reserve";
/// `() -> *Description`. A plugin's account of itself; depends on nothing.
pub const DESCRIBE: &str = "relobox_describe";
/// `(*Job) -> *Plan`. Addresses and values are still zero.
pub const PLAN: &str = "relobox_plan";
/// `(*Job) -> *Applied`. Called once, after [`PLAN`], on the same job, with addresses and values filled in.
pub const APPLY: &str = "relobox_apply";
/// `(at, bytes, what) -> *Parsed`. The engine reads an ELF file; `what` is one of [`parse`](crate::parse).
pub const PARSE: &str = "relobox_parse";
/// `(*EmitJob) -> *Emitted`. The engine writes an ELF file. Called after [`PARSE`] on the same instance.
pub const EMIT: &str = "relobox_emit";
/// `(at, bytes, limit) -> *Unpacked`. The unpacker's one job.
pub const UNPACK: &str = "relobox_unpack";
