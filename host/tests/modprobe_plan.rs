//! modprobe without a kernel: trees and configurations made up here, plans, and runs whose loads only pretend.

use relobox::modprobe::plan::Needs;
use relobox::modprobe::{Action, Config, LoadPlan, Outcome, Request, Step, Tree, plan, run};
use relobox::{Diagnostic, Error, Result};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A module tree of empty files.
struct Made {
    root: PathBuf,
    config: Config,
    live: HashSet<String>,
    /// What files say of themselves.
    says: HashMap<String, Needs>,
}

impl Made {
    /// With modules.dep: `a: b c` means that a needs b, and c before it.
    fn new(dep: &[&str]) -> Self {
        let name = format!("relobox-plan-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let root = std::env::temp_dir().join(name);
        std::fs::create_dir(&root).unwrap();
        let made = Self { root, config: Config::default(), live: HashSet::new(), says: HashMap::new() };
        let mut text = String::new();
        for line in dep {
            let (module, needs) = line.split_once(':').unwrap();
            made.write(&format!("{module}.ko"), "");
            let needs: String = needs.split_whitespace().map(|n| format!(" {n}.ko")).collect();
            text += &format!("{module}.ko:{needs}\n");
        }
        // So that it is newer than the files.
        std::thread::sleep(std::time::Duration::from_millis(20));
        made.write("modules.dep", &text);
        made
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.root.join(name), text).unwrap();
    }

    fn config(mut self, text: &str) -> Self {
        self.config.parse("test.conf", text);
        assert!(self.config.warnings.is_empty(), "{:?}", self.config.warnings);
        self
    }

    fn plan(&self, names: &[&str]) -> LoadPlan {
        self.plan_with(names, |_| {})
    }

    fn plan_with(&self, names: &[&str], change: impl FnOnce(&mut Request<'_>)) -> LoadPlan {
        let tree = Tree::open(&self.root).unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let inspect = |path: &Path| {
            let name = path.file_stem().unwrap().to_str().unwrap();
            Ok(self.says.get(name).cloned().unwrap_or_default())
        };
        let mut request = Request {
            names: &names,
            args: "",
            blacklist: false,
            ignore_commands: false,
            show_depends: false,
            live: &self.live,
            inspect: &inspect,
        };
        change(&mut request);
        plan(&tree, &self.config, &request)
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

fn names(plan: &LoadPlan) -> Vec<&str> {
    plan.steps.iter().map(|s| s.name.as_str()).collect()
}

fn step<'a>(plan: &'a LoadPlan, name: &str) -> &'a Step {
    plan.steps.iter().find(|s| s.name == name).unwrap()
}

/// The kinds of what is wrong with a plan.
fn kinds(plan: &LoadPlan) -> Vec<&'static str> {
    let kind = |e: &Error| match e {
        Error::Module(problems) => problems[0].kind,
        _ => "?",
    };
    plan.errors.iter().map(kind).collect()
}

#[test]
fn dependencies_come_first_and_soft_ones_around() {
    let m = Made::new(&["a: b c", "b: c", "c:", "pre: p2", "p2:", "post:"])
        .config("softdep a pre: pre missing post: post\noptions a x=1\noptions b-b z\noptions c y=2\n");
    let plan = m.plan_with(&["a"], |r| r.args = "x=2");
    assert_eq!(names(&plan), ["c", "b", "p2", "pre", "a", "post"]);
    assert!(plan.errors.is_empty() && plan.warnings.is_empty());
    let required: Vec<_> = plan.steps.iter().filter(|s| s.required).map(|s| s.name.as_str()).collect();
    assert_eq!(required, ["c", "b", "a"]);
    assert_eq!((step(&plan, "a").args.as_str(), step(&plan, "c").args.as_str()), ("x=1 x=2", "y=2"));
    assert_eq!(
        (&step(&plan, "a").requires, &step(&plan, "a").pre, &step(&plan, "a").post),
        (&vec![0, 1], &vec![3], &vec![5])
    );
}

