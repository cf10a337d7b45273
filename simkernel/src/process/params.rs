//! Module parameters: applies the argument string to the module's own table, like the kernel's parse_args.

use super::arena::Arena;
use super::exports::Image;
use crate::limits;
use crate::protocol::{ParamTable, Protection};

/// The size of a `struct kernel_param` on x86-64: name, mod, ops, perm, level, flags, padding, arg.
const ENTRY: u64 = 40;
/// KERNEL_PARAM_OPS_FL_NOARG in `kernel_param_ops.flags`: the parameter needs no value.
const NO_ARGUMENT: u32 = 1;

/// A checked parameter.
#[derive(Clone, Debug)]
pub(super) struct Param {
    name: String,
    /// The address of its entry in the table, which is the setter's second argument.
    pub(super) entry: u64,
    /// The address of its variable.
    pub(super) argument: u64,
    /// The address of the setter.
    pub(super) set: u64,
    /// The address of the function to call when the module is removed; 0 if there is none.
    pub(super) free: u64,
    /// True if the value can be omitted.
    pub(super) no_argument: bool,
}

/// Reads a table. Every pointer that will be followed or called must lead to an area of the module (for which `owns` is
/// true), or to an object that the kernel provides for this purpose.
pub(super) fn read_table(
    arena: &Arena,
    image: &Image,
    owns: &dyn Fn(u64) -> bool,
    table: &ParamTable,
) -> Result<Vec<Param>, String> {
    if table.count > limits::PARAMS_PER_MODULE {
        return Err(format!("{} parameters; the limit is {}", table.count, limits::PARAMS_PER_MODULE));
    }
    let word = |address: u64| arena.read::<8>(address).map(u64::from_le_bytes);
    let own = |address: u64| arena.holding(address, 1).filter(|area| owns(area.address));
    let within = |address: u64, size: u64| arena.holding(address, size).is_some_and(|area| owns(area.address));
    if table.count > 0 && !within(table.address, table.count * ENTRY) {
        return Err(format!("it is not in the module: {} entries at {:#x}", table.count, table.address));
    }
    let mut params = Vec::new();
    for index in 0..table.count {
        let entry = table.address + index * ENTRY;
        let fault = |what: &str| format!("entry {index}: {what}");
        let [name, ops, argument] =
            [0, 16, 32].map(|offset| word(entry + offset).expect("the whole table was checked above"));
        let name = own(name).and_then(|_| arena.c_string(name, limits::SYMBOL_NAME)).ok_or_else(|| fault("no name"))?;
        let name = String::from_utf8(name).map_err(|_| fault("a name that is not text"))?;
        let kernels = arena.holding(ops, 32).is_some_and(|area| area.address == image.rodata);
        if !kernels && !within(ops, 32) {
            return Err(fault("its operations are neither the module's nor the kernel's"));
        }
        let flags = arena.read::<4>(ops).map(u32::from_le_bytes).expect("checked above");
        let [set, free] = [8, 24].map(|offset| word(ops + offset).expect("checked above"));
        let callable = |address: u64| {
            arena.holding(address, 1).is_some_and(|area| {
                area.protection == Protection::ReadExecute && (area.address == image.text || owns(area.address))
            })
        };
        if !callable(set) || (free != 0 && !callable(free)) {
            return Err(fault("its operations are not functions"));
        }
        params.push(Param { name, entry, argument, set, free, no_argument: flags & NO_ARGUMENT != 0 });
    }
    Ok(params)
}

/// A word of an argument string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Argument {
    pub(super) name: String,
    pub(super) value: Option<String>,
}

/// Splits at blanks, except within double quotes, which surround a value or a whole word and are removed. A word `--`
/// ends the arguments.
pub(super) fn split(args: &str) -> Vec<Argument> {
    let mut words = vec![];
    let mut word = String::new();
    let mut quoted = false;
    for c in args.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                word.push(c);
            }
            c if (c.is_ascii_whitespace() || c == '\x0b') && !quoted => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.push(word);
    let unquote = |text: &str| match text.strip_prefix('"') {
        Some(inner) => inner.strip_suffix('"').unwrap_or(inner).to_owned(),
        None => text.to_owned(),
    };
    words
        .iter()
        .filter(|word| !word.is_empty())
        .take_while(|word| *word != "--")
        .map(|word| {
            // "name=value": the quotes are around the whole word.
            let whole = if word.starts_with('"') { unquote(word) } else { word.clone() };
            match whole.split_once('=') {
                Some((name, value)) => Argument { name: name.to_owned(), value: Some(unquote(value)) },
                None => Argument { name: whole, value: None },
            }
        })
        .collect()
}

/// Finds the parameter of this name. Dashes and underscores are equal.
pub(super) fn find<'a>(params: &'a [Param], name: &str) -> Option<&'a Param> {
    let plain = |text: &str| text.replace('-', "_");
    params.iter().find(|param| plain(&param.name) == plain(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_quotes_and_the_end() {
        let seen: Vec<_> = split("a=1  b=\"two words\" \"c=3 4\" flag d= -- e=5")
            .into_iter()
            .map(|argument| (argument.name, argument.value))
            .collect();
        let wanted = [("a", Some("1")), ("b", Some("two words")), ("c", Some("3 4")), ("flag", None), ("d", Some(""))];
        let wanted: Vec<_> = wanted.map(|(n, v)| (n.to_owned(), v.map(str::to_owned))).into();
        assert_eq!(seen, wanted);
        assert_eq!(split("  "), []);
        assert_eq!(split("\"")[0].name, "");
    }
}
