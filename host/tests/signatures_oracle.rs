//! What openssl and scripts/sign-file of Linux sign is verified; what they sign otherwise is not.
//!
//! `sign-file` is used where Debian's linux-kbuild is installed, or where `RELOBOX_SIGN_FILE` says that it is.

mod test_env;

use relobox_needs::{ExitCode, Need, Test, test, tool};
use std::path::{Path, PathBuf};
use std::process::Command;
use test_env::{Outcome, TestEnv};

fn main() -> ExitCode {
    let tests: [Test; 2] = [
        test!(what_openssl_signs_is_verified).needs([tool("openssl"), tool("cc")]),
        test!(what_linux_signs_is_verified).needs([tool("openssl"), tool("cc"), sign_file().0]),
    ];
    relobox_needs::run(tests)
}

/// The program, and whether it is there.
fn sign_file() -> (Need, PathBuf) {
    let given = std::env::var_os("RELOBOX_SIGN_FILE").map(PathBuf::from);
    let installed = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    let installed = installed.filter(|path| path.display().to_string().contains("linux-kbuild-"));
    let found = given.or_else(|| installed.map(|path| path.join("scripts/sign-file")).find(|path| path.exists()));
    let met = found.as_ref().map(drop).ok_or_else(|| "install linux-kbuild-VERSION".to_owned());
    (Need::new("sign-file", met), found.unwrap_or_default())
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A key of this kind, as `key.pem`, and its certificate, as `keys/key.pem`.
fn make_key(w: &TestEnv, kind: &[&str]) {
    let _ = std::fs::create_dir(w.directory.join("keys"));
    let mut openssl = Command::new("openssl");
    openssl.current_dir(&w.directory).args(["req", "-x509", "-new", "-nodes", "-sha256", "-batch", "-subj", "/CN=Me"]);
    run(openssl.args(["-keyout", "key.pem", "-out", "keys/key.pem"]).args(kind));
}

const KINDS: [&[&str]; 4] = [
    &["-newkey", "rsa:2048"],
    &["-newkey", "rsa:3072"],
    &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
    &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1"],
];

/// What modinfo says of the signature of `signed.ko`.
fn verified(w: &TestEnv) -> String {
    let args = ["modinfo", "--signatures", "warn", "--keys", "keys", "-F", "sig_verified", "signed.ko"];
    let outcome: Outcome = w.command_of(&args).output().unwrap().into();
    assert_eq!(outcome.code, Some(0), "{outcome:?}");
    outcome.stdout
}

/// A byte of the module is another one.
fn change(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = bytes.windows(5).rposition(|bytes| bytes == b"GCC: ").expect("the compiler's name");
    bytes[at] = b'X';
    std::fs::write(path, bytes).unwrap();
}

fn what_openssl_signs_is_verified() {
    let w = TestEnv::new();
    let module = std::fs::read(w.sample("hello")).unwrap();
    for kind in KINDS {
        make_key(&w, kind);
        for (hash, more, words) in [
            ("sha256", &["-noattr", "-nocerts"][..], "yes, signed by 'Me' with key "),
            ("sha384", &["-noattr", "-nocerts"], "yes, signed by 'Me' with key "),
            ("sha512", &["-noattr"], "yes, signed by 'Me' with key "),
            ("sha256", &["-noattr", "-nocerts", "-keyid"], "yes, signed with key "),
            ("sha256", &["-nocerts"], "no, its signature is not supported: it signs attributes"),
            ("sha1", &["-noattr"], "no, its signature is not supported: the digest algorithm sha1"),
            ("sha256", &["-noattr", "-nodetach"], "no, its signature is not supported: it contains what it signs"),
        ] {
            let mut openssl = Command::new("openssl");
            openssl.current_dir(&w.directory).args(["cms", "-sign", "-binary", "-outform", "DER", "-in", "hello.ko"]);
            openssl.args(["-signer", "keys/key.pem", "-inkey", "key.pem", "-out", "message", "-md", hash]).args(more);
            run(&mut openssl);
            let message = std::fs::read(w.directory.join("message")).unwrap();
            let len = u32::try_from(message.len()).unwrap().to_be_bytes();
            let structure = [&[0, 0, 2, 0, 0, 0, 0, 0][..], &len, b"~Module signature appended~\n"].concat();
            std::fs::write(w.directory.join("signed.ko"), [&module[..], &message, &structure].concat()).unwrap();
            let said = verified(&w);
            assert!(said.starts_with(words), "{kind:?}, {hash}, {more:?}: {said}");
            if words.starts_with("yes") {
                change(&w.directory.join("signed.ko"));
                let said = verified(&w);
                assert!(said.starts_with("no, signed "), "{kind:?}, {hash}, {more:?}: {said}");
            }
        }
    }
}

fn what_linux_signs_is_verified() {
    let w = TestEnv::new();
    w.sample("hello");
    for kind in KINDS {
        make_key(&w, kind);
        for hash in ["sha256", "sha384", "sha512"] {
            let mut sign = Command::new(sign_file().1);
            run(sign.current_dir(&w.directory).args([hash, "key.pem", "keys/key.pem", "hello.ko", "signed.ko"]));
            let said = verified(&w);
            assert!(said.starts_with("yes, signed by 'Me' with key "), "{kind:?}, {hash}: {said}");
            change(&w.directory.join("signed.ko"));
            assert!(verified(&w).starts_with("no, signed "), "{kind:?}, {hash}");
        }
    }
}
