//! The reuse correlator: one tick each over what upstream's saw.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::differences::rule_of;
use super::{Event, Fields, World, each_tick, text};
use crate::Tally;

#[derive(Deserialize)]
struct Tick {
    min_targets: u64,
    credentials: Vec<Fields>,
    reuse_before: Vec<Fields>,
    events: Vec<Event>,
    reuse_after: Vec<Fields>,
}

/// The columns that are lists, and those of a credential that they gather.
const LISTS: [(&str, &str); 4] = [
    ("attacker_uuids", "attacker_uuid"),
    ("attacker_ips", "attacker_ip"),
    ("deckies", "decky_name"),
    ("services", "service"),
];

pub(crate) fn credential_reuse(path: &Path) -> Result<Tally> {
    each_tick(path, check)
}

/// What a database says: credentials, and rows of reused ones.
pub(crate) struct Rows {
    credentials: Vec<Fields>,
    reuse: Vec<Fields>,
}

pub(crate) async fn read(world: &mut World) -> Result<Rows> {
    Ok(Rows {
        credentials: world.rows("SELECT * FROM credentials").await?,
        reuse: world
            .rows(
                "SELECT id, secret_sha256, secret_kind, principal, principal_key, attacker_uuids,
                     attacker_ips, deckies, services, target_count, attempt_count, confidence
                 FROM credential_reuse",
            )
            .await?,
    })
}

/// Compares the rows alone.
pub(crate) fn compare_rows(ours: &Rows, theirs: &Rows) -> Result<()> {
    let tick = Tick {
        min_targets: 2,
        credentials: ours.credentials.clone(),
        reuse_before: Vec::new(),
        events: Vec::new(),
        reuse_after: theirs.reuse.clone(),
    };
    compare(&tick, &ours.reuse, None)
}

async fn check(world: &mut World, tick: Tick) -> Result<()> {
    world.clear(&["credentials", "credential_reuse"]).await?;
    for credential in &tick.credentials {
        world.insert("credentials", credential).await?;
    }
    for row in &tick.reuse_before {
        world.insert("credential_reuse", row).await?;
    }
    world.project().await?;
    let min_targets = tick.min_targets.to_string();
    let settings = [("min-targets", min_targets.as_str())];
    world.tick("reuse-correlate", &settings).await?;
    let events = world.events().await?;
    let after = read(world).await?.reuse;
    ensure!(
        world.tick("reuse-correlate", &settings).await?.committed.is_empty(),
        "a second tick wrote"
    );
    compare(&tick, &after, Some(&events))
}

type Key = [String; 3];

fn key(row: &Fields) -> Key {
    let of = |column: &str| text(row, column).unwrap_or_default().to_owned();
    [of("secret_sha256"), of("secret_kind"), of("principal_key")]
}

fn by_key(rows: &[Fields]) -> BTreeMap<Key, &Fields> {
    rows.iter().map(|row| (key(row), row)).collect()
}

