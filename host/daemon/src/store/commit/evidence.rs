//! Why members are one group: forest edges, kept by pair.
//!
//! Evidence comes by whole components, and a component need not be a whole group: a member is never moved,
//! so a group may hold members that share nothing any more. What led from such a component to the rest of
//! its group is not true any longer; but where a path between others runs over it, it is all there is. So
//! of the old edges that lead out of the scope those stay that still hold a group together, and the evidence
//! of a group stays a tree.

use std::collections::{HashMap, HashSet};

use corral_kernels::forest::Forest;
use corral_kernels::{Frame, Interner};
use serde_json::json;
use sqlx::{FromRow, SqliteConnection};

use super::{Among, CommitError, Layer, ROWS_PER_STATEMENT, column, whole_column, write_rows};
use crate::clock::Timestamp;

impl Layer {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Campaign => "campaign",
        }
    }

    fn groups_of(self) -> &'static str {
        match self {
            Self::Identity => IDENTITIES_OF,
            Self::Campaign => CAMPAIGNS_OF,
        }
    }
}

/// An explanation: the members whose old edges go, and the edges that come.
pub(super) struct Explanation<'a> {
    pub(super) layer: Layer,
    pub(super) members: &'a Frame,
    pub(super) scope: &'a [u32],
    pub(super) edges: &'a Frame,
    pub(super) among: Among,
}

/// Replaces the edges of the members in the scope; gives the number of edges written.
pub(super) async fn replace(
    connection: &mut SqliteConnection,
    texts: &Interner,
    explanation: Explanation<'_>,
    now: Timestamp,
) -> Result<usize, CommitError> {
    let Explanation { layer, members, scope, .. } = explanation;
    let edges = counting(&explanation)?;
    let ends =
        |name: &str| Ok::<_, CommitError>(column(texts, members, "uuid", edges.uint32(name)?)?);
    let bits = edges.float64("bits").ok();
    let rows: Vec<_> = ends("a")?
        .into_iter()
        .zip(ends("b")?)
        .zip(whole_column(texts, &edges, "reason")?)
        .zip(whole_column(texts, &edges, "value")?)
        .enumerate()
        .map(|(at, (((a, b), reason), value))| {
            let (a, b) = if a < b { (a, b) } else { (b, a) };
            json!([layer.name(), a, b, reason, value, bits.and_then(|bits| bits.get(at))])
        })
        .collect();
    let gone = column(texts, members, "uuid", scope)?;
    let bridges = delete(connection, layer, &gone).await?;
    let bridges = needed(connection, layer, bridges, &rows).await?;
    write_rows(connection, INSERT, &rows, &now.micros().to_string()).await?;
    for Bridge { a, b, reason, value, bits, committed_at } in bridges {
        let row = [json!([layer.name(), a, b, reason, value, bits])];
        write_rows(connection, INSERT, &row, &committed_at.to_string()).await?;
    }
    Ok(rows.len())
}

/// The edges that count.
fn counting(explanation: &Explanation<'_>) -> Result<Frame, CommitError> {
    let Explanation { members, scope, edges, among, .. } = *explanation;
    if among == Among::All {
        return Ok(edges.clone());
    }
    let mut inside = vec![false; members.rows()];
    for &row in scope {
        if let Some(inside) = inside.get_mut(row as usize) {
            *inside = true;
        }
    }
    let (a, b) = (edges.uint32("a")?, edges.uint32("b")?);
    let is_inside = |row: u32| inside.get(row as usize).copied().unwrap_or(false);
    let kept: Vec<u32> = (0..)
        .zip(a.iter().zip(b))
        .filter(|(_, (a, b))| is_inside(**a) && is_inside(**b))
        .map(|(at, _)| at)
        .collect();
    Ok(edges.take(&kept)?)
}

/// An old edge between a member of the scope and one outside.
#[derive(Debug, FromRow)]
struct Bridge {
    a: String,
    b: String,
    reason: String,
    value: String,
    bits: Option<f64>,
    committed_at: i64,
}

/// Deletes the evidence of the members in `scope`; gives the edges that led out of it.
async fn delete(
    connection: &mut SqliteConnection,
    layer: Layer,
    scope: &[String],
) -> Result<Vec<Bridge>, sqlx::Error> {
    let inside: HashSet<&str> = scope.iter().map(String::as_str).collect();
    let leads_out = |edge: &Bridge| !inside.contains(&*edge.a) || !inside.contains(&*edge.b);
    let mut bridges = Vec::new();
    for chunk in scope.chunks(ROWS_PER_STATEMENT) {
        let chunk = serde_json::to_string(chunk).unwrap_or_default();
        for sql in [DELETE_A, DELETE_B] {
            let gone: Vec<Bridge> = sqlx::query_as(sql)
                .bind(&chunk)
                .bind(layer.name())
                .fetch_all(&mut *connection)
                .await?;
            bridges.extend(gone.into_iter().filter(leads_out));
        }
    }
    Ok(bridges)
}

