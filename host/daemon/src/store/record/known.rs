//! What is stored of the attackers of a batch.

use crate::store::db::{Connection, query};
use rustc_hash::FxHashMap;
use serde::de::DeserializeOwned;

use super::Batch;
use super::rows::{self, Statement};
use crate::store::StoreError;

/// How much is stored of those attackers of a batch that are stored, by index into the batch.
pub(super) type Known = FxHashMap<usize, Counts>;

/// How much is stored of an attacker.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) features: i64,
    /// Fingerprints and payloads: what DECNET calls bounty.
    pub(super) bounties: i64,
    pub(super) credentials: i64,
}

/// A question about attackers (`at`, `uuid`). Its answer is one JSON list of rows, each a list that
/// begins with the index into the batch: a row that travels alone takes longer than all its values in
/// one text.
pub(super) const fn about(question: &'static str) -> Statement {
    Statement { head: "WITH attacker (at, uuid) AS (VALUES ", row: "(?, ?)", tail: question }
}

/// Asks about some of the batch's attackers.
pub(super) async fn ask<R: DeserializeOwned>(
    connection: &mut Connection,
    batch: &Batch,
    question: Statement,
    attackers: impl Iterator<Item = usize>,
) -> Result<Vec<R>, StoreError> {
    let attackers: Vec<usize> = attackers.collect();
    let mut answer = Vec::new();
    for chunk in rows::chunks(&attackers) {
        let mut query = query(question.sql(chunk.len(), connection.dialect()));
        for at in chunk {
            query = query.bind(i64::try_from(*at).unwrap_or(i64::MAX)).bind(batch.attacker_id(*at));
        }
        let json: String = query.one(&mut *connection).await?;
        let rows: Vec<R> = serde_json::from_str(&json).map_err(|error| StoreError::Corrupt {
            table: "attackers",
            row: chunk.first().map(|at| batch.attacker_id(*at).to_string()).unwrap_or_default(),
            reason: format!("what is stored of it or one of the next: {error}"),
        })?;
        answer.extend(rows);
    }
    Ok(answer)
}

/// Which attackers of the batch are stored, and how much of them.
pub(super) async fn load(connection: &mut Connection, batch: &Batch) -> Result<Known, StoreError> {
    const STORED: Statement =
        about(") SELECT {each at} FROM attacker CROSS JOIN attackers a ON a.uuid = attacker.uuid");
    let stored: Vec<usize> = ask(connection, batch, STORED, 0..batch.attackers.len()).await?;
    count(connection, batch, stored.into_iter()).await
}

/// How much is stored of some attackers.
pub(super) async fn count(
    connection: &mut Connection,
    batch: &Batch,
    attackers: impl Iterator<Item = usize>,
) -> Result<Known, StoreError> {
    const COUNTS: Statement = about(
        ") SELECT {list at, \
         (SELECT COUNT(*) FROM corral_feature f WHERE f.attacker_uuid = attacker.uuid), \
         (SELECT COUNT(*) FROM corral_feature f WHERE f.attacker_uuid = attacker.uuid \
          AND f.kind IN ('hassh', 'ja3', 'ja4', 'ja4h', 'payload-sha256')), \
         (SELECT COUNT(*) FROM credentials c WHERE c.attacker_uuid = attacker.uuid)} FROM attacker",
    );
    let rows: Vec<(usize, i64, i64, i64)> = ask(connection, batch, COUNTS, attackers).await?;
    let counts = rows.into_iter().map(|(at, features, bounties, credentials)| {
        (at, Counts { features, bounties, credentials })
    });
    Ok(counts.collect())
}
