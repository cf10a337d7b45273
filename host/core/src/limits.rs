//! The limits of the host side, in one place, each with its unit and its reason.

/// Bytes of a module file. The largest module of any distribution has 20 MB, and 60 MB with debug information.
pub const FILE: u64 = 512 << 20;

/// Bytes that a compressed module may unpack to.
pub const UNPACKED: u64 = 512 << 20;

/// Largest alignment of a section in memory, in bytes: a large page. The engine refuses more, but the host does not
/// trust it.
pub const ALIGN: u64 = 2 << 20;

/// Bytes of a guest's Wasm. The largest shipped guest has less than 200 KB, and compiling takes time.
pub const GUEST: usize = 4 << 20;

/// Bytes of all functions of a guest. The unpacker, the largest shipped guest, has 104 KB; an unoptimised build has 670
/// KB.
pub const CODE: u64 = 768 << 10;

/// Bytes of one function. Register allocation takes more than linear time. The largest shipped function, a whole psABI
/// inlined into one loop, has 55 KB.
pub const FUNCTION: u64 = 128 << 10;

/// Functions, types, globals, exports, segments or custom sections of a guest. Compiling a function or a type costs
/// more than its first hundred bytes suggest. Shipped guests have at most 80; unoptimised builds have 3,100.
pub const ENTRIES: u64 = 5000;

/// Bytes of all element segments. An entry takes at least one byte, and the compiler may generate code for each entry.
pub const ELEMENTS: u64 = 16 << 10;

/// Parameters of a function. Many functions may share one type. Shipped guests have at most 12.
pub const PARAMETERS: u64 = 100;

/// Locals of a function, including parameters. Three bytes of Wasm declare any number of them. Shipped guests have 80,
/// unoptimised builds 4,600.
pub const LOCALS: u64 = 5000;

/// Nesting depth of blocks. Shipped guests have 164, unoptimised builds 365.
pub const DEPTH: u64 = 1000;

/// Nesting depth of loops. 200 nested loops around 200 locals take the compiler two seconds, and 1,000 more than a
/// minute.
pub const LOOPS: u64 = 32;

/// Targets of all `br_table` instructions of a guest. Shipped guests have 2,200.
pub const TARGETS: u64 = 10_000;

/// Blocks and branches of one function. Compiler passes of more than linear time depend on this number. Shipped guests
/// have 3,700, unoptimised builds 6,000.
pub const PLACES: u64 = 10_000;

/// Blocks and branches of a whole guest. Shipped guests have 5,700, unoptimised builds 17,000.
pub const ALL_PLACES: u64 = 30_000;

/// Sum, over all blocks and branches, of the square of the number of values (locals and others) that may be live there.
/// The compiler may have to move all of them at once, and it compares each move with each other one to order them.
/// Shipped guests have 20 million.
pub const MOVES: u64 = 200_000_000;

/// Bytes of the file with the policy for signatures: a word, and room for comments.
pub const POLICY: u64 = 64 << 10;

/// Bytes of all certificates that modules are verified with: several hundred of them. Each module's job gets them.
pub const KEYS: u64 = 1 << 20;

/// Files of certificates. The kernel of a distribution has about ten.
pub const KEY_FILES: usize = 256;

/// Bytes of a pin file: a thousand pins of 200 characters.
pub const PINS: u64 = 200 << 10;

/// Characters of a name that are compared in the search for a similar name, which takes quadratic time.
pub const NAME_COMPARED: usize = 64;

/// Digits of a plugin's digest that identify it. Twelve equal digits do not occur by accident.
pub const DIGITS: usize = 12;

/// Bytes of the cache of compiled code. All built-in guests take 1 MB, and the largest guest within the complexity
/// limits 30 MB.
pub const CACHE: u64 = 256 << 20;

/// Seconds that unused compiled code is kept: 30 days. Old entries belong to another version of relobox, to another
/// processor or to a plugin that was removed. Compiling again takes about a second.
pub const CACHE_AGE: u64 = 30 * 24 * 3600;

/// Seconds after which the use of compiled code is recorded again: a day. Reading the cache should not write more often
/// than that.
pub const CACHE_NOTED: u64 = 24 * 3600;

/// Symbolic links between a path and a descriptor. /dev/stdout has two.
pub const LINKS: usize = 8;

/// Bytes of a symbol file. /proc/kallsyms of a large kernel has 15 MB.
pub const SYMBOLS: u64 = 256 << 20;

