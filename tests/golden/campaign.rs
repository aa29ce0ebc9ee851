//! The campaign layer: which identities DECNET groups, and the weight of each pair.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use corral_kernels::campaign_components::oracle::{self, IdentityWeights, Part};
use corral_kernels::{ABSENT, Column, Frame, Interner, Job, Kernel, Pace, find};
use serde::{Deserialize, Deserializer};

use crate::identity::{Partition, groups};
use crate::{Tally, cases};

/// An identity as the recordings have it; what they leave out is empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Identity {
    asn_cohort: Vec<i64>,
    tooling_cohort: Vec<String>,
    decky_set: Vec<String>,
    payload_hashes: Vec<String>,
    c2_endpoints: Vec<String>,
    #[serde(deserialize_with = "hex")]
    kd_digraph_simhash: Option<u64>,
    session_windows: Vec<(f64, f64)>,
    first_phase_per_decky: BTreeMap<String, String>,
    last_phase_per_decky: BTreeMap<String, String>,
    first_seen_per_decky: BTreeMap<String, f64>,
    last_seen_per_decky: BTreeMap<String, f64>,
    /// In fixtures: the observations that the identity is made of.
    pub(crate) members: Vec<u32>,
}

fn hex<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    let text: Option<String> = Deserialize::deserialize(from)?;
    let number = text.map(|text| u64::from_str_radix(&text, 16)).transpose();
    number.map_err(serde::de::Error::custom)
}

impl Identity {
    fn infra(&self) -> impl Iterator<Item = &String> {
        self.payload_hashes.iter().chain(&self.c2_endpoints)
    }

    /// Kinds and values.
    fn cohort(&self) -> Vec<(&'static str, String)> {
        let networks = self.asn_cohort.iter().map(|asn| ("asn", asn.to_string()));
        let tools = self.tooling_cohort.iter().map(|tool| ("tool", tool.clone()));
        let deckies = self.decky_set.iter().map(|decky| ("decky", decky.clone()));
        networks.chain(tools).chain(deckies).collect()
    }

    fn parts(&self) -> BTreeMap<String, Part> {
        let phases = self.first_phase_per_decky.keys().chain(self.last_phase_per_decky.keys());
        let times = self.first_seen_per_decky.keys().chain(self.last_seen_per_decky.keys());
        phases
            .chain(times)
            .map(|decky| {
                let part = Part {
                    first_phase: self.first_phase_per_decky.get(decky).cloned(),
                    last_phase: self.last_phase_per_decky.get(decky).cloned(),
                    first_seen: self.first_seen_per_decky.get(decky).copied(),
                    last_seen: self.last_seen_per_decky.get(decky).copied(),
                };
                (decky.clone(), part)
            })
            .collect()
    }
}

impl From<&Identity> for oracle::Identity {
    fn from(from: &Identity) -> Self {
        Self {
            infra: from.infra().cloned().collect(),
            cohort: from.cohort().into_iter().map(|(kind, value)| (kind.into(), value)).collect(),
            simhash: from.kd_digraph_simhash,
            windows: from.session_windows.clone(),
            phases: from.parts(),
        }
    }
}

/// What `campaign-components` says, verified.
struct Answer {
    partition: Partition,
    /// The weights of the forest's edges.
    weights: Vec<f64>,
}

impl Answer {
    /// Of identities of which the earlier one has the smaller rank.
    fn of(identities: &[&Identity], ranks: Vec<u32>) -> Result<Self> {
        let texts = Interner::new(1 << 30);
        let inputs = inputs(identities, ranks, &texts)?;
        let kernel: &dyn Kernel =
            find("campaign-components").context("no kernel campaign-components")?;
        let pace = Pace::free();
        let job = Job::new(kernel.signature(), &inputs, &[], &texts, &pace)?;
        let outputs = kernel.run(&job)?;
        kernel.verify(&job, &outputs)?;
        let [labels, forest] = &outputs[..] else { anyhow::bail!("not two outputs") };
        Ok(Self {
            partition: groups(labels.uint32("label")?),
            weights: forest.float64("weight")?.to_vec(),
        })
    }
}

