//! DECNET's fixtures: corpora with a known truth, taken through both layers.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::identity::{Observation, Partition};
use crate::{Tally, campaign, cases, identity};

pub(crate) fn fixtures(path: &Path) -> Result<Tally> {
    let mut tally = Tally::default();
    for case in cases::<Case>(path)? {
        let case = case?;
        tally.count(&format!("{}, seed {}", case.fixture, case.seed), case.check());
    }
    Ok(tally)
}

#[derive(Deserialize)]
struct Case {
    fixture: String,
    seed: u32,
    observations: Vec<Observation>,
    truth: Truth,
    identity_partition: Partition,
    identity_features: Vec<campaign::Identity>,
    campaign_partition_of_identity_features: Partition,
    campaign_partition_of_observations: Partition,
    identity_features_one_per_observation: Vec<campaign::Identity>,
    campaign_partition_one_identity_per_observation: Partition,
    metrics_campaign: Metrics,
    metrics_identity: Metrics,
}

/// A label for each observation.
#[derive(Deserialize)]
struct Truth {
    campaign: Vec<String>,
    identity: Vec<String>,
}

impl Case {
    fn check(&self) -> Result<()> {
        let identities = identity::partition(&self.observations)?;
        ensure!(identities == self.identity_partition, "another partition of observations");
        let members = self.identity_features.iter().map(|one| &one.members);
        ensure!(identities.iter().eq(members), "features of other identities");

        let campaigns = campaign::partition(&self.identity_features)?;
        ensure!(
            campaigns == self.campaign_partition_of_identity_features,
            "another partition of identities"
        );
        let observations = through(&campaigns, &identities)?;
        ensure!(
            observations == self.campaign_partition_of_observations,
            "other campaigns of observations"
        );
        let alone = campaign::partition(&self.identity_features_one_per_observation)?;
        ensure!(
            alone == self.campaign_partition_one_identity_per_observation,
            "another partition of one identity per observation"
        );

        for (name, found, truth, expected) in [
            ("campaign", &observations, &self.truth.campaign, &self.metrics_campaign),
            ("identity", &identities, &self.truth.identity, &self.metrics_identity),
        ] {
            let found = Metrics::of(found, truth)?;
            ensure!(found.is_near(expected), "{name}: expected {expected:?}, found {found:?}");
        }
        Ok(())
    }
}

/// The observations of each campaign's identities.
fn through(campaigns: &Partition, identities: &Partition) -> Result<Partition> {
    let mut groups = Vec::new();
    for campaign in campaigns {
        let mut observations = Vec::new();
        for &identity in campaign {
            let members = identities.get(identity as usize).context("an identity that is none")?;
            observations.extend(members);
        }
        observations.sort_unstable();
        groups.push(observations);
    }
    groups.sort();
    Ok(groups)
}

/// How near a partition is to the truth: 1 is right.
#[derive(Debug, Deserialize)]
struct Metrics {
    adjusted_rand_index: f64,
    homogeneity: f64,
    completeness: f64,
    singleton_recall: f64,
}

impl Metrics {
    fn of(partition: &Partition, truth: &[String]) -> Result<Self> {
        let mut labels = vec![None; truth.len()];
        for (label, group) in partition.iter().enumerate() {
            for &row in group {
                *labels.get_mut(row as usize).context("a row without a truth")? = Some(label);
            }
        }
        let labels: Vec<usize> =
            labels.into_iter().collect::<Option<_>>().context("a row in no group")?;
        let (mut cells, mut found, mut true_) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for (label, truth) in labels.iter().zip(truth) {
            *cells.entry((label, truth)).or_insert(0) += 1;
            *found.entry(label).or_insert(0) += 1;
            *true_.entry(truth).or_insert(0) += 1;
        }
        let counts = |of: Vec<u32>| of.into_iter().map(f64::from).collect::<Vec<_>>();
        let rows = f64::from(u32::try_from(truth.len())?);
        let cell = counts(cells.values().copied().collect());
        let (by_label, by_truth) =
            (counts(found.values().copied().collect()), counts(true_.values().copied().collect()));

        let (joint, label, truth) =
            (entropy(&cell, rows), entropy(&by_label, rows), entropy(&by_truth, rows));
        // H(T|P) = H(T, P) − H(P).
        let explained = |entropy: f64, other: f64| {
            if entropy > 0.0 { 1.0 - (joint - other) / entropy } else { 1.0 }
        };
        let singles = true_.iter().filter(|(_, count)| **count == 1).map(|(truth, _)| *truth);
        let (mut recalled, mut all) = (0.0, 0.0);
        for single in singles {
            all += 1.0;
            let own = cells.keys().find(|(_, truth)| *truth == single).map(|(label, _)| *label);
            if own.and_then(|label| found.get(label)) == Some(&1) {
                recalled += 1.0;
            }
        }
        Ok(Self {
            adjusted_rand_index: adjusted_rand_index(&cell, &by_label, &by_truth, rows),
            homogeneity: explained(truth, label),
            completeness: explained(label, truth),
            singleton_recall: if all > 0.0 { recalled / all } else { 1.0 },
        })
    }

    fn is_near(&self, other: &Self) -> bool {
        let all = |of: &Self| {
            [of.adjusted_rand_index, of.homogeneity, of.completeness, of.singleton_recall]
        };
        all(self).iter().zip(all(other)).all(|(one, other)| (one - other).abs() <= 1e-12)
    }
}

fn adjusted_rand_index(cells: &[f64], by_label: &[f64], by_truth: &[f64], rows: f64) -> f64 {
    let pairs = |counts: &[f64]| counts.iter().map(|n| n * (n - 1.0) / 2.0).sum::<f64>();
    let all = pairs(&[rows]);
    let (together, label, truth) = (pairs(cells), pairs(by_label), pairs(by_truth));
    let expected = if all > 0.0 { label * truth / all } else { 0.0 };
    let best = label.midpoint(truth);
    if rows < 2.0 || best == expected { 1.0 } else { (together - expected) / (best - expected) }
}

fn entropy(counts: &[f64], rows: f64) -> f64 {
    counts.iter().map(|n| n / rows).map(|share| -share * share.ln()).sum()
}
