//! Why two attackers are one identity, or of one campaign: the path between them in a spanning forest.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde::Serialize;

use super::feature_kind;
use crate::store::reader::behaviour::StateRow;
use crate::store::reader::reuse::SharedCredential;
use crate::store::reader::{AttackerRow, Edge, Holders};
use crate::store::{Store, StoreError};

/// Credentials that are listed at most.
const CREDENTIALS_MAX: u32 = 10;

/// What two attackers have to do with each other.
#[derive(Debug, Serialize)]
pub struct Why {
    /// Whether they are one identity, or act together.
    #[serde(flatten)]
    pub answer: Answer,
    /// Features that the two share directly, the rarest first.
    pub shared: Vec<Holders>,
    /// Credentials that both tried, the rarest first.
    pub credentials: Vec<SharedCredential>,
    /// How their identities behave, by primitive; of one identity, once.
    pub behaviour: BTreeMap<String, Vec<StateRow>>,
}

/// Whether two attackers are one identity, or act together.
#[derive(Debug, Serialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    /// They are one identity, and this is the path of evidence from one to the other.
    Joined {
        /// The identity.
        identity: String,
        /// Its addresses.
        addresses: usize,
        /// From the first attacker to the second.
        path: Vec<Step>,
    },
    /// They are two identities of one campaign, and this is the path from one to the other.
    Allied {
        /// The campaign.
        campaign: String,
        /// Its identities.
        identities: usize,
        /// From the identity of the first attacker to that of the second. An identity is called by its
        /// first address.
        path: Vec<Step>,
    },
    /// Neither.
    Apart,
}

/// One edge of the path.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// From this address.
    pub from: String,
    /// To this one.
    pub to: String,
    /// The kind of thing that they share.
    pub reason: String,
    /// The thing.
    pub value: String,
    /// All addresses that show it; 0 if it is nothing that an address shows.
    pub holders: i64,
}

/// The path between two attackers, and what they share.
///
/// # Errors
/// [`StoreError`].
pub async fn why(store: &Store, a: &AttackerRow, b: &AttackerRow) -> Result<Why, StoreError> {
    let mut identities = Vec::new();
    for identity in [&a.identity, &b.identity].into_iter().flatten() {
        identities.push(store.live_identity(identity).await?);
    }
    let answer = match identities.as_slice() {
        [of_a, of_b] if of_a == of_b => joined(store, of_a, a, b).await?,
        [of_a, of_b] => allied(store, of_a, of_b).await?,
        _ => Answer::Apart,
    };
    identities.dedup();
    let mut behaviour: BTreeMap<String, Vec<StateRow>> = BTreeMap::new();
    for identity in &identities {
        for state in store.states(identity).await? {
            behaviour.entry(state.primitive.clone()).or_default().push(state);
        }
    }
    Ok(Why {
        answer,
        shared: store.shared(&a.uuid, &b.uuid).await?,
        credentials: store.shared_credentials(&a.uuid, &b.uuid, CREDENTIALS_MAX).await?,
        behaviour,
    })
}

/// The path through one identity.
async fn joined(
    store: &Store,
    identity: &str,
    a: &AttackerRow,
    b: &AttackerRow,
) -> Result<Answer, StoreError> {
    let members = store.members(identity).await?;
    let edges = store.evidence(&members).await?;
    let ips: HashMap<&str, &str> =
        members.iter().map(|member| (&*member.uuid, &*member.ip)).collect();
    let mut path = Vec::new();
    for (from, to, edge) in shortest(&edges, &a.uuid, &b.uuid) {
        let holders = store.holders(feature_kind(&edge.reason, &edge.value), &edge.value).await?;
        path.push(Step::new(&ips, from, to, edge, holders));
    }
    Ok(Answer::Joined { identity: identity.to_owned(), addresses: members.len(), path })
}

/// The path through the campaign of two identities, if they have one.
async fn allied(store: &Store, of_a: &str, of_b: &str) -> Result<Answer, StoreError> {
    let Some(campaign) = store.live_campaign(of_a).await? else { return Ok(Answer::Apart) };
    if store.live_campaign(of_b).await?.as_ref() != Some(&campaign) {
        return Ok(Answer::Apart);
    }
    let members = store.campaign_members(&campaign).await?;
    let edges = store.campaign_evidence(&members).await?;
    let ips: HashMap<&str, &str> =
        members.iter().filter_map(|member| Some((&*member.uuid, member.ip.as_deref()?))).collect();
    let mut path = Vec::new();
    for (from, to, edge) in shortest(&edges, of_a, of_b) {
        let holders = match edge.reason.as_str() {
            "shared-infra" => store.holders_of_infrastructure(&edge.value).await?,
            _ => 0,
        };
        path.push(Step::new(&ips, from, to, edge, holders));
    }
    Ok(Answer::Allied { campaign, identities: members.len(), path })
}

impl Step {
    fn new(ips: &HashMap<&str, &str>, from: &str, to: &str, edge: &Edge, holders: i64) -> Self {
        let ip = |uuid: &str| ips.get(uuid).map_or_else(|| uuid.to_owned(), |ip| (*ip).to_owned());
        let (reason, value) = (edge.reason.clone(), edge.value.clone());
        Self { from: ip(from), to: ip(to), reason, value, holders }
    }
}

/// The path in the forest, as (from, to, edge); empty if there is none. Breadth first.
fn shortest<'a>(edges: &'a [Edge], a: &'a str, b: &'a str) -> Vec<(&'a str, &'a str, &'a Edge)> {
    let mut neighbours: HashMap<&str, Vec<(&str, &Edge)>> = HashMap::new();
    for edge in edges {
        neighbours.entry(&edge.a).or_default().push((&edge.b, edge));
        neighbours.entry(&edge.b).or_default().push((&edge.a, edge));
    }
    // Searched from the far end, so that the way back is the path forward.
    let mut next: HashMap<&str, (&str, &Edge)> = HashMap::new();
    let mut queue = VecDeque::from([b]);
    while let Some(at) = queue.pop_front() {
        for (neighbour, edge) in neighbours.get(at).into_iter().flatten() {
            if *neighbour != b && !next.contains_key(neighbour) {
                next.insert(neighbour, (at, edge));
                queue.push_back(neighbour);
            }
        }
    }
    let mut path = Vec::new();
    let mut at = a;
    while let Some((to, edge)) = next.get(at) {
        path.push((at, *to, *edge));
        at = to;
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(a: &str, b: &str) -> Edge {
        Edge { a: a.into(), b: b.into(), reason: "hassh".into(), value: "x".into() }
    }

    #[test]
    fn the_path_goes_from_the_first_to_the_second() {
        let edges = [edge("1", "2"), edge("3", "2"), edge("3", "4"), edge("2", "9")];
        let path: Vec<_> =
            shortest(&edges, "1", "4").into_iter().map(|(from, to, _)| (from, to)).collect();
        assert_eq!(path, [("1", "2"), ("2", "3"), ("3", "4")]);
        assert!(shortest(&edges, "1", "7").is_empty());
        assert!(shortest(&edges, "1", "1").is_empty());
    }
}
