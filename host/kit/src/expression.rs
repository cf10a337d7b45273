//! The expressions of decoding rules: parser and evaluator.
//!
//! An expression says what a processor reads from memory. `docs/conformance.md` describes the language: numbers,
//! letters, `let` names, bits `X[hi:lo]`, memory such as `i32(P + 4)`, the operators of Rust with Rust's precedence,
//! and `a ? b : c`. Values are 64 bits wide and wrap around.

use super::field::read;
use super::formula;
use relobox_abi::order;
use relobox_core::limits;
use std::collections::HashMap;

/// A parsed expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expression {
    Number(i64),
    /// A letter, or a name that `let` defines.
    Name(String),
    /// Bits `lo..=hi`, moved to bit 0.
    Bits(Box<Expression>, u32, u32),
    Unary(char, Box<Expression>),
    Binary(&'static str, Box<[Expression; 2]>),
    Choice(Box<[Expression; 3]>),
    Call(Function, Vec<Expression>),
    /// The address of the first of these sections that the module has, or that the plugin made.
    Section(Vec<String>),
}

/// A function of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    /// The word of this many bytes at an address; `true` if it is an instruction, whose byte order the rules give.
    Word(usize, bool),
    /// `mapped(a)`: whether there is a byte at an address.
    Mapped,
    /// `sext(BITS, X)`: the low bits, sign-extended.
    SignExtend,
    /// `ror32(X, N)`: 32 bits, rotated to the right.
    RotateRight,
    /// `clz(X)`: the number of zero bits above the highest one, of 64.
    LeadingZeros,
    /// The ULEB128 number at an address.
    Uleb128,
    /// The bits that the ULEB128 number at an address can hold.
    Uleb128Mask,
}

const FUNCTIONS: [(&str, Function, usize); 14] = [
    ("i8", Function::Word(1, true), 1),
    ("i16", Function::Word(2, true), 1),
    ("i32", Function::Word(4, true), 1),
    ("i64", Function::Word(8, true), 1),
    ("w8", Function::Word(1, false), 1),
    ("w16", Function::Word(2, false), 1),
    ("w32", Function::Word(4, false), 1),
    ("w64", Function::Word(8, false), 1),
    ("mapped", Function::Mapped, 1),
    ("sext", Function::SignExtend, 2),
    ("ror32", Function::RotateRight, 2),
    ("clz", Function::LeadingZeros, 1),
    ("uleb128", Function::Uleb128, 1),
    ("uleb128_mask", Function::Uleb128Mask, 1),
];

/// Binary operators by precedence, the weakest first.
const OPERATORS: [&[&str]; 9] =
    [&["||"], &["&&"], &["==", "!=", "<=", ">=", "<", ">"], &["|"], &["^"], &["&"], &["<<", ">>"], &["+", "-"], &["*"]];

/// What an expression is evaluated in.
pub(crate) struct Context<'a> {
    /// Returns the value of a letter.
    pub letter: &'a dyn Fn(&str) -> Option<i64>,
    /// Returns the `len` bytes at an address.
    pub memory: &'a dyn Fn(u64, usize) -> Option<&'a [u8]>,
    /// Returns the address of a section by its name.
    pub section: &'a dyn Fn(&str) -> Option<u64>,
    /// The names that `let` defines.
    pub lets: &'a HashMap<String, Expression>,
    /// True if the module's data is big-endian.
    pub big: bool,
    /// The byte order of instructions; see [`order`].
    pub instructions: u8,
}

impl Expression {
    /// Parses a whole expression. `known` says which names there are.
    ///
    /// # Errors
    ///
    /// A text that says what is wrong.
    pub(crate) fn parse(text: &str, known: &dyn Fn(&str) -> bool) -> Result<Self, String> {
        let mut parser = Parser { rest: text.trim(), depth: 0, known };
        let parsed = parser.choice()?;
        if parser.rest.is_empty() { Ok(parsed) } else { Err(format!("{:?} is not understood", parser.rest)) }
    }

    /// Evaluates the expression, or returns `None` if it needs something that there is not, such as memory outside of
    /// all sections.
    pub(crate) fn value(&self, context: &Context<'_>) -> Option<i64> {
        self.evaluate(context, &mut limits::DECODE_STEPS.clone())
    }

