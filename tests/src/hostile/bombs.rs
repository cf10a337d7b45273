//! Guests that are valid, small, and a burden for a compiler: each is one shape, in any size.
//!
//! What hurts is a product: of two things that are each cheap to write down. A local is a byte, a branch is two, and
//! where they meet the compiler may need a value for each local at each branch.

use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, CustomSection, DataSection, ElementSection, Elements, EntityType, ExportKind,
    ExportSection, Function, FunctionSection, GlobalSection, GlobalType, ImportSection, Instruction as I, MemArg,
    MemorySection, MemoryType, Module, RefType, TableSection, TableType, TypeSection, ValType,
};

/// A shape.
pub struct Bomb {
    /// Its name.
    pub name: &'static str,
    /// What is many in it.
    pub what: &'static str,
    /// Makes it: so many of that in a function, and so many such functions where one function is meant.
    pub make: fn(usize, usize) -> Vec<u8>,
    /// So many are too many, for which reason.
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

/// Every shape.
pub const BOMBS: &[Bomb] = &[
    bomb("straight", "instructions in a row", straight, 100_000, "bytes of one function"),
    bomb("stores", "loads and stores", stores, 30_000, "bytes of one function"),
    bomb("divisions", "instructions that may trap", divisions, 100_000, "bytes of one function"),
    bomb("copies", "memory.copy and memory.fill", copies, 10_001, "branches in one function"),
    bomb("selects", "selects, each of the one before", selects, 30_000, "bytes of one function"),
    bomb("constants", "constants added to each other", constants, 50_000, "bytes of one function"),
    bomb("equal", "expressions that are equal", equal, 30_000, "bytes of one function"),
    bomb("live", "values that live across as many branches", live, 2000, "pairs of values at branches"),
    bomb("live-calls", "values that live across as many calls", live_calls, 20_000, "bytes of one function"),
    bomb("live-locals", "locals that live across as many branches", live_locals, 2000, "pairs of values at branches"),
    bomb("loops", "loops inside each other, around as many locals", loops, 33, "loops inside each other"),
    bomb(
        "loops-many-locals",
        "locals in 32 loops inside each other",
        loops_many_locals,
        4000,
        "pairs of values at branches",
    ),
    bomb(
        "loops-few-locals",
        "loops inside each other, around ten locals",
        loops_few_locals,
        33,
        "loops inside each other",
    ),
    bomb("loops-in-a-row", "loops in a row, each with ten locals", loops_in_a_row, 3000, "bytes of one function"),
    bomb("branches", "branches to a loop that changes as many locals", branches, 2000, "pairs of values at branches"),
    bomb(
        "branches-many-locals",
        "locals that change places at eight branches",
        branches_many_locals,
        5000,
        "locals of one function",
    ),
    bomb(
        "branches-few-locals",
        "branches to a loop that changes 200 locals",
        branches_few_locals,
        9000,
        "pairs of values at branches",
    ),
    bomb(
        "br_table",
        "targets of a br_table to a loop that changes as many locals",
        br_table,
        2000,
        "pairs of values at branches",
    ),
    bomb("br_tables", "br_tables to every block around them", br_tables, 20_000, "targets of br_table"),
    bomb("br_table-once", "targets of one br_table", br_table_once, 10_001, "targets of br_table"),
    bomb("diamonds", "ifs with an else, each changing a local", diamonds, 6000, "branches in one function"),
    bomb("blocks", "blocks inside each other", blocks, 1001, "blocks inside each other"),
    bomb("ifs", "ifs inside each other", ifs, 1001, "blocks inside each other"),
    bomb("ladder", "branches out of blocks, each to the next", ladder, 1001, "blocks inside each other"),
    bomb("functions", "empty functions", functions, 5001, "functions"),
    bomb("exported", "functions that are exported", exported, 5001, "functions"),
    bomb("pointed-to", "functions in a table, each of a type of its own", pointed_to, 5001, "types"),
    bomb("locals", "functions with 50,000 locals", locals, 1, "locals of one function"),
    bomb("few-locals", "functions with 500 locals", few_locals, 5001, "functions"),
    bomb("one-locals", "locals of one function", one_locals, 5001, "locals of one function"),
    bomb("params", "functions with 1,000 parameters", params, 1, "parameters of a function"),
    bomb("few-params", "functions with 50 parameters", few_params, 5001, "functions"),
    bomb("calls", "calls with 40 arguments", calls, 2000, "bytes of one function"),
    bomb("calls-plain", "calls without arguments", calls_plain, 70_000, "bytes of one function"),
    bomb("calls-indirect", "calls through a table", calls_indirect, 10_001, "branches in one function"),
    bomb("types", "types", types, 5001, "types"),
    bomb("imports", "imports", imports, 5001, "imports"),
    bomb("globals", "globals", globals, 5001, "globals"),
    bomb("exports", "exports", exports, 5001, "exports"),
    bomb("data", "data segments", data, 5001, "data segments"),
    bomb("data-passive", "data segments that are not for the start", data_passive, 5001, "data segments"),
    bomb("data-apart", "pages with a byte of data each", data_apart, 5001, "data segments"),
    bomb("elements", "element segments", elements, 5001, "element segments"),
    bomb("table", "entries of a table", table, 1001, "entries of a table"),
    bomb("table-sparse", "size of a table with an element at its end", table_sparse, 1001, "entries of a table"),
    bomb("custom", "custom sections", custom, 5001, "custom sections"),
];

/// The parts of a module, in the order in which they stand in it.
#[derive(Default)]
struct Parts {
    types: TypeSection,
    imports: ImportSection,
    functions: FunctionSection,
    tables: TableSection,
    globals: GlobalSection,
    exports: ExportSection,
    elements: ElementSection,
    code: CodeSection,
    data: DataSection,
    pages: u64,
}

impl Parts {
    /// Type 0 takes and gives nothing, type 1 takes and gives an i32.
    fn new() -> Self {
        let mut parts = Self { pages: 1, ..Self::default() };
        parts.types.ty().function([], []);
        parts.types.ty().function([ValType::I32], [ValType::I32]);
        parts.exports.export("memory", ExportKind::Memory, 0);
        parts
    }

