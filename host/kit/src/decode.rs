//! The check by decoding rules: what the processor reads after linking must be what the psABI's formula says.
//!
//! See [`decoding`](super::decoding) for the rules. A relocation is not checked if a rule needs something that the
//! module does not have, or if others change the same bytes.

use super::decoding::{RowRule, STACK};
use super::diagnostic::{DiagnosticKind, PluginDiagnostic};
use super::expression::{Context, Expression};
use super::fault_kinds::{FaultKind, FaultKinds};
use super::field::Field;
use super::indirection::undo_rounding;
use super::places::span;
use super::prediction::Prediction;
use super::reference_model::ReferenceModel;
use super::run::Linked;
use super::test_module::{Relocation, Section, Symbol, TestModule};
use super::value::narrow;
use relobox_abi::{order, symbol_flag};
use relobox_core::limits;
use relobox_core::text::hex_value;
use relobox_link::description::PluginRow;
use std::collections::HashMap;

/// The memory of a module before linking, or after it.
#[derive(Clone, Copy)]
struct Memory<'a> {
    module: &'a TestModule,
    linked: Option<&'a Linked>,
    /// The section in which an address is looked up first.
    section: usize,
}

impl<'a> Memory<'a> {
    fn read(&self, at: u64, len: usize) -> Option<&'a [u8]> {
        let within = |address: u64, bytes: &'a [u8]| {
            let offset = usize::try_from(self.module.cut(at.wrapping_sub(address))).ok()?;
            bytes.get(offset..offset.checked_add(len)?)
        };
        let contents = |i: usize| -> &'a [u8] {
            match self.linked {
                Some(linked) => linked.sections.get(i).map_or(&[], Vec::as_slice),
                None => &self.module.sections[i].bytes,
            }
        };
        let own = |i: usize| within(self.module.sections[i].address, contents(i));
        let made = || self.linked?.made.iter().find_map(|m| within(m.address, &m.contents));
        own(self.section).or_else(made).or_else(|| (0..self.module.sections.len()).find_map(own))
    }

    fn section(&self, name: &str) -> Option<u64> {
        let made = || self.linked?.made.iter().find(|m| m.name == name).map(|m| m.address);
        self.module.sections.iter().find(|s| s.name == name).map(|s| s.address).or_else(made)
    }
}

/// The operands of a relocation's expressions. Those that are not known yet are `None`.
#[derive(Clone, Copy, Default)]
struct Operands<'a> {
    s: i64,
    a: Option<i64>,
    p: i64,
    v: Option<i64>,
    f: Option<i64>,
    d: Option<i64>,
    x: Option<i64>,
    direct: Option<bool>,
    operand: i64,
    offset: i64,
    symbol: Option<&'a Symbol>,
    stack: &'a [Option<i64>],
}

/// The state of a section's relocations so far.
#[derive(Default)]
struct Progress {
    /// The values that were pushed at each offset and not taken yet.
    stacks: HashMap<u64, Vec<Option<i64>>>,
    /// What the last of the earlier relocations made of its field at an offset, and the index of that relocation.
    written: HashMap<u64, (Option<i64>, usize)>,
}

