//! The invariants of ARCHITECTURE.md, as tests: which files may name what, what a plugin can see, and that two runs
//! give the same verdict.
//!
//! `hostile_guests.rs` tests that a guest with an import is refused.

mod source;

use relobox::cache::Cache;
use relobox::guests::{Guests, Plugin};
use relobox::link::{load, prepare};
use relobox::open::Source;
use relobox::resolve::Sources;
use relobox::sandbox::Sandbox;
use relobox::symbols::Symbols;
use relobox_abi::symbol_flag;
use relobox_tests::hostile::sample;
use sha2::{Digest as _, Sha256};
use source::{code, dependencies, directories, guests, host_files, repository, rust_files};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use wasmparser::{Parser, Payload, Validator, WasmFeatures};

/// Returns a sandbox with a cache that the runs of the tests share, because compiling takes longest.
fn sandbox() -> Sandbox {
    let cache = Cache::open_dir(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled-guests"));
    Sandbox::new(cache).expect("a sandbox")
}

/// Splits a text into words, at every character that cannot be in an identifier.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
}

fn is_elf_name(word: &str) -> bool {
    let rest = word.strip_prefix("R_").or_else(|| word.strip_prefix("EM_"));
    rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase() || c.is_ascii_digit()))
}

/// 1. The host has no name of a relocation or of a machine in ELF, not even in a comment, and it reads no ELF.
#[test]
fn the_host_knows_no_architecture_and_no_elf() {
    assert!(is_elf_name("R_X86_64_64") && is_elf_name("EM_386") && !is_elf_name("R_") && !is_elf_name("RAM"));
    for (path, text) in host_files().chain(rust_files("host/build.rs")) {
        let named: Vec<_> = words(&text).filter(|word| is_elf_name(word)).collect();
        assert!(named.is_empty(), "{path} names {named:?}");
    }
    for package in ["object", "goblin", "elf", "elfloader", "gimli"] {
        for host in directories().filter(|d| *d == "host" || d.starts_with("host/")) {
            assert!(!dependencies(&host, false).contains(package), "{host} depends on {package}");
        }
    }
    let readers: BTreeSet<_> = directories().filter(|d| dependencies(d, false).contains("object")).collect();
    let may: BTreeSet<_> = ["engine-wasm", "tests", "bench"].map(String::from).into();
    assert!(readers.contains("engine-wasm") && readers.is_subset(&may), "{readers:?} depend on object");
}

/// Invariant 1: the host names machines only in the files that ARCHITECTURE.md lists. Help texts, the demonstration and
/// the fuzzer's seeds may name machines, too.
#[test]
fn machines_are_known_in_few_files() {
    /// A message shows the form of a pin: 62/64/little.
    const PINS: &str = "host/plugins/src/pins.rs";
    let names = ["x86_64", "aarch64", "arm64", "riscv64", "s390x", "mips32", "62", "183", "243"];
    let knows = |text: &str| words(&code(text)).any(|word| names.contains(&word));
    let apart = ["host/src/cli/", "host/fuzz/src/", "host/kit/src/", "host/isolate/src/serve/tests.rs", PINS];
    let files = host_files().filter(|(path, _)| !apart.iter().any(|start| path.starts_with(start)));
    let mut found: Vec<_> = files.filter(|(_, text)| knows(text)).map(|(path, _)| path).collect();
    found.sort();
    let page = std::fs::read_to_string(repository().join("ARCHITECTURE.md")).expect("the page");
    let (_, said) = page.split_once("**The host knows no relocation.**").expect("the invariant");
    let said = said.split("\n* ").next().unwrap_or_default();
    let named = said.split('`').skip(1).step_by(2).filter(|name| name.ends_with(".rs"));
    let mut expected: Vec<_> = named.map(|name| format!("host/{name}")).collect();
    expected.sort();
    assert_eq!(found, expected);
}

