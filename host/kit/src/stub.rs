//! Comparison of branches of two plugins that lead through code that the plugins made.
//!
//! The kit knows no instructions. If the target stands behind the code as a word, that is enough; otherwise the other
//! plugin must make the same code for the same target at the same address.

use super::destination::{FieldContents, IndirectField, Side};
use super::run::{Linked, Outcome, run_at};
use super::tables::word;
use super::test_module::{Section, Symbol, TestModule};
use relobox_abi::{effect, symbol_flag, synthetic_kind};
use relobox_core::limits;
use relobox_link::needs::Needs;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Computes the address of code from the place, the field, the addend and a table. The flag is true if the addend
/// belongs to the address rather than to the target.
type Rule = (fn(i64, i64, i64, i64) -> i64, bool);

/// A processor may count from a few bytes behind the place, the addend may belong to the address or to the target, and
/// a field may hold a distance, an address, or an offset from a table.
const RULES: [Rule; 9] = [
    (|p, value, _, _| p.wrapping_add(value), false),
    (|p, value, a, _| p.wrapping_add(value).wrapping_sub(a), true),
    (|p, value, _, _| p.wrapping_add(value).wrapping_add(8), false),
    (|p, value, _, _| p.wrapping_add(value).wrapping_add(4), false),
    (|p, value, _, _| p.wrapping_add(value).wrapping_add(2), false),
    (|_, value, _, _| value, false),
    (|_, value, a, _| value.wrapping_sub(a), true),
    (|_, value, _, table| value.wrapping_add(table), false),
    (|_, value, a, table| value.wrapping_add(table).wrapping_sub(a), true),
];

/// The code to which a field refers, and its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Code {
    at: u64,
    target: u64,
}

/// The comparison of relocations of one type.
pub(crate) struct Stubs<'a> {
    module: &'a TestModule,
    sides: &'a [Side<'a>; 2],
    /// True if any code was verified.
    pub(crate) resolved: bool,
    /// The results for code that was compared already, by rule and side.
    known: HashMap<(usize, usize, Code), bool>,
}

/// Returns the code to which a field refers according to a rule.
fn code(module: &TestModule, contents: &FieldContents<'_>, rule: usize, linked: &Linked) -> Option<Code> {
    let (to, of_way) = RULES[rule];
    let letters = contents.letters;
    let tables = linked.made.iter().filter(|m| !m.text).map(|m| m.address.cast_signed());
    let tables: Vec<_> = if rule < 7 { vec![0] } else { tables.collect() };
    let at = tables.into_iter().find_map(|table| {
        let at = module.cut(to(letters.p, contents.value(), letters.a, table).cast_unsigned());
        linked.made.iter().any(|m| m.text && m.at(at).is_some()).then_some(at)
    })?;
    let target = if of_way { letters.s } else { letters.s.wrapping_add(letters.a) };
    // The target has the same offset from the program counter as the code.
    let pc_offset = to(0, 0, 0, 0);
    Some(Code { at, target: module.cut(target.wrapping_add(pc_offset).cast_unsigned()) })
}

