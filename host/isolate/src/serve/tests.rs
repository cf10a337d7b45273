//! A linking process that lies. The parent must only report what happened, pass nothing forbidden to the kernel, and
//! end.

use super::*;
use crate::shown::{DiagnosticForm, GuestErrorForm};
use crate::wire::{pair, send, send_to_parent, write_buffer};
use relobox_core::areas::Kind;
use relobox_core::kernel::{Linux, LinuxAreas, Listing, Load, Machine};
use std::os::fd::BorrowedFd;

/// A kernel that grants everything and records the requests.
struct Recorder {
    form: LoadFormat,
    asked: Vec<String>,
    /// The result of a load.
    loaded: Result<Loaded, KernelError>,
    /// The modules that a load makes live. The first one gets the granted areas.
    becomes: Vec<&'static str>,
    modules: Vec<Module>,
    file: Vec<u8>,
}

static AREA: u64 = 0x10000;

impl Recorder {
    fn new(form: LoadFormat) -> Self {
        let loaded = Ok(Loaded { returned: 7, unknown_args: vec![] });
        let (asked, modules, file) = (Vec::new(), vec![module("old", true, 0x999)], Vec::new());
        Self { form, asked, loaded, becomes: vec!["m"], modules, file }
    }
}

fn module(name: &str, live: bool, address: u64) -> Module {
    let (users, uses, exports) = (vec![], vec!["old".to_owned()], vec![]);
    Module { name: name.into(), live, areas: vec![(address, 4096)], use_count: None, users, uses, exports }
}

impl Kernel for Recorder {
    fn list(&mut self, wanted: Option<&[&[u8]]>) -> Result<Listing, KernelError> {
        self.asked.push(format!("list {}", wanted.map_or(0, <[_]>::len)));
        Ok(Listing {
            release: "6.1".into(),
            vermagic: "6.1".into(),
            form: self.form,
            complete: true,
            machine: Machine { name: "x86_64".into(), machine: 62, class: 64, order: 1 },
            modules: self.modules.clone(),
            exports: vec![],
        })
    }
    fn modules(&mut self) -> Result<Vec<Module>, KernelError> {
        self.asked.push("modules".into());
        Ok(self.modules.clone())
    }
    fn allocate(&mut self, areas: &[Space]) -> Result<Vec<u64>, KernelError> {
        self.asked.push(format!("allocate {}", areas.len()));
        Ok((1..).map(|n| n * AREA).take(areas.len()).collect())
    }
    fn put(&mut self, address: u64, bytes: &[u8]) -> Result<(), KernelError> {
        self.asked.push(format!("put {address:#x} {}", bytes.len()));
        Ok(())
    }
    fn protect(&mut self, area: u64, _: Protection) -> Result<(), KernelError> {
        self.asked.push(format!("protect {area:#x}"));
        Ok(())
    }
    fn load(&mut self, load: &Load) -> Result<Loaded, KernelError> {
        let image = load.image.as_ref().map(|i| format!(" {}+{}", i.sections.len(), i.symbols.len()));
        self.asked.push(format!("load {} '{}'{}", load.name, load.args, image.unwrap_or_default()));
        if let Some(image) = &load.image {
            self.file = crate::wire::read_blob(&image.file, limits::LINKED).unwrap();
        }
        if self.loaded.is_ok() {
            let at = |n: u64| if self.form == LoadFormat::Original { 0x7000 * (n + 1) } else { AREA * (n + 1) };
            self.modules.extend((0..).zip(&self.becomes).map(|(n, name)| module(name, true, at(n))));
        }
        self.loaded.clone()
    }
    fn call(&mut self, address: u64) -> Result<i32, KernelError> {
        self.asked.push(format!("call {address:#x}"));
        self.loaded.clone().map(|loaded| loaded.returned)
    }
    fn remove(&mut self, _: &str) -> Result<(), KernelError> {
        panic!("nothing is removed")
    }
}

