//! zstd: frames and skippable frames (RFC 8878).
//!
//! The frame header is parsed here, too. The frame is checked against its header (window, size, checksum), and the
//! limits apply before anything is decoded.

use crate::error::{UnpackError, bad_stream, too_large};
use crate::limits;
use crate::output::Output;
use ruzstd::decoding::errors::FrameDecoderError;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use ruzstd::io::Read;

const MAGIC: u32 = 0xfd2f_b528;

/// Decompresses every frame of `file`.
pub(crate) fn unpack(file: &[u8], output: &mut Output) -> Result<(), UnpackError> {
    let mut rest = file;
    while !rest.is_empty() {
        let at = file.len() - rest.len();
        let Some((magic, body)) = rest.split_first_chunk::<4>() else {
            return Err(bad_stream("the zstd file is cut short, or something follows the zstd data", at));
        };
        match u32::from_le_bytes(*magic) {
            MAGIC => frame(file, &mut rest, output)?,
            0x184d_2a50..=0x184d_2a5f => {
                let skipped =
                    body.split_first_chunk::<4>().and_then(|(len, body)| body.get(u32::from_le_bytes(*len) as usize..));
                rest = skipped.ok_or_else(|| short(file))?;
            }
            _ => return Err(bad_stream("something that is not zstd follows the zstd data", at)),
        }
    }
    Ok(())
}

/// The header of a frame.
struct Header {
    /// The window in bytes: how far matches reach back. The decoder keeps this much until the frame ends.
    window: u64,
    /// The size of the content in bytes.
    content: Option<u64>,
}

fn little(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

impl Header {
    /// Parses the header after the magic; `None` if it is truncated.
    fn parse(header: &[u8], at: usize) -> Option<Result<Self, UnpackError>> {
        let (&descriptor, rest) = header.split_first()?;
        if descriptor & 0x08 != 0 {
            return Some(Err(bad_stream("the zstd frame header has its reserved bit set", at)));
        }
        let single = descriptor & 0x20 != 0;
        let (window, rest) = if single { rest.split_at_checked(0)? } else { rest.split_at_checked(1)? };
        let (dictionary, rest) = rest.split_at_checked([0, 1, 2, 4][usize::from(descriptor & 3)])?;
        if little(dictionary) != 0 {
            return Some(Err(bad_stream("the zstd frame needs a dictionary", at)));
        }
        let width = [usize::from(single), 2, 4, 8][usize::from(descriptor >> 6)];
        let content = match (width, little(rest.get(..width)?)) {
            (0, _) => None,
            (2, size) => Some(size + 256),
            (_, size) => Some(size),
        };
        let window = match (window, content) {
            ([byte], _) => (8 + u64::from(byte & 7)) << (7 + (byte >> 3)),
            (_, Some(content)) => content,
            _ => return None,
        };
        Some(Ok(Self { window, content }))
    }
}

/// Decompresses the frame at the start of `rest`.
fn frame(file: &[u8], rest: &mut &[u8], output: &mut Output) -> Result<(), UnpackError> {
    let at = file.len() - rest.len();
    let header = Header::parse(&rest[4..], at).ok_or_else(|| short(file))??;
    let start = output.len();
    if let Some(content) = header.content {
        if content > output.left() as u64 {
            return Err(output.over(content.saturating_add(start as u64)));
        }
        output.expect(content as usize);
    }
    if header.window > limits::ZSTD_WINDOW {
        return Err(too_large("the zstd window is larger than allowed", at, header.window, limits::ZSTD_WINDOW));
    }

    let mut decoder = FrameDecoder::new();
    decoder.set_max_window_size(limits::ZSTD_WINDOW);
    decoder.reset(&mut *rest).map_err(|error| convert(&error, file, rest))?;
    // A lower bound of the bytes that are still in the decoder, which does not report them.
    let mut held = 0;
    loop {
        // It stops after the block that exceeds the limit.
        let step = limits::ZSTD_STEP.min((output.left() - held).saturating_add(1));
        let strategy = BlockDecodingStrategy::UptoBytes(step);
        let finished = decoder.decode_blocks(&mut *rest, strategy).map_err(|error| convert(&error, file, rest))?;
        let before = output.len();
        while decoder.can_collect() > 0 {
            let damaged = |_| bad_stream("the zstd data is damaged", file.len() - rest.len());
            let count = decoder.read(output.room()?).map_err(damaged)?;
            output.advance(count)?;
        }
        if finished {
            break;
        }
        // All output is in excess of the window.
        held = if output.len() > before { header.window as usize } else { held + step };
        if held > output.left() {
            return Err(output.over((output.len() + held) as u64));
        }
    }
    let at = file.len() - rest.len();
    if header.content.is_some_and(|content| content != (output.len() - start) as u64) {
        return Err(bad_stream("the zstd frame does not have the size in its header", at));
    }
    // `None` if the frame has no checksum.
    if let Some(said) = decoder.get_checksum_from_data()
        && decoder.get_calculated_checksum() != Some(said)
    {
        return Err(bad_stream("the zstd data does not match its checksum", at));
    }
    Ok(())
}

#[cold]
fn short(file: &[u8]) -> UnpackError {
    bad_stream("the zstd file is cut short", file.len())
}

#[cold]
fn convert(error: &FrameDecoderError, file: &[u8], rest: &[u8]) -> UnpackError {
    use FrameDecoderError as E;
    let at = file.len() - rest.len();
    if rest.is_empty() {
        return bad_stream("the zstd data is damaged or cut short", at);
    }
    match error {
        E::ReadFrameHeaderError(_) | E::FrameHeaderError(_) => bad_stream("the zstd frame header is damaged", at),
        E::FailedToReadBlockHeader(_) => bad_stream("a zstd block header is damaged", at),
        E::FailedToReadBlockBody(_) => bad_stream("a zstd block is damaged", at),
        _ => bad_stream("the zstd data is damaged", at),
    }
}
