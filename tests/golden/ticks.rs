//! Whole ticks: what DECNET's workers made of a database, and what ours make of the same.
//!
//! Each tick is loaded into a database as DECNET makes it, the real plugin runs in the real host, and rows,
//! results and events are compared field by field. Where Corral differs on purpose, the field stands in
//! [`differences`] and is checked against Corral's own rule instead.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use corral::clock::{Clock, SystemClock};
use corral::config::Config;
use corral::plugin::catalog::Catalog;
use corral::plugin::{Host, Reason, Ticked, Wake};
use corral::store::Store;
use corral::store::project::{Fingerprints, Projected};
use corral::store::revision::View;
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{Column, ConnectOptions, Row, SqliteConnection, TypeInfo, ValueRef};

use crate::{Tally, cases};

pub(crate) mod attribution;
pub(crate) mod campaign;
pub(crate) mod differences;
pub(crate) mod identity;
pub(crate) mod populated;
pub(crate) mod reuse;

/// A row of a table or of a golden file: column to value.
pub(crate) type Fields = Map<String, Value>;

/// A database of DECNET's with a host on it.
pub(crate) struct World {
    pub(crate) store: Store,
    host: Host,
    catalog: Catalog,
    clock: Arc<dyn Clock>,
    pub(crate) database: SqliteConnection,
    // Last, so that the folder goes after the connections into it.
    _folder: tempfile::TempDir,
}

impl World {
    /// A copy of the recorded database of this name beside `beside`.
    pub(crate) async fn open(beside: &Path, name: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("decnet.db");
        std::fs::write(&path, unpacked(&beside.with_file_name(name))?)?;
        let url = format!("sqlite://{}", path.display());
        let store = Store::open_decnet(&url, Duration::from_secs(5)).await?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let config = Config::default();
        let host = Host::start(&config, store.clone(), clock.clone())?;
        let catalog = Catalog::load(&host, &config.plugins.directory).await?;
        let options: SqliteConnectOptions = url.parse()?;
        let database = options.foreign_keys(false).connect().await?;
        Ok(Self { store, host, catalog, clock, database, _folder: folder })
    }

    /// Takes away all rows of these tables and everything that Corral remembers.
    pub(crate) async fn clear(&mut self, tables: &[&str]) -> Result<()> {
        let own = ["state", "projected", "poison", "feature", "evidence", "outbox", "change"];
        for table in tables {
            self.sql(&format!("DELETE FROM {table}")).await?;
        }
        for table in own {
            self.sql(&format!("DELETE FROM corral_{table}")).await?;
        }
        self.bump().await
    }

    /// Says of every view that it changed, as whoever writes one by hand has to.
    pub(crate) async fn bump(&mut self) -> Result<()> {
        for view in View::ALL.map(View::name).into_iter().chain(["attackers-order"]) {
            sqlx::query(
                "INSERT INTO corral_revision (view, revision) VALUES (?, 1)
                 ON CONFLICT (view) DO UPDATE SET revision = revision + 1",
            )
            .bind(view)
            .execute(&mut self.database)
            .await?;
        }
        Ok(())
    }

