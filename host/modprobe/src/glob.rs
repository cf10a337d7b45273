//! Aliases are shell patterns; `-` and `_` are the same in them, as in a module's name.

/// An alias with underscores, but for what stands in brackets: there a dash makes a range.
#[must_use]
pub fn alias_name(alias: &str) -> String {
    let mut inside = false;
    let underscored = alias.chars().map(|c| {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            '-' if !inside => return '_',
            _ => {}
        }
        c
    });
    underscored.collect()
}

/// Whether the shell pattern matches all of `text`: `*`, `?`, `[a-z]`, `[!a]`, and a backslash before what is meant as
/// it is. Takes at most the product of both lengths.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Behind the last star, and where in the text it was tried; only the last one ever needs to be longer.
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
            // More text is not to be had.
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

/// How much of `pattern`'s start it takes to match `byte`.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'\\', c, ..] => (*c == byte).then_some(2),
        // A bracket that is never closed stands for itself.
        [b'[', rest @ ..] => set(rest, byte).map_or((byte == b'[').then_some(1), |(hit, used)| hit.then_some(used + 1)),
        [c, ..] => (*c == byte).then_some(1),
        [] => None,
    }
}

/// Whether `byte` is in the set behind a bracket, and how long the set is with its closing one.
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
        let no =
            [("a", ""), ("", "a"), ("a[!b]c", "abc"), ("a\\*c", "abc"), ("*a*a*b", "aaaaa"), ("a?", "a"), ("[", "")];
        for (pattern, text) in yes {
            assert!(matches(pattern, text), "{pattern:?} {text:?}");
        }
        for (pattern, text) in no {
            assert!(!matches(pattern, text), "{pattern:?} {text:?}");
        }
        // No exponential time.
        assert!(!matches(&"*a".repeat(60), &"a".repeat(59)));
    }

    #[test]
    fn dashes_are_underscores_outside_brackets() {
        assert_eq!(alias_name("a-b[0-9]c-d"), "a_b[0-9]c_d");
    }
}
