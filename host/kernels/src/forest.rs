//! A spanning forest and the labels that follow from it: the shape in which kernels answer.
//!
//! A grouping of n rows is a *label* for every row, and a *forest*: the edges that did the joining.
//! Labels are canonical, whatever order the edges came in: a group's label is its smallest row, so
//! two groupings are equal exactly if their labels are. Together they prove each other. A kernel that
//! over-split would have a row pair that its own rule joins under two labels; one that over-merged
//! cannot show n − groups edges without a false one or a cycle.
//!
//! [`Forest`] makes both. [`check_forest`] judges them, and has nothing in common with `Forest`: it
//! knows no roots and no paths, it only counts and peels.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::kernel::KernelError;
use crate::pace::{Pace, ROWS_PER_CHECK};

/// Disjoint sets over rows, four bytes a row.
///
/// Finding halves paths and the smaller root always wins. That is O(log n) a join, amortized, where
/// union by rank would be nearly constant; but the smallest row is the label, so no second array says
/// who it is, and in columns that are read in order most rows meet their root in one step.
///
/// One thread joins. Another may look ahead meanwhile with a [`Scout`], which is why parents are atomic:
/// relaxed loads and stores cost nothing more.
#[derive(Debug)]
pub struct Forest {
    /// A row's parent, never larger than the row; a root is its own.
    parents: Vec<AtomicU32>,
}

/// Finds roots while another thread joins.
///
/// Whatever it finds was the root at some moment, and a row that two rows have above them stays above
/// them: so it is a good place to begin a later search, and it can never make an answer depend on which
/// thread was faster.
#[derive(Clone, Copy, Debug)]
pub struct Scout<'a>(&'a [AtomicU32]);

/// Joins while another thread scouts; see [`Forest::split`].
#[derive(Debug)]
pub struct Joiner<'a>(&'a [AtomicU32]);

impl Forest {
    /// Every row alone. No more rows than a [`Frame`](crate::Frame) can have.
    pub fn new(rows: usize) -> Self {
        Self { parents: (0..).take(rows).map(AtomicU32::new).collect() }
    }

    /// Joins the groups of two rows, which the caller has checked to exist. True: they were apart, so
    /// this edge belongs to the spanning forest.
    pub fn join(&mut self, a: u32, b: u32) -> bool {
        Joiner(&self.parents).join(a, b)
    }

    /// Whether two rows, which the caller has checked to exist, are in one group by now.
    pub fn connected(&mut self, a: u32, b: u32) -> bool {
        root(&self.parents, a) == root(&self.parents, b)
    }

    /// One who joins, and one who looks ahead. Only one joins as long as both are there.
    pub fn split(&mut self) -> (Joiner<'_>, Scout<'_>) {
        (Joiner(&self.parents), Scout(&self.parents))
    }

    /// The label of every row: the smallest row of its group.
    ///
    /// # Errors
    /// [`KernelError::Cancelled`].
    pub fn into_labels(mut self, pace: &Pace<'_>) -> Result<Vec<u32>, KernelError> {
        let mut checked = Ok(());
        // The labels are made where they are to stay: they are as large as everything that led to them.
        let labels = (0..self.parents.len()).map(|row| {
            if row.is_multiple_of(ROWS_PER_CHECK) && checked.is_ok() {
                checked = pace.check();
            }
            // A parent is never larger than its row, so its own label is final by now.
            let parent = *self.parents[row].get_mut();
            let label = *self.parents[parent as usize].get_mut();
            *self.parents[row].get_mut() = label;
            label
        });
        let labels = labels.collect();
        checked.map(|()| labels)
    }
}

impl Scout<'_> {
    /// Replaces rows, which exist, by rows above them: their roots, if nobody joins meanwhile.
    ///
    /// All rows take a step before any takes the next. A step of one row does not wait for that of
    /// another, so that the cache misses of many overlap, which on a walk to the root none does. `spare`
    /// is memory that a caller may keep for the next time.
    pub fn ahead(self, rows: &mut [u32], spare: &mut Vec<u32>) {
        let above = |row: u32| self.0[row as usize].load(Ordering::Relaxed);
        let parents = &mut *spare;
        parents.clear();
        parents.extend(rows.iter().map(|&row| above(row)));
        for (row, &parent) in rows.iter_mut().zip(&*parents) {
            let grandparent = above(parent);
            if grandparent != parent {
                // Halving, as `root` does it.
                self.0[*row as usize].store(grandparent, Ordering::Relaxed);
            }
            *row = grandparent;
        }
        // Few are further from their root than two steps.
        let on_the_way = &mut *spare;
        on_the_way.clear();
        on_the_way.extend((0_u32..).take(rows.len()));
        while !on_the_way.is_empty() {
            on_the_way.retain(|&at| {
                let row = &mut rows[at as usize];
                let child = std::mem::replace(row, above(*row));
                *row != child
            });
        }
    }
}

