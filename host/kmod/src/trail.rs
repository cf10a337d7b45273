//! The trail: one record in the system's log for each module that was loaded or refused, and for each function that was
//! called. See docs/strict.md.
//!
//! A record neither delays a load nor makes it fail: it is lost if no log takes it at once. All text in it is escaped,
//! since names of modules and files can contain anything.

use relobox_cli::output::Level;
use relobox_core::digest::Digest;
use relobox_core::error::{Error, Result};
use relobox_core::files::{self, Kind};
use relobox_core::inserted::{Called, Inserted};
use relobox_core::kernel::Mode;
use relobox_core::text::{escaped, hex};
use relobox_core::{limits, names};
use rustix::fs::OFlags;
use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

/// The logs. The first one that takes a record gets it.
struct Logs<'a> {
    /// The socket of journald's own protocol.
    journal: &'a str,
    /// The socket of syslog(3).
    syslog: &'a str,
    /// The kernel's log. In an initial ramdisk there is often no other.
    kernel: &'a str,
}

const LOGS: Logs<'_> = Logs { journal: "/run/systemd/journal/socket", syslog: "/dev/log", kernel: "/dev/kmsg" };

/// A blank, escaped.
const BLANK: &str = "\\u{20}";

/// Records the outcome of a load. `digest` is the SHA-256 of the module's file, in hexadecimal digits.
pub(crate) fn loaded(file: &Path, digest: Option<&String>, mode: Mode, outcome: Result<&Inserted, &Error>) {
    loaded_record(file, mode, outcome).finish(file, digest, &LOGS);
}

fn loaded_record(file: &Path, mode: Mode, outcome: Result<&Inserted, &Error>) -> Record {
    let mut record = match outcome {
        Ok(inserted) => {
            let mut record = Record::new("loaded", &inserted.name);
            record.linked_by(&inserted.plugin, inserted.plugin_digest.as_ref());
            if let Some(verdict) = &inserted.signature {
                record.add("signature", verdict.kind());
                verdict.certificate().into_iter().for_each(|file| record.add("certificate", file));
            }
            record
        }
        Err(error) => Record::refused(file, error),
    };
    record.add("mode", mode.name());
    record
}

/// Records the outcome of a call of a function. `digest` is the SHA-256 of the object, in hexadecimal digits.
pub(crate) fn called(file: &Path, digest: Option<&String>, outcome: Result<&Called, &Error>) {
    let mut record = match outcome {
        Ok(called) => {
            let mut record = Record::new("called", &names::of_file(file));
            record.linked_by(&called.plugin, called.plugin_digest.as_ref());
            record.add("function", &called.function);
            record
        }
        Err(error) => Record::refused(file, error),
    };
    record.add("mode", "call");
    record.finish(file, digest, &LOGS);
}

struct Record {
    level: Level,
    /// `loaded`, `called` or `refused`.
    what: &'static str,
    /// The fields, with names in lower case. The first one is the module's name. Values are escaped.
    fields: Vec<(&'static str, String)>,
    /// Why it was refused, escaped.
    reason: String,
}

impl Record {
    fn new(what: &'static str, module: &str) -> Self {
        let mut record = Self { level: Level::Info, what, fields: Vec::new(), reason: String::new() };
        record.add("module", module);
        record
    }

    fn refused(file: &Path, error: &Error) -> Self {
        let kind = match error {
            Error::Module(problems) | Error::Reported(problems) => {
                problems.first().map_or("refused", |first| first.kind)
            }
            Error::Kernel(problem) => problem.kind,
            Error::Usage(_) => "usage",
            Error::Io { .. } => "io",
            Error::Guest { .. } => "guest",
            Error::Linker(_) => "linker",
        };
        let mut record = Self::new("refused", &names::of_file(file));
        // That init does not find its hardware, or that the module exists, is usual.
        let usual = matches!(error, Error::Kernel(_)) && ["init-failed", "already-loaded"].contains(&kind);
        record.level = if usual { Level::Info } else { Level::Warning };
        record.add("result", kind);
        record.reason = value(&error.to_string());
        record
    }

    fn add(&mut self, name: &'static str, text: &str) {
        self.fields.push((name, value(text)));
    }

