//! The messages of the jobs for depmod and modinfo, and of those that judge signatures.
//!
//! In such a job nothing is loaded, and the parent believes nothing: it opens only files that it has found itself, and
//! writes only files whose names it knows. What a job makes is in its buffer for files.

use crate::name::Name;
use relobox_core::signature::Verdict;
use serde::{Deserialize, Serialize};

/// Parent to job: what depmod does. The packet's other descriptors are the texts.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct DepmodForm {
    /// The kernel's version.
    pub kernel: Option<Name>,
    /// The directory of its modules.
    pub directory: Option<Name>,
    /// How often `-v` was given.
    pub verbose: u8,
    /// `-n`: no binary index is made.
    pub dry_run: bool,
    /// `-e`: report symbols that no module exports.
    pub unknown: bool,
    /// `-P`: the character that may precede each symbol.
    pub prefix: Option<u8>,
    /// `-w`: report duplicates.
    pub duplicates: bool,
    /// True if the modules are those of the command line.
    pub given: bool,
    /// The configuration files: name and size in bytes. Their contents follow each other in the text `Configuration`.
    pub configuration: Vec<(Name, u64)>,
    /// The texts, each with its size in bytes, in the order of their descriptors.
    pub texts: Vec<(Text, u64)>,
    /// The texts that are missing, each with the warning about that.
    pub missing: Vec<(Text, Name)>,
}

/// A text that depmod reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Text {
    /// All of depmod.d.
    Configuration,
    /// `-F`: System.map, with its name.
    SystemMap(Name),
    /// `-E`: Module.symvers, with its name.
    Symvers(Name),
    /// modules.order.
    Order,
    /// modules.builtin.
    BuiltIn,
    /// modules.builtin.modinfo.
    BuiltInModinfo,
}

/// Parent to job: the paths of all module files.
#[derive(Debug, Serialize, Deserialize)]
pub struct Listing(pub Vec<Name>);

/// Parent to job: modules to read. An empty batch is the last one.
#[derive(Debug, Serialize, Deserialize)]
pub struct Batch(pub Vec<ModuleForm>);

/// A module to read. Its file is the next descriptor of the packet, unless it could not be opened.
#[derive(Debug, Serialize, Deserialize)]
pub struct ModuleForm {
    /// Its number among the modules that are read; for modinfo, 0 or [`BUILT_IN`].
    pub number: u32,
    /// Its path, if that is shown.
    pub path: Option<Name>,
    /// Its size in bytes.
    pub len: u64,
    /// The number of the error if its file could not be opened; otherwise 0.
    pub error: u32,
}

/// Parent to job: what other jobs have read, with its sizes in bytes. The packet has the descriptors.
#[derive(Debug, Serialize, Deserialize)]
pub struct Readings(pub Vec<u64>);

/// The number of a module in a [`Batch`] for modinfo whose file is modules.builtin.modinfo. Its name stands for its
/// path.
pub const BUILT_IN: u32 = 1;

/// Parent to job: what modinfo prints of modules, which come in [`Batch`]es.
#[derive(Debug, Serialize, Deserialize)]
pub struct ModinfoForm {
    /// Print only this field.
    pub field: Option<Name>,
    /// Print a NUL after each entry.
    pub null: bool,
    /// Also print whether the signature is verified, by these. The packet's descriptor has their bytes.
    pub keys: Option<KeysForm>,
}

/// Trusted certificates. Their bytes follow each other in one text.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct KeysForm {
    /// The files: path and size in bytes.
    pub files: Vec<(Name, u64)>,
    /// The size in bytes of what the kernel says of its keys, which comes last.
    pub kernel: u64,
}

/// Parent to job: what is told of a module, which comes in a [`Batch`] of its own. The answer is an [`Step::Output`] of
/// entries that end with NUL, or [`Step::Unreadable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// The entries of `.modinfo` and the fields of the signature: `key=value`.
    Info,
    /// The symbols that it exports: the CRC in eight hexadecimal digits, and the name.
    Exports,
    /// The symbols that it needs: CRC, then `U`, or `W` for a weak one, and the name.
    Imports,
    /// `__versions`: CRC and name.
    Versions,
}

/// Parent to job: names of modules, to be looked up in the indices that are the packet's other descriptors: those of
/// dependencies, symbols, aliases, and built-in names and aliases. Each has a size in bytes; a missing one is empty.
#[derive(Debug, Serialize, Deserialize)]
pub struct LookupForm {
    /// The sizes.
    pub indices: [u64; 5],
    /// The names.
    pub names: Vec<Name>,
    /// True if they are names of modules, and not aliases (`-m`).
    pub modules: bool,
}

/// A message for the user: the number of its level, and its text. Shown only.
#[derive(Debug, Serialize, Deserialize)]
pub struct Said(pub u8, pub Name);

/// Job to parent: a step is done.
#[derive(Debug, Serialize, Deserialize)]
pub enum Step {
    /// The directories of `external` lines. Checked: the configuration has each of these texts.
    Externals(Vec<Name>),
    /// The numbers of the files in the [`Listing`] that are read. Checked: they are in the list, and none occurs twice.
    Chosen(Vec<u32>),
    /// A batch was read.
    Taken,
    /// All batches were read, and the results are so many bytes in the buffer; or those of an unpacked module are. For
    /// another job.
    Read(u64),
    /// What came of the check of a signature. Believed: the job has run no guest. Its certificate is one of the parent's.
    Judged(Verdict),
    /// The output is in the buffer: the sizes in bytes of depmod's files, one after the other, or that of what is
    /// printed. Checked: their number and sum. False if the command failed.
    Output(Vec<u64>, bool),
    /// The module of a [`Part`] cannot be read. The number of the error that kmod would report; shown only.
    Unreadable(u32),
    /// The modules that each name stands for. `None` for a name that is no alias.
    Found(Vec<Option<Vec<FoundForm>>>),
}

/// A module that a name stands for.
#[derive(Debug, Serialize, Deserialize)]
pub struct FoundForm {
    /// Its name. Shown, and looked up.
    pub name: Name,
    /// Its file. Checked: it is a module file by its name, and a regular one.
    pub path: Option<Name>,
    /// True if it is built into the kernel.
    pub built_in: bool,
}