enum Sent<'a> {
    Request(Request),
    With(Request, Vec<BorrowedFd<'a>>),
    Bytes(Vec<u8>),
    /// Not a packet: bytes for the buffer for files.
    Write(&'static [u8]),
    /// Not a packet: numbers for their buffer.
    Numbers(u64),
}
use Sent::{Bytes, Numbers, With, Write};

fn ask(request: Request) -> Sent<'static> {
    Sent::Request(request)
}

fn list() -> Sent<'static> {
    ask(Request::List(Some(vec![Name::new(b"printk")])))
}

fn allocate(size: u64) -> Sent<'static> {
    ask(Request::Allocate(vec![Space { kind: Kind::Text, size, align: 4096 }]))
}

fn load_form(name: &str, areas: &[(u64, Kind)], uses: &[&str], file: Option<FileForm>) -> Sent<'static> {
    let load = Load {
        name: name.into(),
        areas: areas.to_vec(),
        init: None,
        exit: None,
        exports: vec![],
        uses: uses.iter().map(|name| (*name).to_owned()).collect(),
        params: None,
        args: "evil=1".into(),
        image: None,
    };
    let mut form = LoadForm::new(&load, 0);
    form.file = file;
    ask(Request::Load(Box::new(form)))
}

fn load(name: &str) -> Sent<'static> {
    load_form(name, TEXT, &[], None)
}

static TEXT: &[(u64, Kind)] = &[(0x10000, Kind::Text)];

fn answer(answer: Answer) -> Sent<'static> {
    ask(Request::Answer(Box::new(answer)))
}

fn live() -> Sent<'static> {
    answer(Answer::Inserted { relocations: 5, digest: Some([7; 32]) })
}

fn refused(kind: &'static str) -> Sent<'static> {
    let problem = Diagnostic { value: Some(-17), ..Diagnostic::new(kind, "m.ko", "it says") };
    answer(Answer::Refused(vec![DiagnosticForm::new(Diagnostic { section: Some(".text".into()), ..problem })]))
}

/// The result of a process that sends all this and is gone, and the requests to the kernel.
fn try_all(kernel: &mut Recorder, said: Vec<Sent<'_>>) -> Result<Inserted> {
    with_all(kernel, said, |job| job.serve(&known))
}

fn known(digest: &Digest) -> Option<String> {
    (*digest == [7; 32]).then(|| "x86_64".to_owned())
}

fn with_all<T>(kernel: &mut Recorder, said: Vec<Sent<'_>>, serve: impl FnOnce(Job<'_>) -> T) -> T {
    let ((ours, theirs), buffers) = (pair().unwrap(), Buffers::new().unwrap());
    // The packets of one job fit into the socket, so all are sent at once.
    for (n, what) in said.into_iter().enumerate() {
        match what {
            Sent::Request(request) => send_to_parent(theirs.as_fd(), buffers.messages.as_fd(), &request).unwrap(),
            With(request, fds) => send(theirs.as_fd(), &request, &fds).unwrap(),
            Bytes(bytes) => drop(rustix::net::send(&theirs, &bytes, rustix::net::SendFlags::empty()).unwrap()),
            Write(bytes) => write_buffer(buffers.file.as_fd(), bytes, 4096).unwrap(),
            Numbers(count) => {
                let numbers: Vec<u8> = (0..count).flat_map(u64::to_le_bytes).collect();
                write_buffer(buffers.numbers.as_fd(), &numbers, limits::VALUES).unwrap();
            }
        }
        assert!(n < 100);
    }
    rustix::net::shutdown(&theirs, rustix::net::Shutdown::Write).unwrap();
    serve(Job::new(kernel, &ours, &buffers, "dir/m.ko", "a=1"))
}

fn hear(kernel: &mut Recorder, said: Vec<Sent<'_>>) -> Result<Inserted, String> {
    try_all(kernel, said).map_err(|error| error.to_string())
}

