//! `attackers`, in DECNET's shape: what is derived per source address.
//!
//! All of it follows from other tables: counts, times, lists and the traversal from the contacts,
//! `fingerprints` from the features, `commands` from the commands. The first three are read back;
//! commands are many, so new ones are merged into the list: the first thousand of a union are among
//! the first thousands of its parts.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::store::db::{Connection, Query, query};
use rustc_hash::{FxHashMap, FxHashSet};

use super::known::{self, Counts, Known, about, ask};
use super::listing::{self, Fingerprint, Listed};
use super::merge::{Grown, Merged};
use super::rows::{self, Statement};
use super::{Batch, Kind};
use crate::clock::Timestamp;
use crate::store::{StoreError, encoding};

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
    /// Binds what inserting and updating have in common.
    fn bind(
        &self,
        values: Query,
        counts: Option<&Counts>,
        fingerprints: Option<&str>,
        now: &Arc<str>,
    ) -> Query {
        let length = |list: &[String]| i64::try_from(list.len()).unwrap_or(i64::MAX);
        let counts = counts.copied().unwrap_or_default();
        let is_traversal = self.deckies.len() > 1;
        values
            .bind(encoding::datetime(self.first))
            .bind(encoding::datetime(self.last))
            .bind(self.events)
            .bind(length(&self.services))
            .bind(length(&self.deckies))
            .bind(encoding::list(&self.services))
            .bind(encoding::list(&self.deckies))
            .bind(is_traversal.then(|| self.deckies.join(" → ")))
            .bind(is_traversal)
            .bind(counts.bounties)
            .bind(counts.credentials)
            .bind(fingerprints)
            .bind(Arc::clone(now))
    }
}

/// Writes the rows of all attackers that have new events, and says how much more is stored of them.
pub(super) async fn write(
    connection: &mut Connection,
    batch: &Batch,
    merged: &Merged<'_>,
    known: &Known,
    now: Timestamp,
) -> Result<Counts, StoreError> {
    let counts = known::count(connection, batch, merged.attackers.iter().copied()).await?;
    let mut rows = contacts(connection, batch, merged).await?;
    fingerprints(connection, batch, merged, &mut rows).await?;
    let (old, new): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(at, _)| known.contains_key(at));
    insert(connection, batch, &new, &counts, now).await?;
    update(connection, batch, &old, &counts, now).await?;
    commands(connection, batch, merged, known).await?;
    let mut added = Counts::default();
    for (at, after) in counts {
        let before = known.get(&at).copied().unwrap_or_default();
        added.features += after.features - before.features;
        added.credentials += after.credentials - before.credentials;
    }
    Ok(added)
}

/// The identities of attackers that were known: what was derived from them is stale now.
pub(super) async fn identities(
    connection: &mut Connection,
    batch: &Batch,
    merged: &Merged<'_>,
    known: &Known,
) -> Result<Vec<String>, StoreError> {
    const IDENTITIES: Statement = about(
        ") SELECT {each DISTINCT identity_id} \
         FROM attacker CROSS JOIN attackers a ON a.uuid = attacker.uuid WHERE identity_id IS NOT NULL",
    );
    let known = merged.attackers.iter().copied().filter(|at| known.contains_key(at));
    ask(connection, batch, IDENTITIES, known).await
}

