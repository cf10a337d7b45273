//! The program `relobox-kmod`. Called as `insmod`, `rmmod`, `lsmod`, `modprobe`, `depmod` or `modinfo`, it does what
//! that program of kmod does.

use clap::{Args, FromArgMatches, Parser, Subcommand};
use relobox_cli::args::{Common, Inputs};
use relobox_cli::{help, output};
use relobox_core::error::{Error, Result};
use relobox_kmod::real::{Linking, Real};
use relobox_kmod::{call, depmod, insmod, kmod, modinfo, modprobe, state, strict};
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

/// Load and remove kernel modules. A process without rights links them.
#[derive(Debug, Parser)]
#[command(
    name = "relobox-kmod",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    after_help = "Exit codes:
  0  success
  1  a module cannot be linked, or the kernel refused it; every reason is printed
  2  wrong usage, or a file cannot be read or written
  3  the linking process failed, or a guest in it broke its contract"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Insmod(insmod::InsmodArgs<Real>),
    Modprobe(modprobe::ModprobeArgs<Real>),
    Rmmod(insmod::RmmodArgs<Real>),
    Lsmod(insmod::LsmodArgs<Real>),
    Depmod(depmod::DepmodArgs),
    Modinfo(modinfo::ModinfoArgs),
    Call(call::CallArgs<Real>),
    State(state::StateArgs<Real>),
    Strict(strict::StrictArgs),
    /// Try from inside the linking process what it must not be able to do
    ///
    /// Prints one line for each attempt. Exit code 0: nothing was possible. Exit code 1: something was.
    Prove(ProveArgs),
}

#[derive(Debug, Args)]
struct ProveArgs {
    #[command(flatten)]
    target: Real,
    #[command(flatten)]
    common: Common,
}

/// The command of kmod that the program's own name is.
fn own_command(args: &[OsString]) -> Option<fn(Vec<String>) -> ExitCode> {
    let own = Path::new(args.first()?).file_name()?;
    kmod::COMMANDS.iter().find(|(name, _)| own == *name).map(|(_, run)| *run)
}

/// Parses one of the commands that a booting machine calls often, without building the parser of every other command,
/// which takes a third of the program's time. Returns `None` for another command or a wrong command line: then the
/// whole parser reports the error.
fn alone(args: &[OsString]) -> Option<Command> {
    fn parse<T: Args>(args: &[OsString]) -> Option<T> {
        let command = T::augment_args(clap::Command::new("relobox-kmod"));
        T::from_arg_matches(&command.try_get_matches_from(args).ok()?).ok()
    }
    let args = args.get(1..)?;
    Some(match args.first()?.to_str()? {
        "insmod" => Command::Insmod(parse(args)?),
        "modprobe" => Command::Modprobe(parse(args)?),
        "rmmod" => Command::Rmmod(parse(args)?),
        "lsmod" => Command::Lsmod(parse(args)?),
        _ => return None,
    })
}

fn whole(args: &[OsString]) -> Result<Cli, clap::Error> {
    Cli::from_arg_matches(&help::command::<Cli>().try_get_matches_from(args)?)
}

fn main() -> ExitCode {
    output::finish(run())
}

fn run() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    if let Some(run) = own_command(&args) {
        // A name that is not UTF-8 is none of a module; a file of such a name is not found.
        return run(args.iter().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect());
    }
    let cli = match alone(&args).map_or_else(|| whole(&args), |command| Ok(Cli { command })) {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { 2 } else { 0 };
            output::usage(error);
            return ExitCode::from(code);
        }
    };
    let (json, result) = match &cli.command {
        Command::Insmod(args) => (args.common.json, insmod::run(args)),
        Command::Modprobe(args) => (args.common.json, modprobe::run(args)),
        Command::Rmmod(args) => (args.json, insmod::rmmod(args)),
        Command::Lsmod(args) => (args.json, insmod::lsmod(args)),
        Command::Depmod(args) => (false, Ok(depmod::run(args.args.clone()))),
        Command::Modinfo(args) => (false, Ok(modinfo::run_by(args.args.clone(), &Linking::default()))),
        Command::Call(args) => (args.common.json, call::run(args)),
        Command::State(args) => (args.json, state::run(args)),
        Command::Strict(args) => (false, strict::run(args)),
        Command::Prove(args) => (args.common.json, prove(args)),
    };
    result.unwrap_or_else(|error: Error| {
        output::error(&error, json);
        ExitCode::from(error.exit_code())
    })
}

fn prove(args: &ProveArgs) -> Result<ExitCode> {
    let linker = args.target.start_linker(args.common.plugins(true)?, &Inputs { input: Vec::new() })?;
    let safe = relobox_isolate::prove(&linker, |line| output::line(line))?;
    Ok(ExitCode::from(u8::from(!safe)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_own_name_is_a_command_of_kmod() {
        let line = |words: &str| words.split(' ').map(OsString::from).collect::<Vec<_>>();
        for own in ["/sbin/insmod a.ko x=1", "rmmod a", "modprobe -r a", "lsmod", "depmod -a", "modinfo a"] {
            assert!(own_command(&line(own)).is_some(), "{own}");
        }
        for rich in ["relobox-kmod lsmod", "./relobox-kmod modprobe a", "lsmod2", "/sbin/"] {
            assert!(own_command(&line(rich)).is_none(), "{rich}");
        }
        assert!(own_command(&[]).is_none());
        assert!(Cli::try_parse_from(line("relobox-kmod state show --json")).is_ok());
        assert!(Cli::try_parse_from(line("relobox-kmod depmod -n --help 6.1")).is_ok());
        assert!(Cli::try_parse_from(line("relobox-kmod insmod a.ko --kernel sim")).is_err());
    }

    #[test]
    fn examples_are_commands_of_this_program() {
        let mut parser = help::command::<Cli>();
        parser.build();
        for command in parser.get_subcommands() {
            let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            for example in text.lines().filter(|line| line.starts_with("  relobox")) {
                let words: Vec<_> = example.split_whitespace().collect();
                assert!(words[0] == "relobox-kmod" || words[1] == "link", "{example}");
                assert!(!example.contains("sim"), "{example}");
            }
        }
    }

    #[test]
    fn a_command_parsed_alone_is_what_the_whole_parser_makes_of_it() {
        for words in [
            "insmod hello.ko times=2 name=x --json",
            "insmod --kernel=device --plugin-dir a --plugin-dir b --plugin p --pins q -- --hello.ko -x=1",
            "modprobe --kernel vet a b",
            "modprobe -r a",
            "lsmod --json",
            "rmmod hello --kernel device",
            // Wrong, or a command that is not parsed alone: the whole parser decides.
            "insmod",
            "insmod --help",
            "insmod a.ko --jsn",
            "modprobe --kernel none a",
            "state show",
            "",
        ] {
            let args: Vec<_> =
                std::iter::once("relobox-kmod").chain(words.split_whitespace()).map(OsString::from).collect();
            let whole = Cli::try_parse_from(&args);
            match alone(&args) {
                Some(command) => assert_eq!(format!("{command:?}"), format!("{:?}", whole.unwrap().command), "{words}"),
                None => assert!(whole.is_err() || words.starts_with("state"), "{words}"),
            }
        }
    }
}
