//! What the command-line tools packed comes back, and nothing else does.

use relobox_abi::fault::{BAD_STREAM, TOO_LARGE};
use relobox_unpack::{UnpackError, unpack};

const LIMIT: usize = 1 << 20;
const SMALL: &[u8] = include_bytes!("vectors/small");

macro_rules! vectors {
    ($($name:literal => $plain:expr),* $(,)?) => {
        vec![$(($name, &include_bytes!(concat!("vectors/", $name))[..], Vec::from($plain))),*]
    };
}

/// Name, packed, plain.
fn vectors() -> Vec<(&'static str, &'static [u8], Vec<u8>)> {
    let repetitive = b"relobox ".repeat(12800);
    let multi = [SMALL, b"x"].concat();
    vectors! {
        "empty.gz" => "", "empty.xz" => "", "empty.zst" => "",
        "one.gz" => "x", "one.xz" => "x", "one.zst" => "x",
        "small.gz" => SMALL, "small.xz" => SMALL, "small.zst" => SMALL,
        "repetitive.gz" => &repetitive[..], "repetitive.xz" => &repetitive[..], "repetitive.zst" => &repetitive[..],
        "multi.gz" => &multi[..], "multi.xz" => &multi[..], "multi.zst" => &multi[..],
        "named.gz" => SMALL,
        "check-crc64.xz" => SMALL, "check-sha256.xz" => SMALL, "x86.xz" => SMALL, "delta.xz" => SMALL,
        "blocks.xz" => SMALL, "dictionary-64M.xz" => SMALL,
        "window-128M.zst" => SMALL,
    }
}

/// Without a checksum of the contents.
fn unchecked() -> Vec<(&'static str, &'static [u8], Vec<u8>)> {
    vectors! { "check-none.xz" => SMALL, "no-check.zst" => SMALL, "bare.zst" => SMALL }
}

#[track_caller]
fn fault(packed: &[u8], limit: usize, kind: u32) -> UnpackError {
    let error = unpack(packed, limit).expect_err("should be a fault");
    assert_eq!(error.fault.kind, kind, "{error:?}");
    assert!(!error.text.is_empty());
    assert!(error.fault.offset <= packed.len() as u64, "{error:?}");
    error
}

#[test]
fn what_was_packed_comes_back() {
    for (name, packed, plain) in vectors().into_iter().chain(unchecked()) {
        for limit in [plain.len(), LIMIT, usize::MAX] {
            assert!(unpack(packed, limit).is_ok_and(|bytes| bytes == plain), "{name} at {limit}");
        }
    }
}

#[test]
fn one_byte_over_the_limit_is_too_large() {
    for (name, packed, plain) in vectors().into_iter().chain(unchecked()) {
        for limit in [plain.len().saturating_sub(1), plain.len() / 2, 0] {
            if limit < plain.len() {
                let error = fault(packed, limit, TOO_LARGE);
                assert_eq!(error.fault.max, limit as i64, "{name}: {error:?}");
                assert!(error.fault.value > limit as i64, "{name}: {error:?}");
            }
        }
    }
}

#[test]
fn a_stream_cut_anywhere_is_a_fault() {
    for (name, packed, plain) in vectors().into_iter().chain(unchecked()) {
        for len in 0..packed.len() {
            let result = unpack(&packed[..len], LIMIT);
            // Whole members before the cut are a whole file.
            let whole = name.starts_with("multi") && result.as_ref().is_ok_and(|bytes| plain.starts_with(bytes));
            assert!(whole || result.is_err_and(|error| error.fault.kind == BAD_STREAM), "{name} cut at {len}");
        }
    }
}

#[test]
fn a_flipped_bit_never_gives_other_bytes() {
    for (name, packed, plain) in vectors() {
        for at in 0..packed.len() {
            for flip in [1, 2, 4, 8, 16, 32, 64, 128, 255] {
                let mut damaged = packed.to_vec();
                damaged[at] ^= flip;
                if let Ok(bytes) = unpack(&damaged, LIMIT) {
                    assert!(bytes == plain, "{name}, byte {at} ^ {flip}");
                }
            }
        }
    }
}

#[test]
fn a_flipped_bit_without_a_checksum_is_no_panic() {
    for (_, packed, _) in unchecked() {
        for at in 0..packed.len() {
            for flip in [1, 2, 4, 8, 16, 32, 64, 128, 255] {
                let mut damaged = packed.to_vec();
                damaged[at] ^= flip;
                let _ = unpack(&damaged, LIMIT);
            }
        }
    }
}

#[test]
fn several_damaged_bytes_are_no_panic() {
    let mut state = 1_u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    for (name, packed, plain) in vectors() {
        for _ in 0..2000 {
            let mut damaged = packed.to_vec();
            for _ in 0..1 + random(6) {
                let at = random(damaged.len());
                match random(4) {
                    0 => drop(damaged.remove(at)),
                    1 => damaged.insert(at, random(256) as u8),
                    _ => damaged[at] = random(256) as u8,
                }
                if damaged.is_empty() {
                    damaged.push(0);
                }
            }
            if let Ok(bytes) = unpack(&damaged, LIMIT) {
                assert!(bytes == plain || name.starts_with("multi"), "{name}: {damaged:02x?}");
            }
        }
    }
}

