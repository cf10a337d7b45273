//! The sandbox. Only this module names `wasmtime`.
//!
//! A [`Guest`] is compiled Wasm that imports nothing. An [`Instance`] is its copy for one job, with a memory limit and
//! fuel. Only the Wasm features that guests need are enabled. Floats are not, so that no result can differ between
//! machines.

#[cfg(feature = "compiler")]
mod compile;
mod compiled;
mod limiter;
#[cfg(feature = "fuzz")]
mod marks;
#[cfg(feature = "fuzz")]
mod reuse;

pub use compiled::Compiled;
#[cfg(feature = "fuzz")]
pub use marks::{MUTABLE_GLOBAL, Marks};

#[cfg(feature = "compiler")]
use crate::cache::Cache;
use limiter::{Limits, no_memory};
use relobox_abi::{ABI_OLDEST, ABI_VERSION, export};
use relobox_core::digest::Digest;
use relobox_core::error::{Error, GuestError, Result};
use relobox_core::text::decoded;
use relobox_core::{address_space, limits};
use std::ops::Range;
use std::sync::Arc;
use wasmtime::{
    Config, Engine, ExternType, InstancePre, Linker, Memory, Module, Store, Trap, TypedFunc, WasmFeatures, WasmParams,
    WasmTyList,
};

/// The export of an instrumented guest that has the coverage counters; see [`Instance::counters`].
#[cfg(feature = "fuzz")]
pub const COUNTERS: &str = "relobox:counters";

/// Runs guests, and compiles them if the compiler is built in. A process needs one.
#[derive(Clone)]
pub struct Sandbox {
    engine: Engine,
    /// Whether compiled code runs where it lies in memory.
    in_place: bool,
    /// The Wasm features that are compiled, and the factor for the complexity limits: instrumentation makes guests
    /// larger.
    #[cfg(feature = "compiler")]
    features: WasmFeatures,
    #[cfg(feature = "compiler")]
    scale: u64,
    #[cfg(feature = "compiler")]
    cache: Option<Arc<Cache>>,
    /// Identifies everything that compiled code depends on: wasmtime's version, the settings, the processor.
    #[cfg(feature = "compiler")]
    fingerprint: u64,
}

/// A compiled guest.
#[derive(Clone)]
pub struct Guest {
    name: Arc<str>,
    digest: Digest,
    pre: InstancePre<Limits>,
    /// The only ABI version that it may answer. `None` allows every version that the host supports.
    only: Option<u32>,
    /// Its decoding rules, if it was compiled from Wasm that has some.
    decoding: Option<Arc<str>>,
    /// An instance that is reset for the next job, if the guest marks what it writes.
    #[cfg(feature = "fuzz")]
    reuse: Option<Arc<marks::Reuse>>,
}

/// An instance of a guest, for one job.
pub struct Instance {
    guest: Guest,
    store: Store<Limits>,
    instance: wasmtime::Instance,
    memory: Memory,
    fuel: u64,
    abi: u32,
    /// What a reset needs besides the memory.
    #[cfg(feature = "fuzz")]
    handles: Option<marks::Handles>,
}

/// Returns the Wasm features that guests may use.
fn needed() -> WasmFeatures {
    WasmFeatures::MUTABLE_GLOBAL | WasmFeatures::SIGN_EXTENSION | WasmFeatures::BULK_MEMORY
}

fn config() -> Config {
    let mut config = Config::new();
    config.wasm_features(WasmFeatures::all(), false);
    config.wasm_features(needed(), true);
    config.consume_fuel(true);
    #[cfg(feature = "compiler")]
    config.cranelift_opt_level(wasmtime::OptLevel::Speed);
    config.max_wasm_stack(limits::STACK);
    // Traps have a name and no backtrace, because guests have no symbols.
    config.wasm_backtrace_max_frames(None);
    config.native_unwind_info(false);
    config
}

fn cannot_start(error: wasmtime::Error) -> Error {
    if let Some(reason) = no_memory(&error) {
        return address_space::refused("the sandbox", &reason);
    }
    Error::Usage(format!("the sandbox cannot start: {error:#}"))
}

impl Sandbox {
    /// Creates a guest of a compiled module. It must import nothing and export a memory.
    fn guest(&self, name: &str, digest: Digest, module: &Module) -> Result<Guest> {
        let fail = |what| Error::Guest { guest: name.to_owned(), what };
        if let Some(import) = module.imports().next() {
            return Err(fail(GuestError::Imports(decoded(
                format!("{}.{}", import.module(), import.name()).as_bytes(),
            ))));
        }
        if !matches!(module.get_export(export::MEMORY), Some(ExternType::Memory(_))) {
            return Err(fail(GuestError::Unusable(format!("it does not export {:?}", export::MEMORY))));
        }
        let pre = Linker::new(&self.engine)
            .instantiate_pre(module)
            .map_err(|e| fail(GuestError::Unusable(one_line(&e.to_string()))))?;
        Ok(Guest {
            name: name.into(),
            digest,
            pre,
            only: None,
            decoding: None,
            #[cfg(feature = "fuzz")]
            reuse: None,
        })
    }
}