/// Counts, times and lists, from the contacts.
async fn contacts(
    connection: &mut Connection,
    batch: &Batch,
    merged: &Merged<'_>,
) -> Result<BTreeMap<usize, Row>, StoreError> {
    const CONTACTS: Statement = about(
        ") SELECT {list at, decky, service, c.first_seen, c.last_seen, events} \
         FROM attacker CROSS JOIN corral_contact c ON c.attacker_uuid = attacker.uuid",
    );
    let contacts: Vec<(usize, String, String, i64, i64, i64)> =
        ask(connection, batch, CONTACTS, merged.attackers.iter().copied()).await?;
    let mut rows: BTreeMap<usize, Row> = BTreeMap::new();
    let mut firsts: BTreeMap<usize, Vec<(i64, String, String)>> = BTreeMap::new();
    for (at, decky, service, first, last, events) in contacts {
        let (first_seen, last_seen) = (Timestamp(first), Timestamp(last));
        let row = rows.entry(at).or_insert_with(|| Row { first: first_seen, ..Row::default() });
        row.first = row.first.min(first_seen);
        row.last = row.last.max(last_seen);
        row.events += events;
        firsts.entry(at).or_default().push((first, decky, service));
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
    connection: &mut Connection,
    batch: &Batch,
    merged: &Merged<'_>,
    rows: &mut BTreeMap<usize, Row>,
) -> Result<(), StoreError> {
    const FINGERPRINTS: Statement = about(
        ") SELECT {list at, first_seen, kind, value, decky} \
         FROM attacker CROSS JOIN corral_feature f ON f.attacker_uuid = attacker.uuid \
         WHERE kind IN ('hassh', 'ja3', 'ja4', 'ja4h')",
    );
    let is_fingerprint = |kind| matches!(kind, Kind::Hassh | Kind::Ja3 | Kind::Ja4 | Kind::Ja4h);
    let shown: FxHashSet<usize> = merged
        .features
        .keys()
        .filter(|(_, kind, _)| is_fingerprint(*kind))
        .map(|(at, ..)| *at)
        .collect();
    let mut features: Vec<(usize, i64, String, String, String)> =
        ask(connection, batch, FINGERPRINTS, shown.into_iter()).await?;
    features.sort_unstable();
    for of_one in features.chunk_by(|a, b| a.0 == b.0) {
        let Some(at) = of_one.first().map(|first| first.0) else { continue };
        let list: Vec<Fingerprint<'_>> = of_one
            .iter()
            .map(|(_, at, kind, value, decky)| Fingerprint {
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

async fn insert(
    connection: &mut Connection,
    batch: &Batch,
    rows: &[(usize, Row)],
    counts: &Known,
    now: Timestamp,
) -> Result<(), StoreError> {
    const INSERT: Statement = Statement {
        head: "INSERT INTO attackers (ip, uuid, first_seen, last_seen, event_count, service_count, decky_count, \
               services, deckies, traversal_path, is_traversal, bounty_count, credential_count, fingerprints, \
               updated_at, commands, rotation_count, ipv6_leak_count) VALUES ",
        row: "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '[]', 0, 0)",
        tail: "",
    };
    let now: Arc<str> = Arc::from(encoding::datetime(now));
    rows::write(connection, INSERT, rows, |values, (at, row)| {
        let values = values.bind(batch.attacker_ip(*at)).bind(batch.attacker_id(*at));
        row.bind(values, counts.get(at), row.fingerprints.as_deref().or(Some("[]")), &now)
    })
    .await?;
    Ok(())
}

async fn update(
    connection: &mut Connection,
    batch: &Batch,
    rows: &[(usize, Row)],
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
    let now: Arc<str> = Arc::from(encoding::datetime(now));
    rows::write(connection, UPDATE, rows, |values, (at, row)| {
        row.bind(
            values.bind(batch.attacker_id(*at)),
            counts.get(at),
            row.fingerprints.as_deref(),
            &now,
        )
    })
    .await?;
    Ok(())
}

/// Lists the new commands. If a session turned out to be of another service, the list is made anew.
/// Few of the stored attackers at a time, since the list of each can have some megabytes.
async fn commands(
    connection: &mut Connection,
    batch: &Batch,
    merged: &Merged<'_>,
    known: &Known,
) -> Result<(), StoreError> {
    const AT_A_TIME: usize = 8;
    const STORED: Statement = about(
        ") SELECT {list at, commands} \
         FROM attacker CROSS JOIN attackers a ON a.uuid = attacker.uuid",
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
    let (old, fresh): (Vec<usize>, Vec<usize>) = new.keys().partition(|at| known.contains_key(at));
    for some in old.chunks(AT_A_TIME).chain(std::iter::once(fresh.as_slice())) {
        let listed = some.iter().copied().filter(|at| known.contains_key(at));
        let listed: FxHashMap<usize, String> =
            ask(connection, batch, STORED, listed).await?.into_iter().collect();
        let mut lists = Vec::new();
        for at in some {
            let new = new.remove(at).unwrap_or_default();
            let listed = listed.get(at).map_or("[]", String::as_str);
            let list = listing::add_commands(listed, new).map_err(|error| StoreError::Corrupt {
                table: "attackers",
                row: batch.attacker_id(*at).to_string(),
                reason: format!("commands: {error}"),
            })?;
            lists.extend(list.map(|list| (*at, list)));
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
async fn relist(connection: &mut Connection, attacker: &Arc<str>) -> Result<(), StoreError> {
    // All that are as early as the thousandth: which of those at one time are listed, the list decides.
    let first: Vec<(i64, String, String, String)> = query(
        "WITH entered AS (
             SELECT c.at, s.service, s.decky, c.input
             FROM corral_session s JOIN corral_command c ON c.session_id = s.id WHERE s.attacker_uuid = ?
         )
         SELECT at, service, decky, input FROM entered
         WHERE at <= COALESCE((SELECT at FROM entered ORDER BY at LIMIT 1 OFFSET 999), at)",
    )
    .bind(Arc::clone(attacker))
    .all(&mut *connection)
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
    query("UPDATE attackers SET commands = ? WHERE uuid = ?")
        .bind(list)
        .bind(Arc::clone(attacker))
        .execute(&mut *connection)
        .await?;
    Ok(())
}
