//! A module that the kernel has loaded.

use crate::objects::Objects;
use crate::types;
use relobox_cabi::boundary::c_text;
use relobox_core::areas::Area;
use relobox_core::error::Result;
use relobox_core::inserted::Inserted;
use relobox_kmod::real::{Backend, Linking, Real};
use relobox_kmod::state::forget;
use relobox_kmod::target::{Target as _, failed};
use std::ffi::CString;

pub(crate) static LOADED: Objects<Loaded> = Objects::new();

/// What became of a module.
pub(crate) struct Loaded {
    name: CString,
    mode: CString,
    plugin: CString,
    relocations: u64,
    returned: i32,
    uses: Vec<CString>,
    unknown: Vec<CString>,
    areas: Vec<(CString, Area)>,
}

impl Loaded {
    pub(crate) fn of(inserted: &Inserted) -> Self {
        let texts = |texts: &[String]| texts.iter().map(c_text).collect();
        Self {
            name: c_text(&inserted.name),
            mode: c_text(inserted.mode.name()),
            plugin: c_text(&inserted.plugin),
            relocations: inserted.relocations as u64,
            returned: inserted.returned,
            uses: texts(&inserted.uses),
            unknown: texts(&inserted.unknown_args),
            areas: inserted.areas.iter().map(|area| (c_text(area.kind.name()), *area)).collect(),
        }
    }

    pub(crate) fn get(&self) -> types::LoadResult {
        types::LoadResult {
            name: self.name.as_ptr(),
            mode: self.mode.as_ptr(),
            plugin: self.plugin.as_ptr(),
            relocations: self.relocations,
            returned: self.returned,
        }
    }

    pub(crate) fn uses(&self) -> &[CString] {
        &self.uses
    }

    pub(crate) fn unknown(&self) -> &[CString] {
        &self.unknown
    }

    pub(crate) fn areas(&self) -> usize {
        self.areas.len()
    }

    pub(crate) fn area(&self, index: usize) -> Option<types::Area> {
        let (kind, Area { address, size, align, .. }) = self.areas.get(index)?;
        Some(types::Area { kind: kind.as_ptr(), address: *address, size: *size, align: *align })
    }
}

/// Removes a module from this machine's kernel, and its record.
///
/// # Errors
/// The kernel's.
pub(crate) fn remove(name: &str) -> Result<()> {
    let real = Real::new(Backend::Auto, Linking::default());
    real.remover()?.remove(name).map_err(|failure| failed(name, &failure))?;
    forget(&real, name);
    Ok(())
}
