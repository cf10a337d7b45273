//! The sandbox: the only module of the host that names `wasmtime`.
//!
//! A [`Guest`] is compiled Wasm that imports nothing; an [`Instance`] is one job's copy of it, with
//! its own memory limit and its own fuel. Only the Wasm features that guests need are enabled: no
//! floats, so that nothing a guest computes can differ between machines.

#[cfg(feature = "compiler")]
mod compile;
mod compiled;

pub use compiled::Compiled;

#[cfg(feature = "compiler")]
use crate::cache::Cache;
use relobox_abi::{ABI_OLDEST, ABI_VERSION, export};
use relobox_core::digest::Digest;
use relobox_core::error::{Error, GuestError, Result};
use relobox_core::text::decoded;
use relobox_core::{address_space, limits};
use rustix::io::Errno;
use std::sync::Arc;
use wasmtime::{
    Config, Engine, ExternType, InstancePre, Linker, Memory, Module, ResourceLimiter, Store, Trap, TypedFunc,
    WasmFeatures, WasmParams, WasmTyList,
};

/// The export of an instrumented guest that counts; see [`Instance::counters`].
#[cfg(feature = "fuzz")]
pub const COUNTERS: &str = "relobox:counters";

/// Runs guests, and compiles them where the compiler is built in. One for a process.
#[derive(Clone)]
pub struct Sandbox {
    engine: Engine,
    /// Compiled code is run where it lies.
    in_place: bool,
    /// What of Wasm it compiles, and how many times more than from others: our own instrumentation makes guests larger.
    #[cfg(feature = "compiler")]
    features: WasmFeatures,
    #[cfg(feature = "compiler")]
    scale: u64,
    #[cfg(feature = "compiler")]
    cache: Option<Arc<Cache>>,
    /// Tells apart everything that compiled code depends on: wasmtime's version, settings, processor.
    #[cfg(feature = "compiler")]
    fingerprint: u64,
}

/// A compiled guest.
#[derive(Clone)]
pub struct Guest {
    name: Arc<str>,
    digest: Digest,
    pre: InstancePre<Limits>,
    /// The ABI version that it must answer, if not just any that we speak.
    only: Option<u32>,
}

/// One job's instance.
pub struct Instance {
    guest: Guest,
    store: Store<Limits>,
    instance: wasmtime::Instance,
    memory: Memory,
    fuel: u64,
    abi: u32,
}

/// Holds an instance to its memory limit.
#[derive(Debug)]
struct Limits {
    memory: usize,
    /// The last growth that was refused, for the message.
    refused: Option<usize>,
    /// Why the kernel would not give what the limit allows.
    starved: Option<String>,
}

impl ResourceLimiter for Limits {
    fn memory_growing(&mut self, _: usize, wanted: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        if wanted > self.memory {
            self.refused = Some(wanted);
        }
        Ok(wanted <= self.memory)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        // Also called for what was refused above.
        if let Some(reason) = no_memory(&error) {
            self.starved = Some(reason);
        }
        Ok(())
    }

    fn table_growing(&mut self, _: usize, wanted: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(wanted <= limits::TABLE)
    }
}

/// What guests need of Wasm.
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
    // Traps are named, never traced: a guest has no symbols.
    config.wasm_backtrace_max_frames(None);
    config.native_unwind_info(false);
    config
}

/// The kernel's word for it, if an error is that there is no memory.
fn no_memory(error: &wasmtime::Error) -> Option<String> {
    let mut causes = error.chain();
    causes.find_map(|cause| {
        let io = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::raw_os_error);
        let errno = io.or_else(|| cause.downcast_ref::<Errno>().map(|errno| errno.raw_os_error()));
        (errno == Some(Errno::NOMEM.raw_os_error())).then(|| cause.to_string())
    })
}

fn cannot_start(error: wasmtime::Error) -> Error {
    if let Some(reason) = no_memory(&error) {
        return address_space::refused("the sandbox", &reason);
    }
    Error::Usage(format!("the sandbox cannot start: {error:#}"))
}

impl Sandbox {
    /// A guest of a compiled module, if it is one: it imports nothing, and has a memory.
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
        Ok(Guest { name: name.into(), digest, pre, only: None })
    }
}

impl Guest {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The SHA-256 of its Wasm.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The same, and from now on its ABI version must be this one: what it said once, or what this host is built with.
    #[must_use]
    pub fn of_version(self, abi: u32) -> Self {
        Self { only: Some(abi), ..self }
    }

    fn starved(&self, reason: &str) -> Error {
        address_space::refused(&format!("guest {}", self.name), reason)
    }

