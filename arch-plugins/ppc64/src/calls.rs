//! The TOC, and how functions are called: stubs, entry points, descriptors.

use crate::fields::{SI16, SI16_HI, WORD32, WORD64};
use alloc::vec::Vec;
use relobox_plugin::abi::{Supplied, Symbol, fault, section_flag, supply, symbol_flag};
use relobox_plugin::{Cx, Hooks, Job, Plan, Site, Table, Trouble, Value, code, ha, needs, sort};

/// Types that calls are told apart by; the table compares them with its own.
pub(crate) const R_PPC64_ADDR64: u32 = 38;
pub(crate) const R_PPC64_REL24_NOTOC: u32 = 116;
pub(crate) const R_PPC64_REL24_P9NOTOC: u32 = 124;

/// The column `needs`: the TOC; a stub, if the symbol is not called directly.
pub(crate) const TOC: u16 = needs::OWN;
pub(crate) const CALL: u16 = TOC << 1;
/// Bytes of a stub: seven instructions, the magic word, the target.
pub(crate) const STUB: usize = 7 * 4 + 4 + 8;
/// "stub".
const MAGIC: u64 = 0x7374_7562;

/// Where the TOC is, and what is called in which way.
#[derive(Default)]
pub struct Toc {
    /// ELFv1.
    pub(crate) v1: bool,
    /// Somebody needs the TOC.
    wanted: bool,
    /// The section that begins with the TOC: the module's own, or the synthetic one.
    section: Option<u32>,
    made: Option<usize>,
    /// Its address: 0x8000 below `.TOC.`.
    pub(crate) base: Value,
    /// Stubs for code that has no TOC.
    notoc: Table,
    /// Undefined symbols: `_mcount` and its kind, `.TOC.`, other dot symbols.
    ftrace: Vec<u32>,
    named: Vec<u32>,
    dotted: Vec<u32>,
    /// `.opd`, and its relocations by offset, once somebody has asked.
    opd: Option<u32>,
    functions: Option<Vec<(u32, i64)>>,
}

/// How a symbol is called.
enum Way {
    Direct,
    /// By a stub that saves r2, which a `nop` behind the call restores.
    Saving,
    /// By a stub that needs no r2.
    NoToc,
}

impl Toc {
    /// How a relocation of type `kind` calls `symbol`.
    fn way(&self, kind: u32, index: u32, symbol: &Symbol) -> Way {
        let toc = !matches!(kind, R_PPC64_REL24_NOTOC | R_PPC64_REL24_P9NOTOC);
        let entries = if self.v1 { 0 } else { symbol.other >> 5 };
        let outside = symbol.section == 0 && symbol.flags & symbol_flag::ABSOLUTE == 0;
        match (outside, toc, entries) {
            (true, true, _) if !self.ftrace.contains(&index) => Way::Saving,
            (false, true, 1) => Way::Saving,
            (true, ..) | (false, false, 2..) => Way::NoToc,
            (false, ..) => Way::Direct,
        }
    }
}

impl Hooks for Toc {
    const GOT: &'static str = "";

    fn start(&mut self, job: &Job<'_>) {
        self.v1 = job.header.elf_flags & 3 != 2;
        let mut stubs = None;
        for (i, section) in (0..).zip(job.sections).filter(|(_, s)| s.flags & section_flag::ALLOC != 0) {
            match job.text(section.name) {
                b".toc" => self.section = Some(i),
                b".stubs" => stubs = Some(i),
                b".opd" if self.v1 => self.opd = Some(i),
                _ => {}
            }
        }
        self.section = self.section.or(stubs);
        for symbol in 0..job.symbols.len() as u32 {
            match job.symbol_name(symbol) {
                b"_mcount" | b"ftrace_caller" | b"ftrace_regs_caller" if !self.v1 => self.ftrace.push(symbol),
                b".TOC." => self.named.push(symbol),
                [b'.', ..] => self.dotted.push(symbol),
                _ => {}
            }
        }
    }

    fn need(&mut self, needs: u16, site: &Site<'_>, plan: &mut Plan) {
        self.wanted |= needs & TOC != 0;
        let r = site.relocation;
        let Some(symbol) = site.job.symbols.get(r.symbol as usize).filter(|_| needs & CALL != 0) else { return };
        match self.way(r.kind, r.symbol, symbol) {
            Way::Direct => {}
            Way::Saving => plan.tables.plt.want(site.job, r.symbol, r.addend),
            Way::NoToc => self.notoc.want(site.job, r.symbol, r.addend),
        }
    }

