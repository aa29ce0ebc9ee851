//! A whole table of SQLite's, some thousands of rows a time.
//!
//! On its way from the driver's thread to ours, each row wakes somebody up, which costs more than the row. So the
//! database packs many into one text: those between two values of what the rows lie by, which is an index, so
//! that nothing is gone over twice.

use std::fmt;

use corral_kernels::{Frame, Interner};
use futures_util::future;
use serde::de::{Deserializer, SeqAccess, Visitor};

use super::scan::{Builder, Cells, Coder, Selected, expressions, not_as_scanned};
use super::shape::{By, Pages};
use crate::store::StoreError;
use crate::store::db::{Cell, Connection, Query, Sql, Value, query};

/// Rows that SQLite packs into one text.
const ROWS_PER_PAGE: usize = 4_096;

/// Reads the `columns` of all rows of a table of SQLite's, in the order in which they lie. One page is read into
/// the columns while the database packs the next.
pub(super) async fn pages(
    connection: &mut Connection,
    texts: &Interner,
    pages: &Pages,
    columns: &[Selected],
) -> Result<Frame, StoreError> {
    let Pages { table, only, .. } = pages;
    let (by, lowest): (_, Value) = match pages.by {
        By::Number(column) => (column, i64::MIN.into()),
        By::Text(column) => (column, "".into()),
    };
    let json = expressions(columns, true);
    // Whatever it is compared with, a blob is the greater.
    let next = Sql::from(format!(
        "SELECT json_group_array({json}), MAX({by}) FROM {table} WHERE {only} AND {by} > ? AND {by} <= IFNULL(
             (SELECT {by} FROM {table} WHERE {only} AND {by} > ?1 ORDER BY {by} LIMIT 1 OFFSET {}), x'')",
        ROWS_PER_PAGE - 1
    ));
    let mut builders: Vec<Builder> =
        columns.iter().map(|(_, kind, _)| Builder::new(*kind)).collect();
    let mut texts = Coder::of(texts);
    let mut page = Page::read(query(next.clone()).bind(lowest), connection).await?;
    while let Some(last) = page.last.take() {
        let reading = Page::read(query(next.clone()).bind(last), connection);
        let unpacking = async { unpack(&page.json, &mut builders, &mut texts) };
        let (following, unpacked) = future::join(reading, unpacking).await;
        unpacked?;
        page = following?;
    }
    let columns = columns.iter().map(|(name, ..)| *name);
    let columns: Vec<_> = columns.zip(builders.into_iter().map(Builder::finish)).collect();
    let count = columns.first().map_or(0, |(_, column)| column.len());
    Frame::new(count, columns).map_err(not_as_scanned)
}

/// Some rows in one text.
#[derive(Default)]
struct Page {
    json: String,
    /// What the last of them lies by; nothing if there are no rows.
    last: Option<Value>,
}

impl Page {
    async fn read(query: Query, connection: &mut Connection) -> Result<Self, StoreError> {
        let mut page = Self::default();
        query
            .each(connection, |row| {
                page.last = match row.cell(1)? {
                    Cell::Int(number) => Some(number.into()),
                    Cell::Text(text) => Some(text.into()),
                    _ => None,
                };
                if let Cell::Text(json) = row.cell(0)? {
                    page.json = json.into_owned();
                }
                Ok(())
            })
            .await?;
        Ok(page)
    }
}

/// Reads packed rows into the columns.
fn unpack(json: &str, builders: &mut [Builder], texts: &mut Coder<'_>) -> Result<(), StoreError> {
    let mut json = serde_json::Deserializer::from_str(json);
    match (&mut json).deserialize_seq(Packed { builders, texts }) {
        Ok(()) => Ok(()),
        Err(error) => Err(texts.failed(&error)),
    }
}

/// Reads rows into the columns.
struct Packed<'a, 't> {
    builders: &'a mut [Builder],
    texts: &'a mut Coder<'t>,
}

impl<'de> Visitor<'de> for Packed<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        let Self { builders, texts } = self;
        loop {
            let row = Cells { builders: &mut *builders, texts: &mut *texts };
            if rows.next_element_seed(row)?.is_none() {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::db::sqlite;
    use crate::store::snapshot::scan::Kind;

    #[tokio::test]
    async fn every_row_comes_once_wherever_pages_end() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("corral.db").display());
        let options = sqlite::options(&url, Duration::from_secs(5)).unwrap();
        let pools = sqlite::pools(options, 1, Duration::from_secs(5));
        let mut connection = pools.writer.acquire().await.unwrap();
        let create = "CREATE TABLE t (k TEXT, n INTEGER, PRIMARY KEY (k, n)) WITHOUT ROWID";
        query(create).execute(&mut connection).await.unwrap();
        // More rows that do not count than a page has, before and between.
        query(
            "WITH RECURSIVE r (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM r WHERE n < 10000)
             INSERT INTO t SELECT k, -n FROM r, (SELECT '!' AS k UNION ALL SELECT '2-5')",
        )
        .execute(&mut connection)
        .await
        .unwrap();
        let texts = Interner::new(1 << 20);
        let columns = [("k", Kind::Text, "k"), ("n", Kind::Int64, "n")];
        let whole = Pages { table: "t", by: By::Text("k"), only: "n >= 0" };
        // Keys of one row, keys of several, and one that no page holds.
        let per_key = [1, 3, 2 * ROWS_PER_PAGE];
        let mut expected = 0;
        for (round, rows) in [0, 10, ROWS_PER_PAGE - 14, ROWS_PER_PAGE].into_iter().enumerate() {
            query(
                "WITH RECURSIVE r (n) AS (VALUES (0) UNION ALL SELECT n + 1 FROM r WHERE n < ?1 - 1)
                 INSERT INTO t SELECT printf('%d-%08d', ?3, n / ?2), n FROM r WHERE ?1 > 0",
            )
            .bind(i64::try_from(rows).unwrap())
            .bind(i64::try_from(per_key[round % 3]).unwrap())
            .bind(i64::try_from(round).unwrap())
            .execute(&mut connection)
            .await
            .unwrap();
            expected += rows;
            let frame = pages(&mut connection, &texts, &whole, &columns).await.unwrap();
            let codes = frame.text("k").unwrap();
            let rows = texts.texts(codes);
            let rows: Vec<(&str, i64)> =
                rows.iter().zip(frame.int64("n").unwrap().iter().copied()).collect();
            assert_eq!(rows.len(), expected, "{round}");
            assert!(rows.is_sorted() && rows.windows(2).all(|pair| pair[0] != pair[1]), "{round}");
        }
    }
}
