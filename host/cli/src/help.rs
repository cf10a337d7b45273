//! The text of `--help`.

use clap::{Command, CommandFactory};

/// Returns the parser of `T`, whose help is wrapped once: the sources have line breaks in the paragraphs behind the
/// options, and clap would only add others at the width of the terminal.
#[must_use]
pub fn command<T: CommandFactory>() -> Command {
    unwrapped(T::command())
}

fn unwrapped(command: Command) -> Command {
    let text = command.get_after_help().map(|text| joined(&text.to_string()));
    let command = match text {
        Some(text) => command.after_help(text),
        None => command,
    };
    command.mut_subcommands(unwrapped)
}

/// Joins the lines of each paragraph. Indented lines, such as examples, stay as they are.
fn joined(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = "";
    for line in text.lines() {
        let plain = |line: &str| !line.is_empty() && !line.starts_with(' ');
        if !out.is_empty() {
            out.push(if plain(before) && plain(line) { ' ' } else { '\n' });
        }
        out.push_str(line);
        before = line;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_are_joined_and_examples_are_not() {
        let text = "One line\nand more.\n\nExamples:\n  a b\n  c d\nEnd.";
        assert_eq!(joined(text), "One line and more.\n\nExamples:\n  a b\n  c d\nEnd.");
    }
}
