//! Writes packed files that store their contents uncompressed. They let tests give an unpacker input without a
//! compressor.

/// CRC-32 as used by gzip and xz.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 0 { crc >> 1 } else { crc >> 1 ^ 0xedb8_8320 })
    };
    !bytes.iter().fold(u32::MAX, step)
}

/// Stores up to 65,535 bytes as gzip (RFC 1952): one stored block.
///
/// # Panics
/// If there are more.
#[must_use]
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).expect("few bytes");
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 1];
    out.extend(len.to_le_bytes());
    out.extend((!len).to_le_bytes());
    out.extend(bytes);
    out.extend(crc32(bytes).to_le_bytes());
    out.extend(u32::from(len).to_le_bytes());
    out
}

/// Stores up to 65,535 bytes as zstd (RFC 8878): one raw block.
///
/// # Panics
/// If there are more.
#[must_use]
pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    let len = u32::try_from(bytes.len()).ok().filter(|len| *len < 1 << 16).expect("few bytes");
    // A single segment, its size in four bytes, no checksum.
    let mut out = vec![0x28, 0xb5, 0x2f, 0xfd, 0b1010_0000];
    out.extend(len.to_le_bytes());
    out.extend(&(len << 3 | 1).to_le_bytes()[..3]);
    out.extend(bytes);
    out
}

/// Stores 1 to 16,383 bytes as xz: one uncompressed LZMA2 chunk.
///
/// # Panics
/// If there are more, or none.
#[must_use]
pub fn xz(bytes: &[u8]) -> Vec<u8> {
    assert!((1..1 << 14).contains(&bytes.len()), "few bytes");
    let flags = [0, 1];
    let mut out = b"\xfd7zXZ\0".to_vec();
    out.extend(flags);
    out.extend(crc32(&flags).to_le_bytes());
    // The block header has 12 bytes: one filter, LZMA2, with the smallest dictionary.
    let header = [2, 0, 0x21, 1, 0, 0, 0, 0];
    let mut block = header.to_vec();
    block.extend(crc32(&header).to_le_bytes());
    block.push(1);
    block.extend((bytes.len() as u16 - 1).to_be_bytes());
    block.extend(bytes);
    block.push(0);
    let unpadded = block.len() + 4;
    block.resize(block.len().next_multiple_of(4), 0);
    block.extend(crc32(bytes).to_le_bytes());
    out.extend(block);
    // The index has one record of two numbers, encoded with seven bits per byte.
    let mut index = vec![0, 1];
    for number in [unpadded, bytes.len()] {
        if number < 0x80 {
            index.push(number as u8);
        } else {
            index.extend([number as u8 | 0x80, (number >> 7) as u8]);
        }
    }
    index.resize(index.len().next_multiple_of(4), 0);
    index.extend(crc32(&index).to_le_bytes());
    let mut footer = ((index.len() as u32) / 4 - 1).to_le_bytes().to_vec();
    footer.extend(flags);
    out.extend(index);
    out.extend(crc32(&footer).to_le_bytes());
    out.extend(footer);
    out.extend(b"YZ");
    out
}
