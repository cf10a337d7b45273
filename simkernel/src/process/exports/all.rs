//! All exports.

use super::entry::Entry;
use super::{heap, numbers, param, print, string, sync, thunks};

/// All exports, in the order of their addresses.
pub(super) fn entries() -> Vec<Entry> {
    let mut all = Vec::new();
    all.extend(print::entries());
    all.extend(heap::entries());
    all.extend(string::entries());
    all.extend(numbers::entries());
    all.extend(param::entries());
    all.extend(sync::entries());
    all.extend(thunks::entries());
    all
}
