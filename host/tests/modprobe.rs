//! modprobe with real modules, compiled by cc, in the simulated kernel.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod test_env;

use relobox_simkernel::{RELEASE, samples};
use std::path::PathBuf;
use test_env::{Outcome, TestEnv};

/// A test environment with a module tree for the simulated kernel.
struct ModuleTree {
    env: TestEnv,
    tree: PathBuf,
}

impl std::ops::Deref for ModuleTree {
    type Target = TestEnv;

    fn deref(&self) -> &TestEnv {
        &self.env
    }
}

impl ModuleTree {
    fn new(modules: &[&str], dep: &str) -> Self {
        let env = TestEnv::new();
        let tree = env.directory.join("lib/modules").join(RELEASE);
        std::fs::create_dir_all(&tree).unwrap();
        let module_tree = Self { env, tree };
        for module in modules {
            let built = match *module {
                "dependent" => module_tree.dependent("dependent", "failing"),
                "left" | "right" => module_tree.hello(module),
                sample => module_tree.sample(sample),
            };
            std::fs::rename(built, module_tree.tree.join(module).with_extension("ko")).unwrap();
        }
        std::fs::create_dir(module_tree.directory.join("conf")).unwrap();
        module_tree.write("modules.dep", dep);
        module_tree
    }

    fn hello(&self, name: &str) -> PathBuf {
        let (from, to) = ("SIM_MODULE_NAME \"hello\"", format!("SIM_MODULE_NAME \"{name}\""));
        self.compile(name, &samples::SOURCES[0].1.replace(from, &to))
    }

    fn dependent(&self, name: &str, on: &str) -> PathBuf {
        self.compile(
            name,
            &format!(
                "#define SIM_MODULE_NAME \"{name}\"\n#include \"sim_module.h\"\nMODULE_LICENSE(\"GPL\");\n\
                 MODULE_DEPENDS(\"{on}\");\nint {on}_service(void);\n\
                 static int __init start(void) {{ return {on}_service() == 1 ? 0 : -EINVAL; }}\n\
                 static void __exit stop(void) {{}}\nmodule_init(start);\nmodule_exit(stop);\nSIM_MODULE();\n"
            ),
        )
    }

    /// A file of the tree.
    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.tree.join(name), text).unwrap();
    }

    fn configure(&self, text: &str) {
        std::fs::write(self.directory.join("conf/test.conf"), text).unwrap();
    }

    fn modprobe(&self, args: &[&str]) -> Outcome {
        let mut command = self.command("modprobe");
        let options = ["-d", ".", "-C", "conf"];
        command.env_remove("RELOBOX_KERNEL").args(options).args(args).output().unwrap().into()
    }

    /// The directory of the modules, as modprobe prints it.
    fn shown(&self) -> String {
        format!("{}/./lib/modules/{RELEASE}", self.directory.canonicalize().unwrap().display())
    }

    fn json(&self, args: &[&str]) -> (Option<i32>, serde_json::Value) {
        let outcome = self.modprobe(args);
        (outcome.code, serde_json::from_str(&outcome.stdout).unwrap_or_else(|e| panic!("{e}: {outcome:?}")))
    }

    fn loaded(&self) -> Vec<String> {
        let mut names: Vec<_> = self.client().list().unwrap().modules.into_iter().map(|m| m.name).collect();
        names.sort();
        names
    }
}

