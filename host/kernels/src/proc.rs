//! Reads from /proc and /sys which modules are loaded, and who may load them and see their addresses.

use relobox_core::kernel::{Module, Stage};
use relobox_core::limits;
use rustix::thread::CapabilitySet;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;

/// The directory that contains /proc and /sys.
#[derive(Clone, Debug)]
pub(crate) struct System {
    root: PathBuf,
}

impl Default for System {
    /// The running kernel's.
    fn default() -> Self {
        Self { root: "/".into() }
    }
}

impl System {
    /// For tests: uses the files below `root`.
    #[cfg(test)]
    pub(crate) fn below(root: PathBuf) -> Self {
        Self { root }
    }

    fn text(&self, file: &str) -> io::Result<String> {
        let mut bytes = Vec::new();
        File::open(self.root.join(file))?.take(limits::PROC).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn number(&self, file: &str) -> Option<i64> {
        self.text(file).ok()?.trim().parse().ok()
    }

    /// Reads /proc/modules. The result begins with the oldest module; the file begins with the youngest.
    ///
    /// # Errors
    ///
    /// If the file cannot be read. A kernel without CONFIG_MODULES does not have it.
    pub(crate) fn modules(&self) -> io::Result<Vec<Module>> {
        Ok(modules(&self.text("proc/modules")?))
    }

    /// True if kernel.modules_disabled is set: no module can be loaded or removed until the next boot.
    pub(crate) fn modules_disabled(&self) -> bool {
        self.number("proc/sys/kernel/modules_disabled") == Some(1)
    }

    /// The value of kernel.kptr_restrict, which says who may see addresses.
    pub(crate) fn kptr_restrict(&self) -> Option<i64> {
        self.number("proc/sys/kernel/kptr_restrict")
    }

    /// Whether this thread has CAP_SYS_MODULE; `None` where that cannot be read.
    pub(crate) fn may_load(&self) -> Option<bool> {
        let status = self.text("proc/thread-self/status").ok()?;
        let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
        Some(u64::from_str_radix(set.trim(), 16).ok()? & CapabilitySet::SYS_MODULE.bits() != 0)
    }

    /// The format in which the kernel accepts compressed modules, such as `xz`. `None` if it accepts none; no kernel
    /// before 5.17 does.
    pub(crate) fn compression(&self) -> Option<String> {
        let text = self.text("sys/module/compression").ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// True if the device refuses every module that relobox did not relocate.
    pub(crate) fn strict(&self) -> bool {
        self.text("sys/module/relobox/parameters/strict").is_ok_and(|text| text.trim() == "Y")
    }

    /// The state of a loaded module. `None` if the module is not loaded, or the kernel does not say.
    pub(crate) fn stage(&self, name: &str) -> Option<Stage> {
        if name.is_empty() || name.starts_with('.') || name.contains('/') {
            return None;
        }
        match self.text(&format!("sys/module/{name}/initstate")).ok()?.trim() {
            "live" => Some(Stage::Live),
            "coming" => Some(Stage::Loading),
            "going" => Some(Stage::Unloading),
            _ => None,
        }
    }

    /// The module's line in /proc/modules, and whether it contains `[permanent]`.
    pub(crate) fn listed(&self, name: &str) -> Option<(Module, bool)> {
        let text = self.text("proc/modules").ok()?;
        let line = text.lines().find(|line| line.split(' ').next() == Some(name))?;
        Some((module(line)?, line.split([' ', ',']).any(|word| word == "[permanent]")))
    }

    /// Explains why addresses are hidden from this process, and how to show them.
    pub(crate) fn hidden(&self) -> String {
        match self.kptr_restrict() {
            Some(2) => "kernel.kptr_restrict is 2, which hides addresses from everyone: \
                        'sysctl kernel.kptr_restrict=1' shows them to root"
                .into(),
            Some(value) => {
                format!("kernel.kptr_restrict is {value}, which shows addresses to processes with CAP_SYSLOG only")
            }
            None => "kernel.kptr_restrict may be 2, or CAP_SYSLOG may be missing".into(),
        }
    }
}

/// Parses the text of /proc/modules. The result begins with the oldest module, which is the last in the text.
pub(crate) fn modules(text: &str) -> Vec<Module> {
    let mut modules: Vec<Module> = text.lines().rev().filter_map(module).collect();
    let pairs: Vec<_> = modules.iter().flat_map(|m| m.users.iter().map(|u| (u.clone(), m.name.clone()))).collect();
    for (user, used) in pairs {
        if let Some(module) = modules.iter_mut().find(|m| m.name == user) {
            module.uses.push(used);
        }
    }
    modules
}

/// Parses `NAME SIZE REFS USER,USER, STATE ADDRESS`. USERS is `-` if there are none, and REFS is `-` if the kernel
/// cannot remove modules.
fn module(line: &str) -> Option<Module> {
    let mut words = line.split(' ');
    let (name, size, uses, users) = (words.next()?, words.next()?.parse().ok()?, words.next()?, words.next()?);
    let (state, address) = (words.next()?, words.next()?);
    // Older kernels write `0x          (null)` for a hidden address.
    let address = u64::from_str_radix(address.strip_prefix("0x")?, 16).unwrap_or(0);
    Some(Module {
        name: name.to_owned(),
        live: state == "Live",
        areas: vec![(address, size)],
        use_count: uses.parse().ok(),
        // `[permanent]` is among the users of a module without an exit function.
        users: users.split(',').filter(|u| !matches!(*u, "" | "-" | "[permanent]")).map(str::to_owned).collect(),
        uses: Vec::new(),
        exports: Vec::new(),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const MODULES: &str = "\
slow 12288 1 - Loading 0xffffffffc0a00000 (OE+)
gone 12288 0 - Unloading 0xffffffffc0900000 (OE-)
stays 12288 0 [permanent], Live 0xffffffffc0850000 (OE)
xfs 2002944 1 - Live 0xffffffffc0600000
libcrc32c 12288 2 xfs,btrfs, Live 0xffffffffc0500000
btrfs 1 0 - Live 0xffffffffc0100000
";

    /// A temporary directory with files. It is removed on drop.
    pub(crate) struct Files(PathBuf);

    impl Files {
        pub(crate) fn new(files: &[(&str, &str)]) -> Self {
            static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
            let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let root = std::env::temp_dir().join(format!("relobox-proc-{}-{count}", std::process::id()));
            for (name, text) in files {
                let path = root.join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
            std::fs::create_dir_all(&root).unwrap();
            Self(root)
        }

        pub(crate) fn system(&self) -> System {
            System::below(self.0.clone())
        }
    }

    impl Drop for Files {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn use_counts_are_the_kernels_own() {
        let modules = modules(MODULES);
        let of = |name: &str| modules.iter().find(|m| m.name == name).unwrap();
        // A mounted file system is used, but not by a module.
        assert_eq!((of("xfs").use_count, of("xfs").users.len()), (Some(1), 0));
        assert_eq!((of("libcrc32c").use_count, of("libcrc32c").users.len()), (Some(2), 2));
        assert_eq!((of("stays").use_count, of("stays").users.len()), (Some(0), 0));
        assert_eq!(of("btrfs").uses, ["libcrc32c"]);
        assert_eq!([&*modules[0].name, &*modules[5].name], ["btrfs", "slow"]);
        assert!(!of("slow").live && !of("gone").live && of("stays").live);
        // A kernel without CONFIG_MODULE_UNLOAD does not count users.
        let alone = super::modules("a 4096 - - Live 0x0000000000000000\n");
        assert_eq!((alone[0].use_count, alone[0].users.len()), (None, 0));
    }

    #[test]
    fn an_unreadable_file_is_not_an_empty_one() {
        let none = Files::new(&[]);
        assert!(none.system().modules().is_err());
        assert_eq!((none.system().may_load(), none.system().compression()), (None, None));
        assert!(!none.system().modules_disabled());
        let empty = Files::new(&[("proc/modules", ""), ("sys/module/compression", "\n")]);
        assert_eq!((empty.system().modules().unwrap(), empty.system().compression()), (vec![], None));
    }

    #[test]
    fn the_switches_are_read() {
        let files = Files::new(&[
            ("proc/sys/kernel/modules_disabled", "1\n"),
            ("proc/sys/kernel/kptr_restrict", "2\n"),
            ("proc/thread-self/status", "Name:\tx\nCapEff:\t0000000000010000\n"),
            ("sys/module/compression", "xz\n"),
            ("sys/module/slow/initstate", "coming\n"),
            ("sys/module/gone/initstate", "going\n"),
            ("sys/module/xfs/initstate", "live\n"),
            ("proc/modules", MODULES),
        ]);
        let system = files.system();
        assert!(system.modules_disabled() && system.hidden().contains("kernel.kptr_restrict is 2"));
        assert_eq!((system.may_load(), system.compression().as_deref()), (Some(true), Some("xz")));
        let stages = ["slow", "gone", "xfs", "none", "", "../module/xfs"].map(|name| system.stage(name));
        let (loading, unloading) = (Some(Stage::Loading), Some(Stage::Unloading));
        assert_eq!(stages, [loading, unloading, Some(Stage::Live), None, None, None]);
        let permanent = ["stays", "xfs", "none"].map(|name| system.listed(name).map(|(_, permanent)| permanent));
        assert_eq!(permanent, [Some(true), Some(false), None]);
        let powerless = Files::new(&[
            ("proc/thread-self/status", "CapEff:\t000001fffffeffff\n"),
            ("proc/sys/kernel/kptr_restrict", "0\n"),
        ]);
        assert_eq!(powerless.system().may_load(), Some(false));
        assert!(powerless.system().hidden().contains("CAP_SYSLOG"));
    }
}
