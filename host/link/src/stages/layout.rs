//! Layout: assigns an address to every allocated section and every synthetic one.
//!
//! The order is that of the kernel (kernel/module/main.c, 6.1 and 6.12): executable, read-only, read-only after init,
//! writable. Sections named `.init…` come apart, because they are freed. Each kind begins on a new page. Linux drops
//! `.modinfo` and the versions before it lays out a module, and puts `.data..percpu` into per-CPU memory. It recognises
//! all of these by name, and so does this stage.

use crate::needs::Needs;
use crate::records::Records;
use relobox_abi::{Section, placement, section_flag};
use relobox_core::areas::{ABSENT, Area, Kind, PAGE};
use relobox_core::diagnostic::{Diagnostic, Diagnostics};
use relobox_core::error::Result;
use std::collections::{HashMap, HashSet};

/// The memory that a module needs, before there are addresses.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The areas that are not empty, in the kernel's order.
    pub areas: Vec<Area>,
    /// For each section, its kind and its offset in that area.
    pub sections: Vec<Option<(Kind, u64)>>,
    /// For each synthetic section, its kind and its offset in that area.
    pub synthetic: Vec<(Kind, u64)>,
    /// For each section, its alignment in bytes, raised if the plugin asked for it.
    pub aligned: Vec<u64>,
    /// For each synthetic section, its name and its size in bytes.
    pub made: Vec<(String, u64)>,
}

/// The addresses of a module's sections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// For each section, its address; [`ABSENT`] if it is not in memory.
    pub addresses: Vec<u64>,
    /// For each synthetic section, its address.
    pub synthetic: Vec<u64>,
    /// The areas.
    pub areas: Vec<Area>,
}

/// Returns the kind of memory for a section, or `None` if it is not in memory.
pub fn kind_of(records: &Records<'_>, section: &Section) -> Option<Kind> {
    if section.flags & section_flag::ALLOC == 0 {
        return None;
    }
    let name = records.bytes(section.name);
    match name {
        b".modinfo" | b"__versions" | b"__version_ext_crcs" | b"__version_ext_names" => return None,
        b".data..percpu" => return Some(Kind::PerCpu),
        _ => {}
    }
    let init = name.starts_with(b".init");
    let after_init =
        matches!(name, b".data..ro_after_init" | b"__jump_table") || section.flags & section_flag::RO_AFTER_INIT != 0;
    Some(match (section.flags & section_flag::EXEC != 0, section.flags & section_flag::WRITE != 0) {
        (true, _) if init => Kind::InitText,
        (true, _) => Kind::Text,
        (_, false) if init => Kind::InitRoData,
        (_, false) => Kind::RoData,
        _ if init => Kind::InitData,
        _ if after_init => Kind::RoAfterInit,
        _ => Kind::Data,
    })
}

/// Computes how much memory of each kind the module needs, and the offset of each section in it.
#[must_use]
pub fn measure(records: &Records<'_>, needs: &Needs) -> Measured {
    let mut sizes: HashMap<Kind, (u64, u64)> = HashMap::new();
    let mut room = |kind: Kind, size: u64, align: u64| {
        let (end, largest) = sizes.entry(kind).or_insert((0, PAGE));
        let at = end.next_multiple_of(align.max(1));
        *end = at + size;
        *largest = (*largest).max(align);
        at
    };
    let mut sections = vec![None; records.sections.len()];
    let mut synthetic = vec![(Kind::RoData, 0); needs.synthetic.len()];
    // Each request is handled once, not once for each section, since a plugin may have many.
    let mut aligned: Vec<u64> = records.sections.iter().map(|s| s.align).collect();
    for raise in &needs.alignments {
        if let Some(align) = aligned.get_mut(raise.section as usize) {
            *align = raise.align.max(*align);
        }
    }
    let mut beside: HashMap<(u32, u32), Vec<usize>> = HashMap::new();
    for (n, wanted) in needs.synthetic.iter().enumerate() {
        beside.entry((wanted.record.placement, wanted.record.section)).or_default().push(n);
    }
    for (i, section) in records.sections.iter().enumerate() {
        let Some(kind) = kind_of(records, section) else { continue };
        let align = aligned[i];
        let beside = |where_: u32| {
            let numbers = beside.get(&(where_, i as u32)).map_or(&[][..], Vec::as_slice);
            numbers.iter().map(|n| (*n, &needs.synthetic[*n]))
        };
        for (n, wanted) in beside(placement::BEFORE) {
            synthetic[n] = (kind, room(kind, wanted.record.size, wanted.record.align.max(align)));
        }
        sections[i] = Some((kind, room(kind, section.size, align)));
        for (n, wanted) in beside(placement::AFTER) {
            synthetic[n] = (kind, room(kind, wanted.record.size, wanted.record.align));
        }
    }
    for (n, wanted) in needs.synthetic.iter().enumerate().filter(|(_, n)| n.with_kind()) {
        let kind = wanted.memory();
        synthetic[n] = (kind, room(kind, wanted.record.size, wanted.record.align));
    }
    let areas = Kind::ALL
        .iter()
        .filter_map(|kind| sizes.get(kind).map(|(size, align)| (kind, size, align)))
        .filter(|(_, size, _)| **size != 0)
        .map(|(kind, size, align)| Area { kind: *kind, address: 0, size: *size, align: *align })
        .collect();
    let made = needs.synthetic.iter().map(|n| (n.name.clone(), n.record.size)).collect();
    Measured { areas, sections, synthetic, aligned, made }
}

