//! A sort that visits the checkpoint: the standard one takes a second for ten million items.

use crate::kernel::KernelError;
use crate::pace::Pace;

/// How many items are sorted, or merged, between two checks.
const CHUNK: usize = 8_192;

/// Sorts; equal items must not be told apart.
///
/// # Errors
/// [`KernelError::Cancelled`].
pub(crate) fn sort<T: Ord + Copy>(items: &mut Vec<T>, pace: &Pace<'_>) -> Result<(), KernelError> {
    for chunk in items.chunks_mut(CHUNK) {
        pace.check()?;
        chunk.sort_unstable();
    }
    let mut sorted = CHUNK;
    let mut merged = Vec::with_capacity(if sorted < items.len() { items.len() } else { 0 });
    while sorted < items.len() {
        merged.clear();
        for pair in items.chunks(2 * sorted) {
            let (mut left, mut right) = pair.split_at(sorted.min(pair.len()));
            while let (Some((&x, rest_left)), Some((&y, rest_right))) =
                (left.split_first(), right.split_first())
            {
                if merged.len().is_multiple_of(CHUNK) {
                    pace.check()?;
                }
                if y < x {
                    merged.push(y);
                    right = rest_right;
                } else {
                    merged.push(x);
                    left = rest_left;
                }
            }
            merged.extend_from_slice(left);
            merged.extend_from_slice(right);
        }
        std::mem::swap(items, &mut merged);
        sorted *= 2;
    }
    Ok(())
}

/// Sorts what mostly is short.
///
/// # Errors
/// [`KernelError::Cancelled`].
pub(crate) fn sort_slice<T: Ord + Copy>(
    items: &mut [T],
    pace: &Pace<'_>,
) -> Result<(), KernelError> {
    if items.len() <= CHUNK {
        items.sort_unstable();
        return Ok(());
    }
    let mut sorted = items.to_vec();
    sort(&mut sorted, pace)?;
    items.copy_from_slice(&sorted);
    Ok(())
}

/// A number that orders as `value` does, NaN aside.
pub(crate) fn order_of(value: f64) -> u64 {
    let bits = (value + 0.0).to_bits();
    if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
}

/// The value, but for the sign of zero, that a number orders as.
pub(crate) fn value_of(order: u64) -> f64 {
    f64::from_bits(if order >> 63 == 1 { order ^ 1 << 63 } else { !order })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_chunks_come_out_sorted() {
        for length in [0, 1, CHUNK, CHUNK + 1, 5 * CHUNK - 3] {
            let mut items: Vec<u32> =
                (0..).take(length).map(|at: u32| at.wrapping_mul(0x9e37_79b1) >> 7).collect();
            let mut expected = items.clone();
            expected.sort_unstable();
            sort(&mut items, &Pace::free()).unwrap();
            assert!(items == expected, "{length}");
        }
    }

    #[test]
    fn numbers_order_by_value() {
        let values = [f64::NEG_INFINITY, -2.0, -0.5, 0.0, 1e-9, 3.0, f64::INFINITY];
        assert!(values.is_sorted_by_key(|&value| order_of(value)));
        assert_eq!(order_of(-0.0), order_of(0.0));
        assert!(values.iter().all(|&value| value_of(order_of(value)) == value));
    }
}
