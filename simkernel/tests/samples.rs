//! The sample modules, compiled by cc and linked by ld, so that the tests do not depend on our own linker.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Kernel, refusal};
use relobox_simkernel::protocol::{AfterInit, AreaRequest, Load, LoadArea, ParamTable, Protection};
use relobox_simkernel::{Client, ClientError, SimError};

const FLAGS: &str = "-c -O2 -Wall -Wextra -Werror -ffreestanding -fno-pic -fno-pie -mcmodel=kernel -mno-red-zone -mno-sse \
                     -fno-asynchronous-unwind-tables -fcf-protection=none -fno-stack-protector";

/// Segment name, input sections, protection, and what happens after init.
const SEGMENTS: [(&str, &str, Protection, AfterInit); 5] = [
    (".text", "*(.text) *(.exit.text)", Protection::ReadExecute, AfterInit::Keep),
    (".init.text", "*(.init.text)", Protection::ReadExecute, AfterInit::Free),
    (
        ".rodata",
        "*(.rodata*) *(.modinfo) *(__ksymtab*) . = ALIGN(8); params = .; *(__param) params_end = .;",
        Protection::ReadOnly,
        AfterInit::Keep,
    ),
    (".data", "*(.data .bss .gnu.linkonce.this_module) *(.init.data) LONG(0)", Protection::ReadWrite, AfterInit::Keep),
    (".data..ro_after_init", "*(.data..ro_after_init) LONG(0)", Protection::ReadWrite, AfterInit::ReadOnly),
];

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The directory with the objects of one test.
struct TestDirectory(PathBuf);

impl Drop for TestDirectory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl TestDirectory {
    fn new() -> TestDirectory {
        let directory = common::directory("samples");
        std::fs::create_dir_all(&directory).unwrap();
        TestDirectory(directory)
    }

    fn object(&self, name: &str) -> PathBuf {
        let object = self.0.join(name).with_extension("o");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("modules").join(name).with_extension("c");
        run(Command::new("cc").args(FLAGS.split_whitespace()).arg(source).arg("-o").arg(&object));
        object
    }

    /// Links at the addresses of new areas, puts the bytes there, and loads the module.
    fn insmod(&self, client: &mut Client, name: &str, uses: &[&str], args: &str) -> Result<(), ClientError> {
        let object = self.object(name);
        let areas = client.allocate(&SEGMENTS.map(|_| AreaRequest { size: 8192, align: 64 }))?;
        let list = client.list()?;
        let known: BTreeMap<&str, u64> = list
            .exports
            .iter()
            .chain(list.modules.iter().flat_map(|module| &module.exports))
            .map(|export| (export.name.as_str(), export.address))
            .collect();
        let mut script = String::from("SECTIONS {\n");
        for ((segment, inputs, ..), area) in SEGMENTS.iter().zip(&areas) {
            script += &format!(". = {:#x}; {segment} : {{ {inputs} }}\n", area.address);
        }
        script += "/DISCARD/ : { *(*) }\n}\n";
        for (symbol, address) in &known {
            script += &format!("PROVIDE({symbol} = {address:#x});\n");
        }
        let (script_file, linked) = (self.0.join("script"), self.0.join(name).with_extension("linked"));
        std::fs::write(&script_file, script).unwrap();
        run(Command::new("ld").args(["-e", "0", "-T"]).arg(&script_file).arg(&object).arg("-o").arg(&linked));
        for ((segment, _, protection, _), area) in SEGMENTS.iter().zip(&areas) {
            let binary = self.0.join("binary");
            let only = format!("--only-section={segment}");
            run(Command::new("objcopy")
                .args(["-O", "binary", &only, "--set-section-flags"])
                .arg(format!("{segment}=alloc,load,contents"))
                .arg(&linked)
                .arg(&binary));
            client.put(area.address, &std::fs::read(&binary).unwrap())?;
            if *protection != Protection::ReadWrite {
                client.protect(area.address, *protection)?;
            }
        }
        let symbols: BTreeMap<String, u64> = run(Command::new("nm").arg(&linked))
            .lines()
            .filter_map(|line| {
                let fields: Vec<&str> = line.split_whitespace().collect();
                Some((fields.get(2)?.to_string(), u64::from_str_radix(fields[0], 16).ok()?))
            })
            .collect();
        let exports = symbols
            .keys()
            .filter_map(|symbol| symbol.strip_prefix("__ksymtab_"))
            .map(|symbol| common::export(symbol, symbols[symbol]))
            .collect();
        client.load(&Load {
            name: name.into(),
            areas: areas
                .iter()
                .zip(&SEGMENTS)
                .map(|(area, (.., after_init))| LoadArea { address: area.address, after_init: *after_init })
                .collect(),
            init: Some(symbols["init_module"]),
            exit: Some(symbols["cleanup_module"]),
            exports,
            uses: uses.iter().map(|used| used.to_string()).collect(),
            params: Some(ParamTable {
                address: symbols["params"],
                count: (symbols["params_end"] - symbols["params"]) / 40,
            }),
            args: args.into(),
        })?;
        Ok(())
    }
}

