//! `relobox check`: tests whether all modules of a tree can be linked.

mod html;
mod report;
mod symbols;
mod text;

use super::common::{self, Common};
use super::link::{CrossCheck, second};
use super::output;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use relobox::check::{Kernel, MachineId, Survey, find};
use relobox::guests::{Guests, Plugin};
use relobox::keys::{DIRECTORIES, Keys, Trust};
use relobox::link::unread_input;
use relobox::parallel;
use relobox::signature::Policy;
use relobox::signatures::Verifier;
use relobox::{Error, Result, files};
use relobox_cli::args::{Inputs, input_file, is_stdout, output_file, policy};
use relobox_kmod::signatures::{expired, told};
use report::{Compared, Report};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

/// Check that every module of a tree can be linked: that its symbols exist and its relocations fit
#[derive(Debug, Args)]
#[command(
    after_help = "A tree (/lib/modules/VERSION) is treated as modprobe does: if several files have the same module name, the one in \
modules.dep is checked, or, without modules.dep, the one that depmod would choose. Symbolic links are followed.

Symbols are resolved among the modules of a kernel and in the kernel's own symbols: System.map has addresses, and \
Module.symvers has CRCs, GPL-only exports and namespaces. Both are searched where distributions put them:
  ROOT/usr/lib/debug/boot/System.map-V, ROOT/boot/System.map-V, TREE/System.map, TREE/build/System.map,
  for the running kernel /proc/kallsyms;
  TREE/build/Module.symvers, ROOT/usr/src/linux-headers-V/Module.symvers,
  ROOT/usr/src/kernels/V/Module.symvers, ROOT/boot/symvers-V.{gz,xz,zst},
  TREE/Module.symvers, TREE/symvers.{gz,xz,zst}
V is the kernel's release, and TREE is ROOT/lib/modules/V; ROOT is the root directory that the tree is in. If there are \
none, a symbol that no module exports is assumed to be in the kernel. Modules of several kernels are checked apart from \
each other.

Examples:
  relobox check /lib/modules/6.1.0-56-amd64
  relobox check build/ --symbols build/Module.symvers --jobs 4
  relobox check a.ko b.ko --json
  relobox check /lib/modules/6.1.0-56-amd64 --html check.html
  relobox check arm64-root/lib/modules amd64-root/lib/modules
  relobox check /lib/modules --symbols 6.1.0-56-amd64=Module.symvers
  relobox check /lib/modules/6.1.0-56-amd64 --cross-check ./other/x86_64.wasm"
)]
pub(crate) struct CheckArgs {
    /// Module files, and directories of modules
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Read symbols from FILE: System.map, /proc/kallsyms or Module.symvers, also compressed; can be repeated. If there
    /// are modules of several kernels, FILE is for the one that its path names, or for RELEASE [default: searched]
    #[arg(long, value_name = "[RELEASE=]FILE", value_parser = input_file())]
    symbols: Vec<PathBuf>,
    /// Do not search symbols: assume that the kernel has each symbol that no module exports
    #[arg(long, conflicts_with = "symbols")]
    no_symbols: bool,
    #[command(flatten)]
    inputs: Inputs,
    /// Also link with this plugin (a name, a digest or a file) at the same addresses, and reject modules for which the
    /// results differ
    #[arg(long, value_name = "PLUGIN")]
    cross_check: Option<String>,
    /// Verify signatures: with 'require', a module is rejected unless a trusted key has signed it; with 'warn', it is
    /// reported (docs/signatures.md) [default: off]
    #[arg(long, value_name = "off|warn|require", hide_possible_values = true, value_parser = policy())]
    signatures: Option<Policy>,
    /// Trust the certificates in DIR (DER or PEM) instead of those in /etc/relobox/keys and /usr/share/relobox/keys; can
    /// be repeated
    #[arg(long, value_name = "DIR")]
    keys: Vec<PathBuf>,
    /// Use N threads [default: the number of processors]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=16))]
    jobs: Option<u16>,
    /// Read depmod's configuration from DIR, for trees without modules.dep; can be repeated [default: etc/depmod.d and
    /// the other directories in the root directory of the tree]
    #[arg(long, value_name = "DIR")]
    depmod_config: Vec<PathBuf>,
    /// Also write the result as one HTML page, which can be searched; - is standard output, instead of the text
    #[arg(long, value_name = "FILE", value_parser = output_file())]
    html: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) common: Common,
}

