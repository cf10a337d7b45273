//! Plugins of the previous ABI version: a real one, unchanged since, and some that lie. docs/abi.md has the rules.

use anyhow::Result;
use relobox::error::{Error, GuestError};
use relobox::guests::Plugin;
use relobox::plugin_file::Origin;
use relobox::sandbox::Sandbox;
use relobox::text::hex;
use relobox_abi::{ABI_OLDEST, ABI_VERSION, Machine, effect, pairing, row_flag};
use relobox_tests::golden;
use relobox_tests::module_spec::{LinkError, LinkOutput, Linker, ModuleSpec, RowDescription, guest};
use relobox_tests::{arch, real};
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What hosts that speak these versions were released with: see the notes beside them.
const BUILT: &str = "6b3e5225aabd5c2bf0bb697814c6890859cbb878da62b633536991c42894671e";
const BUILT_2: &str = "aa01cab1a97d522a04d58f3ef087f13288ef96479e18a8276f5031cd16e95548";

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("abi-1/mips32.wasm")
}

fn previous() -> Result<guest::Guest> {
    guest::from_wasm("mips32", &std::fs::read(path())?)
}

fn version_2() -> Result<guest::Guest> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("abi-2/mips32.wasm");
    guest::from_wasm("mips32", &std::fs::read(path)?)
}

#[test]
fn version_2_describes_itself_as_it_always_did() -> Result<()> {
    let (old, new) = (version_2()?, guest::named("mips32")?);
    let (old, new) = (old.plugin(), new.plugin());
    assert_eq!((old.about.abi, hex(old.guest.digest())), (2, BUILT_2.to_owned()));
    assert_eq!((&old.about.remade[..], &old.about.details[..]), (&[][..], &[][..]));
    for (old, new) in old.about.rows.iter().zip(&new.about.rows) {
        assert_eq!((&old.name, &old.formula, &old.slices), (&new.name, &new.formula, &new.slices));
        let pair = |row: &relobox_abi::Row| (row.effect, row.round, row.pairing, row.partner);
        assert_eq!(pair(&old.row), pair(&new.row));
    }
    Ok(())
}

#[test]
fn version_2_links_to_the_same_bytes() -> Result<()> {
    let (old, new) = (version_2()?, guest::named("mips32")?);
    let both = Both { old: &old, new: &new, asked: Cell::new(0) };
    let wrong = golden::check(&both, &golden::committed("mips32")?)?;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn it_describes_itself_as_it_always_did() -> Result<()> {
    let (old, new) = (previous()?, guest::named("mips32")?);
    let (old, new) = (old.plugin(), new.plugin());
    assert_eq!((old.about.abi, new.about.abi), (1, ABI_VERSION));
    assert_eq!((ABI_OLDEST, hex(old.guest.digest())), (1, BUILT.to_owned()));
    assert_eq!(old.about.machines, new.about.machines);
    let mut paired = 0;
    for (old, new) in old.about.rows.iter().zip(&new.about.rows) {
        assert_eq!((&old.name, &old.field, &old.slices), (&new.name, &new.field, &new.slices));
        // Of a high half, a newer SDK says that it is rounded; the older one's formula had the sum.
        assert!(old.formula == new.formula || new.row.round != 0, "{}: {}", old.name, new.formula);
        let mut blank = relobox_abi::Row { pairing: 0, effect: 0, round: 0, partner: 0, ..new.row };
        // Where its texts lie is its own affair.
        (blank.name, blank.formula, blank.field, blank.slices) =
            (old.row.name, old.row.formula, old.row.field, old.row.slices);
        assert_eq!(old.row, blank, "{}", old.name);
        paired += usize::from(new.row.pairing != pairing::NONE);
    }
    assert_eq!((old.about.rows.len(), paired), (new.about.rows.len(), 4));
    Ok(())
}

/// Asks both, and requires one answer: bytes and faults. Fuel is the compiler's too, and the old one is not built anew.
struct Both<'a> {
    old: &'a guest::Guest,
    new: &'a guest::Guest,
    asked: Cell<usize>,
}

impl Linker for Both<'_> {
    fn name(&self) -> &str {
        self.new.name()
    }

    fn machines(&self) -> &[Machine] {
        self.new.machines()
    }

    fn rows(&self) -> &[RowDescription] {
        self.new.rows()
    }

    fn link(&self, module: &ModuleSpec) -> Result<LinkOutput, LinkError> {
        let (mut old, new) = (self.old.link(module), self.new.link(module));
        if let (Ok(old), Ok(new)) = (&mut old, &new) {
            old.fuel = new.fuel;
        }
        assert_eq!(old, new);
        self.asked.set(self.asked.get() + module.relocations());
        old
    }
}

#[test]
fn it_links_to_the_same_bytes() -> Result<()> {
    let (old, new) = (previous()?, guest::named("mips32")?);
    let both = Both { old: &old, new: &new, asked: Cell::new(0) };
    let vectors = golden::committed("mips32")?;
    let wrong = golden::check(&both, &vectors)?;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{} vectors, {} relocations", vectors.len(), both.asked.get());
    assert!(both.asked.get() >= vectors.len());
    Ok(())
}

