//! The command line. One definition gives the parser, `--help`, man pages and completions.

mod check;
mod common;
mod demo;
mod hand_over;
mod inspect;
mod kernel;
mod link;
mod linking;
mod manual;
mod plugin;
mod sim;
mod table;

use clap::{FromArgMatches as _, Parser, Subcommand};
use kernel::KernelArgs;
use relobox_cli::help;
pub(crate) use relobox_cli::output;
use relobox_kmod::{call, depmod, insmod, modinfo, modprobe, state};
use std::process::ExitCode;

/// Link Linux kernel modules outside the kernel, inside a WebAssembly sandbox
#[derive(Debug, Parser)]
#[command(
    name = "relobox",
    bin_name = "relobox",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    after_help = EXIT_CODES
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Shown at the end of `--help`.
const EXIT_CODES: &str = "Exit codes:
  0  success
  1  a module cannot be linked, or a kernel refused it; every reason is printed
  2  wrong usage, or a file cannot be read or written
  3  a guest (engine or plugin) broke its contract: trap, fuel, memory, malformed answer";

#[derive(Debug, Subcommand)]
enum Command {
    Link(link::LinkArgs),
    Check(check::CheckArgs),
    Inspect(inspect::InspectArgs),
    Plugin(plugin::PluginArgs),
    Fuzz(hand_over::FuzzArgs),
    Insmod(insmod::InsmodArgs<KernelArgs>),
    Modprobe(modprobe::ModprobeArgs<KernelArgs>),
    Call(call::CallArgs<KernelArgs>),
    Depmod(depmod::DepmodArgs),
    Modinfo(modinfo::ModinfoArgs),
    Lsmod(insmod::LsmodArgs<KernelArgs>),
    Rmmod(insmod::RmmodArgs<KernelArgs>),
    State(state::StateArgs<KernelArgs>),
    Dmesg(sim::DmesgArgs),
    Sim(sim::SimArgs),
    Demo(demo::DemoArgs),
    Man(manual::ManArgs),
    Completions(manual::CompletionsArgs),
}

impl Command {
    /// The kernel of a command that relobox-kmod has as well.
    fn target(&self) -> Option<&KernelArgs> {
        Some(match self {
            Self::Insmod(args) => &args.target,
            Self::Modprobe(args) => &args.target,
            Self::Call(args) => &args.target,
            Self::Lsmod(args) => &args.target,
            Self::Rmmod(args) => &args.target,
            Self::State(args) => &args.target,
            _ => return None,
        })
    }
}

/// The parser of the command line. Commands that the workshop shares with relobox-kmod get an example with a simulated
/// kernel, which only the workshop has.
fn parser() -> clap::Command {
    let simulated = |example: &'static str| {
        move |command: clap::Command| {
            let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            command.after_help(format!(
                "{text}\n\nIn a simulated kernel, which is started if necessary ('relobox dmesg' shows its log):\n  {example}"
            ))
        }
    };
    help::command::<Cli>()
        .mut_subcommand("insmod", simulated("relobox insmod --kernel sim hello.ko"))
        .mut_subcommand("call", simulated("relobox call --kernel sim probe.o"))
}

