//! `relobox call`: functions of objects that `cc` has just compiled, in the simulated kernel.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod test_env;

use relobox::inserted::Called;
use relobox::isolate::{Linker, Options};
use relobox::kernel::{Kernel, KernelError, Listing, Load, Loaded, Machine, Protection, Request};
use relobox::kernels::sim::Sim;
use relobox::sealed::seal;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use test_env::{TestEnv, cache};

/// As the help of the command says it.
const FLAGS: &[&str] = &[
    "-O2",
    "-ffreestanding",
    "-fno-pic",
    "-mcmodel=kernel",
    "-mno-red-zone",
    "-mgeneral-regs-only",
    "-fno-stack-protector",
    "-fcf-protection=branch",
    "-c",
];

fn compile(w: &TestEnv, name: &str, source: &str, more: &[&str]) -> PathBuf {
    let (c, o) = (w.directory.join(name).with_extension("c"), w.directory.join(name).with_extension("o"));
    std::fs::write(&c, source).unwrap();
    let output = Command::new("cc").args(FLAGS).args(more).arg(&c).arg("-o").arg(&o).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    o
}

const ONE: &str = "extern int _printk(const char *, ...); static int n = 40, zeros[4096]; int *const at[] = { &n, &zeros[4095] };\n\
     static int helper(int *const *p) { __asm__(\"\" : \"+r\"(p)); *p[1] = 2; return *p[0] + zeros[4095]; }\n\
     int one(void) { _printk(\"called\\n\"); return helper(at); }\n";
const TWO: &str = "int first(void) { return 1; }\nint second(void) { return -2; }\nint data = 3;\nstatic int own(void) { return 4; }\n\
     int (*const kept)(void) = own;\n";

#[test]
fn the_only_function_is_called_and_leaves_nothing() {
    let w = TestEnv::new();
    compile(&w, "one", ONE, &[]);
    w.succeed("sim", &["start"]);
    assert_eq!(w.succeed("call", &["one.o"]), "one.o: one returned 42\n");
    w.assert_empty();
    let json: serde_json::Value = serde_json::from_str(&w.succeed("call", &["one.o", "--json"])).unwrap();
    assert_eq!((&json["function"], &json["returned"]), (&"one".into(), &42.into()));
    assert_eq!((&json["kernel"], &json["plugin"]), (&"sim".into(), &"x86_64".into()));
    assert!(json["relocations"].as_u64() > Some(3), "{json}");
    assert_eq!(w.log(), ["called", "called"]);
    w.assert_empty();
    // As a program's object: it has a table of addresses.
    compile(&w, "pic", ONE, &["-fPIC", "-mcmodel=small"]);
    assert_eq!(w.succeed("call", &["pic.o"]), "pic.o: one returned 42\n");
}

#[test]
fn a_function_is_chosen_by_name() {
    let w = TestEnv::new();
    compile(&w, "two", TWO, &[]);
    compile(&w, "none", "static int own(void) { return 4; }\nint (*const kept)(void) = own;\n", &[]);
    w.succeed("sim", &["start"]);
    assert_eq!(w.succeed("call", &["two.o", "--function", "second"]), "two.o: second returned -2\n");
    assert_eq!(w.succeed("call", &["two.o", "--function=first"]), "two.o: first returned 1\n");
    let several = w.fail(1, "call", &["two.o"]);
    assert_eq!(
        several,
        "two.o: it has several global functions; its global functions are first, second; --function NAME"
    );
    for name in ["third", "own", "data", "kept", "", "FIRST"] {
        let refused = w.fail(1, "call", &["two.o", "--function", name]);
        let expected = format!("two.o: it has no global function '{name}'; its global functions are first, second");
        assert_eq!(refused, expected);
    }
    // As a kernel's build names what it puts before a function.
    let padded = "__asm__(\".globl __pfx_f\\n.type __pfx_f, @function\\n__pfx_f: nop\"); int f(void) { return 9; }";
    compile(&w, "padded", padded, &[]);
    assert_eq!(w.succeed("call", &["padded.o"]), "padded.o: f returned 9\n");
    assert_eq!(w.fail(1, "call", &["none.o"]), "none.o: it has no global function");
    w.assert_empty();
}

