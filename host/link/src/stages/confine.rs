//! Confine: copies the windows that relocations declare from the plugin's patched copy, and checks that every other
//! byte is unchanged.
//!
//! A window that leaves its section is cut off at the end of the section. This happens if a section ends with a branch
//! whose window includes the instruction after it.
//!
//! The image is the file in the engine's memory. The windows are copied into it, and then each section must equal the
//! plugin's copy. So a byte that the plugin changed anywhere else is found.

use crate::description::PluginDescription;
use crate::records::{Patching, Records};
use crate::stages::parse::Module;
use crate::stages::plan::Planned;
use crate::views::bytes;
use relobox_abi::{Row, section_flag};
use relobox_core::error::{GuestError, Result};

/// What is patched: a file in the engine's memory, or a synthetic module.
pub trait Image {
    /// Returns the records of the file.
    fn records(&self) -> Records<'_>;

    /// Returns the bytes, and the records that say where relocations apply.
    fn patch(&mut self) -> (&mut [u8], Patching<'_>);
}

impl Image for Module {
    fn records(&self) -> Records<'_> {
        Self::records(self)
    }

    fn patch(&mut self) -> (&mut [u8], Patching<'_>) {
        Self::patch(self)
    }
}

/// Patches the file in place.
///
/// # Errors
/// [`Error::Guest`](relobox_core::Error::Guest) with [`GuestError::OutOfWindowWrite`] if the plugin changed a byte that
/// no relocation declares, or with [`GuestError::MalformedAnswer`] if its copies are not in its memory.
pub fn confine(about: &PluginDescription, image: &mut impl Image, planned: &Planned) -> Result<()> {
    let (file, records) = image.patch();
    let outcome = take_windows(about, file, &records, planned);
    outcome.map_err(|error| {
        planned.instance.guest_error(match error {
            ConfineError::OutOfWindowWrite { section, offset } => {
                GuestError::OutOfWindowWrite { section: image.records().section_name(section), offset }
            }
            ConfineError::MalformedAnswer(what) => what,
        })
    })
}

/// Why the patched copy of a plugin is not used.
enum ConfineError {
    /// It changed a byte outside of every window.
    OutOfWindowWrite {
        /// Index of the section.
        section: u32,
        /// Offset in the section, in bytes.
        offset: u64,
    },
    /// Its copy of a section lies outside of its memory.
    MalformedAnswer(GuestError),
}

/// Copies the windows into `file`, and compares the rest.
fn take_windows(
    about: &PluginDescription,
    file: &mut [u8],
    records: &Patching<'_>,
    planned: &Planned,
) -> Result<(), ConfineError> {
    let memory = planned.instance.memory();
    let mut extra = planned.needs.windows.iter().peekable();
    for group in records.groups {
        let section = &records.sections[group.section as usize];
        let patched = bytes(memory, planned.copies[group.section as usize]).map_err(ConfineError::MalformedAnswer)?;
        let at = section.data.at as usize;
        let image = &mut file[at..at + section.data.len as usize];
        let len = image.len() as u64;
        // A window that wraps around, or lies after the section, contributes nothing.
        let mut take = |start: i128, window: u32| {
            let range = start.max(0)..(start + i128::from(window)).min(len.into());
            if range.start < range.end {
                let range = range.start as usize..range.end as usize;
                image[range.clone()].copy_from_slice(&patched[range]);
                return true;
            }
            false
        };
        let first = group.first as usize;
        let relocations = &records.relocations[first..first + group.count as usize];
        for (index, relocation) in (group.first..).zip(relocations) {
            let Some(row) = about.row(relocation.kind) else { continue };
            let row = &row.row;
            if row.window_len != 0 {
                let taken = take(window_start(row, relocation.offset), row.window_len.into());
                if !taken && relocation.offset >= len {
                    // The plugin should have reported a fault for a place outside of its section.
                    return Err(ConfineError::OutOfWindowWrite { section: group.section, offset: relocation.offset });
                }
            }
            while let Some(window) = extra.next_if(|w| w.relocation <= index) {
                take(window.offset.into(), window.len);
            }
        }
    }
    for (i, section) in (0..).zip(records.sections) {
        let copy = planned.copies[i as usize];
        if copy.len == 0 || section.flags & section_flag::ALLOC == 0 {
            continue;
        }
        let patched = bytes(memory, copy).map_err(ConfineError::MalformedAnswer)?;
        let at = section.data.at as usize;
        let image = &file[at..at + section.data.len as usize];
        if image != patched {
            let offset = image.iter().zip(patched).position(|(a, b)| a != b).unwrap_or(0) as u64;
            return Err(ConfineError::OutOfWindowWrite { section: i, offset });
        }
    }
    Ok(())
}

/// Returns where a row's window begins. This may be before or after the section.
pub fn window_start(row: &Row, offset: u64) -> i128 {
    let rounded = match row.window_align {
        0 | 1 => offset,
        align => offset - offset % u64::from(align),
    };
    i128::from(rounded) + i128::from(row.window_start)
}
