//! The C header: the same records and constants.

use crate::{abi, hold};
use std::fmt::Write as _;

/// `Span` as `struct relobox_span`; `[u64; 2]` as a type and `[2]`.
fn field(ty: &str, name: &str) -> String {
    let (element, array) = match ty.strip_prefix('[').and_then(|t| t.strip_suffix(']')?.split_once("; ")) {
        Some((element, count)) => (element, format!("[{count}]")),
        None => (ty, String::new()),
    };
    let c = match element {
        "u8" => "uint8_t".into(),
        "i8" => "int8_t".into(),
        "u16" => "uint16_t".into(),
        "u32" => "uint32_t".into(),
        "i32" => "int32_t".into(),
        "u64" => "uint64_t".into(),
        "i64" => "int64_t".into(),
        record => format!("struct {}", snake(record)),
    };
    format!("{c} {name}{array};")
}

/// `EmitJob` as `relobox_emit_job`.
fn snake(name: &str) -> String {
    let mut out = String::from("relobox");
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

/// A comment, in lines of up to 110 characters.
fn comment(out: &mut String, indent: &str, text: &str) {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.replace('`', "").split_whitespace() {
        if line.len() + word.len() > 108 - indent.len() {
            lines.push(std::mem::take(&mut line));
        }
        line = if line.is_empty() { word.into() } else { format!("{line} {word}") };
    }
    lines.push(line);
    let _ = writeln!(out, "{indent}/* {} */", lines.join(&format!("\n{indent} * ")));
}

fn header() -> String {
    let mut out = String::from(
        "/* relobox.h: the records that relobox's host and its guests share. Generated from relobox-abi; do not edit.
 *
 * All integers are little-endian and naturally aligned, without padding, as clang lays them out for wasm32.
 * An address in the guest's memory is a uint32_t. docs/abi.md says what each record is for.
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#ifndef RELOBOX_H
#define RELOBOX_H

#include <stdint.h>

",
    );
    let _ = writeln!(out, "#define RELOBOX_ABI_VERSION {}u", relobox_abi::ABI_VERSION);
    let _ = writeln!(out, "/* No such index. */\n#define RELOBOX_NONE {:#x}u\n", relobox_abi::NONE);
    out.push_str(
        "/* Marks an export of the plugin: RELOBOX_EXPORT(\"relobox_plan\") uint32_t plan(uint32_t job) {...} */\n",
    );
    out.push_str("#define RELOBOX_EXPORT(name) __attribute__((export_name(name)))\n\n");
    for group in abi::constants() {
        comment(&mut out, "", &group.doc);
        for c in &group.constants {
            let suffix = if c.ty == "u64" { "ull" } else { "u" };
            let name = format!("RELOBOX_{}_{}", group.name.to_uppercase(), c.name);
            let _ = writeln!(out, "#define {name} {}{suffix}", c.value);
        }
        out.push('\n');
    }
    for r in abi::records() {
        comment(&mut out, "", &r.doc);
        let name = snake(&r.name);
        let _ = writeln!(out, "struct {name} {{");
        for f in &r.fields {
            comment(&mut out, "    ", &format!("{}: {}", f.offset, f.doc));
            let _ = writeln!(out, "    {}", field(&f.ty, &f.name));
        }
        let _ = writeln!(out, "}};\n_Static_assert(sizeof(struct {name}) == {}, \"{name}\");\n", r.size);
    }
    out.push_str("#endif\n");
    out
}

#[test]
fn the_header_is_current() {
    hold("docs/examples/toy/relobox.h", &header());
}
