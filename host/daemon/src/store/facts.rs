//! Facts that come and go at somebody's word, for databases that are made to be thrown away.
//!
//! Ingest writes what logs say, and takes nothing back. Whoever tries a plugin out needs the same rows without the
//! logs, and needs some of them gone again. So this writes rows of the views directly, in bulk, and says of each view
//! what changed, as every writer has to. It is for SQLite databases of Corral's own, and nothing that runs a
//! database of somebody's calls it.

use std::collections::BTreeSet;

use serde::Serialize;

use super::changes::Touched;
use super::db::{Begin, Connection, Sql, write_rows};
use super::encoding::datetime;
use super::owner::Owner;
use super::revision::{self, View};
use super::{Store, StoreError, rollup};
use crate::clock::Timestamp;
use crate::ids;

/// Rows of the views that correlators start from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Attackers; one that is there already was seen again.
    pub attackers: Vec<Attacker>,
    /// What attackers showed.
    pub features: Vec<Feature>,
    /// When attackers were where.
    pub sessions: Vec<Session>,
    /// What attackers tried to log in with.
    pub credentials: Vec<Credential>,
    /// How attackers behaved.
    pub samples: Vec<Sample>,
    /// What attackers were up to.
    pub tactics: Vec<Tactic>,
}

/// A source address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attacker {
    /// Its address.
    pub ip: String,
    /// Its identity, where that is a fact and not what is to be found out: the address that the identity is of.
    pub identity: Option<String>,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// When it was last seen.
    pub last_seen: Timestamp,
}

/// Something that an attacker can share with another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// The attacker's address.
    pub ip: String,
    /// The kind.
    pub kind: String,
    /// The value.
    pub value: String,
    /// When it was first seen.
    pub seen: Timestamp,
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The attacker's address.
    pub ip: String,
    /// The sensor.
    pub decky: String,
    /// The service.
    pub service: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
}

/// A credential on a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// The attacker's address.
    pub ip: String,
    /// The sensor.
    pub decky: String,
    /// The service.
    pub service: String,
    /// The user name.
    pub principal: String,
    /// The secret, or what stands for its hash.
    pub secret: String,
    /// When it was tried.
    pub seen: Timestamp,
}

/// A behaviour sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The attacker's address.
    pub ip: String,
    /// The primitive.
    pub primitive: String,
    /// Its value, as JSON.
    pub value: String,
    /// When, in seconds.
    pub at: f64,
}

/// A tactic at a sensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tactic {
    /// The attacker's address.
    pub ip: String,
    /// The sensor.
    pub decky: String,
    /// The tactic, in the terms of ATT&CK.
    pub tactic: String,
    /// When.
    pub at: Timestamp,
}

impl Facts {
    /// The same facts from the last to the first.
    #[must_use]
    pub fn backwards(mut self) -> Self {
        self.attackers.reverse();
        self.features.reverse();
        self.sessions.reverse();
        self.credentials.reverse();
        self.samples.reverse();
        self.tactics.reverse();
        self
    }

    /// These and others.
    pub fn extend(&mut self, others: Self) {
        self.attackers.extend(others.attackers);
        self.features.extend(others.features);
        self.sessions.extend(others.sessions);
        self.credentials.extend(others.credentials);
        self.samples.extend(others.samples);
        self.tactics.extend(others.tactics);
    }

    /// Rows, all together.
    pub fn rows(&self) -> usize {
        self.attackers.len()
            + self.features.len()
            + self.sessions.len()
            + self.credentials.len()
            + self.samples.len()
            + self.tactics.len()
    }

    /// Which views have rows of these, by key.
    fn touched(&self) -> Touched {
        let mut touched = Touched::default();
        touched.add(View::Attackers, self.attackers.iter().map(|row| ids::attacker(&row.ip)));
        touched.add(View::Features, self.features.iter().map(|row| ids::attacker(&row.ip)));
        touched.add(View::Sessions, self.sessions.iter().map(|row| ids::attacker(&row.ip)));
        touched.add(View::Credentials, self.credentials.iter().map(|row| ids::attacker(&row.ip)));
        touched.add(View::Behaviour, self.samples.iter().map(|row| ids::attacker(&row.ip)));
        touched.add(View::Phases, self.tactics.iter().map(|row| ids::attacker(&row.ip)));
        touched
    }

