//! `connected-components`: the groups that edges make of nodes. A building block for authors, and the
//! kernel to copy from: one signature, inputs read and checked, a `verify` that trusts nothing of `run`,
//! and tests against an oracle too simple to be wrong.
//!
//! Two nodes are in one group if a chain of edges leads from one to the other. An edge may stand more
//! than once, lie in either direction, or lead from a node to itself.
//!
//! Edges may have a weight. Then the forest is a *maximum spanning forest* (Kruskal 1956), and its edges
//! come heaviest first: the groups at any threshold are those of the forest's edges down to it, so that
//! one run answers for every threshold.
//!
//! # Size
//! | | |
//! |---|---|
//! | time | O((n + m) log n) for n nodes and m edges, near linear in practice; with weights O(m log m) more |
//! | memory | 16 bytes a node, and 12 a forest edge (fewer than n); with weights 40 an edge more |
//! | order | the forest has the earliest edges that suffice, in their order; with weights the heaviest, and of equally heavy ones the earliest; the number of threads does not show |

mod heaviest;

#[cfg(test)]
mod tests;

use crate::column::{Column, ColumnType};
use crate::forest::{Forest, check_forest};
use crate::frame::Frame;
use crate::kernel::{Job, Kernel, KernelError, Shape, Signature};
use crate::links::{Chunk, Edges, Link, Links, join_all};
use crate::pace::ROWS_PER_CHECK;

/// The kernel; see the module.
#[derive(Debug)]
pub struct ConnectedComponents;

static SIGNATURE: Signature = Signature {
    name: "connected-components",
    summary: "Groups the nodes that edges join, directly or through other nodes; the heaviest edges \
              first where they have a weight.",
    inputs: &[
        // Only the number of rows counts, so that any frame will do.
        Shape { name: "nodes", columns: &[] },
        // May have a float64 column `weight`.
        Shape { name: "edges", columns: &[("a", ColumnType::Uint32), ("b", ColumnType::Uint32)] },
    ],
    parameters: &[],
    outputs: &[
        // One row a node.
        Shape { name: "labels", columns: &[("label", ColumnType::Uint32)] },
        // The edges that joined two groups; `edge` is the row of the input edge. Has its `weight` if the
        // input has.
        Shape {
            name: "forest",
            columns: &[
                ("a", ColumnType::Uint32),
                ("b", ColumnType::Uint32),
                ("edge", ColumnType::Uint32),
            ],
        },
    ],
};

impl Kernel for ConnectedComponents {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn run(&self, job: &Job<'_>) -> Result<Vec<Frame>, KernelError> {
        let graph = Graph::read(job)?;
        let mut forest = Forest::new(graph.nodes);
        let mut edges = Edges::new(graph.nodes);
        match graph.weights {
            None => join_all(&mut forest, InOrder::of(&graph), &mut edges, job.pace)?,
            Some(weights) => {
                let order = heaviest::first(weights, job.pace)?;
                let links = heaviest::Ordered::of(&graph, &order);
                join_all(&mut forest, links, &mut edges, job.pace)?;
            }
        }
        let labels = Column::from(forest.into_labels(job.pace)?);
        let [a, b, edge] = edges.columns();
        let weight = graph.weights.map(|weights| {
            (
                "weight",
                Column::from(edge.iter().map(|&edge| weights[edge as usize]).collect::<Vec<f64>>()),
            )
        });
        let columns = [("a", a), ("b", b), ("edge", edge)];
        let columns = columns.map(|(name, values)| (name, Column::from(values.to_vec())));
        Ok(vec![
            Frame::new(graph.nodes, [("label", labels)])?,
            Frame::new(a.len(), columns.into_iter().chain(weight))?,
        ])
    }

