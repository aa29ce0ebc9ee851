//! The columns of an identity that follow from its attackers: counts, times, fingerprints.
//!
//! They are derived afresh, never added up, for the identities that a commit names. An identity speaks
//! for the attackers of those that were merged into it too.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};

use super::db::{Connection, Sql, query, write_rows};

use serde::{Deserialize, Serialize, Serializer};

use super::StoreError;
use super::encoding;
use crate::clock::Timestamp;

/// What an identity's derived columns say.
#[derive(Debug, Default)]
pub(super) struct Summary {
    pub(super) members: i64,
    /// As the database has times.
    pub(super) first_seen: Option<String>,
    pub(super) last_seen: Option<String>,
    lists: [BTreeSet<String>; LISTS],
}

/// The lists of values.
const LISTS: usize = 7;

/// The kinds of features that an identity lists, each with the list that it belongs to: what only a column may
/// see is in the column like what all may see.
pub(super) const KINDS_LISTED: [(&str, usize); 9] = [
    ("ja3", 0),
    ("ja3-column", 0),
    ("hassh", 1),
    ("hassh-column", 1),
    ("tls-cert-sha256", 2),
    ("ja4h", 3),
    ("ja4-quic", 4),
    ("payload-sha256", 5),
    ("download-host", 6),
];

/// Identities that are looked at together.
const AT_A_TIME: usize = 2_000;

/// Brings the derived columns of `identities`, and of those they were merged into, up to date; gives
/// all of these.
pub(super) async fn identities(
    connection: &mut Connection,
    identities: &BTreeSet<String>,
    now: Timestamp,
) -> Result<Vec<String>, StoreError> {
    let all: Vec<&String> = identities.iter().collect();
    let mut written = Vec::new();
    for chunk in all.chunks(AT_A_TIME) {
        let summaries = summaries(connection, chunk).await?;
        write(connection, &summaries, now).await?;
        written.extend(summaries.into_keys());
    }
    Ok(written)
}

/// The same, but only those whose columns say something else are written; gives these.
pub(super) async fn where_different(
    connection: &mut Connection,
    identities: &BTreeSet<String>,
    now: Timestamp,
) -> Result<Vec<String>, StoreError> {
    let all: Vec<&String> = identities.iter().collect();
    let mut written = Vec::new();
    for chunk in all.chunks(AT_A_TIME) {
        let mut summaries = summaries(connection, chunk).await?;
        let named: Vec<&String> = summaries.keys().collect();
        let named = serde_json::to_string(&named).unwrap_or_default();
        let rows: Vec<Stored> = query(STORED).bind(named).all(&mut *connection).await?;
        for row in rows {
            if summaries.get(&row.uuid).is_some_and(|summary| row.says(summary)) {
                summaries.remove(&row.uuid);
            }
        }
        write(connection, &summaries, now).await?;
        written.extend(summaries.into_keys());
    }
    Ok(written)
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
    /// That there are so many members, of whom nothing is known.
    pub(super) fn of(members: i64) -> Self {
        Self { members, ..Self::default() }
    }

    /// Adds a value to a list.
    pub(super) fn add(&mut self, list: usize, value: String) {
        if let Some(list) = self.lists.get_mut(list) {
            list.insert(value);
        }
    }

    /// Its lists as the columns have them: one that is empty is absent.
    fn lists(&self) -> [Option<String>; LISTS] {
        self.lists.each_ref().map(|list| (!list.is_empty()).then(|| encoding::list(list)))
    }
}

/// An identity and its derived columns, in the order of the rows below.
pub(super) struct Derived<'a, T>(pub(super) &'a str, pub(super) T);

impl<T: Borrow<Summary>> Serialize for Derived<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (uuid, summary) = (self.0, self.1.borrow());
        let Summary { members, first_seen, last_seen, .. } = summary;
        let [ja3, hassh, tls_cert, ja4h, ja4_quic, payload, host] = summary.lists();
        (uuid, members, first_seen, last_seen, ja3, hassh, tls_cert, ja4h, ja4_quic, payload, host)
            .serialize(serializer)
    }
}

/// What the columns of `identities`, and of those they were merged into, should say.
async fn summaries(
    connection: &mut Connection,
    identities: &[&String],
) -> Result<BTreeMap<String, Summary>, StoreError> {
    let mut summaries: BTreeMap<String, Summary> = BTreeMap::new();
    let named = serde_json::to_string(identities).unwrap_or_default();
    let spans: Vec<(String, i64, Option<String>, Option<String>)> =
        query(SPANS).bind(&named).all(&mut *connection).await?;
    for (root, members, first_seen, last_seen) in spans {
        let summary = Summary { members, first_seen, last_seen, ..Summary::default() };
        summaries.insert(root, summary);
    }
    query(VALUES)
        .bind(&named)
        .each(connection, |row| {
            let (root, kind, value): (String, String, String) = row.read()?;
            if let Some((_, list)) = KINDS_LISTED.iter().find(|(name, _)| *name == kind) {
                summaries.entry(root).or_default().add(*list, value);
            }
            Ok(())
        })
        .await?;
    Ok(summaries)
}

/// Writes the columns.
async fn write(
    connection: &mut Connection,
    summaries: &BTreeMap<String, Summary>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let now = connection.datetime(now);
    let rows: Vec<_> = summaries.iter().map(|(uuid, summary)| Derived(uuid, summary)).collect();
    write_rows(connection, &WRITE, &rows, &now).await?;
    Ok(())
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

const STORED: Sql = Sql::of(
    "SELECT uuid, observation_count AS members, first_seen_at AS first_seen, last_seen_at AS last_seen,
         ja3_hashes AS ja3, hassh_hashes AS hassh, tls_cert_sha256 AS tls_cert, ja4h_hashes AS ja4h,
         ja4_quic_hashes AS ja4_quic, payload_simhashes AS payload, c2_endpoints AS host,
         kd_digraph_simhash IS NOT NULL AS has_rhythm
     FROM attacker_identities WHERE uuid IN (SELECT n.uuid FROM {?: uuid key} AS n)",
);

/// Rows of [`Derived`].
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

/// Writes identities that are new, with their derived columns. One without a time was first seen now.
pub(super) const INSERT: Sql = Sql::of(concat!(
    "INSERT INTO attacker_identities (uuid, schema_version, created_at, updated_at, observation_count, first_seen_at,
         last_seen_at, ja3_hashes, hassh_hashes, tls_cert_sha256, ja4h_hashes, ja4_quic_hashes, payload_simhashes,
         c2_endpoints)
     SELECT n.uuid, 1, ?2, ?2, n.members, COALESCE(n.first, ?2), COALESCE(n.last, ?2), n.ja3, n.hassh, n.tls_cert,
         n.ja4h, n.ja4_quic, n.payload, n.host
     FROM ",
    rows!(),
    " WHERE TRUE ON CONFLICT DO NOTHING"
));
