//! What modprobe would load is what kmod's modprobe would, in the same order and with the same parameters.
//!
//! Needs `tests/scripts/fetch-corpora`, Debian's package kmod, and `RELOBOX_ORACLES` set to the number of modules to
//! take; `RELOBOX_SEED` takes others.

use anyhow::{Context, Result, ensure};
use relobox::modprobe::{Action, Config, Request, Step, Tree, plan};
use relobox_needs::{ExitCode, oracles, test, tool};
use relobox_tests::corpus::{self, Corpus};
use relobox_tests::oracle;
use std::collections::HashSet;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Lines that a person may have in modprobe.d, for modules of this corpus. (No circle has an alias in it: to kmod, a
/// module and its alias are then two modules, and it would load one twice.)
const CONFIGURED: &str = "\
alias my-disk-* virtio_blk
alias my-fs xfs
alias kept-out btrfs
blacklist btrfs
options xfs first=1
options my-fs second=\"a b\"
options libcrc32c third
softdep xfs pre: loop nothing post: dm-mod virtio-net
softdep nbd pre: null_blk
softdep null_blk pre: nbd
install dm-crypt /sbin/modprobe --ignore-install dm-crypt && true
install loop /bin/false
";

fn main() -> ExitCode {
    let needs = || [oracles(), tool("depmod"), tool("modprobe")].into_iter().chain(corpus::needs("cloud-amd64"));
    relobox_needs::run([
        test!(every_module).needs(needs()),
        test!(with_a_configuration).needs(needs()),
        test!(aliases_and_symbols).needs(needs()),
    ])
}

/// A corpus as depmod leaves it; the corpus itself stays as it is.
struct Indexed {
    directory: tempfile::TempDir,
    version: String,
    names: Vec<String>,
}

impl Indexed {
    fn new(corpus: &Corpus, count: usize) -> Result<Self> {
        let versions = std::fs::read_dir(&corpus.modules_dir)?.collect::<std::io::Result<Vec<_>>>()?;
        let version = versions.first().context("no kernel")?.file_name().into_string().ok().context("a release")?;
        let (directory, from) = (tempfile::tempdir()?, corpus.modules_dir.join(&version).canonicalize()?);
        let to = directory.path().join("lib/modules").join(&version);
        std::fs::create_dir_all(&to)?;
        symlink(from.join("kernel"), to.join("kernel"))?;
        for file in ["modules.order", "modules.builtin", "modules.builtin.modinfo"] {
            std::fs::copy(from.join(file), to.join(file)).with_context(|| format!("{file} of {}", from.display()))?;
        }
        let done = Command::new("depmod").arg("-b").arg(directory.path()).arg(&version).status().context("depmod")?;
        ensure!(done.success(), "depmod: {done}");
        std::fs::create_dir(directory.path().join("none"))?;
        std::fs::create_dir(directory.path().join("some"))?;
        std::fs::write(directory.path().join("some/a.conf"), CONFIGURED)?;
        let seed = std::env::var("RELOBOX_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1934);
        let names = corpus.sample(seed, count).into_iter().map(|module| module.name()).collect();
        Ok(Self { directory, version, names })
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("lib/modules").join(&self.version)
    }

    fn config(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Every `nth` alias of a file of depmod's, as a device would ask for it.
    fn aliases(&self, file: &str, nth: usize) -> Result<Vec<String>> {
        let text = std::fs::read_to_string(self.root().join(file))?;
        let patterns = text.lines().filter_map(|line| line.strip_prefix("alias ")?.rsplit_once(' '));
        let asked = patterns.step_by(nth).map(|(pattern, _)| {
            let (mut out, mut inside) = (String::new(), false);
            for c in pattern.chars() {
                match c {
                    '[' => inside = true,
                    ']' => {
                        inside = false;
                        out.push('3');
                    }
                    '*' | '?' => out.push('1'),
                    _ if inside => {}
                    c => out.push(c),
                }
            }
            out
        });
        Ok(asked.collect())
    }

    fn kmod(&self, config: &Path, name: &str) -> Result<Vec<String>> {
        let mut modprobe = Command::new("modprobe");
        modprobe.arg("-C").arg(config).arg("-d").arg(self.directory.path()).args(["-S", &self.version]);
        let output = modprobe.args(["--show-depends", "--", name]).output().context("modprobe")?;
        let mut lines: Vec<String> = Vec::new();
        // It may name a module twice, as a dependency and as a soft one; the first time is when it is loaded.
        for line in String::from_utf8(output.stdout)?.lines().map(str::trim_end) {
            if !lines.iter().any(|known| known == line) {
                lines.push(line.to_owned());
            }
        }
        Ok(lines)
    }

    fn ours(&self, tree: &Tree, config: &Config, name: &str) -> Vec<String> {
        let request = Request {
            names: &[name.to_owned()],
            args: "",
            blacklist: false,
            ignore_commands: false,
            show_depends: true,
            live: &HashSet::new(),
            inspect: &|path| panic!("{} is newer than depmod", path.display()),
        };
        let line = |step: &Step| {
            let Step { name, args, .. } = step;
            match (&step.action, &step.command) {
                (_, Some(command)) => format!("install {command} {args}"),
                (Action::BuiltIn, _) => format!("builtin {name}"),
                (Action::Load(path), _) => format!("insmod {} {args}", path.display()),
                (action, _) => format!("{name}: {action:?}"),
            }
        };
        plan(tree, config, &request).steps.iter().map(|step| line(step).trim_end().to_owned()).collect()
    }

    /// How many names were compared.
    fn compare(&self, config: &str, names: &[String]) -> Result<usize> {
        let directory = self.config(config);
        let tree = Tree::open(&self.root())?;
        let mut ours = Config::read(std::slice::from_ref(&directory), Some(&tree))?;
        // modprobe reads it too, and may not be told not to.
        ours.parse_command_line(&std::fs::read_to_string("/proc/cmdline")?);
        for name in names {
            let (kmod, own) = (self.kmod(&directory, name)?, self.ours(&tree, &ours, name));
            ensure!(kmod == own, "modprobe {name}, configuration {config}:\n  kmod {kmod:#?}\n  ours {own:#?}");
        }
        Ok(names.len())
    }
}

fn indexed() -> Result<Indexed> {
    Indexed::new(&Corpus::get("cloud-amd64")?, oracle::sample_size()?)
}

fn every_module() -> Result<()> {
    let indexed = indexed()?;
    println!("{} modules as kmod has them", indexed.compare("none", &indexed.names)?);
    Ok(())
}

fn with_a_configuration() -> Result<()> {
    let indexed = indexed()?;
    let own =
        ["xfs", "my-fs", "my-disk-7", "kept-out", "btrfs", "dm-crypt", "loop", "nbd", "ext4", "nothing", "libcrc32c"];
    let names: Vec<String> = own.map(String::from).into_iter().chain(indexed.names.iter().cloned()).collect();
    println!("{} names as kmod has them", indexed.compare("some", &names)?);
    Ok(())
}

fn aliases_and_symbols() -> Result<()> {
    let indexed = indexed()?;
    let nth = |lines: usize| (lines / (2 * indexed.names.len().max(1))).max(1);
    let mut names = indexed.aliases("modules.alias", nth(2400))?;
    names.extend(indexed.aliases("modules.symbols", nth(7000))?);
    let text = std::fs::read(indexed.root().join("modules.builtin.modinfo"))?;
    let built_in = String::from_utf8_lossy(&text);
    let built_in = built_in.split('\0').filter_map(|line| Some(line.split_once(".alias=")?.1.replace('*', "1")));
    names.extend(built_in.step_by(nth(300)));
    println!("{} aliases as kmod has them", indexed.compare("none", &names)?);
    Ok(())
}
