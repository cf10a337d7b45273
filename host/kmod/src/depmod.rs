//! depmod: makes the indices of a tree of modules that modprobe reads.
//!
//! This process finds the files and writes the indices. It opens no module to look into it: processes without rights
//! read them, and another one makes the indices.

use crate::indexing;
use crate::kmod::options::{Opt, Parsed, opt, parse};
use crate::kmod::program;
use crate::real::Linking;
use crate::tree::{self, Listed};
use relobox_cli::output::{self, Level};
use relobox_core::error::{Error, Result};
use relobox_core::files::{self, Kind};
use relobox_core::limits;
use relobox_core::linker_error::LinkerError;
use relobox_isolate::indices::{Batch, DepmodForm, Listing, ModuleForm, Readings, Step, Text};
use relobox_isolate::message::{Job, Name};
use relobox_isolate::{IndexJob, Linker, wire};
use relobox_modprobe::depmod::{DIRECTORIES, FILES};
use std::collections::HashSet;
use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The command's name.
const NAME: &str = "depmod";

/// The mode of a file that is written, and of a directory that is made for it.
const MODES: (u32, u32) = (0o644, 0o755);

const OPTIONS: [Opt; 16] = [
    opt("all", 'a', "", "index all modules of the kernel; the default without files"),
    opt("quick", 'A', "", "do so only if a module is newer than modules.dep"),
    opt("errsyms", 'e', "", "with -E or -F: report symbols that no module exports"),
    opt("show", 'n', "", "print the text files instead of writing any"),
    opt("dry-run", 'n', "", "the same"),
    opt("symbol-prefix", 'P', "CHAR", "ignore this character at the start of a symbol"),
    opt("config", 'C', "PATH", "read the configuration from this file or directory; can be repeated"),
    opt("verbose", 'v', "", "print by which symbol a module needs another one"),
    opt("warn", 'w', "", "report duplicates"),
    opt("version", 'V', "", "print the version"),
    opt("help", 'h', "", "print this help"),
    opt("basedir", 'b', "DIR", "the root directory of the modules"),
    opt("moduledir", 'm', "DIR", "the directory of all kernels' modules (lib/modules)"),
    opt("outdir", 'o', "DIR", "the root directory of what is written"),
    opt("filesyms", 'F', "FILE", "with -e: a System.map with what the kernel exports"),
    opt("symvers", 'E', "FILE", "with -e: a Module.symvers with the versions of what the kernel exports"),
];

/// The command line.
#[derive(Debug, Default)]
struct Choice {
    all: bool,
    quick: bool,
    unknown: bool,
    show: bool,
    prefix: Option<u8>,
    config: Vec<PathBuf>,
    verbose: u8,
    warn: bool,
    root: Option<PathBuf>,
    modules: Option<String>,
    out: Option<PathBuf>,
    system_map: Option<PathBuf>,
    symvers: Option<PathBuf>,
}

/// Make the indices of a kernel's modules that modprobe reads
///
/// The command line, the messages and the files are those of kmod's depmod. 'depmod --help' of relobox-kmod shows the
/// options.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
#[command(after_help = "Examples:
  relobox depmod
  relobox depmod -b /mnt 6.12.0
  relobox depmod -n -e -F System.map 6.12.0
  relobox depmod --help")]
pub struct DepmodArgs {
    /// The arguments of depmod
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    pub args: Vec<String>,
}

/// Runs depmod with these arguments, which begin after its name.
pub fn run(args: Vec<String>) -> ExitCode {
    run_by(args, &Linking::default())
}

/// As [`run`], with another linking process.
pub fn run_by(args: Vec<String>, linking: &Linking) -> ExitCode {
    let mut choice = Choice::default();
    let Parsed { given, operands, error } = parse(&OPTIONS, args);
    let usual = Level::Warning as u8;
    for (key, value) in given {
        match key {
            'V' => return program::version(),
            'h' => return indexing::help(NAME, "[OPTIONS] [-a | -A] [VERSION [FILE...]]", &OPTIONS),
            key => {
                if let Err(text) = choice.take(key, &value) {
                    program::speak(NAME, usual, false);
                    return program::refuse(Level::Fatal, text);
                }
            }
        }
    }
    if let Some(error) = error {
        output::misused(NAME, error);
        return ExitCode::FAILURE;
    }
    program::speak(NAME, usual.saturating_add(choice.verbose), false);
    indexing::end(choice.run(operands, linking), Level::Fatal)
}

