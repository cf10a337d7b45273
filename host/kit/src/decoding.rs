//! Decoding rules: what the processor reads from the bytes that a plugin writes.
//!
//! A plugin can bring such rules in a custom section of its Wasm (see `docs/conformance.md`). They state the other
//! direction of its code: the code encodes a value, the rules decode it. If one of the two is wrong, they contradict
//! each other.

use super::expression::{Expression, Function};
use relobox_abi::order;
use relobox_core::limits;
use relobox_link::description::PluginDescription;
use std::collections::HashMap;

/// The decoding rules of a plugin.
#[derive(Debug, Default)]
pub(crate) struct DecodingRules {
    /// The byte order of instructions; see [`order`].
    pub instructions: u8,
    /// The names that `let` defines.
    pub lets: HashMap<String, Expression>,
    rows: HashMap<u32, usize>,
    blocks: Vec<RowRule>,
    /// The code and the table entries to which fields may lead.
    pub entries: Vec<EntryRule>,
}

/// How the processor reads the field of a row, and what it must find there.
#[derive(Clone, Debug, Default)]
pub(crate) struct RowRule {
    /// The value in the field: `F`. Without it, F is what the row's slices hold, sign-extended.
    pub field: Option<Expression>,
    /// What F must be.
    pub value: Option<Expression>,
    /// The address to which the field leads.
    pub goes: Option<Expression>,
    /// The address where it must arrive, if need be by an entry that the plugin made.
    pub target: Option<Expression>,
    /// What else must be true.
    pub also: Vec<Expression>,
    /// What it pushes on the stack, one after the other.
    pub push: Vec<Expression>,
    /// The number of values that it takes from the stack.
    pub pops: usize,
    /// The instructions that must stand at the place before, one list for each alternative.
    pub with: Vec<Vec<Word>>,
}

impl RowRule {
    /// Returns whether the row takes values from the stack or pushes some.
    pub(crate) fn is_on_stack(&self) -> bool {
        !self.push.is_empty() || self.pops != 0
    }
}

/// A word that must stand at a distance from the place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// The distance in bytes.
    pub offset: i64,
    /// The number of bytes.
    pub width: usize,
    /// True if it is an instruction.
    pub instruction: bool,
    /// The value.
    pub value: u64,
}

/// How to recognise an entry at address `X`, and where it leads.
#[derive(Clone, Debug)]
pub(crate) struct EntryRule {
    pub name: String,
    pub condition: Expression,
    pub target: Expression,
}

/// The values on the stack, by depth.
pub(crate) const STACK: [&str; 3] = ["top", "second", "third"];

/// The letters of expressions in rows.
const LETTERS: [&str; 21] = [
    "S",
    "A",
    "P",
    "Z",
    "V",
    "F",
    "D",
    "X",
    "direct",
    "unknown",
    "other",
    "info",
    "undefined",
    "weak",
    "absolute",
    "class",
    "big",
    "elf_flags",
    "operand",
    "offset",
    "in_place",
];

impl DecodingRules {
    /// Parses the rules of a plugin.
    ///
    /// # Errors
    ///
    /// The number of the line that is wrong, and what is wrong with it.
    pub(crate) fn parse(text: &str, about: &PluginDescription) -> Result<Self, (usize, String)> {
        if text.len() > limits::DECODE_TEXT {
            return Err((1, format!("more than {} bytes", limits::DECODE_TEXT)));
        }
        let mut rules = Self { instructions: order::DATA, ..Self::default() };
        let mut block = Block::None;
        for (number, statement) in statements(text) {
            rules.statement(&statement, &mut block, about).map_err(|what| (number, what))?;
        }
        rules.finish(block).map_err(|what| (text.lines().count(), what))?;
        Ok(rules)
    }

    /// Returns the rule of a row.
    pub(crate) fn row(&self, kind: u32) -> Option<&RowRule> {
        self.rows.get(&kind).and_then(|i| self.blocks.get(*i))
    }

    /// Returns whether any row uses the stack.
    pub(crate) fn has_stack(&self) -> bool {
        self.blocks.iter().any(RowRule::is_on_stack)
    }

    fn expression(&self, text: &str) -> Result<Expression, String> {
        let known = |name: &str| LETTERS.contains(&name) || STACK.contains(&name) || self.lets.contains_key(name);
        Expression::parse(text, &known)
    }

