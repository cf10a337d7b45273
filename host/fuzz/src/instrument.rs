//! Instruments the Wasm of a guest to count edges. The source of the guest is not needed.
//!
//! Every edge of the control flow gets a counter of eight bits, and every comparison gets a byte that records how close
//! its operands came. What the guest writes is marked, so that its instance can be reset. All of these are in a second
//! memory. The code of the guest cannot access it, because the original was validated in a sandbox that allows only one
//! memory. So the guest computes the same results as before.
//!
//! The end of a block has no counter, since all edges that lead there are counted.

use super::names;
use relobox_core::error::{Error, GuestError};
use relobox_core::limits;
use relobox_core::text::hex;
use relobox_link::sandbox::{COUNTERS, Guest, MUTABLE_GLOBAL, Marks, Sandbox};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::ops::Range;
use wasm_encoder::reencode::{self, Reencode, utils};
use wasm_encoder::{
    CodeSection, ExportKind, ExportSection, Function, FunctionSection, GlobalSection, Instruction, MemArg,
    MemorySection, MemoryType, Module, TypeSection, ValType,
};
use wasmparser::{
    ExportSectionReader, FunctionBody, FunctionSectionReader, GlobalSectionReader, MemorySectionReader, Operator,
    Parser, TypeSectionReader,
};

/// A function of a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestFunction {
    /// Its name: of the name section, or else of an export, or else `function N`.
    pub name: String,
    /// Its edge counters.
    pub edges: Range<usize>,
}

/// An instrumented guest.
#[derive(Clone, Debug)]
pub struct Instrumented {
    /// The Wasm binary.
    pub wasm: Vec<u8>,
    /// The number of edge counters, in bytes from the start of the second memory.
    pub edges: usize,
    /// The number of comparison bytes, which follow the edge counters at the next multiple of 16.
    pub comparisons: usize,
    /// The constants in the code, in ascending order, as candidates for mutations.
    pub constants: Vec<i64>,
    /// The marks of what the guest writes, or `None` if it has state that a reset does not restore.
    pub marks: Option<Marks>,
    /// The functions, in the order of their bodies.
    pub functions: Vec<GuestFunction>,
    /// Whether the guest has a name section with names of functions.
    pub named: bool,
    /// SHA-256 of the original Wasm, in hexadecimal digits.
    pub digest: String,
}

/// Instruments `wasm`, which must be valid. Comparisons are recorded only if `comparisons` is true.
///
/// # Errors
///
/// [`GuestError::Unusable`] if the guest exports a memory with the name of the counters, has too many branches, or
/// cannot be rewritten.
pub fn instrument(wasm: &[u8], comparisons: bool) -> Result<Instrumented, GuestError> {
    // The number of edges must be known before the comparison bytes can be placed behind them, and then the marks.
    let (first, _) = rewrite(wasm, comparisons, 0, 0)?;
    let at = first.edges.next_multiple_of(16);
    let marks_at = (at + first.comparisons).next_multiple_of(16);
    let (second, instrumented) = rewrite(wasm, comparisons, at, marks_at)?;
    let Rewriter { edges, comparisons, constants, permanent, mutable_globals, starts, .. } = second;
    let names = names::of(wasm);
    let ends = starts.iter().skip(1).chain([&edges]);
    let ranges = starts.iter().zip(ends).map(|(start, end)| *start..*end);
    let functions = (0..).zip(ranges).map(|(index, edges)| GuestFunction { name: names.name(index), edges });
    let marks =
        Marks { at: marks_at, count: limits::FUZZ_MARKS, unit: limits::FUZZ_UNIT, globals: mutable_globals.len() };
    let constants = constants.into_iter().collect();
    Ok(Instrumented {
        wasm: instrumented,
        edges,
        comparisons,
        constants,
        marks: (!permanent).then_some(marks),
        functions: functions.collect(),
        named: names.has_section,
        digest: hex(&Sha256::digest(wasm)),
    })
}

impl Instrumented {
    /// Compiles the guest. Its instances are reset for the next job, if possible.
    ///
    /// # Errors
    ///
    /// As [`Sandbox::load`].
    pub fn load(&self, sandbox: &Sandbox, name: &str) -> Result<Guest, Error> {
        let guest = sandbox.load(name, &self.wasm)?;
        Ok(match &self.marks {
            Some(marks) => guest.reusing(marks.clone()),
            None => guest,
        })
    }

