//! What is kept of an instance that is reset for the next job: see [`reuse`](super::reuse).

use super::limiter::Limits;
use std::ops::Range;
use std::sync::{Mutex, OnceLock};
use wasmtime::{Global, Memory, Store, Val};

/// The prefix of the exports of a rewritten guest that are its mutable globals. A number follows, from 0.
pub const MUTABLE_GLOBAL: &str = "relobox:global:";

/// How a rewritten guest marks what it writes: one byte of the counters' memory for each unit of its own memory. A
/// store may also have written the first seven bytes of the next unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marks {
    /// The offset of the marks in the counters' memory. Everything before is counters.
    pub at: usize,
    /// The number of marks.
    pub count: usize,
    /// The bytes of a unit.
    pub unit: usize,
    /// The number of globals that the guest exports under the name [`MUTABLE_GLOBAL`].
    pub globals: usize,
}

/// The number of instances that a guest keeps.
pub(super) const IDLE: usize = 2;

/// The bytes that the widest store may have written behind its unit.
const BEYOND: usize = 7;

/// The initial state of a guest, and an instance with this state.
pub(super) struct Reuse {
    pub(super) marks: Marks,
    pub(super) contents: OnceLock<Vec<u8>>,
    /// A job of the engine's fuzzer needs two at a time.
    pub(super) idle: Mutex<Vec<Idle>>,
}

/// An instance in its initial state. It has no guest, since the guest owns it.
pub(super) struct Idle {
    pub(super) store: Store<Limits>,
    pub(super) instance: wasmtime::Instance,
    pub(super) memory: Memory,
    pub(super) handles: Handles,
}

/// What a reset needs besides the memory.
pub(super) struct Handles {
    pub(super) counters: Memory,
    pub(super) globals: Vec<(Global, Val)>,
    /// The fuel that instantiation used.
    pub(super) startup: u64,
    /// What the host wrote.
    pub(super) written: Vec<Range<usize>>,
    /// The number of jobs before this one.
    pub(super) jobs: u64,
}

impl Reuse {
    /// Resets an instance, or returns false if that is impossible.
    pub(super) fn reset(&self, store: &mut Store<Limits>, memory: Memory, handles: &mut Handles) -> bool {
        let Some(contents) = self.contents.get() else { return false };
        if memory.data_size(&*store) != contents.len() || store.data().starved.is_some() {
            return false;
        }
        let Marks { at, unit, count, .. } = self.marks;
        let Some(counters) = handles.counters.data_mut(&mut *store).get_mut(..at + count) else { return false };
        let marked = (0..).zip(&counters[at..]).filter(|(_, mark)| **mark != 0);
        handles.written.extend(marked.map(|(i, _): (usize, _)| i * unit..(i + 1) * unit + BEYOND));
        counters.fill(0);
        let bytes = memory.data_mut(&mut *store);
        for range in handles.written.drain(..) {
            let range = range.start.min(contents.len())..range.end.min(contents.len());
            bytes[range.clone()].copy_from_slice(&contents[range]);
        }
        debug_assert!(*bytes == **contents, "a guest wrote bytes that it did not mark");
        handles.jobs += 1;
        handles.globals.iter().all(|(global, value)| global.set(&mut *store, *value).is_ok())
    }
}
