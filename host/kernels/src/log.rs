//! What the kernel's log says while a module is loaded: finit_module(2) answers with one number, which may be init's,
//! a parameter's or the loader's own.
//!
//! Lines of /dev/kmsg that programs wrote do not count; a module's own do, and they can look like the loader's. So what
//! is read here only chooses words for a load that failed anyway.

use relobox_core::limits;
use rustix::fs::{Mode, OFlags, SeekFrom};
use rustix::io::Errno;
use std::os::fd::OwnedFd;

/// The log, from where it was opened on.
pub(crate) struct Reader(Option<OwnedFd>);

/// What came into it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Log {
    /// The kernel's lines, oldest first.
    pub(crate) lines: Vec<String>,
    /// Nothing is missing among them.
    pub(crate) complete: bool,
}

impl Reader {
    /// Opens it at its end. Where this process may not (kernel.dmesg_restrict), nothing is read later.
    pub(crate) fn open() -> Self {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = rustix::fs::open("/dev/kmsg", flags, Mode::empty())
            .and_then(|log| rustix::fs::seek(&log, SeekFrom::End(0)).map(|_| log));
        Self(opened.ok())
    }

    /// Everything that came since it was opened.
    pub(crate) fn read(self) -> Log {
        let Some(file) = self.0 else { return Log::default() };
        let mut log = Log { lines: Vec::new(), complete: true };
        let mut record = vec![0; limits::KERNEL_LOG_RECORD];
        for _ in 0..limits::KERNEL_LOG {
            match rustix::io::read(&file, &mut record) {
                Ok(0) | Err(Errno::AGAIN) => return log,
                Ok(len) => log.lines.extend(text(&record[..len])),
                Err(Errno::INTR) => {}
                // Older records were overwritten before they were read.
                Err(Errno::PIPE) => log.complete = false,
                Err(_) => break,
            }
        }
        log.complete = false;
        log
    }
}

/// The text of a record, `PRIORITY,NUMBER,TIME,FLAGS;TEXT` and perhaps more lines, if it is the kernel's own.
fn text(record: &[u8]) -> Option<String> {
    let record = String::from_utf8_lossy(record);
    let (head, text) = record.split_once(';')?;
    let priority: u32 = head.split(',').next()?.parse().ok()?;
    // The upper bits say who wrote it; the kernel is 0.
    (priority >> 3 == 0).then(|| text.lines().next().unwrap_or_default().to_owned())
}

impl Log {
    /// The parameter of module `name` whose value was refused, if that is what the log says.
    pub(crate) fn refused_parameter(&self, name: &str) -> Option<String> {
        self.of(name).find_map(|line| {
            let (_, parameter) = line
                .rsplit_once("' invalid for parameter `")
                .or_else(|| line.rsplit_once("' too large for parameter `"))
                .filter(|(before, _)| before.starts_with('`'))?;
            Some(parameter.strip_suffix('\'')?.to_owned())
        })
    }

    /// Arguments that named no parameter of module `name`.
    pub(crate) fn unknown_parameters(&self, name: &str) -> Vec<String> {
        let parameter =
            |line: &str| Some(line.strip_prefix("unknown parameter '")?.strip_suffix("' ignored")?.to_owned());
        self.of(name).filter_map(parameter).collect()
    }

    /// The positive number that init of module `name` returned, of which the kernel only warns.
    pub(crate) fn returned(&self, name: &str) -> Option<i32> {
        let start = format!("do_init_module: '{name}'->init suspiciously returned ");
        let number = |line: &String| line.strip_prefix(&start)?.split(',').next()?.parse().ok();
        self.lines.iter().find_map(number)
    }

    /// Why the loader refused module `name` before its init, if it said so.
    pub(crate) fn refusal(&self, name: &str) -> Option<String> {
        let own = |line: &&str| OF_THE_MODULE.iter().any(|words| line.contains(words));
        let any = |line: &&String| OF_ANY.iter().any(|words| line.contains(words));
        let found = self.of(name).find(own).map(str::to_owned);
        found.or_else(|| self.lines.iter().find(any).cloned())
    }