#[test]
fn an_honest_process_is_served() {
    let mut kernel = Recorder::new(LoadFormat::Areas);
    let (put, protect) = (ask(Request::Put(AREA + 4092, 4)), ask(Request::Protect(AREA, Protection::ReadExecute)));
    let said = vec![list(), allocate(4096), Write(b"code"), put, protect, load("m"), live()];
    let inserted = hear(&mut kernel, said).unwrap();
    assert_eq!((inserted.name.as_str(), inserted.relocations, inserted.returned), ("m", 5, 7));
    assert_eq!((inserted.plugin.as_str(), inserted.plugin_digest), ("x86_64", Some([7; 32])));
    assert_eq!((inserted.areas[0].address, inserted.uses), (AREA, vec!["old".to_owned()]));
    // The parameters are the parent's, whatever the job says.
    let asked = ["list 1", "allocate 1", "put 0x10ffc 4", "protect 0x10000", "load m 'a=1'", "modules"];
    assert_eq!(kernel.asked, asked);
}

#[test]
fn a_relocated_file_is_what_was_written_and_no_larger_than_its_room() {
    let form = LoadFormat::Relocated(Linux { areas: LinuxAreas::Seven, kallsyms_all: true });
    let load = |file, more: Vec<Sent<'_>>| -> (Result<Inserted, String>, Recorder) {
        let mut kernel = Recorder::new(form);
        let mut said = vec![list(), allocate(4096), Write(b"file"), Numbers(5), load_form("m", TEXT, &[], file)];
        said.extend(more);
        said.push(live());
        (hear(&mut kernel, said), kernel)
    };
    let file = |bytes, sections, symbols| Some(FileForm { bytes, sections, symbols });
    let (good, kernel) = load(file(4, 3, 2), vec![]);
    good.unwrap();
    assert_eq!((kernel.asked[2].as_str(), kernel.file.as_slice()), ("load m 'a=1' 3+2", &b"file"[..]));
    // The buffer is that large, and unwritten bytes are zero. The kernel judges the contents.
    let (more, kernel) = load(file(6, 0, 0), vec![]);
    more.unwrap();
    assert_eq!(kernel.file, b"file\0\0");
    let [linked, values] = [limits::LINKED, limits::VALUES].map(|limit| format!("more than {limit} bytes"));
    for (file, why) in [
        (None, "a load with a file for a kernel that takes none, or without one"),
        (file(limits::LINKED + 1, 3, 2), &linked),
        (file(u64::MAX, 3, 2), &linked),
        (file(4, limits::VALUES / 8, 1), &values),
        (file(4, u64::MAX, 2), &values),
        (file(4, u64::MAX / 8, 2), &values),
    ] {
        let (bad, kernel) = load(file, vec![]);
        let bad = bad.unwrap_err();
        assert!(bad.starts_with("the linking process ") && bad.contains(why), "{why}: {bad}");
        assert_eq!(kernel.asked, ["list 1", "allocate 1"]);
    }
}

#[allow(unsafe_code, reason = "a mapping, which nothing reads")]
fn map_shared(file: BorrowedFd<'_>) -> *mut std::ffi::c_void {
    use rustix::mm::{MapFlags, ProtFlags, mmap};
    // SAFETY: a new mapping, of which no reference is made.
    unsafe { mmap(std::ptr::null_mut(), 4096, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, file, 0) }.unwrap()
}

#[allow(unsafe_code, reason = "a mapping, which nothing reads")]
fn unmap(mapped: *mut std::ffi::c_void) {
    // SAFETY: what `map_shared` has made.
    unsafe { rustix::mm::munmap(mapped, 4096) }.unwrap();
}

#[test]
fn a_file_that_could_still_change_is_not_loaded() {
    let buffers = Buffers::new().unwrap();
    let form = FileForm { bytes: 4, sections: 0, symbols: 0 };
    let mapped = map_shared(buffers.file.as_fd());
    assert_eq!(image(form, &buffers).unwrap_err(), LinkerError::Protocol("its file is still in use"));
    unmap(mapped);
    image(form, &buffers).unwrap();
    assert!(write_buffer(buffers.file.as_fd(), b"late", 4096).is_err());
}

