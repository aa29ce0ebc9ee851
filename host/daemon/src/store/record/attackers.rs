//! `attackers`, in DECNET's shape: what is derived per source address.
//!
//! All of it follows from other tables: counts, times, lists and the traversal from the contacts,
//! `fingerprints` from the features, `commands` from the commands. The first three are read back;
//! commands are many, so new ones are merged into the list: the first thousand of a union are among
//! the first thousands of its parts.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, SqliteConnection};

use super::listing::{self, Fingerprint, Listed};
use super::merge::{Grown, Merged};
use super::rows::{self, Statement};
use super::{Batch, Kind};
use crate::clock::Timestamp;
use crate::store::{StoreError, encoding};

/// How much is stored of the attackers of a batch that are stored, by index into the batch.
pub(super) type Known = FxHashMap<usize, Counts>;

/// How much is stored of an attacker.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) features: i64,
    /// Fingerprints and payloads: what DECNET calls bounty.
    bounties: i64,
    pub(super) credentials: i64,
}

/// A question about some attackers; each row of the answer begins with the index into the batch.
const fn about(tail: &'static str) -> Statement {
    Statement { head: "WITH attacker (at, uuid) AS (VALUES ", row: "(?, ?)", tail }
}

async fn ask<R>(
    connection: &mut SqliteConnection,
    batch: &Batch,
    question: Statement,
    attackers: impl Iterator<Item = usize>,
) -> Result<Vec<R>, StoreError>
where
    R: for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
{
    let attackers: Vec<usize> = attackers.collect();
    let mut answer = Vec::new();
    for chunk in rows::chunks(&attackers) {
        let mut query = sqlx::query_as(question.sql(chunk.len()));
        for at in chunk {
            query = query.bind(i64::try_from(*at).unwrap_or(i64::MAX)).bind(batch.attacker_id(*at));
        }
        answer.append(&mut query.fetch_all(&mut *connection).await?);
    }
    Ok(answer)
}

fn index(at: i64) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

const COUNTS: Statement = about(
    ") SELECT at, (SELECT COUNT(*) FROM corral_feature f WHERE f.attacker_uuid = attacker.uuid), \
     (SELECT COUNT(*) FROM corral_feature f WHERE f.attacker_uuid = attacker.uuid \
      AND f.kind IN ('hassh', 'ja3', 'ja4', 'ja4h', 'payload-sha256')), \
     (SELECT COUNT(*) FROM credentials c WHERE c.attacker_uuid = attacker.uuid) \
     FROM attacker CROSS JOIN attackers a ON a.uuid = attacker.uuid",
);

async fn count(
    connection: &mut SqliteConnection,
    batch: &Batch,
    attackers: impl Iterator<Item = usize>,
) -> Result<Known, StoreError> {
    let rows: Vec<(i64, i64, i64, i64)> = ask(connection, batch, COUNTS, attackers).await?;
    let counts = rows.into_iter().map(|(at, features, bounties, credentials)| {
        (index(at), Counts { features, bounties, credentials })
    });
    Ok(counts.collect())
}

/// Which attackers of the batch are stored, and how much of them.
pub(super) async fn load(
    connection: &mut SqliteConnection,
    batch: &Batch,
) -> Result<Known, StoreError> {
    count(connection, batch, 0..batch.attackers.len()).await
}

/// Makes rows for new attackers, to which the rows of other tables can refer; what is known of them
/// follows.
pub(super) async fn introduce(
    connection: &mut SqliteConnection,
    batch: &Batch,
    new: &[usize],
    now: Timestamp,
) -> Result<(), StoreError> {
    const INTRODUCE: Statement = Statement {
        head: "INSERT INTO attackers (uuid, ip, first_seen, last_seen, event_count, service_count, decky_count, \
               services, deckies, is_traversal, bounty_count, credential_count, fingerprints, commands, \
               rotation_count, ipv6_leak_count, updated_at) VALUES ",
        row: "(?, ?, ?, ?, 0, 0, 0, '[]', '[]', 0, 0, 0, '[]', '[]', 0, 0, ?)",
        tail: "",
    };
    let now: Arc<str> = Arc::from(encoding::datetime(now));
    let now = || Arc::clone(&now);
    rows::write(connection, INTRODUCE, new, |values, at| {
        values
            .bind(batch.attacker_id(*at))
            .bind(batch.attacker_ip(*at))
            .bind(now())
            .bind(now())
            .bind(now())
    })
    .await?;
    Ok(())
}

/// A row of `attackers` that is to be written.
#[derive(Debug, Default)]
struct Row {
    first: Timestamp,
    last: Timestamp,
    events: i64,
    services: Vec<String>,
    deckies: Vec<String>,
    /// What the row has now stays if there is nothing to set.
    fingerprints: Option<String>,
}

impl Row {
    fn traversal(&self) -> Option<String> {
        (self.deckies.len() > 1).then(|| self.deckies.join(" → "))
    }
}