    /// Calls `of` with every name in the expression.
    pub(crate) fn names(&self, of: &mut dyn FnMut(&str)) {
        match self {
            Self::Name(name) => of(name),
            Self::Number(_) | Self::Section(_) => {}
            Self::Bits(inner, ..) | Self::Unary(_, inner) => inner.names(of),
            Self::Binary(_, both) => both.iter().for_each(|one| one.names(of)),
            Self::Choice(all) => all.iter().for_each(|one| one.names(of)),
            Self::Call(_, arguments) => arguments.iter().for_each(|one| one.names(of)),
        }
    }

    fn evaluate(&self, context: &Context<'_>, steps: &mut u32) -> Option<i64> {
        *steps = steps.checked_sub(1)?;
        Some(match self {
            Self::Number(number) => *number,
            Self::Section(names) => names.iter().find_map(|name| (context.section)(name))?.cast_signed(),
            Self::Name(name) => match context.lets.get(name) {
                Some(meaning) => meaning.evaluate(context, steps)?,
                None => (context.letter)(name)?,
            },
            Self::Bits(inner, high, low) => (inner.evaluate(context, steps)? >> low) & ones(high - low + 1),
            Self::Unary(operator, inner) => {
                let value = inner.evaluate(context, steps)?;
                match operator {
                    '-' => value.wrapping_neg(),
                    '~' => !value,
                    _ => i64::from(value == 0),
                }
            }
            Self::Choice(all) => {
                let [condition, yes, no] = &**all;
                if condition.evaluate(context, steps)? != 0 { yes } else { no }.evaluate(context, steps)?
            }
            Self::Binary(operator, both) => {
                let [left, right] = &**both;
                let left = left.evaluate(context, steps);
                // One side may decide alone.
                let decides = match *operator {
                    "&&" => Some(false),
                    "||" => Some(true),
                    _ => None,
                };
                match (decides, left.map(|left| left != 0)) {
                    (None, _) => apply(operator, left?, right.evaluate(context, steps)?),
                    (Some(which), Some(is)) if is == which => i64::from(which),
                    (Some(which), is) => match right.evaluate(context, steps)? != 0 {
                        right if right == which => i64::from(which),
                        _ => i64::from(is?),
                    },
                }
            }
            Self::Call(function, arguments) => {
                let mut values = Vec::with_capacity(2);
                for argument in arguments {
                    values.push(argument.evaluate(context, steps)?);
                }
                context.call(*function, &values)?
            }
        })
    }
}

fn apply(operator: &str, left: i64, right: i64) -> i64 {
    let by = u32::try_from(right).ok().filter(|by| *by < u64::BITS);
    match operator {
        "+" => left.wrapping_add(right),
        "-" => left.wrapping_sub(right),
        "*" => left.wrapping_mul(right),
        "&" => left & right,
        "|" => left | right,
        "^" => left ^ right,
        "<<" => by.map_or(0, |by| left << by),
        ">>" => left >> by.unwrap_or(63),
        "==" => i64::from(left == right),
        "!=" => i64::from(left != right),
        "<=" => i64::from(left <= right),
        ">=" => i64::from(left >= right),
        "<" => i64::from(left < right),
        _ => i64::from(left > right),
    }
}

fn ones(bits: u32) -> i64 {
    u64::MAX.checked_shr(u64::BITS.saturating_sub(bits)).unwrap_or(0).cast_signed()
}

