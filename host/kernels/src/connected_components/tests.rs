//! `connected-components` against an oracle too simple to be wrong, with and without weights.

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
    assert!(fault(&[0, 0, 2, 3], &[(0, 1, 0)]).contains("edge 1 leads from label 0 to label 2"));
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

/// The same with weights.
fn weighted(nodes: usize, edges: &[(u32, u32, f64)]) -> [Frame; 2] {
    let ends: Vec<(u32, u32)> = edges.iter().map(|&(a, b, _)| (a, b)).collect();
    let [nodes, plain] = inputs(nodes, &ends);
    let weight = Column::from(edges.iter().map(|edge| edge.2).collect::<Vec<f64>>());
    let columns = plain.columns().map(|(name, column)| (name, column.clone()));
    let edges = Frame::new(edges.len(), columns.chain([("weight", weight)])).unwrap();
    [nodes, edges]
}

/// The edges of the forest, and their weights.
fn heaviest(outputs: &[Frame]) -> Vec<(u32, f64)> {
    let (edge, weight) =
        (outputs[1].uint32("edge").unwrap(), outputs[1].float64("weight").unwrap());
    edge.iter().copied().zip(weight.iter().copied()).collect()
}

#[test]
fn the_forest_has_the_heaviest_edges_and_of_equals_the_earliest() {
    let edges = [(0, 1, 1.0), (1, 2, 3.0), (2, 0, 2.0), (2, 0, 2.0), (3, 3, 9.0), (3, 4, -0.0)];
    let outputs = with_job(&weighted(5, &edges), |job| ConnectedComponents.run(job)).unwrap();
    assert_eq!(outputs[0].uint32("label").unwrap(), [0, 0, 0, 3, 3]);
    assert_eq!(heaviest(&outputs), [(1, 3.0), (2, 2.0), (5, -0.0)]);
}

#[test]
fn an_edge_without_a_weight_is_named() {
    let edges = weighted(2, &[(0, 1, 1.0), (0, 1, f64::NAN)]);
    let fault = with_job(&edges, |job| ConnectedComponents.run(job)).unwrap_err().to_string();
    assert_eq!(fault, "connected-components: input 'edges': row 1 has no weight");
}

#[test]
fn verify_rejects_a_forest_that_could_be_heavier() {
    let inputs = weighted(3, &[(0, 1, 1.0), (1, 2, 3.0), (2, 0, 2.0)]);
    let fault = |forest: &[(u32, u32, u32, f64)]| {
        let ends: Vec<(u32, u32, u32)> = forest.iter().map(|&(a, b, at, _)| (a, b, at)).collect();
        let [labels, plain] = answer(&[0, 0, 0], &ends);
        let weight = Column::from(forest.iter().map(|edge| edge.3).collect::<Vec<f64>>());
        let columns = plain.columns().map(|(name, column)| (name, column.clone()));
        let forest = Frame::new(forest.len(), columns.chain([("weight", weight)])).unwrap();
        with_job(&inputs, |job| ConnectedComponents.verify(job, &[labels, forest]))
            .map_or_else(|error| error.to_string(), |()| String::new())
    };
    assert_eq!(fault(&[(1, 2, 1, 3.0), (2, 0, 2, 2.0)]), "");
    assert_eq!(
        fault(&[(1, 2, 1, 3.0), (0, 1, 0, 1.0)]),
        "wrong answer: edge 2 is heavier than edge 0, whose place it can take"
    );
    assert!(fault(&[(2, 0, 2, 2.0), (1, 2, 1, 3.0)]).contains("comes after a lighter one"));
    assert!(fault(&[(1, 2, 1, 4.0), (2, 0, 2, 2.0)]).contains("has another weight"));
}

proptest! {
    #[test]
    fn every_threshold_has_the_groups_of_the_forest_down_to_it(
        edges in prop::collection::vec((0..12_u32, 0..12_u32, -3..3_i32), 0..30),
        threshold in -4..4_i32,
    ) {
        let edges: Vec<_> = edges.into_iter().map(|(a, b, w)| (a, b, f64::from(w))).collect();
        let inputs = weighted(12, &edges);
        let outputs = with_job(&inputs, |job| {
            let outputs = ConnectedComponents.run(job).unwrap();
            prop_assert_eq!(ConnectedComponents.verify(job, &outputs), Ok(()));
            Ok(outputs)
        })?;
        let down_to = |edges: &mut dyn Iterator<Item = (u32, u32, f64)>| {
            let heavy = edges.filter(|edge| edge.2 >= f64::from(threshold));
            spread(12, &heavy.map(|(a, b, _)| (a, b)).collect::<Vec<_>>())
        };
        let forest = heaviest(&outputs);
        prop_assert!(forest.is_sorted_by(|a, b| a.1 > b.1 || (a.1 == b.1 && a.0 < b.0)));
        prop_assert_eq!(
            down_to(&mut forest.iter().map(|&(edge, _)| edges[edge as usize])),
            down_to(&mut edges.iter().copied())
        );
    }
}