/// 2. Only the sandbox's own files name wasmtime, so that another sandbox needs no other change.
#[test]
fn wasmtime_is_named_in_one_module() {
    let named: Vec<_> = host_files().filter(|(_, text)| code(text).contains("wasmtime")).map(|f| f.0).collect();
    let one = |path: &String| path == "host/link/src/sandbox.rs" || path.starts_with("host/link/src/sandbox/");
    assert!(named.len() >= 2 && named.iter().all(one), "{named:?}");
    let users: Vec<_> = directories().filter(|d| dependencies(d, false).contains("wasmtime")).collect();
    assert_eq!(users, ["host/link"]);
    let users: Vec<_> = directories().filter(|d| dependencies(d, false).contains("libafl")).collect();
    assert_eq!(users, ["host/fuzz"]);
}

/// 3. A shipped guest imports nothing, and uses only features of Wasm that the sandbox enables.
#[test]
fn shipped_guests_import_nothing() {
    let features = WasmFeatures::MUTABLE_GLOBAL | WasmFeatures::SIGN_EXTENSION | WasmFeatures::BULK_MEMORY;
    for (name, wasm) in guests() {
        let mut exports = BTreeSet::new();
        for payload in Parser::new(0).parse_all(&wasm) {
            match payload.unwrap_or_else(|e| panic!("{name}: {e}")) {
                Payload::ImportSection(imports) => assert_eq!(imports.count(), 0, "{name} imports something"),
                Payload::ExportSection(list) => exports.extend(list.into_iter().flatten().map(|e| e.name)),
                Payload::StartSection { .. } => panic!("{name} has a start function"),
                _ => {}
            }
        }
        let invalid = Validator::new_with_features(features).validate_all(&wasm).err();
        assert!(invalid.is_none(), "{name}: {invalid:?}");
        let own: &[&str] = match &*name {
            "engine" => &["relobox_parse", "relobox_index", "relobox_emit"],
            "unpack" => &["relobox_unpack"],
            _ => &["relobox_describe", "relobox_plan", "relobox_apply"],
        };
        let every = ["memory", "relobox_abi", "relobox_reserve"];
        let want: BTreeSet<_> = every.iter().chain(own).copied().collect();
        assert!(want.is_subset(&exports), "{name} exports {exports:?}");
    }
}

/// 3. The lock beside each guest has the digest of exactly its bytes.
#[test]
fn shipped_guests_are_the_locked_ones() {
    for (name, wasm) in guests() {
        let lock = std::fs::read_to_string(repository().join(format!("host/guests/{name}.lock"))).expect("a lock");
        let fields: BTreeMap<_, _> = lock.lines().filter_map(|line| line.split_once(' ')).collect();
        assert!(fields.contains_key("compiler") && fields.get("sources").is_some_and(|s| s.len() == 64), "{name}");
        let digest = relobox::text::hex(&Sha256::digest(&wasm));
        assert_eq!(fields.get("sha256"), Some(&&*digest), "{name}");
    }
}

/// 4. A new architecture needs only a new directory in `arch-plugins`.
#[test]
fn an_architecture_is_a_directory() {
    let read = |path: &str| std::fs::read_to_string(repository().join(path)).expect(path);
    assert!(read("Cargo.toml").contains("\"arch-plugins/*\""));
    let build = read("host/guests/build.rs");
    assert!(build.contains("read_dir") && build.contains("catalogue"));
    let architectures: BTreeSet<_> = directories()
        .filter_map(|d| d.strip_prefix("arch-plugins/").map(String::from))
        .filter(|name| !["abi", "sdk"].contains(&&**name))
        .collect();
    let guests: BTreeSet<_> =
        guests().map(|(name, _)| name).filter(|n| !["engine", "unpack"].contains(&&**n)).collect();
    assert!(architectures.len() >= 5);
    assert_eq!(architectures, guests, "a guest for each architecture, and an architecture for each guest");
    for directory in directories().filter(|d| !d.starts_with("arch-plugins/")) {
        // Judges compare with the native build of a plugin; nothing that is shipped may name one.
        if ["tests", "bench"].contains(&&*directory) {
            continue;
        }
        assert!(!dependencies(&directory, true).iter().any(|p| p.starts_with("relobox-arch-")), "{directory}");
        let root = if directory == "host" { "host/src".to_owned() } else { directory };
        for (path, text) in rust_files(&root) {
            assert!(!text.contains("relobox_arch_"), "{path} names an architecture's crate");
        }
    }
    for listing in ["host/build.rs", "host/guests/build.rs", "Cargo.toml", "scripts/build-guests"] {
        let text = read(listing);
        for name in &architectures {
            // As a whole word: "arc" is a part of "search".
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            assert!(!text.split(|c| !word(c)).any(|said| said == name), "{listing} names {name}");
        }
    }
}

