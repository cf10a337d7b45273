//! Numbers of variable length: seven bits in each byte, the lowest first, and the top bit where another byte follows.
//!
//! A pair writes the distance of two labels into the bytes that are there: `SET_ULEB128`, and straight behind it, at
//! the same place, `SUB_ULEB128`.

use alloc::vec::Vec;
use relobox_plugin::abi::fault;
use relobox_plugin::{Cx, Plan, Site, Trouble, Value, needs};

/// The row needs a window as long as the number is.
pub const ULEB: u16 = needs::OWN;

/// The numbers of a module.
#[derive(Default)]
pub struct Numbers {
    /// Every `SUB_ULEB128`, with the length of its number.
    lengths: Vec<(u32, usize)>,
    /// The `SET_ULEB128` that waits: its index, offset and value.
    set: Option<(u32, u64, Value)>,
}

impl Numbers {
    /// Before there are addresses.
    pub(super) fn measure(&mut self, site: &Site<'_>, plan: &mut Plan) {
        if let Some(len) = len_at(site.data, site.relocation.offset) {
            self.lengths.push((site.index, len));
            plan.window(site.index, site.relocation.offset, len as u32);
        }
    }
}

/// After the relocations of a section.
pub(super) fn end<S: AsMut<Numbers>>(cx: &mut Cx<'_, S>) {
    if let Some(set) = cx.state.as_mut().set.take() {
        lone_set(cx, set);
    }
}

/// Bytes of the number at `offset`; `None` if it does not end within 10, or within the section.
fn len_at(section: &[u8], offset: u64) -> Option<usize> {
    let number = section.get(usize::try_from(offset).ok()?..)?;
    Some(number.iter().take(10).position(|byte| byte & 0x80 == 0)? + 1)
}

pub(super) fn set_uleb128<S: AsMut<Numbers>>(cx: &mut Cx<'_, S>, value: Value) {
    let set = (cx.index(), cx.relocation.offset, value);
    if let Some(set) = cx.state.as_mut().set.replace(set) {
        lone_set(cx, set);
    }
}

pub(super) fn sub_uleb128<S: AsMut<Numbers>>(cx: &mut Cx<'_, S>, value: Value) -> Result<(), Trouble> {
    let offset = cx.relocation.offset;
    let minuend = match cx.state.as_mut().set.take() {
        // Straight behind it: that is how the psABI says which two belong together.
        Some((index, at, minuend)) if at == offset && index + 1 == cx.index() => minuend,
        other => {
            if let Some(set) = other {
                lone_set(cx, set);
            }
            return Err(Trouble::unpaired("no SET_ULEB128 at the same place precedes it"));
        }
    };
    // The length that plan saw: an earlier relocation may have written here.
    let index = cx.index();
    let lengths = &cx.state.as_mut().lengths;
    let planned = lengths.binary_search_by_key(&index, |u| u.0).ok().map(|i| lengths[i].1);
    let len = planned.ok_or(Trouble::new(fault::OTHER, "finds no ULEB128 number of at most 10 bytes"))?;
    let number = cx.data.get_mut(offset as usize..).and_then(|rest| rest.get_mut(..len));
    let number = number.ok_or(Trouble::new(fault::OUTSIDE, ""))?;
    let value = minuend - value.0;
    let value = if cx.job.header.class == 32 { value.narrow() } else { value };
    let max = if len < 9 { (1 << (7 * len)) - 1 } else { i64::MAX };
    if value.0 < 0 || value.0 > max {
        return Err(Trouble { kind: fault::OUT_OF_RANGE, value: value.0, min: 0, max, text: "" });
    }
    let mut rest = value.0;
    for (i, byte) in number.iter_mut().enumerate() {
        *byte = (rest & 0x7f) as u8 | if i + 1 < len { 0x80 } else { 0 };
        rest >>= 7;
    }
    Ok(())
}

#[cold]
fn lone_set<S>(cx: &mut Cx<'_, S>, (index, _, _): (u32, u64, Value)) {
    if let Some(r) = cx.job.relocations.get(index as usize) {
        cx.report_at(index, r, Trouble::unpaired("no SUB_ULEB128 at the same place follows it"));
    }
}
