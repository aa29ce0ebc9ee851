//! What goes wrong with a database, by what can be done about it, whichever database it is.

use sqlx::mysql::MySqlDatabaseError;
use sqlx::postgres::PgDatabaseError;
use sqlx::sqlite::SqliteError;

use crate::files;

/// What went wrong with the database, by what can be done about it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL is not one of ours.
    #[error(
        "database URL '{url}': {reason} (give sqlite:///absolute/path, mysql://user@host/name or \
         postgres://user@host/name)"
    )]
    Url {
        /// As given, without the password.
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
    /// Two transactions were in each other's way, and the server ended this one.
    #[error("another wrote the same rows at the same time (run again; nothing was lost)")]
    Crossed(#[source] sqlx::Error),
    /// Another process has the lease by now, and only its holder writes what follows from other rows.
    #[error("another process has taken the lease on this database (see `corral status`)")]
    Fenced,
    /// No room.
    #[error("the disk is full (make room and run again; what was committed is safe)")]
    Full(#[source] sqlx::Error),
    /// Not a database, or a damaged one.
    #[error("the file is not a usable database (restore it or name another with --db)")]
    Damaged(#[source] sqlx::Error),
    /// No permission, or no such folder.
    #[error("the database cannot be opened or written (check path and permissions)")]
    Denied(#[source] sqlx::Error),
    /// The server is not there, or went away.
    #[error(
        "the database server cannot be reached (is it up? what was not committed was not written)"
    )]
    Gone(#[source] sqlx::Error),
    /// The server has none of this name.
    #[error("the server has no such database (create it, or name another with --db)")]
    NoDatabase(#[source] sqlx::Error),
    /// Its schema is newer than this program, or was altered.
    #[error("the database's schema does not fit this version of corral")]
    Schema(#[source] sqlx::migrate::MigrateError),
    /// Tables or columns that we need are not there.
    #[error("the database lacks {0} (is it DECNET's, and migrated to its newest version?)")]
    Lacks(String),
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
    /// A row whose values are not what they are taken for.
    #[error("a row is not as the schema has it")]
    Row(#[source] serde::de::value::Error),
    /// The text table is full.
    #[error("{0} (raise store.text-bytes-max)")]
    Text(#[from] corral_kernels::text::InternerFull),
    /// What this database is not used for.
    #[error("{0}")]
    Unsupported(&'static str),
    /// Anything else the database said.
    #[error("the database failed")]
    Database(#[source] sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let about = match &error {
            sqlx::Error::Database(said) => {
                if let Some(said) = said.try_downcast_ref::<MySqlDatabaseError>() {
                    mysql(said.number())
                } else if let Some(said) = said.try_downcast_ref::<PgDatabaseError>() {
                    postgres(said.code())
                } else if said.try_downcast_ref::<SqliteError>().is_some() {
                    sqlite(said.code().and_then(|code| code.parse().ok()))
                } else {
                    About::Other
                }
            }
            sqlx::Error::Io(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Tls(_) => About::Gone,
            _ => About::Other,
        };
        match about {
            About::Locked => Self::Locked(error),
            About::Crossed => Self::Crossed(error),
            About::Full => Self::Full(error),
            About::Damaged => Self::Damaged(error),
            About::Denied => Self::Denied(error),
            About::Gone => Self::Gone(error),
            About::NoDatabase => Self::NoDatabase(error),
            About::Schema => Self::Lacks(said(&error)),
            About::Other => Self::Database(error),
        }
    }
}

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        match error {
            sqlx::migrate::MigrateError::Execute(error)
            | sqlx::migrate::MigrateError::ExecuteMigration(error, _) => error.into(),
            error => Self::Schema(error),
        }
    }
}

/// A database's own words.
fn said(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(said) => said.message().to_owned(),
        error => error.to_string(),
    }
}

/// What a database speaks of.
enum About {
    Locked,
    Crossed,
    Full,
    Damaged,
    Denied,
    Gone,
    NoDatabase,
    Schema,
    Other,
}

/// SQLite's primary result code is the low byte of the extended one.
fn sqlite(code: Option<i32>) -> About {
    match code.map(|code| code & 0xff) {
        Some(5 | 6) => About::Locked,
        Some(13) => About::Full,
        Some(11 | 26) => About::Damaged,
        Some(3 | 8 | 14 | 23) => About::Denied,
        _ => About::Other,
    }
}

fn mysql(number: u16) -> About {
    match number {
        // A lock waited for in vain, tables locked for a backup; a deadlock.
        1205 | 1223 => About::Locked,
        1213 => About::Crossed,
        1021 | 1030 | 1114 => About::Full,
        // No access to the database, table or column; read-only.
        1044 | 1045 | 1142 | 1143 | 1290 | 1698 | 1792 | 1836 | 3159 => About::Denied,
        // Shutting down, killed, gone, too many connections.
        1040 | 1053 | 1152 | 1158 | 1159 | 1160 | 1161 | 1184 | 1317 | 1927 | 2006 | 2013 => {
            About::Gone
        }
        1049 => About::NoDatabase,
        1054 | 1146 => About::Schema,
        _ => About::Other,
    }
}

fn postgres(code: &str) -> About {
    match code {
        "55P03" => About::Locked,
        // Serialization, deadlock.
        "40001" | "40P01" => About::Crossed,
        "53100" => About::Full,
        "XX001" | "XX002" => About::Damaged,
        "42501" | "25006" | "28000" | "28P01" => About::Denied,
        "57P01" | "57P02" | "57P03" | "53300" => About::Gone,
        "3D000" => About::NoDatabase,
        "42P01" | "42703" => About::Schema,
        _ if code.starts_with("08") => About::Gone,
        _ => About::Other,
    }
}
