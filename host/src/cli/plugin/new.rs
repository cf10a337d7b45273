//! `relobox plugin new`: creates a new plugin from a template.
//!
//! The template needs only this program. What a plugin depends on is embedded (`build.rs`) and written with it: the C
//! header, or the Rust crates.

use crate::cli::output;
use clap::{Args, ValueEnum};
use relobox::{Error, Result, files};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

include!(concat!(env!("OUT_DIR"), "/templates.rs"));

/// Create a plugin from a template: a word, a branch with stubs, a split field and a GOT, with tests and a CI file
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  relobox plugin new wren --machine 0x7e57 --class 32 --order big
  relobox plugin new wren --lang c

The result builds with stock tools: cargo and a Rust target for WebAssembly, or clang and wasm-ld.
Existing files are not overwritten.")]
pub(crate) struct NewArgs {
    /// The plugin's name: lower-case letters, digits, '-' and '_'
    #[arg(value_parser = name)]
    name: String,
    /// The directory to create [default: ./NAME]
    dir: Option<PathBuf>,
    /// The programming language
    #[arg(long, value_enum, default_value_t = Lang::Rust)]
    lang: Lang,
    /// The machine's number in ELF files (e_machine) [the default is not assigned to any machine]
    #[arg(long, value_name = "N", value_parser = machine, default_value = "0x7e57")]
    machine: u16,
    /// The class of ELF files: 32 or 64 bits
    #[arg(long, value_parser = ["32", "64"], default_value = "64")]
    class: String,
    /// The byte order
    #[arg(long, value_enum, default_value_t = Order::Little)]
    order: Order,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Lang {
    /// Rust: a table, with relobox's crates
    Rust,
    /// C: one header, no library
    C,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Order {
    Little,
    Big,
}

/// Checks a name, which becomes a part of the names of a crate, of files and of relocations.
fn name(text: &str) -> Result<String, String> {
    let good = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_');
    if text.len() > 32 || !text.starts_with(|c: char| c.is_ascii_lowercase()) || !text.chars().all(good) {
        return Err("a name is a lower-case letter, then at most 31 of a-z, 0-9, '-' and '_'".into());
    }
    Ok(text.to_owned())
}

fn machine(text: &str) -> Result<u16, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u16::from_str_radix(digits, 16),
        None => text.parse(),
    };
    match parsed {
        Ok(0) => Err("0 is not a machine".into()),
        Ok(machine) => Ok(machine),
        Err(e) => Err(format!("{e}; a machine is 1 to 65535, decimal or 0x…")),
    }
}

impl NewArgs {
    /// The words that replace `@WORD@` in the templates.
    fn words(&self) -> Vec<(&'static str, String)> {
        let big = self.order == Order::Big;
        let (bytes, bits) = if self.class == "32" { ("4", "32") } else { ("8", "64") };
        let none = "0".repeat(8);
        let either = |yes: &str, no: &str| if big { yes.to_owned() } else { no.to_owned() };
        vec![
            ("NAME", self.name.clone()),
            ("UPPER", self.name.to_uppercase().replace('-', "_")),
            ("VERSION", env!("CARGO_PKG_VERSION").into()),
            ("MACHINE", format!("{:#x}", self.machine)),
            ("CLASS", self.class.clone()),
            ("WORD", format!("WORD{bits}")),
            ("BYTES", bytes.into()),
            ("BITS", bits.into()),
            ("ORDER", either("big", "little")),
            ("BIGORLITTLE", either("BIG", "LITTLE")),
            ("BIG", either("1", "0")),
            ("BE", either("be", "le")),
            ("SB", either("MSB", "LSB")),
            // The example's .text after linking, as readelf prints it: a word, and two branches in poison.
            (
                "LINKED",
                match (bits, big) {
                    ("32", false) => "fc0f0040 a5a5a5a5 fe03a5a5 feffa5a5".into(),
                    ("32", true) => "40000ffc a5a5a5a5 a5a503fe a5a5fffe".into(),
                    (_, false) => format!("fc0f0040 {none} fe03a5a5 feffa5a5"),
                    (_, true) => format!("{none} 40000ffc a5a503fe a5a5fffe"),
                },
            ),
            // Invented, like the machine: modules and kernel are close to each other.
            ("BASE", "0x4000_0000".into()),
            ("KERNEL", "0x4001_0000".into()),
        ]
    }

    /// All files, with their paths relative to the directory.
    fn files(&self) -> Vec<(PathBuf, String)> {
        let (own, vendor) = match self.lang {
            Lang::Rust => (RUST, VENDOR),
            Lang::C => (C, &[][..]),
        };
        let mut words = self.words();
        if self.lang == Lang::C {
            // C has no digit separator.
            words.iter_mut().for_each(|(_, word)| {
                *word = if word.starts_with("0x") { word.replace('_', "") } else { word.clone() }
            });
        }
        let fill = |text: &str| {
            words.iter().fold(text.to_owned(), |text, (key, word)| text.replace(&format!("@{key}@"), word))
        };
        let own = COMMON.iter().chain(own).map(|(path, text)| (PathBuf::from(plain(path)), fill(text)));
        let vendor = vendor.iter().map(|(path, text)| (Path::new("vendor/relobox").join(path), (*text).to_owned()));
        own.chain(vendor).collect()
    }
}

/// Templates whose real names would have a meaning in this repository have another name here.
fn plain(path: &str) -> String {
    let parts = path.split('/').map(|part| match part.strip_prefix("dot-") {
        Some(rest) => format!(".{rest}"),
        None => part.strip_suffix(".in").unwrap_or(part).to_owned(),
    });
    parts.collect::<Vec<_>>().join("/")
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(Error::io(parent))?;
    }
    let mode = if text.starts_with("#!") { files::SCRIPT } else { files::PUBLIC };
    files::write(path, mode, text.as_bytes())
}

pub(super) fn run(args: NewArgs) -> Result<ExitCode> {
    let dir = args.dir.clone().unwrap_or_else(|| PathBuf::from(&args.name));
    let empty = match fs::read_dir(&dir) {
        Ok(mut entries) => entries.next().is_none(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => true,
        Err(e) => return Err(Error::io(&dir)(e)),
    };
    if !empty {
        return Err(Error::Usage(format!("{}: the directory is not empty; nothing was written", dir.display())));
    }
    let files = args.files();
    for (path, text) in &files {
        write(&dir.join(path), text)?;
    }
    let (build, source) = match args.lang {
        Lang::Rust => ("cargo test && ./build.sh", "src/lib.rs"),
        Lang::C => ("make", "arch.c"),
    };
    let name = &args.name;
    output::line(format_args!("{}: {} files. The architecture is in {source}. Next:", dir.display(), files.len()));
    for step in [
        format!("cd {}", dir.display()),
        build.to_owned(),
        format!("relobox plugin test build/{name}.wasm"),
        format!("relobox fuzz build/{name}.wasm --time 60"),
        format!("relobox plugin pin build/{name}.wasm"),
    ] {
        output::line(format_args!("    {step}"));
    }
    Ok(ExitCode::SUCCESS)
}