/// Dependencies run one way: host -> abi <- sdk <- architecture, engine -> abi.
#[test]
fn dependencies_run_one_way() {
    let ours = |directory: &str| -> BTreeSet<String> {
        dependencies(directory, false).into_iter().filter(|p| p.starts_with("relobox")).collect()
    };
    let set = |names: &[&str]| -> BTreeSet<String> { names.iter().map(|n| (*n).to_owned()).collect() };
    assert_eq!(ours("arch-plugins/abi"), set(&[]));
    assert_eq!(ours("guest-rt"), set(&["relobox-abi"]));
    assert_eq!(ours("arch-plugins/sdk"), set(&["relobox-abi", "relobox-guest"]));
    assert_eq!(ours("engine-wasm"), set(&["relobox-abi", "relobox-guest"]));
    assert_eq!(ours("unpack-wasm"), set(&["relobox-abi", "relobox-guest"]));
    assert_eq!(ours("host/core"), set(&[]));
    let on = |crates: &[&str]| -> BTreeSet<String> { crates.iter().map(|name| format!("relobox-{name}")).collect() };
    assert_eq!(ours("host/guests"), set(&[]));
    assert_eq!(ours("host/plugins"), on(&["core", "guests"]));
    assert_eq!(ours("host/kernels"), on(&["core", "simkernel"]));
    assert_eq!(ours("host/modprobe"), on(&["core"]));
    assert_eq!(ours("host/cli"), on(&["core", "plugins"]));
    assert_eq!(ours("host/isolate"), on(&["core", "plugins"]));
    assert_eq!(ours("host/link"), on(&["abi", "core", "guests", "plugins"]));
    assert_eq!(ours("host/depmod"), on(&["core", "modprobe"]));
    assert_eq!(ours("host/signatures"), on(&["core"]));
    let linker = ["abi", "core", "depmod", "guests", "isolate", "link", "plugins", "questions", "signatures"];
    assert_eq!(ours("host/linker"), on(&linker));
    assert_eq!(ours("host/kmod"), on(&["cli", "core", "guests", "isolate", "kernels", "modprobe", "plugins"]));
    assert_eq!(ours("host/cabi"), on(&["core", "isolate"]));
    assert_eq!(ours("host/libkmod"), on(&["cabi", "cli", "core", "isolate", "kmod", "modprobe", "plugins"]));
    assert_eq!(ours("host/questions"), on(&["core", "isolate"]));
    let library = ["cabi", "core", "guests", "isolate", "kmod", "plugins", "questions"];
    assert_eq!(ours("host/librelobox"), on(&library));
    assert_eq!(ours("host/kit"), on(&["abi", "core", "link"]));
    assert_eq!(ours("host/fuzz"), on(&["abi", "cli", "core", "guests", "kit", "link", "plugins"]));
    for directory in
        directories().filter(|d| d.starts_with("arch-plugins/") && !d.ends_with("/abi") && !d.ends_with("/sdk"))
    {
        assert_eq!(dependencies(&directory, false), set(&["relobox-plugin"]), "{directory}");
    }
}

/// The privileged packages: the program and the libraries that call the kernel. Their graphs have the other crates.
const PRIVILEGED: [&str; 3] = ["relobox-kmod", "relobox-libkmod", "relobox-lib"];

/// The packages without rights, which must have no compiler.
const UNPRIVILEGED: [&str; 1] = ["relobox-linker"];

