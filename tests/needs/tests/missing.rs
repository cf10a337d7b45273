//! What becomes of a test whose need is missing. The program starts itself again with a made-up list of tests.

use relobox_needs::{ExitCode, Need, corpus, root, test, tool};
use std::process::{Command, Output};

const AGAIN: &str = "RELOBOX_NEEDS_AGAIN";

fn main() -> ExitCode {
    if std::env::var_os(AGAIN).is_some() {
        let nowhere = || Need::new("corpus nowhere", Err("there is none".into()));
        return relobox_needs::run([
            test!(there).needs([Need::new("root", Ok(()))]),
            test!(never).needs([tool("cc"), nowhere()]),
            test!(bad),
            test!(panics),
            test!(measured).on_request(),
        ]);
    }
    relobox_needs::run([
        test!(it_is_ignored_with_its_reason),
        test!(it_fails_if_it_is_required),
        test!(a_word_without_a_meaning_ends_the_program),
        test!(what_is_there_is_found),
    ])
}

fn there() {}

fn never() {
    println!("it ran");
}

fn bad() -> Result<(), &'static str> {
    Err("a returned error")
}

fn panics() {
    panic!("a panic");
}

fn measured() {}

fn again(require: Option<&str>, args: &[&str]) -> (Output, String) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .env(AGAIN, "1")
        .env("RUST_BACKTRACE", "0")
        .env_remove("RELOBOX_REQUIRE")
        .args(["--color", "never"])
        .args(args);
    if let Some(words) = require {
        command.env("RELOBOX_REQUIRE", words);
    }
    let out = command.output().unwrap();
    let text = [&out.stdout[..], &out.stderr].concat();
    (out, String::from_utf8(text).unwrap())
}

fn it_is_ignored_with_its_reason() {
    for require in [None, Some(""), Some("root,yaml2obj,corpus amd64")] {
        let (out, text) = again(require, &["--skip", "bad", "--skip", "panics"]);
        assert!(out.status.success(), "{text}");
        assert!(text.contains("test never    ... ignored (needs corpus nowhere: there is none)\n"), "{text}");
        assert!(text.contains("test result: ok. 1 passed; 0 failed; 2 ignored; "), "{text}");
        assert!(!text.contains("it ran"), "{text}");
    }
    // A failure is one, returned or by a panic.
    let (out, text) = again(None, &[]);
    assert_eq!(out.status.code(), Some(101), "{text}");
    assert!(text.contains("a returned error") && text.contains("a panic"), "{text}");
    assert!(text.contains("test result: FAILED. 1 passed; 2 failed; 2 ignored; "), "{text}");
}

fn it_fails_if_it_is_required() {
    for require in ["all", "corpus", "corpus nowhere", "yaml2obj, corpus nowhere"] {
        let (out, text) = again(Some(require), &["never"]);
        assert_eq!(out.status.code(), Some(101), "{text}");
        assert!(text.contains("needs corpus nowhere: there is none (RELOBOX_REQUIRE asks for it)"), "{text}");
        assert!(text.contains("0 passed; 1 failed; 0 ignored"), "{text}");
        assert!(!text.contains("it ran"), "{text}");
    }
    // What is there is not missed, and what is only measured on request is not asked for.
    let (out, text) = again(Some("all"), &["--skip", "bad", "--skip", "panics", "--skip", "never"]);
    assert!(out.status.success() && text.contains("1 passed; 0 failed; 1 ignored"), "{text}");
}

fn a_word_without_a_meaning_ends_the_program() {
    let (out, text) = again(Some("everything"), &[]);
    assert_eq!(out.status.code(), Some(2), "{text}");
    assert!(text.contains("RELOBOX_REQUIRE: no test needs anything called 'everything'"), "{text}");
}

/// The needs are met here or not; either is said, and a corpus that cannot be there is missing.
fn what_is_there_is_found() {
    assert!(tool("bash").is_met(), "this is a machine without bash: {}", tool("bash"));
    let corpus = corpus("no-such-corpus");
    assert!(!corpus.is_met());
    assert_eq!(corpus.to_string(), "needs corpus no-such-corpus: tests/scripts/fetch-corpora no-such-corpus");
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let effective = status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().nth(1));
    assert_eq!(root().is_met(), effective == Some("0"));
}
