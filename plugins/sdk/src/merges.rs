//! Which groups were merged into which: few of many, so only these are held.

use std::iter;

use super::reconcile::{NONE, UNKNOWN};

/// Merge pointers followed at most, as DECNET does.
const HOPS_MAX: usize = 8;

/// Merge pointers between groups, by row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Merges {
    /// Groups that were merged, ascending.
    losers: Vec<u32>,
    /// The group that each points to; [`UNKNOWN`] if it is not there.
    winners: Vec<u32>,
}

impl Merges {
    /// Of these groups, ascending, each into the one beside it.
    pub fn new(losers: Vec<u32>, winners: Vec<u32>) -> Self {
        debug_assert!(losers.is_sorted() && losers.len() == winners.len());
        Self { losers, winners }
    }

    /// Groups that were merged, with the group that each points to.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u32)> {
        self.losers.iter().copied().zip(self.winners.iter().copied())
    }

    /// The group that this one was merged into; [`NONE`] if it was not.
    pub fn target(&self, row: u32) -> u32 {
        let at = self.losers.binary_search(&row).ok();
        at.and_then(|at| self.winners.get(at).copied()).unwrap_or(NONE)
    }

    /// The group that speaks for this one: itself, or the end of its merge pointers.
    pub fn speaker(&self, row: u32) -> u32 {
        let mut at = row;
        for _ in 0..HOPS_MAX {
            let next = self.target(at);
            if next >= UNKNOWN || next == at {
                break;
            }
            at = next;
        }
        at
    }

    /// Those that this group points to, one behind the other.
    pub fn above(&self, row: u32) -> impl Iterator<Item = u32> {
        let known = |id: u32| Some(id).filter(|id| *id < UNKNOWN);
        iter::successors(Some(self.target(row)), move |id| known(self.target(*id))).take(HOPS_MAX)
    }

    /// Of each member, the group that speaks for it; [`NONE`] and [`UNKNOWN`] stay.
    pub fn speakers(&self, group: &[u32]) -> Vec<u32> {
        group.iter().map(|&id| if id < UNKNOWN { self.speaker(id) } else { id }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_spoken_for_by_the_end_of_the_pointers() {
        let merges = Merges::new(vec![1, 2], vec![0, 1]);
        assert_eq!(merges.speakers(&[2, 0, 7, NONE, UNKNOWN]), [0, 0, 7, NONE, UNKNOWN]);
        assert_eq!(merges.above(2).collect::<Vec<_>>(), [1, 0]);
        assert_eq!((merges.target(2), merges.target(0)), (1, NONE));
    }

    #[test]
    fn pointers_that_go_round_or_nowhere_end() {
        let merges = Merges::new(vec![0, 1, 2, 3], vec![1, 0, 2, UNKNOWN]);
        assert!([0, 1].contains(&merges.speaker(0)));
        assert_eq!((merges.speaker(2), merges.speaker(3)), (2, 3));
        assert_eq!(merges.above(0).count(), HOPS_MAX);
    }
}
