//! How much is too much, in one place, each with its reason.

/// Bytes of a module file. The largest of any distribution is 20 MB, 60 MB with debug information.
pub const FILE: u64 = 512 << 20;

/// Bytes that a packed module may unpack to.
pub const UNPACKED: u64 = 512 << 20;

/// Alignment of a section in memory: a large page. The engine refuses more, and it may lie.
pub const ALIGN: u64 = 2 << 20;

/// Bytes of a guest's Wasm. The largest shipped one is under 200 KB, and compiling takes time.
pub const GUEST: usize = 4 << 20;

/// Bytes of all functions of a guest. The unpacker, the largest, has 104 KB; what an unoptimised build makes, 670 KB.
pub const CODE: u64 = 768 << 10;

/// Bytes of one function: allocating registers takes more than linear time. Our largest, all of a psABI inlined into one
/// loop, has 55 KB.
pub const FUNCTION: u64 = 128 << 10;

/// Functions, types, globals, exports, segments or custom sections of a guest: a function, and a type, costs more to
/// compile than its first hundred bytes. Ours have 80 at most; unoptimised, 3,100.
pub const ENTRIES: u64 = 5000;

/// Bytes of all element segments: an entry takes one at least, and the compiler may make code for each.
pub const ELEMENTS: u64 = 16 << 10;

/// Parameters of a function: many functions may share a type. Ours have 12 at most.
pub const PARAMETERS: u64 = 100;

/// Locals of a function, parameters included: three bytes declare as many as one likes. Ours have 80, unoptimised 4,600.
pub const LOCALS: u64 = 5000;

/// Blocks inside each other. Ours have 164, unoptimised 365.
pub const DEPTH: u64 = 1000;

/// Loops inside each other: 200 of them, around as many locals, take the compiler two seconds, and 1,000 more than a minute.
pub const LOOPS: u64 = 32;

/// Targets of all br_tables of a guest. Ours have 2,200.
pub const TARGETS: u64 = 10_000;

/// Blocks and branches of one function: what costs more than linear time counts these. Ours have 3,700; unoptimised, 6,000.
pub const PLACES: u64 = 10_000;

/// Blocks and branches of a guest. Ours have 5,700; unoptimised, 17,000.
pub const ALL_PLACES: u64 = 30_000;

/// For each block and branch, the square of the locals and other values that may be live there, summed up: the compiler
/// may have to move all of them at once, and puts the moves in order by comparing each with each. Ours have 20 million.
pub const MOVES: u64 = 200_000_000;

/// Bytes of a pin file: a thousand pins of 200 characters.
pub const PINS: u64 = 200 << 10;

/// Characters of a name that are compared when a near miss is looked for: that takes the square of it.
pub const NAME_COMPARED: usize = 64;

/// Digits of a plugin's digest that name it: nobody makes a second one with the same twelve by accident.
pub const DIGITS: usize = 12;

/// Bytes of compiled code that are kept. All that is built in takes 1 MB, and a guest that is admitted 30 MB at most.
pub const CACHE: u64 = 256 << 20;

/// Seconds that compiled code is kept without being used, 30 days: it is of another version or processor, or of a plugin
/// that nobody has any more; who does has it again in a second.
pub const CACHE_AGE: u64 = 30 * 24 * 3600;

/// Seconds after which the use of compiled code is noted again, a day: reading is to write no more than that.
pub const CACHE_NOTED: u64 = 24 * 3600;

/// Links that lead to a descriptor, one behind the other: /dev/stdout is two of them.
pub const LINKS: usize = 8;

/// Bytes of a symbol file. /proc/kallsyms of a large kernel is 15 MB.
pub const SYMBOLS: u64 = 256 << 20;

/// Symbols of data at 0 that are believed, where per-CPU data begins there: its boundary, its first variable, and their
/// aliases. More of them are hidden addresses.
pub const PER_CPU_AT_ZERO: usize = 16;

/// Bytes of a file of sections' addresses. A module with debug information has some hundred sections; one compiled with
/// a section for each function, 30,000.
pub const SECTIONS: u64 = 16 << 20;

/// Bytes of a file in /sys/module/NAME/sections: an address.
pub const SECTION_ADDRESS: u64 = 100;

/// Bytes of /proc/sys/kernel/random/boot_id, a UUID.
pub const BOOT_ID: u64 = 100;

/// Bytes of /proc/modules: a line of some hundred bytes, and users, for each of some thousand modules.
pub const PROC_MODULES: u64 = 16 << 20;