/// Asks Cargo, which resolves the dependencies, which of `roots` depend on one of `packages`, directly or indirectly,
/// and not only for tests or builds. Cargo may fetch crates for this, as it does for the test itself.
fn reached(roots: &[&str], packages: &[&str]) -> BTreeSet<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut found = BTreeSet::new();
    for root in roots {
        let out = std::process::Command::new(&cargo)
            .args(["tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}"])
            .args(["--package", root])
            .current_dir(repository())
            .output()
            .expect("cargo tree");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let text = String::from_utf8(out.stdout).expect("names");
        let names: BTreeSet<_> = text.lines().filter_map(|line| line.split(' ').next()).collect();
        assert!(names.contains(root) && names.contains("relobox-core"), "{root}: {names:?}");
        for name in names {
            if packages.iter().any(|package| name == *package || name.starts_with(&format!("{package}-"))) {
                found.insert(format!("{root}: {name}"));
            }
        }
    }
    found
}

/// Invariants 1 and 3: the dependency graph of the privileged side has no sandbox, compiler, fuzzer, ELF reader or
/// decompressor, and not the records of guests.
#[test]
fn the_privileged_side_has_no_sandbox() {
    let never = [
        "wasmtime",
        "cranelift",
        "wasmparser",
        "libafl",
        "libafl_bolts",
        "object",
        "goblin",
        "elf",
        "gimli",
        "flate2",
        "miniz_oxide",
        "xz2",
        "lzma-rs",
        "zstd",
        "ruzstd",
        "relobox-abi",
        "relobox-link",
        "relobox-engine",
        "relobox-unpack",
        // Certificates and signatures are hostile input, too.
        "relobox-signatures",
        "cms",
        "x509-cert",
        "der",
        "rsa",
        "p256",
        "p384",
    ];
    assert_eq!(reached(&PRIVILEGED, &never), BTreeSet::new());
    // The same question finds them where they are.
    let linker = reached(&UNPRIVILEGED, &never);
    for name in ["wasmtime", "cms", "rsa"] {
        assert!(linker.contains(&format!("relobox-linker: {name}")), "{linker:?}");
    }
    let workshop = reached(&["relobox"], &never);
    assert!(workshop.iter().any(|l| l.contains("cranelift-codegen")), "{workshop:?}");
}

/// relobox-linker runs code that was compiled before, and compiles nothing. From Cranelift it has only the numbers of
/// entities and the bit sets, which wasmtime's runtime uses, and no code generator.
#[test]
fn what_loads_modules_has_no_compiler() {
    let compiler = ["cranelift-codegen", "cranelift-frontend", "cranelift-native", "cranelift-isle", "regalloc2"];
    let never = [&compiler[..], &["wasmtime-internal-cranelift", "wasmparser", "libafl", "libafl_bolts"]].concat();
    assert_eq!(reached(&[&PRIVILEGED[..], &UNPRIVILEGED].concat(), &never[..compiler.len() + 1]), BTreeSet::new());
    assert_eq!(reached(&["relobox"], &["libafl", "libafl_bolts"]), BTreeSet::new());
    let fuzz = reached(&["relobox-fuzz"], &never);
    assert!(fuzz.contains("relobox-fuzz: libafl") && fuzz.contains("relobox-fuzz: cranelift-codegen"), "{fuzz:?}");
}

/// No stage from parse to emit does I/O, or asks for the time or for its environment. Only open, symbols and place may.
#[test]
fn stages_compute() {
    let stages = ["parse", "plan", "layout", "resolve", "apply", "confine", "emit"];
    let beside = ["records", "report", "link"].map(|name| format!("host/link/src/{name}.rs"));
    for path in stages.iter().map(|stage| format!("host/link/src/stages/{stage}.rs")).chain(beside) {
        let text = std::fs::read_to_string(repository().join(&path)).expect(&path);
        for word in ["fs", "File", "cap_std", "rustix", "env", "Instant", "SystemTime", "thread", "random"] {
            assert!(!words(&code(&text)).any(|w| w == word), "{path} names {word}");
        }
    }
    // Fuel, never time.
    let sandbox = std::fs::read_to_string(repository().join("host/link/src/sandbox.rs")).expect("the sandbox");
    for word in ["epoch_interruption", "set_epoch_deadline", "Instant", "SystemTime"] {
        assert!(!words(&code(&sandbox)).any(|w| w == word), "the sandbox names {word}");
    }
    assert!(code(&sandbox).contains("consume_fuel(true)"));
}

