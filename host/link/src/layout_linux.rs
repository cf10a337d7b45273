//! The layout that Linux itself will compute, to the byte. The kernel's own loader then loads the relocated module, and
//! either computes the same addresses or refuses it.
//!
//! The source is kernel/module/main.c and kernel/module/kallsyms.c. Up to 6.3 (`layout_sections`) a module has two
//! areas: one that stays, and one that only init needs. Each has executable, read-only, read-only-after-init and
//! writable sections in this order, and each kind begins on a new page. From 6.4 (`__layout_sections`) each kind has
//! its own area (`enum mod_mem_type`). After the writable data comes a symbol table that is reduced to what kallsyms
//! shows (`layout_symtab`). After init's writable data comes the full symbol table, which exists while init runs.

use crate::needs::{Needs, SyntheticRequest};
use crate::records::Records;
use crate::stages::layout::{Measured, kind_of};
use relobox_abi::loader;
use relobox_core::areas::{Area, Kind, PAGE};
use relobox_core::diagnostic::Diagnostic;
use relobox_core::error::Result;
use relobox_core::kernel::{Linux, LinuxAreas};
use std::collections::HashMap;

/// SHT_SYMTAB, the same in every ELF file.
const SYMTAB: u32 = 2;

/// Bytes of `struct mod_kallsyms` of a 64-bit kernel: three pointers and a count.
const MOD_KALLSYMS: u64 = 32;
const MOD_KALLSYMS_ALIGN: u64 = 8;

/// Prefixes of names that mean nothing to Linux, so that it treats a plugin's section as plain memory. With the second
/// prefix, Linux frees the section after init.
const OURS: [&str; 2] = [".relobox.", ".init.relobox."];

/// The order in which Linux allocates areas, up to 6.3.
const CORE_INIT: [Kind; 3] = [Kind::Core, Kind::Init, Kind::PerCpu];
/// The order in which Linux allocates areas, from 6.4: `enum mod_mem_type`.
const SEVEN: [Kind; 8] = [
    Kind::Text,
    Kind::Data,
    Kind::RoData,
    Kind::RoAfterInit,
    Kind::InitText,
    Kind::InitData,
    Kind::InitRoData,
    Kind::PerCpu,
];

/// The sizes of the areas so far.
struct Areas {
    of: LinuxAreas,
    sizes: HashMap<Kind, u64>,
}

impl Areas {
    /// Returns the area that has sections of `kind`.
    fn area(&self, kind: Kind) -> Kind {
        match (self.of, kind) {
            (LinuxAreas::Seven, _) | (_, Kind::PerCpu) => kind,
            (LinuxAreas::CoreInit, Kind::InitText | Kind::InitRoData | Kind::InitData) => Kind::Init,
            (LinuxAreas::CoreInit, _) => Kind::Core,
        }
    }

    /// Adds bytes to the area of `kind`. Returns the area and the offset in it.
    fn add(&mut self, kind: Kind, size: u64, align: u64) -> (Kind, u64) {
        let area = self.area(kind);
        let end = self.sizes.entry(area).or_insert(0);
        let at = end.next_multiple_of(align.max(1));
        *end = at + size;
        (area, at)
    }

    /// Starts a new page if the next kind shares the area.
    fn new_page(&mut self, kind: Kind) {
        let area = self.area(kind);
        if self.of == LinuxAreas::CoreInit
            && let Some(end) = self.sizes.get_mut(&area)
        {
            *end = end.next_multiple_of(PAGE);
        }
    }
}

