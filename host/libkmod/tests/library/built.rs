//! What the tests build: programs in C, and trees of modules.

use anyhow::{Context, Result};
use relobox_needs::{Need, corpora, programs_root, ran};
use std::path::{Path, PathBuf};
use std::process::Command;

/// kmod 34: its library, its programs, its sources.
pub(crate) const KMOD: &str = "/usr/local/lib/relobox-oracles/kmod";

/// The library, built after its sources.
pub(crate) fn library() -> Need {
    relobox_needs::library("libkmod.so.2", "scripts/build-libkmod", Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
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
