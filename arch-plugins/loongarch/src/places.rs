//! Relocations that others of their section refer to by place, before or behind them.

use crate::state::State;
use relobox_plugin::abi::Relocation;
use relobox_plugin::{Cx, Trouble, Value, sort};

/// The types that are looked for; the table compares them with its own.
pub(super) const R_LARCH_PCALA64_LO20: u32 = 73;
pub(super) const R_LARCH_PCADD_HI20: u32 = 128;
pub(super) const R_LARCH_GOT_PCADD_HI20: u32 = 130;

/// An index, below a kind.
const INDEX: i64 = 0xffff_ffff;
/// `pcaddu12i`'s, which a label marks.
const HIGH: i64 = 0;
/// `lu32i.d`'s, two instructions behind `pcalau12i`.
const UPPER: i64 = INDEX + 1;

/// The value of the high part at `label`.
#[inline(never)]
pub(super) fn low(label: Value, cx: &mut Cx<'_, State>) -> Result<Value, Trouble> {
    const NO_HIGH: Trouble = Trouble::unpaired("its symbol is not at a PCADD_HI20 or GOT_PCADD_HI20 of this section");
    let offset = label.bits().wrapping_sub(cx.section.address);
    let high = at(cx, offset, HIGH).ok_or(NO_HIGH)?;
    let to = match high.kind {
        R_LARCH_PCADD_HI20 if (high.symbol as usize) < cx.job.values.len() => cx.value(high.symbol) + high.addend,
        R_LARCH_GOT_PCADD_HI20 => cx.slot_of(high.symbol, Value(high.addend))? + cx.got()?,
        _ => return Err(NO_HIGH),
    };
    Ok(to - cx.address(offset))
}

/// How far away a page is, for `pcalau12i`: only the low half counts if the upper one of the same target stands two
/// instructions on.
#[cold]
pub(super) fn lower_half(pages: Value, cx: &mut Cx<'_, State>) -> Value {
    let (here, behind) = (cx.relocation, cx.relocation.offset.wrapping_add(8));
    let target = |r: &Relocation| (r.symbol, r.addend);
    let upper = at(cx, behind, UPPER).filter(|r| target(r) == target(here));
    if upper.is_some() { pages.sign_extend(32) } else { pages }
}

/// The relocation of this kind at `offset` of the section, unless there are two.
fn at<'a>(cx: &mut Cx<'a, State>, offset: u64, kind: i64) -> Option<&'a Relocation> {
    let (job, group) = (cx.job, cx.group);
    let places = cx.state.places.get_or_insert_with(|| {
        let place = |(r, index): (&Relocation, i64)| {
            let kind = match r.kind {
                R_LARCH_PCADD_HI20 | R_LARCH_GOT_PCADD_HI20 => HIGH,
                R_LARCH_PCALA64_LO20 => UPPER,
                _ => return None,
            };
            // What lies beyond 4 GiB lies outside of the section, and is reported as such.
            Some((u32::try_from(r.offset).ok()?, kind | index))
        };
        let all = job.relocations_of(group).iter().zip(i64::from(group.first)..);
        let mut places = all.filter_map(place).collect();
        sort(&mut places);
        places
    });
    let first = (u32::try_from(offset).ok()?, kind);
    let mut here = places[places.partition_point(|place| *place < first)..].iter();
    let is_here = |place: &&(u32, i64)| place.0 == first.0 && place.1 & !INDEX == kind;
    let (_, found) = here.next().filter(is_here)?;
    let index = (found & INDEX) as usize;
    job.relocations.get(index).filter(|_| !here.next().is_some_and(|next| is_here(&next)))
}
