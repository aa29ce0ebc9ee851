//! The promises that a small world shows: what a plugin says of itself, and that its rows follow from the facts.

use super::picture::Times;
use super::population::{For, Population};
use super::world::{Lab, World};
use super::{Broken, Checked, failed};
use crate::ids;
use crate::plugin::grants::Capability;
use crate::store::facts::Facts;

/// Attackers of a small world: enough for every kind of group, few enough to be looked at by hand.
pub(super) const SMALL: u32 = 240;
/// Those who come later.
const NEWCOMERS: u32 = 60;
/// As long as somebody might take for long enough to forget.
const YEAR_HOURS: i64 = 24 * 365;

/// The facts of a small world.
pub(super) fn small(lab: &Lab<'_>) -> Facts {
    Population { first: 0, count: SMALL, all: SMALL + NEWCOMERS }.facts(reader(lab))
}

pub(super) fn reader<'a>(lab: &'a Lab<'_>) -> For<'a> {
    For { role: lab.role, reader: lab.plugin.description() }
}

/// It was loaded, so its imports are those of the contract and its export fits.
pub(super) fn contract(lab: &Lab<'_>) -> String {
    let kib = lab.bytes.len().div_ceil(1024);
    format!("{kib} KiB, imports nothing but {}", crate::plugin::load::contract())
}

pub(super) async fn describe(lab: &Lab<'_>) -> Checked {
    let said = lab.plugin.description();
    let remedy = "say it in the description that describe returns";
    let is_said = |text: &str| !text.trim().is_empty();
    if !is_said(&said.version) || !is_said(&said.summary) {
        return Err(failed("it says no version or no summary", remedy));
    }
    if said.summary.lines().count() > 1 {
        return Err(failed("its summary is more than one line", remedy));
    }
    if said.poll_seconds == 0 {
        return Err(failed(
            "it wants to be polled every 0 seconds",
            "give the seconds between polls",
        ));
    }
    for capability in Capability::ALL {
        let asked = capability.asked(said);
        let key = capability.key();
        if let Some(twice) =
            asked.iter().enumerate().find(|(at, name)| asked.iter().take(*at).any(|n| n == *name))
        {
            return Err(failed(format!("{key} has '{}' twice", twice.1), "ask for each once"));
        }
    }
    if let Some(setting) = said.settings.iter().find(|setting| !is_said(&setting.summary)) {
        return Err(failed(format!("setting '{}' has no summary", setting.name), remedy));
    }
    let again = lab.host.inspect(lab.source.clone(), lab.bytes).await;
    match again {
        Ok(again) if again.description() == said => Ok(format!(
            "{} {}: {} views, {} changes, {} kernels, {} settings",
            said.name,
            said.version,
            said.reads.len(),
            said.writes.len(),
            said.kernels.len(),
            said.settings.len()
        )),
        Ok(_) => Err(failed("asked twice, it says two different things", "describe is a constant")),
        Err(error) => Err(failed(format!("asked again, it fails: {}", error.reason), remedy)),
    }
}

pub(super) async fn empty(lab: &Lab<'_>) -> Checked {
    let world = lab.world().await?;
    let before = world.picture(Times::Left).await?;
    let ticks = world.settle().await?;
    match before.difference(&world.picture(Times::Left).await?) {
        None => Ok(format!("no rows from none, in {}", counted(ticks + 1, "tick"))),
        Some(rows) => Err(failed(
            format!("it made rows of nothing: {rows}"),
            "make no group or row that no attacker stands behind",
        )),
    }
}

pub(super) async fn one_row(lab: &Lab<'_>) -> Checked {
    let world = lab.world().await?;
    world.plant(&Population::of(1).facts(reader(lab))).await?;
    let first = world.tick().await?;
    let second = world.tick().await?;
    if second.committed.is_empty() {
        return Ok(format!("{}, then nothing", told(&first.committed)));
    }
    Err(again(&second.committed))
}

pub(super) async fn deterministic(lab: &Lab<'_>) -> Checked {
    let facts = small(lab);
    let one = lab.settled(&facts).await?.picture(Times::Told).await?;
    // The same, but texts have other codes.
    let world = lab.world().await?;
    world.host.intern(values(&facts).iter().rev().map(String::as_str))?;
    world.plant(&facts).await?;
    world.settle().await?;
    if let Some(rows) = one.difference(&world.picture(Times::Told).await?) {
        return Err(failed(
            format!("the same facts at the same time gave {rows}"),
            "the code of a text says nothing but which text it is: sort by row or by the text, never by code, and \
             never go by the order of a HashMap",
        ));
    }
    // The same a year later.
    let one = lab.settled(&facts).await?.picture(Times::Left).await?;
    let world = lab.world().await?;
    world.wait(YEAR_HOURS);
    world.plant(&facts).await?;
    world.settle().await?;
    match one.difference(&world.picture(Times::Left).await?) {
        None => Ok(format!("{} facts: the same rows three times, to the bit", facts.rows())),
        Some(rows) => Err(failed(
            format!("the same facts, looked at a year later, gave {rows}"),
            "decide by the times in the rows, not by context.now: derived rows follow from stored ones",
        )),
    }
}

