//! The linking process of root, of an ordinary user, and on a kernel that has all of its isolation.
//!
//! Which files a process has open that hides its memory, as the linking process does, only root can see.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod workshop;

use relobox_needs::ExitCode;

fn main() -> ExitCode {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    let tests = linux::tests();
    #[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
    let tests = [];
    relobox_needs::run(tests)
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod linux {
    use crate::workshop::{Workshop, cache};
    use relobox::isolate::{ATTEMPTS, Linker, Options, Tried};
    use relobox::kernel::running_machine;
    use relobox::kernel::sim::Sim;
    use relobox::open::{Source, seal};
    use relobox_needs::{Need, Test, root, test};
    use std::collections::BTreeSet;
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::{PermissionsExt as _, chown};
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    pub(crate) fn tests() -> [Test; 5] {
        [
            test!(it_has_no_file_of_ours).needs([root()]),
            test!(a_job_has_no_socket_but_its_own).needs([root()]),
            test!(nothing_of_the_isolation_is_missing).needs([whole_isolation()]),
            test!(of_root_it_has_nothing_left).needs([root()]),
            test!(of_an_ordinary_user_it_can_do_as_little),
        ]
    }

    fn linker() -> Linker {
        let cache = Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"));
        let machine = Some(running_machine());
        Linker::start(&Options { program: env!("CARGO_BIN_EXE_relobox").into(), cache, machine, ..Options::default() })
            .unwrap()
    }

    /// Landlock in a version that knows files, networks and signals.
    fn whole_isolation() -> Need {
        let missing = linker().ready().unwrap();
        let met = missing.is_empty().then_some(()).ok_or_else(|| format!("a newer one: {}", missing.join(", ")));
        Need::new("kernel landlock", met)
    }

    /// Elsewhere the linker is as closed, by seccomp alone; here both stand.
    fn nothing_of_the_isolation_is_missing() {
        let linker = linker();
        assert_eq!(linker.ready().unwrap(), Vec::<String>::new());
        for what in ATTEMPTS {
            let tried = linker.attempt(what).unwrap();
            assert!(matches!(tried, Tried::Refused(_) | Tried::Killed(_)), "{what}: {tried}");
        }
    }

    fn of_root_it_has_nothing_left() {
        let linker = linker();
        linker.ready().unwrap();
        let status = std::fs::read_to_string(format!("/proc/{}/status", linker.id())).unwrap();
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
        assert_eq!(field("CapBnd:"), "0000000000000000");
        assert_eq!(field("Uid:"), "65534\t65534\t65534\t65534");
        assert_eq!(field("Gid:"), "65534\t65534\t65534\t65534");
        assert_eq!(field("Groups:"), "");
    }

    /// Root tries it as somebody else; others as who they are.
    fn of_an_ordinary_user_it_can_do_as_little() {
        let dir = tempfile();
        let (program, cache) = (dir.join("relobox"), dir.join("cache"));
        // The target directory may be somewhere that others do not see.
        std::fs::copy(env!("CARGO_BIN_EXE_relobox"), &program).unwrap();
        std::fs::create_dir(&cache).unwrap();
        let mut prove = Command::new(&program);
        prove.args(["__linker", "--prove"]).env("RELOBOX_CACHE", &cache).current_dir("/");
        if root().is_met() {
            let user = 12345;
            std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755)).unwrap();
            chown(&cache, Some(user), Some(user)).unwrap();
            prove.uid(user).gid(user);
        }
        let output = prove.output();
        std::fs::remove_dir_all(&dir).unwrap();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&output.stderr));
        let kept = said.lines().filter(|line| line.contains(": refused") || line.contains(": killed")).count();
        assert_eq!(kept, ATTEMPTS.len());
    }

    fn tempfile() -> std::path::PathBuf {
        let dir = std::env::temp_dir().join(format!("relobox-ordinary-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        dir
    }
}
