//! A command line, as glibc's getopt_long(3) reads it: options and operands in any order, short options in groups, long
//! ones abbreviated.

/// The version of kmod whose behaviour the commands have.
pub(crate) const KMOD_VERSION: &str = "34";

/// An option.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opt {
    /// Its long name.
    pub(crate) long: &'static str,
    /// Its letter, or `0`. Another digit stands for an option that has only a long name. Options with one letter are the
    /// same option.
    pub(crate) key: char,
    /// What its argument is, for the help; empty if it has none.
    pub(crate) argument: &'static str,
    /// What it does.
    pub(crate) help: &'static str,
}

/// Makes an option.
pub(crate) const fn opt(long: &'static str, key: char, argument: &'static str, help: &'static str) -> Opt {
    Opt { long, key, argument, help }
}

impl Opt {
    pub(crate) fn is_short(&self) -> bool {
        self.key.is_ascii_alphabetic() || self.key == '0'
    }
}

/// A command line that was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Parsed {
    /// The options up to the first error, in their order, by their letters; each with its argument, or an empty string.
    pub(crate) given: Vec<(char, String)>,
    pub(crate) operands: Vec<String>,
    /// What is wrong.
    pub(crate) error: Option<String>,
}

/// Reads `args`, which begin after the program's name.
pub(crate) fn parse(options: &[Opt], args: Vec<String>) -> Parsed {
    let mut parsed = Parsed::default();
    parsed.error = read(options, args, &mut parsed).err();
    parsed
}

fn read(options: &[Opt], args: Vec<String>, parsed: &mut Parsed) -> Result<(), String> {
    let ordered = std::env::var_os("POSIXLY_CORRECT").is_some();
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        if arg == "--" {
            break;
        } else if let Some(long) = arg.strip_prefix("--") {
            let (name, value) = long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
            let option = find(options, name)?;
            let value = match (option.argument.is_empty(), value) {
                (true, Some(_)) => return Err(format!("option '--{}' doesn't allow an argument", option.long)),
                (true, None) => String::new(),
                (false, Some(value)) => value.to_owned(),
                (false, None) => {
                    args.next().ok_or_else(|| format!("option '--{}' requires an argument", option.long))?
                }
            };
            parsed.given.push((option.key, value));
        } else if arg.len() > 1 && arg.starts_with('-') {
            let mut letters = arg[1..].chars();
            while let Some(letter) = letters.next() {
                let option = options.iter().find(|o| o.key == letter && o.is_short());
                let option = option.ok_or_else(|| format!("invalid option -- '{letter}'"))?;
                if option.argument.is_empty() {
                    parsed.given.push((letter, String::new()));
                    continue;
                }
                let missing = || format!("option requires an argument -- '{letter}'");
                let value = match letters.as_str() {
                    "" => args.next().ok_or_else(missing)?,
                    rest => rest.to_owned(),
                };
                parsed.given.push((letter, value));
                break;
            }
        } else {
            parsed.operands.push(arg);
            if ordered {
                break;
            }
        }
    }
    parsed.operands.extend(args);
    Ok(())
}

/// The option of this name, or the one that the name abbreviates.
fn find<'a>(options: &'a [Opt], name: &str) -> Result<&'a Opt, String> {
    let found: Vec<&Opt> = options.iter().filter(|option| option.long.starts_with(name)).collect();
    if let Some(exact) = found.iter().find(|option| option.long == name) {
        return Ok(exact);
    }
    match &found[..] {
        [] => Err(format!("unrecognized option '--{name}'")),
        [first, others @ ..] if others.iter().all(|other| other.key == first.key) => Ok(first),
        all => {
            let names: Vec<_> = all.iter().map(|option| format!("'--{}'", option.long)).collect();
            Err(format!("option '--{name}' is ambiguous; possibilities: {}", names.join(" ")))
        }
    }
}

/// Splits the value of `MODPROBE_OPTIONS` at its blanks. Quotes, double or single, protect blanks and are removed.
pub(crate) fn split(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in text.chars() {
        match quote {
            Some(open) if open == c => quote = None,
            None if c == '"' || c == '\'' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c == ' ' => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: [Opt; 8] = [
        opt("all", 'a', "", ""),
        opt("remove", 'r', "", ""),
        opt("remove-dependencies", '5', "", ""),
        opt("remove-holders", '5', "", ""),
        opt("config", 'C', "FILE", ""),
        opt("showconfig", 'c', "", ""),
        opt("show-config", 'c', "", ""),
        opt("show", 'n', "", ""),
    ];

    fn parsed(line: &str) -> Parsed {
        parse(&OPTIONS, line.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect())
    }

    #[test]
    fn a_command_line_is_read_as_getopt_long_reads_it() {
        for (line, given, operands) in [
            ("", vec![], ""),
            ("m -a n", vec![('a', "")], "m n"),
            ("m -- -a n", vec![], "m -a n"),
            ("-ar - m", vec![('a', ""), ('r', "")], "- m"),
            ("-aCx -C y m", vec![('a', ""), ('C', "x"), ('C', "y")], "m"),
            ("--config=x --config y --conf z", vec![('C', "x"), ('C', "y"), ('C', "z")], ""),
            // One option by two names; and a whole name that also abbreviates another.
            ("--remove- --remove --show --showc", vec![('5', ""), ('r', ""), ('n', ""), ('c', "")], ""),
            ("-C -a m", vec![('C', "-a")], "m"),
        ] {
            let Parsed { given: read, operands: rest, error } = parsed(line);
            let read: Vec<_> = read.iter().map(|(key, value)| (*key, value.as_str())).collect();
            assert_eq!((read, rest.join(" "), error), (given, operands.to_owned(), None), "{line}");
        }
    }

    #[test]
    fn wrong_lines_are_refused_in_getopts_words() {
        for (line, error) in [
            ("-Z", "invalid option -- 'Z'"),
            ("-5", "invalid option -- '5'"),
            ("--foo", "unrecognized option '--foo'"),
            ("--sh", "option '--sh' is ambiguous; possibilities: '--showconfig' '--show-config' '--show'"),
            ("-C", "option requires an argument -- 'C'"),
            ("--conf", "option '--config' requires an argument"),
            ("--al=3", "option '--all' doesn't allow an argument"),
        ] {
            assert_eq!(parsed(line).error.as_deref(), Some(error), "{line}");
        }
        // What came before the error still counts.
        assert_eq!(parsed("-a --foo").given, [('a', String::new())]);
    }

    #[test]
    fn the_environment_has_options_too() {
        assert_eq!(split("-q  -C \"/a b/c\" --config='d e'"), ["-q", "-C", "/a b/c", "--config=d e"]);
        assert_eq!(split("-C '' \"a'b"), ["-C", "", "a'b"]);
        assert!(split(" ").is_empty());
    }
}
