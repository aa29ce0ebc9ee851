//! Ragged data by parent: the items of each row, one after the other in one vector.

use std::collections::HashMap;
use std::hash::Hash;

use crate::column::ABSENT;
use crate::kernel::KernelError;
use crate::pace::Pace;

/// A list of items for every parent.
pub(super) struct Lists<T> {
    starts: Vec<usize>,
    items: Vec<T>,
}

impl<T: Copy> Lists<T> {
    /// No parents.
    pub(super) fn new() -> Self {
        Self { starts: vec![0], items: Vec::new() }
    }

    /// One more parent, with these items.
    pub(super) fn push(&mut self, list: &[T]) {
        self.items.extend_from_slice(list);
        self.starts.push(self.items.len());
    }

    /// Gathers the items of each of so many parents in their order. `rows` never falls; an item that
    /// is none is left out.
    pub(super) fn gather(
        parents: usize,
        rows: &[u32],
        pace: &Pace<'_>,
        mut item: impl FnMut(usize) -> Option<T>,
    ) -> Result<Self, KernelError> {
        let (mut starts, mut items) = (Vec::with_capacity(parents + 1), Vec::new());
        for (at, &row) in rows.iter().enumerate() {
            pace.check_row(at)?;
            if let Some(item) = item(at) {
                starts.resize(starts.len().max(row as usize + 1), items.len());
                items.push(item);
            }
        }
        starts.resize(parents + 1, items.len());
        Ok(Self { starts, items })
    }

    /// Sorts each list, and drops what stands twice in it.
    pub(super) fn into_sets(self, pace: &Pace<'_>) -> Result<Self, KernelError>
    where
        T: Ord,
    {
        let mut sets = Self::new();
        sets.items.reserve(self.items.len());
        for parent in 0..self.parents() {
            pace.check_row(parent)?;
            let list = self.of(parent);
            if list.is_sorted_by(|a, b| a < b) {
                sets.push(list);
            } else {
                let mut set = list.to_vec();
                super::sort::sort(&mut set, pace)?;
                set.dedup();
                sets.push(&set);
            }
        }
        Ok(sets)
    }

    /// Sorts each list by a key that no two of its items share.
    pub(super) fn sorted_by(
        mut self,
        key: impl Fn(&T) -> u32,
        pace: &Pace<'_>,
    ) -> Result<Self, KernelError> {
        for (parent, ends) in self.starts.windows(2).enumerate() {
            pace.check_row(parent)?;
            self.items[ends[0]..ends[1]].sort_unstable_by_key(&key);
        }
        Ok(self)
    }

    /// The lists of what each item becomes.
    pub(super) fn map<U>(&self, of: impl Fn(T) -> U) -> Lists<U> {
        let items = self.items.iter().map(|&item| of(item)).collect();
        Lists { starts: self.starts.clone(), items }
    }

    pub(super) fn parents(&self) -> usize {
        self.starts.len() - 1
    }

    /// The items of one parent.
    pub(super) fn of(&self, parent: usize) -> &[T] {
        &self.items[self.starts[parent]..self.starts[parent + 1]]
    }

    /// Whether nobody has an item.
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// For each parent the first one with an equal list; of an empty list [`ABSENT`].
    ///
    /// Strangers choose what is in the lists, so the table hashes with a secret key; it only answers
    /// look-ups.
    pub(super) fn first_equals(&self, pace: &Pace<'_>) -> Result<Vec<u32>, KernelError>
    where
        T: Hash + Eq,
    {
        let mut seen: HashMap<&[T], u32> = HashMap::new();
        let mut firsts = Vec::with_capacity(self.parents());
        for parent in (0_u32..).take(self.parents()) {
            pace.check_row(parent as usize * 8)?;
            let list = self.of(parent as usize);
            firsts.push(if list.is_empty() { ABSENT } else { *seen.entry(list).or_insert(parent) });
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
        let firsts = sets.first_equals(&Pace::free()).unwrap();
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
