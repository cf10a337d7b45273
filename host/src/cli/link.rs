//! `relobox link`: writes a module as a file that is linked at its final addresses.

use super::common::{self, Common};
use super::output;
use clap::Args;
use relobox::areas::ABSENT;
use relobox::cross_check::{link_both, machine_of, must_link};
use relobox::files::{self, Kind};
use relobox::guests::{Guests, Plugin};
use relobox::layout::Layout;
use relobox::link::{Linked, Prepared, load, plugin_of, prepare_by};
use relobox::needs::Needs;
use relobox::open::unpacked;
use relobox::records::Records;
use relobox::registry::Plugins;
use relobox::resolve::Sources;
use relobox::section_map::SectionMap;
use relobox::symbol_search::{self, Found, Wanted};
use relobox::symbols::{NameFilter, Symbols};
use relobox::text::hex;
use relobox::{Diagnostic, Error, Result, limits};
use relobox_abi::symbol_flag;
use relobox_cli::args::{Inputs, STDIN, address, input_file, is_stdout, output_file};
use serde::Serialize;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Link a module (or another relocatable object) at final addresses, and write it as an ELF file
#[derive(Debug, Args)]
#[command(
    after_help = "Without --symbols, the symbols of the kernel in the module's vermagic are searched where 'relobox check --help' says; \
for the running kernel, /proc/kallsyms comes first.