/// `install X /bin/false`, and nothing that is said besides makes a module of it: neither soft dependencies, of the
/// configuration or of depmod's index, nor modules that need it.
#[test]
fn a_module_that_is_switched_off_stays_off() {
    for command in ["/bin/false", "/usr/bin/false # CIS", "false", "/bin/true"] {
        let install = format!("install a {command}\nsoftdep a pre: pre post: post\nsoftdep c post: a\n");
        let m = Made::new(&["a: n", "n:", "pre:", "post:", "b: a", "c:"]).config(&install);
        let off = |action: &Action| match command {
            "/bin/true" => *action == Action::Disabled,
            _ => matches!(action, Action::Refused(problem) if problem.kind == "install-command"),
        };
        for asked in ["a", "b", "c"] {
            let plan = m.plan(&[asked]);
            assert!(off(&step(&plan, "a").action), "{asked}, {command}: {:?}", step(&plan, "a").action);
            assert!(!names(&plan).iter().any(|name| ["pre", "post"].contains(name)), "{asked}: {:?}", names(&plan));
        }
        let forced = m.plan_with(&["a"], |r| r.ignore_commands = true);
        // As in kmod, the option also stands for its soft dependencies.
        assert!(matches!(step(&forced, "a").action, Action::Load(_)) && !names(&forced).contains(&"pre"));
    }
}

#[test]
fn names_are_aliases_blacklists_commands_and_parts_of_the_kernel() {
    let m = Made::new(&["a-x:", "b:", "c: b", "d:"]).config(
        "alias net-pf-[0-9] c\nalias none off\nblacklist a-x\nblacklist b\ninstall d /bin/true\ninstall e /bin/false\n\
         install f modprobe b; modprobe c\n",
    );
    m.write(
        "modules.alias",
        "# comment\nalias pci:v*d1* a_x\nalias pci:v*d1* b\nalias pci:v*d1* c\nalias pci:v*d2* b\n",
    );
    m.write("modules.builtin", "kernel/fs/ext4.ko\n");
    m.write("modules.builtin.modinfo", "ext4.license=GPL\0ext4.alias=fs-ext2\0");

    let by_alias = m.plan(&["pci:v9d1s"]);
    // A blacklist keeps an alias from meaning it, and no more than that: c needs b.
    assert_eq!(names(&by_alias), ["b", "c"]);
    let kept: Vec<_> = by_alias.blacklisted.iter().map(|(name, place)| format!("{name} {place}")).collect();
    assert_eq!(kept, ["a_x test.conf:3", "b test.conf:4"]);
    assert_eq!(names(&m.plan(&["a-x"])), ["a_x"]);
    assert!(names(&m.plan_with(&["a-x"], |r| r.blacklist = true)).is_empty());
    assert_eq!(names(&m.plan(&["net-pf-7"])), ["b", "c"]);
    assert_eq!(step(&m.plan(&["fs-ext2"]), "ext4").action, Action::BuiltIn);
    assert_eq!(step(&m.plan(&["d"]), "d").action, Action::Disabled);
    assert!(matches!(step(&m.plan_with(&["d"], |r| r.ignore_commands = true), "d").action, Action::Load(_)));
    for (name, wanted) in [("e", "test.conf:6 disables it"), ("f", "test.conf:7 has a command for it")] {
        let plan = m.plan(&[name]);
        let Action::Refused(problem) = &step(&plan, name).action else { panic!("{plan:?}") };
        assert_eq!(problem.kind, "install-command");
        assert!(problem.text.starts_with(wanted), "{}", problem.text);
    }
    let off = m.plan(&["none"]);
    assert!(matches!(&step(&off, "off").action, Action::Refused(problem) if problem.kind == "not-found"));
    assert_eq!(kinds(&m.plan(&["nothing", "odd[", "/no/such/file.ko"])), ["not-found"; 3]);
    // What is named is loaded all the same.
    assert_eq!(names(&m.plan(&["nothing", "b"])), ["b"]);
}

#[test]
fn what_the_kernel_will_refuse_is_refused_at_once() {
    let mut m = Made::new(&["a: b", "b:"]);
    m.config.parse_command_line("ro module_blacklist=x,b quiet");
    let plan = m.plan(&["a"]);
    assert!(matches!(&step(&plan, "b").action, Action::Refused(p) if p.kind == "blacklisted"));
    let report = run(&plan, 2, false, |_, _| -> Result<Option<()>> { panic!("nothing may be loaded") }, |_| Ok(()));
    assert!(matches!(&report.outcomes[..], [Outcome::Failed(_), Outcome::NotTried { because }] if because == "b"));
    // An initramfs may be for a kernel that allows it.
    let shown = m.plan_with(&["a"], |r| r.show_depends = true);
    assert_eq!(step(&shown, "b").action, Action::Load(m.root.join("b.ko")));
}

