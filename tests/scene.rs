//! A scene: a throwaway database with hand-made attackers, and a host to run correlators on it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use corral::clock::{Clock, SystemClock};
use corral::config::Config;
use corral::ids;
use corral::plugin::catalog::Catalog;
use corral::plugin::{Host, Plugin, Reason, Source, TickError, Ticked, Wake};
use corral::store::Store;
use sqlx::{Connection, SqliteConnection};

/// A database, a host and the plugins that are built in.
pub(crate) struct Scene {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) host: Host,
    pub(crate) catalog: Catalog,
    pub(crate) clock: Arc<dyn Clock>,
    database: SqliteConnection,
    // Last, so that the folder goes after the connections into it.
    _folder: tempfile::TempDir,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::with(Config::default()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let scene = Self::with_refusals(config).await;
        assert!(scene.catalog.refused.is_empty(), "{:?}", scene.catalog.refused);
        scene
    }

    /// A scene whose limits may keep even the built-in plugins out.
    pub(crate) async fn with_refusals(config: Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("corral.db").display());
        let store = Store::open(&url, Duration::from_secs(5)).await.unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let host = Host::start(&config, store.clone(), clock.clone()).unwrap();
        let catalog = Catalog::load(&host, &config.plugins.directory).await.unwrap();
        let database = SqliteConnection::connect(&url).await.unwrap();
        Self { config, store, host, catalog, clock, database, _folder: folder }
    }

    /// An attacker first seen at minute `at`, with features in the order given.
    pub(crate) async fn attacker(&mut self, ip: &str, at: i64, features: &[(&str, &str)]) {
        let uuid = ids::attacker(ip);
        let seen = format!("2026-03-22 {:02}:{:02}:00.000000", at / 60, at % 60);
        sqlx::query(
            "INSERT INTO attackers (uuid, ip, first_seen, last_seen, event_count, service_count, decky_count,
                 services, deckies, is_traversal, bounty_count, credential_count, fingerprints, commands,
                 rotation_count, ipv6_leak_count, updated_at)
             VALUES (?1, ?2, ?3, ?3, 1, 1, 1, '[]', '[]', 0, 0, 0, '[]', '[]', 0, 0, ?3)",
        )
        .bind(&uuid)
        .bind(ip)
        .bind(&seen)
        .execute(&mut self.database)
        .await
        .unwrap();
        for (order, (kind, value)) in (0..).zip(features) {
            self.sql(&format!(
                "INSERT INTO corral_feature (attacker_uuid, kind, value, first_seen, last_seen, sightings) VALUES ('{uuid}', '{kind}', '{value}', {order}, {order}, 1)"
            ))
            .await;
        }
    }

    /// Changes the database behind everybody's back.
    pub(crate) async fn sql(&mut self, sql: &str) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()))
            .execute(&mut self.database)
            .await
            .unwrap();
    }

    /// One column of a query's rows, as text.
    pub(crate) async fn texts(&mut self, sql: &str) -> Vec<String> {
        let rows: Vec<(Option<String>,)> = sqlx::query_as(sqlx::AssertSqlSafe(sql.to_owned()))
            .fetch_all(&mut self.database)
            .await
            .unwrap();
        rows.into_iter().map(|(text,)| text.unwrap_or_else(|| "NULL".to_owned())).collect()
    }

    /// Every row of every table that a tick may write, as text.
    pub(crate) async fn dump(&mut self) -> String {
        let mut dump = String::new();
        for table in [
            "attackers",
            "attacker_identities",
            "corral_evidence",
            "corral_outbox",
            "corral_revision",
            "corral_tick",
            "corral_state",
        ] {
            let columns =
                self.texts(&format!("SELECT name FROM pragma_table_info('{table}')")).await;
            let row = columns
                .iter()
                .map(|column| format!("quote({column})"))
                .collect::<Vec<_>>()
                .join(" || '|' || ");
            let rows = self.texts(&format!("SELECT {row} FROM {table} ORDER BY 1")).await;
            dump.push_str(&format!("{table}\n{}\n", rows.join("\n")));
        }
        dump
    }

    pub(crate) async fn tick(
        &self,
        plugin: &Plugin,
        settings: &[(&str, &str)],
    ) -> Result<Ticked, TickError> {
        let settings =
            settings.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        self.host.tick(plugin, Wake { reason: Reason::Command, settings }).await
    }

    pub(crate) async fn cluster(&self) -> Ticked {
        let clusterer = self.catalog.plugins.get("clusterer").expect(UNBUILT);
        self.tick(clusterer, &[]).await.unwrap()
    }

    /// The live identity of an address.
    pub(crate) async fn identity(&self, ip: &str) -> String {
        let attacker = self.store.attacker(ip).await.unwrap().unwrap();
        self.store.live_identity(&attacker.identity.unwrap()).await.unwrap()
    }

    /// A guest of tests/guests.
    pub(crate) async fn guest(&self, name: &str) -> Plugin {
        let file = guests().join(name).with_extension("wasm");
        let bytes = std::fs::read(&file).expect(UNBUILT);
        self.host.load(Source::File(file), &bytes).await.unwrap()
    }
}

const UNBUILT: &str = "the components are built by `cargo xtask test`; run the tests through it";

fn guests() -> PathBuf {
    built("CORRAL_GUESTS")
}

/// Where the built components are.
pub(crate) fn components() -> PathBuf {
    built("CORRAL_COMPONENTS")
}

#[expect(clippy::disallowed_methods, reason = "the xtask says where it has put things")]
fn built(variable: &str) -> PathBuf {
    std::env::var_os(variable).map(PathBuf::from).expect(UNBUILT)
}
