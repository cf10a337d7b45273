//! Confine: from the plugin's patched copy, only the windows that relocations declare are taken over;
//! every other byte must be as it was.
//!
//! The image is the file in the engine's memory: windows are copied into it, and afterwards each
//! section must equal the plugin's copy. So a byte that the plugin changed anywhere else is found
//! without knowing where to look.

use crate::error::{Misbehaviour, Result};
use crate::guests::About;
use crate::parse::{Module, Patching};
use crate::plan::Planned;
use crate::records::bytes;
use relobox_abi::{Row, section_flag};

/// Patches the module's file in place.
pub fn confine(about: &About, module: &mut Module, planned: &Planned) -> Result<()> {
    let (file, records) = module.patch();
    let outcome = take_windows(about, file, &records, planned);
    outcome.map_err(|stray| planned.instance.misbehaved(stray.misbehaviour(|i| module.records().section_name(i))))
}

/// Why a plugin's copy is not taken over.
pub enum Stray {
    /// It changed this byte.
    Byte {
        /// Index of the section.
        section: u32,
        /// Offset in it.
        offset: u64,
    },
    /// Its copy is not where it was.
    Answer(Misbehaviour),
}

impl Stray {
    /// As an error, with the section's name.
    #[must_use]
    pub fn misbehaviour(self, name: impl Fn(u32) -> String) -> Misbehaviour {
        match self {
            Self::Byte { section, offset } => Misbehaviour::Window { section: name(section), offset },
            Self::Answer(what) => what,
        }
    }
}

/// Takes the windows over into `file`, and compares the rest.
pub fn take_windows(about: &About, file: &mut [u8], records: &Patching<'_>, planned: &Planned) -> Result<(), Stray> {
    let memory = planned.instance.memory();
    let mut extra = planned.needs.windows.iter().peekable();
    for group in records.groups {
        let section = &records.sections[group.section as usize];
        let patched = bytes(memory, planned.copies[group.section as usize]).map_err(Stray::Answer)?;
        let at = section.data.at as usize;
        let image = &mut file[at..at + section.data.len as usize];
        let stray = |offset| Stray::Byte { section: group.section, offset };
        let mut take = |start: u64, len: usize| -> Result<(), Stray> {
            let range = usize::try_from(start).ok().and_then(|start| Some(start..start.checked_add(len)?));
            let both = range.and_then(|r| Some((image.get_mut(r.clone())?, patched.get(r)?)));
            // A plugin that finds no fault with a place outside the section has not looked.
            let (to, from) = both.ok_or_else(|| stray(start))?;
            to.copy_from_slice(from);
            Ok(())
        };
        let first = group.first as usize;
        let relocations = &records.relocations[first..first + group.count as usize];
        for (index, relocation) in (group.first..).zip(relocations) {
            let Some(row) = about.row(relocation.kind) else { continue };
            let row = &row.row;
            if row.window_len != 0 {
                take(window_start(row, relocation.offset), row.window_len.into())?;
            }
            while let Some(window) = extra.next_if(|w| w.relocation <= index) {
                take(window.offset, window.len as usize)?;
            }
        }
    }
    for (i, section) in (0..).zip(records.sections) {
        let copy = planned.copies[i as usize];
        if copy.len == 0 || section.flags & section_flag::ALLOC == 0 {
            continue;
        }
        let patched = bytes(memory, copy).map_err(Stray::Answer)?;
        let at = section.data.at as usize;
        let image = &file[at..at + section.data.len as usize];
        if image != patched {
            let offset = image.iter().zip(patched).position(|(a, b)| a != b).unwrap_or(0) as u64;
            return Err(Stray::Byte { section: i, offset });
        }
    }
    Ok(())
}

/// Where a row's window begins; what lies outside the section is found by the caller.
pub(crate) fn window_start(row: &Row, offset: u64) -> u64 {
    let rounded = match row.window_align {
        0 | 1 => offset,
        align => offset - offset % u64::from(align),
    };
    rounded.wrapping_add_signed(row.window_start.into())
}