/// The partition of identities in the order of their creation.
pub(crate) fn partition(identities: &[Identity]) -> Result<Partition> {
    let ranks = (0..u32::try_from(identities.len())?).collect();
    Ok(Answer::of(&identities.iter().collect::<Vec<_>>(), ranks)?.partition)
}

fn inputs(identities: &[&Identity], ranks: Vec<u32>, texts: &Interner) -> Result<Vec<Frame>> {
    let code = |text: Option<&str>| text.map_or(Ok(ABSENT), |text| texts.code(text));
    let mut frames = vec![Frame::new(identities.len(), [("rank", Column::from(ranks))])?];

    let infra = child(identities, |one| one.infra().collect::<Vec<_>>());
    let tokens = infra.iter().map(|(_, token)| texts.code(token)).collect::<Result<_, _>>()?;
    frames.push(frame(&infra, vec![("token", Column::text(tokens))])?);

    let cohort = child(identities, |one| one.cohort());
    let kinds = cohort.iter().map(|(_, tag)| texts.code(tag.0)).collect::<Result<_, _>>()?;
    let values = cohort.iter().map(|(_, tag)| texts.code(&tag.1)).collect::<Result<_, _>>()?;
    frames.push(frame(
        &cohort,
        vec![("kind", Column::text(kinds)), ("value", Column::text(values))],
    )?);

    let rhythms = child(identities, |one| one.kd_digraph_simhash);
    let simhashes: Vec<u64> = rhythms.iter().map(|(_, simhash)| *simhash).collect();
    frames.push(frame(&rhythms, vec![("simhash", simhashes.into())])?);

    let windows = child(identities, |one| one.session_windows.clone());
    let (starts, ends): (Vec<f64>, Vec<f64>) = windows.iter().map(|(_, window)| *window).unzip();
    frames.push(frame(&windows, vec![("start", starts.into()), ("end", ends.into())])?);

    let parts = child(identities, |one| one.parts());
    let text = |of: fn(&(String, Part)) -> Option<&str>| -> Result<Column> {
        let codes = parts.iter().map(|(_, part)| code(of(part))).collect::<Result<_, _>>()?;
        Ok(Column::text(codes))
    };
    let time = |of: fn(&Part) -> Option<f64>| {
        Column::from(
            parts.iter().map(|(_, (_, part))| of(part).unwrap_or(f64::NAN)).collect::<Vec<_>>(),
        )
    };
    frames.push(frame(
        &parts,
        vec![
            ("decky", text(|(decky, _)| Some(decky))?),
            ("first_phase", text(|(_, part)| part.first_phase.as_deref())?),
            ("last_phase", text(|(_, part)| part.last_phase.as_deref())?),
            ("first_seen", time(|part| part.first_seen)),
            ("last_seen", time(|part| part.last_seen)),
        ],
    )?);
    Ok(frames)
}

