//! The campaign clusterer: one tick each over what upstream's saw.
//!
//! Upstream reads payloads, endpoints and typing rhythm from columns of identities that nobody fills; Corral
//! derives them from attackers. So what the columns say is translated: an identity gets an attacker with these
//! features and one sample of that rhythm. What was merged away takes no part upstream (`merged = apart`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use super::differences::rule_of;
use super::identity::first;
use super::{
    Event, Fields, Renamed, World, by, compare_events, each_tick, rename_all, renamed, text,
};
use crate::Tally;

#[derive(Deserialize)]
struct Tick {
    before: Before,
    result: Fields,
    events: Vec<Event>,
    after: After,
}

#[derive(Deserialize)]
struct Before {
    identities: Vec<Fields>,
    campaigns: Vec<Fields>,
    attackers: Vec<Fields>,
    ttp_tags: Vec<Fields>,
}

#[derive(Deserialize)]
pub(crate) struct After {
    pub(crate) identities: Vec<Fields>,
    pub(crate) campaigns: Vec<Fields>,
}

pub(crate) fn ticks_campaign(path: &Path) -> Result<Tally> {
    each_tick(path, check)
}

async fn check(world: &mut World, tick: Tick) -> Result<()> {
    load(world, &tick.before).await?;
    world.tick("campaign-clusterer", &[("merged", "apart")]).await?;
    let mut events = world.events().await?;
    let after = After {
        identities: world
            .rows("SELECT uuid, created_at, campaign_id, merged_into_uuid FROM attacker_identities")
            .await?,
        campaigns: world
            .rows("SELECT uuid, merged_into_uuid, identity_count, schema_version, confidence FROM campaigns")
            .await?,
    };
    world.settles("campaign-clusterer", &[("merged", "apart")], &events).await?;
    let names = renamed(&events, &tick.events, "campaign_uuid", "identity_uuids");
    events.iter_mut().for_each(|event| rename_all(&names, &mut event.payload));
    let is_parting = tick.events.iter().any(|event| event.topic == "campaign.unmerged");
    if is_parting && compare_events(&events, &tick.events).is_err() {
        // It settled, see above.
        rule_of("campaign.unmerged (events)")?;
        let theirs: Vec<Event> =
            tick.events.into_iter().filter(|event| event.topic != "campaign.merged").collect();
        events.retain(|event| event.topic != "campaign.merged");
        return compare_events(&events, &theirs);
    }
    compare_events(&events, &tick.events)?;
    compare_results(&events, &tick.result)?;
    compare_rows(&names, after, tick.after)
}

async fn load(world: &mut World, before: &Before) -> Result<()> {
    let tables = ["attackers", "attacker_identities", "campaigns", "ttp_tag", "observations"];
    world.clear(&tables).await?;
    for campaign in &before.campaigns {
        world.insert("campaigns", campaign).await?;
    }
    for (at, identity) in before.identities.iter().enumerate() {
        let mut row = identity.clone();
        let rhythm = row.remove("kd_digraph_simhash");
        world.insert("attacker_identities", &row).await?;
        let uuid = text(identity, "uuid").context("an identity without a uuid")?;
        // Later than all others, so that tags of the identity are told of one of its own.
        let speaker = format!("~{at:04}");
        let attacker = json!({"uuid": speaker, "ip": speaker, "identity_id": uuid});
        world.insert("attackers", attacker.as_object().context("no object")?).await?;
        for (column, kind) in
            [("payload_simhashes", "payload-sha256"), ("c2_endpoints", "download-host")]
        {
            for value in values(text(identity, column).unwrap_or_default()) {
                let feature =
                    json!({"attacker_uuid": speaker, "kind": kind, "value": value, "sightings": 1});
                world.insert("corral_feature", feature.as_object().context("no object")?).await?;
            }
        }
        if let Some(rhythm) = rhythm.as_ref().and_then(Value::as_str) {
            let sample = json!({"id": speaker, "evidence_ref": speaker, "attacker_uuid": speaker,
                "primitive": "motor.digraph_simhash", "value": format!("\"{rhythm}\"")});
            world.insert("observations", sample.as_object().context("no object")?).await?;
        }
    }
    for attacker in &before.attackers {
        world.insert("attackers", attacker).await?;
    }
    // Upstream leaves it to SQLite in which order tags of one moment come, which is that of their making;
    // Corral goes by the tactic then. So the order of making is written into the times.
    let mut met: BTreeMap<String, i64> = BTreeMap::new();
    for tag in &before.ttp_tags {
        let mut tag = tag.clone();
        let at = text(&tag, "created_at").context("a tag without a time")?.to_owned();
        let nth = met.entry(at.clone()).or_insert(-1);
        *nth += 1;
        if let Some((head, micros)) = at.split_once('.').filter(|_| *nth > 0) {
            let micros: i64 = micros.parse()?;
            ensure!(micros + *nth < 1_000_000, "too many tags of one moment");
            tag.insert("created_at".to_owned(), format!("{head}.{:06}", micros + *nth).into());
        }
        world.insert("ttp_tag", &tag).await?;
    }
    world.bump().await
}

