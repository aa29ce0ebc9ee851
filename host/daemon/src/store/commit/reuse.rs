//! Reused credentials, written by key: who, where and how often is derived from the credentials
//! themselves, so that running twice counts once.
//!
//! Whether a row differs is decided here, over what is stored: a database may compare texts without regard
//! to case, and to it `Root` and `root` are one user name. Such a database may also keep only one of two such
//! rows: then the one that came first stays, and the other is left out.

use std::collections::{BTreeMap, BTreeSet};

use corral_kernels::{Frame, Interner};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{CommitError, Committer, Effects, View, whole_column};
use crate::ids;
use crate::store::db::{Connection, Dialect, ROWS_PER_STATEMENT, Sql, query, write_rows};
use crate::store::encoding;

/// Writes the rows that are new or differ, and announces them.
pub(super) async fn put(
    connection: &mut Connection,
    texts: &Interner,
    rows: &Frame,
    by: Committer<'_>,
    effects: &mut Effects,
) -> Result<(), CommitError> {
    let text = |name: &str| whole_column(texts, rows, name);
    let keys = text("secret_sha256")?.into_iter().zip(text("secret_kind")?);
    let keys: BTreeSet<Key> = keys
        .zip(text("principal_key")?)
        .map(|((secret, kind), principal)| (secret, kind, principal))
        .collect();
    let keys: Vec<Key> = keys.into_iter().collect();
    for chunk in keys.chunks(ROWS_PER_STATEMENT) {
        let keys = serde_json::to_string(chunk).unwrap_or_default();
        let spreads = spreads(connection, &keys).await?;
        let stored = stored(connection, &keys).await?;
        let (mut new, mut changed) = (Vec::new(), Vec::new());
        // That somebody tried again where he did before is nothing to announce.
        let mut quiet = BTreeSet::new();
        for (key, spread) in spreads {
            let principal = spread.principal.clone().filter(|_| !spread.is_nameless);
            let spread = spread.listed();
            match stored.get(&key) {
                None => new.push(Row { id: id(&key), key, principal, spread }),
                Some(old) if old.key == key && old.spread != spread => {
                    if old.spread.reach() == spread.reach() {
                        quiet.insert(old.id.clone());
                    }
                    changed.push(Row { id: old.id.clone(), key, principal, spread });
                }
                Some(_) => {}
            }
        }
        let now = connection.datetime(by.now);
        let rows: Vec<Value> = new.iter().map(Row::json).collect();
        write_rows(connection, &INSERT, &rows, &now).await?;
        let mut written = kept(connection, new).await?;
        let rows: Vec<Value> = changed.iter().map(Row::json).collect();
        write_rows(connection, &UPDATE, &rows, &now).await?;
        written.append(&mut changed);
        effects.committed.put += written.len();
        effects.touched.add(View::Reuse, written.iter().map(|row| row.id.as_str()));
        for row in written.into_iter().filter(|row| !quiet.contains(&row.id)) {
            effects.events.add("credential.reuse.detected", row.payload(by.event_bytes_max));
        }
    }
    Ok(())
}

/// The secret's hash, its kind, and the user name.
type Key = (String, String, String);

fn id((secret, kind, principal): &Key) -> String {
    ids::credential_reuse(secret, kind, principal)
}

/// Who tried a credential, and where.
#[derive(Debug, Default)]
struct Spread {
    principal: Option<String>,
    /// Whether one of the credentials has no user name.
    is_nameless: bool,
    attackers: BTreeSet<String>,
    ips: BTreeSet<String>,
    deckies: BTreeSet<String>,
    services: BTreeSet<String>,
    targets: BTreeSet<(String, String)>,
    attempts: i64,
    span: Option<(String, String)>,
}

/// The same, as a row has it: lists are JSON texts. They are sorted, so that they do not tell in which order
/// logs were read.
#[derive(Debug, PartialEq, Eq)]
struct Listed {
    attackers: String,
    ips: String,
    deckies: String,
    services: String,
    targets: i64,
    attempts: i64,
    first: String,
    last: String,
}

impl Spread {
    fn listed(self) -> Listed {
        let (first, last) = self.span.unwrap_or_default();
        Listed {
            attackers: encoding::list(self.attackers),
            ips: encoding::list(self.ips),
            deckies: encoding::list(self.deckies),
            services: encoding::list(self.services),
            targets: i64::try_from(self.targets.len()).unwrap_or(i64::MAX),
            attempts: self.attempts,
            first,
            last,
        }
    }
}