    fn identities(&self) -> BTreeSet<String> {
        let named = self.attackers.iter().filter_map(|attacker| attacker.identity.as_ref());
        named.map(|ip| identity(ip)).collect()
    }
}

/// The id of the identity that is of this address.
fn identity(ip: &str) -> String {
    ids::identity(&ids::attacker(ip))
}

impl Store {
    /// Adds facts.
    ///
    /// # Errors
    /// [`StoreError`]; then none was added.
    pub async fn plant(&self, facts: &Facts, now: Timestamp) -> Result<(), StoreError> {
        self.is_ours()?;
        let mut transaction = self.bulk.begin(Begin::Write).await?;
        let connection = &mut transaction;
        let mut touched = facts.touched();
        let identities = facts.identities();
        let text = datetime(now);
        write(connection, &IDENTITIES, identities.iter(), &text).await?;
        write(connection, &ATTACKERS, facts.attackers.iter().map(attacker), &text).await?;
        // In the order of the table, which is theirs and not the facts'.
        let mut features: Vec<_> = facts.features.iter().map(feature).collect();
        features.sort_unstable();
        write(connection, &FEATURES, features.into_iter(), &text).await?;
        write(connection, &SESSIONS, facts.sessions.iter().map(session), &text).await?;
        write(connection, &CREDENTIALS, facts.credentials.iter().map(credential), &text).await?;
        write(connection, &SAMPLES, facts.samples.iter().map(sample), &text).await?;
        write(connection, &TACTICS, facts.tactics.iter().map(tactic), &text).await?;
        // Who was seen again makes an identity stale, which is seen in the view.
        let met = touched_identities(connection, facts).await?;
        let derived = rollup::identities(connection, &identities, now).await?;
        touched.add(View::Identities, met.into_iter().chain(derived));
        touched.write(connection).await?;
        if !facts.attackers.is_empty() {
            revision::bump_attackers_order(connection).await?;
        }
        transaction.commit().await
    }

    /// Whether facts may come and go here: never in a database of DECNET's.
    fn is_ours(&self) -> Result<(), StoreError> {
        match self.owner() {
            Owner::Corral => Ok(()),
            Owner::Decnet => {
                Err(StoreError::Unsupported("facts come and go in databases of Corral's own only"))
            }
        }
    }

    /// Takes facts back: features, samples, tactics and credentials; attackers and sessions stay.
    ///
    /// # Errors
    /// [`StoreError`]; then all are still there.
    pub async fn uproot(&self, facts: &Facts, now: Timestamp) -> Result<(), StoreError> {
        self.is_ours()?;
        let mut transaction = self.bulk.begin(Begin::Write).await?;
        let connection = &mut transaction;
        let text = datetime(now);
        write(connection, &NO_FEATURES, facts.features.iter().map(feature), &text).await?;
        write(connection, &NO_CREDENTIALS, facts.credentials.iter().map(credential), &text).await?;
        write(connection, &NO_SAMPLES, facts.samples.iter().map(sample), &text).await?;
        write(connection, &NO_TACTICS, facts.tactics.iter().map(tactic), &text).await?;
        let gone = Facts { attackers: Vec::new(), sessions: Vec::new(), ..facts.clone() };
        gone.touched().write(connection).await?;
        transaction.commit().await
    }
}

async fn write<R: Serialize + Sync>(
    connection: &mut Connection,
    sql: &Sql,
    rows: impl Iterator<Item = R>,
    now: &str,
) -> Result<(), StoreError> {
    let rows: Vec<R> = rows.collect();
    write_rows(connection, sql, &rows, now).await.map(drop)
}

/// Identities of these attackers, as the rows name them.
async fn touched_identities(
    connection: &mut Connection,
    facts: &Facts,
) -> Result<Vec<String>, StoreError> {
    let uuids: Vec<String> = facts.attackers.iter().map(|row| ids::attacker(&row.ip)).collect();
    super::db::query(
        "SELECT DISTINCT a.identity_id FROM {?: uuid key} AS n
         CROSS JOIN attackers a ON a.uuid = n.uuid WHERE a.identity_id IS NOT NULL",
    )
    .bind(serde_json::to_string(&uuids).unwrap_or_default())
    .all(connection)
    .await
}

fn attacker(row: &Attacker) -> impl Serialize {
    (
        ids::attacker(&row.ip),
        row.ip.clone(),
        row.identity.as_deref().map(identity),
        datetime(row.first_seen),
        datetime(row.last_seen),
    )
}

