//! Loads one module that other processes may be loading at the same time.

use super::run::is_only;
use relobox_core::error::Result;
use relobox_core::kernel::Module;
use std::time::{Duration, Instant};

/// The time between two questions to the kernel.
const PAUSE: Duration = Duration::from_millis(20);

/// Loads module `name` with `insert`, or waits up to `patience` until another process has loaded it. Returns `None` if
/// the module is live already.
///
/// Only `modules`, which asks the kernel, can say that a module is live. An error of `insert` only decides whether
/// `insert` is tried again, and only if it comes from the kernel. An [`Error::Reported`](relobox_core::Error::Reported) comes
/// from the linking process and does not count.
///
/// # Errors
/// The error of `insert`, if the module is not live according to the kernel when the wait ends.
pub fn load<T>(
    name: &str,
    patience: Duration,
    mut insert: impl FnMut() -> Result<T>,
    mut modules: impl FnMut() -> Result<Vec<Module>>,
) -> Result<Option<T>> {
    let until = Instant::now() + patience;
    loop {
        let error = match insert() {
            Ok(inserted) => return Ok(Some(inserted)),
            Err(error) => error,
        };
        // The module existed when it was linked, or finit_module(2) returned EEXIST, which an init may return as well.
        let mut was_there = matches!(error, relobox_core::Error::Module(_)) && is_only(&error, "already-loaded");
        loop {
            let Ok(modules) = modules() else { return Err(error) };
            match modules.iter().find(|module| module.name == name) {
                Some(module) if module.live => return Ok(None),
                Some(_) if Instant::now() < until => was_there = true,
                // The module is gone: try again. If it never existed, the failure is the module's own.
                None if was_there && Instant::now() < until => break,
                _ => return Err(error),
            }
            std::thread::sleep(PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use relobox_core::diagnostic::Diagnostic;
    use relobox_core::error::Error;

    fn module(name: &str, live: bool) -> Module {
        let (areas, users, uses, exports) = Default::default();
        Module { name: name.into(), live, areas, use_count: None, users, uses, exports }
    }

    /// Returns the result and the number of tries. `errors` are the failures of the first tries, and `lists` the
    /// kernel's answers, one for each question.
    fn tried(errors: Vec<Error>, lists: Vec<Vec<Module>>) -> (Result<Option<usize>, String>, usize) {
        let (mut errors, mut lists, mut tries) = (errors.into_iter(), lists.into_iter(), 0);
        let insert = || {
            tries += 1;
            errors.next().map_or(Ok(tries), Err)
        };
        let loaded = load("m", Duration::from_secs(60), insert, || Ok(lists.next().unwrap()));
        (loaded.map_err(|error| error.to_string()), tries)
    }

    fn problem(kind: &'static str) -> Diagnostic {
        Diagnostic { value: Some(-17), ..Diagnostic::new(kind, "m.ko", "it says") }
    }

    #[test]
    fn only_the_kernel_says_that_a_module_is_live() {
        let no = || Err("m.ko: it says".to_owned());
        let other = || vec![module("other", true)];
        for kind in ["already-loaded", "init-failed", "stale", "disagrees", "not-found", "vermagic"] {
            for error in [Error::Reported(vec![problem(kind)]), Error::Kernel(Box::new(problem(kind)))] {
                // The linking process says so, whatever name it gave to the refused module.
                assert_eq!(tried(vec![error], vec![other()]), (no(), 1), "{kind}");
            }
            let error = Error::Reported(vec![problem(kind)]);
            assert_eq!(tried(vec![error], vec![vec![module("m", true)]]), (Ok(None), 1), "{kind}");
        }
        let usage = Error::Usage("m.ko: it says".into());
        assert_eq!(tried(vec![usage], vec![other()]), (no(), 1));
        assert_eq!(tried(vec![], vec![]), (Ok(Some(1)), 1));
    }

    #[test]
    fn a_load_by_another_process_is_waited_for() {
        let coming = || vec![module("m", false)];
        let exists = || Error::Kernel(Box::new(problem("already-loaded")));
        assert_eq!(tried(vec![exists()], vec![coming(), coming(), vec![module("m", true)]]), (Ok(None), 1));
        // The other load failed, so this one tries again.
        assert_eq!(tried(vec![exists()], vec![coming(), vec![]]), (Ok(Some(2)), 2));
        // The module existed when it was linked, and is gone.
        assert_eq!(tried(vec![problem("already-loaded").into()], vec![vec![]]), (Ok(Some(2)), 2));
    }
}
