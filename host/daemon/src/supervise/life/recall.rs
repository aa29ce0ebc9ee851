//! What the database says about plugins, taken up again: by a daemon that comes on duty, and by a run without one.
//!
//! The order of precedence: what a person put there, as long as it is there and not set aside; then what lies in the
//! folder of plugins; then what is built in; then what a fall brought back. An upgrade of the program therefore
//! brings its own components, but takes nothing away that somebody chose.

use std::sync::Arc;

use super::super::crew::Site;
use super::super::generation;
use super::{LifeError, begin, chain, roll_back};
use crate::plugin::catalog::Catalog;
use crate::plugin::{Host, Plugin, Source};
use crate::store::generations::{Generation, Quarantined};
use crate::store::{Store, StoreError};

/// Who puts there what is built in, or lies in the folder of plugins when a daemon starts.
const START: &str = "start";
/// Who puts there what came into the folder of plugins while a daemon ran.
pub const FOLDER: &str = "the folder of plugins";

/// Who brings an earlier component back after a fall.
pub(super) const FALL: &str = "corral";

/// Whether somebody chose this component.
fn is_by_a_person(generation: &Generation) -> bool {
    ![START, FOLDER, FALL].contains(&generation.put_by.as_str())
}

/// Whether the plugin goes on with what the database says is its current component, whatever the program has.
fn stands(current: &Generation, base: Option<&Plugin>, aside: &Aside) -> bool {
    let is_aside = |digest: &str| aside.why(&current.plugin, digest).is_some();
    let has_no_better = base.is_none_or(|base| is_aside(base.digest()));
    let is_chosen = is_by_a_person(current) || (current.put_by == FALL && has_no_better);
    is_chosen && !is_aside(&current.digest)
}

/// What is set aside.
struct Aside(Vec<Quarantined>);

impl Aside {
    fn why(&self, plugin: &str, digest: &str) -> Option<&str> {
        let it = self.0.iter().find(|it| it.plugin == plugin && it.digest == digest);
        it.map(|it| it.why.as_str())
    }
}

/// Before the first tick on duty: the workers go on with what the database says, which may be another process's
/// doing.
pub(in crate::supervise) async fn restore(site: &Arc<Site>) -> Result<(), StoreError> {
    let history = site.store.generations().await?;
    let aside = Aside(site.store.quarantined().await?);
    let off = site.store.switched_off().await?;
    for current in history.iter().filter(|it| it.ended_at.is_none()) {
        let worker = site.worker(&current.plugin);
        let has = worker.as_ref().map(|worker| worker.plugin().digest().to_owned());
        let base = site.base(&current.plugin);
        if has.as_ref() == Some(&current.digest) {
            continue;
        }
        if !stands(current, base, &aside) {
            if worker.is_none() {
                let why = "the program, or its folder of plugins, does not have it any more";
                site.store.end_generation(&current.plugin, why, site.clock.now()).await?;
            }
            continue;
        }
        match find(&site.host, &site.store, base, current).await {
            Ok(Some(plugin)) => match worker {
                Some(worker) => {
                    let (number, by) = (Some(current.number), current.put_by.clone());
                    worker.put(generation::Generation::proved(plugin, number, by));
                }
                None => site.hire(plugin, current.number, &current.put_by),
            },
            Ok(None) => tracing::error!(
                plugin = current.plugin,
                digest = current.digest,
                "its component is not in the database any more; the one of this program ticks"
            ),
            Err(error) => tracing::error!(
                plugin = current.plugin,
                error = chain(&error),
                "its component does not load; the one of this program ticks"
            ),
        }
    }
    for (name, worker) in site.workers() {
        let plugin = worker.plugin();
        let set_aside = aside.why(&name, plugin.digest()).map(str::to_owned);
        let by_switch = off.iter().find(|(plugin, _)| *plugin == name).map(|(_, by)| by.clone());
        worker.hold(|held| {
            held.by_switch = by_switch;
            held.by_quarantine = set_aside.clone();
        });
        if set_aside.is_some() {
            if let Err(error) = roll_back(site, &worker, FALL, "it is in quarantine").await {
                tracing::error!(plugin = name, error = chain(&error), "it does not tick");
            }
            continue;
        }
        let is_current = |it: &&Generation| {
            it.plugin == name && it.ended_at.is_none() && it.digest == plugin.digest()
        };
        if let Some(current) = history.iter().find(is_current) {
            worker.number(current.number, &current.put_by);
        } else {
            let why = "the program, or its folder of plugins, brought another";
            let number = begin(site, &plugin, START, why).await?;
            worker.number(number, START);
        }
    }
    Ok(())
}

/// The plugins of a run without a daemon, as a daemon would have them on this database: with the components that
/// somebody put there, and without what is switched off or set aside, of which it gives the names.
///
/// # Errors
/// [`StoreError`].
pub async fn choose(
    host: &Host,
    store: &Store,
    catalog: &mut Catalog,
) -> Result<Vec<String>, StoreError> {
    let aside = Aside(store.quarantined().await?);
    for current in store.generations().await?.iter().filter(|it| it.ended_at.is_none()) {
        let base = catalog.plugins.get(&current.plugin);
        if !stands(current, base, &aside) {
            continue;
        }
        match find(host, store, base, current).await {
            Ok(Some(plugin)) => {
                catalog.plugins.insert(current.plugin.clone(), plugin);
            }
            Ok(None) => {}
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(
                    plugin = current.plugin,
                    error,
                    "the component of this program runs"
                );
            }
        }
    }
    let off = store.switched_off().await?;
    let is_off = |name: &String, plugin: &Plugin| {
        off.iter().any(|(other, _)| other == name) || aside.why(name, plugin.digest()).is_some()
    };
    let out: Vec<String> = catalog
        .plugins
        .iter()
        .filter(|(name, plugin)| is_off(name, plugin))
        .map(|(name, _)| name.clone())
        .collect();
    out.iter().for_each(|name| drop(catalog.plugins.remove(name)));
    Ok(out)
}

/// The component of an earlier generation: from memory, or from the database.
pub(super) async fn find(
    host: &Host,
    store: &Store,
    base: Option<&Plugin>,
    earlier: &Generation,
) -> Result<Option<Plugin>, LifeError> {
    if let Some(base) = base.filter(|it| it.digest() == earlier.digest) {
        return Ok(Some(base.clone()));
    }
    let Some(component) = store.component(&earlier.digest).await? else { return Ok(None) };
    let papers = serde_json::from_str(&component.papers).unwrap_or_default();
    let source = Source::Kept(earlier.source.clone());
    let plugin = host.load(source, &component.bytes, &papers).await?;
    let is_its_own = plugin.description().name == earlier.plugin;
    Ok(is_its_own.then_some(plugin))
}
