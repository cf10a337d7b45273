//! xz: streams with zeros between them. Every header, index, footer and block check is verified.

use crate::error::{UnpackError, bad_stream, too_large};
use crate::limits;
use crate::output::Output;
use lzma_rust2::{Action, Error, Status, XzStream};

/// Decompresses every stream of `file`.
pub(crate) fn unpack(file: &[u8], output: &mut Output) -> Result<(), UnpackError> {
    // The limit is for the dictionary and for other memory of the decoder. Both grow with use.
    let max_kb = (limits::XZ_DICTIONARY >> 10) as u32 + 1024;
    output.expect(said_size(file).unwrap_or(0));
    let mut stream = XzStream::new_mem_limit(true, max_kb);
    let mut at = 0;
    let mut idle = 0;
    loop {
        let step = stream.process(&file[at..], output.room()?, Action::Finish);
        let step = step.map_err(|error| {
            // After an error, the number of bytes that this call read is only known from the stream.
            let at = (stream.total_in() as usize).min(file.len());
            convert(error, at, &stream)
        })?;
        at += step.bytes_consumed;
        output.advance(step.bytes_produced)?;
        if step.status == Status::StreamEnd {
            break;
        }
        // It has all input and room for output, so it must make progress.
        idle = if step.bytes_consumed == 0 && step.bytes_produced == 0 { idle + 1 } else { 0 };
        if idle > 2 {
            return Err(bad_stream("the xz data is damaged", at));
        }
    }
    if at != file.len() {
        return Err(bad_stream("something that is not xz follows the xz data", at));
    }
    Ok(())
}

/// Returns the decompressed size in the index of the last stream, which is usually the only one. It is not checked: the
/// decoder checks the index when it gets there, and a wrong size does no harm.
fn said_size(file: &[u8]) -> Option<usize> {
    let (before, footer) = file.split_last_chunk::<12>()?;
    let words = u32::from_le_bytes(*footer[4..].first_chunk()?) as usize;
    let index = before.len().checked_sub(words.checked_add(1)?.checked_mul(4)?)?;
    let mut rest = before.get(index + 1..)?;
    let mut number = || {
        let end = rest.iter().take(9).position(|byte| byte & 0x80 == 0)? + 1;
        let (bytes, after) = rest.split_at(end);
        rest = after;
        Some(bytes.iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f)))
    };
    let blocks = number()?;
    let mut total = 0_u64;
    for _ in 0..blocks {
        let _packed = number()?;
        total = total.saturating_add(number()?);
    }
    usize::try_from(total).ok()
}

#[cold]
fn convert(error: Error, at: usize, stream: &XzStream) -> UnpackError {
    match error {
        Error::Eof => bad_stream("the xz file is cut short", at),
        Error::OutOfMemory(_) => {
            let need = u64::from(stream.memory_usage().unwrap_or(0)) << 10;
            too_large("the xz dictionary is larger than allowed", at, need, limits::XZ_DICTIONARY as u64)
        }
        // The decoder's text names the part of the format: "block checksum mismatch".
        Error::InvalidData(text) | Error::InvalidInput(text) | Error::Unsupported(text) => bad_stream(text, at),
        _ => bad_stream("the xz data is damaged", at),
    }
}
