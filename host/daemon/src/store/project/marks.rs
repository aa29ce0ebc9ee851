//! Where the last look ended: one row of `corral_state`, so that a restart is cheap.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Fingerprints;
use crate::store::StoreError;
use crate::store::db::{Connection, query};

/// Whose row it is: no plugin can have this name.
const OWNER: &str = "@project";
const KEY: &str = "marks";
/// What the projection makes of a row; another number makes every row new.
const VERSION: u32 = 1;

/// What was seen of each table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Marks {
    /// What features were made by.
    pub(super) shapes: Option<String>,
    /// When everything was compared last, in microseconds.
    pub(super) whole_at: i64,
    pub(super) attackers: Option<Mark>,
    pub(super) observations: Option<Mark>,
    pub(super) credentials: Option<Mark>,
    pub(super) tags: Option<Mark>,
    pub(super) identities: Option<Mark>,
    pub(super) campaigns: Option<Mark>,
}

/// What was seen of one table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Mark {
    /// All rows.
    pub(super) count: i64,
    /// The latest time, as the table has it, but not after the look.
    pub(super) latest: String,
    /// Rows of that time and the slack before it.
    pub(super) recent: i64,
    /// A sum over what may change in such rows, or in all.
    pub(super) sum: i64,
    /// The version of the view, for tables that Corral writes too.
    pub(super) revision: u64,
    /// Of such a table the recent rows with their times, unless they are too many.
    pub(super) rows: BTreeMap<String, String>,
}

/// What features are made by.
pub(super) fn shapes(fingerprints: Fingerprints) -> String {
    let name = match fingerprints {
        Fingerprints::Both => "both",
        Fingerprints::Legacy => "legacy",
    };
    format!("{name} {VERSION}")
}

/// The marks; those of a database that nobody looked at yet if there are none, or none that we can read.
pub(super) async fn read(connection: &mut Connection) -> Result<Marks, StoreError> {
    let json: Option<String> =
        query("SELECT value FROM corral_state WHERE plugin = ? AND `key` = ?")
            .bind(OWNER)
            .bind(KEY)
            .optional(connection)
            .await?;
    Ok(json.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default())
}

/// Keeps the marks, in the caller's transaction.
pub(super) async fn write(connection: &mut Connection, marks: &Marks) -> Result<(), StoreError> {
    query("DELETE FROM corral_state WHERE plugin = ? AND `key` = ?")
        .bind(OWNER)
        .bind(KEY)
        .execute(&mut *connection)
        .await?;
    query("INSERT INTO corral_state (plugin, `key`, value) VALUES (?, ?, ?)")
        .bind(OWNER)
        .bind(KEY)
        .bind(serde_json::to_string(marks).unwrap_or_default())
        .execute(connection)
        .await?;
    Ok(())
}
