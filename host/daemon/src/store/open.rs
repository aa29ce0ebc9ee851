//! Opening a database: which it is, whose it is, and that its schema is ours.
//!
//! In a database of Corral's own all tables are made. In one of DECNET's only those called `corral_…` are; of
//! the others it is checked that they have what we need, so that a message names what is missing before anything
//! is read or written. What was made is remembered in `corral_schema`.

use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _, MySqlConnection, Row, SqlSafeStr};

use super::db::{Begin, Collations, Connection, Dialect, Pool, mysql, postgres, query, sqlite};
use super::owner::Owner;
use super::url::{self, Scheme};
use super::{Store, StoreError};
use crate::config::StoreConfig;
use crate::files;

/// Connections that read, and, on a server, such as write.
const READERS: u32 = 4;
const WRITERS: u32 = 1;

/// What we need of DECNET's tables.
const NEEDED: [(&str, &str); 8] = [
    (
        "attackers",
        "uuid ip identity_id first_seen last_seen asn updated_at fingerprints commands services deckies",
    ),
    (
        "attacker_identities",
        "uuid schema_version campaign_id first_seen_at last_seen_at created_at updated_at observation_count \
         ja3_hashes hassh_hashes ja4h_hashes ja4_quic_hashes payload_simhashes c2_endpoints kd_digraph_simhash \
         merged_into_uuid",
    ),
    (
        "campaigns",
        "uuid schema_version first_seen_at last_seen_at created_at updated_at identity_count merged_into_uuid",
    ),
    ("observations", "primitive value confidence ts attacker_uuid"),
    (
        "attribution_state",
        "identity_uuid primitive current_value state confidence observation_count last_change_ts \
         last_observation_ts schema_version updated_at",
    ),
    (
        "credentials",
        "id attacker_ip attacker_uuid decky_name service principal principal_key secret_kind secret_sha256 \
         secret_printable first_seen last_seen attempt_count",
    ),
    (
        "credential_reuse",
        "id secret_sha256 secret_kind principal principal_key attacker_uuids attacker_ips deckies services \
         target_count attempt_count confidence first_seen last_seen updated_at",
    ),
    ("ttp_tag", "attacker_uuid decky_id tactic session_id created_at"),
];

impl Store {
    /// Opens a database of Corral's own, makes it if it is a file that is not there, and brings its schema up to
    /// date.
    ///
    /// # Errors
    /// [`StoreError`], by what can be done about it.
    pub async fn open(url: &str, busy: Duration) -> Result<Self, StoreError> {
        Self::connect(url, busy, Owner::Corral, true).await
    }

    /// Opens a database of Corral's own if it is there already.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if it is not, beside those of [`Store::open`].
    pub async fn open_existing(url: &str, busy: Duration) -> Result<Self, StoreError> {
        Self::connect(url, busy, Owner::Corral, false).await
    }

    /// Opens a database of DECNET's, and adds Corral's own tables where they are missing.
    ///
    /// # Errors
    /// [`StoreError::Lacks`] if it has not what we need, beside those of [`Store::open_existing`].
    pub async fn open_decnet(url: &str, busy: Duration) -> Result<Self, StoreError> {
        Self::connect(url, busy, Owner::Decnet, false).await
    }

