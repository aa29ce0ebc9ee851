//! Rows that make no sense: each named once in the log, and kept until it makes sense.

use std::collections::BTreeMap;

use super::KEYS;
use crate::store::StoreError;
use crate::store::db::{Connection, Sql, query};

/// Attackers.
pub(super) const ATTACKERS: &str = "attackers";
/// Identities.
pub(super) const IDENTITIES: &str = "attacker_identities";

const FORGET: Sql = Sql::of(
    "DELETE FROM corral_poison WHERE source = ? AND name IN (SELECT n.name FROM {?: name text} AS n)",
);

/// A row that makes no sense. It gives nothing, and everything else goes on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Poison {
    /// The table.
    pub table: String,
    /// The row's key.
    pub row: String,
    /// What is wrong with it.
    pub reason: String,
}

/// All that are known.
pub(super) async fn all(connection: &mut Connection) -> Result<Vec<Poison>, StoreError> {
    let rows: Vec<(String, String, String)> =
        query("SELECT source, name, reason FROM corral_poison ORDER BY source, name")
            .all(connection)
            .await?;
    Ok(rows.into_iter().map(|(table, row, reason)| Poison { table, row, reason }).collect())
}

/// Says what is wrong with rows of a table: with those `among` some, or with all; gives what is new, which is
/// also told in the log.
pub(super) async fn replace(
    connection: &mut Connection,
    table: &str,
    among: Option<&[String]>,
    reasons: &BTreeMap<String, String>,
) -> Result<Vec<Poison>, StoreError> {
    let mut known = BTreeMap::new();
    for poison in all(connection).await?.into_iter().filter(|poison| poison.table == table) {
        known.insert(poison.row, poison.reason);
    }
    let stale: Vec<&String> = match among {
        Some(rows) => rows.iter().filter(|row| known.contains_key(*row)).collect(),
        None => known.keys().collect(),
    };
    let stale: Vec<&String> =
        stale.into_iter().filter(|row| reasons.get(*row) != known.get(*row)).collect();
    for chunk in stale.chunks(KEYS) {
        let rows = serde_json::to_string(chunk).unwrap_or_default();
        query(FORGET).bind(table).bind(rows).execute(&mut *connection).await?;
    }
    let mut new = Vec::new();
    for (row, reason) in reasons.iter().filter(|(row, reason)| known.get(*row) != Some(*reason)) {
        query("INSERT INTO corral_poison (source, name, reason) VALUES (?, ?, ?)")
            .bind(table)
            .bind(row)
            .bind(reason)
            .execute(&mut *connection)
            .await?;
        tracing::warn!(table, row, reason, "a row makes no sense; it is left out");
        new.push(Poison { table: table.to_owned(), row: row.clone(), reason: reason.clone() });
    }
    Ok(new)
}
