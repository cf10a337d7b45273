//! Pins and plugins that belong to another user are not used. Only root can give a file away.

#[cfg(target_os = "linux")]
mod test_env;

use relobox_needs::ExitCode;

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    let tests = linux::tests();
    #[cfg(not(target_os = "linux"))]
    let tests = [];
    relobox_needs::run(tests)
}

#[cfg(target_os = "linux")]
mod linux {
    use crate::test_env::{Outcome, TestEnv};
    use relobox::built_in;
    use relobox::plugin_file::Origin;
    use relobox::registry::Search;
    use relobox_needs::{Test, root, test};
    use std::os::unix::fs::{PermissionsExt as _, chown};
    use std::path::Path;

    pub(crate) fn tests() -> [Test; 3] {
        [
            test!(pins_of_another_user_are_refused).needs([root()]),
            test!(a_system_directory_of_another_user_is_refused).needs([root()]),
            test!(another_users_home_is_not_looked_at).needs([root()]),
        ]
    }

    fn run(w: &TestEnv, args: &[&str]) -> Outcome {
        let mut command = w.command_of(args);
        command.env("XDG_DATA_HOME", w.directory.join("data")).env("XDG_CONFIG_HOME", w.directory.join("config"));
        command.env_remove("RELOBOX_PINS").env_remove("RELOBOX_PLUGIN_DIR").output().unwrap().into()
    }

    /// A plugin that only this user can write: a directory, and a file in it.
    fn plugin(w: &TestEnv) -> std::path::PathBuf {
        let dir = w.directory.join("data/relobox/plugins");
        std::fs::create_dir_all(&dir).unwrap();
        let mut wasm = built_in::wasm_of("aarch64").unwrap().to_vec();
        wasm.extend([0, 3, 1, b'm', 1]);
        std::fs::write(dir.join("mine.wasm"), wasm).unwrap();
        dir
    }

    fn give_away(path: &Path) {
        chown(path, Some(12345), None).unwrap();
    }

    fn pins_of_another_user_are_refused() {
        let w = TestEnv::new();
        let pins = w.directory.join("pins");
        std::fs::write(&pins, "").unwrap();
        std::fs::set_permissions(&pins, std::fs::Permissions::from_mode(0o600)).unwrap();
        // What comes next is not there; pins are read before.
        let args = ["link", "nowhere.o", "--pins", "pins"];
        let before = run(&w, &args);
        assert!(before.code == Some(2) && before.stderr.contains("nowhere.o: No such file"), "{before:?}");
        give_away(&pins);
        let after = run(&w, &args);
        assert!(after.code == Some(2) && after.stderr.contains("it belongs to user 12345"), "{after:?}");
    }

    fn a_system_directory_of_another_user_is_refused() {
        let w = TestEnv::new();
        let dir = plugin(&w);
        let search = Search { system: vec![dir.clone()], ..Search::default() };
        let read = search.read().unwrap();
        let origins: Vec<_> = read.files.iter().map(|plugin| &plugin.origin).collect();
        assert_eq!(origins, [&Origin::System(dir.join("mine.wasm"))]);
        give_away(&dir);
        let said = search.read().unwrap_err().to_string();
        assert!(said.contains("it belongs to user 12345"), "{said}");
    }

    fn another_users_home_is_not_looked_at() {
        let w = TestEnv::new();
        let dir = plugin(&w);
        let list = ["plugin", "list", "--json"];
        assert!(run(&w, &list).stdout.contains("mine.wasm"));
        give_away(&dir);
        let after = run(&w, &list);
        assert!(after.code == Some(0) && !after.stdout.contains("mine.wasm"), "{after:?}");
    }
}
