//! Resets an instance for the next job instead of creating a new one, which is most of the cost of a small job.
//!
//! Only the fuzzer does this, and only with guests that it has rewritten: they mark what they write. A reset instance has
//! the state of a new one. That state is the memories, the mutable globals, the tables, the segments that were dropped,
//! the fuel and the limits:
//!
//! - Every store sets the mark of the bytes that it writes. What is marked, or was written by the host, gets its initial
//!   contents back.
//! - A memory cannot shrink. An instance whose memory has grown is not used again.
//! - The guest exports its mutable globals, which get their initial values back.
//! - A guest whose code can change a table or drop a segment, or that has a start function, is never reset.

use super::{Guest, Instance, Limits};
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
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
const IDLE: usize = 2;

/// The bytes that the widest store may have written behind its unit.
const BEYOND: usize = 7;

/// The initial state of a guest, and an instance with this state.
pub(super) struct Reuse {
    marks: Marks,
    contents: OnceLock<Vec<u8>>,
    /// A job of the engine's fuzzer needs two at a time.
    idle: Mutex<Vec<Idle>>,
}

/// An instance in its initial state. It has no guest, since the guest owns it.
struct Idle {
    store: Store<Limits>,
    instance: wasmtime::Instance,
    memory: Memory,
    handles: Handles,
}

/// What a reset needs besides the memory.
pub(super) struct Handles {
    pub(super) counters: Memory,
    globals: Vec<(Global, Val)>,
    /// The fuel that instantiation used.
    startup: u64,
    /// What the host wrote.
    written: Vec<Range<usize>>,
    /// The number of jobs before this one.
    jobs: u64,
}

impl Guest {
    /// Has instances of a rewritten guest reset for the next job, if they are [recycled](Instance::recycle).
    #[must_use]
    pub fn reusing(self, marks: Marks) -> Self {
        let reuse = Reuse { marks, contents: OnceLock::new(), idle: Mutex::new(Vec::new()) };
        Self { reuse: Some(Arc::new(reuse)), ..self }
    }

    /// Returns the handles of a new instance, or `None` if it cannot be reset.
    pub(super) fn handles(
        &self,
        store: &mut Store<Limits>,
        instance: &wasmtime::Instance,
        memory: Memory,
        fuel: u64,
    ) -> Option<Handles> {
        let startup = fuel - store.get_fuel().ok()?;
        let reuse = self.reuse.as_ref()?;
        let contents = reuse.contents.get_or_init(|| memory.data(&*store).to_vec());
        if contents.len().div_ceil(reuse.marks.unit) > reuse.marks.count {
            return None;
        }
        let counters = instance.get_memory(&mut *store, super::COUNTERS)?;
        let name = |i| format!("{MUTABLE_GLOBAL}{i}");
        let globals = (0..reuse.marks.globals).map(|i| instance.get_global(&mut *store, &name(i)));
        let globals: Vec<Global> = globals.collect::<Option<_>>()?;
        let globals = globals.into_iter().map(|global| (global, global.get(&mut *store))).collect();
        Some(Handles { counters, globals, startup, written: Vec::new(), jobs: 0 })
    }

    /// Returns an instance that was reset, if there is one that may have `memory` bytes.
    pub(super) fn reset_instance(&self, memory: usize, fuel: u64) -> Option<Instance> {
        let reuse = self.reuse.as_ref()?;
        if reuse.contents.get()?.len() > memory {
            return None;
        }
        let idle = reuse.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
        let Idle { mut store, instance, memory: linear, handles } = idle;
        *store.data_mut() = Limits::new(memory);
        store.set_fuel(fuel.checked_sub(handles.startup)?).ok()?;
        Some(Instance { guest: self.clone(), store, instance, memory: linear, fuel, abi: 0, handles: Some(handles) })
    }
}

impl Instance {
    /// Ends the job. The instance is reset for the next one if its guest [reuses](Guest::reusing) instances and its
    /// memory has not grown.
    pub fn recycle(self) {
        let Self { guest, mut store, instance, memory, handles, .. } = self;
        let (Some(reuse), Some(mut handles)) = (&guest.reuse, handles) else { return };
        if reuse.reset(&mut store, memory, &mut handles) {
            let mut idle = reuse.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < IDLE {
                idle.push(Idle { store, instance, memory, handles });
            }
        }
    }

    /// Returns the number of jobs that this instance had before.
    #[must_use]
    pub fn jobs(&self) -> u64 {
        self.handles.as_ref().map_or(0, |handles| handles.jobs)
    }

    /// Remembers what the host writes into the memory.
    pub(super) fn written_by_host(&mut self, bytes: Range<usize>) {
        if let Some(handles) = &mut self.handles {
            handles.written.push(bytes);
        }
    }
}

impl Reuse {
    /// Resets an instance, or returns false if that is impossible.
    fn reset(&self, store: &mut Store<Limits>, memory: Memory, handles: &mut Handles) -> bool {
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