#[test]
fn a_request_out_of_order_ends_the_job() {
    let note = crate::wire::blob(b"note").unwrap();
    let put = |address, len| ask(Request::Put(address, len));
    let area = |size, align| Space { kind: Kind::Data, size, align };
    let spaces = |spaces: Vec<Space>| vec![list(), ask(Request::Allocate(spaces))];
    let names = |count| ask(Request::List(Some(vec![Name::new(b"x"); count])));
    let longer = |limit: u64| format!("sent a message of more than {limit} bytes");
    let (packet, message) = (longer(limits::PACKET as u64), longer(limits::MESSAGE));
    let cases: Vec<(Vec<Sent<'_>>, &str, usize)> = vec![
        (vec![], "is gone", 0),
        (vec![list(), list()], "it listed twice", 1),
        (vec![ask(Request::List(None))], "it asked for all symbols", 0),
        (vec![names(limits::WANTED + 1)], "it asked for too many names", 0),
        (vec![allocate(1)], "it allocated before it listed, or twice", 0),
        (vec![list(), allocate(1), allocate(1)], "it allocated before it listed, or twice", 2),
        (spaces(vec![area(1, 1); 17]), "it asked for too many areas", 1),
        (spaces(vec![area(u64::MAX, 1); 2]), "it asked for too much memory", 1),
        (spaces(vec![area(limits::MODULE, 1), area(1, 1)]), "it asked for too much memory", 1),
        (spaces(vec![area(1, 0)]), "it asked for too much memory", 1),
        (spaces(vec![area(1, 1 << 40)]), "it asked for too much memory", 1),
        (vec![put(AREA, 4)], "it asked to write to a kernel that takes modules as files", 0),
        (vec![list(), put(AREA, 4)], "it asked to write outside its areas", 1),
        (vec![list(), allocate(4), put(AREA + 1, 4)], "it asked to write outside its areas", 2),
        (vec![list(), allocate(4), put(AREA, 5)], "it asked to write outside its areas", 2),
        (vec![list(), allocate(4), put(AREA, u64::MAX)], "it asked to write outside its areas", 2),
        (vec![list(), allocate(4), put(u64::MAX, 4)], "it asked to write outside its areas", 2),
        (vec![list(), allocate(4), put(AREA, 4), put(0, 4)], "it asked to write outside its areas", 3),
        (
            vec![list(), allocate(4), ask(Request::Protect(AREA + 1, Protection::ReadOnly))],
            "it asked to write outside",
            2,
        ),
        (vec![load("m")], "it loaded before it allocated, or twice", 0),
        (vec![list(), load("m")], "it loaded before it allocated, or twice", 1),
        (vec![list(), allocate(4), load_form("m", &[], &[], None)], "its module differs from what it allocated", 2),
        (
            vec![list(), allocate(4), load_form("m", &[(AREA, Kind::Init)], &[], None)],
            "its module differs from what it",
            2,
        ),
        (vec![list(), live()], "it reports a live module without a load", 1),
        (
            vec![ask(Request::Tried(crate::Tried::Allowed))],
            "it sent the result of an attempt that was not asked for",
            0,
        ),
        (vec![answer(Answer::Refused(vec![]))], "a refusal without a reason", 0),
        (vec![With(Request::List(Some(vec![])), vec![note.as_fd()])], "descriptors that were not asked for", 0),
        (vec![Bytes(vec![0, b'{'])], "sent a message that cannot be read: ", 0),
        (vec![Bytes(vec![7])], "a malformed packet", 0),
        (vec![Bytes(vec![0; limits::PACKET + 9])], &packet, 0),
        (vec![Bytes([&[2][..], &u64::MAX.to_le_bytes()].concat())], &message, 0),
        (vec![Bytes([&[2][..], &100u64.to_le_bytes()].concat())], "sent a message that cannot be read: ", 0),
        (vec![Bytes(vec![1])], "a malformed packet", 0),
        (vec![Bytes(vec![0; 4000])], "sent a message that cannot be read: ", 0),
        (vec![Bytes([&[0][..], "[".repeat(30_000).as_bytes()].concat())], "sent a message that cannot be read: ", 0),
        (vec![Bytes(vec![3, 31, 0, 0, 0])], "was killed by SIGSYS: it made a forbidden system call", 0),
        (vec![Bytes(vec![3, 0, 3, 0, 0])], "ended with code 3 and without an answer", 0),
        (vec![answer(Answer::Failed("no\x1b[2J".into()))], "failed: no\\u{1b}[2J", 0),
    ];
    for (said, why, asked) in cases {
        let mut kernel = Recorder::new(LoadFormat::Areas);
        let error = try_all(&mut kernel, said).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("the linking process ") && text.contains(why), "{why}: {text}");
        assert_eq!((error.exit_code(), kernel.asked.len()), (3, asked), "{why}: {:?}", kernel.asked);
    }
}

