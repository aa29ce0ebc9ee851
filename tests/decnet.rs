//! Corral on a database that DECNET owns: what it takes in, what it mends, and what it leaves alone.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use corral::clock::{Clock, SystemClock, Timestamp};
use corral::config::Config;
use corral::plugin::catalog::Catalog;
use corral::plugin::{Host, Reason, TickError, Ticked, Wake};
use corral::store::Store;
use corral::store::project::{Fingerprints, Projected};
use flate2::read::GzDecoder;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};

use crate::tree;

mod projection;
mod servers;
mod untouched;
mod weaknesses;

/// A database as a boot of DECNET makes it.
pub(crate) fn empty_database() -> Vec<u8> {
    let packed = tree::root().join("tests/data/golden/db_empty_alembic.sqlite.gz");
    let mut bytes = Vec::new();
    GzDecoder::new(std::fs::File::open(packed).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

/// Writes an attacker as the profiler does, seen once.
pub(crate) async fn insert_attacker(
    database: &mut SqliteConnection,
    uuid: &str,
    seen: &str,
    fingerprints: &str,
) {
    sqlx::query(
        "INSERT INTO attackers (uuid, ip, first_seen, last_seen, event_count, service_count, decky_count,
             services, deckies, is_traversal, bounty_count, credential_count, fingerprints, commands,
             rotation_count, ipv6_leak_count, updated_at)
         VALUES (?, ?, ?, ?, 1, 1, 1, '[]', '[]', 0, 0, 0, ?, '[]', 0, 0, ?)",
    )
    .bind(uuid)
    .bind(format!("ip of {uuid}"))
    .bind(seen)
    .bind(seen)
    .bind(fingerprints)
    .bind(seen)
    .execute(database)
    .await
    .unwrap();
}

/// A database as a boot of DECNET makes it, opened as Corral, with a host on it.
struct Decnet {
    store: Store,
    host: Host,
    catalog: Catalog,
    clock: Arc<dyn Clock>,
    database: SqliteConnection,
    url: String,
    // Last, so that the folder goes after the connections into it.
    _folder: tempfile::TempDir,
}

impl Decnet {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("decnet.db");
        std::fs::write(&path, empty_database()).unwrap();
        let url = format!("sqlite://{}", path.display());
        let store = Store::open_decnet(&url, Duration::from_secs(5)).await.unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let mut config = Config::default();
        config.plugins.cache = tree::COMPILED.to_owned();
        config.plugins.compiler = tree::executable().display().to_string();
        let host = Host::start(&config, store.clone(), clock.clone()).unwrap();
        let catalog = Catalog::load(&host, &config.plugins.directory).await.unwrap();
        let options: SqliteConnectOptions = url.parse().unwrap();
        // DECNET enforces no foreign keys on SQLite.
        let database = options.foreign_keys(false).connect().await.unwrap();
        Self { store, host, catalog, clock, database, url, _folder: folder }
    }

    async fn sql(&mut self, sql: &str) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()))
            .execute(&mut self.database)
            .await
            .unwrap();
    }

    /// An attacker as the profiler writes it, first seen at minute `minute`, with these fingerprints.
    async fn attacker(&mut self, uuid: &str, minute: u32, fingerprints: &str) {
        insert_attacker(&mut self.database, uuid, &at(minute), fingerprints).await;
    }

    /// An identity as DECNET's workers make it.
    async fn identity(&mut self, uuid: &str, merged_into: Option<&str>) {
        let into = merged_into.map_or("NULL".to_owned(), |into| format!("'{into}'"));
        let seen = at(0);
        self.sql(&format!(
            "INSERT INTO attacker_identities (uuid, schema_version, first_seen_at, last_seen_at, created_at,
                 updated_at, observation_count, merged_into_uuid)
             VALUES ('{uuid}', 1, '{seen}', '{seen}', '{seen}', '{seen}', 1, {into})"
        ))
        .await;
    }

    /// An observation as the profiler writes it; its value is JSON.
    async fn observation(&mut self, attacker: &str, primitive: &str, value: &str, ts: f64) {
        let evidence = format!("shard:d/ssh/x.jsonl#{attacker}-{ts}-{value}");
        sqlx::query(
            "INSERT INTO observations (id, primitive, value, confidence, window_start_ts, window_end_ts, source,
                 evidence_ref, envelope_v, ts, attacker_uuid)
             VALUES (?, ?, ?, 0.9, 0, 0, 'extract.py', ?, 1, ?, ?)",
        )
        .bind(format!("{evidence}-{primitive}"))
        .bind(primitive)
        .bind(value)
        .bind(&evidence)
        .bind(ts)
        .bind(attacker)
        .execute(&mut self.database)
        .await
        .unwrap();
    }

    /// A credential as the ingester writes it.
    async fn credential(
        &mut self,
        attacker: Option<&str>,
        target: (&str, &str),
        account: &str,
        minute: u32,
    ) {
        let (decky, service) = target;
        let seen = at(minute);
        sqlx::query(
            "INSERT INTO credentials (attacker_ip, attacker_uuid, decky_name, service, principal, principal_key,
                 secret_kind, secret_sha256, fields, first_seen, last_seen, attempt_count)
             VALUES ('192.0.2.1', ?, ?, ?, ?, ?, 'plaintext', 'sha', '{}', ?, ?, 2)",
        )
        .bind(attacker)
        .bind(decky)
        .bind(service)
        .bind(account)
        .bind(account)
        .bind(&seen)
        .bind(&seen)
        .execute(&mut self.database)
        .await
        .unwrap();
    }

    async fn project_as(&self, fingerprints: Fingerprints) -> Projected {
        self.store.project(fingerprints, self.clock.now()).await.unwrap()
    }

    async fn project(&self) -> Projected {
        self.project_as(Fingerprints::Both).await
    }

    async fn tick(&self, plugin: &str) -> Result<Ticked, TickError> {
        let plugin = &self.catalog.plugins[plugin];
        self.host.tick(plugin, Wake { reason: Reason::Poll, settings: Vec::new() }).await
    }

    /// A look, and a tick of everybody, in the order in which one waits for the other.
    async fn round(&self) -> Vec<Ticked> {
        self.project().await;
        let mut ticks = Vec::new();
        for plugin in ["clusterer", "campaign-clusterer", "attribution", "reuse-correlate"] {
            ticks.push(self.tick(plugin).await.unwrap());
        }
        ticks
    }

    /// One column of a query's rows, as text.
    async fn texts(&mut self, sql: &str) -> Vec<String> {
        let rows: Vec<(Option<String>,)> = sqlx::query_as(sqlx::AssertSqlSafe(sql.to_owned()))
            .fetch_all(&mut self.database)
            .await
            .unwrap();
        rows.into_iter().map(|(text,)| text.unwrap_or_else(|| "NULL".to_owned())).collect()
    }

    /// The one text that a query gives.
    async fn text(&mut self, sql: &str) -> String {
        let texts = self.texts(sql).await;
        assert_eq!(texts.len(), 1, "{sql}: {texts:?}");
        texts[0].clone()
    }

    /// Every row of these tables.
    async fn dump(&mut self, tables: &[&str]) -> String {
        let mut dump = String::new();
        for table in tables {
            let names = self.texts(&format!("SELECT name FROM pragma_table_info('{table}')")).await;
            let row: Vec<String> = names.iter().map(|name| format!("quote({name})")).collect();
            let row = row.join(" || '|' || ");
            let rows = self.texts(&format!("SELECT {row} FROM {table} ORDER BY 1")).await;
            dump.push_str(&format!("{table}\n{}\n", rows.join("\n")));
        }
        dump
    }
}

/// A time as DECNET writes it.
fn at(minute: u32) -> String {
    format!("2026-01-01 {:02}:{:02}:00.000000", minute / 60, minute % 60)
}

/// A bounty row with a JA3.
fn ja3(value: &str) -> String {
    format!(
        r#"[{{"id": 1, "timestamp": "2026-01-01T00:00:00", "bounty_type": "fingerprint",
            "payload": {{"fingerprint_type": "ja3", "ja3": "{value}"}}}}]"#
    )
}

/// The clock's time, so many seconds later.
fn later(clock: &dyn Clock, seconds: i64) -> Timestamp {
    Timestamp(clock.now().micros() + seconds * 1_000_000)
}
