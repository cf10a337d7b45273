//! The worked plugin of docs/abi.md, in both languages, does what the page says.

use relobox::guests::Guests;
use relobox::link::{Linked, load, prepare};
use relobox::open::Source;
use relobox::resolve::Sources;
use relobox::sandbox::Sandbox;
use relobox::symbols::{Definition, Symbols};
use relobox::{Diagnostic, Error};
use relobox_needs::{ExitCode, test, wasm_c};
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() -> ExitCode {
    relobox_needs::run([
        test!(in_wat),
        test!(in_c).needs([wasm_c().0]),
        test!(an_input_is_a_symbol_of_the_kernel),
        test!(sections_for_init_only),
        test!(functions_are_known_by_their_descriptors),
    ])
}

/// A file of the repository.
fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

const R_TOY_32: u32 = 1;
const R_TOY_PC16: u32 = 2;
/// Symbol 1 is `here`, 4 bytes into `.text`; symbol 2 is `there`, undefined.
const HERE: u32 = 1;
const THERE: u32 = 2;
/// The contents of `.text`: what no relocation declares must stay.
const POISON: [u8; 16] = [0xa5; 16];

/// `.text` with these relocations: offset, type, symbol, addend. `in_place` makes it SHT_REL.
fn object(relocations: &[(u32, u32, u32, i32)], in_place: bool) -> Vec<u8> {
    let mut table = Vec::new();
    for (offset, kind, symbol, addend) in relocations {
        table.extend(offset.to_le_bytes());
        table.extend((symbol << 8 | kind).to_le_bytes());
        if !in_place {
            table.extend(addend.to_le_bytes());
        }
    }
    let strings = b"\0.text\0.rela.text\0.rel.text\0.symtab\0.strtab\0here\0there\0";
    let name = |text: &str| strings.windows(text.len()).position(|w| w == text.as_bytes()).expect("a name") as u32;
    let mut symbols = vec![0; 16];
    for (text, value, info, section) in [("here", 4u32, 0u8, 1u16), ("there", 0, 0x10, 0)] {
        symbols.extend(name(text).to_le_bytes());
        symbols.extend(value.to_le_bytes());
        symbols.extend([0, 0, 0, 0, info, 0]);
        symbols.extend(section.to_le_bytes());
    }
    let (kind, entry) = if in_place { (9u32, 8u32) } else { (4, 12) };
    // Name, then type, flags, link, info, align, size of an entry, then contents.
    let sections: [(&str, [u32; 6], &[u8]); 5] = [
        ("", [0; 6], &[]),
        (".text", [1, 6, 0, 0, 4, 0], &POISON),
        (if in_place { ".rel.text" } else { ".rela.text" }, [kind, 0, 3, 1, 4, entry], &table),
        (".symtab", [2, 0, 4, 2, 4, 16], &symbols),
        (".strtab", [3, 0, 0, 0, 1, 0], strings),
    ];
    let (mut body, mut headers) = (vec![0; 52], Vec::new());
    for (text, [kind, flags, link, info, align, entry], contents) in sections {
        body.resize(body.len().next_multiple_of(4), 0);
        let at = if kind == 0 { 0 } else { body.len() as u32 };
        let named = if kind == 0 { 0 } else { name(text) };
        for word in [named, kind, flags, 0, at, contents.len() as u32, link, info, align, entry] {
            headers.extend(word.to_le_bytes());
        }
        body.extend(contents);
    }
    body.resize(body.len().next_multiple_of(4), 0);
    let table_at = body.len() as u32;
    body.extend(headers);
    body[..20].copy_from_slice(b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x01\0\xed\xfe");
    body[20] = 1;
    body[32..36].copy_from_slice(&table_at.to_le_bytes());
    body[40] = 52;
    body[46..52].copy_from_slice(&[40, 0, 5, 0, 4, 0]);
    body
}

struct Toy {
    guests: Guests,
    _dir: tempfile::TempDir,
}

impl Toy {
    /// Puts the plugin where a user would: into a directory.
    fn new(wasm: &[u8]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("toy.wasm"), wasm).expect("the plugin");
        let sandbox = Sandbox::new(None).expect("the sandbox");
        let guests = Guests::new(sandbox, &[PathBuf::from(dir.path())]).expect("guests");
        Self { guests, _dir: dir }
    }

    /// Links at 0x8000_0000, with `there` where it is told to be.
    fn link(&self, object: Vec<u8>, there: u64) -> Result<Linked, Error> {
        let mut symbols = Symbols::new();
        symbols.define(b"there", Definition { address: Some(there), ..Definition::default() });
        let prepared = prepare(&self.guests, load(&self.guests, "toy.o", Source::Bytes(object))?, &[])?;
        let layout = prepared.measured.at(prepared.machine.base);
        prepared.link(layout, Sources { symbols: &symbols, assume: None })
    }

    fn text(&self, relocations: &[(u32, u32, u32, i32)], there: u64) -> Vec<u8> {
        let linked = self.link(object(relocations, false), there).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(linked.layout.addresses[1], 0x8000_0000);
        linked.contents(1).to_vec()
    }

    fn problems(&self, relocations: &[(u32, u32, u32, i32)], there: u64, in_place: bool) -> Vec<Diagnostic> {
        match self.link(object(relocations, in_place), there) {
            Err(Error::Module(problems)) => problems,
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("it links"),
        }
    }
}

