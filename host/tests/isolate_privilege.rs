//! The linking process of root, of an ordinary user, and on a kernel that has all of its isolation.
//!
//! Which files a process has open that hides its memory, as the linking process does, only root can see.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod test_env;

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
    use crate::test_env::{TestEnv, cache};
    use relobox::isolate::{ATTEMPTS, Linker, Options, Tried};
    use relobox::kernels::linux;
    use relobox::kernels::sim::Sim;
    use relobox::sealed::seal;
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
        let (program, cache) = (env!("CARGO_BIN_EXE_relobox").into(), Some(cache()));
        Linker::start(&Options { program, cache, machine: Some(linux::machine()), ..Options::default() }).unwrap()
    }

    /// What a process has open.
    fn open(process: u32) -> Vec<String> {
        let fds = std::fs::read_dir(format!("/proc/{process}/fd")).unwrap();
        let links = fds.map(|fd| std::fs::read_link(fd.unwrap().path()).unwrap());
        links.map(|link| link.into_os_string().into_string().unwrap()).collect()
    }

    /// Not this test's directory, which it could inherit; not even what exec keeps.
    fn it_has_no_file_of_ours() {
        let kept = rustix::fs::open(".", rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty()).unwrap();
        let linker = linker();
        linker.ready().unwrap();
        drop(kept);
        let open = open(linker.id());
        let own = |file: &String| {
            file == "/dev/null" || file.starts_with("socket:") || file.ends_with(".cwasm") || file.contains("memfd:")
        };
        assert!(!open.is_empty() && open.iter().all(own), "{open:?}");
    }

    /// A job can neither hear nor disturb another.
    fn a_job_has_no_socket_but_its_own() {
        let w = TestEnv::new();
        // Its init takes a second or more, so that two jobs wait for it at the same time.
        let hello = relobox_simkernel::samples::SOURCES[0].1;
        let slow = "\tfor (volatile long i = 0; i < 2000000000; i++)\n\t\t;\n\treturn 0;\n";
        let slow = hello.replace("\treturn 0;\n", slow);
        assert_ne!(slow, hello);
        let modules = ["slow_1", "slow_2"].map(|name| {
            w.compile(name, &slow.replace("SIM_MODULE_NAME \"hello\"", &format!("SIM_MODULE_NAME \"{name}\"")))
        });
        w.succeed("sim", &["start"]);
        let linker = linker();
        linker.ready().unwrap();
        let jobs = || -> Vec<u32> {
            let text = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", linker.id())).unwrap();
            text.split_whitespace().map(|process| process.parse().unwrap()).collect()
        };
        let sockets = |process: u32| -> BTreeSet<String> {
            let is_one = |file: &String| file.starts_with("socket:") || file.starts_with("anon_inode:");
            open(process).into_iter().filter(is_one).collect()
        };
        std::thread::scope(|scope| {
            let loads = modules.map(|path| {
                let (linker, w) = (&linker, &w);
                scope.spawn(move || {
                    let (file, _) = seal(&path).unwrap();
                    let mut kernel = Sim::connect(&w.socket).unwrap();
                    linker.insmod(&mut kernel, "slow.ko", file.as_fd(), "").unwrap();
                })
            });
            while jobs().len() < 2 {
                assert!(!loads.iter().any(|load| load.is_finished()), "there were never two jobs");
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            // A job that has just begun still closes what is not its own.
            std::thread::sleep(std::time::Duration::from_millis(200));
            let both = jobs();
            assert_eq!(both.len(), 2, "the jobs were too quick");
            let (one, two) = (sockets(both[0]), sockets(both[1]));
            assert_eq!((one.len(), two.len()), (1, 1), "{one:?} {two:?}");
            assert!(one.is_disjoint(&two));
        });
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

    /// Root tries it as another user; other users try it as themselves.
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
