//! Names that are not always UTF-8.

use relobox_core::linker_error::LinkerError;
use serde::{Deserialize, Serialize};

/// A name of a symbol or a file, which is not always UTF-8. Each byte becomes the character of the same number, so an
/// ASCII name stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Name(pub(crate) String);

impl Name {
    /// Converts a name from bytes.
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes.iter().map(|b| char::from(*b)).collect())
    }

    /// Converts the name back to bytes.
    ///
    /// # Errors
    /// [`LinkerError::Malformed`] if a character is above 255.
    pub fn bytes(&self) -> Result<Vec<u8>, LinkerError> {
        let byte = |c| u8::try_from(c).map_err(|_| LinkerError::Malformed("a name with a character above 255".into()));
        self.0.chars().map(byte).collect()
    }
}
