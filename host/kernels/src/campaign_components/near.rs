//! Simhashes within a few bits of one another, without looking at all pairs.
//!
//! Seven bits over four chunks of 16 bits leave a chunk that differs in at most one: so whoever is
//! near is found by looking up each chunk, and it with each one of its bits flipped. With 17 look-ups
//! in 65,536 slots, a million hashes that are spread evenly meet a thousand others each, not a million.

use super::weight::FAR_BITS;
use crate::kernel::KernelError;
use crate::pace::{Pace, ROWS_PER_CHECK};

/// Up to so many, all pairs are quicker than an index.
const FEW: usize = 1_024;
const CHUNKS: u32 = 4;
const CHUNK_BITS: u32 = u64::BITS / CHUNKS;

/// Visits each pair of places whose hashes differ in less than [`FAR_BITS`] bits, once, the smaller
/// place first.
pub(super) fn near_pairs(
    hashes: &[u64],
    pace: &Pace<'_>,
    mut visit: impl FnMut(usize, usize) -> Result<(), KernelError>,
) -> Result<(), KernelError> {
    let mut tried = 0;
    if hashes.len() <= FEW {
        for (i, one) in hashes.iter().enumerate() {
            for (j, other) in hashes.iter().enumerate().skip(i + 1) {
                if (one ^ other).count_ones() < FAR_BITS {
                    visit(i, j)?;
                }
            }
            tried += hashes.len() - i;
            if tried >= ROWS_PER_CHECK {
                pace.check()?;
                tried = 0;
            }
        }
        return Ok(());
    }
    for chunk in 0..CHUNKS {
        let slots = Slots::of(hashes, chunk, pace)?;
        for (i, &one) in hashes.iter().enumerate() {
            let own = chunk_of(one, chunk);
            let flips = (0..CHUNK_BITS).map(|bit| 1 << bit);
            for key in flips.chain([0]).map(|flip| own ^ flip) {
                for &j in slots.holders(key) {
                    let mix = one ^ hashes[j as usize];
                    // An earlier chunk that is as good has found the pair.
                    let found = |earlier| chunk_of(mix, earlier).count_ones() <= 1;
                    if i < j as usize && mix.count_ones() < FAR_BITS && !(0..chunk).any(found) {
                        visit(i, j as usize)?;
                    }
                }
                tried += slots.holders(key).len() + 1;
                if tried >= ROWS_PER_CHECK {
                    pace.check()?;
                    tried = 0;
                }
            }
        }
    }
    Ok(())
}

/// Which of the chunks, counted from the low bits.
fn chunk_of(hash: u64, chunk: u32) -> usize {
    let bits = hash >> (chunk * CHUNK_BITS) & ((1 << CHUNK_BITS) - 1);
    usize::try_from(bits).unwrap_or(0)
}

/// The places of hashes by one of their chunks.
struct Slots {
    starts: Vec<u32>,
    places: Vec<u32>,
}

impl Slots {
    fn of(hashes: &[u64], chunk: u32, pace: &Pace<'_>) -> Result<Self, KernelError> {
        let mut starts = vec![0; (1 << CHUNK_BITS) + 1];
        for (at, &hash) in hashes.iter().enumerate() {
            pace.check_row(at)?;
            starts[chunk_of(hash, chunk) + 1] += 1;
        }
        for slot in 1..starts.len() {
            starts[slot] += starts[slot - 1];
        }
        let (mut next, mut places) = (starts.clone(), vec![0; hashes.len()]);
        for (place, &hash) in (0_u32..).zip(hashes) {
            pace.check_row(place as usize)?;
            let slot = &mut next[chunk_of(hash, chunk)];
            places[*slot as usize] = place;
            *slot += 1;
        }
        Ok(Self { starts, places })
    }

    fn holders(&self, key: usize) -> &[u32] {
        &self.places[self.starts[key] as usize..self.starts[key + 1] as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Hashes in clusters around a few centres, with chance from a fixed seed.
    fn clustered(count: usize) -> Vec<u64> {
        let mut state = 1_u64;
        let mut draw = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state ^ state >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 8
        };
        let centres: Vec<u64> = (0..64).map(|_| draw() << 32 ^ draw()).collect();
        let flip = |hash: u64, bit: u64| hash ^ 1 << (bit % 64);
        (0..count)
            .map(|at| (0..draw() % 9).fold(centres[at % 64], |h, _| flip(h, draw())))
            .collect()
    }

    #[test]
    fn the_index_finds_each_near_pair_once_and_so_does_the_loop() {
        for count in [0, 1, FEW, FEW + 1, 3 * FEW] {
            let hashes = clustered(count);
            let mut found = BTreeSet::new();
            let visit = |i, j| {
                assert!(i < j && found.insert((i, j)), "{i} {j}");
                Ok(())
            };
            near_pairs(&hashes, &Pace::free(), visit).unwrap();
            let near = |i: usize, j: usize| (hashes[i] ^ hashes[j]).count_ones() <= 7;
            let pairs = (0..count).flat_map(|i| (i + 1..count).map(move |j| (i, j)));
            assert!(pairs.filter(|&(i, j)| near(i, j)).eq(found), "{count}");
        }
    }
}
