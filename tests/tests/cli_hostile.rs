//! Bad input on the command line: the documented exit code, one clear message, and no file left behind.

mod test_env;

use relobox_tests::hostile::{damage, guest, sample};
use std::process::Command;
use test_env::TestEnv;

const LINK: [&str; 3] = ["link", "--symbols", "kallsyms"];

fn args<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&LINK, more].concat()
}

#[test]
fn a_hostile_plugin_is_exit_code_3() {
    let env = TestEnv::new();
    for name in [
        "loop_in_describe",
        "loop_in_plan",
        "loop_in_apply",
        "loop_in_start",
        "eats_memory",
        "recursion",
        "store_outside",
        "plan_outside",
        "window_without_extra",
        "changes_the_first_byte",
        "description_other_abi",
    ] {
        let case = guest::case("plugin", name);
        let guest::Expected::Guest(_, words) = &case.expected else { panic!("{name}") };
        env.put(&format!("{name}/hostile.wasm"), &case.wasm);
        let said = env.fail(3, &args(&["--plugin", &format!("{name}/hostile.wasm"), "bad.ko", "-o", "out.elf"]));
        assert!(said.starts_with("relobox: guest hostile") && said.contains(&**words), "{name}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(!env.path("out.elf").exists(), "{name} leaves a file");
    }
    for name in ["imports_function", "other_abi", "no_memory", "feature_floats"] {
        env.put(&format!("{name}/hostile.wasm"), guest::case("raw", name).wasm);
        let said = env.fail(3, &args(&["--plugin", &format!("{name}/hostile.wasm"), "good.ko", "-o", "out.elf"]));
        assert!(said.starts_with("relobox: guest hostile"), "{said}");
        assert!(!env.path("out.elf").exists(), "{name} leaves a file");
    }
    assert_eq!(env.run(&args(&["good.ko", "-o", "out.elf"])).status.code(), Some(0));
    assert!(env.path("out.elf").exists());
}

#[test]
fn a_hostile_module_is_exit_code_1() {
    let env = TestEnv::new();
    for (n, (words, damaged)) in damage::inconsistencies(&sample::module(0)).into_iter().enumerate() {
        let name = format!("lie-{n}.ko");
        env.put(&name, &damaged.bytes);
        let said = env.fail(1, &args(&[&name, "-o", "out.elf"]));
        assert!(said.contains(words) && said.contains(&name), "{}: {said}", damaged.what);
        assert!(!env.path("out.elf").exists(), "{} leaves a file", damaged.what);
    }
    env.put("empty.ko", "");
    env.put("cut.ko.xz", b"\xfd7zXZ\0\0");
    for name in ["empty.ko", "cut.ko.xz"] {
        env.fail(1, &args(&[name]));
    }
    let said = env.fail(1, &["link", "good.ko"]);
    assert!(said.contains("undefined symbol") && said.contains("'printk'") && said.contains("'helper'"), "{said}");
}

/// A failed link leaves an existing output file as it was.
#[test]
fn a_failed_link_does_not_touch_the_output() {
    let env = TestEnv::new();
    env.put("out.elf", "what was here before");
    env.put("plugins/hostile.wasm", guest::case("plugin", "changes_the_last_byte").wasm);
    env.put("cut.ko", &sample::module(0)[..1000]);
    env.fail(3, &args(&["--plugin-dir", "plugins", "--plugin", "hostile", "bad.ko", "-o", "out.elf"]));
    env.fail(1, &args(&["cut.ko", "-o", "out.elf"]));
    env.fail(1, &["link", "good.ko", "-o", "out.elf"]);
    env.fail(2, &args(&["no-such.ko", "-o", "out.elf"]));
    assert_eq!(std::fs::read(env.path("out.elf")).expect("the file"), b"what was here before");
    assert_eq!(env.run(&args(&["good.ko", "-o", "out.elf"])).status.code(), Some(0));
    assert_ne!(std::fs::read(env.path("out.elf")).expect("the file"), b"what was here before");
}

/// A pipe without a writer, a directory and a device are refused at once, without waiting.
#[test]
fn what_is_not_a_regular_file_is_exit_code_2() {
    let env = TestEnv::new();
    let made = Command::new("mkfifo").arg(env.path("pipe.ko")).status().expect("mkfifo");
    assert!(made.success());
    env.put("plugins/good.txt", "");
    let made = Command::new("mkfifo").arg(env.path("plugins/pipe.wasm")).status().expect("mkfifo");
    assert!(made.success());
    for name in ["pipe.ko", "plugins", "/dev/zero", "/dev/null"] {
        let said = env.fail(2, &args(&[name]));
        assert!(said.contains("not a regular file"), "{said}");
    }
    let said = env.fail(2, &args(&["--plugin", "plugins/pipe.wasm", "good.ko"]));
    assert!(said.contains("pipe.wasm: not a regular file"), "{said}");
    // Below a directory that the user named, such a file is ignored with a warning.
    let output = env.run(&args(&["--plugin-dir", "plugins", "good.ko"]));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("pipe.wasm: not a regular file; it is ignored"), "{said}");
    // A file that is larger than any module is refused before it is read.
    let large = std::fs::File::create(env.path("large.ko")).expect("a file");
    large.set_len(1 << 40).expect("a sparse file");
    assert!(env.fail(1, &args(&["large.ko"])).contains("the limit is"));
}

#[test]
fn json_says_the_same() {
    let env = TestEnv::new();
    env.put("plugins/hostile.wasm", guest::case("plugin", "loop_in_apply").wasm);
    env.put("cut.ko", &sample::module(0)[..1000]);
    let runs: [(i32, &[&str]); 2] =
        [(3, &["--plugin", "plugins/hostile.wasm", "bad.ko", "--json"]), (1, &["cut.ko", "--json"])];
    for (code, more) in runs {
        let output = env.run(&args(more));
        assert_eq!(output.status.code(), Some(code));
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(text.contains(&format!("\"exit_code\": {code}")), "{text}");
    }
}
