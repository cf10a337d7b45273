//! Who defines what: System.map, /proc/kallsyms, Module.symvers, a state of relobox, loaded modules.

use crate::error::{Error, Result};
use crate::files::{self, Kind};
use crate::limits;
use crate::state::State;
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

/// One definition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definition {
    /// Its address, where it is known.
    pub address: Option<u64>,
    /// The CRC of its type, where it is known.
    pub crc: Option<u32>,
    /// The module that defines it; `None` for the kernel.
    pub owner: Option<Arc<str>>,
    /// For GPL-compatible modules only.
    pub gpl: bool,
    /// Its namespace, or empty.
    pub namespace: Arc<str>,
    /// Known to be exported.
    pub exported: bool,
}

/// The kernel (`None`) or a module.
type Owner = Option<Arc<str>>;

/// An address that a kallsyms line gives a name. Many names have several: every file may have a static one.
#[derive(Clone, Debug)]
struct Candidate {
    address: u64,
    owner: Owner,
    /// The letter was upper case.
    global: bool,
}

/// All that is known of a name.
#[derive(Clone, Debug, Default)]
struct Entry {
    definition: Definition,
    /// In the order of the lines.
    candidates: Vec<Candidate>,
    /// Who defines it, by Module.symvers.
    listed: Option<Owner>,
}

/// Definitions by name.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    by_name: HashMap<Box<[u8]>, Entry>,
    /// Who has an entry in its export table for a name.
    exporters: HashMap<Box<[u8]>, HashSet<Owner>>,
    kernel: bool,
}

impl Symbols {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a file said what the kernel defines: then a name that is not here is not defined.
    #[must_use]
    pub fn know_kernel(&self) -> bool {
        self.kernel
    }

    /// Reads a file of any of the three formats, or a state; with `wanted`, only the names that it accepts.
    pub fn read_file(&mut self, path: &Path, wanted: impl Fn(&[u8]) -> bool) -> Result<()> {
        let text = files::read(path, Kind::Pipe, limits::SYMBOLS)?;
        if text.starts_with(b"{") {
            self.read_state(&State::parse(&path.display().to_string(), &text)?, wanted);
            return Ok(());
        }
        self.read(&text, wanted).map_err(|line| {
            let hint = "neither 'ADDRESS TYPE NAME [module]' nor 'CRC NAME MODULE EXPORT NAMESPACE'";
            Error::Usage(format!("{}:{line}: {hint}", path.display()))
        })
    }

    /// What modules of a state export. It says nothing of the kernel, whose own definitions come first.
    fn read_state(&mut self, state: &State, wanted: impl Fn(&[u8]) -> bool) {
        for record in &state.modules {
            let owner: Owner = Some(record.name.as_str().into());
            for export in record.exports.iter().filter(|e| wanted(e.name.as_bytes())) {
                let known = self.get(export.name.as_bytes());
                if known.is_some_and(|known| known.address.is_some() && known.owner != owner) {
                    continue;
                }
                // A kernel's module without device tells addresses only.
                let crc = export.crc.or(known.and_then(|known| known.crc));
                let gpl = export.gpl || known.is_some_and(|known| known.gpl);
                let definition = Definition {
                    address: Some(export.address),
                    crc,
                    owner: owner.clone(),
                    gpl,
                    namespace: export.namespace.as_str().into(),
                    exported: true,
                };
                self.define(export.name.as_bytes(), definition);
            }
        }
    }

    /// The same for text. `Err` is the number of the first line that is of no known format.
    pub fn read(&mut self, text: &[u8], wanted: impl Fn(&[u8]) -> bool) -> Result<(), usize> {
        self.kernel = true;
        // A name's export may be listed before the name and after it, so the choice is made at the end.
        // A name may have a line for each of a file's lines, so it is made once.
        let mut unsettled: HashSet<&[u8]> = HashSet::new();
        let (mut rest, mut number) = (text, 0_usize);
        while !rest.is_empty() {
            number += 1;
            let good = if rest.starts_with(b"0x") {
                self.symvers_line(rest, &wanted)
            } else {
                self.kallsyms_line(rest, &wanted)
            };
            let (name, after) = good.ok_or(number)?;
            unsettled.extend(name);
            rest = after;
        }
        for name in unsettled {
            if let Some(entry) = self.by_name.get_mut(name) {
                entry.settle(self.exporters.get(name));
            }
        }
        Ok(())
    }