    fn linked_by(&mut self, plugin: &str, digest: Option<&Digest>) {
        self.add("result", self.what);
        self.add("plugin", plugin);
        if let Some(digest) = digest {
            self.add("plugin_digest", &hex(digest));
        }
    }

    /// Adds what every record has, and sends it.
    fn finish(mut self, file: &Path, digest: Option<&String>, logs: &Logs<'_>) {
        if let Some(digest) = digest {
            self.add("digest", digest);
        }
        self.add("uid", &rustix::process::getuid().as_raw().to_string());
        // The user who logged in, which su and sudo do not change. u32::MAX means that there was no login.
        let login =
            read("/proc/self/loginuid").and_then(|text| text.trim().parse::<u32>().ok()).filter(|uid| *uid != u32::MAX);
        if let Some(login) = login {
            self.add("loginuid", &login.to_string());
        }
        self.add("pid", &std::process::id().to_string());
        self.add("processes", &processes(std::process::id()));
        self.add("file", &file.display().to_string());
        self.send(logs);
    }

    /// Returns whether a log took the record.
    fn send(&self, logs: &Logs<'_>) -> bool {
        let (level, line) = (self.level as u8, self.line());
        // syslog's facility is LOG_DAEMON. Its daemon adds the time.
        let syslog = format!("<{}>relobox[{}]: {line}", (3 << 3) | level, std::process::id());
        datagram(logs.journal, &self.journal()).is_ok()
            || datagram(logs.syslog, &syslog).is_ok()
            || written(logs.kernel, &format!("<{level}>relobox: {line}\n")).is_ok()
    }

    /// The record in the journal's form. A line break would need another form of it, and is escaped.
    fn journal(&self) -> String {
        let Self { level, what, fields, reason } = self;
        let name = fields.first().map_or("", |(_, name)| name);
        let colon = if reason.is_empty() { "" } else { ": " };
        let mut out = format!("MESSAGE={what} {name}{colon}{reason}\nPRIORITY={}\n", *level as u8);
        out.push_str("SYSLOG_IDENTIFIER=relobox\n");
        for (name, value) in fields {
            let _ = writeln!(out, "RELOBOX_{}={value}", name.to_ascii_uppercase());
        }
        out
    }