    pub(crate) async fn sql(&mut self, sql: &str) -> Result<()> {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut self.database).await?;
        Ok(())
    }

    /// Inserts a row; what the table wants and `fields` lacks is zero, or empty.
    pub(crate) async fn insert(&mut self, table: &str, fields: &Fields) -> Result<()> {
        let columns = self.rows(&format!("PRAGMA table_info({table})")).await?;
        let mut all = fields.clone();
        for column in columns {
            let name = text(&column, "name").unwrap_or_default();
            let is_wanted = column.get("notnull") == Some(&Value::from(1));
            if is_wanted && !all.contains_key(name) && column.get("pk") == Some(&Value::from(0)) {
                let kind = text(&column, "type").unwrap_or_default();
                let is_time = kind == "DATETIME";
                let is_number = ["INTEGER", "BIGINT", "FLOAT", "BOOLEAN"].contains(&kind);
                let value = if is_time {
                    Value::from("2026-01-01 00:00:00.000000")
                } else if is_number {
                    Value::from(0)
                } else {
                    Value::from("[]")
                };
                all.insert(name.to_owned(), value);
            }
        }
        let names: Vec<&str> = all.keys().map(String::as_str).collect();
        let places = vec!["?"; names.len()].join(", ");
        let sql = format!("INSERT INTO {table} ({}) VALUES ({places})", names.join(", "));
        let mut query = sqlx::query(sqlx::AssertSqlSafe(sql));
        for value in all.values() {
            query = match value {
                Value::Null => query.bind(None::<String>),
                Value::Bool(is_true) => query.bind(*is_true),
                Value::Number(number) => match number.as_i64() {
                    Some(number) => query.bind(number),
                    None => query.bind(number.as_f64()),
                },
                Value::String(text) => query.bind(text.clone()),
                other => query.bind(other.to_string()),
            };
        }
        query.execute(&mut self.database).await.with_context(|| format!("insert into {table}"))?;
        Ok(())
    }

    /// All rows of a query, each value as what it is.
    pub(crate) async fn rows(&mut self, sql: &str) -> Result<Vec<Fields>> {
        let rows =
            sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).fetch_all(&mut self.database).await?;
        rows.iter().map(fields).collect()
    }

    /// Looks at what DECNET wrote, as of upstream's own adapter.
    pub(crate) async fn project(&self) -> Result<Projected> {
        Ok(self.store.project(Fingerprints::Legacy, self.clock.now()).await?)
    }

    /// A tick of a plugin.
    pub(crate) async fn tick(&self, plugin: &str, settings: &[(&str, &str)]) -> Result<Ticked> {
        let plugin = self.catalog.plugins.get(plugin).context("the components are not built in")?;
        let settings =
            settings.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        Ok(self.host.tick(plugin, Wake { reason: Reason::Poll, settings }).await?)
    }

    /// Whether the plugin has nothing left to do. Where merges were undone, groups that left together are
    /// merged again, as upstream has it; else the first tick more writes nothing.
    pub(crate) async fn settles(
        &mut self,
        plugin: &str,
        settings: &[(&str, &str)],
        events: &[Event],
    ) -> Result<()> {
        let parts = events.iter().any(|event| event.topic.ends_with(".unmerged"));
        for _ in 0..if parts { 4 } else { 1 } {
            if self.tick(plugin, settings).await?.committed.is_empty() {
                return Ok(());
            }
        }
        bail!("a tick with nothing new wrote")
    }

    /// The events of the outbox: topic, type, payload; it is empty after that.
    pub(crate) async fn events(&mut self) -> Result<Vec<Event>> {
        let rows = self.rows("SELECT topic, type, payload FROM corral_outbox ORDER BY id").await?;
        self.sql("DELETE FROM corral_outbox").await?;
        rows.iter()
            .map(|row| {
                let payload = serde_json::from_str(text(row, "payload").unwrap_or_default())?;
                let of = |name| text(row, name).unwrap_or_default().to_owned();
                Ok(Event { topic: of("topic"), kind: of("type"), payload })
            })
            .collect()
    }
}

/// What is announced.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
pub(crate) struct Event {
    pub(crate) topic: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) payload: Fields,
}

/// The same events kind by kind in the same order, those of one kind in any: upstream goes by the order in
/// which rows were made, or by that of a Python set. Keys of our own beside upstream's are no difference.
pub(crate) fn compare_events(ours: &[Event], theirs: &[Event]) -> Result<()> {
    let mut rest: Vec<&Event> = theirs.iter().collect();
    for event in ours {
        let place = rest
            .iter()
            .position(|other| is_within(other, event))
            .with_context(|| format!("an event that upstream has not: {event:?}"))?;
        rest.remove(place);
    }
    ensure!(rest.is_empty(), "events are missing: {rest:?}");
    let order = |events: &[Event]| {
        let mut ranks: Vec<usize> = events.iter().filter_map(rank).collect();
        ranks.dedup();
        ranks
    };
    ensure!(order(ours) == order(theirs), "another order of events: {ours:?}");
    Ok(())
}

/// Formed, linked, merged, unmerged. That an identity has a campaign now is told behind either of the first
/// two.
fn rank(event: &Event) -> Option<usize> {
    let topics: [&[&str]; 4] = [
        &["identity.formed", "campaign.formed"],
        &["identity.observation.linked", "campaign.identity.assigned"],
        &["identity.merged", "campaign.merged"],
        &["identity.unmerged", "campaign.unmerged"],
    ];
    topics.iter().position(|topics| topics.contains(&event.topic.as_str()))
}

fn is_within(theirs: &Event, ours: &Event) -> bool {
    theirs.topic == ours.topic
        && theirs.kind == ours.kind
        && theirs.payload.iter().all(|(key, value)| same(ours.payload.get(key), value))
}

