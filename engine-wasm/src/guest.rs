//! The exports of the guest.
#![cfg(target_arch = "wasm32")]
#![allow(unsafe_code, reason = "exports have C names, and the host writes into our memory")]

use crate::{ElfError, Linked, Module, Pieces, Placed, append_sections, emit_linked, index, parse, void_relocations};
use alloc::borrow::Cow;
use alloc::vec::Vec;
use relobox_abi::{
    ABI_VERSION, EmitJob, EmitSection, Emitted, Fault, Indexed, Link, Pair, Parsed, Span, Table, emit, fault,
    indexed_flag,
};
use relobox_guest::{Session, job_bytes, keep, keep_bytes, keep_one, reserve, session};
use zerocopy::FromBytes;

/// The state between parse and emit.
struct Kept {
    module: Module,
    file: Span,
}

static SESSION: Session<Kept> = session();

fn faults(error: ElfError) -> Table {
    keep(alloc::vec![Fault { text: keep_bytes(error.text.as_bytes()), ..error.fault }])
}

#[unsafe(no_mangle)]
extern "C" fn relobox_abi() -> u32 {
    ABI_VERSION
}

#[unsafe(no_mangle)]
extern "C" fn relobox_reserve(bytes: u32) -> u32 {
    reserve(bytes)
}

fn table<T>(records: &[T]) -> Table {
    Table { at: records.as_ptr() as usize as u32, count: records.len() as u32 }
}

#[unsafe(no_mangle)]
extern "C" fn relobox_parse(at: u32, len: u32, what: u32) -> u32 {
    // SAFETY: the host reserved the memory of the file, and no reference to it exists.
    let file: &'static [u8] = unsafe { job_bytes(at, len) };
    let module = match parse(file, what) {
        Ok(module) => module,
        Err(error) => return keep_one(Parsed { faults: faults(error), ..Default::default() }),
    };
    // The host reads the records in place. They stay in the session until the instance ends.
    let answer = Parsed {
        faults: Table::default(),
        machine: module.machine,
        class: module.class,
        order: module.order,
        elf_flags: module.elf_flags,
        sections: table(&module.sections),
        symbols: table(&module.symbols),
        groups: table(&module.groups),
        relocations: table(&module.relocations),
        modinfo: table(&module.modinfo),
        exports: table(&module.exports),
        versions: table(&module.versions),
        init: module.init,
        exit: module.exit,
        signature: module.signature,
        strings: module.strings,
    };
    SESSION.put(Kept { module, file: Span { at, len } });
    keep_one(answer)
}

/// The pieces of a file that is indexed, and those that come with the next call.
static PIECES: Session<(Pieces<'static>, Vec<Span>)> = session();

#[unsafe(no_mangle)]
extern "C" fn relobox_index(at: u32, bytes: u32, what: u32) -> u32 {
    let pieces = match PIECES.take() {
        None => Pieces::new(bytes.into()),
        Some((mut pieces, wanted)) => {
            let mut start = at;
            for place in wanted {
                // SAFETY: the host reserved the memory of the pieces, and no reference to it exists.
                pieces.add(place, unsafe { job_bytes(start, place.len) });
                start += place.len.next_multiple_of(16);
            }
            pieces
        }
    };
    keep_one(indexed(pieces, what))
}

fn indexed(mut pieces: Pieces<'static>, what: u32) -> Indexed {
    let summary = match index(&pieces, what) {
        Ok(Some(summary)) => summary,
        Ok(None) => {
            let wanted = pieces.wanted();
            PIECES.put((pieces, wanted.clone()));
            return Indexed { wanted: keep(wanted), ..Default::default() };
        }
        Err(error) => return Indexed { faults: faults(error), ..Default::default() },
    };
    let links = |links: Vec<Linked<'static>>| {
        let link = |l: Linked<'static>| Link { name: keep_bytes(l.name), crc: l.crc.unwrap_or(0), flags: l.flags() };
        keep(links.into_iter().map(link).collect())
    };
    let pair = |(key, value)| Pair { key: keep_bytes(key), value: keep_bytes(value) };
    let missing = |missing, flag| if missing { flag } else { 0 };
    Indexed {
        flags: missing(summary.modinfo.is_none(), indexed_flag::NO_MODINFO)
            | missing(summary.exports.is_none(), indexed_flag::BAD_EXPORTS)
            | missing(summary.imports.is_none(), indexed_flag::NO_IMPORTS)
            | missing(summary.no_exports, indexed_flag::NO_EXPORTS),
        modinfo: keep(summary.modinfo.unwrap_or_default().into_iter().map(pair).collect()),
        exports: links(summary.exports.unwrap_or_default()),
        imports: links(summary.imports.unwrap_or_default()),
        signature: keep_bytes(summary.signature),
        ..Default::default()
    }
}

#[unsafe(no_mangle)]
extern "C" fn relobox_emit(job: u32) -> u32 {
    let failed = |text| {
        let fault = Fault { kind: fault::OTHER, ..Default::default() };
        keep_one(Emitted { faults: faults(ElfError { fault, text }), pieces: Table::default() })
    };
    // SAFETY: the host reserved the memory of the job and of everything that it refers to, and no reference to them
    // exists.
    let bytes = |span: Span| unsafe { &*job_bytes(span.at, span.len) };
    let head = bytes(Span { at: job, len: size_of::<EmitJob>() as u32 });
    let (Ok(job), Some(kept)) = (EmitJob::read_from_bytes(head), SESSION.take()) else {
        return failed("emit before parse");
    };
    fn words(bytes: &'static [u8]) -> &'static [u64] {
        <[u64]>::ref_from_bytes(bytes).unwrap_or(&[])
    }
    let run = |t: Table, size: usize| bytes(Span { at: t.at, len: t.count * size as u32 });
    let records = run(job.synthetic, size_of::<EmitSection>());
    let synthetic: Vec<Placed<'_>> = <[EmitSection]>::ref_from_bytes(records)
        .unwrap_or(&[])
        .iter()
        .map(|s| Placed {
            address: s.address,
            align: s.align,
            kind: s.kind,
            name: bytes(s.name),
            contents: bytes(s.contents),
        })
        .collect();
    let keep_piece = |piece| match piece {
        Cow::Borrowed(bytes) => keep_bytes(bytes),
        Cow::Owned(bytes) => keep_bytes(Vec::leak(bytes)),
    };
    let result: Result<Vec<Span>, ElfError> = match job.format {
        emit::LINKED => {
            let (addresses, values) = (words(run(job.addresses, 8)), words(run(job.values, 8)));
            emit_linked(bytes(kept.file), &kept.module, addresses, values, &synthetic)
                .map(|pieces| pieces.into_iter().map(keep_piece).collect())
        }
        emit::RELOCATED_KO => {
            // SAFETY: as in `relobox_parse`.
            let file = unsafe { job_bytes(kept.file.at, kept.file.len) };
            void_relocations(file, &kept.module).and_then(|len| {
                let added = append_sections(&mut file[..len], &kept.module, &synthetic)?;
                let own = Span { at: kept.file.at, len: len as u32 };
                Ok(core::iter::once(own).chain(added.into_iter().map(keep_piece)).collect())
            })
        }
        _ => return failed("an unknown format"),
    };
    match result {
        Ok(pieces) => keep_one(Emitted { faults: Table::default(), pieces: keep(pieces) }),
        Err(error) => keep_one(Emitted { faults: faults(error), pieces: Table::default() }),
    }
}
