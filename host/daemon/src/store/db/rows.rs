//! Many rows in few statements: each takes its rows as one JSON list (see [`super::dialect`]).

use futures_util::future;
use serde::Serialize;

use super::{Connection, Sql, query};
use crate::store::StoreError;

/// Rows handed to one statement: the text stays within a few megabytes.
pub(in crate::store) const ROWS_PER_STATEMENT: usize = 10_000;

/// Runs `sql` with the rows as `?1` and `now` as `?2`; gives the number of rows that it wrote.
pub(in crate::store) async fn write_rows<R: Serialize + Sync>(
    connection: &mut Connection,
    sql: &Sql,
    rows: &[R],
    now: &str,
) -> Result<u64, StoreError> {
    write_numbered(connection, sql, rows.len(), |at| rows.get(at), now).await
}

/// The same with so many rows, each of which is made when it is its turn: the next list is put together while
/// the database works on one.
pub(in crate::store) async fn write_numbered<R: Serialize>(
    connection: &mut Connection,
    sql: &Sql,
    count: usize,
    row: impl Fn(usize) -> R + Sync,
    now: &str,
) -> Result<u64, StoreError> {
    let list = |from: usize| {
        let mut rows = Rows::default();
        for at in from..count.min(from + ROWS_PER_STATEMENT) {
            rows.push(&row(at))?;
        }
        Ok::<_, StoreError>(rows)
    };
    let (mut from, mut written) = (0, 0);
    let mut rows = list(from)?;
    while !rows.is_empty() {
        from += ROWS_PER_STATEMENT;
        let (result, next) =
            future::join(rows.write(connection, sql, now), async { list(from) }).await;
        written += result?;
        rows = next?;
    }
    Ok(written)
}

/// Rows that are gathered for one statement.
#[derive(Default)]
pub(in crate::store) struct Rows {
    json: Vec<u8>,
    count: usize,
}

impl Rows {
    /// Puts a row behind the others.
    pub(in crate::store) fn push<R: Serialize>(&mut self, row: &R) -> Result<(), StoreError> {
        self.json.push(if self.is_empty() { b'[' } else { b',' });
        self.count += 1;
        serde_json::to_writer(&mut self.json, row).map_err(unwritable)
    }

    /// Whether there are none.
    pub(in crate::store) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether there are as many as a statement takes.
    pub(in crate::store) fn is_full(&self) -> bool {
        self.count >= ROWS_PER_STATEMENT
    }

    /// Runs `sql` with the rows as `?1` and `now` as `?2`; gives the number of rows that it wrote.
    pub(in crate::store) async fn write(
        mut self,
        connection: &mut Connection,
        sql: &Sql,
        now: &str,
    ) -> Result<u64, StoreError> {
        if self.is_empty() {
            return Ok(0);
        }
        self.json.push(b']');
        let json = String::from_utf8(self.json).map_err(unwritable)?;
        query(sql.clone()).bind(json).bind(now).execute(connection).await
    }
}

/// Every row of ours can be JSON.
fn unwritable(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    sqlx::Error::Encode(Box::new(error)).into()
}
