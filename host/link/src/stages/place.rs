//! Place: a linked module's areas become memory of a kernel, which makes a module of them.

use crate::link::Linked;
use crate::stages::layout::{Layout, Measured};
use relobox_abi::export_flag;
use relobox_core::areas::{ABSENT, Area, Kind};
use relobox_core::diagnostic::Diagnostic;
use relobox_core::error::Result;
use relobox_core::kernel::{Export, Image, Kernel, KernelError, Load, LoadFormat, Loaded, Protection, Request};
use std::path::Path;

/// Allocates the areas in the kernel, and gives every section its address in them.
///
/// # Errors
/// A [`KernelError`] if the kernel does not allocate them.
pub fn allocate(kernel: &mut dyn Kernel, measured: &Measured) -> Result<Layout, KernelError> {
    let wanted: Vec<_> =
        measured.areas.iter().map(|a| Request { kind: a.kind, size: a.size, align: a.align }).collect();
    let addresses = kernel.allocate(&wanted)?;
    let areas = measured.areas.iter().zip(addresses).map(|(area, address)| Area { address, ..*area });
    Ok(measured.in_areas(areas.collect()))
}

/// Hands the module to the kernel in the format that it takes. `args` are the module's parameters.
///
/// # Errors
/// A [`PlaceError`] if the kernel refuses the module, or if the module does not fit into its areas.
pub fn place(
    kernel: &mut dyn Kernel,
    form: LoadFormat,
    linked: &mut Linked,
    name: &str,
    args: &str,
) -> Result<Loaded, PlaceError> {
    match form {
        LoadFormat::Areas => put(kernel, linked)?,
        LoadFormat::Relocated(_) | LoadFormat::Original => {}
    }
    let mut load = load(linked, name, args);
    if matches!(form, LoadFormat::Relocated(_)) {
        load.image = Some(image_of(kernel, linked).map_err(PlaceError::Module)?);
    }
    kernel.load(&load).map_err(PlaceError::Kernel)
}

/// Writes the module as a relocated file, with the addresses and values that it was relocated for.
fn image_of(kernel: &mut dyn Kernel, linked: &mut Linked) -> Result<Image> {
    let path = Path::new("memfd");
    let file = kernel.file(&mut |file| linked.emit_to(relobox_abi::emit::RELOCATED_KO, path, file))?;
    let (mut sections, symbols) = (linked.layout.addresses.clone(), linked.resolved.values.clone());
    if !linked.layout.synthetic.is_empty() {
        // The engine appends these, and a table of names.
        sections.extend(&linked.layout.synthetic);
        sections.push(ABSENT);
    }
    Ok(Image { file, sections, symbols })
}

/// Writes and protects every area.
pub(crate) fn put(kernel: &mut dyn Kernel, linked: &Linked) -> Result<(), PlaceError> {
    for area in &linked.layout.areas {
        let image = image(linked, area).map_err(PlaceError::Module)?;
        if !image.is_empty() {
            kernel.put(area.address, &image).map_err(PlaceError::Kernel)?;
        }
    }
    // No area becomes executable before all of them are written.
    for area in &linked.layout.areas {
        let protection = match area.kind {
            Kind::Text | Kind::InitText => Protection::ReadExecute,
            Kind::RoData | Kind::InitRoData => Protection::ReadOnly,
            Kind::RoAfterInit | Kind::Data | Kind::InitData | Kind::PerCpu | Kind::Core | Kind::Init => continue,
        };
        kernel.protect(area.address, protection).map_err(PlaceError::Kernel)?;
    }
    Ok(())
}

/// Why a module was not loaded.
pub enum PlaceError {
    /// The kernel refused it.
    Kernel(KernelError),
    /// The module does not fit into its areas, or the engine could not write it.
    Module(relobox_core::Error),
}

/// Returns an area's contents, up to the last section that has any: new areas are zero.
fn image(linked: &Linked, area: &Area) -> Result<Vec<u8>> {
    let records = linked.module.records();
    let own = (0..)
        .zip(&linked.layout.addresses)
        .filter(|(_, address)| **address != ABSENT)
        .map(|(i, address)| (*address, linked.contents(i)));
    let made = linked.synthetic.iter().map(|s| (s.address, s.contents.as_slice()));
    let mut image = Vec::new();
    for (address, contents) in own.chain(made) {
        let Some(start) = address.checked_sub(area.address).filter(|start| *start < area.size) else { continue };
        if contents.is_empty() {
            continue;
        }
        let end = start.checked_add(contents.len() as u64).filter(|end| *end <= area.size);
        let Some(end) = end else {
            let text = format!("{} bytes at {address:#x} do not fit their area", contents.len());
            return Err(Diagnostic::new("misplaced-section", records.name, text).into());
        };
        // The kernel has granted the area, so its size is possible for memory.
        if image.len() < end as usize {
            image.resize(end as usize, 0);
        }
        image[start as usize..end as usize].copy_from_slice(contents);
    }
    Ok(image)
}

fn load(linked: &Linked, name: &str, args: &str) -> Load {
    let records = linked.module.records();
    let value = |symbol: u32| linked.resolved.known_by(symbol);
    let entry = |symbol: u32| (symbol != 0).then(|| value(symbol));
    let export = |e: &relobox_abi::Export| Export {
        name: String::from_utf8_lossy(records.bytes(e.name)).into_owned(),
        address: value(e.symbol).wrapping_add_signed(e.offset.cast_signed().into()),
        crc: (e.flags & export_flag::CRC != 0).then_some(e.crc),
        gpl: e.flags & export_flag::GPL != 0,
        namespace: String::from_utf8_lossy(records.bytes(e.namespace)).into_owned(),
    };
    let params = records
        .sections
        .iter()
        .zip(&linked.layout.addresses)
        .find(|(s, address)| records.bytes(s.name) == b"__param" && **address != ABSENT && s.size != 0);
    Load {
        name: name.to_owned(),
        areas: linked.layout.areas.iter().map(|a| (a.address, a.kind)).collect(),
        init: entry(records.parsed.init),
        exit: entry(records.parsed.exit),
        exports: records.exports.iter().map(export).collect(),
        uses: linked.resolved.uses.clone(),
        params: params.map(|(s, address)| (*address, s.size)),
        args: args.to_owned(),
        image: None,
    }
}
