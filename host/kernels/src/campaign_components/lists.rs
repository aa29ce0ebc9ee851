//! Ragged data by parent: the items of each row, one after the other in one vector.

use std::hash::Hash;

use super::firsts::Firsts;
use crate::column::ABSENT;
use crate::kernel::KernelError;
use crate::pace::{Pace, ROWS_PER_CHECK};

/// A list of items for every parent; no more items than a frame has rows.
pub(super) struct Lists<T> {
    starts: Vec<u32>,
    items: Vec<T>,
}

impl<T: Copy> Lists<T> {
    /// No parents, and room for so many of them, and of items.
    pub(super) fn with_capacity(parents: usize, items: usize) -> Self {
        let mut starts = Vec::with_capacity(parents + 1);
        starts.push(0);
        Self { starts, items: Vec::with_capacity(items) }
    }

    /// One more parent, with these items.
    pub(super) fn push(&mut self, list: &[T]) {
        self.items.extend_from_slice(list);
        self.starts.push(self.end());
    }

    fn end(&self) -> u32 {
        u32::try_from(self.items.len()).unwrap_or(u32::MAX)
    }

    /// Gathers the items of each of so many parents in their order. `rows` never falls; an item that
    /// is none is left out.
    pub(super) fn gather(
        parents: usize,
        rows: &[u32],
        pace: &Pace<'_>,
        mut item: impl FnMut(usize) -> Option<T>,
    ) -> Result<Self, KernelError> {
        let mut lists = Self { starts: Vec::with_capacity(parents + 1), items: Vec::new() };
        lists.items.reserve_exact(rows.len());
        for (at, &row) in rows.iter().enumerate() {
            pace.check_row(at)?;
            if let Some(item) = item(at) {
                lists.start_up_to(row as usize + 1, pace)?;
                lists.items.push(item);
            }
        }
        lists.start_up_to(parents + 1, pace)?;
        Ok(lists)
    }

    /// Lets all parents before one start here that have not started yet.
    fn start_up_to(&mut self, parent: usize, pace: &Pace<'_>) -> Result<(), KernelError> {
        let end = self.end();
        while self.starts.len() < parent {
            let next = parent.min(self.starts.len() + ROWS_PER_CHECK);
            self.starts.resize(next, end);
            if next < parent {
                pace.check()?;
            }
        }
        Ok(())
    }

