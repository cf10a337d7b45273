//! Real modules, compiled by cc, through the whole path into the simulated kernel and out of it.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod test_env;

use relobox_simkernel::samples;
use test_env::TestEnv;

#[test]
fn a_chain_comes_in_order_and_goes_in_reverse() {
    let w = TestEnv::new();
    w.samples(&["math_provider", "math_user"]);
    w.succeed("sim", &["start"]);
    let alone = w.fail(1, "insmod", &["math_user.ko"]);
    let wanted = "math_user.ko: 3 undefined symbols; references 'math_add', 'math_calls', 'math_mul'; \
         load math_provider first, which the module depends on";
    assert_eq!(alone, wanted);
    w.assert_empty();

    assert!(w.succeed("insmod", &["math_provider.ko"]).starts_with("math_provider: live at 0x"));
    assert!(w.succeed("insmod", &["math_user.ko"]).ends_with("; uses math_provider\n"));
    let fields = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let listed: Vec<_> = w.succeed("lsmod", &[]).lines().map(fields).collect();
    assert_eq!(listed[1][0], "math_user");
    assert_eq!(listed[1][2..], ["0"]);
    assert_eq!((&*listed[2][0], &listed[2][2..]), ("math_provider", &["1".to_owned(), "math_user".to_owned()][..]));

    let used = w.fail(1, "rmmod", &["math_provider"]);
    assert_eq!(used, "math_provider: module 'math_provider' is in use by math_user; remove those first");
    // As the file is called.
    w.succeed("rmmod", &["math-user.ko"]);
    w.succeed("rmmod", &["math_provider"]);
    let said = [
        "math_provider: ready",
        "math_user: 40 + 2 = 42, 6 * 7 = 42, 2 calls",
        "math_user: 2",
        "math_provider: gone after 3 calls",
    ];
    assert_eq!(w.log(), said);
    w.assert_empty();
    let gone = w.fail(1, "rmmod", &["math_provider"]);
    assert_eq!(gone, "math_provider: no module named 'math_provider' is loaded; see 'relobox lsmod'");
}

/// `--input` comes as far as the plugin, which knows none by that name.
#[test]
fn numbers_for_plugins_come_from_the_command_line() {
    let w = TestEnv::new();
    w.sample("hello");
    w.succeed("sim", &["start"]);
    let unread = w.fail(2, "insmod", &["hello.ko", "--input", "toc=7"]);
    assert!(unread.contains("input toc: plugin x86_64 does not read it"), "{unread}");
    let unread = w.fail(2, "insmod", &["hello.ko", "--input", "toc=seven"]);
    assert!(unread.contains("an address is 0x… or decimal"), "{unread}");
    w.assert_empty();
}

#[test]
fn a_module_whose_init_fails_is_freed_and_its_dependents_are_refused() {
    let w = TestEnv::new();
    w.sample("failing");
    w.compile(
        "dependent",
        "#define SIM_MODULE_NAME \"dependent\"\n#include \"sim_module.h\"\nMODULE_LICENSE(\"GPL\");\n\
         MODULE_DEPENDS(\"failing\");\nint failing_service(void);\n\
         static int __init start(void) { return failing_service() == 1 ? 0 : -EINVAL; }\n\
         static void __exit stop(void) {}\nmodule_init(start);\nmodule_exit(stop);\nSIM_MODULE();\n",
    );
    assert_eq!(w.fail(1, "insmod", &["failing.ko"]), "failing.ko: init returned -19 (No such device)");
    w.assert_empty();
    let dependent = w.fail(1, "insmod", &["dependent.ko"]);
    assert!(dependent.ends_with("references 'failing_service'; load failing first, which the module depends on"));
    w.assert_empty();
    assert_eq!(w.log(), ["failing: no such device", "failing: init failed with -19"]);
    let json: serde_json::Value = serde_json::from_str(&w.relobox("insmod", &["failing.ko", "--json"]).stdout).unwrap();
    assert_eq!(json["error"]["problems"][0]["kind"], "init-failed");
    assert_eq!(json["error"]["problems"][0]["value"], -19);
}

#[test]
fn parameters_arrive() {
    let w = TestEnv::new();
    w.sample("hello");
    let outcome = w.relobox("insmod", &["hello.ko", "name=Roman Zippel", "times=2", "loud", "colour=red"]);
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    assert_eq!(outcome.stderr, "relobox: hello.ko: unknown parameter 'colour' ignored\n");
    w.succeed("rmmod", &["hello"]);
    let greeting = "hello: hello, Roman Zippel!";
    let said = ["hello: unknown parameter 'colour' ignored", greeting, greeting, "hello: goodbye, Roman Zippel"];
    assert_eq!(w.log(), said);
    let refused = w.fail(1, "insmod", &["hello.ko", "times=often"]);
    assert_eq!(refused, "hello.ko: parameter 'times' does not take this value: -22 (Invalid argument)");
    w.assert_empty();
}