/// The bridges within a group without which it would fall apart. Nothing of the scope is stored any more;
/// `new` is what will be.
async fn needed(
    connection: &mut SqliteConnection,
    layer: Layer,
    mut bridges: Vec<Bridge>,
    new: &[serde_json::Value],
) -> Result<Vec<Bridge>, sqlx::Error> {
    if bridges.is_empty() {
        return Ok(bridges);
    }
    bridges.sort_by(|x, y| (&x.a, &x.b).cmp(&(&y.a, &y.b)));
    let ends: Vec<&str> = bridges.iter().flat_map(|edge| [&*edge.a, &*edge.b]).collect();
    let ends = serde_json::to_string(&ends).unwrap_or_default();
    let groups: Vec<(String, String)> =
        sqlx::query_as(layer.groups_of()).bind(&ends).fetch_all(&mut *connection).await?;
    let groups: HashMap<String, String> = groups.into_iter().collect();
    let others: Vec<(String, String)> =
        sqlx::query_as(CONNECTED).bind(&ends).bind(layer.name()).fetch_all(connection).await?;
    let new = new.iter().filter_map(|row| Some((row.get(1)?.as_str()?, row.get(2)?.as_str()?)));
    let tree: Vec<(&str, &str)> =
        new.chain(others.iter().map(|(a, b)| (a.as_str(), b.as_str()))).collect();
    let mut rows: HashMap<String, u32> = HashMap::new();
    let all = tree.iter().copied().chain(bridges.iter().map(|edge| (&*edge.a, &*edge.b)));
    for uuid in all.flat_map(|(a, b)| [a, b]) {
        let next = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        rows.entry(uuid.to_owned()).or_insert(next);
    }
    let mut forest = Forest::new(rows.len());
    let mut join = |a: &str, b: &str| match (rows.get(a), rows.get(b)) {
        (Some(&a), Some(&b)) => forest.join(a, b),
        _ => false,
    };
    for (a, b) in tree {
        join(a, b);
    }
    bridges.retain(|edge| {
        let group = groups.get(&edge.a);
        group.is_some() && group == groups.get(&edge.b) && join(&edge.a, &edge.b)
    });
    Ok(bridges)
}

const DELETE_A: &str = "DELETE FROM corral_evidence WHERE (layer, a) IN
     (SELECT ?2, value FROM json_each(?1)) RETURNING a, b, reason, value, bits, committed_at";
const DELETE_B: &str = "DELETE FROM corral_evidence WHERE (layer, b) IN
     (SELECT ?2, value FROM json_each(?1)) RETURNING a, b, reason, value, bits, committed_at";
/// The evidence between all that it connects with these.
const CONNECTED: &str = "WITH RECURSIVE near (uuid) AS (
         SELECT value FROM json_each(?1)
         UNION SELECT e.b FROM near JOIN corral_evidence e ON e.layer = ?2 AND e.a = near.uuid
         UNION SELECT e.a FROM near JOIN corral_evidence e ON e.layer = ?2 AND e.b = near.uuid
     )
     SELECT e.a, e.b FROM near JOIN corral_evidence e ON e.layer = ?2 AND e.a = near.uuid";
/// The live groups of these, by member; a merged identity has none.
const IDENTITIES_OF: &str = "WITH RECURSIVE chain (member, uuid) AS (
         SELECT a.uuid, a.identity_id FROM json_each(?1) m JOIN attackers a ON a.uuid = m.value
         UNION SELECT chain.member, i.merged_into_uuid FROM chain
             JOIN attacker_identities i ON i.uuid = chain.uuid WHERE i.merged_into_uuid IS NOT NULL
     )
     SELECT chain.member, i.uuid FROM chain JOIN attacker_identities i ON i.uuid = chain.uuid
     WHERE i.merged_into_uuid IS NULL";
const CAMPAIGNS_OF: &str = "WITH RECURSIVE chain (member, uuid) AS (
         SELECT i.uuid, i.campaign_id FROM json_each(?1) m JOIN attacker_identities i ON i.uuid = m.value
             WHERE i.merged_into_uuid IS NULL
         UNION SELECT chain.member, c.merged_into_uuid FROM chain
             JOIN campaigns c ON c.uuid = chain.uuid WHERE c.merged_into_uuid IS NOT NULL
     )
     SELECT chain.member, c.uuid FROM chain JOIN campaigns c ON c.uuid = chain.uuid
     WHERE c.merged_into_uuid IS NULL";
const INSERT: &str =
    "INSERT OR REPLACE INTO corral_evidence (layer, a, b, reason, value, bits, committed_at)
     SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
         CAST(?2 AS INTEGER)
     FROM json_each(?1)";
