//! Compile-time bombs: guests that are valid and small but expensive to compile. Each bomb is a shape of any size.
//!
//! The cost is usually a product of two numbers that are each cheap to encode. A local takes one byte and a branch two,
//! but the compiler may need a value for each local at each branch.

mod code;
mod entries;
mod flow;
mod parts;

/// A shape of code that is expensive to compile.
pub struct Bomb {
    /// The name of the shape.
    pub name: &'static str,
    /// The unit of the size.
    pub what: &'static str,
    /// Makes the guest: the size of each function, and the number of functions if the shape is a function.
    pub make: fn(usize, usize) -> Vec<u8>,
    /// A size that the host refuses, and words of the reason.
    pub refused: (usize, &'static str),
}

const fn bomb(
    name: &'static str,
    what: &'static str,
    make: fn(usize, usize) -> Vec<u8>,
    many: usize,
    words: &'static str,
) -> Bomb {
    Bomb { name, what, make, refused: (many, words) }
}

/// All shapes.
pub const BOMBS: &[Bomb] = &[
    bomb("straight", "instructions in a row", code::straight, 100_000, "bytes of one function"),
    bomb("stores", "loads and stores", code::stores, 30_000, "bytes of one function"),
    bomb("divisions", "instructions that may trap", code::divisions, 100_000, "bytes of one function"),
    bomb("copies", "memory.copy and memory.fill", code::copies, 10_001, "branches in one function"),
    bomb("selects", "selects, each of the one before", code::selects, 30_000, "bytes of one function"),
    bomb("constants", "constants added to each other", code::constants, 50_000, "bytes of one function"),
    bomb("equal", "expressions that are equal", code::equal, 30_000, "bytes of one function"),
    bomb("live", "values that live across as many branches", flow::live, 2000, "pairs of values at branches"),
    bomb("live-calls", "values that live across as many calls", flow::live_calls, 20_000, "bytes of one function"),
    bomb(
        "live-locals",
        "locals that live across as many branches",
        flow::live_locals,
        2000,
        "pairs of values at branches",
    ),
    bomb("loops", "loops inside each other, around as many locals", flow::loops, 33, "loops inside each other"),
    bomb(
        "loops-many-locals",
        "locals in 32 loops inside each other",
        flow::loops_many_locals,
        4000,
        "pairs of values at branches",
    ),
    bomb(
        "loops-few-locals",
        "loops inside each other, around ten locals",
        flow::loops_few_locals,
        33,
        "loops inside each other",
    ),
    bomb("loops-in-a-row", "loops in a row, each with ten locals", flow::loops_in_a_row, 3000, "bytes of one function"),
    bomb(
        "branches",
        "branches to a loop that changes as many locals",
        flow::branches,
        2000,
        "pairs of values at branches",
    ),
    bomb(
        "branches-many-locals",
        "locals that change places at eight branches",
        flow::branches_many_locals,
        5000,
        "locals of one function",
    ),
    bomb(
        "branches-few-locals",
        "branches to a loop that changes 200 locals",
        flow::branches_few_locals,
        9000,
        "pairs of values at branches",
    ),
    bomb(
        "br_table",
        "targets of a br_table to a loop that changes as many locals",
        flow::br_table,
        2000,
        "pairs of values at branches",
    ),
    bomb("br_tables", "br_tables to every block around them", flow::br_tables, 20_000, "targets of br_table"),
    bomb("br_table-once", "targets of one br_table", flow::br_table_once, 10_001, "targets of br_table"),
    bomb("diamonds", "ifs with an else, each changing a local", flow::diamonds, 6000, "branches in one function"),
    bomb("blocks", "blocks inside each other", flow::blocks, 1001, "blocks inside each other"),
    bomb("ifs", "ifs inside each other", flow::ifs, 1001, "blocks inside each other"),
    bomb("ladder", "branches out of blocks, each to the next", flow::ladder, 1001, "blocks inside each other"),
    bomb("functions", "empty functions", entries::functions, 5001, "functions"),
    bomb("exported", "functions that are exported", entries::exported, 5001, "functions"),
    bomb("pointed-to", "functions in a table, each of a type of its own", entries::pointed_to, 5001, "types"),
    bomb("locals", "functions with 50,000 locals", entries::locals, 1, "locals of one function"),
    bomb("few-locals", "functions with 500 locals", entries::few_locals, 5001, "functions"),
    bomb("one-locals", "locals of one function", entries::one_locals, 5001, "locals of one function"),
    bomb("params", "functions with 1,000 parameters", entries::params, 1, "parameters of a function"),
    bomb("few-params", "functions with 50 parameters", entries::few_params, 5001, "functions"),
    bomb("calls", "calls with 40 arguments", code::calls, 2000, "bytes of one function"),
    bomb("calls-plain", "calls without arguments", code::calls_plain, 70_000, "bytes of one function"),
    bomb("calls-indirect", "calls through a table", code::calls_indirect, 10_001, "branches in one function"),
    bomb("types", "types", entries::types, 5001, "types"),
    bomb("imports", "imports", entries::imports, 5001, "imports"),
    bomb("globals", "globals", entries::globals, 5001, "globals"),
    bomb("exports", "exports", entries::exports, 5001, "exports"),
    bomb("data", "data segments", entries::data, 5001, "data segments"),
    bomb("data-passive", "data segments that are not for the start", entries::data_passive, 5001, "data segments"),
    bomb("data-apart", "pages with a byte of data each", entries::data_apart, 5001, "data segments"),
    bomb("elements", "element segments", entries::elements, 5001, "element segments"),
    bomb("table", "entries of a table", entries::table, 1001, "entries of a table"),
    bomb(
        "table-sparse",
        "size of a table with an element at its end",
        entries::table_sparse,
        1001,
        "entries of a table",
    ),
    bomb("custom", "custom sections", entries::custom, 5001, "custom sections"),
];
