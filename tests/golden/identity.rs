//! The identity layer: which observations DECNET groups, and the weight of each pair.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use corral_kernels::weights::{self, ObservationWeights};
use corral_kernels::{ABSENT, Column, Frame, Interner, Job, Kernel, Pace, find};
use serde::Deserialize;

use crate::{Tally, cases};

#[derive(Debug, Deserialize)]
pub(crate) struct Observation {
    observation_id: String,
    ja3: Option<String>,
    hassh: Option<String>,
    asn: Option<i64>,
    #[serde(default)]
    payload_hashes: Vec<String>,
    #[serde(default)]
    c2_endpoints: Vec<String>,
    #[serde(default)]
    credentials: Vec<(String, String)>,
    #[serde(default)]
    commands_by_phase: BTreeMap<String, Vec<String>>,
}

impl From<&Observation> for weights::Observation {
    fn from(from: &Observation) -> Self {
        let set = |texts: &[String]| texts.iter().cloned().collect::<BTreeSet<_>>();
        Self {
            ja3: from.ja3.clone(),
            hassh: from.hassh.clone(),
            asn: from.asn,
            payloads: set(&from.payload_hashes),
            endpoints: set(&from.c2_endpoints),
            credentials: from.credentials.iter().cloned().collect(),
            commands_by_phase: from
                .commands_by_phase
                .iter()
                .map(|(phase, commands)| (phase.clone(), set(commands)))
                .collect(),
        }
    }
}

/// Components, each an ascending list of indices, ordered by their smallest.
pub(crate) type Partition = Vec<Vec<u32>>;

/// The partition by `identity-components`, verified.
pub(crate) fn partition(observations: &[Observation]) -> Result<Partition> {
    let texts = Interner::new(1 << 30);
    let code = |text: &Option<String>| text.as_deref().map_or(Ok(ABSENT), |text| texts.code(text));
    let column = |values: Result<Vec<u32>, _>| values.map(Column::text);
    let ids = observations.iter().map(|o| texts.code(&o.observation_id)).collect();
    let attackers = Frame::new(
        observations.len(),
        [
            ("ja3", column(observations.iter().map(|o| code(&o.ja3)).collect())?),
            ("hassh", column(observations.iter().map(|o| code(&o.hassh)).collect())?),
            ("id", column(ids)?),
        ],
    )?;
    let child = |tokens: fn(&Observation) -> &[String]| -> Result<Frame> {
        let (mut row, mut token) = (Vec::new(), Vec::new());
        for (at, observation) in (0u32..).zip(observations) {
            for text in tokens(observation) {
                row.push(at);
                token.push(texts.code(text)?);
            }
        }
        Ok(Frame::new(row.len(), [("row", Column::from(row)), ("token", Column::text(token))])?)
    };
    let inputs = [attackers, child(|o| &o.payload_hashes)?, child(|o| &o.c2_endpoints)?];
    let kernel: &dyn Kernel =
        find("identity-components").context("no kernel identity-components")?;
    let pace = Pace::free();
    let job = Job::new(kernel.signature(), &inputs, &[], &texts, &pace)?;
    let outputs = kernel.run(&job)?;
    kernel.verify(&job, &outputs)?;
    Ok(groups(outputs.first().context("no labels")?.uint32("label")?))
}

/// The rows of each label.
pub(crate) fn groups(labels: &[u32]) -> Partition {
    let mut groups: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (row, label) in (0..).zip(labels) {
        groups.entry(*label).or_default().push(row);
    }
    groups.into_values().collect()
}

pub(crate) fn cluster_observations(path: &Path) -> Result<Tally> {
    #[derive(Deserialize)]
    struct Case {
        case: u32,
        observations: Vec<Observation>,
        partition: Partition,
        edges: Option<Vec<(usize, usize)>>,
    }
    let mut tally = Tally::default();
    for case in cases::<Case>(path)? {
        let Case { case, observations, partition: expected, edges } = case?;
        let check = || {
            ensure!(partition(&observations)? == expected, "another partition");
            if let Some(expected) = edges {
                ensure!(weighted_edges(&observations) == expected, "other edges");
            }
            Ok(())
        };
        tally.count(&format!("case {case}"), check());
    }
    Ok(tally)
}

/// All pairs whose full weight makes an edge: the long way round, which the kernel never takes.
fn weighted_edges(observations: &[Observation]) -> Vec<(usize, usize)> {
    let all: Vec<weights::Observation> = observations.iter().map(Into::into).collect();
    let pairs = all.iter().enumerate().flat_map(|(i, a)| {
        all.iter().enumerate().skip(i + 1).map(move |(j, b)| ((i, j), ObservationWeights::of(a, b)))
    });
    pairs.filter(|(_, weights)| weights.edge()).map(|(pair, _)| pair).collect()
}

pub(crate) fn observation_pair_weights(path: &Path) -> Result<Tally> {
    #[derive(Deserialize)]
    struct Case {
        case: u32,
        a: Observation,
        b: Observation,
        high: f64,
        medium: f64,
        low: f64,
        very_low: f64,
        combined: f64,
        fully_disagree: bool,
    }
    let mut tally = Tally::default();
    for case in cases::<Case>(path)? {
        let Case { case, a, b, high, medium, low, very_low, combined, fully_disagree } = case?;
        let expected = ObservationWeights { high, medium, low, very_low, combined, fully_disagree };
        let check = || {
            let found = ObservationWeights::of(&(&a).into(), &(&b).into());
            ensure!(found == expected, "expected {expected:?}, found {found:?}");
            Ok(())
        };
        tally.count(&format!("case {case}"), check());
    }
    Ok(tally)
}