/// No word that decides something elsewhere decides anything in an answer, before the kernel was asked to load.
#[test]
fn nothing_that_a_job_reports_is_a_fact() {
    let kinds =
        ["already-loaded", "stale", "init-failed", "not-found", "in-use", "permanent", "built-in", "not-loaded"];
    for kind in kinds.into_iter().chain(relobox_core::diagnostic::FORMATTED_KINDS).chain([
        "wrong-machine",
        "unpinned-plugin",
        "more",
    ]) {
        for before in [vec![], vec![list()], vec![list(), allocate(4)]] {
            let mut kernel = Recorder::new(LoadFormat::Original);
            let said = before.into_iter().chain([refused(kind)]).collect();
            let error = try_all(&mut kernel, said).unwrap_err();
            assert!(matches!(error, Error::Reported(_)), "{kind}: {error:?}");
            assert_eq!(error.exit_code(), 1);
        }
    }
    let guest = || answer(Answer::Guest("engine\n".into(), GuestErrorForm::Answer("x".into())));
    let error = try_all(&mut Recorder::new(LoadFormat::Original), vec![list(), guest()]).unwrap_err();
    assert_eq!((error.to_string().as_str(), error.exit_code()), ("guest engine\\u{a}: gave a malformed answer: x", 3));
    // The kernel listed the module, so another process has loaded it, whatever the job says.
    for said in [refused("out-of-range"), refused("already-loaded"), guest(), live()] {
        let mut kernel = Recorder::new(LoadFormat::Original);
        kernel.modules.push(module("m", false, 1));
        let error = try_all(&mut kernel, vec![list(), said]).unwrap_err();
        assert!(matches!(&error, Error::Module(problems) if problems[0].kind == "already-loaded"), "{error:?}");
    }
}

