//! `connected-components`: which nodes hang together by given edges.
//!
//! For authors whose rule makes its own edges, and the kernel to copy when writing a new one: a
//! signature, a `run` that streams through columns, a `verify` that trusts nothing of `run`, and tests
//! against an oracle too simple to be wrong.
//!
//! Two nodes are in one group if a chain of edges leads from one to the other. An edge may stand more
//! than once, lie in either direction, or lead from a node to itself.
//!
//! | | |
//! |---|---|
//! | time | O(n + m log n) for n nodes and m edges, one thread |
//! | memory | 4 bytes a node, and 12 a forest edge (fewer than n) |
//! | order | the forest has the earliest edges that suffice, in their order |

use crate::column::{Column, ColumnType};
use crate::forest::{Forest, check_forest};
use crate::frame::Frame;
use crate::kernel::{Job, Kernel, KernelError, Shape, Signature};

/// The kernel; see the module.
#[derive(Debug)]
pub struct ConnectedComponents;

static SIGNATURE: Signature = Signature {
    name: "connected-components",
    summary: "Groups the nodes that edges join, directly or through other nodes.",
    inputs: &[
        // Only the number of rows counts, so that any frame will do.
        Shape { name: "nodes", columns: &[] },
        Shape { name: "edges", columns: &[("a", ColumnType::Uint32), ("b", ColumnType::Uint32)] },
    ],
    parameters: &[],
    outputs: &[
        // One row a node.
        Shape { name: "labels", columns: &[("label", ColumnType::Uint32)] },
        // The edges that joined two groups; `edge` is the row of the input edge.
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
        let (mut a, mut b, mut edges) = (Vec::new(), Vec::new(), Vec::new());
        for (edge, (&from, &to)) in (0_u32..).zip(graph.a.iter().zip(graph.b)) {
            job.pace.check_row(edge as usize)?;
            if forest.join(from, to) {
                a.push(from);
                b.push(to);
                edges.push(edge);
            }
        }
        let labels = Column::from(forest.into_labels(job.pace)?);
        Ok(vec![
            Frame::new(graph.nodes, [("label", labels)])?,
            Frame::new(a.len(), [("a", a.into()), ("b", b.into()), ("edge", edges.into())])?,
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
        Ok(())
    }
}

/// The inputs, with edges that lead from node to node.
struct Graph<'a> {
    nodes: usize,
    a: &'a [u32],
    b: &'a [u32],
}

impl<'a> Graph<'a> {
    fn read(job: &Job<'a>) -> Result<Self, KernelError> {
        let nodes = job.inputs[0].rows();
        let (a, b) = (job.inputs[1].uint32("a")?, job.inputs[1].uint32("b")?);
        for (edge, (&a, &b)) in a.iter().zip(b).enumerate() {
            job.pace.check_row(edge)?;
            if a.max(b) as usize >= nodes {
                let fault = format!("row {edge} joins {a} and {b}, but there are {nodes} nodes");
                return Err(SIGNATURE.invalid(1, fault));
            }
        }
        Ok(Self { nodes, a, b })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pace::Pace;
    use crate::text::Interner;
    use proptest::prelude::*;

    fn inputs(nodes: usize, edges: &[(u32, u32)]) -> [Frame; 2] {
        let (a, b): (Vec<u32>, Vec<u32>) = edges.iter().copied().unzip();
        let nodes = Frame::new::<&str>(nodes, []).unwrap();
        [nodes, Frame::new(a.len(), [("a", a.into()), ("b", b.into())]).unwrap()]
    }

    fn with_job<T>(inputs: &[Frame], then: impl FnOnce(&Job<'_>) -> T) -> T {
        let (texts, pace) = (Interner::new(0), Pace::free());
        then(&Job::new(&SIGNATURE, inputs, &[], &texts, &pace).unwrap())
    }

    fn answer(labels: &[u32], forest: &[(u32, u32, u32)]) -> [Frame; 2] {
        let column = |values: Vec<u32>| Column::from(values);
        [
            Frame::new(labels.len(), [("label", column(labels.to_vec()))]).unwrap(),
            Frame::new(
                forest.len(),
                [
                    ("a", column(forest.iter().map(|edge| edge.0).collect())),
                    ("b", column(forest.iter().map(|edge| edge.1).collect())),
                    ("edge", column(forest.iter().map(|edge| edge.2).collect())),
                ],
            )
            .unwrap(),
        ]
    }

    /// The oracle: spread the smaller label over each edge until nothing moves.
    fn spread(nodes: u32, edges: &[(u32, u32)]) -> Vec<u32> {
        let mut labels: Vec<u32> = (0..nodes).collect();
        for _ in 0..nodes {
            for &(a, b) in edges {
                let label = labels[a as usize].min(labels[b as usize]);
                labels[a as usize] = label;
                labels[b as usize] = label;
            }
        }
        labels
    }

    #[test]
    fn the_forest_has_the_earliest_edges_that_suffice() {
        let edges = [(3, 1), (2, 2), (1, 3), (0, 3), (1, 0)];
        let outputs = with_job(&inputs(5, &edges), |job| ConnectedComponents.run(job)).unwrap();
        assert_eq!(outputs, answer(&[0, 0, 2, 0, 4], &[(3, 1, 0), (0, 3, 3)]));
    }

    #[test]
    fn an_edge_to_nowhere_is_named() {
        let result = with_job(&inputs(3, &[(0, 1), (1, 3)]), |job| ConnectedComponents.run(job));
        assert_eq!(
            result.unwrap_err().to_string(),
            "connected-components: input 'edges': row 1 joins 1 and 3, but there are 3 nodes"
        );
    }

    #[test]
    fn verify_rejects_answers_that_are_nearly_right() {
        let inputs = inputs(4, &[(0, 1), (1, 2), (2, 0)]);
        let fault = |labels: &[u32], forest: &[(u32, u32, u32)]| {
            with_job(&inputs, |job| ConnectedComponents.verify(job, &answer(labels, forest)))
                .unwrap_err()
                .to_string()
        };
        let right = [(0, 1, 0), (1, 2, 1)];
        with_job(&inputs, |job| ConnectedComponents.verify(job, &answer(&[0, 0, 0, 3], &right)))
            .unwrap();
        assert!(fault(&[0, 0, 0], &right).contains("3 labels for 4 nodes"));
        assert!(
            fault(&[0, 0, 2, 3], &[(0, 1, 0)]).contains("edge 1 leads from label 0 to label 2")
        );
        let merged = [(0, 1, 0), (1, 2, 1), (2, 3, 2)];
        assert!(fault(&[0, 0, 0, 0], &merged).contains("forest edge 2 is not edge 2"));
        let other_a = [(0, 1, 0), (0, 2, 1)];
        assert!(fault(&[0, 0, 0, 3], &other_a).contains("forest edge 1 is not edge 1"));
        let other_b = [(0, 1, 0), (2, 1, 2)];
        assert!(fault(&[0, 0, 0, 3], &other_b).contains("forest edge 1 is not edge 2"));
        let beyond = [(0, 1, 0), (1, 2, 9)];
        assert!(fault(&[0, 0, 0, 3], &beyond).contains("forest edge 1 is not edge 9"));
    }

    proptest! {
        #[test]
        fn any_graph_has_the_oracles_labels_and_passes(
            edges in prop::collection::vec((0..12_u32, 0..12_u32), 0..24),
        ) {
            let inputs = inputs(12, &edges);
            with_job(&inputs, |job| {
                let outputs = ConnectedComponents.run(job).unwrap();
                prop_assert_eq!(outputs[0].uint32("label").unwrap(), spread(12, &edges));
                prop_assert!(outputs[1].uint32("edge").unwrap().is_sorted());
                prop_assert_eq!(ConnectedComponents.verify(job, &outputs), Ok(()));
                Ok(())
            })?;
        }
    }
}