fn said(client: &mut Client) -> Vec<String> {
    client.log().unwrap().into_iter().skip(1).map(|line| line.text).collect()
}

#[test]
fn hello_greets_whom_it_is_told_to() {
    let (kernel, workshop) = (Kernel::start(), TestDirectory::new());
    let mut client = kernel.client();
    workshop.insmod(&mut client, "hello", &[], "name=\"Roman Zippel\" times=2 loud").unwrap();
    client.remove("hello").unwrap();
    let greeting = "hello: hello, Roman Zippel!";
    assert_eq!(said(&mut client), [greeting, greeting, "hello: goodbye, Roman Zippel"]);
    workshop.insmod(&mut client, "hello", &[], "").unwrap();
    client.remove("hello").unwrap();
    assert_eq!(said(&mut client)[3..], ["hello: hello, world", "hello: goodbye, world"]);
    let failed = refusal(workshop.insmod(&mut client, "hello", &[], "times=-1"));
    assert_eq!(failed, SimError::InitFailed { name: "hello".into(), errno: -22 });
    let list = client.list().unwrap();
    assert_eq!((list.allocated, list.heap), (0, 0));
}

#[test]
fn one_module_uses_another() {
    let (kernel, workshop) = (Kernel::start(), TestDirectory::new());
    let mut client = kernel.client();
    workshop.insmod(&mut client, "math_provider", &[], "").unwrap();
    workshop.insmod(&mut client, "math_user", &["math_provider"], "").unwrap();
    assert!(matches!(refusal(client.remove("math_provider")), SimError::InUse { .. }));
    client.remove("math_user").unwrap();
    client.remove("math_provider").unwrap();
    let wanted = [
        "math_provider: ready",
        "math_user: 40 + 2 = 42, 6 * 7 = 42, 2 calls",
        "math_user: 2",
        "math_provider: gone after 3 calls",
    ];
    assert_eq!(said(&mut client), wanted);
}

#[test]
fn counter_finds_all_of_its_sections() {
    let (kernel, workshop) = (Kernel::start(), TestDirectory::new());
    let mut client = kernel.client();
    workshop.insmod(&mut client, "counter", &[], "").unwrap();
    assert_eq!(said(&mut client), ["counter: words: list=1 allocate=0 put=3 call=1 (5)"]);
    assert_eq!(client.list().unwrap().heap, 6);
    client.remove("counter").unwrap();
    let list = client.list().unwrap();
    assert_eq!((list.allocated, list.heap), (0, 0));
}

#[test]
fn failing_fails_and_crash_crashes() {
    let (kernel, workshop) = (Kernel::start(), TestDirectory::new());
    let mut client = kernel.client();
    let failed = refusal(workshop.insmod(&mut client, "failing", &[], ""));
    assert_eq!(failed, SimError::InitFailed { name: "failing".into(), errno: -19 });
    assert_eq!(client.list().unwrap().allocated, 0);
    let died = workshop.insmod(&mut client, "crash", &[], "").unwrap_err().to_string();
    assert!(died.starts_with("the kernel died while it was asked to load 'crash': oops: invalid memory access at 0x"));
    assert!(died.ends_with("address 0x0, in init of 'crash'"), "{died}");
}