impl ReferenceModel<'_> {
    /// Checks all relocations of a linked module that have decoding rules, and returns the types that were checked.
    ///
    /// # Errors
    ///
    /// A [`PluginDiagnostic`] about the first relocation that contradicts its rule.
    pub(crate) fn check_decoded(
        &self,
        module: &TestModule,
        linked: &Linked,
        predictions: &[Prediction],
    ) -> Result<Vec<u32>, PluginDiagnostic> {
        let mut checked = Vec::new();
        // No loader places a section where the plugin has one.
        let overlap = |a: u64, b: u64, len: usize| module.cut(a.wrapping_sub(b)) < len as u64;
        let overlaps = linked.made.iter().filter(|m| !m.contents.is_empty()).any(|m| {
            module.sections.iter().filter(|s| !s.bytes.is_empty()).any(|s| {
                overlap(m.address, s.address, s.bytes.len()) || overlap(s.address, m.address, m.contents.len())
            })
        });
        if overlaps || !self.inputs_match(module) || !self.links(module) {
            return Ok(checked);
        }
        let mut first = 0;
        for (section, s) in module.groups() {
            let mut progress = Progress::default();
            for (index, r) in s.relocations.iter().enumerate() {
                let (Some(row), Some(rule)) =
                    (self.about().row(r.kind), self.rules.row(r.kind & self.about().kind_mask))
                else {
                    continue;
                };
                if matches!(predictions[first + index], Prediction::Refused(_)) {
                    continue;
                }
                let site = DecodedSite { model: self, module, linked, section, index, row, rule };
                let name = || self.name(module, first + index);
                if site.check(&mut progress, &name)? {
                    checked.push(row.row.kind);
                }
            }
            first += s.relocations.len();
        }
        Ok(checked)
    }

    /// Predicts the refusal of relocations that take more from the stack than there is.
    pub(crate) fn predict_stack(&self, section: &Section, predictions: &mut [Prediction]) {
        if !self.rules.has_stack() {
            return;
        }
        // Each place has its own stack.
        let mut depths: HashMap<u64, usize> = HashMap::new();
        for (r, prediction) in section.relocations.iter().zip(predictions) {
            if depths.values().sum::<usize>() > limits::DECODE_STACK || matches!(prediction, Prediction::Refused(_)) {
                return;
            }
            let depth = depths.entry(r.offset).or_default();
            let Some(rule) = self.rules.row(r.kind & self.about().kind_mask) else { continue };
            let Some(left) = depth.checked_sub(rule.pops) else {
                let kinds = [FaultKind::Unpaired, FaultKind::Other, FaultKind::Rejected, FaultKind::OutOfRange];
                *prediction = Prediction::Refused(FaultKinds::of(&kinds));
                return;
            };
            *depth = left + rule.push.len();
        }
    }
}

/// A relocation with a decoding rule.
struct DecodedSite<'a> {
    model: &'a ReferenceModel<'a>,
    module: &'a TestModule,
    linked: &'a Linked,
    section: usize,
    index: usize,
    row: &'a PluginRow,
    rule: &'a RowRule,
}

