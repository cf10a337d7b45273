//! Uses relobox in the place of an oracle: it takes the same job and returns the same kind of image.

use super::guests;
use crate::oracle::{Image, Job, Placed};
use anyhow::{Context, Result, ensure};
use relobox::areas::ABSENT;
use relobox::layout::Layout;
use relobox::link::{Linked, Prepared, load, prepare};
use relobox::open::Source;
use relobox::resolve::Sources;
use relobox::symbols::{Definition, Symbols};

/// The room, in bytes, that the layout of a job leaves between the module and its symbols.
const ROOM: u64 = 1 << 20;

/// Links `job` with relobox. Sections that the plugin makes are placed after the last section, without overlap.
///
/// # Errors
/// If the object cannot be read or does not link.
pub fn link(job: &Job) -> Result<Image> {
    let name = job.object.display().to_string();
    let module = load(guests()?, &name, Source::open(job.object)?)?;
    let prepared = prepare(guests()?, module, &[])?;
    let layout = layout(&prepared, job)?;
    let mut symbols = Symbols::new();
    for (name, value) in &job.symbols {
        symbols.define(name.as_bytes(), Definition { address: Some(*value), ..Definition::default() });
    }
    image(&prepared.link(layout, Sources { symbols: &symbols, assume: None })?)
}

fn layout(prepared: &Prepared, job: &Job) -> Result<Layout> {
    let records = prepared.module.records();
    let mut addresses = vec![ABSENT; records.sections.len()];
    let mut end = 0;
    for (name, index, address) in &job.sections {
        let slot = addresses.get_mut(*index as usize).with_context(|| format!("no section {index} ({name})"))?;
        *slot = *address;
        end = end.max(address + records.sections[*index as usize].size);
    }
    let mut next = end.next_multiple_of(1 << 12);
    let mut synthetic = Vec::new();
    for wanted in &prepared.needs().synthetic {
        ensure!(wanted.with_kind(), "{} has its place beside a section", wanted.name);
        next = next.next_multiple_of(wanted.record.align);
        synthetic.push(next);
        next += wanted.record.size;
    }
    ensure!(next - end < ROOM, "{} bytes of synthetic sections reach into other things", next - end);
    Ok(Layout { addresses, synthetic, areas: Vec::new() })
}

/// Converts relobox's linked module to an [`Image`].
///
/// # Errors
/// If the name of a symbol cannot be read.
pub fn image(linked: &Linked) -> Result<Image> {
    let records = linked.module.records();
    let mut image = Image::default();
    for (index, address) in (0..).zip(&linked.layout.addresses).filter(|(_, address)| **address != ABSENT) {
        let (name, bytes) = (records.section_name(index), linked.contents(index).to_vec());
        image.sections.push(Placed { name, input: Some(index), address: *address, bytes });
    }
    for section in &linked.synthetic {
        let (name, bytes) = (section.wanted.name.clone(), section.contents.clone());
        image.sections.push(Placed { name, input: None, address: section.address, bytes });
    }
    let named = (0..).zip(records.symbols).filter(|(_, symbol)| symbol.name.len != 0);
    for (index, _) in named {
        let name = records.symbol_name(index).context("a name")?;
        image.symbols.insert(name, linked.resolved.values[index as usize]);
    }
    Ok(image)
}
