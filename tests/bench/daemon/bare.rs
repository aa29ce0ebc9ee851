//! The least that writing takes: the rows that a first tick left, sorted, in prepared statements of many rows, in
//! one transaction.
//!
//! It reads nothing, decides nothing and derives nothing: the rows are in memory before the clock starts. The
//! connection is set up as the daemon's own writer.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail};
use futures_util::TryStreamExt;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqliteRow, SqliteSynchronous,
};
use sqlx::{
    Arguments, AssertSqlSafe, ConnectOptions, Connection, Row, SqliteConnection, TypeInfo, ValueRef,
};

use crate::timed_async;

/// Values of one statement: more are no quicker.
const VALUES_PER_STATEMENT: usize = 2_000;

/// What a first tick wrote.
pub(super) struct Written {
    identities: Table,
    links: Vec<Vec<Cell>>,
    evidence: Table,
    outbox: Table,
}

/// Rows of a table, in the order in which they are to be written.
struct Table {
    name: &'static str,
    /// Those that are not NULL everywhere.
    columns: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

#[derive(Clone)]
enum Cell {
    Null,
    Int(i64),
    Float(f64),
    Text(Arc<str>),
}

impl Written {
    /// Reads what was written.
    pub(super) async fn read(database: &Path) -> Result<Self> {
        let mut connection = open(database).await?;
        let links =
            "SELECT uuid, identity_id FROM attackers WHERE identity_id IS NOT NULL ORDER BY uuid";
        Ok(Self {
            identities: Table::read(&mut connection, "attacker_identities", "uuid").await?,
            links: rows(&mut connection, links.to_owned()).await?,
            evidence: Table::read(&mut connection, "corral_evidence", "layer, a, b").await?,
            outbox: Table::read(&mut connection, "corral_outbox", "id").await?,
        })
    }

    /// All rows.
    pub(super) fn rows(&self) -> usize {
        self.identities.rows.len()
            + self.links.len()
            + self.evidence.rows.len()
            + self.outbox.rows.len()
    }

    /// Identities among them.
    pub(super) fn identities(&self) -> usize {
        self.identities.rows.len()
    }

    /// Seconds that writing it takes, into a database that has the attackers and nothing else of it.
    pub(super) async fn write(&self, database: &Path) -> Result<f64> {
        let mut connection = open(database).await?;
        let (took, written) = timed_async(self.write_all(&mut connection)).await;
        written?;
        connection.close().await?;
        Ok(took.as_secs_f64())
    }

    async fn write_all(&self, connection: &mut SqliteConnection) -> Result<()> {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        self.identities.write(&mut transaction).await?;
        let link = |rows| {
            let list = places(2, rows);
            format!(
                "UPDATE attackers SET identity_id = n.column2 FROM (VALUES {list}) AS n
                 WHERE attackers.uuid = n.column1"
            )
        };
        write(&mut transaction, &self.links, 2, link).await?;
        self.evidence.write(&mut transaction).await?;
        self.outbox.write(&mut transaction).await?;
        Ok(transaction.commit().await?)
    }
}

impl Table {
    async fn read(
        connection: &mut SqliteConnection,
        name: &'static str,
        order: &str,
    ) -> Result<Self> {
        let all = format!("SELECT name FROM pragma_table_info('{name}')");
        let mut columns = Vec::new();
        for row in rows(connection, all).await? {
            let [Cell::Text(column)] = &row[..] else {
                bail!("{name} has a column without a name")
            };
            let any = format!("SELECT 1 FROM {name} WHERE {column} IS NOT NULL LIMIT 1");
            if !rows(connection, any).await?.is_empty() {
                columns.push(column.to_string());
            }
        }
        let select = format!("SELECT {} FROM {name} ORDER BY {order}", columns.join(", "));
        let rows = rows(connection, select).await?;
        Ok(Self { name, columns, rows })
    }

    async fn write(&self, connection: &mut SqliteConnection) -> Result<()> {
        let insert = |rows| {
            let (columns, list) = (self.columns.join(", "), places(self.columns.len(), rows));
            format!("INSERT INTO {} ({columns}) VALUES {list}", self.name)
        };
        write(connection, &self.rows, self.columns.len(), insert).await
    }
}

/// Placeholders for so many rows.
fn places(columns: usize, rows: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(", "));
    let mut list = row.clone();
    for _ in 1..rows {
        // Writing into a String cannot fail.
        let _infallible = write!(list, ", {row}");
    }
    list
}

/// Writes rows, as many at a time as a statement takes.
async fn write(
    connection: &mut SqliteConnection,
    rows: &[Vec<Cell>],
    columns: usize,
    statement: impl Fn(usize) -> String,
) -> Result<()> {
    let at_a_time = VALUES_PER_STATEMENT / columns.max(1);
    let full = statement(at_a_time);
    for chunk in rows.chunks(at_a_time) {
        let sql = if chunk.len() == at_a_time { full.clone() } else { statement(chunk.len()) };
        let mut arguments = SqliteArguments::default();
        for cell in chunk.iter().flatten() {
            let added = match cell {
                Cell::Null => arguments.add(None::<i64>),
                Cell::Int(number) => arguments.add(*number),
                Cell::Float(measure) => arguments.add(*measure),
                Cell::Text(text) => arguments.add(Arc::clone(text)),
            };
            added.map_err(sqlx::Error::Encode)?;
        }
        sqlx::query_with(AssertSqlSafe(sql), arguments).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn rows(connection: &mut SqliteConnection, sql: String) -> Result<Vec<Vec<Cell>>> {
    let mut all = Vec::new();
    let mut rows = sqlx::query(AssertSqlSafe(sql)).fetch(connection);
    while let Some(row) = rows.try_next().await? {
        all.push((0..row.len()).map(|at| cell(&row, at)).collect::<Result<_>>()?);
    }
    Ok(all)
}

fn cell(row: &SqliteRow, at: usize) -> Result<Cell> {
    let value = row.try_get_raw(at)?;
    if value.is_null() {
        return Ok(Cell::Null);
    }
    Ok(match value.type_info().name() {
        "INTEGER" => Cell::Int(row.try_get_unchecked(at)?),
        "REAL" => Cell::Float(row.try_get_unchecked(at)?),
        _ => Cell::Text(row.try_get_unchecked::<String, _>(at)?.into()),
    })
}

async fn open(database: &Path) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::new()
        .filename(database)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .pragma("cache_size", "-16384")
        .pragma("temp_store", "memory")
        .row_buffer_size(1024);
    Ok(options.connect().await?)
}