/// Writes the rows of all attackers that have new events, and says how much more is stored of them.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    batch: &Batch,
    merged: &Merged<'_>,
    known: &Known,
    now: Timestamp,
) -> Result<Counts, StoreError> {
    let counts = count(connection, batch, merged.attackers.iter().copied()).await?;
    let mut rows = contacts(connection, batch, merged).await?;
    fingerprints(connection, batch, merged, &mut rows).await?;
    update(connection, batch, rows.into_iter().collect(), &counts, now).await?;
    commands(connection, batch, merged).await?;
    let mut added = Counts::default();
    for (at, after) in counts {
        let before = known.get(&at).copied().unwrap_or_default();
        added.features += after.features - before.features;
        added.credentials += after.credentials - before.credentials;
    }
    Ok(added)
}

/// Counts, times and lists, from the contacts.
async fn contacts(
    connection: &mut SqliteConnection,
    batch: &Batch,
    merged: &Merged<'_>,
) -> Result<BTreeMap<usize, Row>, StoreError> {
    const CONTACTS: Statement = about(
        ") SELECT at, decky, service, first_seen, last_seen, events \
         FROM attacker CROSS JOIN corral_contact c ON c.attacker_uuid = attacker.uuid",
    );
    let contacts: Vec<(i64, String, String, i64, i64, i64)> =
        ask(connection, batch, CONTACTS, merged.attackers.iter().copied()).await?;
    let mut rows: BTreeMap<usize, Row> = BTreeMap::new();
    let mut firsts: BTreeMap<usize, Vec<(i64, String, String)>> = BTreeMap::new();
    for (at, decky, service, first, last, events) in contacts {
        let (first_seen, last_seen) = (Timestamp(first), Timestamp(last));
        let row =
            rows.entry(index(at)).or_insert_with(|| Row { first: first_seen, ..Row::default() });
        row.first = row.first.min(first_seen);
        row.last = row.last.max(last_seen);
        row.events += events;
        firsts.entry(index(at)).or_default().push((first, decky, service));
    }
    for (at, mut firsts) in firsts {
        let Some(row) = rows.get_mut(&at) else { continue };
        // The order of first contact; of two at one time the smaller name comes first.
        firsts.sort_unstable_by(|a, b| (a.0, &a.2).cmp(&(b.0, &b.2)));
        row.services = once_each(firsts.iter().map(|(_, _, service)| service));
        firsts.sort_unstable();
        row.deckies = once_each(firsts.iter().map(|(_, decky, _)| decky));
    }
    Ok(rows)
}

fn once_each<'n>(names: impl Iterator<Item = &'n String>) -> Vec<String> {
    let mut seen = FxHashSet::default();
    names.filter(|name| seen.insert(*name)).cloned().collect()
}

/// The fingerprints of attackers that showed any.
async fn fingerprints(
    connection: &mut SqliteConnection,
    batch: &Batch,
    merged: &Merged<'_>,
    rows: &mut BTreeMap<usize, Row>,
) -> Result<(), StoreError> {
    const FINGERPRINTS: Statement = about(
        ") SELECT at, kind, value, first_seen, decky \
         FROM attacker CROSS JOIN corral_feature f ON f.attacker_uuid = attacker.uuid \
         WHERE kind IN ('hassh', 'ja3', 'ja4', 'ja4h') ORDER BY at, first_seen, kind, value",
    );
    let is_fingerprint = |kind| matches!(kind, Kind::Hassh | Kind::Ja3 | Kind::Ja4 | Kind::Ja4h);
    let shown: FxHashSet<usize> = merged
        .features
        .keys()
        .filter(|(_, kind, _)| is_fingerprint(*kind))
        .map(|(at, ..)| *at)
        .collect();
    let features: Vec<(i64, String, String, i64, String)> =
        ask(connection, batch, FINGERPRINTS, shown.into_iter()).await?;
    for of_one in features.chunk_by(|a, b| a.0 == b.0) {
        let Some(at) = of_one.first().map(|first| index(first.0)) else { continue };
        let list: Vec<Fingerprint<'_>> = of_one
            .iter()
            .map(|(_, kind, value, at, decky)| Fingerprint {
                kind,
                value,
                at: Timestamp(*at),
                decky,
            })
            .collect();
        if let Some(row) = rows.get_mut(&at) {
            row.fingerprints = Some(listing::fingerprints(&batch.attacker_ip(at), &list));
        }
    }
    Ok(())
}

