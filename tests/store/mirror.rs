//! A database of DECNET's gets its rows from DECNET. Here it gets them from a database of Corral's that took the
//! logs: the same rows in the same shape.

use corral::clock::Timestamp;
use corral::store::record::Batch;

use crate::places::{Opened, Place};
use crate::sql::Sql;

/// What copies rows.
pub(crate) struct Mirror {
    source: Opened,
    from: Sql,
    into: Sql,
}

/// Tables that are copied whole; attackers are not, because others refer to them.
const WHOLE: [&str; 7] = [
    "observations",
    "credentials",
    "ttp_tag",
    "corral_feature",
    "corral_contact",
    "corral_session",
    "corral_command",
];

impl Mirror {
    pub(crate) async fn into(url: &str) -> Self {
        let source = Place::Sqlite.open().await.unwrap();
        let from = Sql::connect(&source.url).await;
        Self { source, from, into: Sql::connect(url).await }
    }

    pub(crate) async fn record(&mut self, batch: &Batch, now: Timestamp) {
        self.source.store.record(batch, now).await.unwrap();
        self.copy().await;
    }

    /// Brings the copy up to date.
    pub(crate) async fn copy(&mut self) {
        for table in WHOLE {
            self.into.run(&format!("DELETE FROM {table}")).await;
        }
        let (columns, rows) = self.rows("attackers").await;
        for row in rows {
            let places = || columns.iter().zip(&row).filter(|(name, _)| *name != "identity_id");
            let names: Vec<&str> = places().map(|(name, _)| name.as_str()).collect();
            let values: Vec<&str> = places().map(|(_, value)| value.as_str()).collect();
            let uuid = values[names.iter().position(|name| *name == "uuid").unwrap()];
            let set: Vec<String> =
                places().map(|(name, value)| format!("{name} = {value}")).collect();
            self.into
                .run(&format!(
                    "INSERT INTO attackers ({}) SELECT {} FROM (SELECT 1 AS one) AS d
                     WHERE NOT EXISTS (SELECT 1 FROM attackers WHERE uuid = {uuid})",
                    names.join(", "),
                    values.join(", ")
                ))
                .await;
            self.into
                .run(&format!("UPDATE attackers SET {} WHERE uuid = {uuid}", set.join(", ")))
                .await;
        }
        for table in WHOLE {
            let (columns, rows) = self.rows(table).await;
            let rows: Vec<String> =
                rows.iter().map(|row| format!("({})", row.join(", "))).collect();
            if !rows.is_empty() {
                let columns = columns.join(", ");
                let rows = rows.join(", ");
                self.into.run(&format!("INSERT INTO {table} ({columns}) VALUES {rows}")).await;
            }
        }
        self.into.touch().await;
    }

    /// The names of a table's columns, and its rows as SQL has them.
    async fn rows(&mut self, table: &str) -> (Vec<String>, Vec<Vec<String>>) {
        let columns =
            self.from.texts(&format!("SELECT name FROM pragma_table_info('{table}')")).await;
        let quoted: Vec<String> = columns.iter().map(|column| format!("quote({column})")).collect();
        // A separator that stands in no value.
        let select = quoted.join(" || char(31) || ");
        let rows = self.from.texts(&format!("SELECT {select} FROM {table}")).await;
        let escaped = |value: &str| match self.into {
            Sql::MariaDb(_) => value.replace('\\', "\\\\"),
            _ => value.to_owned(),
        };
        let rows = rows.iter().map(|row| row.split('\u{1f}').map(escaped).collect()).collect();
        (columns, rows)
    }
}
