//! kmod's tests, as command lines. What they expect is in files of its test suite, or follows from the test's text.

/// What a test expects on standard output.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Output {
    /// Anything.
    Any,
    /// Lines in any order, without blanks at their ends.
    Lines(&'static [&'static str]),
    /// What is in this file, without blanks at the ends of lines.
    File(&'static str),
    /// The same, where each line is `0x`, hexadecimal digits, and the rest.
    Hexadecimal(&'static str),
}

/// A test of kmod.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    /// The file that it is in, without `.c`, and its name.
    pub(crate) test: (&'static str, &'static str),
    /// The directory below rootfs-pristine.
    pub(crate) rootfs: &'static str,
    pub(crate) release: &'static str,
    pub(crate) directory: &'static str,
    pub(crate) command: &'static [&'static str],
    /// Modules that are not in kmod's list of files, which are indexed by depmod.
    pub(crate) modules: &'static [&'static str],
    pub(crate) code: i32,
    pub(crate) out: Output,
    /// The last words of standard error's lines, if they matter.
    pub(crate) err: Option<&'static [&'static str]>,
    /// What is loaded, in this order.
    pub(crate) loaded: &'static [&'static str],
    pub(crate) removed: &'static [&'static str],
    pub(crate) forced: bool,
    /// True if the kernel has no module that is removed.
    pub(crate) unknown: bool,
    /// For a test that calls libkmod: what the command stands for.
    pub(crate) stands_for: &'static str,
    /// Why relobox does not pass.
    pub(crate) differs: Option<&'static str>,
}

const CASE: Case = Case {
    test: ("test-modprobe", ""),
    rootfs: "",
    release: "4.4.4",
    directory: "/",
    command: &[],
    modules: &[],
    code: 0,
    out: Output::Any,
    err: None,
    loaded: &[],
    removed: &[],
    forced: false,
    unknown: false,
    stands_for: "",
    differs: None,
};

/// A test of test-modprobe.c that prints what a file has.
const fn shows(name: &'static str, rootfs: &'static str, command: &'static [&'static str], file: &'static str) -> Case {
    Case { test: ("test-modprobe", name), rootfs, command, out: Output::File(file), ..CASE }
}

/// A test of test-modprobe.c that loads modules.
const fn loads(
    name: &'static str,
    rootfs: &'static str,
    command: &'static [&'static str],
    loaded: &'static [&'static str],
) -> Case {
    Case { test: ("test-modprobe", name), rootfs, command, loaded, ..CASE }
}

/// A test of another file, which calls libkmod.
const fn library(file: &'static str, name: &'static str, rootfs: &'static str, stands_for: &'static str) -> Case {
    Case { test: (file, name), rootfs, stands_for, ..CASE }
}

const CONFIGURATION: &[&str] = &["modprobe", "-c"];
const NO_FINIT: &str = "relobox hands over files by finit_module(2), which kernels have since 3.8 (2013)";
const NO_SHELL: &str = "relobox runs no commands of `install` lines";
const NO_WEAKDEP: &str = "relobox reads no `weakdep` lines: they are for programs that make an initramfs";

