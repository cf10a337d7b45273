//! Inference of what a plugin's table letters stand for. Only where fields lead is used for that, never what the tables
//! contain.
//!
//! `G` is the address of an entry in one plugin and of a table in another, and a description does not say which. So a
//! few modules are linked, and every possible role is tried for each letter of each row: a letter for entries refers to
//! different places for different symbols, and a letter for a table always refers to its start. What an entry must hold
//! is not inferred but follows from the formula.

use super::decoding::DecodingRules;
use super::encode::{bytes, in_range};
use super::field::Field;
use super::fixture::Fixture;
use super::formula::{self, Formula};
use super::infer_range;
use super::places::Places;
use super::reference_model::{AddendForms, ReferenceModel, Site};
use super::run::{Linked, Made, Outcome, run};
use super::tables::{Role, TableFormula, Tables, combinations, slots, substitute, table_addresses, word};
use super::test_module::{Relocation, TestModule};
use super::value::FieldValue;
use relobox_abi::{effect, row_flag};
use relobox_core::limits;
use relobox_core::rng::Rng;
use relobox_link::description::PluginRow;
use relobox_link::guests::Plugin;
use std::collections::HashMap;

impl<'a> ReferenceModel<'a> {
    /// Makes the reference model of `plugin`, and links a few modules to infer what the description does not say: the
    /// addend forms that it takes, and what its table letters stand for.
    #[must_use]
    pub fn of(plugin: &'a Plugin) -> Self {
        let mut model = Self::new(&plugin.about, AddendForms::of(plugin));
        model.tables = tables(&model, plugin);
        model.range_formulas = infer_range::infer(&model, plugin);
        match plugin.guest.decoding().map(|text| DecodingRules::parse(text, &plugin.about)) {
            None => {}
            Some(Ok(rules)) => model.rules = rules,
            Some(Err(error)) => model.rules_error = Some(error),
        }
        model
    }
}

/// Infers the roles of table letters and the properties of code.
fn tables(model: &ReferenceModel<'_>, plugin: &Plugin) -> Tables {
    let mut tables = Tables::default();
    let rows = || model.about().rows.iter().filter(|row| row.writes() && !row.slices.is_empty());
    let mut votes = [[0usize; Role::ALL.len()]; formula::TABLES.len()];
    let mut samples = HashMap::new();
    for row in rows().filter(|row| row.row.effect == effect::SLOT && !row.is(row_flag::BY_HAND)) {
        let within = row.row.round != 0 || row.is(row_flag::DERIVED);
        let Some((formula, holds)) = Formula::parse_table(&row.formula, within) else { continue };
        let letters = formula.tables();
        if letters.is_empty() || letters.len() > limits::FORMULA_TABLES {
            continue;
        }
        let table_formula = TableFormula { formula, holds, letters };
        let linked = linked(model, plugin, row);
        if !row.is(row_flag::DERIVED) && !linked.is_empty() {
            let fits = |roles: &Vec<Role>| linked.iter().all(|one| leads(model, row, &table_formula, roles, one));
            let all: Vec<_> = assignments(table_formula.letters.len()).into_iter().filter(fits).collect();
            for (n, letter) in table_formula.letters.iter().enumerate() {
                for role in Role::ALL.iter().filter(|role| all.iter().any(|roles| roles[n] == **role)) {
                    votes[*letter][*role as usize] += 1;
                }
            }
        }
        samples.insert(row.row.kind, linked);
        tables.readings.insert(row.row.kind, table_formula);
    }
    for (roles, votes) in tables.roles.iter_mut().zip(votes) {
        let most = votes.into_iter().max().filter(|most| *most != 0);
        *roles = Role::ALL.into_iter().filter(|role| Some(votes[*role as usize]) == most).collect();
    }
    for row in rows().filter(|row| !row.is(row_flag::DERIVED)) {
        let stub = row.is(row_flag::FALLBACK) && row.row.effect == effect::RELATIVE;
        let linked = match samples.remove(&row.row.kind) {
            Some(linked) => linked,
            None if stub => {
                let linked = linked(model, plugin, row);
                tables.pc_offset.insert(row.row.kind, pc_offset(model, row, &linked));
                linked
            }
            None => continue,
        };
        tables.targets.extend(distance(&tables, model, row, &linked).map(|distance| (row.row.kind, distance)));
    }
    tables
}

/// Returns the distance between the start of code and the word that holds its target, if it is the same in all samples.
fn distance(
    tables: &Tables,
    model: &ReferenceModel<'_>,
    row: &PluginRow,
    samples: &[(TestModule, Linked)],
) -> Option<u64> {
    let mut all: Option<Vec<u64>> = None;
    for (module, linked) in samples {
        for (entry, target) in model.stub_references(tables, module, linked, row) {
            let word = word(module, target);
            let stands = |distance: &u64| {
                let behind = linked.made.iter().find_map(|m| m.at(entry.wrapping_add(*distance)));
                behind.is_some_and(|bytes| bytes.starts_with(&word))
            };
            let these = match all {
                Some(all) => all.into_iter().filter(stands).collect(),
                None => (0..limits::CODE_ENTRY).step_by(2).filter(stands).collect(),
            };
            all = Some(these);
        }
    }
    all?.first().copied()
}

