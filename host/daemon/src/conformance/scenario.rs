//! Scenarios: stories that a plugin of a kind has to get right, whatever its rule is.
//!
//! They are data, under `host/daemon/data/scenarios/`. A scenario says which changes a plugin has to ask for to be
//! measured by it, and then goes step by step: facts come or go, the plugin ticks until nothing changes, and something
//! is expected. People in it are *like* somebody: who are like the same share everything that sensors see, and who
//! are like different ones share nothing. So every sane rule finds the same: those are together, these are apart.

use serde::Deserialize;

use super::world::Lab;
use super::{Broken, Checked, Failed, KitError};
use crate::plugin::Description;

mod expect;
mod people;

use people::People;

/// A story with expectations.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name, kebab-case.
    pub name: String,
    /// What every plugin of the kind gets right.
    pub summary: String,
    /// Which groups or rows it is about.
    layer: About,
    /// It is for plugins that commit all of these.
    asks: Vec<String>,
    /// What happens.
    step: Vec<Step>,
}

/// What a scenario looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum About {
    /// Identities of attackers.
    Identities,
    /// Campaigns of attackers' identities.
    Campaigns,
    /// Neither: the expectations name rows.
    Rows,
}

/// Facts come or go, and then something is expected.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Step {
    /// In a few words, for messages.
    summary: String,
    /// Facts that come.
    come: Vec<Show>,
    /// Facts that go.
    go: Vec<Show>,
    /// What is expected now.
    expect: Vec<Expect>,
}

/// What somebody shows.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Show {
    /// Who.
    who: String,
    /// Whose habits, tools and files they have; nobody's: nothing is seen of them but that they were there.
    like: Option<String>,
    /// Hours after they were seen first that they are seen now.
    hours: i64,
    /// A series of behaviour samples.
    series: Option<Series>,
    /// A credential that they try.
    secret: Option<String>,
    /// On which sensor they try it.
    on: Option<String>,
}

/// Samples of one primitive, a minute apart.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Series {
    primitive: String,
    value: String,
    /// The minute of the first.
    from: u32,
    count: u32,
}

/// What has to be so after a step; what is not said is not looked at.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Expect {
    /// Only of plugins that ask for these changes too.
    asks: Vec<String>,
    /// All of these are in one group.
    together: Vec<String>,
    /// Each of these is in a group without the others.
    apart: Vec<String>,
    /// The group of each is the one that it was before this step.
    keep: Vec<String>,
    /// Their groups were several before this step, and now one of them has won and the others point to it.
    merged: Vec<String>,
    /// Each is in the group that it had after the first step.
    back: Vec<String>,
    /// A path of evidence leads from one to the other.
    explained: Vec<String>,
    /// Their identities say that they were seen as late as they were.
    up_to_date: Vec<String>,
    /// States of series.
    state: Option<Stated>,
    /// Secrets that are reused.
    reused: Vec<String>,
    /// Secrets that are not.
    not_reused: Vec<String>,
}

/// What is expected of a series.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stated {
    who: String,
    primitive: String,
    /// One of these.
    is: Vec<String>,
    /// Its samples.
    samples: Option<u32>,
}

/// The scenarios, by the file that each lies in.
const FILES: [(&str, &str); 13] = [
    ("strangers", include_str!("../../data/scenarios/strangers.toml")),
    ("newcomer", include_str!("../../data/scenarios/newcomer.toml")),
    ("joins", include_str!("../../data/scenarios/joins.toml")),
    ("parts", include_str!("../../data/scenarios/parts.toml")),
    ("seen-again", include_str!("../../data/scenarios/seen-again.toml")),
    ("campaign-strangers", include_str!("../../data/scenarios/campaign-strangers.toml")),
    ("campaign-newcomer", include_str!("../../data/scenarios/campaign-newcomer.toml")),
    ("campaign-joins", include_str!("../../data/scenarios/campaign-joins.toml")),
    ("campaign-parts", include_str!("../../data/scenarios/campaign-parts.toml")),
    ("series-steady", include_str!("../../data/scenarios/series-steady.toml")),
    ("series-turns", include_str!("../../data/scenarios/series-turns.toml")),
    ("reuse-targets", include_str!("../../data/scenarios/reuse-targets.toml")),
    ("reuse-spreads", include_str!("../../data/scenarios/reuse-spreads.toml")),
];

/// Every scenario.
///
/// # Errors
/// [`KitError::Scenario`] if one cannot be read.
pub fn all() -> Result<Vec<Scenario>, KitError> {
    let read = |(file, text): (&str, &str)| {
        let wrong = |error: String| KitError::Scenario(format!("{file}: {error}"));
        let scenario: Scenario = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        if scenario.name == file {
            Ok(scenario)
        } else {
            Err(wrong("is named otherwise".to_owned()))
        }
    };
    FILES.into_iter().map(read).collect()
}

impl Scenario {
    /// Whether a plugin that says this of itself is measured by it.
    pub fn is_for(&self, said: &Description) -> bool {
        asks_for(said, &self.asks)
    }
}

fn asks_for(said: &Description, changes: &[String]) -> bool {
    changes.iter().all(|change| said.writes.contains(change))
}

/// Plays a scenario.
pub(super) async fn run(lab: &Lab<'_>, scenario: &Scenario) -> Checked {
    let world = lab.world().await?;
    let said = lab.plugin.description();
    let mut people = People::new(scenario.layer);
    let mut past = Vec::new();
    let mut held = 0;
    for (step, number) in scenario.step.iter().zip(1..) {
        let at = |broken| of_step(broken, number, &step.summary);
        world.plant(&people.facts(&step.come)).await?;
        if !step.go.is_empty() {
            world.uproot(&people.facts(&step.go)).await?;
        }
        world.settle().await.map_err(at)?;
        let now = expect::Scene::look(&world.store, scenario.layer, &people).await?;
        for expect in step.expect.iter().filter(|expect| asks_for(said, &expect.asks)) {
            held += now.holds(expect, &past).map_err(|found| at(Broken::Promise(found)))?;
        }
        past.push(now);
    }
    let steps = super::promises::counted(scenario.step.len(), "step");
    Ok(format!("{steps}, {}", super::promises::counted(held, "expectation")))
}

/// Says in which step a promise was broken.
fn of_step(broken: Broken, number: u32, summary: &str) -> Broken {
    match broken {
        Broken::Promise(Failed { found, remedy }) => {
            Broken::Promise(Failed { found: format!("step {number} ({summary}): {found}"), remedy })
        }
        Broken::Kit(error) => Broken::Kit(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_can_be_read_and_expects_something() {
        let all = all().unwrap();
        for scenario in &all {
            let expects = scenario.step.iter().filter(|step| !step.expect.is_empty()).count();
            assert!(expects > 0 && !scenario.asks.is_empty(), "{}", scenario.name);
        }
        for kind in ["form-identities", "form-campaigns", "put-attribution", "put-reuse"] {
            let of_kind = all.iter().filter(|scenario| scenario.asks.iter().any(|ask| ask == kind));
            assert!(of_kind.count() >= 2, "{kind}");
        }
    }
}
