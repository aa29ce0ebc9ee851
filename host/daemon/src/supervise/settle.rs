//! Correlators to a fixed point, for `corral run`.
//!
//! All correlators run beside each other. Each has one tick in flight at most; a tick that changed a view
//! makes every correlator that reads it run once more, and the run ends when nobody has anything left
//! to do. One that fails is set aside with its reason; the others neither wait for it nor notice.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::{chain, reads_any, remember};
use crate::clock::Clock;
use crate::config::Config;
use crate::plugin::catalog::Catalog;
use crate::plugin::{Host, Plugin, Reason, TickError, Ticked, Wake};
use crate::pool::Checked;
use crate::store::commit::Committed;
use crate::store::revision::View;
use crate::store::{Store, StoreError};

/// Ticks of one correlator until we call it a plugin's bug that nothing settles.
const TICKS_MAX: u32 = 64;

/// What a run did, a plugin.
#[derive(Debug, Default, serde::Serialize)]
pub struct Run {
    /// By plugin name.
    pub plugins: BTreeMap<String, PluginRun>,
    /// What came of the kernels' answers, by kernel; those of ticks that failed included.
    pub kernels: BTreeMap<&'static str, Checked>,
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

/// One correlator of a run.
struct Runner<'a> {
    plugin: &'a Plugin,
    /// Whether something that it reads changed since its last tick began.
    is_dirty: bool,
    is_ticking: bool,
    done: PluginRun,
}

impl Runner<'_> {
    fn name(&self) -> &str {
        &self.plugin.description().name
    }

    fn is_due(&self) -> bool {
        self.is_dirty && !self.is_ticking && self.done.failed.is_none()
    }

    /// Takes in what a tick did; gives the views that it touched.
    fn finish(&mut self, ticked: Result<Ticked, TickError>) -> Vec<View> {
        self.is_ticking = false;
        match ticked {
            Ok(ticked) => {
                self.done.milliseconds += ticked.took.as_secs_f64() * 1000.0;
                self.done.committed.add(ticked.committed);
                if !ticked.touched.is_empty() && self.done.ticks == TICKS_MAX {
                    self.done.failed = Some(format!("still changing rows after {TICKS_MAX} ticks"));
                }
                ticked.touched
            }
            Err(error) => {
                self.done.failed = Some(chain(&error));
                Vec::new()
            }
        }
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
    let before = host.checked();
    let enabled = |plugin: &&Plugin| config.plugin(&plugin.description().name).enabled;
    let mut runners: Vec<Runner<'_>> = catalog
        .plugins
        .values()
        .filter(enabled)
        .map(|plugin| Runner {
            plugin,
            is_dirty: true,
            is_ticking: false,
            done: PluginRun::default(),
        })
        .collect();
    let mut ticking = FuturesUnordered::new();
    loop {
        for (at, runner) in runners.iter_mut().enumerate().filter(|(_, runner)| runner.is_due()) {
            (runner.is_dirty, runner.is_ticking) = (false, true);
            runner.done.ticks += 1;
            let reason = if runner.done.ticks == 1 { Reason::Command } else { Reason::Event };
            let settings = config.plugin(runner.name()).settings.into_iter().collect();
            let (plugin, started_at) = (runner.plugin, clock.now());
            ticking.push(async move {
                let ticked = host.tick(plugin, Wake { reason, settings }).await;
                remember(store, plugin, started_at, reason, &ticked).await?;
                Ok::<_, StoreError>((at, ticked))
            });
        }
        // Nothing else is awaited here: whoever is not polled could hold the one writing connection.
        let Some(ended) = ticking.next().await else { break };
        let (at, ticked) = ended?;
        let Some(runner) = runners.get_mut(at) else { break };
        let touched = runner.finish(ticked);
        for (other, runner) in runners.iter_mut().enumerate() {
            runner.is_dirty |= reads_any(runner.plugin, &touched, other == at);
        }
    }
    let plugins = runners.into_iter().map(|runner| (runner.name().to_owned(), runner.done));
    let since = |kernel, now: Checked| now.since(before.get(kernel).copied().unwrap_or_default());
    let kernels = host.checked().into_iter().map(|(kernel, now)| (kernel, since(kernel, now)));
    Ok(Run { plugins: plugins.collect(), kernels: kernels.collect() })
}
