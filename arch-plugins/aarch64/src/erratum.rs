//! Erratum 843419 of Cortex-A53: an `adrp` in the last two words of a page of 4 KiB may give a wrong address, depending
//! on what follows it.
//!
//! Arm's errata notice for Cortex-A53 (EPM-048406), <https://developer.arm.com/documentation/epm048406/latest>. As
//! kernels do, no instruction behind is looked at: every `adrp` there is replaced. Where the section's alignment can
//! keep it from there, plan raises that.

use crate::fields::{ADR, ADRP, IMM26, INSN};
use relobox_plugin::abi::fault;
use relobox_plugin::{Cx, Plan, Site, Trouble, Value, code, needs, page};

/// The row patches an `adrp`.
pub const ERRATUM: u16 = needs::OWN;

/// Whether the processor has it, and the veneers against it.
#[derive(Default)]
pub struct Erratum {
    pub(super) on: bool,
    /// How many veneers may be needed.
    pub(super) spare: usize,
    /// The number of the first that is still free; they come behind those for branches.
    pub(super) free: usize,
}

impl Erratum {
    /// Before there are addresses: keeps an `adrp` out of the last two words, or has a veneer for it.
    pub(super) fn adrp(&mut self, site: &Site<'_>, plan: &mut Plan) {
        if !self.on {
            return;
        }
        let section = site.group.section;
        match safe_alignment(site.relocation.offset) {
            Some(safe) if site.job.sections.get(section as usize).is_some_and(|s| s.align >= safe) => {}
            Some(safe) => plan.align(section, safe),
            None => self.spare += 1,
        }
    }
}

/// After the relocations of a section. `patches`: rows of that type patch an `adrp`.
pub(super) fn mend(cx: &mut Cx<'_, Erratum>, patches: impl Fn(u32) -> bool) {
    if !cx.state.on {
        return;
    }
    for (index, r) in (cx.group.first..).zip(cx.job.relocations_of(cx.group)) {
        if patches(r.kind)
            && let Err(trouble) = mend_adrp(cx, r.offset)
        {
            cx.report_at(index, r, trouble);
        }
    }
}

/// Whether an address, or an offset in an aligned section, is in the last two words of a page.
pub(super) fn forbidden(address: u64) -> bool {
    address & 0xff8 == 0xff8
}

/// The alignment of a section that keeps what is at `offset` out of the last two words of any page:
/// it fixes all address bits up to the lowest that is not set. `None` if they all are.
pub(super) fn safe_alignment(offset: u64) -> Option<u64> {
    (!forbidden(offset)).then(|| 2 << (offset | 7).trailing_ones())
}

/// An `adrp` that stands in the last two words of a page becomes an
/// `adr` if that reaches the same page, and otherwise a branch to a veneer that has the `adrp` and branches back.
fn mend_adrp(cx: &mut Cx<'_, Erratum>, offset: u64) -> Result<(), Trouble> {
    let place = cx.address(offset);
    if !forbidden(place.bits()) {
        return Ok(());
    }
    let Ok(word) = cx.word(&INSN, offset) else { return Ok(()) }; // A fault already.
    if word & 0x9f00_0000 != 0x9000_0000 {
        return Ok(()); // Mended already, or never an adrp.
    }
    let target = page(place) + Value(ADRP.extract(word) as i64).sign_extend(33).0;
    let near = target - place;
    if near.sign_extend(21) == near {
        return cx.set_word(&INSN, offset, ADR.insert(word & !0x8000_0000, near.0));
    }
    const NO_VENEER: Trouble = Trouble::new(
        fault::OTHER,
        "no way around erratum 843419 for the adrp here: its veneer is missing or out of reach",
    );
    let entry = cx.tables.plt.entry(cx.synthetic, cx.state.free).ok_or(NO_VENEER)?;
    let (pages, there) = (target - page(entry.address), entry.address - place);
    if pages.sign_extend(33) != pages || there.sign_extend(28) != there {
        return Err(NO_VENEER);
    }
    code! { entry.bytes, false;
        ADRP(word, pages)          // adrp
        IMM26(0x1400_0000, -there) // b: from entry + 4 to place + 4
    }
    cx.state.free += 1;
    cx.set_word(&INSN, offset, IMM26.insert(0x1400_0000, there.0))
}
