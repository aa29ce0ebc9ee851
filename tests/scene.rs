//! A scene: a throwaway database with hand-made attackers, and a host to run correlators on it.

use std::path::PathBuf;
use std::sync::Arc;

use corral::clock::{Clock, SystemClock};
use corral::config::Config;
use corral::ids;
use corral::plugin::catalog::Catalog;
use corral::plugin::{Host, Plugin, Reason, Source, TickError, Ticked, Wake};
use corral::store::Store;
use corral::supervise::{self, Run};

use crate::places::{Opened, Place};
use crate::sql::Sql;
use crate::tree;

/// A database, a host and the plugins that are built in.
pub(crate) struct Scene {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) host: Host,
    pub(crate) catalog: Catalog,
    pub(crate) clock: Arc<dyn Clock>,
    database: Sql,
    // Last, so that the folder goes after the connections into it.
    _folder: Option<tempfile::TempDir>,
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
        Self::at(Place::Sqlite.open().await.unwrap(), config).await
    }

    /// A scene on some database.
    pub(crate) async fn at(opened: Opened, mut config: Config) -> Self {
        config.plugins.cache = tree::COMPILED.to_owned();
        config.plugins.compiler = tree::executable().display().to_string();
        let Opened { store, url, folder } = opened;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let host = Host::start(&config, store.clone(), clock.clone()).unwrap();
        let catalog = Catalog::load(&host, &config.plugins.directory).await.unwrap();
        let database = Sql::connect(&url).await;
        Self { config, store, host, catalog, clock, database, _folder: folder }
    }

    /// An attacker first seen at minute `at`, with features in the order given.
    pub(crate) async fn attacker(&mut self, ip: &str, at: i64, features: &[(&str, &str)]) {
        let uuid = ids::attacker(ip);
        let seen = minute(at);
        self.sql(&format!(
            "INSERT INTO attackers (uuid, ip, first_seen, last_seen, event_count, service_count, decky_count,
                 services, deckies, is_traversal, bounty_count, credential_count, fingerprints, commands,
                 rotation_count, ipv6_leak_count, updated_at)
             VALUES ('{uuid}', '{ip}', '{seen}', '{seen}', 1, 1, 1, '[]', '[]', 0, 0, 0, '[]', '[]', 0, 0, '{seen}')"
        ))
        .await;
        for (order, (kind, value)) in (0..).zip(features) {
            self.sql(&format!(
                "INSERT INTO corral_feature (attacker_uuid, kind, value, first_seen, last_seen, sightings) VALUES ('{uuid}', '{kind}', '{value}', {order}, {order}, 1)"
            ))
            .await;
        }
    }

    /// A tactic that the attacker showed at a sensor at minute `at`.
    pub(crate) async fn tactic(&mut self, ip: &str, decky: &str, tactic: &str, at: i64) {
        let (uuid, seen) = (ids::attacker(ip), minute(at));
        self.sql(&format!(
            "INSERT INTO ttp_tag (uuid, source_kind, source_id, attacker_uuid, decky_id, tactic, technique_id,
                 confidence, rule_id, rule_version, evidence, attack_release, created_at)
             VALUES ('{uuid}-{decky}-{tactic}-{at}', 'command', '', '{uuid}', '{decky}', '{tactic}', 'T1', 1.0,
                 'r', 1, '{{}}', '', '{seen}')"
        ))
        .await;
    }

    /// A behaviour sample: its value is JSON, its time in seconds.
    pub(crate) async fn sample(&mut self, ip: &str, primitive: &str, value: &str, at: f64) {
        let uuid = ids::attacker(ip);
        self.sql(&format!(
            "INSERT INTO observations (id, primitive, value, confidence, window_start_ts, window_end_ts, source,
                 evidence_ref, envelope_v, ts, attacker_uuid)
             VALUES ('{uuid}-{primitive}-{at}', '{primitive}', '{value}', 1.0, 0, 0, 'test', '{uuid}-{at}', 1,
                 {at:?}, '{uuid}')"
        ))
        .await;
    }

    /// A credential that an attacker tried on a service of a sensor.
    pub(crate) async fn credential(
        &mut self,
        ip: &str,
        (decky, service): (&str, &str),
        (principal, secret): (Option<&str>, &str),
        attempts: i64,
    ) {
        let uuid = ids::attacker(ip);
        let key = principal.unwrap_or("");
        let principal = principal.map_or("NULL".to_owned(), |name| format!("'{name}'"));
        let seen = minute(0);
        self.sql(&format!(
            "INSERT INTO credentials (attacker_ip, attacker_uuid, decky_name, service, principal, principal_key,
                 secret_kind, secret_sha256, secret_printable, fields, first_seen, last_seen, attempt_count)
             VALUES ('{ip}', '{uuid}', '{decky}', '{service}', {principal}, '{key}', 'plaintext', 'sha-{secret}',
                 '{secret}', '{{}}', '{seen}', '{seen}', {attempts})"
        ))
        .await;
    }

    /// Changes the database, and says of every view that it changed, as whoever writes has to.
    pub(crate) async fn sql(&mut self, sql: &str) {
        self.database.run(sql).await;
        self.database.touch().await;
    }

    /// One column of a query's rows, as text.
    pub(crate) async fn texts(&mut self, sql: &str) -> Vec<String> {
        self.database.texts(sql).await
    }

    /// One column of numbers, as texts.
    pub(crate) async fn numbers(&mut self, sql: &str) -> Vec<String> {
        let (column, rest) = sql.strip_prefix("SELECT ").unwrap().split_once(' ').unwrap();
        let text = self.database.text(column);
        self.database.texts(&format!("SELECT {text} {rest}")).await
    }

    /// Every row of every table that a tick may write, as text.
    pub(crate) async fn dump(&mut self) -> String {
        let mut dump = String::new();
        for table in [
            "attackers",
            "attacker_identities",
            "campaigns",
            "attribution_state",
            "credential_reuse",
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

    /// A tick of a built-in plugin with its default settings.
    pub(crate) async fn tick_of(&self, plugin: &str) -> Ticked {
        let plugin = self.catalog.plugins.get(plugin).expect(UNBUILT);
        self.tick(plugin, &[]).await.unwrap()
    }

    pub(crate) async fn cluster(&self) -> Ticked {
        self.tick_of("clusterer").await
    }

    /// All correlators, until nothing changes.
    pub(crate) async fn run(&self) -> Run {
        supervise::run(&self.host, &self.catalog, &self.config, &self.store, &self.clock)
            .await
            .unwrap()
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
        let plugin = self.host.inspect(Source::File(file), &bytes).await.unwrap();
        self.host.allow(&plugin);
        plugin
    }
}

fn minute(at: i64) -> String {
    format!("2026-03-22 {:02}:{:02}:00.000000", at / 60, at % 60)
}

const UNBUILT: &str = "the components are built by `cargo xtask test`; run the tests through it";

pub(crate) fn guests() -> PathBuf {
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
