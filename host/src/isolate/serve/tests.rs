//! A linking process that lies: the parent says what it did, asks the kernel for nothing that it must not, and ends.

use super::*;
use crate::isolate::wire::{blob, pair};
use crate::kernel::{Linux, LinuxAreas, Listing, Machine};
use crate::layout::Kind;
use rustix::fs::{MemfdFlags, memfd_create};
use std::os::fd::BorrowedFd;

/// A kernel that says yes and remembers what it was asked.
struct Recorder {
    form: Form,
    asked: Vec<String>,
    loaded: Result<Loaded, Failure>,
}

static AREA: u64 = 0x10000;

impl Recorder {
    fn new(form: Form) -> Self {
        Self { form, asked: Vec::new(), loaded: Ok(Loaded { returned: 7, unknown_args: vec![] }) }
    }
}

impl Kernel for Recorder {
    fn list(&mut self, wanted: Option<&[&[u8]]>) -> Result<Listing, Failure> {
        self.asked.push(format!("list {}", wanted.map_or(0, <[_]>::len)));
        Ok(Listing {
            release: "6.1".into(),
            vermagic: "6.1".into(),
            form: self.form,
            complete: true,
            machine: Machine { name: "x86_64".into(), machine: 62, class: 64, order: 1 },
            modules: vec![],
            exports: vec![],
        })
    }
    fn allocate(&mut self, areas: &[Space]) -> Result<Vec<u64>, Failure> {
        self.asked.push(format!("allocate {}", areas.len()));
        Ok((1..).map(|n| n * AREA).take(areas.len()).collect())
    }
    fn put(&mut self, address: u64, bytes: &[u8]) -> Result<(), Failure> {
        self.asked.push(format!("put {address:#x} {}", bytes.len()));
        Ok(())
    }
    fn protect(&mut self, area: u64, _: Protection) -> Result<(), Failure> {
        self.asked.push(format!("protect {area:#x}"));
        Ok(())
    }
    fn load(&mut self, load: &Load) -> Result<Loaded, Failure> {
        let image = load.image.as_ref().map(|i| format!(" {}+{}", i.sections.len(), i.symbols.len()));
        self.asked.push(format!("load {} '{}'{}", load.name, load.args, image.unwrap_or_default()));
        self.loaded.clone()
    }
    fn remove(&mut self, _: &str) -> Result<(), Failure> {
        panic!("nothing is removed")
    }
}

enum Say<'a> {
    Request(Request, Vec<BorrowedFd<'a>>),
    Bytes(Vec<u8>),
}
use Say::{Bytes, Request as Ask};

fn ask(request: Request) -> Say<'static> {
    Ask(request, vec![])
}

fn list() -> Say<'static> {
    ask(Request::List(Some(vec![Name::new(b"printk")])))
}

fn allocate(size: u64) -> Say<'static> {
    ask(Request::Allocate(vec![Space { kind: Kind::Text, size, align: 4096 }]))
}

fn module(name: &str, areas: &[(u64, Kind)], sections: Option<usize>) -> Request {
    let load = Load { name: name.into(), areas: areas.to_vec(), args: "evil=1".into(), ..empty() };
    let mut form = LoadForm::new(&load);
    form.sections = sections;
    Request::Load(Box::new(form))
}

static TEXT: &[(u64, Kind)] = &[(0x10000, Kind::Text)];

fn answer(answer: Answer) -> Say<'static> {
    ask(Request::Answer(Box::new(answer)))
}

fn live() -> Say<'static> {
    answer(Answer::Inserted { relocations: 5, plugin: "x\x1b[2J".into(), digest: Some([7; 32]) })
}

/// What comes of a process that says all this and is gone; and what the kernel was asked.
fn hear(kernel: &mut Recorder, said: Vec<Say<'_>>) -> Result<Inserted, String> {
    let (ours, theirs) = pair().unwrap();
    for say in said {
        match say {
            Ask(request, fds) => crate::isolate::wire::send(theirs.as_fd(), &request, &fds).unwrap(),
            Bytes(bytes) => drop(rustix::net::send(&theirs, &bytes, rustix::net::SendFlags::empty()).unwrap()),
        }
    }
    rustix::net::shutdown(&theirs, rustix::net::Shutdown::Write).unwrap();
    Job::new(kernel, &ours, "m.ko", "a=1").serve().map_err(|error| error.to_string())
}

