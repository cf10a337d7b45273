//! A plugin's description, checked. Descriptions of older ABI versions are converted to the current one (`docs/abi.md`
//! has the rules).

use crate::needs::{Remade, memory_of};
use crate::views::{bytes, record, table};
use relobox_abi::{Description, Detail, Machine, Row, Slice, Span, detail, effect, loader, order, pairing, row_flag};
use relobox_core::error::GuestError;
use relobox_core::limits;
use relobox_core::text::decoded;
use relobox_plugins::index::TargetId;
use std::collections::HashMap;

/// Relocation types below this number are found by index.
const DENSE: usize = 1024;

/// A plugin's description of itself, checked.
#[derive(Debug, Default)]
pub struct PluginDescription {
    /// The version of the ABI that the plugin implements.
    pub abi: u32,
    /// The short name: `x86_64`.
    pub name: String,
    /// The title, one line.
    pub title: String,
    /// The URL of the psABI.
    pub psabi: String,
    /// The machines that it links.
    pub machines: Vec<Machine>,
    /// The bits of a relocation's raw type word that select its row.
    pub kind_mask: u32,
    /// The numbers that it reads from the kernel, with their default values.
    pub inputs: Vec<(String, u64)>,
    /// The rows of its table, ascending by type.
    pub rows: Vec<PluginRow>,
    /// Sections that the kernel's loader rebuilds.
    pub remade: Vec<Remade>,
    /// Further statements about rows, ascending by type.
    pub details: Vec<Detail>,
    /// For each type below [`DENSE`], the index of its row plus 1, or 0.
    dense: Vec<u32>,
    sparse: HashMap<u32, u32>,
}

/// A row with its texts.
#[derive(Clone, Debug)]
pub struct PluginRow {
    /// The record.
    pub row: Row,
    /// The psABI's name of the type.
    pub name: String,
    /// The formula, or the reason for which the type is refused.
    pub formula: String,
    /// The field's name.
    pub field: String,
    /// The field's slices.
    pub slices: Vec<Slice>,
}

impl PluginDescription {
    /// Reads the description at address `at` of the guest's memory, of a plugin that implements version `abi`.
    ///
    /// # Errors
    /// [`GuestError::MalformedAnswer`] if it lies outside of the memory, exceeds a limit, or contradicts itself.
    pub fn read(memory: &[u8], at: u32, abi: u32) -> Result<Self, GuestError> {
        let text = |span: Span| bytes(memory, span).map(decoded);
        let d: &Description = record(memory, at)?;
        if d.abi != abi {
            let text = format!("its ABI version is {abi}, and its description says {}", d.abi);
            return Err(GuestError::MalformedAnswer(text));
        }
        // The copy must not be larger than the guest, and rows may share their slices.
        let most = limits::ROWS as u32;
        if d.machines.count.max(d.inputs.count).max(d.rows.count) > most {
            return Err(GuestError::MalformedAnswer(format!(
                "more than {most} machines, inputs or rows in its description"
            )));
        }
        let mut about = Self {
            abi,
            name: text(d.name)?,
            title: text(d.title)?,
            psabi: text(d.psabi)?,
            machines: table::<Machine>(memory, d.machines)?.to_vec(),
            kind_mask: d.kind_mask,
            dense: vec![0; DENSE],
            ..Self::default()
        };
        for input in table::<relobox_abi::Input>(memory, d.inputs)? {
            about.inputs.push((text(input.name)?, input.value));
        }
        for row in table::<Row>(memory, d.rows)? {
            if row.kind & d.kind_mask != row.kind
                || !matches!(row.width, 0..=4 | 8)
                || row.slices.count > limits::SLICES
            {
                return Err(GuestError::MalformedAnswer(format!("row {} of its table is invalid", row.kind)));
            }
            about.rows.push(PluginRow {
                row: as_meant(abi, row),
                name: text(row.name)?,
                formula: tidy(&text(row.formula)?),
                field: text(row.field)?,
                slices: table::<Slice>(memory, row.slices)?.to_vec(),
            });
        }
        for (i, row) in (1..).zip(&about.rows) {
            match about.dense.get_mut(row.row.kind as usize) {
                Some(slot) => *slot = i,
                None => drop(about.sparse.insert(row.row.kind, i)),
            }
        }
        consistent(&about)?;
        // In version 2, these fields have no meaning.
        if abi >= 3 {
            about.remade = remade(memory, d)?;
            about.details = details(memory, d, &about)?;
        }
        Ok(about)
    }

    /// Returns the row of a relocation's raw type word.
    #[must_use]
    #[inline]
    pub fn row(&self, kind: u32) -> Option<&PluginRow> {
        let kind = kind & self.kind_mask;
        let slot = match self.dense.get(kind as usize) {
            Some(slot) => *slot,
            None => *self.sparse.get(&kind)?,
        };
        self.rows.get((slot as usize).checked_sub(1)?)
    }

