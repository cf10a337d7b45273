//! What plugins are asked and say beyond relocations: symbols by another name, and numbers from the kernel. Through each
//! way by which a module is linked.

use object::{Object as _, ObjectSymbol as _};
use relobox::error::{Error, GuestError};
use relobox::guests::Guests;
use relobox::inserted::Inserted;
use relobox::insmod::insmod;
use relobox::kernel::{Export, Kernel, KernelError, Listing, Load, LoadFormat, Loaded, Machine, Protection, Request};
use relobox::link::load;
use relobox::open::Source;
use relobox::pins::Pins;
use relobox::registry::{Plugins, Search};
use relobox::sandbox::Sandbox;
use relobox_tests::hostile::guest::{case, directory, honest};
use relobox_tests::hostile::sample;
use relobox_tests::real;
use std::path::Path;
use std::process::{Command, Output};

/// `e_flags` that the plugins of `tests/hostile/plugin` ask for.
const FLAGS: u32 = 0xbad;

/// Where the kernels here have what the module calls `printk`, and `helper`.
const PRINTK: u64 = 0xffff_ffff_8100_0010;
const HELPER: u64 = 0xffff_ffff_8100_0020;

/// The sample's symbol of that name.
fn symbol(name: &str) -> u32 {
    let file = sample::module(FLAGS);
    let module = relobox_engine::parse(&file, relobox_abi::parse::ALL).expect("the sample");
    let is = |s: &relobox_abi::Symbol| &file[s.name.at as usize..][..s.name.len as usize] == name.as_bytes();
    module.symbols.iter().position(is).expect(name) as u32
}

/// A plugin that has `printk` looked up as `name`, as ppc64's has what begins with a dot.
fn renaming(name: &str) -> Vec<u8> {
    let honest = std::fs::read_to_string(directory().join("plugin/honest.wat")).expect("honest.wat");
    let text = format!(
        "(module {honest}
           (data (i32.const 0x720) (i32 0x800 1))
           (data (i32.const 0x800) (i32 {} 4 0 0) (i64 0) (i32 0x840 {}))
           (data (i32.const 0x840) {name:?}))",
        symbol("printk"),
        name.len()
    );
    wat::parse_str(text).expect("it assembles")
}

/// A directory with modules and plugins in it.
struct TestEnv(tempfile::TempDir);

impl TestEnv {
    fn new() -> Self {
        let env = Self(tempfile::tempdir().expect("a directory"));
        env.put("bad.ko", sample::module(FLAGS));
        env.put("dotted.wasm", renaming("dotted"));
        env.put("at.wasm", case("plugin", "changes_one_byte").wasm);
        env.put("kallsyms", format!("{PRINTK:x} T dotted\n{HELPER:x} T helper\n"));
        env.put("without", format!("{PRINTK:x} T printk\n{HELPER:x} T helper\n"));
        env
    }

    fn put(&self, name: &str, contents: impl AsRef<[u8]>) {
        std::fs::write(self.0.path().join(name), contents).expect(name);
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(real::binary().expect("relobox"));
        command.env("RELOBOX_CACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled-guests"));
        command.env("XDG_DATA_HOME", "/nonexistent").args(arguments);
        command.current_dir(self.0.path()).output().expect("relobox")
    }

    /// What it says on its error output, ending as it must.
    fn says(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        said
    }

    fn guests(&self, plugin: &str) -> Guests {
        let search = Search { given: vec![self.0.path().to_owned()], ..Search::default() };
        let chosen = [self.0.path().join(plugin).display().to_string()];
        let plugins = Plugins::find(&search, &chosen, Pins::default()).expect("a plugin");
        Guests::of(Sandbox::new(None).expect("a sandbox"), plugins)
    }
}

#[test]
fn a_name_that_a_plugin_gives_is_looked_up_in_symbol_files() {
    let env = TestEnv::new();
    env.put("same.wasm", [renaming("dotted"), vec![0, 3, 1, b'm', 1]].concat());
    for more in [&[][..], &["--cross-check", "./same.wasm"]] {
        let link = ["link", "bad.ko", "--plugin", "./dotted.wasm", "--symbols", "kallsyms", "-o", "out.elf"];
        assert_eq!(env.says(0, &[&link[..], more].concat()), "");
        let file = std::fs::read(env.0.path().join("out.elf")).expect("a linked file");
        let file = object::File::parse(&*file).expect("ELF");
        let value = |name| file.symbols().find(|s| s.name() == Ok(name)).map(|s| s.address());
        assert_eq!((value("printk"), value("helper")), (Some(PRINTK), Some(HELPER)));
    }
    // No other module defines the name that the module has.
    let said = env.says(1, &["link", "bad.ko", "--plugin", "./dotted.wasm", "--symbols", "without"]);
    assert!(said.contains("undefined symbol; references 'printk'"), "{said}");
}

