//! Test cases as text, for readers and for `git diff`: one line for each record, in the order of the records.
//!
//! ```text
//! relobox case 1
//! machine 40 32 little 0x5000000
//! synthetic 0xbf100000
//! section .text 0xbf000000 align 4 flags 0x6 in-place
//!   000000eb feffffeb
//!   zeros 8
//!   relocation 0x0 type 28 symbol 1 addend 0
//! symbol printk 0xc0001234 section 0 size 0 info 0x10 other 0 flags 0x1
//! expected linked
//!   section 1 000000eb feffffeb 00000000 00000000
//! ```
//!
//! Symbols and sections are numbered from 1 in their order. Numbers are decimal or `0x…`. `expected` begins the answer
//! of a correct plugin: `linked` and contents, or `refused` and kinds of faults, each with the index of its relocation.
//! Empty lines and lines that begin with `#` are ignored.

use super::run::Outcome;
use super::test_module::{Relocation, Section, Symbol, TestModule};
use relobox_core::limits;
use relobox_core::text::hex;
use std::fmt::{self, Write as _};

/// The first line, which contains the version of the format.
const FIRST: &str = "relobox case 1";

/// A test module with its expected outcome, as a `.case` file holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TestCase {
    /// The module.
    pub module: TestModule,
    /// The expected outcome, if it is known.
    pub expected: Option<Expected>,
}

/// The expected outcome of a test module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The module is linked, and these sections have these contents. Sections that are not listed may have any
    /// contents.
    Linked {
        /// Sections of the module, by index from 1.
        sections: Vec<(usize, Vec<u8>)>,
        /// Sections that the plugin makes, by name.
        made: Vec<(String, Vec<u8>)>,
    },
    /// The module is refused with these kinds of faults, each with the index of its relocation.
    Refused(Vec<(String, Option<u32>)>),
}

impl Expected {
    /// Makes an expectation from an outcome, or returns `None` if the plugin broke the contract.
    #[must_use]
    pub fn of(outcome: &Outcome) -> Option<Self> {
        match outcome {
            Outcome::Linked(linked) => Some(Self::Linked {
                sections: (1..).zip(linked.sections.iter().cloned()).collect(),
                made: linked.made.iter().map(|m| (m.name.clone(), m.contents.clone())).collect(),
            }),
            Outcome::Refused(faults) => {
                Some(Self::Refused(faults.iter().map(|f| (f.kind.clone(), f.relocation)).collect()))
            }
            Outcome::GuestError(_) => None,
        }
    }
}

/// A syntax error in a test case.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct ParseError {
    /// The number of the line, from 1.
    pub line: usize,
    /// The message that describes the error.
    pub what: String,
}

impl fmt::Display for TestCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let module = &self.module;
        let order = if module.order == relobox_abi::order::BIG { "big" } else { "little" };
        writeln!(f, "{FIRST}\nmachine {} {} {order} {:#x}", module.machine, module.class, module.elf_flags)?;
        writeln!(f, "synthetic {:#x}", module.synthetic)?;
        for (name, value) in &module.inputs {
            writeln!(f, "input {} {value:#x}", quoted(name))?;
        }
        for s in &module.sections {
            let form = if s.in_place { " in-place" } else { "" };
            let (name, address) = (quoted(&s.name), s.address);
            writeln!(f, "section {name} {address:#x} align {} flags {:#x}{form}", s.align, s.flags)?;
            contents(f, &s.bytes)?;
            for r in &s.relocations {
                let Relocation { offset, kind, symbol, addend } = r;
                writeln!(f, "  relocation {offset:#x} type {kind} symbol {symbol} addend {addend}")?;
            }
        }
        for s in &module.symbols {
            let Symbol { value, section, size, info, other, flags, .. } = s;
            write!(f, "symbol {} {value:#x} section {section} size {size} ", quoted(&s.name))?;
            writeln!(f, "info {info:#x} other {other:#x} flags {flags:#x}")?;
        }
        match &self.expected {
            None => Ok(()),
            Some(Expected::Linked { sections, made }) => {
                writeln!(f, "expected linked")?;
                for (index, bytes) in sections {
                    writeln!(f, "  section {index}")?;
                    contents(f, bytes)?;
                }
                for (name, bytes) in made {
                    writeln!(f, "  made {}", quoted(name))?;
                    contents(f, bytes)?;
                }
                Ok(())
            }
            Some(Expected::Refused(faults)) => {
                writeln!(f, "expected refused")?;
                for (kind, relocation) in faults {
                    let of = relocation.map_or_else(|| "none".to_owned(), |r| r.to_string());
                    writeln!(f, "  fault {} relocation {of}", quoted(kind))?;
                }
                Ok(())
            }
        }
    }
}