    /// Splits the second memory into edge counters and comparison bytes.
    #[must_use]
    pub fn split<'a>(&self, memory: &'a [u8]) -> (&'a [u8], &'a [u8]) {
        let edges = memory.get(..self.edges).unwrap_or_default();
        let behind = memory.get(self.edges.next_multiple_of(16)..).unwrap_or_default();
        (edges, behind.get(..self.comparisons).unwrap_or_default())
    }
}

fn rewrite(
    wasm: &[u8],
    comparing: bool,
    comparisons_at: usize,
    marks_at: usize,
) -> Result<(Rewriter, Vec<u8>), GuestError> {
    let mut rewriter = Rewriter { comparing, comparisons_at, marks_at, ..Rewriter::default() };
    let mut module = Module::new();
    rewriter.parse_core_module(&mut module, Parser::new(0), wasm).map_err(|e| match e {
        reencode::Error::UserError(what) => what,
        other => GuestError::Unusable(format!("instrumentation failed: {other}")),
    })?;
    Ok((rewriter, module.finish()))
}

#[derive(Default)]
pub(crate) struct Rewriter {
    comparing: bool,
    comparisons_at: usize,
    /// The offset of the marks in the second memory.
    pub(crate) marks_at: usize,
    /// Whether the guest can change state that a reset does not restore.
    pub(crate) permanent: bool,
    /// The indices of the mutable globals.
    mutable_globals: Vec<u32>,
    edges: usize,
    comparisons: usize,
    constants: BTreeSet<i64>,
    /// The number of parameters of each function type.
    parameters: Vec<u32>,
    /// The type of each function.
    types: Vec<u32>,
    /// The first edge of each function body so far.
    starts: Vec<usize>,
    /// The index of the second memory.
    pub(crate) memory: u32,
}

/// Locals that are added to each function.
#[derive(Clone, Copy)]
pub(crate) struct ScratchLocals {
    pub(crate) a: u32,
    pub(crate) b: u32,
    pub(crate) x: u32,
    pub(crate) y: u32,
    pub(crate) wide_x: u32,
    wide_y: u32,
}

impl Reencode for Rewriter {
    type Error = GuestError;

    fn parse_type_section(&mut self, types: &mut TypeSection, section: TypeSectionReader<'_>) -> RewriteResult {
        for group in section.clone() {
            for ty in group?.types() {
                let params = match &ty.composite_type.inner {
                    wasmparser::CompositeInnerType::Func(f) => f.params().len() as u32,
                    _ => 0,
                };
                self.parameters.push(params);
            }
        }
        utils::parse_type_section(self, types, section)
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: FunctionSectionReader<'_>,
    ) -> RewriteResult {
        self.types = section.clone().into_iter().collect::<Result<_, _>>()?;
        utils::parse_function_section(self, functions, section)
    }

