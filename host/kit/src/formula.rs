//! Parser and evaluator for psABI formulas as descriptions write them: letters, numbers, `+ - >> << & ~` and
//! parentheses. Operators have the precedence of C and Rust.
//!
//! Formulas with function calls are not read, since only the architecture knows what a function does. Letters for
//! tables and table entries are read only by [`Formula::parse_table`].

/// The psABI letters for tables and table entries. Plugins differ in what a letter stands for: the address of a table,
/// the address of an entry, or the offset of an entry.
pub(crate) const TABLES: [&str; 5] = ["G", "GOT", "O", "L", "T"];

/// The operands of a formula.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Letters {
    /// The value of the symbol.
    pub s: i64,
    /// The addend.
    pub a: i64,
    /// The address of the place.
    pub p: i64,
    /// The size of the symbol in bytes.
    pub z: i64,
    /// The values of the letters in [`TABLES`].
    pub tables: [i64; 5],
}

/// A parsed formula: operations in postfix order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Formula(Vec<Step>);

/// The required contents of a table entry, as far as the formula determines them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryContents {
    /// The symbol; the addend is added to the address of the entry.
    Symbol,
    /// Symbol plus addend.
    Target,
    /// The formula has no addend, so both are possible.
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

/// The width and sign of a number that is shifted to the right. A formula does not define them.
#[derive(Clone, Copy)]
enum Shifted {
    /// A signed number of 64 bits.
    Plain,
    /// A signed number of the width of the class.
    Signed(u8),
    /// An unsigned number of the width of the class.
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
    /// Parses a formula, or returns `None` if any part of it is not understood.
    #[must_use]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader { rest: text.trim(), steps: Vec::new(), depth: 0, tables: false, own: false };
        reader.both()?;
        reader.rest.is_empty().then_some(Self(reader.steps))
    }

    /// Parses the first argument of a function call that is the whole formula.
    #[must_use]
    pub(crate) fn parse_argument(text: &str) -> Option<Self> {
        inside(text.trim()).and_then(Self::parse)
    }

    /// Parses a formula with letters of [`TABLES`], each with an optional argument in parentheses, and with `page(X)`
    /// (the low twelve bits cleared) and `lo12(X)` (the low twelve bits). If `within` is true, a function call around
    /// the whole formula is skipped and its first argument is parsed.
    #[must_use]
    pub(crate) fn parse_table(text: &str, within: bool) -> Option<(Self, EntryContents)> {
        let text = text.trim();
        let text = if within { inside(text).unwrap_or(text) } else { text };
        let mut reader = Reader { rest: text, steps: Vec::new(), depth: 0, tables: true, own: false };
        reader.both()?;
        if !reader.rest.is_empty() {
            return None;
        }
        let holds = match (reader.steps.contains(&Step::Letter('A')), reader.own) {
            (true, true) => return None,
            (true, false) => EntryContents::Symbol,
            (false, true) => EntryContents::Target,
            (false, false) => EntryContents::Either,
        };
        Some((Self(reader.steps), holds))
    }

    /// Returns the indices of the [`TABLES`] letters that occur, each once, in ascending order.
    #[must_use]
    pub(crate) fn tables(&self) -> Vec<usize> {
        (0..TABLES.len()).filter(|i| self.0.contains(&Step::Table(*i))).collect()
    }

    /// Returns whether the value changes by as much as its operands: nothing is shifted or masked, except for whole
    /// pages.
    #[must_use]
    pub(crate) fn is_linear(&self) -> bool {
        !self.0.iter().any(|step| matches!(step, Step::Left | Step::Right | Step::And | Step::Not))
    }

    /// Evaluates the formula with wrapping operators and an arithmetic `>>`.
    #[must_use]
    pub(crate) fn value(&self, letters: &Letters) -> i64 {
        self.value_as(letters, Shifted::Plain)
    }

    /// Evaluates the formula under three readings of right shifts: of 64-bit, of signed `class`-bit and of unsigned
    /// `class`-bit numbers. All three are equal if there is no right shift.
    #[must_use]
    pub(crate) fn readings(&self, letters: &Letters, class: u8) -> [i64; 3] {
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
    /// True if letters for tables are allowed.
    tables: bool,
    /// True if the argument of a table letter contains the addend.
    own: bool,
}