#[test]
fn every_kind_of_section_arrives_and_what_only_init_needs_goes() {
    let w = TestEnv::new();
    w.sample("counter");
    // It checks its own .bss, .init.data, .rodata, pointers and __ro_after_init, and fails if something is amiss.
    let json: serde_json::Value = serde_json::from_str(&w.succeed("insmod", &["counter.ko", "--json"])).unwrap();
    assert_eq!(w.log(), ["counter: words: list=1 allocate=0 put=3 call=1 (5)"]);
    let kind = |a: &serde_json::Value| a["kind"].as_str().unwrap().to_owned();
    let kinds: Vec<_> = json["areas"].as_array().unwrap().iter().map(kind).collect();
    assert_eq!(kinds, ["text", "rodata", "ro_after_init", "data", "init.text", "init.data"]);
    let address = |of: &str| {
        let areas = json["areas"].as_array().unwrap();
        areas.iter().find(|a| a["kind"] == of).and_then(|a| a["address"].as_u64()).unwrap()
    };
    use relobox_simkernel::protocol::Protection::{ReadExecute, ReadOnly, ReadWrite};
    let list = w.client().list().unwrap();
    let protections: Vec<_> = list.modules[0].areas.iter().map(|a| (a.address, a.protection)).collect();
    let kept = [("text", ReadExecute), ("rodata", ReadOnly), ("ro_after_init", ReadOnly), ("data", ReadWrite)];
    assert_eq!(protections, kept.map(|(kind, protection)| (address(kind), protection)));
    let again = w.fail(1, "insmod", &["counter.ko"]);
    assert_eq!(again, "counter.ko: a module named 'counter' is already loaded; 'relobox rmmod' removes it");
    w.succeed("rmmod", &["counter"]);
    w.assert_empty();
}

#[test]
fn a_crash_ends_the_kernel_with_a_clear_word_and_the_next_one_is_fresh() {
    let w = TestEnv::new();
    w.samples(&["crash", "hello"]);
    w.succeed("insmod", &["hello.ko"]);
    let died = w.fail(1, "insmod", &["crash.ko"]);
    let expected = "crash.ko: the kernel died while it was asked to load 'crash': oops: invalid memory access at 0x";
    assert!(died.starts_with(expected), "{died}");
    assert!(died.ends_with("address 0x0, in init of 'crash'"), "{died}");
    let none = w.fail(2, "lsmod", &[]);
    assert!(none.contains("start a simulated kernel with 'relobox sim start'"), "{none}");
    w.succeed("insmod", &["hello.ko"]);
    assert_eq!(w.log(), ["hello: hello, world"]);
    w.succeed("sim", &["stop"]);
    w.fail(2, "lsmod", &[]);
}

#[test]
fn modules_for_other_kernels_and_machines_are_refused_early() {
    let w = TestEnv::new();
    let hello = w.sample("hello");
    let mut elf = std::fs::read(&hello).unwrap();
    // e_machine: AArch64, then one that no plugin knows.
    elf[18..20].copy_from_slice(&183u16.to_le_bytes());
    std::fs::write(w.directory.join("arm.ko"), &elf).unwrap();
    elf[18..20].copy_from_slice(&0x7777u16.to_le_bytes());
    std::fs::write(w.directory.join("odd.ko"), &elf).unwrap();
    let (header, text) = samples::HEADER;
    std::fs::write(w.directory.join(header), text.replace("6.1.0-relobox-sim", "6.12.0-other")).unwrap();
    w.compile("other", samples::SOURCES[0].1);
    std::fs::write(w.directory.join(header), text.replace("MODULE_INFO_TEXT(\"vermagic=\" SIM_VERMAGIC);", ""))
        .unwrap();
    w.compile("silent", samples::SOURCES[0].1);
    w.compile("plain", "int three(void); int three(void) { return 3; }\n");

    w.succeed("sim", &["start"]);
    let cases = [
        ("arm.ko", "the module is for aarch64, 64 bits, and the kernel runs x86_64, 64 bits"),
        ("odd.ko", "the module is for machine 30583, 64 bits, and the kernel runs x86_64, 64 bits"),
        (
            "other.ko",
            "the module is for kernel '6.12.0-other SMP', but this is '6.1.0-relobox-sim SMP'; compile it for this kernel",
        ),
        (
            "silent.ko",
            "the module does not say which kernel it is for, but this is '6.1.0-relobox-sim SMP'; compile it for this kernel",
        ),
        ("plain.ko", "the file has no .modinfo, so it is not a module; 'relobox link' links any object"),
    ];
    for (file, why) in cases {
        assert_eq!(w.fail(1, "insmod", &[file]), format!("{file}: {why}"));
    }
    w.assert_empty();
    assert!(w.log().is_empty(), "none of them ran: {:?}", w.log());
}

