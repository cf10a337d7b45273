//! Man pages and shell completions, from the same definition as the parser.

use super::output;
use clap::{Args, Command};
use clap_complete::Shell;
use relobox::{Error, Result, files};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Write the man pages to a directory
#[derive(Debug, Args)]
#[command(after_help = "Example:
  relobox man /usr/local/share/man/man1")]
pub(crate) struct ManArgs {
    /// The directory, which is created if it does not exist
    dir: PathBuf,
}

/// Print a completion script for a shell; in bash and fish, it completes names of modules, too
#[derive(Debug, Args)]
#[command(after_help = "Example:
  relobox completions bash > /etc/bash_completion.d/relobox")]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

pub(crate) fn man(args: ManArgs, command: Command) -> Result<ExitCode> {
    std::fs::create_dir_all(&args.dir).map_err(Error::io(&args.dir))?;
    let mut command = command.disable_help_subcommand(true);
    command.build();
    pages(&command, &args.dir, &[])?;
    output::line(format_args!("man pages written to {}", args.dir.display()));
    Ok(ExitCode::SUCCESS)
}

/// Writes the page of a command and those of its parts. `above` are the pages of the commands that it is a part of.
fn pages(command: &Command, dir: &Path, above: &[String]) -> Result<()> {
    let man = clap_mangen::Man::new(command.clone());
    let file = man.get_filename();
    let path = dir.join(&file);
    let mut page = Vec::new();
    man.render(&mut page).map_err(Error::io(&path))?;
    let own = file.trim_end_matches(".1").to_owned();
    let parts: Vec<_> = command.get_subcommands().filter(|part| !part.is_hide_set()).collect();
    let see = above.iter().cloned().chain(parts.iter().map(|part| format!("{own}-{}", part.get_name())));
    // clap has no better name for the text behind the options.
    let mut page = String::from_utf8_lossy(&page).replace(".SH EXTRA\n", ".SH NOTES\n");
    let has = |option: &str| command.get_arguments().any(|argument| argument.get_long() == Some(option));
    section(&mut page, "ENVIRONMENT", ENVIRONMENT.iter().filter(|(option, ..)| option.is_empty() || has(option)));
    section(&mut page, "FILES", FILES.iter().filter(|(option, ..)| has(option)));
    let see: Vec<_> =
        see.chain(["relobox-kmod".to_owned()]).map(|name| format!("\\fB{}\\fR(1)", roff(&name))).collect();
    let _ = write!(page, ".SH \"SEE ALSO\"\n{}, \\fBmodprobe\\fR(8), \\fBinsmod\\fR(8)\n", see.join(", "));
    files::write(&path, files::PUBLIC, page.as_bytes())?;
    let above: Vec<_> = above.iter().cloned().chain([own]).collect();
    parts.into_iter().try_for_each(|part| pages(part, dir, &above))
}

/// Names with their meaning, of commands that have an option.
type Entry = (&'static str, &'static str, &'static str);

const ENVIRONMENT: [Entry; 9] = [
    ("", "NO_COLOR", "If it is set, no colours are printed."),
    ("", "COLUMNS", "The width of tables and help, instead of the terminal's."),
    ("plugin-dir", "RELOBOX_PLUGIN_DIR", "Directories with plugins, separated by colons."),
    ("plugin-dir", "RELOBOX_CACHE", "The directory of compiled guests; if it is empty, nothing is kept."),
    ("pins", "RELOBOX_PINS", "The pin file, as --pins."),
    ("kernel", "RELOBOX_KERNEL", "The kernel to use, as --kernel."),
    ("kernel", "RELOBOX_ALL_IN_ONE", "As --all-in-one, if it is neither empty nor 0, no, false or off."),
    ("kernel", "RELOBOX_STATE", "The directory of the state; if it is empty, nothing is recorded."),
    ("config", "RELOBOX_MODPROBE_D", "The configuration, as --config."),
];

const FILES: [Entry; 11] = [
    ("symbols", "/proc/kallsyms", "The symbols of the running kernel."),
    ("symbols", "/usr/lib/debug/boot/System.map-*, /boot/System.map-*", "The symbols of an installed kernel."),
    (
        "symbols",
        "/lib/modules/*/build/Module.symvers, /usr/src/linux-headers-*/Module.symvers",
        "The exports of an installed kernel.",
    ),
    ("pins", "/etc/relobox/pins, ~/.config/relobox/pins", "The plugins that are trusted."),
    (
        "signatures",
        "/etc/relobox/signatures",
        "The policy for signatures: off, warn or require. check does not read it.",
    ),
    ("signatures", "/etc/relobox/keys, /usr/share/relobox/keys", "The certificates of trusted signers."),
    ("plugin-dir", "/usr/lib/relobox/plugins, ~/.local/share/relobox/plugins", "Plugins that are not built in."),
    ("plugin-dir", "~/.cache/relobox", "Compiled guests."),
    ("kernel", "/dev/relobox", "The device of the kernel's side of relobox."),
    ("kernel", "/run/relobox/state", "What relobox has loaded since the machine was started."),
    ("dirname", "/lib/modules/*/modules.dep, /etc/modprobe.d", "What modprobe reads."),
];

fn section<'a>(page: &mut String, title: &str, entries: impl Iterator<Item = &'a Entry>) {
    let mut entries = entries.peekable();
    if entries.peek().is_some() {
        let _ = writeln!(page, ".SH {title}");
    }
    for (_, name, meaning) in entries {
        let _ = write!(page, ".TP\n\\fB{}\\fR\n{}\n", roff(name), roff(meaning));
    }
}

/// Returns text as it may stand in a line of a man page that begins with other text.
fn roff(text: &str) -> String {
    text.replace('\\', "\\\\").replace('-', "\\-")
}

pub(crate) fn completions(args: CompletionsArgs, mut command: Command) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "relobox", &mut script);
    let mut script = String::from_utf8_lossy(&script).trim_end().to_owned();
    match args.shell {
        Shell::Bash => script.push_str(include_str!("modules.bash")),
        Shell::Fish => script.push_str(include_str!("modules.fish")),
        _ => {}
    }
    output::lines(script.trim_end());
    Ok(ExitCode::SUCCESS)
}
