//! The tests.

use crate::built::{Sample, compile, directory, here, library, with_library};
use anyhow::{Context as _, Result, ensure};
use relobox_needs::{Need, Test, corpora, corpus, programs, ran, test, tool};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

pub(crate) fn tests() -> [Test; 9] {
    let links = || [library(), programs(), tool("cc")];
    [
        test!(it_exports_what_its_version_script_names).needs([library(), tool("readelf")]),
        test!(it_needs_the_c_library_alone).needs([library(), tool("readelf")]),
        test!(its_files_name_each_other).needs([library()]),
        test!(the_example_links).needs(links()),
        test!(objects_live_and_die_as_documented).needs(links()),
        test!(nothing_leaks_where_nothing_is_linked).needs([library(), tool("cc"), tool("valgrind")]),
        test!(a_kernel_loads_what_links).needs(links()),
        test!(modules_of_other_machines_link).needs(links().into_iter().chain([corpus("riscv64"), corpus("s390x")])),
        test!(python_links).needs([library(), programs(), tool("cc"), cffi()]),
    ]
}

/// Debian's Python: another one that comes first in PATH does not have Debian's cffi.
const PYTHON: &str = "/usr/bin/python3";

fn cffi() -> Need {
    let imported = Command::new(PYTHON).args(["-c", "import cffi"]).output();
    let there = imported.is_ok_and(|output| output.status.success());
    Need::new("python3-cffi", there.then_some(()).ok_or_else(|| "apt-get install python3-cffi".to_owned()))
}

fn it_exports_what_its_version_script_names() -> Result<()> {
    let text = ran(Command::new("readelf").args(["--wide", "--dyn-syms"]).arg(directory().join("librelobox.so.1")))?;
    let defined = text.lines().filter_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        (words.len() == 8 && words[6] != "UND" && words[3] != "OBJECT").then(|| words[7].to_owned())
    });
    let map = std::fs::read_to_string(here("librelobox.map"))?;
    let names = map.lines().filter_map(|line| line.strip_prefix('\t')?.strip_suffix(';')).filter(|name| *name != "*");
    let named: BTreeSet<_> = names.map(|name| format!("{name}@@RELOBOX_1")).collect();
    let defined: BTreeSet<_> = defined.filter(|name| name.contains("@@")).collect();
    let differences: Vec<_> = defined.symmetric_difference(&named).collect();
    ensure!(named.len() > 50 && differences.is_empty(), "{differences:?}");
    Ok(())
}

fn it_needs_the_c_library_alone() -> Result<()> {
    let text = ran(Command::new("readelf").args(["--wide", "--dynamic"]).arg(directory().join("librelobox.so.1")))?;
    let names = |tag: &str| -> Vec<&str> {
        let lines = text.lines().filter(|line| line.contains(tag));
        lines.filter_map(|line| Some(line.split_once('[')?.1.trim_end_matches(']'))).collect()
    };
    ensure!(names("(SONAME)") == ["librelobox.so.1"], "{text}");
    let beside: BTreeSet<_> = names("(NEEDED)").into_iter().collect();
    ensure!(beside.is_subset(&BTreeSet::from(["libc.so.6", "ld-linux-x86-64.so.2"])), "{beside:?}");
    Ok(())
}

/// The header is that of the sources, and pkg-config's file names the library.
fn its_files_name_each_other() -> Result<()> {
    let header = std::fs::read_to_string(directory().join("include/relobox.h"))?;
    ensure!(header == std::fs::read_to_string(here("include/relobox.h"))?, "the header is an older one");
    let pc = std::fs::read_to_string(directory().join("pkgconfig/relobox.pc"))?;
    let version = format!("Version: {}\n", env!("CARGO_PKG_VERSION"));
    ensure!(pc.contains("-lrelobox\n") && pc.contains(&version), "{pc}");
    ensure!(std::fs::read_link(directory().join("librelobox.so"))? == Path::new("librelobox.so.1"));
    Ok(())
}

fn the_example_links() -> Result<()> {
    let sample = Sample::new()?;
    let program = compile(&here("../../docs/examples/librelobox/link.c"), &[], sample.directory.path())?;
    let link = |base: &str| {
        let mut command = with_library(&program);
        command.arg(sample.object()).arg(sample.system_map()).arg(sample.at("out.elf")).arg(base);
        command
    };
    let text = ran(&mut link("0xffffffffc0400000"))?;
    ensure!(text.starts_with("0xffffffffc0400000 ") && text.contains("  .text\n"), "{text}");
    ensure!(text.ends_with(" relocations done by plugin x86_64\n"), "{text}");
    ensure!(std::fs::read(sample.at("out.elf"))?.starts_with(b"\x7fELF"));
    let output = link("0x100000000").output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(1) && output.stdout.is_empty(), "{output:?}");
    ensure!(said.contains("\nout-of-range: ") && said.contains(" is not in [-2147483648, 2147483647]\n"), "{said}");
    Ok(())
}

