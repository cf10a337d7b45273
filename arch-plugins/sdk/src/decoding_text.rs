//! Decoding rules as a plugin carries them: without comments, and without spaces that say nothing.

/// Returns `text` without comments and needless spaces; lines keep their numbers. `N` is [`len`] of the same text.
#[must_use]
pub const fn bare<const N: usize>(text: &[u8]) -> [u8; N] {
    let (mut out, mut at, mut len) = ([0; N], 0, 0);
    while at < text.len() {
        if is_kept(text, at) {
            out[len] = text[at];
            len += 1;
        }
        at += 1;
    }
    assert!(len == N, "the length is that of another text");
    out
}

/// Returns how many bytes are left of `text` in [`bare`].
#[must_use]
pub const fn len(text: &[u8]) -> usize {
    let (mut at, mut len) = (0, 0);
    while at < text.len() {
        len += is_kept(text, at) as usize;
        at += 1;
    }
    len
}

const fn is_kept(text: &[u8], at: usize) -> bool {
    if text[at] == b'\n' {
        return true;
    }
    let mut start = at;
    while start > 0 && text[start - 1] != b'\n' {
        start -= 1;
    }
    // Whether the line has begun, whether its first word has ended, and the last byte that is no space.
    let (mut first, mut word_ended, mut last) = (true, false, b'\n');
    while start < at {
        match text[start] {
            b'#' => return false,
            b' ' => word_ended |= !first,
            byte => (first, last) = (false, byte),
        }
        start += 1;
    }
    let (mut next, mut behind) = (b'\n', at + 1);
    while behind < text.len() && next == b'\n' && text[behind] != b'\n' {
        next = if text[behind] == b' ' { b'\n' } else { text[behind] };
        behind += 1;
    }
    match text[at] {
        b'#' => false,
        // Of several spaces the first counts. That behind a statement's first word ends it; others stand between words.
        b' ' if first || text[at - 1] == b' ' || matches!(next, b'\n' | b'#') => false,
        b' ' => !word_ended || in_word(last) && in_word(next),
        _ => true,
    }
}

const fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    #[test]
    fn comments_and_spaces_are_left_out() {
        const TEXT: &[u8] =
            b"# Why\norder  little # of words\n\nrow A  B\n    field   -i32(P) + 4\n\n    also !direct\n";
        const BARE: [u8; super::len(TEXT)] = super::bare(TEXT);
        assert_eq!(str::from_utf8(&BARE), Ok("\norder little\n\nrow A B\nfield -i32(P)+4\n\nalso !direct\n"));
    }
}
