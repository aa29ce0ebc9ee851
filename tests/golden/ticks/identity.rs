//! The clusterer: one tick each over what upstream's saw.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::differences::rule_of;
use super::{
    Event, Fields, Renamed, World, by, compare_events, each_tick, rename_all, renamed, text,
};
use crate::Tally;

#[derive(Deserialize)]
struct Tick {
    before: Rows,
    #[serde(default)]
    kd_observations: Vec<Fields>,
    #[serde(default)]
    result: Option<Fields>,
    #[serde(default)]
    events: Vec<Event>,
    #[serde(default)]
    after: Option<Rows>,
    #[serde(default)]
    raises: Option<String>,
}

/// Attackers and identities.
#[derive(Deserialize)]
pub(crate) struct Rows {
    pub(crate) attackers: Vec<Fields>,
    pub(crate) identities: Vec<Fields>,
}

/// Columns that golden files have of an identity, beside the uuid.
const COLUMNS: &str =
    "uuid, campaign_id, merged_into_uuid, observation_count, schema_version, confidence,
    ja3_hashes, hassh_hashes, tls_cert_sha256, ja4h_hashes, ja4_quic_hashes, kd_digraph_simhash";

pub(crate) fn ticks_identity(path: &Path) -> Result<Tally> {
    each_tick(path, check)
}

async fn check(world: &mut World, tick: Tick) -> Result<()> {
    world.clear(&["attackers", "attacker_identities", "observations"]).await?;
    for identity in &tick.before.identities {
        world.insert("attacker_identities", identity).await?;
    }
    for attacker in &tick.before.attackers {
        world.insert("attackers", attacker).await?;
    }
    let kd = [("primitive", Value::from("motor.digraph_simhash"))];
    for (at, sample) in tick.kd_observations.iter().enumerate() {
        let mut sample = sample.clone();
        sample.extend(kd.clone().map(|(name, value)| (name.to_owned(), value)));
        sample.insert("id".to_owned(), at.to_string().into());
        sample.insert("evidence_ref".to_owned(), at.to_string().into());
        world.insert("observations", &sample).await?;
    }
    let projected = world.project().await?;
    world.tick("clusterer", &[]).await?;
    let mut events = world.events().await?;
    let mut after = read(world).await?;
    ensure!(world.project().await?.is_empty(), "a second look found something");
    world.settles("clusterer", &[], &events).await?;
    let is_deaf = tick.before.identities.iter().any(is_no_text);
    if tick.raises.is_some() || is_deaf {
        ensure!(
            is_deaf || !projected.poison.is_empty(),
            "the row that stops upstream is not named"
        );
        let free = after.attackers.iter().filter(|row| text(row, "identity_id").is_none());
        ensure!(free.count() == 0, "an attacker was left out beside the poison");
        return Ok(());
    }
    let names = renamed(&events, &tick.events, "identity_uuid", "observation_uuids");
    events.iter_mut().for_each(|event| rename_all(&names, &mut event.payload));
    let is_parting = tick.events.iter().any(|event| event.topic == "identity.unmerged");
    if is_parting && compare_events(&events, &tick.events).is_err() {
        rule_of("identity.unmerged (events)")?;
        return one_identity_a_component(&read(world).await?);
    }
    compare_events(&events, &tick.events)?;
    compare_results(&events, &tick.result.context("no result")?)?;
    rename_rows(&names, &mut after);
    compare_rows(after, tick.after.context("no rows after")?, &events)
}

/// Whether an identity has a rhythm that upstream cannot read: then it gives up on all of them.
fn is_no_text(identity: &Fields) -> bool {
    let Some(hex) = text(identity, "kd_digraph_simhash") else { return false };
    let byte = |at: usize| hex.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Vec<u8> = (0..hex.len()).step_by(2).filter_map(byte).collect();
    std::str::from_utf8(&bytes).is_err()
}

/// The rows as they are.
pub(crate) async fn read(world: &mut World) -> Result<Rows> {
    Ok(Rows {
        attackers: world
            .rows("SELECT uuid, ip, first_seen, asn, identity_id, fingerprints FROM attackers")
            .await?,
        identities: world.rows(&format!("SELECT {COLUMNS} FROM attacker_identities")).await?,
    })
}

pub(crate) fn rename_rows(names: &Renamed, rows: &mut Rows) {
    rows.attackers.iter_mut().chain(&mut rows.identities).for_each(|row| rename_all(names, row));
}

