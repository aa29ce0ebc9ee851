//! PostgreSQL: how it is reached, what it takes and what it gives.

use std::borrow::Cow;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgConnectOptions, PgRow};
use sqlx::{Arguments, Decode, Postgres, Row, TypeInfo, ValueRef};

use super::row::{Cell, foreign};
use super::value::Value;
use super::{Pool, pool_options};

/// How the server that a URL names is reached; the reason if the URL is none.
pub(in crate::store) fn options(url: &str) -> Result<PgConnectOptions, String> {
    PgConnectOptions::from_str(url)
        .map(|options| options.application_name("corral"))
        .map_err(|error| error.to_string())
}

/// A pool of so many connections, made when they are needed.
pub(in crate::store) fn pool(
    options: &PgConnectOptions,
    connections: u32,
    patience: Duration,
) -> Pool {
    // Whoever waits for a lock waits no longer than for a connection.
    let wait = format!("{}ms", patience.as_millis().max(1));
    let options = options.clone().options([("lock_timeout", wait)]);
    Pool::Postgres(pool_options::<Postgres>(connections, patience).connect_lazy_with(options))
}

/// The values as the server takes them.
pub(super) fn arguments(values: Vec<Value>) -> Result<PgArguments, sqlx::Error> {
    let mut arguments = PgArguments::default();
    for value in values {
        let added = match value {
            Value::Text(text) => {
                arguments.add(text.as_ref().map(|text| without_nul(text.as_str())))
            }
            Value::Int(number) => arguments.add(number),
            Value::Float(measure) => arguments.add(measure),
            Value::Blob(bytes) => arguments.add(bytes),
        };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

/// The server has no place for the character NUL, which attackers send; the replacement character takes it.
fn without_nul(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}

/// A value as the server gives it.
pub(super) fn cell(row: &PgRow, at: usize) -> Result<Cell<'_>, sqlx::Error> {
    let value = row.try_get_raw(at)?;
    if value.is_null() {
        return Ok(Cell::Null);
    }
    let kind = value.type_info().into_owned();
    let cell = match kind.name() {
        "INT8" => <i64 as Decode<Postgres>>::decode(value).map(Cell::Int),
        "INT4" => <i32 as Decode<Postgres>>::decode(value).map(|n| Cell::Int(n.into())),
        "INT2" => <i16 as Decode<Postgres>>::decode(value).map(|n| Cell::Int(n.into())),
        "BOOL" => <bool as Decode<Postgres>>::decode(value).map(|n| Cell::Int(n.into())),
        "FLOAT8" => <f64 as Decode<Postgres>>::decode(value).map(Cell::Float),
        "FLOAT4" => <f32 as Decode<Postgres>>::decode(value).map(|n| Cell::Float(n.into())),
        "TEXT" | "VARCHAR" | "NAME" | "CHAR" | "UNKNOWN" => {
            <&str as Decode<Postgres>>::decode(value).map(|text| Cell::Text(text.into()))
        }
        "BYTEA" => <&[u8] as Decode<Postgres>>::decode(value).map(Cell::Blob),
        other => return Err(foreign(at, other)),
    };
    cell.map_err(|source| sqlx::Error::ColumnDecode { index: at.to_string(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_keeps_everything_but_nul() {
        assert_eq!(without_nul("pässword"), "pässword");
        assert_eq!(without_nul("a\0b"), "a\u{fffd}b");
    }
}
