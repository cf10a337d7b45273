//! What one relocation must come to, by the plugin's own description and without its code.
//!
//! The judge has no architecture. It knows the [`effect`]s, reads formulas that are letters only, and the rules
//! for fields, ranges and pairs that `docs/abi.md` has. What it does not know for certain it does not judge.

use super::case::{Case, Relocation};
use super::field::Field;
use super::formula::{Formula, Letters};
use super::kinds::{Kind, Kinds};
use super::places::{Places, Sharing};
use crate::guests::{About, PluginRow};
use relobox_abi::{effect, pairing, row_flag, rule, symbol_flag};
use std::collections::HashMap;

/// Where addends may stand; see [`Forms::of`](super::subject).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forms {
    /// In the relocation (SHT_RELA).
    pub explicit: bool,
    /// At the place (SHT_REL).
    pub in_place: bool,
}

/// What must come of a relocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// These bytes at the place.
    Bytes(Bytes),
    /// It is good; what it makes of the place is not known.
    Accepted,
    /// Nothing changes.
    Unchanged,
    /// A fault of one of these kinds.
    Refused(Kinds),
    /// Nobody knows, because of this.
    Unknown(&'static str),
}

/// The bytes of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes {
    /// How many.
    pub len: usize,
    /// What they are.
    pub bytes: [u8; 8],
    /// The bits of them that are known.
    pub known: [u8; 8],
    /// The value that they hold a part of.
    pub value: i64,
}

/// What a row's value is made of.
enum Meaning {
    Formula(Formula),
    Plus,
    Minus,
    Pages,
    InPage,
    Partner,
    Unknown(&'static str),
}

/// A judge of one plugin.
pub struct Judge<'a> {
    about: &'a About,
    forms: Forms,
    meanings: HashMap<u32, Meaning>,
    /// Whether any row must stand straight behind another.
    completes: bool,
}

/// A relocation and everything about it.
pub(super) struct Site<'a> {
    pub(super) case: &'a Case,
    pub(super) values: &'a [u64],
    /// Index of the section in the case.
    pub(super) section: usize,
    /// Index of the relocation in the section.
    pub(super) index: usize,
    pub(super) places: &'a Places,
}

impl<'a> Site<'a> {
    fn relocation(&self) -> &'a Relocation {
        &self.case.sections[self.section].relocations[self.index]
    }

    fn place(&self, offset: u64) -> &'a [u8] {
        let bytes = &self.case.sections[self.section].bytes;
        usize::try_from(offset).ok().and_then(|at| bytes.get(at..)).unwrap_or_default()
    }
}

fn meaning(row: &PluginRow) -> Meaning {
    let letters = |text| Formula::read(text).map_or(Meaning::Unknown("its formula cannot be read"), Meaning::Formula);
    if row.is(row_flag::BY_HAND) {
        return Meaning::Unknown("it is written by hand");
    }
    let round = u32::from(row.row.round);
    let across = |s: &relobox_abi::Slice| {
        let low = u32::from(s.value_bit);
        low < round && low + u32::from(s.len) > round
    };
    if row.slices.iter().any(across) || round != 0 && row.row.align > 1 {
        return Meaning::Unknown("it rounds in the middle of its field");
    }
    match row.row.effect {
        effect::UNKNOWN => letters(&row.formula),
        effect::ABSOLUTE => letters("S + A"),
        effect::RELATIVE => letters("S + A - P"),
        effect::SIZE => letters("Z + A"),
        effect::PLUS => Meaning::Plus,
        effect::MINUS => Meaning::Minus,
        effect::PAGES => Meaning::Pages,
        effect::IN_PAGE => Meaning::InPage,
        effect::PARTNER => Meaning::Partner,
        _ => Meaning::Unknown("its value depends on a table of the plugin's own"),
    }
}

/// A value, and the same rounded for a signed low half.
#[derive(Clone, Copy)]
struct Valued {
    exact: i64,
    rounded: i64,
}

impl<'a> Judge<'a> {
    /// A judge of the plugin that describes itself so, and takes addends in these forms.
    #[must_use]
    pub fn new(about: &'a About, forms: Forms) -> Self {
        let meanings = about.rows.iter().map(|row| (row.row.kind, meaning(row))).collect();
        let completes = about.rows.iter().any(|row| row.row.pairing == pairing::BEHIND);
        Self { about, forms, meanings, completes }
    }

