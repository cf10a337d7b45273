//! Trees of made-up modules, and the commands that index and describe them: relobox's, and kmod 34's to compare with.
#![allow(dead_code, unreachable_pub, reason = "each test binary includes this file and uses a part")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

/// A kernel module with what depmod reads, and nothing else.
#[derive(Clone, Debug, Default)]
pub struct Module {
    /// The symbols that it exports. With a CRC, they have symbols `__crc_NAME`.
    pub exports: Vec<(&'static str, Option<u32>)>,
    /// The symbols that it needs, with their CRCs in `__versions`; true for a weak one.
    pub imports: Vec<(&'static str, Option<u32>, bool)>,
    /// The entries of `.modinfo`.
    pub modinfo: Vec<String>,
    /// True for 32 bits.
    pub narrow: bool,
    /// True for big-endian.
    pub big: bool,
}

impl Module {
    /// A module that exports and needs symbols without CRCs.
    pub fn new(exports: &[&'static str], imports: &[&'static str], modinfo: &[&str]) -> Self {
        Self {
            exports: exports.iter().map(|name| (*name, None)).collect(),
            imports: imports.iter().map(|name| (*name, None, false)).collect(),
            modinfo: modinfo.iter().map(|entry| (*entry).to_owned()).collect(),
            ..Self::default()
        }
    }

    fn number(&self, out: &mut Vec<u8>, value: u64, size: usize) {
        let bytes = value.to_le_bytes();
        match self.big {
            false => out.extend(&bytes[..size]),
            true => out.extend(bytes[..size].iter().rev()),
        }
    }

    /// The file.
    pub fn bytes(&self) -> Vec<u8> {
        let word = if self.narrow { 4 } else { 8 };
        let join =
            |texts: &[&str]| texts.iter().flat_map(|text| [text.as_bytes(), b"\0"].concat()).collect::<Vec<u8>>();
        let modinfo = join(&self.modinfo.iter().map(String::as_str).collect::<Vec<_>>());
        let exported = join(&self.exports.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        let (mut versions, mut symbols, mut names) = (Vec::new(), vec![0; if self.narrow { 16 } else { 24 }], vec![0]);
        let mut symbol = |name: &str, value: u64, info: u8, section: u64| {
            let at = names.len() as u64;
            names.extend([name.as_bytes(), b"\0"].concat());
            self.number(&mut symbols, at, 4);
            if self.narrow {
                self.number(&mut symbols, value, 4);
                self.number(&mut symbols, 0, 4);
            }
            symbols.extend([info, 0]);
            self.number(&mut symbols, section, 2);
            if !self.narrow {
                self.number(&mut symbols, value, 8);
                self.number(&mut symbols, 0, 8);
            }
        };
        for (name, crc) in &self.exports {
            if let Some(crc) = crc {
                symbol(&format!("__crc_{name}"), (*crc).into(), 0x10, 0xfff1);
            }
        }
        for (name, crc, weak) in &self.imports {
            symbol(name, 0, if *weak { 0x20 } else { 0x10 }, 0);
            if let Some(crc) = crc {
                self.number(&mut versions, (*crc).into(), word);
                versions.extend(name.as_bytes());
                versions.resize(versions.len().next_multiple_of(64), 0);
            }
        }
        let sections: [(&str, u64, Vec<u8>); 6] = [
            (".modinfo", 1, modinfo),
            ("__ksymtab_strings", 1, exported),
            ("__versions", 1, versions),
            (".symtab", 2, symbols),
            (".strtab", 3, names),
            (".shstrtab", 3, Vec::new()),
        ];
        let mut section_names = vec![0];
        let starts: Vec<u64> = sections
            .iter()
            .map(|(name, ..)| {
                section_names.extend([name.as_bytes(), b"\0"].concat());
                (section_names.len() - name.len() - 1) as u64
            })
            .collect();
        let head = if self.narrow { 52 } else { 64 };
        let mut body = vec![0; head];
        let mut table = vec![0; if self.narrow { 40 } else { 64 }];
        for ((name, kind, contents), start) in sections.into_iter().zip(starts) {
            let contents = if name == ".shstrtab" { section_names.clone() } else { contents };
            body.resize(body.len().next_multiple_of(8), 0);
            let at = body.len() as u64;
            body.extend(&contents);
            self.number(&mut table, start, 4);
            self.number(&mut table, kind, 4);
            for value in [0, 0, at, contents.len() as u64] {
                self.number(&mut table, value, word);
            }
            self.number(&mut table, if kind == 2 { 5 } else { 0 }, 4);
            self.number(&mut table, u64::from(kind == 2), 4);
            self.number(&mut table, 1, word);
            self.number(&mut table, if kind == 2 { if self.narrow { 16 } else { 24 } } else { 0 }, word);
        }
        body.resize(body.len().next_multiple_of(8), 0);
        let at = body.len() as u64;
        let mut header = b"\x7fELF".to_vec();
        header.extend([if self.narrow { 1 } else { 2 }, if self.big { 2 } else { 1 }, 1]);
        header.resize(16, 0);
        self.number(&mut header, 1, 2);
        self.number(&mut header, 62, 2);
        self.number(&mut header, 1, 4);
        for value in [0, 0, at] {
            self.number(&mut header, value, word);
        }
        self.number(&mut header, 0, 4);
        for value in [head as u64, 0, 0, if self.narrow { 40 } else { 64 }, 7, 6] {
            self.number(&mut header, value, 2);
        }
        body[..head].copy_from_slice(&header);
        body.extend(table);
        body
    }
}

/// A temporary root directory.
pub struct Root(pub PathBuf);

static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Root {
    /// An empty one.
    pub fn new() -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("relobox-depmod-{}-{number}", std::process::id()));
        std::fs::create_dir_all(root.join("none")).unwrap();
        Self(root)
    }

    /// Writes a file, and the directories that lead to it.
    pub fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.0.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// The files of depmod in a directory, by name.
    pub fn indices(&self, directory: &str) -> Vec<(String, Vec<u8>)> {
        indices(&self.0.join(directory))
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Where the modules of [`sample`] lie.
pub const DIRECTORY: &str = "lib/modules/6.1.0";

/// A tree with every kind of file, in which what is built in and the order are known.
pub fn sample(narrow: bool, big: bool) -> Root {
    let root = Root::new();
    let modules = [
        ("kernel/a.ko", Module::new(&["fa", "fb"], &["printk", "fc"], &["alias=pci:v*d-[0-9]", "alias=fs-a"])),
        ("updates/a.ko", Module::new(&["fa"], &["fc"], &["license=GPL", "alias=fs-a", "softdep=pre: c-d"])),
        ("kernel/c-d.ko", Module::new(&["fc"], &[], &["alias=char-major-10-7", "alias=devname:c", "weakdep=a"])),
        ("kernel/e.ko", Module::new(&[], &[], &["alias=fs-a", "alias=fs-e"])),
        ("kernel/sub/user.ko", Module::new(&[], &["fa", ".fc"], &["parm=x:the x", "parmtype=x:int", "alias=x[y"])),
    ];
    for (path, module) in modules {
        root.write(&format!("{DIRECTORY}/{path}"), Module { narrow, big, ..module }.bytes());
    }
    root.write(&format!("{DIRECTORY}/modules.order"), "kernel/c-d.ko\nkernel/none.ko\nkernel/a.ko\n");
    root.write(&format!("{DIRECTORY}/modules.builtin"), "kernel/in-it.ko\nkernel/other.ko\n");
    let built_in = "in_it.alias=x-*\0in_it.license=GPL\0in_it.parm=p:about\0";
    root.write(&format!("{DIRECTORY}/modules.builtin.modinfo"), built_in);
    root
}

/// The names of the files that depmod writes.
pub const FILES: [&str; 11] = [
    "modules.alias",
    "modules.alias.bin",
    "modules.builtin.alias.bin",
    "modules.builtin.bin",
    "modules.dep",
    "modules.dep.bin",
    "modules.devname",
    "modules.softdep",
    "modules.symbols",
    "modules.symbols.bin",
    "modules.weakdep",
];

/// The files of depmod in a directory, by name.
pub fn indices(directory: &Path) -> Vec<(String, Vec<u8>)> {
    FILES.iter().filter_map(|name| Some(((*name).to_owned(), std::fs::read(directory.join(name)).ok()?))).collect()
}

/// A command of relobox: this workspace's, unless `RELOBOX_KMOD` names a relobox-kmod.
pub fn ours(command: &str) -> Command {
    if let Some(program) = std::env::var_os("RELOBOX_KMOD") {
        let mut run = Command::new(program);
        run.arg(command);
        return run;
    }
    let mut run = Command::new(env!("CARGO_BIN_EXE_relobox"));
    run.arg(command).env("RELOBOX_CACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"));
    run
}

/// The directory of kmod 34, which `tests/scripts/fetch-kmod` fetches.
pub const KMOD: &str = "/usr/local/lib/relobox-oracles/kmod";

/// The need of kmod 34.
pub fn kmod_34() -> relobox_needs::Need {
    let there = Path::new(KMOD).join("complete").exists();
    relobox_needs::Need::new("kmod-34", there.then_some(()).ok_or_else(|| "tests/scripts/fetch-kmod".to_owned()))
}

/// A command of kmod 34.
pub fn kmods(command: &str) -> Command {
    Command::new(Path::new(KMOD).join("bin").join(command))
}

/// What a command printed on standard output and standard error, and its exit code.
pub fn run(command: &mut Command) -> (String, String, Option<i32>) {
    let Output { status, stdout, stderr } = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (text(stdout), text(stderr), status.code())
}
