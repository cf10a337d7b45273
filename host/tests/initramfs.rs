//! What is in `initramfs/`: the hook makes an image's tree, its scripts load into the simulated kernel and hand over.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod test_env;

use relobox_simkernel::{Client, RELEASE};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use test_env::{TestEnv, cache};

/// What the hook uses of initramfs-tools, where that is not installed.
const FUNCTIONS: &str = r#"
copy_exec() { mkdir -p "$DESTDIR${2%/*}"; cp -L "$1" "$DESTDIR$2"; }
manual_add_modules() {
	for name in "$@"; do
		for file in "$RELOBOX_ROOT/lib/modules/$version/$name.ko"; do
			[ -f "$file" ] || continue
			mkdir -p "$DESTDIR/lib/modules/$version"
			cp "$file" "$DESTDIR/lib/modules/$version/"
		done
	done
}
"#;

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../initramfs").join(name)
}

/// A machine in a directory: what an image is made from, and the image.
struct Machine {
    env: TestEnv,
    root: PathBuf,
    image: PathBuf,
}

impl Machine {
    fn new(load: &str) -> Self {
        let env = TestEnv::new();
        let (root, image) = (env.directory.join("root"), env.directory.join("image"));
        let modules = root.join("lib/modules").join(RELEASE);
        for dir in [&modules, &root.join("usr/sbin"), &root.join("etc/relobox"), &root.join("etc/modprobe.d"), &image] {
            std::fs::create_dir_all(dir).unwrap();
        }
        // The workshop in their place: it has the same commands, and the simulated kernel.
        for program in ["relobox-kmod", "relobox-linker"] {
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_relobox"), root.join("usr/sbin").join(program)).unwrap();
        }
        for sample in ["math_provider", "math_user", "failing"] {
            std::fs::rename(env.sample(sample), modules.join(sample).with_extension("ko")).unwrap();
        }
        let machine = Self { env, root, image };
        machine.write("root/etc/relobox/initramfs.conf", &format!("LOAD=\"{load}\"\nDEVICE=no\n"));
        machine.write("root/etc/modprobe.d/own.conf", "options math_user a=1\n");
        machine.write("functions", FUNCTIONS);
        machine
    }

    fn write(&self, path: &str, text: &str) {
        std::fs::write(self.env.directory.join(path), text).unwrap();
    }

    fn command(&self, program: &Path, root: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("RELOBOX_ROOT", root);
        command.env("RELOBOX_KERNEL", "sim").env("XDG_RUNTIME_DIR", &self.env.directory);
        command.env("RELOBOX_MODPROBE_D", root.join("etc/modprobe.d"));
        command
    }

    fn hook(&self) -> Output {
        let mut command = self.command(&shipped("hooks/relobox"), &self.root);
        command.env("DESTDIR", &self.image).env("version", RELEASE).env("HOME", &self.env.directory);
        command.env("RELOBOX_HOOK_FUNCTIONS", self.env.directory.join("functions")).output().unwrap()
    }

    fn script(&self, name: &str) -> Output {
        self.command(&shipped("scripts").join(name).join("relobox"), &self.image).output().unwrap()
    }

    fn relobox(&self, args: &[&str]) -> Output {
        let mut command = self.command(Path::new(env!("CARGO_BIN_EXE_relobox")), &self.root);
        command.env("RELOBOX_CACHE", cache()).args(args).output().unwrap()
    }

    fn client(&self) -> Client {
        Client::connect(&self.env.directory.join("relobox/kernel.socket")).unwrap()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Ok(client) = Client::connect(&self.env.directory.join("relobox/kernel.socket")) {
            let _ = client.power_off();
        }
    }
}

fn good(output: Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}: {errors}", output.status);
    assert_eq!(errors, "");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_image_loads_and_the_real_root_knows_of_it() {
    let m = Machine::new("math_provider math_user");
    good(m.hook());
    for program in ["relobox-kmod", "relobox-linker"] {
        assert!(m.image.join("usr/sbin").join(program).is_file());
    }
    assert!(m.image.join("etc/modprobe.d/own.conf").is_file());
    // depmod runs after the hooks.
    m.write(&format!("image/lib/modules/{RELEASE}/modules.dep"), "math_provider.ko:\nmath_user.ko: math_provider.ko\n");
    let premount = m.script("init-premount");
    // The options of the image's configuration are the module's.
    assert_eq!(String::from_utf8_lossy(&premount.stderr), "relobox: math_user: unknown parameter 'a' ignored\n");
    let said = good(Output { stderr: Vec::new(), ..premount });
    assert!(said.contains("math_user: live at"), "{said}");
    good(m.script("init-bottom"));
    let handover = m.image.join("run/relobox/handover.json");
    assert_eq!(std::fs::metadata(&handover).unwrap().permissions().mode() & 0o777, 0o600);

    // The real root, with /run and without what was recorded in the initramfs.
    std::fs::remove_dir_all(m.env.directory.join("relobox/kernel.state")).unwrap();
    let handover = handover.to_str().unwrap();
    assert_eq!(good(m.relobox(&["state", "import", handover])), "2 modules\n");
    let shown: serde_json::Value = serde_json::from_str(&good(m.relobox(&["state", "show", "--json"]))).unwrap();
    assert_eq!(shown["modules"][0]["name"], "math_provider");
    assert_eq!(shown["modules"][0]["exports"].as_array().unwrap().len(), 3);
    assert_eq!(shown["modules"][1]["uses"], serde_json::json!(["math_provider"]));
}

