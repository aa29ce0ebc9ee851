//! Another's database: what Dionaea keeps of its connections, read and never written.
//!
//! The file comes from a sensor that people attack, and perhaps by way of theirs. So it is read from
//! memory, where SQLite can leave nothing beside it and nobody can change it meanwhile; its schema is
//! not trusted to run anything; and it is checked from end to end first, because a file that was copied
//! while Dionaea wrote is damaged in ways that only show where somebody looks.

use sqlx::sqlite::{SqliteConnectOptions, SqliteOwnedBuf, SqliteRow};
use sqlx::{ConnectOptions, Row, SqliteConnection};

/// Connections that are read at a time.
const PAGE: i64 = 4_096;
/// Where the header says how it is journalled: 1 by a rollback journal, 2 by a write-ahead log.
const FORMATS: std::ops::Range<usize> = 18..20;

/// Why it cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// There is nothing of Dionaea's in it.
    #[error("this database is not Dionaea's (it has no table {0})")]
    Foreign(&'static str),
    /// It is not whole.
    #[error(
        "the database is truncated or damaged: {0} (was it copied while Dionaea wrote? copy it with \
         `sqlite3 dionaea.sqlite '.backup COPY'`)"
    )]
    Damaged(String),
    /// Anything else.
    #[error("the database cannot be read: {0}")]
    Database(String),
}

impl From<sqlx::Error> for DatabaseError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(reason(&error))
    }
}

/// An open database of Dionaea's.
#[derive(Debug)]
pub struct Database {
    connection: SqliteConnection,
    /// The last connection that was read.
    last: i64,
}

/// A row of `connections`, with what belongs to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Connection {
    /// `accept`, `connect` or `listen`.
    pub kind: String,
    /// `tcp` or `udp`.
    pub transport: String,
    /// The part of Dionaea that served it, e.g. `smbd`.
    pub protocol: String,
    /// Seconds since the epoch, with a fraction.
    pub at: f64,
    /// The sensor's address and port.
    pub local_host: String,
    /// See above.
    pub local_port: i64,
    /// The other's.
    pub remote_host: String,
    /// See above.
    pub remote_port: i64,
    /// Logins, in the order in which they were tried.
    pub logins: Vec<Login>,
    /// What was brought by this connection, and by all that came of it.
    pub downloads: Vec<Download>,
}

/// A row of `logins`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The user name.
    pub username: Option<String>,
    /// The password.
    pub password: Option<String>,
}

/// A row of `downloads`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Download {
    /// From where; empty if nobody knows.
    pub url: Option<String>,
    /// MD5 of what came, in hexadecimal.
    pub md5: Option<String>,
}

