//! **Oracle.** DECNET's documented weight of one pair of identities, computed as it is written down.
//!
//! The tests of this crate and DECNET's recorded answers hold the kernel against it. It is slow and
//! plain on purpose, it shares nothing with the kernel, and nothing that serves an answer may call it.

use std::collections::{BTreeMap, BTreeSet};

/// What is known of one identity. An empty string is a value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Identity {
    /// Payload hashes and C2 endpoints.
    pub infra: BTreeSet<String>,
    /// Networks, tools and deckies, each with its kind.
    pub cohort: BTreeSet<(String, String)>,
    /// Simhash of the typing rhythm.
    pub simhash: Option<u64>,
    /// Start and end of each session, in seconds.
    pub windows: Vec<(f64, f64)>,
    /// The part played on each decky.
    pub phases: BTreeMap<String, Part>,
}

/// The part that an identity played on one decky; times in seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Part {
    /// The first phase seen there.
    pub first_phase: Option<String>,
    /// The last one.
    pub last_phase: Option<String>,
    /// When the first began.
    pub first_seen: Option<f64>,
    /// When the last ended.
    pub last_seen: Option<f64>,
}

/// The scores of one pair, before their factors, and the sum after them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IdentityWeights {
    /// 0 or 1; symmetric.
    pub handoff: f64,
    /// 0 to 1; symmetric.
    pub infra: f64,
    /// 0 to 1: how much of the time of the first one the second was active too.
    pub temporal: f64,
    /// 0 to 1; symmetric.
    pub cohort: f64,
    /// 0 to 1; symmetric.
    pub keystroke: f64,
    /// The weighted sum.
    pub combined: f64,
}

impl IdentityWeights {
    /// The weights of a pair, of which `a` is the earlier identity.
    pub fn of(a: &Identity, b: &Identity) -> Self {
        let handoff = f64::from(u8::from(hands_over(a, b) || hands_over(b, a)));
        let infra = jaccard(&a.infra, &b.infra);
        let temporal = temporal(&a.windows, &b.windows);
        let cohort = jaccard(&a.cohort, &b.cohort);
        let keystroke = match (a.simhash, b.simhash) {
            (Some(a), Some(b)) if (a ^ b).count_ones() < 8 => {
                1.0 - f64::from((a ^ b).count_ones()) / 8.0
            }
            _ => 0.0,
        };
        let combined =
            1.0 * handoff + 1.0 * infra + 0.4 * temporal + 0.1 * cohort + 0.6 * keystroke;
        Self { handoff, infra, temporal, cohort, keystroke, combined }
    }

    /// Whether the pair has an edge.
    pub fn edge(&self) -> bool {
        self.combined >= 1.0
    }
}

/// Whether `out` left some decky that `into` came to within a day.
fn hands_over(out: &Identity, into: &Identity) -> bool {
    out.phases.iter().any(|(decky, left)| {
        let Some(came) = into.phases.get(decky) else { return false };
        let (Some(left_at), Some(came_at)) = (left.last_seen, came.first_seen) else {
            return false;
        };
        let gap = came_at - left_at;
        matches!(left.last_phase.as_deref(), Some("command_and_control" | "persistence"))
            && matches!(came.first_phase.as_deref(), Some("discovery" | "lateral_movement"))
            && (0.0..=86_400.0).contains(&gap)
    })
}

fn temporal(a: &[(f64, f64)], b: &[(f64, f64)]) -> f64 {
    let (mut total, mut overlap) = (0.0, 0.0);
    for (start, end) in a {
        total += end - start;
        for (other_start, other_end) in b {
            overlap += (end.min(*other_end) - start.max(*other_start)).max(0.0);
        }
    }
    if total > 0.0 && !b.is_empty() { (overlap / total).min(1.0) } else { 0.0 }
}

/// The shared part of the union; nothing shares nothing.
fn jaccard<T: Ord>(a: &BTreeSet<T>, b: &BTreeSet<T>) -> f64 {
    let union = a.union(b).count();
    if union == 0 { 0.0 } else { a.intersection(b).count() as f64 / union as f64 }
}
