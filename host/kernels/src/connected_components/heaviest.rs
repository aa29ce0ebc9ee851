//! Edges with a weight: the heaviest first, and the proof that a spanning forest has the heaviest.
//!
//! A spanning forest is a maximum one exactly if no edge outside it comes before an edge of the path that
//! joins its ends in the forest (the cycle property). To find the lightest edge of a path without walking
//! it, the forest is put together once more, heaviest edge first, in a tree over the nodes that remembers
//! with which edge a node got its parent. Groups are linked by size and paths are never shortened, so
//! that the tree is as deep as the logarithm of its nodes at most, and the later of the two links where
//! the ways up from both ends meet is the edge looked for.

use super::Graph;
use crate::frame::Frame;
use crate::kernel::KernelError;
use crate::links::{Chunk, Link, Links};
use crate::pace::Pace;
use crate::sort::{order_of, sort};

/// What puts an edge before another: its weight, and if they are equal its row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Smaller if the weight is greater.
    lightness: u64,
    edge: u32,
}

impl Place {
    fn of(weights: &[f64], edge: u32) -> Self {
        Self { lightness: !order_of(weights[edge as usize]), edge }
    }
}

/// All edges, the heaviest first.
pub(super) fn first(weights: &[f64], pace: &Pace<'_>) -> Result<Vec<Place>, KernelError> {
    let mut order = Vec::with_capacity(weights.len());
    for (edge, at) in (0_u32..).zip(0..weights.len()) {
        pace.check_row(at)?;
        order.push(Place::of(weights, edge));
    }
    sort(&mut order, pace)?;
    Ok(order)
}

/// The edges in that order.
pub(super) struct Ordered<'a> {
    graph: &'a Graph<'a>,
    rest: &'a [Place],
}

impl<'a> Ordered<'a> {
    pub(super) fn of(graph: &'a Graph<'a>, order: &'a [Place]) -> Self {
        Self { graph, rest: order }
    }
}

impl Links for Ordered<'_> {
    fn fill(&mut self, chunk: &mut Chunk) -> bool {
        let (now, rest) = self.rest.split_at(self.rest.len().min(chunk.room()));
        self.rest = rest;
        for place in now {
            let at = place.edge as usize;
            let link = Link { a: self.graph.a[at], b: self.graph.b[at], value: place.edge };
            chunk.put(link, true);
        }
        !now.is_empty()
    }
}

/// Whether a forest, which is one of the graph's own edges, has the heaviest, in their order.
///
/// # Errors
/// [`KernelError::Wrong`] with the first fault found, or [`KernelError::Cancelled`].
pub(super) fn check(
    graph: &Graph<'_>,
    weights: &[f64],
    forest: &Frame,
    pace: &Pace<'_>,
) -> Result<(), KernelError> {
    let wrong = |what: String| Err(KernelError::Wrong(what));
    let (edges, told) = (forest.uint32("edge")?, forest.float64("weight")?);
    let mut tree = Tree::new(graph.nodes);
    for (at, (&edge, told)) in (0_u32..).zip(edges.iter().zip(told)) {
        pace.check_row(at as usize)?;
        if told.to_bits() != weights[edge as usize].to_bits() {
            return wrong(format!("forest edge {at} has another weight than edge {edge}"));
        }
        if at > 0 && Place::of(weights, edges[at as usize - 1]) >= Place::of(weights, edge) {
            return wrong(format!("forest edge {at} comes after a lighter one"));
        }
        tree.link(graph.a[edge as usize], graph.b[edge as usize], at);
    }
    for (edge, (&a, &b)) in (0_u32..).zip(graph.a.iter().zip(graph.b)) {
        pace.check_row(edge as usize * 8)?;
        if a == b {
            continue;
        }
        let last = edges[tree.last_between(a, b) as usize];
        if Place::of(weights, edge) < Place::of(weights, last) {
            return wrong(format!(
                "edge {edge} is heavier than edge {last}, whose place it can take"
            ));
        }
    }
    Ok(())
}

/// Nodes linked by the edges of a forest.
struct Tree {
    parents: Vec<u32>,
    /// With which edge of the forest a node got its parent; never, for a root.
    linked: Vec<u32>,
    sizes: Vec<u32>,
}

const NEVER: u32 = u32::MAX;

impl Tree {
    fn new(nodes: usize) -> Self {
        let parents = (0..).take(nodes).collect();
        Self { parents, linked: vec![NEVER; nodes], sizes: vec![1; nodes] }
    }

    fn link(&mut self, a: u32, b: u32, edge: u32) {
        let root = |mut node: u32| {
            while self.linked[node as usize] != NEVER {
                node = self.parents[node as usize];
            }
            node as usize
        };
        let (a, b) = (root(a), root(b));
        let (small, large) = if self.sizes[a] < self.sizes[b] { (a, b) } else { (b, a) };
        self.sizes[large] += self.sizes[small];
        self.linked[small] = edge;
        // It was a node's number before.
        self.parents[small] = u32::try_from(large).unwrap_or(NEVER);
    }

    /// The last edge of the forest on the path between two different nodes of one group.
    fn last_between(&self, mut a: u32, mut b: u32) -> u32 {
        let mut last = 0;
        while a != b {
            // A parent was linked later than its child, so the earlier one of the two has to go up.
            let (of_a, of_b) = (self.linked[a as usize], self.linked[b as usize]);
            last = of_a.min(of_b);
            if of_a < of_b {
                a = self.parents[a as usize];
            } else {
                b = self.parents[b as usize];
            }
        }
        last
    }
}