#[test]
fn a_chain_comes_and_goes() {
    let s = ModuleTree::new(
        &["math_provider", "math_user", "hello"],
        "math_provider.ko:\nmath_user.ko: math_provider.ko\nhello.ko:\n",
    );
    s.write("modules.alias", "alias sums-* math_user\n");
    s.configure("options hello name=\"Roman Zippel\"\nsoftdep math-user post: hello\n");
    let planned = s.modprobe(&["-n", "sums-7"]);
    let path = |name: &str| format!("insmod {}/{name}.ko", s.shown());
    let expected =
        format!("{}\n{}\n{} name=\"Roman Zippel\"\n", path("math_provider"), path("math_user"), path("hello"));
    assert_eq!((planned.code, planned.stdout), (Some(0), expected));
    assert!(!s.socket.exists(), "a plan starts no kernel");

    let done = s.modprobe(&["sums-7"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(done.stdout.lines().count(), 3, "{done:?}");
    assert_eq!(s.loaded(), ["hello", "math_provider", "math_user"]);
    assert!(s.log().contains(&"hello: hello, Roman Zippel".to_owned()), "{:?}", s.log());
    // Again, nothing happens, and that is good.
    let again = s.modprobe(&["math_user"]);
    assert_eq!((again.code, again.stdout.as_str(), again.stderr.as_str()), (Some(0), "", ""));
    let (code, json) = s.json(&["--first-time", "--json", "math_user"]);
    assert_eq!(json["kernel"], "sim");
    assert_eq!((code, &json["modules"][0]["outcome"]), (Some(1), &"failed".into()));
    assert_eq!(json["modules"][0]["error"]["problems"][0]["kind"], "already-loaded");

    let used = s.modprobe(&["-r", "math_provider"]);
    assert_eq!(used.code, Some(1));
    assert!(used.stderr.contains("in use by math_user"), "{used:?}");
    let shown = s.modprobe(&["-r", "-n", "math_user"]);
    assert_eq!(shown.stdout, "rmmod hello\nrmmod math_user\nrmmod math_provider\n");
    assert_eq!(s.loaded().len(), 3);
    let (code, json) = s.json(&["-r", "--json", "math-user"]);
    assert_eq!((code, &json["removed"]), (Some(0), &serde_json::json!(["hello", "math_user", "math_provider"])));
    s.assert_empty();
    assert_eq!(s.modprobe(&["-r", "math_user"]).code, Some(0));
    assert_eq!(s.modprobe(&["-r", "--first-time", "math_user"]).code, Some(1));
    assert_eq!(s.modprobe(&["-r", "nothing"]).code, Some(1));
    // One document, with all problems.
    let (code, json) = s.json(&["-r", "--json", "nothing", "neither"]);
    assert_eq!((code, json["error"]["problems"].as_array().unwrap().len()), (Some(1), 2), "{json}");
    assert_eq!(
        (&json["error"]["exit_code"], json["error"]["message"].as_str().unwrap().lines().count()),
        (&1.into(), 2)
    );
}

#[test]
fn a_failed_init_stops_its_dependents_and_what_was_loaded_for_them_goes() {
    let s = ModuleTree::new(
        &["failing", "dependent", "math_provider", "math_user", "hello"],
        "failing.ko: hello.ko math_provider.ko\ndependent.ko: failing.ko hello.ko math_provider.ko\n\
         math_provider.ko:\nmath_user.ko: math_provider.ko\nhello.ko:\n",
    );
    let failed = s.modprobe(&["dependent"]);
    assert_eq!(failed.code, Some(1));
    let tree = s.shown();
    let said = format!(
        "relobox: math_provider: removed again\nrelobox: hello: removed again\n\
         relobox: {tree}/failing.ko: init returned -19 (No such device)\n\
         relobox: dependent: not tried, because failing was not loaded\n"
    );
    assert_eq!(failed.stderr, said);
    s.assert_empty();
    // With a user of its own, math_provider stays.
    let (code, json) = s.json(&["--json", "-a", "dependent", "math_user", "no-such"]);
    assert_eq!(code, Some(1));
    let rows = json["modules"].as_array().unwrap();
    let outcomes: Vec<_> =
        rows.iter().map(|row| (row["name"].as_str().unwrap(), row["outcome"].as_str().unwrap())).collect();
    let expected = [
        ("math_provider", "loaded"),
        ("hello", "unwound"),
        ("failing", "failed"),
        ("dependent", "not-tried"),
        ("math_user", "loaded"),
    ];
    assert_eq!(outcomes, expected);
    assert_eq!(rows[3]["because"], "failing");
    assert_eq!(rows[2]["error"]["problems"][0]["value"], -19);
    assert_eq!(s.loaded(), ["math_provider", "math_user"]);
    // As a soft dependency its failure is a warning.
    s.configure("softdep hello pre: failing\n");
    let soft = s.modprobe(&["hello"]);
    assert_eq!(soft.code, Some(0), "{soft:?}");
    assert!(soft.stderr.contains("it is a soft dependency"), "{soft:?}");
}

#[test]
fn many_at_once_load_each_module_once() {
    let s = ModuleTree::new(
        &["math_provider", "math_user", "hello", "left", "right", "counter"],
        "math_provider.ko:\nmath_user.ko: math_provider.ko\nhello.ko:\nleft.ko: hello.ko\nright.ko: hello.ko\ncounter.ko:\n",
    );
    let module_tree = &s;
    for round in 0..3 {
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let all = ["-a", "--jobs", "4", "left", "right", "math_user", "counter"];
            let runs: Vec<_> = (0..4).map(|_| scope.spawn(move || module_tree.modprobe(&all))).collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        });
        for outcome in &outcomes {
            assert_eq!(outcome.code, Some(0), "round {round}: {outcomes:#?}");
        }
        let live: usize = outcomes.iter().map(|o| o.stdout.lines().count()).sum();
        assert_eq!(live, 6, "each is loaded by one of them: {outcomes:#?}");
        assert_eq!(s.loaded(), ["counter", "hello", "left", "math_provider", "math_user", "right"]);
        assert_eq!(s.modprobe(&["-r", "left", "right", "math_user", "counter", "hello"]).code, Some(0));
        s.assert_empty();
    }
}