#[test]
fn circles_are_found_and_soft_ones_are_cut() {
    let hard = Made::new(&["a: b", "b: c", "c: b", "d:"]);
    let plan = hard.plan(&["a", "d"]);
    assert_eq!((kinds(&plan), names(&plan)), (vec!["dependency-cycle"], vec!["d"]));
    assert_eq!(plan.errors[0].to_string(), "b: it depends on itself, through b, c");
    // Each wants the other first.
    let soft = Made::new(&["a:", "b:"]).config("softdep a pre: b\nsoftdep b pre: a\n");
    assert_eq!(names(&soft.plan(&["a"])), ["b", "a"]);
    // A soft dependency that needs whom it should precede comes after it, and what that needs comes as in kmod.
    let both = Made::new(&["a:", "b: a c", "c:"]).config("softdep a pre: b\n");
    let plan = both.plan(&["a"]);
    assert_eq!((names(&plan), &step(&plan, "a").post), (vec!["c", "a", "b"], &vec![2]));
    // And one that is itself a circle is left out.
    let broken = Made::new(&["a:", "b: c", "c: b"]).config("softdep a pre: b\n");
    let plan = broken.plan(&["a"]);
    assert_eq!((names(&plan), plan.warnings.len()), (vec!["a"], 1));
    let long: Vec<String> = (0..3000).map(|i| format!("m{i}: m{}", i + 1)).collect();
    let plan = Made::new(&long.iter().map(String::as_str).collect::<Vec<_>>()).plan(&["m0"]);
    assert_eq!(kinds(&plan), ["dependency-cycle"]);
}

#[test]
fn a_file_is_asked_where_modules_dep_may_not_know() {
    let mut m = Made::new(&["a:", "b:", "c: b", "old:"]);
    m.write("modules.symbols", "alias symbol:b_one b\nalias symbol:c_one c\nalias symbol:old_one old\n");
    let asks = |symbols: &[&str], depends: &[&str]| Needs {
        undefined: symbols.iter().map(|s| (*s).to_owned()).collect(),
        depends: depends.iter().map(|s| (*s).to_owned()).collect(),
    };
    m.says.insert("a".into(), asks(&["c_one", "b_one", "printk"], &[]));
    m.says.insert("new".into(), asks(&["printk"], &["c"]));
    // modules.dep is newer, so a is not asked.
    assert_eq!(names(&m.plan(&["a"])), ["a"]);
    std::thread::sleep(std::time::Duration::from_millis(20));
    m.write("a.ko", "anew");
    let plan = m.plan(&["a"]);
    assert_eq!(names(&plan), ["b", "c", "a"]);
    assert_eq!(plan.warnings.len(), 2, "{:?}", plan.warnings);
    assert!(plan.warnings[0].starts_with("a: needs c for 'c_one', which is not in modules.dep"));
    // A file that it does not name at all.
    m.write("new.ko", "");
    let path = m.root.join("new.ko");
    assert_eq!(names(&m.plan(&[path.to_str().unwrap()])), ["b", "c", "new"]);
    // And with no modules.dep at all, modules.order says which files there are.
    std::fs::remove_file(m.root.join("modules.dep")).unwrap();
    std::fs::rename(m.root.join("c.ko"), m.root.join("c.ko.xz")).unwrap();
    m.write("modules.order", "b.ko\nc.ko\nnew.ko\n");
    let plan = m.plan(&["new"]);
    assert_eq!(names(&plan), ["c", "new"]);
    assert_eq!(step(&plan, "c").action, Action::Load(m.root.join("c.ko.xz")));
}

#[test]
fn damaged_files_are_survived() {
    let m = Made::new(&["a:"]);
    std::fs::write(m.root.join("modules.dep"), b"a.ko:\n\xff\xfe\nno colon\n: :\nb.ko: a.ko c.ko\n").unwrap();
    let tree = Tree::open(&m.root).unwrap();
    assert_eq!(tree.warnings.len(), 2, "{:?}", tree.warnings);
    assert!(
        tree.warnings[1].ends_with("modules.dep:3: the line does not have the form 'MODULE: NEEDS'; it is ignored")
    );
    let plan = m.plan(&["b"]);
    assert!(matches!(&step(&plan, "c").action, Action::Refused(p) if p.kind == "not-found"));
    let nothing = Tree::open(&m.root.join("nothing")).unwrap();
    assert_eq!((nothing.names().count(), nothing.warnings.len()), (0, 0));
}

