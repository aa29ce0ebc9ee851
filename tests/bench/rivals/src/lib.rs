//! Graph libraries that the benchmarks compare the kernels with: petgraph and rustworkx-core.
//!
//! A crate of its own for two reasons. The libraries turn on features of crates that the wasm engine
//! uses too; as dev-dependencies of the daemon they would have it compiled twice, once for programs and
//! once for tests. And their generic code is compiled where it is used, so here it gets the kernels'
//! profile, as is fair.

use std::collections::HashMap;

use petgraph::graph::{NodeIndex, UnGraph};
use petgraph::unionfind::UnionFind;
use rustworkx_core::connectivity::connected_components;

/// A representative for each node, by petgraph's union-find over edges `a[i]`–`b[i]`.
pub fn union_find(nodes: usize, a: &[u32], b: &[u32]) -> Vec<u32> {
    let mut sets = UnionFind::new(nodes);
    for (&a, &b) in a.iter().zip(b) {
        sets.union(a, b);
    }
    sets.into_labeling()
}

/// A graph as rustworkx-core searches it: petgraph's.
#[derive(Debug)]
pub struct Graph(UnGraph<(), (), u32>);

impl Graph {
    /// The graph of edges `a[i]`–`b[i]`.
    pub fn new(nodes: usize, a: &[u32], b: &[u32]) -> Self {
        let mut graph = UnGraph::with_capacity(nodes, a.len());
        for _ in 0..nodes {
            graph.add_node(());
        }
        for (&a, &b) in a.iter().zip(b) {
            graph.add_edge(NodeIndex::from(a), NodeIndex::from(b), ());
        }
        Self(graph)
    }

    /// Its connected components, by rustworkx-core's breadth-first search, in the library's own form.
    pub fn components(&self) -> Vec<impl IntoIterator<Item = NodeIndex> + use<>> {
        connected_components(&self.0)
    }

    /// A representative for each node.
    pub fn labels(&self) -> Vec<u32> {
        let mut labels = vec![0; self.0.node_count()];
        for (component, label) in self.components().into_iter().zip(0..) {
            for node in component {
                if let Some(of_node) = labels.get_mut(node.index()) {
                    *of_node = label;
                }
            }
        }
        labels
    }
}

/// Whether two labellings group the same nodes, whatever they call the groups.
pub fn same_groups(one: &[u32], other: &[u32]) -> bool {
    maps(one, other) && maps(other, one)
}

/// Whether each label of the one goes with a single label of the other.
fn maps(one: &[u32], other: &[u32]) -> bool {
    let mut known = HashMap::new();
    let agrees = |(&label, &other): (&u32, &u32)| *known.entry(label).or_insert(other) == other;
    one.len() == other.len() && one.iter().zip(other).all(agrees)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_find_the_groups_of_a_small_graph() {
        let (a, b) = ([0, 3, 3], [1, 4, 3]);
        let groups = [0, 0, 2, 3, 3];
        assert!(same_groups(&union_find(5, &a, &b), &groups));
        assert!(same_groups(&Graph::new(5, &a, &b).labels(), &groups));
    }

    #[test]
    fn labellings_are_compared_by_what_they_put_together() {
        assert!(same_groups(&[7, 7, 1], &[0, 0, 2]));
        assert!(!same_groups(&[7, 7, 1], &[0, 1, 2]));
        assert!(!same_groups(&[7, 8, 1], &[0, 0, 2]));
        assert!(!same_groups(&[7], &[7, 7]));
    }
}