    /// `ADDR TYPE NAME [module]`; the address may be all zeros where the kernel hides it. Of the 200,000 lines
    /// of a kernel a module wants thirty, so a line's parts are looked at only when they matter.
    ///
    /// `None` is a line of another format; the answer is a name that has to be settled, and what follows the line.
    fn kallsyms_line<'t>(&mut self, text: &'t [u8], wanted: &impl Fn(&[u8]) -> bool) -> Option<Step<'t>> {
        if text[0] == b'\n' {
            return Some((None, &text[1..]));
        }
        let space = match (text.get(16), text.get(8)) {
            (Some(b' '), _) => 16,
            (_, Some(b' ')) => 8,
            _ => text.iter().position(|b| *b <= b' ')?,
        };
        let (digits, rest) = text.split_at(space);
        let [b' ', kind, b' ', named @ ..] = rest else { return None };
        // No blank and no line's end, without a branch for each; `hex` looks closer where it matters.
        if !digits.iter().fold(!digits.is_empty(), |good, b| good & (*b >= b'0')) {
            return None;
        }
        // The name ends with a blank or the line; both are below every letter.
        let end = named.iter().position(|b| *b <= b' ').unwrap_or(named.len());
        let (name, after) = named.split_at(end);
        let (owner, after) =
            if let Some((b'\n', after)) = after.split_first() { (&[][..], after) } else { line(after) };
        let exported = name.strip_prefix(b"__ksymtab_").filter(|exported| wanted(exported));
        if let Some(exported) = exported {
            self.exporters.entry(exported.into()).or_default().insert(owner_in(owner));
            return Some((Some(exported), after));
        }
        if !wanted(name) {
            return Some((None, after));
        }
        let address = hex(digits)?;
        // Per-CPU offsets and absolute symbols stay: modules refer to both.
        if name.is_empty() || matches!(kind, b'U' | b'w' | b'v') && address == 0 {
            return Some((None, after));
        }
        let entry = self.by_name.entry(name.into()).or_default();
        entry.candidates.push(Candidate { address, owner: owner_in(owner), global: kind.is_ascii_uppercase() });
        Some((Some(name), after))
    }

    /// `CRC NAME MODULE EXPORT_KIND NAMESPACE`, separated by tabs; the last may be missing or empty.
    fn symvers_line<'t>(&mut self, text: &'t [u8], wanted: &impl Fn(&[u8]) -> bool) -> Option<Step<'t>> {
        let (this, after) = line(text);
        let mut fields = this.split(|b| *b == b'\t');
        let crc = hex(fields.next()?.strip_prefix(b"0x")?)? as u32;
        let (name, module, kind) = (fields.next()?, fields.next()?, fields.next()?);
        let namespace = fields.next().unwrap_or_default();
        if !wanted(name) {
            return Some((None, after));
        }
        let text = |b: &[u8]| Arc::from(String::from_utf8_lossy(b).as_ref());
        let entry = self.by_name.entry(name.into()).or_default();
        // A CRC of 0 means that it could not be computed.
        entry.definition.crc = (crc != 0).then_some(crc);
        // The file's name; the kernel has underscores where that has dashes.
        let owner: Owner = (module != b"vmlinux").then(|| {
            let base = module.rsplit(|b| *b == b'/').next().unwrap_or(module);
            text(&base.iter().map(|b| if *b == b'-' { b'_' } else { *b }).collect::<Vec<_>>())
        });
        entry.definition.owner.clone_from(&owner);
        entry.listed = Some(owner);
        entry.definition.gpl = kind.ends_with(b"_GPL");
        entry.definition.namespace = text(namespace);
        entry.definition.exported = true;
        Some((Some(name), after))
    }

    /// Adds or replaces a definition.
    pub fn define(&mut self, name: &[u8], definition: Definition) {
        self.by_name.insert(name.into(), Entry { definition, ..Entry::default() });
    }

    /// A definition.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&Definition> {
        self.by_name.get(name).map(|entry| &entry.definition)
    }

    /// Whether export tables were seen: then what is in none of them is not exported.
    #[must_use]
    pub fn know_exports(&self) -> bool {
        !self.exporters.is_empty()
    }

    /// Where loaded module `owner` has `name`, exported or not.
    #[must_use]
    pub fn address_in(&self, owner: &str, name: &[u8]) -> Option<u64> {
        let all = &self.by_name.get(name)?.candidates;
        all.iter().find(|c| c.owner.as_deref() == Some(owner)).map(|c| c.address)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

impl Entry {
    /// Chooses among the candidates; `exporters` have the name in their export tables.
    ///
    /// Module.symvers decides, and then the export tables. The letter is the last to be asked: in the kernel a global
    /// symbol has a capital one, but of a module's only those that EXPORT_SYMBOL exports have, and
    /// EXPORT_SYMBOL_GPL's do not.
    fn settle(&mut self, exporters: Option<&HashSet<Owner>>) {
        let exported = |owner: &Owner| exporters.is_some_and(|exporters| exporters.contains(owner));
        let rank = |c: &Candidate| (exported(&c.owner) && (c.global || c.owner.is_some()), c.global);
        let mut chosen: Option<&Candidate> = None;
        for candidate in &self.candidates {
            if self.listed.as_ref().is_some_and(|owner| *owner != candidate.owner) {
                continue;
            }
            // The first of equals, but in one module the last: there the static ones come first.
            let same_module = |c: &Candidate| c.owner.is_some() && c.owner == candidate.owner;
            let better = chosen.is_none_or(|c| match rank(candidate).cmp(&rank(c)) {
                Ordering::Equal => same_module(c),
                order => order.is_gt(),
            });
            if better {
                chosen = Some(candidate);
            }
        }
        if let Some(candidate) = chosen {
            let (in_table, global) = rank(candidate);
            self.definition.address = Some(candidate.address);
            self.definition.owner.clone_from(&candidate.owner);
            self.definition.exported |= in_table || global;
        }
    }
}

/// A name whose choice is to be made, and the text after its line.
type Step<'t> = (Option<&'t [u8]>, &'t [u8]);

/// The first line, and what follows it.
fn line(text: &[u8]) -> (&[u8], &[u8]) {
    match text.iter().position(|b| *b == b'\n') {
        Some(end) => (&text[..end], &text[end + 1..]),
        None => (text, &[]),
    }
}

/// `[module]` at the end of a line.
fn owner_in(rest: &[u8]) -> Owner {
    let start = rest.iter().position(|b| *b == b'[')? + 1;
    let name = rest[start..].split(|b| *b == b']').next()?;
    Some(Arc::from(String::from_utf8_lossy(name).as_ref()))
}

/// Names that are wanted. Asked 200,000 times, and nearly always to say no: so a bit by length and ending comes first.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    names: HashSet<&'a [u8]>,
    endings: Box<[u64; 1024]>,
}