Examples:
  relobox link xfs.ko -o xfs.elf
  relobox link xfs.ko --symbols System.map -o xfs.elf
  relobox link hello.o --symbols kallsyms --base 0xffffffffc0400000
  relobox link xfs.ko.zst --symbols /proc/kallsyms --sections /sys/module/xfs/sections -o xfs.elf
  relobox link xfs.ko --map xfs.svg
  relobox link xfs.ko --map -
  xz -dc xfs.ko.xz | relobox link - -o - > xfs.elf
  relobox link xfs.ko --symbols System.map --cross-check ./other/x86_64.wasm
  gdb vmlinux -ex 'add-symbol-file xfs.elf'"
)]
pub(crate) struct LinkArgs {
    /// The module (.ko, .ko.gz, .ko.xz or .ko.zst), or a relocatable object; - is standard input
    #[arg(value_parser = input_file())]
    module: PathBuf,
    /// Read symbols from FILE: System.map, /proc/kallsyms or Module.symvers, also compressed, or the output of 'relobox
    /// state export'; can be repeated [default: those of the kernel that the module was compiled for]
    #[arg(long, value_name = "FILE", value_parser = input_file())]
    symbols: Vec<PathBuf>,
    /// Read addresses of sections: lines of 'NAME ADDRESS', or a directory like /sys/module/NAME/sections
    #[arg(long, value_name = "FILE|DIR", value_parser = input_file())]
    sections: Option<PathBuf>,
    /// Place sections that --sections does not name at ADDR [default: where Linux puts modules]
    #[arg(long, value_name = "ADDR", value_parser = address)]
    base: Option<u64>,
    #[command(flatten)]
    inputs: Inputs,
    /// Also link with this plugin (a name, a digest or a file) at the same addresses, and fail if the results differ
    #[arg(long, value_name = "PLUGIN")]
    cross_check: Option<String>,
    /// Write the linked ELF file to OUT.elf; - is standard output, and the text then goes to standard error
    #[arg(short, long, value_name = "OUT.elf", value_parser = output_file())]
    output: Option<PathBuf>,
    /// Draw the sections by address, with permissions, pages and relocations, into this SVG file; - prints them as text
    #[arg(long, value_name = "FILE.svg")]
    map: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// Refuses options that would print two things on standard output, or read standard input twice.
fn check_streams(args: &LinkArgs) -> Result<()> {
    let text_map = args.map.as_ref().is_some_and(|map| map.as_os_str() == "-");
    let printed = [is_stdout(args.output.as_ref()), text_map || is_stdout(args.map.as_ref()), args.common.json];
    if printed.iter().filter(|printed| **printed).count() > 1 {
        return Err(Error::Usage("two of '-o -', '--map -' and --json would print on standard output".into()));
    }
    let inputs = std::iter::once(&args.module).chain(&args.symbols).chain(&args.sections);
    if inputs.filter(|input| input.as_os_str() == STDIN).count() > 1 {
        return Err(Error::Usage("only one file can be read from standard input".into()));
    }
    if args.module.as_os_str() == STDIN && args.cross_check.is_some() {
        return Err(Error::Usage("--cross-check reads the module twice, which standard input does not allow".into()));
    }
    Ok(())
}

pub(crate) fn run(args: LinkArgs) -> Result<ExitCode> {
    check_streams(&args)?;
    for output in args.output.iter().chain(args.map.iter().filter(|map| map.as_os_str() != "-")) {
        let inputs = std::iter::once(&args.module).chain(&args.symbols).chain(&args.sections).chain(&args.common.pins);
        files::apart(output, inputs.map(PathBuf::as_path))?;
    }
    let mut plugins = args.common.plugins(false)?;
    if let Some(output) = &args.output {
        files::apart(output, plugins.files.iter().map(|file| file.origin.path()))?;
    }
    let guests = common::guests_of(plugins.clone())?;
    let name = args.module.display().to_string();
    let load_module = || load(&guests, &name, common::source(&args.module)?);
    let module = load_module()?;
    let second = args.cross_check.as_ref().map(|named| second(&guests, &mut plugins, named)).transpose()?;
    if let (Some(second), Some(named)) = (&second, &args.cross_check) {
        must_link(second, named, &module.records())?;
    }
    let plugin = plugin_of(&guests, &module.records(), second.as_ref().map(|second| second.guest.digest()))?;
    if guests.is_excluded(&plugin) {
        let text = format!("no plugin given with --plugin links it, but {} does", plugin.about.name);
        return Err(Diagnostic::new("no-plugin", name, text).into());
    }
    let inputs = &args.inputs.input;
    let mut base = args.base;
    let mut used = Vec::new();
    let mut read = |records: &Records<'_>, needs: &[&Needs]| {
        let found = symbol_files(&args, records, needs);
        let symbols = wanted_symbols(&guests, records, needs, &found)?;
        used = found.files;
        Ok::<_, Error>(symbols)
    };
    let lay = |prepared: &Prepared, symbols: &Symbols, base: Option<u64>| match &args.sections {
        Some(path) => {
            let mut given = section_addresses(path)?;
            let records = prepared.module.records();
            let owner = records.module_name();
            given.extend(per_cpu_base(&records, symbols, &owner, &given));
            prepared.measured.at_sections(&records, &given, base)
        }
        None => {
            if let Some(base) = args.base {
                prepared.check_base(base).map_err(|why| Error::Usage(format!("--base {base:#x}: {why}")))?;
            }
            Ok(prepared.measured.at(base.unwrap_or(prepared.machine.base)))
        }
    };
    let mut linked = match &second {
        None => {
            let prepared = prepare_by(plugin, module, inputs)?;
            let symbols = read(&prepared.module.records(), &[prepared.needs()])?;
            let layout = lay(&prepared, &symbols, base)?;
            prepared.link(layout, Sources { symbols: &symbols, assume: None })?
        }
        Some(second) => {
            if args.sections.is_none() {
                base = base.or_else(|| machine_of(&plugin, &module.records()).map(|machine| machine.base));
            }
            let plugins = [plugin, Arc::clone(second)];
            // Both report their errors again when they link.
            let ask = |plugin: &Arc<Plugin>| Ok(prepare_by(Arc::clone(plugin), load_module()?, inputs).ok());
            let asked = plugins.iter().map(ask).collect::<Result<Vec<_>>>()?;
            let needs: Vec<_> = asked.iter().flatten().map(Prepared::needs).collect();
            let symbols = read(&module.records(), &needs)?;
            drop(asked);
            let sources = Sources { symbols: &symbols, assume: None };
            let modules = [module, load_module()?];
            link_both(plugins, modules, inputs, |prepared| lay(prepared, &symbols, base), sources)?
        }
    };
    let records = linked.module.records();
    for section in records.left_to_the_kernel().map(|section| records.section_name(section)) {
        output::warning(format_args!(
            "{name}: {section} is left for the kernel, because it has the relocations of a live patch"
        ));
    }
    let mut report = LinkReport::of(&linked, args.output.as_deref());
    report.plugin_pinned = guests.is_pinned(&linked.plugin);
    report.symbols = used;
    report.cross_check = second.map(|second| CrossCheck::of(&second));
    if let Some(path) = &args.output {
        files::replace(path, files::PUBLIC, |file| linked.emit_to(relobox_abi::emit::LINKED, path, file))?;
    }
    let print: fn(String) = if is_stdout(args.output.as_ref()) { output::warning } else { output::line };
    match &args.map {
        Some(map) if map.as_os_str() == "-" => SectionMap::of(&linked).text().into_iter().for_each(print),
        Some(map) => {
            files::write(map, files::PUBLIC, SectionMap::of(&linked).svg().as_bytes())?;
            if !is_stdout(Some(map)) {
                print_report(&args, &report, print);
            }
        }
        None => print_report(&args, &report, print),
    }
    // The process ends here. Freeing the guests' memory page by page would only take time.
    std::mem::forget(linked);
    Ok(ExitCode::SUCCESS)
}