fn feature(row: &Feature) -> impl Serialize + Ord {
    (ids::attacker(&row.ip), row.kind.clone(), row.value.clone(), row.seen.micros())
}

fn session(row: &Session) -> impl Serialize {
    let at = row.started_at.micros();
    let name = format!("{} {} {at}", row.decky, row.service);
    let uuid = ids::attacker(&row.ip);
    (uuid, name, row.decky.clone(), row.service.clone(), at, row.ended_at.micros())
}

fn credential(row: &Credential) -> impl Serialize {
    let Credential { ip, decky, service, principal, secret, seen } = row.clone();
    (ids::attacker(&ip), ip, decky, service, principal, secret, datetime(seen))
}

/// The key of a sample begins with the address, as those of ingest do: readers look for it so.
fn sample(row: &Sample) -> impl Serialize {
    let from = format!("session:{}/{}", row.ip, row.at);
    let id = ids::observation(&from, &row.primitive);
    (id, ids::attacker(&row.ip), row.primitive.clone(), row.value.clone(), from, row.at)
}

fn tactic(row: &Tactic) -> impl Serialize {
    let uuid = ids::attacker(&row.ip);
    let id = format!("{uuid} {} {} {}", row.decky, row.tactic, row.at.micros());
    (id, uuid, row.decky.clone(), row.tactic.clone(), datetime(row.at))
}

const IDENTITIES: Sql = Sql::of(
    "INSERT INTO attacker_identities (uuid, schema_version, created_at, updated_at, observation_count)
     SELECT n.uuid, 1, ?2, ?2, 0 FROM {?1: uuid key} AS n WHERE TRUE ON CONFLICT DO NOTHING",
);
const ATTACKERS: Sql = Sql::of(
    "INSERT INTO attackers (uuid, ip, identity_id, first_seen, last_seen, updated_at, event_count, service_count,
         decky_count, services, deckies, is_traversal, bounty_count, credential_count, fingerprints, commands,
         rotation_count, ipv6_leak_count)
     SELECT n.uuid, n.ip, n.identity, n.first, n.last, ?2, 1, 1, 1, '[\"ssh\"]', '[\"sensor\"]', FALSE, 0, 0, '[]',
         '[]', 0, 0
     FROM {?1: uuid key, ip text, identity key, first text, last text} AS n
     WHERE TRUE ON CONFLICT (uuid) DO UPDATE SET last_seen = excluded.last_seen, updated_at = excluded.updated_at",
);
const FEATURES: Sql = Sql::of(
    "INSERT INTO corral_feature (attacker_uuid, kind, value, first_seen, last_seen, sightings, decky)
     SELECT n.uuid, n.kind, n.value, n.seen, n.seen, 1, 'sensor'
     FROM {?1: uuid key, kind text, value text, seen int} AS n WHERE TRUE ON CONFLICT DO NOTHING",
);
const SESSIONS: Sql = Sql::of(
    "INSERT INTO corral_session (attacker_uuid, source, session, decky, service, certainty, started_at, ended_at,
         closed, logins_failed, logins_accepted, commands, logins, seen)
     SELECT n.uuid, 'sensor', n.session, n.decky, n.service, 3, n.started, n.ended, 1, 0, 0, 0, '[]', x''
     FROM {?1: uuid key, session text, decky text, service text, started int, ended int} AS n
     WHERE TRUE ON CONFLICT DO NOTHING",
);
const CREDENTIALS: Sql = Sql::of(
    "INSERT INTO credentials (attacker_uuid, attacker_ip, decky_name, service, principal, principal_key,
         secret_kind, secret_sha256, secret_printable, fields, first_seen, last_seen, attempt_count)
     SELECT n.uuid, n.ip, n.decky, n.service, n.principal, n.principal, 'plaintext', n.secret, n.secret, '{}', n.seen,
         n.seen, 1
     FROM {?1: uuid key, ip text, decky text, service text, principal text, secret text, seen text} AS n
     WHERE TRUE ON CONFLICT DO NOTHING",
);
const SAMPLES: Sql = Sql::of(
    "INSERT INTO observations (id, attacker_uuid, primitive, value, evidence_ref, ts, confidence, window_start_ts,
         window_end_ts, source, envelope_v)
     SELECT n.id, n.uuid, n.primitive, n.value, n.ref, n.at, 1.0, n.at, n.at, 'kit', 1
     FROM {?1: id text, uuid key, primitive text, value text, ref text, at real} AS n
     WHERE TRUE ON CONFLICT DO NOTHING",
);
const TACTICS: Sql = Sql::of(
    "INSERT INTO ttp_tag (uuid, attacker_uuid, decky_id, tactic, created_at, source_kind, source_id, technique_id,
         confidence, rule_id, rule_version, evidence, attack_release)
     SELECT n.id, n.uuid, n.decky, n.tactic, n.at, 'command', '', 'T1', 1.0, 'kit', 1, 'null', ''
     FROM {?1: id text, uuid key, decky text, tactic text, at text} AS n WHERE TRUE ON CONFLICT DO NOTHING",
);