impl Guest {
    /// Returns the guest's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the SHA-256 of its Wasm.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Returns its decoding rules, which tests read. A guest that was compiled ahead has none.
    #[must_use]
    pub fn decoding(&self) -> Option<&str> {
        self.decoding.as_deref()
    }

    /// Requires this ABI version from now on: the one that the guest answered before, or the one of this host.
    #[must_use]
    pub(crate) fn of_version(self, abi: u32) -> Self {
        Self { only: Some(abi), ..self }
    }

    fn starved(&self, reason: &str) -> Error {
        address_space::refused(&format!("guest {}", self.name), reason)
    }

    /// Creates an instance with a limit of `memory` bytes and with `fuel`. It must have an ABI version that the host
    /// supports.
    ///
    /// # Errors
    /// [`Error::Guest`] if it has another version, or traps. [`Error::Usage`] if there is no memory.
    pub fn instantiate(&self, memory: usize, fuel: u64) -> Result<Instance> {
        #[cfg(feature = "fuzz")]
        let reset = self.reset_instance(memory, fuel);
        #[cfg(not(feature = "fuzz"))]
        let reset = None;
        let mut instance = match reset {
            Some(instance) => instance,
            None => self.new_instance(memory, fuel)?,
        };
        let fail = |what| Error::Guest { guest: self.name.to_string(), what };
        instance.abi = instance.call(export::ABI, ())?;
        if !(ABI_OLDEST..=ABI_VERSION).contains(&instance.abi) {
            return Err(fail(GuestError::Version(instance.abi, ABI_OLDEST..=ABI_VERSION)));
        }
        if self.only.is_some_and(|abi| abi != instance.abi) {
            let text = format!("it has ABI version {}, but {} is required", instance.abi, self.only.unwrap_or(0));
            return Err(fail(GuestError::MalformedAnswer(text)));
        }
        Ok(instance)
    }

    /// Creates an instance whose ABI version is not known yet.
    fn new_instance(&self, memory: usize, fuel: u64) -> Result<Instance> {
        let fail = |what| Error::Guest { guest: self.name.to_string(), what };
        let mut store = Store::new(self.pre.module().engine(), Limits::new(memory));
        store.limiter(|limits| limits);
        let _ = store.set_fuel(fuel);
        let instance = self.pre.instantiate(&mut store).map_err(|e| {
            if let Some(reason) = store.data().starved.clone().or_else(|| no_memory(&e)) {
                return self.starved(&reason);
            }
            fail(match store.data().refused {
                Some(bytes) => GuestError::Memory { bytes: bytes as u64, limit: memory as u64 },
                None => trap("start", fuel, &e),
            })
        })?;
        let memory = instance
            .get_memory(&mut store, export::MEMORY)
            .ok_or_else(|| fail(GuestError::Unusable("its memory is not a memory".into())))?;
        ask_for_huge_pages(memory.data_ptr(&store), store.data().memory);
        Ok(Instance {
            #[cfg(feature = "fuzz")]
            handles: self.handles(&mut store, &instance, memory, fuel),
            guest: self.clone(),
            store,
            instance,
            memory,
            fuel,
            abi: 0,
        })
    }
}

/// Puts a message of wasmtime on one line. Some messages quote bytes of the guest on several lines.
fn one_line(text: &str) -> String {
    decoded(text.split_whitespace().collect::<Vec<_>>().join(" ").as_bytes())
}

/// Advises huge pages for a large job, because touching a new page costs more than relocating its contents. A memory's
/// reservation is larger than any limit, so the whole range belongs to this memory.
#[allow(unsafe_code, reason = "advice about a mapping of wasmtime's, which changes nothing that it holds")]
fn ask_for_huge_pages(start: *mut u8, limit: usize) {
    if limit >= limits::HUGE_PAGES {
        // SAFETY: this is only advice. The range lies in the memory's reservation, and a wrong range causes an error,
        // not undefined behaviour.
        let _ = unsafe { rustix::mm::madvise(start.cast(), limit, rustix::mm::Advice::LinuxHugepage) };
    }
}

