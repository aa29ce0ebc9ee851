//! The columns of an identity that follow from its attackers: counts, times, fingerprints.
//!
//! They are derived afresh, never added up, for the identities that a commit names. An identity speaks
//! for the attackers of those that were merged into it too.

use std::collections::{BTreeMap, BTreeSet};

use super::db::{Connection, Sql, query};

use serde::Deserialize;

use super::StoreError;
use super::encoding;
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
    connection: &mut Connection,
    identities: &BTreeSet<String>,
    now: Timestamp,
) -> Result<Vec<String>, StoreError> {
    let summaries = summaries(connection, identities).await?;
    write(connection, summaries, now).await
}

/// The same, but only those whose columns say something else are written; gives these.
pub(super) async fn where_different(
    connection: &mut Connection,
    identities: &BTreeSet<String>,
    now: Timestamp,
) -> Result<Vec<String>, StoreError> {
    let mut summaries = summaries(connection, identities).await?;
    let named: Vec<&String> = summaries.keys().collect();
    let named = serde_json::to_string(&named).unwrap_or_default();
    let rows: Vec<Stored> = query(STORED).bind(named).all(&mut *connection).await?;
    for row in rows {
        if summaries.get(&row.uuid).is_some_and(|summary| row.says(summary)) {
            summaries.remove(&row.uuid);
        }
    }
    write(connection, summaries, now).await
}

/// The derived columns as they are.
#[derive(Deserialize)]
struct Stored {
    uuid: String,
    members: i64,
    first_seen: Option<String>,
    last_seen: Option<String>,
    ja3: Option<String>,
    hassh: Option<String>,
    tls_cert: Option<String>,
    ja4h: Option<String>,
    ja4_quic: Option<String>,
    payload: Option<String>,
    host: Option<String>,
    has_rhythm: bool,
}

impl Stored {
    fn says(&self, summary: &Summary) -> bool {
        let lists = [
            &self.ja3,
            &self.hassh,
            &self.tls_cert,
            &self.ja4h,
            &self.ja4_quic,
            &self.payload,
            &self.host,
        ];
        self.members == summary.members
            && self.first_seen == summary.first_seen
            && self.last_seen == summary.last_seen
            && lists.into_iter().eq(&summary.lists())
            && !self.has_rhythm
    }
}

impl Summary {
    /// Its lists, in the order of the kinds.
    fn lists(&self) -> [Option<String>; 7] {
        KINDS.map(|kind| self.values.get(kind).map(encoding::list))
    }
}

/// What the columns of `identities`, and of those they were merged into, should say.
async fn summaries(
    connection: &mut Connection,
    identities: &BTreeSet<String>,
) -> Result<BTreeMap<String, Summary>, StoreError> {
    let mut summaries: BTreeMap<String, Summary> = BTreeMap::new();
    if identities.is_empty() {
        return Ok(summaries);
    }
    let named = serde_json::to_string(identities).unwrap_or_default();
    let spans: Vec<(String, i64, Option<String>, Option<String>)> =
        query(SPANS).bind(&named).all(&mut *connection).await?;
    for (root, members, first_seen, last_seen) in spans {
        let values = BTreeMap::new();
        summaries.insert(root, Summary { members, first_seen, last_seen, values });
    }
    let values: Vec<(String, String, String)> =
        query(VALUES).bind(&named).all(&mut *connection).await?;
    for (root, kind, value) in values {
        let summary = summaries.entry(root).or_default();
        // What only a column may see is in the column like what all may see.
        let kind = kind.strip_suffix("-column").unwrap_or(&kind).to_owned();
        summary.values.entry(kind).or_default().insert(value);
    }
    Ok(summaries)
}

/// Writes the columns; gives the identities.
async fn write(
    connection: &mut Connection,
    summaries: BTreeMap<String, Summary>,
    now: Timestamp,
) -> Result<Vec<String>, StoreError> {
    if summaries.is_empty() {
        return Ok(Vec::new());
    }
    let named: Vec<String> = summaries.keys().cloned().collect();
    let written: Vec<serde_json::Value> = summaries
        .into_iter()
        .map(|(uuid, summary)| {
            let [ja3, hassh, tls_cert, ja4h, ja4_quic, payload, host] = summary.lists();
            serde_json::json!([
                uuid,
                summary.members,
                summary.first_seen,
                summary.last_seen,
                ja3,
                hassh,
                tls_cert,
                ja4h,
                ja4_quic,
                payload,
                host
            ])
        })
        .collect();
    query(WRITE)
        .bind(serde_json::Value::Array(written).to_string())
        .bind(connection.datetime(now))
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
                 SELECT uuid FROM {?: uuid key} named
                 UNION
                 SELECT i.merged_into_uuid FROM up CROSS JOIN attacker_identities i ON i.uuid = up.uuid
                 WHERE i.merged_into_uuid IS NOT NULL
             ),
             tree (root, uuid) AS (
                 SELECT uuid, uuid FROM up
                 UNION
                 SELECT tree.root, i.uuid FROM tree
                 CROSS JOIN attacker_identities i ON i.merged_into_uuid = tree.uuid
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
     FROM tree CROSS JOIN attackers a ON a.identity_id = tree.uuid
     CROSS JOIN corral_feature f ON f.attacker_uuid = a.uuid
     WHERE f.kind IN ('ja3', 'ja3-column', 'hassh', 'hassh-column', 'tls-cert-sha256', 'ja4h', 'ja4-quic',
         'payload-sha256', 'download-host')"
);

/// The kinds of features that an identity lists, in the order of the statement's columns.
const KINDS: [&str; 7] =
    ["ja3", "hassh", "tls-cert-sha256", "ja4h", "ja4-quic", "payload-sha256", "download-host"];

const STORED: Sql = Sql::of(
    "SELECT uuid, observation_count AS members, first_seen_at AS first_seen, last_seen_at AS last_seen,
         ja3_hashes AS ja3, hassh_hashes AS hassh, tls_cert_sha256 AS tls_cert, ja4h_hashes AS ja4h,
         ja4_quic_hashes AS ja4_quic, payload_simhashes AS payload, c2_endpoints AS host,
         kd_digraph_simhash IS NOT NULL AS has_rhythm
     FROM attacker_identities WHERE uuid IN (SELECT n.uuid FROM {?: uuid key} AS n)",
);

macro_rules! rows {
    () => {
        "{?1: uuid key, members int, first text, last text, ja3 text, hassh text, tls_cert text, ja4h text, ja4_quic text,
             payload text, host text} AS n"
    };
}

// The rhythm is left out: DECNET's own API cannot read one that is no UTF-8, and nobody needs the column.
macro_rules! columns {
    () => {
        "observation_count = n.members, first_seen_at = n.first, last_seen_at = n.last,
         ja3_hashes = n.ja3, hassh_hashes = n.hassh, tls_cert_sha256 = n.tls_cert, kd_digraph_simhash = NULL, ja4h_hashes = n.ja4h, ja4_quic_hashes = n.ja4_quic,
         payload_simhashes = n.payload, c2_endpoints = n.host, updated_at = ?2"
    };
}

const WRITE: Sql = Sql::of(concat!(
    "UPDATE attacker_identities SET ",
    columns!(),
    " FROM ",
    rows!(),
    " WHERE attacker_identities.uuid = n.uuid"
))
.mariadb(concat!(
    "UPDATE ",
    rows!(),
    " CROSS JOIN attacker_identities ON attacker_identities.uuid = n.uuid SET ",
    columns!()
));