    fn statement(&mut self, text: &str, block: &mut Block, about: &PluginDescription) -> Result<(), String> {
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let rest = rest.trim();
        match word {
            "order" => {
                self.instructions = match rest {
                    "little" => order::LITTLE,
                    "big" => order::BIG,
                    "data" => order::DATA,
                    _ => return Err("the order of instructions is little, big or data".into()),
                };
                return Ok(());
            }
            "let" => {
                let (name, meaning) = rest.split_once('=').ok_or("a name, = and an expression")?;
                let meaning = self.expression(meaning)?;
                if self.lets.len() >= limits::DECODE_LETS {
                    return Err(format!("more than {} names", limits::DECODE_LETS));
                }
                // A later definition would change the meaning of expressions that were read before.
                return match self.lets.insert(name.trim().to_owned(), meaning) {
                    Some(_) => Err(format!("{} is defined twice", name.trim())),
                    None => Ok(()),
                };
            }
            "row" | "entry" => {
                self.finish(std::mem::take(block))?;
                *block = if word == "entry" {
                    Block::Entry(rest.to_owned(), None, None)
                } else {
                    let kind = |name: &str| {
                        let row = about.rows.iter().find(|row| row.name == name && row.writes());
                        row.map(|row| row.row.kind).ok_or_else(|| format!("no row {name} that writes"))
                    };
                    let kinds = rest.split_whitespace().map(kind).collect::<Result<Vec<_>, _>>()?;
                    Block::Rows(kinds, RowRule::default())
                };
                return Ok(());
            }
            _ => {}
        }
        if let (Block::Rows(_, rule), "with") = (&mut *block, word) {
            rule.with.push(self.words(rest)?);
            return Ok(());
        }
        let said = self.expression(rest)?;
        let twice = match (block, word) {
            (Block::Rows(_, rule), "field") => rule.field.replace(said).is_some(),
            (Block::Rows(_, rule), "value") => rule.value.replace(said).is_some(),
            (Block::Rows(_, rule), "goes") => rule.goes.replace(said).is_some(),
            (Block::Rows(_, rule), "target") => rule.target.replace(said).is_some(),
            (Block::Rows(_, rule), "push") => {
                rule.push.push(said);
                false
            }
            (Block::Rows(_, rule), "also") => {
                rule.also.push(said);
                false
            }
            (Block::Entry(_, condition, _), "if") => condition.replace(said).is_some(),
            (Block::Entry(_, _, target), "target") => target.replace(said).is_some(),
            _ => return Err(format!("{word:?} cannot stand here")),
        };
        if twice { Err(format!("{word} is given twice")) } else { Ok(()) }
    }

    /// Reads `i32(P + 4) = 0x60000000, …`.
    fn words(&self, text: &str) -> Result<Vec<Word>, String> {
        let one = |text: &str| {
            let (at, value) = text.split_once('=').ok_or("a word, = and a number")?;
            let constant = |expression: &Expression| {
                let context = super::expression::Context {
                    letter: &|name| (name == "P").then_some(0),
                    memory: &|_, _| None,
                    section: &|_| None,
                    lets: &self.lets,
                    big: false,
                    instructions: self.instructions,
                };
                expression.value(&context).ok_or_else(|| "it is no constant".to_owned())
            };
            let Expression::Call(Function::Word(width, instruction), at) = self.expression(at)? else {
                return Err("a word of memory stands before =".to_owned());
            };
            let offset = constant(at.first().ok_or("an address")?)?;
            Ok(Word { offset, width, instruction, value: constant(&self.expression(value)?)?.cast_unsigned() })
        };
        text.split(',').map(one).collect()
    }

