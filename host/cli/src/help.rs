//! The text of `--help`.

use clap::{Command, CommandFactory};

/// Returns the parser of `T`, whose help is wrapped once: the sources have line breaks in the paragraphs behind the
/// options, and clap would only add others at the width of the terminal. Examples that call `relobox` with a command
/// of this program call this program.
#[must_use]
pub fn command<T: CommandFactory>() -> Command {
    let command = T::command();
    let program = command.get_name().to_owned();
    let commands: Vec<_> = command
        .get_subcommands()
        .map(|own| (format!("  relobox {}", own.get_name()), own.get_name().to_owned()))
        .collect();
    finished(command, &|text| {
        let mut out = joined(text);
        for (example, name) in &commands {
            out = out.replace(example, &format!("  {program} {name}"));
        }
        out
    })
}

fn finished(command: Command, text: &impl Fn(&str) -> String) -> Command {
    let after = command.get_after_help().map(|after| text(&after.to_string()));
    let command = match after {
        Some(after) => command.after_help(after),
        None => command,
    };
    command.mut_subcommands(|own| finished(own, text))
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
