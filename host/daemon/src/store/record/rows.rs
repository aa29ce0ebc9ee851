//! Many rows in one statement.
//!
//! A statement costs about ten microseconds on its way to the database, whatever it does; a row costs
//! a few. So rows go in chunks of few fixed sizes, whose statements stay prepared, and the values of
//! the next chunk are gathered while the database works on this one.

use crate::store::StoreError;
use crate::store::db::{Connection, Dialect, Query, Sql, query};
use futures_util::future;

/// Rows in one statement, largest first. With 17 columns, the widest table, 256 rows have 4,352
/// variables; SQLite allows 32,766.
const CHUNKS: [usize; 5] = [256, 64, 16, 4, 1];

/// Writes `items` in chunks, a row each, and says how many rows that changed.
pub(in crate::store) async fn write<T>(
    connection: &mut Connection,
    statement: Statement,
    items: &[T],
    bind: impl Fn(Query, &T) -> Query,
) -> Result<u64, StoreError> {
    let dialect = connection.dialect().clone();
    let prepare =
        |chunk: &[T]| chunk.iter().fold(query(statement.sql(chunk.len(), &dialect)), &bind);
    let mut chunks = chunks(items);
    let mut next = chunks.next().map(prepare);
    let mut changed = 0;
    while let Some(values) = next.take() {
        let execute = values.execute(&mut *connection);
        let (result, prepared) = future::join(execute, async { chunks.next().map(prepare) }).await;
        changed += result?;
        next = prepared;
    }
    Ok(changed)
}

/// A statement about `VALUES`.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Statement {
    /// What stands before the rows.
    pub(in crate::store) head: &'static str,
    /// One row, e.g. `(?, ?)`.
    pub(in crate::store) row: &'static str,
    /// What stands behind the rows.
    pub(in crate::store) tail: &'static str,
}

impl Statement {
    /// The statement for so many rows. What it says is looked at once, not for each row, where rows are the
    /// same in the database's own words.
    pub(super) fn sql(&self, rows: usize, dialect: &Dialect) -> String {
        let (head, tail) = match dialect {
            Dialect::Sqlite => (Sql::of(self.head).text(dialect), Sql::of(self.tail).text(dialect)),
            _ => (self.head.into(), self.tail.into()),
        };
        let mut sql = String::with_capacity(head.len() + tail.len() + (self.row.len() + 1) * rows);
        sql.push_str(&head);
        for at in 0..rows {
            if at > 0 {
                sql.push(',');
            }
            sql.push_str(self.row);
        }
        sql.push_str(&tail);
        sql
    }
}

/// `items` in chunks of the fixed sizes.
pub(super) fn chunks<T>(items: &[T]) -> impl Iterator<Item = &[T]> {
    let mut rest = items;
    std::iter::from_fn(move || {
        let size = CHUNKS.into_iter().find(|size| *size <= rest.len())?;
        let (chunk, after) = rest.split_at_checked(size)?;
        rest = after;
        Some(chunk)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_all_items_in_order_in_fixed_sizes() {
        let items: Vec<usize> = (0..600).collect();
        let sizes: Vec<usize> = chunks(&items).map(<[usize]>::len).collect();
        assert_eq!(sizes, [256, 256, 64, 16, 4, 4]);
        assert_eq!(chunks(&items).flatten().copied().collect::<Vec<_>>(), items);
        assert_eq!(chunks::<u8>(&[]).count(), 0);
    }

    #[test]
    fn a_statement_repeats_its_row() {
        let statement =
            Statement { head: "INSERT INTO t VALUES ", row: "(?, ?)", tail: " RETURNING 1" };
        assert_eq!(
            statement.sql(2, &Dialect::Sqlite),
            "INSERT INTO t VALUES (?, ?),(?, ?) RETURNING 1"
        );
    }
}