    fn verify(&self, job: &Job<'_>, outputs: &[Frame]) -> Result<(), KernelError> {
        SIGNATURE.check_outputs(outputs)?;
        let graph = Graph::read(job)?;
        let labels = outputs[0].uint32("label")?;
        let (a, b) = (outputs[1].uint32("a")?, outputs[1].uint32("b")?);
        let wrong = |what: String| Err(KernelError::Wrong(what));
        if labels.len() != graph.nodes {
            return wrong(format!("{} labels for {} nodes", labels.len(), graph.nodes));
        }
        check_forest(labels, a, b, job.pace)?;

        // No edge of the forest is made up: each is the input edge that it names.
        for (at, &edge) in outputs[1].uint32("edge")?.iter().enumerate() {
            job.pace.check_row(at)?;
            let edge = edge as usize;
            if graph.a.get(edge) != Some(&a[at]) || graph.b.get(edge) != Some(&b[at]) {
                return wrong(format!("forest edge {at} is not edge {edge}"));
            }
        }
        // No edge of the input is overlooked.
        for (edge, (&a, &b)) in graph.a.iter().zip(graph.b).enumerate() {
            job.pace.check_row(edge)?;
            let (left, right) = (labels[a as usize], labels[b as usize]);
            if left != right {
                return wrong(format!("edge {edge} leads from label {left} to label {right}"));
            }
        }
        match graph.weights {
            Some(weights) => heaviest::check(&graph, weights, &outputs[1], job.pace),
            None => Ok(()),
        }
    }
}

/// The inputs, with edges that lead from node to node.
struct Graph<'a> {
    nodes: usize,
    a: &'a [u32],
    b: &'a [u32],
    weights: Option<&'a [f64]>,
}

impl<'a> Graph<'a> {
    fn read(job: &Job<'a>) -> Result<Self, KernelError> {
        let (nodes, edges) = (job.inputs[0].rows(), &job.inputs[1]);
        let (a, b) = (edges.uint32("a")?, edges.uint32("b")?);
        let weights = match edges.columns().find(|&(name, _)| name == "weight") {
            Some(_) => Some(edges.float64("weight").map_err(|error| SIGNATURE.invalid(1, error))?),
            None => None,
        };
        // Nearly always there is no fault, which is quickest told by looking at all.
        let leads_nowhere = |(a, b): (&u32, &u32)| *a.max(b) as usize >= nodes;
        for at in (0..a.len()).step_by(ROWS_PER_CHECK) {
            job.pace.check()?;
            let end = a.len().min(at + ROWS_PER_CHECK);
            let mut ends = a[at..end].iter().zip(&b[at..end]);
            if ends.clone().map(leads_nowhere).fold(false, |any, one| any | one)
                && let Some(row) = ends.position(leads_nowhere)
            {
                let (row, a, b) = (at + row, a[at + row], b[at + row]);
                let fault = format!("row {row} joins {a} and {b}, but there are {nodes} nodes");
                return Err(SIGNATURE.invalid(1, fault));
            }
            let weights = weights.map_or(&[][..], |weights| &weights[at..end]);
            if let Some(row) = weights.iter().position(|weight| weight.is_nan()) {
                return Err(SIGNATURE.invalid(1, format!("row {} has no weight", at + row)));
            }
        }
        Ok(Self { nodes, a, b, weights })
    }
}

/// The edges as they stand.
struct InOrder<'a> {
    graph: &'a Graph<'a>,
    done: usize,
}

impl<'a> InOrder<'a> {
    fn of(graph: &'a Graph<'a>) -> Self {
        Self { graph, done: 0 }
    }
}

impl Links for InOrder<'_> {
    fn fill(&mut self, chunk: &mut Chunk) -> bool {
        let (a, b) = (&self.graph.a[self.done..], &self.graph.b[self.done..]);
        // A frame's rows have numbers.
        let edges = u32::try_from(self.done).unwrap_or(u32::MAX)..;
        for (value, (&a, &b)) in edges.zip(a.iter().zip(b).take(chunk.room())) {
            chunk.put(Link { a, b, value }, true);
        }
        self.done += a.len().min(chunk.room());
        !a.is_empty()
    }
}