    /// Sorts each list, and drops what stands twice in it.
    pub(super) fn into_sets(mut self, pace: &Pace<'_>) -> Result<Self, KernelError>
    where
        T: Ord,
    {
        let (mut from, mut kept) = (0, 0);
        for parent in 0..self.parents() {
            pace.check_row(parent)?;
            let to = self.starts[parent + 1] as usize;
            let list = &mut self.items[from..to];
            if !list.is_sorted() {
                crate::sort::sort_slice(list, pace)?;
            }
            let start = kept;
            for at in from..to {
                let item = self.items[at];
                if kept == start || self.items[kept - 1] != item {
                    self.items[kept] = item;
                    kept += 1;
                }
            }
            from = to;
            self.starts[parent + 1] = u32::try_from(kept).unwrap_or(u32::MAX);
        }
        self.items.truncate(kept);
        Ok(self)
    }

    /// Sorts each list by a key that no two of its items share.
    pub(super) fn sorted_by(
        mut self,
        key: impl Fn(&T) -> u32,
        pace: &Pace<'_>,
    ) -> Result<Self, KernelError> {
        for (parent, ends) in self.starts.windows(2).enumerate() {
            pace.check_row(parent)?;
            self.items[ends[0] as usize..ends[1] as usize].sort_unstable_by_key(&key);
        }
        Ok(self)
    }

    pub(super) fn parents(&self) -> usize {
        self.starts.len() - 1
    }

    /// The items of one parent.
    pub(super) fn of(&self, parent: usize) -> &[T] {
        &self.items[self.starts[parent] as usize..self.starts[parent + 1] as usize]
    }

    /// Whether nobody has an item.
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// For each parent the first one with an equal list; of an empty list [`ABSENT`]. A list that has no
    /// equal may be passed over: it is its own first.
    pub(super) fn first_equals(
        &self,
        pace: &Pace<'_>,
        has_no_equal: impl Fn(usize) -> bool,
    ) -> Result<Vec<u32>, KernelError>
    where
        T: Hash + Eq,
    {
        let compared = |parent: usize| !self.of(parent).is_empty() && !has_no_equal(parent);
        let mut count = 0;
        for parent in 0..self.parents() {
            pace.check_row(parent)?;
            count += usize::from(compared(parent));
        }
        let mut seen = Firsts::new(count, pace)?;
        let mut firsts = Vec::with_capacity(self.parents());
        for parent in (0_u32..).take(self.parents()) {
            let at = parent as usize;
            pace.check_row(at * 8)?;
            let list = self.of(at);
            firsts.push(if compared(at) {
                seen.first(parent, list, |other| self.of(other as usize) == list)
            } else if list.is_empty() {
                ABSENT
            } else {
                parent
            });
        }
        Ok(firsts)
    }
}

/// How many items two sets share: time linear in the smaller one, but for a logarithm.
pub(super) fn shared<T: Ord>(a: &[T], b: &[T]) -> usize {
    let (small, mut large) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let mut count = 0;
    for item in small {
        // Sets are mostly small and alike, so look near before far.
        let mut step = 1;
        while step < large.len() && large[step] < *item {
            step *= 2;
        }
        let near = &large[..large.len().min(step + 1)];
        let at = near.partition_point(|other| other < item);
        large = &large[at..];
        count += usize::from(large.first() == Some(item));
    }
    count
}

/// The first item that two sets share.
pub(super) fn first_shared<T: Ord + Copy>(a: &[T], b: &[T]) -> Option<T> {
    let (small, large) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    small.iter().copied().find(|item| large.binary_search(item).is_ok())
}

/// The shared part of the union; nothing shares nothing.
pub(super) fn jaccard<T: Ord>(a: &[T], b: &[T]) -> f64 {
    let shared = shared(a, b);
    if shared == 0 { 0.0 } else { shared as f64 / (a.len() + b.len() - shared) as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn items_are_gathered_by_parent_and_absent_ones_left_out() {
        let items = [Some(5), None, Some(4), Some(5), Some(7)];
        let rows = [1, 1, 1, 1, 3];
        let lists = Lists::gather(5, &rows, &Pace::free(), |at| items[at]).unwrap();
        let all = |lists: &Lists<i32>| (0..5).map(|at| lists.of(at).to_vec()).collect::<Vec<_>>();
        assert_eq!(all(&lists), [vec![], vec![5, 4, 5], vec![], vec![7], vec![]]);
        let sets = lists.into_sets(&Pace::free()).unwrap();
        assert_eq!(all(&sets), [vec![], vec![4, 5], vec![], vec![7], vec![]]);
        let firsts = sets.first_equals(&Pace::free(), |_| false).unwrap();
        assert_eq!(firsts, [ABSENT, 1, ABSENT, 3, ABSENT]);
    }

    proptest! {
        #[test]
        fn what_is_shared_is_the_intersection(
            a in prop::collection::btree_set(0..60_u32, 0..40),
            b in prop::collection::btree_set(0..60_u32, 0..5),
        ) {
            let both: BTreeSet<u32> = a.intersection(&b).copied().collect();
            let (a, b): (Vec<u32>, Vec<u32>) = (a.into_iter().collect(), b.into_iter().collect());
            for (a, b) in [(&a, &b), (&b, &a)] {
                prop_assert_eq!(shared(a, b), both.len());
                prop_assert_eq!(first_shared(a, b), both.first().copied());
            }
        }
    }
}