#[test]
fn what_follows_is_a_fault() {
    for (name, packed, _) in vectors().into_iter().chain(unchecked()) {
        for tail in [&b"\0"[..], b"x", b"\0\0\0", b"garbage, and more of it than a header has"] {
            assert!(unpack(&[packed, tail].concat(), LIMIT).is_err(), "{name} {tail:?}");
        }
    }
}

#[test]
fn anything_else_is_a_fault() {
    for bytes in [&b""[..], b"\x1f", b"\x7fELF\x02\x01\x01", b"BZh9", b"\xfd7zX", &[0; 64]] {
        fault(bytes, LIMIT, BAD_STREAM);
    }
}

#[test]
fn a_bomb_stops_at_the_limit() {
    for (packed, name) in [
        (&include_bytes!("vectors/bomb.gz.xz")[..], "gz"),
        (include_bytes!("vectors/bomb.xz.xz"), "xz"),
        (include_bytes!("vectors/bomb.zst.xz"), "zst"),
    ] {
        let bomb = unpack(packed, 2 << 20).unwrap();
        let error = fault(&bomb, LIMIT, TOO_LARGE);
        assert!(error.fault.value <= 2 * LIMIT as i64, "{name}: {error:?}");
        // It never looks at the rest: a cut bomb is too large as well, not cut short.
        fault(&bomb[..bomb.len() / 100], LIMIT, TOO_LARGE);
    }
}

#[test]
fn a_dictionary_or_window_has_a_limit_of_its_own() {
    let dictionary = fault(include_bytes!("vectors/dictionary-96M.xz"), LIMIT, TOO_LARGE);
    assert_eq!(dictionary.fault.max, 64 << 20);
    assert!(dictionary.fault.value >= 96 << 20);
    let window = fault(include_bytes!("vectors/window-256M.zst"), LIMIT, TOO_LARGE);
    assert_eq!((window.fault.value, window.fault.max), (256 << 20, 128 << 20));
}

#[test]
fn gzip_headers_of_every_kind() {
    let plain = include_bytes!("vectors/small.gz");
    let with = |flags: u8, extra: &[u8], crc: bool| {
        let mut file = [&plain[..3], &[flags], &plain[4..10], extra].concat();
        if crc {
            file.extend(&crc32fast::hash(&file).to_le_bytes()[..2]);
        }
        file.extend(&plain[10..]);
        file
    };
    let fields = b"\x03\0abcname\0comment\0";
    for (flags, extra, crc) in [
        (0x01, &fields[..0], false),
        (0x02, &fields[..0], true),
        (0x04, &fields[..5], false),
        (0x08, &fields[5..10], false),
        (0x10, &fields[10..], false),
        (0x1c, &fields[..], false),
        (0x1f, &fields[..], true),
    ] {
        assert_eq!(unpack(&with(flags, extra, crc), LIMIT).unwrap(), SMALL, "{flags:#x}");
    }
    let mut wrong = with(0x1f, fields, true);
    wrong[14] ^= 1;
    assert!(fault(&wrong, LIMIT, BAD_STREAM).text.contains("header does not match its checksum"));
    fault(&with(0x20, b"", false), LIMIT, BAD_STREAM);
    fault(&with(0x04, b"\xff\xff", false), LIMIT, BAD_STREAM);
    fault(b"\x1f\x8b\x08\x08\0\0\0\0\0\x03no end", LIMIT, BAD_STREAM);
}

#[test]
fn a_match_cannot_reach_into_the_member_before() {
    // Fixed Huffman: a match of length 3 at distance 1, first thing; then the end.
    let member = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\x02\0\0\0\0\0\0\0\0\0";
    fault(&[&include_bytes!("vectors/one.gz")[..], member].concat(), LIMIT, BAD_STREAM);
}

#[test]
fn xz_padding_is_a_multiple_of_four() {
    let (one, small) = (include_bytes!("vectors/one.xz"), include_bytes!("vectors/small.xz"));
    let padded = |zeros: usize| [&one[..], &vec![0; zeros], small, &vec![0; zeros]].concat();
    for zeros in [0, 4, 8, 1024] {
        assert_eq!(unpack(&padded(zeros), LIMIT).unwrap(), [b"x", SMALL].concat());
    }
    for zeros in [1, 2, 3, 5, 6] {
        fault(&padded(zeros), LIMIT, BAD_STREAM);
    }
}

#[test]
fn zstd_frames_to_skip() {
    let (one, skip) = (include_bytes!("vectors/one.zst"), b"\x5e\x2a\x4d\x18\x03\0\0\0abc");
    assert_eq!(unpack(&[&skip[..], one, skip, one].concat(), LIMIT).unwrap(), b"xx");
    assert_eq!(unpack(skip, LIMIT).unwrap(), b"");
    fault(&skip[..skip.len() - 1], LIMIT, BAD_STREAM);
    fault(b"\x50\x2a\x4d\x18\xff\xff\xff\xffabc", LIMIT, BAD_STREAM);
}
