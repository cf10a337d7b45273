//! kmod 34's modprobe as an oracle: module trees and configurations made at random, and what it makes of them.

pub mod programs;
pub mod random;
pub mod scenario;

use anyhow::{Context as _, Result, ensure};
use programs::program;
use scenario::{Mode, Query, Scenario};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// What modprobe printed, and whether it succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The lines on standard output, without blanks at their ends.
    pub lines: Vec<String>,
    /// What it wrote to standard error.
    pub messages: String,
    /// True if the exit status is 0.
    pub success: bool,
    /// True if a signal ended the program.
    pub crashed: bool,
}

/// Asks modprobe all queries of a scenario, whose files are in `root`. It sees the scenario's own command line of the
/// kernel and the scenario's live modules: this needs root.
///
/// # Errors
/// If the mounts that this takes are not possible.
pub fn modprobe(scenario: &Scenario, root: &Path) -> Result<Vec<Answer>> {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
    let at = |name: &str| quoted(&root.join(name).display().to_string());
    let mut script = format!(
        "set -e\nmount --bind {} /proc/cmdline\nmount --bind {} /sys/module\nset +e\ncd {}\n",
        at("cmdline"),
        at("module"),
        quoted(&root.display().to_string())
    );
    for query in &scenario.queries {
        let config: String = scenario.config().map(|name| format!(" -C {}", at(name))).collect();
        let modprobe = quoted(&program("modprobe").display().to_string());
        let words: String = flags(query).iter().chain(&query.words).map(|word| format!(" {}", quoted(word))).collect();
        writeln!(
            script,
            "{modprobe}{config} -d \"$PWD\" -S {}{words} 2>messages\nprintf '\\036%d\\036' $?; cat messages; printf '\\036'",
            scenario.version
        )?;
    }
    let output = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", &script])
        .output()
        .context("unshare")?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    // Each answer has three parts, with a separator behind each.
    let parts: Vec<&str> = stdout.split('\u{1e}').collect();
    let answers: Vec<Answer> = parts.chunks_exact(3).map(|part| answer(part[0], part[1], part[2])).collect();
    ensure!(answers.len() == scenario.queries.len(), "unshare: {}", String::from_utf8_lossy(&output.stderr));
    Ok(answers)
}

fn answer(text: &str, status: &str, messages: &str) -> Answer {
    let lines = text.lines().map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty()).collect();
    let status: u8 = status.parse().unwrap_or(u8::MAX);
    Answer { lines, messages: messages.to_owned(), success: status == 0, crashed: status >= 128 }
}

fn flags(query: &Query) -> Vec<String> {
    let mode = match query.mode {
        Mode::Depends => "-D",
        Mode::DryRun => "-nv",
        Mode::Resolve => "-R",
        Mode::Remove => "-rnv",
    };
    let flags = [(true, mode), (query.blacklist, "-b"), (query.ignore, "-i"), (true, "--")];
    flags.into_iter().filter(|(given, _)| *given).map(|(_, flag)| flag.to_owned()).collect()
}