/// Populates memory that is about to be written completely. A page fault for each page takes twice as long.
#[allow(unsafe_code, reason = "advice about memory of wasmtime's, which changes nothing that it holds")]
fn populate(room: &mut [u8]) {
    if room.len() < limits::POPULATED {
        return;
    }
    let page = rustix::param::page_size();
    let before = room.as_ptr().align_offset(page).min(room.len());
    let whole = &mut room[before..];
    let len = whole.len() / page * page;
    // SAFETY: the range has whole pages of a slice that may be written. Kernels before 5.14 refuse the advice, and then
    // pages come by faults.
    let _ = unsafe { rustix::mm::madvise(whole.as_mut_ptr().cast(), len, rustix::mm::Advice::LinuxPopulateWrite) };
}

fn trap(export: &'static str, fuel: u64, error: &wasmtime::Error) -> GuestError {
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => GuestError::Fuel { export: export.into(), fuel },
        Some(trap) => GuestError::Trap { export: export.into(), trap: trap.to_string() },
        None => GuestError::Trap { export: export.into(), trap: error.root_cause().to_string() },
    }
}

impl Instance {
    /// Calls an export whose parameters and result are `i32`.
    ///
    /// # Errors
    /// [`Error::Guest`] if there is no such export, or if it traps, runs out of fuel or exceeds its memory.
    /// [`Error::Usage`] if the kernel gives no memory.
    pub fn call<P: WasmParams + WasmTyList>(&mut self, name: &'static str, args: P) -> Result<u32> {
        let function: TypedFunc<P, u32> = self
            .instance
            .get_typed_func(&mut self.store, name)
            .map_err(|_| self.guest_error(GuestError::Unusable(format!("it does not export a proper {name:?}"))))?;
        function.call(&mut self.store, args).map_err(|e| {
            // A failed allocation ends in a trap.
            if let Some(reason) = &self.store.data().starved {
                return self.guest.starved(reason);
            }
            let what = match self.store.data().refused {
                // A failed allocation ends in a trap; the message has its size.
                Some(bytes) if !matches!(e.downcast_ref(), Some(Trap::OutOfFuel)) => {
                    GuestError::Memory { bytes: bytes as u64, limit: self.store.data().memory as u64 }
                }
                _ => trap(name, self.fuel, &e),
            };
            self.guest_error(what)
        })
    }

    /// Reserves `bytes` bytes in the guest's memory, aligned to 16. Their contents are undefined. Returns the address.
    ///
    /// # Errors
    /// [`Error::Guest`] if the guest has no room for them, or its answer is not such an address.
    pub fn reserve(&mut self, bytes: u64) -> Result<u32> {
        let limit = self.store.data().memory as u64;
        let none = GuestError::Memory { bytes, limit };
        let Ok(len) = u32::try_from(bytes) else { return Err(self.guest_error(none)) };
        let at = self.call(export::RESERVE, (len,))?;
        if at == 0 {
            return Err(match &self.store.data().starved {
                Some(reason) => self.guest.starved(reason),
                None => self.guest_error(none),
            });
        }
        if u64::from(at) + bytes > self.memory().len() as u64 || at % 16 != 0 {
            return Err(self.guest_error(GuestError::MalformedAnswer(format!("reserved {bytes} bytes at {at:#x}"))));
        }
        populate(&mut self.memory.data_mut(&mut self.store)[at as usize..][..len as usize]);
        Ok(at)
    }

    /// Returns the guest's memory.
    #[must_use]
    pub fn memory(&self) -> &[u8] {
        self.memory.data(&self.store)
    }

    /// Returns the guest's memory, of which the caller may write the bytes in `room`.
    pub(crate) fn memory_mut(&mut self, room: Range<usize>) -> &mut [u8] {
        #[cfg(feature = "fuzz")]
        self.written_by_host(room);
        #[cfg(not(feature = "fuzz"))]
        let _ = room;
        self.memory.data_mut(&mut self.store)
    }

    /// Returns the counters of an instrumented guest; empty for others.
    #[cfg(feature = "fuzz")]
    pub fn counters(&mut self) -> &[u8] {
        let memory = match &self.handles {
            Some(handles) => Some(handles.counters),
            None => self.instance.get_memory(&mut self.store, COUNTERS),
        };
        memory.map_or(&[], |memory| memory.data(&self.store))
    }

    /// Returns the ABI version that the guest answered.
    #[must_use]
    pub fn abi(&self) -> u32 {
        self.abi
    }

    /// Returns the guest's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.guest.name()
    }

    /// Returns the fuel that was used so far.
    #[must_use]
    pub fn fuel_used(&self) -> u64 {
        self.fuel - self.store.get_fuel().unwrap_or(0)
    }

    /// Returns the error that this guest broke its contract.
    #[must_use]
    pub(crate) fn guest_error(&self, what: GuestError) -> Error {
        Error::Guest { guest: self.guest.name.to_string(), what }
    }
}