#[test]
fn a_name_that_a_plugin_gives_is_looked_up_by_check() {
    let env = TestEnv::new();
    let check = ["check", "bad.ko", "--plugin", "./dotted.wasm", "--symbols"];
    assert_eq!(env.says(0, &[&check[..], &["kallsyms"]].concat()), "");
    let said = env.says(1, &[&check[..], &["without"]].concat());
    assert!(said.contains("undefined symbol; references 'printk'"), "{said}");
    // Its version may be by the module's name or by the other.
    env.put("right", "0x12345678\tdotted\tvmlinux\tEXPORT_SYMBOL\n0x00000007\thelper\tvmlinux\tEXPORT_SYMBOL\n");
    env.put("wrong", "0x12345679\tdotted\tvmlinux\tEXPORT_SYMBOL\n0x00000007\thelper\tvmlinux\tEXPORT_SYMBOL\n");
    assert_eq!(env.says(0, &[&check[..], &["right"]].concat()), "");
    let said = env.says(1, &[&check[..], &["wrong"]].concat());
    assert!(said.contains("0x12345678 of a symbol that is now 0x12345679; references 'printk'"), "{said}");
}

/// A kernel that has two symbols, and remembers what it was asked.
struct Asked {
    printk: &'static str,
    form: LoadFormat,
    wanted: Vec<String>,
    loaded: bool,
}

impl Asked {
    fn new(printk: &'static str, form: LoadFormat) -> Self {
        Self { printk, form, wanted: Vec::new(), loaded: false }
    }
}

impl Kernel for Asked {
    fn list(&mut self, wanted: Option<&[&[u8]]>) -> Result<Listing, KernelError> {
        let names = wanted.expect("by name").iter().map(|name| String::from_utf8_lossy(name).into_owned());
        self.wanted.extend(names);
        let export = |(name, address, crc): (&str, u64, u32)| Export {
            name: name.to_owned(),
            address,
            crc: Some(crc),
            gpl: false,
            namespace: String::new(),
        };
        let asked = |(name, ..): &(&str, u64, u32)| self.wanted.iter().any(|wanted| wanted == name);
        let all = [(self.printk, PRINTK, 0x1234_5678), ("helper", HELPER, 7)];
        Ok(Listing {
            release: "6.1.0".into(),
            vermagic: "6.1.0 SMP".into(),
            form: self.form,
            complete: true,
            machine: Machine { name: "x86_64".into(), machine: 62, class: 64, order: 1 },
            modules: Vec::new(),
            exports: all.into_iter().filter(asked).map(export).collect(),
        })
    }

    fn allocate(&mut self, areas: &[Request]) -> Result<Vec<u64>, KernelError> {
        Ok((0..areas.len() as u64).map(|i| 0xffff_ffff_c000_0000 + (i << 20)).collect())
    }

    fn put(&mut self, _: u64, _: &[u8]) -> Result<(), KernelError> {
        Ok(())
    }

    fn protect(&mut self, _: u64, _: Protection) -> Result<(), KernelError> {
        Ok(())
    }

    fn load(&mut self, _: &Load) -> Result<Loaded, KernelError> {
        self.loaded = true;
        Ok(Loaded::default())
    }

    fn remove(&mut self, _: &str) -> Result<(), KernelError> {
        Ok(())
    }
}

/// Loads a file into a kernel.
fn put_in(guests: &Guests, kernel: &mut Asked, file: Vec<u8>, inputs: &[(&str, u64)]) -> Result<Inserted, Error> {
    let module = load(guests, "bad.ko", Source::Bytes(file))?;
    let inputs: Vec<_> = inputs.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    insmod(guests, kernel, module, "", &inputs)
}

#[test]
fn a_name_that_a_plugin_gives_is_asked_of_the_kernel() {
    let env = TestEnv::new();
    let guests = env.guests("dotted.wasm");
    let mut kernel = Asked::new("dotted", LoadFormat::Areas);
    put_in(&guests, &mut kernel, sample::module(FLAGS), &[]).expect("it is loaded");
    assert!(kernel.loaded);
    // Once, and by its other name; `printk` is asked for because there is a version of it.
    assert_eq!(kernel.wanted, ["dotted", "helper", "printk"]);
    let mut kernel = Asked::new("printk", LoadFormat::Areas);
    let said = put_in(&guests, &mut kernel, sample::module(FLAGS), &[]).expect_err("no such symbol").to_string();
    assert!(said.contains("undefined symbol; references 'printk'") && !kernel.loaded, "{said}");
}