/// The texts of facts, in their order.
fn values(facts: &Facts) -> Vec<String> {
    let attackers = facts.attackers.iter().flat_map(|row| [ids::attacker(&row.ip), row.ip.clone()]);
    let features = facts.features.iter().flat_map(|row| [row.kind.clone(), row.value.clone()]);
    let credentials = facts.credentials.iter().map(|row| row.secret.clone());
    let sensors = facts.sessions.iter().map(|row| row.decky.clone());
    let samples = facts.samples.iter().map(|row| row.value.clone());
    let tactics = facts.tactics.iter().map(|row| row.tactic.clone());
    let others = credentials.chain(sensors).chain(samples).chain(tactics);
    attackers.chain(features).chain(others).collect()
}

pub(super) async fn row_order(lab: &Lab<'_>) -> Checked {
    let facts = small(lab);
    let one = lab.settled(&facts).await?.picture(Times::Left).await?;
    let other = lab.settled(&facts.clone().backwards()).await?.picture(Times::Left).await?;
    match one.difference(&other) {
        None => {
            Ok(format!("{} facts, written forwards and backwards: the same rows", facts.rows()))
        }
        Some(rows) => Err(failed(
            format!("the same facts, written backwards, gave {rows}"),
            "views come in the order that the contract names: go by that and by nothing else, codes of texts least \
             of all",
        )),
    }
}

pub(super) async fn idempotent(lab: &Lab<'_>) -> Checked {
    let mut world = lab.world().await?;
    world.plant(&small(lab)).await?;
    let first = world.tick().await?;
    quiet(&world, "a second tick").await?;
    world.restart();
    quiet(&world, "the first tick after a restart").await?;
    let later = Population { first: SMALL, count: NEWCOMERS, all: SMALL + NEWCOMERS };
    world.plant(&later.facts(reader(lab))).await?;
    let second = world.tick().await?;
    quiet(&world, "a tick after that with newcomers").await?;
    world.restart();
    quiet(&world, "the first tick after another restart").await?;
    Ok(format!(
        "{}; with {NEWCOMERS} newcomers {}; the four ticks in between changed nothing",
        told(&first.committed),
        told(&second.committed)
    ))
}

async fn quiet(world: &World<'_, '_>, which: &str) -> Result<(), Broken> {
    let ticked = world.tick().await?;
    if ticked.committed.is_empty() {
        return Ok(());
    }
    let found =
        format!("{which}, with nothing new, changed something: {}", told(&ticked.committed));
    Err(failed(found, REPEATS))
}

const REPEATS: &str = "commit only what differs from what is there: for groups the SDK's reconcile finds that out, for \
                       rows compare with the view, and refresh only what the view calls stale";

fn again(committed: &crate::store::commit::Committed) -> Broken {
    failed(format!("a second tick changed something again: {}", told(committed)), REPEATS)
}

/// What a commit did, in words.
pub(super) fn told(committed: &crate::store::commit::Committed) -> String {
    let verbs = [
        (committed.formed, "groups formed"),
        (committed.linked, "members linked"),
        (committed.merged, "groups merged"),
        (committed.unmerged, "groups unmerged"),
        (committed.refreshed, "identities refreshed"),
        (committed.explained, "edges explained"),
        (committed.put, "rows put"),
    ];
    let some: Vec<String> = verbs
        .iter()
        .filter(|(rows, _)| *rows > 0)
        .map(|(rows, verb)| format!("{rows} {verb}"))
        .collect();
    if some.is_empty() { "nothing changed".to_owned() } else { some.join(", ") }
}

pub(super) fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// What it asks for and has not used in any world so far.
pub(super) async fn grants(lab: &Lab<'_>) -> Checked {
    let said = lab.plugin.description();
    // Whatever else was tested, these use what there is to use.
    lab.settled(&small(lab)).await?;
    let used = lab.used();
    let unused = |asked: &[String], used: &std::collections::BTreeSet<&'static str>| {
        let unused = asked.iter().filter(|name| !used.contains(name.as_str()));
        unused.cloned().collect::<Vec<_>>()
    };
    let idle: Vec<String> =
        [("view", unused(&said.reads, &used.reads)), ("kernel", unused(&said.kernels, &used.ran))]
            .into_iter()
            .flat_map(|(noun, names)| names.into_iter().map(move |name| format!("{noun} {name}")))
            .collect();
    if !idle.is_empty() {
        return Err(failed(
            format!("it asks for what it never uses: {}", idle.join(", ")),
            "ask for less: an operator has to grant each of these",
        ));
    }
    let never = unused(&said.writes, &used.writes);
    let never = if never.is_empty() {
        String::new()
    } else {
        format!("; no world of the kit made it commit {}", never.join(", "))
    };
    Ok(format!("all {} views and {} kernels are used{never}", said.reads.len(), said.kernels.len()))
}