    /// What lines about a module say behind its name.
    fn of<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let start = format!("{name}: ");
        self.lines.iter().filter_map(move |line| line.strip_prefix(&*start))
    }
}

/// What the loader says behind a module's name when it refuses it.
const OF_THE_MODULE: [&str; 9] = [
    "Unknown symbol ",
    "disagrees about version of symbol ",
    "no symbol version for ",
    "version magic '",
    "exports duplicate symbol ",
    "module is already loaded",
    "module using GPL-only symbols ",
    "does not import it",
    "section size must match ",
];

/// What it and the security modules say without a module's name, while one is loaded.
const OF_ANY: [&str; 7] = [
    "Lockdown: ",
    "LoadPin: ",
    " is rejected",
    "decompression failed",
    "not a gzip-compressed module",
    "Invalid ELF ",
    "invalid ELF ",
];

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn log(lines: &[&str]) -> Log {
        Log { lines: lines.iter().map(|line| (*line).to_owned()).collect(), complete: true }
    }

    #[test]
    fn only_the_kernels_own_records_count() {
        let line = "3,1234,567890,-;victim: `abc' invalid for parameter `num'\n SUBSYSTEM=module\n";
        assert_eq!(text(line.as_bytes()).unwrap(), "victim: `abc' invalid for parameter `num'");
        // A program's: the facility is 1.
        assert_eq!(text(line.replacen('3', "11", 1).as_bytes()), None);
        assert_eq!((text(b""), text(b"x;y"), text(b"6,1,1,-")), (None, None, None));
        assert_eq!(text(b"6,1,1,-;a;b\n").unwrap(), "a;b");
    }

    #[test]
    fn parameters_are_named_as_the_kernel_names_them() {
        let said = log(&[
            "other: `1' invalid for parameter `num'",
            "victim: loading out-of-tree module taints kernel.",
            "victim: `a`b' invalid' too large for parameter `buf'",
            "victim: unknown parameter 'nun' ignored",
            "victim: unknown parameter 'ber' ignored",
            "do_init_module: 'victim'->init suspiciously returned 5, it should follow 0/-E convention",
        ]);
        assert_eq!(said.refused_parameter("victim").as_deref(), Some("buf"));
        assert_eq!(said.refused_parameter("other").as_deref(), Some("num"));
        assert_eq!(said.refused_parameter("vic"), None);
        assert_eq!(said.unknown_parameters("victim"), ["nun", "ber"]);
        assert_eq!((said.returned("victim"), said.returned("other")), (Some(5), None));
        assert_eq!(said.refusal("victim"), None);
        assert_eq!(log(&["victim: says invalid for parameter `num'"]).refused_parameter("victim"), None);
    }

    #[test]
    fn refusals_of_the_loader_are_known() {
        for (line, words) in [
            ("m: Unknown symbol kmalloc (err -2)", "Unknown symbol kmalloc (err -2)"),
            ("m: disagrees about version of symbol module_layout", "disagrees about version of symbol module_layout"),
            ("m: exports duplicate symbol x (owned by kernel)", "exports duplicate symbol x (owned by kernel)"),
            ("Loading of unsigned module is rejected", "Loading of unsigned module is rejected"),
            ("Lockdown: insmod: unsigned module loading is restricted; see man kernel_lockdown.7", "Lockdown: insmod"),
        ] {
            let refusal = log(&["m: loading out-of-tree module taints kernel.", line]).refusal("m");
            assert!(refusal.unwrap().starts_with(words), "{line}");
        }
        assert_eq!(log(&["n: Unknown symbol kmalloc (err -2)", "m: probe failed"]).refusal("m"), None);
    }

    /// Whatever this machine allows, reading ends.
    #[test]
    fn the_running_kernels_log_can_be_read_or_is_known_to_be_incomplete() {
        let opened = Reader::open();
        let readable = opened.0.is_some();
        let log = opened.read();
        assert!(readable || log == Log::default());
    }
}