/// Returns the smallest distance at which all out-of-range branches of `samples` lead into code that the plugin made,
/// or 0 if there is none.
fn pc_offset(model: &ReferenceModel<'_>, row: &PluginRow, samples: &[(TestModule, Linked)]) -> u64 {
    let into = |pc_offset: &u64| {
        samples.iter().all(|(module, linked)| {
            let inside = |to: u64| linked.made.iter().any(|m| m.text && m.at(to).is_some());
            model
                .branch_destinations(module, linked, row)
                .iter()
                .all(|to| inside(module.cut(to.wrapping_add(*pc_offset))))
        })
    };
    [0, 2, 4, 8].into_iter().find(into).unwrap_or(0)
}

/// Returns all assignments of a role to each of `letters` letters.
fn assignments(letters: usize) -> Vec<Vec<Role>> {
    let mut all = vec![Vec::new()];
    for _ in 0..letters {
        let longer = |roles: Vec<Role>| Role::ALL.map(|role| [&roles[..], &[role]].concat());
        all = all.into_iter().flat_map(longer).collect();
    }
    all
}

/// Returns all values that a letter can have in this role, whatever the tables contain.
fn anywhere(module: &TestModule, linked: &Linked, role: Role) -> Vec<i64> {
    let signed = |values: Vec<u64>| values.into_iter().map(u64::cast_signed).collect();
    let slots = || slots(module, linked, |_| true);
    match role {
        Role::Table => table_addresses(linked),
        Role::Slot => signed(slots().into_iter().map(|(slot, _)| slot).collect()),
        Role::Offset => signed(slots().into_iter().map(|(slot, table)| slot.wrapping_sub(table)).collect()),
        Role::Code => {
            let of = |m: &Made| (0..m.contents.len() as u64).step_by(2).map(|i| m.address.wrapping_add(i)).collect();
            signed(linked.made.iter().filter(|m| m.text).flat_map::<Vec<_>, _>(of).collect())
        }
    }
}

/// Returns whether these roles explain every field of a module: each refers to a place in what the plugin made, and
/// different symbols refer to different places.
fn leads(
    model: &ReferenceModel<'_>,
    row: &PluginRow,
    table_formula: &TableFormula,
    roles: &[Role],
    (module, linked): &(TestModule, Linked),
) -> bool {
    let candidates: Vec<_> = roles.iter().map(|role| anywhere(module, linked, *role)).collect();
    let choices = combinations(&candidates);
    let section = &module.sections[0];
    let places = Places::of(model.about(), section);
    let field = Field::of(row, module.order);
    let mut of_symbols: HashMap<u32, Vec<Vec<i64>>> = HashMap::new();
    for (index, r) in section.relocations.iter().enumerate() {
        let site = Site { module, values: &linked.values, section: 0, index, places: &places };
        let Ok(letters) = model.letters(&site, row) else { return false };
        let word = field.word(&linked.sections[0][r.offset as usize..]);
        let fits = |choice: &&Vec<i64>| {
            let letters = substitute(letters, &table_formula.letters, choice);
            let value = FieldValue::read(module, row, table_formula.formula.readings(&letters, module.class));
            let made = bytes(row, &field, module.class, word, value);
            let same = (made.bytes.iter().zip(field.bytes(word))).zip(made.known);
            in_range(row, value.rounded, module.class).0 && same.into_iter().all(|((a, b), known)| (a ^ b) & known == 0)
        };
        let own: Vec<_> = choices.iter().filter(fits).cloned().collect();
        if own.is_empty() {
            return false;
        }
        let before = of_symbols.entry(r.symbol).or_insert_with(|| own.clone());
        before.retain(|choice| own.contains(choice));
        if before.is_empty() {
            return false;
        }
    }
    // If each symbol has exactly one explanation, all of them must differ.
    let entries = roles.iter().any(|role| *role != Role::Table);
    let single = of_symbols.values().all(|ways| ways.len() == 1);
    let mut ways: Vec<_> = of_symbols.into_values().flatten().collect();
    let count = ways.len();
    ways.sort_unstable();
    ways.dedup();
    !entries || !single || ways.len() == count
}

/// Links modules with relocations of `row` to three symbols, near and far, and returns those that the plugin links.
fn linked(model: &ReferenceModel<'_>, plugin: &Plugin, row: &PluginRow) -> Vec<(TestModule, Linked)> {
    let forms = model.forms();
    let mut all = Vec::new();
    for machine in &model.about().machines {
        for in_place in [false, true].into_iter().filter(|i| if *i { forms.in_place } else { forms.explicit }) {
            let fixture = Fixture::new(*machine, in_place);
            let mut rng = Rng::new(row.row.kind.into());
            let anywhere: Vec<_> = (0..3).map(|_| rng.next_u64() & !0xf).collect();
            let away = |by: i64| (1..4).map(|i| fixture.address().wrapping_add_signed(by + 0x100 * i)).collect();
            // Distances around the reach of all kinds of branches.
            let far = [27, 29, 31, 33, 38, 46].map(|bits| 1i64 << bits).into_iter().flat_map(|by| [by, -by]);
            let distances: Vec<Vec<u64>> = std::iter::once(0).chain(far).map(away).collect();
            for values in std::iter::once(anywhere).chain(distances) {
                let mut made = fixture.clone();
                let symbols: Vec<_> = values.iter().map(|value| made.symbol(*value)).collect();
                made.module.sections[0].bytes.resize(80, 0);
                made.module.synthetic = made.module.cut(fixture.address().wrapping_add(0x1230));
                for (i, which) in (0..).zip([2, 1, 0, 1, 2]) {
                    let symbol = symbols[which];
                    made.relocation(Relocation { offset: 16 * i, kind: row.row.kind, symbol, addend: 0 });
                }
                if let Outcome::Linked(linked) = run(plugin, &made.module).outcome {
                    all.push((made.module, linked));
                }
            }
        }
    }
    all
}
