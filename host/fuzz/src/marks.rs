//! Marks what a guest writes, so that its instance can be reset: see [`Marks`].
//!
//! A unit's mark is at its number, modulo the number of marks. The memories of guests that are reset have fewer units
//! than there are marks, so an address that is counted modulo is outside of the memory, and its store traps.

use super::instrument::{Rewriter, ScratchLocals};
use relobox_core::limits::{FUZZ_MARKS, FUZZ_UNIT};
use wasm_encoder::{Function, Instruction};
use wasmparser::{MemArg, Operator};

/// Returns the operand and the type of a store: whether its value has 64 bits.
fn store(operator: &Operator<'_>) -> Option<(MemArg, bool)> {
    match operator {
        Operator::I32Store { memarg } | Operator::I32Store8 { memarg } | Operator::I32Store16 { memarg } => {
            Some((*memarg, false))
        }
        Operator::I64Store { memarg }
        | Operator::I64Store8 { memarg }
        | Operator::I64Store16 { memarg }
        | Operator::I64Store32 { memarg } => Some((*memarg, true)),
        _ => None,
    }
}

/// Returns whether an instruction changes state that a reset does not restore. Guests use neither floats nor features
/// of Wasm that have other stores.
fn is_permanent(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::TableInit { .. }
            | Operator::TableCopy { .. }
            | Operator::TableFill { .. }
            | Operator::TableSet { .. }
            | Operator::TableGrow { .. }
            | Operator::ElemDrop { .. }
            | Operator::DataDrop { .. }
            | Operator::F32Store { .. }
            | Operator::F64Store { .. }
    )
}

impl Rewriter {
    /// Emits code before a store, a fill or a copy, that marks what it writes.
    pub(crate) fn mark(&mut self, f: &mut Function, s: ScratchLocals, operator: &Operator<'_>) {
        if let Some((memarg, wide)) = store(operator) {
            self.mark_store(f, s, memarg, wide);
        }
        if matches!(operator, Operator::MemoryFill { .. } | Operator::MemoryCopy { .. } | Operator::MemoryInit { .. }) {
            self.mark_range(f, s);
        }
        self.permanent |= is_permanent(operator);
    }

    /// The address and the value are on the stack.
    fn mark_store(&self, f: &mut Function, s: ScratchLocals, memarg: MemArg, wide: bool) {
        let value = if wide { s.wide_x } else { s.x };
        f.instruction(&Instruction::LocalSet(value));
        f.instruction(&Instruction::LocalTee(s.a));
        if memarg.offset != 0 {
            f.instruction(&Instruction::I32Const((memarg.offset as u32).cast_signed()));
            f.instruction(&Instruction::I32Add);
        }
        f.instruction(&Instruction::I32Const(FUZZ_UNIT.ilog2().cast_signed()));
        f.instruction(&Instruction::I32ShrU);
        f.instruction(&Instruction::I32Const(FUZZ_MARKS as i32 - 1));
        f.instruction(&Instruction::I32And);
        f.instruction(&Instruction::I32Const(1));
        f.instruction(&Instruction::I32Store8(self.at(self.marks_at)));
        f.instruction(&Instruction::LocalGet(s.a));
        f.instruction(&Instruction::LocalGet(value));
    }

    /// The address, another operand and the number of bytes are on the stack. More than all units need not be marked.
    fn mark_range(&self, f: &mut Function, s: ScratchLocals) {
        use Instruction as I;
        let unit = I::I32Const(FUZZ_UNIT.ilog2().cast_signed());
        let all = I::I32Const(FUZZ_MARKS as i32);
        for i in [
            I::LocalSet(s.b),
            I::LocalSet(s.x),
            I::LocalTee(s.a),
            // The first unit: at most the one behind all others.
            unit.clone(),
            I::I32ShrU,
            I::LocalTee(s.y),
            all.clone(),
            I::LocalGet(s.y),
            all.clone(),
            I::I32LtU,
            I::Select,
            I::LocalTee(s.y),
            I::I32Const(self.marks_at as i32),
            I::I32Add,
            I::I32Const(1),
            // The number of units: at most as many as follow.
            I::LocalGet(s.b),
            unit,
            I::I32ShrU,
            I::I32Const(2),
            I::I32Add,
            all.clone(),
            I::LocalGet(s.y),
            I::I32Sub,
            I::LocalGet(s.b),
            I::I32Const(FUZZ_UNIT.ilog2().cast_signed()),
            I::I32ShrU,
            I::I32Const(2),
            I::I32Add,
            all,
            I::LocalGet(s.y),
            I::I32Sub,
            I::I32LtU,
            I::Select,
            I::MemoryFill(self.memory),
            I::LocalGet(s.a),
            I::LocalGet(s.x),
            I::LocalGet(s.b),
        ] {
            f.instruction(&i);
        }
    }
}
