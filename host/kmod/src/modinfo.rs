//! modinfo: prints what modules say of themselves.
//!
//! A process without rights reads the modules, and looks their names up in the indices.

use crate::indexing;
use crate::kmod::options::{Opt, Parsed, opt, parse};
use crate::kmod::program;
use crate::real::Linking;
use relobox_cli::args::Signatures;
use relobox_cli::output::{self, Level};
use relobox_core::error::{Error, Result};
use relobox_core::files::{self, Kind};
use relobox_core::names;
use relobox_core::signature::Policy;
use relobox_isolate::indices::{BUILT_IN, Batch, FoundForm, LookupForm, ModinfoForm, ModuleForm, Step};
use relobox_isolate::message::{Job, Name};
use relobox_isolate::{IndexJob, Linker, keys_form, wire};
use std::collections::HashMap;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The command's name.
const NAME: &str = "modinfo";

const OPTIONS: [Opt; 12] = [
    opt("author", 'a', "", "print only the author"),
    opt("description", 'd', "", "print only the description"),
    opt("license", 'l', "", "print only the licence"),
    opt("parameters", 'p', "", "print only the parameters"),
    opt("filename", 'n', "", "print only the file's name"),
    opt("null", '0', "", "end each entry with a NUL instead of a line break"),
    opt("modname", 'm', "", "arguments are names of modules, and not files or aliases"),
    opt("field", 'F', "FIELD", "print only this field"),
    opt("set-version", 'k', "VERSION", "look in the modules of this kernel"),
    opt("basedir", 'b', "DIR", "look below this root directory"),
    opt("version", 'V', "", "print the version"),
    opt("help", 'h', "", "print this help"),
];

/// The options that kmod's modinfo does not have.
const OWN_OPTIONS: [Opt; 2] = [
    opt("signatures", '1', "POLICY", "unless off: also print whether the signature is verified"),
    opt("keys", '2', "DIR", "verify by the certificates in DIR; can be repeated"),
];

/// The indices that are searched, in the order of [`LookupForm::indices`].
const INDICES: [&str; 5] =
    ["modules.dep.bin", "modules.symbols.bin", "modules.alias.bin", "modules.builtin.bin", "modules.builtin.alias.bin"];

/// The command line.
#[derive(Debug, Default)]
struct Choice {
    field: Option<String>,
    null: bool,
    modules: bool,
    kernel: Option<String>,
    root: Option<String>,
    /// The options about signatures. `None` for kmod's command line, which has none.
    signatures: Option<Signatures>,
}

/// Print what modules say of themselves
///
/// The command line and the output are those of kmod's modinfo; only --signatures and --keys are relobox's own (see
/// docs/signatures.md). 'modinfo --help' of relobox-kmod shows the options.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
#[command(after_help = "Examples:
  relobox modinfo hello.ko
  relobox modinfo -F parm loop
  relobox modinfo -k 6.12.0 -b /mnt xfs
  relobox modinfo --signatures warn --keys certs -F sig_verified hello.ko
  relobox modinfo --help")]
pub struct ModinfoArgs {
    /// The arguments of modinfo
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    pub args: Vec<String>,
}

/// Runs kmod's modinfo with these arguments, which begin after its name.
pub fn run(args: Vec<String>) -> ExitCode {
    run_with(&OPTIONS, args, Choice::default(), &Linking::default())
}

/// Runs relobox's modinfo, which has a few more options, with this linking process.
pub fn run_by(args: Vec<String>, linking: &Linking) -> ExitCode {
    let choice = Choice { signatures: Some(Signatures::default()), ..Choice::default() };
    run_with(&[&OPTIONS[..], &OWN_OPTIONS].concat(), args, choice, linking)
}

fn run_with(options: &[Opt], args: Vec<String>, mut choice: Choice, linking: &Linking) -> ExitCode {
    let Parsed { given, operands, mut error } = parse(options, args);
    for (key, value) in given {
        match key {
            'a' => choice.field = Some("author".into()),
            'd' => choice.field = Some("description".into()),
            'l' => choice.field = Some("license".into()),
            'p' => choice.field = Some("parm".into()),
            'n' => choice.field = Some("filename".into()),
            '0' => choice.null = true,
            'm' => choice.modules = true,
            'F' => choice.field = Some(value),
            'k' => choice.kernel = Some(value),
            'b' => choice.root = Some(value),
            '1' => match (value.parse(), &mut choice.signatures) {
                (Ok(policy), Some(signatures)) => signatures.policy = Some(policy),
                (Err(wrong), _) => error = error.or(Some(format!("--signatures: {wrong}"))),
                (Ok(_), None) => {}
            },
            '2' => choice.signatures.iter_mut().for_each(|signatures| signatures.keys.push(value.clone().into())),
            'V' => return program::version(),
            _ => return indexing::help(NAME, "[OPTIONS] MODULE...", options),
        }
    }
    if let Some(error) = error {
        output::misused(NAME, error);
        return ExitCode::FAILURE;
    }
    program::speak(NAME, Level::Warning as u8, false);
    if operands.is_empty() {
        return program::refuse(Level::Error, "missing module or filename.");
    }
    indexing::end(choice.run(&operands, linking), Level::Error)
}