/// Everything that docs/abi.md says of the example.
fn is_as_documented(wasm: &[u8]) {
    let toy = Toy::new(wasm);
    let (_, plugin) = toy.guests.plugins().next().expect("plugins");
    let plugin = plugin.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((plugin.about.name.as_str(), plugin.about.rows.len()), ("toy", 2));
    let pc16 = &plugin.about.rows[1];
    let effects: Vec<_> = plugin.about.rows.iter().map(|r| r.row.effect).collect();
    assert_eq!(effects, [relobox_abi::effect::ABSOLUTE, relobox_abi::effect::RELATIVE]);
    assert_eq!((pc16.name.as_str(), pc16.formula.as_str(), pc16.row.bits), ("R_TOY_PC16", "S + A - P", 16));

    // S + A at an odd place; S + A - P with P = 0x8000_000a.
    let text = toy.text(&[(1, R_TOY_32, THERE, -1), (10, R_TOY_PC16, HERE, 2)], 0x1_8765_4321);
    let mut wanted = POISON;
    wanted[1..5].copy_from_slice(&0x8765_4320u32.to_le_bytes());
    wanted[10..12].copy_from_slice(&(-4i16).to_le_bytes());
    assert_eq!(text, wanted);

    // Both edges of the range, and one beyond.
    for (there, value) in [(0x8000_7fff, 0x7fff), (0x7fff_8000, -0x8000)] {
        let text = toy.text(&[(0, R_TOY_PC16, THERE, 0)], there);
        assert_eq!(text[..2], i16::to_le_bytes(value), "{there:#x}");
        assert_eq!(text[2..], POISON[2..]);
    }
    let far = toy.problems(&[(0, R_TOY_PC16, HERE, 0), (6, R_TOY_PC16, THERE, 0)], 0x8000_8006, false);
    let message = "toy.o:(.text+0x6): relocation R_TOY_PC16 out of range: 0x8000 is not in [-0x8000, 0x7fff]; \
                   references 'there' (vmlinux); place the module within 32 KiB of it";
    assert_eq!(far.iter().map(ToString::to_string).collect::<Vec<_>>(), [message]);
    assert_eq!(toy.problems(&[(0, R_TOY_PC16, THERE, 0)], 0x7fff_7fff, false)[0].value, Some(-0x8001));

    // Every kind of fault it knows, all in one answer.
    let all = [(0, 9, HERE, 0), (0, R_TOY_32, 3, 0), (13, R_TOY_32, HERE, 0), (!0, R_TOY_PC16, HERE, 0)];
    let kinds: Vec<_> = toy.problems(&all, 0, false).iter().map(|p| p.kind).collect();
    assert_eq!(kinds, ["unknown-relocation", "bad-symbol", "outside-section", "outside-section"]);
    assert_eq!(toy.problems(&[(0, R_TOY_32, HERE, 0)], 0, true)[0].kind, "addend-form");

    // More than it keeps.
    let many = toy.problems(&[(0, 9, HERE, 0); 40], 0, false);
    assert_eq!((many.len(), many[32].text.as_str()), (33, "and 8 more faults"));
}

