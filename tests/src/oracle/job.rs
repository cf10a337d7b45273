//! The job for an oracle: an object, the addresses of its sections and the values of its undefined symbols.

use crate::arch::Target;
use std::path::Path;

/// The object to link, and its addresses.
#[derive(Clone, Debug)]
pub struct Job<'a> {
    /// The path of a relocatable ELF file, not compressed.
    pub object: &'a Path,
    /// The object's architecture.
    pub arch: Target,
    /// The name, ELF section index and address of each section to place. The index identifies the section; the name is
    /// for messages. An allocated section that is not listed is left out of the link.
    pub sections: Vec<(String, u32, u64)>,
    /// The values of undefined symbols. A symbol that the object does not use is ignored; a weak symbol that is not
    /// listed gets 0.
    pub symbols: Vec<(String, u64)>,
}
