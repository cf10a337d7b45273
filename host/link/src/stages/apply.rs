//! Apply: with addresses and values filled in, the plugin patches its own copy of the module.

use crate::guests::Plugin;
use crate::needs::SyntheticRequest;
use crate::records::Records;
use crate::report;
use crate::stages::layout::Layout;
use crate::stages::plan::Planned;
use crate::stages::resolve::Resolved;
use crate::views::{bytes, record};
use relobox_abi::{Applied, Input, Section, Span, export};
use relobox_core::areas::ABSENT;
use relobox_core::diagnostic::Diagnostic;
use relobox_core::error::{Error, GuestError, Result};
use zerocopy::IntoBytes as _;

/// A synthetic section with its contents.
#[derive(Clone, Debug)]
pub struct Synthetic {
    /// The plugin's request.
    pub wanted: SyntheticRequest,
    /// Its address.
    pub address: u64,
    /// Its contents.
    pub contents: Vec<u8>,
}

/// Fills in addresses and values, calls the plugin, and reads its faults. Afterwards the plugin's copy is patched. It
/// is not used before confine has checked it.
///
/// # Errors
/// [`Error::Module`] with the plugin's faults, [`Error::Guest`] if it breaks its contract.
pub fn apply(
    plugin: &Plugin,
    records: &Records<'_>,
    planned: &mut Planned,
    layout: &Layout,
    resolved: &Resolved,
    defined_in: impl Fn(u32) -> Option<String>,
) -> Result<Vec<Synthetic>> {
    let (sections, values, job) = (planned.sections as usize, planned.values as usize, planned.job);
    let inputs = planned.inputs as usize;
    let instance = &mut planned.instance;
    let mut put = |at: usize, bytes: &[u8]| {
        let room = at..at + bytes.len();
        if let Some(place) = instance.memory_mut(room.clone()).get_mut(room) {
            place.copy_from_slice(bytes);
        }
    };
    for (i, address) in layout.addresses.iter().enumerate().filter(|(_, a)| **a != ABSENT) {
        // The address is the first field of the record.
        put(sections + i * size_of::<Section>(), &address.to_le_bytes());
    }
    put(values, resolved.values.as_bytes());
    for (symbol, value) in planned.needs.kernel_symbols.iter().zip(&resolved.kernel_symbols) {
        // The value is the second field of the record.
        put(inputs + symbol.input * size_of::<Input>() + 8, &value.to_le_bytes());
    }
    for (wanted, address) in planned.needs.synthetic.iter().zip(&layout.synthetic) {
        put(wanted.at as usize, &address.to_le_bytes());
    }
    let at = planned.instance.call(export::APPLY, (job,))?;
    let outcome = read(planned, plugin, records, layout, at, defined_in);
    outcome.map_err(|what| planned.instance.guest_error(what))?.map_err(Error::Module)
}

fn read(
    planned: &Planned,
    plugin: &Plugin,
    records: &Records<'_>,
    layout: &Layout,
    at: u32,
    defined_in: impl Fn(u32) -> Option<String>,
) -> Result<Result<Vec<Synthetic>, Vec<Diagnostic>>, GuestError> {
    let memory = planned.instance.memory();
    let applied: &Applied = record(memory, at)?;
    let (faults, more) = (applied.faults, applied.more_faults);
    let found = report::relocation_faults(memory, records, &plugin.about, faults, more, defined_in)?;
    if !found.is_empty() {
        return Ok(Err(found));
    }
    let sections = planned.needs.synthetic.iter().zip(&layout.synthetic).map(|(wanted, address)| {
        let span = Span { at: wanted.record.contents, len: wanted.record.size as u32 };
        Ok(Synthetic { wanted: wanted.clone(), address: *address, contents: bytes(memory, span)?.to_vec() })
    });
    Ok(Ok(sections.collect::<Result<_, _>>()?))
}