fn in_wat() {
    let wasm = wat::parse_str(read("docs/examples/toy/toy.wat")).expect("it assembles");
    is_as_documented(&wasm);
}

/// The plugin in WAT, with some of its text replaced.
fn changed(changes: &[(&str, &str)]) -> Toy {
    let mut text = read("docs/examples/toy/toy.wat");
    for (old, new) in changes {
        assert!(text.contains(old), "{old}");
        text = text.replacen(old, new, 1);
    }
    Toy::new(&wat::parse_str(text).expect("it assembles"))
}

/// One whose R_TOY_32 writes its one input instead of S + A.
fn an_input_is_a_symbol_of_the_kernel() {
    let toy = changed(&[
        (
            r#""\00\00\00\00" "\00\00\00\00"       ;; inputs: none"#,
            r#""\c0\00\00\00" "\01\00\00\00"       ;; inputs: one"#,
        ),
        (
            "(func (export \"relobox_abi\")",
            r#"(data (i32.const 0x0c0) "\d0\00\00\00\09\00\00\00\07\00\00\00\00\00\00\00" "&$global$")
               (func (export "relobox_abi")"#,
        ),
        (
            "(i32.load offset=48 (local.get $job)))\n                  (i32.mul (local.get $symbol) (i32.const 8))))",
            "(i32.load offset=56 (local.get $job))) (i32.const 8)))",
        ),
    ]);
    let link = |defined: &[u8], given: &[(String, u64)]| {
        let mut symbols = Symbols::new();
        for name in [b"there".as_slice(), defined] {
            symbols.define(name, Definition { address: Some(0x4010_0000), ..Definition::default() });
        }
        let object = Source::Bytes(object(&[(0, R_TOY_32, HERE, 0)], false));
        let prepared = prepare(&toy.guests, load(&toy.guests, "toy.o", object)?, given)?;
        let asked: Vec<_> =
            prepared.needs().looked_up(&prepared.module.records()).map(|(_, name)| name.to_vec()).collect();
        let layout = prepared.measured.at(prepared.machine.base);
        let linked = prepared.link(layout, Sources { symbols: &symbols, assume: None })?;
        Ok::<_, Error>((asked, u32::from_le_bytes(linked.contents(1)[..4].try_into().expect("four bytes"))))
    };
    let both = vec![b"there".to_vec(), b"$global$".to_vec()];
    assert_eq!(link(b"$global$", &[]).unwrap_or_else(|e| panic!("{e}")), (both.clone(), 0x4010_0000));
    assert_eq!(link(b"elsewhere", &[]).unwrap_or_else(|e| panic!("{e}")), (both, 7));
    let given = link(b"$global$", &[("&$global$".into(), 5)]).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(given, (vec![b"there".to_vec()], 5));
}

/// One that plans a section of a kind and a name.
fn sections_for_init_only() {
    let with = |kind: u32, name: &str| {
        let record = format!(
            r#"(data (i32.const 0x0c0) "{name}")
               (data (i32.const 0x208) "\d0\0d\00\00\01\00\00\00")
               (data (i32.const 0xdd0) (i64 0 8 4) (i32 0xc0 {} {kind} 0 -1 0xe20) (i64 0))
               (func (export "relobox_abi")"#,
            name.len()
        );
        changed(&[("(func (export \"relobox_abi\")", &record)])
    };
    let toy = with(4, ".init.relobox.stubs");
    let linked = toy.link(object(&[], false), 0).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(linked.synthetic[0].wanted.memory(), relobox::areas::Kind::InitText);
    for (kind, name, words) in [
        (4, ".relobox.stubs", "a section whose name is not of its kind"),
        (1, ".init.relobox.stubs", "a section whose name is not of its kind"),
        (7, ".init.relobox.stubs", "a section of an unknown kind"),
    ] {
        let Err(error) = with(kind, name).link(object(&[], false), 0) else { panic!("{kind} {name} passes") };
        assert!(error.to_string().contains(words), "{error}");
    }
}

/// One that plans a section, and a descriptor of symbol `here` or another in it.
fn functions_are_known_by_their_descriptors() {
    let with = |descriptors: &str, count: u32| {
        let record = format!(
            r#"(data (i32.const 0x0c0) ".relobox.opd")
               (data (i32.const 0x208) "\d0\0d\00\00\01\00\00\00")
               (data (i32.const 0x22c) (i32 0xd90 {count}))
               (data (i32.const 0xd90) {descriptors})
               (data (i32.const 0xdd0) (i64 0 16 8) (i32 0xc0 12 3 0 -1 0xe20) (i64 0))
               (func (export "relobox_abi")"#
        );
        changed(&[("(func (export \"relobox_abi\")", &record)])
    };
    let linked = with("(i32 1 0) (i64 8)", 1).link(object(&[], false), 0).unwrap_or_else(|e| panic!("{e}"));
    let (resolved, table) = (&linked.resolved, linked.synthetic[0].address);
    assert_eq!((resolved.values[1], resolved.known_by(1)), (0x8000_0004, table + 8));
    assert_eq!(resolved.known_by(2), resolved.values[2]);
    for (descriptors, count) in [
        ("(i32 2 0) (i64 0)", 1),
        ("(i32 1 1) (i64 0)", 1),
        ("(i32 1 0) (i64 16)", 1),
        ("(i32 1 0) (i64 0) (i32 1 0) (i64 8)", 2),
        ("(i32 99 0) (i64 0)", 1),
    ] {
        let Err(error) = with(descriptors, count).link(object(&[], false), 0) else { panic!("{descriptors} passes") };
        assert!(error.to_string().contains("an invalid function descriptor"), "{error}");
    }
}

fn in_c() {
    let compilers = wasm_c().1.expect("the test needs it");
    let dir = tempfile::tempdir().expect("a directory");
    let (object, wasm) = (dir.path().join("toy.o"), dir.path().join("toy.wasm"));
    let run = |command: &mut Command| {
        let out = command.output().expect("it starts");
        assert!(out.status.success(), "{command:?}: {}", String::from_utf8_lossy(&out.stderr));
    };
    // The commands of the page and of the source, with more warnings.
    let flags = "--target=wasm32 -mcpu=mvp -mbulk-memory -msign-ext -O2 -ffreestanding -c";
    let page = read("docs/abi.md");
    assert!(page.contains(flags), "the page compiles in another way: {flags}");
    let mut compile = Command::new(compilers.clang);
    compile.args(flags.split(' ')).args(["-Wall", "-Wextra", "-Werror"]);
    run(compile.arg(path("docs/examples/toy/toy.c")).arg("-o").arg(&object));
    let mut link = Command::new(compilers.linker);
    let flags = "--no-entry --strip-all -z stack-size=65536";
    assert!(page.contains(flags), "the page links in another way: {flags}");
    run(link.args(flags.split(' ')).arg(&object).arg("-o").arg(&wasm));
    is_as_documented(&std::fs::read(&wasm).expect("it is there"));
}
