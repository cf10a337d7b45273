//! Numbers of variable length: seven bits in each byte, the lowest first, and the top bit where another byte follows.

use crate::state::{Lengths, State};
use relobox_plugin::abi::fault;
use relobox_plugin::{Cx, Plan, Site, Trouble, Value, needs};

/// The row needs a window as long as the number is.
pub const ULEB: u16 = needs::OWN;

/// Before there are addresses: later, an earlier relocation may have changed where the number ends.
pub(super) fn measure(lengths: &mut Lengths, site: &Site<'_>, plan: &mut Plan) {
    let rest = usize::try_from(site.relocation.offset).ok().and_then(|at| site.data.get(at..));
    let last = rest.and_then(|number| number.iter().take(10).position(|byte| byte & 0x80 == 0));
    if let Some(last) = last {
        lengths.push((site.index, last + 1));
        plan.window(site.index, site.relocation.offset, last as u32 + 1);
    }
}

/// Adds to the number at the place, which keeps its length: half-way it may not fit, so nothing is checked.
#[inline(never)]
pub(super) fn add(value: Value, cx: &mut Cx<'_, State>) -> Result<(), Trouble> {
    const NO_NUMBER: Trouble = Trouble::new(fault::OTHER, "finds no ULEB128 number of at most 10 bytes");
    let (index, offset) = (cx.index(), cx.relocation.offset as usize);
    let planned = cx.state.lengths.binary_search_by_key(&index, |length| length.0);
    let len = planned.map_or(0, |i| cx.state.lengths[i].1);
    let number = cx.data.get_mut(offset..).and_then(|rest| rest.get_mut(..len)).filter(|number| !number.is_empty());
    let (mut carry, number) = (value.bits(), number.ok_or(NO_NUMBER)?);
    for (i, byte) in number.iter_mut().enumerate() {
        let sum = u64::from(*byte & 0x7f) + (carry & 0x7f);
        *byte = (sum & 0x7f) as u8 | if i + 1 < len { 0x80 } else { 0 };
        carry = (carry >> 7) + (sum >> 7);
    }
    Ok(())
}