/// Bytes of a module that the demonstration compiled.
pub const SAMPLE: u64 = 16 << 20;

/// Bytes of one of depmod's files. The largest of any distribution, modules.alias, has 2 MB.
pub const MODPROBE_INDEX: u64 = 64 << 20;

/// Bytes of a configuration file of modprobe's, and of the kernel's command line.
pub const MODPROBE_CONFIG: u64 = 4 << 20;

/// Modules that depend on each other in a row. Real chains have some ten; the host recurses along them.
pub const MODPROBE_DEPTH: usize = 500;

/// Modules that a module may say it depends on, each of which is looked for. Real ones name some twenty.
pub const MODPROBE_DEPENDS: usize = 1000;

/// Seconds to wait for a module that somebody else is loading. An init that probes hardware takes some of them.
pub const MODPROBE_WAIT: u64 = 30;

/// Bytes of a state: 300 modules, each with a record of 1 KB and a hundred exports of as many bytes, are 3 MB.
pub const STATE: u64 = 64 << 20;

/// Words for the device's first answer to LIST: a module asks for some hundred symbols. It says if that is too little.
pub const LISTING: usize = 16 << 10;

/// Bytes of any one linear memory: below the 4 GiB that a Wasm address spans, so that guard pages
/// catch every stray access without a comparison.
pub const MEMORY: usize = 3 << 30;

/// Bytes of native stack that a guest's code may use. Guests do not recurse on their input.
pub const STACK: usize = 256 << 10;

/// Linear memories that exist at once: two or three for each linking thread, 16 threads.
pub const MEMORIES: u32 = 48;

/// Bytes of each memory slot that stay resident between jobs. Touching a fresh page costs more than
/// clearing one; modules larger than this are few.
pub const RESIDENT: usize = 64 << 20;

/// A guest that may have this much memory, in bytes, is given huge pages: below, most of one would be waste.
pub const HUGE_PAGES: usize = 32 << 20;

/// Memory for a guest whose job is `input` bytes: records are wider than ELF's (a REL entry of 8 bytes
/// becomes 24), names may be longer than the table that they share, and emit writes the file a second
/// time, from parts that it makes first.
#[must_use]
pub const fn memory_for(input: u64) -> usize {
    let bytes = (8 << 20) + input.saturating_mul(12);
    if bytes > MEMORY as u64 { MEMORY } else { bytes as usize }
}

/// Fuel (roughly: Wasm instructions) for a job of `input` bytes. Parsing a 19.5 MB module takes about
/// 2 units a byte, applying 320,000 relocations about 5; a sort adds a logarithm. The constant covers
/// tables that do not depend on the input.
#[must_use]
pub const fn fuel_for(input: u64) -> u64 {
    20_000_000 + input.saturating_mul(200)
}

/// Fuel for unpacking `input` bytes to at most `output`: xz costs some hundred instructions a byte.
#[must_use]
pub const fn unpack_fuel(input: u64, output: u64) -> u64 {
    50_000_000 + input.saturating_mul(2000) + output.saturating_mul(100)
}

/// Memory for unpacking: input, output (doubled while it grows), and a dictionary.
#[must_use]
pub const fn unpack_memory(input: u64, output: u64) -> usize {
    let bytes = (192 << 20) + input + output.saturating_mul(2);
    if bytes > MEMORY as u64 { MEMORY } else { bytes as usize }
}

/// Characters of a guest's own words that are shown.
pub const TEXT: usize = 200;

/// Machines, inputs or rows that a plugin may have. The largest psABI has some 300 types.
pub const ROWS: usize = 4096;

/// Slices of a field: no more than a word has bits.
pub const SLICES: u32 = 64;

/// Bytes of a name that a plugin looks a symbol up by: the kernel's own limit.
pub const RENAMED: u32 = 512;

/// Bytes of all names of sections and symbols of a file of `input` bytes; also of what its exports, versions and modinfo
/// say, and of the names that a plugin gives symbols of it. Names may share bytes (GNU as
/// merges tails), but a hostile file could have each of its symbols named by all of it, and a plugin's
/// job has a copy of each. The engine's limit is the same.
#[must_use]
pub const fn names_for(input: u64) -> u64 {
    (64 << 10) + input.saturating_mul(2)
}

/// Faults kept of one answer, and problems kept of one module: each of its symbols may be one. Plugins written with our
/// SDK have the same limit.
pub const FAULTS: usize = 1000;

