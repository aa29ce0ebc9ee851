//! **Oracle.** DECNET's documented weight of one pair of observations, computed as it is written down.
//!
//! `identity-components` never computes a weight: it rests on the claim that only the high tier can
//! reach the threshold. This module is what the claim is tested against, in the property tests of this
//! crate and on the recorded answers of DECNET. It is slow and plain on purpose, it shares nothing with
//! the kernel, and nothing that serves an answer may call it.
//!
//! | tier | factor | score of a pair |
//! |---|--:|---|
//! | high | 1.0 | 1 if JA3 is equal, or HASSH, or else a payload or an endpoint is shared and the fingerprints do not fully disagree |
//! | medium | 0.6 | the largest Jaccard similarity of the commands of one phase |
//! | low | 0.2 | the Jaccard similarity of the credentials tried |
//! | very low | 0.05 | 1 if the ASN is equal |
//!
//! The sum is taken from the top, in that order, and an edge needs [`EDGE_WEIGHT`]. Without the high
//! tier it cannot exceed 0.85.

use std::collections::{BTreeMap, BTreeSet};

/// The weight from which on a pair has an edge.
pub const EDGE_WEIGHT: f64 = 1.0;

/// What is known of one attacker. An empty string is a value; `None` is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// TLS client fingerprint.
    pub ja3: Option<String>,
    /// SSH client fingerprint.
    pub hassh: Option<String>,
    /// Number of the autonomous system.
    pub asn: Option<i64>,
    /// Hashes of what was dropped.
    pub payloads: BTreeSet<String>,
    /// Where the dropped things call home.
    pub endpoints: BTreeSet<String>,
    /// User and password pairs.
    pub credentials: BTreeSet<(String, String)>,
    /// Commands by the phase of the attack that they belong to.
    pub commands_by_phase: BTreeMap<String, BTreeSet<String>>,
}

/// The scores of one pair, before their factors, and the sum after them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ObservationWeights {
    /// 0 or 1.
    pub high: f64,
    /// 0 to 1.
    pub medium: f64,
    /// 0 to 1.
    pub low: f64,
    /// 0 or 1.
    pub very_low: f64,
    /// The weighted sum.
    pub combined: f64,
    /// The veto: some fingerprint slot is filled on both sides, and every such slot differs.
    pub fully_disagree: bool,
}

impl ObservationWeights {
    /// The weights of a pair; they are symmetric.
    pub fn of(a: &Observation, b: &Observation) -> Self {
        let slots = [(&a.ja3, &b.ja3), (&a.hassh, &b.hassh)];
        let mut comparable =
            slots.iter().filter(|(a, b)| a.is_some() && b.is_some()).map(|(a, b)| a == b);
        let agrees = comparable.clone().any(|equal| equal);
        let fully_disagree = comparable.next().is_some() && !agrees;
        let shared = !a.payloads.is_disjoint(&b.payloads) || !a.endpoints.is_disjoint(&b.endpoints);

        let high = f64::from(u8::from(agrees || (shared && !fully_disagree)));
        let medium = a
            .commands_by_phase
            .iter()
            .filter_map(|(phase, commands)| {
                Some(jaccard(commands, b.commands_by_phase.get(phase)?))
            })
            .fold(0.0, f64::max);
        let low = jaccard(&a.credentials, &b.credentials);
        let very_low = f64::from(u8::from(a.asn.is_some() && a.asn == b.asn));
        let combined = 1.0 * high + 0.6 * medium + 0.2 * low + 0.05 * very_low;
        Self { high, medium, low, very_low, combined, fully_disagree }
    }

    /// Whether the pair has an edge.
    pub fn edge(&self) -> bool {
        self.combined >= EDGE_WEIGHT
    }
}

/// The shared part of the union; nothing shares nothing.
fn jaccard<T: Ord>(a: &BTreeSet<T>, b: &BTreeSet<T>) -> f64 {
    let union = a.union(b).count();
    if union == 0 { 0.0 } else { a.intersection(b).count() as f64 / union as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(values: &[&str]) -> BTreeSet<String> {
        values.iter().map(|&value| value.into()).collect()
    }

    #[test]
    fn everything_below_the_high_tier_does_not_make_an_edge() {
        let same = Observation {
            asn: Some(0),
            credentials: [("root".into(), "root".into())].into(),
            commands_by_phase: [("recon".into(), set(&["uname", "id"]))].into(),
            ..Observation::default()
        };
        let weights = ObservationWeights::of(&same, &same);
        assert_eq!((weights.medium, weights.low, weights.very_low), (1.0, 1.0, 1.0));
        assert_eq!(weights.combined, 0.6 + 0.2 + 0.05);
        assert!(!weights.edge());
    }

    #[test]
    fn the_best_phase_counts_and_empty_sets_share_nothing() {
        let phases = |pairs: &[(&str, &[&str])]| Observation {
            commands_by_phase: pairs.iter().map(|&(phase, of)| (phase.into(), set(of))).collect(),
            ..Observation::default()
        };
        let a = phases(&[("recon", &["id", "w", "ls"]), ("drop", &[]), ("only-a", &["x"])]);
        let b = phases(&[("recon", &["id", "ps"]), ("drop", &[]), ("only-b", &["x"])]);
        let weights = ObservationWeights::of(&a, &b);
        assert_eq!((weights.medium, weights.low), (0.25, 0.0));
    }

    #[test]
    fn a_shared_payload_counts_unless_the_fingerprints_fully_disagree() {
        let holder = |ja3: Option<&str>, hassh: Option<&str>| Observation {
            ja3: ja3.map(Into::into),
            hassh: hassh.map(Into::into),
            payloads: set(&[""]),
            ..Observation::default()
        };
        let pair = |a, b| {
            let weights = ObservationWeights::of(&a, &b);
            (weights.fully_disagree, weights.edge())
        };
        assert_eq!(pair(holder(None, None), holder(Some("1"), Some("2"))), (false, true));
        assert_eq!(pair(holder(Some("1"), None), holder(None, Some("2"))), (false, true));
        assert_eq!(pair(holder(Some("1"), None), holder(Some("3"), Some("2"))), (true, false));
        assert_eq!(pair(holder(Some("1"), Some("4")), holder(Some("1"), Some("2"))), (false, true));
        assert_eq!(pair(holder(Some(""), None), holder(Some(""), None)), (false, true));
    }
}
