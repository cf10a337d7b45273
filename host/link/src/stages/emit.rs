//! Emit: the engine writes an ELF file of the linked module, as pieces in its memory.

use crate::report;
use crate::stages::apply::Synthetic;
use crate::stages::layout::Layout;
use crate::stages::parse::Module;
use crate::views::{bytes, record, table};
use relobox_abi::{ABI_VERSION, EmitJob, EmitSection, Emitted, Span, Table, export};
use relobox_core::diagnostic::Diagnostic;
use relobox_core::error::{GuestError, Result};
use relobox_core::limits;
use zerocopy::IntoBytes as _;

/// Writes a file of `format`, one of [`relobox_abi::emit`]. The result lists pieces of the engine's memory, which make
/// up the file in this order. The engine can do this once.
///
/// # Errors
/// [`Error::Module`](relobox_core::Error::Module) if the module cannot be written in this format,
/// [`Error::Guest`](relobox_core::Error::Guest) if the engine breaks its contract.
pub fn emit(
    module: &mut Module,
    format: u32,
    layout: &Layout,
    values: &[u64],
    synthetic: &[Synthetic],
) -> Result<Vec<Span>> {
    let (name, module_len) = (module.name.clone(), u64::from(module.file.len));
    let engine = module.engine_mut();
    let mut blob = Vec::new();
    // Offsets are relative to the blob, which becomes one reservation.
    let add = |blob: &mut Vec<u8>, bytes: &[u8]| {
        blob.resize(blob.len().next_multiple_of(16), 0);
        let at = blob.len() as u32;
        blob.extend_from_slice(bytes);
        Span { at, len: bytes.len() as u32 }
    };
    add(&mut blob, EmitJob::default().as_bytes());
    let addresses = add(&mut blob, layout.addresses.as_bytes());
    let values = add(&mut blob, values.as_bytes());
    let mut sections: Vec<EmitSection> = Vec::new();
    for s in synthetic {
        sections.push(EmitSection {
            address: s.address,
            align: s.wanted.record.align,
            kind: s.wanted.record.kind,
            name: add(&mut blob, s.wanted.name.as_bytes()),
            contents: add(&mut blob, &s.contents),
            ..EmitSection::default()
        });
    }
    let sections_at = add(&mut blob, sections.as_bytes());
    let at = engine.reserve(blob.len() as u64)?;
    for s in &mut sections {
        s.name.at += at;
        s.contents.at += at;
    }
    let table_of = |span: Span, size: usize| Table { at: at + span.at, count: span.len / size as u32 };
    let job = EmitJob {
        abi: ABI_VERSION,
        format,
        addresses: table_of(addresses, 8),
        values: table_of(values, 8),
        synthetic: table_of(sections_at, size_of::<EmitSection>()),
        reserved: 0,
    };
    blob[..size_of::<EmitJob>()].copy_from_slice(job.as_bytes());
    let start = sections_at.at as usize;
    blob[start..start + sections_at.len as usize].copy_from_slice(sections.as_bytes());
    let room = at as usize..at as usize + blob.len();
    engine.memory_mut(room.clone())[room].copy_from_slice(&blob);

    let answer = engine.call(export::EMIT, (at,))?;
    let most = limits::memory_for(module_len) as u64;
    let read = |memory: &[u8]| -> Result<Result<Vec<Span>, Vec<Diagnostic>>, GuestError> {
        let emitted: &Emitted = record(memory, answer)?;
        let faults = table(memory, emitted.faults)?;
        if !faults.is_empty() {
            return Ok(Err(report::file_faults(memory, &name, faults, |_| None)));
        }
        let pieces: &[Span] = table(memory, emitted.pieces)?;
        let mut total = 0;
        for piece in pieces {
            total += bytes(memory, *piece)?.len() as u64;
        }
        // Several pieces may be the same bytes.
        if total > most {
            return Err(GuestError::MalformedAnswer(format!("its file has {total} bytes, more than it could hold")));
        }
        Ok(Ok(pieces.to_vec()))
    };
    read(engine.memory()).map_err(|what| engine.guest_error(what))?.map_err(relobox_core::Error::Module)
}
