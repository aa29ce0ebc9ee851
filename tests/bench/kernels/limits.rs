//! What this machine can do with memory: read it in order, and read it at random.
//!
//! *Stream* is the sum of an array far larger than the caches. *Gather* is the sum of what a table holds
//! at places that come in random order, one after the other and independent of each other, so that the
//! processor may have many on the way at once: the table has as many numbers of 32 bits as the case has
//! rows, so that it is as much in the caches as the kernel's own can be.

use std::collections::BTreeMap;

use rayon::ThreadPool;
use rayon::prelude::*;

use super::chance::Chance;
use crate::timed;

/// 128 MiB.
const STREAM_NUMBERS: usize = 16 << 20;

/// Gathers of a measurement, at least: a small table is read several times.
const GATHERS: usize = 1 << 20;

/// What memory traffic is measured on.
pub(super) struct Memory {
    stream: Vec<u64>,
    /// Permutations by their size.
    tables: BTreeMap<u32, Vec<u32>>,
}

/// What was measured, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) byte: f64,
    pub(super) gather: f64,
}

impl Memory {
    pub(super) fn new() -> Self {
        Self { stream: (0..).take(STREAM_NUMBERS).collect(), tables: BTreeMap::new() }
    }

    /// Makes the table of a size, which takes long.
    pub(super) fn prepare(&mut self, rows: u32) {
        self.tables.entry(rows).or_insert_with(|| Chance(7).permutation(rows));
    }

    /// Both limits, with all threads of a pool.
    pub(super) fn limits(&self, pool: &ThreadPool, rows: u32) -> Limits {
        let table = self.tables.get(&rows).map_or(&[][..], Vec::as_slice);
        Limits { byte: self.stream(pool), gather: gather(pool, table) }
    }

    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53")]
    fn stream(&self, pool: &ThreadPool) -> f64 {
        let sum = |part: &[u64]| part.iter().fold(0_u64, |sum, number| sum.wrapping_add(*number));
        let (took, sum) = timed(|| by_thread(pool, &self.stream, sum));
        std::hint::black_box(sum);
        took.as_secs_f64() * 1e9 / (self.stream.len() * size_of::<u64>()) as f64
    }
}

#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53")]
fn gather(pool: &ThreadPool, table: &[u32]) -> f64 {
    let times = GATHERS.div_ceil(table.len().max(1));
    let read = |place: u32| table.get(place as usize).copied().unwrap_or(0);
    let sum = |part: &[u32]| {
        let once = |sum: u64, place: &u32| sum.wrapping_add(u64::from(read(*place)));
        (0..times).fold(0, |sum, _| std::hint::black_box(part).iter().fold(sum, once))
    };
    let (took, sum) = timed(|| by_thread(pool, table, sum));
    std::hint::black_box(sum);
    took.as_secs_f64() * 1e9 / (times * table.len().max(1)) as f64
}

/// Sums parts of an array, one for each thread of a pool.
fn by_thread<T: Sync>(pool: &ThreadPool, array: &[T], sum: impl Fn(&[T]) -> u64 + Sync) -> u64 {
    let part = array.len().div_ceil(pool.current_num_threads()).max(1);
    let sums = || array.par_chunks(part).map(&sum).reduce(|| 0, u64::wrapping_add);
    pool.install(sums)
}