/// Writes bytes in words of four, eight words on a line; runs of 32 zeros or more are written as a count.
fn contents(f: &mut fmt::Formatter<'_>, mut bytes: &[u8]) -> fmt::Result {
    while !bytes.is_empty() {
        let zeros = bytes.iter().take_while(|b| **b == 0).count();
        if zeros >= 32 {
            writeln!(f, "  zeros {zeros}")?;
            bytes = &bytes[zeros..];
            continue;
        }
        let (line, rest) = bytes.split_at(bytes.len().min(32));
        f.write_str(" ")?;
        for word in line.chunks(4) {
            f.write_str(" ")?;
            f.write_str(&hex(word))?;
        }
        f.write_str("\n")?;
        bytes = rest;
    }
    Ok(())
}

/// Escapes a name so that it is a single word.
fn quoted(name: &str) -> String {
    let plain = |c: char| c.is_ascii_graphic() && c != '\\';
    let mut out = String::from(if name.is_empty() || name == "-" { "\\" } else { "" });
    for c in name.chars() {
        if plain(c) {
            out.push(c);
        } else {
            let _ = write!(out, "\\{:x};", u32::from(c));
        }
    }
    out
}

fn unquoted(word: &str) -> Option<String> {
    let (mut out, mut rest) =
        (String::new(), word.strip_prefix('\\').filter(|r| r.is_empty() || *r == "-").unwrap_or(word));
    while let Some((before, after)) = rest.split_once('\\') {
        let (code, next) = after.split_once(';')?;
        out.push_str(before);
        out.push(char::from_u32(u32::from_str_radix(code, 16).ok()?)?);
        rest = next;
    }
    out.push_str(rest);
    Some(out)
}

/// The words of a line.
struct Words<'a> {
    line: usize,
    words: std::iter::Peekable<std::str::SplitAsciiWhitespace<'a>>,
}

impl<'a> Words<'a> {
    fn error(&self, what: impl Into<String>) -> ParseError {
        ParseError { line: self.line, what: what.into() }
    }

    fn word(&mut self, what: &str) -> Result<&'a str, ParseError> {
        self.words.next().ok_or_else(|| ParseError { line: self.line, what: format!("{what} is missing") })
    }

    fn name(&mut self) -> Result<String, ParseError> {
        let word = self.word("a name")?;
        unquoted(word).ok_or_else(|| self.error(format!("{word:?} is not a name")))
    }

    fn key(&mut self, key: &str) -> Result<(), ParseError> {
        let word = self.word(key)?;
        if word == key { Ok(()) } else { Err(self.error(format!("{key:?} was expected, not {word:?}"))) }
    }

    fn number<T: TryFrom<i128>>(&mut self, what: &str) -> Result<T, ParseError> {
        let word = self.word(what)?;
        let (digits, negative) = word.strip_prefix('-').map_or((word, false), |digits| (digits, true));
        let value = match digits.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16),
            None => digits.parse(),
        };
        let value = value.ok().map(|v| if negative { -i128::from(v) } else { i128::from(v) });
        let number = value.and_then(|v| T::try_from(v).ok());
        number.ok_or_else(|| self.error(format!("{word:?} is not {what}, or too large")))
    }

    fn end(&mut self) -> Result<(), ParseError> {
        match self.words.next() {
            Some(word) => Err(self.error(format!("unexpected {word:?} at the end of the line"))),
            None => Ok(()),
        }
    }
}

