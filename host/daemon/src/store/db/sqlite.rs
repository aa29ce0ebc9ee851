//! SQLite: how it is opened, what it takes and what it gives.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqliteRow, SqliteSynchronous,
};
use sqlx::{Arguments, Decode, Row, Sqlite, TypeInfo, ValueRef};

use super::row::{Cell, foreign};
use super::value::{Text, Value};
use super::{Pool, pool_options};

/// Pools that open the same file when they are first asked.
pub(in crate::store) struct Pools {
    pub(in crate::store) readers: Pool,
    pub(in crate::store) writer: Pool,
    pub(in crate::store) bulk: Pool,
}

/// How the file that a URL names is opened; the reason if it cannot be.
pub(in crate::store) fn options(url: &str, busy: Duration) -> Result<SqliteConnectOptions, String> {
    let options = SqliteConnectOptions::from_str(url)
        .map_err(|error| error.to_string())?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(busy)
        .pragma("cache_size", "-16384")
        .pragma("temp_store", "memory")
        .row_buffer_size(1024)
        .statement_cache_capacity(256);
    if options.get_filename() == Path::new(":memory:") || url.contains("mode=memory") {
        return Err("a database in memory has no second connection".to_owned());
    }
    Ok(options)
}

/// Pages of the log from which on a commit copies them into place itself: 64 megabytes. Before that, whoever
/// has nothing better to do does it: see `Store::tidy`.
const LOG_PAGES_MAX: &str = "16384";

/// Pools for readers, for the one writer, and for one that writes in bulk: with room for the pages that
/// one transaction changes, and a longer log before its pages are copied into place, where each is
/// copied but once. It checks no foreign keys: all its rows refer to rows of the same transaction, and
/// looking each up takes a quarter of the time.
pub(in crate::store) fn pools(
    options: SqliteConnectOptions,
    readers: u32,
    busy: Duration,
) -> Pools {
    let pool = |connections, options| {
        Pool::Sqlite(pool_options(connections, busy).connect_lazy_with(options))
    };
    let bulk = options
        .clone()
        .foreign_keys(false)
        .pragma("cache_size", "-49152")
        .pragma("wal_autocheckpoint", "32768");
    Pools {
        readers: pool(readers, options.clone().read_only(true)),
        writer: pool(1, options.pragma("wal_autocheckpoint", LOG_PAGES_MAX)),
        bulk: pool(1, bulk),
    }
}

/// The values as SQLite takes them.
pub(super) fn arguments(values: Vec<Value>) -> Result<SqliteArguments, sqlx::Error> {
    let mut arguments = SqliteArguments::default();
    arguments.reserve(values.len(), 0);
    for value in values {
        let added = match value {
            Value::Text(Some(Text::Static(text))) => arguments.add(text),
            Value::Text(Some(Text::Shared(text))) => arguments.add(text),
            Value::Text(Some(Text::Owned(text))) => arguments.add(text),
            Value::Text(None) => arguments.add(None::<&str>),
            Value::Int(number) => arguments.add(number),
            Value::Float(measure) => arguments.add(measure),
            Value::Blob(bytes) => arguments.add(bytes),
        };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

/// A value as SQLite gives it: by what it is, whatever its column was declared as.
pub(super) fn cell(row: &SqliteRow, at: usize) -> Result<Cell<'_>, sqlx::Error> {
    let value = row.try_get_raw(at)?;
    if value.is_null() {
        return Ok(Cell::Null);
    }
    let kind = value.type_info();
    let cell = match kind.name() {
        "TEXT" | "VARCHAR" | "DATETIME" | "DATE" | "TIME" => {
            <&str as Decode<Sqlite>>::decode(value).map(|text| Cell::Text(text.into()))
        }
        "INTEGER" | "BOOLEAN" => <i64 as Decode<Sqlite>>::decode(value).map(Cell::Int),
        "REAL" | "FLOAT" => <f64 as Decode<Sqlite>>::decode(value).map(Cell::Float),
        "BLOB" => <&[u8] as Decode<Sqlite>>::decode(value).map(Cell::Blob),
        other => return Err(foreign(at, other)),
    };
    cell.map_err(|source| sqlx::Error::ColumnDecode { index: at.to_string(), source })
}