    fn parse_memory_section(
        &mut self,
        memories: &mut MemorySection,
        section: MemorySectionReader<'_>,
    ) -> RewriteResult {
        self.memory = section.count();
        utils::parse_memory_section(self, memories, section)?;
        // At first, the number of counters is not known.
        let bytes = if self.marks_at == 0 { limits::FUZZ_COUNTERS } else { self.marks_at + limits::FUZZ_MARKS };
        let pages = bytes.div_ceil(limits::WASM_PAGE) as u64;
        memories.memory(MemoryType {
            minimum: pages,
            maximum: Some(pages),
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        Ok(())
    }

    fn parse_global_section(&mut self, globals: &mut GlobalSection, section: GlobalSectionReader<'_>) -> RewriteResult {
        for (index, global) in (0..).zip(section.clone()) {
            if global?.ty.mutable {
                self.mutable_globals.push(index);
            }
        }
        utils::parse_global_section(self, globals, section)
    }

    fn parse_export_section(&mut self, exports: &mut ExportSection, section: ExportSectionReader<'_>) -> RewriteResult {
        for export in section.clone() {
            let name = export?.name;
            if name == COUNTERS || name.starts_with(MUTABLE_GLOBAL) {
                let what = format!("it exports {name:?} itself");
                return Err(reencode::Error::UserError(GuestError::Unusable(what)));
            }
        }
        utils::parse_export_section(self, exports, section)?;
        exports.export(COUNTERS, ExportKind::Memory, self.memory);
        for (i, global) in self.mutable_globals.iter().enumerate() {
            exports.export(&format!("{MUTABLE_GLOBAL}{i}"), ExportKind::Global, *global);
        }
        Ok(())
    }

    /// What a start function does cannot be undone, only repeated.
    fn start_section(&mut self, start: u32) -> Result<u32, reencode::Error<GuestError>> {
        self.permanent = true;
        self.function_index(start)
    }

    fn parse_function_body(&mut self, code: &mut CodeSection, body: FunctionBody<'_>) -> RewriteResult {
        let mut locals = Vec::new();
        let mut locals_count = self.parameters_of(self.starts.len());
        self.starts.push(self.edges);
        for pair in body.get_locals_reader()? {
            let (n, ty) = pair?;
            locals_count = locals_count.saturating_add(n);
            locals.push((n, self.val_type(ty)?));
        }
        locals.extend([(4, ValType::I32), (2, ValType::I64)]);
        let [a, b, x, y, wide_x, wide_y] = [0, 1, 2, 3, 4, 5].map(|i| locals_count.saturating_add(i));
        let scratch = ScratchLocals { a, b, x, y, wide_x, wide_y };
        let mut f = Function::new(locals);
        self.count_edge(&mut f);
        let mut operators = body.get_operators_reader()?;
        // For each open block, whether it is an `if` without an `else` so far.
        let mut open = vec![false];
        let mut zero = false;
        while !operators.eof() {
            let operator = operators.read()?;
            self.instrument_operator(&mut f, scratch, &operator, zero)?;
            self.mark(&mut f, scratch, &operator);
            if matches!(operator, Operator::End) && open.pop() == Some(true) {
                f.instruction(&Instruction::Else);
                self.count_edge(&mut f);
            }
            let constant = match operator {
                Operator::I32Const { value } => Some(i64::from(value)),
                Operator::I64Const { value } => Some(value),
                _ => None,
            };
            self.constants.extend(constant);
            zero = constant == Some(0);
            let counted = matches!(operator, Operator::If { .. } | Operator::Else | Operator::Loop { .. });
            match operator {
                Operator::If { .. } => open.push(true),
                Operator::Block { .. } | Operator::Loop { .. } => open.push(false),
                Operator::Else => *open.last_mut().unwrap_or(&mut false) = false,
                _ => {}
            }
            f.instruction(&self.instruction(operator)?);
            if counted {
                self.count_edge(&mut f);
            }
        }
        self.check_limits()?;
        code.function(&f);
        Ok(())
    }
}

type RewriteResult = Result<(), reencode::Error<GuestError>>;

impl Rewriter {
    fn parameters_of(&self, function: usize) -> u32 {
        let params = self.types.get(function).and_then(|ty| self.parameters.get(*ty as usize));
        params.copied().unwrap_or(0)
    }

    /// Emits code before a branch or a comparison. `zero` is true if the instruction before was a constant 0.
    fn instrument_operator(
        &mut self,
        f: &mut Function,
        s: ScratchLocals,
        operator: &Operator<'_>,
        zero: bool,
    ) -> RewriteResult {
        match operator {
            Operator::BrIf { .. } | Operator::Select | Operator::TypedSelect { .. } => {
                f.instruction(&Instruction::LocalTee(s.a));
                f.instruction(&Instruction::I32Eqz);
                self.count_one_of(f, s, 2);
                f.instruction(&Instruction::LocalGet(s.a));
            }
            Operator::BrTable { targets } => {
                let last = targets.len();
                f.instruction(&Instruction::LocalSet(s.a));
                // The branch index is limited to the index of the default target.
                f.instruction(&Instruction::LocalGet(s.a));
                f.instruction(&Instruction::I32Const(last.cast_signed()));
                f.instruction(&Instruction::LocalGet(s.a));
                f.instruction(&Instruction::I32Const(last.cast_signed()));
                f.instruction(&Instruction::I32LtU);
                f.instruction(&Instruction::Select);
                self.count_one_of(f, s, last as usize + 1);
                f.instruction(&Instruction::LocalGet(s.a));
            }
            // Comparisons with 0 mostly belong to loop counters and flags.
            _ if !self.comparing || zero => {}
            Operator::I32Eq
            | Operator::I32Ne
            | Operator::I32LtS
            | Operator::I32LtU
            | Operator::I32GtS
            | Operator::I32GtU
            | Operator::I32LeS
            | Operator::I32LeU
            | Operator::I32GeS
            | Operator::I32GeU => self.compare(f, s, false),
            Operator::I64Eq
            | Operator::I64Ne
            | Operator::I64LtS
            | Operator::I64LtU
            | Operator::I64GtS
            | Operator::I64GtU
            | Operator::I64LeS
            | Operator::I64LeU
            | Operator::I64GeS
            | Operator::I64GeU => self.compare(f, s, true),
            _ => {}
        }
        self.check_limits()
    }

    fn check_limits(&self) -> RewriteResult {
        if self.edges.next_multiple_of(16) + self.comparisons + 16 + limits::FUZZ_MARKS > limits::FUZZ_COUNTERS {
            let what = GuestError::Unusable("it has too many branches to count".into());
            return Err(reencode::Error::UserError(what));
        }
        Ok(())
    }

    pub(crate) fn at(&self, offset: usize) -> MemArg {
        MemArg { offset: offset as u64, align: 0, memory_index: self.memory }
    }

    /// Emits code that increments the next edge counter.
    fn count_edge(&mut self, f: &mut Function) {
        let at = self.at(self.edges);
        self.edges += 1;
        f.instruction(&Instruction::I32Const(0));
        f.instruction(&Instruction::I32Const(0));
        f.instruction(&Instruction::I32Load8U(at));
        f.instruction(&Instruction::I32Const(1));
        f.instruction(&Instruction::I32Add);
        f.instruction(&Instruction::I32Store8(at));
    }

    /// Emits code that increments one of the next `sites` edge counters; its index is on the stack.
    fn count_one_of(&mut self, f: &mut Function, s: ScratchLocals, sites: usize) {
        let at = self.at(self.edges);
        self.edges += sites;
        f.instruction(&Instruction::LocalTee(s.b));
        f.instruction(&Instruction::LocalGet(s.b));
        f.instruction(&Instruction::I32Load8U(at));
        f.instruction(&Instruction::I32Const(1));
        f.instruction(&Instruction::I32Add);
        f.instruction(&Instruction::I32Store8(at));
    }

    /// Emits code that records the maximum number of leading zeros in the difference of the two operands on the stack.
    fn compare(&mut self, f: &mut Function, s: ScratchLocals, wide: bool) {
        let at = self.at(self.comparisons_at + self.comparisons);
        self.comparisons += 1;
        let (x, y) = if wide { (s.wide_x, s.wide_y) } else { (s.x, s.y) };
        f.instruction(&Instruction::LocalSet(y));
        f.instruction(&Instruction::LocalSet(x));
        // Compute both differences; the smaller one has more leading zeros.
        for (from, to, result) in [(x, y, s.a), (y, x, s.b)] {
            f.instruction(&Instruction::LocalGet(from));
            f.instruction(&Instruction::LocalGet(to));
            f.instruction(if wide { &Instruction::I64Sub } else { &Instruction::I32Sub });
            f.instruction(if wide { &Instruction::I64Clz } else { &Instruction::I32Clz });
            if wide {
                f.instruction(&Instruction::I32WrapI64);
            }
            f.instruction(&Instruction::LocalSet(result));
        }
        let max = |f: &mut Function| {
            for i in [
                Instruction::LocalGet(s.a),
                Instruction::LocalGet(s.b),
                Instruction::LocalGet(s.a),
                Instruction::LocalGet(s.b),
                Instruction::I32GtU,
                Instruction::Select,
            ] {
                f.instruction(&i);
            }
        };
        max(f);
        f.instruction(&Instruction::LocalSet(s.a));
        f.instruction(&Instruction::I32Const(0));
        f.instruction(&Instruction::I32Load8U(at));
        f.instruction(&Instruction::LocalSet(s.b));
        f.instruction(&Instruction::I32Const(0));
        max(f);
        f.instruction(&Instruction::I32Store8(at));
        f.instruction(&Instruction::LocalGet(x));
        f.instruction(&Instruction::LocalGet(y));
    }
}