impl<'a> FromIterator<&'a [u8]> for Wanted<'a> {
    fn from_iter<I: IntoIterator<Item = &'a [u8]>>(names: I) -> Self {
        let mut wanted = Self { names: names.into_iter().collect(), endings: Box::new([0; 1024]) };
        for name in &wanted.names {
            let ending = ending(name);
            wanted.endings[ending / 64] |= 1 << (ending % 64);
        }
        wanted
    }
}

impl Wanted<'_> {
    /// Whether `name` is one of them.
    #[must_use]
    pub fn contains(&self, name: &[u8]) -> bool {
        let ending = ending(name);
        self.endings[ending / 64] >> (ending % 64) & 1 != 0 && self.names.contains(name)
    }
}

/// 16 bits of the length and the last eight bytes.
fn ending(name: &[u8]) -> usize {
    let last = name
        .last_chunk::<8>()
        .map_or_else(|| name.iter().fold(0, |n, b| n << 8 | u64::from(*b)), |last| u64::from_le_bytes(*last));
    ((last ^ name.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 48) as usize
}

fn hex(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    digits.iter().try_fold(0u64, |n, b| Some(n << 4 | u64::from((*b as char).to_digit(16)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_formats() {
        let mut s = Symbols::new();
        assert_eq!(s.read(b"rub\nffffffff8100 T a\n", |_| false), Err(1));
        s.read(b"ffffffff81000000 T _text\nffffffffc0000010 t helper\t[xfs]\n0000000000001000 A percpu_x\n", |_| true)
            .unwrap();
        s.read(b"0x12345678\t_text\tvmlinux\tEXPORT_SYMBOL_GPL\tNS\n0x1\tnew\tfs/xfs/xfs\tEXPORT_SYMBOL\t\n", |_| true)
            .unwrap();
        let text = s.get(b"_text").unwrap();
        assert_eq!((text.address, text.crc, text.gpl), (Some(0xffff_ffff_8100_0000), Some(0x1234_5678), true));
        assert_eq!(&*text.namespace, "NS");
        assert_eq!(s.get(b"helper").unwrap().owner.as_deref(), Some("xfs"));
        assert_eq!(s.get(b"new").unwrap().owner.as_deref(), Some("xfs"));
        assert_eq!(s.get(b"new").unwrap().address, None);
        assert_eq!(s.read(b"ffffffff81000000 T a\nrubbish\n", |_| true), Err(2));
    }

    fn chosen(text: &[u8], name: &[u8]) -> (Option<u64>, Option<String>) {
        let mut symbols = Symbols::new();
        symbols.read(text, |wanted| wanted == name).unwrap();
        let found = symbols.get(name).unwrap();
        (found.address, found.owner.as_deref().map(str::to_owned))
    }

    #[test]
    fn a_global_symbol_beats_a_static_one_of_the_kernel() {
        let text = b"ffffffff81000010 t init\nffffffff81000020 T init\nffffffff81000030 t init\n";
        assert_eq!(chosen(text, b"init"), (Some(0xffff_ffff_8100_0020), None));
    }

    /// What /proc/kallsyms of a running kernel looks like: both in lower case, and the wrong one first.
    #[test]
    fn a_modules_export_is_known_by_its_export_table() {
        let text = b"ffffffff81000010 t helper\nffffffffc0000010 t helper\t[other]\n\
            ffffffffc0000100 r __ksymtab_helper\t[owner]\nffffffffc0000020 t helper\t[owner]\n\
            ffffffffc0000030 t helper\t[owner]\nffffffffc0000040 t helper\t[third]\n";
        assert_eq!(chosen(text, b"helper"), (Some(0xffff_ffff_c000_0030), Some("owner".into())));
        let reversed: Vec<_> = text.split(|b| *b == b'\n').rev().collect::<Vec<_>>().join(&b'\n');
        assert_eq!(chosen(&reversed, b"helper"), (Some(0xffff_ffff_c000_0020), Some("owner".into())));
    }

    /// A static symbol of the kernel is not made an export by somebody else's.
    #[test]
    fn the_kernels_exports_are_global() {
        let text = b"ffffffff81000010 t helper\nffffffff81000100 r __ksymtab_helper\nffffffff81000020 T helper\n\
            ffffffffc0000010 t helper\t[other]\n";
        assert_eq!(chosen(text, b"helper"), (Some(0xffff_ffff_8100_0020), None));
    }

    #[test]
    fn module_symvers_decides_in_either_order() {
        let symvers: &[u8] = b"0x1\thelper\tdrivers/md/dm-mod\tEXPORT_SYMBOL_GPL\t\n";
        let kallsyms: &[u8] = b"ffffffff81000010 T helper\nffffffffc0000010 t helper\t[dm_mod]\n";
        for files in [[symvers, kallsyms], [kallsyms, symvers]] {
            let mut s = Symbols::new();
            files.iter().for_each(|file| s.read(file, |_| true).unwrap());
            let found = s.get(b"helper").unwrap();
            assert_eq!((found.address, found.crc), (Some(0xffff_ffff_c000_0010), Some(1)));
            assert_eq!(found.owner.as_deref(), Some("dm_mod"));
        }
        // Of a module that is not loaded there is no address, whoever else has such a name.
        let mut s = Symbols::new();
        s.read(symvers, |_| true).unwrap();
        s.read(b"ffffffff81000010 t helper\n", |_| true).unwrap();
        assert_eq!(s.get(b"helper").unwrap().address, None);
    }
}
