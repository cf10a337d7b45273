//! Module parameters, in the form that the kernel parses.

/// Joins `name=value` arguments with blanks. A value that contains blanks is quoted.
#[must_use]
pub fn join_args(args: &[String]) -> String {
    let quoted = |arg: &String| match arg.split_once('=') {
        Some((name, value)) if value.contains(char::is_whitespace) && !value.contains('"') => {
            format!("{name}=\"{value}\"")
        }
        _ => arg.clone(),
    };
    args.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_with_blanks_are_quoted_once() {
        let args = ["name=Roman Zippel", "loud", "a=\"b c\"", "n=1"].map(String::from);
        assert_eq!(join_args(&args), "name=\"Roman Zippel\" loud a=\"b c\" n=1");
    }
}