impl<'a> Stubs<'a> {
    pub(crate) fn new(module: &'a TestModule, sides: &'a [Side<'a>; 2]) -> Self {
        Self { module, sides, resolved: false, known: HashMap::new() }
    }

    /// Returns the relocations (all of one type) whose destinations do not agree.
    pub(crate) fn agree(&mut self, fields: &[IndirectField]) -> BTreeSet<usize> {
        let (module, sides) = (self.module, self.sides);
        let contents: Vec<_> =
            fields.iter().map(|indirect| [0, 1].map(|i: usize| sides[i].contents(module, indirect))).collect();
        let code_of = |side: usize, contents: &[Option<FieldContents<'_>>; 2], rule: usize| {
            let contents = contents[side].as_ref()?;
            if contents.is_direct(module) {
                return None;
            }
            Some(code(module, contents, rule, sides[side].linked))
        };
        let all_lead_on = |rule: &usize| {
            let mut any = false;
            let all = contents.iter().all(|contents| {
                (0..2).all(|side| match code_of(side, contents, *rule) {
                    Some(code) => {
                        any = true;
                        code.is_some()
                    }
                    None => contents[side].is_some(),
                })
            });
            let relative =
                contents.iter().flatten().flatten().all(|contents| contents.row.row.effect == effect::RELATIVE);
            any && all && (*rule < 5 || !relative)
        };
        let rules = (0..RULES.len()).filter(all_lead_on).map(|rule| {
            let codes = contents.iter().map(|contents| [0, 1].map(|side| code_of(side, contents, rule).flatten()));
            (rule, codes.collect::<Vec<_>>())
        });
        let rules: Vec<_> = rules.collect();
        // Several rules may lead into code, because stubs lie side by side. One that finds every target is right.
        if rules.iter().any(|(rule, codes)| self.wrong(fields, codes, *rule, false).is_empty()) {
            return BTreeSet::new();
        }
        match rules.first() {
            Some((rule, codes)) => self.wrong(fields, codes, *rule, true),
            None => self.compare_bytes(fields, &contents),
        }
    }

    /// Returns the relocations whose code, found by this rule, is not for their targets. With `ask`, code without the
    /// target as a word is compared with what the plugins make.
    fn wrong(
        &mut self,
        fields: &[IndirectField],
        codes: &[[Option<Code>; 2]],
        rule: usize,
        ask: bool,
    ) -> BTreeSet<usize> {
        let ends = [0, 1].map(|side: usize| {
            let starts: BTreeSet<u64> = codes.iter().filter_map(|codes| codes[side]).map(|code| code.at).collect();
            let next: BTreeMap<u64, u64> = starts.iter().copied().zip(starts.iter().copied().skip(1)).collect();
            next
        });
        let behind = [0, 1].map(|side: usize| self.distance(side, codes, &ends[side]));
        let mut wrong = BTreeSet::new();
        for (i, (indirect, codes)) in fields.iter().zip(codes).enumerate() {
            for side in 0..2 {
                let Some(code) = codes[side] else { continue };
                let right = match self.known.get(&(rule, side, code)) {
                    Some(right) => *right,
                    None => {
                        let end = ends[side].get(&code.at).copied();
                        let stands = behind[side].is_some_and(|at| self.target_is_at(side, code, at, end));
                        let right = stands || ask && self.matches_other_plugin(side, indirect, code, rule, end);
                        if ask || right {
                            self.known.insert((rule, side, code), right);
                        }
                        right
                    }
                };
                self.resolved |= right;
                if !right {
                    wrong.insert(i);
                }
            }
        }
        wrong
    }

    /// Compares fields whose destinations are not understood. They may differ by the distance between two tables.
    fn compare_bytes(&self, fields: &[IndirectField], contents: &[[Option<FieldContents<'_>>; 2]]) -> BTreeSet<usize> {
        let [one, two] = self.sides;
        let differs = |(i, indirect): &(usize, &IndirectField)| {
            let bytes = |side: &Side<'a>| {
                let bytes = side.linked.sections.get(indirect.section)?.get(indirect.start..indirect.end)?;
                Some(bytes.to_vec())
            };
            if bytes(one) == bytes(two) {
                return false;
            }
            let [Some(a), Some(b)] = &contents[*i] else { return true };
            let tables = |side: &Side<'a>| side.linked.made.iter().filter(|m| !m.text).map(|m| m.address).collect();
            let (mine, theirs): (Vec<u64>, Vec<u64>) = (tables(one), tables(two));
            let moved = |(from, to): (&u64, &u64)| {
                let by = to.wrapping_sub(*from);
                let holds = a.field.stored_bits();
                let apart = b.field.extract(b.word).wrapping_sub(a.field.extract(a.word)) & holds;
                by != 0 && holds & 1 != 0 && (apart == by & holds || apart == by.wrapping_neg() & holds)
            };
            !mine.iter().zip(&theirs).any(moved)
        };
        fields.iter().enumerate().filter(differs).map(|(i, _)| i).collect()
    }

    /// Returns the distance from the start of code to the word of its target that most pieces of code share.
    fn distance(&self, side: usize, codes: &[[Option<Code>; 2]], ends: &BTreeMap<u64, u64>) -> Option<u64> {
        let all: BTreeSet<Code> = codes.iter().filter_map(|codes| codes[side]).collect();
        let mut votes: BTreeMap<u64, usize> = BTreeMap::new();
        for code in all {
            for distance in (0..limits::CODE_ENTRY).step_by(2) {
                if self.target_is_at(side, code, distance, ends.get(&code.at).copied()) {
                    *votes.entry(distance).or_default() += 1;
                }
            }
        }
        votes.into_iter().max_by_key(|(distance, count)| (*count, std::cmp::Reverse(*distance))).map(|(d, _)| d)
    }

    /// Returns whether the target stands at this distance behind the start of its code and before the end of the code.
    fn target_is_at(&self, side: usize, code: Code, distance: u64, end: Option<u64>) -> bool {
        let word = word(self.module, code.target);
        let at = code.at.wrapping_add(distance);
        // A field may refer to a place some bytes before its code.
        let before = |end: u64| distance + word.len() as u64 <= end.wrapping_sub(code.at).saturating_add(8);
        end.is_none_or(before)
            && self.sides[side].linked.made.iter().any(|m| m.text && m.at(at).is_some_and(|b| b.starts_with(&word)))
    }

    /// Returns whether the other plugin makes the same code for this relocation at the same address. If its
    /// instructions differ, the plugin itself is asked, which at least proves that the code is for this target and no
    /// other.
    fn matches_other_plugin(
        &self,
        side: usize,
        indirect: &IndirectField,
        code: Code,
        rule: usize,
        end: Option<u64>,
    ) -> bool {
        let ask = |by: usize, target_by: u64| self.code_by(by, side, indirect, code, (rule, target_by));
        let mine = self.sides[side].linked.made.iter().filter(|m| m.text).find_map(|m| m.at(code.at));
        let Some(mine) = mine else { return false };
        let starts = |theirs: &Vec<u8>| {
            // Compare only up to the last byte that is not zero; what follows may belong to other code.
            let len = theirs.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
            let len = end.map_or(len, |end| len.min(end.wrapping_sub(code.at) as usize));
            len != 0 && mine.len() >= len && mine[..len] == theirs[..len]
        };
        let theirs = ask(1 - side, 0);
        if theirs.iter().any(starts) {
            return true;
        }
        if theirs.iter().any(|theirs| self.same_instructions(mine, theirs, |by| ask(1 - side, by))) {
            return false;
        }
        ask(side, 0).iter().any(starts)
    }

    /// Returns whether two pieces of code differ only in bits that depend on the target.
    fn same_instructions(&self, mine: &[u8], theirs: &[u8], other: impl Fn(u64) -> Vec<Vec<u8>>) -> bool {
        let len = theirs.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1).min(mine.len());
        let mut depends = vec![0u8; len];
        for bit in 2..u32::from(self.module.class) {
            for code in other(1 << bit) {
                depends.iter_mut().zip(theirs.iter().zip(&code)).for_each(|(bits, (a, b))| *bits |= a ^ b);
            }
        }
        len != 0 && (0..len).all(|i| (mine[i] ^ theirs[i]) & !depends[i] == 0)
    }

    /// Returns the code that plugin `by` makes for a relocation of `side` alone, at the address of `code`, once for
    /// each table entry that it may use. `moved` is added to the symbol's value.
    fn code_by(
        &self,
        by: usize,
        side: usize,
        indirect: &IndirectField,
        code: Code,
        (rule, moved): (usize, u64),
    ) -> Vec<Vec<u8>> {
        let (mine, by) = (&self.sides[side], &self.sides[by]);
        let mut alone = self.alone(indirect, mine.linked);
        alone.symbols.iter_mut().for_each(|s| s.value = self.module.cut(s.value.wrapping_add(moved)));
        let addresses = |text: bool| -> Vec<u64> {
            mine.linked.made.iter().filter(|m| m.text == text).map(|m| m.address).collect()
        };
        let (texts, tables) = (addresses(true), addresses(false));
        // Place the sections at the addresses of this side, moved by these distances.
        let ask = |text_by: u64, table_by: u64| {
            let place = |needs: &Needs| {
                let mut next = [0, 0];
                let of = |kind: u32| {
                    let text = kind == synthetic_kind::TEXT;
                    let (all, by) = if text { (&texts, text_by) } else { (&tables, table_by) };
                    let n = &mut next[usize::from(text)];
                    let at = all.get(*n).or(all.last()).copied().unwrap_or(self.module.synthetic);
                    *n += 1;
                    self.module.cut(at.wrapping_add(by))
                };
                needs.synthetic.iter().map(|wanted| wanted.record.kind).map(of).collect()
            };
            match run_at(by.plugin, &alone, place).outcome {
                Outcome::Linked(linked) => Some(linked),
                _ => None,
            }
        };
        let reached = |linked: &Linked| {
            let side = Side::new(&alone, by.plugin, by.model, linked);
            let indirect = IndirectField { section: 0, index: 0, relocation: 0, start: 0, end: 0 };
            let contents = side.contents(&alone, &indirect).filter(|contents| !contents.is_direct(&alone))?;
            let reached = self::code(&alone, &contents, rule, linked)?;
            Some((reached, side.slots(reached.target).to_vec()))
        };
        let Some((there, slots)) = ask(0, 0).and_then(|first| reached(&first)) else { return Vec::new() };
        let text_by = code.at.wrapping_sub(there.at);
        let mut tables_by = vec![0];
        if let Some((slot, _)) = slots.first() {
            tables_by = mine.slots(code.target).iter().map(|(at, _)| at.wrapping_sub(*slot)).collect();
        }
        let made = |table_by: u64| {
            let linked = ask(text_by, table_by)?;
            reached(&linked).filter(|(there, _)| there.at == code.at)?;
            linked.made.iter().filter(|m| m.text).find_map(|m| m.at(code.at)).map(<[u8]>::to_vec)
        };
        tables_by.into_iter().filter_map(made).collect()
    }

    /// Returns a module with this relocation alone, at its address.
    fn alone(&self, indirect: &IndirectField, linked: &Linked) -> TestModule {
        let s = &self.module.sections[indirect.section];
        let r = s.relocations[indirect.index];
        let from = (r.offset.saturating_sub(16)) & !15;
        let bytes = &s.bytes[(from as usize).min(s.bytes.len())..];
        let section = Section {
            address: self.module.cut(s.address.wrapping_add(from)),
            bytes: bytes[..bytes.len().min(64)].to_vec(),
            relocations: vec![super::Relocation { offset: r.offset - from, symbol: r.symbol.min(1), ..r }],
            name: s.name.clone(),
            align: s.align.min(16),
            flags: s.flags,
            in_place: s.in_place,
        };
        let symbol = (r.symbol as usize).checked_sub(1).and_then(|i| self.module.symbols.get(i));
        let value = linked.values.get(r.symbol as usize).copied().unwrap_or(0);
        let outside = |symbol: &Symbol| {
            let flags = symbol.flags | if symbol.section == 0 { 0 } else { symbol_flag::UNDEFINED };
            Symbol { section: 0, value, flags, ..symbol.clone() }
        };
        TestModule { sections: vec![section], symbols: symbol.map(outside).into_iter().collect(), ..self.without() }
    }

    /// Returns an empty module for the same machine.
    fn without(&self) -> TestModule {
        let TestModule { machine, class, order, elf_flags, synthetic, .. } = *self.module;
        TestModule {
            machine,
            class,
            order,
            elf_flags,
            synthetic,
            inputs: self.module.inputs.clone(),
            ..TestModule::default()
        }
    }
}
