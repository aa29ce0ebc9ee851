//! Statements: a text with values, run on whatever connection there is.

use std::borrow::Cow;

use futures_util::TryStreamExt;
use serde::de::DeserializeOwned;
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use super::dialect::{Dialect, Rendered, Sql};
use super::{Connection, Row, Value, mysql, postgres, sqlite};
use crate::store::StoreError;

/// A statement and the values of its placeholders.
#[derive(Debug)]
#[must_use = "a statement does nothing until it is run"]
pub(in crate::store) struct Query {
    sql: Sql,
    values: Vec<Value>,
}

/// A statement in these words.
pub(in crate::store) fn query(sql: impl Into<Sql>) -> Query {
    Query { sql: sql.into(), values: Vec::new() }
}

/// The statement and its values as the native database wants them.
macro_rules! native {
    ($query:ident, $native:ident, $dialect:expr) => {{
        let (text, values) = $query.render($dialect);
        sqlx::query_with(safe(text), $native::arguments(values)?)
    }};
}

impl Query {
    /// Binds the next value.
    pub(in crate::store) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    fn render(self, dialect: &Dialect) -> (Cow<'static, str>, Vec<Value>) {
        let Rendered { text, order } = self.sql.render(dialect);
        if order.is_empty() || order.iter().copied().eq(0..self.values.len()) {
            return (text, self.values);
        }
        (text, order.iter().filter_map(|at| self.values.get(*at).cloned()).collect())
    }

    /// Runs it; gives the number of rows that it wrote.
    pub(in crate::store) async fn execute(
        self,
        connection: &mut Connection,
    ) -> Result<u64, StoreError> {
        Ok(match connection {
            Connection::Sqlite(held) => {
                native!(self, sqlite, &Dialect::Sqlite).execute(&mut **held).await?.rows_affected()
            }
            Connection::MySql(held, dialect) => {
                native!(self, mysql, dialect).execute(&mut **held).await?.rows_affected()
            }
            Connection::Postgres(held) => native!(self, postgres, &Dialect::Postgres)
                .execute(&mut **held)
                .await?
                .rows_affected(),
        })
    }

    /// Runs it and hands each row over as it comes.
    pub(in crate::store) async fn each(
        self,
        connection: &mut Connection,
        mut take: impl FnMut(&Row) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        match connection {
            Connection::Sqlite(held) => {
                let mut rows = native!(self, sqlite, &Dialect::Sqlite).fetch(&mut **held);
                while let Some(row) = rows.try_next().await? {
                    take(&Row::Sqlite(row))?;
                }
            }
            Connection::MySql(held, dialect) => {
                let mut rows = native!(self, mysql, dialect).fetch(&mut **held);
                while let Some(row) = rows.try_next().await? {
                    take(&Row::MySql(row))?;
                }
            }
            Connection::Postgres(held) => {
                let mut rows = native!(self, postgres, &Dialect::Postgres).fetch(&mut **held);
                while let Some(row) = rows.try_next().await? {
                    take(&Row::Postgres(row))?;
                }
            }
        }
        Ok(())
    }

    /// Runs it and gives all rows.
    pub(in crate::store) async fn all<T: DeserializeOwned>(
        self,
        connection: &mut Connection,
    ) -> Result<Vec<T>, StoreError> {
        let mut all = Vec::new();
        self.each(connection, |row| {
            all.push(row.read()?);
            Ok(())
        })
        .await?;
        Ok(all)
    }

    /// Runs it and gives the first row, if there is one.
    pub(in crate::store) async fn optional<T: DeserializeOwned>(
        self,
        connection: &mut Connection,
    ) -> Result<Option<T>, StoreError> {
        let mut first = None;
        self.each(connection, |row| {
            if first.is_none() {
                first = Some(row.read()?);
            }
            Ok(())
        })
        .await?;
        Ok(first)
    }

    /// Runs it and gives the first row.
    ///
    /// # Errors
    /// [`StoreError::Database`] if there is none, beside others.
    pub(in crate::store) async fn one<T: DeserializeOwned>(
        self,
        connection: &mut Connection,
    ) -> Result<T, StoreError> {
        self.optional(connection).await?.ok_or_else(|| sqlx::Error::RowNotFound.into())
    }
}

/// The text is ours: nobody's values stand in it.
fn safe(text: Cow<'static, str>) -> SqlStr {
    match text {
        Cow::Borrowed(text) => SqlStr::from_static(text),
        Cow::Owned(text) => AssertSqlSafe(text).into_sql_str(),
    }
}
