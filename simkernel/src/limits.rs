//! Every limit of the simulated kernel, each with its reason. A client that passes one gets
//! [`SimError::TooMany`](crate::SimError::TooMany) or, where even reading on would cost something, is disconnected.

/// Bytes of one message, in either direction. Two fit the default socket buffer (212,992 bytes with their
/// bookkeeping), so a reply to a client that reads never blocks the kernel.
pub const MESSAGE: usize = 64 * 1024;

/// Bytes of contents in one put or read message: a message less room for its header.
pub const CHUNK: usize = MESSAGE - 64;

/// Connections at once: a few dozen parallel insmods. Each costs a descriptor and at most a snapshot.
pub const CONNECTIONS: usize = 64;

/// Areas that one connection may hold: a module has one per protection and life time (text, rodata, data,
/// ro-after-init, init text, init data); loaders that keep one area per section need a few dozen.
pub const AREAS_PER_CONNECTION: usize = 128;

/// Bytes that one connection may hold: four times the largest module Debian ships (amdgpu, 19.5 MB).
pub const BYTES_PER_CONNECTION: u64 = 80 << 20;

/// Bytes of the arena that everything shares. It is reserved, not used: pages cost memory when they are touched.
/// MAP_32BIT finds addresses in a window of 1 GiB; a quarter of it is easily found.
pub const ARENA: u64 = 256 << 20;

/// The largest alignment of an area: a huge page on x86-64.
pub const ALIGN: u64 = 2 << 20;

/// Modules at once. Debian loads about 150 on a desktop.
pub const MODULES: usize = 512;

/// Bytes of a module's name: the kernel's MODULE_NAME_LEN (64 less a pointer), less the final NUL.
pub const MODULE_NAME: usize = 55;

/// Bytes of a symbol's name: the kernel's KSYM_NAME_LEN, less the final NUL.
pub const SYMBOL_NAME: usize = 511;

/// Exports of one module; drm, with about 1,300, has the most in Debian. What a message holds is a second limit.
pub const EXPORTS_PER_MODULE: usize = 2048;

/// Modules that one module may use directly.
pub const USES_PER_MODULE: usize = 64;

/// Bytes of a module's argument string: a page, as on the kernel's own command line.
pub const ARGS: usize = 4096;

/// Parameters of one module (bnx2x, with about 30, is among the largest).
pub const PARAMS_PER_MODULE: u64 = 256;

/// Bytes of the kernel's log; the oldest lines make room.
pub const LOG: usize = 256 * 1024;

/// Bytes of one formatted line: the kernel's own printk stops at 1,024 less a prefix; ours is a little kinder.
pub const LOG_LINE: usize = 2048;

/// Bytes that module code may hold by kmalloc and vmalloc together.
pub const HEAP: usize = 64 << 20;

/// Bytes of a C string handed over by module code: past this it is a missing NUL, not a string.
pub const C_STRING: usize = 1 << 20;

/// Seconds of processor time (not of wall-clock time) that one call into module code may take before it counts as
/// a lockup and the kernel dies of it.
pub const CALL_CPU_SECONDS: i64 = 10;

/// Bytes of address space of the process: the arena, the heap, snapshots, and the program itself.
pub const ADDRESS_SPACE: u64 = 1 << 30;

/// Bytes of the console file that an oops is written to.
pub const CONSOLE: u64 = 1 << 20;

/// Seconds that a client waits for the end of a kernel that has said its last words: it ends within milliseconds,
/// unless the machine is very busy.
pub const DYING: i64 = 5;
