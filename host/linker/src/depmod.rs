//! The jobs of depmod and modinfo: they read modules, make indices, look names up, and print.
//!
//! Each module is read by an engine of its own. What a job makes, it writes to its buffer for files.

use cap_std::fs::File;
use relobox_abi::index;
use relobox_core::error::Error;
use relobox_core::limits;
use relobox_core::linker_error::LinkerError;
use relobox_depmod::choose::{Module, Tree};
use relobox_depmod::config::Config;
use relobox_depmod::graph::Graph;
use relobox_depmod::log::{Level, Log};
use relobox_depmod::lookup::{Found, Indices};
use relobox_depmod::modinfo::{self, About, Format};
use relobox_depmod::output::{self, BuiltIn};
use relobox_depmod::scanned::{Link, Scanned, TEXTS};
use relobox_depmod::signature::Signature;
use relobox_depmod::{Options, builtin, module_name};
use relobox_isolate::indices::{
    Batch, DepmodForm, FoundForm, Listing, LookupForm, ModinfoForm, ModuleForm, Readings, Said, Step, Text,
};
use relobox_isolate::message::{Name, Request};
use relobox_isolate::wire::{Buffers, Received, decode, receive, send_to_parent, write_buffer};
use relobox_link::guests::Guests;
use relobox_link::index::{Contents, LinkedSymbol, index};
use relobox_link::stages::open::Source;
use serde::de::DeserializeOwned;
use std::os::fd::{AsFd as _, OwnedFd};

/// The numbers of errors, as kmod reports them.
const NO_DATA: u32 = libc::ENODATA as u32;
const NOT_EXECUTABLE: u32 = libc::ENOEXEC as u32;
const INVALID: u32 = libc::EINVAL as u32;

/// The parent, as such a job sees it.
pub(super) struct Parent<'a> {
    pub(super) socket: &'a OwnedFd,
    pub(super) buffers: &'a Buffers,
}

impl Parent<'_> {
    fn receive<T: DeserializeOwned>(&self) -> Result<(T, Vec<OwnedFd>), LinkerError> {
        match receive(self.socket.as_fd())? {
            Received::Message(body, fds) => Ok((decode(&body)?, fds)),
            Received::Ended(_) | Received::Closed => Err(LinkerError::Gone),
        }
    }

    fn step(&self, step: Step, log: &mut Log) -> Result<(), LinkerError> {
        let said = log.take().into_iter().map(|(level, text)| Said(level as u8, Name::new(&text))).collect();
        let request = Request::Step(Box::new(step), said);
        send_to_parent(self.socket.as_fd(), self.buffers.messages.as_fd(), &request)
    }

    /// Writes the parts of the output to the buffer.
    fn output(&self, parts: &[Vec<u8>], good: bool, log: &mut Log) -> Result<(), LinkerError> {
        write_buffer(self.buffers.file.as_fd(), &parts.concat(), limits::LINKED)?;
        self.step(Step::Output(parts.iter().map(|part| part.len() as u64).collect(), good), log)
    }

    /// The modules of the next batch: number, path, and file, or the number of the error of one that cannot be opened.
    fn batch(&self) -> Result<Vec<(u32, Vec<u8>, Result<Source, u32>)>, LinkerError> {
        let (Batch(modules), fds) = self.receive()?;
        let mut fds = fds.into_iter();
        let mut one = |form: ModuleForm| {
            let file = match (form.error, form.error == 0) {
                (_, true) => {
                    let fd = fds.next().ok_or(LinkerError::Protocol("a batch without its files"))?;
                    Ok(Source::File(File::from_std(fd.into()), form.len))
                }
                (error, false) => Err(error),
            };
            Ok((form.number, form.path.map_or(Ok(Vec::new()), |path| path.bytes())?, file))
        };
        modules.into_iter().map(&mut one).collect()
    }
}

/// Reads batches of modules until an empty one comes.
pub(super) fn read(guests: &Guests, parent: &Parent<'_>) -> Result<(), LinkerError> {
    let mut written = 0;
    loop {
        let batch = parent.batch()?;
        if batch.is_empty() {
            return parent.step(Step::Read(written), &mut Log::default());
        }
        let mut bytes = Vec::new();
        for (number, path, source) in batch {
            match source.and_then(|source| contents(guests, &path, source, index::LINKS)) {
                Ok(contents) => scanned(&contents).write(number, &mut bytes),
                Err(error) => Scanned { error, ..Scanned::default() }.write(number, &mut bytes),
            }
        }
        write_at(&parent.buffers.file, &bytes, written)?;
        written += bytes.len() as u64;
        parent.step(Step::Taken, &mut Log::default())?;
    }
}

fn write_at(buffer: &OwnedFd, bytes: &[u8], at: u64) -> Result<(), LinkerError> {
    let mut done = 0;
    while done < bytes.len() {
        match rustix::io::pwrite(buffer, &bytes[done..], at + done as u64) {
            Ok(n) => done += n,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return Err(LinkerError::TooLong { limit: limits::LINKED }),
        }
    }
    Ok(())
}