impl Listed {
    /// What makes an event when it changes: targets, and who and where, in any order.
    fn reach(&self) -> (i64, [BTreeSet<String>; 4]) {
        let lists = [&self.attackers, &self.ips, &self.deckies, &self.services];
        (self.targets, lists.map(|list| serde_json::from_str(list).unwrap_or_default()))
    }
}

/// A row, new or as it is stored.
#[derive(Debug)]
struct Row {
    id: String,
    key: Key,
    principal: Option<String>,
    spread: Listed,
}

impl Row {
    fn json(&self) -> Value {
        let (secret, kind, principal_key) = &self.key;
        let Listed { attackers, ips, deckies, services, targets, attempts, first, last } =
            &self.spread;
        json!([
            self.id,
            secret,
            kind,
            self.principal,
            principal_key,
            attackers,
            ips,
            deckies,
            services,
            targets,
            attempts,
            first,
            last
        ])
    }

    /// The event. Where the whole lists of attackers are too long for the bus, they stay in the row.
    fn payload(self, bytes_max: usize) -> Value {
        let Listed { mut attackers, mut ips, deckies, services, targets, .. } = self.spread;
        let first = |json: &str| -> Option<String> {
            serde_json::from_str::<Vec<String>>(json).ok()?.into_iter().next()
        };
        let (attacker, address) = (first(&attackers), first(&ips));
        // Quotes are escaped once more on the bus, and the rest takes little room.
        if 2 * (attackers.len() + ips.len()) + 1024 > bytes_max {
            attackers = "[]".to_owned();
            ips = "[]".to_owned();
        }
        json!({
            "id": self.id,
            "secret_kind": self.key.1,
            "target_count": targets,
            "attacker_uuids": attackers,
            "attacker_ips": ips,
            "deckies": deckies,
            "services": services,
            // What DECNET's rule for credential stuffing wants: an anchor, a hash, a count, and an id by which
            // it knows the same case again.
            "source_id": self.id,
            "attacker_uuid": attacker,
            "attacker_ip": address,
            "credential_hash": self.key.0,
            "reuse_count": targets,
        })
    }
}

/// An attempt, as the credentials have it.
#[derive(Deserialize)]
struct Tried {
    secret_sha256: String,
    secret_kind: String,
    principal_key: String,
    principal: Option<String>,
    attacker_uuid: Option<String>,
    attacker_ip: String,
    decky_name: String,
    service: String,
    first_seen: String,
    last_seen: String,
    attempt_count: i64,
}

/// How far each of these credentials spread.
async fn spreads(
    connection: &mut Connection,
    keys: &str,
) -> Result<BTreeMap<Key, Spread>, CommitError> {
    let mut spreads: BTreeMap<Key, Spread> = BTreeMap::new();
    query(TRIED)
        .bind(keys)
        .each(connection, |row| {
            let tried: Tried = row.read()?;
            let key = (tried.secret_sha256, tried.secret_kind, tried.principal_key);
            let spread = spreads.entry(key).or_default();
            spread.is_nameless |= tried.principal.is_none();
            spread.principal = spread.principal.take().max(tried.principal);
            spread.targets.insert((tried.decky_name.clone(), tried.service.clone()));
            spread.attackers.extend(tried.attacker_uuid);
            spread.ips.insert(tried.attacker_ip);
            spread.deckies.insert(tried.decky_name);
            spread.services.insert(tried.service);
            spread.attempts += tried.attempt_count;
            let (first, last) = (tried.first_seen, tried.last_seen);
            spread.span = Some(match spread.span.take() {
                Some((from, to)) => (from.min(first), to.max(last)),
                None => (first, last),
            });
            Ok(())
        })
        .await?;
    Ok(spreads)
}

/// A row, and the user name that was asked for.
#[derive(Deserialize)]
struct Stored {
    asked: String,
    id: String,
    secret_sha256: String,
    secret_kind: String,
    principal_key: String,
    attacker_uuids: String,
    attacker_ips: String,
    deckies: String,
    services: String,
    target_count: i64,
    attempt_count: i64,
    first_seen: String,
    last_seen: String,
}

