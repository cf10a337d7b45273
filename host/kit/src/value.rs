//! The value that a relocation's field must hold, with addends and pairs.

use super::fault_kinds::{FaultKind, FaultKinds};
use super::field::Field;
use super::formula::Letters;
use super::places::Places;
use super::prediction::Prediction;
use super::reference_model::{ReferenceModel, Site};
use super::test_module::{Relocation, TestModule};
use super::value_source::{TABLES, ValueSource, half};
use relobox_abi::{pairing, row_flag, symbol_flag};
use relobox_link::description::PluginRow;

/// A value, with and without the rounding for a signed low half.
#[derive(Clone, Copy)]
pub(crate) struct FieldValue {
    pub(crate) exact: i64,
    pub(crate) rounded: i64,
    /// The rounded value under the two other readings of right shifts; see [`super::formula::Formula::readings`].
    pub(crate) readings: [i64; 2],
}

impl FieldValue {
    /// Rounds `exact` as `row` requires.
    pub(crate) fn of(module: &TestModule, row: &PluginRow, exact: i64) -> Self {
        Self::read(module, row, [exact; 3])
    }

    /// Rounds the three readings of a formula as `row` requires.
    pub(crate) fn read(module: &TestModule, row: &PluginRow, readings: [i64; 3]) -> Self {
        let [rounded, a, b] = readings.map(|exact| narrow(module, exact.wrapping_add(half(row))));
        Self { exact: narrow(module, readings[0]), rounded, readings: [a, b] }
    }

    /// Makes a value that is not rounded, or is rounded already.
    pub(crate) fn plain(value: i64) -> Self {
        Self { exact: value, rounded: value, readings: [value; 2] }
    }

    /// Returns the bits in which the readings differ.
    pub(crate) fn ambiguous_bits(&self) -> i64 {
        self.readings.iter().fold(0, |doubt, other| doubt | (other ^ self.rounded))
    }

    /// Returns the number from which the slices take their bits: the rounded value from bit `round` up, and the exact
    /// value below.
    pub(crate) fn combined(&self, round: u8) -> i64 {
        let low = 1i64.checked_shl(round.into()).map_or(-1, |above| above.wrapping_sub(1));
        (self.rounded & !low) | (self.exact & low)
    }
}

/// Returns whether a relocation's symbol is an undefined global symbol without special properties. The functions of a
/// plugin may treat other symbols in another way.
fn is_plain(site: &Site<'_>) -> bool {
    let symbol = (site.relocation().symbol as usize).checked_sub(1).and_then(|i| site.module.symbols.get(i));
    symbol.is_some_and(|s| {
        let letter = s.name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
        letter && (s.info, s.other, s.section, s.flags) == (0x10, 0, 0, symbol_flag::UNDEFINED)
    })
}

/// Sign-extends values of a 32-bit class from 32 bits.
pub(crate) fn narrow(module: &TestModule, value: i64) -> i64 {
    if module.class == 32 { i64::from(value as i32) } else { value }
}

