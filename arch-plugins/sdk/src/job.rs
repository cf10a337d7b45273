//! A checked view of the job that the host wrote.

use relobox_abi::cast::{self, Record};
use relobox_abi::{ABI_VERSION, Group, Input, Job as Header, Relocation, Section, Span, Symbol, Table, order};

/// The job, without the bytes to patch. Tables are in the order of the ELF file.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// Machine, class, byte order, flags.
    pub header: &'a Header,
    /// By ELF section index.
    pub sections: &'a [Section],
    /// By ELF symbol index.
    pub symbols: &'a [Symbol],
    /// The values of the symbols; zero in plan.
    pub values: &'a [u64],
    /// In file order.
    pub groups: &'a [Group],
    /// In file order.
    pub relocations: &'a [Relocation],
    /// Numbers from the running kernel.
    pub inputs: &'a [Input],
    bytes: &'a [u8],
}

fn table<T: Record>(bytes: &[u8], table: Table) -> Option<&[T]> {
    if table.count == 0 {
        return Some(&[]);
    }
    let len = (table.count as usize).checked_mul(size_of::<T>())?;
    let at = table.at as usize;
    cast::records(bytes.get(at..at.checked_add(len)?)?)
}

impl<'a> Job<'a> {
    /// Splits what the host wrote into the job and the bytes to patch.
    /// `None` if it is not a job of this ABI version: only a broken host writes one.
    #[must_use]
    pub fn split(bytes: &'a mut [u8]) -> Option<(Self, &'a mut [u8])> {
        let data_at = cast::record::<Header>(bytes)?.data.at as usize;
        let (head, data) = bytes.split_at_mut_checked(data_at)?;
        let head: &'a [u8] = head;
        let header = cast::record::<Header>(head)?;
        if header.abi != ABI_VERSION {
            return None;
        }
        let data = data.get_mut(..header.data.len as usize)?;
        let job = Self {
            header,
            sections: table(head, header.sections)?,
            symbols: table(head, header.symbols)?,
            values: table(head, header.values)?,
            groups: table(head, header.groups)?,
            relocations: table(head, header.relocations)?,
            inputs: table(head, header.inputs)?,
            bytes: head,
        };
        Some((job, data))
    }

    /// Whether the module's data is big-endian.
    #[must_use]
    pub fn big_endian(&self) -> bool {
        self.header.order == order::BIG
    }

    /// The relocations of one group.
    #[must_use]
    pub fn relocations_of(&self, group: &Group) -> &'a [Relocation] {
        let first = group.first as usize;
        self.relocations.get(first..first.saturating_add(group.count as usize)).unwrap_or(&[])
    }

    /// The index of one of the job's relocations.
    #[must_use]
    pub fn index_of(&self, relocation: &Relocation) -> u32 {
        let bytes = core::ptr::from_ref(relocation).addr().wrapping_sub(self.relocations.as_ptr().addr());
        (bytes / size_of::<Relocation>()) as u32
    }

    /// A symbol's name; empty unless it is undefined.
    #[must_use]
    pub fn symbol_name(&self, symbol: u32) -> &'a [u8] {
        self.symbols.get(symbol as usize).map_or(&[], |s| self.text(s.name))
    }

    /// A number from the running kernel.
    #[must_use]
    pub fn input(&self, name: &str) -> Option<u64> {
        self.inputs.iter().find(|i| self.text(i.name) == name.as_bytes()).map(|i| i.value)
    }

    /// Text in the job.
    #[must_use]
    pub fn text(&self, span: Span) -> &'a [u8] {
        let at = span.at as usize;
        self.bytes.get(at..at.saturating_add(span.len as usize)).unwrap_or(&[])
    }
}
