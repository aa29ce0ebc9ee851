//! Whole databases: one that DECNET's own code filled, and what its ticks made of it.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::campaign::After;
use super::identity::Rows;
use super::{
    Event, Fields, Renamed, World, attribution, block_on, campaign, compare_events, identity,
    rename_all, renamed, reuse, unpacked,
};
use crate::Tally;

/// A boot's database, opened as Corral: nothing is added but tables of our own.
pub(crate) fn empty(path: &Path) -> Result<Tally> {
    block_on(async {
        let name = path.file_name().context("a file")?.to_string_lossy().into_owned();
        let mut tally = Tally::default();
        let checked = async {
            let mut world = World::open(path, &name).await?;
            let own =
                "name LIKE 'corral\\_%' ESCAPE '\\' OR tbl_name LIKE 'corral\\_%' ESCAPE '\\'";
            let others = format!(
                "SELECT type, name, sql FROM sqlite_master
                 WHERE NOT ({own}) AND name NOT LIKE 'sqlite%' ORDER BY 1, 2"
            );
            let after = world.rows(&others).await?;
            let folder = tempfile::tempdir()?;
            let plain = folder.path().join("plain.db");
            std::fs::write(&plain, unpacked(&path.to_path_buf())?)?;
            world.sql(&format!("ATTACH '{}' AS plain", plain.display())).await?;
            let before =
                world.rows("SELECT type, name, sql FROM plain.sqlite_master WHERE name NOT LIKE 'sqlite%' ORDER BY 1, 2").await?;
            let changed: Vec<_> = after.iter().filter(|row| !before.contains(row)).collect();
            ensure!(after == before, "a table of DECNET's changed: {changed:?}");
            ensure!(world.project().await?.poison.is_empty(), "poison in an empty database");
            for plugin in ["clusterer", "campaign-clusterer", "attribution", "reuse-correlate"] {
                let ticked = world.tick(plugin, &[]).await?;
                ensure!(
                    ticked.committed.formed + ticked.committed.linked == 0,
                    "{plugin} found something"
                );
            }
            Ok(())
        };
        tally.count("an empty database", checked.await);
        Ok(tally)
    })
}

/// The filled database: an identity tick, then a campaign tick, and the reused credentials.
pub(crate) fn populated(path: &Path) -> Result<Tally> {
    block_on(async {
        let mut tally = Tally::default();
        let mut world = World::open(path, "db_populated_before_ticks.sqlite.gz").await?;
        let results: Fields =
            serde_json::from_slice(&unpacked(&path.with_file_name("db_tick_results.json.gz"))?)?;
        let mut after = World::open(path, "db_populated_after_ticks.sqlite.gz").await?;
        let projected = world.project().await?;
        let named = ensure_none(&projected.poison);
        tally.count("no row is poison", named);
        let identities = identities(&mut world, &mut after, &results).await;
        let names = identities.as_ref().map(Clone::clone).unwrap_or_default();
        tally.count("the identity tick", identities.map(|_| ()));
        tally.count("the campaign tick", campaigns(&mut world, &mut after, &results, &names).await);
        tally.count("the reuse pass", reused(&mut world, &mut after).await);
        tally.count("the attribution states", states(&mut world, &mut after).await);
        Ok(tally)
    })
}

fn ensure_none<T: std::fmt::Debug>(poison: &[T]) -> Result<()> {
    ensure!(poison.is_empty(), "{poison:?}");
    Ok(())
}

/// What a worker publishes of its result.
fn told(results: &Fields, layer: &str, lists: &[(&str, &str, &str)]) -> Vec<Event> {
    let mut events = Vec::new();
    for (list, topic, kind) in lists {
        let items =
            results.get(layer).and_then(|result| result.get(list)).and_then(Value::as_array);
        for item in items.into_iter().flatten() {
            events.push(Event {
                topic: (*topic).to_owned(),
                kind: (*kind).to_owned(),
                payload: item.as_object().cloned().unwrap_or_default(),
            });
        }
    }
    events
}

/// Gives what our new identities are called upstream.
async fn identities(world: &mut World, after: &mut World, results: &Fields) -> Result<Renamed> {
    world.tick("clusterer", &[]).await?;
    let mut events = world.events().await?;
    let theirs = told(
        results,
        "identity",
        &[
            ("identities_formed", "identity.formed", "formed"),
            ("observations_linked", "identity.observation.linked", "observation.linked"),
            ("identities_merged", "identity.merged", "merged"),
            ("identities_unmerged", "identity.unmerged", "unmerged"),
        ],
    );
    let names = renamed(&events, &theirs, "identity_uuid", "observation_uuids");
    events.iter_mut().for_each(|event| rename_all(&names, &mut event.payload));
    compare_events(&events, &theirs)?;
    let mut ours = identity::read(world).await?;
    let mut theirs: Rows = identity::read(after).await?;
    identity::rename_rows(&names, &mut ours);
    // Campaigns come with the next tick.
    theirs.identities.iter_mut().for_each(|row| {
        row.insert("campaign_id".to_owned(), Value::Null);
    });
    identity::compare_rows(ours, theirs, &events)?;
    Ok(names)
}

async fn campaigns(
    world: &mut World,
    after: &mut World,
    results: &Fields,
    names: &Renamed,
) -> Result<()> {
    world.tick("campaign-clusterer", &[("merged", "apart")]).await?;
    let mut events = world.events().await?;
    // Upstream publishes who belongs to a new campaign one by one too.
    events.retain(|event| event.topic != "identity.campaign.assigned");
    let theirs = told(
        results,
        "campaign",
        &[
            ("campaigns_formed", "campaign.formed", "formed"),
            ("identities_assigned", "campaign.identity.assigned", "identity.assigned"),
            ("campaigns_merged", "campaign.merged", "merged"),
            ("campaigns_unmerged", "campaign.unmerged", "unmerged"),
        ],
    );
    events.iter_mut().for_each(|event| rename_all(names, &mut event.payload));
    let campaigns = renamed(&events, &theirs, "campaign_uuid", "identity_uuids");
    events.iter_mut().for_each(|event| rename_all(&campaigns, &mut event.payload));
    compare_events(&events, &theirs)?;
    let mut ours = groups(world).await?;
    ours.identities.iter_mut().for_each(|row| rename_all(names, row));
    campaign::compare_rows(&campaigns, ours, groups(after).await?)
}

async fn groups(world: &mut World) -> Result<After> {
    Ok(After {
        identities: world
            .rows("SELECT uuid, campaign_id, merged_into_uuid FROM attacker_identities")
            .await?,
        campaigns: world
            .rows("SELECT uuid, merged_into_uuid, identity_count, schema_version, confidence FROM campaigns")
            .await?,
    })
}

async fn reused(world: &mut World, after: &mut World) -> Result<()> {
    world.tick("reuse-correlate", &[]).await?;
    reuse::compare_rows(&reuse::read(world).await?, &reuse::read(after).await?)
}

/// The states are upstream's, where upstream saw all samples.
async fn states(world: &mut World, after: &mut World) -> Result<()> {
    world.tick("attribution", &[("merged", "apart")]).await?;
    let theirs = attribution::read(after).await?;
    let behind = attribution::compare_states(world, &theirs).await?;
    let compared = theirs.iter().filter(|row| !behind.contains(&attribution::key(row))).count();
    ensure!(compared > 50, "{compared} series of {} were compared", theirs.len());
    Ok(())
}
