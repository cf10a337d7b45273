//! What can be read off the text of a formula, while the plugin is compiled.

use relobox_abi::effect;

/// Whether `name` occurs in `formula`; more than the name alone does no harm.
#[must_use]
pub const fn mentions(formula: &str, name: &str) -> bool {
    let (formula, name) = (formula.as_bytes(), name.as_bytes());
    let mut at = 0;
    while at + name.len() <= formula.len() {
        let mut same = 0;
        while same < name.len() && formula[at + same] == name[same] {
            same += 1;
        }
        if same == name.len() {
            return true;
        }
        at += 1;
    }
    false
}

const fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && mentions(a, b)
}

/// Whether `formula` calls a function of exactly this name.
const fn calls(formula: &str, name: &str) -> bool {
    let (formula, name) = (formula.as_bytes(), name.as_bytes());
    let mut at = 0;
    while at + name.len() < formula.len() {
        let mut same = 0;
        while same < name.len() && formula[at + same] == name[same] {
            same += 1;
        }
        let inside = at > 0 && (formula[at - 1].is_ascii_alphanumeric() || formula[at - 1] == b'_');
        if same == name.len() && !inside && formula[at + same] == b'(' {
            return true;
        }
        at += 1;
    }
    false
}

/// What can be read off a formula for certain.
#[must_use]
pub const fn effect_of(formula: &str) -> u8 {
    const ENTRIES: [&str; 5] = ["G", "GOT", "O", "L", "T"];
    if same(formula, "S + A") {
        return effect::ABSOLUTE;
    }
    if same(formula, "S + A - P") {
        return effect::RELATIVE;
    }
    let mut i = 0;
    while i < ENTRIES.len() {
        if calls(formula, ENTRIES[i]) {
            return effect::SLOT;
        }
        i += 1;
    }
    effect::UNKNOWN
}
