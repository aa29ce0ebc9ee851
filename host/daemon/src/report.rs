//! What an analyst wants to see first, and why two addresses are one.
//!
//! [`overview`] gathers the report, [`why`] finds the path between two attackers. Both are data; the
//! command line prints them.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::store::reader::{CredentialRow, Edge, Holders, IdentityRow, TacticRow, Totals};
use crate::store::{Store, StoreError};

pub mod behaviour;
pub mod campaigns;
pub mod reuse;
pub mod why;

/// An identity with a larger share of all addresses than this raises the alarm.
const ALARM_SHARE: f64 = 0.25;
/// A credential that more addresses than this tried is a wordlist's, not an actor's.
pub const WORDLIST_ADDRESSES: i64 = 20;

/// A hash of so many digits is an MD5.
const MD5_DIGITS: usize = 32;

/// The report.
#[derive(Debug, Serialize)]
pub struct Overview {
    /// How much there is.
    pub totals: Totals,
    /// Identities of more than one address.
    pub groups: i64,
    /// Addresses in them.
    pub grouped: i64,
    /// The largest identities, and what holds each together.
    pub largest: Vec<Group>,
    /// Identities that act together.
    pub campaigns: campaigns::Campaigns,
    /// How steady identities are.
    pub behaviour: behaviour::Behaviour,
    /// Credentials that came back on other targets.
    pub reuse: reuse::Reuse,
    /// Kinds of features and how many addresses show each.
    pub coverage: BTreeMap<String, i64>,
    /// The values that most addresses share, by kind.
    pub shared: Vec<Holders>,
    /// The credentials that most addresses tried.
    pub credentials: Vec<CredentialRow>,
    /// What attackers did.
    pub tactics: Vec<TacticRow>,
    /// The largest identity, if it is so large that it is hard to believe.
    pub alarm: Option<Alarm>,
    /// Two addresses whose `why` is worth a look.
    pub example: Option<Example>,
}

/// One identity and its evidence.
#[derive(Debug, Serialize)]
pub struct Group {
    /// Id, size, times.
    #[serde(flatten)]
    pub identity: IdentityRow,
    /// Its share of all addresses, 0 to 1.
    pub share: f64,
    /// What its addresses share, by the number of joins that each value made.
    pub joins: Vec<Join>,
}

/// A value that joins addresses of one identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Join {
    /// The kind of thing.
    pub reason: String,
    /// The thing.
    pub value: String,
    /// Edges of the forest that rest on it.
    pub edges: usize,
}

/// Why the largest identity is hard to believe.
#[derive(Debug, Serialize)]
pub struct Alarm {
    /// Its id.
    pub identity: String,
    /// Its addresses.
    pub addresses: i64,
    /// Its share of all addresses, 0 to 1.
    pub share: f64,
    /// The value that most of its joins rest on.
    pub cause: Join,
    /// All addresses that show that value.
    pub holders: i64,
}

/// Two addresses of one identity.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Example {
    /// One.
    pub a: String,
    /// The other.
    pub b: String,
}

/// Gathers the report with `most` rows a table.
///
/// # Errors
/// [`StoreError`].
pub async fn overview(store: &Store, most: u32) -> Result<Overview, StoreError> {
    let totals = store.totals().await?;
    let (groups, grouped) = store.grouped().await?;
    let mut largest = Vec::new();
    let mut example = None;
    for identity in store.largest_identities(most).await? {
        let members = store.members(&identity.uuid).await?;
        let edges = store.evidence(&members).await?;
        let ips: HashMap<&str, &str> =
            members.iter().map(|member| (&*member.uuid, &*member.ip)).collect();
        example = better_example(example, &edges, &ips);
        let share = share(identity.addresses, totals.attackers);
        largest.push(Group { identity, share, joins: joins(&edges) });
    }
    let alarm = match largest.first() {
        Some(group) if group.share > ALARM_SHARE => alarm(store, group).await?,
        _ => None,
    };
    let mut shared = Vec::new();
    for kind in [
        "hassh",
        "ja3",
        "ja4",
        "client-version",
        "payload-sha256",
        "payload-md5",
        "probe-sha256",
        "authorized-key",
        "relay-target",
    ] {
        shared.extend(store.most_shared(kind, 3).await?);
    }
    Ok(Overview {
        groups,
        grouped,
        largest,
        campaigns: campaigns::campaigns(store, most).await?,
        behaviour: behaviour::behaviour(store, most).await?,
        reuse: reuse::reuse(store, most).await?,
        coverage: store.kinds().await?.into_iter().collect(),
        shared,
        credentials: store.common_credentials(most).await?,
        tactics: store.tactics().await?,
        alarm,
        example: example.map(|(_, example)| example),
        totals,
    })
}