/// Data symbols with value 0 that are accepted where per-CPU data begins at 0: its boundary, its first variable and
/// their aliases. If there are more, the addresses are hidden.
pub const PER_CPU_AT_ZERO: usize = 16;

/// Bytes of a file of section addresses. A module with debug information has some hundred sections, and one that was
/// compiled with a section for each function has 30,000.
pub const SECTIONS: u64 = 16 << 20;

/// Bytes of a file in /sys/module/NAME/sections, which holds one address.
pub const SECTION_ADDRESS: u64 = 100;

/// Bytes of /proc/sys/kernel/random/boot_id, a UUID.
pub const BOOT_ID: u64 = 100;

/// Bytes of /proc/modules: for each of some thousand modules, a line of some hundred bytes and its users.
pub const PROC_MODULES: u64 = 16 << 20;

/// Bytes of a process's line in /proc, or of another short file there.
pub const PROC_LINE: u64 = 4 << 10;

/// Bytes of a value in a record of the system's log. A whole record has to fit a datagram.
pub const LOG_VALUE: usize = 1000;

/// Bytes of a record in one line. The kernel's log takes no line of 1 KB.
pub const LOG_LINE: usize = 900;

/// Processes in a record: the one that loads a module, its parent, and so on.
pub const LOG_PROCESSES: usize = 8;

/// Bytes of a module that the demonstration has compiled.
pub const SAMPLE: u64 = 16 << 20;

/// Bytes of one of depmod's index files. The largest of any distribution, modules.alias, has 2 MB.
pub const MODPROBE_INDEX: u64 = 64 << 20;

/// Bytes of a modprobe configuration file, and of the kernel's command line.
pub const MODPROBE_CONFIG: u64 = 4 << 20;

/// Length of a chain of dependent modules. Real chains have about ten modules, and the host recurses along them.
pub const MODPROBE_DEPTH: usize = 500;

/// Modules in the `depends` field of a module; the host looks for each of them. Real modules name about twenty.
pub const MODPROBE_DEPENDS: usize = 1000;

/// Seconds to wait for a module that another process is loading. An init function that probes hardware takes some
/// seconds.
pub const MODPROBE_WAIT: u64 = 30;

/// Bytes of a state file. 300 modules, each with a record of 1 KB and a hundred exports of 100 bytes, take 3 MB.
pub const STATE: u64 = 64 << 20;

/// Words of the buffer for the device's first answer to LIST. A module refers to some hundred symbols. If the buffer is
/// too small, the device says so.
pub const LISTING: usize = 16 << 10;

/// Bytes of any one linear memory. It is below the 4 GiB that a Wasm address can span, so that guard pages catch every
/// out-of-bounds access without a comparison.
pub const MEMORY: usize = 3 << 30;

/// Bytes of native stack for a guest's code. Guests do not recurse on their input.
pub const STACK: usize = 256 << 10;

/// Linear memories that exist at once: two or three for each of 16 linking threads.
pub const MEMORIES: u32 = 48;

/// Bytes of each memory slot that stay resident between jobs. Touching a new page costs more than clearing an old one,
/// and few modules are larger than this.
pub const RESIDENT: usize = 64 << 20;

/// Memory limit, in bytes, from which a guest is given huge pages. Below it, most of a huge page would be unused.
pub const HUGE_PAGES: usize = 32 << 20;

/// Memory in bytes for a guest whose job has `input` bytes. Records are wider than those of ELF (a REL entry of 8 bytes
/// becomes 24), names may be longer than the string table that they share, and emit writes the file a second time, from
/// parts that it builds first.
#[must_use]
pub const fn memory_for(input: u64) -> usize {
    let bytes = (8 << 20) + input.saturating_mul(12);
    if bytes > MEMORY as u64 { MEMORY } else { bytes as usize }
}

/// Fuel (about one unit for each Wasm instruction) for a job of `input` bytes. Parsing a 19.5 MB module takes about 2
/// units a byte, applying 320,000 relocations about 5, and a sort adds a logarithm. The constant covers tables that do
/// not depend on the input.
#[must_use]
pub const fn fuel_for(input: u64) -> u64 {
    20_000_000 + input.saturating_mul(200)
}

/// Fuel for unpacking `input` bytes to at most `output` bytes. xz costs some hundred instructions a byte.
#[must_use]
pub const fn unpack_fuel(input: u64, output: u64) -> u64 {
    50_000_000 + input.saturating_mul(2000) + output.saturating_mul(100)
}

