//! Programs that tests need: whether they are installed, and which package contains them.

use crate::names::TOOLS;
use crate::need::Need;
use anyhow::{Context as _, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Returns the need of a program that is found by its name.
///
/// # Panics
///
/// If `names.rs` does not list the program, because then its package is not known.
pub fn tool(name: &str) -> Need {
    let known = TOOLS.iter().find(|(tool, _)| *tool == name);
    let (_, package) = known.unwrap_or_else(|| panic!("{name} is not in the list of tests/needs/src/names.rs"));
    let get = if package.starts_with("tests/") { (*package).to_owned() } else { format!("apt-get install {package}") };
    Need::new(name, program(name).map(drop).ok_or(get))
}

/// Finds a command in `PATH`, or in the directories that only root's `PATH` contains.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    dirs.map(|dir| dir.join(name)).find(|file| is_program(file))
}

/// Runs a command that has to succeed. Returns what it printed.
///
/// # Errors
/// If it does not succeed. The error has all that it printed.
pub fn ran(command: &mut Command) -> Result<String> {
    let Output { status, stdout, stderr } = command.output().with_context(|| format!("{command:?}"))?;
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    ensure!(status.success(), "{command:?}: {status}\n{stdout}{stderr}");
    Ok(stdout.into_owned())
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Returns the directories of LLVM's programs, the newest version first.
fn llvm_directories(oldest: u32) -> Vec<PathBuf> {
    let mut versions: Vec<u32> = std::fs::read_dir("/usr/lib")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.strip_prefix("llvm-")?.parse().ok())
        .filter(|version| *version >= oldest)
        .collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions.into_iter().map(|version| format!("/usr/lib/llvm-{version}/bin").into()).collect()
}

/// Finds `name` of the newest installed LLVM of version `oldest` or newer.
///
/// # Errors
///
/// The message says what is missing if there is none.
pub fn llvm(name: &str, oldest: u32) -> Result<PathBuf, String> {
    let found = llvm_directories(oldest).into_iter().map(|dir| dir.join(name)).find(|file| is_program(file));
    found.ok_or_else(|| format!("no {name} of LLVM {oldest} or newer; tests/scripts/install-oracles"))
}

/// A clang and a linker that compile C to WebAssembly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WasmC {
    /// The path of clang.
    pub clang: PathBuf,
    /// The path of wasm-ld, whose file name may contain a version.
    pub linker: PathBuf,
}

/// Finds the first program that is `good`: `name`, then the newest `name-VERSION`, then `name` in the newest directory
/// of LLVM.
fn newest(name: &str, good: fn(&Path) -> bool) -> Option<PathBuf> {
    let numbered = (11..40).rev().map(|version| format!("{name}-{version}"));
    let of_llvm = llvm_directories(11).into_iter().map(|dir| dir.join(name)).filter(|file| is_program(file));
    std::iter::once(name.to_owned()).chain(numbered).filter_map(|name| program(&name)).chain(of_llvm).find(|p| good(p))
}

fn prints(program: &Path, args: &[&str]) -> Option<String> {
    let out = Command::new(program).args(args).output().ok().filter(|out| out.status.success())?;
    Some(String::from_utf8_lossy(&out.stdout).trim().to_owned())
}

/// Finds a clang that has the target wasm32.
pub fn clang_for_wasm() -> Option<PathBuf> {
    newest("clang", |clang| prints(clang, &["--print-targets"]).is_some_and(|all| all.contains("wasm32")))
}

/// Returns the need of a C compiler for WebAssembly, and the compiler if there is one.
pub fn wasm_c() -> (Need, Option<WasmC>) {
    let linker = newest("wasm-ld", |linker| prints(linker, &["--version"]).is_some());
    let found = clang_for_wasm().zip(linker).map(|(clang, linker)| WasmC { clang, linker });
    let missing = || "no clang that knows wasm32, or no wasm-ld; apt-get install clang lld".to_owned();
    (Need::new("wasm-c", found.as_ref().map(drop).ok_or_else(missing)), found)
}

/// Finds a Rust compiler for guests: the default toolchain with the target `wasm32v1-none`, or Debian's rustc with its
/// sources (packages rustc-web and rust-web-src). The templates' `build.sh` accepts the same ones.
pub fn wasm_rustc() -> Option<PathBuf> {
    let has = |rustc: &Path, what: &str| {
        prints(rustc, &["--print", "sysroot"])
            .is_some_and(|root| Path::new(&root).join("lib/rustlib").join(what).exists())
    };
    let of_rustup = program("rustc").filter(|rustc| has(rustc, "wasm32v1-none"));
    of_rustup.or_else(|| Some(PathBuf::from("/usr/bin/rustc")).filter(|rustc| has(rustc, "src")))
}

/// Returns the need of a compiler that [`wasm_rustc`] finds.
pub fn wasm_rust() -> Need {
    let missing = || "rustup target add wasm32v1-none".to_owned();
    Need::new("wasm-rust", wasm_rustc().map(drop).ok_or_else(missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "no-such-program is not in the list")]
    fn a_program_without_a_package_is_refused() {
        tool("no-such-program");
    }
}
