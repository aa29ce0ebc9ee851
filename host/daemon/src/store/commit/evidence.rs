//! Why members are one group: forest edges, kept by pair.

use corral_kernels::{Frame, Interner};
use serde_json::json;
use sqlx::SqliteConnection;

use super::{CommitError, Layer, column, whole_column, write_rows};
use crate::clock::Timestamp;

impl Layer {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Campaign => "campaign",
        }
    }
}

/// Replaces the edges of the members in `scope` by those of `edges` that lie inside it; gives the
/// number of edges written.
pub(super) async fn replace(
    connection: &mut SqliteConnection,
    texts: &Interner,
    layer: Layer,
    members: &Frame,
    scope: &[u32],
    edges: &Frame,
    now: Timestamp,
) -> Result<usize, CommitError> {
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
    let edges = edges.take(&kept)?;
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
    let now = now.micros().to_string();
    let gone = column(texts, members, "uuid", scope)?;
    let gone: Vec<_> = gone.into_iter().map(|uuid| json!([layer.name(), uuid])).collect();
    write_rows(connection, DELETE_A, &gone, &now).await?;
    write_rows(connection, DELETE_B, &gone, &now).await?;
    write_rows(connection, INSERT, &rows, &now).await?;
    Ok(rows.len())
}

const DELETE_A: &str = "DELETE FROM corral_evidence WHERE (layer, a) IN
     (SELECT value ->> 0, value ->> 1 FROM json_each(?1)) AND ?2 <> ''";
const DELETE_B: &str = "DELETE FROM corral_evidence WHERE (layer, b) IN
     (SELECT value ->> 0, value ->> 1 FROM json_each(?1)) AND ?2 <> ''";
const INSERT: &str =
    "INSERT OR REPLACE INTO corral_evidence (layer, a, b, reason, value, bits, committed_at)
     SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
         CAST(?2 AS INTEGER)
     FROM json_each(?1)";
