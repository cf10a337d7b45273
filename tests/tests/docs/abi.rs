//! The records and constants of relobox-abi, read from its source, and checked against what the compiler makes of it.

use crate::read;
use std::mem::{offset_of, size_of};

/// A field: its place in the record, and what its comment says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: String,
    /// The Rust type.
    pub(crate) ty: String,
    pub(crate) offset: usize,
    pub(crate) doc: String,
}

pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) size: usize,
    pub(crate) doc: String,
    pub(crate) fields: Vec<Field>,
}

pub(crate) struct Constant {
    pub(crate) name: String,
    pub(crate) ty: String,
    pub(crate) value: String,
    pub(crate) doc: String,
}

pub(crate) struct Constants {
    /// The module: `symbol_flag`.
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) constants: Vec<Constant>,
}

/// A comment without rustdoc's links: [`Section::flags`] and [`Row::order`](crate::Row::order) become code.
fn plain(doc: &str) -> String {
    let mut out = String::new();
    let mut rest = doc;
    while let Some(start) = rest.find("[`") {
        let Some(end) = rest[start..].find("`]") else { break };
        out.push_str(&rest[..start]);
        out.push_str(rest[start + 1..start + end + 1].trim_start_matches("export::"));
        rest = &rest[start + end + 2..];
        if let Some(target) = rest.strip_prefix('(') {
            rest = &target[target.find(')').map_or(0, |i| i + 1)..];
        }
    }
    out + rest
}

/// Gathers `///` lines until what they are about.
#[derive(Default)]
struct Comment(Vec<String>);

impl Comment {
    fn line(&mut self, line: &str) -> bool {
        match line.strip_prefix("///") {
            Some(text) => {
                self.0.push(text.trim().to_owned());
                true
            }
            None => false,
        }
    }

    fn take(&mut self) -> String {
        plain(&std::mem::take(&mut self.0).join(" "))
    }
}

/// Size and alignment of a field's type, by the rules of C on wasm32.
fn measure(ty: &str) -> (usize, usize) {
    if let Some((element, count)) = ty.strip_prefix('[').and_then(|t| t.strip_suffix(']')?.split_once("; ")) {
        let (size, align) = measure(element);
        return (size * count.parse::<usize>().expect("a count"), align);
    }
    match ty {
        "u8" | "i8" => (1, 1),
        "u16" => (2, 2),
        "u32" | "i32" => (4, 4),
        "u64" | "i64" => (8, 8),
        "Span" | "Table" => (8, 4),
        other => panic!("the documentation does not know the type {other}"),
    }
}

/// Every record, in the order of the source.
pub(crate) fn records() -> Vec<Record> {
    let source = read("arch-plugins/abi/src/records.rs");
    let (_, body) = source.split_once("\nrecords! {").expect("the records");
    let (mut out, mut comment) = (Vec::<Record>::new(), Comment::default());
    let mut end = 0;
    for line in body.lines().map(str::trim) {
        if comment.line(line) {
            continue;
        }
        if let Some((name, size)) = line.strip_prefix("pub struct ").and_then(|l| l.split_once(": ")) {
            let size = size.trim_end_matches(" {").parse().expect("a size");
            out.push(Record { name: name.into(), size, doc: comment.take(), fields: Vec::new() });
            end = 0;
        } else if let Some((name, ty)) = line.strip_prefix("pub ").and_then(|l| l.split_once(": ")) {
            let ty = ty.trim_end_matches(',');
            let (size, align) = measure(ty);
            let offset = end;
            assert_eq!(offset % align, 0, "{name}: padding");
            end = offset + size;
            let field = Field { name: name.into(), ty: ty.into(), offset, doc: comment.take() };
            out.last_mut().expect("a struct").fields.push(field);
        } else if let (true, Some(record)) = (line == "}", out.last()) {
            assert_eq!(end, record.size, "{}", record.name);
        }
    }
    out
}

