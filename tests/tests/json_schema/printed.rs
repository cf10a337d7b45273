//! Runs every command that has `--json`.

use super::signing;
use super::test_env::{Kernel, TestEnv};
use relobox::{Diagnostic, Error};
use relobox_cli::output;
use relobox_simkernel::{RELEASE, samples};
use relobox_tests::module_builder::ModuleBuilder;
use serde_json::{Value, json};
use std::os::unix::fs::symlink;
use std::process::Command;

/// The name of a definition, the command, and what it printed.
pub(crate) type Document = (&'static str, String, Value);

/// A directory to run commands in, and what they printed so far.
struct Runs<'a> {
    env: &'a TestEnv,
    documents: Vec<Document>,
}

impl Runs<'_> {
    /// Runs a command, which must print a document of this kind and end with this exit code.
    fn run(&mut self, definition: &'static str, code: i32, command: &str) -> Value {
        let args: Vec<_> = command.split(' ').chain(["--json"]).collect();
        let output = self.env.run(&args);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{command}: {text}{said}");
        let document: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{command}: {e}: {text}{said}"));
        self.documents.push((definition, command.to_owned(), document.clone()));
        document
    }
}

/// Returns what all commands printed.
pub(crate) fn documents() -> Vec<Document> {
    let env = TestEnv::new();
    let mut runs = Runs { env: &env, documents: Vec::new() };
    plugins(&mut runs);
    files(&mut runs);
    trees(&mut runs);
    let kernel = env.kernel();
    modules(&mut runs, &kernel);
    // A linking process is only for a real kernel, so this error is made here, and serialised as commands do it.
    let told = Error::Reported(vec![Diagnostic::new("undefined-symbol", "m.ko", "")]);
    let told = serde_json::to_value(output::ErrorBody::of(&told)).expect("JSON");
    runs.documents.push(("error", "an error of a linking process".to_owned(), json!({ "error": told })));
    runs.documents
}

/// The code of a built-in plugin with another digest: it has one more custom section.
fn other_plugin(name: &str) -> Vec<u8> {
    let mut wasm = relobox::built_in::wasm_of(name).expect("a built-in plugin").to_vec();
    wasm.extend([0, 6, 5]);
    wasm.extend(b"other");
    wasm
}

fn plugins(runs: &mut Runs<'_>) {
    let planted = |name: &str| {
        std::fs::read(super::path(&format!("tests/planted/wasm/{name}.wasm"))).unwrap_or_else(|e| panic!("{name}: {e}"))
    };
    runs.env.put("other/x86_64.wasm", other_plugin("x86_64"));
    runs.env.put("wrong.wasm", planted("lo16-order"));
    runs.env.put("right.wasm", planted("mips"));
    runs.env.put("riscv.wasm", planted("riscv"));
    runs.run("plugin_list", 0, "plugin list --plugin-dir other");
    // Its table has pairs.
    runs.run("plugin_info", 0, "plugin info mips32");
    runs.run("plugin_test", 0, "plugin test x86_64 --filter vectors/R_X86_64_PC32");
    // A check of it covers nothing, and says why.
    runs.run("plugin_test", 0, "plugin test ./riscv.wasm --filter pairs");
    let failed = runs.run("plugin_test", 1, "plugin test ./wrong.wasm --filter pairs --failures failures");
    let file = failed["checks"][0]["failures"][0]["file"].as_str().expect("a case").to_owned();
    runs.run("plugin_test_replay", 1, &format!("plugin test ./wrong.wasm --replay {file}"));
    runs.run("plugin_test_replay", 0, &format!("plugin test ./right.wasm --replay {file}"));
    runs.run("plugin_test_list", 0, "plugin test ./right.wasm --list");
    runs.run("plugin_pin", 0, "plugin pin ./right.wasm --comment tried --file pins");
    runs.run("plugin_pin", 0, "plugin pin --list --file pins");
    runs.run("plugin_pin", 0, "plugin pin --remove ./right.wasm --file pins");
    runs.run("error", 2, "plugin info no-such-plugin");
}

/// A module that exports a symbol with a CRC and a namespace.
const EXPORTS: &str = r#"
int exported(void);
int exported(void) { return 1; }
__asm__(".section __ksymtab_strings,\"a\"\nname: .asciz \"exported\"\nnamespace: .asciz \"NS\"\n"
        ".section __ksymtab,\"a\"\n__ksymtab_exported: .long exported - ., name - ., namespace - .\n"
        ".section __kcrctab,\"a\"\n.long 0x1234\n.text\n");
"#;

fn compile(env: &TestEnv, name: &str, output: &str, source: &str) {
    let (header, text) = samples::HEADER;
    env.put(header, text);
    let source = env.put(&format!("{name}.c"), source);
    let cc =
        Command::new("cc").args(samples::CFLAGS).arg(&source).arg("-o").arg(env.path(output)).output().expect("cc");
    assert!(cc.status.success(), "{}", String::from_utf8_lossy(&cc.stderr));
}

