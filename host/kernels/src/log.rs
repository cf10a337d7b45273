//! The kernel's log during a load. finit_module(2) returns one number, which can come from the module's init, from a
//! parameter or from the loader. The log often tells which.
//!
//! Lines that programs wrote to /dev/kmsg are ignored. Lines of the module itself cannot be told from the loader's.
//! So the log only chooses the words for a load that has failed already.

use relobox_core::limits;
use rustix::fs::{Mode, OFlags, SeekFrom};
use rustix::io::Errno;
use std::os::fd::OwnedFd;

/// The log, from the moment at which it was opened.
pub(crate) struct Reader(Option<OwnedFd>);

/// The lines that were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Log {
    /// The kernel's lines, oldest first.
    pub(crate) lines: Vec<String>,
    /// True if no line is missing.
    pub(crate) complete: bool,
}

impl Reader {
    /// Opens the log at its end. If this process may not read it (kernel.dmesg_restrict), [`Reader::read`] returns an
    /// empty and incomplete log.
    pub(crate) fn open() -> Self {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = rustix::fs::open("/dev/kmsg", flags, Mode::empty())
            .and_then(|log| rustix::fs::seek(&log, SeekFrom::End(0)).map(|_| log));
        Self(opened.ok())
    }

    /// Reads everything since [`Reader::open`].
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

/// The text of a record if the kernel itself wrote it. A record is `PRIORITY,NUMBER,TIME,FLAGS;TEXT`, and may have
/// more lines.
fn text(record: &[u8]) -> Option<String> {
    let record = String::from_utf8_lossy(record);
    let (head, text) = record.split_once(';')?;
    let priority: u32 = head.split(',').next()?.parse().ok()?;
    // The upper bits are the facility; the kernel's is 0.
    (priority >> 3 == 0).then(|| text.lines().next().unwrap_or_default().to_owned())
}

impl Log {
    /// The parameter of module `name` whose value was refused, if the log has such a line.
    pub(crate) fn refused_parameter(&self, name: &str) -> Option<String> {
        self.of(name).find_map(|line| {
            let (_, parameter) = line
                .rsplit_once("' invalid for parameter `")
                .or_else(|| line.rsplit_once("' too large for parameter `"))
                .filter(|(before, _)| before.starts_with('`'))?;
            Some(parameter.strip_suffix('\'')?.to_owned())
        })
    }

    /// The arguments for which module `name` has no parameter.
    pub(crate) fn unknown_parameters(&self, name: &str) -> Vec<String> {
        let parameter =
            |line: &str| Some(line.strip_prefix("unknown parameter '")?.strip_suffix("' ignored")?.to_owned());
        self.of(name).filter_map(parameter).collect()
    }

    /// The positive number that init of module `name` returned. The kernel only warns about it.
    pub(crate) fn returned(&self, name: &str) -> Option<i32> {
        let start = format!("do_init_module: '{name}'->init suspiciously returned ");
        let number = |line: &String| line.strip_prefix(&start)?.split(',').next()?.parse().ok();
        self.lines.iter().find_map(number)
    }

    /// The reason for which the loader refused module `name` before its init, if the log has one.
    pub(crate) fn refusal(&self, name: &str) -> Option<String> {
        let own = |line: &&str| OF_THE_MODULE.iter().any(|words| line.contains(words));
        let any = |line: &&String| OF_ANY.iter().any(|words| line.contains(words));
        let found = self.of(name).find(own).map(str::to_owned);
        found.or_else(|| self.lines.iter().find(any).cloned())
    }

    /// The lines about a module, without the module's name at their beginning.
    fn of<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let start = format!("{name}: ");
        self.lines.iter().filter_map(move |line| line.strip_prefix(&*start))
    }
}

/// Messages of the loader that follow a module's name and mean that the module is refused.
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

/// Messages of the loader and of security modules that have no module's name and mean that a load is refused.
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
        // A program wrote this one: the facility is 1.
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

    /// Reading ends, whether this process may read the log or not.
    #[test]
    fn the_running_kernels_log_can_be_read_or_is_known_to_be_incomplete() {
        let opened = Reader::open();
        let readable = opened.0.is_some();
        let log = opened.read();
        assert!(readable || log == Log::default());
    }
}