const NO_FEATURES: Sql = Sql::of(
    "DELETE FROM corral_feature WHERE (attacker_uuid, kind, value) IN
         (SELECT n.uuid, n.kind, n.value FROM {?1: uuid key, kind text, value text, seen int} AS n)",
);
const NO_CREDENTIALS: Sql = Sql::of(
    "DELETE FROM credentials WHERE (attacker_ip, decky_name, service, principal_key, secret_sha256) IN
         (SELECT n.ip, n.decky, n.service, n.principal, n.secret
          FROM {?1: uuid key, ip text, decky text, service text, principal text, secret text, seen text} AS n)
        ",
);
const NO_SAMPLES: Sql = Sql::of(
    "DELETE FROM observations WHERE (evidence_ref, primitive) IN
         (SELECT n.ref, n.primitive
          FROM {?1: id text, uuid key, primitive text, value text, ref text, at real} AS n)",
);
const NO_TACTICS: Sql = Sql::of(
    "DELETE FROM ttp_tag WHERE uuid IN
         (SELECT n.id FROM {?1: id text, uuid key, decky text, tactic text, at text} AS n)",
);

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use corral_kernels::Interner;

    use super::*;
    use crate::store::resident::Resident;

    fn facts() -> Facts {
        let at = Timestamp(1_780_000_000_000_000);
        let (ip, identity) = ("192.0.2.1".to_owned(), Some("192.0.2.1".to_owned()));
        let (decky, service) = ("web".to_owned(), "ssh".to_owned());
        Facts {
            attackers: vec![Attacker { ip: ip.clone(), identity, first_seen: at, last_seen: at }],
            features: vec![Feature {
                ip: ip.clone(),
                kind: "hassh".to_owned(),
                value: "aa".to_owned(),
                seen: at,
            }],
            sessions: vec![Session {
                ip: ip.clone(),
                decky: decky.clone(),
                service: service.clone(),
                started_at: at,
                ended_at: at,
            }],
            credentials: vec![Credential {
                ip: ip.clone(),
                decky: decky.clone(),
                service,
                principal: "root".to_owned(),
                secret: "s".to_owned(),
                seen: at,
            }],
            samples: vec![Sample {
                ip: ip.clone(),
                primitive: "p".to_owned(),
                value: "\"v\"".to_owned(),
                at: 1.5,
            }],
            tactics: vec![Tactic { ip, decky, tactic: "TA0001".to_owned(), at }],
        }
    }

    #[tokio::test]
    async fn what_comes_is_in_the_views_and_in_their_log_and_what_goes_is_not() {
        let (store, _folder) = Store::throwaway(Duration::from_secs(5)).await;
        let (facts, now) = (facts(), Timestamp(1_780_000_001_000_000));
        store.plant(&facts, now).await.unwrap();
        // Once more is no more.
        store.plant(&facts, now).await.unwrap();
        let views = [
            View::Attackers,
            View::Identities,
            View::Features,
            View::Sessions,
            View::Credentials,
            View::Behaviour,
            View::Phases,
        ];
        let read = async |gone: &[View]| {
            let resident = Arc::new(Resident::new(Arc::new(Interner::new(1 << 20)), 0));
            let mut snapshot = store.snapshot(resident).await.unwrap();
            for view in views {
                let rows = usize::from(!gone.contains(&view));
                assert_eq!(snapshot.read(view, "").await.unwrap().rows(), rows, "{view:?}");
                let changed = snapshot.changed(view, 1).await.unwrap().unwrap();
                assert_eq!(changed.rows.rows() + changed.removed.rows(), 1, "{view:?}");
            }
        };
        read(&[]).await;
        store.uproot(&facts, now).await.unwrap();
        read(&[View::Features, View::Credentials, View::Behaviour, View::Phases]).await;
    }
}