#[test]
fn the_kernel_decides_whether_a_module_is_live() {
    // The module was loaded. Nothing that comes later changes that.
    let lies: [fn() -> Sent<'static>; 6] = [
        || answer(Answer::Failed("no".into())),
        || refused("init-failed"),
        || Bytes(vec![3, 9, 0, 0, 0]),
        || Bytes(vec![]),
        || load("m"),
        || answer(Answer::Inserted { relocations: usize::MAX, digest: Some([8; 32]) }),
    ];
    for lie in lies {
        let mut kernel = Recorder::new(LoadFormat::Areas);
        let inserted = hear(&mut kernel, vec![list(), allocate(4), load("m"), lie()]).unwrap();
        assert_eq!((inserted.name.as_str(), inserted.returned, inserted.plugin.as_str()), ("m", 7, "unknown"));
        assert_eq!((inserted.plugin_digest, kernel.asked.len()), (None, 4));
    }
    // The load failed. The job cannot claim the opposite, or another reason.
    let failures = [
        (KernelError::Init { errno: -19 }, "init-failed", "dir/m.ko: init returned -19 (No such device)"),
        (KernelError::Exists { name: "m".into() }, "already-loaded", ""),
        (KernelError::Stale { used: "old".into() }, "stale", ""),
        (KernelError::NotAllowed("no".into()), "not-allowed", ""),
    ];
    for (failure, kind, text) in failures {
        for lie in [live(), refused("already-loaded"), refused("stale"), Bytes(vec![]), load("m")] {
            let mut kernel = Recorder::new(LoadFormat::Areas);
            kernel.loaded = Err(failure.clone());
            let error = try_all(&mut kernel, vec![list(), allocate(4), load("m"), lie]).unwrap_err();
            assert!(matches!(&error, Error::Kernel(p) if p.kind == kind && p.section.is_none()), "{error:?}");
            assert!(error.to_string().starts_with(text), "{error}");
        }
    }
    // The names of what a kernel disagrees about are for people.
    let mut kernel = Recorder::new(LoadFormat::Areas);
    kernel.loaded =
        Err(KernelError::Disagrees { of: relobox_core::kernel::MismatchKind::Section(3), expected: 1, found: 2 });
    let error = try_all(&mut kernel, vec![list(), allocate(4), load("m"), refused("already-loaded")]).unwrap_err();
    let text = "dir/m.ko:(.text): address of section 3: the kernel computed 0x2, but the module was relocated for 0x1";
    assert_eq!(error.to_string(), text);
    assert!(matches!(error, Error::Kernel(problem) if problem.kind == "disagrees"));
    // The kernel is not asked to load a module with an impossible name, or one that uses such a module.
    for (name, uses) in
        [("", ""), ("a/b", ""), ("a b", ""), ("a\n", ""), (&*"m".repeat(56), ""), ("m", "a/b"), ("m", " ")]
    {
        let mut kernel = Recorder::new(LoadFormat::Original);
        let uses: Vec<&str> = if uses.is_empty() { vec![] } else { vec![uses] };
        let said = vec![list(), allocate(4), load_form(name, TEXT, &uses, None)];
        assert_eq!(
            hear(&mut kernel, said).unwrap_err(),
            "dir/m.ko: the kernel refused: this is not a valid name of a module"
        );
        assert_eq!(kernel.asked.len(), 2);
    }
}

#[test]
fn the_kernel_decides_which_module_is_live() {
    let loaded = |form, called: &str, becomes: Vec<&'static str>| {
        let mut kernel = Recorder::new(form);
        kernel.becomes = becomes;
        let said = vec![list(), allocate(4), load_form(called, TEXT, &["lie"], None), live()];
        hear(&mut kernel, said).map(|inserted| {
            assert_eq!(inserted.uses, ["old"]);
            inserted.name
        })
    };
    for called in ["m", "old", "other"] {
        // The module that has the granted areas counts, whatever else was loaded.
        assert_eq!(loaded(LoadFormat::Areas, called, vec!["real", "other"]), Ok("real".into()));
        // The only new module counts.
        assert_eq!(loaded(LoadFormat::Original, called, vec!["real"]), Ok("real".into()));
        // If there are several new modules, the one with the file's name counts.
        assert_eq!(loaded(LoadFormat::Original, called, vec!["other", "m"]), Ok("m".into()));
        let none = loaded(LoadFormat::Original, called, vec![]).unwrap_err();
        assert!(none.starts_with("dir/m.ko: the kernel loaded it but lists no new module"), "{none}");
    }
    assert_eq!(loaded(LoadFormat::Original, "b", vec!["a", "b"]), Ok("b".into()));
    loaded(LoadFormat::Original, "old", vec!["a", "b"]).unwrap_err();
}

