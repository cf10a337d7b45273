//! What an architecture asks for before addresses are given.

use crate::{Findings, Job, Synthetic, Tables};
use alloc::vec::Vec;
use relobox_abi::{Alignment, FunctionDescriptor, NONE, Supplied, Window, placement, supply, synthetic_kind};

/// The answer to plan.
#[derive(Debug, Default)]
pub struct Plan {
    /// What is wrong already.
    pub findings: Findings,
    /// Sections to make; apply finds them at the same indices.
    pub synthetic: Vec<Synthetic>,
    /// Alignments to raise.
    pub alignments: Vec<Alignment>,
    /// Windows beyond those of the rows.
    pub windows: Vec<Window>,
    /// Undefined symbols that the plugin knows.
    pub supplied: Vec<Supplied>,
    /// Undefined symbols that are looked up under another name, and that name.
    pub renamed: Vec<(u32, Vec<u8>)>,
    /// Function descriptors: what the kernel and other modules call functions by.
    pub descriptors: Vec<FunctionDescriptor>,
    /// The tables that the column `needs` asks for.
    pub tables: Tables,
}

impl Plan {
    /// Asks for `bytes` of instructions near the module's own. `None` and no section if `bytes` is 0.
    pub fn text(&mut self, name: &'static str, bytes: usize, align: u64) -> Option<usize> {
        self.section(name, synthetic_kind::TEXT, bytes, align)
    }

    /// Asks for `bytes` of instructions that are freed when init has run; the name begins with `.init`.
    pub fn init_text(&mut self, name: &'static str, bytes: usize, align: u64) -> Option<usize> {
        self.section(name, synthetic_kind::INIT_TEXT, bytes, align)
    }

    /// Asks for `bytes` that can be written.
    pub fn data(&mut self, name: &'static str, bytes: usize, align: u64) -> Option<usize> {
        self.section(name, synthetic_kind::DATA, bytes, align)
    }

    /// Asks for `bytes` that are read-only once placed. `None` and no section if `bytes` is 0.
    pub fn rodata(&mut self, name: &'static str, bytes: usize, align: u64) -> Option<usize> {
        self.section(name, synthetic_kind::RODATA, bytes, align)
    }

    /// Makes the section of the stubs: `bytes` for each that is needed, and for `more`. How many are needed; each is at
    /// its own multiple of `bytes`.
    pub fn stubs(&mut self, name: &'static str, bytes: usize, align: u64, more: usize) -> usize {
        let count = self.tables.plt.seal();
        let section = self.text(name, (count + more) * bytes, align);
        self.tables.plt.lies_in(section, bytes);
        count
    }

    /// Makes the global offset table, if it has slots, or a row `needs` it, or a relocation refers to it by `name`.
    pub(crate) fn got(&mut self, job: &Job<'_>, needed: bool, name: &str) {
        let mut symbols = Vec::new();
        let mut rest = if name.is_empty() { &[][..] } else { job.symbols };
        // Most symbols have no name here.
        while let Some(i) = rest.iter().position(|s| s.name.len as usize == name.len()) {
            let symbol = (job.symbols.len() - rest.len() + i) as u32;
            if job.symbol_name(symbol) == name.as_bytes() {
                symbols.push(symbol);
            }
            rest = &rest[i + 1..];
        }
        let slots = self.tables.got.seal();
        // A table that is only named still needs an address. The symbols are in order, and may be as many as the relocations.
        let named = |symbol: u32| symbols.binary_search(&symbol).is_ok();
        let needed = needed || !symbols.is_empty() && job.relocations.iter().any(|r| named(r.symbol));
        let word = usize::from(job.header.class / 8);
        let section = self.rodata(".relobox.got", slots.max(needed.into()) * word, word as u64);
        self.tables.got.lies_in(section, word);
        for symbol in symbols {
            match section {
                Some(section) => self.supply_in(symbol, section, 0),
                None => self.supply(symbol, 0),
            }
        }
    }

    /// Raises the alignment of a section to at least `align` bytes. For one section after the other.
    pub fn align(&mut self, section: u32, align: u64) {
        match self.alignments.last_mut() {
            Some(last) if last.section == section => last.align = last.align.max(align),
            _ => self.alignments.push(Alignment { section, reserved: 0, align }),
        }
    }

    fn section(&mut self, name: &'static str, kind: u32, bytes: usize, align: u64) -> Option<usize> {
        if bytes == 0 {
            return None;
        }
        let contents = alloc::vec![0; bytes];
        let (placement, section) = (placement::WITH_KIND, NONE);
        self.synthetic.push(Synthetic { name, kind, align, placement, section, address: 0, contents });
        Some(self.synthetic.len() - 1)
    }

    /// An undefined symbol is `offset` bytes into synthetic section `index`.
    pub fn supply_in(&mut self, symbol: u32, index: usize, offset: u64) {
        let (how, index) = (supply::IN_SYNTHETIC, index as u32);
        self.supplied.push(Supplied { symbol, how, index, value: offset, ..Default::default() });
    }

    /// The kernel and other modules call a function of the module by the descriptor `offset` bytes into synthetic section
    /// `index`.
    pub fn describe(&mut self, symbol: u32, index: usize, offset: u64) {
        self.descriptors.push(FunctionDescriptor { symbol, index: index as u32, offset });
    }

    /// An undefined symbol is the number `value`.
    pub fn supply(&mut self, symbol: u32, value: u64) {
        self.supplied.push(Supplied { symbol, how: supply::CONSTANT, value, ..Default::default() });
    }

    /// An undefined symbol is looked up as `name` (a function's dot symbol: by the name of its descriptor).
    pub fn rename(&mut self, symbol: u32, name: &[u8]) {
        self.renamed.push((symbol, name.into()));
    }

    /// A relocation may also change `len` bytes at `offset` of its section. Call it in the order of relocations.
    pub fn window(&mut self, relocation: u32, offset: u64, len: u32) {
        self.windows.push(Window { relocation, len, offset });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renamed_symbols_keep_their_order() {
        let mut plan = Plan::default();
        plan.rename(7, b"printk");
        plan.rename(3, b"");
        assert_eq!(plan.renamed, [(7, b"printk".to_vec()), (3, Vec::new())]);
        assert!(plan.supplied.is_empty());
    }
}
