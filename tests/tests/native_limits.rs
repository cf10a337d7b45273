//! What native code keeps or scans for each symbol, line or record: there is no fuel outside the sandbox. Counts are
//! measured, never time: what compares each with each takes some 10^12 steps here, and is stopped with the tests.

mod test_env;

use relobox::diagnostic::{Diagnostic, Diagnostics, some_of};
use relobox::limits;
use relobox::symbols::Symbols;
use relobox_tests::hostile::crafted::Crafted;
use relobox_tests::hostile::guest;
use test_env::TestEnv;

/// So many symbols, or lines.
const MANY: usize = 1_000_000;

/// Runs `relobox … --json`, which must fail with `code`; what it said.
fn refused(env: &TestEnv, code: i32, args: &[&str]) -> String {
    let output = env.run(&[args, &["--json"]].concat());
    let said = String::from_utf8(output.stdout).expect("text");
    let start: String = said.chars().take(2000).collect();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {start}");
    said
}

/// As many problems as are kept, and one that says how many more there are.
fn kept(said: &str, kind: &str, all: usize) {
    let count = |text: &str| said.matches(text).count();
    assert_eq!(count(&format!("\"kind\": \"{kind}\"")), limits::FAULTS);
    assert_eq!(count("\"kind\": \"more\""), 1);
    let more = format!("\"text\": \"and {} more problems\"", all - limits::FAULTS);
    assert_eq!(count(&more), 1, "{more}");
    // Nor is the text of each in the message.
    assert!(said.len() < limits::FAULTS * 1000, "{} bytes", said.len());
}

/// `undef.py`: every undefined symbol is a problem.
#[test]
fn undefined_symbols_without_end() {
    let env = TestEnv::new();
    let mut module = Crafted::new("undef");
    module.wanted = vec![(b"x".to_vec(), MANY)];
    env.put("undef.ko", module.write());
    kept(&refused(&env, 1, &["link", "undef.ko", "--symbols", "kallsyms"]), "undefined-symbol", MANY);
    let said = refused(&env, 1, &["check", "undef.ko", "--symbols", "kallsyms"]);
    // The summary names the kind, too.
    let mut json: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    json.as_object_mut().expect("an object").remove("reasons");
    kept(&serde_json::to_string_pretty(&json).expect("JSON"), "undefined-symbol", MANY);
}

/// `nsquad.py`: each symbol's namespace is looked for among all those that are imported.
#[test]
fn namespaces_times_symbols() {
    let env = TestEnv::new();
    let mut module = Crafted::new("nsquad");
    module.modinfo.extend((0..MANY).map(|_| b"import_ns=other_space".to_vec()));
    module.wanted = vec![(b"e0".to_vec(), MANY)];
    env.put("nsquad.ko", module.write());
    env.put("symvers", "0x00000000\te0\tvmlinux\tEXPORT_SYMBOL\tspace_other\n");
    env.put("map", "ffffffff81000010 T e0\n");
    let args = ["link", "nsquad.ko", "--symbols", "symvers", "--symbols", "map"];
    kept(&refused(&env, 1, &args), "namespace", MANY);
}

/// A namespace that would be in each of a thousand messages, twice.
#[test]
fn long_namespaces_are_cut() {
    let env = TestEnv::new();
    let mut module = Crafted::new("long");
    module.wanted = vec![(b"e0".to_vec(), 5000)];
    env.put("long.ko", module.write());
    env.put("symvers", format!("0x00000000\te0\tvmlinux\tEXPORT_SYMBOL\t{}\n", "N".repeat(1 << 20)));
    env.put("map", "ffffffff81000010 T e0\n");
    let args = ["link", "long.ko", "--symbols", "symvers", "--symbols", "map"];
    kept(&refused(&env, 1, &args), "namespace", 5000);
}

/// `nsbomb.py`: many exports have one long namespace, of which each would have a copy.
#[test]
fn namespaces_on_top_of_each_other() {
    let env = TestEnv::new();
    let mut module = Crafted::new("nsbomb");
    module.exports = (0..20_000).map(|i| format!("e{i}").into_bytes()).collect();
    // Much longer ones cost the engine its fuel.
    module.namespace = vec![b'N'; 600];
    env.put("nsbomb.ko", module.write());
    for command in ["inspect", "link"] {
        let said = refused(&env, 1, &[command, "nsbomb.ko"]);
        assert!(said.contains("too-large") && said.contains("overlap; their length"), "{said}");
    }
    assert!(refused(&env, 1, &["check", "nsbomb.ko"]).contains("too-large"));
    // As real modules do it.
    module.namespace = b"A_NAMESPACE_OF_SOME_SUBSYSTEM".to_vec();
    env.put("good.ko", module.write());
    assert_eq!(env.run(&["inspect", "good.ko"]).status.code(), Some(0));
}

/// `rename.wat`: a plugin renames every symbol, and the host copies the names.
#[test]
fn supplied_names_on_top_of_each_other() {
    let env = TestEnv::new();
    env.put("hostile.wasm", guest::case("plugin", "supplies_one_long_name_for_all").wasm);
    let mut module = Crafted { flags: 0xbad, ..Crafted::new("rename") };
    module.wanted = vec![(b"x".to_vec(), MANY / 4)];
    env.put("rename.ko", module.write());
    let args = ["link", "rename.ko", "--symbols", "kallsyms", "--plugin", "./hostile.wasm"];
    assert!(refused(&env, 3, &args).contains("gives symbols longer names than its module can have"));
}

/// A symbol file with one name on each line, all of them exported by other modules.
#[test]
fn one_name_on_every_line() {
    let mut text = String::new();
    for i in 0..MANY {
        text.push_str(&format!("ffffffff{i:08x} t x\t[m{i}]\nffffffff{i:08x} r __ksymtab_x\t[m{i}]\n"));
    }
    let mut symbols = Symbols::new();
    assert_eq!(symbols.read(text.as_bytes(), |name| name == b"x"), Ok(()));
    assert_eq!(symbols.get(b"x").and_then(|d| d.owner.as_deref()), Some("m0"));
    assert_eq!((symbols.len(), symbols.address_in("m7", b"x")), (1, Some(0xffff_ffff_0000_0007)));
}

/// Addresses of sections that there are not, for a module with many.
#[test]
fn sections_times_lines() {
    let env = TestEnv::new();
    let mut module = Crafted::new("sections");
    module.sections = (0..60_000).map(|i| format!(".s{i:08}").into_bytes()).collect();
    env.put("sections.ko", module.write());
    let given = (0..MANY).map(|i| format!(".n{i:07} ff\n")).collect::<String>();
    env.put("given", format!(".text ffffffffc0000000\n{given}"));
    let said = refused(&env, 1, &["link", "sections.ko", "--sections", "given"]);
    kept(&said, "misplaced-section", MANY);
}

#[test]
fn problems_are_kept_up_to_a_limit() {
    let mut problems = Diagnostics::default();
    let mut made = 0;
    for _ in 0..limits::FAULTS + 7 {
        problems.add(|| {
            made += 1;
            Diagnostic::new("x", "f", "t")
        });
    }
    let all = problems.into_vec("f");
    assert_eq!((made, all.len()), (limits::FAULTS, limits::FAULTS + 1));
    assert_eq!((all[limits::FAULTS].kind, all[limits::FAULTS].text.as_str()), ("more", "and 7 more problems"));
    let names: Vec<String> = (0..limits::NAMED + 3).map(|i| format!("m{i}")).collect();
    assert!(some_of(&names).ends_with("m9 and 3 more") && some_of(&names[..2]) == "m0, m1");
}