/// A plugin that says of its version, by an expression, in its export, and by a number in its description. It has one
/// row, of type 5, in which all that version 1 ignores is full of ones.
fn plugin(export: &str, description: u32) -> Vec<u8> {
    let text = format!(
        r#"(module (memory (export "memory") 1)
             (data (i32.const 0x400) (i32 {description} 0xff) (i32 0x600 3 0 0 0 0) (i32 0x480 1 0x500 1 0 0) (i64 -1 -1))
             (data (i32.const 0x480) (i16 0xfeed) (i8 32 1) (i32 0 0 0) (i64 0 0 0))
             (data (i32.const 0x500) (i32 5 0xffffffe0 0x600 3 0 0 0 0 0 0) (i8 4 1 1 32 0 0 0 4 0) (i8 -1 -1 -1 -1 -1 -1 -1))
             (data (i32.const 0x600) "old")
             (func (export "relobox_abi") (result i32) {export})
             (func (export "relobox_describe") (result i32) (i32.const 0x400)))"#
    );
    wat::parse_str(text).expect("WAT")
}

fn described(wasm: &[u8]) -> Result<Plugin, Error> {
    Plugin::describe(Sandbox::new(None)?.load("liar", wasm)?, Origin::File("liar.wasm".into()))
}

#[test]
fn what_a_version_did_not_know_is_not_read() {
    let plugin = described(&plugin("(i32.const 1)", 1)).unwrap_or_else(|e| panic!("{e}"));
    let row = plugin.about.rows[0].row;
    assert_eq!((row.flags, row.pairing, row.effect, row.round, row.partner), (0, pairing::NONE, effect::UNKNOWN, 0, 0));
    assert_eq!((row.kind, row.window_len), (5, 4));
    const { assert!(row_flag::DERIVED > row_flag::ZERO) };
}

#[test]
fn an_unsupported_version_is_refused_by_name() {
    for (export, description, version, words) in [
        (
            0,
            0,
            true,
            "has ABI version 0, and this host supports 1 to 3: rebuild it with the header or SDK of this version",
        ),
        (
            4,
            4,
            true,
            "has ABI version 4, and this host supports 1 to 3: use a newer relobox, or build it for one of these",
        ),
        (u32::MAX, 1, true, "has ABI version 4294967295, and this host supports 1 to 3: use a newer relobox"),
        (1, 2, false, "its ABI version is 1, and its description says 2"),
        (2, 1, false, "its ABI version is 2, and its description says 1"),
        (2, 3, false, "its ABI version is 2, and its description says 3"),
        // Its row, read as version 2 means it, makes no sense.
        (2, 2, false, "row 5 of its table has an unknown effect, rounding or pair"),
    ] {
        let what = match described(&plugin(&format!("(i32.const {export})"), description)) {
            Err(Error::Guest { guest, what }) if guest == "liar" => what,
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("{export} and {description} pass"),
        };
        let named =
            matches!(what, GuestError::Version(theirs, ref ours) if theirs == export && *ours.end() == ABI_VERSION);
        assert_eq!(named, version, "{what:?}");
        assert!(what.to_string().contains(words), "{what}");
    }
}

/// A plugin of version 3, with what is new in it: one remade section and one detail, by their bytes.
fn newest(remade: &str, detail: &str) -> Result<Plugin, Error> {
    let text = format!(
        r#"(module (memory (export "memory") 1)
             (data (i32.const 0x400) (i32 3 0xff) (i32 0x600 3 0 0 0 0) (i32 0x480 1 0x500 1 0 0) (i32 0x700 1 0x780 1))
             (data (i32.const 0x480) (i16 0xfeed) (i8 32 1) (i32 0 0 0) (i64 0 0 0))
             (data (i32.const 0x500) (i32 5 0 0x600 3 0 0 0 0 0 0) (i8 4 1 1 32 0 0 0 4 0) (i8 0 0 0 0 0 0 0))
             (data (i32.const 0x600) "new")
             (data (i32.const 0x700) (i32 0x600 3) {remade})
             (data (i32.const 0x780) {detail})
             (func (export "relobox_abi") (result i32) (i32.const 3))
             (func (export "relobox_describe") (result i32) (i32.const 0x400)))"#
    );
    described(&wat::parse_str(text).expect("WAT"))
}

/// From arch/arm64/kernel/module-plts.c: entries of 12 bytes, in both kinds of kernels.
#[test]
fn arm64_says_what_its_loader_makes_anew() -> Result<()> {
    use relobox_abi::loader::{CORE_INIT, KINDS};
    let guest = guest::named("aarch64")?;
    let of = |loader| {
        let remade = guest.plugin().about.remade.iter().filter(move |r| r.loaders & loader != 0);
        remade.map(|r| (String::from_utf8_lossy(&r.name).into_owned(), r.size)).collect::<Vec<_>>()
    };
    let plt = |rest: &[(&str, u64)]| {
        let all = [&[(".plt", 12), (".init.plt", 12)], rest].concat();
        all.into_iter().map(|(name, size)| (name.to_owned(), size)).collect::<Vec<_>>()
    };
    assert_eq!(of(CORE_INIT), plt(&[(".text.ftrace_trampoline", 24)]));
    assert_eq!(of(KINDS), plt(&[(".text.ftrace_trampoline", 12), (".init.text.ftrace_trampoline", 12)]));
    Ok(())
}