/// What each identity has, with its row.
fn child<'a, T, I: IntoIterator<Item = T>>(
    identities: &[&'a Identity],
    items: impl Fn(&'a Identity) -> I,
) -> Vec<(u32, T)> {
    let rows = (0..).zip(identities);
    rows.flat_map(|(row, one)| items(one).into_iter().map(move |item| (row, item))).collect()
}

fn frame<T>(items: &[(u32, T)], columns: Vec<(&str, Column)>) -> Result<Frame> {
    let rows: Vec<u32> = items.iter().map(|(row, _)| *row).collect();
    Ok(Frame::new(items.len(), columns.into_iter().chain([("row", Column::from(rows))]))?)
}

pub(crate) fn cluster_identities(path: &Path) -> Result<Tally> {
    #[derive(Deserialize)]
    struct Case {
        case: u32,
        identities: Vec<Identity>,
        partition: Partition,
        partition_reversed_input: Option<Partition>,
        edges: Option<BTreeSet<(usize, usize)>>,
    }
    let mut tally = Tally::default();
    for case in cases::<Case>(path)? {
        let case = case?;
        let check = || {
            ensure!(partition(&case.identities)? == case.partition, "another partition");
            // The same rows from the last to the first: ranks decide, and nothing else.
            let mut rows: Vec<&Identity> = case.identities.iter().collect();
            let ranks: Vec<u32> = (0..u32::try_from(rows.len())?).collect();
            let reversed: Vec<u32> = ranks.iter().rev().copied().collect();
            if let Some(expected) = &case.partition_reversed_input {
                let found = Answer::of(&rows, reversed.clone())?.partition;
                ensure!(found == *expected, "another partition with reversed ranks");
            }
            rows.reverse();
            let found = Answer::of(&rows, reversed.clone())?.partition;
            ensure!(mirrored(found, &reversed)? == case.partition, "the order of rows shows");
            if let Some(expected) = &case.edges {
                ensure!(weighted_edges(&case.identities) == *expected, "other edges");
            }
            Ok(())
        };
        tally.count(&format!("case {}", case.case), check());
    }
    Ok(tally)
}

/// A partition with each row called as `names` has it.
fn mirrored(partition: Partition, names: &[u32]) -> Result<Partition> {
    let mut groups = Vec::new();
    for group in partition {
        let named = group.iter().map(|&row| names.get(row as usize).copied());
        groups.push(named.collect::<Option<BTreeSet<u32>>>().context("a row that is none")?);
    }
    groups.sort();
    Ok(groups.into_iter().map(|group| group.into_iter().collect()).collect())
}

/// All pairs whose full weight makes an edge: the long way round, which the kernel never takes.
fn weighted_edges(identities: &[Identity]) -> BTreeSet<(usize, usize)> {
    let all: Vec<oracle::Identity> = identities.iter().map(Into::into).collect();
    let pairs = all.iter().enumerate().flat_map(|(i, a)| {
        all.iter().enumerate().skip(i + 1).map(move |(j, b)| ((i, j), IdentityWeights::of(a, b)))
    });
    pairs.filter(|(_, weights)| weights.edge()).map(|(pair, _)| pair).collect()
}

pub(crate) fn identity_pair_weights(path: &Path) -> Result<Tally> {
    #[derive(Deserialize)]
    struct Case {
        case: u32,
        a: Identity,
        b: Identity,
        phase_handoff: f64,
        shared_infra: f64,
        temporal_ab: f64,
        temporal_ba: f64,
        cohort: f64,
        keystroke: f64,
        combined_ab: f64,
        combined_ba: f64,
        edge_ab: bool,
        edge_ba: bool,
    }
    let mut tally = Tally::default();
    for case in cases::<Case>(path)? {
        let case = case?;
        let check = || {
            let weights = |temporal, combined| IdentityWeights {
                handoff: case.phase_handoff,
                infra: case.shared_infra,
                temporal,
                cohort: case.cohort,
                keystroke: case.keystroke,
                combined,
            };
            for (a, b, expected, edge) in [
                (&case.a, &case.b, weights(case.temporal_ab, case.combined_ab), case.edge_ab),
                (&case.b, &case.a, weights(case.temporal_ba, case.combined_ba), case.edge_ba),
            ] {
                let found = IdentityWeights::of(&a.into(), &b.into());
                ensure!(found == expected, "expected {expected:?}, found {found:?}");
                ensure!(found.edge() == edge, "expected an edge to be {edge}");
                // The kernel tells the weight of a pair that it joins, whichever row is the earlier.
                let joined: &[f64] = if edge { &[expected.combined] } else { &[] };
                for (rows, ranks) in [([a, b], vec![0, 1]), ([b, a], vec![1, 0])] {
                    let told = Answer::of(&rows, ranks)?.weights;
                    ensure!(told == joined, "expected the weights {joined:?}, found {told:?}");
                }
            }
            Ok(())
        };
        tally.count(&format!("case {}", case.case), check());
    }
    Ok(tally)
}