#[test]
fn an_honest_one_is_served() {
    let code = blob(b"code").unwrap();
    let mut kernel = Recorder::new(Form::Areas);
    let put = Ask(Request::Put(AREA + 4092), vec![code.as_fd()]);
    let protect = ask(Request::Protect(AREA, Protection::ReadExecute));
    let said = vec![list(), allocate(4096), put, protect, ask(module("m", TEXT, None)), live()];
    let inserted = hear(&mut kernel, said).unwrap();
    assert_eq!((inserted.name.as_str(), inserted.relocations, inserted.returned), ("m", 5, 7));
    assert_eq!((inserted.plugin.as_str(), inserted.plugin_digest), ("x\u{1b}[2J", Some([7; 32])));
    assert_eq!(inserted.areas[0].address, AREA);
    // The arguments are the parent's, whatever it says.
    assert_eq!(kernel.asked, ["list 1", "allocate 1", "put 0x10ffc 4", "protect 0x10000", "load m 'a=1'"]);
}

#[test]
fn a_relocated_file_must_be_sealed_and_whole() {
    let form = Form::Relocated(Linux { areas: LinuxAreas::Seven, kallsyms_all: true });
    let (file, numbers, odd) = (blob(b"file").unwrap(), blob(&[0; 40]).unwrap(), blob(&[0; 41]).unwrap());
    let open = memfd_create("open", MemfdFlags::ALLOW_SEALING).unwrap();
    let load = |sections, fds: &[&OwnedFd]| -> (Result<Inserted, String>, Vec<String>) {
        let mut kernel = Recorder::new(form);
        let fds = fds.iter().map(|fd| fd.as_fd()).collect();
        let said = vec![list(), allocate(4096), Ask(module("m", TEXT, sections), fds), live()];
        (hear(&mut kernel, said), kernel.asked)
    };
    let (good, asked) = load(Some(3), &[&file, &numbers]);
    good.unwrap();
    assert_eq!(asked[2], "load m 'a=1' 3+2");
    for (sections, fds) in [
        (None, &[][..]),
        (None, &[&file, &numbers]),
        (Some(3), &[&file]),
        (Some(3), &[&file, &numbers, &numbers]),
        (Some(3), &[&open, &numbers]),
        (Some(3), &[&file, &open]),
        (Some(3), &[&file, &odd]),
        (Some(6), &[&file, &numbers]),
        (Some(usize::MAX), &[&file, &numbers]),
    ] {
        let (bad, asked) = load(sections, fds);
        assert!(bad.unwrap_err().starts_with("the linking process broke the protocol: "));
        assert_eq!(asked, ["list 1", "allocate 1"]);
    }
}