impl Choice {
    fn take(&mut self, key: char, value: &str) -> Result<(), String> {
        let absolute = |path: &str| {
            let join = |cwd: PathBuf| PathBuf::from(format!("{}/{path}", cwd.display()));
            let absolute = if path.starts_with('/') { Ok(path.into()) } else { std::env::current_dir().map(join) };
            absolute.map_err(|_| format!("invalid directory {path}"))
        };
        match key {
            'a' => self.all = true,
            'A' => self.quick = true,
            'e' => self.unknown = true,
            'n' => self.show = true,
            'P' => match value.as_bytes() {
                [prefix] => self.prefix = Some(*prefix),
                _ => return Err("-P only takes a single char".into()),
            },
            'C' => self.config.push(value.into()),
            'v' => self.verbose = self.verbose.saturating_add(1),
            'w' => self.warn = true,
            'b' => self.root = Some(absolute(value)?),
            'm' => self.modules = Some(value.to_owned()),
            'o' => self.out = Some(absolute(value)?),
            'F' => self.system_map = Some(value.into()),
            _ => self.symvers = Some(value.into()),
        }
        Ok(())
    }

    /// The directory of the kernel's modules below a root.
    fn directory(&self, root: Option<&Path>, version: &str) -> PathBuf {
        let modules = self.modules.as_deref().unwrap_or("lib/modules").trim_start_matches('/');
        format!("{}/{modules}/{version}", root.map_or(String::new(), |root| root.display().to_string())).into()
    }

    /// Does what the command line says. Returns whether all was done; messages say why not.
    fn run(mut self, mut operands: Vec<String>, linking: &Linking) -> Result<bool> {
        let version = match operands.is_empty() {
            true => indexing::release(),
            false => operands.remove(0),
        };
        if !is_version(&version) {
            output::message(Level::Error, format_args!("Bad version passed {version}"));
            return Ok(false);
        }
        let directory = self.directory(self.root.as_deref(), &version);
        let out = self.directory(self.out.as_deref().or(self.root.as_deref()), &version);
        self.all |= operands.is_empty();
        if self.quick {
            match tree::is_current(&directory) {
                _ if self.show => return Ok(true),
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(error) => {
                    let (at, why) = (directory.display(), indexing::reason(&Error::io(&directory)(error)));
                    let text = match directory.is_dir() {
                        true => format!("could not fstatat({at}, modules.dep): {why}"),
                        false => format!("could not open directory {at}: {why}"),
                    };
                    output::message(Level::Error, text);
                }
            }
            self.all = true;
        }
        if self.unknown && self.symvers.is_none() && self.system_map.is_none() {
            output::message(Level::Warning, "-e needs -E or -F");
            self.unknown = false;
        }
        let linker = indexing::start(linking)?;
        let (form, texts) = self.form(&version, &directory)?;
        let configuration = texts.configuration.clone();
        let fds: Vec<_> = texts.fds.iter().map(OwnedFd::as_fd).collect();
        let job = linker.index_job(&Job::Depmod(Box::new(form)), &fds)?;
        let (step, said) = job.next()?;
        indexing::say(said);
        let Step::Externals(externals) = step else { return Err(indexing::wrong("it did not name directories")) };
        let listed = match self.all {
            true => listed(&directory, &externals, &configuration)?,
            false => given(&operands)?,
        };
        let Some(Listed { files, problems }) = listed else { return Ok(false) };
        problems.iter().for_each(|problem| output::message(Level::Error, problem));
        let names = files.iter().map(|path| Name::new(path.as_os_str().as_encoded_bytes())).collect();
        job.send(&Listing(names), &[])?;
        let (step, said) = job.next()?;
        indexing::say(said);
        let chosen = match step {
            Step::Chosen(chosen) => chosen,
            Step::Output(_, false) => return Ok(false),
            _ => return Err(indexing::wrong("it chose no files")),
        };
        let mut seen = HashSet::new();
        let chosen = chosen.iter().map(|i| files.get(*i as usize).filter(|_| seen.insert(*i)).map(PathBuf::as_path));
        let chosen: Option<Vec<&Path>> = chosen.collect();
        let readings = read(&linker, &chosen.ok_or_else(|| indexing::wrong("it chose files that are not there"))?)?;
        let sizes = readings.iter().map(|(_, size)| *size).collect();
        let fds: Vec<_> = readings.iter().map(|(fd, _)| fd.as_fd()).collect();
        job.send(&Readings(sizes), &fds)?;
        self.finish(&job, &out)
    }