#[test]
fn modules_say_themselves_what_modules_dep_does_not() {
    let s = ModuleTree::new(&["math_provider"], "");
    std::fs::remove_file(s.tree.join("modules.dep")).unwrap();
    let user = s.sample("math_user");
    std::fs::rename(user, s.tree.join("math_user.ko")).unwrap();
    s.write("modules.order", "math_provider.ko\nmath_user.ko\n");
    let without = s.modprobe(&["math_user"]);
    assert_eq!(without.code, Some(0), "{without:?}");
    assert!(without.stderr.contains("modules.dep: the file does not exist"), "{without:?}");
    assert_eq!(s.loaded(), ["math_provider", "math_user"]);
    s.modprobe(&["-r", "math_user"]);
    s.assert_empty();
    // A list that says nothing, and is older than the module.
    s.write("modules.dep", "math_provider.ko:\nmath_user.ko:\n");
    std::thread::sleep(std::time::Duration::from_millis(20));
    let bytes = std::fs::read(s.tree.join("math_user.ko")).unwrap();
    std::fs::write(s.tree.join("math_user.ko"), bytes).unwrap();
    let stale = s.modprobe(&["math_user"]);
    assert_eq!(stale.code, Some(0), "{stale:?}");
    assert!(stale.stderr.contains("math_user: needs math_provider, which is not in modules.dep"), "{stale:?}");
    assert_eq!(s.loaded(), ["math_provider", "math_user"]);
}

#[test]
fn what_is_not_there_or_not_wanted_is_named() {
    let s = ModuleTree::new(&["hello"], "hello.ko:\n");
    s.write("modules.alias", "alias greeting hello\n");
    s.configure("blacklist hello\ninstall math_user /sbin/modprobe hello && true\n");
    let missing = s.modprobe(&["no-such"]);
    let text = format!(
        "relobox: no-such: no module or alias has this name in {}; run 'depmod' to index new modules\n",
        s.shown()
    );
    assert_eq!((missing.code, missing.stderr), (Some(1), text));
    let quiet = s.modprobe(&["-q", "no-such"]);
    assert_eq!((quiet.code, quiet.stderr.as_str()), (Some(1), ""));
    let (code, json) = s.json(&["--json", "greeting"]);
    assert_eq!(
        (code, &json["blacklisted"], &json["modules"]),
        (Some(0), &serde_json::json!(["hello"]), &serde_json::json!([]))
    );
    let command = s.modprobe(&["math_user"]);
    assert_eq!(command.code, Some(1));
    assert!(
        command.stderr.contains("conf/test.conf:2 has a command for it, and relobox does not run commands"),
        "{command:?}"
    );
    let nowhere = s.modprobe(&["-S", "9.9.9", "hello"]);
    assert_eq!(nowhere.code, Some(1));
    assert!(nowhere.stderr.contains("no such directory"), "{nowhere:?}");
    assert!(!s.socket.exists());
    assert_eq!(s.modprobe(&["hello", "times=2"]).code, Some(0));
    assert_eq!(s.log(), ["hello: hello, world", "hello: hello, world"]);
}

/// dracut calls `modprobe -d "" -D NAME`, and uses the paths in another directory.
#[test]
fn paths_are_absolute_and_a_file_needs_no_tree() {
    let s = ModuleTree::new(&["hello"], "hello.ko:\n");
    let here = s.directory.canonicalize().unwrap();
    let shown = s.modprobe(&["-D", "hello"]);
    assert_eq!(shown.stdout, format!("insmod {}/hello.ko\n", s.shown()));
    std::fs::rename(s.tree.join("hello.ko"), s.directory.join("x.ko")).unwrap();
    let file = |file: &str| -> Outcome {
        let options = ["-d", "", "-S", "no-such-release", "-C", "conf", "-D", file];
        s.command("modprobe").env_remove("RELOBOX_KERNEL").args(options).output().unwrap().into()
    };
    let shown = file("./x.ko");
    assert_eq!((shown.code, shown.stdout), (Some(0), format!("insmod {}/./x.ko\n", here.display())));
    let missing = file("./y.ko");
    assert_eq!(missing.code, Some(1), "{missing:?}");
    let by_name = file("x");
    assert!(by_name.stderr.contains("no module or alias has this name in /lib/modules/no-such-release"), "{by_name:?}");
}