    fn function(&mut self, ty: u32, locals: u32, body: impl FnOnce(&mut Function)) {
        let mut function = Function::new((locals > 0).then_some((locals, ValType::I32)));
        body(&mut function);
        function.instruction(&I::End);
        self.functions.function(ty);
        self.code.function(&function);
    }

    fn finish(self) -> Vec<u8> {
        let mut module = Module::new();
        let mut memories = MemorySection::new();
        let memory =
            MemoryType { minimum: self.pages, maximum: None, memory64: false, shared: false, page_size_log2: None };
        memories.memory(memory);
        module.section(&self.types);
        if !self.imports.is_empty() {
            module.section(&self.imports);
        }
        module.section(&self.functions);
        if !self.tables.is_empty() {
            module.section(&self.tables);
        }
        module.section(&memories);
        if !self.globals.is_empty() {
            module.section(&self.globals);
        }
        module.section(&self.exports);
        if !self.elements.is_empty() {
            module.section(&self.elements);
        }
        module.section(&self.code);
        if !self.data.is_empty() {
            module.section(&self.data);
        }
        module.finish()
    }
}

/// Functions from i32 to i32 with some locals more.
fn one(copies: usize, locals: usize, body: impl Fn(&mut Function)) -> Vec<u8> {
    let mut parts = Parts::new();
    for _ in 0..copies {
        parts.function(1, locals as u32, &body);
    }
    parts.finish()
}

const AT: MemArg = MemArg { offset: 0, align: 0, memory_index: 0 };

fn all(f: &mut Function, instructions: &[I<'_>]) {
    for i in instructions {
        f.instruction(i);
    }
}

fn straight(n: usize, copies: usize) -> Vec<u8> {
    one(copies, 0, |f| {
        f.instruction(&I::LocalGet(0));
        for i in 0..n {
            all(f, &[I::LocalGet(0), [I::I32Mul, I::I32Xor, I::I32Rotl, I::I32ShrU][i % 4].clone()]);
        }
    })
}

fn stores(n: usize, copies: usize) -> Vec<u8> {
    one(copies, 0, |f| {
        for _ in 0..n {
            all(f, &[I::LocalGet(0), I::LocalGet(0), I::I32Load(AT), I::I32Store(AT)]);
        }
        f.instruction(&I::LocalGet(0));
    })
}

fn divisions(n: usize, copies: usize) -> Vec<u8> {
    one(copies, 0, |f| {
        f.instruction(&I::LocalGet(0));
        for _ in 0..n {
            all(f, &[I::LocalGet(0), I::I32DivS]);
        }
    })
}

fn copies(n: usize, copies: usize) -> Vec<u8> {
    one(copies, 0, |f| {
        for i in 0..n {
            all(f, &[I::LocalGet(0), I::LocalGet(0), I::LocalGet(0)]);
            f.instruction(&if i % 2 == 0 { I::MemoryCopy { src_mem: 0, dst_mem: 0 } } else { I::MemoryFill(0) });
        }
        f.instruction(&I::LocalGet(0));
    })
}

fn selects(n: usize, copies: usize) -> Vec<u8> {
    one(copies, 0, |f| {
        f.instruction(&I::LocalGet(0));
        for _ in 0..n {
            all(f, &[I::LocalGet(0), I::LocalGet(0), I::I32Eqz, I::Select]);
        }
    })
}

fn constants(n: usize, copies: usize) -> Vec<u8> {
    one(copies, 0, |f| {
        f.instruction(&I::LocalGet(0));
        for i in 0..n {
            all(f, &[I::I32Const((i % 63) as i32), [I::I32Add, I::I32Xor, I::I32Or, I::I32And][i % 4].clone()]);
        }
    })
}

fn equal(n: usize, copies: usize) -> Vec<u8> {
    one(copies, 0, |f| {
        f.instruction(&I::LocalGet(0));
        for _ in 0..n {
            all(f, &[I::LocalGet(0), I::I32Const(3), I::I32Mul, I::I32Add]);
        }
    })
}

fn live(n: usize, copies: usize) -> Vec<u8> {
    one(copies, 0, |f| {
        for _ in 0..n {
            all(f, &[I::LocalGet(0), I::I32Load(AT)]);
        }
        for _ in 0..n {
            all(f, &[I::LocalGet(0), I::If(BlockType::Empty), I::End]);
        }
        for _ in 1..n {
            f.instruction(&I::I32Xor);
        }
    })
}

fn live_calls(n: usize, copies: usize) -> Vec<u8> {
    one(copies, 0, |f| {
        for _ in 0..n {
            all(f, &[I::LocalGet(0), I::I32Load(AT)]);
        }
        for _ in 0..n {
            all(f, &[I::LocalGet(0), I::Call(0), I::Drop]);
        }
        for _ in 1..n {
            f.instruction(&I::I32Xor);
        }
    })
}

fn live_locals(n: usize, copies: usize) -> Vec<u8> {
    one(copies, n, |f| {
        for local in 1..=n as u32 {
            all(f, &[I::LocalGet(0), I::I32Load(AT), I::LocalSet(local)]);
        }
        for _ in 0..n {
            all(f, &[I::LocalGet(0), I::If(BlockType::Empty), I::End]);
        }
        f.instruction(&I::LocalGet(0));
        for local in 1..=n as u32 {
            all(f, &[I::LocalGet(local), I::I32Xor]);
        }
    })
}

/// `depth` loops inside each other, in which `count` locals change.
fn nest(copies: usize, count: usize, depth: usize) -> Vec<u8> {
    one(copies, count, |f| {
        for _ in 0..depth {
            f.instruction(&I::Loop(BlockType::Empty));
        }
        for local in 1..=count as u32 {
            all(f, &[I::LocalGet(local), I::LocalGet(0), I::I32Add, I::LocalSet(local)]);
        }
        for level in 0..depth as u32 {
            all(f, &[I::LocalGet(level % (count as u32 + 1)), I::BrIf(0), I::End]);
        }
        f.instruction(&I::LocalGet(1));
    })
}

fn loops(n: usize, copies: usize) -> Vec<u8> {
    nest(copies, n.max(1), n)
}

fn loops_many_locals(n: usize, copies: usize) -> Vec<u8> {
    nest(copies, n.max(1), 32)
}

fn loops_few_locals(n: usize, copies: usize) -> Vec<u8> {
    nest(copies, 10, n)
}

fn loops_in_a_row(n: usize, copies: usize) -> Vec<u8> {
    one(copies, 10, |f| {
        for _ in 0..n {
            f.instruction(&I::Loop(BlockType::Empty));
            for local in 1..=10 {
                all(f, &[I::LocalGet(local), I::LocalGet(0), I::I32Add, I::LocalSet(local)]);
            }
            all(f, &[I::LocalGet(1), I::BrIf(0), I::End]);
        }
        f.instruction(&I::LocalGet(1));
    })
}

/// A loop in which each of `count` locals takes the value of the next, and `back` branches to its beginning.
fn rotate(copies: usize, count: usize, back: usize) -> Vec<u8> {
    let count = count.max(1) as u32;
    one(copies, count as usize, |f| {
        (1..=count).for_each(|local| all(f, &[I::LocalGet(local - 1), I::I32Load(AT), I::LocalSet(local)]));
        f.instruction(&I::Loop(BlockType::Empty));
        (1..=count).for_each(|local| all(f, &[I::LocalGet(local)]));
        (1..=count).for_each(|local| all(f, &[I::LocalSet(1 + local % count)]));
        (0..back as u32).for_each(|i| all(f, &[I::LocalGet(i % (count + 1)), I::BrIf(0)]));
        all(f, &[I::End, I::LocalGet(1)]);
    })
}

fn branches(n: usize, copies: usize) -> Vec<u8> {
    rotate(copies, n, n)
}

fn branches_many_locals(n: usize, copies: usize) -> Vec<u8> {
    rotate(copies, n, 8)
}

fn branches_few_locals(n: usize, copies: usize) -> Vec<u8> {
    rotate(copies, 200, n)
}

fn br_table(n: usize, copies: usize) -> Vec<u8> {
    let n = n.max(1);
    one(copies, n, |f| {
        f.instruction(&I::Loop(BlockType::Empty));
        for local in 1..=n as u32 {
            all(f, &[I::LocalGet(local), I::LocalGet(0), I::I32Add, I::LocalSet(local)]);
        }
        all(f, &[I::LocalGet(1), I::BrTable(vec![0; n].into(), 0), I::End, I::LocalGet(1)]);
    })
}

/// As many br_tables as each has targets, all different, each with a value.
fn br_tables(n: usize, copies: usize) -> Vec<u8> {
    let root = (n as f64).sqrt() as u32 + 1;
    one(copies, 0, |f| {
        for _ in 0..root {
            f.instruction(&I::Block(BlockType::Result(ValType::I32)));
        }
        for i in 0..root {
            f.instruction(&I::Block(BlockType::Empty));
            let targets: Vec<u32> = (1..=root).collect();
            all(f, &[I::LocalGet(0), I::LocalGet(0), I::I32Const(i as i32), I::I32Eq, I::BrIf(0), I::Drop]);
            all(f, &[I::LocalGet(0), I::LocalGet(0), I::BrTable(targets.into(), root), I::End]);
        }
        f.instruction(&I::LocalGet(0));
        for _ in 0..root {
            all(f, &[I::End, I::LocalGet(0), I::I32Add]);
        }
    })
}

fn br_table_once(n: usize, copies: usize) -> Vec<u8> {
    one(copies, 0, |f| {
        all(f, &[I::Block(BlockType::Empty), I::Block(BlockType::Empty), I::LocalGet(0)]);
        let targets: Vec<u32> = (0..n as u32).map(|i| i % 2).collect();
        all(f, &[I::BrTable(targets.into(), 0), I::End, I::End, I::LocalGet(0)]);
    })
}

fn diamonds(n: usize, copies: usize) -> Vec<u8> {
    one(copies, 1, |f| {
        for _ in 0..n {
            all(f, &[I::LocalGet(1), I::If(BlockType::Empty), I::LocalGet(0), I::LocalSet(1)]);
            all(f, &[I::Else, I::LocalGet(1), I::LocalGet(0), I::I32Mul, I::LocalSet(1), I::End]);
        }
        f.instruction(&I::LocalGet(1));
    })
}

fn blocks(n: usize, copies: usize) -> Vec<u8> {
    one(copies, 0, |f| {
        for _ in 0..n {
            f.instruction(&I::Block(BlockType::Empty));
        }
        for _ in 0..n {
            all(f, &[I::LocalGet(0), I::BrIf(0), I::End]);
        }
        f.instruction(&I::LocalGet(0));
    })
}

fn ifs(n: usize, copies: usize) -> Vec<u8> {
    one(copies, 0, |f| {
        for _ in 0..n {
            all(f, &[I::LocalGet(0), I::If(BlockType::Empty)]);
        }
        for _ in 0..n {
            f.instruction(&I::End);
        }
        f.instruction(&I::LocalGet(0));
    })
}

/// Every block is left from the innermost one: joins with as many ways in as there are blocks.
fn ladder(n: usize, copies: usize) -> Vec<u8> {
    one(copies, 8, |f| {
        for _ in 0..n {
            f.instruction(&I::Block(BlockType::Empty));
        }
        for i in 0..n as u32 {
            all(f, &[I::LocalGet(i % 8), I::LocalGet(0), I::I32Add, I::LocalTee(1 + i % 8), I::BrIf(i)]);
        }
        for i in 0..n as u32 {
            all(f, &[I::End, I::LocalGet(i % 8), I::LocalGet(0), I::I32Mul, I::LocalSet(1 + i % 8)]);
        }
        f.instruction(&I::LocalGet(1));
    })
}

/// `n` functions without a body.
fn many(n: usize, params: usize, locals: u32) -> Vec<u8> {
    let mut parts = Parts::new();
    parts.types.ty().function(vec![ValType::I32; params], []);
    for _ in 0..n {
        parts.function(2, locals, |_| {});
    }
    parts.finish()
}

fn functions(n: usize, _: usize) -> Vec<u8> {
    many(n, 0, 0)
}

fn locals(n: usize, _: usize) -> Vec<u8> {
    many(n, 0, 50_000)
}

fn few_locals(n: usize, _: usize) -> Vec<u8> {
    many(n, 0, 500)
}

fn one_locals(n: usize, _: usize) -> Vec<u8> {
    many(1, 0, n as u32)
}

fn params(n: usize, _: usize) -> Vec<u8> {
    many(n, 1000, 0)
}

fn few_params(n: usize, _: usize) -> Vec<u8> {
    many(n, 50, 0)
}

fn exported(n: usize, _: usize) -> Vec<u8> {
    let mut parts = Parts::new();
    for i in 0..n {
        parts.function(0, 0, |_| {});
        parts.exports.export(&format!("{i}"), ExportKind::Func, i as u32);
    }
    parts.finish()
}

/// Each type is another mix of i32 and i64.
fn pointed_to(n: usize, _: usize) -> Vec<u8> {
    let mut parts = Parts::new();
    let refer: Vec<u32> = (0..n as u32).collect();
    for i in &refer {
        let kinds = (0..20).map(|bit| if i >> bit & 1 == 0 { ValType::I32 } else { ValType::I64 });
        parts.types.ty().function(kinds.collect::<Vec<_>>(), []);
        parts.function(2 + i, 0, |_| {});
    }
    parts.tables.table(functable(n));
    parts.elements.active(None, &ConstExpr::i32_const(0), Elements::Functions(refer.into()));
    parts.finish()
}

fn functable(n: usize) -> TableType {
    TableType { element_type: RefType::FUNCREF, minimum: n as u64, maximum: None, table64: false, shared: false }
}

fn calls(n: usize, copies: usize) -> Vec<u8> {
    let mut parts = Parts::new();
    parts.types.ty().function(vec![ValType::I32; 40], [ValType::I32]);
    for _ in 0..copies {
        parts.function(2, 0, |f| {
            for _ in 0..n {
                (0..40).for_each(|local| all(f, &[I::LocalGet(local)]));
                all(f, &[I::Call(0), I::Drop]);
            }
            f.instruction(&I::LocalGet(0));
        });
    }
    parts.finish()
}

fn calls_plain(n: usize, copies: usize) -> Vec<u8> {
    let mut parts = Parts::new();
    for _ in 0..copies {
        parts.function(0, 0, |f| all(f, &vec![I::Call(0); n]));
    }
    parts.finish()
}

fn calls_indirect(n: usize, copies: usize) -> Vec<u8> {
    let mut parts = Parts::new();
    parts.tables.table(functable(10));
    for _ in 0..copies {
        parts.function(1, 0, |f| {
            f.instruction(&I::LocalGet(0));
            for _ in 0..n {
                all(f, &[I::LocalGet(0), I::CallIndirect { type_index: 1, table_index: 0 }]);
            }
        });
    }
    parts.finish()
}

fn types(n: usize, _: usize) -> Vec<u8> {
    let mut parts = Parts::new();
    for i in 0..n {
        let kinds = (0..20).map(|bit| if i >> bit & 1 == 0 { ValType::I32 } else { ValType::I64 });
        parts.types.ty().function(kinds.collect::<Vec<_>>(), []);
    }
    parts.finish()
}

fn imports(n: usize, _: usize) -> Vec<u8> {
    let mut parts = Parts::new();
    for _ in 0..n {
        parts.imports.import("", "", EntityType::Function(0));
    }
    parts.finish()
}

fn globals(n: usize, _: usize) -> Vec<u8> {
    let mut parts = Parts::new();
    let ty = GlobalType { val_type: ValType::I64, mutable: true, shared: false };
    for _ in 0..n {
        parts.globals.global(ty, &ConstExpr::i64_const(1));
    }
    parts.finish()
}

fn exports(n: usize, _: usize) -> Vec<u8> {
    let mut parts = Parts::new();
    for i in 0..n {
        parts.exports.export(&format!("{i}"), ExportKind::Memory, 0);
    }
    parts.finish()
}

fn data(n: usize, _: usize) -> Vec<u8> {
    let mut parts = Parts::new();
    for i in 0..n {
        parts.data.active(0, &ConstExpr::i32_const((i % 65_536) as i32), [1]);
    }
    parts.finish()
}

fn data_passive(n: usize, _: usize) -> Vec<u8> {
    let mut parts = Parts::new();
    for _ in 0..n {
        parts.data.passive([1]);
    }
    parts.finish()
}

fn data_apart(n: usize, _: usize) -> Vec<u8> {
    let mut parts = Parts::new();
    parts.pages = n.min(65_536) as u64;
    for i in 0..parts.pages {
        parts.data.active(0, &ConstExpr::i32_const((i << 16) as i32), [1]);
    }
    parts.finish()
}

fn elements(n: usize, _: usize) -> Vec<u8> {
    let mut parts = Parts::new();
    parts.tables.table(functable(1));
    parts.function(0, 0, |_| {});
    for _ in 0..n {
        parts.elements.active(None, &ConstExpr::i32_const(0), Elements::Functions(vec![0].into()));
    }
    parts.finish()
}

fn table(n: usize, _: usize) -> Vec<u8> {
    let mut parts = Parts::new();
    parts.tables.table(functable(n));
    parts.function(0, 0, |_| {});
    parts.elements.active(None, &ConstExpr::i32_const(0), Elements::Functions(vec![0; n].into()));
    parts.finish()
}

fn table_sparse(n: usize, _: usize) -> Vec<u8> {
    let mut parts = Parts::new();
    parts.tables.table(functable(n));
    parts.function(0, 0, |_| {});
    let last = ConstExpr::i32_const(n.saturating_sub(1) as i32);
    parts.elements.active(None, &last, Elements::Functions(vec![0; n.min(1)].into()));
    parts.finish()
}

fn custom(n: usize, _: usize) -> Vec<u8> {
    let mut module = Parts::new().finish();
    let section = CustomSection { name: "x".into(), data: (&[][..]).into() };
    for _ in 0..n {
        wasm_encoder::Section::append_to(&section, &mut module);
    }
    module
}