    /// A fresh instance with `memory` bytes and `fuel` to spend, of an ABI version that we speak.
    pub fn instantiate(&self, memory: usize, fuel: u64) -> Result<Instance> {
        let fail = |what| Error::Guest { guest: self.name.to_string(), what };
        let mut store = Store::new(self.pre.module().engine(), Limits { memory, refused: None, starved: None });
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
        let mut instance = Instance { guest: self.clone(), store, instance, memory, fuel, abi: 0 };
        instance.abi = instance.call(export::ABI, ())?;
        if !(ABI_OLDEST..=ABI_VERSION).contains(&instance.abi) {
            return Err(fail(GuestError::Version(instance.abi, ABI_VERSION)));
        }
        if self.only.is_some_and(|abi| abi != instance.abi) {
            let text = format!("it is of ABI version {}, where only {} will do", instance.abi, self.only.unwrap_or(0));
            return Err(fail(GuestError::MalformedAnswer(text)));
        }
        Ok(instance)
    }
}

/// Words of wasmtime, some of which quote the guest's bytes over several lines.
fn one_line(text: &str) -> String {
    decoded(text.split_whitespace().collect::<Vec<_>>().join(" ").as_bytes())
}

/// Touching a fresh page costs more than relocating what is on it: for a large job, ask for huge ones.
/// A memory's reservation is larger than any limit, so the whole range is this memory's.
#[allow(unsafe_code, reason = "advice about a mapping of wasmtime's, which changes nothing that it holds")]
fn ask_for_huge_pages(start: *mut u8, limit: usize) {
    if limit >= limits::HUGE_PAGES {
        // SAFETY: advice only; the range lies in the memory's reservation, and a wrong one is an error, not undefined.
        let _ = unsafe { rustix::mm::madvise(start.cast(), limit, rustix::mm::Advice::LinuxHugepage) };
    }
}

/// What is about to be written as a whole gets its pages at once: each of them by a fault of its own takes twice as long.
#[allow(unsafe_code, reason = "advice about memory of wasmtime's, which changes nothing that it holds")]
fn populate(room: &mut [u8]) {
    if room.len() < limits::POPULATED {
        return;
    }
    let page = rustix::param::page_size();
    let before = room.as_ptr().align_offset(page).min(room.len());
    let whole = &mut room[before..];
    let len = whole.len() / page * page;
    // SAFETY: whole pages of a slice that is ours to write. Kernels before 5.14 do not know it, and then pages come by faults.
    let _ = unsafe { rustix::mm::madvise(whole.as_mut_ptr().cast(), len, rustix::mm::Advice::LinuxPopulateWrite) };
}

fn trap(export: &'static str, fuel: u64, error: &wasmtime::Error) -> GuestError {
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => GuestError::Fuel { export, fuel },
        Some(trap) => GuestError::Trap { export, trap: trap.to_string() },
        None => GuestError::Trap { export, trap: error.root_cause().to_string() },
    }
}

impl Instance {
    /// Calls an export whose parameters and result are `i32`.
    pub fn call<P: WasmParams + WasmTyList>(&mut self, name: &'static str, args: P) -> Result<u32> {
        let function: TypedFunc<P, u32> = self
            .instance
            .get_typed_func(&mut self.store, name)
            .map_err(|_| self.guest_error(GuestError::Unusable(format!("it does not export a proper {name:?}"))))?;
        function.call(&mut self.store, args).map_err(|e| {
            // An allocation that fails ends in a trap.
            if let Some(reason) = &self.store.data().starved {
                return self.guest.starved(reason);
            }
            let what = match self.store.data().refused {
                // An allocation that fails ends in a trap; say what it was about.
                Some(bytes) if !matches!(e.downcast_ref(), Some(Trap::OutOfFuel)) => {
                    GuestError::Memory { bytes: bytes as u64, limit: self.store.data().memory as u64 }
                }
                _ => trap(name, self.fuel, &e),
            };
            self.guest_error(what)
        })
    }

    /// Room for `bytes` in the guest's memory, 16-aligned. Its contents are the guest's affair.
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
        populate(&mut self.memory_mut()[at as usize..][..len as usize]);
        Ok(at)
    }

    /// The guest's memory.
    #[must_use]
    pub fn memory(&self) -> &[u8] {
        self.memory.data(&self.store)
    }

    /// The guest's memory, to write in.
    pub fn memory_mut(&mut self) -> &mut [u8] {
        self.memory.data_mut(&mut self.store)
    }

    /// What an instrumented guest counted; empty for others.
    #[cfg(feature = "fuzz")]
    pub fn counters(&mut self) -> &[u8] {
        let memory = self.instance.get_memory(&mut self.store, COUNTERS);
        memory.map_or(&[], |memory| memory.data(&self.store))
    }

    /// The ABI version that it answered.
    #[must_use]
    pub fn abi(&self) -> u32 {
        self.abi
    }

    /// The guest's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.guest.name()
    }

    /// How much fuel was used so far.
    #[must_use]
    pub fn fuel_used(&self) -> u64 {
        self.fuel - self.store.get_fuel().unwrap_or(0)
    }

    /// The error that this guest broke the contract.
    #[must_use]
    pub fn guest_error(&self, what: GuestError) -> Error {
        Error::Guest { guest: self.guest.name.to_string(), what }
    }
}
