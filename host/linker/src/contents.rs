//! The job that tells what a module's file says: for libkmod, and for modprobe's `--show-exports` and
//! `--show-modversions`.

use crate::depmod::{INVALID, NO_DATA, contents};
use crate::parent::Parent;
use relobox_abi::index;
use relobox_core::linker_error::LinkerError;
use relobox_depmod::log::Log;
use relobox_depmod::signature::Signature;
use relobox_isolate::indices::{Part, Step};
use relobox_link::guests::Guests;
use relobox_link::index::{Contents, LinkedSymbol};

/// Reads one module, and tells a part of it.
pub(super) fn tell(guests: &Guests, parent: &Parent<'_>, part: Part) -> Result<(), LinkerError> {
    let what = match part {
        Part::Info => index::ABOUT,
        Part::Exports | Part::Imports => index::LINKS,
        Part::Versions => index::VERSIONS,
    };
    let mut batch = parent.batch()?;
    let Some((_, path, source)) = batch.pop().filter(|_| batch.is_empty()) else {
        return Err(LinkerError::Protocol("not one module"));
    };
    let told =
        source.and_then(|source| contents(guests, &path, source, what)).and_then(|contents| told(&contents, part));
    match told {
        Ok(entries) => parent.output(&[entries], true, &mut Log::default()),
        Err(error) => parent.step(Step::Unreadable(error), &mut Log::default()),
    }
}

/// The entries, or the number of the error that kmod would report.
fn told(contents: &Contents, part: Part) -> Result<Vec<u8>, u32> {
    let mut out = Vec::new();
    let mut entry = |parts: &[&[u8]]| {
        out.extend(parts.concat());
        out.push(0);
    };
    match part {
        Part::Info => {
            for (key, value) in contents.modinfo().ok_or(NO_DATA)? {
                entry(&[key, b"=", value]);
            }
            for (key, value) in Signature::read(contents.signature()).iter().flat_map(Signature::entries) {
                entry(&[key.as_bytes(), b"=", &value]);
            }
        }
        Part::Exports if contents.no_exports() => return Err(NO_DATA),
        Part::Exports => {
            contents.exports().ok_or(INVALID)?.iter().for_each(|symbol| entry(&[&crc(symbol), symbol.name]))
        }
        Part::Imports => {
            for symbol in contents.imports().ok_or(INVALID)? {
                entry(&[&crc(&symbol), if symbol.weak { b"W" } else { b"U" }, symbol.name]);
            }
        }
        Part::Versions => {
            for symbol in contents.imports().ok_or(NO_DATA)? {
                // As kmod has it: the dot of a function's code on some machines.
                entry(&[&crc(&symbol), symbol.name.strip_prefix(b".").unwrap_or(symbol.name)]);
            }
        }
    }
    Ok(out)
}

/// Eight digits. A CRC that cannot be read is 0.
fn crc(symbol: &LinkedSymbol<'_>) -> Vec<u8> {
    format!("{:08x}", symbol.crc.unwrap_or(0)).into_bytes()
}