    /// The record as one line: `loaded module=xfs result=loaded …`. Blanks in values are escaped, too, but in the
    /// reason, which is the last. It is cut where the kernel's log would not take it.
    fn line(&self) -> String {
        let mut out = self.what.to_owned();
        for (name, value) in &self.fields {
            let _ = write!(out, " {name}={}", value.replace(' ', BLANK));
        }
        if !self.reason.is_empty() {
            let _ = write!(out, " reason={}", self.reason);
        }
        out.truncate(out.floor_char_boundary(limits::LOG_LINE));
        out
    }
}

/// Escapes a value, and cuts it.
fn value(text: &str) -> String {
    let mut text = escaped(text).into_owned();
    text.truncate(text.floor_char_boundary(limits::LOG_VALUE));
    text
}

fn datagram(socket: &str, text: &str) -> std::io::Result<()> {
    let own = UnixDatagram::unbound()?;
    own.set_nonblocking(true)?;
    own.send_to(text.as_bytes(), socket).map(drop)
}

/// Writes to a file that exists, in one call of write(2): for the kernel, each is a record.
fn written(file: &str, text: &str) -> std::io::Result<()> {
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32;
    std::fs::OpenOptions::new().write(true).custom_flags(flags).open(file)?.write(text.as_bytes()).map(drop)
}

fn read(path: &str) -> Option<String> {
    let bytes = files::read(Path::new(path), Kind::Regular, limits::PROC_LINE).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// A process, its parent, and so on: `modprobe[812],sh[811],bash[790]`. Their names are their own.
fn processes(mut id: u32) -> String {
    let mut chain = Vec::new();
    while id != 0 && chain.len() < limits::LOG_PROCESSES {
        // `ID (NAME) STATE PARENT …`, and the name can be anything.
        let Some((name, parent)) = read(&format!("/proc/{id}/stat")).and_then(|text| {
            let (before, after) = text.rsplit_once(')')?;
            let parent = after.split_whitespace().nth(1)?.parse().ok()?;
            Some((before.split_once('(')?.1.to_owned(), parent))
        }) else {
            break;
        };
        chain.push(named(&name, id));
        id = parent;
    }
    chain.join(",")
}

/// A process in the chain: no name can look like two of them.
fn named(name: &str, id: u32) -> String {
    let plain = |c: char| if c.is_ascii_graphic() && !"[],\\".contains(c) { c } else { '?' };
    format!("{}[{id}]", name.chars().map(plain).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use relobox_core::diagnostic::Diagnostic;
    use relobox_core::signature::Verdict;
    use std::collections::BTreeMap;
    use tempfile::TempDir;

    /// A directory with the sockets and the file that stand for the logs.
    struct Machine {
        directory: TempDir,
        journal: UnixDatagram,
        syslog: UnixDatagram,
    }

    impl Machine {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let [journal, syslog] = ["journal", "syslog"].map(|name| {
                let socket = UnixDatagram::bind(directory.path().join(name)).unwrap();
                socket.set_nonblocking(true).unwrap();
                socket
            });
            std::fs::write(directory.path().join("kmsg"), "").unwrap();
            Self { directory, journal, syslog }
        }

        fn path(&self, name: &str) -> String {
            self.directory.path().join(name).display().to_string()
        }

        fn send(&self, record: &Record) -> bool {
            let [journal, syslog, kernel] = ["journal", "syslog", "kmsg"].map(|name| self.path(name));
            record.send(&Logs { journal: &journal, syslog: &syslog, kernel: &kernel })
        }

        /// What each log got: the journal, syslog, and the kernel's.
        fn got(&self) -> [Vec<String>; 3] {
            let all = |socket: &UnixDatagram| {
                let mut buffer = vec![0; 100_000];
                let mut out = Vec::new();
                while let Ok(len) = socket.recv(&mut buffer) {
                    out.push(String::from_utf8(buffer[..len].to_vec()).unwrap());
                }
                out
            };
            let kernel = std::fs::read_to_string(self.path("kmsg")).unwrap_or_default();
            std::fs::write(self.path("kmsg"), "").unwrap();
            [all(&self.journal), all(&self.syslog), kernel.lines().map(str::to_owned).collect()]
        }
    }

    fn fields(journal: &str) -> BTreeMap<&str, &str> {
        journal.lines().map(|line| line.split_once('=').unwrap()).collect()
    }

    fn inserted() -> Inserted {
        Inserted {
            name: "xfs".into(),
            mode: Mode::Device,
            areas: Vec::new(),
            relocations: 1,
            plugin: "x86_64".into(),
            plugin_digest: Some([0xab; 32]),
            uses: Vec::new(),
            returned: 0,
            unknown_args: Vec::new(),
            signature: Some(Verdict::Unsigned),
        }
    }

    #[test]
    fn a_load_is_one_record_with_who_and_what() {
        let machine = Machine::new();
        let (journal, digest) = (machine.path("journal"), "cd".repeat(32));
        let logs = Logs { journal: &journal, ..LOGS };
        let mut record = loaded_record(Path::new("/m/xfs.ko"), Mode::Device, Ok(&inserted()));
        record.add("extra", "a b");
        record.finish(Path::new("/m/xfs.ko"), Some(&digest), &logs);
        let [got, none, nothing] = machine.got();
        assert_eq!((got.len(), none.len(), nothing.len()), (1, 0, 0));
        let got = fields(&got[0]);
        let own = std::process::id();
        for (name, value) in [
            ("MESSAGE", "loaded xfs"),
            ("PRIORITY", "6"),
            ("SYSLOG_IDENTIFIER", "relobox"),
            ("RELOBOX_MODULE", "xfs"),
            ("RELOBOX_RESULT", "loaded"),
            ("RELOBOX_MODE", "device"),
            ("RELOBOX_PLUGIN", "x86_64"),
            ("RELOBOX_PLUGIN_DIGEST", &"ab".repeat(32)),
            ("RELOBOX_SIGNATURE", "unsigned"),
            ("RELOBOX_DIGEST", &digest),
            ("RELOBOX_FILE", "/m/xfs.ko"),
            ("RELOBOX_UID", &rustix::process::getuid().as_raw().to_string()),
            ("RELOBOX_PID", &own.to_string()),
            ("RELOBOX_EXTRA", "a b"),
        ] {
            assert_eq!(got.get(name), Some(&value), "{name}: {got:?}");
        }
        let parent = std::os::unix::process::parent_id();
        let chain: Vec<_> = got["RELOBOX_PROCESSES"].split(',').collect();
        assert!(chain[0].ends_with(&format!("[{own}]")) && chain[0].len() > 4, "{chain:?}");
        assert!(parent == 0 || chain[1].ends_with(&format!("[{parent}]")), "{chain:?}");
    }

    #[test]
    fn a_refusal_says_why() {
        let problem = Diagnostic::new("undefined-symbol", "/m/a-b.ko", "no definition of 'x'").hint("a\nPRIORITY=0");
        for (error, level, kind) in [
            (Error::Reported(vec![problem.clone()]), "4", "undefined-symbol"),
            (Error::Kernel(Box::new(Diagnostic { kind: "init-failed", ..problem.clone() })), "6", "init-failed"),
            // Only the kernel can say so.
            (Error::Reported(vec![Diagnostic { kind: "already-loaded", ..problem }]), "4", "already-loaded"),
            (Error::Usage("no linker".into()), "4", "usage"),
        ] {
            let record = Record::refused(Path::new("/m/a-b.ko"), &error);
            let text = record.journal();
            let got = fields(&text);
            assert_eq!((got["PRIORITY"], got["RELOBOX_RESULT"], got["RELOBOX_MODULE"]), (level, kind, "a_b"), "{text}");
            assert!(got["MESSAGE"].starts_with("refused a_b: ") && record.line().contains(" reason="), "{text}");
        }
    }

    #[test]
    fn the_first_log_that_is_there_gets_it() {
        let machine = Machine::new();
        let mut record = Record::new("loaded", "xfs");
        record.add("file", "/m/a b/xfs.ko");
        let counts = || machine.got().map(|log| log.len());
        assert!(machine.send(&record));
        assert_eq!(counts(), [1, 0, 0]);
        std::fs::remove_file(machine.path("journal")).unwrap();
        assert!(machine.send(&record));
        let [_, syslog, kernel] = machine.got();
        let line = "loaded module=xfs file=/m/a\\u{20}b/xfs.ko";
        assert_eq!(syslog, [format!("<30>relobox[{}]: {line}", std::process::id())]);
        assert!(kernel.is_empty());
        std::fs::remove_file(machine.path("syslog")).unwrap();
        assert!(machine.send(&record));
        assert_eq!(machine.got()[2], [format!("<6>relobox: {line}")]);
        std::fs::remove_file(machine.path("kmsg")).unwrap();
        assert!(!machine.send(&record));
    }

    /// No process reads the socket: a sender that waited would wait for ever.
    #[test]
    fn a_full_log_does_not_delay() {
        let machine = Machine::new();
        let record = Record::new("loaded", "xfs");
        let mut sent = 0;
        while machine.send(&record) && std::fs::read_to_string(machine.path("kmsg")).unwrap().is_empty() {
            sent += 1;
            assert!(sent < 1_000_000);
        }
        // Both sockets were full at last, and the next log got it.
        assert!(sent > 1);
        assert_eq!(machine.got()[2].len(), 1);
    }

    #[test]
    fn hostile_names_stay_in_their_field() {
        let name = "x\nRELOBOX_RESULT=loaded\n result=loaded \x1b[2J\u{202e}";
        let mut record = Record::refused(Path::new(&format!("/m/{name}.ko")), &Error::Usage(name.repeat(1000)));
        record.add("file", name);
        let journal = record.journal();
        assert_eq!(journal.lines().count(), 3 + 3, "{journal}");
        assert_eq!(fields(&journal)["RELOBOX_RESULT"], "usage");
        assert!(journal.len() < 10_000);
        let line = record.line();
        assert!(line.len() <= limits::LOG_LINE && line.chars().all(relobox_core::text::is_harmless), "{line}");
        let results: Vec<_> =
            line.split(" reason=").next().unwrap().split(' ').filter(|w| w.starts_with("result=")).collect();
        assert_eq!(results, ["result=usage"]);
    }

    #[test]
    fn a_process_name_cannot_look_like_a_chain() {
        assert_eq!(named("a],b[1", 7), "a??b?1[7]");
        assert_eq!(named("(sd) x", 7), "(sd)?x[7]");
    }
}