/// What upstream makes of such a column: the elements of a list as Python writes them.
fn values(json: &str) -> BTreeSet<String> {
    let Ok(Value::Array(items)) = serde_json::from_str(json) else { return BTreeSet::new() };
    items
        .iter()
        .filter_map(|item| match item {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            Value::Bool(is_true) => Some(if *is_true { "True" } else { "False" }.to_owned()),
            Value::Number(number) if number.is_f64() => Some(format!("{:?}", number.as_f64()?)),
            other => Some(other.to_string()),
        })
        .collect()
}

/// What was done, as upstream's worker was told.
pub(crate) fn compare_results(events: &[Event], result: &Fields) -> Result<()> {
    for (name, topic) in [
        ("campaigns_formed", "campaign.formed"),
        ("identities_assigned", "campaign.identity.assigned"),
        ("campaigns_merged", "campaign.merged"),
        ("campaigns_unmerged", "campaign.unmerged"),
    ] {
        let theirs = result.get(name).and_then(Value::as_array).map_or(0, Vec::len);
        let ours = events.iter().filter(|event| event.topic == topic).count();
        ensure!(ours == theirs, "{name}: {ours}, upstream {theirs}");
    }
    Ok(())
}

/// Compares identities and campaigns after a tick; what Corral derives of campaigns follows its own rule.
pub(crate) fn compare_rows(names: &Renamed, mut ours: After, theirs: After) -> Result<()> {
    ours.identities.iter_mut().chain(&mut ours.campaigns).for_each(|row| rename_all(names, row));
    let columns: BTreeSet<String> =
        ours.identities.iter().flat_map(|row| row.keys().cloned()).collect();
    let mut counts: BTreeMap<String, i64> = BTreeMap::new();
    for row in ours.identities.iter().filter(|row| text(row, "merged_into_uuid").is_none()) {
        *counts.entry(text(row, "campaign_id").unwrap_or_default().to_owned()).or_default() += 1;
    }
    let mut expected = by(theirs.identities, "uuid");
    expected.values_mut().for_each(|row| row.retain(|column, _| columns.contains(column)));
    let identities = by(ours.identities, "uuid");
    ensure!(identities == expected, "identities differ: {}", first(&identities, &expected));
    let (mut campaigns, mut expected) = (by(ours.campaigns, "uuid"), by(theirs.campaigns, "uuid"));
    for (uuid, row) in &mut campaigns {
        let count = row.remove("identity_count").and_then(|count| count.as_i64());
        let theirs = expected.get_mut(uuid).and_then(|row| row.remove("identity_count"));
        let rule = counts.get(uuid).copied().unwrap_or(0);
        // A campaign that no commit touched is as upstream left it.
        let why = rule_of("campaigns.identity_count")?;
        let is_untouched = count.map(Value::from) == theirs;
        ensure!(
            count == Some(rule) || is_untouched,
            "{uuid}: {count:?} identities, by the rule {rule}: {why}"
        );
    }
    ensure!(campaigns == expected, "campaigns differ: {}", first(&campaigns, &expected));
    Ok(())
}