/// Computes how much memory Linux will ask for, and the place of every section in it.
///
/// # Errors
/// [`Error::Module`](relobox_core::Error::Module) for a module that Linux would load, but whose layout is unknown.
pub fn measure(records: &Records<'_>, needs: &Needs, linux: Linux) -> Result<Measured> {
    let unsupported = |text: String, hint: &str| -> Result<Measured> {
        Err(Diagnostic::new("unsupported-layout", records.name, text).hint(hint).into())
    };
    // Linux places the section by its name and flags, after all others of its kind.
    let placed = |made: &SyntheticRequest| made.with_kind() && OURS.iter().any(|ours| made.name.starts_with(ours));
    if let Some(made) = needs.synthetic.iter().find(|made| !placed(made)) {
        let text = format!("it needs {} bytes of {}, for which this kernel has no place", made.record.size, made.name);
        return unsupported(text, "'--kernel vet' lets the kernel relocate it");
    }
    if needs.alignments.iter().any(|a| records.sections.get(a.section as usize).is_some_and(|s| a.align > s.align)) {
        let text = "a section needs another alignment than the kernel gives it".to_owned();
        return unsupported(text, "'--kernel vet' lets the kernel relocate it");
    }
    if records.modinfo("livepatch").is_some() || records.left_to_the_kernel().next().is_some() {
        let text = "a live patch has relocations that are applied while it is enabled".to_owned();
        return unsupported(text, "'--kernel vet' lets the kernel relocate it");
    }
    let mut kinds: Vec<Option<Kind>> = records.sections.iter().map(|s| kind_of(records, s)).collect();
    let mut sizes: Vec<(u64, u64)> = records.sections.iter().map(|s| (s.size, s.align)).collect();
    let loader = match linux.areas {
        LinuxAreas::CoreInit => loader::CORE_INIT,
        LinuxAreas::Seven => loader::KINDS,
    };
    // The last of several sections with one name counts.
    let named: HashMap<&[u8], usize> = (0..).zip(records.sections).map(|(i, s)| (records.bytes(s.name), i)).collect();
    for remade in needs.remade.iter().filter(|r| r.loaders & loader != 0) {
        if let Some(i) = named.get(remade.name.as_slice()).copied() {
            (kinds[i], sizes[i]) = (Some(remade.kind), (remade.size, remade.align));
        }
    }
    let aligned: Vec<u64> = sizes.iter().map(|(_, align)| *align).collect();
    let mut sections = vec![None; records.sections.len()];
    let mut synthetic = vec![(Kind::Text, 0); needs.synthetic.len()];
    let mut areas = Areas { of: linux.areas, sizes: HashMap::new() };
    let mut lay = |areas: &mut Areas, kind: Kind| {
        for (i, (size, align)) in sizes.iter().enumerate().filter(|(i, _)| kinds[*i] == Some(kind)) {
            sections[i] = Some(areas.add(kind, *size, *align));
        }
        for (place, made) in synthetic.iter_mut().zip(&needs.synthetic).filter(|(_, made)| made.memory() == kind) {
            *place = areas.add(kind, made.record.size, made.record.align);
        }
    };
    for kind in [Kind::Text, Kind::RoData, Kind::RoAfterInit, Kind::Data] {
        lay(&mut areas, kind);
        areas.new_page(kind);
    }
    for kind in [Kind::InitText, Kind::InitRoData, Kind::InitData] {
        lay(&mut areas, kind);
        areas.new_page(kind);
    }
    lay(&mut areas, Kind::PerCpu);
    symbol_tables(records, &kinds, linux, &mut areas, &mut sections);
    let order: &[Kind] = match linux.areas {
        LinuxAreas::CoreInit => &CORE_INIT,
        LinuxAreas::Seven => &SEVEN,
    };
    let percpu = kinds.iter().zip(&aligned).filter(|(kind, _)| **kind == Some(Kind::PerCpu)).map(|(_, align)| *align);
    // percpu_modalloc allows at most a page.
    let percpu = percpu.max().unwrap_or(1).min(PAGE);
    let area = |kind: &Kind| {
        let size = *areas.sizes.get(kind).filter(|size| **size != 0)?;
        Some(match kind {
            Kind::PerCpu => Area { kind: *kind, address: 0, size, align: percpu },
            _ => Area { kind: *kind, address: 0, size: size.next_multiple_of(PAGE), align: PAGE },
        })
    };
    Ok(Measured {
        areas: order.iter().filter_map(area).collect(),
        sections,
        synthetic,
        aligned,
        made: needs.synthetic.iter().map(|made| (made.name.clone(), made.record.size)).collect(),
    })
}

/// Adds the symbol tables: the one that stays, and the full one for init.
fn symbol_tables(
    records: &Records<'_>,
    kinds: &[Option<Kind>],
    linux: Linux,
    areas: &mut Areas,
    sections: &mut [Option<(Kind, u64)>],
) {
    let Some(symtab) = records.sections.iter().position(|s| s.kind == SYMTAB) else { return };
    // It is found by its index, whatever its name is.
    let strtab = records.parsed.strings as usize;
    let all = records.symbols.len() as u64;
    let table = &records.sections[symtab];
    let entry = if records.parsed.class == 64 { 24 } else { 16 };
    // Symbol 0, whose name is empty, is kept.
    let (mut kept, mut names) = (1, 1);
    for symbol in records.symbols.iter().skip(1).filter(|s| s.section != 0 && s.name.len != 0) {
        let index = symbol.section as usize;
        let stays = match kinds[index] {
            None | Some(Kind::InitText | Kind::InitRoData | Kind::InitData) => false,
            Some(_) if linux.kallsyms_all => true,
            Some(kind) => kind == Kind::Text,
        };
        if stays {
            kept += 1;
            names += u64::from(symbol.name.len) + 1;
        }
    }
    areas.add(Kind::Data, kept * entry, table.align);
    // The names, and one byte for each symbol's type.
    areas.add(Kind::Data, names + kept, 1);
    areas.new_page(Kind::Data);
    sections[symtab] = Some(areas.add(Kind::InitData, table.size, table.align));
    let strings = &records.sections[strtab];
    sections[strtab] = Some(areas.add(Kind::InitData, strings.size, strings.align));
    areas.add(Kind::InitData, MOD_KALLSYMS, MOD_KALLSYMS_ALIGN);
    areas.add(Kind::InitData, all, 1);
    areas.new_page(Kind::InitData);
}