/// The tests that have a command.
pub(crate) const CASES: &[Case] = &[
    shows(
        "modprobe_show_depends",
        "test-modprobe/show-depends",
        &["modprobe", "--show-depends", "mod-loop-a"],
        "test-modprobe/show-depends/correct.txt",
    ),
    shows(
        "modprobe_show_depends2",
        "test-modprobe/show-depends",
        &["modprobe", "--show-depends", "mod-simple"],
        "test-modprobe/show-depends/correct-mod-simple.txt",
    ),
    loads(
        "modprobe_show_depends_no_load",
        "test-modprobe/show-depends",
        &["modprobe", "--show-depends", "mod-simple"],
        &[],
    ),
    shows(
        "modprobe_show_alias_to_none",
        "test-modprobe/alias-to-none",
        &["modprobe", "--show-depends", "--ignore-install", "--quiet", "mod-simple"],
        "test-modprobe/alias-to-none/correct.txt",
    ),
    Case {
        test: ("test-modprobe", "modprobe_show_exports"),
        rootfs: "test-modprobe/show-exports",
        command: &["modprobe", "--show-exports", "--quiet", "/mod-loop-a.ko"],
        out: Output::Hexadecimal("test-modprobe/show-exports/correct.txt"),
        ..CASE
    },
    loads("modprobe_builtin", "test-modprobe/builtin", &["modprobe", "unix"], &[]),
    shows(
        "modprobe_builtin_lookup_only",
        "test-modprobe/builtin",
        &["modprobe", "-R", "unix"],
        "test-modprobe/builtin/correct.txt",
    ),
    loads(
        "modprobe_softdep_loop",
        "test-modprobe/softdep-loop",
        &["modprobe", "mod-loop-b"],
        &["mod-loop-b", "mod-loop-a"],
    ),
    loads("modprobe_weakdep_loop", "test-modprobe/weakdep-loop", &["modprobe", "mod-loop-b"], &["mod-loop-b"]),
    Case {
        differs: Some(NO_SHELL),
        ..loads(
            "modprobe_install_cmd_loop",
            "test-modprobe/install-cmd-loop",
            &["modprobe", "mod-loop-a"],
            &["mod-loop-b", "mod-loop-a"],
        )
    },
    shows(
        "modprobe_param_kcmdline_show_deps",
        "test-modprobe/module-param-kcmdline",
        &["modprobe", "--show-depends", "mod-simple"],
        "test-modprobe/module-param-kcmdline/correct.txt",
    ),
    shows(
        "modprobe_param_kcmdline2",
        "test-modprobe/module-param-kcmdline2",
        CONFIGURATION,
        "test-modprobe/module-param-kcmdline2/correct.txt",
    ),
    shows(
        "modprobe_param_kcmdline3",
        "test-modprobe/module-param-kcmdline3",
        CONFIGURATION,
        "test-modprobe/module-param-kcmdline3/correct.txt",
    ),
    shows(
        "modprobe_param_kcmdline4",
        "test-modprobe/module-param-kcmdline4",
        CONFIGURATION,
        "test-modprobe/module-param-kcmdline4/correct.txt",
    ),
    shows(
        "modprobe_param_kcmdline5",
        "test-modprobe/module-param-kcmdline5",
        CONFIGURATION,
        "test-modprobe/module-param-kcmdline5/correct.txt",
    ),
    shows(
        "modprobe_param_kcmdline6",
        "test-modprobe/module-param-kcmdline6",
        CONFIGURATION,
        "test-modprobe/module-param-kcmdline6/correct.txt",
    ),
    shows(
        "modprobe_param_kcmdline7",
        "test-modprobe/module-param-kcmdline7",
        CONFIGURATION,
        "test-modprobe/module-param-kcmdline7/correct.txt",
    ),
    shows(
        "modprobe_param_kcmdline8",
        "test-modprobe/module-param-kcmdline8",
        CONFIGURATION,
        "test-modprobe/module-param-kcmdline8/correct.txt",
    ),
    shows(
        "modprobe_param_kcmdline9",
        "test-modprobe/module-param-kcmdline9",
        CONFIGURATION,
        "test-modprobe/module-param-kcmdline9/correct.txt",
    ),
    Case {
        forced: true,
        ..loads("modprobe_force", "test-modprobe/force", &["modprobe", "--force", "mod-simple"], &["mod-simple"])
    },
    Case {
        release: "3.3.3",
        differs: Some(NO_FINIT),
        ..loads("modprobe_oldkernel", "test-modprobe/oldkernel", &["modprobe", "mod-simple"], &["mod-simple"])
    },
    Case {
        release: "3.3.3",
        differs: Some(NO_FINIT),
        ..loads(
            "modprobe_oldkernel_force",
            "test-modprobe/oldkernel-force",
            &["modprobe", "--force", "mod-simple"],
            &["mod-simple"],
        )
    },
    loads("modprobe_external", "test-modprobe/external", &["modprobe", "mod-simple"], &["mod-simple"]),
    loads(
        "modprobe_module_from_abspath",
        "test-modprobe/module-from-abspath",
        &["modprobe", "/home/foo/mod-simple.ko"],
        &["mod-simple"],
    ),
    Case {
        directory: "/home/foo",
        ..loads(
            "modprobe_module_from_relpath",
            "test-modprobe/module-from-relpath",
            &["modprobe", "./mod-simple.ko"],
            &["mod-simple"],
        )
    },
    Case {
        command: &["lsmod"],
        out: Output::File("test-loaded/correct.txt"),
        ..library("test-loaded", "loaded_1", "test-loaded", "the test prints what lsmod prints")
    },
    Case {
        release: "5.6.0",
        command: CONFIGURATION,
        ..library("test-init", "test_load_resource1", "test-init-load-resources", "the indices are read")
    },
    Case {
        release: "5.6.0",
        command: CONFIGURATION,
        ..library(
            "test-init",
            "test_load_resource2",
            "test-init-load-resources-empty-builtin-aliases-bin",
            "the indices are read",
        )
    },
    Case { command: CONFIGURATION, ..library("test-init", "test_initlib", "", "the configuration is read") },
    Case {
        command: &["insmod", "/mod-simple.ko"],
        loaded: &["mod-simple"],
        ..library("test-init", "test_insert", "test-init", "a file is loaded")
    },
    Case {
        command: &["rmmod", "-f", "mod-simple"],
        removed: &["mod_simple"],
        ..library("test-init", "test_remove", "test-remove", "a module is removed")
    },
    Case {
        command: &["rmmod", "-f", "bla"],
        code: 1,
        unknown: true,
        err: Some(&["'bla': No such file or directory", "module bla: No such file or directory"]),
        ..library("test-init", "test_remove", "test-remove", "an unknown module is not removed")
    },
    Case {
        command: &["modprobe", "--first-time", "fake-builtin"],
        code: 1,
        err: Some(&["Module already in kernel"]),
        ..library("test-initstate", "test_initstate_from_lookup", "test-initstate", "the module found is built in")
    },
    Case {
        command: &["modprobe", "-r", "fake-builtin"],
        code: 1,
        err: Some(&["Module fake_builtin is builtin."]),
        ..library("test-initstate", "test_initstate_from_name", "test-initstate", "the module named is built in")
    },
    Case {
        command: &["rmmod", "ext4", "balbalbalbbalbalbalbalbalbalbal", "snd-hda-intel", "snd-timer", "iTCO_wdt"],
        code: 1,
        err: Some(&[
            "Module ext4 is not currently loaded",
            "Module balbalbalbbalbalbalbalbalbalbal is not currently loaded",
            "Module snd_hda_intel is not currently loaded",
            "Module snd_timer is not currently loaded",
            "Module iTCO_wdt is not currently loaded",
        ]),
        ..library("test-new-module", "from_name", "test-new-module/from_name", "messages have the module's names")
    },
    Case {
        command: &["modprobe", "-R", "ext4.*"],
        out: Output::Lines(&["ext4"]),
        ..library("test-new-module", "from_alias", "test-new-module/from_alias", "an alias is looked up")
    },
    Case {
        command: &["modprobe", "-abnv", "pcspkr", "pcspkr2", "floppy", "ext4"],
        modules: &["pcspkr", "pcspkr2", "floppy", "ext4"],
        out: Output::Lines(&[
            "insmod /lib/modules/4.4.4/kernel/pcspkr2.ko",
            "insmod /lib/modules/4.4.4/kernel/ext4.ko",
        ]),
        ..library("test-blacklist", "blacklist_1", "test-blacklist", "two of four modules are blacklisted")
    },
    Case {
        release: "4.0.20-kmod",
        command: &["modprobe", "-D", "mod-foo"],
        out: Output::Lines(&[
            "insmod /lib/modules/4.0.20-kmod/kernel/mod-foo-c.ko",
            "insmod /lib/modules/4.0.20-kmod/kernel/lib/mod-foo-a.ko",
            "insmod /lib/modules/4.0.20-kmod/kernel/fs/foo/mod-foo-b.ko",
            "insmod /lib/modules/4.0.20-kmod/kernel/fs/mod-foo.ko",
        ]),
        ..library("test-dependencies", "test_dependencies", "test-dependencies", "a module and its three dependencies")
    },
    Case {
        command: CONFIGURATION,
        out: Output::File("test-weakdep/modprobe-c.txt"),
        differs: Some(NO_WEAKDEP),
        ..library("test-weakdep", "modprobe_config", "test-weakdep", "")
    },
];

/// The tests that have no command of these programs: their file, their name or all of them, and why.
pub(crate) const OTHERS: &[(&str, &str, &str)] = &[
    ("test-weakdep", "test_weakdep", "no command of kmod looks up weak dependencies; libkmod does"),
    ("test-array", "*", "of kmod's own C code"),
    ("test-hash", "*", "of kmod's own C code"),
    ("test-list", "*", "of kmod's own C code"),
    ("test-strbuf", "*", "of kmod's own C code"),
    ("test-util", "*", "of kmod's own C code"),
    ("test-testsuite", "*", "of the test suite itself"),
    ("test-modinfo", "*", "of modinfo, which has its own tests"),
    ("test-depmod", "*", "of depmod, which has its own tests"),
];
