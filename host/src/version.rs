//! Plugins of an older ABI version, in the words of this one; `docs/abi.md` has the rules.

use crate::error::Misbehaviour;
use crate::guests::{About, PluginRow};
use relobox_abi::{ABI_OLDEST, Row, effect, pairing, row_flag};

/// What version 1 knew of a row's flags.
const FLAGS_1: u32 = row_flag::NOP | row_flag::REJECT | row_flag::BY_HAND | row_flag::FALLBACK | row_flag::ZERO;

/// A row as it was meant: what its version did not know is 0, whatever stands there.
pub(crate) fn row(abi: u32, row: &Row) -> Row {
    match abi {
        1 => Row { flags: row.flags & FLAGS_1, pairing: 0, effect: 0, round: 0, partner: 0, ..*row },
        _ => *row,
    }
}

/// Effects, roundings and pairs that this version knows, and partners that exist.
pub(crate) fn consistent(about: &About) -> Result<(), Misbehaviour> {
    for PluginRow { row, .. } in &about.rows {
        let partner = || about.row(row.partner).is_some_and(|other| other.row.kind == row.partner);
        let paired = row.pairing <= pairing::PART && (row.pairing == pairing::NONE || partner());
        if !paired || row.effect > effect::SIZE || u32::from(row.round) >= u64::BITS {
            return Err(Misbehaviour::Answer(format!("row {} of its table is of no known kind, or pair", row.kind)));
        }
    }
    Ok(())
}

/// Why a guest of version `theirs` cannot be used by a host whose newest is `ours`.
pub(crate) fn refusal(theirs: u32, ours: u32) -> String {
    let advice = if theirs > ours {
        "use a newer relobox, or build it for one of these"
    } else {
        "build it anew, with the header or SDK of this version"
    };
    format!("has ABI version {theirs}, and this host speaks {ABI_OLDEST} to {ours}: {advice}")
}