    /// Returns its machine that `target` is for.
    #[must_use]
    pub fn machine_for(&self, target: &TargetId) -> Option<&Machine> {
        self.machines.iter().find(|m| target.is((m.machine, m.class, m.order), (m.flags_mask, m.flags_value)))
    }

    /// Returns a type's name, or its number if it has no row.
    #[must_use]
    pub fn relocation(&self, kind: u32) -> String {
        self.row(kind).map_or_else(|| format!("type {}", kind & self.kind_mask), |row| row.name.clone())
    }
}

impl PluginRow {
    /// Returns whether the row has this flag; see [`row_flag`].
    #[must_use]
    pub fn is(&self, flag: u32) -> bool {
        self.row.flags & flag != 0
    }

    /// Returns whether applying such a relocation changes bytes.
    #[must_use]
    pub fn writes(&self) -> bool {
        !self.is(row_flag::NOP | row_flag::REJECT)
    }
}

/// Converts a formula to the notation of the psABI. Plugins in Rust have a context argument and question marks in it.
fn tidy(formula: &str) -> String {
    let mut out = formula.replace('?', "");
    for (rust, plain) in [("(cx)", ""), ("cx, ", ""), (", cx)", ")"), (".0", ""), ("Value(0)", "0"), ("V(&", "V(")] {
        out = out.replace(rust, plain);
    }
    out
}

/// The row flags of version 1.
const FLAGS_1: u32 = row_flag::NOP | row_flag::REJECT | row_flag::BY_HAND | row_flag::FALLBACK | row_flag::ZERO;

/// Clears the fields that the plugin's ABI version does not have.
fn as_meant(abi: u32, row: &Row) -> Row {
    match abi {
        1 => Row { flags: row.flags & FLAGS_1, pairing: 0, effect: 0, round: 0, partner: 0, ..*row },
        _ => *row,
    }
}

fn remade(memory: &[u8], d: &Description) -> Result<Vec<Remade>, GuestError> {
    let wrong = || GuestError::MalformedAnswer("it describes a section that no kernel can rebuild".into());
    let records: &[relobox_abi::Remade] = table(memory, d.remade)?;
    if records.len() > limits::ROWS {
        return Err(wrong());
    }
    let read = |r: &relobox_abi::Remade| {
        let kind = memory_of(r.kind).ok_or_else(wrong)?;
        let known = r.loaders & !(loader::CORE_INIT | loader::KINDS) == 0;
        let sound = known && r.size <= limits::ALIGN && r.align.is_power_of_two() && r.align <= limits::ALIGN;
        if !sound || r.name.len > limits::RENAMED {
            return Err(wrong());
        }
        let name = bytes(memory, r.name)?.to_vec();
        Ok(Remade { name, loaders: r.loaders, kind, size: r.size, align: r.align })
    };
    records.iter().map(read).collect()
}

fn details(memory: &[u8], d: &Description, about: &PluginDescription) -> Result<Vec<Detail>, GuestError> {
    let details: &[Detail] = table(memory, d.details)?;
    if details.len() > limits::ROWS {
        return Err(GuestError::MalformedAnswer(format!("more than {} details in its description", limits::ROWS)));
    }
    let in_order = details.is_sorted_by_key(|detail| detail.kind);
    let sound = |one: &Detail| {
        let row = about.row(one.kind).is_some_and(|row| row.row.kind == one.kind);
        row && match one.what {
            detail::RANGE => one.min <= one.max && matches!(one.effect, effect::ABSOLUTE | effect::RELATIVE),
            detail::STANDS | detail::STANDS_IF_FAR | detail::STANDS_AT_ADDEND => {
                let bits = u64::MAX.checked_shl(u32::from(one.width) * 8).unwrap_or(0);
                matches!(one.width, 1..=4 | 8)
                    && one.order <= order::BIG
                    && one.mask & bits == 0
                    && one.value & !one.mask == 0
            }
            _ => false,
        }
    };
    match details.iter().find(|one| !in_order || !sound(one)) {
        Some(one) => Err(GuestError::MalformedAnswer(format!("a detail of row {} is invalid", one.kind))),
        None => Ok(details.to_vec()),
    }
}

/// Checks that effects, roundings and pairs are known, and that partners exist.
fn consistent(about: &PluginDescription) -> Result<(), GuestError> {
    for PluginRow { row, .. } in &about.rows {
        let partner = || about.row(row.partner).is_some_and(|other| other.row.kind == row.partner);
        let paired = row.pairing <= pairing::PART && (row.pairing == pairing::NONE || partner());
        if !paired || row.effect > effect::SIZE || u32::from(row.round) >= u64::BITS {
            return Err(GuestError::MalformedAnswer(format!(
                "row {} of its table has an unknown effect, rounding or pair",
                row.kind
            )));
        }
    }
    Ok(())
}