/// Memory in bytes for unpacking: input, output (doubled while it grows) and a dictionary.
#[must_use]
pub const fn unpack_memory(input: u64, output: u64) -> usize {
    let bytes = (192 << 20) + input + output.saturating_mul(2);
    if bytes > MEMORY as u64 { MEMORY } else { bytes as usize }
}

/// Characters of a guest's own text that are shown.
pub const TEXT: usize = 200;

/// Machines, inputs or rows of a plugin. The largest psABI has about 300 relocation types.
pub const ROWS: usize = 4096;

/// Slices of a field: at most one for each bit of a word.
pub const SLICES: u32 = 64;

/// Bytes of the name that a plugin has a symbol looked up by: the kernel's own limit.
pub const RENAMED: u32 = 512;

/// Bytes of all names of sections and symbols in a file of `input` bytes. The same limit holds for the texts of its
/// exports, versions and modinfo, and for the names that a plugin supplies for its symbols. Names may share bytes (GNU
/// as merges tails), but in a hostile file each symbol could have the whole file as its name, and the plugin's job has
/// a copy of each name. The engine has the same limit.
#[must_use]
pub const fn names_for(input: u64) -> u64 {
    (64 << 10) + input.saturating_mul(2)
}

/// Faults kept of one answer, and diagnostics kept of one module: each of its symbols may cause one. Plugins written
/// with the SDK have the same limit.
pub const FAULTS: usize = 1000;

/// Entries of a guest's table, which holds the functions that it calls through pointers.
pub const TABLE: usize = 1000;

/// Relocations that may patch the same byte, in the search for the one that did: pairs, and RISC-V's ADD and SUB.
pub const OVERLAPS: usize = 16;

/// Names that a message lists. A module may name thousands of dependencies, and each of its diagnostics lists them.
pub const NAMED: usize = 10;

/// Diagnostics shown for one module. JSON has all that were kept.
pub const SHOWN: usize = 50;

/// Synthetic sections that one plugin may request.
pub const SYNTHETIC: usize = 4096;

/// Bytes of all synthetic sections together, for a job with so many `relocations`. No relocation needs more than one
/// entry of 64 bytes.
#[must_use]
pub const fn synthetic_for(relocations: u64) -> u64 {
    4096 + relocations.saturating_mul(128)
}

/// Bytes of a packet between the linking process and its parent. The socket buffer of every kernel has room for this.
pub const PACKET: usize = 32 << 10;

/// Descriptors sent with a packet: one for each plugin when the linking process starts, three with a load. The kernel's
/// own limit is 253.
pub const PACKET_FDS: usize = 64;

/// Symbol files of one question of librelobox. Each is a descriptor of a packet, beside the buffers and the module.
pub const SYMBOL_TEXTS: usize = PACKET_FDS / 2;

/// Bytes of a plugin's section of machines that is sent to the linking process: 128 machines.
pub const MACHINES: usize = 128 * 12;

/// Bytes of a plugin's compiled code. It has about five times the size of its Wasm, which [`GUEST`] limits.
pub const COMPILED: u64 = 16 * GUEST as u64;

/// Size in bytes from which the pages of a reservation in guest memory are populated at once, before it is written.
pub const POPULATED: usize = 64 << 10;

/// Bytes of a message, most of them names that a module imports or exports: [`names_for`] a module of 60 MB.
pub const MESSAGE: u64 = 128 << 20;

/// Names that the linking process may request. The kernel exports about 40,000 in all.
pub const WANTED: usize = 1 << 20;

/// Calls in which the engine asks for pieces of a file, before it has read what an index needs: the header, the section
/// table, the names of sections, their contents, and CRCs.
pub const INDEX_CALLS: usize = 8;

/// Bytes of the pieces of a file of `input` bytes that the engine may ask for. It needs no byte twice, and pieces are
/// aligned.
#[must_use]
pub const fn pieces_for(input: u64) -> u64 {
    (64 << 10) + input.saturating_mul(2)
}

/// Module files that are sent to a linking process at once, which depmod has read. [`PACKET_FDS`] bounds it.
pub const BATCH: usize = 32;

/// Linking processes that read modules for depmod at once.
pub const READERS: usize = 16;

/// Bytes of all of depmod's files. Those of the largest distribution have 8 MB.
pub const INDICES: u64 = 512 << 20;

/// Depth of directories below that of a kernel's modules. Real ones have about six.
pub const TREE_DEPTH: usize = 64;