/// Reads a line of contents.
fn read_contents(first: &str, words: &mut Words<'_>, bytes: &mut Vec<u8>) -> Result<(), ParseError> {
    if first == "zeros" {
        let count: usize = words.number("a number of zeros")?;
        if bytes.len().saturating_add(count) > limits::CASE {
            return Err(words.error("the contents are too long"));
        }
        bytes.resize(bytes.len() + count, 0);
        return words.end();
    }
    let mut word = Some(first);
    while let Some(hex) = word {
        let pairs = hex.as_bytes().chunks(2).map(|pair| {
            let pair = std::str::from_utf8(pair).ok().filter(|p| p.len() == 2 && !p.starts_with('+'));
            pair.and_then(|p| u8::from_str_radix(p, 16).ok())
        });
        for byte in pairs {
            bytes.push(byte.ok_or_else(|| words.error(format!("{hex:?} is neither a keyword nor hexadecimal bytes")))?);
        }
        word = words.words.next();
    }
    Ok(())
}

/// The record to which indented lines belong.
enum Open {
    Nothing,
    Section,
    Linked,
    LinkedSection,
    Made,
    Refused,
}

impl std::str::FromStr for TestCase {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut test_case = Self::default();
        let module = &mut test_case.module;
        let mut expected = None;
        let mut open = Open::Nothing;
        let mut lines =
            (1..).zip(text.lines()).filter(|(_, l)| !l.trim().is_empty() && !l.trim_start().starts_with('#'));
        if lines.next().is_none_or(|(_, first)| first.trim_end() != FIRST) {
            return Err(ParseError { line: 1, what: format!("a case begins with {FIRST:?}") });
        }
        for (line, content) in lines {
            let mut words = Words { line, words: content.split_ascii_whitespace().peekable() };
            let w = &mut words;
            let first = w.word("a keyword")?;
            match (first, &open) {
                ("machine", _) => {
                    (module.machine, module.class) = (w.number("e_machine")?, w.number("32 or 64")?);
                    module.order = match w.word("little or big")? {
                        "little" => relobox_abi::order::LITTLE,
                        "big" => relobox_abi::order::BIG,
                        other => return Err(w.error(format!("{other:?} is neither little nor big"))),
                    };
                    module.elf_flags = w.number("e_flags")?;
                    if !matches!(module.class, 32 | 64) {
                        return Err(w.error("the class is 32 or 64"));
                    }
                    w.end()?;
                }
                ("synthetic", _) => {
                    module.synthetic = w.number("an address")?;
                    w.end()?;
                }
                ("input", _) => {
                    module.inputs.push((w.name()?, w.number("a number")?));
                    w.end()?;
                }
                ("section", Open::Linked | Open::LinkedSection | Open::Made) => {
                    let Some(Expected::Linked { sections, .. }) = &mut expected else { continue };
                    sections.push((w.number("a section's number")?, Vec::new()));
                    w.end()?;
                    open = Open::LinkedSection;
                }
                ("section", _) => {
                    module.sections.push(read_section(w)?);
                    open = Open::Section;
                }
                ("relocation", Open::Section) => {
                    let relocation = read_relocation(w)?;
                    module.sections.last_mut().into_iter().for_each(|s| s.relocations.push(relocation));
                }
                ("symbol", _) => {
                    module.symbols.push(read_symbol(w)?);
                    open = Open::Nothing;
                }
                ("expected", _) => {
                    (expected, open) = match w.word("linked or refused")? {
                        "linked" => (Some(Expected::Linked { sections: Vec::new(), made: Vec::new() }), Open::Linked),
                        "refused" => (Some(Expected::Refused(Vec::new())), Open::Refused),
                        other => return Err(w.error(format!("{other:?} is neither linked nor refused"))),
                    };
                    w.end()?;
                }
                ("made", Open::Linked | Open::LinkedSection | Open::Made) => {
                    let Some(Expected::Linked { made, .. }) = &mut expected else { continue };
                    made.push((w.name()?, Vec::new()));
                    w.end()?;
                    open = Open::Made;
                }
                ("fault", Open::Refused) => {
                    let Some(Expected::Refused(faults)) = &mut expected else { continue };
                    let kind = w.name()?;
                    w.key("relocation")?;
                    let of = if w.words.next_if_eq(&"none").is_some() { None } else { Some(w.number("a number")?) };
                    faults.push((kind, of));
                    w.end()?;
                }
                (first, open) => {
                    let bytes = match (open, &mut expected) {
                        (Open::Section, _) => module.sections.last_mut().map(|s| &mut s.bytes),
                        (Open::LinkedSection, Some(Expected::Linked { sections, .. })) => {
                            sections.last_mut().map(|(_, bytes)| bytes)
                        }
                        (Open::Made, Some(Expected::Linked { made, .. })) => made.last_mut().map(|(_, bytes)| bytes),
                        _ => None,
                    };
                    let bytes = bytes.ok_or_else(|| w.error(format!("{first:?} is not a keyword here")))?;
                    read_contents(first, w, bytes)?;
                }
            }
        }
        if test_case.module.class == 0 {
            return Err(ParseError { line: text.lines().count(), what: "the machine line is missing".to_owned() });
        }
        test_case.expected = expected;
        Ok(test_case)
    }
}

