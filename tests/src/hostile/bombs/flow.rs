//! Bombs with much control flow: loops, branches and blocks, and values that are live across them.

use super::parts::{AT, all, one};
use wasm_encoder::{BlockType, Instruction as I, ValType};

pub(super) fn live(n: usize, copies: usize) -> Vec<u8> {
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

pub(super) fn live_calls(n: usize, copies: usize) -> Vec<u8> {
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

pub(super) fn live_locals(n: usize, copies: usize) -> Vec<u8> {
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

/// Makes `depth` nested loops in which `count` locals change.
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

pub(super) fn loops(n: usize, copies: usize) -> Vec<u8> {
    nest(copies, n.max(1), n)
}

pub(super) fn loops_many_locals(n: usize, copies: usize) -> Vec<u8> {
    nest(copies, n.max(1), 32)
}

pub(super) fn loops_few_locals(n: usize, copies: usize) -> Vec<u8> {
    nest(copies, 10, n)
}

pub(super) fn loops_in_a_row(n: usize, copies: usize) -> Vec<u8> {
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

/// Makes a loop in which each of `count` locals takes the value of the next one, with `back` branches to its start.
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

pub(super) fn branches(n: usize, copies: usize) -> Vec<u8> {
    rotate(copies, n, n)
}

pub(super) fn branches_many_locals(n: usize, copies: usize) -> Vec<u8> {
    rotate(copies, n, 8)
}

pub(super) fn branches_few_locals(n: usize, copies: usize) -> Vec<u8> {
    rotate(copies, 200, n)
}

pub(super) fn br_table(n: usize, copies: usize) -> Vec<u8> {
    let n = n.max(1);
    one(copies, n, |f| {
        f.instruction(&I::Loop(BlockType::Empty));
        for local in 1..=n as u32 {
            all(f, &[I::LocalGet(local), I::LocalGet(0), I::I32Add, I::LocalSet(local)]);
        }
        all(f, &[I::LocalGet(1), I::BrTable(vec![0; n].into(), 0), I::End, I::LocalGet(1)]);
    })
}

/// Makes as many br_tables as each of them has targets; all targets differ, and each has a value.
pub(super) fn br_tables(n: usize, copies: usize) -> Vec<u8> {
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

pub(super) fn br_table_once(n: usize, copies: usize) -> Vec<u8> {
    one(copies, 0, |f| {
        all(f, &[I::Block(BlockType::Empty), I::Block(BlockType::Empty), I::LocalGet(0)]);
        let targets: Vec<u32> = (0..n as u32).map(|i| i % 2).collect();
        all(f, &[I::BrTable(targets.into(), 0), I::End, I::End, I::LocalGet(0)]);
    })
}

pub(super) fn diamonds(n: usize, copies: usize) -> Vec<u8> {
    one(copies, 1, |f| {
        for _ in 0..n {
            all(f, &[I::LocalGet(1), I::If(BlockType::Empty), I::LocalGet(0), I::LocalSet(1)]);
            all(f, &[I::Else, I::LocalGet(1), I::LocalGet(0), I::I32Mul, I::LocalSet(1), I::End]);
        }
        f.instruction(&I::LocalGet(1));
    })
}

pub(super) fn blocks(n: usize, copies: usize) -> Vec<u8> {
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

pub(super) fn ifs(n: usize, copies: usize) -> Vec<u8> {
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

/// Leaves every block from the innermost one, so that each join has as many predecessors as there are blocks.
pub(super) fn ladder(n: usize, copies: usize) -> Vec<u8> {
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
