//! What the tests build: programs in C, and trees of modules.

use anyhow::{Context, Result, ensure};
use relobox_needs::{Need, corpora, programs_root};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// kmod 34: its library, its programs, its sources.
pub(crate) const KMOD: &str = "/usr/local/lib/relobox-oracles/kmod";

pub(crate) fn kmod() -> Need {
    let there = Path::new(KMOD).join("complete").exists();
    Need::new("kmod-34", there.then_some(()).ok_or_else(|| "tests/scripts/fetch-kmod".to_owned()))
}

/// The library, built after its sources.
pub(crate) fn library() -> Need {
    let changed = |path: &Path| std::fs::metadata(path).and_then(|meta| meta.modified()).ok();
    let sources = sources().into_iter().filter_map(|path| changed(&path)).max();
    let fresh = changed(&path()) > sources;
    Need::new("programs libkmod.so.2", fresh.then_some(()).ok_or_else(|| "scripts/build-libkmod".to_owned()))
}

fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found
}

/// The path of the library.
pub(crate) fn path() -> PathBuf {
    std::fs::canonicalize(programs_root()).unwrap_or_else(|_| programs_root()).join("libkmod.so.2")
}

/// The directory of kmod's library, and of the C library that it was built for.
pub(crate) fn kmod_libraries() -> PathBuf {
    Path::new(KMOD).join("root/usr/lib/x86_64-linux-gnu")
}

/// Compiles a program of tests/c, with the library.
pub(crate) fn compile(name: &str, to: &Path) -> Result<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c").join(name).with_extension("c");
    let program = to.join(name);
    let mut cc = Command::new("cc");
    cc.args(["-O1", "-g", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&program).arg(source);
    if name == "kernel" {
        cc.args(["-shared", "-fPIC", "-ldl"]);
    } else {
        cc.arg(path()).arg("-pthread");
    }
    ran(&mut cc)?;
    Ok(program)
}

/// Runs a command that has to succeed. Returns what it printed.
pub(crate) fn ran(command: &mut Command) -> Result<String> {
    let Output { status, stdout, stderr } = command.output().with_context(|| format!("{command:?}"))?;
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    ensure!(status.success(), "{command:?}: {status}\n{stdout}{stderr}");
    Ok(stdout.into_owned())
}

/// A program that uses this library.
pub(crate) fn with_ours(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("LD_LIBRARY_PATH", path().parent().unwrap_or(Path::new("/")));
    // Nothing is recorded.
    command.env("RELOBOX_STATE", "");
    command
}

/// A program that uses kmod's library.
pub(crate) fn with_kmods(program: &Path) -> Command {
    let libraries = kmod_libraries();
    let mut command = Command::new(libraries.join("ld-linux-x86-64.so.2"));
    command.arg("--library-path").arg(libraries).arg(program);
    command
}

/// The modules of Debian's kernel for clouds: the directory, and the release.
pub(crate) fn corpus() -> Result<(PathBuf, String)> {
    let modules = corpora().join("cloud-amd64/lib/modules");
    let first = std::fs::read_dir(&modules)?.next().context("no kernel")??;
    let release = first.file_name().into_string().ok().context("a release")?;
    Ok((first.path().canonicalize()?, release))
}

/// Makes `ROOT/lib/modules/RELEASE` with the modules of the corpus, as kmod's depmod indexes it.
pub(crate) fn indexed(root: &Path) -> Result<(PathBuf, String)> {
    let (from, release) = corpus()?;
    let to = root.join("lib/modules").join(&release);
    std::fs::create_dir_all(&to)?;
    std::os::unix::fs::symlink(from.join("kernel"), to.join("kernel"))?;
    for file in ["modules.order", "modules.builtin", "modules.builtin.modinfo"] {
        std::fs::copy(from.join(file), to.join(file)).context(file)?;
    }
    ran(Command::new(Path::new(KMOD).join("bin/depmod")).arg("-b").arg(root).arg(&release))?;
    Ok((to, release))
}

/// Makes a directory of modules that have no contents, with the indices that this library reads.
pub(crate) fn without_contents(root: &Path) -> Result<(PathBuf, PathBuf)> {
    let (tree, config) = (root.join("modules"), root.join("config"));
    std::fs::create_dir_all(&tree)?;
    std::fs::create_dir_all(&config)?;
    for name in ["first-module.ko", "second.ko", "third.ko.xz"] {
        std::fs::write(tree.join(name), "")?;
    }
    std::fs::write(
        tree.join("modules.dep"),
        "first-module.ko: second.ko third.ko.xz\nsecond.ko: third.ko.xz\nthird.ko.xz:\n",
    )?;
    std::fs::write(config.join("a.conf"), "alias my-alias-* first-module\noptions first-module a=1\n")?;
    Ok((tree, config))
}