impl Choice {
    /// The directory of the kernel's modules.
    fn directory(&self) -> Result<PathBuf> {
        let release = self.kernel.clone().unwrap_or_else(indexing::release);
        let directory = PathBuf::from(format!("{}/lib/modules/{release}", self.root.as_deref().unwrap_or_default()));
        absolute(&directory)
    }

    /// Prints all that the operands name. Returns whether all was there; messages say what was not.
    fn run(&self, operands: &[String], linking: &Linking) -> Result<bool> {
        let (linker, directory) = (indexing::start(linking)?, self.directory()?);
        let is_file = |name: &&String| !self.modules && is_module_file(Path::new(name));
        let names: Vec<&String> = operands.iter().filter(|name| !is_file(name)).collect();
        let found = if names.is_empty() { HashMap::new() } else { self.lookup(&linker, &directory, &names)? };
        let field = self.field.as_ref().map(|field| Name::new(field.as_bytes()));
        let trust = self.signatures.as_ref().map(Signatures::of_machine).transpose()?.unwrap_or_default();
        let keys = (trust.policy != Policy::Off).then(|| keys_form(&trust.keys)).transpose()?;
        let (keys, text) = keys.unzip();
        let text: Vec<_> = text.iter().map(OwnedFd::as_fd).collect();
        let job = linker.index_job(&Job::Modinfo(ModinfoForm { field, null: self.null, keys }), &text)?;
        let mut good = true;
        for operand in operands {
            if is_file(&operand) {
                let path = absolute(Path::new(operand))?;
                print(&job, indexing::open(0, Some(&path), &path))?;
                continue;
            }
            let modules = match found.get(operand) {
                Some(Some(modules)) if !modules.is_empty() => modules,
                other => {
                    let what = match other {
                        _ if self.modules => "Module name",
                        Some(None) => "Module alias",
                        _ => "Module",
                    };
                    output::message(Level::Error, format_args!("{what} {operand} not found."));
                    good = false;
                    continue;
                }
            };
            for module in modules {
                print(&job, file_of(&directory, module)?)?;
            }
        }
        job.send(&Batch(Vec::<ModuleForm>::new()), &[])?;
        let (step, said) = job.next()?;
        indexing::say(said);
        let Step::Output(sizes, printed) = step else { return Err(indexing::wrong("it printed nothing")) };
        for text in job.output(&sizes, 1)? {
            output::bytes(&text);
        }
        Ok(good && printed)
    }

    /// The modules that names stand for.
    fn lookup(
        &self,
        linker: &Linker,
        directory: &Path,
        names: &[&String],
    ) -> Result<HashMap<String, Option<Vec<FoundForm>>>> {
        let (mut sizes, mut files) = ([0; 5], Vec::new());
        for (name, size) in INDICES.iter().zip(&mut sizes) {
            let file: OwnedFd = match files::open(&directory.join(name), Kind::Regular) {
                Ok(file) => {
                    *size = file.metadata().map_err(Error::io(*name))?.len();
                    file.into()
                }
                Err(_) => wire::blob(&[])?,
            };
            files.push(file);
        }
        let form = LookupForm {
            indices: sizes,
            names: names.iter().map(|name| Name::new(name.as_bytes())).collect(),
            modules: self.modules,
        };
        let job = linker.index_job(&Job::Lookup(form), &files.iter().map(OwnedFd::as_fd).collect::<Vec<_>>())?;
        match job.next()? {
            (Step::Found(found), _) if found.len() == names.len() => {
                Ok(names.iter().map(|name| (*name).clone()).zip(found).collect())
            }
            _ => Err(indexing::wrong("it did not look all names up")),
        }
    }
}

fn is_module_file(path: &Path) -> bool {
    names::is_module_file(path) && path.is_file()
}

/// The path after that of the working directory, as it was written.
fn absolute(path: &Path) -> Result<PathBuf> {
    if path.is_absolute() {
        return Ok(path.to_owned());
    }
    let directory = std::env::current_dir().map_err(Error::io("."))?;
    Ok(format!("{}/{}", directory.display(), path.display()).into())
}

/// The file that says something of a module: its own, or that of all built-in modules.
fn file_of(directory: &Path, module: &FoundForm) -> Result<(ModuleForm, Option<OwnedFd>)> {
    let name = crate::tree::path_of(module.name.bytes()?);
    match &module.path {
        Some(path) => {
            let path = directory.join(crate::tree::path_of(path.bytes()?));
            // Whatever the job says, no other file is opened.
            if !names::is_module_file(&path) {
                return Err(indexing::wrong("a module whose file is none by its name"));
            }
            Ok(indexing::open(0, Some(&path), &path))
        }
        None => {
            let (form, file) = indexing::open(BUILT_IN, Some(&name), &directory.join("modules.builtin.modinfo"));
            // Without that file, nothing is known of it.
            let nothing = || wire::blob(&[]).map_err(Error::from);
            Ok((ModuleForm { error: 0, ..form }, Some(file.map_or_else(nothing, Ok)?)))
        }
    }
}

fn print(job: &IndexJob, (form, file): (ModuleForm, Option<OwnedFd>)) -> Result<()> {
    job.send(&Batch(vec![form]), &file.iter().map(OwnedFd::as_fd).collect::<Vec<_>>())?;
    match job.next()? {
        (Step::Taken, said) => {
            indexing::say(said);
            Ok(())
        }
        _ => Err(indexing::wrong("it took no module")),
    }
}
