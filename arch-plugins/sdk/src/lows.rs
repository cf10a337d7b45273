//! Low halves in file order, which complete the addends of the high halves before them; see
//! [`NEXT`](relobox_abi::pairing::NEXT).

use crate::low::{Low, NO_MORE};
use crate::{Cx, Field, Trouble, Value};
use relobox_abi::group_flag;

impl<T> Cx<'_, T> {
    /// The addend of the high half at hand. Explicit ones are whole: `high` itself. In place, the signed one that stands in
    /// `field` of the next relocation of type `kind` is added. For rows that say `pair next`.
    ///
    /// # Errors
    /// If no such relocation follows in the section, or if it is of another symbol.
    #[inline(always)]
    pub fn with_low(&mut self, high: Value, kind: u32, field: &Field) -> Result<Value, Trouble> {
        if self.group.flags & group_flag::IN_PLACE == 0 { Ok(high) } else { Ok(high + self.low(kind, field)?) }
    }

    #[inline(never)]
    fn low(&mut self, kind: u32, field: &Field) -> Result<i64, Trouble> {
        let here = self.index();
        let known = self.lows.0.iter().position(|low| low.kind == kind);
        let low = match known.map(|i| self.lows.0[i]) {
            Some(low) if low.at > here => low,
            _ => self.next_low(here, kind, field),
        };
        match known {
            Some(i) => self.lows.0[i] = low,
            None => self.lows.0.push(low),
        }
        if low.at == NO_MORE {
            return Err(Trouble::unpaired("no low half follows it"));
        }
        if low.symbol != self.relocation.symbol {
            return Err(Trouble::unpaired("the low half that follows it is of another symbol"));
        }
        Ok(low.addend)
    }

    /// The next relocation of type `kind` behind `here`. Each is passed over once for a type, whatever their number: who asks
    /// again asks from where the last answer lies.
    fn next_low(&mut self, here: u32, kind: u32, field: &Field) -> Low {
        let end = self.group.first.saturating_add(self.group.count) as usize;
        let relocations = self.job.relocations;
        let rest = relocations.get(here as usize + 1..end.min(relocations.len())).unwrap_or(&[]);
        let Some((at, low)) = (here + 1..).zip(rest).find(|(_, r)| r.kind == kind) else {
            return Low { kind, at: NO_MORE, symbol: 0, addend: 0 };
        };
        let big = self.job.big_endian();
        // One that lies outside the section is reported when its turn comes.
        let addend = self.place(field, low.offset).map_or(0, |place| field.addend(place, big));
        Low { kind, at, symbol: low.symbol, addend }
    }
}
