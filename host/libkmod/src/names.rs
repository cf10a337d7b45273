//! Names of modules, and aliases, as programs write them.

/// A name as the kernel has it: with `_` for `-`, and up to the first dot.
pub(crate) fn module(name: &[u8]) -> String {
    let stem = name.split(|byte| *byte == b'.').next().unwrap_or_default();
    String::from_utf8_lossy(stem).replace('-', "_")
}

/// An alias with `_` for `-`, except in brackets. `None` if a bracket has no counterpart.
pub(crate) fn alias(alias: &str) -> Option<String> {
    let mut inside = false;
    let underscored = alias.chars().map(|c| match c {
        ']' if !std::mem::take(&mut inside) => None,
        '-' if !inside => Some('_'),
        c => {
            inside |= c == '[';
            Some(c)
        }
    });
    underscored.collect::<Option<_>>().filter(|_| !inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_have_pairs_of_brackets() {
        assert_eq!(alias("a-b[0-9]-c").as_deref(), Some("a_b[0-9]_c"));
        for alias in ["a]", "a[b", "a[b]c]"] {
            assert_eq!(super::alias(alias), None, "{alias}");
        }
    }

    #[test]
    fn a_module_is_named_as_in_the_kernel() {
        assert_eq!(module(b"snd-hda-intel"), "snd_hda_intel");
        assert_eq!(module(b"ext4.ko.xz"), "ext4");
        assert_eq!(module(b".hidden"), "");
    }
}
