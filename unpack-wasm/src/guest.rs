//! The exports of the guest.
#![cfg(target_arch = "wasm32")]
#![allow(unsafe_code, reason = "exports have C names, and the host writes into our memory")]

use crate::unpack;
use relobox_abi::{ABI_VERSION, Fault, Unpacked};
use relobox_guest::{job_bytes, keep, keep_bytes, keep_one, reserve};

#[global_allocator]
static HEAP: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

#[unsafe(no_mangle)]
extern "C" fn relobox_abi() -> u32 {
    ABI_VERSION
}

#[unsafe(no_mangle)]
extern "C" fn relobox_reserve(bytes: u32) -> u32 {
    reserve(bytes)
}

#[unsafe(no_mangle)]
extern "C" fn relobox_unpack(at: u32, bytes: u32, limit: u32) -> u32 {
    // SAFETY: the host reserved the memory of the file, and no reference to it exists.
    let file: &'static [u8] = unsafe { job_bytes(at, bytes) };
    keep_one(match unpack(file, limit as usize) {
        Ok(bytes) => Unpacked { bytes: keep_bytes(bytes.leak()), ..Default::default() },
        Err(error) => {
            let fault = Fault { text: keep_bytes(error.text.as_bytes()), ..error.fault };
            Unpacked { faults: keep(alloc::vec![fault]), ..Default::default() }
        }
    })
}