    /// The plugin's description.
    #[must_use]
    pub fn about(&self) -> &'a About {
        self.about
    }

    /// Where addends may stand.
    #[must_use]
    pub fn forms(&self) -> Forms {
        self.forms
    }

    /// Why relocations of `row` have no bytes that can be foretold; `None` if they have.
    #[must_use]
    pub fn ignorance(&self, row: &PluginRow) -> Option<&'static str> {
        match self.meanings.get(&row.row.kind) {
            Some(Meaning::Unknown(why)) => Some(why),
            _ if row.is(row_flag::DERIVED) => Some("it makes something of its own of the value"),
            _ => None,
        }
    }

    /// Whether the case is of a machine that the plugin links.
    #[must_use]
    pub fn links(&self, case: &Case) -> bool {
        let fits = |m: &relobox_abi::Machine| {
            (m.machine, m.class, m.order) == (case.machine, case.class, case.order)
                && case.elf_flags & m.flags_mask == m.flags_value
        };
        self.about.machines.iter().any(fits)
    }

    /// What must come of every relocation of `case`, in their order, with the values that the plugin saw.
    #[must_use]
    pub fn verdicts(&self, case: &Case, values: &[u64]) -> Vec<Verdict> {
        let mut verdicts = Vec::with_capacity(case.relocations());
        let as_assumed = case.inputs.iter().all(|input| self.about.inputs.contains(input));
        for (section, s) in case.groups() {
            let places = Places::of(self.about, s);
            let first = verdicts.len();
            for index in 0..s.relocations.len() {
                let site = Site { case, values, section, index, places: &places };
                verdicts.push(match self.one(&site) {
                    Verdict::Bytes(_) | Verdict::Accepted if !as_assumed => {
                        Verdict::Unknown("the kernel's numbers are not those that the plugin assumes")
                    }
                    // For other numbers a plugin may refuse of its own accord, before it looks further.
                    Verdict::Refused(mut kinds) if !as_assumed => {
                        kinds.add(Kind::Other);
                        Verdict::Refused(kinds)
                    }
                    verdict => verdict,
                });
            }
            if as_assumed {
                places.chains(|chain| self.chain(case, values, section, chain, &mut verdicts[first..]));
            }
        }
        verdicts
    }

    /// What must come of one relocation.
    pub(super) fn one(&self, site: &Site<'_>) -> Verdict {
        let (case, r) = (site.case, site.relocation());
        let section = &case.sections[site.section];
        if !self.links(case) {
            return Verdict::Unknown("the machine is another plugin's");
        }
        if !(if section.in_place { self.forms.in_place } else { self.forms.explicit }) {
            return Verdict::Unknown("addends do not stand so");
        }
        let mut kinds = Kinds::default();
        let symbol_missing = r.symbol as usize > case.symbols.len();
        if symbol_missing {
            kinds.add(Kind::BadSymbol);
        }
        let Some(row) = self.about.row(r.kind) else {
            kinds.add(Kind::UnknownRelocation);
            return Verdict::Refused(kinds);
        };
        let outside = !Places::inside(&row.row, r.offset, section.bytes.len());
        // Two at one place are no label for anybody: whoever looks for labels may say so first.
        let crowded = || {
            let relocations = &section.relocations;
            (0..).zip(relocations).any(|(i, other)| i != site.index && other.offset == r.offset)
        };
        if row.is(row_flag::REJECT) {
            kinds.add(Kind::Rejected);
            if crowded() {
                kinds.add(Kind::Other);
            }
            return Verdict::Refused(kinds);
        }
        if row.is(row_flag::NOP) {
            return if symbol_missing { Verdict::Unknown("it does nothing") } else { Verdict::Unchanged };
        }
        if outside {
            kinds.add(Kind::Outside);
        }
        let shared_label = row.row.pairing == pairing::LABELLED && crowded();
        if shared_label {
            kinds.add(Kind::Other);
        }
        if symbol_missing {
            return Verdict::Refused(kinds);
        }
        let value = self.value(site, row, 0);
        if outside {
            // What else is wrong with it may be noticed first.
            [Kind::OutOfRange, Kind::Misaligned, Kind::Unpaired, Kind::NotZero]
                .iter()
                .for_each(|kind| kinds.add(*kind));
            return Verdict::Refused(kinds);
        }
        if self.is_torn(site, row) {
            // A row that finds its own window finds none behind the section.
            return Verdict::Refused(Kinds::of(&[Kind::Unpaired, Kind::Other, Kind::Outside]));
        }
        match value.map_or_else(|verdict| verdict, |value| self.settle(site, row, value)) {
            Verdict::Refused(mut kinds) if shared_label => {
                kinds.add(Kind::Other);
                Verdict::Refused(kinds)
            }
            verdict @ Verdict::Unknown(_) => verdict,
            _ if shared_label => Verdict::Unknown("others stand at its place, which may be a label"),
            verdict => verdict,
        }
    }

    /// Whether it is one of two that complete each other, and the other is missing.
    fn is_torn(&self, site: &Site<'_>, row: &PluginRow) -> bool {
        let relocations = &site.case.sections[site.section].relocations;
        let r = site.relocation();
        let is = |other: Option<&Relocation>, kind: u32| {
            other.is_some_and(|o| o.kind & self.about.kind_mask == kind && o.offset == r.offset)
        };
        if row.row.pairing == pairing::BEHIND {
            return !is(site.index.checked_sub(1).and_then(|i| relocations.get(i)), row.row.partner);
        }
        let behind = |other: &&PluginRow| other.row.pairing == pairing::BEHIND && other.row.partner == row.row.kind;
        let next = relocations.get(site.index + 1);
        self.completes && {
            let mut others = self.about.rows.iter().filter(behind).peekable();
            others.peek().is_some() && !others.any(|other| is(next, other.row.kind))
        }
    }

    /// The value that the relocation's field is asked to hold, rounded if its row rounds; `None` where nobody knows.
    #[must_use]
    pub fn value_of(&self, case: &Case, section: usize, index: usize) -> Option<i64> {
        let s = &case.sections[section];
        let row = self.about.row(s.relocations[index].kind)?;
        let places = Places::of(self.about, s);
        let site = Site { case, values: &case.values(), section, index, places: &places };
        self.value(&site, row, 0).ok().map(|value| value.rounded)
    }

    /// The value, and what can be said without one.
    fn value(&self, site: &Site<'_>, row: &PluginRow, depth: usize) -> Result<Valued, Verdict> {
        let (case, r) = (site.case, site.relocation());
        let section = &case.sections[site.section];
        if let Some(symbol) = (r.symbol as usize).checked_sub(1).map(|i| &case.symbols[i]) {
            let special = symbol_flag::COMMON | symbol_flag::PERCPU | symbol_flag::LIVEPATCH | symbol_flag::REGISTER;
            if symbol.flags & special != 0 {
                return Err(Verdict::Unknown("its symbol is a special one"));
            }
        }
        let field = Field::of(row, case.order);
        let word = field.word(site.place(r.offset));
        if section.in_place && site.places.disturbed() {
            return Err(Verdict::Unknown("an addend may have been overwritten"));
        }
        let mut addend = if section.in_place { field.signed(word) } else { r.addend };
        if section.in_place && row.row.pairing == pairing::NEXT {
            addend = addend.wrapping_add(self.low_addend(site, row)?);
        }
        let s = site.values.get(r.symbol as usize).map_or(0, |v| v.cast_signed());
        let p = case.cut(section.address.wrapping_add(r.offset)).cast_signed();
        let z = (r.symbol as usize).checked_sub(1).map_or(0, |i| case.symbols[i].size.cast_signed());
        let target = s.wrapping_add(addend);
        let half = match row.row.round {
            0 => 0,
            round => 1i64 << (round - 1).min(62),
        };
        let page = |address: i64| address & !0xfff;
        let narrow = |value: i64| if case.class == 32 { i64::from(value as i32) } else { value };
        let exact = match self.meanings.get(&row.row.kind) {
            Some(Meaning::Formula(formula)) => formula.value(&Letters { s, a: addend, p, z }),
            Some(Meaning::Plus) => field.extract(word).cast_signed().wrapping_add(target),
            Some(Meaning::Minus) => field.extract(word).cast_signed().wrapping_sub(target),
            Some(Meaning::Pages) => {
                let value = narrow(page(target.wrapping_add(half)).wrapping_sub(page(p)));
                return Ok(Valued { exact: value, rounded: value });
            }
            Some(Meaning::InPage) => target & 0xfff,
            Some(Meaning::Partner) => return self.partner(site, row, s, depth),
            Some(Meaning::Unknown(why)) => return Err(Verdict::Unknown(why)),
            None => return Err(Verdict::Unknown("it has no row")),
        };
        Ok(Valued { exact: narrow(exact), rounded: narrow(exact.wrapping_add(half)) })
    }

    /// The other half of the addend of a high half whose addends are in place.
    fn low_addend(&self, site: &Site<'_>, row: &PluginRow) -> Result<i64, Verdict> {
        let (r, section) = (site.relocation(), &site.case.sections[site.section]);
        let behind = &section.relocations[site.index + 1..];
        let mut lows = behind.iter().filter(|low| low.kind & self.about.kind_mask == row.row.partner);
        let Some(next) = lows.next() else { return Err(Verdict::Refused(Kinds::of(&[Kind::Unpaired]))) };
        if next.symbol != r.symbol {
            let mine = lows.any(|low| low.symbol == r.symbol);
            return Err(match mine {
                true => Verdict::Unknown("another pair begins before it is complete"),
                false => Verdict::Refused(Kinds::of(&[Kind::Unpaired])),
            });
        }
        let Some(low) = self.about.row(next.kind) else { return Err(Verdict::Unknown("its partner has no row")) };
        let place = site.place(next.offset);
        if place.len() < usize::from(low.row.width) {
            return Err(Verdict::Unknown("its partner lies outside the section"));
        }
        let field = Field::of(low, site.case.order);
        Ok(field.signed(field.word(place)))
    }

    /// The value of what stands at the label that the symbol is.
    fn partner(&self, site: &Site<'_>, row: &PluginRow, label: i64, depth: usize) -> Result<Valued, Verdict> {
        let unpaired = Verdict::Refused(Kinds::of(&[Kind::Unpaired, Kind::Rejected, Kind::Other]));
        let section = &site.case.sections[site.section];
        let end = section.address.checked_add(section.bytes.len() as u64);
        if end.is_none_or(|end| site.case.cut(end) != end) {
            return Err(Verdict::Unknown("its section goes on at address 0"));
        }
        let offset = site.case.cut(label.cast_unsigned().wrapping_sub(section.address));
        let rejects = |r: &Relocation| self.about.row(r.kind).is_some_and(|row| row.is(row_flag::REJECT));
        if section.relocations.iter().any(|r| r.offset == offset && rejects(r)) {
            return Err(Verdict::Unknown("what stands at its label is refused"));
        }
        let labelled = |r: &Relocation| {
            self.about.row(r.kind).is_some_and(|row| row.writes() && row.row.pairing == pairing::LABELLED)
        };
        let mut highs = (0..).zip(&section.relocations).filter(|(_, r)| r.offset == offset && labelled(r));
        let (Some((index, high)), None) = (highs.next(), highs.next()) else {
            let any = section.relocations.iter().any(|r| r.offset == offset && labelled(r));
            return Err(if any { Verdict::Unknown("two high halves stand at its label") } else { unpaired });
        };
        let Some(its) = self.about.row(high.kind).filter(|_| row.row.pairing == pairing::LABEL && depth == 0) else {
            return Err(Verdict::Unknown("nobody knows what stands at its label"));
        };
        if !Places::inside(&its.row, high.offset, section.bytes.len()) {
            return Err(Verdict::Unknown("the high half at its label lies outside the section"));
        }
        if high.symbol as usize > site.case.symbols.len() || !Places::inside(&its.row, high.offset, section.bytes.len())
        {
            return Err(Verdict::Unknown("the high half at its label is refused"));
        }
        match self.value(&Site { index, ..*site }, its, depth + 1) {
            Ok(value) => Ok(Valued { rounded: value.exact, ..value }),
            Err(Verdict::Unknown(why)) => Err(Verdict::Unknown(why)),
            Err(_) => Err(Verdict::Unknown("the high half at its label is refused")),
        }
    }

    /// Whether the value may be written, and what that gives.
    fn settle(&self, site: &Site<'_>, row: &PluginRow, value: Valued) -> Verdict {
        let (case, r) = (site.case, site.relocation());
        let (fits, certain) = in_range(row, value.rounded, case.class);
        let mut kinds = Kinds::default();
        if !fits {
            if row.is(row_flag::FALLBACK) {
                return Verdict::Unknown("the field does not reach, and there is another way");
            }
            kinds.add(Kind::OutOfRange);
        }
        if !certain {
            return Verdict::Unknown("its range is wider than an address");
        }
        let align = i64::from(row.row.align.max(1));
        if value.rounded.rem_euclid(align) != 0 {
            kinds.add(Kind::Misaligned);
        }
        let field = Field::of(row, case.order);
        let word = field.word(site.place(r.offset));
        let sharing = site.places.sharing(site.index);
        let reads = row.is(row_flag::ZERO) || matches!(row.row.effect, effect::PLUS | effect::MINUS);
        if sharing != Sharing::Alone && (kinds.is_empty() || reads || case.sections[site.section].in_place) {
            return Verdict::Unknown("other relocations change the same bytes");
        }
        if row.is(row_flag::ZERO) && word != 0 {
            kinds.add(Kind::NotZero);
        }
        if !kinds.is_empty() {
            return Verdict::Refused(kinds);
        }
        if row.is(row_flag::DERIVED) || row.slices.is_empty() {
            return Verdict::Accepted;
        }
        Verdict::Bytes(bytes(row, &field, case.class, word, value))
    }

    /// What several relocations of one place make together: each goes on from what the last has left.
    fn chain(&self, case: &Case, values: &[u64], section: usize, chain: &[usize], verdicts: &mut [Verdict]) {
        let s = &case.sections[section];
        let first = &s.relocations[chain[0]];
        let Some(mut place) = usize::try_from(first.offset).ok().and_then(|at| s.bytes.get(at..)).map(<[u8]>::to_vec)
        else {
            return;
        };
        let mut last = None;
        for index in chain {
            let r = &s.relocations[*index];
            let Some(row) = self.about.row(r.kind) else { return };
            let field = Field::of(row, case.order);
            let known = r.symbol as usize <= case.symbols.len() && row.row.rule == rule::NONE && row.row.align <= 1;
            if !known || s.in_place {
                return;
            }
            let word = field.word(&place);
            let held = field.extract(word).cast_signed();
            let target = values.get(r.symbol as usize).map_or(0, |v| v.cast_signed()).wrapping_add(r.addend);
            let exact = match row.row.effect {
                effect::ABSOLUTE => target,
                effect::PLUS => held.wrapping_add(target),
                _ => held.wrapping_sub(target),
            };
            let made = bytes(row, &field, case.class, word, Valued { exact, rounded: exact });
            place[..made.len].copy_from_slice(&made.bytes[..made.len]);
            last = Some((*index, made));
        }
        // What is not foretold stays so: a special symbol, another machine, a form that is not taken.
        let foretold = "other relocations change the same bytes";
        if chain.iter().all(|i| verdicts[*i] == Verdict::Unknown(foretold)) {
            chain.iter().for_each(|i| verdicts[*i] = Verdict::Accepted);
            if let Some((index, made)) = last {
                verdicts[index] = Verdict::Bytes(made);
            }
        }
    }
}

