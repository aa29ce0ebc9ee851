//! Where rows are kept: SQLite, through domain verbs.
//!
//! Readers and the one writer have connections of their own: a read transaction that turned into a
//! write would fail under WAL as soon as somebody else wrote. [`snapshot`] reads views as frames,
//! [`commit`] writes what a correlator asked for, [`record`] what ingest saw, [`rollup`] keeps
//! the derived columns, [`reader`] answers the questions of reports, [`certificate`] those of proofs,
//! [`dionaea`] reads another's database. Nobody outside this folder knows SQL.

use std::str::FromStr;
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::files;

pub mod certificate;
pub mod changes;
pub mod commit;
pub mod dionaea;
pub mod encoding;
pub mod reader;
pub mod record;
pub mod resident;
pub mod revision;
pub mod rollup;
pub mod snapshot;
pub mod ticks;

/// An open database.
#[derive(Clone, Debug)]
pub struct Store {
    readers: SqlitePool,
    writer: SqlitePool,
}

/// What went wrong with the database, by what can be done about it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL is not one of ours.
    #[error(
        "database URL '{url}': {reason} (give sqlite:///absolute/path or sqlite://relative/path)"
    )]
    Url {
        /// As given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is none yet, and the command only reads.
    #[error("no database at {0} (begin with `corral ingest`, or name another with --db)")]
    Missing(String),
    /// The folder of the database cannot be made.
    #[error("make the folder of the database")]
    Folder(#[source] files::FileError),
    /// Another process holds the lock for longer than we wait.
    #[error("the database is locked by another process (stop it or wait; nothing was lost)")]
    Locked(#[source] sqlx::Error),
    /// No room.
    #[error("the disk is full (make room and run again; what was committed is safe)")]
    Full(#[source] sqlx::Error),
    /// Not a database, or a damaged one.
    #[error("the file is not a usable database (restore it or name another with --db)")]
    Damaged(#[source] sqlx::Error),
    /// No permission, or no such folder.
    #[error("the database cannot be opened or written (check path and permissions)")]
    Denied(#[source] sqlx::Error),
    /// Its schema is newer than this program, or was altered.
    #[error("the database's schema does not fit this version of corral")]
    Schema(#[source] sqlx::migrate::MigrateError),
    /// A row that breaks what the schema promises.
    #[error("table {table}, row {row}: {reason}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// Its key.
        row: String,
        /// What is wrong.
        reason: String,
    },
    /// The text table is full.
    #[error("{0} (raise store.text-bytes-max)")]
    Text(#[from] corral_kernels::text::InternerFull),
    /// Anything else the database said.
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        // SQLite's primary result code is the low byte of the extended one.
        let code = match &error {
            sqlx::Error::Database(database) => {
                database.code().and_then(|code| code.parse::<i32>().ok())
            }
            _ => None,
        };
        match code.map(|code| code & 0xff) {
            Some(5 | 6) => Self::Locked(error),
            Some(13) => Self::Full(error),
            Some(11 | 26) => Self::Damaged(error),
            Some(3 | 8 | 14 | 23) => Self::Denied(error),
            _ => Self::Database(error),
        }
    }
}

impl Store {
    /// Opens the database, makes it if it is not there, and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError`], by what can be done about it.
    pub async fn open(url: &str, busy: Duration) -> Result<Self, StoreError> {
        let options = options(url, busy)?;
        if let Some(folder) =
            options.get_filename().parent().filter(|folder| !folder.as_os_str().is_empty())
        {
            files::create_directory(folder).map_err(StoreError::Folder)?;
        }
        let store = Self::lazy(options, busy);
        sqlx::migrate!("./migrations/sqlite").run(&store.writer).await.map_err(
            |error| match error {
                sqlx::migrate::MigrateError::Execute(error) => error.into(),
                sqlx::migrate::MigrateError::ExecuteMigration(error, _) => error.into(),
                error => StoreError::Schema(error),
            },
        )?;
        Ok(store)
    }

    /// Opens the database if it is there already.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if it is not, beside those of [`Store::open`].
    pub async fn open_existing(url: &str, busy: Duration) -> Result<Self, StoreError> {
        let options = options(url, busy)?;
        if files::open(options.get_filename()).is_err_and(|error| error.is_missing()) {
            return Err(StoreError::Missing(options.get_filename().display().to_string()));
        }
        Self::open(url, busy).await
    }

    /// A store that touches its database only when it is asked something, for a host that runs no tick.
    ///
    /// # Errors
    /// [`StoreError::Url`].
    pub fn unopened(url: &str) -> Result<Self, StoreError> {
        let busy = Duration::from_secs(1);
        Ok(Self::lazy(options(url, busy)?.create_if_missing(false), busy))
    }

    fn lazy(options: SqliteConnectOptions, busy: Duration) -> Self {
        let pool = |connections| {
            SqlitePoolOptions::new().max_connections(connections).acquire_timeout(busy)
        };
        let readers = pool(4).connect_lazy_with(options.clone().read_only(true));
        Self { readers, writer: pool(1).connect_lazy_with(options) }
    }

    /// Closes every connection and waits for what is under way.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

fn options(url: &str, busy: Duration) -> Result<SqliteConnectOptions, StoreError> {
    let bad = |reason: String| StoreError::Url { url: url.to_owned(), reason };
    if !url.starts_with("sqlite:") {
        return Err(bad("only SQLite is supported".to_owned()));
    }
    let options = SqliteConnectOptions::from_str(url)
        .map_err(|error| bad(error.to_string()))?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(busy)
        .pragma("cache_size", "-16384")
        .pragma("temp_store", "memory")
        .row_buffer_size(1024)
        .statement_cache_capacity(256);
    if options.get_filename() == std::path::Path::new(":memory:") || url.contains("mode=memory") {
        return Err(bad("a database in memory has no second connection".to_owned()));
    }
    Ok(options)
}
