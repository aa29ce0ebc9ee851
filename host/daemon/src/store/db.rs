//! One way to speak to each database: connections, transactions, statements and rows of our own, thin
//! over the native drivers.
//!
//! sqlx has a driver for any database, but it refuses columns that are declared DATETIME or JSON and copies
//! each value once more. So here a connection is one of the native ones, a [`query()`] is a text with values,
//! and a [`Row`] gives each value as what it is. Nobody outside this folder names a driver.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use sqlx::pool::{PoolConnection, PoolOptions};
use sqlx::{Database, MySql, Postgres, Sqlite, Transaction};

use super::{StoreError, encoding};
use crate::clock::Timestamp;

mod dialect;
mod from_row;
pub(super) mod mysql;
pub(super) mod postgres;
mod query;
mod row;
mod rows;
pub(super) mod sqlite;
mod value;

pub(super) use dialect::{Collations, Dialect, Sql};
pub(super) use query::{Query, query};
pub(super) use row::{Cell, Row};
pub(super) use rows::{ROWS_PER_STATEMENT, Rows, write_numbered, write_rows};
pub(super) use value::{Value, fixed};

/// Connections to one database.
#[derive(Clone, Debug)]
pub(super) enum Pool {
    /// To a file.
    Sqlite(sqlx::Pool<Sqlite>),
    /// To MariaDB or MySQL, which compares texts like this.
    MySql(sqlx::Pool<MySql>, Dialect),
    /// To PostgreSQL.
    Postgres(sqlx::Pool<Postgres>),
}

/// What a transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    /// Reading what belongs together, of one moment.
    Moment,
    /// Writing: what is read is the newest.
    Write,
}

/// A connection, perhaps in a transaction. One that is dropped in the middle is rolled back.
#[derive(Debug)]
pub(super) enum Connection {
    /// To a file.
    Sqlite(Held<Sqlite>),
    /// To MariaDB or MySQL, which compares texts like this.
    MySql(Held<MySql>, Dialect),
    /// To PostgreSQL.
    Postgres(Held<Postgres>),
}

/// A connection out of a pool, perhaps in a transaction.
pub(super) enum Held<DB: Database> {
    /// As it is.
    Plain(PoolConnection<DB>),
    /// In a transaction.
    Open(Transaction<'static, DB>),
}

/// The same for each of the native ones.
macro_rules! each {
    ($on:expr, $kind:ident, $native:ident => $do:expr) => {
        match $on {
            $kind::Sqlite($native) => $do,
            $kind::MySql($native, _) => $do,
            $kind::Postgres($native) => $do,
        }
    };
}

impl Pool {
    /// A connection outside of any transaction.
    pub(super) async fn acquire(&self) -> Result<Connection, StoreError> {
        Ok(match self {
            Self::Sqlite(pool) => Connection::Sqlite(Held::Plain(pool.acquire().await?)),
            Self::MySql(pool, dialect) => {
                Connection::MySql(Held::Plain(pool.acquire().await?), dialect.clone())
            }
            Self::Postgres(pool) => Connection::Postgres(Held::Plain(pool.acquire().await?)),
        })
    }

    /// A connection in a new transaction.
    pub(super) async fn begin(&self, what_for: Begin) -> Result<Connection, StoreError> {
        Ok(match self {
            Self::Sqlite(pool) => Connection::Sqlite(Held::begin(pool, what_for).await?),
            Self::MySql(pool, dialect) => {
                Connection::MySql(Held::begin(pool, what_for).await?, dialect.clone())
            }
            Self::Postgres(pool) => Connection::Postgres(Held::begin(pool, what_for).await?),
        })
    }

    /// Whether every connection there is has something to do.
    pub(super) fn is_busy(&self) -> bool {
        each!(self, Pool, pool => pool.size() > 0 && pool.num_idle() == 0)
    }

    /// Closes every connection and waits for what is under way.
    pub(super) async fn close(&self) {
        each!(self, Pool, pool => pool.close().await);
    }
}

impl Dialect {
    /// A time as columns of DECNET's have it.
    pub(super) fn datetime(&self, at: Timestamp) -> String {
        let Self::MariaDb(collations) = self else { return encoding::datetime(at) };
        // Cut, because the server rounds, and a time to come is none that was.
        let cut = if collations.has_micros { 1 } else { 1_000_000 };
        encoding::datetime(Timestamp(at.micros().div_euclid(cut) * cut))
    }
}

impl Connection {
    /// What this database calls things.
    pub(super) fn dialect(&self) -> &Dialect {
        match self {
            Self::Sqlite(_) => &Dialect::Sqlite,
            Self::MySql(_, dialect) => dialect,
            Self::Postgres(_) => &Dialect::Postgres,
        }
    }

    /// A time as this database's columns of DECNET's have it.
    pub(super) fn datetime(&self, at: Timestamp) -> String {
        self.dialect().datetime(at)
    }

    /// Ends the transaction: what was written is there.
    pub(super) async fn commit(self) -> Result<(), StoreError> {
        each!(self, Connection, held => held.commit().await)
    }

    /// Ends the transaction: nothing was written.
    pub(super) async fn rollback(self) -> Result<(), StoreError> {
        each!(self, Connection, held => held.rollback().await)
    }
}

/// How the native database begins a transaction.
pub(super) trait Transactional: Database {
    fn begin(what_for: Begin) -> &'static str;
}

impl Transactional for Sqlite {
    fn begin(what_for: Begin) -> &'static str {
        match what_for {
            Begin::Moment => "BEGIN",
            Begin::Write => "BEGIN IMMEDIATE",
        }
    }
}

impl Transactional for MySql {
    fn begin(what_for: Begin) -> &'static str {
        match what_for {
            Begin::Moment => "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
            // What it reads is what is committed, see `mysql.rs`.
            Begin::Write => "START TRANSACTION READ WRITE",
        }
    }
}

impl Transactional for Postgres {
    fn begin(what_for: Begin) -> &'static str {
        match what_for {
            Begin::Moment => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Begin::Write => "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
        }
    }
}

impl<DB: Transactional> Held<DB> {
    async fn begin(pool: &sqlx::Pool<DB>, what_for: Begin) -> Result<Self, StoreError> {
        Ok(Self::Open(pool.begin_with(DB::begin(what_for)).await?))
    }

    async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Open(transaction) => Ok(transaction.commit().await?),
        }
    }

    async fn rollback(self) -> Result<(), StoreError> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Open(transaction) => Ok(transaction.rollback().await?),
        }
    }
}

impl<DB: Database> Deref for Held<DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &DB::Connection {
        match self {
            Self::Plain(connection) => connection,
            Self::Open(transaction) => transaction,
        }
    }
}

impl<DB: Database> DerefMut for Held<DB> {
    fn deref_mut(&mut self) -> &mut DB::Connection {
        match self {
            Self::Plain(connection) => connection,
            Self::Open(transaction) => transaction,
        }
    }
}

impl<DB: Database> std::fmt::Debug for Held<DB> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Plain(_) => "Plain",
            Self::Open(_) => "Open",
        })
    }
}

/// How a pool of so many connections is set up.
fn pool_options<DB: Database>(connections: u32, patience: Duration) -> PoolOptions<DB> {
    PoolOptions::new().max_connections(connections).acquire_timeout(patience)
}
