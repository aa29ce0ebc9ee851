//! Attackers for a database, as many as are asked for, and those who come after them.
//!
//! Three in five act alone; the others belong to one of a fifth as many actors, of whom a few are far busier than
//! the rest. So ten attackers are about seven identities, as in the population that DECNET was measured with,
//! and the largest of a million has about a thousand members. What attackers share is their actor's: a HASSH, a
//! payload, of one in four a JA3 and of one in three a host that payloads come from.
//!
//! They stand in the table in the order in which they came, which has nothing to do with their ids.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use corral::clock::Timestamp;
use corral::ids;
use corral::store::Store;
use corral::store::encoding::datetime;
use corral::store::record::{self, Batch, Certainty, Event, Feature, Kind, Service, Session, What};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};

use crate::kernels::Chance;
use crate::tick::BUSY;

/// When the first came, in microseconds of UTC; the others came a second apart.
const BEGIN: i64 = 1_780_000_000_000_000;
/// The first address.
const FIRST_ADDRESS: u32 = 0x0b00_0000;
/// Those who act alone have numbers above all others.
const ALONE: u32 = 1 << 31;
/// Rows that are handed to a statement at a time.
const ROWS_PER_STATEMENT: usize = 10_000;

pub(crate) struct Attacker {
    pub(crate) uuid: String,
    ip: String,
    actor: u32,
    at: Timestamp,
}

/// The attacker of this number among so many; a newcomer has a number that is not below them.
pub(crate) fn attacker(number: u32, among: u32) -> Attacker {
    let ip = Ipv4Addr::from(FIRST_ADDRESS + number).to_string();
    let mut chance = Chance(u64::from(number) << 16);
    let is_alone = chance.next() < 0.6;
    let actor = if is_alone { ALONE | number } else { chance.heavy((among / 5).max(1), 2) };
    let at = Timestamp(BEGIN + 1_000_000 * i64::from(number));
    Attacker { uuid: ids::attacker(&ip), ip, actor, at }
}

impl Attacker {
    fn features(&self) -> Vec<(Kind, String)> {
        let mut features = vec![
            (Kind::Hassh, hexadecimal(self.actor, 0, 32)),
            (Kind::PayloadSha256, hexadecimal(self.actor, 1, 64)),
        ];
        if self.actor.is_multiple_of(4) {
            features.push((Kind::Ja3, hexadecimal(self.actor, 2, 32)));
        }
        if self.actor.is_multiple_of(3) {
            features.push((Kind::DownloadHost, format!("host-{}.example:80", self.actor)));
        }
        features
    }
}

/// Digits that follow from a number.
fn hexadecimal(number: u32, salt: u64, digits: usize) -> String {
    let mut chance = Chance(u64::from(number) << 20 | salt);
    let mut text = String::with_capacity(digits + 8);
    while text.len() < digits {
        text.push_str(&format!("{:08x}", chance.heavy(u32::MAX, 1)));
    }
    text
}

/// These attackers as ingest would bring them: one session each.
pub(crate) fn batch(attackers: &[Attacker]) -> Batch {
    let session = |(at, attacker): (usize, &Attacker)| {
        let features = attacker.features().into_iter();
        let features: Vec<Feature> =
            features.map(|(kind, value)| Feature { kind, value: value.into() }).collect();
        let what = What::Features(features.into());
        Session {
            attacker: at,
            source: Arc::from("sensor"),
            session: Arc::from("1"),
            decky: Arc::from("sensor"),
            service: Service { name: Arc::from("ssh"), certainty: Certainty::Named },
            events: vec![Event { hash: 1, at: attacker.at, what }],
        }
    };
    let named = |attacker: &Attacker| record::Attacker {
        id: attacker.uuid.as_str().into(),
        ip: attacker.ip.as_str().into(),
    };
    Batch {
        attackers: attackers.iter().map(named).collect(),
        sessions: attackers.iter().enumerate().map(session).collect(),
        sources: Vec::new(),
    }
}

/// Makes a database of so many attackers whom nobody has looked at yet.
pub(crate) async fn fill(database: &Path, attackers: u32) -> Result<()> {
    let url = format!("sqlite://{}", database.display());
    Store::open(&url, BUSY).await?.close().await;
    let mut connection = SqliteConnection::connect(&url).await?;
    for pragma in ["PRAGMA synchronous = OFF", "PRAGMA cache_size = -400000"] {
        sqlx::raw_sql(pragma).execute(&mut connection).await?;
    }
    let mut transaction = connection.begin().await?;
    let indices = drop_indices(&mut transaction).await?;
    let all: Vec<Attacker> = (0..attackers).map(|number| attacker(number, attackers)).collect();
    let rows = all.iter().map(|one| json!([one.uuid, one.ip, datetime(one.at)]));
    insert(&mut transaction, ATTACKERS, rows).await?;
    let mut by_id: Vec<&Attacker> = all.iter().collect();
    by_id.sort_unstable_by(|a, b| a.uuid.cmp(&b.uuid));
    let rows = by_id.into_iter().flat_map(|one| {
        let mut features: Vec<_> =
            one.features().into_iter().map(|(kind, value)| (kind.name(), value)).collect();
        features.sort_unstable();
        let row = |(kind, value)| json!([one.uuid, kind, value, one.at.micros()]);
        features.into_iter().map(row).collect::<Vec<_>>()
    });
    insert(&mut transaction, FEATURES, rows).await?;
    for index in indices {
        sqlx::raw_sql(AssertSqlSafe(index)).execute(&mut *transaction).await?;
    }
    sqlx::raw_sql(VERSIONS).execute(&mut *transaction).await?;
    transaction.commit().await?;
    sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await?;
    Ok(connection.close().await?)
}

/// Drops what is quicker to make at the end; gives how it was made.
async fn drop_indices(connection: &mut SqliteConnection) -> Result<Vec<String>> {
    let rows = sqlx::query(
        "SELECT name, sql FROM sqlite_master
         WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN ('attackers', 'corral_feature')",
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut made = Vec::new();
    for row in rows {
        let name: String = row.try_get(0)?;
        let drop = format!("DROP INDEX {name}");
        sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut *connection).await?;
        made.push(row.try_get(1)?);
    }
    Ok(made)
}

async fn insert(
    connection: &mut SqliteConnection,
    sql: &'static str,
    rows: impl Iterator<Item = Value>,
) -> Result<()> {
    let mut rows = rows.peekable();
    while rows.peek().is_some() {
        let chunk: Vec<Value> = rows.by_ref().take(ROWS_PER_STATEMENT).collect();
        sqlx::query(sql).bind(Value::Array(chunk).to_string()).execute(&mut *connection).await?;
    }
    Ok(())
}

const ATTACKERS: &str = "INSERT INTO attackers (uuid, ip, first_seen, last_seen, updated_at, event_count,
         service_count, decky_count, services, deckies, is_traversal, bounty_count, credential_count,
         fingerprints, commands, rotation_count, ipv6_leak_count)
     SELECT value->>0, value->>1, value->>2, value->>2, value->>2, 1, 1, 1, '[\"ssh\"]', '[\"sensor\"]', 0, 0,
         0, '[]', '[]', 0, 0
     FROM json_each(?)";
const FEATURES: &str =
    "INSERT INTO corral_feature (attacker_uuid, kind, value, first_seen, last_seen,
         sightings, decky)
     SELECT value->>0, value->>1, value->>2, value->>3, value->>3, 1, 'sensor' FROM json_each(?)";
const VERSIONS: &str = "INSERT INTO corral_revision (view, revision)
     VALUES ('attackers', 1), ('features', 1), ('attackers-order', 1)";