    /// What the job needs to know, and the texts that it reads.
    fn form(&self, version: &str, directory: &Path) -> Result<(DepmodForm, Texts)> {
        let mut texts = Texts::default();
        let name = |path: &Path| Name::new(path.as_os_str().as_encoded_bytes());
        let cannot = |path: &Path, error: Error| {
            let why = indexing::reason(&error);
            Error::Usage(format!("could not load {}: {why}", path.display()))
        };
        let symbols = [(&self.symvers, Text::Symvers as fn(_) -> _), (&self.system_map, Text::SystemMap as fn(_) -> _)];
        // With both, kmod reads Module.symvers only.
        if let Some((path, kind)) = symbols.into_iter().find_map(|(path, kind)| Some((path.as_deref()?, kind))) {
            let text = files::read(path, Kind::Pipe, limits::SYMBOLS).map_err(|error| cannot(path, error))?;
            texts.add(kind(name(path)), &text)?;
        }
        let mut form = DepmodForm {
            kernel: Some(Name::new(version.as_bytes())),
            directory: Some(name(directory)),
            verbose: self.verbose,
            dry_run: self.show,
            unknown: self.unknown,
            prefix: self.prefix,
            duplicates: self.warn,
            given: !self.all,
            ..DepmodForm::default()
        };
        if self.all {
            for path in self.configuration() {
                match files::read(&path, Kind::Config, limits::MODPROBE_CONFIG) {
                    Ok(text) => {
                        form.configuration.push((name(&path), text.len() as u64));
                        texts.configuration.extend(text);
                    }
                    Err(error) => {
                        let why = indexing::reason(&error);
                        output::message(Level::Error, format_args!("file parse {}: {why}", path.display()));
                    }
                }
            }
            texts.add(Text::Configuration, &texts.configuration.clone())?;
        }
        let built_in = [(Text::BuiltIn, "modules.builtin"), (Text::BuiltInModinfo, "modules.builtin.modinfo")];
        for (kind, file) in std::iter::once((Text::Order, "modules.order")).chain(built_in) {
            match files::open(&directory.join(file), Kind::Regular) {
                Ok(file) => texts.add_file(kind, file)?,
                Err(error) => {
                    let (why, at) = (indexing::reason(&error), directory.display());
                    let text = match directory.is_dir() {
                        true => format!("could not open {file} at {at}: {why}"),
                        false => format!("could not open directory {at}: {why}"),
                    };
                    form.missing.push((kind, Name::new(text.as_bytes())));
                }
            }
        }
        form.texts = std::mem::take(&mut texts.kinds);
        Ok((form, texts))
    }

    /// The files of the configuration, in the order of their names.
    fn configuration(&self) -> Vec<PathBuf> {
        let usual = DIRECTORIES.map(|directory| Path::new("/").join(directory));
        tree::configuration(if self.config.is_empty() { &usual } else { &self.config })
    }

    /// Writes or prints what the job has made.
    fn finish(&self, job: &IndexJob, out: &Path) -> Result<bool> {
        let (step, said) = job.next()?;
        indexing::say(said);
        let Step::Output(sizes, good) = step else { return Err(indexing::wrong("it made no indices")) };
        let contents = job.output(&sizes, FILES.len())?;
        if self.show {
            contents.iter().for_each(|text| output::bytes(text));
            return Ok(good);
        }
        if !contents.is_empty() {
            let made = std::fs::DirBuilder::new().recursive(true).mode(MODES.1).create(out);
            made.map_err(|error| {
                let why = indexing::reason(&Error::io(out)(error));
                Error::Usage(format!("could not create directory {}: {why}", out.display()))
            })?;
        }
        for (name, bytes) in FILES.iter().zip(&contents) {
            files::write(&out.join(name), MODES.0, bytes)?;
        }
        Ok(good)
    }
}

/// The texts that a job reads.
#[derive(Default)]
struct Texts {
    kinds: Vec<(Text, u64)>,
    fds: Vec<OwnedFd>,
    /// The text of all configuration files.
    configuration: Vec<u8>,
}

impl Texts {
    fn add(&mut self, kind: Text, text: &[u8]) -> Result<()> {
        self.fds.push(wire::blob(text)?);
        self.kinds.push((kind, text.len() as u64));
        Ok(())
    }

    fn add_file(&mut self, kind: Text, file: File) -> Result<()> {
        let len = file.metadata().map_err(Error::io("a file of the kernel"))?.len();
        self.fds.push(file.into());
        self.kinds.push((kind, len));
        Ok(())
    }
}