#[test]
fn configuration_files_hide_each_other_by_name() {
    let m = Made::new(&["a:"]);
    for (dir, file, text) in [
        ("etc", "b.conf", "options a from=etc\n"),
        ("lib", "b.conf", "options a from=lib\n"),
        ("lib", "a.conf", "options a first=1\n"),
        ("lib", "ignored.txt", "options a never=1\n"),
        ("lib", ".hidden.conf", "options a never=2\n"),
        ("lib", "old.alias", "options a never=3\n"),
        ("lib", "c.conf", "options a last=1\n"),
        ("etc/c.conf", "nested.conf", "options a never=4\n"),
    ] {
        std::fs::create_dir_all(m.root.join(dir)).unwrap();
        m.write(&format!("{dir}/{file}"), text);
    }
    m.write("modules.softdep", "softdep a pre: x\n");
    m.write("modules.weakdep", "weakdep a y\n");
    std::os::unix::fs::symlink("nothing", m.root.join("etc/a.conf")).unwrap();
    std::os::unix::fs::symlink("/dev/null", m.root.join("etc/masked.conf")).unwrap();
    m.write("lib/masked.conf", "options a never=5\n");
    m.write("single", "options a single=1\n");
    let directories = ["etc", "run", "lib", "single"].map(|dir| m.root.join(dir));
    let config = Config::read(&directories, Some(&Tree::open(&m.root).unwrap())).unwrap();
    // A directory and a link to nothing hide no file. A link to /dev/null does.
    assert_eq!(config.options_of("a", None), "first=1 from=etc last=1 single=1");
    assert_eq!(config.softdep("a").unwrap().pre, ["x"]);
    assert_eq!((config.weakdeps.len(), config.warnings.len()), (1, 2));
}

/// A pretended kernel: what was loaded and unloaded, in order.
#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl Log {
    fn push(&self, what: &str, step: &Step) {
        self.0.lock().unwrap().push(format!("{what}{}", step.name));
    }

    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

fn init_failed(name: &str) -> Error {
    Error::Kernel(Box::new(Diagnostic::new("init-failed", name, "init returned -19")))
}

fn words<T>(outcomes: &[Outcome<T>]) -> Vec<String> {
    let word = |outcome: &Outcome<T>| match outcome {
        Outcome::Loaded(_) => "loaded".to_owned(),
        Outcome::Live => "live".to_owned(),
        Outcome::BuiltIn => "built-in".to_owned(),
        Outcome::Disabled => "disabled".to_owned(),
        Outcome::Failed(_) => "failed".to_owned(),
        Outcome::NotTried { because } => format!("because of {because}"),
        Outcome::Unwound => "unwound".to_owned(),
    };
    outcomes.iter().map(word).collect()
}

#[test]
fn a_failure_stops_its_dependents_and_unwinds_what_was_only_for_them() {
    let m = Made::new(&["a: bad own shared", "bad: own", "own:", "shared:", "b: shared", "soft:"])
        .config("softdep a post: soft\n");
    let log = Log::default();
    for jobs in [1, 4] {
        let plan = m.plan(&["a", "b"]);
        assert_eq!(names(&plan), ["shared", "own", "bad", "a", "soft", "b"]);
        let load = |step: &Step, _: &Path| {
            log.push("+", step);
            if step.name == "bad" { Err(init_failed("bad")) } else { Ok(Some(())) }
        };
        let unload = |step: &Step| {
            log.push("-", step);
            Ok(())
        };
        let report = run(&plan, jobs, false, load, unload);
        let expected = ["loaded", "unwound", "failed", "because of bad", "because of a", "loaded"];
        assert_eq!(words(&report.outcomes), expected, "{jobs} jobs");
        let log = log.taken();
        assert_eq!(log.last().unwrap(), "-own", "{log:?}");
        assert!(!log.contains(&"-shared".into()) && !log.contains(&"+a".into()), "{log:?}");
    }
    // What cannot be removed again stays, and that is said.
    let plan = m.plan(&["a"]);
    let load = |step: &Step, _: &Path| if step.name == "bad" { Err(init_failed("bad")) } else { Ok(Some(())) };
    let report = run(&plan, 1, false, load, |step| {
        if step.name == "own" { Err(Diagnostic::new("in-use", "own", "in use").into()) } else { Ok(()) }
    });
    assert_eq!(words(&report.outcomes)[..2], ["unwound", "loaded"]);
    assert_eq!(report.left.len(), 1);
}

