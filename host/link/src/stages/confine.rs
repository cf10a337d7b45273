//! Confine: from the plugin's patched copy, only the windows that relocations declare are taken over;
//! every other byte must be as it was. A window that leaves its section is cut off there: a section may end with the
//! branch whose window has the instruction behind it, too.
//!
//! The image is the file in the engine's memory: windows are copied into it, and afterwards each
//! section must equal the plugin's copy. So a byte that the plugin changed anywhere else is found
//! without knowing where to look.

use crate::description::PluginDescription;
use crate::records::{Patching, Records};
use crate::stages::parse::Module;
use crate::stages::plan::Planned;
use crate::views::bytes;
use relobox_abi::{Row, section_flag};
use relobox_core::error::{GuestError, Result};

/// What is patched: a file in the engine's memory, or one that is made up.
pub trait Image {
    /// What the file consists of.
    fn records(&self) -> Records<'_>;

    /// Its bytes, and the records that say which of them relocations are about.
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
/// If the plugin changed a byte that no relocation declares, or its copies are not where they were.
pub fn confine(about: &PluginDescription, image: &mut impl Image, planned: &Planned) -> Result<()> {
    let (file, records) = image.patch();
    let outcome = take_windows(about, file, &records, planned);
    outcome.map_err(|stray| {
        planned.instance.guest_error(match stray {
            OutOfWindowWrite::Byte { section, offset } => {
                GuestError::OutOfWindowWrite { section: image.records().section_name(section), offset }
            }
            OutOfWindowWrite::Answer(what) => what,
        })
    })
}

/// Why a plugin's copy is not taken over.
enum OutOfWindowWrite {
    /// It changed this byte.
    Byte {
        /// Index of the section.
        section: u32,
        /// Offset in it.
        offset: u64,
    },
    /// Its copy is not where it was.
    Answer(GuestError),
}

/// Takes the windows over into `file`, and compares the rest.
fn take_windows(
    about: &PluginDescription,
    file: &mut [u8],
    records: &Patching<'_>,
    planned: &Planned,
) -> Result<(), OutOfWindowWrite> {
    let memory = planned.instance.memory();
    let mut extra = planned.needs.windows.iter().peekable();
    for group in records.groups {
        let section = &records.sections[group.section as usize];
        let patched = bytes(memory, planned.copies[group.section as usize]).map_err(OutOfWindowWrite::Answer)?;
        let at = section.data.at as usize;
        let image = &mut file[at..at + section.data.len as usize];
        let len = image.len() as u64;
        // Nothing of a window that wraps around, or lies behind the section, is in it.
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
                    // A plugin that finds no fault with a place outside the section has not looked.
                    return Err(OutOfWindowWrite::Byte { section: group.section, offset: relocation.offset });
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
        let patched = bytes(memory, copy).map_err(OutOfWindowWrite::Answer)?;
        let at = section.data.at as usize;
        let image = &file[at..at + section.data.len as usize];
        if image != patched {
            let offset = image.iter().zip(patched).position(|(a, b)| a != b).unwrap_or(0) as u64;
            return Err(OutOfWindowWrite::Byte { section: i, offset });
        }
    }
    Ok(())
}

/// Where a row's window begins; it may leave the section, before or behind.
pub fn window_start(row: &Row, offset: u64) -> i128 {
    let rounded = match row.window_align {
        0 | 1 => offset,
        align => offset - offset % u64::from(align),
    };
    i128::from(rounded) + i128::from(row.window_start)
}