fn print_report(args: &LinkArgs, report: &LinkReport, print: fn(String)) {
    if args.common.json { output::json(report) } else { report.print(print) }
}

/// The plugin for the cross-check.
pub(crate) fn second(guests: &Guests, plugins: &mut Plugins, named: &str) -> Result<Arc<Plugin>> {
    let chosen = match plugins.chosen[..] {
        [one] => Some(one),
        _ => None,
    };
    let digest = plugins.one(named, chosen.as_ref())?;
    if Some(digest) == chosen {
        return Err(Error::Usage(format!("--cross-check {named}: this is the plugin to be checked")));
    }
    if let Some(plugin) = guests.by_digest(&digest)? {
        return Ok(Arc::clone(plugin));
    }
    let file = plugins.files.iter().find(|file| file.digest == digest);
    guests.load_plugin(file.ok_or_else(|| Error::Usage(format!("there is no plugin {named:?}")))?)
}

/// The symbol files: those that are given, or those of the kernel that the module was compiled for, if it refers to any
/// symbol outside of itself.
fn symbol_files(args: &LinkArgs, records: &Records<'_>, needs: &[&Needs]) -> Found {
    let refers = || needs.iter().any(|needs| needs.looked_up(records).next().is_some());
    if !args.symbols.is_empty() || !refers() {
        return Found { files: args.symbols.clone(), ..Found::default() };
    }
    let found = symbol_search::search(&symbol_search::place_of(&args.module, records.release()), Wanted::Addresses);
    for (path, why) in &found.unusable {
        output::warning(format_args!("{}: {why}", path.display()));
    }
    if found.files.is_empty() && !found.missing.is_empty() {
        let missing: Vec<_> = found.missing.iter().map(|path| path.display().to_string()).collect();
        output::warning(format_args!("no symbols were found: there is no {}", missing.join(" and no ")));
    }
    found
}

/// Reads only the symbols that the module needs: a kernel has 200,000 symbols, and a module needs about 30. `needs` are
/// those of the plugins that link the module.
fn wanted_symbols(guests: &Guests, records: &Records<'_>, needs: &[&Needs], found: &Found) -> Result<Symbols> {
    let per_cpu = records.symbols.iter().filter(|s| s.flags & symbol_flag::PERCPU != 0);
    let per_cpu = per_cpu.map(|s| records.bytes(s.name));
    let looked_up = needs.iter().flat_map(|needs| needs.looked_up(records)).map(|(_, name)| name);
    let wanted: NameFilter<'_> = per_cpu.chain(looked_up).collect();
    let mut symbols = Symbols::new();
    for file in &found.files {
        symbols.read_file(file, |bytes| unpacked(guests, file, bytes), |name| wanted.contains(name))?;
    }
    Ok(symbols)
}

/// The base of a loaded module's per-CPU data, from its symbols in /proc/kallsyms. /sys/module/NAME/sections does not
/// have it.
fn per_cpu_base(
    records: &Records<'_>,
    symbols: &Symbols,
    module: &str,
    given: &[(Vec<u8>, u64)],
) -> Option<(Vec<u8>, u64)> {
    let given: HashSet<&[u8]> = given.iter().map(|(name, _)| &name[..]).collect();
    let mut inside = records.symbols.iter().filter(|s| s.flags & symbol_flag::PERCPU != 0);
    let mut tried = HashSet::new();
    inside.find_map(|s| {
        let section = records.bytes(records.sections.get(s.section as usize)?.name);
        // Many symbols can have the same name, each with a line of its own.
        let address =
            tried.insert(records.bytes(s.name)).then(|| symbols.address_in(module, records.bytes(s.name)))??;
        (!given.contains(section)).then(|| (section.to_vec(), address.wrapping_sub(s.value)))
    })
}

