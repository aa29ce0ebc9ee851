//! The databases that everything has to work on, each new and empty.

use std::time::Duration;

use corral::store::Store;

use crate::servers::{self, Kind};
use crate::sql::Sql;

/// A kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A file of Corral's own.
    Sqlite,
    /// A file that DECNET made.
    SqliteOfDecnet,
    /// A database of DECNET's on MariaDB, which passes over case.
    MariaDb,
    /// The same in one byte a character.
    MariaDbLatin1,
    /// A database of Corral's own on PostgreSQL.
    Postgres,
}

/// An open database.
pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) url: String,
    // Last, so that the folder goes after the connections into it.
    pub(crate) folder: Option<tempfile::TempDir>,
}

/// What DECNET makes.
const DECNET_SQLITE: &str = include_str!("data/decnet/sqlite.sql");
/// The same on MariaDB.
const DECNET_MARIADB: &str = include_str!("data/decnet/mariadb.sql");

impl Place {
    pub(crate) const ALL: [Self; 5] =
        [Self::Sqlite, Self::SqliteOfDecnet, Self::MariaDb, Self::MariaDbLatin1, Self::Postgres];

    /// Whether Corral reads logs into it.
    pub(crate) fn takes_logs(self) -> bool {
        matches!(self, Self::Sqlite | Self::Postgres)
    }

    /// Whether measures have four bytes and times whole seconds.
    pub(crate) fn is_coarse(self) -> bool {
        matches!(self, Self::MariaDb | Self::MariaDbLatin1)
    }

    /// A new database; nothing if its server is not installed.
    pub(crate) async fn open(self) -> Option<Opened> {
        let (url, folder) = self.make().await?;
        let store = self.store(&url).await;
        Some(Opened { store, url, folder })
    }

    /// Opens what was made.
    pub(crate) async fn store(self, url: &str) -> Store {
        let busy = Duration::from_secs(5);
        let opened = match self {
            Self::Sqlite | Self::Postgres => Store::open(url, busy).await,
            _ => Store::open_decnet(url, busy).await,
        };
        opened.unwrap_or_else(|error| panic!("{self:?}: {error}: {error:?}"))
    }

    /// Makes a database, with DECNET's tables if they are DECNET's.
    pub(crate) async fn make(self) -> Option<(String, Option<tempfile::TempDir>)> {
        match self {
            Self::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                let url = format!("sqlite://{}", folder.path().join("corral.db").display());
                Some((url, Some(folder)))
            }
            Self::SqliteOfDecnet => {
                let folder = tempfile::tempdir().unwrap();
                let url = format!("sqlite://{}", folder.path().join("decnet.db").display());
                let create = format!("{url}?mode=rwc");
                Sql::connect(&create).await.run(DECNET_SQLITE).await;
                Some((url, Some(folder)))
            }
            Self::MariaDb => Self::mariadb("utf8mb4", "utf8mb4_general_ci").await,
            Self::MariaDbLatin1 => Self::mariadb("latin1", "latin1_swedish_ci").await,
            Self::Postgres => {
                let server = servers::shared(Kind::Postgres)?;
                Some((server.url(&server.database("").await), None))
            }
        }
    }

    async fn mariadb(
        charset: &str,
        collation: &str,
    ) -> Option<(String, Option<tempfile::TempDir>)> {
        let server = servers::shared(Kind::MariaDb)?;
        let options = format!("CHARACTER SET {charset} COLLATE {collation}");
        let url = server.url(&server.database(&options).await);
        Sql::connect(&url).await.run(DECNET_MARIADB).await;
        Some((url, None))
    }
}