    /// Opens the database that the settings name, as whose they say it is; makes one of Corral's own.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn for_config(config: &StoreConfig) -> Result<Self, StoreError> {
        let busy = Duration::from_secs(config.busy_seconds);
        Self::connect(&config.url, busy, config.owner, config.owner == Owner::Corral).await
    }

    /// A store that touches its database only when it is asked something, for a host that runs no tick.
    ///
    /// # Errors
    /// [`StoreError::Url`].
    pub fn unopened(url: &str) -> Result<Self, StoreError> {
        let busy = Duration::from_secs(1);
        let bad = |reason| StoreError::Url { url: url::shown(url), reason };
        let (scheme, words) = url::parse(url)?;
        Ok(match scheme {
            Scheme::Sqlite => {
                let options = sqlite::options(&words, busy).map_err(bad)?;
                Self::on_file(options.create_if_missing(false), busy, Owner::Corral)
            }
            Scheme::MySql => {
                let options = mysql::options(&words).map_err(bad)?;
                let collations = Collations::usual();
                Self::on_mysql(&options, collations, busy)
            }
            Scheme::Postgres => {
                let options = postgres::options(&words).map_err(bad)?;
                Self::on_server(
                    |connections, _| postgres::pool(&options, connections, busy),
                    Owner::Corral,
                )
            }
        })
    }

    async fn connect(
        url: &str,
        busy: Duration,
        owner: Owner,
        create: bool,
    ) -> Result<Self, StoreError> {
        let bad = |reason| StoreError::Url { url: url::shown(url), reason };
        let (scheme, words) = url::parse(url)?;
        let store = match scheme {
            Scheme::Sqlite => {
                let options = sqlite::options(&words, busy).map_err(bad)?;
                find(&options, create)?;
                Self::on_file(options, busy, owner)
            }
            Scheme::MySql if owner == Owner::Corral => {
                return Err(StoreError::Unsupported(
                    "on MariaDB and MySQL Corral works with DECNET's tables only (a database of its own can be \
                     SQLite or PostgreSQL)",
                ));
            }
            Scheme::MySql => {
                let options = mysql::options(&words).map_err(bad)?;
                let collations = collations(&options).await?;
                Self::on_mysql(&options, collations, busy)
            }
            Scheme::Postgres if owner == Owner::Decnet => {
                return Err(StoreError::Unsupported("DECNET has no database on PostgreSQL"));
            }
            Scheme::Postgres => {
                let options = postgres::options(&words).map_err(bad)?;
                Self::on_server(|connections, _| postgres::pool(&options, connections, busy), owner)
            }
        };
        if owner == Owner::Decnet {
            store.check().await?;
        }
        store.migrate().await?;
        Ok(store)
    }

    fn on_file(options: SqliteConnectOptions, busy: Duration, owner: Owner) -> Self {
        // DECNET never has its keys checked, and its rows may point to nothing.
        let options = options.foreign_keys(owner == Owner::Corral);
        let sqlite::Pools { readers, writer, bulk } = sqlite::pools(options, READERS, busy);
        Self { readers, writer, bulk, owner, fence: None, untidy: Arc::default() }
    }

    fn on_mysql(options: &MySqlConnectOptions, collations: Collations, busy: Duration) -> Self {
        let dialect = Dialect::MariaDb(Arc::new(collations));
        let pool = |connections, what_for| {
            mysql::pool(options, dialect.clone(), (connections, what_for), busy)
        };
        Self::on_server(pool, Owner::Decnet)
    }

    fn on_server(pool: impl Fn(u32, Begin) -> Pool, owner: Owner) -> Self {
        let writer = pool(WRITERS, Begin::Write);
        let readers = pool(READERS, Begin::Moment);
        Self { readers, bulk: writer.clone(), writer, owner, fence: None, untidy: Arc::default() }
    }

    /// Makes the tables that are not there.
    async fn migrate(&self) -> Result<(), StoreError> {
        match &self.writer {
            Pool::Sqlite(pool) => {
                self.migrations(sqlx::migrate!("./migrations/sqlite")).run(pool).await?;
            }
            Pool::MySql(pool, Dialect::MariaDb(collations)) => {
                let mut migrations = self.migrations(sqlx::migrate!("./migrations/mariadb"));
                for migration in migrations.migrations.to_mut() {
                    let words = collations.declared(migration.sql.as_str());
                    migration.sql = AssertSqlSafe(words).into_sql_str();
                }
                migrations.run(pool).await?;
            }
            Pool::MySql(..) => {}
            Pool::Postgres(pool) => {
                self.migrations(sqlx::migrate!("./migrations/postgres")).run(pool).await?;
            }
        }
        Ok(())
    }

    /// Those that are for us to run.
    fn migrations(&self, all: Migrator) -> Migrator {
        let is_ours = |description: &str| self.owner == Owner::Corral || description != "decnet";
        let ours = all.iter().filter(|migration| is_ours(&migration.description)).cloned();
        let mut migrator = Migrator::with_migrations(ours.collect());
        migrator.dangerous_set_table_name("corral_schema");
        migrator
    }

    /// Whether DECNET's tables have what we need.
    async fn check(&self) -> Result<(), StoreError> {
        // The writer, because it makes the file what readers can open.
        let missing = lacking(&mut self.writer.acquire().await?).await?;
        if missing.is_empty() { Ok(()) } else { Err(StoreError::Lacks(missing.join(", "))) }
    }

    /// Tables and columns of DECNET's that we need and that are not there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn missing(&self) -> Result<Vec<String>, StoreError> {
        lacking(&mut self.read().await?).await
    }
}