/// Whether `value` is in a row's range, and whether anybody can tell: what is as wide as an address of the class,
/// or wider, wraps and has no ends.
fn in_range(row: &PluginRow, value: i64, class: u8) -> (bool, bool) {
    let bits = u32::from(row.row.bits);
    if row.row.rule == rule::NONE || bits >= u64::BITS {
        return (true, true);
    }
    if class == 32 && bits >= 32 {
        // Either reading of 32 bits is one, but for a negative number that should have none.
        return (true, row.row.rule != rule::UNSIGNED || value >= 0);
    }
    let signed = bits.checked_sub(1).map_or(0, |bits| 1i128 << bits);
    let (min, max) = match row.row.rule {
        rule::SIGNED => (-signed, signed - 1),
        rule::UNSIGNED => (0, (1i128 << bits) - 1),
        _ => (-signed, (1i128 << bits) - 1),
    };
    ((min..=max).contains(&i128::from(value)), true)
}

fn bytes(row: &PluginRow, field: &Field<'_>, class: u8, before: u64, value: Valued) -> Bytes {
    let rounds = |s: &relobox_abi::Slice| row.row.round != 0 && s.value_bit >= row.row.round;
    let word = field.insert(before, |s| if rounds(s) { value.rounded } else { value.exact });
    // What is above an address' bits is the row's own affair: cut and extended, or carried.
    let unsure = if class == 32 { field.insert(0, |_| !0xffff_ffff) } else { 0 };
    Bytes {
        len: field.width,
        bytes: field.bytes(word),
        known: field.bytes(!unsure),
        value: if row.row.round == 0 { value.exact } else { value.rounded },
    }
}
