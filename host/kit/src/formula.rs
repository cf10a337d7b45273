//! Formulas of the psABIs, as descriptions write them: letters, numbers, `+ - >> << & ~` and parentheses. Operators bind
//! as in C and in Rust.
//!
//! What a function means is for an architecture to say: a formula with one is not read. Neither is one with a letter
//! for a table or an entry in it, except by [`Formula::of_tables`], for rows that say of themselves that they have one.

/// The psABIs' letters for tables and entries in them. Each is whatever the plugin means by it: a table's address, an
/// entry's, its offset.
pub const TABLES: [&str; 5] = ["G", "GOT", "O", "L", "T"];

/// The letters that a formula may have.
#[derive(Clone, Copy, Debug, Default)]
pub struct Letters {
    /// The symbol's value.
    pub s: i64,
    /// The addend.
    pub a: i64,
    /// The place.
    pub p: i64,
    /// The symbol's size.
    pub z: i64,
    /// Tables and entries in them, by [`TABLES`].
    pub tables: [i64; 5],
}

/// A formula, ready to be computed: instructions for a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Formula(Vec<Step>);

/// What an entry is for, as far as its formula says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// The symbol: the addend is added to the way there.
    Symbol,
    /// Symbol plus addend: the addend is the entry's own.
    Target,
    /// It has no addend.
    Either,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Letter(char),
    Table(usize),
    Page,
    InPage,
    Number(i64),
    Not,
    Negate,
    Add,
    Subtract,
    Left,
    Right,
    And,
}

/// How wide a number is that is shifted to the right, and what comes in from above. A formula does not say.
#[derive(Clone, Copy)]
enum Shifted {
    /// As it is: 64 bits with a sign.
    Plain,
    /// A number of the class's width with a sign.
    Signed(u8),
    /// A number of the class's width without one.
    Unsigned(u8),
}

impl Shifted {
    fn right(self, value: i64, by: i64) -> i64 {
        let by = u32::try_from(by).ok().filter(|by| *by < u64::BITS);
        match (self, by) {
            (Self::Signed(32), Some(by)) => i64::from(value as i32) >> by,
            (Self::Plain | Self::Signed(_), Some(by)) => value >> by,
            (Self::Unsigned(32), Some(by)) => (value & 0xffff_ffff) >> by,
            (Self::Unsigned(_), Some(by)) => (value.cast_unsigned() >> by).cast_signed(),
            (_, None) => 0,
        }
    }
}

impl Formula {
    /// Reads a formula; `None` if any of it is not known for certain.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut reader = Reader { rest: text.trim(), steps: Vec::new(), depth: 0, tables: false, own: false };
        reader.both()?;
        reader.rest.is_empty().then_some(Self(reader.steps))
    }

    /// Reads the first argument of a function around the whole.
    #[must_use]
    pub fn argument(text: &str) -> Option<Self> {
        inside(text.trim()).and_then(Self::read)
    }

    /// Reads a formula of a row whose value is made of tables: letters of [`TABLES`], each with or without what it is
    /// asked for in parentheses, `page(X)` without the low twelve bits, `lo12(X)` these. With `within`, a function
    /// around the whole, whose first argument is what it is made of, is passed over.
    #[must_use]
    pub fn of_tables(text: &str, within: bool) -> Option<(Self, Holds)> {
        let text = text.trim();
        let text = if within { inside(text).unwrap_or(text) } else { text };
        let mut reader = Reader { rest: text, steps: Vec::new(), depth: 0, tables: true, own: false };
        reader.both()?;
        if !reader.rest.is_empty() {
            return None;
        }
        let holds = match (reader.steps.contains(&Step::Letter('A')), reader.own) {
            (true, true) => return None,
            (true, false) => Holds::Symbol,
            (false, true) => Holds::Target,
            (false, false) => Holds::Either,
        };
        Some((Self(reader.steps), holds))
    }

    /// Which of [`TABLES`] it has, each once, in order.
    #[must_use]
    pub fn tables(&self) -> Vec<usize> {
        (0..TABLES.len()).filter(|i| self.0.contains(&Step::Table(*i))).collect()
    }

    /// Whether its value moves by as much as its letters do: nothing is shifted or cut off, but for whole pages.
    #[must_use]
    pub fn is_linear(&self) -> bool {
        !self.0.iter().any(|step| matches!(step, Step::Left | Step::Right | Step::And | Step::Not))
    }

    /// Its value; all operators wrap, and `>>` keeps the sign.
    #[must_use]
    pub fn value(&self, letters: &Letters) -> i64 {
        self.value_as(letters, Shifted::Plain)
    }

    /// Its value, and two more by other readings of what is shifted to the right: as numbers of `class` bits, with a
    /// sign and without one. The same three times where nothing is.
    #[must_use]
    pub fn readings(&self, letters: &Letters, class: u8) -> [i64; 3] {
        if self.0.contains(&Step::Right) {
            return [Shifted::Plain, Shifted::Signed(class), Shifted::Unsigned(class)]
                .map(|shifted| self.value_as(letters, shifted));
        }
        [self.value(letters); 3]
    }

    fn value_as(&self, letters: &Letters, shifted: Shifted) -> i64 {
        let mut stack = Vec::with_capacity(self.0.len());
        for step in &self.0 {
            let mut pop = || stack.pop().unwrap_or(0);
            let value = match step {
                Step::Letter('S') => letters.s,
                Step::Letter('A') => letters.a,
                Step::Letter('P') => letters.p,
                Step::Letter(_) => letters.z,
                Step::Table(which) => letters.tables[*which],
                Step::Page => pop() & !0xfff,
                Step::InPage => pop() & 0xfff,
                Step::Number(number) => *number,
                Step::Not => !pop(),
                Step::Negate => 0i64.wrapping_sub(pop()),
                two => {
                    let (right, left) = (pop(), pop());
                    match two {
                        Step::Add => left.wrapping_add(right),
                        Step::Subtract => left.wrapping_sub(right),
                        Step::Right => shifted.right(left, right),
                        Step::Left => u32::try_from(right).ok().and_then(|by| left.checked_shl(by)).unwrap_or(0),
                        _ => left & right,
                    }
                }
            };
            stack.push(value);
        }
        stack.pop().unwrap_or(0)
    }
}

