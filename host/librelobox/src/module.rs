//! Modules: their files, and what becomes of them.

use crate::context::{Context, wrong_answer};
use crate::image::Image;
use crate::info::Info;
use crate::loaded::Loaded;
use crate::objects::{Kept, Objects};
use crate::symbols::Sources;
use relobox_cabi::boundary::c_text;
use relobox_core::error::{Error, Result};
use relobox_core::keys::Trust;
use relobox_core::sealed::{checked_length, is_packed, seal};
use relobox_isolate::message::Name;
use relobox_isolate::wire::blob;
use relobox_kmod::real::{Backend, Linking, Real};
use relobox_questions::{Answer, FileForm, Task};
use rustix::fs::fstat;
use std::ffi::CString;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) static MODULES: Objects<Module> = Objects::new();

/// The file of a module, which was read once. What is inspected, checked, linked and loaded are the same bytes.
pub(crate) struct Module {
    pub(crate) context: Arc<Kept<Context>>,
    pub(crate) name: CString,
    path: PathBuf,
    file: OwnedFd,
    len: u64,
    /// The file is compressed.
    packed: bool,
}

impl Module {
    /// Reads a file.
    ///
    /// # Errors
    /// If it cannot be read, or is too large.
    pub(crate) fn open(context: Arc<Kept<Context>>, path: &Path) -> Result<Self> {
        let (file, packed) = seal(path)?;
        let len = fstat(&file).map_err(|e| Error::io(path)(e.into()))?.st_size as u64;
        let name = c_text(path.as_os_str().as_encoded_bytes());
        Ok(Self { context, name, path: path.to_owned(), file, len, packed })
    }

    /// Copies bytes. `name` stands for the file in messages, and tells the module's name.
    ///
    /// # Errors
    /// If there are too many.
    pub(crate) fn from_memory(context: Arc<Kept<Context>>, name: PathBuf, bytes: &[u8]) -> Result<Self> {
        let len = checked_length(&name.display().to_string(), bytes.len() as u64)?;
        let packed = bytes.first_chunk().is_some_and(is_packed);
        let file = blob(bytes)?;
        let c_name = c_text(name.as_os_str().as_encoded_bytes());
        Ok(Self { context, name: c_name, path: name, file, len, packed })
    }

    fn form(&self) -> FileForm {
        FileForm { name: self.path.display().to_string(), len: self.len }
    }

    /// Tells what is in it.
    ///
    /// # Errors
    /// If it is no module, or the linking process fails.
    pub(crate) fn inspect(&self) -> Result<Info> {
        let question = Sources::default().question(Task::Inspect(self.form()));
        let (answer, _) = self.context.ask(&question, &[self.file.as_fd()])?;
        let Answer::Inspected(inspection) = answer else { return Err(wrong_answer()) };
        Ok(Info::of(&inspection))
    }

    /// Tries whether it links.
    ///
    /// # Errors
    /// If it does not, or the linking process fails.
    pub(crate) fn check(&self, symbols: &Sources) -> Result<()> {
        let inputs = self.context.settings().inputs;
        let question = symbols.question(Task::Check { file: self.form(), inputs });
        let fds: Vec<_> = symbols.fds().into_iter().chain([self.file.as_fd()]).collect();
        match self.context.ask(&question, &fds)?.0 {
            Answer::Checked { .. } => Ok(()),
            _ => Err(wrong_answer()),
        }
    }

    /// Links it at its final addresses.
    ///
    /// # Errors
    /// If it does not link there, or the linking process fails.
    pub(crate) fn link(&self, symbols: &Sources, base: Option<u64>, sections: Vec<(Name, u64)>) -> Result<Image> {
        let inputs = self.context.settings().inputs;
        let question = symbols.question(Task::Link { file: self.form(), base, sections, inputs });
        let fds: Vec<_> = symbols.fds().into_iter().chain([self.file.as_fd()]).collect();
        let (answer, output) = self.context.ask(&question, &fds)?;
        let Answer::Linked(form) = answer else { return Err(wrong_answer()) };
        Image::of(*form, &output)
    }

    /// Has this machine's kernel load it, with the parameters `args`.
    ///
    /// # Errors
    /// If it does not link, or the kernel refuses it.
    pub(crate) fn insert(&self, backend: Backend, args: &str) -> Result<Loaded> {
        let running = self.context.running()?;
        let real = Real::new(backend, Linking::default());
        let trust = Trust::of_machine(None, &[])?;
        let loader = real.loader_by(running.plugins.clone(), Arc::clone(&running.linker), trust);
        Ok(Loaded::of(&loader.insert_sealed(&self.path, &self.file, self.packed, args)?))
    }
}