#[test]
fn version_3_says_more() {
    let remade = "(i32 3 4) (i64 12 64 0)";
    let range = "(i32 5 1 0) (i8 0 0 1 0) (i64 0 0 -8 7)";
    let nop = "(i32 5 3 4) (i8 4 0 0 0) (i64 0xffffffff 0x60000000 0 0)";
    let about = newest(remade, range).unwrap_or_else(|e| panic!("{e}")).about;
    assert_eq!((about.remade[0].name.as_slice(), about.remade[0].size, about.remade[0].align), (&b"new"[..], 12, 64));
    assert_eq!((about.details[0].min, about.details[0].max), (-8, 7));
    let about = newest(remade, nop).unwrap_or_else(|e| panic!("{e}")).about;
    assert_eq!((about.details[0].offset, about.details[0].value), (4, 0x6000_0000));
    let section = "a section that no kernel can rebuild";
    let row = "a detail of row 5 is invalid";
    for (remade, detail, words) in [
        ("(i32 3 7) (i64 12 64 0)", range, section),
        ("(i32 4 4) (i64 12 64 0)", range, section),
        ("(i32 3 4) (i64 12 3 0)", range, section),
        ("(i32 3 4) (i64 0x200001 4 0)", range, section),
        (remade, "(i32 5 1 0) (i8 0 0 5 0) (i64 0 0 -8 7)", row),
        (remade, "(i32 5 1 0) (i8 0 0 1 0) (i64 0 0 7 -8)", row),
        (remade, "(i32 5 5 0) (i8 4 0 1 0) (i64 0 0 0 0)", row),
        (remade, "(i32 5 2 0) (i8 5 0 0 0) (i64 0 0 0 0)", row),
        (remade, "(i32 5 2 0) (i8 2 0 0 0) (i64 0x10000 0 0 0)", row),
        (remade, "(i32 5 2 0) (i8 4 0 0 0) (i64 0xff 0x100 0 0)", row),
        (remade, "(i32 6 1 0) (i8 0 0 1 0) (i64 0 0 -8 7)", "a detail of row 6 is invalid"),
    ] {
        let Err(error) = newest(remade, detail) else { panic!("{remade} {detail} pass") };
        assert!(error.to_string().contains(words), "{error}");
    }
}

/// A plugin gets more memory for a job than for its description, and can tell them apart. Another version for a job is
/// an error.
#[test]
fn a_version_does_not_change_with_the_job() {
    let grows = "(select (i32.const 1) (i32.const 2) (i32.eq (memory.grow (i32.const 500)) (i32.const -1)))";
    let plugin = described(&plugin(grows, 1)).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(plugin.about.abi, 1);
    let Err(error) = plugin.guest.instantiate(64 << 20, 1_000_000) else { panic!("it passes") };
    let words = "it has ABI version 2, but 1 is required";
    assert!(matches!(&error, Error::Guest { what: GuestError::MalformedAnswer(text), .. } if text == words), "{error}");
}

#[test]
fn it_is_listed_with_its_version() -> Result<()> {
    let directory = tempfile::tempdir()?;
    std::fs::copy(path(), directory.path().join("old.wasm"))?;
    let mut command = Command::new(real::binary()?);
    command.args(["plugin", "list", "--json", "--plugin-dir"]).arg(directory.path());
    let output =
        command.env("RELOBOX_CACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled-guests")).output()?;
    let listed = String::from_utf8(output.stdout)?;
    // Objects of one plugin each; its own digest tells which one is meant.
    let own = format!("\"sha256\": \"{BUILT}\"");
    let one = listed.split("\"title\"").find(|plugin| plugin.contains(&own)).unwrap_or_else(|| panic!("{listed}"));
    assert!(one.split_whitespace().collect::<String>().contains("\"abi\":1,"), "{one}");
    assert_eq!(listed.matches(&format!("\"abi\": {ABI_VERSION}")).count(), arch::ALL.len(), "{listed}");
    // What its version cannot say is not said for it.
    let mut command = Command::new(real::binary()?);
    command.args(["plugin", "info", BUILT, "--json", "--plugin-dir"]).arg(directory.path());
    let output =
        command.env("RELOBOX_CACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled-guests")).output()?;
    let info = String::from_utf8(output.stdout)?;
    let [unknown, alone] = ["\"effect\": \"unknown\"", "\"pairing\": \"none\""].map(|word| info.matches(word).count());
    assert!(unknown > 0 && unknown == alone && unknown == info.matches("\"effect\"").count(), "{info}");
    Ok(())
}
