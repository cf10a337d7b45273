//! The encoding of messages: little-endian integers of fixed width, and lengths before contents.
//!
//! The input of the reader is hostile. A length is compared with the rest of the message before memory is reserved, so
//! a message cannot make the kernel allocate more than a small multiple of its own size.

/// The first byte of every message.
pub const VERSION: u8 = 1;

/// A malformed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed message: {what} at byte {at}")]
pub struct Malformed {
    /// What is wrong.
    pub what: &'static str,
    /// The offset in the message, in bytes.
    pub at: usize,
}

/// Reads values from the start of a message.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the beginning of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, at: 0 }
    }

    fn fault(&self, what: &'static str) -> Malformed {
        Malformed { what, at: self.at }
    }

    fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn slice(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], Malformed> {
        if len > self.left() {
            return Err(self.fault(what));
        }
        let out = &self.bytes[self.at..self.at + len];
        self.at += len;
        Ok(out)
    }

    /// Checks that nothing follows the last field.
    ///
    /// # Errors
    /// [`Malformed`] if bytes are left.
    pub fn finish(self) -> Result<(), Malformed> {
        if self.left() == 0 { Ok(()) } else { Err(self.fault("bytes after the end")) }
    }

    /// Reads a count of items of at least one byte each.
    fn count(&mut self) -> Result<usize, Malformed> {
        let count = u32::take(self)? as usize;
        if count > self.left() {
            return Err(self.fault("a count larger than the message"));
        }
        Ok(count)
    }

    /// The error for an unknown tag of an enum.
    pub(crate) fn unknown_tag(&self) -> Malformed {
        Malformed { what: "unknown tag", at: self.at.saturating_sub(1) }
    }
}

/// A value that can be written to a message and read from one.
pub trait Wire: Sized {
    /// Appends the value to a message.
    fn put(&self, out: &mut Vec<u8>);
    /// Reads the value from a message.
    ///
    /// # Errors
    /// [`Malformed`] if the message does not contain one.
    fn take(from: &mut Reader<'_>) -> Result<Self, Malformed>;
}

macro_rules! integers {
    ($($t:ident),*) => {$(
        impl Wire for $t {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            fn take(from: &mut Reader<'_>) -> Result<Self, Malformed> {
                let bytes = from.slice(size_of::<$t>(), concat!("truncated ", stringify!($t)))?;
                Ok($t::from_le_bytes(bytes.try_into().expect("the slice has the size asked for")))
            }
        }
    )*};
}
integers!(u8, u16, u32, u64, i32);

impl Wire for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
    fn take(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        match u8::take(from)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(from.unknown_tag()),
        }
    }
}

/// Raw bytes. They are copied in one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl Wire for Bytes {
    fn put(&self, out: &mut Vec<u8>) {
        (self.0.len() as u32).put(out);
        out.extend_from_slice(&self.0);
    }
    fn take(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let len = from.count()?;
        Ok(Bytes(from.slice(len, "truncated bytes")?.to_vec()))
    }
}

impl Wire for String {
    fn put(&self, out: &mut Vec<u8>) {
        (self.len() as u32).put(out);
        out.extend_from_slice(self.as_bytes());
    }
    fn take(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let len = from.count()?;
        let at = from.at;
        let bytes = from.slice(len, "truncated string")?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(Malformed { what: "a string that is not UTF-8", at }),
        }
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        (self.len() as u32).put(out);
        for item in self {
            item.put(out);
        }
    }
    fn take(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        // The vector grows item by item, because a count alone must not reserve memory.
        let mut items = Vec::new();
        for _ in 0..from.count()? {
            items.push(T::take(from)?);
        }
        Ok(items)
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }
    fn take(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(if bool::take(from)? { Some(T::take(from)?) } else { None })
    }
}

/// Defines a struct whose fields follow each other in a message.
macro_rules! record {
    ($(#[$meta:meta])* pub struct $name:ident {
        $($(#[$field_meta:meta])* pub $field:ident: $type:ty),* $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name { $($(#[$field_meta])* pub $field: $type),* }
        impl $crate::wire::Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                $(self.$field.put(out);)*
            }
            fn take(from: &mut $crate::wire::Reader<'_>) -> Result<Self, $crate::wire::Malformed> {
                Ok(Self { $($field: $crate::wire::Wire::take(from)?),* })
            }
        }
    };
}
pub(crate) use record;

/// Defines an enum: a tag byte, then the fields of the variant.
macro_rules! choice {
    ($(#[$meta:meta])* pub enum $name:ident {
        $($(#[$variant_meta:meta])* $tag:literal = $variant:ident
            $({ $($(#[$field_meta:meta])* $field:ident: $type:ty),* $(,)? })?),* $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_meta])* $variant $({ $($(#[$field_meta])* $field: $type),* })?),*
        }
        impl $crate::wire::Wire for $name {
            fn put(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$variant $({ $($field),* })? => {
                        out.push($tag);
                        $($($crate::wire::Wire::put($field, out);)*)?
                    })*
                }
            }
            fn take(from: &mut $crate::wire::Reader<'_>) -> Result<Self, $crate::wire::Malformed> {
                match <u8 as $crate::wire::Wire>::take(from)? {
                    $($tag => Ok(Self::$variant $({ $($field: $crate::wire::Wire::take(from)?),* })?),)*
                    _ => Err(from.unknown_tag()),
                }
            }
        }
    };
}
pub(crate) use choice;

/// Encodes `value` after the version byte.
pub fn encode<T: Wire>(value: &T) -> Vec<u8> {
    let mut out = vec![VERSION];
    value.put(&mut out);
    out
}

/// Decodes one whole message.
///
/// # Errors
/// [`Malformed`] if the version differs, the value is malformed, or bytes are left.
pub fn decode<T: Wire>(bytes: &[u8]) -> Result<T, Malformed> {
    let mut reader = Reader::new(bytes);
    if u8::take(&mut reader)? != VERSION {
        return Err(Malformed { what: "another protocol version", at: 0 });
    }
    let value = T::take(&mut reader)?;
    reader.finish()?;
    Ok(value)
}