    fn plan(&mut self, job: &Job<'_>, plan: &mut Plan) {
        self.wanted |= plan.stubs(".relobox.stubs", STUB, 8, 0) != 0;
        let bytes = self.notoc.seal() * STUB;
        self.notoc.lies_in(plan.text(".relobox.stubs.notoc", bytes, 8), STUB);
        for symbol in &self.dotted {
            plan.rename(*symbol, job.symbol_name(*symbol).get(1..).unwrap_or_default());
        }
        if !self.wanted && self.named.is_empty() {
            return;
        }
        let (how, index) = match self.section {
            Some(section) => {
                plan.align(section, 256);
                (supply::IN_SECTION, section)
            }
            None => {
                let got = plan.synthetic.iter().position(|s| s.name == ".relobox.got");
                self.made = got.or_else(|| plan.rodata(".relobox.got", 8, 256));
                self.made.and_then(|i| plan.synthetic.get_mut(i)).into_iter().for_each(|toc| toc.align = 256);
                (supply::IN_SYNTHETIC, self.made.unwrap_or_default() as u32)
            }
        };
        for symbol in &self.named {
            plan.supplied.push(Supplied { symbol: *symbol, how, index, value: 0x8000, ..Default::default() });
        }
    }

    fn begin(cx: &mut Cx<'_, Self>) {
        let own = cx.state.section.and_then(|i| cx.job.sections.get(i as usize)).map(|s| s.address);
        let made = || cx.state.made.and_then(|i| cx.synthetic.get(i)).map(|s| s.address);
        cx.state.base = Value::of(own.or_else(made).unwrap_or_default());
    }
}

/// What trouble leaves of a value: it is reported, and the value that stands in for it is admitted.
pub(crate) fn or<T>(cx: &mut Cx<'_, Toc>, value: Result<T, Trouble>, instead: T) -> T {
    value.unwrap_or_else(|trouble| {
        cx.report(trouble);
        instead
    })
}

/// Where a call of `target` goes: its stub, which is filled in, its local entry point, or the code of its descriptor.
#[allow(non_snake_case, reason = "the psABIs' customary letter")]
pub(crate) fn L(cx: &mut Cx<'_, Toc>, target: Value) -> Value {
    let (way, place) = (way(cx, target), cx.address(cx.relocation.offset));
    or(cx, way, place)
}

