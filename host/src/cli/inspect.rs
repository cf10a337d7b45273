//! `relobox inspect`: prints the contents of a module.

use super::common::{self, Common};
use super::output;
use clap::Args;
use relobox::Result;
use relobox::link::load;
use relobox::linker::inspect::{Candidate, Inspection, inspect};
use relobox_cli::args::input_file;
use std::path::PathBuf;
use std::process::ExitCode;

/// Show the sections, symbols, modinfo and relocations of a module, without linking it
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  relobox inspect xfs.ko
  relobox inspect xfs.ko.xz --json | jq '.relocations'
  relobox inspect hello.o")]
pub(crate) struct InspectArgs {
    /// The module (.ko, .ko.gz, .ko.xz or .ko.zst), or a relocatable object; - is standard input
    #[arg(value_parser = input_file())]
    module: PathBuf,
    #[command(flatten)]
    pub(crate) common: Common,
}

pub(crate) fn run(args: InspectArgs) -> Result<ExitCode> {
    let guests = common::guests(&args.common)?;
    let module = load(&guests, &args.module.display().to_string(), common::source(&args.module)?)?;
    let report = inspect(&guests, &module.records())?;
    if args.common.json {
        output::json(&report)
    } else {
        print(&report)
    }
    Ok(ExitCode::SUCCESS)
}

fn print(report: &Inspection) {
    let several = format!("one of {}", report.candidates.len());
    let none = if report.candidates.is_empty() { "none" } else { &several };
    let plugin = report.plugin.as_deref().unwrap_or(none);
    output::line(format_args!(
        "{}: machine {}, {} bits, {}-endian, flags {:#x}; plugin: {plugin}",
        report.module, report.machine, report.class, report.byte_order, report.flags
    ));
    for Candidate { name, sha256, origin } in &report.candidates {
        output::line(format_args!("candidate: {name} ({origin}, SHA-256 {sha256})"));
    }
    if report.signature_bytes != 0 {
        output::line(format_args!("signed: {} bytes of signature after the module", report.signature_bytes));
    }
    heading("modinfo", report.modinfo.len());
    for (key, value) in &report.modinfo {
        output::line(format_args!("  {key}={value}"));
    }
    heading("sections in memory", report.sections.len());
    for s in &report.sections {
        let relocations = if s.relocations == 0 { String::new() } else { format!("{} relocations", s.relocations) };
        output::line(format_args!("  {:>3} {:<28} {:>9} bytes  {:<4} {relocations}", s.index, s.name, s.size, s.flags));
    }
    heading("exports", report.exports.len());
    for e in &report.exports {
        let crc = e.crc.map_or(String::new(), |crc| format!(" {crc:#010x}"));
        let space = if e.namespace.is_empty() { String::new() } else { format!(" in {}", e.namespace) };
        output::line(format_args!("  {}{}{space}{crc}", e.name, if e.gpl { " (GPL only)" } else { "" }));
    }
    heading("undefined symbols", report.wanted.len());
    for w in &report.wanted {
        let crc = w.crc.map_or(String::new(), |crc| format!(" {crc:#010x}"));
        output::line(format_args!("  {}{}{crc}", w.name, if w.weak { " (weak)" } else { "" }));
    }
    heading("relocations", report.relocations.iter().map(|r| r.count).sum());
    for r in &report.relocations {
        output::line(format_args!("  {:>9}  {:<32} {}", r.count, r.name, r.formula));
    }
}

fn heading(what: &str, count: usize) {
    output::line(format_args!("{what}: {count}"));
}