/// Reads lines of `NAME ADDRESS`, or a directory with one file for each section that contains its address. No section
/// of a loaded module is at 0: the kernel prints 0 if the reader may not see addresses. Older kernels print `(null)` or
/// `(ptrval)`.
pub(crate) fn section_addresses(path: &Path) -> Result<Vec<(Vec<u8>, u64)>> {
    let bad = |what: &str| Error::Usage(format!("{}: {what}", path.display()));
    let hidden = |section: &str| {
        let who = "the kernel shows addresses only to root (CAP_SYSLOG), and only if kernel.kptr_restrict is 0 or 1";
        bad(&format!("the address of {section} is hidden (0): {who}"))
    };
    let number = |name: &str, text: &str| {
        let digits = text.trim().trim_start_matches("0x").trim_start();
        match u64::from_str_radix(digits, 16) {
            Ok(0) => Some(Err(hidden(name))),
            Ok(address) => Some(Ok(address)),
            Err(_) if digits.starts_with('(') && digits.ends_with(')') => Some(Err(hidden(name))),
            Err(_) => None,
        }
    };
    let mut out = Vec::new();
    if path.is_dir() {
        for entry in std::fs::read_dir(path).map_err(Error::io(path))? {
            let entry = entry.map_err(Error::io(path))?;
            let text = files::read_text(&entry.path(), Kind::Regular, limits::SECTION_ADDRESS)?;
            let name = entry.file_name();
            let address = number(&name.to_string_lossy(), &text);
            let address = address.ok_or_else(|| bad(&format!("{}: not an address", entry.path().display())))??;
            out.push((name.into_encoded_bytes(), address));
        }
    } else {
        let text = files::read_text(path, Kind::Pipe, limits::SECTIONS)?;
        for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let parsed = line.split_once(char::is_whitespace).and_then(|(n, a)| Some((n.into(), number(n, a)?)));
            let (name, address) =
                parsed.ok_or_else(|| bad(&format!("line {}: it does not have the form 'NAME ADDRESS'", i + 1)))?;
            out.push((name, address?));
        }
    }
    if out.is_empty() {
        return Err(bad("it contains no section"));
    }
    out.sort();
    Ok(out)
}

/// The output of the command. The field names are JSON keys.
#[derive(Serialize)]
struct LinkReport {
    module: String,
    plugin: String,
    plugin_sha256: String,
    plugin_pinned: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    cross_check: Option<CrossCheck>,
    relocations: usize,
    uses: Vec<String>,
    symbols: Vec<PathBuf>,
    fuel: u64,
    sections: Vec<SectionReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<PathBuf>,
}

/// The second plugin.
#[derive(Serialize)]
pub(crate) struct CrossCheck {
    pub(crate) plugin: String,
    plugin_sha256: String,
    pub(crate) origin: String,
}

impl CrossCheck {
    pub(crate) fn of(plugin: &Plugin) -> Self {
        let (name, plugin_sha256) = (plugin.about.name.clone(), hex(plugin.guest.digest()));
        Self { plugin: name, plugin_sha256, origin: plugin.origin.to_string() }
    }
}

#[derive(Serialize)]
struct SectionReport {
    name: String,
    address: u64,
    size: u64,
    synthetic: bool,
}

impl LinkReport {
    fn of(linked: &Linked, output: Option<&Path>) -> Self {
        let records = linked.module.records();
        let Layout { addresses, .. } = &linked.layout;
        let own = (0..).zip(records.sections).zip(addresses).filter(|(_, a)| **a != ABSENT).map(|((i, s), a)| {
            SectionReport { name: records.section_name(i), address: *a, size: s.size, synthetic: false }
        });
        let made = linked.synthetic.iter().map(|s| SectionReport {
            name: s.wanted.name.clone(),
            address: s.address,
            size: s.contents.len() as u64,
            synthetic: true,
        });
        let mut sections: Vec<_> = own.chain(made).collect();
        sections.sort_by_key(|s| s.address);
        Self {
            module: records.name.to_owned(),
            plugin: linked.plugin.about.name.clone(),
            plugin_sha256: hex(linked.plugin.guest.digest()),
            plugin_pinned: false,
            cross_check: None,
            relocations: records.relocations.len(),
            uses: linked.resolved.uses.clone(),
            symbols: Vec::new(),
            fuel: linked.fuel,
            sections,
            output: output.map(Path::to_owned),
        }
    }

    fn print(&self, print: fn(String)) {
        for s in &self.sections {
            let made = if s.synthetic { "  (made by the plugin)" } else { "" };
            print(format!("{:#018x} {:>9}  {}{made}", s.address, s.size, s.name));
        }
        let output = self.output.as_ref().map_or(String::new(), |path| format!(" -> {}", path.display()));
        let (n, plugin) = (self.relocations, &self.plugin);
        let pinned = if self.plugin_pinned { "" } else { " (not pinned)" };
        let agrees =
            self.cross_check.as_ref().map_or(String::new(), |c| format!(", and by {} ({}) alike", c.plugin, c.origin));
        for file in &self.symbols {
            print(format!("symbols from {}", file.display()));
        }
        print(format!("{}: {n} relocations done by plugin {plugin}{pinned}{agrees}{output}", self.module));
    }
}