/// What was done, as upstream's worker was told: the same as its events.
pub(crate) fn compare_results(events: &[Event], result: &Fields) -> Result<()> {
    for (name, topic) in [
        ("identities_formed", "identity.formed"),
        ("observations_linked", "identity.observation.linked"),
        ("identities_merged", "identity.merged"),
        ("identities_unmerged", "identity.unmerged"),
    ] {
        let theirs = result.get(name).and_then(Value::as_array).map_or(0, Vec::len);
        let ours = events.iter().filter(|event| event.topic == topic).count();
        ensure!(ours == theirs, "{name}: {ours}, upstream {theirs}");
    }
    Ok(())
}

/// Compares rows after a tick, ours with upstream's names.
pub(crate) fn compare_rows(ours: Rows, theirs: Rows, events: &[Event]) -> Result<()> {
    // Upstream derives the columns of both before it undoes a merge, and again at its next tick.
    let parted: BTreeSet<&str> = events
        .iter()
        .filter(|event| event.topic == "identity.unmerged")
        .flat_map(|event| event.payload.values().filter_map(Value::as_str))
        .collect();
    let members = members(&ours);
    let components = components(&ours.attackers);
    let hashes = by(ours.attackers.clone(), "uuid");
    let (attackers, expected) = (by(ours.attackers, "uuid"), by(theirs.attackers, "uuid"));
    ensure!(attackers == expected, "attackers differ: {}", first(&attackers, &expected));
    let (identities, expected) = (by(ours.identities, "uuid"), by(theirs.identities, "uuid"));
    let uuids = |rows: &BTreeMap<String, Fields>| rows.keys().cloned().collect::<Vec<_>>();
    ensure!(uuids(&identities) == uuids(&expected), "other identities");
    for (uuid, theirs) in &expected {
        let ours = identities.get(uuid).context("no such identity")?;
        let none = BTreeSet::new();
        let members = members.get(uuid).unwrap_or(&none);
        let labels: BTreeSet<&String> =
            members.iter().filter_map(|row| components.get(row)).collect();
        let whole = labels.iter().all(|label| {
            components.iter().all(|(row, other)| other != *label || members.contains(row))
        });
        let is_winner = text(theirs, "merged_into_uuid").is_none();
        let is_one = is_winner && !parted.contains(uuid.as_str()) && labels.len() == 1 && whole;
        for (column, value) in theirs {
            let found = ours.get(column).context("a column is missing")?;
            let rule = rule(column, members, &hashes);
            match rule {
                None => ensure!(found == value, "{uuid}.{column}: {found}, upstream {value}"),
                Some(rule) => {
                    let why = rule_of(&format!("attacker_identities.{column}"))?;
                    ensure!(*found == rule, "{uuid}: {found}, by the rule {rule}: {why}");
                    let must_be_equal = ["ja3_hashes", "hassh_hashes", "tls_cert_sha256"]
                        .contains(&column.as_str());
                    ensure!(
                        !(must_be_equal && is_one) || found == value,
                        "{uuid}.{column}: {found}, upstream {value}, of one component"
                    );
                }
            }
        }
    }
    Ok(())
}

/// What a column should say by Corral's own rule; none: as upstream has it.
fn rule(
    column: &str,
    members: &BTreeSet<String>,
    attackers: &BTreeMap<String, Fields>,
) -> Option<Value> {
    let (kind, key) = match column {
        "observation_count" => return Some(members.len().into()),
        "kd_digraph_simhash" => return Some(Value::Null),
        "ja3_hashes" => ("ja3", "ja3"),
        "hassh_hashes" => ("hassh_server", "hash"),
        "tls_cert_sha256" => ("tls_certificate", "cert_sha256"),
        "ja4h_hashes" => ("ja4h", "ja4h"),
        "ja4_quic_hashes" => ("ja4_quic", "ja4_quic"),
        _ => return None,
    };
    let mut values = BTreeSet::new();
    for entry in members.iter().filter_map(|row| attackers.get(row)).flat_map(entries) {
        let payload = match entry.get("payload") {
            Some(Value::Object(payload)) => payload.clone(),
            Some(Value::String(json)) => serde_json::from_str(json).unwrap_or_default(),
            _ => entry,
        };
        if text(&payload, "fingerprint_type") == Some(kind) {
            values.extend(text(&payload, key).filter(|value| !value.is_empty()).map(str::to_owned));
        }
    }
    let list: Vec<String> =
        values.iter().map(|value| Value::from(value.as_str()).to_string()).collect();
    Some(if list.is_empty() { Value::Null } else { format!("[{}]", list.join(", ")).into() })
}

