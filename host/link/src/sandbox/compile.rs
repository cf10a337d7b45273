//! Compiles Wasm that is within the complexity limits: for this process, or ahead for another program.

use super::limiter::no_memory;
use super::{Guest, Sandbox, cannot_start, config, needed, one_line};
use crate::cache::Cache;
use crate::complexity::{ComplexityError, check_complexity};
use relobox_core::digest::Digest;
use relobox_core::error::{Error, GuestError, Result};
use relobox_core::text::hex;
use relobox_core::{address_space, limits};
use sha2::{Digest as _, Sha256};
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;
#[cfg(feature = "fuzz")]
use wasmtime::WasmFeatures;
use wasmtime::{Enabled, Engine, InstanceAllocationStrategy, Module, PoolingAllocationConfig};

impl Sandbox {
    /// Creates a sandbox that keeps compiled code in `cache`.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is not enough address space, or the sandbox cannot start.
    pub fn new(cache: Option<Cache>) -> Result<Self> {
        let mut pooled = config();
        let mut pool = PoolingAllocationConfig::default();
        pool.total_core_instances(limits::MEMORIES);
        pool.total_memories(limits::MEMORIES);
        pool.total_tables(limits::MEMORIES);
        pool.max_memory_size(limits::MEMORY);
        pool.linear_memory_keep_resident(limits::RESIDENT);
        pool.table_keep_resident(4096);
        pool.pagemap_scan(Enabled::Auto);
        pooled.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        // If address space is limited (ulimit -v, containers), memories are mapped one by one instead.
        let engine = match (Engine::new(&pooled), address_space::short()) {
            (Ok(engine), _) => engine,
            (Err(_), Some(error)) => return Err(error),
            (Err(_), None) => Engine::new(&config()).map_err(cannot_start)?,
        };
        Ok(Self::with(engine, cache))
    }

    /// As [`Sandbox::new`], for a process that runs one job: no memory is kept for reuse.
    ///
    /// # Errors
    /// As [`Sandbox::new`].
    pub fn for_one_job(cache: Option<Cache>) -> Result<Self> {
        Ok(Self::with(Engine::new(&config()).map_err(cannot_start)?, cache))
    }

    /// As [`Sandbox::new`], only for guests that were instrumented, which have a second memory.
    ///
    /// # Errors
    /// As [`Sandbox::new`].
    #[cfg(feature = "fuzz")]
    pub fn for_fuzzing() -> Result<Self> {
        let mut config = config();
        config.wasm_features(WasmFeatures::MULTI_MEMORY, true);
        let mut pool = PoolingAllocationConfig::default();
        pool.total_core_instances(limits::MEMORIES);
        pool.total_memories(limits::MEMORIES);
        pool.total_tables(limits::MEMORIES);
        pool.max_memories_per_module(2);
        pool.max_memory_size(limits::MEMORY);
        pool.linear_memory_keep_resident(limits::RESIDENT);
        pool.table_keep_resident(4096);
        pool.pagemap_scan(Enabled::Auto);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let this = Self::with(Engine::new(&config).map_err(cannot_start)?, None);
        Ok(Self { features: needed() | WasmFeatures::MULTI_MEMORY, scale: limits::FUZZ_GROWTH as u64, ..this })
    }

    pub(super) fn of_engine(engine: Engine) -> Self {
        Self::with(engine, None)
    }

    fn with(engine: Engine, cache: Option<Cache>) -> Self {
        let mut hasher = std::hash::DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        // A guest that an earlier version compiled may exceed the limits of this one.
        crate::complexity::LIMITS.hash(&mut hasher);
        let fingerprint = hasher.finish();
        Self { engine, in_place: false, features: needed(), scale: 1, cache: cache.map(Arc::new), fingerprint }
    }

    /// Closes the cache. Guests that are loaded later are compiled.
    pub fn forget_cache(&mut self) {
        self.cache = None;
    }

    /// Checks that `wasm` is valid and within the complexity limits.
    ///
    /// # Errors
    /// A [`ComplexityError`] if it is not.
    pub fn check_complexity(&self, wasm: &[u8]) -> Result<(), ComplexityError> {
        check_complexity(wasm, self.features, self.scale)
    }

    /// Checks and compiles `wasm`, or takes its compiled code from the cache.
    ///
    /// # Errors
    /// [`Error::Guest`] if it is not a usable guest, [`Error::Usage`] if there is not enough memory.
    pub fn load(&self, name: &str, wasm: &[u8]) -> Result<Guest> {
        self.load_digested(name, Sha256::digest(wasm).into(), wasm)
    }

    /// As [`Sandbox::load`], if the SHA-256 of `wasm` is known.
    pub(crate) fn load_digested(&self, name: &str, digest: Digest, wasm: &[u8]) -> Result<Guest> {
        let fail = |what| Error::Guest { guest: name.to_owned(), what };
        let module = match self.cached(&digest) {
            Some(module) => module,
            None => {
                self.check_complexity(wasm)
                    .map_err(|refusal| fail(GuestError::Unusable(one_line(&refusal.to_string()))))?;
                let module = Module::from_binary(&self.engine, wasm).map_err(|e| match no_memory(&e) {
                    Some(reason) => address_space::refused(&format!("guest {name}"), &reason),
                    None => fail(GuestError::Unusable(one_line(&e.root_cause().to_string()))),
                })?;
                self.keep(&digest, &module);
                module
            }
        };
        let decoding = relobox_guests::section::decoding(wasm).map(|text| String::from_utf8_lossy(text).into());
        Ok(Guest { decoding, ..self.guest(name, digest, &module)? })
    }

    /// Compiles `wasm` for any processor of this machine's architecture. [`Sandbox::of_compiled`] in a program with the
    /// same version of wasmtime can run the result.
    ///
    /// # Errors
    /// [`Error::Guest`] if `wasm` is not valid or exceeds the complexity limits, [`Error::Usage`] if there is not
    /// enough memory.
    pub fn compile_ahead(name: &str, wasm: &[u8]) -> Result<Vec<u8>> {
        let mut config = config();
        // With a named target, the compiler uses no feature that only this machine's processor has.
        config.target(&format!("{}-unknown-linux-gnu", std::env::consts::ARCH)).map_err(cannot_start)?;
        let this = Self::with(Engine::new(&config).map_err(cannot_start)?, None);
        let fail = |text: String| Error::Guest { guest: name.to_owned(), what: GuestError::Unusable(one_line(&text)) };
        this.check_complexity(wasm).map_err(|refusal| fail(refusal.to_string()))?;
        this.engine.precompile_module(wasm).map_err(|e| match no_memory(&e) {
            Some(reason) => address_space::refused(&format!("guest {name}"), &reason),
            None => fail(e.root_cause().to_string()),
        })
    }

    fn key(&self, digest: &Digest) -> String {
        format!("{}-{:016x}.cwasm", hex(digest), self.fingerprint)
    }

    #[allow(unsafe_code, reason = "compiled code from our own cache")]
    fn cached(&self, digest: &Digest) -> Option<Module> {
        let file = self.cache.as_ref()?.open(&self.key(digest))?;
        // SAFETY: `keep` wrote the file, for the same Wasm and the same engine, in a directory that only this user can
        // write. `Cache` has checked owner and mode of both.
        unsafe { Module::deserialize_open_file(&self.engine, file) }.ok()
    }

    fn keep(&self, digest: &Digest, module: &Module) {
        if let (Some(cache), Ok(code)) = (&self.cache, module.serialize()) {
            cache.write(&self.key(digest), &code);
        }
    }
}