fn compare(tick: &Tick, after: &[Fields], events: Option<&[Event]>) -> Result<()> {
    let (ours, theirs) = (by_key(after), by_key(&tick.reuse_after));
    let before = by_key(&tick.reuse_before);
    let mut groups: BTreeMap<Key, Vec<&Fields>> = BTreeMap::new();
    for credential in &tick.credentials {
        groups.entry(key(credential)).or_default().push(credential);
    }
    ensure!(theirs.keys().all(|key| ours.contains_key(key)), "a reused credential is missing");
    for key in ours.keys().filter(|key| !theirs.contains_key(*key)) {
        let group = groups.get(key).map_or(&[][..], Vec::as_slice);
        ensure!(is_ambiguous(group) && targets(group) >= 2, "{key:?} is reused, upstream not");
    }
    let mut announced: BTreeMap<String, String> = BTreeMap::new();
    for (key, theirs) in &theirs {
        let ours = ours.get(key).context("no such row")?;
        let old = before.get(key).copied();
        let is_kept = old.is_some();
        ensure!(!is_kept || ours.get("id") == theirs.get("id"), "a row got another id");
        let group = groups.get(key).map_or(&[][..], Vec::as_slice);
        for column in ["secret_sha256", "secret_kind", "principal", "principal_key", "confidence"] {
            let is_free = column == "principal" && is_mixed(group);
            ensure!(
                is_free || ours.get(column) == theirs.get(column),
                "{column}: {:?}, upstream {:?}",
                ours.get(column),
                theirs.get(column)
            );
        }
        by_rule(ours, old, theirs, group).with_context(|| format!("{key:?}"))?;
        let of = |row: &Fields| text(row, "id").unwrap_or_default().to_owned();
        announced.insert(of(theirs), of(ours));
        let grew = old.is_none_or(|old| differs(old, ours));
        let Some(events) = events else { continue };
        let count =
            events.iter().filter(|event| text(&event.payload, "id") == text(ours, "id")).count();
        ensure!(count == usize::from(grew), "{count} events of {key:?}, which changed: {grew}");
    }
    let events = events.unwrap_or_default();
    for event in &tick.events {
        let id =
            text(&event.payload, "id").and_then(|id| announced.get(id)).context("an unknown id")?;
        let ours = events.iter().find(|ours| text(&ours.payload, "id") == Some(id));
        let ours = ours.with_context(|| format!("no event for {event:?}"))?;
        ensure!(ours.topic == event.topic && ours.kind == event.kind, "another topic");
        for key in event.payload.keys() {
            ensure!(ours.payload.contains_key(key), "the event has no {key}");
        }
        ensure!(ours.payload.get("secret_kind") == event.payload.get("secret_kind"), "secret_kind");
    }
    Ok(())
}

/// Whether anything changed that is announced: a list, or the number of targets.
fn differs(old: &Fields, new: &Fields) -> bool {
    old.get("target_count") != new.get("target_count")
        || LISTS.iter().any(|(list, _)| set(old, list) != set(new, list))
}

/// Lists and counts follow the credentials; a row whose credentials are too few now is as it was.
fn by_rule(ours: &Fields, old: Option<&Fields>, theirs: &Fields, group: &[&Fields]) -> Result<()> {
    if old == Some(ours) {
        return Ok(());
    }
    for (list, column) in LISTS {
        let rule: BTreeSet<String> =
            group.iter().filter_map(|row| text(row, column)).map(str::to_owned).collect();
        let why = rule_of(&format!("credential_reuse.{list}"))?;
        ensure!(
            set(ours, list) == rule,
            "{why}: {list}: {:?}, by the rule {rule:?}",
            set(ours, list)
        );
        // Upstream never forgets, so its list is ours and what is gone.
        let theirs = set(theirs, list);
        ensure!(
            is_mixed(group) || rule.is_subset(&theirs),
            "{list}: {rule:?}, upstream {theirs:?}"
        );
    }
    let targets = targets(group);
    ensure!(
        ours.get("target_count") == Some(&targets.into()),
        "not {targets}: {}",
        rule_of("credential_reuse.target_count")?
    );
    let attempts: i64 =
        group.iter().filter_map(|row| row.get("attempt_count").and_then(Value::as_i64)).sum();
    ensure!(
        ours.get("attempt_count") == Some(&attempts.into()),
        "not {attempts}: {}",
        rule_of("credential_reuse.attempt_count")?
    );
    Ok(())
}

/// Sensors with their services.
fn targets(group: &[&Fields]) -> usize {
    let pairs = group.iter().map(|row| (text(row, "decky_name"), text(row, "service")));
    pairs.collect::<BTreeSet<_>>().len()
}

/// Whether upstream takes two targets of these for one: sensor `a:b` with service `c`, and `a` with `b:c`.
fn is_ambiguous(group: &[&Fields]) -> bool {
    group.iter().any(|row| text(row, "decky_name").is_some_and(|name| name.contains(':')))
}

/// Whether credentials without a user name and with an empty one have one row.
fn is_mixed(group: &[&Fields]) -> bool {
    let nameless = group.iter().filter(|row| row.get("principal") == Some(&Value::Null)).count();
    nameless > 0 && nameless < group.len()
}

fn set(row: &Fields, list: &str) -> BTreeSet<String> {
    text(row, list).and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
}
