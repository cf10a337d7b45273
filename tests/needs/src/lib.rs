//! A test harness for tests with needs: a program, root, a corpus of modules.
//!
//! If a need is not met, the test is reported as *ignored*, with what is missing and how to get it. If
//! `RELOBOX_REQUIRE` names the need, the test *fails* instead:
//!
//! | `RELOBOX_REQUIRE` | fails without |
//! |---|---|
//! | unset or empty | nothing |
//! | `all` | anything that a test needs |
//! | `yaml2obj,corpus` | these; each word is the name of a need or the first word of a name |
//! | `all,-gdb` | anything but this |
//!
//! Rust's own test harness cannot ignore a test at run time, so these tests are programs with
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
//! The compiler reports a function that is not in the list as dead code.

mod names;
mod need;
mod programs;
mod require;

pub use need::{
    Need, corpora, corpus, kernel_memory_root, kmod, kmod_root, library, oracles, programs, programs_root, root,
};
pub use programs::{WasmC, clang_for_wasm, llvm, program, ran, tool, wasm_c, wasm_rust, wasm_rustc};
pub use std::process::ExitCode;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use require::Require;

/// A test with its needs.
pub struct Test {
    name: String,
    needs: Vec<Need>,
    on_request: bool,
    body: Box<dyn FnOnce() -> Result<(), String> + Send>,
}

/// Makes a test that is named after its function: `test!(function)`.
#[macro_export]
macro_rules! test {
    ($function:ident) => {
        $crate::test(stringify!($function), $function)
    };
}

/// Makes a test called `name`. It fails if `body` panics or returns an error.
pub fn test<O: Outcome>(name: impl Into<String>, body: impl FnOnce() -> O + Send + 'static) -> Test {
    let body = Box::new(|| body().outcome());
    Test { name: name.into(), needs: Vec::new(), on_request: false, body }
}

impl Test {
    /// Adds needs. The test only runs if all of them are met.
    #[must_use]
    pub fn needs(mut self, needs: impl IntoIterator<Item = Need>) -> Test {
        for need in needs {
            if !self.needs.contains(&need) {
                self.needs.push(need);
            }
        }
        self
    }

    /// Marks the test as a measurement that cannot fail. Like Rust's `#[ignore]`, it only runs with `-- --ignored`.
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

/// The types that a test's function may return.
pub trait Outcome {
    /// Converts the result; an error contains the reason of the failure.
    ///
    /// # Errors
    ///
    /// If the test failed.
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

/// Runs the tests with the options of Rust's own test harness. The `main` of a test program calls this.
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