/// The rows that the database has for these keys. Where it takes one user name for another, the row's own
/// key differs.
async fn stored(
    connection: &mut Connection,
    keys: &str,
) -> Result<BTreeMap<Key, Row>, CommitError> {
    let mut stored = BTreeMap::new();
    query(STORED)
        .bind(keys)
        .each(connection, |row| {
            let row: Stored = row.read()?;
            let asked = (row.secret_sha256.clone(), row.secret_kind.clone(), row.asked);
            let spread = Listed {
                attackers: row.attacker_uuids,
                ips: row.attacker_ips,
                deckies: row.deckies,
                services: row.services,
                targets: row.target_count,
                attempts: row.attempt_count,
                first: row.first_seen,
                last: row.last_seen,
            };
            let key = (row.secret_sha256, row.secret_kind, row.principal_key);
            stored.insert(asked, Row { id: row.id, key, principal: None, spread });
            Ok(())
        })
        .await?;
    Ok(stored)
}

/// Those of the new rows that the database kept.
async fn kept(connection: &mut Connection, mut new: Vec<Row>) -> Result<Vec<Row>, CommitError> {
    if !matches!(connection.dialect(), Dialect::MariaDb(_)) || new.is_empty() {
        return Ok(new);
    }
    let ids: Vec<&str> = new.iter().map(|row| row.id.as_str()).collect();
    let kept: Vec<String> =
        query(KEPT).bind(serde_json::to_string(&ids).unwrap_or_default()).all(connection).await?;
    let kept: BTreeSet<String> = kept.into_iter().collect();
    new.retain(|row| kept.contains(&row.id));
    Ok(new)
}

const TRIED: Sql = Sql::of(
    "SELECT c.secret_sha256, c.secret_kind, c.principal_key, c.principal, c.attacker_uuid, c.attacker_ip,
         c.decky_name, c.service, c.first_seen, c.last_seen, c.attempt_count
     FROM {?1: secret key, kind key, principal text} AS n
     CROSS JOIN credentials c ON c.secret_sha256 = n.secret AND c.secret_kind = n.kind
         AND {bytes c.principal_key} = {bytes n.principal}",
);

const STORED: Sql = Sql::of(
    "SELECT n.principal AS asked, r.id, r.secret_sha256, r.secret_kind, r.principal_key, r.attacker_uuids,
         r.attacker_ips, r.deckies, r.services, r.target_count, r.attempt_count, r.first_seen, r.last_seen
     FROM {?1: secret key, kind key, principal key} AS n
     CROSS JOIN credential_reuse r ON r.secret_sha256 = n.secret AND r.secret_kind = n.kind
         AND r.principal_key = n.principal",
);

const KEPT: Sql =
    Sql::of("SELECT r.id FROM {?1: id key} AS n CROSS JOIN credential_reuse r ON r.id = n.id");

macro_rules! rows {
    () => {
        "{?1: id key, secret text, kind text, principal text, principal_key text, attackers text, ips text,
             deckies text, services text, targets int, attempts int, first text, last text} AS n"
    };
}

macro_rules! columns {
    () => {
        "attacker_uuids = n.attackers, attacker_ips = n.ips, deckies = n.deckies, services = n.services,
         target_count = n.targets, attempt_count = n.attempts, first_seen = n.first, last_seen = n.last,
         updated_at = ?2"
    };
}

const INSERT: Sql = Sql::of(concat!(
    "INSERT INTO credential_reuse (id, secret_sha256, secret_kind, principal, principal_key,
         attacker_uuids, attacker_ips, deckies, services, target_count, attempt_count, confidence,
         first_seen, last_seen, updated_at)
     SELECT n.id, n.secret, n.kind, n.principal, n.principal_key, n.attackers, n.ips, n.deckies, n.services,
         n.targets, n.attempts, 1.0, n.first, n.last, ?2 FROM ",
    rows!(),
    " WHERE TRUE ON CONFLICT DO NOTHING"
));

const UPDATE: Sql = Sql::of(concat!(
    "UPDATE credential_reuse SET ",
    columns!(),
    " FROM ",
    rows!(),
    " WHERE credential_reuse.id = n.id"
))
.mariadb(concat!(
    "UPDATE ",
    rows!(),
    " CROSS JOIN credential_reuse ON credential_reuse.id = n.id SET ",
    columns!()
));
