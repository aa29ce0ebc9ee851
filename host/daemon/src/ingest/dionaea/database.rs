//! Dionaea's database as the rows of a log.
//!
//! It is read from memory ([`crate::store::dionaea`] says why), so its size has a limit; then page by
//! page, so that what is made of it never is all there at once.

use std::io::{self, Read};

use tokio::runtime::Handle;

use super::super::sighting::{Events, Reject};
use crate::store::dionaea::{Database, DatabaseError};

/// The longest database that is read: two million connections and more.
const BYTES_MAX: u64 = 1 << 30;

/// The connections of a database, one at a time.
pub(in crate::ingest) struct Connections {
    database: Database,
    runtime: Handle,
    page: std::vec::IntoIter<crate::store::dionaea::Connection>,
}

impl Connections {
    /// Reads the database from `file`.
    ///
    /// # Errors
    /// What the system said, or why this database cannot be read.
    pub(in crate::ingest) fn open(file: impl Read, runtime: &Handle) -> io::Result<Self> {
        let mut bytes = Vec::new();
        file.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > BYTES_MAX {
            let message = format!(
                "the database is longer than {BYTES_MAX} bytes (delete old connections from a copy)"
            );
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
        let database = runtime.block_on(Database::open(bytes)).map_err(failed)?;
        Ok(Self { database, runtime: runtime.clone(), page: Vec::new().into_iter() })
    }

    /// The next connection: its events, or why it yields none; nothing at the end.
    ///
    /// # Errors
    /// What the database said.
    pub(in crate::ingest) fn next(
        &mut self,
    ) -> io::Result<Option<Result<Events<'static>, Reject>>> {
        if self.page.as_slice().is_empty() {
            self.page = self.runtime.block_on(self.database.page()).map_err(failed)?.into_iter();
        }
        Ok(self.page.next().map(super::of_stored))
    }
}

fn failed(error: DatabaseError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