#[test]
fn gpl_only_symbols_are_for_gpl_modules() {
    let w = TestEnv::new();
    w.sample("math_provider");
    let user = samples::SOURCES[2].1;
    assert!(user.contains("MODULE_LICENSE(\"Dual MIT/GPL\")"));
    w.compile("math_user", &user.replace("Dual MIT/GPL", "Proprietary"));
    w.succeed("insmod", &["math_provider.ko"]);
    let refused = w.fail(1, "insmod", &["math_user.ko"]);
    assert_eq!(refused.lines().count(), 1, "only math_mul is for GPL modules: {refused}");
    assert!(refused.contains("GPL-compatible modules only") && refused.contains("'math_mul'"), "{refused}");
    w.succeed("rmmod", &["math_provider"]);
    w.assert_empty();
}

#[test]
fn a_damaged_module_leaves_nothing() {
    let w = TestEnv::new();
    let whole = std::fs::read(w.sample("hello")).unwrap();
    w.succeed("sim", &["start"]);
    for len in (0..whole.len()).step_by(97) {
        std::fs::write(w.directory.join("cut.ko"), &whole[..len]).unwrap();
        let said = w.fail(1, "insmod", &["cut.ko"]);
        assert!(said.starts_with("cut.ko:") && !said.contains("panicked"), "{len} bytes: {said}");
    }
    w.assert_empty();
    assert!(w.log().is_empty());
    // The same bytes in full are good, so it was the cut.
    std::fs::write(w.directory.join("cut.ko"), &whole).unwrap();
    w.succeed("insmod", &["cut.ko"]);
}

#[test]
fn what_is_no_file_starts_no_kernel() {
    let w = TestEnv::new();
    let missing = w.fail(2, "insmod", &["missing.ko"]);
    assert!(missing.starts_with("missing.ko: No such file"), "{missing}");
    std::fs::write(w.directory.join("text.ko"), "hello").unwrap();
    let text = w.fail(1, "insmod", &["text.ko"]);
    assert!(text.starts_with("text.ko: not a relocatable ELF file"), "{text}");
    assert!(!w.socket.exists());
}

#[test]
fn many_at_once_start_one_kernel() {
    let w = TestEnv::new();
    let hello = samples::SOURCES[0].1;
    let names: Vec<String> = (0..8).map(|n| format!("hello_{n}")).collect();
    for name in &names {
        w.compile(name, &hello.replace("SIM_MODULE_NAME \"hello\"", &format!("SIM_MODULE_NAME \"{name}\"")));
    }
    let w = &w;
    std::thread::scope(|scope| {
        for name in &names {
            scope.spawn(move || w.succeed("insmod", &[&format!("{name}.ko")]));
        }
    });
    let mut listed: Vec<_> = w.client().list().unwrap().modules.into_iter().map(|m| m.name).collect();
    listed.sort();
    assert_eq!(listed, names);
    // One of the same name, at once: one is live, and the others have left nothing.
    for name in &names {
        w.succeed("rmmod", &[name]);
    }
    w.assert_empty();
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let insmods: Vec<_> = (0..8).map(|_| scope.spawn(move || w.relobox("insmod", &["hello_0.ko"]))).collect();
        insmods.into_iter().map(|insmod| insmod.join().unwrap().code).collect()
    });
    assert_eq!(outcomes.iter().filter(|code| **code == Some(0)).count(), 1, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|code| **code == Some(1)).count(), 7, "{outcomes:?}");
    w.succeed("rmmod", &["hello_0"]);
    w.assert_empty();
}

#[test]
fn a_packed_module_is_unpacked() {
    let w = TestEnv::new();
    w.sample("hello");
    let packed = std::process::Command::new("gzip").arg(w.directory.join("hello.ko")).status().unwrap();
    assert!(packed.success());
    assert!(w.succeed("insmod", &["hello.ko.gz"]).starts_with("hello: live at 0x"));
    assert_eq!(w.log(), ["hello: hello, world"]);
}

