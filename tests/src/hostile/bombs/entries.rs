//! Bombs with many entries in a section: functions, locals, types, exports, segments, tables.

use super::parts::{Parts, functable};
use wasm_encoder::{ConstExpr, CustomSection, Elements, EntityType, ExportKind, GlobalType, ValType};

/// Makes `n` functions with empty bodies.
fn many(n: usize, params: usize, locals: u32) -> Vec<u8> {
    let mut parts = Parts::new();
    parts.types.ty().function(vec![ValType::I32; params], []);
    for _ in 0..n {
        parts.function(2, locals, |_| {});
    }
    parts.finish()
}

pub(super) fn functions(n: usize, _: usize) -> Vec<u8> {
    many(n, 0, 0)
}

pub(super) fn locals(n: usize, _: usize) -> Vec<u8> {
    many(n, 0, 50_000)
}

pub(super) fn few_locals(n: usize, _: usize) -> Vec<u8> {
    many(n, 0, 500)
}

pub(super) fn one_locals(n: usize, _: usize) -> Vec<u8> {
    many(1, 0, n as u32)
}

pub(super) fn params(n: usize, _: usize) -> Vec<u8> {
    many(n, 1000, 0)
}

pub(super) fn few_params(n: usize, _: usize) -> Vec<u8> {
    many(n, 50, 0)
}

pub(super) fn exported(n: usize, _: usize) -> Vec<u8> {
    let mut parts = Parts::new();
    for i in 0..n {
        parts.function(0, 0, |_| {});
        parts.exports.export(&format!("{i}"), ExportKind::Func, i as u32);
    }
    parts.finish()
}

/// Each type is a different combination of i32 and i64.
pub(super) fn pointed_to(n: usize, _: usize) -> Vec<u8> {
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

pub(super) fn types(n: usize, _: usize) -> Vec<u8> {
    let mut parts = Parts::new();
    for i in 0..n {
        let kinds = (0..20).map(|bit| if i >> bit & 1 == 0 { ValType::I32 } else { ValType::I64 });
        parts.types.ty().function(kinds.collect::<Vec<_>>(), []);
    }
    parts.finish()
}

pub(super) fn imports(n: usize, _: usize) -> Vec<u8> {
    let mut parts = Parts::new();
    for _ in 0..n {
        parts.imports.import("", "", EntityType::Function(0));
    }
    parts.finish()
}

pub(super) fn globals(n: usize, _: usize) -> Vec<u8> {
    let mut parts = Parts::new();
    let ty = GlobalType { val_type: ValType::I64, mutable: true, shared: false };
    for _ in 0..n {
        parts.globals.global(ty, &ConstExpr::i64_const(1));
    }
    parts.finish()
}

pub(super) fn exports(n: usize, _: usize) -> Vec<u8> {
    let mut parts = Parts::new();
    for i in 0..n {
        parts.exports.export(&format!("{i}"), ExportKind::Memory, 0);
    }
    parts.finish()
}

pub(super) fn data(n: usize, _: usize) -> Vec<u8> {
    let mut parts = Parts::new();
    for i in 0..n {
        parts.data.active(0, &ConstExpr::i32_const((i % 65_536) as i32), [1]);
    }
    parts.finish()
}

pub(super) fn data_passive(n: usize, _: usize) -> Vec<u8> {
    let mut parts = Parts::new();
    for _ in 0..n {
        parts.data.passive([1]);
    }
    parts.finish()
}

pub(super) fn data_apart(n: usize, _: usize) -> Vec<u8> {
    let mut parts = Parts::new();
    parts.pages = n.min(65_536) as u64;
    for i in 0..parts.pages {
        parts.data.active(0, &ConstExpr::i32_const((i << 16) as i32), [1]);
    }
    parts.finish()
}

pub(super) fn elements(n: usize, _: usize) -> Vec<u8> {
    let mut parts = Parts::new();
    parts.tables.table(functable(1));
    parts.function(0, 0, |_| {});
    for _ in 0..n {
        parts.elements.active(None, &ConstExpr::i32_const(0), Elements::Functions(vec![0].into()));
    }
    parts.finish()
}

pub(super) fn table(n: usize, _: usize) -> Vec<u8> {
    let mut parts = Parts::new();
    parts.tables.table(functable(n));
    parts.function(0, 0, |_| {});
    parts.elements.active(None, &ConstExpr::i32_const(0), Elements::Functions(vec![0; n].into()));
    parts.finish()
}

pub(super) fn table_sparse(n: usize, _: usize) -> Vec<u8> {
    let mut parts = Parts::new();
    parts.tables.table(functable(n));
    parts.function(0, 0, |_| {});
    let last = ConstExpr::i32_const(n.saturating_sub(1) as i32);
    parts.elements.active(None, &last, Elements::Functions(vec![0; n.min(1)].into()));
    parts.finish()
}

pub(super) fn custom(n: usize, _: usize) -> Vec<u8> {
    let mut module = Parts::new().finish();
    let section = CustomSection { name: "x".into(), data: (&[][..]).into() };
    for _ in 0..n {
        wasm_encoder::Section::append_to(&section, &mut module);
    }
    module
}
