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

use super::limiter::Limits;
use super::marks::{Handles, IDLE, Idle, MUTABLE_GLOBAL, Marks, Reuse};
use super::{COUNTERS, Guest, Instance};
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use wasmtime::{Global, Memory, Store};

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
        let counters = instance.get_memory(&mut *store, COUNTERS)?;
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
