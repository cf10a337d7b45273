//! The stack machine of ABI version 0: relocations that compute.

use crate::state::{Stack, State};
use relobox_plugin::abi::fault;
use relobox_plugin::{Cx, Trouble, Value};

/// The bits of a number.
const BITS: i64 = 64;

#[inline(never)]
pub(super) fn push(number: Value, cx: &mut Cx<'_, State>) -> Result<(), Trouble> {
    let (index, stack) = (cx.index(), &mut cx.state.stack);
    let text = "is the 17th number on the stack";
    *stack.numbers.get_mut(stack.depth).ok_or(Trouble::new(fault::OTHER, text))? = (index, number);
    stack.depth += 1;
    Ok(())
}

#[inline(never)]
pub(super) fn pop(cx: &mut Cx<'_, State>) -> Result<Value, Trouble> {
    const EMPTY: Trouble = Trouble::unpaired("nothing was pushed at this place");
    let here = |index: u32| {
        let pushed = cx.job.relocations.get(index as usize);
        pushed.is_some_and(|pushed| pushed.offset == cx.relocation.offset)
    };
    let stack = &mut cx.state.stack;
    let top = stack.numbers[..stack.depth].iter().rposition(|number| here(number.0)).ok_or(EMPTY)?;
    let (_, number) = stack.numbers[top];
    stack.numbers.copy_within(top + 1..stack.depth, top);
    stack.depth -= 1;
    Ok(number)
}

/// Pushes the topmost number again.
#[inline(never)]
pub(super) fn dup(cx: &mut Cx<'_, State>) -> Result<(), Trouble> {
    let number = pop(cx)?;
    push(number, cx)?;
    push(number, cx)
}

/// Whether the topmost number is 0.
#[inline(never)]
pub(super) fn not(cx: &mut Cx<'_, State>) -> Result<(), Trouble> {
    let number = pop(cx)?;
    push(Value(i64::from(number == Value(0))), cx)
}

/// Puts what is made of the two topmost numbers in their place, the one that was pushed first before the other.
#[inline(never)]
pub(super) fn binary(operation: fn(Value, Value) -> Value, cx: &mut Cx<'_, State>) -> Result<(), Trouble> {
    let (second, first) = (pop(cx)?, pop(cx)?);
    push(operation(first, second), cx)
}

/// The same if the second is a number of bits.
#[inline(never)]
pub(super) fn shift(operation: fn(Value, u32) -> Value, cx: &mut Cx<'_, State>) -> Result<(), Trouble> {
    let (bits, number) = (pop(cx)?, pop(cx)?);
    if !(0..BITS).contains(&bits.0) {
        let text = "cannot shift by so many bits";
        return Err(Trouble { kind: fault::OUT_OF_RANGE, value: bits.0, min: 0, max: BITS - 1, text });
    }
    push(operation(number, bits.0 as u32), cx)
}

#[inline(never)]
pub(super) fn if_else(cx: &mut Cx<'_, State>) -> Result<(), Trouble> {
    let (otherwise, then, condition) = (pop(cx)?, pop(cx)?, pop(cx)?);
    push(if condition == Value(0) { otherwise } else { then }, cx)
}

#[inline(never)]
pub(super) fn assert(cx: &mut Cx<'_, State>) -> Result<(), Trouble> {
    if pop(cx)? == Value(0) {
        return Err(Trouble::new(fault::OTHER, "asserts a number that is 0"));
    }
    Ok(())
}

/// After the relocations of a section: what was pushed is popped by now.
#[inline(never)]
pub(super) fn end(cx: &mut Cx<'_, State>) {
    let Stack { numbers, depth } = core::mem::take(&mut cx.state.stack);
    for (index, _) in &numbers[..depth] {
        if let Some(pushed) = cx.job.relocations.get(*index as usize) {
            cx.report_at(*index, pushed, Trouble::unpaired("nothing pops what it pushed"));
        }
    }
}
