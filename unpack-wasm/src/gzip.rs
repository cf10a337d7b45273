//! gzip: members with a header, a deflate stream and a trailer (RFC 1952).

use crate::error::{UnpackError, bad_stream};
use crate::limits;
use crate::output::Output;
use alloc::boxed::Box;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

const MAGIC: [u8; 2] = [0x1f, 0x8b];
const DEFLATE: u8 = 8;
const FHCRC: u8 = 1 << 1;
const FEXTRA: u8 = 1 << 2;
const FNAME: u8 = 1 << 3;
const FCOMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0xe0;

/// Decompresses every member of `file`.
pub(crate) fn unpack(file: &[u8], output: &mut Output) -> Result<(), UnpackError> {
    // The last four bytes are the size of the last member, which is usually the only one.
    if let Some(size) = file.last_chunk::<4>() {
        let size = u32::from_le_bytes(*size) as usize;
        output.expect(size.min(file.len().saturating_mul(limits::DEFLATE_RATIO)));
    }
    let mut reader = Reader { file, at: 0 };
    let mut decoder = Box::new(DecompressorOxide::new());
    while reader.at < file.len() {
        header(&mut reader)?;
        let start = output.len();
        decoder.init();
        inflate(&mut decoder, &mut reader, output, start)?;
        trailer(&mut reader, output.since(start))?;
    }
    Ok(())
}

struct Reader<'a> {
    file: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], UnpackError> {
        let taken = self.file[self.at..].get(..count).ok_or_else(|| self.short())?;
        self.at += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], UnpackError> {
        let taken = self.file[self.at..].first_chunk().ok_or_else(|| self.short())?;
        self.at += N;
        Ok(*taken)
    }

    #[cold]
    fn short(&self) -> UnpackError {
        bad_stream("the gzip file is cut short", self.file.len())
    }
}

/// Reads and checks a member's header. None of its fields is needed.
fn header(reader: &mut Reader<'_>) -> Result<(), UnpackError> {
    let start = reader.at;
    let [m0, m1, method, flags, _mtime @ .., _xfl, _os] = reader.array::<10>()?;
    if [m0, m1] != MAGIC {
        return Err(bad_stream("something that is not gzip follows the gzip data", start));
    }
    if method != DEFLATE {
        return Err(bad_stream("the gzip header has a method other than deflate", start + 2));
    }
    if flags & RESERVED != 0 {
        return Err(bad_stream("the gzip header has undefined flags", start + 3));
    }
    if flags & FEXTRA != 0 {
        let len = u16::from_le_bytes(reader.array()?);
        reader.take(len.into())?;
    }
    for flag in [FNAME, FCOMMENT] {
        if flags & flag != 0 {
            let text = reader.file[reader.at..].iter().position(|byte| *byte == 0);
            reader.at += text.ok_or_else(|| reader.short())? + 1;
        }
    }
    if flags & FHCRC != 0 {
        let crc = crc32fast::hash(&reader.file[start..reader.at]) as u16;
        if u16::from_le_bytes(reader.array()?) != crc {
            return Err(bad_stream("the gzip header does not match its checksum", start));
        }
    }
    Ok(())
}

/// Inflates one member. Its matches cannot refer to bytes before `start`.
fn inflate(
    decoder: &mut DecompressorOxide,
    reader: &mut Reader<'_>,
    output: &mut Output,
    start: usize,
) -> Result<(), UnpackError> {
    loop {
        let at = output.len() - start;
        let room = output.room_from(start)?;
        let input = &reader.file[reader.at..];
        let (status, read, written) = decompress(decoder, input, room, at, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF);
        reader.at += read;
        output.advance(written)?;
        match status {
            TINFLStatus::Done => return Ok(()),
            TINFLStatus::HasMoreOutput => {}
            TINFLStatus::FailedCannotMakeProgress => return Err(reader.short()),
            _ => return Err(bad_stream("the deflate data is damaged", reader.at)),
        }
    }
}

/// Compares a member with its checksum and its size.
fn trailer(reader: &mut Reader<'_>, member: &[u8]) -> Result<(), UnpackError> {
    let at = reader.at;
    let crc = u32::from_le_bytes(reader.array()?);
    let size = u32::from_le_bytes(reader.array()?);
    if size != member.len() as u32 {
        return Err(bad_stream("the gzip data does not have the size in its trailer", at + 4));
    }
    if crc != crc32fast::hash(member) {
        return Err(bad_stream("the gzip data does not match its checksum", at));
    }
    Ok(())
}