/// Reads a module, or returns the number of the error that kmod would have.
fn contents(guests: &Guests, path: &[u8], source: Source, what: u32) -> Result<Contents, u32> {
    // kmod looks for the magic number of a packed file first.
    if source.len() < 6 {
        return Err(INVALID);
    }
    index(guests, &String::from_utf8_lossy(path), source, what).map_err(|error| match error {
        Error::Module(problems) if problems.iter().any(|problem| problem.kind == "not-elf") => NOT_EXECUTABLE,
        _ => INVALID,
    })
}

fn link(symbol: LinkedSymbol<'_>) -> Link<'_> {
    let LinkedSymbol { name, crc, weak } = symbol;
    Link { name, crc, weak }
}

fn scanned(contents: &Contents) -> Scanned<'_> {
    let modinfo = contents.modinfo().unwrap_or_default();
    let values = |key: &[u8]| modinfo.iter().filter(|(name, _)| *name == key).map(|(_, value)| *value).collect();
    let exports = contents.exports();
    Scanned {
        error: if exports.is_some() { 0 } else { INVALID },
        exports: exports.unwrap_or_default().into_iter().map(link).collect(),
        imports: contents.imports().map(link).collect(),
        texts: TEXTS.map(values),
    }
}

/// Reads a text that the parent has sent.
pub(super) fn text(file: &OwnedFd, len: u64) -> Result<Vec<u8>, LinkerError> {
    if len > limits::LINKED {
        return Err(LinkerError::TooLong { limit: limits::LINKED });
    }
    let mut bytes = vec![0; len as usize];
    let mut done = 0;
    while done < bytes.len() {
        match rustix::io::pread(file, &mut bytes[done..], done as u64) {
            Ok(0) => return Err(LinkerError::Protocol("a text that is shorter than its length")),
            Ok(n) => done += n,
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(LinkerError::Malformed(e.to_string())),
        }
    }
    Ok(bytes)
}

/// Makes the indices of a tree of modules.
pub(super) fn depmod(parent: &Parent<'_>, form: DepmodForm, files: &[OwnedFd]) -> Result<(), LinkerError> {
    let bytes = |name: &Option<Name>| name.as_ref().map_or(Ok(Vec::new()), Name::bytes);
    let options = Options {
        kernel: bytes(&form.kernel)?,
        directory: bytes(&form.directory)?,
        verbose: form.verbose,
        dry_run: form.dry_run,
        unknown: form.unknown,
        versions: form.texts.iter().any(|(text, _)| matches!(text, Text::Symvers(_))),
        prefix: form.prefix,
        duplicates: form.duplicates,
    };
    let mut log = Log::new(options.verbose);
    let mut texts = Vec::new();
    for ((kind, len), file) in form.texts.iter().zip(files) {
        texts.push((kind, text(file, *len)?));
    }
    let find = |wanted: &Text| texts.iter().find(|(kind, _)| *kind == wanted).map(|(_, text)| &text[..]);
    let mut symbols = options.symbols();
    for (kind, text) in &texts {
        match kind {
            Text::Symvers(name) => symbols.read_symvers(&name.bytes()?, text, &mut log),
            Text::SystemMap(name) => symbols.read_system_map(&name.bytes()?, text, &mut log),
            _ => {}
        }
    }
    let config = configuration(&form.configuration, find(&Text::Configuration).unwrap_or_default());
    let config = if form.given { Config::default() } else { Config::read(&config?, &options.kernel, &mut log) };
    parent.step(Step::Externals(config.externals.iter().map(|name| Name::new(name)).collect()), &mut log)?;

    let (Listing(listing), _) = parent.receive()?;
    let listing = listing.iter().map(Name::bytes).collect::<Result<Vec<_>, _>>()?;
    let tree = Tree { config: &config, directory: &options.directory };
    let modules = match tree.choose(&listing, form.given, find(&Text::Order), &mut log) {
        Ok(modules) => modules,
        Err(why) => {
            log.add(Level::Fatal, &[&why]);
            return parent.output(&[], false, &mut log);
        }
    };
    let missing = |wanted: &Text| form.missing.iter().find(|(kind, _)| kind == wanted).map(|(_, text)| text.bytes());
    if let Some(text) = missing(&Text::Order) {
        log.warning(&[&text?]);
    }
    parent.step(Step::Chosen(modules.iter().map(|module| module.file as u32).collect()), &mut log)?;

    let readings = readings(parent)?;
    let scanned = in_order(&readings, &modules).ok_or(LinkerError::Protocol("what was read of modules is damaged"))?;
    let Ok(graph) = Graph::link(&options, &modules, scanned, symbols, &mut log) else {
        return parent.output(&[], false, &mut log);
    };
    let [names, modinfo] = [Text::BuiltIn, Text::BuiltInModinfo].map(|kind| (find(&kind), missing(&kind)));
    let (no_names, no_modinfo) = (names.1.transpose()?.unwrap_or_default(), modinfo.1.transpose()?.unwrap_or_default());
    let built_in = BuiltIn { names: names.0.ok_or(&no_names), modinfo: modinfo.0.ok_or(&no_modinfo) };
    let files = output::files(&options, &graph, built_in, &mut log);
    parent.output(&files, files.len() == output::FILES.len(), &mut log)
}

