//! What librelobox asks a linking process, and what that answers: messages of a job that loads nothing.
//!
//! A question is the text of a [`Job::Ask`](relobox_isolate::message::Job::Ask), as JSON. The packet's other descriptors
//! are the symbol texts, then the file of the module. The answer is the text of a
//! [`Request::Told`](relobox_isolate::message::Request::Told). Nothing of it is trusted: it is shown, or given to the
//! program that asked. The bytes that belong to it are in the job's buffer for files.
#![warn(missing_docs)]

mod inspection;

pub use inspection::{Candidate, ExportReport, Histogram, Inspection, SectionReport, UndefinedSymbol};

use relobox_core::areas::Kind;
use relobox_core::digest::Digest;
use relobox_isolate::message::Name;
use serde::{Deserialize, Serialize};

/// A question.
#[derive(Debug, Serialize, Deserialize)]
pub struct Question {
    /// The symbol texts, in the order of their descriptors. They may be compressed.
    pub texts: Vec<FileForm>,
    /// Symbols with their addresses. They replace those of the texts.
    pub symbols: Vec<(Name, u64)>,
    /// What to do with them.
    pub task: Task,
}

/// A file that the packet carries.
#[derive(Debug, Serialize, Deserialize)]
pub struct FileForm {
    /// Its name, for messages.
    pub name: String,
    /// Its size in bytes.
    pub len: u64,
}

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
pub enum Task {
    /// Read the symbol texts, and look these names up: [`Answer::Symbols`].
    Symbols(Vec<Name>),
    /// Tell what is in the module: [`Answer::Inspected`].
    Inspect(FileForm),
    /// Try whether the module links. Symbols without an address get one near the kernel: [`Answer::Checked`].
    Check {
        /// The module.
        file: FileForm,
        /// The numbers from the kernel that plugins ask for, by name. Those that its plugin does not read are ignored.
        inputs: Vec<(String, u64)>,
    },
    /// Link the module: [`Answer::Linked`].
    Link {
        /// The module.
        file: FileForm,
        /// Where it is. Without, where Linux puts modules of its machine.
        base: Option<u64>,
        /// Exact addresses of sections. The others follow from the base.
        sections: Vec<(Name, u64)>,
        /// The numbers from the kernel that its plugin asks for, by name.
        inputs: Vec<(String, u64)>,
    },
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer {
    /// The symbols of the texts.
    Symbols {
        /// The number of names.
        count: u64,
        /// The definition of each name that was asked for.
        found: Vec<Option<SymbolForm>>,
    },
    /// What is in a module.
    Inspected(Box<Inspection>),
    /// The module links.
    Checked {
        /// The plugin.
        plugin: PluginForm,
        /// The number of relocations.
        relocations: u64,
    },
    /// The module is linked.
    Linked(Box<LinkedForm>),
}

/// The definition of a symbol.
#[derive(Debug, Serialize, Deserialize)]
pub struct SymbolForm {
    /// Its address, if it is known.
    pub address: Option<u64>,
    /// The CRC of its type, if it is known.
    pub crc: Option<u32>,
    /// The module that defines it; `None` for the kernel.
    pub owner: Option<String>,
    /// True if only GPL-compatible modules may use it.
    pub gpl: bool,
    /// Its namespace, or empty.
    pub namespace: String,
    /// True if it is known to be exported.
    pub exported: bool,
}

/// The plugin that linked a module.
#[derive(Debug, Serialize, Deserialize)]
pub struct PluginForm {
    /// Its name.
    pub name: String,
    /// The SHA-256 of its Wasm.
    pub digest: Digest,
}

/// A linked module. The job's buffer has the ELF file, then the contents of the sections, one after the other.
#[derive(Debug, Serialize, Deserialize)]
pub struct LinkedForm {
    /// The plugin.
    pub plugin: PluginForm,
    /// The number of relocations that were applied.
    pub relocations: u64,
    /// The modules whose symbols it uses, in the order of first use.
    pub uses: Vec<String>,
    /// Sections whose relocations are left for the kernel, because they are those of a live patch.
    pub left: Vec<String>,
    /// Its memory.
    pub areas: Vec<AreaForm>,
    /// Its sections by address.
    pub sections: Vec<LinkedSection>,
    /// The size in bytes of the ELF file.
    pub file: u64,
}

/// Memory of one kind.
#[derive(Debug, Serialize, Deserialize)]
pub struct AreaForm {
    /// Its kind.
    pub kind: Kind,
    /// Its address.
    pub address: u64,
    /// Its size in bytes.
    pub size: u64,
    /// Its alignment in bytes.
    pub align: u64,
}

/// A section with an address.
#[derive(Debug, Serialize, Deserialize)]
pub struct LinkedSection {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: u64,
    /// Its size in bytes.
    pub size: u64,
    /// Its alignment in bytes; 1 for a section that the plugin made.
    pub align: u64,
    /// Its flags, as letters: W, A, X.
    pub flags: String,
    /// The number of its relocations.
    pub relocations: u32,
    /// True if the plugin made it.
    pub synthetic: bool,
    /// The size in bytes of its contents: its size, or 0 if it is all zeros.
    pub contents: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_json() {
        let file = FileForm { name: "m.ko".into(), len: 7 };
        let sections = vec![(Name::new(b".text"), u64::MAX)];
        let task = Task::Link { file, base: None, sections, inputs: Vec::new() };
        let question = Question { texts: Vec::new(), symbols: vec![(Name::new(b"printk"), 1 << 63)], task };
        let json = serde_json::to_string(&question).unwrap();
        assert!(json.contains(r#""symbols":[["printk",9223372036854775808]]"#), "{json}");
        let back: Question = serde_json::from_str(&json).unwrap();
        let Task::Link { base: None, sections, .. } = back.task else { panic!() };
        assert_eq!(sections, [(Name::new(b".text"), u64::MAX)]);
    }
}