#[test]
fn who_relocated_and_how_often_it_is_used_are_said_everywhere() {
    let w = TestEnv::new();
    w.samples(&["math_provider", "math_user"]);
    let said = w.succeed("insmod", &["math_provider.ko"]);
    assert!(said.ends_with(" relocations done by plugin x86_64 (sim)\n"), "{said}");
    let parsed = |command: &str, args: &[&str]| -> serde_json::Value {
        serde_json::from_str(&w.succeed(command, args)).unwrap()
    };
    assert_eq!(parsed("insmod", &["math_user.ko", "--json"])["kernel"], "sim");
    let list = parsed("lsmod", &["--json"]);
    let count = |name: &str| {
        list["modules"].as_array().unwrap().iter().find(|m| m["name"] == name).unwrap()["use_count"].clone()
    };
    assert_eq!((&list["kernel"], count("math_provider"), count("math_user")), (&"sim".into(), 1.into(), 0.into()));
    assert_eq!(parsed("state", &["show", "--json"])["modules"][0]["kernel"], "sim");
    assert!(w.succeed("state", &["show"]).contains("relocated by plugin x86_64 (sim)"));
}

/// `auto` that is not the device says why; a choice by name says nothing. What is no module changes no kernel.
#[test]
fn a_downgrade_is_no_secret() {
    let w = TestEnv::new();
    std::fs::write(w.directory.join("no.ko"), "no module").unwrap();
    let run = |args: &[&str]| {
        let output = w.command_of(args).env_remove("RELOBOX_KERNEL").output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = run(&["insmod", "no.ko"]);
    assert_ne!(code, Some(0), "{said}");
    let first = said.lines().next().unwrap();
    // Where the device is, it may be usable, and then there is nothing to say.
    let device = std::path::Path::new("/dev/relobox").exists();
    assert!(device || first.starts_with("relobox: /dev/relobox: "), "{said}");
    assert!(device || first.contains("so the kernel relocates modules itself"), "{said}");
    let (code, said) = run(&["insmod", "--kernel", "vet", "no.ko"]);
    assert!(code != Some(0) && !said.contains("relocates modules itself"), "{said}");
    // Removing holds no device: the same with and without one.
    for kernel in ["auto", "device", "vet"] {
        let (code, said) = run(&["rmmod", "--kernel", kernel, "no_such_module_here"]);
        let known = ["no module named", "not allowed: "].iter().any(|words| said.contains(words));
        assert!(code == Some(1) && known, "{kernel}: {said}");
    }
}

#[test]
fn a_module_that_something_else_uses_is_not_said_to_be_free() {
    use relobox::inserted::kernel_error;
    use relobox::kernel::{KernelError, Stage};
    let used = KernelError::InUse { name: "xfs".into(), users: vec![], count: Some(1) };
    let said = kernel_error("xfs", &used).to_string();
    assert!(said.starts_with("xfs: module 'xfs' is in use, by no module (use count 1); a mount, "), "{said}");
    let coming = KernelError::NotLive { name: "slow".into(), stage: Some(Stage::Loading) };
    assert_eq!(kernel_error("slow", &coming).to_string(), "slow: module 'slow' is still being initialised; try again");
    let unclear = KernelError::Unclear { errno: -22, other: "a parameter did not take its value".into() };
    assert!(
        matches!(kernel_error("v.ko", &unclear), relobox::Error::Kernel(p) if p.value == Some(-22) && p.kind == "load-failed")
    );
}

#[test]
fn more_problems_than_are_shown_are_all_in_json() {
    let w = TestEnv::new();
    let calls: String = (0..70).map(|n| format!("extern void nowhere_{n}(void); ")).collect();
    let uses: String = (0..70).map(|n| format!("nowhere_{n}(); ")).collect();
    w.compile(
        "many",
        &format!(
            "#define SIM_MODULE_NAME \"many\"\n#include \"sim_module.h\"\nMODULE_LICENSE(\"GPL\");\n{calls}\n\
             static int __init start(void) {{ {uses} return 0; }}\nstatic void __exit stop(void) {{}}\n\
             module_init(start);\nmodule_exit(stop);\nSIM_MODULE();\n"
        ),
    );
    let said = w.fail(1, "insmod", &["many.ko"]);
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert!(lines[0].starts_with("many.ko: 70 undefined symbols; references 'nowhere_0', "), "{said}");
    assert!(lines[0].contains(" and 20 more"), "{said}");
    assert_eq!(lines[1], "--json prints all of these 70 problems");
    let json: serde_json::Value = serde_json::from_str(&w.relobox("insmod", &["many.ko", "--json"]).stdout).unwrap();
    assert_eq!(json["error"]["problems"].as_array().unwrap().len(), 70);
    let message = json["error"]["message"].as_str().unwrap();
    assert!(message.contains(" and 20 more") && !message.contains("--json"), "{message}");
}
