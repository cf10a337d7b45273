//! The linking process links and can do nothing else. However it ends, the parent gets an error.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod test_env;

use relobox::built_in;
use relobox::cache::Cache;
use relobox::error::Error;
use relobox::guests::Guests;
use relobox::inserted::Inserted;
use relobox::isolate::{ATTEMPTS, Linker, Options, Tried};
use relobox::kernel::Request;
use relobox::kernel::{
    Export, Kernel, KernelError, Linux, LinuxAreas, Listing, Load, LoadFormat, Loaded, Machine, Module, Protection,
};
use relobox::kernels::sim::Sim;
use relobox::link::load;
use relobox::linker_error::LinkerError;
use relobox::open::Source;
use relobox::pins::{Pin, Pins};
use relobox::registry::{Plugins, Search};
use relobox::sandbox::Sandbox;
use relobox::sealed::seal;
use std::os::fd::AsFd as _;
use std::path::Path;
use test_env::{TestEnv, cache, compiled};

fn options() -> Options {
    let machine = Machine { name: "x86_64".into(), machine: 62, class: 64, order: 1 };
    let program = std::env::var_os("RELOBOX_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_relobox").into());
    Options {
        program: program.into(),
        compiled,
        cache: Some(cache()),
        machine: Some(machine),
        plugins: Plugins::default(),
        ..Options::default()
    }
}

fn linker() -> Linker {
    Linker::start(&options()).unwrap()
}

fn insmod(linker: &Linker, kernel: &mut dyn Kernel, path: &Path, args: &str) -> relobox::Result<Inserted> {
    let name = path.file_name().unwrap().to_str().unwrap();
    let (file, _) = seal(path)?;
    linker.insmod(kernel, name, file.as_fd(), args)
}

fn kernel(w: &TestEnv) -> Sim {
    w.succeed("sim", &["start"]);
    Sim::connect(&w.socket).unwrap()
}