impl<'a> DecodedSite<'a> {
    fn relocation(&self) -> &'a Relocation {
        &self.module.sections[self.section].relocations[self.index]
    }

    fn evaluate(&self, expression: &Expression, memory: Memory<'a>, operands: &Operands<'_>) -> Option<i64> {
        let flag = |flag| i64::from(operands.symbol.is_some_and(|symbol| symbol.flags & flag != 0));
        let undefined = operands.symbol.is_some_and(|symbol| self.module.is_undefined(symbol));
        let in_section = operands.symbol.is_some_and(|symbol| self.module.section_of(symbol).is_some());
        let letter = |name: &str| {
            Some(match name {
                "S" => operands.s,
                "A" => operands.a?,
                "P" => operands.p,
                "Z" => operands.symbol.map_or(0, |symbol| symbol.size.cast_signed()),
                "V" => operands.v?,
                "F" => operands.f?,
                "D" => operands.d?,
                "X" => operands.x?,
                "direct" => i64::from(operands.direct?),
                "other" => operands.symbol.map_or(0, |symbol| symbol.other.into()),
                "info" => operands.symbol.map_or(0, |symbol| symbol.info.into()),
                "undefined" => i64::from(undefined),
                "weak" => flag(symbol_flag::WEAK),
                "absolute" => i64::from(!undefined && !in_section),
                "class" => self.module.class.into(),
                "big" => i64::from(self.module.order == order::BIG),
                "elf_flags" => self.module.elf_flags.into(),
                "operand" => operands.operand,
                "in_place" => i64::from(self.module.sections[self.section].in_place),
                "offset" => operands.offset,
                _ => {
                    let depth = STACK.iter().position(|at| *at == name)?;
                    (*operands.stack.iter().rev().nth(depth)?)?
                }
            })
        };
        let rules = &self.model.rules;
        expression.value(&Context {
            letter: &letter,
            memory: &|at, len| memory.read(at, len).filter(|_| memory.linked.is_none() || !self.is_shared(at, len)),
            section: &|name| memory.section(name),
            lets: &rules.lets,
            big: self.module.order == order::BIG,
            instructions: rules.instructions,
        })
    }

    /// Returns the value in the field, if it has one.
    fn field(&self, memory: Memory<'a>, operands: &Operands<'_>) -> Option<i64> {
        match &self.rule.field {
            Some(field) => self.evaluate(field, memory, operands),
            None => {
                let field = Field::of(self.row, self.module.order);
                let place = memory.read(operands.p.cast_unsigned(), field.width).filter(|_| field.width != 0)?;
                Some(undo_rounding(self.row, field.signed(field.word(place))))
            }
        }
    }

    /// Whether another relocation of the section has a field of the same bits, which is read with the same sign.
    fn has_field_of(&self, index: usize) -> bool {
        let kind = self.module.sections[self.section].relocations[index].kind;
        let of = |row: &PluginRow| (row.row.width, row.row.order, row.row.rule, row.slices.clone());
        self.model.about().row(kind).is_some_and(|row| of(row) == of(self.row))
    }

    /// Whether another relocation may change these bytes of the section, which the relocation does not change. A plugin
    /// may look at them before or after that.
    fn is_shared(&self, at: u64, len: usize) -> bool {
        let section = &self.module.sections[self.section];
        let offset = self.module.cut(at.wrapping_sub(section.address));
        if offset >= section.bytes.len() as u64 {
            return false;
        }
        let read = (i128::from(offset), i128::from(offset) + len as i128);
        let own = self.spans(self.relocation(), self.row);
        if own.iter().any(|own| own.0 <= read.0 && read.1 <= own.1) {
            return false;
        }
        // Relocations of one number of variable length change it one after the other, and the rules say how.
        let has_no_width = |r: &Relocation, row: &PluginRow| span(&row.row, r.offset).0 == span(&row.row, r.offset).1;
        let here = self.relocation();
        let is_number = has_no_width(here, self.row);
        (0..).zip(&section.relocations).filter(|(i, _)| *i != self.index).any(|(_, other)| {
            let row = self.model.about().row(other.kind).filter(|row| row.writes());
            let row = row.filter(|row| !(is_number && other.offset == here.offset && has_no_width(other, row)));
            row.is_some_and(|row| self.spans(other, row).iter().any(|span| span.0 < read.1 && read.0 < span.1))
        })
    }

    /// Returns the bytes that a relocation of this row may change, as half-open ranges of offsets.
    fn spans(&self, r: &Relocation, row: &PluginRow) -> [(i128, i128); 2] {
        let at = span(&row.row, r.offset);
        // A window that the plan stage declares is at the distance that the addend gives.
        let far = span(&row.row, r.offset.wrapping_add_signed(r.addend));
        match row.row.extra {
            0 => [at, at],
            longest if at.0 == at.1 => [(at.0, at.0 + i128::from(self.number(r.offset).min(longest.into()))); 2],
            _ => [at, far],
        }
    }

    /// Returns the length of the ULEB128 number at an offset. It is the only kind of field without a width.
    fn number(&self, offset: u64) -> u64 {
        let bytes = &self.module.sections[self.section].bytes;
        let rest = usize::try_from(offset).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
        1 + rest.iter().take_while(|byte| **byte & 0x80 != 0).count() as u64
    }

    /// Checks the relocation, and returns false if it cannot be checked.
    fn check(&self, progress: &mut Progress, name: &dyn Fn() -> String) -> Result<bool, PluginDiagnostic> {
        let (r, section) = (self.relocation(), &self.module.sections[self.section]);
        let stack = progress.stacks.get(&r.offset).cloned().unwrap_or_default();
        let place = self.place();
        let before = Memory { module: self.module, linked: None, section: self.section };
        let after = Memory { linked: Some(self.linked), ..before };
        let symbol = (r.symbol as usize).checked_sub(1).and_then(|i| self.module.symbols.get(i));
        let mut operands = Operands {
            s: self.linked.values.get(r.symbol as usize).map_or(0, |s| s.cast_signed()),
            p: self.module.cut(section.address.wrapping_add(r.offset)).cast_signed(),
            operand: (r.kind & !self.model.about().kind_mask).into(),
            offset: r.offset.cast_signed(),
            symbol,
            stack: &stack,
            ..Operands::default()
        };
        // An explicit addend may say where parts of the field are.
        operands.a = (!section.in_place).then_some(r.addend);
        operands.v = match progress.written.get(&r.offset) {
            Some((value, by)) => value.filter(|_| self.has_field_of(*by)),
            None => self.field(before, &operands),
        };
        operands.a = operands.a.or(operands.v);
        let special = symbol_flag::COMMON | symbol_flag::PERCPU | symbol_flag::LIVEPATCH | symbol_flag::REGISTER;
        let plain = symbol.is_none_or(|symbol| symbol.flags & special == 0);
        if self.rule.is_on_stack() {
            let left = stack.len().saturating_sub(self.rule.pops);
            let pushed = self.rule.push.iter().map(|push| self.evaluate(push, after, &operands).filter(|_| plain));
            progress.stacks.insert(r.offset, stack[..left].iter().copied().chain(pushed).collect());
        }
        let value = self.rule.value.as_ref().and_then(|value| self.evaluate(value, after, &operands));
        if self.rule.value.is_some() {
            progress.written.insert(r.offset, (value, self.index));
        }
        // No loader places a section at both ends of the address space.
        let wraps = self.module.cut(section.address.wrapping_add(section.bytes.len() as u64)) < section.address;
        // No ELF file of the class has such an addend, and plugins may cut it or not.
        let wide = narrow(self.module, r.addend) != r.addend;
        // A call of a weak symbol without a definition is left to the plugin.
        if wraps || wide || !plain || place != Place::Last || (self.rule.goes.is_some() && operands.s == 0) {
            return Ok(false);
        }
        operands.f = self.field(after, &operands);
        let wrong = |expected: String, actual: String| {
            let kind = DiagnosticKind::Bytes;
            Err(PluginDiagnostic { kind, about: name(), expected, actual })
        };
        let (mut known, mut entered) = (false, false);
        if let (Some(goes), Some(target)) = (&self.rule.goes, &self.rule.target) {
            operands.d = self.evaluate(goes, after, &operands);
            let Some(there) = operands.d else { return Ok(false) };
            // A symbol may lie where the plugin put something.
            operands.direct = Some(true);
            let directly = self
                .evaluate(target, after, &operands)
                .is_some_and(|t| narrow(self.module, t) == narrow(self.module, there));
            let arrival = if directly { Arrival::Nothing } else { self.arrives(after, &operands, there) };
            operands.direct = Some(matches!(arrival, Arrival::Nothing));
            let Some(target) = self.evaluate(target, after, &operands) else { return Ok(false) };
            match arrival {
                Arrival::Nothing if self.rule.value.is_some() => {}
                Arrival::Nothing if narrow(self.module, there) == narrow(self.module, target) => known = true,
                Arrival::Nothing => {
                    let expected = format!("a field that leads to {}", hex_value(narrow(self.module, target)));
                    return wrong(expected, hex_value(narrow(self.module, there)));
                }
                Arrival::At(_, arrived) if narrow(self.module, arrived) == narrow(self.module, target) => {
                    (known, entered) = (true, true)
                }
                Arrival::At(entry, arrived) => {
                    let expected = format!("a field that leads to {}", hex_value(narrow(self.module, target)));
                    return wrong(expected, format!("{}, by entry {entry}", hex_value(narrow(self.module, arrived))));
                }
                Arrival::Unknown => return Ok(false),
                Arrival::Wrong => {
                    let actual = format!("{}, where none stands", hex_value(narrow(self.module, there)));
                    return wrong("a field that leads to an entry as its rules describe them".into(), actual);
                }
            }
        }
        if let (Some(value), Some(field), false) = (value, operands.f, entered) {
            if narrow(self.module, value) != narrow(self.module, field) {
                let shown = |value: i64| hex_value(narrow(self.module, value));
                return wrong(format!("a field from which the processor reads {}", shown(value)), shown(field));
            }
            known = true;
        }
        for also in &self.rule.also {
            match self.evaluate(also, after, &operands) {
                Some(0) => return wrong("instructions as its rule describes them".into(), "others".into()),
                Some(_) => known = true,
                None => return Ok(false),
            }
        }
        Ok(known || !self.rule.push.is_empty())
    }

    /// Follows a field to the entry at `there`.
    fn arrives(&self, after: Memory<'a>, operands: &Operands<'_>, there: i64) -> Arrival<'_> {
        let there = self.module.cut(there.cast_unsigned());
        let inside = |address: u64, len: usize| self.module.cut(there.wrapping_sub(address)) < len as u64;
        if !self.linked.made.iter().any(|m| inside(m.address, m.contents.len())) {
            return Arrival::Nothing;
        }
        let operands = Operands { x: Some(there.cast_signed()), ..*operands };
        let mut unknown = false;
        for entry in &self.model.rules.entries {
            match self.evaluate(&entry.condition, after, &operands) {
                Some(0) => {}
                Some(_) => {
                    return match self.evaluate(&entry.target, after, &operands) {
                        Some(target) => Arrival::At(&entry.name, target),
                        None => Arrival::Unknown,
                    };
                }
                None => unknown = true,
            }
        }
        if unknown { Arrival::Unknown } else { Arrival::Wrong }
    }

    /// Returns how the relocation shares its place.
    fn place(&self) -> Place {
        let about = self.model.about();
        let relocations = &self.module.sections[self.section].relocations;
        let here = self.relocation();
        if relocations.len() > limits::DECODE_RELOCATIONS {
            return Place::Mixed;
        }
        let own = self.spans(here, self.row);
        let mut place = Place::Last;
        // Rows that only compute write nothing.
        let computes = |rule: &RowRule| rule.is_on_stack() && rule.value.is_none();
        if computes(self.rule) {
            return place;
        }
        for (i, other) in relocations.iter().enumerate().filter(|(i, _)| *i != self.index) {
            let Some(row) = about.row(other.kind).filter(|row| row.writes()) else { continue };
            let rule = self.model.rules.row(other.kind & about.kind_mask);
            if rule.is_some_and(computes) {
                continue;
            }
            let touches = self.spans(other, row).iter().any(|a| own.iter().any(|b| a.0 < b.1 && b.0 < a.1));
            // A number of variable length has no width.
            if !touches && other.offset != here.offset {
                continue;
            }
            let follows = other.offset == here.offset && rule.is_some_and(|rule| rule.value.is_some());
            if !follows || self.rule.value.is_none() {
                return Place::Mixed;
            }
            if i > self.index {
                place = Place::Earlier;
            }
        }
        place
    }
}

/// How a relocation shares its place with others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nothing changes it afterwards.
    Last,
    /// Others with rules change it afterwards.
    Earlier,
    /// Others change parts of it.
    Mixed,
}

/// Where a field leads.
enum Arrival<'a> {
    /// Not to anything that the plugin made.
    Nothing,
    /// To an entry, with this name and target.
    At(&'a str, i64),
    /// To an entry that cannot be decoded.
    Unknown,
    /// To something that is no entry.
    Wrong,
}
