//! Symbols.

#![allow(unsafe_code, reason = "the names are those of the C interface")]
#![allow(unreachable_pub, reason = "the header is made from public functions")]

use crate::context::{CONTEXTS, call};
use crate::elements::FAULT;
use crate::objects::{Kept, hold, keep, of, release};
use crate::pointers::{bytes, name, path, place, set, utf8};
use crate::symbols::{SYMBOLS, Symbols as Table};
use crate::types::{Context, Symbols};
use relobox_cabi::boundary::guarded;
use relobox_cabi::errno::negative;
use relobox_core::error::Result;
use relobox_core::limits;
use rustix::io::Errno;
use std::ffi::{c_char, c_int};
use std::ptr::null_mut;
use std::sync::Arc;

/// Makes an empty table of symbols.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_symbols_new(context: *mut Context, symbols: *mut *mut Symbols) -> c_int {
    set(symbols, null_mut());
    let make = |context: &Arc<Kept<_>>| {
        set(place(symbols)?, keep(&SYMBOLS, Table::new(Arc::clone(context))));
        Ok(())
    };
    guarded(|| call(of(&CONTEXTS, context).as_ref(), make), FAULT)
}

/// Takes another reference to symbols. Returns it, or null for null and for what is none.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_symbols_ref(symbols: *mut Symbols) -> *mut Symbols {
    guarded(|| hold(&SYMBOLS, symbols), null_mut())
}

/// Gives a reference to symbols back. Returns null if it was the last, and for null.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_symbols_unref(symbols: *mut Symbols) -> *mut Symbols {
    guarded(|| release(&SYMBOLS, symbols), null_mut())
}

fn with(symbols: *const Symbols, body: impl FnOnce(&Table) -> Result<()>) -> c_int {
    guarded(
        || {
            let symbols = of(&SYMBOLS, symbols);
            let context = symbols.as_ref().map(|symbols| Arc::clone(&symbols.context));
            call(context.as_ref(), |_| symbols.map_or(Ok(()), |symbols| body(&symbols)))
        },
        FAULT,
    )
}

/// Adds the symbols of a file: System.map, /proc/kallsyms or Module.symvers, also compressed, or the output of
/// `relobox state export`. Its kind is recognised. The linking process reads it; this one does not.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_symbols_read_file(symbols: *mut Symbols, file: *const c_char) -> c_int {
    with(symbols, |symbols| symbols.read_file(&path(file, "the file")?))
}

/// As `relobox_symbols_read_file`, from memory, which is copied. `file` is for messages.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_symbols_read_memory(
    symbols: *mut Symbols,
    file: *const c_char,
    data: *const u8,
    size: usize,
) -> c_int {
    with(symbols, |symbols| {
        let file = utf8(file, "the name")?;
        symbols.read(&file, &bytes(data, size, limits::SYMBOLS, "the text")?)
    })
}

/// Adds a symbol. It replaces those of its name.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_symbols_add(symbols: *mut Symbols, symbol: *const c_char, address: u64) -> c_int {
    with(symbols, |symbols| symbols.add(&name(symbol, "the symbol")?, address))
}

/// Looks a symbol up. Returns `-ENOENT` if there is none of this name, and `-ENODATA` if its address is not known, as
/// from Module.symvers alone. These two are no errors of the context.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_symbols_lookup(symbols: *const Symbols, symbol: *const c_char, address: *mut u64) -> c_int {
    let mut missing = 0;
    let done = with(symbols, |symbols| {
        match symbols.look(Some(&name(symbol, "the symbol")?))?.1.map(|found| found.address) {
            Some(Some(found)) => set(address, found),
            Some(None) => missing = negative(Errno::NODATA),
            None => missing = negative(Errno::NOENT),
        }
        Ok(())
    });
    if done == 0 { missing } else { done }
}

/// Counts the names of symbols.
#[unsafe(no_mangle)]
pub extern "C" fn relobox_symbols_count(symbols: *const Symbols, count: *mut u64) -> c_int {
    with(symbols, |symbols| {
        set(place(count)?, symbols.look(None)?.0);
        Ok(())
    })
}