/// Functions in a guest's table: those that it calls through pointers.
pub const TABLE: usize = 1000;

/// Relocations that may patch the same byte, when the one that did is looked for: pairs, and RISC-V's ADD and SUB.
pub const OVERLAPS: usize = 16;

/// Names that a message lists: a module may say that it depends on thousands, and each of its problems names them.
pub const NAMED: usize = 10;

/// Faults shown for one module; JSON has all that the guest kept.
pub const SHOWN: usize = 50;

/// Synthetic sections that one plugin may ask for.
pub const SYNTHETIC: usize = 4096;

/// Bytes of all synthetic sections together, for a job of `input` bytes: no relocation needs more
/// than one entry of 64 bytes.
#[must_use]
pub const fn synthetic_for(relocations: u64) -> u64 {
    4096 + relocations.saturating_mul(128)
}

/// Bytes of a packet between the linking process and its parent: below what every kernel's socket buffer takes.
pub const PACKET: usize = 32 << 10;

/// Descriptors beside a packet: a plugin each when the linking process starts, three with a load. The kernel's own
/// limit is 253.
pub const PACKET_FDS: usize = 64;

/// Bytes of a plugin's section of machines that the linking process is told: 128 machines.
pub const MACHINES: usize = 128 * 12;

/// Bytes of a plugin's compiled code: it is some five times its Wasm, of which there are at most [`GUEST`].
pub const COMPILED: u64 = 16 * GUEST as u64;

/// Bytes of a room in a guest's memory from which on its pages are asked for at once, before it is written.
pub const POPULATED: usize = 64 << 10;

/// Bytes of a message, most of them the names that a module asks for or exports: [`names_for`] a module of 60 MB.
pub const MESSAGE: u64 = 128 << 20;

/// Names that the linking process may ask for. The kernel exports some 40,000 in all.
pub const WANTED: usize = 1 << 20;

/// What the linking process may ask for in one job: list, allocate, load, and two for each area.
pub const REQUESTS: usize = 4 + 2 * AREAS;

/// Jobs that run at once; more wait.
pub const JOBS: usize = 64;

/// Areas of a module: Linux has seven, and we know ten kinds.
pub const AREAS: usize = 16;

/// Bytes of all areas of a module: what a file may have, and as much again for what is not in it.
pub const MODULE: u64 = 1 << 30;

/// Bytes of a module's file after its relocations were done: parts of it are added, none is repeated.
pub const LINKED: u64 = 1 << 30;

/// Bytes of all sections' addresses and symbols' values, 8 each. The largest module has 100,000 symbols.
pub const VALUES: u64 = 64 << 20;

/// Bytes of a module's name: the kernel has room for 56 with their end.
pub const MODULE_NAME: usize = 55;

/// Seconds that the linking process may be silent, which linking is: an emulated machine unpacks half a gigabyte
/// in less.
pub const SILENCE: u64 = 300;

/// Milliseconds that a linking process whose socket is closed may take to end.
pub const ENDING: u32 = 1000;

/// Seconds of processor time for the linking process, for the same reason.
pub const COMPUTING: u64 = 300;

/// Descriptors of the linking process: three and a few for a job; one for each guest's memory image.
pub const DESCRIPTORS: u64 = 256;

/// Bytes of memory that the linking process may have for writing at once: the engine, the plugin and the unpacker at their
/// largest.
pub const LINKING: u64 = 12 << 30;

/// Bytes of the linking process's stack, which is not in [`LINKING`]: what programs have unless somebody changes it.
pub const LINKING_STACK: u64 = 8 << 20;

/// Bytes that the linking process may map, whatever for: a linear memory reserves more than 4 GiB, and there are three at
/// most. It bounds all memory of its own, also while it compiles.
pub const ADDRESS_SPACE: u64 = 16 << 30;

/// Bytes of address space that a link takes: two linear memories at once, each of which reserves 4 GiB and guards, and the
/// program. A limit below this is said before the linking process starts.
pub const LINK_SPACE: u64 = 9 << 30;

/// Different words for kinds of problems that the linking process may use; there are some sixty.
pub const KINDS: usize = 500;

/// Diagnostics of one answer.
pub const PROBLEMS: usize = FAULTS + 1;

/// A text of a problem may be this many times [`TEXT`]: some name every module or namespace that is meant.
pub const TEXTS: usize = 64;

/// Bytes of a section of a case of the plugin kit: cases are small, and a run of zeros is written as its number.
pub const CASE: usize = 64 << 20;

