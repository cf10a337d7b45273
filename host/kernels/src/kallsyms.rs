//! The symbols of the running kernel, as /proc/kallsyms lists them.
//!
//! The kernel makes the text anew for each reader, 200,000 lines of it, which takes longer than to link a module. So a
//! run reads it once, and again only if a name is missing and the list of modules has changed since.

use super::linux;
use relobox_core::kernel::{KernelError, Module};
use relobox_core::symbols::{NameFilter, SymbolFileError, Symbols, contents};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// The kernel's symbols, with addresses for processes that have CAP_SYSLOG.
const PATH: &str = "/proc/kallsyms";

/// What one run has read of /proc/kallsyms.
#[derive(Debug, Default)]
pub struct Kallsyms(Mutex<Option<Text>>);

/// The whole text, and the names of the modules that were loaded just before it was read.
#[derive(Debug)]
struct Text {
    text: Vec<u8>,
    modules: Vec<String>,
}

impl Kallsyms {
    /// Returns the definitions of `names`, and of the names that `also` accepts.
    ///
    /// The addresses of a module that another process has replaced since the text was read are those of the old one.
    ///
    /// # Errors
    /// If the file cannot be read, or hides addresses from this process.
    pub(crate) fn symbols(
        &self,
        names: &[&[u8]],
        also: impl Fn(&[u8]) -> bool,
        modules: &[Module],
    ) -> Result<Symbols, KernelError> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let loaded: Vec<String> = modules.iter().map(|module| module.name.clone()).collect();
        let fresh = kept.is_none();
        let text = match &mut *kept {
            Some(text) => text,
            empty => empty.insert(Text { text: read()?, modules: loaded.clone() }),
        };
        let symbols = parse(&text.text, names, &also)?;
        let complete = || names.iter().all(|name| symbols.get(name).is_some_and(|found| found.address.is_some()));
        if fresh || text.modules == loaded || complete() {
            return Ok(symbols);
        }
        *text = Text { text: read()?, modules: loaded };
        parse(&text.text, names, also)
    }
}

fn unreadable(why: &str) -> KernelError {
    KernelError::Unreachable(format!("{PATH}: {why}"))
}

/// The error for a process that is shown no addresses.
pub(crate) fn hidden() -> KernelError {
    KernelError::NotAllowed(format!("{PATH} hides addresses from this process: {}", linux::hidden()))
}

fn read() -> Result<Vec<u8>, KernelError> {
    contents(Path::new(PATH)).map_err(|e| unreadable(&e.to_string()))
}

fn parse(text: &[u8], names: &[&[u8]], also: impl Fn(&[u8]) -> bool) -> Result<Symbols, KernelError> {
    let names: NameFilter<'_> = names.iter().copied().collect();
    let mut symbols = Symbols::new();
    symbols.read(text, |name| names.contains(name) || also(name)).map_err(|unusable| match unusable {
        SymbolFileError::Hidden => hidden(),
        _ => unreadable(&unusable.to_string()),
    })?;
    Ok(symbols)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proc::modules;

    /// As if it had been read when the modules `loaded` were there.
    fn kept(text: &str, loaded: &[&str]) -> Kallsyms {
        let modules = loaded.iter().map(ToString::to_string).collect();
        Kallsyms(Mutex::new(Some(Text { text: text.into(), modules })))
    }

    #[test]
    fn what_was_read_is_used_again_while_it_has_the_names() {
        let kallsyms = kept("ffffffff81000000 T _text\nffffffff81000010 T helper\n", &["a"]);
        // A module more, but nothing is missing: this machine's own file is not read.
        let symbols =
            kallsyms.symbols(&[b"helper"], |_| false, &modules("a 1 0 - Live 0x1\nb 1 0 - Live 0x2\n")).unwrap();
        assert_eq!(symbols.get(b"helper").unwrap().address, Some(0xffff_ffff_8100_0010));
        // The same modules: another look would not find the name either.
        let symbols = kallsyms.symbols(&[b"nowhere"], |_| false, &modules("a 1 0 - Live 0x1\n")).unwrap();
        assert!(symbols.get(b"nowhere").is_none());
        assert_eq!(kallsyms.0.lock().unwrap().as_ref().unwrap().modules, ["a"]);
    }
}
