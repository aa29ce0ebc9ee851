//! DECNET's attackers: which of them changed, and the features that their fingerprints make.
//!
//! Of each attacker a digest is kept of what the views show and features are made from, so that an
//! `updated_at` that moves without anything else costs a look and no write. Where an attacker changed, the
//! columns of its identity are derived again in the same transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Deserialize;
use xxhash_rust::xxh3::xxh3_64;

use super::fingerprints::{self, BYTES_MAX, Feature};
use super::marks::{self, Mark, Marks};
use super::{KEYS, Look, Projected, SLACK, features, json, poison};
use crate::clock::Timestamp;
use crate::store::changes::Touched;
use crate::store::db::{Connection, Sql, query};
use crate::store::encoding::{datetime, parse_datetime};
use crate::store::record::rows::{self, Statement};
use crate::store::revision::{View, bump_attackers_order};
use crate::store::{Store, StoreError, rollup};

/// Attackers that are read and written together.
const BATCH: i64 = 2_000;
/// Fingerprints up to so many bytes are read with their rows; longer ones one by one.
const SHORT: i64 = 16 << 10;

/// A look at the attackers.
pub(super) struct Attackers<'s> {
    pub(super) store: &'s Store,
    pub(super) look: Look,
}

/// What an attacker's row says.
#[derive(Debug, Deserialize)]
struct Row {
    uuid: String,
    ip: Option<String>,
    identity_id: Option<String>,
    first_seen: Option<String>,
    last_seen: Option<String>,
    asn: Option<i64>,
    fingerprints: Option<String>,
    bytes: Option<i64>,
}

macro_rules! row {
    ($which:literal) => {
        Sql::of(concat!(
            "SELECT uuid, ip, identity_id, first_seen, last_seen, asn,
                 CASE WHEN LENGTH(fingerprints) <= ? THEN fingerprints END AS fingerprints,
                 LENGTH(fingerprints) AS bytes FROM attackers ",
            $which
        ))
    };
}

const ROWS_OF_SOME: Sql = row!("WHERE uuid IN (SELECT n.uuid FROM {?: uuid key} AS n)");
const ROWS_FROM: Sql = row!("WHERE uuid > {key ?} ORDER BY uuid LIMIT ?");

/// An attacker that is not what it was.
struct Changed {
    row: Row,
    digest: i64,
    first_seen: i64,
    /// Whether its place among the attackers changed.
    is_moved: bool,
}

