//! Which of equal things came first: a hash table of numbers, four to eight bytes each, that never grows.
//!
//! The standard one moves all that it holds when it grows, tens of milliseconds for a million entries, and
//! nobody gets a turn meanwhile. Strangers choose what is compared, so the hash has a secret key; the
//! table only answers look-ups.

use std::hash::{BuildHasher, Hash, RandomState};

use super::population::filled;
use crate::column::ABSENT;
use crate::kernel::KernelError;
use crate::pace::Pace;

/// The first of each kind so far, by number.
pub(super) struct Firsts {
    slots: Vec<u32>,
    keys: RandomState,
}

impl Firsts {
    /// Room for so many.
    pub(super) fn new(count: usize, pace: &Pace<'_>) -> Result<Self, KernelError> {
        // At most two of three slots are taken.
        let slots = (count + count / 2 + 1).next_power_of_two();
        Ok(Self { slots: filled(ABSENT, slots, pace)?, keys: RandomState::new() })
    }

    /// The first one that is the same as this: of those with an equal key, whichever `is_same`. If there is
    /// none, it is this one from now on.
    pub(super) fn first(
        &mut self,
        number: u32,
        key: impl Hash,
        is_same: impl Fn(u32) -> bool,
    ) -> u32 {
        let mask = self.slots.len() - 1;
        let hash = self.keys.hash_one(key);
        let mut at = usize::try_from(hash & mask as u64).unwrap_or(0);
        loop {
            match self.slots[at] {
                ABSENT => {
                    self.slots[at] = number;
                    return number;
                }
                first if is_same(first) => return first,
                _ => at = (at + 1) & mask,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equals_is_told_even_if_the_table_is_full_or_all_hash_alike() {
        let things = [3, 1, 3, 3, 2, 1];
        for key in [|_| 0, |thing| thing] {
            let mut firsts = Firsts::new(things.len(), &Pace::free()).unwrap();
            let found = (0..).zip(things).map(|(number, thing): (u32, i32)| {
                firsts.first(number, key(thing), |other| things[other as usize] == thing)
            });
            assert_eq!(found.collect::<Vec<_>>(), [0, 1, 0, 0, 4, 1]);
        }
    }
}