fn files(runs: &mut Runs<'_>) {
    let link = "link good.ko --symbols kallsyms";
    runs.run("link", 0, &format!("{link} -o good.elf --cross-check other/x86_64.wasm"));
    // Out of range, with all that a problem can have.
    runs.run("error", 1, &format!("{link} --base 0x100000000000"));
    runs.run("error", 1, "link bad.ko --symbols kallsyms --base 0x100000000000");
    runs.run("error", 2, "link no-such-file.ko");
    compile(runs.env, "exports", "exports.ko", EXPORTS);
    for command in ["inspect good.ko", "inspect good.ko --plugin-dir other", "inspect exports.ko"] {
        runs.run("inspect", 0, command);
    }
}

fn trees(runs: &mut Runs<'_>) {
    let env = runs.env;
    let put = |name: &str, calls: &[&str]| {
        let module = ModuleBuilder { calls, name: Some("m"), vermagic: Some("6.1 SMP"), ..ModuleBuilder::default() };
        env.put(&format!("root/lib/modules/6.1/{name}"), module.write())
    };
    put("kernel/good.ko", &["printk"]);
    put("kernel/shadowed.ko", &["printk"]);
    put("updates/shadowed.ko", &["no_such_symbol"]);
    let far = put("kernel/elsewhere.ko", &["printk"]);
    std::fs::rename(far, env.path("elsewhere.ko")).expect("a module");
    symlink("../../../../../elsewhere.ko", env.path("root/lib/modules/6.1/kernel/elsewhere.ko")).expect("a link");
    runs.run("check", 1, "check root/lib/modules/6.1 --symbols kallsyms --cross-check other/x86_64.wasm");
    // Without the kernel's symbols, every symbol may be in the kernel.
    runs.run("check", 0, "check root/lib/modules/6.1");
    signing::sign(&env.path("root/lib/modules/6.1/kernel/good.ko"));
    env.put("keys/test.der", signing::CERTIFICATE);
    runs.run("check", 1, "check root/lib/modules/6.1 --signatures require --keys keys");
    // A relocation type that the plugin does not know, and a file that is none.
    let mut unknown = relobox_tests::hostile::sample::module(0);
    let rela = |kind: u64| [15, kind].map(u64::to_le_bytes).concat();
    let known = rela(11);
    let at = unknown.windows(12).position(|w| w[..8] == known[..8] && w[8..] == known[8..12]).expect("R_X86_64_32S");
    unknown[at + 8] = 0xee;
    env.put("some/unknown.ko", unknown);
    env.put("some/broken.ko", "no module");
    runs.run("check", 1, "check some --symbols kallsyms");
}

fn modules(runs: &mut Runs<'_>, _: &Kernel<'_>) {
    let env = runs.env;
    for (file, source) in samples::SOURCES {
        let name = file.strip_suffix(".c").expect("C");
        compile(env, name, &format!("{name}.ko"), source);
    }
    compile(env, "one", "one.o", "int one(void) { return 42; }\n");
    signing::sign(&env.path("math_provider.ko"));
    runs.run("insmod", 0, "insmod --kernel sim math_provider.ko --signatures require --keys keys");
    runs.run("insmod", 0, "insmod --kernel sim math_user.ko nonsense=1");
    runs.run("error", 1, "insmod --kernel sim failing.ko");
    runs.run("error", 1, "insmod --kernel sim bad.ko");
    runs.run("lsmod", 0, "lsmod --kernel sim");
    runs.run("call", 0, "call --kernel sim one.o");

    let mut state = runs.run("state", 0, "state --kernel sim show");
    state["modules"][0]["exports"][0]["crc"] = json!(7);
    state["modules"][0]["exports"][0]["namespace"] = json!("NS");
    let file = env.put("state.json", state.to_string());
    std::fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("a file");
    runs.run("state", 0, "state --kernel sim import state.json");
    runs.run("state", 0, "state --kernel sim export");
    runs.run("rmmod", 0, "rmmod --kernel sim math_user");
    runs.run("error", 1, "rmmod --kernel sim math_user");

    let tree = format!("lib/modules/{RELEASE}");
    for name in ["hello", "math_provider", "math_user", "failing"] {
        let module = std::fs::read(env.path(&format!("{name}.ko"))).expect("a module");
        env.put(&format!("{tree}/{name}.ko"), module);
    }
    env.put(
        &format!("{tree}/modules.dep"),
        "hello.ko: failing.ko\nfailing.ko:\nmath_user.ko: math_provider.ko\nmath_provider.ko:\n",
    );
    env.put("conf/test.conf", "blacklist unwanted\n");
    let modprobe = "modprobe --kernel sim -d . -C conf";
    runs.run("modprobe", 0, &format!("{modprobe} -n math_user"));
    runs.run("modprobe", 0, &format!("{modprobe} math_user"));
    runs.run("modprobe", 1, &format!("{modprobe} hello"));
    runs.run("modprobe_remove", 0, &format!("{modprobe} -r math_user"));
    runs.run("error", 1, &format!("{modprobe} -r no-such-module"));
    runs.run("dmesg", 0, "dmesg");
}
