//! The workshop in the role of relobox-linker. Unlike that, it can compile guests.

use super::output;
use relobox::cache::Cache;
use relobox::guests::{Guests, Unloaded};
use relobox::index::Machines;
use relobox::isolate::{self, ARGUMENT, Linker, Options};
use relobox::linker::{lockdown, serve_stdin};
use relobox::message::Setup;
use relobox::plugin_file::PluginFile;
use relobox::sandbox::Sandbox;
use relobox::{Error, Result, built_in, compiled, limits, memfd, text};
use relobox_kmod::real::Linking;
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

/// The argument that makes the process a compiler: it compiles the plugin on its standard input for any processor of
/// this machine's architecture, to its standard output. If a directory follows, it compiles the built-in guests into
/// that, for `scripts/build-programs`.
const COMPILE: &str = "__compile";

/// Becomes a linking process or a compiler if the arguments say so. Called before everything else, because such a
/// process must have one thread. With `--prove`, it tries what a linking process must not be able to do.
pub(crate) fn serve_if_asked() -> Option<ExitCode> {
    let args: Vec<_> = std::env::args_os().skip(1).take(3).collect();
    match args.iter().map(|arg| arg.to_str()).collect::<Vec<_>>()[..] {
        [Some(ARGUMENT)] => Some(serve_stdin(load)),
        [Some(ARGUMENT), Some("--prove")] => Some(prove()),
        [Some(COMPILE)] => Some(compile_stdin()),
        [Some(COMPILE), Some(directory)] => Some(compile_built_in(Path::new(directory))),
        _ => None,
    }
}

/// Uses this program as the linking process.
pub(crate) fn all_in_one() -> Linking {
    Linking {
        program: || Ok("/proc/self/exe".into()),
        cache: || Cache::from_environment().map(|cache| cache.path().to_owned()),
        compiled: |pins, plugin| match compiled::open(pins, &plugin.digest)? {
            Some(file) => Ok(file),
            None => compile(plugin),
        },
        ..Linking::default()
    }
}

/// Makes the guests of a linking process: compiled now, or from the cache.
fn load(setup: &Setup, others: Vec<Unloaded>) -> Result<Guests> {
    let cache = setup.cache.as_deref().and_then(Cache::open_dir);
    lockdown::files(cache.as_ref().map(Cache::path))?;
    let mut guests = Guests::with(Sandbox::for_one_job(cache)?, others.into_iter().chain(Guests::built_in()));
    guests.load_built_in(setup.machine.as_ref())?;
    // The cache's directory is the last open file.
    guests.forget_cache();
    Ok(guests)
}

fn prove() -> ExitCode {
    let Linking { cache, .. } = all_in_one();
    let machine = Some(relobox::kernels::linux::machine());
    let linker = Linker::start(&Options { cache: cache(), machine, ..Options::default() });
    match linker.and_then(|linker| isolate::prove(&linker, |line| output::line(line))) {
        Ok(safe) => ExitCode::from(u8::from(!safe)),
        Err(error) => {
            output::line(format_args!("error: {error}"));
            ExitCode::from(error.exit_code())
        }
    }
}

/// Compiles a plugin in a process without rights, which the plugin may take over.
pub(crate) fn compile(plugin: &PluginFile) -> Result<OwnedFd> {
    let io = |error| Error::io("memfd")(error);
    let file = |bytes: &[u8]| -> Result<File> {
        let mut file = memfd::create("relobox-compiled").map_err(io)?;
        file.write_all(bytes).map_err(io)?;
        file.rewind().map_err(io)?;
        Ok(file)
    };
    let (input, mut output) = (file(&plugin.wasm)?, file(&[])?);
    let process = Command::new("/proc/self/exe")
        .arg(COMPILE)
        .env_clear()
        .stdin(input)
        .stdout(output.try_clone().map_err(io)?)
        .stderr(Stdio::piped())
        .spawn()
        .and_then(std::process::Child::wait_with_output);
    let process = process.map_err(Error::io("/proc/self/exe"))?;
    if !process.status.success() {
        let said = text::decoded(&process.stderr[..process.stderr.len().min(limits::TEXTS * limits::TEXT)]);
        let said = if said.trim().is_empty() { process.status.to_string() } else { said.trim().to_owned() };
        let what = relobox::error::GuestError::Unusable(said);
        return Err(Error::Guest { guest: format!("{} ({})", plugin.name, plugin.origin), what });
    }
    output.rewind().map_err(io)?;
    memfd::seal(output).map_err(io)
}

/// The compiled code of a plugin.
pub(crate) fn compiled_bytes(plugin: &PluginFile) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut file = File::from(compile(plugin)?);
    let len = file.metadata().map_err(Error::io("memfd"))?.len();
    // Truncated code would be worse than none.
    if len > limits::COMPILED {
        let what = relobox::error::GuestError::Unusable(format!("its compiled code has {len} bytes"));
        return Err(Error::Guest { guest: plugin.name.clone(), what });
    }
    file.read_to_end(&mut bytes).map_err(Error::io("memfd"))?;
    Ok(bytes)
}

/// Compiles the built-in guests. Those for relobox-linker go to `own`, the plugins of other machines to `other`.
fn compile_built_in(directory: &Path) -> ExitCode {
    let machine = relobox::kernels::linux::machine();
    let compiled = || -> Result<()> {
        for entry in built_in::catalogue() {
            let machines = Machines::of_section(entry.machines);
            let own = !entry.is_plugin() || machines.may_run_on(machine.machine, machine.class, machine.order);
            let directory = directory.join(if own { "own" } else { "other" });
            let path = directory.join(format!("{}.cwasm", entry.name));
            std::fs::create_dir_all(&directory).map_err(Error::io(&directory))?;
            let code = Sandbox::compile_ahead(entry.name, built_in::wasm_of(entry.name).unwrap_or_default())?;
            std::fs::write(&path, &code).map_err(Error::io(&path))?;
            output::line(format_args!("{:<10} {:>8} bytes", entry.name, code.len()));
        }
        Ok(())
    };
    match compiled() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::plain(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

fn compile_stdin() -> ExitCode {
    let compiled = || -> Result<()> {
        lockdown::alone()?;
        let mut wasm = Vec::new();
        std::io::stdin()
            .lock()
            .take(limits::GUEST as u64 + 1)
            .read_to_end(&mut wasm)
            .map_err(Error::io("standard input"))?;
        let code = Sandbox::compile_ahead("", &wasm)?;
        std::io::stdout().lock().write_all(&code).map_err(Error::io("standard output"))
    };
    match compiled() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Only the reason: the parent knows which plugin it is.
            let text = match error {
                Error::Guest { what: relobox::error::GuestError::Unusable(text), .. } => text,
                error => error.to_string(),
            };
            let _ = std::io::stderr().lock().write_all(text.as_bytes());
            ExitCode::from(3)
        }
    }
}