#[inline(never)]
fn way(cx: &mut Cx<'_, Toc>, target: Value) -> Result<Value, Trouble> {
    const NO_STUB: Trouble = Trouble::unpaired("no stub was planned for it");
    let (r, v1, big) = (cx.relocation, cx.state.v1, cx.job.big_endian());
    let symbol = cx.job.symbols.get(r.symbol as usize).ok_or(NO_STUB)?;
    let (table, toc) = match cx.state.way(r.kind, r.symbol, symbol) {
        Way::Direct if v1 && cx.state.opd == Some(symbol.section) => return function(cx, target),
        Way::Direct => return Ok(if v1 { target } else { target + cx.local().0 }),
        Way::NoToc if v1 => return Err(Trouble::new(fault::REJECTED, "is of ELFv2: a function of ELFv1 has a TOC")),
        Way::NoToc => (&cx.state.notoc, None),
        Way::Saving => (&cx.tables.plt, Some(cx.state.base + 0x8000)),
    };
    let entry = table.of(cx.synthetic, r.symbol, r.addend).ok_or(NO_STUB)?;
    let address = entry.address;
    if entry.bytes[STUB - 9] == 0 {
        let from_toc = toc.map_or(Value(0), |toc| address - toc.0 + if v1 { 32 } else { 0 });
        let high = ha(from_toc, 16);
        if high.sign_extend(32) != high {
            return Err(Trouble { value: from_toc.0, min: -0x8000_8000, max: 0x7fff_7fff, ..STUB_TOO_FAR });
        }
        match (toc, v1) {
            (Some(_), false) => code! { entry.bytes, big;
                SI16_HI(0x3d62_0000, high) // addis r11, r2, (stub - .TOC.)@ha
                SI16(0x396b_0000, from_toc) // addi r11, r11, (stub - .TOC.)@l
                WORD32(0xf841_0018)        // std r2, 24(r1)
                WORD32(0xe98b_0020)        // ld r12, 32(r11)
                WORD32(0x7d89_03a6)        // mtctr r12
                WORD32(0x4e80_0420)        // bctr
                WORD32(0) WORD32(MAGIC) WORD64(0, target)
            },
            (Some(_), true) => code! { entry.bytes, big;
                SI16_HI(0x3d62_0000, high) // addis r11, r2, (descriptor's address - .TOC.)@ha
                WORD32(0xf841_0028)        // std r2, 40(r1)
                SI16(0xe96b_0000, from_toc) // ld r11, (descriptor's address - .TOC.)@l(r11)
                WORD32(0xe98b_0000)        // ld r12, 0(r11)
                WORD32(0xe84b_0008)        // ld r2, 8(r11)
                WORD32(0x7d89_03a6)        // mtctr r12
                WORD32(0x4e80_0420)        // bctr
                WORD32(MAGIC) WORD64(0, target)
            },
            (None, _) => code! { entry.bytes, big;
                SI16(0x3d80_0000, target >> 48) // lis r12, target@highest
                SI16(0x618c_0000, target >> 32) // ori r12, r12, target@higher
                WORD32(0x798c_07c6)             // sldi r12, r12, 32
                SI16_HI(0x658c_0000, target)    // oris r12, r12, target@high
                SI16(0x618c_0000, target)       // ori r12, r12, target@l
                WORD32(0x7d89_03a6)             // mtctr r12
                WORD32(0x4e80_0420)             // bctr
                WORD32(MAGIC) WORD64(0, target)
            },
        }
    }
    if toc.is_some() {
        restore(cx, v1)?;
    }
    Ok(address)
}

const STUB_TOO_FAR: Trouble = Trouble::new(fault::OUT_OF_RANGE, "the stub is too far from the TOC");

/// Makes the `nop` behind a call restore r2 from where the stub saved it. A call that ends its section does not return.
fn restore(cx: &mut Cx<'_, Toc>, v1: bool) -> Result<(), Trouble> {
    let (call, next) = (cx.relocation.offset, cx.relocation.offset + 4);
    let load = if v1 { 0xe841_0028 } else { 0xe841_0018 };
    let links = cx.word(&WORD32, call)? & 0xf400_0003 == 0x4000_0001;
    match cx.word(&WORD32, next) {
        // Old compilers: cror 15, 15, 15 and cror 31, 31, 31.
        Ok(0x6000_0000 | 0x4def_7b82 | 0x4fff_fb82) if links => cx.set_word(&WORD32, next, load),
        Ok(word) if links && word != load => {
            let text = "no nop follows the call, which would restore r2";
            Err(Trouble { value: word as i64, ..Trouble::new(fault::BAD_INSTRUCTION, text) })
        }
        _ => Ok(()),
    }
}

/// The code of a descriptor in `.opd`.
#[inline(never)]
fn function(cx: &mut Cx<'_, Toc>, descriptor: Value) -> Result<Value, Trouble> {
    const NO_CODE: Trouble = Trouble::unpaired("no relocation of .opd says where its code is");
    let opd = cx.state.opd.unwrap_or_default();
    let start = cx.job.sections.get(opd as usize).map_or(0, |s| s.address);
    let (job, offset) = (cx.job, descriptor.bits().wrapping_sub(start));
    let all = cx.state.functions.get_or_insert_with(|| {
        let code = job.groups.iter().filter(|g| g.section == opd).flat_map(|g| job.relocations_of(g));
        let code = code.filter(|r| r.kind == R_PPC64_ADDR64 && r.offset <= u32::MAX.into());
        let mut all: Vec<_> = code.map(|r| (r.offset as u32, job.index_of(r).into())).collect();
        sort(&mut all);
        all
    });
    let found = all.get(all.partition_point(|f| u64::from(f.0) < offset)).filter(|f| u64::from(f.0) == offset);
    let r = found.and_then(|f| job.relocations.get(f.1 as usize)).ok_or(NO_CODE)?;
    Ok(cx.value(r.symbol) + r.addend)
}