#[test]
fn the_parent_does_not_wait_for_a_silent_process_or_one_that_does_not_read() {
    let ((ours, _theirs), buffers) = (pair().unwrap(), Buffers::new().unwrap());
    let mut kernel = Recorder::new(LoadFormat::Areas);
    let mut job = Job::new(&mut kernel, &ours, &buffers, "m.ko", "");
    job.patience = 0;
    let error = job.serve(&|_| None).unwrap_err();
    assert_eq!(error.to_string(), "the linking process sent nothing for 0 seconds");

    let mut said = vec![list(), allocate(4)];
    said.extend((0..limits::REQUESTS).map(|_| ask(Request::Put(AREA, 4))));
    let error = hear(&mut Recorder::new(LoadFormat::Areas), said).unwrap_err();
    assert_eq!(error, "the linking process broke the protocol: it asked too often");
}

/// A job that calls a function: once, and only into code.
#[test]
fn a_call_returns_what_the_kernel_reports() {
    let call = |kernel: &mut Recorder, said| with_all(kernel, said, |job| job.serve_call(&known));
    let done = |function: &str, digest| {
        answer(Answer::Called { function: function.into(), relocations: 5, digest: Some(digest) })
    };
    let ready = |more: Vec<Sent<'static>>| {
        let protect = ask(Request::Protect(AREA, Protection::ReadExecute));
        let mut said = vec![list(), allocate(4096), Write(b"code"), ask(Request::Put(AREA, 4)), protect];
        said.extend(more);
        said
    };
    let at = |address| ask(Request::Call(address));
    let mut kernel = Recorder::new(LoadFormat::Areas);
    let called = call(&mut kernel, ready(vec![at(AREA + 16), done("f", [7; 32])])).unwrap();
    let expected = relobox_core::inserted::Called {
        function: "f".into(),
        returned: 7,
        relocations: 5,
        plugin: "x86_64".into(),
        plugin_digest: Some([7; 32]),
    };
    assert_eq!(called, expected);
    assert_eq!(kernel.asked.last().unwrap(), "call 0x10010");
    // The function returned, whatever the job says or does then.
    for last in [vec![], vec![refused("no")], vec![live()], vec![done("f", [8; 32])]] {
        let more = std::iter::once(at(AREA)).chain(last).collect();
        let called = call(&mut Recorder::new(LoadFormat::Areas), ready(more)).unwrap();
        assert_eq!((called.returned, &*called.plugin, called.plugin_digest), (7, "unknown", None));
    }
    for (said, words) in [
        (vec![list(), at(AREA)], "it asked to write outside"),
        (vec![at(AREA)], "it asked to write to a kernel"),
        (ready(vec![at(AREA + 4096)]), "it asked to write outside"),
        (ready(vec![at(AREA - 1)]), "it asked to write outside"),
        (ready(vec![done("f", [7; 32])]), "it reports a call"),
        (ready(vec![load("m")]), "it asked to load a module in a job that calls a function"),
        (ready(vec![refused("no")]), "it says"),
    ] {
        let mut kernel = Recorder::new(LoadFormat::Areas);
        let error = call(&mut kernel, said).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        assert!(!kernel.asked.iter().any(|asked| asked.starts_with("call") || asked.starts_with("load")));
    }
    // There is no second call. The value of the first one counts.
    let mut kernel = Recorder::new(LoadFormat::Areas);
    assert_eq!(call(&mut kernel, ready(vec![at(AREA), at(AREA)])).unwrap().returned, 7);
    assert_eq!(kernel.asked.iter().filter(|asked| asked.starts_with("call")).count(), 1);
    // If the kernel refuses, that is the failure.
    let mut kernel = Recorder::new(LoadFormat::Areas);
    kernel.loaded = Err(KernelError::NotAllowed("lockdown".into()));
    let error = call(&mut kernel, ready(vec![at(AREA), done("f", [7; 32])])).unwrap_err();
    assert_eq!(error.to_string(), "dir/m.ko: not allowed: lockdown");
    // A job that loads a module calls nothing.
    let mut kernel = Recorder::new(LoadFormat::Areas);
    let error = hear(&mut kernel, ready(vec![at(AREA)])).unwrap_err();
    assert!(error.contains("it asked to call in a job that loads a module"), "{error}");
}