impl Database {
    /// Opens the database that a file holds, if it is whole.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn open(mut file: Vec<u8>) -> Result<Self, DatabaseError> {
        // A database in memory has no write-ahead log. (Whoever calls has made sure that none was left
        // behind with rows in it.)
        for format in file.get_mut(FORMATS).unwrap_or_default() {
            *format = 1;
        }
        let mut connection = SqliteConnectOptions::new()
            .in_memory(true)
            .pragma("trusted_schema", "OFF")
            .pragma("cell_size_check", "ON")
            .disable_statement_logging()
            .connect()
            .await?;
        let copy = SqliteOwnedBuf::try_from(file.as_slice())?;
        drop(file);
        connection.deserialize(None, copy, true).await?;
        let checked: Result<String, _> =
            sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&mut connection).await;
        match checked {
            Ok(verdict) if verdict == "ok" => {}
            Ok(verdict) => return Err(DatabaseError::Damaged(verdict)),
            Err(error) => return Err(DatabaseError::Damaged(reason(&error))),
        }
        for table in ["connections", "logins", "downloads"] {
            let found: Option<i64> =
                sqlx::query_scalar("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?")
                    .bind(table)
                    .fetch_optional(&mut connection)
                    .await?;
            found.ok_or(DatabaseError::Foreign(table))?;
        }
        Ok(Self { connection, last: i64::MIN })
    }

    /// The next connections, in the order of their ids; none at the end.
    ///
    /// # Errors
    /// [`DatabaseError`].
    pub async fn page(&mut self) -> Result<Vec<Connection>, DatabaseError> {
        let rows = sqlx::query(
            "SELECT connection, CAST(connection_type AS BLOB), CAST(connection_transport AS BLOB), \
             CAST(connection_protocol AS BLOB), CAST(connection_timestamp AS REAL), CAST(local_host AS BLOB), \
             CAST(local_port AS INTEGER), CAST(remote_host AS BLOB), CAST(remote_port AS INTEGER) \
             FROM connections WHERE connection > ? ORDER BY connection LIMIT ?",
        )
        .bind(self.last)
        .bind(PAGE)
        .fetch_all(&mut self.connection)
        .await?;
        let ids: Vec<i64> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        let (Some(first), Some(last)) = (ids.first().copied(), ids.last().copied()) else {
            return Ok(Vec::new());
        };
        let mut page: Vec<Connection> =
            rows.iter().map(connection).collect::<Result<_, sqlx::Error>>()?;
        let logins = "SELECT connection, CAST(login_username AS BLOB), CAST(login_password AS BLOB) \
                      FROM logins WHERE connection BETWEEN ? AND ? ORDER BY login";
        for row in self.fetch(logins, first, last).await? {
            if let Some(connection) = of(&mut page, &ids, row.try_get(0)?) {
                connection
                    .logins
                    .push(Login { username: text(&row, 1)?, password: text(&row, 2)? });
            }
        }
        // What an attacker has Dionaea fetch comes over a connection that Dionaea makes; its root is the
        // attacker's.
        let downloads = "SELECT COALESCE(connection_root, connection), CAST(download_url AS BLOB), \
                         CAST(download_md5_hash AS BLOB) FROM downloads JOIN connections USING (connection) \
                         WHERE connection_root BETWEEN ?1 AND ?2 \
                         OR (connection_root IS NULL AND connection BETWEEN ?1 AND ?2) ORDER BY download";
        for row in self.fetch(downloads, first, last).await? {
            if let Some(connection) = of(&mut page, &ids, row.try_get(0)?) {
                connection.downloads.push(Download { url: text(&row, 1)?, md5: text(&row, 2)? });
            }
        }
        self.last = last;
        Ok(page)
    }

    async fn fetch(
        &mut self,
        sql: &'static str,
        first: i64,
        last: i64,
    ) -> Result<Vec<SqliteRow>, sqlx::Error> {
        sqlx::query(sql).bind(first).bind(last).fetch_all(&mut self.connection).await
    }
}

/// The connection with this id, if it is on the page.
fn of<'p>(page: &'p mut [Connection], ids: &[i64], id: i64) -> Option<&'p mut Connection> {
    page.get_mut(ids.binary_search(&id).ok()?)
}

fn connection(row: &SqliteRow) -> Result<Connection, sqlx::Error> {
    Ok(Connection {
        kind: text(row, 1)?.unwrap_or_default(),
        transport: text(row, 2)?.unwrap_or_default(),
        protocol: text(row, 3)?.unwrap_or_default(),
        at: row.try_get::<Option<f64>, _>(4)?.unwrap_or(0.0),
        local_host: text(row, 5)?.unwrap_or_default(),
        local_port: row.try_get::<Option<i64>, _>(6)?.unwrap_or(0),
        remote_host: text(row, 7)?.unwrap_or_default(),
        remote_port: row.try_get::<Option<i64>, _>(8)?.unwrap_or(0),
        ..Connection::default()
    })
}

/// A text that may be no UTF-8: Dionaea puts in what it was sent.
fn text(row: &SqliteRow, at: usize) -> Result<Option<String>, sqlx::Error> {
    let bytes: Option<Vec<u8>> = row.try_get(at)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// What SQLite said, without the layers around it.
fn reason(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        error => error.to_string(),
    }
}
