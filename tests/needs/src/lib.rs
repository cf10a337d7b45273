//! Tests that need something: a program, root, a corpus of modules.
//!
//! Where that is missing, the test is reported as *ignored*, with what is missing and how to get it. Where
//! `RELOBOX_REQUIRE` names the need, the test *fails* instead:
//!
//! | `RELOBOX_REQUIRE` | fails without |
//! |---|---|
//! | unset or empty | nothing |
//! | `all` | anything that a test needs |
//! | `yaml2obj,corpus` | these; a word is a need's name or the first word of it |
//!
//! Rust's own test harness cannot tell that a test was ignored while it ran, so these tests are programs with
//! `harness = false` in their crate's `Cargo.toml`:
//!
//! ```no_run
//! use relobox_needs::{corpus, root, test, tool, ExitCode};
//!
//! fn main() -> ExitCode {
//!     relobox_needs::run([
//!         test!(a_file_is_read).needs([tool("yaml2obj")]),
//!         test!(every_module_is_loaded).needs([root(), corpus("amd64")]),
//!         test!(nothing_is_nothing),
//!     ])
//! }
//! # fn a_file_is_read() {}
//! # fn every_module_is_loaded() {}
//! # fn nothing_is_nothing() {}
//! ```
//!
//! A function that is not in the list is dead code, which the compiler says.

mod names;
mod need;
mod programs;
mod require;

pub use need::{Need, corpora, corpus, kernel_memory_root, oracles, programs, programs_root, root};
pub use programs::{WasmC, clang_for_wasm, llvm, program, tool, wasm_c, wasm_rust, wasm_rustc};
pub use std::process::ExitCode;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use require::Require;

/// A test, and what it needs.
pub struct Test {
    name: String,
    needs: Vec<Need>,
    on_request: bool,
    body: Box<dyn FnOnce() -> Result<(), String> + Send>,
}

/// A test that is called as its function: `test!(function)`.
#[macro_export]
macro_rules! test {
    ($function:ident) => {
        $crate::test(stringify!($function), $function)
    };
}

/// A test called `name`. It fails if `body` panics or returns an error.
pub fn test<O: Outcome>(name: impl Into<String>, body: impl FnOnce() -> O + Send + 'static) -> Test {
    let body = Box::new(|| body().outcome());
    Test { name: name.into(), needs: Vec::new(), on_request: false, body }
}

impl Test {
    /// Without all of these the test does not run. Those named before stay.
    #[must_use]
    pub fn needs(mut self, needs: impl IntoIterator<Item = Need>) -> Test {
        for need in needs {
            if !self.needs.contains(&need) {
                self.needs.push(need);
            }
        }
        self
    }

    /// Only run by `-- --ignored`, as by Rust's `#[ignore]`: a measurement, nothing that can fail.
    #[must_use]
    pub fn on_request(mut self) -> Test {
        self.on_request = true;
        self
    }

    fn trial(self, require: &Require) -> Trial {
        let missing: Vec<&Need> = self.needs.iter().filter(|need| !need.is_met()).collect();
        let reason = missing.iter().map(|need| need.to_string()).collect::<Vec<_>>().join("; ");
        let outcome = match (missing.is_empty(), missing.iter().any(|need| require.names(need.name()))) {
            (true, _) => None,
            (false, true) => Some(Err(Failed::from(format!("{reason} (RELOBOX_REQUIRE asks for it)")))),
            (false, false) => Some(Ok(Completion::ignored_with(reason))),
        };
        let body = self.body;
        let run = move || outcome.unwrap_or_else(|| body().map(|()| Completion::Completed).map_err(Failed::from));
        Trial::ignorable_test(self.name, run).with_ignored_flag(self.on_request)
    }
}

/// What a test's function may return.
pub trait Outcome {
    /// Why it failed.
    ///
    /// # Errors
    ///
    /// If it did.
    fn outcome(self) -> Result<(), String>;
}

impl Outcome for () {
    fn outcome(self) -> Result<(), String> {
        Ok(())
    }
}

impl<E: std::fmt::Debug> Outcome for Result<(), E> {
    fn outcome(self) -> Result<(), String> {
        self.map_err(|error| format!("{error:?}"))
    }
}

/// Runs the tests as Rust's harness would, with its options: the body of a test program's `main`.
pub fn run(tests: impl IntoIterator<Item = Test>) -> ExitCode {
    let require = match Require::from_environment() {
        Ok(require) => require,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    let trials = tests.into_iter().map(|test| test.trial(&require)).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