fn entries(attacker: &Fields) -> Vec<Fields> {
    let list =
        text(attacker, "fingerprints").and_then(|json| serde_json::from_str::<Value>(json).ok());
    let list = list.and_then(|list| list.as_array().cloned()).unwrap_or_default();
    list.into_iter().filter_map(|entry| entry.as_object().cloned()).collect()
}

/// The attackers that each identity speaks for.
fn members(rows: &Rows) -> BTreeMap<String, BTreeSet<String>> {
    let into: BTreeMap<&str, &str> = rows
        .identities
        .iter()
        .filter_map(|row| Some((text(row, "uuid")?, text(row, "merged_into_uuid")?)))
        .collect();
    let mut members: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for attacker in &rows.attackers {
        let (Some(uuid), Some(literal)) = (text(attacker, "uuid"), text(attacker, "identity_id"))
        else {
            continue;
        };
        let mut met = BTreeSet::new();
        let mut at = Some(literal);
        while let Some(identity) = at.filter(|identity| met.insert(*identity)) {
            members.entry(identity.to_owned()).or_default().insert(uuid.to_owned());
            at = into.get(identity).copied();
        }
    }
    members
}

/// Of each attacker the smallest of its component: who shares the last JA3 or the last HASSH.
fn components(attackers: &[Fields]) -> BTreeMap<String, String> {
    let mut groups: Vec<(BTreeSet<String>, BTreeSet<String>)> = Vec::new();
    for attacker in attackers {
        let uuid = text(attacker, "uuid").unwrap_or_default().to_owned();
        let mut tokens = BTreeMap::new();
        for entry in entries(attacker) {
            let kind = text(&entry, "kind").unwrap_or_default().to_owned();
            let is_empty = |value: &&Value| **value == Value::from("") || value.is_null();
            let value = ["hash", "value"].iter().filter_map(|key| entry.get(*key));
            if let Some(value) = value.filter(|value| !is_empty(value)).next()
                && ["ja3", "hassh"].contains(&kind.as_str())
            {
                let number = value.as_f64().map(|number| number.to_string());
                tokens.insert(kind, number.unwrap_or_else(|| value.to_string()));
            }
        }
        let mut tokens: BTreeSet<String> =
            tokens.into_iter().map(|(kind, value)| format!("{kind} {value}")).collect();
        let mut members = BTreeSet::from([uuid]);
        groups.retain(|(others, theirs)| {
            let is_shared = theirs.iter().any(|token| tokens.contains(token));
            if is_shared {
                members.extend(others.iter().cloned());
                tokens.extend(theirs.iter().cloned());
            }
            !is_shared
        });
        groups.push((members, tokens));
    }
    let label = |members: &BTreeSet<String>| members.first().cloned().unwrap_or_default();
    groups
        .iter()
        .flat_map(|(members, _)| members.iter().map(|row| (row.clone(), label(members))))
        .collect()
}

/// Whether, once nothing is left to do, whoever shares a component shares a live identity.
fn one_identity_a_component(rows: &Rows) -> Result<()> {
    let into: BTreeMap<&str, Option<&str>> = rows
        .identities
        .iter()
        .filter_map(|row| Some((text(row, "uuid")?, text(row, "merged_into_uuid"))))
        .collect();
    let live = |identity: &str| {
        let mut at = identity.to_owned();
        for _ in 0..8 {
            match into.get(at.as_str()) {
                Some(Some(next)) => at = (*next).to_owned(),
                _ => break,
            }
        }
        at
    };
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let components = components(&rows.attackers);
    for attacker in &rows.attackers {
        let label = text(attacker, "uuid").and_then(|uuid| components.get(uuid));
        let identity = text(attacker, "identity_id").context("an attacker without an identity")?;
        found.entry(label.context("no component")?.clone()).or_default().insert(live(identity));
    }
    let torn = found.values().find(|identities| identities.len() > 1);
    ensure!(torn.is_none(), "one component, several identities: {torn:?}");
    Ok(())
}

/// The first rows that differ, for a message.
pub(crate) fn first(ours: &BTreeMap<String, Fields>, theirs: &BTreeMap<String, Fields>) -> String {
    let differs = theirs.iter().find(|(key, row)| ours.get(*key) != Some(*row));
    differs.map_or_else(
        || "more rows".to_owned(),
        |(key, row)| format!("{:?}, upstream {row:?}", ours.get(key)),
    )
}