fn read_section(w: &mut Words<'_>) -> Result<Section, ParseError> {
    let (name, address): (_, u64) = (w.name()?, w.number("an address")?);
    w.key("align")?;
    let align: u64 = w.number("an alignment")?;
    w.key("flags")?;
    let flags = w.number("flags")?;
    let in_place = w.words.next_if_eq(&"in-place").is_some();
    w.end()?;
    if !align.is_power_of_two() || align > limits::ALIGN {
        return Err(w.error("an alignment must be a power of two"));
    }
    if address == relobox_core::areas::ABSENT {
        return Err(w.error("a section cannot begin at the last address"));
    }
    Ok(Section { name, address, align, flags, in_place, ..Section::default() })
}

fn read_relocation(w: &mut Words<'_>) -> Result<Relocation, ParseError> {
    let offset = w.number("an offset")?;
    w.key("type")?;
    let kind = w.number("a type")?;
    w.key("symbol")?;
    let symbol = w.number("a symbol's number")?;
    w.key("addend")?;
    let addend = w.number("an addend")?;
    w.end()?;
    Ok(Relocation { offset, kind, symbol, addend })
}

fn read_symbol(w: &mut Words<'_>) -> Result<Symbol, ParseError> {
    let (name, value) = (w.name()?, w.number("a value")?);
    w.key("section")?;
    let section = w.number("a section's number")?;
    w.key("size")?;
    let size = w.number("a size")?;
    w.key("info")?;
    let info = w.number("st_info")?;
    w.key("other")?;
    let other = w.number("st_other")?;
    w.key("flags")?;
    let flags = w.number("flags")?;
    w.end()?;
    Ok(Symbol { name, section, value, size, info, other, flags })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> TestCase {
        let relocations = vec![Relocation { offset: u64::MAX, kind: 283, symbol: 9, addend: i64::MIN }];
        let text = Section {
            name: ".text x".to_owned(),
            address: 0xffff_ffff_c000_0000,
            align: 16,
            flags: 6,
            bytes: [&[1; 5][..], &[0; 40], &[2; 33]].concat(),
            in_place: true,
            relocations,
        };
        let symbol = Symbol { name: String::new(), value: 7, info: 0x12, flags: 1, ..Symbol::default() };
        let odd = Symbol { name: "\\3b;\u{1f600}".to_owned(), section: 1, ..Symbol::default() };
        let module = TestModule {
            machine: 183,
            class: 64,
            order: 2,
            elf_flags: 5,
            inputs: vec![("percpu".to_owned(), 3)],
            sections: vec![text, Section { name: "b".to_owned(), align: 1, ..Section::default() }],
            symbols: vec![symbol, odd],
            synthetic: 0x1000,
        };
        let made = vec![(".got".to_owned(), vec![0; 64])];
        TestCase { module, expected: Some(Expected::Linked { sections: vec![(1, vec![9; 3])], made }) }
    }

    #[test]
    fn text_round_trips() {
        let mut test_case = sample();
        assert_eq!(test_case.to_string().parse(), Ok(test_case.clone()), "{test_case}");
        let faults = vec![("out-of-range".to_owned(), Some(3)), ("other".to_owned(), None)];
        test_case.expected = Some(Expected::Refused(faults));
        assert_eq!(test_case.to_string().parse(), Ok(test_case.clone()), "{test_case}");
        test_case.expected = None;
        assert_eq!(test_case.to_string().parse(), Ok(test_case.clone()), "{test_case}");
    }

    #[test]
    fn syntax_errors_name_the_line() {
        let text = sample().to_string();
        for (i, line) in text.lines().enumerate().skip(1) {
            let wrong = text.replacen(line, &format!("{line} nonsense"), 1);
            let error = wrong.parse::<TestCase>().expect_err(line);
            assert_eq!(error.line, i + 1, "{error}");
        }
    }
}