#[test]
fn what_cannot_be_called_is_refused_before_anything_is_allocated() {
    let w = TestEnv::new();
    w.sample("hello");
    let lacks = "extern int no_such_a(void), no_such_b(void); int f(void) { return no_such_a() + no_such_b(); }";
    compile(&w, "lacks", lacks, &[]);
    let tables = "__attribute__((section(\"__ex_table\"))) const int table[2] = { 1, 2 }; int f(void) { return 0; }";
    compile(&w, "tables", tables, &[]);
    compile(&w, "percpu", "__attribute__((section(\".data..percpu\"))) int n = 1; int f(void) { return n; }", &[]);
    compile(&w, "aligned", "__attribute__((aligned(8192))) int n = 1; int f(void) { return n; }", &[]);
    compile(&w, "common", "int shared; int f(void) { return shared; }", &["-fcommon"]);
    let thunk = "extern int __x86_return_thunk(void); int f(void) { return __x86_return_thunk(); }";
    compile(&w, "thunk", thunk, &[]);
    std::fs::write(w.directory.join("both.s"), ".section .text.x,\"awx\",@progbits\n.globl f\nf: ret\n").unwrap();
    let done = Command::new("cc").current_dir(&w.directory).args(["-c", "both.s"]).status().unwrap();
    assert!(done.success());
    let mut other = std::fs::read(compile(&w, "other", "int f(void) { return 0; }", &[])).unwrap();
    other[18] = 183;
    std::fs::write(w.directory.join("other.o"), other).unwrap();
    std::fs::write(w.directory.join("text.o"), "no object").unwrap();
    w.succeed("sim", &["start"]);
    let missing = w.fail(1, "call", &["lacks.o"]);
    assert!(missing.contains("2 undefined symbols; references 'no_such_a', 'no_such_b'"), "{missing}");
    for (file, words) in [
        ("hello.ko", "it is a module, which only the kernel's loader can load; 'relobox insmod' loads it"),
        ("tables.o", "(__ex_table): it is for the kernel's module loader"),
        ("percpu.o", "(.data..percpu): it is for the kernel's module loader"),
        ("aligned.o", "its alignment is 0x2000"),
        ("common.o", "a common symbol is not allowed"),
        ("thunk.o", "compile with -mfunction-return=keep"),
        ("both.o", "section .text.x is writable and executable"),
        ("other.o", "the object is for aarch64, 64 bits, and the kernel runs x86_64"),
        ("text.o", "not a relocatable ELF file"),
    ] {
        let said = w.fail(1, "call", &[file]);
        assert!(said.contains(words), "{file}: {said}");
        w.assert_empty();
    }
    w.fail(2, "call", &["no-such.o"]);
    w.fail(2, "call", &[]);
    w.fail(2, "call", &["lacks.o", "another.o"]);
}

#[test]
fn code_is_never_writable() {
    let w = TestEnv::new();
    compile(&w, "writes", "int f(void) { *(volatile char *)&f = 0; return 1; }", &[]);
    w.succeed("sim", &["start"]);
    let died = w.fail(1, "call", &["writes.o"]);
    assert!(died.contains("the kernel died while it was asked to call a function"), "{died}");
}

/// Without the device there is nothing that could call.
#[test]
fn other_kernels_call_nothing() {
    let w = TestEnv::new();
    compile(&w, "one", ONE, &[]);
    let run = |args: &[&str]| -> test_env::Outcome { w.command_of(args).output().unwrap().into() };
    let vet = run(&["call", "--kernel", "vet", "one.o"]);
    assert_eq!(vet.code, Some(2));
    assert!(vet.stderr.contains("'--kernel vet' cannot call code"), "{}", vet.stderr);
    if !Path::new("/dev/relobox").exists() {
        for kernel in ["device", "auto"] {
            let none = run(&["call", "--kernel", kernel, "one.o"]);
            assert_eq!(none.code, Some(2));
            assert!(none.stderr.contains("is the module relobox loaded? See kernel/README.md"), "{}", none.stderr);
        }
    }
}

