//! What can be read off the text of a formula, while the plugin is compiled.

use relobox_abi::effect;

/// Whether `name` occurs in `formula` as a whole word.
#[must_use]
pub const fn names(formula: &str, name: &str) -> bool {
    let (text, word) = (formula.as_bytes(), name.as_bytes());
    let mut at = 0;
    while at + word.len() <= text.len() {
        let end = at + word.len();
        let before = at > 0 && in_word(text[at - 1]);
        let behind = end < text.len() && in_word(text[end]);
        if !before && !behind && equal(text, at, word) {
            return true;
        }
        at += 1;
    }
    false
}

const fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether `word` stands at `at` of `text`.
const fn equal(text: &[u8], at: usize, word: &[u8]) -> bool {
    let mut i = 0;
    while i < word.len() && at + i < text.len() && text[at + i] == word[i] {
        i += 1;
    }
    i == word.len()
}

/// The first argument of a function around the whole, but for the context; otherwise the formula.
const fn inside(text: &[u8]) -> &[u8] {
    let mut open = 0;
    while open < text.len() && in_word(text[open]) {
        open += 1;
    }
    if open == 0 || open == text.len() || text[open] != b'(' {
        return text;
    }
    let mut from = open + 1;
    if equal(text, from, b"cx, ") {
        from += 4;
    }
    let (mut to, mut end, mut depth) = (0, from, 0);
    while end < text.len() && !(depth == 0 && text[end] == b')') {
        match text[end] {
            b'(' => depth += 1,
            b')' => depth -= 1,
            b',' if depth == 0 && to == 0 => to = end,
            _ => {}
        }
        end += 1;
    }
    if end + 1 != text.len() {
        return text;
    }
    text.split_at(if to == 0 { end } else { to }).0.split_at(from).1
}

/// A formula as a description has it: `rounded` if it is, and no function of its own around the whole says so.
#[must_use]
pub const fn shown(plain: &'static str, rounded: &'static str) -> &'static str {
    if inside(plain.as_bytes()).len() == plain.len() { rounded } else { plain }
}

/// What can be read off a formula for certain; if it is `high`, what it is rounded from, also in a function.
#[must_use]
pub const fn effect_of(formula: &str, high: bool) -> u8 {
    const ENTRIES: [&str; 5] = ["G", "GOT", "O", "L", "T"];
    const KNOWN: [(&[u8], u8); 9] = [
        (b"S + A", effect::ABSOLUTE),
        (b"S + A - P", effect::RELATIVE),
        // The addend of a high half and its low half together, as MIPS has it.
        (b"S + AHL", effect::ABSOLUTE),
        (b"S + AHL - P", effect::RELATIVE),
        (b"Z + A", effect::SIZE),
        (b"V + S + A", effect::PLUS),
        (b"V - S - A", effect::MINUS),
        (b"page(S + A) - page(P)", effect::PAGES),
        (b"lo12(S + A)", effect::IN_PAGE),
    ];
    let text = if high { inside(formula.as_bytes()) } else { formula.as_bytes() };
    let mut i = 0;
    while i < KNOWN.len() {
        if text.len() == KNOWN[i].0.len() && equal(text, 0, KNOWN[i].0) {
            assert!(
                !(high && KNOWN[i].1 >= effect::PAGES),
                "what is rounded is in the page: `is pages round N`, not `high N`"
            );
            return KNOWN[i].1;
        }
        i += 1;
    }
    let mut i = 0;
    while i < ENTRIES.len() {
        if names(formula, ENTRIES[i]) {
            return effect::SLOT;
        }
        i += 1;
    }
    effect::UNKNOWN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects_are_read_off_formulas() {
        for (formula, high, expected) in [
            ("S + A", false, effect::ABSOLUTE),
            ("S + A", true, effect::ABSOLUTE),
            ("high(cx, S + A - P)", true, effect::RELATIVE),
            ("high(S + A - P, cx)", true, effect::RELATIVE),
            ("high(S + A - P, cx)", false, effect::UNKNOWN),
            ("high(cx, G(cx, S + A)? + GOT - P)", true, effect::SLOT),
            ("G + GOT + A - P", false, effect::SLOT),
            ("S + A - GOTO", false, effect::UNKNOWN),
            ("V - S - A", false, effect::MINUS),
            ("page(S + A) - page(P)", false, effect::PAGES),
            ("page(G) - page(P)", true, effect::SLOT),
        ] {
            assert_eq!(effect_of(formula, high), expected, "{formula}");
        }
    }
}
