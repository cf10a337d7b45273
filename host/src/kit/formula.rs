//! Formulas of the psABIs, as descriptions write them: letters, numbers, `+ - & ~` and parentheses.
//!
//! What a function means is for an architecture to say: a formula with one is not read, and neither is one with
//! a letter for a table or an entry in it.

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
}

/// A formula, ready to be computed: instructions for a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Formula(Vec<Step>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Letter(char),
    Number(i64),
    Not,
    Negate,
    Add,
    Subtract,
    And,
}

impl Formula {
    /// Reads a formula; `None` if any of it is not known for certain.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut reader = Reader { rest: text.trim(), steps: Vec::new(), depth: 0 };
        reader.both()?;
        reader.rest.is_empty().then_some(Self(reader.steps))
    }

    /// Its value; all operators wrap.
    #[must_use]
    pub fn value(&self, letters: &Letters) -> i64 {
        let mut stack = Vec::with_capacity(self.0.len());
        for step in &self.0 {
            let mut pop = || stack.pop().unwrap_or(0);
            let value = match step {
                Step::Letter('S') => letters.s,
                Step::Letter('A') => letters.a,
                Step::Letter('P') => letters.p,
                Step::Letter(_) => letters.z,
                Step::Number(number) => *number,
                Step::Not => !pop(),
                Step::Negate => 0i64.wrapping_sub(pop()),
                two => {
                    let (right, left) = (pop(), pop());
                    match two {
                        Step::Add => left.wrapping_add(right),
                        Step::Subtract => left.wrapping_sub(right),
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
}

impl Reader<'_> {
    fn next(&mut self, wanted: char) -> bool {
        let found = self.rest.strip_prefix(wanted);
        self.rest = found.unwrap_or(self.rest).trim_start();
        found.is_some()
    }

    /// Sums, and `&` between them, which binds less.
    fn both(&mut self) -> Option<()> {
        self.sum()?;
        while self.next('&') {
            self.sum()?;
            self.steps.push(Step::And);
        }
        Some(())
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
        let done = if self.depth > crate::limits::FORMULA { None } else { self.inner() };
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
        let step = match word {
            "S" | "A" | "P" | "Z" => Step::Letter(word.chars().next()?),
            _ => Step::Number(number(word)?),
        };
        self.steps.push(step);
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
        let letters = Letters { s: 0x1000, a: -4, p: 0x804, z: 8 };
        for (text, value) in [
            ("S + A", 0xffc),
            ("S + A - P", 0x7f8),
            ("S + A - (P & -8)", 0x7fc),
            ("(S+A & ~0xff) - (P & ~0xff)", 0x700),
            ("Z + A", 4),
            ("-S - -A", -0x1004),
            ("S + 0x8_000", 0x9000),
        ] {
            assert_eq!(Formula::read(text).map(|f| f.value(&letters)), Some(value), "{text}");
        }
    }

    #[test]
    fn what_is_not_certain_is_not_read() {
        for text in ["", "G + A", "page(S)", "S A", "S +", "(S", "S)", "S * 2", "S - 1x"] {
            assert_eq!(Formula::read(text), None, "{text}");
        }
        assert_eq!(Formula::read(&"(".repeat(100)), None);
    }
}
