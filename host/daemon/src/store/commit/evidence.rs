//! Why members are one group: forest edges, kept by pair.
//!
//! Evidence comes by whole components, and a component need not be a whole group: a member is never moved,
//! so a group may hold members that share nothing any more. What led from such a component to the rest of
//! its group is not true any longer; but where a path between others runs over it, it is all there is. So
//! of the old edges that lead out of the scope those stay that still hold a group together, and the evidence
//! of a group stays a tree.

use std::collections::{HashMap, HashSet};

use crate::store::StoreError;
use crate::store::db::{Connection, ROWS_PER_STATEMENT, Sql, query, write_numbered, write_rows};
use corral_kernels::forest::Forest;
use corral_kernels::{Frame, Interner, Texts};
use serde::{Deserialize, Serialize};

use super::{Among, CommitError, Layer, column};
use crate::clock::Timestamp;

impl Layer {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Campaign => "campaign",
        }
    }

    fn groups_of(self) -> Sql {
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
    connection: &mut Connection,
    texts: &Interner,
    explanation: Explanation<'_>,
    now: Timestamp,
) -> Result<usize, CommitError> {
    let layer = explanation.layer;
    let edges = Edges::of(texts, &explanation)?;
    let bridges = delete(connection, texts, &explanation).await?;
    let bridges = needed(connection, layer, bridges, &edges).await?;
    let (count, row) = (edges.order.len(), |at| edges.row(layer, at));
    write_numbered(connection, &INSERT, count, row, &now.micros().to_string()).await?;
    for Bridge { a, b, reason, value, bits, committed_at } in bridges {
        let row = (layer.name(), a, b, reason, value, bits);
        write_rows(connection, &INSERT, &[row], &committed_at.to_string()).await?;
    }
    Ok(edges.order.len())
}

/// Edges that are to be written.
struct Edges {
    a: Texts,
    b: Texts,
    reason: Texts,
    value: Texts,
    bits: Option<Vec<f64>>,
    /// The edges in the order of their ends, in which a database writes them quickest.
    order: Vec<usize>,
}

impl Edges {
    /// The edges that count.
    fn of(texts: &Interner, explanation: &Explanation<'_>) -> Result<Self, CommitError> {
        let edges = counting(explanation)?;
        let ends = |name: &str| {
            Ok::<_, CommitError>(column(texts, explanation.members, "uuid", edges.uint32(name)?)?)
        };
        let words = |name: &str| Ok::<_, CommitError>(texts.texts(edges.text(name)?));
        let mut new = Self {
            a: ends("a")?,
            b: ends("b")?,
            reason: words("reason")?,
            value: words("value")?,
            bits: edges.float64("bits").ok().map(<[f64]>::to_vec),
            order: Vec::new(),
        };
        let mut order: Vec<usize> = (0..edges.rows()).collect();
        order.sort_unstable_by_key(|at| new.ends(*at));
        new.order = order;
        Ok(new)
    }

    /// The ends of an edge, the smaller first.
    fn ends(&self, at: usize) -> (&str, &str) {
        let (a, b) = (self.a.get(at).unwrap_or_default(), self.b.get(at).unwrap_or_default());
        if a < b { (a, b) } else { (b, a) }
    }

    /// The row of an edge, by its place in the order.
    fn row(&self, layer: Layer, place: usize) -> impl Serialize {
        let at = self.order.get(place).copied().unwrap_or_default();
        let (a, b) = self.ends(at);
        let bits = self.bits.as_ref().and_then(|bits| bits.get(at));
        (layer.name(), a, b, self.reason.get(at), self.value.get(at), bits)
    }
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
#[derive(Debug, Deserialize)]
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
    connection: &mut Connection,
    texts: &Interner,
    explanation: &Explanation<'_>,
) -> Result<Vec<Bridge>, CommitError> {
    let (layer, mut bridges) = (explanation.layer, Vec::new());
    let any: Option<i64> = query(ANY).bind(layer.name()).optional(connection).await?;
    if any.is_none() {
        return Ok(bridges);
    }
    let scope = column(texts, explanation.members, "uuid", explanation.scope)?;
    let scope: Vec<&str> = scope.iter().collect();
    let inside: HashSet<&str> = scope.iter().copied().collect();
    let leads_out = |edge: &Bridge| !inside.contains(&*edge.a) || !inside.contains(&*edge.b);
    for chunk in scope.chunks(ROWS_PER_STATEMENT) {
        let chunk = serde_json::to_string(chunk).unwrap_or_default();
        for (select, delete) in [(OF_A, DELETE_A), (OF_B, DELETE_B)] {
            let gone: Vec<Bridge> =
                query(select).bind(&chunk).bind(layer.name()).all(connection).await?;
            if !gone.is_empty() {
                query(delete).bind(&chunk).bind(layer.name()).execute(connection).await?;
            }
            bridges.extend(gone.into_iter().filter(leads_out));
        }
    }
    Ok(bridges)
}