/// Returns the first argument of a call `f(X, …)` that is the whole text, or `None` if the text is no such call or `f`
/// is a function that the parser knows.
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

    /// Parses `&`, which has the lowest precedence.
    fn both(&mut self) -> Option<()> {
        self.shifted()?;
        while self.next('&') {
            self.shifted()?;
            self.steps.push(Step::And);
        }
        Some(())
    }

    /// Parses `>>` and `<<`.
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
        // Descriptions are hostile input, so the recursion depth is limited.
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

    /// Skips the argument of a table letter, which only says what the entry is for: `G(S + A)`, or `G(GDAT(S + A))` as AArch64's
    /// psABI writes it.
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
        // One more level of parentheses is enough to name a target.
        if arguments.contains('(') {
            return None;
        }
        self.own |= arguments.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == "A");
        Some(())
    }
}

/// Reads a decimal number, or one with `0x`; `_` may stand in both.
pub(crate) fn number(word: &str) -> Option<i64> {
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
    fn formulas_are_evaluated() {
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
            assert_eq!(Formula::parse(text).map(|f| f.value(&letters)), Some(value), "{text}");
        }
    }

    #[test]
    fn table_formulas_determine_the_entry_contents() {
        let letters = Letters { s: 7, a: -4, p: 0x800, z: 0, tables: [0x3018, 0x3000, 0x18, 0x5000, 0x20] };
        for (text, within, value, holds, tables) in [
            ("G + A - P", false, 0x2814, EntryContents::Symbol, &[0][..]),
            ("S + A - GOT", false, 3 - 0x3000, EntryContents::Symbol, &[1]),
            ("G(A) - GOT", false, 0x18, EntryContents::Target, &[0, 1]),
            ("G(S, 0) + A - P", false, 0x2814, EntryContents::Symbol, &[0]),
            ("high(G(S + A, A) - P)", true, 0x2818, EntryContents::Target, &[0]),
            ("movz_or_movn(G(A) - GOT, 2)", true, 0x18, EntryContents::Target, &[0, 1]),
            ("page(G(A)) - page(P)", false, 0x3000, EntryContents::Target, &[0]),
            ("lo12(G(A))", true, 0x18, EntryContents::Target, &[0]),
            ("G(S + A) & 0xfff", false, 0x18, EntryContents::Target, &[0]),
            ("G(GDAT(S + A)) - P", false, 0x2818, EntryContents::Target, &[0]),
            ("page(G(GDAT(S + A))) - page(P)", false, 0x3000, EntryContents::Target, &[0]),
            ("G(GDAT(S)) + A - P", false, 0x2814, EntryContents::Symbol, &[0]),
            ("O + GOT + A - P", false, 0x2814, EntryContents::Symbol, &[1, 2]),
            ("G - P", false, 0x2818, EntryContents::Either, &[0]),
            ("L - G + A", false, 0x5000 - 0x3018 - 4, EntryContents::Symbol, &[0, 3]),
            ("G(S + A) >> 12", false, 0x3, EntryContents::Target, &[0]),
        ] {
            let (formula, said) = Formula::parse_table(text, within).expect(text);
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
            assert_eq!(Formula::parse_table(text, within), None, "{text}");
        }
    }

    #[test]
    fn readings_of_a_right_shift_differ() {
        let letters = Letters { s: -0x1_0000, ..Letters::default() };
        let readings = |text: &str, class| Formula::parse(text).map(|f| f.readings(&letters, class));
        assert_eq!(readings("S + A", 32), Some([-0x1_0000; 3]));
        assert_eq!(readings("(S + A) >> 16", 32), Some([-1, -1, 0xffff]));
        assert_eq!(readings("(S + A) >> 16", 64), Some([-1, -1, 0xffff_ffff_ffff]));
        assert_eq!(readings("S >> 64", 64), Some([0; 3]));
    }

    #[test]
    fn ambiguous_formulas_are_rejected() {
        for text in ["", "G + A", "page(S)", "S A", "S +", "(S", "S)", "S * 2", "S - 1x", "S > 2", "S >> ", "S >>> 2"] {
            assert_eq!(Formula::parse(text), None, "{text}");
        }
        assert_eq!(Formula::parse(&"(".repeat(100)), None);
    }
}
