//! Links: candidate edges on their way into a forest, a chunk at a time and one chunk ahead.
//!
//! A join is a walk from row to row up to a root, and each step may miss the cache. What can be done
//! about that: the next chunk is made, and its roots are looked up, before its turn comes. The look-ups of
//! one chunk do not depend on each other, so their misses overlap; where a second thread is free it does
//! this while the first one joins; and when a link's turn comes, its roots are at hand, or nearly.
//! Which links become edges depends on their order alone.
//!
//! Whether a row gives a link, and a link an edge, is as good as chance, and each wrong guess of the
//! processor would cost as much as the rest of the work. So there is nothing to guess: both are written
//! down in any case, and count if they are any.

use std::hint::select_unpredictable;

use crate::forest::{Forest, Joiner, Scout};
use crate::kernel::KernelError;
use crate::pace::Pace;

/// Rows of the source that make a chunk: few enough that what the look-ahead brought into the core's own
/// cache is still there when the links join. Of 512 to 8,192 this took least on 16,000,000 random edges.
pub(crate) const CHUNK: usize = 1_024;

/// The same where another thread looks ahead: waking it takes as long as some thousands of joins.
const CHUNK_HANDED_OVER: usize = 16_384;

/// Two rows that belong together, and what says so.
#[derive(Clone, Copy, Default)]
pub(crate) struct Link {
    pub(crate) a: u32,
    pub(crate) b: u32,
    pub(crate) value: u32,
}

/// Where links come from.
pub(crate) trait Links: Send {
    /// Takes the next rows of the source, no more than the chunk has room for, and puts at most one link
    /// for each. False once there are no more rows.
    fn fill(&mut self, chunk: &mut Chunk) -> bool;
}

/// Some links, and where to begin looking for the roots of their ends.
pub(crate) struct Chunk {
    links: Box<[Link]>,
    count: usize,
    /// Those of `a` and `b` in turns.
    roots: Vec<u32>,
    spare: Vec<u32>,
}

impl Chunk {
    fn new(room: usize) -> Self {
        let links = vec![Link::default(); room].into();
        Self { links, count: 0, roots: Vec::new(), spare: Vec::new() }
    }

    /// How many links there is room for.
    pub(crate) fn room(&self) -> usize {
        self.links.len()
    }

    /// Puts a link if it is one. No more than there is room for.
    pub(crate) fn put(&mut self, link: Link, is_one: bool) {
        self.links[self.count] = link;
        self.count += select_unpredictable(is_one, 1, 0);
    }

    fn look_ahead(&mut self, scout: Scout<'_>) {
        self.roots.clear();
        self.roots.extend(self.links[..self.count].iter().flat_map(|link| [link.a, link.b]));
        scout.ahead(&mut self.roots, &mut self.spare);
    }

    fn join(&self, joiner: &mut Joiner<'_>, edges: &mut Edges) {
        for (&link, roots) in self.links[..self.count].iter().zip(self.roots.chunks_exact(2)) {
            if roots[0] != roots[1] {
                edges.put(link, joiner.join(roots[0], roots[1]));
            }
        }
    }
}

/// The edges of a forest, in the order in which they joined.
pub(crate) struct Edges {
    a: Vec<u32>,
    b: Vec<u32>,
    values: Vec<u32>,
    count: usize,
}

impl Edges {
    /// No edges, of a forest with so many rows.
    pub(crate) fn new(rows: usize) -> Self {
        // There are fewer edges than rows. Zeroed memory costs nothing until it is written.
        let column = || vec![0; rows];
        Self { a: column(), b: column(), values: column(), count: 0 }
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The ends `a` and `b` of the links that became edges, and their values.
    pub(crate) fn columns(&self) -> [&[u32]; 3] {
        [&self.a, &self.b, &self.values].map(|column| &column[..self.count])
    }

    /// Puts an edge if it is one.
    fn put(&mut self, link: Link, is_one: bool) {
        self.a[self.count] = link.a;
        self.b[self.count] = link.b;
        self.values[self.count] = link.value;
        self.count += select_unpredictable(is_one, 1, 0);
    }
}

/// Joins by all links, in their order; those that join two groups are added to `edges`.
pub(crate) fn join_all(
    forest: &mut Forest,
    mut links: impl Links,
    edges: &mut Edges,
    pace: &Pace<'_>,
) -> Result<(), KernelError> {
    let (mut joiner, scout) = forest.split();
    let room = if has_another_thread() { CHUNK_HANDED_OVER } else { CHUNK };
    let (mut now, mut next) = (Chunk::new(room), Chunk::new(room));
    let mut is_more = true;
    while is_more {
        pace.check()?;
        let join = || now.join(&mut joiner, edges);
        let look_ahead = || {
            next.count = 0;
            let is_more = links.fill(&mut next);
            next.look_ahead(scout);
            is_more
        };
        ((), is_more) = both(join, look_ahead);
        std::mem::swap(&mut now, &mut next);
    }
    Ok(())
}

/// Does two things, beside each other where that is possible: on a pool with more than one thread.
/// Elsewhere rayon would start a pool of its own, which is not ours to start.
pub(crate) fn both<A: Send, B: Send>(
    a: impl FnOnce() -> A + Send,
    b: impl FnOnce() -> B + Send,
) -> (A, B) {
    if has_another_thread() { rayon::join(a, b) } else { (a(), b()) }
}

fn has_another_thread() -> bool {
    rayon::current_thread_index().is_some() && rayon::current_num_threads() > 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Links as they stand, some of which are none.
    struct Given<'a>(&'a [(Link, bool)]);

    impl Links for Given<'_> {
        fn fill(&mut self, chunk: &mut Chunk) -> bool {
            let (now, rest) = self.0.split_at(self.0.len().min(chunk.room()));
            self.0 = rest;
            for &(link, is_one) in now {
                chunk.put(link, is_one);
            }
            !now.is_empty()
        }
    }

    fn joined(rows: usize, links: &[(Link, bool)], threads: usize) -> [Vec<u32>; 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (mut forest, mut edges) = (Forest::new(rows), Edges::new(rows));
        let join = || join_all(&mut forest, Given(links), &mut edges, &Pace::free());
        pool.install(join).unwrap();
        edges.columns().map(<[u32]>::to_vec)
    }

    /// The oracle: one link after the other.
    fn one_by_one(rows: usize, links: &[(Link, bool)]) -> [Vec<u32>; 3] {
        let mut forest = Forest::new(rows);
        let links = links.iter().filter(|(_, is_one)| *is_one).map(|(link, _)| link);
        let edges: Vec<&Link> = links.filter(|link| forest.join(link.a, link.b)).collect();
        let column = |of: fn(&Link) -> u32| edges.iter().map(|link| of(link)).collect();
        [column(|link| link.a), column(|link| link.b), column(|link| link.value)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn edges_are_those_of_one_link_after_the_other_on_any_number_of_threads(
            links in prop::collection::vec((any::<(u32, u32)>(), prop::bool::weighted(0.9)), 0..40_000),
            rows in 1..6_000_u32,
            near in 1..6_000_u32,
        ) {
            let link = |(value, ((a, b), is_one)): (u32, ((u32, u32), bool))| {
                // Near one another they make long paths.
                let a = a % rows;
                (Link { a, b: (a + b % near) % rows, value }, is_one)
            };
            let links: Vec<_> = (0..).zip(links).map(link).collect();
            let expected = one_by_one(rows as usize, &links);
            for threads in [1, 2, 8, 64] {
                prop_assert_eq!(&joined(rows as usize, &links, threads), &expected);
            }
        }
    }
}
