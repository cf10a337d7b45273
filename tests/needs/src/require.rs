//! The environment variable `RELOBOX_REQUIRE`: the needs that must be met.

use crate::names::{KINDS, TOOLS};

/// The words in `RELOBOX_REQUIRE`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Require(Vec<String>);

impl Require {
    /// Reads the environment variable. A word that names no need is an error, since it would require nothing.
    pub(crate) fn from_environment() -> Result<Require, String> {
        Require::parse(&std::env::var("RELOBOX_REQUIRE").unwrap_or_default())
    }

    pub(crate) fn parse(text: &str) -> Result<Require, String> {
        let words: Vec<String> =
            text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect();
        for word in &words {
            let first = word.trim_start_matches('-').split(' ').next().unwrap_or_default();
            let known = first == "all" || KINDS.contains(&first) || TOOLS.iter().any(|(tool, _)| *tool == first);
            if !known {
                return Err(format!("RELOBOX_REQUIRE: no test needs anything called '{word}'"));
            }
        }
        Ok(Require(words))
    }

    /// Returns whether the need called `name` must be met.
    pub(crate) fn names(&self, name: &str) -> bool {
        let first = name.split(' ').next();
        let is = |word: &str| word == name || Some(word) == first;
        let left_out = self.0.iter().filter_map(|word| word.strip_prefix('-')).any(is);
        !left_out && self.0.iter().any(|word| word == "all" || is(word))
    }

    /// Returns whether [`Require::parse`] accepts `name`.
    pub(crate) fn knows(name: &str) -> bool {
        Require::parse(name).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_a_name_or_the_first_word_of_one() {
        let require = Require::parse("corpus amd64, root").unwrap();
        assert!(require.names("corpus amd64") && require.names("root"));
        assert!(!require.names("corpus arm64") && !require.names("yaml2obj"));
        let require = Require::parse("corpus").unwrap();
        assert!(require.names("corpus amd64") && require.names("corpus arm64") && !require.names("root"));
        let all = Require::parse("all").unwrap();
        assert!(all.names("corpus arm64") && all.names("root"));
        assert!(!Require::parse("").unwrap().names("root"));
        let most = Require::parse("all,-corpus amd64,-gdb").unwrap();
        assert!(most.names("corpus arm64") && !most.names("corpus amd64") && !most.names("gdb"));
        assert!(Require::parse("all,-gdp").is_err());
    }

    #[test]
    fn a_misspelt_word_is_an_error() {
        assert!(Require::parse("al").unwrap_err().contains("'al'"));
        assert!(Require::parse("root,yaml2object").unwrap_err().contains("'yaml2object'"));
    }
}