async fn alarm(store: &Store, group: &Group) -> Result<Option<Alarm>, StoreError> {
    let Some(cause) = group.joins.first().cloned() else { return Ok(None) };
    let holders = store.holders(feature_kind(&cause.reason, &cause.value), &cause.value).await?;
    let IdentityRow { uuid, addresses, .. } = group.identity.clone();
    Ok(Some(Alarm { identity: uuid, addresses, share: group.share, cause, holders }))
}

/// The kind of feature that a kernel's reason and its value speak of.
pub fn feature_kind<'a>(reason: &'a str, value: &str) -> &'a str {
    match reason {
        "payload" if value.len() == MD5_DIGITS => "payload-md5",
        "payload" => "payload-sha256",
        "endpoint" => "download-host",
        other => other,
    }
}

fn share(part: i64, whole: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts of addresses stay far below 2^53")]
    let share = part as f64 / whole.max(1) as f64;
    share
}

/// What the edges rest on, the most used first.
fn joins(edges: &[Edge]) -> Vec<Join> {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for edge in edges {
        *counts.entry((&edge.reason, &edge.value)).or_default() += 1;
    }
    let mut joins: Vec<Join> = counts
        .into_iter()
        .map(|((reason, value), edges)| Join {
            reason: reason.to_owned(),
            value: value.to_owned(),
            edges,
        })
        .collect();
    joins.sort_by_key(|join| std::cmp::Reverse(join.edges));
    joins
}

/// Two ends of a path with two different reasons, or else of any edge; the first found stays.
fn better_example(
    so_far: Option<(bool, Example)>,
    edges: &[Edge],
    ips: &HashMap<&str, &str>,
) -> Option<(bool, Example)> {
    if so_far.as_ref().is_some_and(|(mixed, _)| *mixed) {
        return so_far;
    }
    let pair = |a: &str, b: &str| {
        Some(Example { a: (*ips.get(a)?).to_owned(), b: (*ips.get(b)?).to_owned() })
    };
    let mut met: HashMap<&str, (&str, &Edge)> = HashMap::new();
    for edge in edges {
        for (end, other) in [(&*edge.a, &*edge.b), (&*edge.b, &*edge.a)] {
            match met.get(end) {
                Some((before, first)) if first.reason != edge.reason => {
                    return pair(before, other).map(|example| (true, example));
                }
                Some(_) => {}
                None => {
                    met.insert(end, (other, edge));
                }
            }
        }
    }
    so_far.or_else(|| edges.first().and_then(|edge| Some((false, pair(&edge.a, &edge.b)?))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(a: &str, b: &str, reason: &str, value: &str) -> Edge {
        Edge { a: a.into(), b: b.into(), reason: reason.into(), value: value.into() }
    }

    #[test]
    fn joins_count_the_edges_of_each_value() {
        let edges = [
            edge("1", "2", "hassh", "x"),
            edge("1", "3", "payload", "y"),
            edge("2", "4", "hassh", "x"),
        ];
        let joins = joins(&edges);
        assert_eq!((joins[0].value.as_str(), joins[0].edges), ("x", 2));
    }

    #[test]
    fn the_example_prefers_a_path_with_two_reasons() {
        let ips: HashMap<&str, &str> = [("1", "a"), ("2", "b"), ("3", "c")].into();
        let plain = [edge("1", "2", "hassh", "x")];
        let found = better_example(None, &plain, &ips);
        assert_eq!(found, Some((false, Example { a: "a".into(), b: "b".into() })));
        let mixed = [edge("1", "2", "hassh", "x"), edge("2", "3", "payload", "y")];
        let found = better_example(found, &mixed, &ips);
        assert_eq!(found, Some((true, Example { a: "a".into(), b: "c".into() })));
    }
}