/// Equal; a list of members in any order.
fn same(ours: Option<&Value>, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Some(Value::Array(ours)), Value::Array(theirs)) => {
            let sorted = |list: &[Value]| {
                let mut list: Vec<String> = list.iter().map(Value::to_string).collect();
                list.sort();
                list
            };
            sorted(ours) == sorted(theirs)
        }
        (Some(Value::Number(ours)), Value::Number(theirs)) => {
            // SQLite writes fifteen digits of a number as text.
            let pair = ours.as_f64().zip(theirs.as_f64());
            pair.is_some_and(|(ours, theirs)| (ours - theirs).abs() <= 1e-12 * theirs.abs())
        }
        (ours, theirs) => ours == Some(theirs),
    }
}

/// Ids that are new, ours to upstream's: groups of the same members.
pub(crate) type Renamed = BTreeMap<String, String>;

/// Which of our new groups are which of upstream's.
pub(crate) fn renamed(ours: &[Event], theirs: &[Event], group: &str, members: &str) -> Renamed {
    let by_members = |events: &[Event]| -> BTreeMap<Vec<String>, String> {
        let formed = events.iter().filter(|event| event.topic.ends_with(".formed"));
        formed
            .filter_map(|event| {
                let list = event.payload.get(members)?.as_array()?;
                let mut list: Vec<String> = list.iter().map(Value::to_string).collect();
                list.sort();
                Some((list, event.payload.get(group)?.as_str()?.to_owned()))
            })
            .collect()
    };
    let theirs = by_members(theirs);
    by_members(ours)
        .into_iter()
        .filter_map(|(members, group)| Some((group, theirs.get(&members)?.clone())))
        .collect()
}

/// Our ids in a text, as upstream has them.
pub(crate) fn rename(renamed: &Renamed, value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some(other) = renamed.get(text) {
                text.clone_from(other);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(renamed, item)),
        Value::Object(fields) => rename_all(renamed, fields),
        _ => {}
    }
}

/// The same for every field.
pub(crate) fn rename_all(renamed: &Renamed, fields: &mut Fields) {
    fields.values_mut().for_each(|value| rename(renamed, value));
}

/// Rows by a column.
pub(crate) fn by(rows: Vec<Fields>, column: &str) -> BTreeMap<String, Fields> {
    rows.into_iter().filter_map(|row| Some((text(&row, column)?.to_owned(), row))).collect()
}

/// A text of a row.
pub(crate) fn text<'r>(row: &'r Fields, column: &str) -> Option<&'r str> {
    row.get(column)?.as_str()
}

fn fields(row: &SqliteRow) -> Result<Fields> {
    let mut fields = Fields::new();
    for (at, column) in row.columns().iter().enumerate() {
        let raw = row.try_get_raw(at)?;
        let kind = raw.type_info().name().to_owned();
        let value = if raw.is_null() {
            Value::Null
        } else {
            match kind.as_str() {
                "INTEGER" | "BOOLEAN" => row.try_get_unchecked::<i64, _>(at)?.into(),
                "REAL" | "FLOAT" => row.try_get_unchecked::<f64, _>(at)?.into(),
                "BLOB" => {
                    let bytes: Vec<u8> = row.try_get_unchecked(at)?;
                    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
                }
                _ => row.try_get_unchecked::<String, _>(at)?.into(),
            }
        };
        fields.insert(column.name().to_owned(), value);
    }
    Ok(fields)
}

fn unpacked(path: &PathBuf) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).with_context(|| format!("open {}", path.display()))?;
    GzDecoder::new(file).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A scenario: ticks, each of which stands for itself.
#[derive(Deserialize)]
struct Scenario<T> {
    scenario: u32,
    family: String,
    ticks: Vec<T>,
}

/// Checks every tick of every scenario of a file, one after the other in one world.
pub(crate) fn each_tick<T: DeserializeOwned>(
    path: &Path,
    check: impl AsyncFn(&mut World, T) -> Result<()>,
) -> Result<Tally> {
    block_on(async {
        let mut world = World::open(path, "db_empty_alembic.sqlite.gz").await?;
        let mut tally = Tally::default();
        for scenario in cases::<Scenario<T>>(path)? {
            let Scenario { scenario, family, ticks } = scenario?;
            for (at, tick) in ticks.into_iter().enumerate() {
                let checked = check(&mut world, tick).await;
                tally.count(&format!("scenario {scenario} ({family}), tick {at}"), checked);
            }
        }
        Ok(tally)
    })
}

/// Runs what a family has to do.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(work)
}
