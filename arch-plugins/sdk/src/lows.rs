//! Low halves in file order, which complete the addends of the high halves before them; see
//! [`NEXT`](relobox_abi::pairing::NEXT).

use crate::Trouble;
use alloc::vec::Vec;
use relobox_abi::Relocation;

/// The next low half of each type that was asked for, in the section being patched.
#[derive(Debug, Default)]
pub struct Lows(Vec<Low>);

#[derive(Clone, Copy, Debug)]
struct Low {
    kind: u32,
    /// Index of the relocation: not beyond the one at hand if it must be looked for again.
    at: u32,
    symbol: u32,
    /// What stands in its field.
    addend: i64,
}

/// There is no more of them in this section.
const NO_MORE: u32 = u32::MAX;

impl Lows {
    /// What stands in the next low half of type `kind` behind relocation `here`, which has to be of `symbol`. `rest` are the
    /// relocations of the section behind `here`, and `addend` reads the field of one. Each is passed over once for a type,
    /// whatever their number: the search goes on where the last answer lies.
    ///
    /// # Errors
    /// If no such relocation follows, or if it is of another symbol.
    pub fn next(
        &mut self,
        kind: u32,
        here: u32,
        symbol: u32,
        rest: &[Relocation],
        addend: impl FnOnce(&Relocation) -> i64,
    ) -> Result<i64, Trouble> {
        let known = self.0.iter().position(|low| low.kind == kind);
        let low = match known.map(|i| self.0[i]) {
            Some(low) if low.at > here => low,
            _ => match (here + 1..).zip(rest).find(|(_, r)| r.kind == kind) {
                Some((at, low)) => Low { kind, at, symbol: low.symbol, addend: addend(low) },
                None => Low { kind, at: NO_MORE, symbol: 0, addend: 0 },
            },
        };
        match known {
            Some(i) => self.0[i] = low,
            None => self.0.push(low),
        }
        if low.at == NO_MORE {
            return Err(Trouble::unpaired("no low half follows it"));
        }
        if low.symbol != symbol {
            return Err(Trouble::unpaired("the low half that follows it is of another symbol"));
        }
        Ok(low.addend)
    }
}