impl Attackers<'_> {
    /// Takes in attackers that came, changed or went.
    pub(super) async fn project(
        &self,
        marks: &mut Marks,
        projected: &mut Projected,
    ) -> Result<(), StoreError> {
        let (count, latest) = self.summary().await?;
        let before = marks.attackers.clone().filter(|_| !self.look.whole);
        let mut known = match &before {
            Some(mark) => {
                let added = self.recent(mark, projected).await?;
                mark.recent + added
            }
            None => self.all(projected).await?,
        };
        if known != count {
            known -= self.removed(projected).await?;
        }
        if known != count && before.is_some() {
            // Rows that came with an older time.
            known = self.all(projected).await?;
        }
        marks.attackers = Some(Mark { latest, recent: known, count, ..Mark::default() });
        Ok(())
    }

    /// How many there are, and the latest `updated_at`, but not one to come.
    async fn summary(&self) -> Result<(i64, String), StoreError> {
        let mut connection = self.store.read().await?;
        let (count, latest): (i64, Option<String>) = query(
            "SELECT (SELECT COUNT(*) FROM attackers), (SELECT MAX(updated_at) FROM attackers)",
        )
        .one(&mut connection)
        .await?;
        let now = datetime(self.look.now);
        Ok((count, latest.map_or_else(String::new, |latest| latest.min(now))))
    }

    /// Those that were written since the mark; how many of them are new.
    async fn recent(&self, mark: &Mark, projected: &mut Projected) -> Result<i64, StoreError> {
        let mut connection = self.store.read().await?;
        let uuids: Vec<String> =
            query("SELECT uuid FROM attackers WHERE updated_at >= ? ORDER BY uuid")
                .bind(before(&mark.latest))
                .all(&mut connection)
                .await?;
        let mut new = 0;
        for chunk in uuids.chunks(KEYS) {
            let rows: Vec<Row> =
                query(ROWS_OF_SOME).bind(SHORT).bind(json(chunk)).all(&mut connection).await?;
            new += self.take_in(&mut connection, rows, projected).await?;
        }
        Ok(new)
    }

    /// All of them; how many there are.
    async fn all(&self, projected: &mut Projected) -> Result<i64, StoreError> {
        let mut connection = self.store.read().await?;
        let (mut last, mut count) = (String::new(), 0);
        loop {
            let rows: Vec<Row> =
                query(ROWS_FROM).bind(SHORT).bind(&last).bind(BATCH).all(&mut connection).await?;
            let Some(row) = rows.last() else { break };
            last.clone_from(&row.uuid);
            count += i64::try_from(rows.len()).unwrap_or(0);
            self.take_in(&mut connection, rows, projected).await?;
        }
        // Those that are known and gone would be counted as known.
        self.removed(projected).await?;
        Ok(count)
    }

    /// Takes in what changed of these rows; how many of them are new.
    async fn take_in(
        &self,
        connection: &mut Connection,
        rows: Vec<Row>,
        projected: &mut Projected,
    ) -> Result<i64, StoreError> {
        let uuids: Vec<String> = rows.iter().map(|row| row.uuid.clone()).collect();
        let known = known(connection, &uuids).await?;
        let mut changed = Vec::new();
        for mut row in rows {
            self.complete(connection, &mut row).await?;
            let digest = self.digest(&row);
            let first_seen = row.first_seen.as_deref().and_then(parse_datetime);
            let first_seen = first_seen.map_or(0, |at| at.micros());
            let before = known.get(&row.uuid);
            if before.is_none_or(|before| before.1 != digest) {
                let is_moved = before.is_none_or(|before| before.0 != first_seen);
                changed.push(Changed { row, digest, first_seen, is_moved });
            }
        }
        let new = changed.iter().filter(|changed| !known.contains_key(&changed.row.uuid)).count();
        if !changed.is_empty() {
            self.write(&changed, projected).await?;
        }
        Ok(i64::try_from(new).unwrap_or(i64::MAX))
    }

    /// Fetches fingerprints that were too long to come along.
    async fn complete(&self, connection: &mut Connection, row: &mut Row) -> Result<(), StoreError> {
        let bytes = row.bytes.unwrap_or(0);
        if bytes > SHORT && usize::try_from(bytes).is_ok_and(|bytes| bytes <= BYTES_MAX) {
            row.fingerprints = query("SELECT fingerprints FROM attackers WHERE uuid = ?")
                .bind(&row.uuid)
                .optional(connection)
                .await?
                .flatten();
        }
        Ok(())
    }

    /// What the views show of an attacker and what its features are made from, in a number.
    fn digest(&self, row: &Row) -> i64 {
        let text = serde_json::json!([
            marks::shapes(self.look.fingerprints),
            row.ip,
            row.first_seen,
            row.last_seen,
            row.asn,
            row.bytes,
            row.fingerprints
        ]);
        xxh3_64(text.to_string().as_bytes()).cast_signed()
    }

    /// Writes features, digests and columns of attackers that changed, and logs who they are.
    async fn write(
        &self,
        changed: &[Changed],
        projected: &mut Projected,
    ) -> Result<(), StoreError> {
        let mut reasons = BTreeMap::new();
        let mut wanted: BTreeMap<&str, Vec<Feature>> = BTreeMap::new();
        for Changed { row, first_seen, .. } in changed {
            let found = match (&row.fingerprints, row.bytes) {
                (Some(json), _) => {
                    fingerprints::features(json, self.look.fingerprints, *first_seen)
                }
                (None, Some(bytes)) => {
                    Err(format!("fingerprints: {bytes} bytes, more than {BYTES_MAX}"))
                }
                (None, None) => Err("fingerprints: none, where a list belongs".to_owned()),
            };
            let found = found.unwrap_or_else(|reason| {
                reasons.insert(row.uuid.clone(), reason);
                Vec::new()
            });
            wanted.insert(&row.uuid, found);
        }
        let uuids: Vec<String> = changed.iter().map(|changed| changed.row.uuid.clone()).collect();
        let identities: BTreeSet<String> =
            changed.iter().filter_map(|changed| changed.row.identity_id.clone()).collect();
        let mut touched = Touched::default();
        let mut transaction = self.store.begin_derived().await?;
        let there = there(&mut transaction, &identities).await?;
        for Changed { row, .. } in changed {
            if let Some(identity) = row.identity_id.as_ref().filter(|id| !there.contains(*id)) {
                let reason = format!("its identity {identity} is not there");
                reasons.entry(row.uuid.clone()).or_insert(reason);
            }
        }
        let differ = features::write(&mut transaction, &uuids, &wanted).await?;
        write_digests(&mut transaction, changed).await?;
        touched.add(View::Features, differ);
        touched.add(View::Attackers, uuids.iter().map(String::as_str));
        if changed.iter().any(|changed| changed.is_moved) {
            bump_attackers_order(&mut transaction).await?;
        }
        let identities =
            rollup::where_different(&mut transaction, &identities, self.look.now).await?;
        touched.add(View::Identities, identities);
        projected.note(&touched);
        let found =
            poison::replace(&mut transaction, poison::ATTACKERS, Some(&uuids), &reasons).await?;
        touched.write(&mut transaction).await?;
        transaction.commit().await?;
        projected.poison.extend(found);
        Ok(())
    }

    /// Forgets attackers that are gone; how many.
    async fn removed(&self, projected: &mut Projected) -> Result<i64, StoreError> {
        let mut connection = self.store.read().await?;
        let gone: Vec<String> = query(
            "SELECT p.attacker_uuid FROM corral_projected p
             LEFT JOIN attackers a ON a.uuid = p.attacker_uuid WHERE a.uuid IS NULL",
        )
        .all(&mut connection)
        .await?;
        drop(connection);
        if gone.is_empty() {
            return Ok(0);
        }
        let mut touched = Touched::default();
        touched.add(View::Attackers, gone.iter().map(String::as_str));
        touched.add(View::Features, gone.iter().map(String::as_str));
        projected.note(&touched);
        let mut transaction = self.store.begin_derived().await?;
        for chunk in gone.chunks(KEYS) {
            for sql in [features::FORGET, FORGET_DIGESTS] {
                query(sql).bind(json(chunk)).execute(&mut transaction).await?;
            }
        }
        let none = BTreeMap::new();
        poison::replace(&mut transaction, poison::ATTACKERS, Some(&gone), &none).await?;
        bump_attackers_order(&mut transaction).await?;
        touched.write(&mut transaction).await?;
        transaction.commit().await?;
        Ok(i64::try_from(gone.len()).unwrap_or(i64::MAX))
    }
}