/// 5. Each side has one file with all limits. The constants that are listed here are not limits.
#[test]
fn limits_live_in_one_file() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        // What formats and the contract say.
        ("host/core/src/areas.rs", &["ABSENT", "PAGE"][..]),
        ("host/kernels/src/sim.rs", &["PARAM"]),
        // Pixels.
        ("host/src/picture.rs", &["CELL", "HEIGHT", "STEP", "LEFT", "MOST"]),
        (
            "host/kernels/src/device.rs",
            &["ABI", "KALLSYMS_ALL", "UNSIGNED", "GPL", "CRC", "NO_OWNER", "PER_CPU", "FLAT"],
        ),
        ("host/kernels/src/linux.rs", &["COMPRESSED", "IGNORE_MODVERSIONS", "IGNORE_VERMAGIC"]),
        ("host/core/src/byte_order.rs", &["LITTLE", "BIG"]),
        ("host/core/src/state.rs", &["SCHEMA"]),
        ("host/modprobe/src/run.rs", &["TRIES"]),
        ("host/link/src/layout_linux.rs", &["SYMTAB", "STRTAB", "MOD_KALLSYMS", "MOD_KALLSYMS_ALIGN"]),
        ("engine-wasm/src/linux.rs", &["TRAILER", "ENTRY"]),
        ("engine-wasm/src/index.rs", &["TRAILER", "VERSION", "SHN_UNDEF", "SHN_ABS"]),
        // The files of depmod, and what kmod cuts where.
        ("host/depmod/src/lib.rs", &["PATH_MAX"]),
        ("host/depmod/src/scanned.rs", &["WEAK", "NO_CRC"]),
        ("host/depmod/src/signature.rs", &["TRAILER"]),
        ("host/signatures/src/trailer.rs", &["STRUCTURE", "PKCS7"]),
        ("host/depmod/src/symbols.rs", &["LINE"]),
        ("host/depmod/src/trie.rs", &["MAGIC", "VERSION", "PREFIX", "VALUES", "CHILDREN", "PLACE", "END"]),
        ("host/isolate/src/indices.rs", &["BUILT_IN"]),
        ("host/linker/src/depmod.rs", &["NO_DATA", "NOT_EXECUTABLE", "INVALID"]),
        ("engine-wasm/src/tables.rs", &["SHN_LORESERVE", "SHN_ABS", "SHN_COMMON", "SHN_XINDEX", "SHN_LIVEPATCH"]),
        ("engine-wasm/src/exports.rs", &["GPL_ONLY"]),
        ("engine-wasm/src/relocations.rs", &["SHT_SECONDARY_RELOC", "SHT_AARCH64_AUTH_RELR", "SHT_UNWIND"]),
        // What system calls are asked for.
        ("host/linker/src/attempts.rs", &["WRITABLE", "PRIVATE"]),
        ("host/linker/src/seccomp.rs", &["MAPPING"]),
        ("unpack-wasm/src/zstd.rs", &["MAGIC"]),
        ("unpack-wasm/src/gzip.rs", &["DEFLATE", "FHCRC", "FEXTRA", "FNAME", "FCOMMENT", "RESERVED"]),
        ("host/kit/src/test_module.rs", &["PROGBITS", "LAST_FIRST"]),
        ("host/kit/src/decode_cases.rs", &["AT", "SIZE"]),
        ("host/fuzz/src/seeds.rs", &["PLACE", "BYTES"]),
        // What a row of version 1 can say; and how wide a table is: nothing is refused.
        ("host/link/src/description.rs", &["FLAGS_1", "DENSE"]),
        // Numbers of Linux: a file system, and modes of files.
        ("host/core/src/files.rs", &["PIPEFS", "PUBLIC", "SCRIPT", "PRIVATE"]),
        ("engine-wasm/src/emit.rs", &["ABSENT", "SHORT"]),
        ("host/src/section_map.rs", &["NEAR", "WIDTH", "STEP", "HEIGHT", "LEFT", "NAME", "CELL", "BORDERS", "BAR"]),
        ("host/link/src/sandbox/marks.rs", &["IDLE", "BEYOND"]),
        ("host/fuzz/src/driver.rs", &["TOGETHER"]),
        // The largest page of any machine.
        ("host/link/src/assumed.rs", &["ALIGNED"]),
    ]);
    for side in ["host/core", "engine-wasm", "unpack-wasm", "simkernel"] {
        let limits = format!("{side}/src/limits.rs");
        let text = std::fs::read_to_string(repository().join(&limits)).expect(&limits);
        let mut documented = false;
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let defines = line.starts_with("pub") && line.contains("const ");
            assert!(!defines || documented, "{limits}: a limit without its reason: {line}");
            documented = line.starts_with("///");
        }
    }
    for side in ["host", "engine-wasm", "unpack-wasm"] {
        let files: Vec<_> =
            if side == "host" { host_files().collect() } else { rust_files(&format!("{side}/src")).collect() };
        for (path, text) in files {
            // Tests may have any numbers.
            if path.ends_with("/limits.rs") || path.ends_with("/tests.rs") {
                continue;
            }
            let text = code(&text);
            for line in text.lines() {
                let Some((_, rest)) = line.split_once("const ") else { continue };
                let Some((name, kind)) = rest.split_once(": ") else { continue };
                let number =
                    ["u8", "u16", "u32", "u64", "usize", "i64"].iter().any(|t| kind.starts_with(&format!("{t} ")));
                let known = allowed.get(&*path).is_some_and(|names| names.contains(&name));
                assert!(!number || known || name == "fn", "{path} defines {name}: is it a limit?");
            }
            // A size written out is a limit in disguise.
            let sized = words(&text)
                .zip(words(&text).skip(1))
                .find(|(a, _)| a.len() > 6 && a.bytes().all(|b| b.is_ascii_digit()));
            assert_eq!(sized, None, "{path}");
            for shift in ["<< 10", "<< 12", "<< 16", "<< 20", "<< 21", "<< 30"] {
                let found = text.lines().find(|line| line.contains(shift) && line.contains("1 <<"));
                assert_eq!(found, None, "{path}");
            }
        }
    }
}