struct Reader<'a> {
    rest: &'a str,
    steps: Vec<Step>,
    depth: usize,
    /// Whether letters for tables are read.
    tables: bool,
    /// Whether one of them has the addend for its own.
    own: bool,
}

/// What stands in the parentheses of `f(X, …)`, up to a comma; `None` if the whole is no such call, or one that is read.
fn inside(text: &str) -> Option<&str> {
    let (name, rest) = text.strip_suffix(')')?.split_once('(')?;
    let known = TABLES.contains(&name) || matches!(name, "" | "page" | "lo12");
    let mut depth = 0i32;
    let mut end = rest.len();
    for (i, c) in rest.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => end = end.min(i),
            _ => {}
        }
        if depth < 0 {
            return None;
        }
    }
    (!known && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')).then(|| &rest[..end])
}

impl Reader<'_> {
    fn next(&mut self, wanted: char) -> bool {
        let found = self.rest.strip_prefix(wanted);
        self.rest = found.unwrap_or(self.rest).trim_start();
        found.is_some()
    }

    /// Shifted sums, and `&` between them, which binds less.
    fn both(&mut self) -> Option<()> {
        self.shifted()?;
        while self.next('&') {
            self.shifted()?;
            self.steps.push(Step::And);
        }
        Some(())
    }

    /// Sums, and `>>` and `<<` between them.
    fn shifted(&mut self) -> Option<()> {
        self.sum()?;
        loop {
            let (step, rest) = match self.rest {
                rest if rest.starts_with(">>") => (Step::Right, rest[2..].trim_start()),
                rest if rest.starts_with("<<") => (Step::Left, rest[2..].trim_start()),
                _ => return Some(()),
            };
            self.rest = rest;
            self.sum()?;
            self.steps.push(step);
        }
    }

    fn sum(&mut self) -> Option<()> {
        self.term()?;
        loop {
            let step = match () {
                () if self.next('+') => Step::Add,
                () if self.next('-') => Step::Subtract,
                () => return Some(()),
            };
            self.term()?;
            self.steps.push(step);
        }
    }

    fn term(&mut self) -> Option<()> {
        self.depth += 1;
        // A description is hostile: no recursion without an end.
        let done = if self.depth > relobox_core::limits::FORMULA { None } else { self.inner() };
        self.depth -= 1;
        done
    }

    fn inner(&mut self) -> Option<()> {
        if self.next('~') {
            self.term()?;
            self.steps.push(Step::Not);
            return Some(());
        }
        if self.next('-') {
            self.term()?;
            self.steps.push(Step::Negate);
            return Some(());
        }
        if self.next('(') {
            self.both()?;
            return self.next(')').then_some(());
        }
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        if let Some(which) = TABLES.iter().position(|name| self.tables && *name == word) {
            self.arguments()?;
            self.steps.push(Step::Table(which));
            return Some(());
        }
        let function = match word {
            "page" if self.tables => Some(Step::Page),
            "lo12" if self.tables => Some(Step::InPage),
            _ => None,
        };
        if let Some(step) = function {
            if !self.next('(') {
                return None;
            }
            self.both()?;
            self.steps.push(step);
            return self.next(')').then_some(());
        }
        let step = match word {
            "S" | "A" | "P" | "Z" => Step::Letter(word.chars().next()?),
            _ => Step::Number(number(word)?),
        };
        self.steps.push(step);
        Some(())
    }

    /// What an entry is for, which is not computed: `G(S + A)`, or in one more word, as AArch64's `G(GDAT(S + A))`.
    fn arguments(&mut self) -> Option<()> {
        let Some(rest) = self.rest.strip_prefix('(') else { return Some(()) };
        let (mut arguments, rest) = rest.split_once(')')?;
        self.rest = rest.trim_start();
        if let Some(entry) = arguments.strip_prefix("GDAT(") {
            arguments = entry;
            if !self.next(')') {
                return None;
            }
        }
        // That is all that is needed to say for which target.
        if arguments.contains('(') {
            return None;
        }
        self.own |= arguments.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == "A");
        Some(())
    }
}

