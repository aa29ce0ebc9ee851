//! Rows as the database gives them: each value as what it is.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use sqlx::mysql::MySqlRow;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Column, Row as _};

use super::from_row::from_row;
use super::{mysql, postgres, sqlite};
use crate::store::StoreError;

/// A row.
#[derive(Debug)]
pub(in crate::store) enum Row {
    /// Of a file.
    Sqlite(SqliteRow),
    /// Of MariaDB or MySQL.
    MySql(MySqlRow),
    /// Of PostgreSQL.
    Postgres(PgRow),
}

/// A value of a row. A time of DECNET's is the text that SQLite has for it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::store) enum Cell<'r> {
    /// Absent.
    Null,
    /// A number, or whether.
    Int(i64),
    /// A measure.
    Float(f64),
    /// A text.
    Text(Cow<'r, str>),
    /// Bytes.
    Blob(&'r [u8]),
}

impl Row {
    /// What it says, as a struct (by name), a tuple (by place), or one value.
    ///
    /// # Errors
    /// [`StoreError::Row`].
    pub(in crate::store) fn read<T: DeserializeOwned>(&self) -> Result<T, StoreError> {
        from_row(self)
    }

    /// How many values it has.
    pub(in crate::store) fn len(&self) -> usize {
        match self {
            Self::Sqlite(row) => row.len(),
            Self::MySql(row) => row.len(),
            Self::Postgres(row) => row.len(),
        }
    }

    /// The name of a column; empty if there is none such.
    pub(in crate::store) fn name(&self, at: usize) -> &str {
        let name = match self {
            Self::Sqlite(row) => row.columns().get(at).map(Column::name),
            Self::MySql(row) => row.columns().get(at).map(Column::name),
            Self::Postgres(row) => row.columns().get(at).map(Column::name),
        };
        name.unwrap_or_default()
    }

    /// A value by its place.
    ///
    /// # Errors
    /// [`StoreError::Database`] if there is none such, or if it is of a type that we have no use for.
    pub(in crate::store) fn cell(&self, at: usize) -> Result<Cell<'_>, StoreError> {
        Ok(match self {
            Self::Sqlite(row) => sqlite::cell(row, at)?,
            Self::MySql(row) => mysql::cell(row, at)?,
            Self::Postgres(row) => postgres::cell(row, at)?,
        })
    }
}

/// A value of a type that we have no use for.
pub(super) fn foreign(at: usize, kind: &str) -> sqlx::Error {
    sqlx::Error::ColumnDecode {
        index: at.to_string(),
        source: format!("a column of the type {kind} is none of ours").into(),
    }
}