pub(crate) fn run(args: CheckArgs) -> Result<ExitCode> {
    let html_on_stdout = is_stdout(args.html.as_ref());
    if args.common.json && html_on_stdout {
        return Err(Error::Usage("--json and '--html -' would both print on standard output".into()));
    }
    let inputs = args.paths.iter().chain(&args.symbols).map(PathBuf::as_path);
    args.html.as_ref().map_or(Ok(()), |html| files::apart(html, inputs))?;
    let mut plugins = args.common.plugins(false)?;
    let guests = common::guests_of(plugins.clone())?;
    let mut found = find(&args.paths, &args.depmod_config)?;
    if found.modules.is_empty() {
        return Err(Error::Usage("the given paths contain no module (*.ko, *.ko.gz, *.ko.xz, *.ko.zst)".into()));
    }
    let second = args.cross_check.as_ref().map(|named| second(&guests, &mut plugins, named)).transpose()?;
    let default = parallel::processors().min(16);
    let jobs = args.jobs.map_or(default, usize::from);
    let bar = progress(found.modules.len(), args.common.json);
    let verifier = verifier(&args)?;
    let mut warnings: Vec<_> = verifier.unusable().iter().map(|file| format!("no certificate: {file}")).collect();
    let survey = Survey::read(&guests, &found, jobs, &|| bar.inc(1)).verifying(verifier);
    check_inputs(&guests, survey.kernels(), &args.inputs)?;
    let mut files = symbols::choose(survey.kernels(), &args.symbols, !args.no_symbols, &mut warnings)?;
    let kernel_symbols = files.iter_mut().map(|files| symbols::read(&guests, files, &mut warnings));
    let kernel_symbols = kernel_symbols.collect::<Result<_>>()?;
    let outcomes = survey.check(&guests, kernel_symbols, &args.inputs.input, second.as_ref(), jobs, &|| bar.inc(1));
    bar.finish_and_clear();
    let kernels = survey.kernels().to_vec();
    let signed = outcomes.iter().filter_map(|o| Some((o, o.result.as_ref().ok()?.signature.as_ref()?)));
    warnings.extend(signed.filter_map(|(o, verdict)| {
        let name = o.path.display().to_string();
        told(&name, verdict).or_else(|| expired(&name, verdict))
    }));
    found.warnings.extend(warnings);
    let compared = second.map(|second| Compared::of(CrossCheck::of(&second), &outcomes));
    if let (Some(compared), Some(named)) = (&compared, &args.cross_check)
        && compared.alike + compared.differ == 0
        && compared.not_compared != 0
    {
        let name = &compared.plugin.plugin;
        return Err(Error::Usage(format!(
            "--cross-check {named}: plugin {name} is for another machine than the modules"
        )));
    }
    let code = outcomes.iter().filter_map(|o| o.result.as_ref().err()).map(Error::exit_code).max().unwrap_or(0);
    let report = Report::of(&found, &kernels, &files, &outcomes, compared);
    if let Some(path) = &args.html {
        files::write(path, files::PUBLIC, html::page(&found, &outcomes, &report).as_bytes())?;
    }
    match args.common.json {
        true => output::json(&report),
        false if html_on_stdout => {}
        false => text::print(&found, &outcomes, &report),
    }
    Ok(ExitCode::from(code))
}

/// Modules are only read, so it does not matter who may write the certificates.
fn verifier(args: &CheckArgs) -> Result<Verifier> {
    let policy = args.signatures.unwrap_or_default();
    let keys = match &args.keys[..] {
        _ if policy == Policy::Off => Keys::default(),
        [] => Keys::read(&DIRECTORIES.map(PathBuf::from), None, false)?,
        given => Keys::read(given, None, true)?,
    };
    Ok(Verifier::new(&Trust { policy, keys }))
}

/// Refuses inputs that no plugin of the kernels reads.
fn check_inputs(guests: &Guests, kernels: &[Kernel], given: &Inputs) -> Result<()> {
    let mut plugins = BTreeMap::new();
    for kernel in kernels {
        let MachineId { machine, class, order } = kernel.machine;
        for (plugin, _) in guests.plugins_for(machine, class, order, kernel.flags)? {
            plugins.insert(plugin.about.name.clone(), plugin);
        }
    }
    let reads = |name: &str| plugins.values().any(|plugin| plugin.about.inputs.iter().any(|(input, _)| input == name));
    match given.input.iter().find(|(name, _)| !reads(name)) {
        None => Ok(()),
        Some((name, _)) => {
            Err(unread_input(name, &Vec::from_iter(plugins.values().map(|plugin| -> &Plugin { plugin }))))
        }
    }
}

/// The progress bar, with two steps for each module. With `--json`, nothing is drawn.
fn progress(modules: usize, json: bool) -> ProgressBar {
    if json {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(2 * modules as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent:>3}%  {elapsed} of about {duration}") {
        bar.set_style(style);
    }
    bar
}