#[test]
fn what_is_out_of_order_ends_it() {
    let code = blob(b"code").unwrap();
    let put = |address| Ask(Request::Put(address), vec![code.as_fd()]);
    let load = || ask(module("m", TEXT, None));
    let area = |size, align| Space { kind: Kind::Data, size, align };
    let spaces = |spaces: Vec<Space>| vec![list(), ask(Request::Allocate(spaces))];
    let cases: Vec<(Vec<Say<'_>>, &str, usize)> = vec![
        (vec![], "is gone", 0),
        (vec![list(), list()], "it listed twice", 1),
        (vec![ask(Request::List(None))], "it asked for all symbols", 0),
        (vec![allocate(1)], "it allocated before it listed, or twice", 0),
        (vec![list(), allocate(1), allocate(1)], "it allocated before it listed, or twice", 2),
        (spaces(vec![area(1, 1); 17]), "it asked for too many areas", 1),
        (spaces(vec![area(u64::MAX, 1); 2]), "it asked for too much memory", 1),
        (spaces(vec![area(limits::MODULE, 1), area(1, 1)]), "it asked for too much memory", 1),
        (spaces(vec![area(1, 0)]), "it asked for too much memory", 1),
        (spaces(vec![area(1, 1 << 40)]), "it asked for too much memory", 1),
        (vec![put(AREA)], "it would write where this kernel is not written", 0),
        (vec![list(), put(AREA)], "it would write outside its areas", 1),
        (vec![list(), allocate(4), put(AREA + 1)], "it would write outside its areas", 2),
        (vec![list(), allocate(4), put(u64::MAX)], "it would write outside its areas", 2),
        (vec![list(), allocate(4), put(AREA), put(0)], "it would write outside its areas", 3),
        (vec![list(), allocate(4), ask(Request::Protect(AREA + 1, Protection::ReadOnly))], "it would write outside", 2),
        (vec![load()], "it loaded before it allocated, or twice", 0),
        (vec![list(), load()], "it loaded before it allocated, or twice", 1),
        (vec![list(), allocate(4), ask(module("m", &[], None))], "its module is not what it allocated", 2),
        (vec![list(), allocate(4), ask(module("m", &[(AREA, Kind::Init)], None))], "its module is not what it", 2),
        (vec![list(), live()], "it says that the module is live, which it did not ask for", 1),
        (vec![ask(Request::Tried(crate::isolate::Tried::Allowed))], "it was asked to try nothing", 0),
        (vec![answer(Answer::Module(vec![]))], "a refusal without a reason", 0),
        (vec![Ask(Request::List(Some(vec![])), vec![code.as_fd()])], "descriptors with a message that has none", 0),
        (vec![Bytes(vec![0, b'{'])], "sent a message that cannot be read: ", 0),
        (vec![Bytes(vec![7])], "a malformed packet", 0),
        (vec![Bytes(vec![0; limits::PACKET + 9])], "sent a message of more than 32768 bytes", 0),
        (vec![Bytes(vec![0; 4000])], "sent a message that cannot be read: ", 0),
        (vec![Bytes([&[0][..], "[".repeat(30_000).as_bytes()].concat())], "sent a message that cannot be read: ", 0),
        (vec![Bytes(vec![2, 31, 0, 0, 0])], "was killed by SIGSYS: it made a forbidden system call", 0),
        (vec![Bytes(vec![2, 0, 3, 0, 0])], "ended with code 3 and without an answer", 0),
    ];
    for (said, why, asked) in cases {
        let mut kernel = Recorder::new(Form::Areas);
        let error = hear(&mut kernel, said).unwrap_err();
        assert!(error.starts_with("the linking process ") && error.contains(why), "{why}: {error}");
        assert_eq!(kernel.asked.len(), asked, "{why}: {:?}", kernel.asked);
    }
}

#[test]
fn whether_a_module_is_live_is_for_the_kernel_to_say() {
    // It was loaded, and whatever comes then does not undo it.
    let lies: [fn() -> Say<'static>; 4] = [
        || answer(Answer::Usage("no".into())),
        || Bytes(vec![2, 9, 0, 0, 0]),
        || Bytes(vec![]),
        || ask(module("m", TEXT, None)),
    ];
    for lie in lies {
        let mut kernel = Recorder::new(Form::Areas);
        let said = vec![list(), allocate(4), ask(module("m", TEXT, None)), lie()];
        let inserted = hear(&mut kernel, said).unwrap();
        assert_eq!((inserted.name.as_str(), inserted.returned, inserted.plugin.as_str()), ("m", 7, "unknown"));
        assert_eq!(kernel.asked.len(), 3);
    }
    // It was not, and saying so does not help.
    let mut kernel = Recorder::new(Form::Areas);
    kernel.loaded = Err(Failure::Init { errno: -19 });
    let said = vec![list(), allocate(4), ask(module("m", TEXT, None)), live()];
    assert_eq!(hear(&mut kernel, said).unwrap_err(), "m.ko: init returned -19 (No such device)");
    // No kernel is asked for a module of no name.
    for name in ["", "a/b", "a b", "a\n", &"m".repeat(56)] {
        let mut kernel = Recorder::new(Form::Original);
        let said = vec![list(), allocate(4), ask(module(name, TEXT, None))];
        assert_eq!(hear(&mut kernel, said).unwrap_err(), "m.ko: the kernel refused: no module may be called so");
        assert_eq!(kernel.asked.len(), 2);
    }
}

#[test]
fn one_that_is_silent_or_does_not_listen_is_not_waited_for() {
    let (ours, _theirs) = pair().unwrap();
    let mut kernel = Recorder::new(Form::Areas);
    let mut job = Job::new(&mut kernel, &ours, "m.ko", "");
    job.patience = 0;
    assert_eq!(job.serve().unwrap_err().to_string(), "the linking process said nothing for 0 seconds");

    let code = blob(b"code").unwrap();
    let mut said = vec![list(), allocate(4)];
    said.extend((0..limits::REQUESTS).map(|_| Ask(Request::Put(AREA), vec![code.as_fd()])));
    let error = hear(&mut Recorder::new(Form::Areas), said).unwrap_err();
    assert_eq!(error, "the linking process broke the protocol: it asked too often");
}
