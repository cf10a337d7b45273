//! Symbols that a program has: texts of symbol files as they are, and symbols of its own. This process does not parse
//! the texts.

use crate::context::{Context, wrong_answer};
use crate::objects::{Kept, Objects};
use relobox_cabi::handles::lock;
use relobox_core::error::{Error, Result};
use relobox_core::limits;
use relobox_core::symbols::contents;
use relobox_isolate::message::Name;
use relobox_isolate::wire::blob;
use relobox_questions::{Answer, FileForm, Question, SymbolForm, Task};
use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex};

pub(crate) static SYMBOLS: Objects<Symbols> = Objects::new();

/// Symbols.
pub(crate) struct Symbols {
    pub(crate) context: Arc<Kept<Context>>,
    texts: Mutex<Vec<Text>>,
    own: Mutex<BTreeMap<Vec<u8>, u64>>,
}

/// A symbol text, sealed.
#[derive(Clone)]
struct Text {
    name: String,
    file: Arc<OwnedFd>,
    len: u64,
}

impl Symbols {
    pub(crate) fn new(context: Arc<Kept<Context>>) -> Self {
        Self { context, texts: Mutex::default(), own: Mutex::default() }
    }

    /// Reads a symbol file.
    ///
    /// # Errors
    /// If it cannot be read, or the linking process finds that it is no symbol file.
    pub(crate) fn read_file(&self, path: &Path) -> Result<()> {
        self.read(&path.display().to_string(), &contents(path)?)
    }

    /// As [`Symbols::read_file`], from memory.
    ///
    /// # Errors
    /// As [`Symbols::read_file`].
    pub(crate) fn read(&self, name: &str, bytes: &[u8]) -> Result<()> {
        if lock(&self.texts).len() >= limits::SYMBOL_TEXTS {
            return Err(Error::Usage(format!("more than {} symbol files", limits::SYMBOL_TEXTS)));
        }
        let text = Text { name: name.to_owned(), file: Arc::new(blob(bytes)?), len: bytes.len() as u64 };
        // Whether it is one.
        let question = Question { texts: vec![text.form()], symbols: Vec::new(), task: Task::Symbols(Vec::new()) };
        let (answer, _) = self.context.ask(&question, &[text.file.as_fd()])?;
        let Answer::Symbols { .. } = answer else { return Err(wrong_answer()) };
        lock(&self.texts).push(text);
        Ok(())
    }

    /// Adds a symbol, which replaces others of its name.
    ///
    /// # Errors
    /// If there are too many.
    pub(crate) fn add(&self, name: &[u8], address: u64) -> Result<()> {
        let mut own = lock(&self.own);
        if own.len() >= limits::WANTED || name.is_empty() {
            return Err(Error::Usage(format!("a symbol without a name, or more than {} symbols", limits::WANTED)));
        }
        own.insert(name.to_owned(), address);
        Ok(())
    }

    /// The number of names, and the definition of `name`, if one is given and there is one.
    ///
    /// # Errors
    /// If the linking process fails.
    pub(crate) fn look(&self, name: Option<&[u8]>) -> Result<(u64, Option<SymbolForm>)> {
        let names = name.map(Name::new).into_iter().collect();
        let sources = self.sources();
        let (answer, _) = self.context.ask(&sources.question(Task::Symbols(names)), &sources.fds())?;
        let Answer::Symbols { count, found } = answer else { return Err(wrong_answer()) };
        Ok((count, found.into_iter().next().flatten()))
    }

    /// What they are at this moment.
    pub(crate) fn sources(&self) -> Sources {
        let own = lock(&self.own).iter().map(|(name, address)| (Name::new(name), *address)).collect();
        Sources { texts: lock(&self.texts).clone(), own }
    }
}

impl Text {
    fn form(&self) -> FileForm {
        FileForm { name: self.name.clone(), len: self.len }
    }
}

/// Symbols as a question has them.
#[derive(Default)]
pub(crate) struct Sources {
    texts: Vec<Text>,
    own: Vec<(Name, u64)>,
}

impl Sources {
    pub(crate) fn question(&self, task: Task) -> Question {
        Question { texts: self.texts.iter().map(Text::form).collect(), symbols: self.own.clone(), task }
    }

    pub(crate) fn fds(&self) -> Vec<BorrowedFd<'_>> {
        self.texts.iter().map(|text| text.file.as_fd()).collect()
    }
}
