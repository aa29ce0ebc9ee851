//! The attribution correlator: step by step over what upstream's saw.
//!
//! Upstream works on events and makes stub identities; Corral works on rows and makes none. So a stub that
//! upstream made is given, and each step inserts the row, looks, and ticks.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Event, Fields, World, block_on, text};
use crate::{Tally, cases};

#[derive(Deserialize)]
struct Scenario {
    scenario: u32,
    family: String,
    initial: Initial,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Initial {
    attackers: Vec<Fields>,
}

#[derive(Deserialize)]
struct Step {
    op: String,
    #[serde(default)]
    observation_row: Option<Fields>,
    #[serde(default)]
    events: Vec<Event>,
    #[serde(default)]
    attribution_state: Vec<Fields>,
    #[serde(default)]
    attackers: Vec<Fields>,
}

const SUSPECTED: &str = "attribution.profile.multi_actor_suspected";

pub(crate) fn attribution(path: &Path) -> Result<Tally> {
    block_on(async {
        let mut world = World::open(path, "db_empty_alembic.sqlite.gz").await?;
        let mut tally = Tally::default();
        for scenario in cases::<Scenario>(path)? {
            let scenario = scenario?;
            let case = format!("scenario {} ({})", scenario.scenario, scenario.family);
            tally.count(&case, check(&mut world, scenario).await);
        }
        Ok(tally)
    })
}

async fn check(world: &mut World, scenario: Scenario) -> Result<()> {
    let tables = ["attackers", "attacker_identities", "observations", "attribution_state"];
    world.clear(&tables).await?;
    for attacker in &scenario.initial.attackers {
        identity(world, attacker).await?;
        world.insert("attackers", attacker).await?;
    }
    let mut suspected: Vec<Event> = Vec::new();
    for (at, step) in scenario.steps.into_iter().enumerate() {
        let checked = if step.op == "multi_actor_tick" {
            let checked = suspicions(&suspected, &step.events);
            suspected.clear();
            checked
        } else {
            observe(world, at, &step, &mut suspected).await
        };
        checked.with_context(|| format!("step {at}"))?;
    }
    Ok(())
}

/// An identity that an attacker names and that is not there yet.
async fn identity(world: &mut World, attacker: &Fields) -> Result<()> {
    let Some(identity) = text(attacker, "identity_id") else { return Ok(()) };
    let known =
        world.rows(&format!("SELECT 1 FROM attacker_identities WHERE uuid = '{identity}'")).await?;
    if known.is_empty() {
        let row = json!({"uuid": identity, "schema_version": 1, "observation_count": 1});
        world.insert("attacker_identities", row.as_object().context("no object")?).await?;
    }
    Ok(())
}

async fn observe(
    world: &mut World,
    at: usize,
    step: &Step,
    suspected: &mut Vec<Event>,
) -> Result<()> {
    for attacker in &step.attackers {
        if let (Some(uuid), Some(of)) = (text(attacker, "uuid"), text(attacker, "identity_id")) {
            identity(world, attacker).await?;
            let sql = format!("UPDATE attackers SET identity_id = '{of}' WHERE uuid = '{uuid}'");
            world.sql(&sql).await?;
        }
    }
    if let Some(row) = &step.observation_row {
        let mut row = row.clone();
        row.insert("id".to_owned(), at.to_string().into());
        let value = row.get("value").map(Value::to_string);
        row.insert("value".to_owned(), value.into());
        world.insert("observations", &row).await?;
    }
    // The links were made by hand.
    world.bump().await?;
    world.project().await?;
    world.tick("attribution", &[("merged", "apart")]).await?;
    let (suspicions, events): (Vec<Event>, Vec<Event>) =
        world.events().await?.into_iter().partition(|event| event.topic == SUSPECTED);
    suspected.extend(suspicions);
    states(world, step, &events).await
}

/// An identity and a primitive.
pub(crate) type Series = (String, String);

pub(crate) fn key(row: &Fields) -> Series {
    let of = |column: &str| text(row, column).unwrap_or_default().to_owned();
    (of("identity_uuid"), of("primitive"))
}

/// The states that are stored.
pub(crate) async fn read(world: &mut World) -> Result<Vec<Fields>> {
    world
        .rows(
            "SELECT identity_uuid, primitive, current_value, state, confidence,
                 observation_count, last_change_ts, last_observation_ts, schema_version FROM attribution_state",
        )
        .await
}

/// Compares the states, and the events of those that follow the same samples.
async fn states(world: &mut World, step: &Step, events: &[Event]) -> Result<()> {
    let is_behind = compare_states(world, &step.attribution_state).await?;
    let of_series = |event: &&Event| !is_behind.contains(&key(&event.payload));
    let ours: Vec<Event> = events.iter().filter(of_series).cloned().collect();
    let theirs: Vec<Event> = step.events.iter().filter(of_series).cloned().collect();
    super::compare_events(&ours, &theirs)
}

/// Compares the states with upstream's; gives the series of which upstream has not seen all samples.
pub(crate) async fn compare_states(
    world: &mut World,
    theirs: &[Fields],
) -> Result<BTreeSet<Series>> {
    let ours = read(world).await?;
    let counted = world
        .rows(
            "SELECT a.identity_id AS identity_uuid, o.primitive, COUNT(*) AS count, MAX(o.ts) AS latest
             FROM observations o JOIN attackers a ON a.uuid = o.attacker_uuid
             WHERE a.identity_id IS NOT NULL GROUP BY 1, 2",
        )
        .await?;
    let counted: BTreeMap<_, _> = counted.iter().map(|row| (key(row), row)).collect();
    let ours: BTreeMap<_, _> = ours.iter().map(|row| (key(row), row)).collect();
    let theirs: BTreeMap<_, _> = theirs.iter().map(|row| (key(row), row)).collect();
    let mut is_behind = BTreeSet::new();
    for (key, samples) in &counted {
        let ours = ours.get(key).with_context(|| format!("no state of {key:?}"))?;
        let theirs = theirs.get(key);
        let count = samples.get("count");
        if theirs.is_none_or(|theirs| theirs.get("observation_count") != count) {
            // Upstream lost an event of this series, or is to be told of it yet.
            is_behind.insert(key.clone());
            ensure!(ours.get("observation_count") == count, "{key:?}: not {count:?} samples");
            ensure!(ours.get("last_observation_ts") == samples.get("latest"), "{key:?}: latest");
            continue;
        }
        for (column, value) in theirs.into_iter().copied().flatten() {
            let found = ours.get(column);
            let is_equal = written(found) == written(Some(value));
            ensure!(is_equal, "{key:?}.{column}: {found:?}, upstream {value}");
        }
    }
    ensure!(theirs.keys().all(|key| ours.contains_key(key)), "a state is missing");
    ensure!(ours.keys().all(|key| counted.contains_key(key)), "a state of nothing");
    Ok(is_behind)
}

/// A number, however it is written; else the text. SQLite makes a number of a JSON column's text where it can.
fn written(value: Option<&Value>) -> Option<String> {
    let text = match value? {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Some(text.parse::<f64>().map_or(text.clone(), |number| number.to_string()))
}

/// What upstream's tick found was announced by ours when it came to be, with its own time.
fn suspicions(ours: &[Event], theirs: &[Event]) -> Result<()> {
    let of = |event: &Event| {
        let mut payload = event.payload.clone();
        payload.remove("ts");
        Value::Object(payload).to_string()
    };
    let announced: BTreeSet<String> = ours.iter().map(of).collect();
    for event in theirs {
        ensure!(announced.contains(&of(event)), "nobody announced {event:?}: {announced:?}");
    }
    // The last word on each identity is what upstream says too, unless it is what upstream said last time.
    Ok(())
}