    fn finish(&mut self, block: Block) -> Result<(), String> {
        match block {
            Block::None => Ok(()),
            Block::Entry(name, Some(condition), Some(target)) => {
                self.entries.push(EntryRule { name, condition, target });
                Ok(())
            }
            Block::Entry(name, ..) => Err(format!("entry {name} needs if and target")),
            Block::Rows(kinds, mut rule) => {
                if rule.goes.is_some() != rule.target.is_some() {
                    return Err("goes and target belong together".into());
                }
                if rule.value.is_none() && rule.goes.is_none() && rule.push.is_empty() && rule.also.is_empty() {
                    return Err("a row needs value, goes and target, push or also".into());
                }
                let mut pops = 0;
                let all = [&rule.value, &rule.target].into_iter().flatten().chain(&rule.push).chain(&rule.also);
                all.for_each(|one| {
                    one.names(&mut |name| {
                        pops = pops.max(STACK.iter().position(|at| *at == name).map_or(0, |i| i + 1));
                    });
                });
                rule.pops = pops;
                self.blocks.push(rule);
                for kind in kinds {
                    if self.rows.insert(kind, self.blocks.len() - 1).is_some() {
                        return Err(format!("type {kind} has two rules"));
                    }
                }
                Ok(())
            }
        }
    }
}

/// What the statements that are read belong to.
#[derive(Default)]
enum Block {
    #[default]
    None,
    Rows(Vec<u32>, RowRule),
    Entry(String, Option<Expression>, Option<Expression>),
}

/// The words that begin a statement. A line that begins with another one continues the line before.
const STATEMENTS: [&str; 12] =
    ["order", "let", "row", "entry", "field", "value", "goes", "target", "also", "push", "with", "if"];

/// Returns the statements of a text, each with the number of its first line.
fn statements(text: &str) -> Vec<(usize, String)> {
    let mut all: Vec<(usize, String)> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        let begins = line.split_whitespace().next().is_some_and(|word| STATEMENTS.contains(&word));
        match all.last_mut() {
            _ if line.is_empty() => {}
            Some((_, before)) if !begins => *before = format!("{before} {line}"),
            _ => all.push((number, line.to_owned())),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use relobox_abi::{Row, row_flag};
    use relobox_link::description::PluginRow;

    fn about() -> PluginDescription {
        let row = |kind, name: &str, flags| PluginRow {
            row: Row { kind, flags, ..Row::default() },
            name: name.to_owned(),
            formula: String::new(),
            field: String::new(),
            slices: Vec::new(),
        };
        let mut about = PluginDescription::default();
        about.rows = vec![row(1, "CALL", 0), row(2, "SUB", 0), row(3, "NONE", row_flag::NOP)];
        about
    }

    #[test]
    fn rules_are_read() {
        let text = "# A toy.\norder big\nlet imm = i32(P)[15:0]\n\nrow CALL # and no other\n field imm\n goes P +\n   F * 4\n \
                    target S + A\n with i32(P + 4) = 0x60000000, w16(P) = 1\nrow SUB\n push second - top\n\
                    entry plt\n if i32(X) == 7\n target w64(X + 8)\n";
        let rules = DecodingRules::parse(text, &about()).unwrap();
        let call = rules.row(1).unwrap();
        assert_eq!(rules.instructions, order::BIG);
        assert!(call.field.is_some() && call.value.is_none() && call.goes.is_some() && call.target.is_some());
        let word = |offset, width, instruction, value| Word { offset, width, instruction, value };
        assert_eq!(call.with, [vec![word(4, 4, true, 0x6000_0000), word(0, 2, false, 1)]]);
        assert_eq!((rules.row(2).unwrap().pops, rules.row(2).unwrap().push.len()), (2, 1));
        assert!(rules.row(3).is_none() && rules.has_stack() && rules.entries[0].name == "plt");
    }

    #[test]
    fn wrong_rules_are_refused_with_their_line() {
        for (line, text) in [
            (1, "order middle"),
            (2, "\nrow NONE"),
            (1, "row OTHER"),
            (2, "row CALL\n value Q"),
            (3, "row CALL\n value S\n value A"),
            (3, "row CALL\n\n if S"),
            (2, "row CALL\n goes P"),
            (1, "row CALL"),
            (2, "entry plt\n target S"),
            (2, "let a = 1\nlet a = 2"),
            (2, "row CALL CALL\n value S\n"),
            (2, "row CALL\n with i32(P) = S"),
        ] {
            assert_eq!(DecodingRules::parse(text, &about()).map(drop).map_err(|(at, _)| at), Err(line), "{text}");
        }
        assert!(DecodingRules::parse(&"#".repeat(limits::DECODE_TEXT + 1), &about()).is_err());
    }
}
