//! Graphs for `connected-components`; the size is the number of nodes.

use anyhow::{Context, Result};
use corral_kernels::{Column, Frame, Interner, Job, Pace, find};

use super::Population;
use super::chance::Chance;

pub(super) const SHAPES: &[(&str, Population)] = &[
    ("random", random),
    ("heavy tail", heavy_tail),
    ("nothing shared", nothing_shared),
    ("star", star),
    ("path", path),
    (WEIGHTED, weighted),
];

/// Measured once the kernel looks at weights.
pub(super) const WEIGHTED: &str = "random, weighted";

/// Every node has so many edges, times ten: with 1.6 most nodes hang together and some are apart.
const EDGES_PER_TEN_NODES: u32 = 16;

fn graph(nodes: u32, edges: Vec<(u32, u32)>) -> Result<Vec<Frame>> {
    let (a, b): (Vec<u32>, Vec<u32>) = edges.into_iter().unzip();
    let ends = [("a", Column::from(a)), ("b", Column::from(b))];
    Ok(vec![Frame::new::<&str>(nodes as usize, [])?, Frame::new(ends[0].1.len(), ends)?])
}

fn edges(nodes: u32) -> u32 {
    nodes / 10 * EDGES_PER_TEN_NODES
}

fn random(nodes: u32, _: &Interner) -> Result<Vec<Frame>> {
    let mut chance = Chance(21);
    let mut edge = |_| (chance.heavy(nodes, 1), chance.heavy(nodes, 1));
    graph(nodes, (0..edges(nodes)).map(&mut edge).collect())
}

/// A few nodes have most of the edges.
fn heavy_tail(nodes: u32, _: &Interner) -> Result<Vec<Frame>> {
    let mut chance = Chance(22);
    let mut edge = |_| (chance.heavy(nodes, 1), chance.heavy(nodes, 6));
    graph(nodes, (0..edges(nodes)).map(&mut edge).collect())
}

/// No edge leads anywhere.
fn nothing_shared(nodes: u32, _: &Interner) -> Result<Vec<Frame>> {
    graph(nodes, (0..nodes).map(|node| (node, node)).collect())
}

/// The last node has an edge to every other.
fn star(nodes: u32, _: &Interner) -> Result<Vec<Frame>> {
    graph(nodes, (0..nodes - 1).map(|node| (node, nodes - 1)).collect())
}

/// All nodes in a row, the edges in random order.
fn path(nodes: u32, _: &Interner) -> Result<Vec<Frame>> {
    let names = Chance(23).permutation(nodes);
    let pairs: Vec<(u32, u32)> = names.windows(2).map(|pair| (pair[0], pair[1])).collect();
    let order = Chance(24).permutation(nodes - 1);
    graph(nodes, order.into_iter().map(|at| pairs[at as usize]).collect())
}

/// The random graph, each edge with a weight.
fn weighted(nodes: u32, texts: &Interner) -> Result<Vec<Frame>> {
    let inputs = random(nodes, texts)?;
    let mut chance = Chance(25);
    let weights: Vec<f64> = (0..inputs[1].rows()).map(|_| chance.next()).collect();
    let columns = inputs[1].columns().map(|(name, column)| (name, column.clone()));
    let edges = Frame::new(inputs[1].rows(), columns.chain([("weight", weights.into())]))?;
    Ok(vec![inputs[0].clone(), edges])
}

/// Whether the kernel looks at weights: of a triangle it then keeps the two heaviest edges.
pub(super) fn weights_count() -> Result<bool> {
    let edges = [
        ("a", Column::from(vec![0_u32, 1, 2])),
        ("b", Column::from(vec![1_u32, 2, 0])),
        ("weight", Column::from(vec![1.0, 2.0, 3.0])),
    ];
    let inputs = [Frame::new::<&str>(3, [])?, Frame::new(3, edges)?];
    let kernel = find("connected-components").context("it is in the catalogue")?;
    let (texts, pace) = (Interner::new(0), Pace::free());
    let job = Job::new(kernel.signature(), &inputs, &[], &texts, &pace)?;
    let outputs = kernel.run(&job)?;
    let forest = outputs.get(1).context("it answers with a forest")?;
    Ok(!forest.uint32("edge")?.contains(&0))
}
