//! What is in a module, as `relobox inspect --json` prints it (docs/json.md).

use serde::{Deserialize, Serialize};

/// What is in a module's file.
#[derive(Debug, Serialize, Deserialize)]
pub struct Inspection {
    /// The name of its file.
    pub module: String,
    /// The machine, as in the ELF header.
    pub machine: u16,
    /// 32 or 64 bits.
    pub class: u8,
    /// `little` or `big`.
    pub byte_order: String,
    /// The flags of the ELF header.
    pub flags: u32,
    /// The plugin that links it, if there is exactly one.
    pub plugin: Option<String>,
    /// The plugins, if there are several and none was chosen. Inspecting a module requires no choice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Candidate>,
    /// The size in bytes of the signature behind the module.
    pub signature_bytes: u32,
    /// The entries of `.modinfo`: key and value.
    pub modinfo: Vec<(String, String)>,
    /// The sections that are in memory.
    pub sections: Vec<SectionReport>,
    /// What it exports.
    pub exports: Vec<ExportReport>,
    /// Its undefined symbols, by name.
    pub wanted: Vec<UndefinedSymbol>,
    /// How many relocations it has of each type, the most frequent first.
    pub relocations: Vec<Histogram>,
}

/// A plugin that could link the module.
#[derive(Debug, Serialize, Deserialize)]
pub struct Candidate {
    /// Its name.
    pub name: String,
    /// The SHA-256 of its Wasm, as digits.
    pub sha256: String,
    /// Where it came from.
    pub origin: String,
}

/// A section that is in memory.
#[derive(Debug, Serialize, Deserialize)]
pub struct SectionReport {
    /// Its index in the file.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its alignment in bytes.
    pub align: u64,
    /// Its flags, as letters: W, A, X.
    pub flags: String,
    /// The number of its relocations.
    pub relocations: u32,
}

/// A symbol that the module exports.
#[derive(Debug, Serialize, Deserialize)]
pub struct ExportReport {
    /// Its name.
    pub name: String,
    /// True if only GPL-compatible modules may use it.
    pub gpl: bool,
    /// The CRC of its type, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc: Option<u32>,
    /// Its namespace, or empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
}

/// A symbol that somebody else defines.
#[derive(Debug, Serialize, Deserialize)]
pub struct UndefinedSymbol {
    /// Its name.
    pub name: String,
    /// True if the module works without it.
    pub weak: bool,
    /// The CRC of its type that the module was compiled for, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc: Option<u32>,
}

/// The relocations of one type.
#[derive(Debug, Serialize, Deserialize)]
pub struct Histogram {
    /// The name of the type, or its number.
    pub name: String,
    /// How many there are.
    pub count: usize,
    /// The plugin's formula, or empty.
    pub formula: String,
}