impl ReferenceModel<'_> {
    /// Computes the value of a relocation. `depth` limits the recursion from a low half to its high half.
    ///
    /// # Errors
    ///
    /// The prediction, if it does not need a value or none can be computed.
    pub(crate) fn value(&self, site: &Site<'_>, row: &PluginRow, depth: usize) -> Result<FieldValue, Prediction> {
        let letters = self.letters(site, row)?;
        let Letters { s, a, p, .. } = letters;
        let (target, field) = (s.wrapping_add(a), Field::of(row, site.module.order));
        let held = || field.extract(field.word(site.place(site.relocation().offset))).cast_signed();
        let page = |address: i64| address & !0xfff;
        let exact = match self.value_sources.get(&row.row.kind) {
            Some(ValueSource::Formula(formula)) => {
                return Ok(FieldValue::read(site.module, row, formula.readings(&letters, site.module.class)));
            }
            Some(ValueSource::Plus) => held().wrapping_add(target),
            Some(ValueSource::Minus) => held().wrapping_sub(target),
            Some(ValueSource::Pages) => {
                let value = narrow(site.module, page(target.wrapping_add(half(row))).wrapping_sub(page(p)));
                return Ok(FieldValue::plain(value));
            }
            Some(ValueSource::InPage) => target & 0xfff,
            Some(ValueSource::Partner) => {
                let (index, its) = self.high_half(site, row, depth)?;
                return match self.value(&Site { index, ..*site }, its, depth + 1) {
                    Ok(value) => Ok(FieldValue::plain(value.exact)),
                    Err(Prediction::Unknown(why)) => Err(Prediction::Unknown(why)),
                    Err(_) => Err(Prediction::Unknown("the high half at its label is refused")),
                };
            }
            Some(ValueSource::Tables) => return Err(Prediction::Unknown(TABLES)),
            Some(ValueSource::Unknown(why)) => match self.range_formulas.get(&row.row.kind) {
                Some(infer_range) if is_plain(site) => {
                    infer_range.formula.value(&letters).wrapping_add(infer_range.more)
                }
                _ => return Err(Prediction::Unknown(why)),
            },
            None => return Err(Prediction::Unknown("its type has no row")),
        };
        Ok(FieldValue::of(site.module, row, exact))
    }

    /// Returns the operands of the formula, except for table letters.
    ///
    /// # Errors
    ///
    /// The prediction, if the operands are not known.
    pub(crate) fn letters(&self, site: &Site<'_>, row: &PluginRow) -> Result<Letters, Prediction> {
        let (module, r) = (site.module, site.relocation());
        let section = &module.sections[site.section];
        let symbol = (r.symbol as usize).checked_sub(1).map(|i| &module.symbols[i]);
        let special = symbol_flag::COMMON | symbol_flag::PERCPU | symbol_flag::LIVEPATCH | symbol_flag::REGISTER;
        if symbol.is_some_and(|symbol| symbol.flags & special != 0) {
            return Err(Prediction::Unknown("its symbol has special properties"));
        }
        if section.in_place && site.places.has_mixed() {
            return Err(Prediction::Unknown("another relocation may have overwritten an addend"));
        }
        let field = Field::of(row, module.order);
        let mut a = if section.in_place { field.signed(field.word(site.place(r.offset))) } else { r.addend };
        if section.in_place && row.row.pairing == pairing::NEXT {
            a = a.wrapping_add(self.low_addend(site, row)?);
        }
        let s = site.values.get(r.symbol as usize).map_or(0, |v| v.cast_signed());
        let p = module.cut(section.address.wrapping_add(r.offset)).cast_signed();
        Ok(Letters { s, a, p, z: symbol.map_or(0, |symbol| symbol.size.cast_signed()), ..Letters::default() })
    }

    /// Returns the low part of the addend of a high half with addends in place.
    fn low_addend(&self, site: &Site<'_>, row: &PluginRow) -> Result<i64, Prediction> {
        let (r, section) = (site.relocation(), &site.module.sections[site.section]);
        let behind = &section.relocations[site.index + 1..];
        let mut lows = behind.iter().filter(|low| low.kind & self.about().kind_mask == row.row.partner);
        let Some(next) = lows.next() else { return Err(Prediction::Refused(FaultKinds::of(&[FaultKind::Unpaired]))) };
        if next.symbol != r.symbol {
            let mine = lows.any(|low| low.symbol == r.symbol);
            return Err(match mine {
                true => Prediction::Unknown("another pair begins before this one is complete"),
                false => Prediction::Refused(FaultKinds::of(&[FaultKind::Unpaired])),
            });
        }
        let Some(low) = self.about().row(next.kind) else { return Err(Prediction::Unknown("its partner has no row")) };
        let place = site.place(next.offset);
        if place.len() < usize::from(low.row.width) {
            return Err(Prediction::Unknown("its partner lies outside the section"));
        }
        let field = Field::of(low, site.module.order);
        Ok(field.signed(field.word(place)))
    }

    /// Finds the high half at the label that is the symbol of a low half: its index in the section, and its row.
    ///
    /// # Errors
    ///
    /// The prediction of the low half, if there is not exactly one valid high half.
    pub(crate) fn high_half(
        &self,
        site: &Site<'_>,
        row: &PluginRow,
        depth: usize,
    ) -> Result<(usize, &PluginRow), Prediction> {
        let unpaired =
            Prediction::Refused(FaultKinds::of(&[FaultKind::Unpaired, FaultKind::Rejected, FaultKind::Other]));
        let section = &site.module.sections[site.section];
        let end = section.address.checked_add(section.bytes.len() as u64);
        if end.is_none_or(|end| site.module.cut(end) != end) {
            return Err(Prediction::Unknown("its section wraps around to address 0"));
        }
        let label = site.values.get(site.relocation().symbol as usize).copied().unwrap_or(0);
        let offset = site.module.cut(label.wrapping_sub(section.address));
        let rejects = |r: &Relocation| self.about().row(r.kind).is_some_and(|row| row.is(row_flag::REJECT));
        if section.relocations.iter().any(|r| r.offset == offset && rejects(r)) {
            return Err(Prediction::Unknown("the relocation at its label is refused"));
        }
        let labelled = |r: &Relocation| {
            self.about().row(r.kind).is_some_and(|row| row.writes() && row.row.pairing == pairing::LABELLED)
        };
        let mut highs = (0..).zip(&section.relocations).filter(|(_, r)| r.offset == offset && labelled(r));
        let (Some((index, high)), None) = (highs.next(), highs.next()) else {
            let any = section.relocations.iter().any(|r| r.offset == offset && labelled(r));
            return Err(if any { Prediction::Unknown("two high halves stand at its label") } else { unpaired });
        };
        let Some(its) = self.about().row(high.kind).filter(|_| row.row.pairing == pairing::LABEL && depth == 0) else {
            return Err(Prediction::Unknown("the relocation at its label has no known value"));
        };
        if !Places::inside(&its.row, high.offset, section.bytes.len()) {
            return Err(Prediction::Unknown("the high half at its label lies outside the section"));
        }
        if high.symbol as usize > site.module.symbols.len() {
            return Err(Prediction::Unknown("the high half at its label is refused"));
        }
        Ok((index, its))
    }
}