#[test]
fn a_soft_dependency_that_fails_is_no_failure() {
    let m = Made::new(&["a:", "pre: p", "p:", "post:"]).config("softdep a pre: pre post: post\n");
    let plan = m.plan(&["a"]);
    let load = |step: &Step, _: &Path| {
        if step.name.starts_with('p') && step.name != "p" { Err(init_failed("p")) } else { Ok(Some(())) }
    };
    let log = Log::default();
    let report = run(&plan, 3, false, load, |step| {
        log.push("-", step);
        Ok(())
    });
    assert_eq!(names(&plan), ["p", "pre", "a", "post"]);
    assert_eq!(words(&report.outcomes), ["unwound", "failed", "loaded", "failed"]);
    assert_eq!(log.taken(), ["-p"]);
}

#[test]
fn independent_modules_load_at_the_same_time_and_dependent_ones_do_not() {
    let m = Made::new(&["top: x y z base", "x: base", "y: base", "z: base", "base:"]);
    let plan = m.plan(&["top"]);
    // Three loads that wait for each other: with fewer than three at a time this would never end.
    let together = Barrier::new(3);
    let (now, most, live) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(HashSet::new()));
    let load = |step: &Step, _: &Path| {
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        for needed in &step.requires {
            assert!(live.lock().unwrap().contains(&plan.steps[*needed].name), "{} is early", step.name);
        }
        if ["x", "y", "z"].contains(&step.name.as_str()) {
            together.wait();
        }
        live.lock().unwrap().insert(step.name.clone());
        now.fetch_sub(1, Ordering::SeqCst);
        Ok(Some(()))
    };
    let report = run(&plan, 8, false, load, |_| Ok(()));
    assert_eq!(words(&report.outcomes), ["loaded"; 5]);
    assert_eq!(most.into_inner(), 3);
}

#[test]
fn somebody_elses_module_is_as_good_as_ours() {
    let mut m = Made::new(&["a: b", "b:"]);
    let there = |step: &Step, _: &Path| Ok((step.name != "b").then_some(()));
    assert_eq!(words(&run(&m.plan(&["a"]), 1, true, there, |_| Ok(())).outcomes), ["live", "loaded"]);
    assert_eq!(words(&run(&m.plan(&["b"]), 1, false, there, |_| Ok(())).outcomes), ["live"]);
    assert_eq!(words(&run(&m.plan(&["b"]), 1, true, there, |_| Ok(())).outcomes), ["failed"]);
    // Whether it is there, the kernel says, and no error's kind.
    let says_so = |_: &Step, _: &Path| -> Result<Option<()>> {
        Err(Error::Reported(vec![Diagnostic::new("already-loaded", "b", "it is loaded")]))
    };
    assert_eq!(words(&run(&m.plan(&["b"]), 1, false, says_so, |_| Ok(())).outcomes), ["failed"]);
    // Known beforehand, nothing is asked of the kernel.
    m.live.insert("b".into());
    let never = |step: &Step, _: &Path| -> Result<Option<()>> {
        assert_ne!(step.name, "b", "it is there");
        Ok(Some(()))
    };
    assert_eq!(words(&run(&m.plan(&["a"]), 1, true, never, |_| Ok(())).outcomes), ["live", "loaded"]);
    assert_eq!(words(&run(&m.plan(&["b"]), 1, true, never, |_| Ok(())).outcomes), ["failed"]);
    // What moved while it was linked against is linked again.
    let tries = AtomicUsize::new(0);
    let stale = |_: &Step, _: &Path| match tries.fetch_add(1, Ordering::SeqCst) {
        0 | 1 => Err(Error::Kernel(Box::new(Diagnostic::new("stale", "a", "loaded anew")))),
        _ => Ok(Some(())),
    };
    assert_eq!(words(&run(&m.plan(&["a"]), 1, false, stale, |_| Ok(())).outcomes), ["live", "loaded"]);
    // Not because a linking process says that it moved.
    let tries = AtomicUsize::new(0);
    let lie = |_: &Step, _: &Path| -> Result<Option<()>> {
        tries.fetch_add(1, Ordering::SeqCst);
        Err(Error::Reported(vec![Diagnostic::new("stale", "a", "loaded anew")]))
    };
    assert_eq!(words(&run(&m.plan(&["a"]), 1, false, lie, |_| Ok(())).outcomes), ["live", "failed"]);
    assert_eq!(tries.into_inner(), 1);
}
