//! Names in the order in which kmod finds them again.
//!
//! kmod keeps modules and symbols in hash tables, and writes them in the order of these tables: modules.symbols, and
//! every index of modules that modules.order does not list. So the order is part of the files. The hash is Paul Hsieh's
//! SuperFastHash; a bucket is sorted by name.

/// A table with a fixed number of buckets.
#[derive(Debug)]
pub struct Table<'a, V> {
    buckets: Vec<Vec<(&'a [u8], V)>>,
}

impl<'a, V> Table<'a, V> {
    /// An empty table. The number of buckets must be a power of two.
    #[must_use]
    pub fn new(buckets: usize) -> Self {
        Self { buckets: (0..buckets).map(|_| Vec::new()).collect() }
    }

    fn bucket(&self, key: &[u8]) -> usize {
        hash(key) as usize & (self.buckets.len() - 1)
    }

    /// The value of a name.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<&V> {
        let bucket = self.buckets.get(self.bucket(key))?;
        bucket.binary_search_by(|(known, _)| (*known).cmp(key)).ok().map(|i| &bucket[i].1)
    }

    /// Adds a name, or replaces its value.
    pub fn insert(&mut self, key: &'a [u8], value: V) {
        let at = self.bucket(key);
        let Some(bucket) = self.buckets.get_mut(at) else { return };
        match bucket.binary_search_by(|(known, _)| (*known).cmp(key)) {
            Ok(i) => bucket[i].1 = value,
            Err(i) => bucket.insert(i, (key, value)),
        }
    }

    /// All names, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &V)> {
        self.buckets.iter().flatten().map(|(key, value)| (*key, value))
    }
}

/// SuperFastHash, with characters that are signed.
fn hash(key: &[u8]) -> u32 {
    let half = |a: u8, b: u8| u32::from(u16::from_le_bytes([a, b]));
    let signed = |b: u8| i32::from(b.cast_signed()).cast_unsigned();
    let (words, rest) = key.as_chunks::<4>();
    let mut hash = key.len() as u32;
    for [a, b, c, d] in words {
        hash = hash.wrapping_add(half(*a, *b));
        hash = (hash << 16) ^ ((half(*c, *d) << 11) ^ hash);
        hash = hash.wrapping_add(hash >> 11);
    }
    match *rest {
        [a, b, c] => {
            hash = hash.wrapping_add(half(a, b));
            hash ^= hash << 16;
            hash ^= signed(c) << 18;
            hash = hash.wrapping_add(hash >> 11);
        }
        [a, b] => {
            hash = hash.wrapping_add(half(a, b));
            hash ^= hash << 11;
            hash = hash.wrapping_add(hash >> 17);
        }
        [a] => {
            hash = hash.wrapping_add(signed(a));
            hash ^= hash << 10;
            hash = hash.wrapping_add(hash >> 1);
        }
        _ => {}
    }
    for (left, right) in [(3, 5), (4, 17), (25, 6)] {
        hash ^= hash << left;
        hash = hash.wrapping_add(hash >> right);
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_replaced_and_buckets_are_sorted() {
        let mut table = Table::new(1);
        for (key, value) in [(&b"b"[..], 1), (b"a", 2), (b"b", 3)] {
            table.insert(key, value);
        }
        assert_eq!(table.iter().map(|(key, value)| (key, *value)).collect::<Vec<_>>(), [(&b"a"[..], 2), (b"b", 3)]);
        assert_eq!((table.get(b"b"), table.get(b"c")), (Some(&3), None));
    }
}
