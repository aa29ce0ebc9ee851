//! Graph libraries on the same edges: those of the input, or those that the kernel found.
//!
//! For `identity-components` that is the forest alone, of which each edge joins two groups, so that a
//! library is spared the whole question of which attackers have an edge.

use anyhow::{Result, ensure};
use corral_kernels::Frame;
use corral_rivals::{Graph, same_groups, union_find};

use super::measure::milliseconds;
use crate::{median, timed};

pub(super) const PETGRAPH: &str = "petgraph";
pub(super) const RUSTWORKX: &str = "rustworkx-core";
const RUSTWORKX_BUILDING: &str = "rustworkx-core, building the graph";

/// What else answered the question, and in how many milliseconds.
#[derive(Clone, Debug)]
pub(super) struct Rival {
    pub(super) name: &'static str,
    pub(super) time: f64,
}

/// Whatever a kernel is compared with.
pub(super) struct Rivals<'a> {
    edges: Option<Edges<'a>>,
    union_find: Vec<f64>,
    building: Vec<f64>,
    searching: Vec<f64>,
    others: Vec<Rival>,
}

#[derive(Clone, Copy)]
struct Edges<'a> {
    nodes: usize,
    a: &'a [u32],
    b: &'a [u32],
}

impl<'a> Rivals<'a> {
    /// The libraries, if this kernel is about edges. Each has to find the kernel's groups.
    pub(super) fn of(kernel: &str, inputs: &'a [Frame], outputs: &'a [Frame]) -> Result<Self> {
        let edges = match kernel {
            "connected-components" => Some(&inputs[1]),
            "identity-components" => Some(&outputs[1]),
            _ => None,
        };
        let edges = match edges {
            Some(frame) => Some(Edges {
                nodes: inputs[0].rows(),
                a: frame.uint32("a")?,
                b: frame.uint32("b")?,
            }),
            None => None,
        };
        if let Some(Edges { nodes, a, b }) = edges {
            let labels = outputs[0].uint32("label")?;
            let agrees = |name: &str, theirs: &[u32]| -> Result<()> {
                ensure!(same_groups(labels, theirs), "{name} finds other groups");
                Ok(())
            };
            agrees(PETGRAPH, &union_find(nodes, a, b))?;
            agrees(RUSTWORKX, &Graph::new(nodes, a, b).labels())?;
        }
        let (union_find, building, searching) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { edges, union_find, building, searching, others: Vec::new() })
    }

    /// Adds one that was measured elsewhere.
    pub(super) fn add(&mut self, rival: Rival) {
        self.others.push(rival);
    }

    /// Has each library answer once.
    pub(super) fn take_a_turn(&mut self) {
        let Some(Edges { nodes, a, b }) = self.edges else { return };
        let (took, _) = timed(|| std::hint::black_box(union_find(nodes, a, b)));
        self.union_find.push(milliseconds(took));
        let (took, graph) = timed(|| Graph::new(nodes, a, b));
        self.building.push(milliseconds(took));
        // The search alone: whoever has a graph already does not build it again.
        let (took, components) = timed(|| graph.components());
        std::hint::black_box(components.len());
        self.searching.push(milliseconds(took));
    }

    /// The medians.
    pub(super) fn close(self) -> Vec<Rival> {
        let measured = [
            (PETGRAPH, self.union_find),
            (RUSTWORKX, self.searching),
            (RUSTWORKX_BUILDING, self.building),
        ];
        let measured = measured.into_iter().filter(|(_, times)| !times.is_empty());
        let medians = measured.map(|(name, times)| Rival { name, time: median(times) });
        self.others.into_iter().chain(medians).collect()
    }
}