impl Context<'_> {
    fn call(&self, function: Function, values: &[i64]) -> Option<i64> {
        let [first, second] = [0, 1].map(|i: usize| values.get(i).copied().unwrap_or(0));
        Some(match function {
            Function::Word(width, instruction) => {
                let bytes = (self.memory)(first.cast_unsigned(), width)?;
                let big = match self.instructions {
                    order::LITTLE if instruction => false,
                    order::BIG if instruction => true,
                    _ => self.big,
                };
                read(bytes, big).cast_signed()
            }
            Function::Mapped => i64::from((self.memory)(first.cast_unsigned(), 1).is_some()),
            Function::SignExtend => {
                let unused = u64::BITS.saturating_sub(u32::try_from(first).ok().filter(|bits| *bits > 0)?);
                second << unused >> unused
            }
            Function::RotateRight => i64::from((first as u32).rotate_right((second & 31) as u32)),
            Function::LeadingZeros => i64::from(first.leading_zeros()),
            Function::Uleb128 => self.uleb128(first.cast_unsigned())?.0,
            Function::Uleb128Mask => self.uleb128(first.cast_unsigned())?.1,
        })
    }

    /// Reads a ULEB128 number: its value, and a mask of the bits that it has room for.
    fn uleb128(&self, address: u64) -> Option<(i64, i64)> {
        let (mut value, mut bits) = (0u64, 0);
        loop {
            let byte = *(self.memory)(address.wrapping_add(u64::from(bits / 7)), 1)?.first()?;
            value |= u64::from(byte & 0x7f).checked_shl(bits).unwrap_or(0);
            bits += 7;
            if byte & 0x80 == 0 || bits > u64::BITS {
                return Some((value.cast_signed(), ones(bits.min(u64::BITS))));
            }
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
    known: &'a dyn Fn(&str) -> bool,
}

impl Parser<'_> {
    fn next(&mut self, token: &str) -> bool {
        let found = self.rest.strip_prefix(token);
        self.rest = found.unwrap_or(self.rest).trim_start();
        found.is_some()
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.next(token) { Ok(()) } else { Err(format!("{token:?} is missing before {:?}", self.rest)) }
    }

    fn choice(&mut self) -> Result<Expression, String> {
        self.depth += 1;
        // Rules are hostile input, so the recursion depth is limited.
        if self.depth > limits::FORMULA {
            return Err("too many parentheses".into());
        }
        let condition = self.binary(0)?;
        let parsed = if self.next("?") {
            let yes = self.choice()?;
            self.expect(":")?;
            Expression::Choice(Box::new([condition, yes, self.choice()?]))
        } else {
            condition
        };
        self.depth -= 1;
        Ok(parsed)
    }

    fn operator(&mut self, level: usize) -> Option<&'static str> {
        // `|` is not the start of `||`, and so on.
        let longest =
            OPERATORS.iter().copied().flatten().filter(|o| self.rest.starts_with(**o)).max_by_key(|o| o.len());
        let found = OPERATORS[level].iter().find(|o| longest == Some(o))?;
        self.next(found);
        Some(found)
    }

    fn binary(&mut self, level: usize) -> Result<Expression, String> {
        if level == OPERATORS.len() {
            return self.unary();
        }
        let mut left = self.binary(level + 1)?;
        while let Some(operator) = self.operator(level) {
            let right = self.binary(level + 1)?;
            left = Expression::Binary(operator, Box::new([left, right]));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expression, String> {
        for operator in ['-', '~', '!'] {
            if self.rest.starts_with(operator) {
                self.next(operator.encode_utf8(&mut [0; 4]));
                self.depth += 1;
                if self.depth > limits::FORMULA {
                    return Err("too many operators".into());
                }
                let inner = self.unary()?;
                self.depth -= 1;
                return Ok(Expression::Unary(operator, Box::new(inner)));
            }
        }
        let mut inner = self.primary()?;
        while self.next("[") {
            let high = self.number()?;
            let low = if self.next(":") { self.number()? } else { high };
            self.expect("]")?;
            let (Ok(high), Ok(low)) = (u32::try_from(high), u32::try_from(low)) else {
                return Err("bits are numbered from 0 to 63".into());
            };
            if high >= u64::BITS || low > high {
                return Err(format!("there are no bits [{high}:{low}]"));
            }
            inner = Expression::Bits(Box::new(inner), high, low);
        }
        Ok(inner)
    }

    fn word(&mut self, more: &str) -> &str {
        let end = |c: char| !c.is_ascii_alphanumeric() && c != '_' && !more.contains(c);
        let (word, rest) = self.rest.split_at(self.rest.find(end).unwrap_or(self.rest.len()));
        self.rest = rest.trim_start();
        word
    }

    fn number(&mut self) -> Result<i64, String> {
        let word = self.word("");
        number(word).ok_or_else(|| format!("{word:?} is not a number"))
    }

    fn primary(&mut self) -> Result<Expression, String> {
        if self.next("(") {
            let inner = self.choice()?;
            self.expect(")")?;
            return Ok(inner);
        }
        let word = self.word("").to_owned();
        if let Some(number) = number(&word) {
            return Ok(Expression::Number(number));
        }
        if word == "section" {
            self.expect("(")?;
            let mut names = vec![self.word(".-").to_owned()];
            while self.next(",") {
                names.push(self.word(".-").to_owned());
            }
            self.expect(")")?;
            return Ok(Expression::Section(names));
        }
        if let Some((_, function, count)) = FUNCTIONS.iter().find(|(name, ..)| *name == word) {
            self.expect("(")?;
            let mut arguments = vec![self.choice()?];
            while self.next(",") {
                arguments.push(self.choice()?);
            }
            self.expect(")")?;
            if arguments.len() != *count {
                return Err(format!("{word} has {count} arguments"));
            }
            return Ok(Expression::Call(*function, arguments));
        }
        if (self.known)(&word) {
            return Ok(Expression::Name(word));
        }
        Err(if word.is_empty() { format!("{:?} is not understood", self.rest) } else { format!("{word:?} is unknown") })
    }
}

/// Reads a number as formulas write it, or with `0b`.
fn number(word: &str) -> Option<i64> {
    match word.strip_prefix("0b") {
        Some(bits) => u64::from_str_radix(&bits.replace('_', ""), 2).ok().map(u64::cast_signed),
        None => formula::number(word).filter(|_| word.starts_with(|c: char| c.is_ascii_digit())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Option<i64> {
        let memory = [0x12u8, 0x34, 0x56, 0x78, 0xe5, 0x8e, 0x26, 0xff];
        let lets = HashMap::from([("twice".to_owned(), Expression::parse("S * 2", &|name| name == "S").unwrap())]);
        let read = |at: u64, len: usize| memory.get(at as usize..)?.get(..len);
        let context = Context {
            letter: &|name| (name == "S").then_some(0x1000),
            memory: &|at, len| read(at, len).map(|bytes| &*bytes.to_vec().leak()),
            section: &|name| (name == ".got").then_some(0x5000),
            lets: &lets,
            big: true,
            instructions: order::LITTLE,
        };
        Expression::parse(text, &|name| matches!(name, "S" | "N" | "twice")).unwrap().value(&context)
    }

    #[test]
    fn expressions_are_evaluated() {
        for (text, expected) in [
            ("S + 2 * 3 - 1", 0x1005),
            ("0xff & 0xf0 == 0xf0", 1),
            ("1 | 2 ^ 3 & 2", 1),
            ("S >> 4 << 4 == S && !0", 1),
            ("w32(0)", 0x1234_5678),
            ("i32(0)", 0x7856_3412),
            ("i32(0)[15:8]", 0x34),
            ("i32(0)[4]", 1),
            ("mapped(7) && !mapped(8)", 1),
            ("sext(8, w8(7))", -1),
            ("sext(4, 7) - -1", 8),
            ("~0 == -1 ? twice : 0", 0x2000),
            ("uleb128(4)", 624_485),
            ("uleb128_mask(4)", 0x1f_ffff),
            ("ror32(1, 4)", 0x1000_0000),
            ("section(.toc, .got) + 8", 0x5008),
            ("0b101 << 63 >> 63", -1),
            ("S == 0 && w32(100)", 0),
            ("w32(100) == 0 && S == 0", 0),
            ("w32(100) == 0 || S != 0", 1),
        ] {
            assert_eq!(value(text), Some(expected), "{text}");
        }
        for text in ["w32(6)", "N", "section(.plt)", "S == 0 || N == 1", "sext(0, 1)"] {
            assert_eq!(value(text), None, "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        let deep = "(".repeat(100);
        for text in ["", "S +", "Q", "S S", "w32()", "w32(1, 2)", "S[64]", "S[1:2]", "(S", "1 ? 2", "0x", &deep] {
            assert!(Expression::parse(text, &|name| name == "S").is_err(), "{text}");
        }
    }
}
