//! Drives the correlators: today to a fixed point, for `corral run`.
//!
//! Each correlator ticks in turn, round after round, until a whole round changes nothing. One that
//! fails is set aside with its reason; the others go on.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clock::Clock;
use crate::config::Config;
use crate::plugin::catalog::Catalog;
use crate::plugin::{Host, Plugin, Reason, TickError, Ticked, Wake};
use crate::store::commit::Committed;
use crate::store::ticks::TickRow;
use crate::store::{Store, StoreError};

/// Rounds until we call it a plugin's bug that nothing settles.
const ROUNDS_MAX: u32 = 32;

/// What a run did, a plugin.
#[derive(Debug, Default, serde::Serialize)]
pub struct Run {
    /// Rounds until nothing changed.
    pub rounds: u32,
    /// By plugin name.
    pub plugins: BTreeMap<String, PluginRun>,
}

/// What one plugin did in a run.
#[derive(Debug, Default, serde::Serialize)]
pub struct PluginRun {
    /// Ticks, the last of which changed nothing if all went well.
    pub ticks: u32,
    /// Rows by verb, all ticks together.
    pub committed: Committed,
    /// Milliseconds, all ticks together.
    pub milliseconds: f64,
    /// Why it was set aside, if it was.
    pub failed: Option<String>,
}

impl Run {
    /// Whether every plugin came to its fixed point.
    pub fn is_settled(&self) -> bool {
        self.plugins.values().all(|plugin| plugin.failed.is_none())
    }
}

/// Runs every enabled plugin of the catalog to the fixed point.
///
/// # Errors
/// [`StoreError`] if the history of ticks cannot be written; a failing plugin is not an error here but
/// is told in the [`Run`].
pub async fn run(
    host: &Host,
    catalog: &Catalog,
    config: &Config,
    store: &Store,
    clock: &Arc<dyn Clock>,
) -> Result<Run, StoreError> {
    let enabled: Vec<&Plugin> = catalog
        .plugins
        .values()
        .filter(|plugin| config.plugin(&plugin.description().name).enabled)
        .collect();
    let mut run = Run::default();
    let mut changed = true;
    while changed {
        changed = false;
        run.rounds += 1;
        for plugin in &enabled {
            let name = &plugin.description().name;
            let so_far = run.plugins.entry(name.clone()).or_default();
            if so_far.failed.is_some() {
                continue;
            }
            let settings = config.plugin(name).settings.into_iter().collect();
            let reason = if run.rounds == 1 { Reason::Command } else { Reason::Poll };
            let started_at = clock.now();
            let ticked = host.tick(plugin, Wake { reason, settings }).await;
            remember(store, plugin, started_at, reason, &ticked).await?;
            so_far.ticks += 1;
            match ticked {
                Ok(ticked) => {
                    so_far.milliseconds += ticked.took.as_secs_f64() * 1000.0;
                    so_far.committed.add(ticked.committed);
                    changed |= !ticked.committed.is_empty();
                }
                Err(error) => so_far.failed = Some(chain(&error)),
            }
        }
        if changed && run.rounds == ROUNDS_MAX {
            for plugin in run.plugins.values_mut().filter(|plugin| plugin.failed.is_none()) {
                plugin.failed = Some(format!("still changing rows after {ROUNDS_MAX} rounds"));
            }
            break;
        }
    }
    Ok(run)
}

/// A tick that changed nothing leaves no trace.
async fn remember(
    store: &Store,
    plugin: &Plugin,
    started_at: crate::clock::Timestamp,
    reason: Reason,
    ticked: &Result<Ticked, TickError>,
) -> Result<(), StoreError> {
    let (ticked, problem) = match ticked {
        Ok(ticked) if ticked.committed.is_empty() => return Ok(()),
        Ok(ticked) => (*ticked, None),
        Err(error) => (Ticked::default(), Some(chain(error))),
    };
    let description = plugin.description();
    store
        .remember_tick(&TickRow {
            plugin: description.name.clone(),
            version: description.version.clone(),
            digest: plugin.digest().to_owned(),
            reason: name(reason),
            started_at,
            took: ticked.took,
            attempts: ticked.attempts,
            rows_read: ticked.rows_read,
            changes: serde_json::to_string(&ticked.committed).unwrap_or_default(),
            problem,
        })
        .await
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn name(reason: Reason) -> &'static str {
    match reason {
        Reason::Startup => "startup",
        Reason::Poll => "poll",
        Reason::Event => "event",
        Reason::Command => "command",
        Reason::Again => "again",
    }
}
