//! Equal values without their codes: each value of a text column becomes the index of its first equal.
//!
//! Codes number the texts of the whole process in order of arrival, which must never decide an answer.
//! Kernels therefore turn them into first indices before anything else: what remains is a function of
//! which values are equal, and dense enough to index arrays with.

use rustc_hash::FxHashMap;

use crate::column::ABSENT;
use crate::kernel::KernelError;
use crate::pace::{Pace, ROWS_PER_CHECK};

/// Codes that span at most this many numbers a value are looked up in an array: four bytes a slot make
/// 64 bytes a value, of which only the pages that are hit become real. It is several times as fast as
/// a hash map, and texts that arrived with each other have codes close together.
const SLOTS_PER_VALUE: usize = 16;

/// For each code the index of the first equal one; an absent value stays [`ABSENT`]. Four bytes a
/// value, and while it runs at most 64 more.
///
/// # Errors
/// [`KernelError::Cancelled`].
pub(crate) fn first_equals(codes: &[u32], pace: &Pace<'_>) -> Result<Vec<u32>, KernelError> {
    // `ABSENT` is the largest code, so only the maximum has to leave it out.
    let base = codes.iter().copied().min().unwrap_or(0);
    let last = codes.iter().map(|&code| if code == ABSENT { 0 } else { code }).max().unwrap_or(0);
    let span = if last < base { 0 } else { (last - base) as usize + 1 };
    if span <= codes.len() * SLOTS_PER_VALUE {
        // Zero is free and `index + 1` fills it, so that the array comes zeroed from the system.
        let mut slots = vec![0_u32; span];
        collect(codes, pace, |code, index| {
            let slot = &mut slots[(code - base) as usize];
            if *slot == 0 {
                *slot = index + 1;
            }
            *slot - 1
        })
    } else {
        // Whoever writes texts does not choose their codes, so an unkeyed hash is safe.
        let mut slots = FxHashMap::default();
        slots.reserve(codes.len());
        collect(codes, pace, |code, index| *slots.entry(code).or_insert(index))
    }
}

fn collect(
    codes: &[u32],
    pace: &Pace<'_>,
    mut first: impl FnMut(u32, u32) -> u32,
) -> Result<Vec<u32>, KernelError> {
    let mut firsts = Vec::with_capacity(codes.len());
    for (chunk, start) in codes.chunks(ROWS_PER_CHECK).zip((0_u32..).step_by(ROWS_PER_CHECK)) {
        pace.check()?;
        let pairs = chunk.iter().zip(start..);
        firsts.extend(
            pairs.map(|(&code, index)| if code == ABSENT { ABSENT } else { first(code, index) }),
        );
    }
    Ok(firsts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(codes: &[u32]) -> Vec<u32> {
        let first = |code| (0..).zip(codes).find(|&(_, other)| other == code).unwrap().0;
        codes.iter().map(|code| if *code == ABSENT { ABSENT } else { first(code) }).collect()
    }

    proptest! {
        #[test]
        fn codes_near_and_far_become_first_indices(
            codes in prop::collection::vec(0..9_u32, 0..20),
            base in 0..1000_u32,
            step in prop::sample::select(vec![1, 3, 1_000_000]),
        ) {
            let spread = |code| if code == 8 { ABSENT } else { base + code * step };
            let codes: Vec<u32> = codes.into_iter().map(spread).collect();
            prop_assert_eq!(first_equals(&codes, &Pace::free()).unwrap(), naive(&codes));
        }
    }

    #[test]
    fn the_largest_code_and_an_empty_column_are_no_exception() {
        for codes in [vec![], vec![ABSENT], vec![ABSENT - 1, 0, ABSENT - 1], vec![ABSENT - 1; 2]] {
            assert_eq!(first_equals(&codes, &Pace::free()).unwrap(), naive(&codes));
        }
    }
}
