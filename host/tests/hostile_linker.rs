//! A linking process that is in the hands of its module, as a program: what it says is text, and what became of a module is
//! asked of the kernel.
//!
//! Without Rust's test harness, since this program is that process too. It reads what to say from a file beside its name, and
//! knows the protocol as JSON only.

#[cfg(target_os = "linux")]
mod hostile {
    use relobox::isolate::{ARGUMENT, Linker, Options};
    use relobox::kernel::{
        Kernel, KernelError, Listing, Load, LoadFormat, Loaded, Machine, Module, Protection, Request as Space,
    };
    use relobox::modprobe::{Config, LoadPlan, Outcome, Request, Tree, plan};
    use relobox::registry::Plugins;
    use relobox::sealed::seal;
    use relobox::{Error, modprobe};
    use relobox_needs::{Test, test};
    use rustix::io::IoSliceMut;
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, recvmsg};
    use serde_json::{Value, json};
    use std::collections::HashSet;
    use std::mem::MaybeUninit;
    use std::os::fd::{AsFd, OwnedFd};
    use std::path::{Path, PathBuf};
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    pub(crate) fn tests() -> [Test; 3] {
        [test!(a_word_makes_no_module_live), test!(a_refusal_of_the_kernels_is_one), test!(a_loaded_module_is_live)]
    }

    /// This program, as the linking process.
    pub(crate) fn serve_if_asked() -> bool {
        let mut args = std::env::args();
        let (program, asked) = (args.next().unwrap_or_default(), args.next());
        if asked.as_deref() != Some(ARGUMENT) {
            return false;
        }
        let script = std::fs::read_to_string(format!("{program}.json")).expect("what to say");
        let script: Vec<Value> = serde_json::from_str(&script).expect("JSON");
        let control = rustix::stdio::stdin();
        hear(control).expect("the setup");
        say(control, &json!({"Yes": {"missing": []}}));
        while let Some(fds) = hear(control) {
            let socket = fds.into_iter().next().expect("a job's socket");
            let _rooms = hear(&socket).expect("a job");
            for message in &script {
                say(&socket, message);
                if message.get("Answer").is_none() && hear(&socket).is_none() {
                    break;
                }
            }
        }
        true
    }

    fn say(socket: impl AsFd, message: &Value) {
        let packet = [b"\0", message.to_string().as_bytes()].concat();
        // The parent may have had enough.
        let _ = rustix::net::send(socket, &packet, SendFlags::NOSIGNAL);
    }

    /// The descriptors of the next packet; `None` at the end.
    fn hear(socket: impl AsFd) -> Option<Vec<OwnedFd>> {
        let (mut bytes, mut space) = (vec![0; 40_000], [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(64))]);
        let mut beside = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut beside, RecvFlags::empty()).ok()?;
        let fds = beside.drain().flat_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => fds.collect(),
            _ => Vec::new(),
        });
        let fds = fds.collect();
        (received.bytes != 0).then_some(fds)
    }

    /// A kernel as `vet` sees it: it is given the original file, and what becomes of that is known here.
    #[derive(Default)]
    struct Machinery {
        modules: Vec<Module>,
        /// What a load makes live, or why not.
        load: Option<Result<&'static str, KernelError>>,
        /// The modules that another process had loaded when it was listed.
        comes: Option<&'static str>,
        listed: usize,
        loads: usize,
    }

    struct Shared<'a>(&'a Mutex<Machinery>);

    fn module(name: &str) -> Module {
        let (users, uses, exports) = Default::default();
        Module { name: name.into(), live: true, areas: vec![(0x1000, 4096)], use_count: None, users, uses, exports }
    }

    impl Kernel for Shared<'_> {
        fn list(&mut self, _: Option<&[&[u8]]>) -> Result<Listing, KernelError> {
            let mut machine = self.0.lock().unwrap();
            machine.listed += 1;
            let modules = machine.modules.clone();
            let comes = machine.comes.take();
            machine.modules.extend(comes.map(module));
            Ok(Listing {
                release: "6.1".into(),
                vermagic: "6.1".into(),
                form: LoadFormat::Original,
                complete: true,
                machine: Machine { name: "x86_64".into(), machine: 62, class: 64, order: 1 },
                modules,
                exports: vec![],
            })
        }
        fn modules(&mut self) -> Result<Vec<Module>, KernelError> {
            Ok(self.0.lock().unwrap().modules.clone())
        }
        fn allocate(&mut self, areas: &[Space]) -> Result<Vec<u64>, KernelError> {
            Ok(vec![0x5000; areas.len()])
        }
        fn put(&mut self, _: u64, _: &[u8]) -> Result<(), KernelError> {
            panic!("a file is not put")
        }
        fn protect(&mut self, _: u64, _: Protection) -> Result<(), KernelError> {
            panic!("a file is not protected")
        }
        fn load(&mut self, load: &Load) -> Result<Loaded, KernelError> {
            assert_eq!(load.args, "own=1", "the arguments are the parent's");
            let mut machine = self.0.lock().unwrap();
            machine.loads += 1;
            let name = machine.load.clone().expect("no load was expected")?;
            machine.modules.push(module(name));
            Ok(Loaded::default())
        }
        fn remove(&mut self, _: &str) -> Result<(), KernelError> {
            panic!("nothing is removed")
        }
    }

    /// A directory with a module's file, this program, and what it is to say.
    struct Place(PathBuf);

    impl Place {
        fn new() -> Self {
            static NUMBER: AtomicU32 = AtomicU32::new(0);
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let place = Self(std::env::temp_dir().join(format!("relobox-hostile-{}-{number}", std::process::id())));
            std::fs::create_dir(&place.0).unwrap();
            std::os::unix::fs::symlink(std::env::current_exe().unwrap(), place.0.join("linker")).unwrap();
            std::fs::write(place.0.join("m.ko"), "any bytes: they are not read").unwrap();
            std::thread::sleep(Duration::from_millis(20));
            std::fs::write(place.0.join("modules.dep"), "m.ko:\n").unwrap();
            place
        }

        /// What modprobe makes of module `m`, if its linking process says this.
        fn modprobe(&self, script: &[Value], machine: &Mutex<Machinery>) -> Outcome<relobox::inserted::Inserted> {
            std::fs::write(self.0.join("linker.json"), Value::from(script).to_string()).unwrap();
            let plan = self.plan();
            let options = Options { program: self.0.join("linker"), ..Options::default() };
            let linker = Linker::start(&Options { plugins: Plugins::default(), ..options }).unwrap();
            let insert = |path: &Path| {
                let (file, _) = seal(path)?;
                linker.insmod(&mut Shared(machine), &path.display().to_string(), file.as_fd(), "own=1")
            };
            let modules = || Ok(Shared(machine).modules().unwrap());
            let load = |step: &modprobe::Step, path: &Path| {
                modprobe::load(&step.name, Duration::from_secs(5), || insert(path), modules)
            };
            modprobe::run(&plan, 1, false, load, |_| Ok(())).outcomes.pop().unwrap()
        }

        fn plan(&self) -> LoadPlan {
            let (live, names) = (HashSet::new(), ["m".to_owned()]);
            let (args, blacklist, ignore_commands, show_depends) = ("", false, false, false);
            let inspect = &|_: &Path| Ok(modprobe::plan::Needs::default());
            let request =
                Request { names: &names, args, blacklist, ignore_commands, show_depends, live: &live, inspect };
            plan(&Tree::open(&self.0).unwrap(), &Config::default(), &request)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn list() -> Value {
        json!({"List": ["printk"]})
    }

    fn load(name: &str) -> [Value; 3] {
        let load = json!({"name": name, "areas": [[0x5000, "Text"]], "exports": [], "uses": ["lie"]});
        [list(), json!({"Allocate": [{"kind": "Text", "size": 4096, "align": 4096}]}), json!({ "Load": load })]
    }

    fn refused(kind: &str) -> Value {
        let problem = json!({"kind": kind, "file": "m.ko", "text": "it says", "hint": "", "value": -17});
        json!({"Answer": {"Refused": [problem]}})
    }

    fn live() -> Value {
        json!({"Answer": {"Inserted": {"relocations": 1u64 << 60, "digest": vec![7; 32]}}})
    }

    /// Everything that it may say at the end, and the exit code if nothing else is known.
    fn answers() -> Vec<(Value, u8)> {
        let kinds = ["already-loaded", "stale", "init-failed", "not-found", "in-use", "built-in", "wrong-machine"];
        let mut all: Vec<_> = kinds.into_iter().map(|kind| (refused(kind), 1)).collect();
        all.extend([
            (live(), 3),
            (json!({"Answer": {"Failed": "no"}}), 3),
            (json!({"Answer": {"Usage": "no"}}), 3),
            (json!({"Answer": {"Guest": ["engine", {"Answer": "x"}]}}), 3),
            (json!({"Answer": {"Refused": []}}), 3),
            (json!({"Answer": {"Kernel": {"kind": "already-loaded"}}}), 3),
            (json!("nonsense"), 3),
            (json!({"Tried": "Allowed"}), 3),
        ]);
        all
    }

    fn a_word_makes_no_module_live() {
        let place = Place::new();
        for (answer, code) in answers() {
            for before in [vec![], vec![list()]] {
                let machine = Mutex::new(Machinery { modules: vec![module("ext4")], ..Machinery::default() });
                let script = [before.clone(), vec![answer.clone()]].concat();
                let outcome = place.modprobe(&script, &machine);
                let Outcome::Failed(error) = &outcome else { panic!("{script:?}: {outcome:?}") };
                assert!(!matches!(error, Error::Module(_) | Error::Kernel(_)), "{script:?}: a fact: {error:?}");
                assert_eq!(error.exit_code(), code, "{script:?}: {error}");
                // Once: its word is no reason to try again.
                assert_eq!(machine.lock().unwrap().listed, before.len(), "{script:?}");
                // The module of another process is live, so the linking process may claim anything.
                let comes = if before.is_empty() { None } else { Some("m") };
                let machine = Mutex::new(Machinery { comes, ..Machinery::default() });
                let outcome = place.modprobe(&script, &machine);
                assert_eq!(matches!(outcome, Outcome::Live), comes.is_some(), "{script:?}: {outcome:?}");
            }
        }
    }

    fn a_refusal_of_the_kernels_is_one() {
        let place = Place::new();
        let failures = [
            (KernelError::Exists { name: "ext4".into() }, "already-loaded"),
            (KernelError::Init { errno: -17 }, "init-failed"),
            (KernelError::NotAllowed("no".into()), "not-allowed"),
        ];
        for (failure, kind) in failures {
            for (answer, _) in answers() {
                for called in ["m", "ext4"] {
                    let (load_it, modules) = (Some(Err(failure.clone())), vec![module("ext4")]);
                    let machine = Mutex::new(Machinery { load: load_it, modules, ..Machinery::default() });
                    let script = [load(called).to_vec(), vec![answer.clone()]].concat();
                    let outcome = place.modprobe(&script, &machine);
                    let Outcome::Failed(Error::Kernel(problem)) = &outcome else { panic!("{script:?}: {outcome:?}") };
                    assert_eq!((problem.kind, machine.lock().unwrap().loads), (kind, 1), "{script:?}");
                }
            }
        }
    }

    fn a_loaded_module_is_live() {
        let place = Place::new();
        for (answer, _) in answers() {
            for called in ["m", "ext4", "other"] {
                let (load_it, modules) = (Some(Ok("m")), vec![module("ext4")]);
                let machine = Mutex::new(Machinery { load: load_it, modules, ..Machinery::default() });
                let script = [load(called).to_vec(), vec![answer.clone()]].concat();
                let outcome = place.modprobe(&script, &machine);
                let Outcome::Loaded(inserted) = &outcome else { panic!("{script:?}: {outcome:?}") };
                assert_eq!((inserted.name.as_str(), inserted.uses.len()), ("m", 0), "{script:?}");
                assert_eq!((inserted.plugin.as_str(), inserted.plugin_digest), ("unknown", None), "{script:?}");
            }
        }
    }
}

fn main() -> relobox_needs::ExitCode {
    #[cfg(target_os = "linux")]
    if hostile::serve_if_asked() {
        return relobox_needs::ExitCode::SUCCESS;
    }
    #[cfg(target_os = "linux")]
    let tests = hostile::tests();
    #[cfg(not(target_os = "linux"))]
    let tests = [];
    relobox_needs::run(tests)
}
