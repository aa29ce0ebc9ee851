//! What a component costs: how long each part of a tick takes, and how many instructions it is.
//!
//! Times are of this machine and this moment. Instructions are wasmtime's fuel, counted in an engine of its own: the
//! same number every time, so that a change of it is a change of the plugin.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::population::{For, Population};
use super::world::{Lab, World};
use super::{KitError, Place};
use crate::plugin::load::LoadError;
use crate::plugin::{Host, Source, TickError, Usage};
use crate::store::Store;

/// How often a whole first tick is measured: each needs a world of its own.
const FIRST_TIMES: usize = 5;
/// How often everything else is.
const TIMES: usize = 50;

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// The SHA-256 of the component, in hex.
    pub digest: String,
    /// Attackers of the world.
    pub attackers: u32,
    /// Facts about them that the plugin reads.
    pub facts: usize,
    /// Times, by part.
    pub times: Vec<Part>,
    /// Instructions of the guest in the first tick, and in one with nothing new.
    pub instructions: [u64; 2],
}

/// The times of one part of a tick.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    /// What it is.
    pub part: String,
    /// How often it was measured.
    pub times: usize,
    /// The median, in milliseconds.
    pub median: f64,
    /// What all but one in a hundred stay below, in milliseconds; of few the most.
    pub p99: f64,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// It is no plugin.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A tick of it fails.
    #[error(transparent)]
    Tick(#[from] TickError),
    /// The kit itself.
    #[error(transparent)]
    Kit(#[from] KitError),
    /// The engine that counts.
    #[error(transparent)]
    Host(#[from] crate::plugin::HostError),
}

impl From<crate::store::StoreError> for MeasureError {
    fn from(error: crate::store::StoreError) -> Self {
        Self::Kit(error.into())
    }
}

/// Measures a component on a world of `place.attackers` attackers.
///
/// # Errors
/// [`MeasureError`].
pub async fn measure(
    place: &Place<'_>,
    source: Source,
    bytes: &[u8],
) -> Result<Measured, MeasureError> {
    let plugin = place.host.inspect(source.clone(), bytes).await?;
    let lab = Lab::new(place, plugin, source.clone(), bytes);
    let reader = For { role: lab.role, reader: lab.plugin.description() };
    let facts = Population::of(place.attackers).facts(reader);
    let mut times = Times::default();
    for _ in 0..TIMES {
        let started = lab.elapsed();
        lab.host.ask(&lab.plugin).await?;
        times.add("instance and describe", lab.elapsed().saturating_sub(started));
    }
    for _ in 0..FIRST_TIMES {
        let world = lab.world().await?;
        world.plant(&facts).await?;
        times.tick(&world, "first tick").await?;
    }
    let world = lab.world().await?;
    world.plant(&facts).await?;
    // Until there is nothing left to do.
    while !world.tick().await?.committed.is_empty() {}
    for _ in 0..TIMES {
        times.tick(&world, "tick with nothing new").await?;
    }
    let counting =
        Host::counting(place.config, Store::unopened("sqlite://nowhere.db")?, lab.clock())?;
    let place = Place { host: &counting, clock: lab.clock(), ..*place };
    let plugin = counting.inspect(source.clone(), bytes).await?;
    let counted = Lab::new(&place, plugin, source, bytes);
    let world = counted.world().await?;
    world.plant(&facts).await?;
    let first = world.tick().await?.usage.instructions;
    while !world.tick().await?.committed.is_empty() {}
    let steady = world.tick().await?.usage.instructions;
    Ok(Measured {
        digest: lab.plugin.digest().to_owned(),
        attackers: place.attackers,
        facts: facts.rows(),
        times: times.parts(),
        instructions: [first, steady],
    })
}

/// Durations, by part, in the order in which the parts were met.
#[derive(Default)]
struct Times {
    order: Vec<String>,
    by_part: BTreeMap<String, Vec<Duration>>,
}

impl Times {
    fn add(&mut self, part: &str, took: Duration) {
        if !self.by_part.contains_key(part) {
            self.order.push(part.to_owned());
        }
        self.by_part.entry(part.to_owned()).or_default().push(took);
    }

    async fn tick(&mut self, world: &World<'_, '_>, what: &str) -> Result<(), TickError> {
        let ticked = world.tick().await?;
        self.add(what, ticked.took);
        let Usage { kernel_times, .. } = &ticked.usage;
        for (kernel, took) in kernel_times {
            self.add(&format!("{what}: {kernel}"), *took);
        }
        if !ticked.committed.is_empty() {
            self.add(&format!("{what}: commit"), ticked.commit);
        }
        Ok(())
    }

    fn parts(mut self) -> Vec<Part> {
        let part = |part: &String| {
            let mut times = self.by_part.remove(part).unwrap_or_default();
            times.sort_unstable();
            let at = |share: f64| {
                // The nearest rank: of fifty, the fiftieth stands for the ninety-ninth hundredth.
                let last = times.len().saturating_sub(1);
                let place = (0..times.len())
                    .find(|place| (*place as f64 + 1.0) >= share * times.len() as f64);
                let took = times.get(place.unwrap_or(last)).copied().unwrap_or_default();
                took.as_secs_f64() * 1000.0
            };
            Part { part: part.clone(), times: times.len(), median: at(0.5), p99: at(0.99) }
        };
        self.order.iter().map(part).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle_and_of_few_the_most_is_what_nearly_all_stay_below() {
        let mut times = Times::default();
        for millis in [3, 1, 2] {
            times.add("a", Duration::from_millis(millis));
        }
        let parts = times.parts();
        assert_eq!((parts[0].median, parts[0].p99, parts[0].times), (2.0, 3.0, 3));
    }
}