/// The kernel holds nothing. Another test's process, between fork and exec, may have held a connection a moment longer.
fn assert_empty(w: &TestEnv) {
    for _ in 0..5000 {
        let list = w.client().list().unwrap();
        if (list.modules.len(), list.allocated, list.heap) == (0, 0, 0) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    w.assert_empty();
}

#[test]
fn modules_are_linked_and_refused_as_ever() {
    let w = TestEnv::new();
    w.samples(&["math_provider", "math_user", "hello", "failing"]);
    let alone = kernel(&w);
    let linker = linker();
    let path = |name: &str| w.directory.join(name);
    // What it had allocated goes with its connection.
    let alone = insmod(&linker, &mut { alone }, &path("math_user.ko"), "").unwrap_err();
    assert_eq!(
        alone.to_string().lines().next(),
        Some(
            "math_user.ko: 3 undefined symbols; references 'math_add', 'math_calls', 'math_mul'; \
             load math_provider first, which the module depends on"
        )
    );
    assert_empty(&w);
    let mut kernel = kernel(&w);
    let provider = insmod(&linker, &mut kernel, &path("math_provider.ko"), "").unwrap();
    assert_eq!((provider.name.as_str(), provider.plugin.as_str()), ("math_provider", "x86_64"));
    assert!(provider.relocations > 0 && provider.areas.iter().all(|a| a.address != 0));
    let user = insmod(&linker, &mut kernel, &path("math_user.ko"), "").unwrap();
    assert_eq!(user.uses, ["math_provider"]);
    let hello = insmod(&linker, &mut kernel, &path("hello.ko"), "times=2 colour=red").unwrap();
    assert_eq!(hello.unknown_args, ["colour"]);
    let failing = insmod(&linker, &mut kernel, &path("failing.ko"), "").unwrap_err();
    assert_eq!(failing.to_string(), "failing.ko: init returned -19 (No such device)");
    assert_eq!(failing.exit_code(), 1);
    std::fs::write(path("text.ko"), "hello").unwrap();
    let text = insmod(&linker, &mut kernel, &path("text.ko"), "").unwrap_err();
    assert!(text.to_string().starts_with("text.ko: not a relocatable ELF file"), "{text}");
    // It is no more than what the process says.
    assert!(matches!(text, Error::Reported(_)));
    assert_eq!(text.exit_code(), 1);
}

#[test]
fn a_packed_module_is_unpacked_in_there() {
    let w = TestEnv::new();
    w.sample("hello");
    let packed = std::process::Command::new("gzip").arg(w.directory.join("hello.ko")).status().unwrap();
    assert!(packed.success());
    let inserted = insmod(&linker(), &mut kernel(&w), &w.directory.join("hello.ko.gz"), "").unwrap();
    assert_eq!(inserted.name, "hello");
}

#[test]
fn nothing_else_can_be_done() {
    let linker = linker();
    for what in ATTEMPTS {
        let tried = linker.attempt(what).unwrap();
        let refused = match tried {
            Tried::Refused(libc::ENOMEM) => what.starts_with("map more than"),
            Tried::Refused(libc::ENOSYS) => *what == "make a file in memory",
            // Not because there was nothing to do it with.
            Tried::Refused(errno) => matches!(errno, libc::EPERM | libc::EACCES),
            Tried::Killed(signal) => signal == libc::SIGSYS,
            Tried::Allowed | Tried::Unknown => false,
        };
        assert!(refused, "{what}: {tried}");
    }
}

#[test]
fn each_job_has_a_process_without_rights() {
    let linker = linker();
    linker.ready().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", linker.id())).unwrap();
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    assert_eq!((field("NoNewPrivs:"), field("Seccomp:"), field("Threads:")), ("1".into(), "2".into(), "1".into()));
}

#[test]
fn many_at_once() {
    let w = TestEnv::new();
    let hello = relobox_simkernel::samples::SOURCES[0].1;
    let names: Vec<String> = (0..8).map(|n| format!("hello_{n}")).collect();
    for name in &names {
        w.compile(name, &hello.replace("SIM_MODULE_NAME \"hello\"", &format!("SIM_MODULE_NAME \"{name}\"")));
    }
    drop(kernel(&w));
    let (w, linker) = (&w, &linker());
    std::thread::scope(|scope| {
        for name in &names {
            scope.spawn(move || {
                let mut kernel = Sim::connect(&w.socket).unwrap();
                insmod(linker, &mut kernel, &w.directory.join(format!("{name}.ko")), "").unwrap();
            });
        }
    });
    assert_eq!(w.client().list().unwrap().modules.len(), 8);
}

/// A kernel at whose first question something happens.
struct Then<F>(Sim, Option<F>);

impl<F: FnOnce()> Kernel for Then<F> {
    fn list(&mut self, wanted: Option<&[&[u8]]>) -> Result<Listing, KernelError> {
        self.0.list(wanted)
    }
    fn allocate(&mut self, areas: &[Request]) -> Result<Vec<u64>, KernelError> {
        let granted = self.0.allocate(areas);
        if let Some(then) = self.1.take() {
            then();
        }
        granted
    }
    fn put(&mut self, address: u64, bytes: &[u8]) -> Result<(), KernelError> {
        self.0.put(address, bytes)
    }
    fn protect(&mut self, area: u64, protection: Protection) -> Result<(), KernelError> {
        self.0.protect(area, protection)
    }
    fn load(&mut self, load: &Load) -> Result<Loaded, KernelError> {
        self.0.load(load)
    }
    fn remove(&mut self, name: &str) -> Result<(), KernelError> {
        self.0.remove(name)
    }
}

/// The processes that `id` has started.
fn children(id: u32) -> Vec<i32> {
    let text = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
    text.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn a_death_half_way_has_a_name_and_leaves_nothing() {
    let w = TestEnv::new();
    let hello = w.sample("hello");
    let sim = kernel(&w);
    let linker = linker();
    let zygote = linker.id();
    let mut dies = Then(sim, Some(|| children(zygote).into_iter().for_each(kill)));
    let error = insmod(&linker, &mut dies, &hello, "").unwrap_err();
    assert_eq!(error.to_string(), "the linking process was killed by SIGKILL");
    assert_eq!(error.exit_code(), 3);
    // The next job is not disturbed.
    let inserted = insmod(&linker, &mut dies, &hello, "").unwrap();
    assert_eq!(inserted.name, "hello");
    dies.remove("hello").unwrap();

    // The zygote takes its jobs with it.
    let takes_them = || {
        let jobs = children(zygote);
        kill(zygote as i32);
        // They are killed when it has died, and not when it was killed.
        let gone = |job: &i32| {
            let stat = std::fs::read_to_string(format!("/proc/{job}/stat"));
            stat.is_err() || stat.is_ok_and(|stat| stat.contains(") Z "))
        };
        while !jobs.iter().all(gone) {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    };
    let mut dies = Then(dies.0, Some(takes_them));
    let error = insmod(&linker, &mut dies, &hello, "").unwrap_err();
    assert_eq!(error.to_string(), "the linking process was killed by SIGKILL");
    assert!(matches!(insmod(&linker, &mut dies, &hello, ""), Err(Error::Linker(LinkerError::Killed(9)))));
    drop(dies);
    assert_empty(&w);
}

#[test]
fn nothing_outlives_the_linker() {
    let linker = linker();
    linker.ready().unwrap();
    let id = linker.id();
    assert!(Path::new(&format!("/proc/{id}")).exists());
    drop(linker);
    assert!(!Path::new(&format!("/proc/{id}")).exists());
}

#[test]
fn a_program_that_is_no_linker_is_named() {
    let linker = Linker::start(&Options { program: "/bin/false".into(), ..options() });
    let error = match linker {
        Err(error) => error,
        Ok(linker) => linker.ready().unwrap_err(),
    };
    assert!(matches!(error, Error::Linker(LinkerError::Gone | LinkerError::Ended(1))), "{error}");
    let none = Linker::start(&Options { program: "/no/such".into(), ..options() }).unwrap_err();
    assert!(matches!(none, Error::Io { .. }), "{none}");
}

/// A kernel that takes relocated files, and keeps what it was given.
struct Keeps(Linux, Option<(String, Vec<u8>, Vec<u64>, Vec<u64>)>);

impl Kernel for Keeps {
    fn list(&mut self, wanted: Option<&[&[u8]]>) -> Result<Listing, KernelError> {
        let machine = Machine { name: "x86_64".into(), machine: 62, class: 64, order: 1 };
        let export = |(n, name): (u64, &&[u8])| Export {
            name: String::from_utf8(name.to_vec()).unwrap(),
            address: 0xffff_ffff_c000_0000 + 16 * n,
            crc: None,
            gpl: false,
            namespace: String::new(),
        };
        Ok(Listing {
            release: "6.1.0-relobox-sim".into(),
            vermagic: "6.1.0-relobox-sim SMP".into(),
            form: LoadFormat::Relocated(self.0),
            complete: true,
            machine,
            modules: vec![],
            exports: (1..).zip(wanted.unwrap()).map(export).collect(),
        })
    }
    fn modules(&mut self) -> Result<Vec<Module>, KernelError> {
        let module = |kept: &(String, Vec<u8>, Vec<u64>, Vec<u64>)| Module {
            name: kept.0.clone(),
            live: true,
            areas: vec![(0xffff_ffff_c110_0000, 4096)],
            use_count: None,
            users: vec![],
            uses: vec![],
            exports: vec![],
        };
        Ok(self.1.iter().map(module).collect())
    }
    fn allocate(&mut self, areas: &[Request]) -> Result<Vec<u64>, KernelError> {
        Ok((1..).map(|n| 0xffff_ffff_c100_0000 + (n << 20)).take(areas.len()).collect())
    }
    fn put(&mut self, _: u64, _: &[u8]) -> Result<(), KernelError> {
        panic!("a file is not put")
    }
    fn protect(&mut self, _: u64, _: Protection) -> Result<(), KernelError> {
        panic!("a file is not protected")
    }
    fn load(&mut self, load: &Load) -> Result<Loaded, KernelError> {
        use std::io::{Read as _, Seek as _};
        let image = load.image.as_ref().unwrap();
        let mut file = std::fs::File::from(image.file.try_clone().unwrap());
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        self.1 = Some((load.name.clone(), bytes, image.sections.clone(), image.symbols.clone()));
        Ok(Loaded::default())
    }
    fn remove(&mut self, _: &str) -> Result<(), KernelError> {
        panic!("nothing is removed")
    }
}

/// A process of its own changes nothing of what comes out.
#[test]
fn a_relocated_file_is_the_same_as_ever() {
    let w = TestEnv::new();
    let path = w.sample("math_user");
    let linker = linker();
    let guests = Guests::new(Sandbox::new(Cache::open_dir(&cache())).unwrap(), &[]).unwrap();
    for areas in [LinuxAreas::CoreInit, LinuxAreas::Seven] {
        let linux = Linux { areas, kallsyms_all: true };
        let (mut isolated, mut direct) = (Keeps(linux, None), Keeps(linux, None));
        insmod(&linker, &mut isolated, &path, "").unwrap();
        let module = load(&guests, "math_user.ko", Source::open(&path).unwrap()).unwrap();
        relobox::insmod::insmod(&guests, &mut direct, module, "", &[]).unwrap();
        let (isolated, direct) = (isolated.1.unwrap(), direct.1.unwrap());
        assert!(!isolated.1.is_empty() && isolated.2.len() > 5 && isolated.3.len() > 5);
        assert!(isolated == direct);
    }
}

/// What is given for plugins is in each job's message.
#[test]
fn numbers_for_plugins_reach_the_job() {
    let w = TestEnv::new();
    let hello = w.sample("hello");
    let linker = Linker::start(&Options { inputs: vec![("toc".into(), 7)], ..options() }).unwrap();
    let error = insmod(&linker, &mut kernel(&w), &hello, "").unwrap_err();
    assert!(error.to_string().starts_with("input toc: plugin x86_64 does not read it"), "{error}");
    assert_eq!(error.exit_code(), 2);
}

/// A plugin that is not built in comes compiled, and its code does not run before there is a job.
#[test]
fn a_pinned_plugin_comes_compiled() {
    let w = TestEnv::new();
    let hello = w.sample("hello");
    let plugins = w.directory.join("plugins");
    std::fs::create_dir(&plugins).unwrap();
    // The built-in one, and a custom section, so that it is another one.
    let mut wasm = built_in::wasm_of("x86_64").unwrap().to_vec();
    wasm.extend([0, 5, 4, b'm', b'i', b'n', b'e']);
    std::fs::write(plugins.join("mine.wasm"), wasm).unwrap();
    let pinned = || {
        let search = Search { given: vec![plugins.clone()], ..Search::default() };
        let mut found = Plugins::find(&search, &[], Pins::default()).unwrap();
        found.files.iter().for_each(|file| found.pins.add(Pin::of(file, "")));
        Options { plugins: found, ..options() }
    };
    let options = pinned();
    let linker = Linker::start(&options).unwrap();
    assert_eq!(insmod(&linker, &mut kernel(&w), &hello, "").unwrap().name, "hello");
    for what in ATTEMPTS {
        let tried = linker.attempt(what).unwrap();
        assert!(matches!(tried, Tried::Refused(_) | Tried::Killed(_)), "{what}: {tried}");
    }
    w.succeed("rmmod", &["hello"]);
    // A Wasm module, and no guest. It is pinned, so it is meant.
    std::fs::write(plugins.join("broken.wasm"), b"\0asm\x01\0\0\0").unwrap();
    let linker = Linker::start(&pinned()).unwrap();
    let broken = insmod(&linker, &mut kernel(&w), &hello, "").unwrap_err();
    assert!(matches!(&broken, Error::Guest { guest, .. } if guest.starts_with("broken (")), "{broken}");
    assert_eq!(broken.exit_code(), 3);
}

/// The privileged side compiles nothing, and maps no compiled code. That it has none, tests/tests/invariants.rs asks Cargo.
#[test]
fn the_parent_runs_no_guest() {
    let w = TestEnv::new();
    let hello = w.sample("hello");
    insmod(&linker(), &mut kernel(&w), &hello, "").unwrap();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (protection, path) = (words.nth(1).unwrap(), words.nth(3).unwrap_or(""));
        assert!(!path.ends_with(".cwasm"), "{line}");
        assert!(!protection.contains('x') || path.starts_with('/') || path.starts_with('['), "{line}");
    }
}

/// `cargo test -p relobox --test isolate -- --ignored --nocapture`; `RELOBOX_PROGRAM` measures another build.
#[test]
#[ignore = "a measurement"]
fn how_long_it_takes() {
    let w = TestEnv::new();
    let hello = w.sample("hello");
    let mut kernel = kernel(&w);
    drop(linker().ready());
    let milliseconds = |what: &dyn Fn()| {
        let mut times: Vec<f64> = (0..30)
            .map(|_| {
                let start = std::time::Instant::now();
                what();
                start.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        (times[0], times[times.len() / 2])
    };
    let start = milliseconds(&|| drop(linker().ready().unwrap()));
    println!("start, until it is ready and gone again: {:.1} ms at best, {:.1} in the middle", start.0, start.1);
    let linker = linker();
    let attempt = milliseconds(&|| drop(linker.attempt("map code")));
    println!("a job that does nothing: {:.1} ms at best, {:.1} in the middle", attempt.0, attempt.1);
    let mut times = Vec::new();
    for _ in 0..30 {
        let start = std::time::Instant::now();
        insmod(&linker, &mut kernel, &hello, "").unwrap();
        times.push(start.elapsed().as_secs_f64() * 1e3);
        kernel.remove("hello").unwrap();
    }
    times.sort_by(f64::total_cmp);
    println!("an insmod of hello.ko by it: {:.1} ms at best, {:.1} in the middle", times[0], times[15]);
}
