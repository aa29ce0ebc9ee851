//! Why two attackers are one identity: the path between them in its spanning forest.

use std::collections::{HashMap, VecDeque};

use serde::Serialize;

use super::feature_kind;
use crate::store::reader::{AttackerRow, Edge, Holders};
use crate::store::{Store, StoreError};

/// The answer.
#[derive(Debug, Serialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Why {
    /// They are one identity, and this is the path of evidence from one to the other.
    Joined {
        /// The identity.
        identity: String,
        /// Its addresses.
        addresses: usize,
        /// From the first attacker to the second.
        path: Vec<Step>,
        /// Everything that the two share directly, the rarest first.
        shared: Vec<Holders>,
    },
    /// They are not; this is what they share all the same, the rarest first.
    Apart {
        /// Shared features.
        shared: Vec<Holders>,
    },
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
    /// All addresses that show it.
    pub holders: i64,
}

/// The path between two attackers, or what they share without being one.
///
/// # Errors
/// [`StoreError`].
pub async fn why(store: &Store, a: &AttackerRow, b: &AttackerRow) -> Result<Why, StoreError> {
    let shared = store.shared(&a.uuid, &b.uuid).await?;
    let (Some(of_a), Some(of_b)) = (&a.identity, &b.identity) else {
        return Ok(Why::Apart { shared });
    };
    let identity = store.live_identity(of_a).await?;
    if identity != store.live_identity(of_b).await? {
        return Ok(Why::Apart { shared });
    }
    let members = store.members(&identity).await?;
    let edges = store.evidence(&members).await?;
    let ips: HashMap<&str, &str> =
        members.iter().map(|member| (&*member.uuid, &*member.ip)).collect();
    let ip = |uuid: &str| ips.get(uuid).map_or_else(|| uuid.to_owned(), |ip| (*ip).to_owned());
    let mut path = Vec::new();
    for (from, to, edge) in shortest(&edges, &a.uuid, &b.uuid) {
        let holders = store.holders(feature_kind(&edge.reason), &edge.value).await?;
        let (reason, value) = (edge.reason.clone(), edge.value.clone());
        path.push(Step { from: ip(from), to: ip(to), reason, value, holders });
    }
    Ok(Why::Joined { identity, addresses: members.len(), path, shared })
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