/// Bytes that count in a guest that is fuzzed: one for each edge and each comparison. The engine has some ten thousand.
pub const FUZZ_COUNTERS: usize = 1 << 20;

/// How deep a formula of a description may be nested, which is read by recursion. Those of the psABIs have two levels.
pub const FORMULA: usize = 50;

/// Letters for tables in one formula: those of the psABIs have two.
pub const FORMULA_TABLES: usize = 3;

/// Bits that two parts of one value may have in common: PA-RISC's right part has three of the left one's.
pub const FIELD_OVERLAP: u32 = 3;

/// How far behind its start code may have its target as a word: twice the longest PLT entry of the psABIs.
pub const CODE_ENTRY: u64 = 64;

/// Cases that are tried to make one smaller: each takes some tenths of a millisecond.
pub const MINIMISE: usize = 5000;

/// Inputs that count as recent: one in three comes from these.
pub const FUZZ_RECENT: usize = 32;

/// Characters of a finding's file name that say what it is about.
pub const FUZZ_NAME: usize = 40;

/// Bytes of an input's file: what a case of a thousand records takes as text, and more.
pub const FUZZ_INPUT: u64 = 1 << 20;

/// An instrumented guest may be this many times larger than one to be linked with: counting a branch costs some ten
/// bytes, watching a comparison fifty.
pub const FUZZ_GROWTH: usize = 16;

/// Relocations and symbols of a case that is fuzzed: what is not linear shows when one is repeated.
pub const FUZZ_RECORDS: usize = 40;

/// Sections of such a case.
pub const FUZZ_CASE_SECTIONS: usize = 6;

/// Bytes of each of its sections.
pub const FUZZ_BYTES: usize = 256;

/// Bytes of a module that the engine is fuzzed with: a small one of a distribution has 10 KB, and each execution costs
/// what its bytes cost.
pub const FUZZ_FILE: usize = 64 << 10;

/// Sections of a module that the engine is fuzzed with.
pub const FUZZ_ELF_SECTIONS: usize = 1024;

/// Bytes that a packed file may unpack to while the unpacker is fuzzed.
pub const FUZZ_UNPACKED: u64 = 1 << 20;

/// Fuel for reading or writing a module of `input` bytes while the engine is fuzzed: tighter than [`fuel_for`], so that
/// what grows faster than its input shows in small files. Names may overlap, which the constant pays for.
#[must_use]
pub const fn fuzz_fuel(input: u64) -> u64 {
    2_000_000 + input.saturating_mul(200)
}

/// Fuel that a plugin may take for a case beyond what its records account for: a few small things of which one case had none.
pub const FUZZ_FUEL: u64 = 2_000;

/// A case may take this many times what its parts were measured to take. In millions of cases none of our plugins took
/// more than 1.1 times as much.
pub const FUZZ_DEARER: u64 = 3;

/// Fuel below which nobody asks how it grows.
pub const FUZZ_GROWTH_FUEL: u64 = 100_000;

/// Records of the smallest of three cases that show how fuel grows; the others have 4 and 16 times as many.
pub const FUZZ_REPEATED: usize = 64;

/// Four times as many more records may take this many times as much more fuel: sorting takes five.
pub const FUZZ_GROWS: u64 = 8;

/// How far everything is moved to see what is relative: less than any reach, and no power of two.
pub const FUZZ_SHIFT: u64 = 0x30_0000;

/// Relocations so many bytes apart have nothing to do with each other: twice the widest window.
pub const FUZZ_APART: u64 = 16;

/// Fuel for unpacking `input` bytes to at most [`FUZZ_UNPACKED`].
#[must_use]
pub const fn fuzz_unpack_fuel(input: u64) -> u64 {
    unpack_fuel(input, FUZZ_UNPACKED)
}

/// Characters of the name of a case's file: what a row may be called, with its group, is longer than file names may be.
pub const CASE_NAME: usize = 120;

/// Bytes of a file of /proc or /sys: /proc/modules has a hundred for each of a few hundred modules.
pub const PROC: u64 = 16 << 20;

/// Records of the kernel's log that are read after one load: more come only from a module that floods it.
pub const KERNEL_LOG: usize = 20_000;

/// Bytes of one record: the kernel gives none that is longer.
pub const KERNEL_LOG_RECORD: usize = 8 << 10;

/// Bytes of a page of WebAssembly's linear memory: its unit, and nobody's choice.
pub const WASM_PAGE: usize = 64 << 10;