/// 6. `unsafe` is denied everywhere. Few files allow it, and each names the place and a reason.
#[test]
fn unsafe_is_lifted_by_name() {
    let manifest = std::fs::read_to_string(repository().join("Cargo.toml")).expect("the workspace");
    assert!(manifest.contains("unsafe_code = \"deny\""));
    for directory in directories() {
        let manifest = std::fs::read_to_string(repository().join(&directory).join("Cargo.toml")).expect("a manifest");
        assert!(manifest.contains("[lints]\nworkspace = true"), "{directory} does not have the workspace's lints");
    }
    let may = [
        "arch-plugins/abi/src/cast.rs",
        "arch-plugins/abi/src/records.rs",
        "arch-plugins/sdk/src/cx.rs",
        "arch-plugins/sdk/src/guest.rs",
        "arch-plugins/sdk/src/table.rs",
        "engine-wasm/src/guest.rs",
        "fuzz/src/lib.rs",
        "guest-rt/src/wasm.rs",
        "host/cabi/src/boundary.rs",
        "host/cabi/src/spawn.rs",
        "host/fuzz/src/types.rs",
        "host/isolate/src/serve/tests.rs",
        "host/kernels/src/device.rs",
        "host/kernels/src/device/flat.rs",
        "host/libkmod/src/c.rs",
        "host/libkmod/tests/library/udev.rs",
        "host/librelobox/src/exports/context.rs",
        "host/librelobox/src/exports/modules.rs",
        "host/librelobox/src/exports/results.rs",
        "host/librelobox/src/exports/symbols.rs",
        "host/librelobox/src/pointers.rs",
        "host/link/src/sandbox.rs",
        "host/link/src/sandbox/compile.rs",
        "host/link/src/sandbox/compiled.rs",
        "host/linker/src/ahead.rs",
        "host/linker/src/system.rs",
        "host/linker/src/zygote.rs",
        "host/tests/programs.rs",
        "host/tests/tracing/mod.rs",
        "simkernel/src/process/mod.rs",
        "unpack-wasm/src/guest.rs",
    ];
    let mut lifted = BTreeSet::new();
    for (path, text) in directories().collect::<Vec<_>>().iter().flat_map(|d| rust_files(d)) {
        for (n, line) in text.lines().enumerate() {
            let Some((_, rest)) = line.split_once("allow(unsafe_code") else { continue };
            if path == "tests/tests/invariants.rs" {
                continue;
            }
            assert!(rest.contains("reason = \""), "{path}:{}: lifted without a reason", n + 1);
            lifted.insert(path.clone());
        }
        assert!(!text.contains(concat!("allow(", "unsafe_op_in_unsafe_fn")), "{path}");
    }
    assert_eq!(lifted, may.map(String::from).into(), "files that lift the ban on unsafe");
}