async fn update(
    connection: &mut SqliteConnection,
    batch: &Batch,
    rows: Vec<(usize, Row)>,
    counts: &Known,
    now: Timestamp,
) -> Result<(), StoreError> {
    const UPDATE: Statement = Statement {
        head: "WITH new (uuid, first_seen, last_seen, event_count, service_count, decky_count, services, deckies, \
               traversal_path, is_traversal, bounty_count, credential_count, fingerprints, updated_at) AS (VALUES ",
        row: "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        tail: ") UPDATE attackers SET first_seen = new.first_seen, last_seen = new.last_seen, \
               event_count = new.event_count, service_count = new.service_count, decky_count = new.decky_count, \
               services = new.services, deckies = new.deckies, traversal_path = new.traversal_path, \
               is_traversal = new.is_traversal, bounty_count = new.bounty_count, \
               credential_count = new.credential_count, \
               fingerprints = COALESCE(new.fingerprints, attackers.fingerprints), updated_at = new.updated_at \
               FROM new WHERE attackers.uuid = new.uuid",
    };
    let length = |list: &[String]| i64::try_from(list.len()).unwrap_or(i64::MAX);
    let now = encoding::datetime(now);
    rows::write(connection, UPDATE, &rows, |values, (at, row)| {
        let counts = counts.get(at).copied().unwrap_or_default();
        values
            .bind(batch.attacker_id(*at))
            .bind(encoding::datetime(row.first))
            .bind(encoding::datetime(row.last))
            .bind(row.events)
            .bind(length(&row.services))
            .bind(length(&row.deckies))
            .bind(encoding::list(&row.services))
            .bind(encoding::list(&row.deckies))
            .bind(row.traversal())
            .bind(row.deckies.len() > 1)
            .bind(counts.bounties)
            .bind(counts.credentials)
            .bind(row.fingerprints.clone())
            .bind(now.as_str())
    })
    .await?;
    Ok(())
}

/// Lists the new commands. If a session turned out to be of another service, the list is made anew.
/// Few attackers at a time, since each list can have some megabytes.
async fn commands(
    connection: &mut SqliteConnection,
    batch: &Batch,
    merged: &Merged<'_>,
) -> Result<(), StoreError> {
    const AT_A_TIME: usize = 8;
    const STORED: Statement = about(
        ") SELECT at, commands FROM attacker CROSS JOIN attackers a ON a.uuid = attacker.uuid",
    );
    const UPDATE: Statement = Statement {
        head: "WITH new (uuid, commands) AS (VALUES ",
        row: "(?, ?)",
        tail: ") UPDATE attackers SET commands = new.commands FROM new WHERE attackers.uuid = new.uuid",
    };
    let mut new: BTreeMap<usize, Vec<Listed<'_>>> = BTreeMap::new();
    for session in &merged.sessions {
        for (event, entered) in session.commands() {
            let Grown { piece, state, .. } = session;
            let listed =
                Listed::new(event.at, &state.service.name, &state.decky, entered.command.json());
            new.entry(piece.attacker).or_default().push(listed);
        }
    }
    let moved: FxHashSet<usize> = merged.moved().map(|place| place.attacker).collect();
    new.retain(|at, _| !moved.contains(at));
    let with_new: Vec<usize> = new.keys().copied().collect();
    for some in with_new.chunks(AT_A_TIME) {
        let stored: Vec<(i64, String)> =
            ask(connection, batch, STORED, some.iter().copied()).await?;
        let mut lists = Vec::new();
        for (at, json) in stored {
            let corrupt = |error| StoreError::Corrupt {
                table: "attackers",
                row: batch.attacker_id(index(at)).to_string(),
                reason: format!("commands: {error}"),
            };
            let new = new.remove(&index(at)).unwrap_or_default();
            lists.extend(
                listing::add_commands(&json, new).map_err(corrupt)?.map(|list| (index(at), list)),
            );
        }
        rows::write(connection, UPDATE, &lists, |values, (at, list)| {
            values.bind(batch.attacker_id(*at)).bind(list.as_str())
        })
        .await?;
    }
    for at in moved {
        relist(connection, &batch.attacker_id(at)).await?;
    }
    Ok(())
}

/// Makes an attacker's list of commands from its sessions.
async fn relist(connection: &mut SqliteConnection, attacker: &Arc<str>) -> Result<(), StoreError> {
    // All that are as early as the thousandth: which of those at one time are listed, the list decides.
    let first: Vec<(i64, String, String, String)> = sqlx::query_as(
        "WITH entered AS (
             SELECT c.at, s.service, s.decky, c.input
             FROM corral_session s JOIN corral_command c ON c.session_id = s.id WHERE s.attacker_uuid = ?
         )
         SELECT at, service, decky, input FROM entered
         WHERE at <= COALESCE((SELECT at FROM entered ORDER BY at LIMIT 1 OFFSET 999), at)",
    )
    .bind(Arc::clone(attacker))
    .fetch_all(&mut *connection)
    .await?;
    let json: Vec<String> = first.iter().map(|(.., input)| listing::command_json(input)).collect();
    let listed = first
        .iter()
        .zip(&json)
        .map(|((at, service, decky, _), json)| Listed::new(Timestamp(*at), service, decky, json));
    // A list that cannot be parsed does not matter: it is not looked at.
    let list = listing::add_commands("[]", listed.collect())
        .ok()
        .flatten()
        .unwrap_or_else(|| "[]".to_owned());
    sqlx::query("UPDATE attackers SET commands = ? WHERE uuid = ?")
        .bind(list)
        .bind(Arc::clone(attacker))
        .execute(&mut *connection)
        .await?;
    Ok(())
}