impl Joiner<'_> {
    /// As [`Forest::join`]; instead of a row, a row above it will do.
    pub fn join(&mut self, a: u32, b: u32) -> bool {
        let (a, b) = (root(self.0, a), root(self.0, b));
        // A root that meets itself stays its own parent.
        self.0[a.max(b) as usize].store(a.min(b), Ordering::Relaxed);
        a != b
    }
}

/// The root above a row. Halves the path: a row that has a parent keeps one for good, and to store a
/// grandparent that was read a moment ago at worst lengthens the path again.
fn root(parents: &[AtomicU32], mut row: u32) -> u32 {
    loop {
        let parent = parents[row as usize].load(Ordering::Relaxed);
        let grandparent = parents[parent as usize].load(Ordering::Relaxed);
        if parent == grandparent {
            return parent;
        }
        parents[row as usize].store(grandparent, Ordering::Relaxed);
        row = grandparent;
    }
}

/// Whether edges `a[i]`–`b[i]` are a spanning forest of exactly the groups that `labels` name, in time
/// and memory linear in the rows.
///
/// Four facts are checked, which together suffice: labels are canonical; an edge's ends have one label;
/// there are n − groups edges; no edges close a cycle. A forest of n − groups edges has as many trees
/// as there are groups, each tree lies within one group, so each group is one tree.
///
/// Whether an edge is *real*, and whether one is missing, only the kernel's own rule can say.
///
/// # Errors
/// [`KernelError::Wrong`] with the first fault found, or [`KernelError::Cancelled`].
pub fn check_forest(
    labels: &[u32],
    a: &[u32],
    b: &[u32],
    pace: &Pace<'_>,
) -> Result<(), KernelError> {
    let wrong = |what: String| Err(KernelError::Wrong(what));
    let mut groups = 0;
    for (row, &label) in labels.iter().enumerate() {
        pace.check_row(row)?;
        let at = label as usize;
        if at > row || labels[at] != label {
            return wrong(format!("label {label} of row {row} is not its group's smallest row"));
        }
        groups += usize::from(at == row);
    }
    let expected = labels.len() - groups;
    if a.len() != expected || b.len() != expected {
        let (rows, found) = (labels.len(), a.len());
        return wrong(format!("{rows} rows in {groups} groups need {expected} edges, not {found}"));
    }
    for (edge, (&a, &b)) in a.iter().zip(b).enumerate() {
        pace.check_row(edge)?;
        match (labels.get(a as usize), labels.get(b as usize)) {
            (Some(left), Some(right)) if left == right && a != b => {}
            (Some(_), Some(_)) if a == b => {
                return wrong(format!("edge {edge} joins row {a} to itself"));
            }
            (Some(left), Some(right)) => {
                return wrong(format!("edge {edge} joins rows of the labels {left} and {right}"));
            }
            _ => return wrong(format!("edge {edge} joins {a} and {b}, which are not both rows")),
        }
    }
    match edges_in_cycles(labels.len(), a, b, pace)? {
        0 => Ok(()),
        stuck => wrong(format!("{stuck} edges lie on cycles or between them")),
    }
}

