//! The columns of an identity that follow from its attackers: counts, times, fingerprints.
//!
//! They are derived afresh, never added up, for the identities that a commit names. An identity speaks
//! for the attackers of those that were merged into it too.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{Row, SqliteConnection};

use super::StoreError;
use super::encoding::{self, datetime};
use crate::clock::Timestamp;

#[derive(Debug, Default)]
struct Summary {
    members: i64,
    first_seen: Option<String>,
    last_seen: Option<String>,
    values: BTreeMap<String, BTreeSet<String>>,
}

/// Brings the derived columns of `identities`, and of those they were merged into, up to date; gives
/// all of these.
pub(super) async fn identities(
    connection: &mut SqliteConnection,
    identities: &BTreeSet<String>,
    now: Timestamp,
) -> Result<Vec<String>, StoreError> {
    if identities.is_empty() {
        return Ok(Vec::new());
    }
    let named = serde_json::to_string(identities).unwrap_or_default();
    let mut summaries: BTreeMap<String, Summary> = BTreeMap::new();
    let rows = sqlx::query(SPANS).bind(&named).fetch_all(&mut *connection).await?;
    for row in rows {
        let summary = summaries.entry(row.try_get(0)?).or_default();
        summary.members = row.try_get(1)?;
        summary.first_seen = row.try_get(2)?;
        summary.last_seen = row.try_get(3)?;
    }
    let rows = sqlx::query(VALUES).bind(&named).fetch_all(&mut *connection).await?;
    for row in rows {
        let summary = summaries.entry(row.try_get(0)?).or_default();
        summary.values.entry(row.try_get(1)?).or_default().insert(row.try_get(2)?);
    }
    let named: Vec<String> = summaries.keys().cloned().collect();
    let written: Vec<serde_json::Value> = summaries
        .into_iter()
        .map(|(uuid, summary)| {
            let lists: BTreeMap<_, _> = summary
                .values
                .iter()
                .map(|(kind, values)| (kind, encoding::list(values)))
                .collect();
            serde_json::json!([uuid, summary.members, summary.first_seen, summary.last_seen, lists])
        })
        .collect();
    sqlx::query(WRITE)
        .bind(serde_json::Value::Array(written).to_string())
        .bind(datetime(now))
        .execute(connection)
        .await?;
    Ok(named)
}

// Up: what the named identities were merged into. Down: everything merged into any of those. UNION
// drops what was met before, so a cycle of pointers ends.
macro_rules! tree {
    ($select:literal) => {
        concat!(
            "WITH RECURSIVE
             up (uuid) AS (
                 SELECT value FROM json_each(?)
                 UNION
                 SELECT i.merged_into_uuid FROM attacker_identities i JOIN up USING (uuid)
                 WHERE i.merged_into_uuid IS NOT NULL
             ),
             tree (root, uuid) AS (
                 SELECT uuid, uuid FROM up
                 UNION
                 SELECT tree.root, i.uuid FROM attacker_identities i
                 JOIN tree ON i.merged_into_uuid = tree.uuid
             ) ",
            $select
        )
    };
}

const SPANS: &str = tree!(
    "SELECT tree.root, COUNT(a.uuid), MIN(a.first_seen), MAX(a.last_seen)
     FROM tree LEFT JOIN attackers a ON a.identity_id = tree.uuid GROUP BY tree.root"
);

const VALUES: &str = tree!(
    "SELECT DISTINCT tree.root, f.kind, f.value
     FROM tree JOIN attackers a ON a.identity_id = tree.uuid
     JOIN corral_feature f ON f.attacker_uuid = a.uuid
     WHERE f.kind IN ('ja3', 'hassh', 'ja4h', 'ja4-quic', 'payload-sha256', 'download-host')"
);

const WRITE: &str = r#"UPDATE attacker_identities SET observation_count = new.value ->> 1,
         first_seen_at = new.value ->> 2, last_seen_at = new.value ->> 3,
         ja3_hashes = new.value ->> '$[4].ja3', hassh_hashes = new.value ->> '$[4].hassh',
         ja4h_hashes = new.value ->> '$[4].ja4h', ja4_quic_hashes = new.value ->> '$[4]."ja4-quic"',
         payload_simhashes = new.value ->> '$[4]."payload-sha256"',
         c2_endpoints = new.value ->> '$[4]."download-host"', updated_at = ?2
     FROM json_each(?1) AS new WHERE attacker_identities.uuid = new.value ->> 0"#;
