//! A context: the settings of a program, and the process that links for it.

use crate::objects::{Kept, Objects};
use crate::report::Report;
use relobox_cabi::boundary::{guarded, linker_program};
use relobox_cabi::errno::{negative, of_load};
use relobox_cabi::handles::lock;
use relobox_cabi::spawn;
use relobox_core::error::{Error, Result};
use relobox_core::linker_error::LinkerError;
use relobox_isolate::{Linker, Options};
use relobox_plugins::compiled;
use relobox_plugins::pins::Pins;
use relobox_plugins::registry::{Plugins, Search};
use relobox_questions::{Answer, Question};
use rustix::io::Errno;
use std::ffi::c_int;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

pub(crate) static CONTEXTS: Objects<Context> = Objects::new();

/// What a program has set.
#[derive(Clone, Default)]
pub(crate) struct Settings {
    /// The program that links; else that beside the library, or the installed one.
    pub(crate) linker: Option<PathBuf>,
    /// The file of pins.
    pub(crate) pins: Option<PathBuf>,
    /// More directories of plugins.
    pub(crate) directories: Vec<PathBuf>,
    /// The plugins that take precedence.
    pub(crate) chosen: Vec<String>,
    /// The numbers that plugins ask for.
    pub(crate) inputs: Vec<(String, u64)>,
}

impl Settings {
    /// The directories of plugins: the system's, and those that the program has added.
    fn search(&self) -> Search {
        // Nothing that the environment of a program names.
        Search { user: None, given: self.directories.clone(), ..Search::from_environment(true, &[]) }
    }

    /// The pins that apply. Those of a user do not apply for root.
    fn pins(&self) -> Result<Pins> {
        Pins::from_environment(rustix::process::geteuid().is_root(), self.pins.as_deref())
    }

    /// The file in which plugins are pinned.
    pub(crate) fn pin_file(&self) -> Result<PathBuf> {
        self.pins.clone().map_or_else(Pins::default_file, Ok)
    }

    /// All plugins that are found, whether they are pinned or not.
    pub(crate) fn plugins(&self) -> Result<Plugins> {
        Plugins::find(&self.search(), &self.chosen, self.pins()?)
    }

    /// As [`Settings::plugins`], when the file of pins need not exist yet.
    pub(crate) fn unpinned(&self) -> Result<Plugins> {
        Plugins::find(&self.search(), &[], Pins::default())
    }
}

/// A context.
#[derive(Default)]
pub(crate) struct Context {
    settings: Mutex<Settings>,
    running: Mutex<Option<Arc<Running>>>,
    /// The error of the last call that failed.
    error: Mutex<Arc<Report>>,
}

/// A linking process, and the plugins that it has.
pub(crate) struct Running {
    pub(crate) linker: Arc<Linker>,
    pub(crate) plugins: Plugins,
    /// The process that started it.
    owner: u32,
}

impl Drop for Running {
    fn drop(&mut self) {
        // In a process that was forked, it is still the other one's: it must not be ended.
        if self.owner != std::process::id() {
            std::mem::forget(Arc::clone(&self.linker));
        }
    }
}

impl Context {
    pub(crate) fn settings(&self) -> Settings {
        lock(&self.settings).clone()
    }

    /// Changes the settings. What links then is another process.
    pub(crate) fn set(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut lock(&self.settings));
        self.stop();
    }

    /// The linking process, which the first call starts.
    ///
    /// # Errors
    /// If the program is missing or cannot start, or if a chosen plugin is not pinned or not compiled.
    pub(crate) fn running(&self) -> Result<Arc<Running>> {
        let mut running = lock(&self.running);
        if let Some(running) = running.as_ref().filter(|running| running.owner == std::process::id()) {
            return Ok(Arc::clone(running));
        }
        let settings = self.settings();
        let mut plugins = settings.plugins()?;
        // A plugin that nobody trusts must not prevent a link that does not need it.
        let Plugins { files, pins, chosen, .. } = &mut plugins;
        files.retain(|file| pins.has(&file.digest) || chosen.contains(&file.digest));
        let linker = Linker::start(&Options {
            program: settings.linker.map_or_else(linker_program, Ok)?,
            compiled: compiled::of_pin,
            cache: None,
            // A module of any machine may come.
            machine: None,
            plugins: plugins.clone(),
            inputs: settings.inputs,
            start: spawn::start,
        })?;
        linker.ready()?;
        let new = Arc::new(Running { linker: Arc::new(linker), plugins, owner: std::process::id() });
        *running = Some(Arc::clone(&new));
        Ok(new)
    }

    /// Ends the linking process, unless another thread waits for it.
    fn stop(&self) {
        let old = lock(&self.running).take();
        drop(old);
    }

    /// Asks the linking process. Returns the answer, and the bytes that belong to it, of these sizes.
    ///
    /// # Errors
    /// If the process cannot start or fails; and as [`Linker::ask`].
    pub(crate) fn ask(&self, question: &Question, fds: &[BorrowedFd<'_>]) -> Result<(Answer, Output)> {
        let running = self.running()?;
        let json = serde_json::to_string(question).map_err(|e| LinkerError::Malformed(e.to_string()))?;
        let asked = running.linker.ask(json, fds).inspect_err(|error| {
            // It may be gone. The next call starts another.
            if matches!(error, Error::Linker(LinkerError::Gone | LinkerError::Killed(_) | LinkerError::Ended(_))) {
                self.stop();
            }
        });
        let (text, job) = asked?;
        let answer = serde_json::from_str(&text).map_err(|e| LinkerError::Malformed(e.to_string()))?;
        Ok((answer, Output(job)))
    }

    /// The error of the last call that failed. Empty if none did.
    pub(crate) fn error(&self) -> Arc<Report> {
        Arc::clone(&lock(&self.error))
    }

    fn fail(&self, report: Report) {
        let report = Arc::new(report);
        let old = std::mem::replace(&mut *lock(&self.error), report);
        drop(old);
    }
}

/// The bytes that belong to an answer.
pub(crate) struct Output(relobox_isolate::IndexJob);

impl Output {
    /// Reads them, in parts of these sizes.
    ///
    /// # Errors
    /// If there are fewer, or too many.
    pub(crate) fn parts(&self, sizes: &[u64]) -> Result<Vec<Vec<u8>>> {
        Ok(self.0.output(sizes, sizes.len())?)
    }
}

/// Runs a function of a program that can fail, of this context. Returns 0, or the number of the error, which the context
/// keeps.
pub(crate) fn call(
    context: Option<&Arc<Kept<Context>>>,
    body: impl FnOnce(&Arc<Kept<Context>>) -> Result<()>,
) -> c_int {
    let Some(context) = context else { return negative(Errno::INVAL) };
    let kept = || match guarded(|| Some(body(context)), None) {
        Some(Ok(())) => 0,
        Some(Err(error)) => {
            context.fail(Report::of(&error));
            negative(of_load(&error))
        }
        None => {
            context.fail(Report::of_panic());
            negative(Errno::FAULT)
        }
    };
    guarded(kept, negative(Errno::FAULT))
}

/// The error for an answer to another question.
pub(crate) fn wrong_answer() -> Error {
    LinkerError::Protocol("it answered another question").into()
}