/// Every group of constants, in the order of the source.
pub(crate) fn constants() -> Vec<Constants> {
    let source = read("arch-plugins/abi/src/constants.rs");
    let (mut out, mut comment) = (Vec::<Constants>::new(), Comment::default());
    for line in source.lines().map(str::trim) {
        if comment.line(line) {
            continue;
        }
        if let Some(name) = line.strip_prefix("pub mod ") {
            let name = name.trim_end_matches(" {").into();
            out.push(Constants { name, doc: comment.take(), constants: Vec::new() });
        } else if let Some((name, rest)) = line.strip_prefix("pub const ").and_then(|l| l.split_once(": ")) {
            let (ty, value) = rest.trim_end_matches(';').split_once(" = ").expect("a value");
            let doc = comment.take();
            if ty == "&str" {
                continue;
            }
            let value = value.replace('_', "");
            let constant = Constant { name: name.into(), ty: ty.into(), value, doc };
            out.last_mut().expect("a module").constants.push(constant);
        }
    }
    out
}

/// A record's name and size, and the name and offset of each field.
type Compiled = (&'static str, usize, Vec<(&'static str, usize)>);

/// What the compiler says.
fn compiled() -> Vec<Compiled> {
    macro_rules! compiled {
        ($($record:ident { $($field:ident)* })*) => {
            vec![$((
                stringify!($record),
                size_of::<relobox_abi::$record>(),
                vec![$((stringify!($field), offset_of!(relobox_abi::$record, $field))),*],
            )),*]
        };
    }
    compiled! {
        Span { at len }
        Table { at count }
        Section { address size align flags data name kind reserved }
        Symbol { value size name section info other flags reserved }
        Group { section first count flags source reserved }
        Relocation { offset addend kind symbol }
        Input { name value }
        Job {
            abi machine class order elf_flags len sections symbols groups relocations values inputs unused data
            reserved
        }
        Plan { faults synthetic alignments windows supplied more_faults descriptors reserved }
        Synthetic { address size align name kind placement section contents reserved }
        FunctionDescriptor { symbol index offset }
        Alignment { section reserved align }
        Window { relocation len offset }
        Supplied { symbol how index reserved value name }
        Applied { faults more_faults reserved }
        Fault { kind relocation section symbol offset value min max text reserved }
        Description { abi kind_mask name title psabi machines rows inputs remade details }
        Remade { name loaders kind size align reserved }
        Detail { kind what offset width order effect reserved mask value min max }
        Machine { machine class order flags_mask flags_value reserved base kernel reach }
        Row {
            kind flags name formula field slices width order rule bits align window_align window_start window_len
            extra pairing effect round partner
        }
        Slice { value_bit field_bit len reserved }
        Parsed {
            faults machine class order elf_flags sections symbols groups relocations modinfo exports versions init
            exit signature strings
        }
        Pair { key value }
        Export { name namespace symbol crc flags offset }
        Version { name crc reserved }
        Indexed { faults wanted modinfo exports imports signature flags reserved }
        Link { name crc flags }
        EmitJob { abi format addresses values synthetic reserved }
        EmitSection { address align kind reserved name contents reserved2 }
        Emitted { faults pieces }
        Unpacked { faults bytes reserved }
    }
}

/// The pages and the header are made from the source; this is where the source meets the compiler.
#[test]
fn the_records_are_where_the_compiler_puts_them() {
    let read = records();
    let compiled = compiled();
    assert_eq!(
        read.iter().map(|r| r.name.as_str()).collect::<Vec<_>>(),
        compiled.iter().map(|c| c.0).collect::<Vec<_>>()
    );
    for (record, (name, size, fields)) in read.iter().zip(&compiled) {
        let read: Vec<_> = record.fields.iter().map(|f| (f.name.as_str(), f.offset)).collect();
        assert_eq!((record.size, read), (*size, fields.clone()), "{name}");
        assert!(!record.doc.is_empty() && record.fields.iter().all(|f| !f.doc.is_empty()), "{name} says too little");
    }
}

#[test]
fn links_become_code() {
    assert_eq!(plain("see [`a`], [`Row::order`](crate::Row::order) and `b`"), "see `a`, `Row::order` and `b`");
    let fault = constants().into_iter().find(|c| c.name == "fault").expect("fault numbers");
    let last = fault.constants.last().expect("a fault");
    assert_eq!(last.value.parse(), Ok(relobox_abi::fault::BAD_STREAM), "{}", last.name);
}