const FORGET_DIGESTS: Sql = Sql::of(
    "DELETE FROM corral_projected WHERE attacker_uuid IN (SELECT n.uuid FROM {?: uuid key} AS n)",
);
const THERE: Sql = Sql::of(
    "SELECT uuid FROM attacker_identities WHERE uuid IN (SELECT n.uuid FROM {?: uuid key} AS n)",
);
const KNOWN: Sql = Sql::of(
    "SELECT attacker_uuid, first_seen, digest FROM corral_projected
     WHERE attacker_uuid IN (SELECT n.uuid FROM {?: uuid key} AS n)",
);
/// The beginning of what is looked at again.
pub(super) fn before(latest: &str) -> String {
    let Some(latest) = parse_datetime(latest) else { return String::new() };
    let slack = i64::try_from(SLACK.as_micros()).unwrap_or(0);
    datetime(Timestamp(latest.micros().saturating_sub(slack)))
}

/// Those of these identities that are there.
async fn there(
    connection: &mut Connection,
    identities: &BTreeSet<String>,
) -> Result<BTreeSet<String>, StoreError> {
    let identities: Vec<&String> = identities.iter().collect();
    let mut there = BTreeSet::new();
    for chunk in identities.chunks(KEYS) {
        let uuids: Vec<String> = query(THERE).bind(json(chunk)).all(&mut *connection).await?;
        there.extend(uuids);
    }
    Ok(there)
}

/// First sight and digest of those that are known.
async fn known(
    connection: &mut Connection,
    uuids: &[String],
) -> Result<HashMap<String, (i64, i64)>, StoreError> {
    let mut known = HashMap::new();
    for chunk in uuids.chunks(KEYS) {
        let rows: Vec<(String, i64, i64)> =
            query(KNOWN).bind(json(chunk)).all(&mut *connection).await?;
        known.extend(rows.into_iter().map(|(uuid, seen, digest)| (uuid, (seen, digest))));
    }
    Ok(known)
}

async fn write_digests(connection: &mut Connection, changed: &[Changed]) -> Result<(), StoreError> {
    for chunk in changed.chunks(KEYS) {
        let uuids: Vec<&String> = chunk.iter().map(|changed| &changed.row.uuid).collect();
        query(FORGET_DIGESTS).bind(json(&uuids)).execute(&mut *connection).await?;
    }
    rows::write(connection, DIGEST, changed, |values, changed| {
        values.bind(changed.row.uuid.clone()).bind(changed.first_seen).bind(changed.digest)
    })
    .await?;
    Ok(())
}

const DIGEST: Statement = Statement {
    head: "INSERT INTO corral_projected (attacker_uuid, first_seen, digest) VALUES ",
    row: "(?, ?, ?)",
    tail: "",
};
