//! What a kernel says, and what modules are called in it: escaped where it is printed, as all else.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod test_env;

use test_env::TestEnv;

/// As C has it: a colour, an end of a line that would forge one, CSI as one character, letters that run backwards, one
/// without width.
const HOSTILE: &str = r"\033[31m\rforged: x\302\2332J\342\200\256\342\200\213\357\273\277";

#[test]
fn what_a_kernel_says() {
    let w = TestEnv::new();
    let source = format!(
        "#define SIM_MODULE_NAME \"talks\"\n#include \"sim_module.h\"\nMODULE_LICENSE(\"GPL\");\n\
         static int __init start(void) {{ printk(KERN_INFO \"said {HOSTILE}\\n\"); return 0; }}\n\
         static void __exit stop(void) {{}}\nmodule_init(start);\nmodule_exit(stop);\nSIM_MODULE();\n"
    );
    w.compile("talks", &source);
    w.succeed("insmod", &["talks.ko", "a\u{1b}[31m\u{202e}=1"]);
    let mut all = String::new();
    for (command, args) in [
        ("dmesg", &[][..]),
        ("dmesg", &["--json"]),
        ("lsmod", &[]),
        ("state", &["show"]),
        ("insmod", &["talks.ko"]),
        ("rmmod", &["a\u{1b}[31m\u{202e}"]),
    ] {
        let outcome = w.relobox(command, args);
        let said = outcome.stdout + &outcome.stderr;
        let bad =
            said.chars().find(|c| *c != '\n' && (c.is_control() || matches!(c, '\u{200b}'..='\u{202e}' | '\u{feff}')));
        assert!(bad.is_none() && !said.lines().any(|line| line.starts_with("forged")), "{command} {args:?}: {said:?}");
        all.push_str(&said);
    }
    assert!(all.contains("said \\u{1b}[31m") && all.contains("said \\u001b[31m"), "{all}");
}