impl Measured {
    /// Places the areas one after the other from `base`, each on a new page.
    #[must_use]
    pub fn at(&self, base: u64) -> Layout {
        let mut next = base;
        let mut areas = self.areas.clone();
        for area in &mut areas {
            // At the end of the address space, addresses wrap around, as they do in the machine's arithmetic.
            area.address = next.wrapping_add(area.align - 1) & !(area.align - 1);
            next = area.address.wrapping_add(area.size.next_multiple_of(PAGE));
        }
        self.in_areas(areas)
    }

    /// Places each section in an area with an address. There must be as many areas as in [`Measured::areas`], of the
    /// same kinds.
    #[must_use]
    pub fn in_areas(&self, areas: Vec<Area>) -> Layout {
        let base = |kind: Kind| areas.iter().find(|a| a.kind == kind).map_or(0, |a| a.address);
        let address = |(kind, offset): (Kind, u64)| base(kind).wrapping_add(offset);
        Layout {
            addresses: self.sections.iter().map(|s| s.map_or(ABSENT, address)).collect(),
            synthetic: self.synthetic.iter().map(|s| address(*s)).collect(),
            areas,
        }
    }

    /// Places the sections in `given`, by name, at exact addresses. All other sections follow from `base`, or if that
    /// is `None`, from the page after the last given section.
    ///
    /// # Errors
    /// [`Error::Module`](relobox_core::Error::Module) if a given section does not exist, overlaps another or is not
    /// aligned.
    pub fn at_sections(&self, records: &Records<'_>, given: &[(Vec<u8>, u64)], base: Option<u64>) -> Result<Layout> {
        let mut problems = Diagnostics::default();
        // The first of several sections with one name counts.
        let by_name: HashMap<&[u8], u64> = given.iter().rev().map(|(name, address)| (&name[..], *address)).collect();
        let named = |name: &[u8]| by_name.get(name).copied();
        let misplaced = |text: String| Diagnostic::new("misplaced-section", records.name, text);
        let exact: Vec<Option<u64>> = records
            .sections
            .iter()
            .enumerate()
            .map(|(i, s)| named(records.bytes(s.name)).filter(|_| self.sections[i].is_some()))
            .collect();
        let last = exact.iter().zip(records.sections).filter_map(|(a, s)| a.map(|a| a.wrapping_add(s.size))).max();
        let Some(rest) = base.or(last.map(|end| end.wrapping_add(PAGE - 1) & !(PAGE - 1))) else {
            let text = "none of the sections that were given an address is in the module's memory";
            return Err(Diagnostic::new("misplaced-section", records.name, text)
                .hint("--base gives the rest a place")
                .into());
        };
        // The sections that are not named move together, and their areas shrink to them.
        let mut layout = self.without(records, &exact).at(rest);
        for (i, address) in exact.iter().enumerate() {
            let Some(address) = *address else { continue };
            layout.addresses[i] = address;
            let align = self.aligned[i];
            if !address.is_multiple_of(align) {
                problems.add(|| Diagnostic {
                    section: Some(records.section_name(i as u32)),
                    ..misplaced(format!("{address:#x} is not a multiple of its alignment, {align:#x}"))
                });
            }
        }
        let own = (0..).zip(records.sections).zip(&layout.addresses).filter(|(_, address)| **address != ABSENT);
        let own = own.map(|((i, s), address)| (*address, s.size, records.section_name(i)));
        let made = self.made.iter().zip(&layout.synthetic).map(|((name, size), at)| (*at, *size, name.clone()));
        let mut runs: Vec<_> = own.chain(made).filter(|(_, size, _)| *size != 0).collect();
        runs.sort_unstable();
        for pair in runs.windows(2) {
            let ((start, size, first), (next, _, second)) = (&pair[0], &pair[1]);
            let end = start.saturating_add(*size);
            if *next < end {
                problems.add(|| {
                    misplaced(format!("{first} at {start:#x} ends at {end:#x}, and overlaps {second} at {next:#x}"))
                });
            }
        }
        let own: HashSet<&[u8]> = records.sections.iter().map(|s| records.bytes(s.name)).collect();
        for (name, _) in given.iter().filter(|(name, _)| !own.contains(&name[..])) {
            problems.add(|| {
                misplaced(format!("there is no section {}", relobox_core::text::decoded(name)))
                    .hint("the addresses are those of another module, or of another version of it")
            });
        }
        if problems.is_empty() { Ok(layout) } else { Err(relobox_core::Error::Module(problems.into_vec(records.name))) }
    }

    fn without(&self, records: &Records<'_>, exact: &[Option<u64>]) -> Self {
        let mut sizes: HashMap<Kind, u64> = HashMap::new();
        let mut rest = self.clone();
        for (i, slot) in rest.sections.iter_mut().enumerate() {
            let Some((kind, offset)) = slot else { continue };
            if exact[i].is_some() {
                continue;
            }
            let end = sizes.entry(*kind).or_default();
            *offset = end.next_multiple_of(self.aligned[i]);
            *end = *offset + records.sections[i].size;
        }
        // Synthetic sections stay behind the module's own sections of their kind.
        let areas = rest.areas.iter_mut();
        let synthetic: HashSet<Kind> = rest.synthetic.iter().map(|(kind, _)| *kind).collect();
        areas.for_each(|a| {
            if !synthetic.contains(&a.kind) {
                a.size = sizes.get(&a.kind).copied().unwrap_or(0);
            }
        });
        rest
    }
}