/// The simulated kernel, with an export of which it says something else.
struct Changed {
    sim: Sim,
    gpl: bool,
    namespace: &'static str,
    called: Result<(), KernelError>,
}

impl Kernel for Changed {
    fn list(&mut self, wanted: Option<&[&[u8]]>) -> Result<Listing, KernelError> {
        let mut listing = self.sim.list(wanted)?;
        for export in listing.exports.iter_mut().filter(|export| export.name == "_printk") {
            (export.gpl, export.namespace) = (self.gpl, self.namespace.into());
        }
        Ok(listing)
    }
    fn allocate(&mut self, areas: &[Request]) -> Result<Vec<u64>, KernelError> {
        self.sim.allocate(areas)
    }
    fn put(&mut self, address: u64, bytes: &[u8]) -> Result<(), KernelError> {
        self.sim.put(address, bytes)
    }
    fn protect(&mut self, area: u64, protection: Protection) -> Result<(), KernelError> {
        self.sim.protect(area, protection)
    }
    fn call(&mut self, address: u64) -> Result<i32, KernelError> {
        self.called.clone()?;
        self.sim.call(address)
    }
    fn load(&mut self, _: &Load) -> Result<Loaded, KernelError> {
        panic!("nothing is loaded")
    }
    fn remove(&mut self, _: &str) -> Result<(), KernelError> {
        panic!("nothing is removed")
    }
}

/// By the linking process, as for a real kernel.
#[test]
fn the_linking_process_links_and_the_licence_decides() {
    let w = TestEnv::new();
    compile(&w, "one", ONE, &[]);
    let licence = |text: &str| {
        let key = "__attribute__((section(\".modinfo\"), used)) static const char";
        format!("{ONE}{key} license[] = \"license={text}\";")
    };
    compile(&w, "gpl", &licence("GPL"), &[]);
    compile(&w, "other", &licence("Proprietary"), &[]);
    let imports = "__attribute__((section(\".modinfo\"), used)) static const char space[] = \"import_ns=SPACE\";";
    compile(&w, "imports", &format!("{}{imports}", licence("GPL")), &[]);
    w.succeed("sim", &["start"]);
    let machine = Machine { name: "x86_64".into(), machine: 62, class: 64, order: 1 };
    let program = env!("CARGO_BIN_EXE_relobox").into();
    let options = Options { program, cache: Some(cache()), machine: Some(machine), ..Options::default() };
    let linker = Linker::start(&options).unwrap();
    let run = |name: &str, gpl, namespace, called| -> Result<Called, String> {
        let mut kernel = Changed { sim: Sim::connect(&w.socket).unwrap(), gpl, namespace, called };
        let (file, _) = seal(&w.directory.join(name)).unwrap();
        linker.call(&mut kernel, name, file.as_fd(), None).map_err(|error| error.to_string())
    };
    let called = run("one.o", false, "", Ok(())).unwrap();
    assert_eq!((&*called.function, called.returned, &*called.plugin), ("one", 42, "x86_64"));
    assert!(called.relocations > 3 && called.plugin_digest.is_some(), "{called:?}");

    let silent = run("one.o", true, "", Ok(())).unwrap_err();
    assert!(silent.contains("references '_printk'") && silent.contains("has no licence"), "{silent}");
    let other = run("other.o", true, "", Ok(())).unwrap_err();
    assert!(other.contains("another licence"), "{other}");
    assert_eq!(run("other.o", false, "", Ok(())).unwrap().returned, 42);
    assert_eq!(run("gpl.o", true, "", Ok(())).unwrap().returned, 42);
    let space = run("gpl.o", true, "SPACE", Ok(())).unwrap_err();
    assert!(space.contains("does not import the symbol's namespace"), "{space}");
    assert_eq!(run("imports.o", true, "SPACE", Ok(())).unwrap().returned, 42);
    let modules = run("imports.o", true, "module:one,gpl", Ok(())).unwrap_err();
    assert!(modules.contains("for some modules only"), "{modules}");

    let refused = run("one.o", false, "", Err(KernelError::NotAllowed("no".into()))).unwrap_err();
    assert_eq!(refused, "one.o: not allowed: no");
    w.assert_empty();
}