/// With the sanitizer of addresses, which also finds what is not freed.
fn objects_live_and_die_as_documented() -> Result<()> {
    let sample = Sample::new()?;
    let options = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
    let program = compile(&here("tests/c/objects.c"), &options, sample.directory.path())?;
    let plugins = sample.at("plugins");
    std::fs::create_dir(&plugins)?;
    std::fs::copy(here("../../tests/abi-1/mips32.wasm"), plugins.join("own.wasm"))?;
    let mut command = with_library(&program);
    command.args([sample.object(), sample.system_map(), sample.at("no.map"), sample.at("out.elf"), plugins]);
    let text = ran(&mut command)?;
    ensure!(text == "fine\n", "{text}");
    ensure!(std::fs::read(sample.at("out.elf"))?.starts_with(b"\x7fELF"));
    Ok(())
}

/// valgrind does not know pidfd_open(2), without which no linking process is started.
fn nothing_leaks_where_nothing_is_linked() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let program = compile(&here("tests/c/objects.c"), &[], directory.path())?;
    let mut valgrind = with_library(Path::new("valgrind"));
    valgrind.args(["--quiet", "--error-exitcode=99", "--leak-check=full", "--track-fds=yes"]).arg(program);
    let text = ran(&mut valgrind)?;
    ensure!(text == "fine\n", "{text}");
    Ok(())
}

/// The kernel is that of libkmod's tests: a library that is started before the C library.
fn a_kernel_loads_what_links() -> Result<()> {
    let sample = Sample::new()?;
    let program = compile(&here("tests/c/load.c"), &[], sample.directory.path())?;
    let kernel = sample.at("kernel.so");
    let mut cc = Command::new("cc");
    cc.args(["-O1", "-shared", "-fPIC", "-o"]).arg(&kernel).arg(here("../libkmod/tests/c/kernel.c"));
    ran(cc.arg("-ldl"))?;
    for directory in ["proc", "sys/module"] {
        std::fs::create_dir_all(sample.at(directory))?;
    }
    let mut symbols = String::from("0000000000034000 A __per_cpu_end\nffffffff81000000 T _text\n");
    symbols.push_str("ffffffff81234560 T printk\nffffffff82000000 r __ksymtab_printk\nffffffff82e2f000 B _end\n");
    let load = |symbols: &str| -> Result<String> {
        std::fs::write(sample.at("proc/kallsyms"), symbols)?;
        std::fs::write(sample.at("proc/modules"), "")?;
        let mut command = with_library(&program);
        command.env("LD_PRELOAD", &kernel).env("ROOT", sample.directory.path()).env("RELEASE", "1.2.3");
        ran(command.arg(sample.object()).arg("answer=42"))
    };
    let text = load(&symbols)?;
    ensure!(text == "finit_module sample 'answer=42' 0\ninsert 0\nsample vet x86_64 1\n", "{text}");
    // What does not link, the kernel does not get.
    let text = load(&symbols.replace("ffffffff81234560", "0000000100234560"))?;
    ensure!(text.starts_with("insert -8\n") && text.contains(" out of range: "), "{text}");
    Ok(())
}

/// A module of the corpus.
fn some_module(name: &str) -> Result<std::path::PathBuf> {
    let mut open = vec![corpora().join(name).join("lib/modules")];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(&directory).with_context(|| directory.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("dummy.ko")) {
                return Ok(path);
            }
        }
    }
    anyhow::bail!("{name} has no module dummy")
}

fn modules_of_other_machines_link() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let program = compile(&here("tests/c/check.c"), &[], directory.path())?;
    for (name, line) in [("riscv64", "243 64 0 riscv64 0\n"), ("s390x", "22 64 1 s390x 0\n")] {
        let text = ran(with_library(&program).arg(some_module(name)?))?;
        ensure!(text == line, "{name}: {text}");
    }
    Ok(())
}

/// The module for Python, with the same sample.
fn python_links() -> Result<()> {
    let sample = Sample::new()?;
    let mut python = with_library(Path::new(PYTHON));
    python.env("PYTHONPATH", here("python")).env("PYTHONDONTWRITEBYTECODE", "1");
    python.arg(here("tests/python/links.py"));
    let text = ran(python.args([sample.object(), sample.system_map(), sample.at("no.map"), sample.at("out.elf")]))?;
    ensure!(text == "fine\n", "{text}");
    Ok(())
}