fn number(word: &str) -> Option<i64> {
    let plain = word.replace('_', "");
    match plain.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok().map(u64::cast_signed),
        None => plain.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_have_values() {
        let letters = Letters { s: 0x1000, a: -4, p: 0x804, z: 8, ..Letters::default() };
        for (text, value) in [
            ("S + A", 0xffc),
            ("S + A - P", 0x7f8),
            ("S + A - (P & -8)", 0x7fc),
            ("(S+A & ~0xff) - (P & ~0xff)", 0x700),
            ("Z + A", 4),
            ("-S - -A", -0x1004),
            ("S + 0x8_000", 0x9000),
            ("(S + A) >> 4", 0xff),
            ("S + A >> 4 & 0xf", 0xf),
            ("(P - S) >> 4", -0x80),
            ("S << 4 >> 8", 0x100),
            ("(S + A - P >> 2) << 2", 0x7f8),
        ] {
            assert_eq!(Formula::read(text).map(|f| f.value(&letters)), Some(value), "{text}");
        }
    }

    #[test]
    fn formulas_of_tables_say_what_entries_hold() {
        let letters = Letters { s: 7, a: -4, p: 0x800, z: 0, tables: [0x3018, 0x3000, 0x18, 0x5000, 0x20] };
        for (text, within, value, holds, tables) in [
            ("G + A - P", false, 0x2814, Holds::Symbol, &[0][..]),
            ("S + A - GOT", false, 3 - 0x3000, Holds::Symbol, &[1]),
            ("G(A) - GOT", false, 0x18, Holds::Target, &[0, 1]),
            ("G(S, 0) + A - P", false, 0x2814, Holds::Symbol, &[0]),
            ("high(G(S + A, A) - P)", true, 0x2818, Holds::Target, &[0]),
            ("movz_or_movn(G(A) - GOT, 2)", true, 0x18, Holds::Target, &[0, 1]),
            ("page(G(A)) - page(P)", false, 0x3000, Holds::Target, &[0]),
            ("lo12(G(A))", true, 0x18, Holds::Target, &[0]),
            ("G(S + A) & 0xfff", false, 0x18, Holds::Target, &[0]),
            ("G(GDAT(S + A)) - P", false, 0x2818, Holds::Target, &[0]),
            ("page(G(GDAT(S + A))) - page(P)", false, 0x3000, Holds::Target, &[0]),
            ("G(GDAT(S)) + A - P", false, 0x2814, Holds::Symbol, &[0]),
            ("O + GOT + A - P", false, 0x2814, Holds::Symbol, &[1, 2]),
            ("G - P", false, 0x2818, Holds::Either, &[0]),
            ("L - G + A", false, 0x5000 - 0x3018 - 4, Holds::Symbol, &[0, 3]),
            ("G(S + A) >> 12", false, 0x3, Holds::Target, &[0]),
        ] {
            let (formula, said) = Formula::of_tables(text, within).expect(text);
            assert_eq!((formula.value(&letters), said, &*formula.tables()), (value, holds, tables), "{text}");
        }
        for (text, within) in [
            ("high(G - P)", false),
            ("X + A", true),
            ("G(f(A)) + A", false),
            ("G(GDAT(S)", false),
            ("G(GDAT(f(S)))", false),
            ("G(A) + A", false),
        ] {
            assert_eq!(Formula::of_tables(text, within), None, "{text}");
        }
    }

    #[test]
    fn what_comes_in_from_above_is_not_said() {
        let letters = Letters { s: -0x1_0000, ..Letters::default() };
        let readings = |text: &str, class| Formula::read(text).map(|f| f.readings(&letters, class));
        assert_eq!(readings("S + A", 32), Some([-0x1_0000; 3]));
        assert_eq!(readings("(S + A) >> 16", 32), Some([-1, -1, 0xffff]));
        assert_eq!(readings("(S + A) >> 16", 64), Some([-1, -1, 0xffff_ffff_ffff]));
        assert_eq!(readings("S >> 64", 64), Some([0; 3]));
    }

    #[test]
    fn what_is_not_certain_is_not_read() {
        for text in ["", "G + A", "page(S)", "S A", "S +", "(S", "S)", "S * 2", "S - 1x", "S > 2", "S >> ", "S >>> 2"] {
            assert_eq!(Formula::read(text), None, "{text}");
        }
        assert_eq!(Formula::read(&"(".repeat(100)), None);
    }
}
