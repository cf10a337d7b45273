//! Shell patterns, as aliases use them. `-` and `_` are equal in an alias, as they are in a module's name.

/// Replaces each `-` in a name or an alias by `_`, except in brackets, where it denotes a range. `None` if a bracket has
/// no counterpart.
#[must_use]
pub fn alias_name(alias: &str) -> Option<String> {
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

/// True if the shell pattern matches all of `text`. Patterns consist of `*`, `?`, `[a-z]`, `[!a]`, and a backslash
/// before a literal character. The time is at most proportional to the product of both lengths.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // The position after the last star, and the position in the text where it was tried. Only the last star needs to
    // match more.
    let mut star: Option<(usize, usize)> = None;
    loop {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            star = Some((p, t));
            continue;
        }
        let one = match text.get(t) {
            Some(byte) => pattern.get(p..).and_then(|rest| one(rest, *byte)),
            None if p == pattern.len() => return true,
            // The text ends before the pattern does.
            None => return false,
        };
        (p, t) = match (one, star) {
            (Some(used), _) => (p + used, t + 1),
            (None, Some((behind, at))) => {
                star = Some((behind, at + 1));
                (behind, at + 1)
            }
            (None, None) => return false,
        };
    }
}

/// The number of pattern bytes that match `byte`, from the start of `pattern`. `None` if they do not match.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        // A backslash at the end matches nothing.
        [b'\\', rest @ ..] => rest.first().filter(|c| **c == byte).map(|_| 2),
        // A bracket that is never closed is a literal.
        [b'[', rest @ ..] => set(rest, byte).map_or((byte == b'[').then_some(1), |(hit, used)| hit.then_some(used + 1)),
        [c, ..] => (*c == byte).then_some(1),
        [] => None,
    }
}

/// True if `byte` is in the set that follows a bracket, with the length of the set including the closing bracket.
fn set(pattern: &[u8], byte: u8) -> Option<(bool, usize)> {
    let negated = matches!(pattern.first(), Some(b'!' | b'^'));
    let start = usize::from(negated);
    let (mut i, mut hit) = (start, false);
    loop {
        let low = *pattern.get(i)?;
        if low == b']' && i > start {
            return Some((hit != negated, i + 1));
        }
        let (low, at) = if low == b'\\' { (*pattern.get(i + 1)?, i + 1) } else { (low, i) };
        i = at + 1;
        let mut high = low;
        if let (Some(b'-'), Some(end)) = (pattern.get(i), pattern.get(i + 1).filter(|end| **end != b']')) {
            high = *end;
            i += 2;
        }
        hit |= (low..=high).contains(&byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_the_shells() {
        let yes = [
            ("", ""),
            ("*", ""),
            ("pci:v*d*sv*", "pci:v00008086d00001000sv1"),
            ("usb:v[0-9A-F]*", "usb:vA"),
            ("a[!b]c", "axc"),
            ("a[]]c", "a]c"),
            ("a\\*c", "a*c"),
            ("a?c", "a/c"),
            ("*a*a*b", "aaaaab"),
            ("[a", "[a"),
            ("[a-]x", "-x"),
        ];
        let no = [
            ("a", ""),
            ("", "a"),
            ("a[!b]c", "abc"),
            ("a\\*c", "abc"),
            ("*a*a*b", "aaaaa"),
            ("a?", "a"),
            ("[", ""),
            ("a\\", "a\\"),
        ];
        for (pattern, text) in yes {
            assert!(matches(pattern, text), "{pattern:?} {text:?}");
        }
        for (pattern, text) in no {
            assert!(!matches(pattern, text), "{pattern:?} {text:?}");
        }
        // The time is not exponential.
        assert!(!matches(&"*a".repeat(60), &"a".repeat(59)));
    }

    #[test]
    fn dashes_are_underscores_outside_brackets() {
        assert_eq!(alias_name("a-b[0-9[]c-d").as_deref(), Some("a_b[0-9[]c_d"));
        assert_eq!(alias_name("a-b[0-9]-c").as_deref(), Some("a_b[0-9]_c"));
        for alias in ["a]", "[a", "[]]", "a[b", "a[b]c]"] {
            assert_eq!(alias_name(alias), None, "{alias}");
        }
    }
}