/// A plugin sees the bytes that it patches and the names of undefined symbols, and nothing else of the module.
#[test]
fn a_plugin_sees_only_its_job() {
    let guests = Guests::new(sandbox(), &[]).expect("guests");
    let file = sample::module(0);
    let module = load(&guests, "sample.ko", Source::Bytes(file)).expect("a module");
    let records = module.records();
    let (plugin, _) = guests.plugin_for(62, 64, 1, 0).expect("a plugin").expect("a plugin");
    let plugin: &Plugin = plugin;
    let planned = relobox::plan::plan(plugin, &records, &[]).expect("a plan");
    let memory = planned.instance.memory();
    let shows = |bytes: &[u8]| memory.windows(bytes.len()).any(|w| w == bytes);
    // The plugin sees these, which shows that the search finds something.
    let text = &records.sections[1];
    assert!(shows(records.bytes(text.data)) && shows(b"printk") && shows(b"helper") && shows(b".text"));
    for secret in [sample::PRIVATE_SYMBOL, sample::PRIVATE_DATA, "init_module", "license=GPL", "sample.ko", "\x7fELF"] {
        assert!(!shows(secret.as_bytes()), "the plugin sees {secret:?}");
    }
    let mut hidden = 0;
    for s in records.symbols.iter().filter(|s| s.flags & symbol_flag::UNDEFINED == 0 && s.name.len > 4) {
        let name = records.bytes(s.name);
        assert!(!shows(name), "the plugin sees {}", String::from_utf8_lossy(name));
        hidden += 1;
    }
    assert!(hidden >= 3);
    // During plan, it sees no value of a symbol.
    let values = &memory[planned.values as usize..][..records.symbols.len() * 8];
    assert!(values.iter().all(|b| *b == 0));
}

/// The same input gives the same bytes for the same fuel, in every run, and also with guests that were compiled again.
#[test]
fn runs_do_not_differ() {
    let run = |guests: &Guests| {
        let mut symbols = Symbols::new();
        symbols.read(sample::KALLSYMS.as_bytes(), |_| true).expect("symbols");
        let module = load(guests, "sample.ko", Source::Bytes(sample::module(0))).expect("a module");
        let prepared = prepare(guests, module, &[]).expect("a plan");
        let layout = prepared.measured.at(prepared.machine.base);
        let linked = prepared.link(layout, Sources { symbols: &symbols, assume: None }).expect("a linked module");
        (linked.fuel, linked.emit(relobox_abi::emit::LINKED).expect("a file"))
    };
    let refusal = |guests: &Guests| {
        let mut file = sample::module(0);
        file.truncate(1000);
        load(guests, "sample.ko", Source::Bytes(file)).map(|_| ()).expect_err("half a module").to_string()
    };
    let guests = |cache| Guests::new(Sandbox::new(cache).expect("a sandbox"), &[]).expect("guests");
    let first = guests(None);
    let (expected, refused) = (run(&first), refusal(&first));
    assert!(expected.0 > 0 && !expected.1.is_empty());
    for _ in 0..3 {
        assert!(run(&first) == expected && refusal(&first) == refused, "the second run differs");
    }
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("cache");
    let cache = |path: &Path| Some(Cache::open_dir(path).expect("a cache"));
    let filling = guests(cache(&path));
    assert!(run(&filling) == expected, "a run that fills the cache differs");
    let kept = std::fs::read_dir(&path).expect("a cache").count();
    assert!(kept >= 2, "{kept} guests in the cache");
    let filled = guests(cache(&path));
    assert!(run(&filled) == expected && refusal(&filled) == refused, "a run from the cache differs");
}
