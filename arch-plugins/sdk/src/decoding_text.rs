//! Decoding rules as a plugin carries them: without comments, and without spaces that say nothing.

/// Returns `text` without comments and with single spaces; lines keep their numbers. `N` is [`len`] of the same text.
#[must_use]
pub const fn bare<const N: usize>(text: &[u8]) -> [u8; N] {
    let (mut out, mut at, mut len) = ([0; N], 0, 0);
    let mut previous = b'\n';
    let mut comment = false;
    while at < text.len() {
        let byte = text[at];
        comment = byte != b'\n' && (comment || byte == b'#');
        let blank = byte == b' ' && (previous == b' ' || previous == b'\n');
        if !comment && !blank {
            if len < N {
                out[len] = byte;
            }
            len += 1;
            previous = byte;
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
    let mut previous = b'\n';
    let mut comment = false;
    while at < text.len() {
        let byte = text[at];
        comment = byte != b'\n' && (comment || byte == b'#');
        if !comment && !(byte == b' ' && (previous == b' ' || previous == b'\n')) {
            len += 1;
            previous = byte;
        }
        at += 1;
    }
    len
}

#[cfg(test)]
mod tests {
    #[test]
    fn comments_and_spaces_are_left_out() {
        const TEXT: &[u8] = b"# Why\norder  little # of words\n\n    field  i32(P)\n";
        const BARE: [u8; super::len(TEXT)] = super::bare(TEXT);
        assert_eq!(&BARE, b"\norder little \n\nfield i32(P)\n");
    }
}
