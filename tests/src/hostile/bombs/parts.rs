//! The sections of a Wasm module from which bombs are built.

use wasm_encoder::{
    CodeSection, DataSection, ElementSection, ExportKind, ExportSection, Function, FunctionSection, GlobalSection,
    ImportSection, Instruction as I, MemArg, MemorySection, MemoryType, Module, RefType, TableSection, TableType,
    TypeSection, ValType,
};

/// The sections of a module, in the order of the binary format.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) types: TypeSection,
    pub(super) imports: ImportSection,
    pub(super) functions: FunctionSection,
    pub(super) tables: TableSection,
    pub(super) globals: GlobalSection,
    pub(super) exports: ExportSection,
    pub(super) elements: ElementSection,
    pub(super) code: CodeSection,
    pub(super) data: DataSection,
    pub(super) pages: u64,
}

impl Parts {
    /// Type 0 is `() -> ()`, and type 1 is `(i32) -> i32`.
    pub(super) fn new() -> Self {
        let mut parts = Self { pages: 1, ..Self::default() };
        parts.types.ty().function([], []);
        parts.types.ty().function([ValType::I32], [ValType::I32]);
        parts.exports.export("memory", ExportKind::Memory, 0);
        parts
    }

    pub(super) fn function(&mut self, ty: u32, locals: u32, body: impl FnOnce(&mut Function)) {
        let mut function = Function::new((locals > 0).then_some((locals, ValType::I32)));
        body(&mut function);
        function.instruction(&I::End);
        self.functions.function(ty);
        self.code.function(&function);
    }

    pub(super) fn finish(self) -> Vec<u8> {
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

/// Makes functions from i32 to i32 with `locals` additional locals.
pub(super) fn one(copies: usize, locals: usize, body: impl Fn(&mut Function)) -> Vec<u8> {
    let mut parts = Parts::new();
    for _ in 0..copies {
        parts.function(1, locals as u32, &body);
    }
    parts.finish()
}

pub(super) const AT: MemArg = MemArg { offset: 0, align: 0, memory_index: 0 };

pub(super) fn all(f: &mut Function, instructions: &[I<'_>]) {
    for i in instructions {
        f.instruction(i);
    }
}

pub(super) fn functable(n: usize) -> TableType {
    TableType { element_type: RefType::FUNCREF, minimum: n as u64, maximum: None, table64: false, shared: false }
}
