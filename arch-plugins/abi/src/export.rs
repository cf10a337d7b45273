//! The names of the exports. All parameters and results are `i32`.

/// The guest's only memory.
pub const MEMORY: &str = "memory";
/// `() -> version`; see [`ABI_VERSION`](crate::ABI_VERSION). Every guest has it.
pub const ABI: &str = "relobox_abi";
/// `(bytes) -> at`: reserves zeroed memory, aligned to 16, until the instance ends. Returns 0 if there is none left.
/// Every guest has it.
pub const RESERVE: &str = "relobox_reserve";
/// `() -> *Description`: returns a plugin's description. It depends on nothing.
pub const DESCRIBE: &str = "relobox_describe";
/// `(*Job) -> *Plan`: returns what a plugin needs. Addresses and values are still zero.
pub const PLAN: &str = "relobox_plan";
/// `(*Job) -> *Applied`: applies the relocations. It is called once, after [`PLAN`], on the same job, with addresses
/// and values filled in.
pub const APPLY: &str = "relobox_apply";
/// `(at, bytes, what) -> *Parsed`: the engine reads an ELF file. `what` is one of [`parse`](crate::parse).
pub const PARSE: &str = "relobox_parse";
/// `(at, bytes, what) -> *Indexed`: the engine reads from pieces of a file what an index needs. The first call has the
/// length of the file as `bytes`, and no piece; every later one has the pieces that the answer before wanted. `what` is
/// one of [`index`](crate::index).
pub const INDEX: &str = "relobox_index";
/// `(*EmitJob) -> *Emitted`: the engine writes an ELF file. It is called after [`PARSE`] on the same instance.
pub const EMIT: &str = "relobox_emit";
/// `(at, bytes, limit) -> *Unpacked`: the unpacker decompresses a file to at most `limit` bytes.
pub const UNPACK: &str = "relobox_unpack";