/// True for what begins with two numbers and a dot between them.
fn is_version(text: &str) -> bool {
    let digit = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    digit(text) && text.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix('.').is_some_and(digit)
}

/// The modules in the tree and in external directories, which the configuration must name.
fn listed(directory: &Path, externals: &[Name], configuration: &[u8]) -> Result<Option<Listed>> {
    let mut listed = Listed::default();
    if let Err(error) = listed.add(directory) {
        let why = indexing::reason(&Error::io(directory)(error));
        output::message(Level::Error, format_args!("could not open directory {}: {why}", directory.display()));
        output::message(Level::Fatal, format_args!("could not search modules: {why}"));
        return Ok(None);
    }
    for external in externals {
        let external = external.bytes()?;
        let named = !external.is_empty() && configuration.windows(external.len()).any(|text| text == external);
        if !named {
            return Err(indexing::wrong("a directory that is not in the configuration"));
        }
        let path = tree::path_of(external);
        if let Err(error) = listed.add(&path) {
            let why = indexing::reason(&Error::io(&path)(error));
            output::message(Level::Error, format_args!("could not open directory {}: {why}", path.display()));
        }
    }
    Ok(Some(listed))
}

/// The modules of the command line.
fn given(operands: &[String]) -> Result<Option<Listed>> {
    for path in operands {
        let why = match Path::new(path).metadata() {
            _ if !path.starts_with('/') => format!("{path}: not absolute path."),
            Ok(_) => continue,
            Err(error) => {
                format!("could not create module {path}: {}", indexing::reason(&Error::io(path)(error)))
            }
        };
        output::message(Level::Fatal, why);
        return Ok(None);
    }
    Ok(Some(Listed { files: operands.iter().map(PathBuf::from).collect(), problems: Vec::new() }))
}

/// Has jobs read modules, one for each processor. Returns what each has read, with its size in bytes.
fn read(linker: &Linker, modules: &[&Path]) -> Result<Vec<(OwnedFd, u64)>> {
    let batches: Vec<(usize, &[&Path])> =
        modules.chunks(limits::BATCH).enumerate().map(|(i, batch)| (i * limits::BATCH, batch)).collect();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let readers = processors.min(limits::READERS).min(batches.len());
    let next = AtomicUsize::new(0);
    let work = || -> Result<(OwnedFd, u64)> {
        let job = linker.index_job(&Job::Read, &[])?;
        let mut ahead = 0usize;
        while let Some((first, batch)) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
            // One batch is sent while another one is read.
            if ahead == 2 {
                taken(&job)?;
                ahead -= 1;
            }
            let (mut forms, mut files) = (Vec::new(), Vec::new());
            for (number, path) in (*first as u32..).zip(*batch) {
                let (form, file) = indexing::open(number, None, path);
                forms.push(form);
                files.extend(file);
            }
            job.send(&Batch(forms), &files.iter().map(OwnedFd::as_fd).collect::<Vec<_>>())?;
            ahead += 1;
        }
        for _ in 0..ahead {
            taken(&job)?;
        }
        job.send(&Batch(Vec::<ModuleForm>::new()), &[])?;
        match job.next()? {
            (Step::Read(bytes), _) => Ok((job.reading(bytes)?, bytes)),
            _ => Err(indexing::wrong("it read no modules")),
        }
    };
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..readers).map(|_| scope.spawn(work)).collect();
        let gone = |_| Err(LinkerError::Gone.into());
        readers.into_iter().map(|reader| reader.join().unwrap_or_else(gone)).collect()
    })
}

fn taken(job: &IndexJob) -> Result<()> {
    match job.next()? {
        (Step::Taken, _) => Ok(()),
        _ => Err(indexing::wrong("it took no modules")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_begin_with_two_numbers() {
        assert!(["6.1.0-56-amd64", "4.4.4", "6.1"].iter().all(|text| is_version(text)));
        assert!(["6", "x.1", "6.x", "/6.1", ""].iter().all(|text| !is_version(text)));
    }

    #[test]
    fn directories_are_below_their_roots() {
        let choice = |modules: Option<&str>| Choice { modules: modules.map(str::to_owned), ..Choice::default() };
        assert_eq!(choice(None).directory(None, "6.1"), Path::new("/lib/modules/6.1"));
        assert_eq!(choice(Some("/usr/m")).directory(Some(Path::new("/r")), "6.1"), Path::new("/r/usr/m/6.1"));
    }
}