async fn lacking(connection: &mut Connection) -> Result<Vec<String>, StoreError> {
    let columns = match connection.dialect() {
        Dialect::Sqlite => {
            "SELECT m.name, c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c \
             WHERE m.type = 'table'"
        }
        _ => {
            "SELECT table_name, column_name FROM information_schema.columns \
             WHERE table_schema = DATABASE()"
        }
    };
    Ok(missing(&query(columns).all(connection).await?))
}

/// What is not there of what we need.
fn missing(there: &[(String, String)]) -> Vec<String> {
    let mut missing = Vec::new();
    for (table, columns) in NEEDED {
        if !there.iter().any(|(name, _)| name == table) {
            missing.push(format!("table {table}"));
            continue;
        }
        let has = |column: &str| there.iter().any(|(name, one)| name == table && one == column);
        let columns = columns.split_whitespace().filter(|column| !has(column));
        missing.extend(columns.map(|column| format!("column {table}.{column}")));
    }
    missing
}

/// Makes sure that the file is there, or can be made.
fn find(options: &SqliteConnectOptions, create: bool) -> Result<(), StoreError> {
    let file = options.get_filename();
    if !create {
        return match files::open(file) {
            Err(error) if error.is_missing() => {
                Err(StoreError::Missing(file.display().to_string()))
            }
            _ => Ok(()),
        };
    }
    match file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => files::create_directory(folder).map_err(StoreError::Folder).map(|_| ()),
        None => Ok(()),
    }
}

/// How texts are compared in DECNET's tables.
async fn collations(options: &MySqlConnectOptions) -> Result<Collations, StoreError> {
    let mut connection: MySqlConnection = options.connect().await?;
    let version: String =
        sqlx::query("SELECT VERSION()").fetch_one(&mut connection).await?.try_get(0)?;
    let mut found = Collations::usual();
    // The collation that does not even pass over spaces at the end.
    if !version.to_lowercase().contains("mariadb") {
        found.binary = "utf8mb4_0900_bin".to_owned();
    }
    let id = sqlx::query(
        "SELECT character_set_name, collation_name FROM information_schema.columns \
         WHERE table_schema = DATABASE() AND table_name = 'attackers' AND column_name = 'uuid'",
    );
    if let Some(row) = id.fetch_optional(&mut connection).await? {
        found.charset = row.try_get(0)?;
        found.collation = row.try_get(1)?;
    }
    let time = sqlx::query(
        "SELECT CAST(datetime_precision AS SIGNED) FROM information_schema.columns \
         WHERE table_schema = DATABASE() AND table_name = 'attackers' AND column_name = 'first_seen'",
    );
    if let Some(row) = time.fetch_optional(&mut connection).await? {
        found.has_micros = row.try_get::<Option<i64>, _>(0)? == Some(6);
    }
    connection.close().await?;
    Ok(found)
}

impl Collations {
    /// What a server has if nobody said otherwise.
    fn usual() -> Self {
        Self {
            charset: "utf8mb4".to_owned(),
            collation: "utf8mb4_general_ci".to_owned(),
            binary: "utf8mb4_nopad_bin".to_owned(),
            has_micros: false,
        }
    }

    /// A schema with the types that these make.
    fn declared(&self, schema: &str) -> String {
        let Self { charset, collation, binary, .. } = self;
        let text = format!("CHARACTER SET utf8mb4 COLLATE {binary}");
        schema
            .replace("{key}", &format!("VARCHAR(255) CHARACTER SET {charset} COLLATE {collation}"))
            .replace("{name}", &format!("VARCHAR(191) {text}"))
            .replace("{text}", &format!("LONGTEXT {text}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        let all: Vec<(String, String)> = NEEDED
            .iter()
            .flat_map(|(table, columns)| {
                columns.split_whitespace().map(|column| (table.to_string(), column.to_owned()))
            })
            .collect();
        assert_eq!(missing(&all), Vec::<String>::new());
        let some: Vec<(String, String)> = all
            .into_iter()
            .filter(|(table, column)| {
                table != "ttp_tag" && (table, column.as_str()) != (&"attackers".to_owned(), "asn")
            })
            .collect();
        assert_eq!(missing(&some), ["column attackers.asn", "table ttp_tag"]);
    }
}
