//! Loading one module that others may be loading at the same time.

use super::run::only;
use relobox_core::error::Result;
use relobox_core::kernel::Module;
use std::time::{Duration, Instant};

/// How long to wait before the kernel is asked again.
const PAUSE: Duration = Duration::from_millis(20);

/// Loads module `name` by `insert`, or waits up to `patience` for whoever else is loading it: its users need it live. `None`:
/// it is live already. Only `modules`, which asks the kernel, can say so; what `insert` fails with decides nothing but
/// whether it is tried again, and that only if it is a fact of the kernel's ([`Error::Reported`](relobox_core::Error::Reported) is none).
///
/// # Errors
/// What `insert` failed with, if the kernel does not say that the module is live in the end.
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
        // It was there when the module was linked, or finit_module(2) says EEXIST, which an init may say as well.
        let mut was_there = matches!(error, relobox_core::Error::Module(_)) && only(&error, "already-loaded");
        loop {
            let Ok(modules) = modules() else { return Err(error) };
            match modules.iter().find(|module| module.name == name) {
                Some(module) if module.live => return Ok(None),
                Some(_) if Instant::now() < until => was_there = true,
                // It went, so it can be tried again; or the failure was the module's own.
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

    /// What comes of `errors`, one for each try and then success, where the kernel has `lists`, one for each question.
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
                // Whatever the linking process says, and whatever name it gave the module when it was refused.
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
    fn somebody_elses_load_is_waited_for() {
        let coming = || vec![module("m", false)];
        let exists = || Error::Kernel(Box::new(problem("already-loaded")));
        assert_eq!(tried(vec![exists()], vec![coming(), coming(), vec![module("m", true)]]), (Ok(None), 1));
        // It failed, so this one is tried again.
        assert_eq!(tried(vec![exists()], vec![coming(), vec![]]), (Ok(Some(2)), 2));
        // It was there when the module was linked, and is gone.
        assert_eq!(tried(vec![problem("already-loaded").into()], vec![vec![]]), (Ok(Some(2)), 2));
    }
}
