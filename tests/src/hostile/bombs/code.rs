//! Bombs with much code: long runs of instructions, and calls.

use super::parts::{AT, Parts, all, functable, one};
use wasm_encoder::{Instruction as I, ValType};

pub(super) fn straight(n: usize, copies: usize) -> Vec<u8> {
    one(copies, 0, |f| {
        f.instruction(&I::LocalGet(0));
        for i in 0..n {
            all(f, &[I::LocalGet(0), [I::I32Mul, I::I32Xor, I::I32Rotl, I::I32ShrU][i % 4].clone()]);
        }
    })
}

pub(super) fn stores(n: usize, copies: usize) -> Vec<u8> {
    one(copies, 0, |f| {
        for _ in 0..n {
            all(f, &[I::LocalGet(0), I::LocalGet(0), I::I32Load(AT), I::I32Store(AT)]);
        }
        f.instruction(&I::LocalGet(0));
    })
}

pub(super) fn divisions(n: usize, copies: usize) -> Vec<u8> {
    one(copies, 0, |f| {
        f.instruction(&I::LocalGet(0));
        for _ in 0..n {
            all(f, &[I::LocalGet(0), I::I32DivS]);
        }
    })
}

pub(super) fn copies(n: usize, copies: usize) -> Vec<u8> {
    one(copies, 0, |f| {
        for i in 0..n {
            all(f, &[I::LocalGet(0), I::LocalGet(0), I::LocalGet(0)]);
            f.instruction(&if i % 2 == 0 { I::MemoryCopy { src_mem: 0, dst_mem: 0 } } else { I::MemoryFill(0) });
        }
        f.instruction(&I::LocalGet(0));
    })
}

pub(super) fn selects(n: usize, copies: usize) -> Vec<u8> {
    one(copies, 0, |f| {
        f.instruction(&I::LocalGet(0));
        for _ in 0..n {
            all(f, &[I::LocalGet(0), I::LocalGet(0), I::I32Eqz, I::Select]);
        }
    })
}

pub(super) fn constants(n: usize, copies: usize) -> Vec<u8> {
    one(copies, 0, |f| {
        f.instruction(&I::LocalGet(0));
        for i in 0..n {
            all(f, &[I::I32Const((i % 63) as i32), [I::I32Add, I::I32Xor, I::I32Or, I::I32And][i % 4].clone()]);
        }
    })
}

pub(super) fn equal(n: usize, copies: usize) -> Vec<u8> {
    one(copies, 0, |f| {
        f.instruction(&I::LocalGet(0));
        for _ in 0..n {
            all(f, &[I::LocalGet(0), I::I32Const(3), I::I32Mul, I::I32Add]);
        }
    })
}

pub(super) fn calls(n: usize, copies: usize) -> Vec<u8> {
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

pub(super) fn calls_plain(n: usize, copies: usize) -> Vec<u8> {
    let mut parts = Parts::new();
    for _ in 0..copies {
        parts.function(0, 0, |f| all(f, &vec![I::Call(0); n]));
    }
    parts.finish()
}

pub(super) fn calls_indirect(n: usize, copies: usize) -> Vec<u8> {
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
