//! A plugin's own rows, written by key, only where they are new or differ.

use corral_kernels::{Frame, Interner};
use serde_json::json;
use sqlx::SqliteConnection;

use super::{CommitError, Committer, Effects, View, whole_column, write_rows};
use crate::store::encoding::datetime;

/// A plugin's own rows: `key`, `value`; an absent value takes the row away.
pub(super) async fn put(
    connection: &mut SqliteConnection,
    texts: &Interner,
    rows: &Frame,
    by: Committer<'_>,
    effects: &mut Effects,
) -> Result<(), CommitError> {
    let values = rows.text("value")?;
    let present = |at: usize| values.get(at).is_some_and(|code| *code != corral_kernels::ABSENT);
    let text = |name: &str| whole_column(texts, rows, name);
    let pairs = text("key")?.into_iter().zip(text("value")?);
    let (kept, gone): (Vec<_>, Vec<_>) = pairs.enumerate().partition(|(at, _)| present(*at));
    let kept: Vec<_> =
        kept.into_iter().map(|(_, (key, value))| json!([by.plugin, key, value])).collect();
    let gone: Vec<_> = gone.into_iter().map(|(_, (key, _))| json!([by.plugin, key])).collect();
    let now = datetime(by.now);
    let written = write_rows(connection, PUT, &kept, &now).await?
        + write_rows(connection, DROP, &gone, &now).await?;
    if written > 0 {
        effects.committed.put += usize::try_from(written).unwrap_or(usize::MAX);
        effects.touched.add_unlisted(View::State);
    }
    Ok(())
}

const PUT: &str = "INSERT INTO corral_state (plugin, key, value)
     SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?1) WHERE ?2 <> ''
     ON CONFLICT (plugin, key) DO UPDATE SET value = excluded.value WHERE value <> excluded.value";
const DROP: &str = "DELETE FROM corral_state WHERE (plugin, key) IN
     (SELECT value ->> 0, value ->> 1 FROM json_each(?1)) AND ?2 <> ''";
