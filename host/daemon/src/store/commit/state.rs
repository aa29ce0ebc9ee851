//! A plugin's own rows, written by key, only where they are new or differ.

use std::collections::HashMap;

use crate::store::db::{Connection, Sql, query, write_rows};
use corral_kernels::{Frame, Interner};
use serde_json::json;

use super::{CommitError, Committer, Effects, View, whole_column};

/// A plugin's own rows: `key`, `value`; an absent value takes the row away.
pub(super) async fn put(
    connection: &mut Connection,
    texts: &Interner,
    rows: &Frame,
    by: Committer<'_>,
    effects: &mut Effects,
) -> Result<(), CommitError> {
    let values = rows.text("value")?;
    let present = |at: usize| values.get(at).is_some_and(|code| *code != corral_kernels::ABSENT);
    let text = |name: &str| whole_column(texts, rows, name);
    let pairs: Vec<(String, String)> = text("key")?.into_iter().zip(text("value")?).collect();
    let keys: Vec<&str> = pairs.iter().map(|(key, _)| key.as_str()).collect();
    let stored: HashMap<String, String> = query(STORED)
        .bind(serde_json::to_string(&keys).unwrap_or_default())
        .bind(by.plugin)
        .all::<(String, String)>(connection)
        .await?
        .into_iter()
        .collect();
    let (mut kept, mut gone) = (Vec::new(), Vec::new());
    for (at, (key, value)) in pairs.iter().enumerate() {
        match stored.get(key) {
            before if present(at) && before != Some(value) => {
                kept.push(json!([by.plugin, key, value]));
            }
            Some(_) if !present(at) => gone.push(json!([by.plugin, key])),
            _ => {}
        }
    }
    let now = connection.datetime(by.now);
    write_rows(connection, &PUT, &kept, &now).await?;
    write_rows(connection, &DROP, &gone, &now).await?;
    if !kept.is_empty() || !gone.is_empty() {
        effects.committed.put += kept.len() + gone.len();
        effects.touched.add_unlisted(View::State);
    }
    Ok(())
}

const STORED: Sql = Sql::of(
    "SELECT s.`key`, s.value FROM {?1: name text} AS n
     CROSS JOIN corral_state s ON s.plugin = ?2 AND s.`key` = n.name",
);
const PUT: Sql = Sql::of(
    "INSERT INTO corral_state (plugin, `key`, value)
     SELECT n.plugin, n.name, n.value FROM {?1: plugin text, name text, value text} AS n WHERE ?2 <> ''
     ON CONFLICT (plugin, `key`) DO UPDATE SET value = excluded.value",
);
const DROP: Sql = Sql::of(
    "DELETE FROM corral_state WHERE (plugin, `key`) IN
     (SELECT n.plugin, n.name FROM {?1: plugin text, name text} AS n) AND ?2 <> ''",
)
.mariadb(
    "DELETE s FROM {?1: plugin text, name text} AS n
     CROSS JOIN corral_state s ON s.plugin = n.plugin AND s.`key` = n.name WHERE ?2 <> ''",
);