#[test]
fn numbers_for_plugins_come_from_the_command_line() {
    let env = TestEnv::new();
    for command in ["link", "check"] {
        let run = [command, "bad.ko", "--plugin", "./at.wasm", "--symbols", "without"];
        // The byte that it names is in a window, or not.
        assert_eq!(env.says(0, &[&run[..], &["--input", "at=3"]].concat()), "");
        let said = env.says(3, &[&run[..], &["--input", "at=0x2"]].concat());
        assert!(said.contains("changed byte 0x2 of section .text"), "{said}");
        env.says(3, &run);
        // One that it does not read was meant to be another.
        let said = env.says(2, &[&run[..], &["--input", "att=3"]].concat());
        assert!(said.contains("input att") && said.contains("it reads at"), "{said}");
        let said = env.says(2, &[&run[..], &["--input", "at"]].concat());
        assert!(said.contains("NAME=NUMBER"), "{said}");
    }
}

#[test]
fn numbers_for_plugins_go_with_a_module() {
    let env = TestEnv::new();
    let guests = env.guests("at.wasm");
    let file = || sample::module(FLAGS);
    let kernel = || Asked::new("printk", LoadFormat::Areas);
    put_in(&guests, &mut kernel(), file(), &[("at", 3)]).expect("it is loaded");
    let error = put_in(&guests, &mut kernel(), file(), &[("at", 2)]).expect_err("another byte");
    let wanted = GuestError::OutOfWindowWrite { section: ".text".into(), offset: 2 };
    assert!(matches!(&error, Error::Guest { what, .. } if *what == wanted), "{error}");
    let error = put_in(&guests, &mut kernel(), file(), &[("other", 2)]).expect_err("no such number");
    assert!(matches!(&error, Error::Usage(text) if text.contains("input other")), "{error}");
}

/// The same file, the first of its relocation tables of another type or with other flags.
fn with_table(kind: u32, flags: u64, contents: Option<&[u8]>) -> Vec<u8> {
    let mut file = sample::module(FLAGS);
    let parsed = relobox_engine::parse(&file, relobox_abi::parse::ALL).expect("the sample");
    let table = parsed.groups[0].source as usize;
    let headers = u64::from_le_bytes(file[40..48].try_into().unwrap()) as usize;
    let header = headers + 64 * table;
    file[header + 4..header + 8].copy_from_slice(&kind.to_le_bytes());
    file[header + 8..header + 16].copy_from_slice(&flags.to_le_bytes());
    if let Some(contents) = contents {
        let at = parsed.sections[table].data.at as usize;
        file[at..at + contents.len()].copy_from_slice(contents);
        file[header + 32..header + 40].copy_from_slice(&(contents.len() as u64).to_le_bytes());
    }
    file
}

/// A module as it is: the kernel would relocate it, and does not know every form.
#[test]
fn what_the_kernel_would_leave_out_is_not_given_to_it() {
    let env = TestEnv::new();
    env.put("honest.wasm", honest("plugin"));
    let guests = env.guests("honest.wasm");
    // One relocation: type 2, of symbol 1, at 3.
    let compact = with_table(0x4000_0014, 0x40, Some(&[1 << 3 | 4, 3 << 3 | 3, 1, 2]));
    let mut kernel = Asked::new("printk", LoadFormat::Original);
    let said = put_in(&guests, &mut kernel, compact.clone(), &[]).expect_err("CREL").to_string();
    assert!(said.contains("the kernel does not support relocations of this form") && !kernel.loaded, "{said}");
    let mut kernel = Asked::new("printk", LoadFormat::Areas);
    put_in(&guests, &mut kernel, compact, &[]).expect("here it is known");
    // And what only the kernel does is not left out elsewhere.
    let patch = with_table(4, 0x10_0042, None);
    let mut kernel = Asked::new("printk", LoadFormat::Areas);
    let said = put_in(&guests, &mut kernel, patch.clone(), &[]).expect_err("a live patch").to_string();
    assert!(said.contains("a live patch has relocations that only Linux itself applies") && !kernel.loaded, "{said}");
    let mut kernel = Asked::new("printk", LoadFormat::Original);
    put_in(&guests, &mut kernel, patch.clone(), &[]).expect("the kernel does them");
    assert!(kernel.loaded);
    env.put("patch.ko", patch);
    let said = env.says(0, &["link", "patch.ko", "--plugin", "./honest.wasm", "--symbols", "without"]);
    assert!(said.contains(".rela.text is left for the kernel"), "{said}");
}