/// How many edges are left when leaves are peeled off for as long as there are any.
///
/// A row keeps no list of its neighbours, only their number and their exclusive or: once the number is
/// one, the exclusive or *is* the neighbour.
fn edges_in_cycles(
    rows: usize,
    a: &[u32],
    b: &[u32],
    pace: &Pace<'_>,
) -> Result<usize, KernelError> {
    let mut neighbours = vec![(0_u32, 0_u32); rows];
    for (edge, (&a, &b)) in a.iter().zip(b).enumerate() {
        pace.check_row(edge)?;
        for (row, other) in [(a, b), (b, a)] {
            let (degree, mix) = &mut neighbours[row as usize];
            *degree += 1;
            *mix ^= other;
        }
    }
    let mut left = a.len();
    for start in (0_u32..).take(rows) {
        pace.check_row(start as usize)?;
        // Peeling a leaf may make a leaf of its neighbour, so follow the path for as long as it does.
        let mut row = start;
        while let (1, other) = neighbours[row as usize] {
            neighbours[row as usize].0 = 0;
            let (degree, mix) = &mut neighbours[other as usize];
            *degree -= 1;
            *mix ^= row;
            left -= 1;
            row = other;
        }
    }
    Ok(left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(labels: &[u32], edges: &[(u32, u32)]) -> Result<(), KernelError> {
        let (a, b): (Vec<_>, Vec<_>) = edges.iter().copied().unzip();
        check_forest(labels, &a, &b, &Pace::free())
    }

    fn fault(labels: &[u32], edges: &[(u32, u32)]) -> String {
        check(labels, edges).unwrap_err().to_string()
    }

    #[test]
    fn the_smallest_row_is_the_label_whatever_the_order_of_edges() {
        for edges in [[(4, 2), (2, 3), (0, 1)], [(0, 1), (3, 2), (4, 3)]] {
            let mut forest = Forest::new(6);
            assert!(edges.iter().all(|&(a, b)| forest.join(a, b)));
            assert!(!forest.join(2, 4) && !forest.join(5, 5));
            assert!(forest.connected(2, 4) && !forest.connected(1, 2));
            assert_eq!(forest.into_labels(&Pace::free()).unwrap()[..], [0, 0, 2, 2, 2, 5]);
        }
    }

    #[test]
    fn the_check_accepts_no_rows_and_a_right_forest() {
        check(&[], &[]).unwrap();
        check(&[0, 0, 2, 0], &[(3, 1), (1, 0)]).unwrap();
    }

    #[test]
    fn the_check_names_each_fault() {
        let not_smallest = "is not its group's smallest row";
        assert!(fault(&[1, 1], &[(0, 1)]).contains(not_smallest));
        assert!(fault(&[0, 0, 1], &[(0, 1), (1, 2)]).contains(not_smallest));
        assert!(fault(&[9], &[]).contains(not_smallest));
        assert!(fault(&[0, 0], &[]).contains("2 rows in 1 groups need 1 edges, not 0"));
        assert!(fault(&[0, 0, 2], &[(0, 2)]).contains("edge 0 joins rows of the labels 0 and 2"));
        assert!(fault(&[0, 0], &[(1, 1)]).contains("edge 0 joins row 1 to itself"));
        assert!(fault(&[0, 0], &[(0, 2)]).contains("which are not both rows"));
    }

    #[test]
    fn the_check_finds_cycles_that_the_count_does_not() {
        // Row 3 hangs on nothing, so that a cycle of the others makes the count right.
        assert!(fault(&[0, 0, 0, 0], &[(0, 1), (1, 2), (2, 0)]).contains("3 edges lie on cycles"));
        assert!(fault(&[0, 0, 0], &[(0, 1), (1, 0)]).contains("2 edges lie on cycles"));
    }

    #[test]
    fn a_scout_finds_the_roots_of_paths_of_any_length() {
        // A path that the joins leave as long as it can be: each new root is below the last.
        let mut forest = Forest::new(500);
        let (mut joiner, scout) = forest.split();
        for row in (0..499).rev() {
            assert!(joiner.join(row, row + 1));
        }
        let mut rows: Vec<u32> = (0..500).rev().collect();
        scout.ahead(&mut rows, &mut vec![7; 3]);
        assert_eq!(rows, [0; 500]);
        scout.ahead(&mut [], &mut Vec::new());
    }

    proptest! {
        #[test]
        fn what_a_forest_makes_the_check_accepts(
            edges in prop::collection::vec((0..40_u32, 0..40_u32), 0..60),
        ) {
            let mut forest = Forest::new(40);
            let kept: Vec<_> = edges.into_iter().filter(|&(a, b)| forest.join(a, b)).collect();
            let labels = forest.into_labels(&Pace::free()).unwrap();
            prop_assert_eq!(check(&labels, &kept), Ok(()));
            if let Some((last, rest)) = kept.split_last() {
                prop_assert!(check(&labels, rest).is_err());
                prop_assert!(check(&labels, &[rest, &[*last, *last]].concat()).is_err());
            }
        }
    }
}
