//! Equal values without their codes: each value of a text column becomes the index of its first equal.
//!
//! Codes number the texts of the whole process in order of arrival, which must never decide an answer.
//! Kernels therefore turn them into first indices before anything else: what remains is a function of
//! which values are equal, and dense enough to index arrays with.

use crate::column::ABSENT;
use crate::kernel::KernelError;
use crate::pace::{Pace, ROWS_PER_CHECK};
use crate::words::{Suited, Words};

/// For each code the index of the first equal one; an absent value stays [`ABSENT`]. Four bytes a
/// value, and while it runs those of [`Suited`].
///
/// # Errors
/// [`KernelError::Cancelled`].
pub(crate) fn first_equals(codes: &[u32], pace: &Pace<'_>) -> Result<Vec<u32>, KernelError> {
    match Suited::to(codes) {
        Suited::Dense(firsts) => collect(codes, firsts, pace),
        Suited::Sparse(firsts) => collect(codes, firsts, pace),
    }
}

/// The word of a code is the index of its first, plus one.
fn collect(codes: &[u32], mut words: impl Words, pace: &Pace<'_>) -> Result<Vec<u32>, KernelError> {
    let mut firsts = Vec::with_capacity(codes.len());
    for (chunk, start) in codes.chunks(ROWS_PER_CHECK).zip((0_u32..).step_by(ROWS_PER_CHECK)) {
        pace.check()?;
        firsts.extend(chunk.iter().zip(start..).map(|(&code, index)| {
            if code == ABSENT {
                return ABSENT;
            }
            let word = words.word(code);
            if *word == 0 {
                *word = index + 1;
            }
            *word - 1
        }));
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
