//! Files that are given and files that are made: pipes that nothing is written to, devices, other users' files, links where a
//! file is to be.

mod test_env;

use relobox_tests::hostile::sample;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use test_env::TestEnv;

const LINK: [&str; 4] = ["link", "good.ko", "--symbols", "kallsyms"];

fn fifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().expect("mkfifo");
    assert!(made.success());
}

/// Runs `sh -c`, with `$RELOBOX`.
fn shell(env: &TestEnv, script: &str) -> Output {
    let mut command = Command::new("bash");
    command.args(["-c", script]).current_dir(env.directory.path()).stdin(Stdio::null());
    let relobox = env.relobox();
    command.env("RELOBOX", relobox.get_program());
    for (name, value) in relobox.get_envs() {
        value.map(|value| command.env(name, value));
    }
    command.output().expect("bash")
}

/// Ends within `limit`, or is killed, and the test fails: nothing here takes more than a blink.
fn ends(env: &TestEnv, args: &[&str]) -> (Option<i32>, String) {
    let mut child = env.relobox().args(args).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("relobox");
    let begun = Instant::now();
    while child.try_wait().expect("a process").is_none() {
        if begun.elapsed() > Duration::from_secs(300) {
            child.kill().expect("a process");
            panic!("{args:?} waits");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().expect("a process");
    (output.status.code(), String::from_utf8(output.stderr).expect("text"))
}

/// Every option that takes a file, given a pipe with a name, a device and a directory.
#[test]
fn pipes_and_devices_are_not_waited_for() {
    let env = TestEnv::new();
    fifo(&env.path("pipe"));
    std::fs::create_dir(env.path("directory")).expect("a directory");
    for odd in ["pipe", "/dev/zero", "directory"] {
        for args in [
            &["link", odd][..],
            &["link", "good.ko", "--symbols", odd],
            &["link", "good.ko", "--symbols", "kallsyms", "--symbols", odd],
            &["link", "good.ko", "--symbols", "kallsyms", "--pins", odd],
            &["link", "good.ko", "--symbols", "kallsyms", "--plugin", &format!("./{odd}")],
            &["link", "good.ko", "--symbols", "kallsyms", "--cross-check", &format!("./{odd}")],
            &["check", "good.ko", "--symbols", odd],
            &["inspect", odd],
            &["insmod", "--kernel", "vet", odd],
            &["state", "--kernel", "vet", "import", odd],
            &["plugin", "pin", "--list", "--file", odd],
            &["plugin", "test", "x86_64", "--replay", odd],
            &["fuzz", "x86_64", "--replay", odd],
            &["fuzz", "x86_64", "--vectors", odd, "--executions", "1"],
            &["fuzz", &format!("./{odd}")],
        ] {
            // A directory of cases is fine, and so is one of modules to be checked.
            if odd == "directory" && args.contains(&"--vectors") {
                continue;
            }
            let (code, said) = ends(&env, args);
            assert_eq!(code, Some(2), "{args:?}: {said}");
            assert!(said.lines().all(|line| line.starts_with("relobox: ")), "{args:?}: {said}");
        }
        if odd != "directory" {
            let sections = ["--sections", odd];
            let (code, said) = ends(&env, &[&LINK[..], &sections].concat());
            assert_eq!(code, Some(2), "{said}");
        }
    }
    // In directories that are read as a whole, too.
    for (directory, name) in [("corpus", "x.case"), ("sections", ".text"), ("conf", "x.conf")] {
        std::fs::create_dir(env.path(directory)).expect("a directory");
        fifo(&env.path(&format!("{directory}/{name}")));
    }
    for args in [
        &["fuzz", "x86_64", "--corpus", "corpus", "--executions", "1"][..],
        &["plugin", "test", "x86_64", "--vectors", "corpus", "--filter", "vectors"],
        &["link", "good.ko", "--symbols", "kallsyms", "--sections", "sections"],
    ] {
        let (code, said) = ends(&env, args);
        assert_eq!(code, Some(2), "{args:?}: {said}");
        assert!(said.contains("not a regular file"), "{args:?}: {said}");
    }
    std::fs::create_dir_all(env.path("lib/modules/6.1.0-relobox-sim")).expect("a directory");
    let modprobe = ["modprobe", "--kernel", "sim", "-n", "-d", ".", "-C", "conf", "x"];
    assert_eq!(ends(&env, &modprobe).0, Some(2));
    // What hides a configuration file of another directory is no error.
    std::fs::remove_file(env.path("conf/x.conf")).expect("a pipe");
    symlink("/dev/null", env.path("conf/x.conf")).expect("a link");
    let (code, said) = ends(&env, &modprobe);
    assert!(code == Some(1) && said.contains("no module or alias"), "{said}");
}

/// A person's pipes work: `<(command)`, and standard input.
#[test]
fn pipes_without_a_name_are_read() {
    let env = TestEnv::new();
    for script in [
        "$RELOBOX link good.ko --symbols <(sleep 0.2; cat kallsyms) -o out.elf",
        "cat kallsyms | $RELOBOX link good.ko --symbols /dev/stdin -o out.elf",
        "$RELOBOX link good.ko --symbols /dev/stdin -o out.elf < kallsyms",
        "$RELOBOX link good.ko --symbols kallsyms --sections <(echo .text 0xffffffff82000000) -o out.elf",
    ] {
        let output = shell(&env, script);
        assert_eq!(output.status.code(), Some(0), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        std::fs::remove_file(env.path("out.elf")).expect("what was linked");
    }
    // The writer of a pipe is unknown, so it cannot be a state.
    let output = shell(&env, "echo '{}' | $RELOBOX state --kernel vet import /dev/stdin");
    assert_eq!(output.status.code(), Some(2));
}

/// Sizes are those of what is read, not of what stat says.
#[test]
fn too_much_is_refused() {
    let env = TestEnv::new();
    for (name, args) in [
        ("sections", &["link", "good.ko", "--symbols", "kallsyms", "--sections", "sections"][..]),
        ("pins", &["link", "good.ko", "--pins", "pins"]),
        ("x.case", &["plugin", "test", "x86_64", "--replay", "x.case"]),
        ("input.case", &["fuzz", "x86_64", "--replay", "input.case"]),
    ] {
        let file = std::fs::File::create(env.path(name)).expect("a file");
        file.set_len(300 << 20).expect("a sparse file");
        let (code, said) = ends(&env, args);
        assert!(code == Some(2) && said.contains("more than"), "{args:?}: {said}");
    }
}

fn state(env: &TestEnv) -> Vec<u8> {
    let output = env.relobox().args(["state", "--kernel", "sim", "export"]).env("RELOBOX_STATE", "none").output();
    let output = output.expect("relobox");
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

/// `fifo_import.sh`, and a file or a directory that others may write.
#[test]
fn a_state_is_believed_only_if_nobody_else_can_have_written_it() {
    let env = TestEnv::new();
    let _kernel = env.kernel();
    let import = |file: &str| {
        let mut command = env.relobox();
        command.args(["state", "--kernel", "sim", "import", file]).env("RELOBOX_STATE", env.path("imported"));
        let output = command.output().expect("relobox");
        (output.status.code(), String::from_utf8(output.stderr).expect("text"))
    };
    let mode = |name: &str, mode| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(env.path(name), permissions).expect(name);
    };
    env.put("own/state", state(&env));
    mode("own", 0o755);
    mode("own/state", 0o600);
    assert_eq!(import("own/state"), (Some(0), String::new()));
    for (file, directory, good) in [
        (0o644, 0o755, true),
        (0o666, 0o755, false),
        (0o620, 0o755, false),
        (0o600, 0o777, false),
        (0o600, 0o1777, true),
    ] {
        mode("own/state", file);
        mode("own", directory);
        let (code, said) = import("own/state");
        assert_eq!(code, Some(if good { 0 } else { 1 }), "{file:o} {directory:o}: {said}");
        assert!(good || said.contains("users may have written it"), "{said}");
    }
    // A link that leads elsewhere is not followed.
    env.put("other/state", state(&env));
    symlink(env.path("other/state"), env.path("link")).expect("a link");
    assert_eq!(import("link").0, Some(2));
    fifo(&env.path("pipe"));
    // The process that writes it is not left waiting.
    let mut writer = Command::new("sh");
    writer.args(["-c", "cat own/state > pipe"]).current_dir(env.directory.path()).stderr(Stdio::null());
    let mut writer = writer.spawn().expect("a writer");
    let (code, said) = import("pipe");
    assert!(code == Some(2) && said.contains("not a regular file"), "{said}");
    while writer.try_wait().expect("a writer").is_none() {
        // It may not have been there the first time.
        assert_eq!(import("pipe").0, Some(2));
    }
    // Root trusts a file of user nobody no more than a pipe of that user.
    if std::fs::metadata(env.path("own/state")).expect("a file").uid() == 0 {
        let given = Command::new("chown").arg("65534").arg(env.path("own/state")).status().expect("chown");
        assert!(given.success());
        mode("own/state", 0o600);
        let (code, said) = import("own/state");
        assert!(code == Some(1) && said.contains("it belongs to user 65534"), "{said}");
    }
}

/// Links were planted where a file is to be, and in its directory: under every name that was once used for a temporary
/// file. `link_symlink.sh`, `state_leak.sh`, `plant.py`.
#[test]
fn planted_links_and_files_are_not_written_to() {
    let env = TestEnv::new();
    let _kernel = env.kernel();
    env.put("victim", "precious");
    for (name, args) in [
        ("out.elf", &["link", "good.ko", "--symbols", "kallsyms", "-o", "pub/out.elf"][..]),
        ("state", &["state", "--kernel", "sim", "export", "-o", "pub/state"]),
        ("pins", &["plugin", "pin", "x86_64", "--file", "pub/pins"]),
        ("report.xml", &["plugin", "test", "x86_64", "--filter", "cost/", "--junit", "pub/report.xml"]),
    ] {
        std::fs::create_dir(env.path("pub")).expect("a directory");
        // What is not a pin file is none; the others are planted in their own places as well.
        if name != "pins" {
            symlink(env.path("victim"), env.path(&format!("pub/{name}"))).expect("a link");
        }
        let child = env.relobox().args(args).stdout(Stdio::null()).env("RELOBOX_STATE", "none").spawn();
        let mut child = child.expect("relobox");
        // The guests are still being loaded while these are made.
        let pid = child.id();
        for temporary in [
            format!("{name}.{pid}.part"),
            format!(".{name}.{pid}"),
            format!(".{name}.{pid}.ThreadId(1)"),
            format!("{name}.{pid}"),
            format!("{name}.new-{pid}"),
        ] {
            symlink(env.path("victim"), env.path(&format!("pub/{temporary}"))).expect("a link");
        }
        assert!(child.wait().expect("relobox").success(), "{args:?}");
        assert_eq!(std::fs::read(env.path("victim")).expect("the victim"), b"precious", "{args:?}");
        let made = std::fs::symlink_metadata(env.path(&format!("pub/{name}"))).expect(name);
        assert!(made.is_file() && made.len() != 0, "{args:?}: a link was followed");
        let wanted = match name {
            "state" => 0o600,
            "pins" => 0o644,
            _ => made.mode() & 0o777,
        };
        assert_eq!(made.mode() & 0o777, wanted, "{args:?}");
        assert!(made.mode() & 0o111 == 0);
        // Five links and the file: nothing else is left.
        assert_eq!(std::fs::read_dir(env.path("pub")).expect("a directory").count(), 6, "{args:?}");
        std::fs::remove_dir_all(env.path("pub")).expect("a directory");
    }
}

/// What is not written leaves nothing.
#[test]
fn a_failed_write_leaves_nothing() {
    let env = TestEnv::new();
    std::fs::create_dir_all(env.path("pub/out.elf")).expect("a directory");
    let said = env.fail(2, &[&LINK[..], &["-o", "pub/out.elf"]].concat());
    assert!(said.contains("neither a regular file nor a stream"), "{said}");
    env.fail(1, &["link", "good.ko", "-o", "pub/other.elf"]);
    assert_eq!(std::fs::read_dir(env.path("pub")).expect("a directory").count(), 1);
}

#[test]
fn streams_are_written_to_as_they_are() {
    let env = TestEnv::new();
    assert_eq!(env.run(&[&LINK[..], &["-o", "whole.elf"]].concat()).status.code(), Some(0));
    let whole = std::fs::read(env.path("whole.elf")).expect("a file");
    for (script, from) in [
        ("$RELOBOX link good.ko --symbols kallsyms --json -o >(cat > a.elf) > json; wait; sleep 0.3", "a.elf"),
        ("$RELOBOX link good.ko --symbols kallsyms -o /dev/fd/3 3> b.elf", "b.elf"),
        ("mkfifo p; cat p > c.elf & $RELOBOX link good.ko --symbols kallsyms -o p; wait", "c.elf"),
        ("$RELOBOX link good.ko --symbols kallsyms -o /dev/null; cat whole.elf > d.elf", "d.elf"),
    ] {
        let output = shell(&env, script);
        assert_eq!(output.status.code(), Some(0), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(std::fs::read(env.path(from)).expect(from) == whole, "{script}");
    }
    assert!(std::fs::metadata("/dev/null").expect("/dev/null").file_type().is_char_device());
    assert!(std::fs::symlink_metadata("/dev/stdout").expect("/dev/stdout").is_symlink());
    // A link of one's own to such a place is followed; another link is replaced.
    let output = shell(&env, "ln -s /dev/fd/3 e; $RELOBOX link good.ko --symbols kallsyms -o e 3> e.elf");
    assert!(output.status.success() && std::fs::read(env.path("e.elf")).expect("e.elf") == whole);
}

/// Onto itself, by its own name, a link and a hard link; and onto everything else that is read.
#[test]
fn what_is_read_is_not_written_onto() {
    let env = TestEnv::new();
    symlink("good.ko", env.path("link.ko")).expect("a link");
    symlink(env.path("good.ko"), env.path("absolute.ko")).expect("a link");
    std::fs::hard_link(env.path("good.ko"), env.path("hard.ko")).expect("a hard link");
    env.put("sections", ".text 0xffffffff82000000\n");
    env.put("plugins/x.wasm", relobox::built_in::wasm_of("x86_64").expect("a plugin"));
    let more = ["--sections", "sections", "--plugin-dir", "plugins", "--plugin", "x86_64"];
    for output in
        ["good.ko", "./good.ko", "link.ko", "absolute.ko", "hard.ko", "kallsyms", "sections", "plugins/x.wasm"]
    {
        let said = env.fail(2, &[&LINK[..], &more[..], &["-o", output]].concat());
        assert!(said.contains("which is read; nothing was written"), "{output}: {said}");
    }
    for input in ["link.ko", "hard.ko"] {
        let said = env.fail(2, &["link", input, "--symbols", "kallsyms", "-o", "good.ko"]);
        assert!(said.contains("which is read"), "{said}");
    }
    assert!(std::fs::read(env.path("good.ko")).expect("the module") == sample::module(0));
    assert!(std::fs::symlink_metadata(env.path("link.ko")).expect("a link").is_symlink());
}