/// Runs the command in the process's arguments.
pub(crate) fn main() -> ExitCode {
    if let Some(code) = sim::serve_if_asked().or_else(linking::serve_if_asked) {
        return code;
    }
    let parsed = parser().try_get_matches().and_then(|m| Cli::from_arg_matches(&m));
    let command = match parsed {
        Ok(cli) => cli.command,
        Err(error) => {
            let code = if error.use_stderr() { 2 } else { 0 };
            output::usage(error);
            return ExitCode::from(code);
        }
    };
    if command.target().is_some_and(KernelArgs::uses_kmod)
        && let Some(error) = hand_over::to_kmod()
    {
        output::plain(&error);
        return ExitCode::from(error.exit_code());
    }
    let (json, result) = match command {
        Command::Link(args) => (Some(args.common.json), link::run(args)),
        Command::Check(args) => (Some(args.common.json), check::run(args)),
        Command::Inspect(args) => (Some(args.common.json), inspect::run(args)),
        Command::Plugin(args) => (Some(args.json()), plugin::run(args)),
        Command::Fuzz(args) => (None, hand_over::to_fuzz(&args)),
        Command::Insmod(args) => (Some(args.common.json), insmod::run(&args)),
        Command::Modprobe(args) => (Some(args.common.json), modprobe::run(&args)),
        Command::Call(args) => (Some(args.common.json), call::run(&args)),
        // They change no kernel, so they need no program that may.
        Command::Depmod(args) => (None, Ok(depmod::run_by(args.args, &linking::all_in_one()))),
        Command::Modinfo(args) => (None, Ok(modinfo::run_by(args.args, &linking::all_in_one()))),
        Command::Lsmod(args) => (Some(args.json), insmod::lsmod(&args)),
        Command::Rmmod(args) => (Some(args.json), insmod::rmmod(&args)),
        Command::State(args) => (Some(args.json), state::run(&args)),
        Command::Dmesg(args) => (Some(args.json), sim::dmesg(args)),
        Command::Sim(args) => (None, sim::run(args)),
        Command::Demo(args) => (None, demo::run(args)),
        Command::Man(args) => (None, manual::man(args, parser())),
        Command::Completions(args) => (None, manual::completions(args, parser())),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            match json {
                Some(json) => output::error(&error, json),
                None => output::plain(&error),
            }
            ExitCode::from(error.exit_code())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(name: &str) -> String {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// The help of every command has examples, and every command has `--json` except those that README names.
    #[test]
    fn every_command_has_examples_and_all_but_a_few_have_json() {
        fn visit(command: &clap::Command, path: &str, inherited: (bool, bool), without: &mut Vec<String>) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let examples = inherited.0 || help.contains("Example");
            let json = inherited.1 || command.get_arguments().any(|a| a.get_long() == Some("json"));
            let mut parts = command.get_subcommands().peekable();
            if parts.peek().is_none() {
                assert!(examples, "{path} has no example");
                if !json {
                    without.push(path.to_owned());
                }
            }
            for part in parts {
                visit(part, format!("{path} {}", part.get_name()).trim_start(), (examples, json), without);
            }
        }
        let mut without = Vec::new();
        visit(&<Cli as clap::CommandFactory>::command(), "", (false, false), &mut without);
        without.retain(|path| !path.starts_with("sim "));
        without.push("sim".into());
        without.sort();
        let expected = ["completions", "demo", "depmod", "fuzz", "man", "modinfo", "plugin new", "sim"];
        assert_eq!(without, expected);
        let readme = page("README.md");
        let (said, _) = readme.split_once("do not have it.").expect("the sentence about --json");
        let said = said.rsplit("[documented]").next().unwrap();
        assert!(without.iter().all(|name| said.contains(&format!("`{name}`"))), "{said}");
    }

    /// Splits a line like a shell, without its comment. `None` for a line that is more than a command.
    fn split(line: &str) -> Option<Vec<String>> {
        let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
        for c in line.chars() {
            match (quote, c) {
                (Some(q), _) if c == q => quote = None,
                (None, '\'' | '"') => {
                    quote = Some(c);
                    word.get_or_insert_default();
                }
                (None, ' ') => words.extend(word.take()),
                (None, '#') if word.is_none() => break,
                (None, '>' | '|' | '&' | ';' | '\\') => return None,
                _ => word.get_or_insert_default().push(c),
            }
        }
        words.extend(word);
        Some(words)
    }

    /// The commands in the documentation can be parsed.
    #[test]
    fn the_pages_commands_are_commands() {
        let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
        let docs = std::fs::read_dir(docs).unwrap().map(|e| format!("docs/{}", e.unwrap().file_name().display()));
        let mut tried = 0;
        for name in docs.filter(|name| name.ends_with(".md")).chain(["README.md".into(), "kernel/README.md".into()]) {
            let text = page(&name);
            let blocks = text.split("```").skip(1).step_by(2).flat_map(str::lines);
            for line in blocks.map(|line| line.trim_start_matches("$ ")).filter(|line| line.starts_with("relobox ")) {
                let Some(words) =
                    split(&line.replace("$(uname -r)", "6.1")).filter(|words| !words.iter().any(|w| w.contains('…')))
                else {
                    continue;
                };
                // `relobox case 1` is the first line of a test case's file.
                let internal =
                    words.get(1).is_some_and(|word| word.starts_with("__") || word == "help" || word == "case");
                tried += 1;
                assert!(internal || Cli::try_parse_from(&words).is_ok(), "{name}: {line}: {words:?}");
            }
        }
        assert!(tried > 40, "only {tried} commands were found");
    }
}
