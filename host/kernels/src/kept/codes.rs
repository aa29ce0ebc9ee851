//! A map from text codes to numbers that never stops for long to grow.
//!
//! One hash map of ten million entries takes a third of a second to double. This one is cut into many
//! small maps that double one at a time. It answers look-ups only, so the order of codes cannot show;
//! and nobody outside chooses codes, so an unkeyed hash is safe.

use rustc_hash::FxHashMap;

/// So many that at ten million entries a single one doubles within a millisecond.
const SHARDS: usize = 256;

/// From codes to numbers.
#[derive(Debug)]
pub(crate) struct Codes {
    shards: Vec<FxHashMap<u32, u32>>,
    entries: usize,
}

impl Codes {
    /// An empty map.
    pub(crate) fn new() -> Self {
        Self { shards: vec![FxHashMap::default(); SHARDS], entries: 0 }
    }

    /// The number of this code.
    pub(crate) fn get(&self, code: u32) -> Option<u32> {
        self.shards[shard(code)].get(&code).copied()
    }

    /// Gives a code that has no number this one.
    pub(crate) fn insert(&mut self, code: u32, number: u32) {
        self.shards[shard(code)].insert(code, number);
        self.entries += 1;
    }

    /// Takes away the number of a code.
    pub(crate) fn remove(&mut self, code: u32) -> Option<u32> {
        let number = self.shards[shard(code)].remove(&code)?;
        self.entries -= 1;
        Some(number)
    }

    /// How many codes have a number.
    pub(crate) fn len(&self) -> usize {
        self.entries
    }

    /// Makes room for so many more.
    pub(crate) fn reserve(&mut self, more: usize) {
        // Below that the shards grow fast enough by themselves.
        if more > SHARDS * 64 {
            self.shards.iter_mut().for_each(|shard| shard.reserve(more / SHARDS));
        }
    }

    /// The bytes that it takes: a bucket is an entry and a byte, and an eighth of them stay empty.
    pub(crate) fn bytes(&self) -> usize {
        let buckets: usize = self.shards.iter().map(|shard| shard.capacity() / 7 * 8).sum();
        buckets * (size_of::<(u32, u32)>() + 1) + SHARDS * size_of::<FxHashMap<u32, u32>>()
    }
}

/// The upper bits of a product: the maps inside use the lower ones of another.
fn shard(code: u32) -> usize {
    (code.wrapping_mul(0x9e37_79b9) >> 24) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_found_until_it_is_taken_out() {
        let mut codes = Codes::new();
        (0..10_000).for_each(|code| codes.insert(code * 7, code));
        assert!((0..10_000).all(|code| codes.get(code * 7) == Some(code)));
        assert_eq!((codes.get(1), codes.remove(1), codes.len()), (None, None, 10_000));
        assert_eq!((codes.remove(7), codes.get(7), codes.len()), (Some(1), None, 9_999));
    }

    #[test]
    fn codes_in_a_row_spread_over_all_shards() {
        let mut hits = [0; SHARDS];
        (0..256_000).for_each(|code| hits[shard(code)] += 1);
        assert!(hits.iter().all(|hits| (900..1_100).contains(hits)), "{hits:?}");
    }
}