/// Steps of depmod's search for cycles, and names in its messages about them. Entangled cycles have many paths.
pub const CYCLE_STEPS: usize = 100_000;

/// Nodes that a search in one of depmod's binary indices looks at. The largest has 100,000.
pub const LOOKUP_STEPS: usize = 1_000_000;

/// Bytes of a compiled pattern in depmod.d. Real ones have some hundred.
pub const PATTERN: usize = 1 << 20;

/// Module files in a tree. depmod numbers modules with 16 bits.
pub const TREE: usize = 1 << 17;

/// Requests of the linking process in one job: list, allocate, load, and two for each area.
pub const REQUESTS: usize = 4 + 2 * AREAS;

/// Jobs that run at once. Further jobs wait.
pub const JOBS: usize = 64;

/// Areas of a module. Linux has seven, and relobox knows ten kinds.
pub const AREAS: usize = 16;

/// Bytes of all areas of a module: the limit of its file, and as much again for memory that is not in the file.
pub const MODULE: u64 = 1 << 30;

/// Bytes of a module file after relocation. The engine adds parts to it and repeats none.
pub const LINKED: u64 = 1 << 30;

/// Bytes of all section addresses and symbol values, 8 each. The largest module has 100,000 symbols.
pub const VALUES: u64 = 64 << 20;

/// Bytes of a module's name. The kernel has room for 56, including the terminator.
pub const MODULE_NAME: usize = 55;

/// Seconds without a message from the linking process while it links. An emulated machine unpacks half a gigabyte in
/// less.
pub const SILENCE: u64 = 300;

/// Milliseconds that a linking process may take to exit after its socket was closed.
pub const ENDING: u32 = 1000;

/// Seconds of processor time for the linking process, for the same reason as [`SILENCE`].
pub const COMPUTING: u64 = 300;

/// Descriptors of the linking process: three, a few for a job, and one for the memory image of each guest.
pub const DESCRIPTORS: u64 = 256;

/// Bytes of writable memory of the linking process: the engine, the plugin and the unpacker at their largest.
pub const LINKING: u64 = 12 << 30;

/// Bytes of the linking process's stack, which [`LINKING`] does not include: the usual default of Linux.
pub const LINKING_STACK: u64 = 8 << 20;

/// Bytes of address space of the linking process. A linear memory reserves more than 4 GiB, and there are at most
/// three. This bounds all memory of the process, also while it compiles.
pub const ADDRESS_SPACE: u64 = 16 << 30;

/// Bytes of address space that a link takes: two linear memories at once, each of which reserves 4 GiB and guard pages,
/// and the program. If the limit of the process is lower, relobox reports that before it starts the linking process.
pub const LINK_SPACE: u64 = 9 << 30;

/// Distinct kinds of diagnostics that the linking process may use. There are about sixty.
pub const KINDS: usize = 500;

/// Diagnostics of one answer.
pub const PROBLEMS: usize = FAULTS + 1;

/// Length of a diagnostic's text, as a multiple of [`TEXT`]: some texts list several modules or namespaces.
pub const TEXTS: usize = 64;

/// Bytes of a section of a test case of the conformance kit. Test cases are small, and a run of zeros is written as its
/// length.
pub const CASE: usize = 64 << 20;

/// Bytes of the coverage counters of an instrumented guest: one for each edge and each comparison. The engine has about
/// ten thousand.
pub const FUZZ_COUNTERS: usize = 1 << 20;

/// Bytes of a guest's memory that share a mark while it is fuzzed.
pub const FUZZ_UNIT: usize = 512;

/// Marks of what a fuzzed guest writes: enough for 2 MiB. An instance with more memory is not used again.
pub const FUZZ_MARKS: usize = 1 << 12;

/// Nesting depth of a formula in a description, which is parsed by recursion. Formulas of the psABIs have two levels.
pub const FORMULA: usize = 50;

/// Bytes of a plugin's decoding rules. Those of the architecture with most of them have 8 KiB.
pub const DECODE_TEXT: usize = 64 << 10;

/// Steps that the evaluation of one expression of a decoding rule may take. The longest ones take some hundred.
pub const DECODE_STEPS: u32 = 10_000;

/// Relocations in a section beyond which decoding rules are not checked, since each is compared with all others.
pub const DECODE_RELOCATIONS: usize = 256;

/// Values on a stack of relocations that are followed. Linux's stack has 16.
pub const DECODE_STACK: usize = 12;

