//! Where rows are kept: SQLite, MariaDB or PostgreSQL, through domain verbs.
//!
//! Readers and the one writer have connections of their own: a read transaction that turned into a
//! write would fail under WAL as soon as somebody else wrote. [`snapshot`] reads views as frames,
//! [`commit`] writes what a correlator asked for, [`record`] what ingest saw, [`rollup`] keeps
//! the derived columns, [`reader`] answers the questions of reports, [`certificate`] those of proofs,
//! [`generations`] knows which component each plugin has,
//! [`dionaea`] reads another's database. `db` speaks to each database in its own words, `open` finds
//! out which it is. Nobody outside this folder knows SQL.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use db::{Connection, Dialect, Pool, query};
use owner::Owner;

pub use failure::StoreError;

pub mod certificate;
pub mod changes;
pub mod commit;
mod db;
pub mod dionaea;
pub mod encoding;
pub mod facts;
mod failure;
pub mod generations;
pub mod lease;
mod open;
pub mod outbox;
pub mod owner;
pub mod project;
pub mod reader;
pub mod record;
pub mod resident;
pub mod revision;
pub mod rollup;
pub mod snapshot;
pub mod ticks;
mod url;

/// An open database.
#[derive(Clone, Debug)]
pub struct Store {
    readers: Pool,
    writer: Pool,
    /// Writes what was read of logs.
    bulk: Pool,
    owner: Owner,
    /// Who has to hold the lease for a commit; see [`lease`].
    fence: Option<Arc<str>>,
    /// Whether there is something to tidy up.
    untidy: Arc<AtomicBool>,
}

impl Store {
    /// Closes every connection and waits for what is under way.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
        self.bulk.close().await;
    }

    /// Does what a commit leaves for later, if there was one: SQLite's log is copied into place, which waits for
    /// the disk and keeps nobody from writing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn tidy(&self) -> Result<(), StoreError> {
        if !self.untidy.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let mut connection = self.bulk.acquire().await?;
        if matches!(connection.dialect(), Dialect::Sqlite) {
            query("PRAGMA wal_checkpoint(PASSIVE)").execute(&mut connection).await?;
        }
        Ok(())
    }

    /// A connection to read from.
    async fn read(&self) -> Result<Connection, StoreError> {
        self.readers.acquire().await
    }
}

#[cfg(test)]
impl Store {
    /// An empty database of a unit test, as long as the folder is held.
    async fn throwaway(busy: std::time::Duration) -> (Self, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("corral.db").display());
        (Self::open(&url, busy).await.unwrap(), folder)
    }
}
