//! MariaDB and MySQL: how they are reached, what they take and what they give.

use std::str::FromStr;
use std::time::Duration;

use sqlx::mysql::{MySqlArguments, MySqlConnectOptions, MySqlRow};
use sqlx::{Arguments, AssertSqlSafe, Decode, Executor, MySql, Row, Type, TypeInfo, ValueRef};

use super::dialect::Dialect;
use super::row::{Cell, foreign};
use super::value::Value;
use super::{Begin, Pool, pool_options};

/// How a session is set up. What a writing transaction reads is what is committed, not what was when it began:
/// guards must see the newest. A reading one sees one moment, which this server has on that level only.
fn session(what_for: Begin) -> &'static str {
    match what_for {
        Begin::Moment => "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        Begin::Write => "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    }
}

/// How the server that a URL names is reached; the reason if the URL is none.
pub(in crate::store) fn options(url: &str) -> Result<MySqlConnectOptions, String> {
    MySqlConnectOptions::from_str(url).map_err(|error| error.to_string())
}

/// A pool of so many connections, made when they are needed.
pub(in crate::store) fn pool(
    options: &MySqlConnectOptions,
    dialect: Dialect,
    (connections, what_for): (u32, Begin),
    patience: Duration,
) -> Pool {
    // Whoever waits for a lock waits no longer than for a connection.
    let wait = format!("SET SESSION innodb_lock_wait_timeout = {}", patience.as_secs().max(1));
    let pool = pool_options::<MySql>(connections, patience).after_connect(move |connection, _| {
        let wait = AssertSqlSafe(wait.clone());
        Box::pin(async move {
            connection.execute(session(what_for)).await?;
            connection.execute(wait).await.map(|_| ())
        })
    });
    Pool::MySql(pool.connect_lazy_with(options.clone()), dialect)
}

/// The values as the server takes them.
pub(super) fn arguments(values: Vec<Value>) -> Result<MySqlArguments, sqlx::Error> {
    let mut arguments = MySqlArguments::default();
    for value in values {
        let added = match value {
            Value::Text(text) => arguments.add(text.as_ref().map(|text| text.as_str())),
            Value::Int(number) => arguments.add(number),
            Value::Float(measure) => arguments.add(measure),
            Value::Blob(bytes) => arguments.add(bytes),
        };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

/// A value as the server gives it.
pub(super) fn cell(row: &MySqlRow, at: usize) -> Result<Cell<'_>, sqlx::Error> {
    let value = row.try_get_raw(at)?;
    if value.is_null() {
        return Ok(Cell::Null);
    }
    let kind = value.type_info().into_owned();
    let cell = match kind.name() {
        "BOOLEAN" | "TINYINT" | "SMALLINT" | "INT" | "MEDIUMINT" | "BIGINT" => {
            <i64 as Decode<MySql>>::decode(value).map(Cell::Int)
        }
        name if name.ends_with(" UNSIGNED") => <u64 as Decode<MySql>>::decode(value)
            .map(|number| Cell::Int(i64::try_from(number).unwrap_or(i64::MAX))),
        "FLOAT" | "DOUBLE" => <f64 as Decode<MySql>>::decode(value).map(Cell::Float),
        "DECIMAL" => <&str as Decode<MySql>>::decode(value).and_then(decimal),
        "DATETIME" | "TIMESTAMP" => {
            <&[u8] as Decode<MySql>>::decode(value).map(|bytes| Cell::Text(datetime(bytes).into()))
        }
        "CHAR" | "VARCHAR" | "TINYTEXT" | "TEXT" | "MEDIUMTEXT" | "LONGTEXT" | "JSON" | "ENUM"
        | "BINARY" | "VARBINARY" | "TINYBLOB" | "BLOB" | "MEDIUMBLOB" | "LONGBLOB" => {
            // A text in a binary collation is called binary as well.
            if kind.name() == "JSON" || <str as Type<MySql>>::compatible(&kind) {
                <&str as Decode<MySql>>::decode(value).map(|text| Cell::Text(text.into()))
            } else {
                <&[u8] as Decode<MySql>>::decode(value).map(Cell::Blob)
            }
        }
        other => return Err(foreign(at, other)),
    };
    cell.map_err(|source| sqlx::Error::ColumnDecode { index: at.to_string(), source })
}

/// What sums come as.
fn decimal(text: &str) -> Result<Cell<'static>, sqlx::error::BoxDynError> {
    Ok(match text.parse() {
        Ok(number) => Cell::Int(number),
        Err(_) => Cell::Float(text.parse()?),
    })
}

/// A time of the binary protocol: its length, then year, month, day; hour, minute, second; microseconds,
/// as far as they are not zero.
fn datetime(bytes: &[u8]) -> String {
    let at = |at: usize| bytes.get(at).copied().unwrap_or(0);
    let year = u16::from_le_bytes([at(1), at(2)]);
    let micros = u32::from_le_bytes([at(8), at(9), at(10), at(11)]);
    format!(
        "{year:04}-{:02}-{:02} {:02}:{:02}:{:02}.{micros:06}",
        at(3),
        at(4),
        at(5),
        at(6),
        at(7)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_far_as_it_is_there() {
        assert_eq!(datetime(&[4, 0xea, 7, 6, 20]), "2026-06-20 00:00:00.000000");
        assert_eq!(datetime(&[7, 0xea, 7, 6, 20, 21, 48, 3]), "2026-06-20 21:48:03.000000");
        let whole = [11, 0xea, 7, 6, 20, 21, 48, 3, 0x40, 0xe2, 1, 0];
        assert_eq!(datetime(&whole), "2026-06-20 21:48:03.123456");
    }

    #[test]
    fn a_sum_is_a_whole_number_if_it_is_one() {
        assert_eq!(decimal("12").unwrap(), Cell::Int(12));
        assert_eq!(decimal("12.5").unwrap(), Cell::Float(12.5));
        assert!(decimal("x").is_err());
    }
}