/// Names that decoding rules may define with `let`.
pub const DECODE_LETS: usize = 64;

/// Table letters in one formula. Formulas of the psABIs have two.
pub const FORMULA_TABLES: usize = 3;

/// Bits that two parts of one value may have in common. PA-RISC's right part shares three with the left one.
pub const FIELD_OVERLAP: u32 = 3;

/// Largest distance, in bytes, from the start of an entry of code to the word that holds its target: twice the longest
/// PLT entry of the psABIs.
pub const CODE_ENTRY: u64 = 64;

/// Test cases that are tried to minimise one. Each takes some tenths of a millisecond.
pub const MINIMISE: usize = 5000;

/// Inputs that count as recent. One in three inputs is chosen from these.
pub const FUZZ_RECENT: usize = 32;

/// Characters of a finding's file name that describe it.
pub const FUZZ_NAME: usize = 40;

/// Bytes of an input file: more than a test case of a thousand records takes as text.
pub const FUZZ_INPUT: u64 = 1 << 20;

/// Size limit of an instrumented guest, as a multiple of [`GUEST`]. Counting a branch takes about ten bytes, and
/// watching a comparison fifty.
pub const FUZZ_GROWTH: usize = 16;

/// Relocations and symbols of a fuzzed test case. Work of more than linear time shows when one record is repeated.
pub const FUZZ_RECORDS: usize = 40;

/// Sections of a fuzzed test case.
pub const FUZZ_CASE_SECTIONS: usize = 6;

/// Bytes of each section of a fuzzed test case.
pub const FUZZ_BYTES: usize = 256;

/// Bytes of a module that the engine is fuzzed with. A small module of a distribution has 10 KB, and the cost of an
/// execution grows with its bytes.
pub const FUZZ_FILE: usize = 64 << 10;

/// Sections of a module that the engine is fuzzed with.
pub const FUZZ_ELF_SECTIONS: usize = 1024;

/// Bytes that a compressed file may unpack to while the unpacker is fuzzed.
pub const FUZZ_UNPACKED: u64 = 1 << 20;

/// Fuel for reading or writing a module of `input` bytes while the engine is fuzzed. It is tighter than [`fuel_for`],
/// so that work that grows faster than its input shows in small files. The constant pays for names that overlap.
#[must_use]
pub const fn fuzz_fuel(input: u64) -> u64 {
    2_000_000 + input.saturating_mul(200)
}

/// Fuel that a plugin may use for a test case beyond what its records account for: small costs that no measured case
/// had.
pub const FUZZ_FUEL: u64 = 2_000;

/// Fuel limit of a test case, as a multiple of the measured cost of its parts. In millions of cases no shipped plugin
/// used more than 1.1 times as much.
pub const FUZZ_DEARER: u64 = 3;

/// Fuel below which the growth of the cost is not checked.
pub const FUZZ_GROWTH_FUEL: u64 = 100_000;

/// Records of the smallest of three test cases that show how fuel grows. The others have 4 and 16 times as many.
pub const FUZZ_REPEATED: usize = 64;

/// Limit of the growth of fuel when the number of records grows fourfold. Sorting takes five times as much.
pub const FUZZ_GROWS: u64 = 8;

/// Distance by which all addresses are moved to find relative values. It is less than any reach, and no power of two.
pub const FUZZ_SHIFT: u64 = 0x30_0000;

/// Distance in bytes from which two relocations are independent: twice the widest window.
pub const FUZZ_APART: u64 = 16;

/// Fuel for unpacking `input` bytes to at most [`FUZZ_UNPACKED`].
#[must_use]
pub const fn fuzz_unpack_fuel(input: u64) -> u64 {
    unpack_fuel(input, FUZZ_UNPACKED)
}

/// Characters of the name of a test case's file. A row's name together with its group can be longer than a file name
/// may be.
pub const CASE_NAME: usize = 120;

/// Bytes of a file of /proc or /sys. /proc/modules has a hundred for each of a few hundred modules.
pub const PROC: u64 = 16 << 20;

/// Records of the kernel's log that are read after one load. Only a module that floods the log writes more.
pub const KERNEL_LOG: usize = 20_000;

/// Bytes of one record of the kernel's log. The kernel writes no longer ones.
pub const KERNEL_LOG_RECORD: usize = 8 << 10;

/// Bytes of a page of WebAssembly's linear memory, as its specification defines it.
pub const WASM_PAGE: usize = 64 << 10;