/// The bridges within a group without which it would fall apart. Nothing of the scope is stored any more;
/// `new` is what will be.
async fn needed(
    connection: &mut Connection,
    layer: Layer,
    mut bridges: Vec<Bridge>,
    new: &Edges,
) -> Result<Vec<Bridge>, StoreError> {
    if bridges.is_empty() {
        return Ok(bridges);
    }
    bridges.sort_by(|x, y| (&x.a, &x.b).cmp(&(&y.a, &y.b)));
    let ends: Vec<&str> = bridges.iter().flat_map(|edge| [&*edge.a, &*edge.b]).collect();
    let ends = serde_json::to_string(&ends).unwrap_or_default();
    let groups: Vec<(String, String)> =
        query(layer.groups_of()).bind(&ends).all(&mut *connection).await?;
    let groups: HashMap<String, String> = groups.into_iter().collect();
    let others: Vec<(String, String)> =
        query(CONNECTED).bind(&ends).bind(layer.name()).all(connection).await?;
    let new = (0..new.order.len()).map(|at| new.ends(at));
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

macro_rules! of {
    ($end:literal) => {
        Sql::of(concat!(
            "SELECT e.a, e.b, e.reason, e.value, e.bits, e.committed_at FROM {?1: uuid key} AS n
             CROSS JOIN corral_evidence e ON e.layer = ?2 AND e.",
            $end,
            " = n.uuid"
        ))
    };
}

macro_rules! delete {
    ($end:literal) => {
        Sql::of(concat!(
            "DELETE FROM corral_evidence WHERE (layer, ",
            $end,
            ") IN
                 (SELECT ?2, n.uuid FROM {?1: uuid key} AS n)"
        ))
        .mariadb(concat!(
            "DELETE e FROM {?1: uuid key} AS n
             CROSS JOIN corral_evidence e ON e.layer = ?2 AND e.",
            $end,
            " = n.uuid"
        ))
    };
}

const ANY: Sql = Sql::of("SELECT 1 FROM corral_evidence WHERE layer = ? LIMIT 1");
const OF_A: Sql = of!("a");
const OF_B: Sql = of!("b");
const DELETE_A: Sql = delete!("a");
const DELETE_B: Sql = delete!("b");
/// The evidence between all that it connects with these. PostgreSQL wants to meet what is near but once.
const CONNECTED: Sql = Sql::of(
    "WITH RECURSIVE near (uuid) AS (
         SELECT n.uuid FROM {?1: uuid key} AS n
         UNION SELECT e.b FROM near CROSS JOIN corral_evidence e ON e.layer = ?2 AND e.a = near.uuid
         UNION SELECT e.a FROM near CROSS JOIN corral_evidence e ON e.layer = ?2 AND e.b = near.uuid
     )
     SELECT e.a, e.b FROM near CROSS JOIN corral_evidence e ON e.layer = ?2 AND e.a = near.uuid",
)
.postgres(
    "WITH RECURSIVE near (uuid) AS (
         SELECT n.uuid FROM {?1: uuid key} AS n
         UNION SELECT o.uuid FROM near JOIN LATERAL (
             SELECT e.b AS uuid FROM corral_evidence e WHERE e.layer = ?2 AND e.a = near.uuid
             UNION ALL SELECT e.a FROM corral_evidence e WHERE e.layer = ?2 AND e.b = near.uuid
         ) o ON TRUE
     )
     SELECT e.a, e.b FROM near CROSS JOIN corral_evidence e ON e.layer = ?2 AND e.a = near.uuid",
);
/// The live groups of these, by member; a merged identity has none.
const IDENTITIES_OF: Sql = Sql::of(
    "WITH RECURSIVE chain (member, uuid) AS (
         SELECT a.uuid, a.identity_id FROM {?1: uuid key} AS n CROSS JOIN attackers a ON a.uuid = n.uuid
         UNION SELECT chain.member, i.merged_into_uuid FROM chain
             CROSS JOIN attacker_identities i ON i.uuid = chain.uuid WHERE i.merged_into_uuid IS NOT NULL
     )
     SELECT chain.member, i.uuid FROM chain CROSS JOIN attacker_identities i ON i.uuid = chain.uuid
     WHERE i.merged_into_uuid IS NULL",
);
const CAMPAIGNS_OF: Sql = Sql::of(
    "WITH RECURSIVE chain (member, uuid) AS (
         SELECT i.uuid, i.campaign_id FROM {?1: uuid key} AS n
             CROSS JOIN attacker_identities i ON i.uuid = n.uuid WHERE i.merged_into_uuid IS NULL
         UNION SELECT chain.member, c.merged_into_uuid FROM chain
             CROSS JOIN campaigns c ON c.uuid = chain.uuid WHERE c.merged_into_uuid IS NOT NULL
     )
     SELECT chain.member, c.uuid FROM chain CROSS JOIN campaigns c ON c.uuid = chain.uuid
     WHERE c.merged_into_uuid IS NULL",
);
const INSERT: Sql = Sql::of(
    "INSERT INTO corral_evidence (layer, a, b, reason, value, bits, committed_at)
     SELECT n.layer, n.a, n.b, n.reason, n.value, n.bits, {int ?2}
     FROM {?1: layer text, a key, b key, reason text, value text, bits real} AS n WHERE TRUE
     ON CONFLICT (layer, a, b) DO UPDATE SET reason = excluded.reason, value = excluded.value,
         bits = excluded.bits, committed_at = excluded.committed_at",
);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::Store;
    use crate::store::db::Dialect;

    /// Otherwise a tick that finds a little takes as long as one that finds everything.
    #[tokio::test]
    async fn the_edges_of_some_members_are_found_without_passing_by_the_others() {
        let (store, _folder) = Store::throwaway(Duration::from_secs(5)).await;
        for statement in [OF_A, OF_B, DELETE_A, DELETE_B, CONNECTED] {
            let plan = statement.prefixed("EXPLAIN QUERY PLAN ", &Dialect::Sqlite);
            let plan: Vec<(i64, i64, i64, String)> = query(plan)
                .bind("[]")
                .bind("identity")
                .all(&mut store.read().await.unwrap())
                .await
                .unwrap();
            let steps = plan.iter().map(|(.., step)| step.as_str());
            let looks: Vec<&str> =
                steps.filter(|step| step.contains("SEARCH") || step.contains(" e")).collect();
            let is_by_end = |step: &&str| step.contains("a=?") || step.contains("b=?");
            assert!(!looks.is_empty() && looks.iter().all(is_by_end), "{statement:?}: {plan:?}");
        }
    }
}