#[test]
fn a_failure_is_a_message_and_the_boot_goes_on() {
    let m = Machine::new("failing math_provider");
    good(m.hook());
    m.write(&format!("image/lib/modules/{RELEASE}/modules.dep"), "math_provider.ko:\nfailing.ko:\n");
    let output = m.script("init-premount");
    assert!(output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("init returned -19") && said.ends_with("relobox: not everything was loaded\n"), "{said}");
    assert_eq!(m.client().list().unwrap().modules.len(), 1);
    good(m.script("init-bottom"));
    // Without the program there is no image with it, and no failure.
    std::fs::remove_file(m.root.join("usr/sbin/relobox-linker")).unwrap();
    let without = m.hook();
    assert!(without.status.success());
    assert!(String::from_utf8_lossy(&without.stderr).starts_with("W: relobox: relobox-linker is not installed"));
}

#[test]
fn the_device_comes_before_udev_and_relobox_off_keeps_it_from_being_strict() {
    let m = Machine::new("");
    good(m.hook());
    for directory in ["bin", "image/proc"] {
        std::fs::create_dir_all(m.env.directory.join(directory)).unwrap();
    }
    m.write("bin/modprobe", "#!/bin/sh\necho modprobe \"$@\"\n");
    let modprobe = m.env.directory.join("bin/modprobe");
    std::fs::set_permissions(&modprobe, std::fs::Permissions::from_mode(0o755)).unwrap();
    let off = m.image.join("run/modprobe.d/zz-relobox-off.conf");
    let top = |device: &str, line: &str| {
        m.write("image/etc/relobox/initramfs.conf", &format!("LOAD=\"\"\nDEVICE={device}\n"));
        m.write("image/proc/cmdline", line);
        let mut command = m.command(&shipped("scripts/init-top/relobox"), &m.image);
        command.env("PATH", format!("{}:/usr/bin:/bin", m.env.directory.join("bin").display()));
        good(command.output().unwrap())
    };
    assert_eq!(top("no", "quiet\n"), "");
    assert_eq!(top("yes", "quiet\n"), "modprobe -q relobox\n");
    assert!(!off.exists());
    assert_eq!(top("yes", "ro relobox=off quiet\n"), "modprobe -q relobox\n");
    assert_eq!(std::fs::read_to_string(off).unwrap(), "options relobox strict=0\n");
}

#[test]
fn the_library_is_in_the_image_though_udev_is_not_linked_with_it() {
    let m = Machine::new("");
    for directory in ["etc/ld.so.conf.d", "usr/lib/relobox/lib", "lib/x86_64-linux-gnu"] {
        std::fs::create_dir_all(m.root.join(directory)).unwrap();
    }
    m.write("root/usr/lib/relobox/lib/libkmod.so.2", "relobox's");
    m.write("root/lib/x86_64-linux-gnu/libkmod.so.2", "kmod's");
    good(m.hook());
    assert!(!m.image.join("usr/lib/relobox").exists());
    m.write("root/etc/ld.so.conf.d/00-relobox.conf", "/usr/lib/relobox/lib\n");
    good(m.hook());
    let text = |path: &str| std::fs::read_to_string(m.image.join("usr/lib/relobox").join(path)).unwrap();
    assert_eq!((text("lib/libkmod.so.2"), text("kmod/libkmod.so.2")), ("relobox's".into(), "kmod's".into()));
    assert!(m.image.join("usr/lib/relobox/relobox-linker").is_symlink());
}

#[test]
fn a_strict_image_without_the_device_is_a_warning() {
    let m = Machine::new("");
    m.write("root/etc/relobox/strict", "");
    m.write("root/etc/relobox/initramfs.conf", "LOAD=\"\"\nDEVICE=yes\n");
    let warned = m.hook();
    assert!(warned.status.success());
    let said = String::from_utf8_lossy(&warned.stderr).into_owned();
    assert!(
        said.starts_with("W: relobox: strict, and without the device") && said.contains("relobox.strict=0"),
        "{said}"
    );
    m.write(&format!("root/lib/modules/{RELEASE}/relobox.ko"), "");
    good(m.hook());
    assert!(m.image.join("etc/relobox/strict").exists());
    assert!(m.image.join(format!("lib/modules/{RELEASE}/relobox.ko")).exists());
    // Only the device helps, not its file alone.
    m.write("root/etc/relobox/initramfs.conf", "LOAD=\"\"\nDEVICE=no\n");
    assert!(String::from_utf8_lossy(&m.hook().stderr).starts_with("W: relobox: strict"));
}

#[test]
fn initramfs_tools_asks_for_prerequisites() {
    for (name, answer) in [
        ("hooks/relobox", "kmod\n"),
        ("scripts/init-top/relobox", ""),
        ("scripts/init-premount/relobox", ""),
        ("scripts/init-bottom/relobox", ""),
    ] {
        let output = Command::new(shipped(name)).arg("prereqs").output().unwrap();
        assert_eq!(good(output), answer, "{name}");
    }
}