/// Splits the contents of the configuration files, which follow each other.
fn configuration(names: &[(Name, u64)], mut text: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>, LinkerError> {
    let mut files = Vec::new();
    for (name, len) in names {
        let (file, rest) = text.split_at_checked(*len as usize).unwrap_or((text, &[]));
        files.push((name.bytes()?, file.to_vec()));
        text = rest;
    }
    Ok(files)
}

fn readings(parent: &Parent<'_>) -> Result<Vec<Vec<u8>>, LinkerError> {
    let (Readings(sizes), files) = parent.receive()?;
    sizes.iter().zip(&files).map(|(len, file)| text(file, *len)).collect()
}

/// What was read of each module. `None` if anything is missing or damaged: another job made it, which may be hostile.
fn in_order<'a>(readings: &'a [Vec<u8>], modules: &[Module]) -> Option<Vec<Scanned<'a>>> {
    let mut all: Vec<Option<Scanned<'a>>> = modules.iter().map(|_| None).collect();
    for mut bytes in readings.iter().map(Vec::as_slice) {
        while !bytes.is_empty() {
            let (number, scanned) = Scanned::read(&mut bytes)?;
            *all.get_mut(number as usize)? = Some(scanned);
        }
    }
    all.into_iter().collect()
}

/// Prints what modules say of themselves: one file, or one text of built-in modules, for each batch.
pub(super) fn modinfo(guests: &Guests, parent: &Parent<'_>, form: &ModinfoForm) -> Result<(), LinkerError> {
    let field = form.field.as_ref().map(Name::bytes).transpose()?;
    let format = Format { field, null: form.null };
    let (mut out, mut log, mut good) = (Vec::new(), Log::default(), true);
    loop {
        let batch = parent.batch()?;
        if batch.is_empty() {
            return parent.output(&[out], good, &mut log);
        }
        for (kind, path, source) in batch {
            good &= match kind {
                relobox_isolate::indices::BUILT_IN => print_built_in(&format, &path, source, &mut out, &mut log)?,
                _ => print_file(guests, &format, &path, source, &mut out, &mut log),
            };
        }
        parent.step(Step::Taken, &mut log)?;
    }
}

fn print_file(
    guests: &Guests,
    format: &Format,
    path: &[u8],
    source: Result<Source, u32>,
    out: &mut Vec<u8>,
    log: &mut Log,
) -> bool {
    let contents = source.and_then(|source| contents(guests, path, source, index::ABOUT));
    let info = contents.as_ref().map_err(|error| *error).and_then(|contents| contents.modinfo().ok_or(NO_DATA));
    let signature = contents.as_ref().ok().and_then(|contents| Signature::read(contents.signature()));
    let why = info.as_ref().err().map(|error| relobox_depmod::graph::errno_text(*error));
    let info = info.as_deref().map_err(|_| why.as_deref().unwrap_or_default());
    let about = About { name: &module_name(path), path: Some(path), info, signature: signature.as_ref() };
    modinfo::print(format, &about, out, log)
}

/// Prints what modules.builtin.modinfo says of a module.
fn print_built_in(
    format: &Format,
    name: &[u8],
    source: Result<Source, u32>,
    out: &mut Vec<u8>,
    log: &mut Log,
) -> Result<bool, LinkerError> {
    let text = match source {
        Ok(Source::File(file, len)) => text(&OwnedFd::from(file.into_std()), len)?,
        Ok(Source::Bytes(bytes)) => bytes,
        Err(_) => Vec::new(),
    };
    let info = builtin::modinfo(&text, name);
    if info.is_err() {
        log.error(&[b"get_strings: unexpected string without modname prefix"]);
    }
    let info = info.as_deref().map_err(|_| "Invalid argument");
    let about = About { name, path: None, info, signature: None };
    Ok(modinfo::print(format, &about, out, log))
}

/// Looks names up in the indices.
pub(super) fn lookup(parent: &Parent<'_>, form: &LookupForm, files: &[OwnedFd]) -> Result<(), LinkerError> {
    let texts = form.indices.iter().zip(files).map(|(len, file)| text(file, *len)).collect::<Result<Vec<_>, _>>()?;
    let [dependencies, symbols, aliases, built_in, built_in_aliases] = &texts[..] else {
        return Err(LinkerError::Protocol("a search without indices"));
    };
    let indices = Indices { dependencies, symbols, aliases, built_in, built_in_aliases };
    let name = |name: &[u8]| Name::new(name);
    let found = |found: Found| FoundForm {
        name: name(&found.name),
        path: found.path.as_deref().map(name),
        built_in: found.built_in,
    };
    let mut all = Vec::new();
    for name in &form.names {
        let name = name.bytes()?;
        let modules = if form.modules { Some(indices.by_name(&name)) } else { indices.by_alias(&name) };
        all.push(modules.map(|modules| modules.into_iter().map(found).collect()));
    }
    parent.step(Step::Found(all), &mut Log::default())
}
