//! How one generation of a plugin follows another: by an order, after a failure, or because another process or the
//! folder of plugins brought it.
//!
//! `load → validate → compile → instantiate → probe → shadow → switch`. Whatever fails before the switch leaves the
//! old generation ticking and tells whoever asked. The switch is a row of the history, and then a pointer in
//! memory: ticks under way end on the generation they began with, the next begin on the new one.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

pub use self::recall::{FOLDER, choose};

use super::chain;
use super::crew::Site;
use super::generation::Generation;
use super::worker::{Held, Worker};
use crate::plugin::load::digest;
use crate::plugin::shadow::{Shadow, Witness};
use crate::plugin::{Difference, LoadError, Papers, Plugin, Reason, Source, TickError};
use crate::store::StoreError;
use crate::store::generations::{Component, NewGeneration};

pub(super) mod recall;

/// How long a shadow waits for a tick that it can follow.
const TICK_WAIT: Duration = Duration::from_mins(10);

/// A component that is to take a plugin's place, or only to be compared with it.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The component.
    pub bytes: Vec<u8>,
    /// What lies beside it.
    pub papers: Papers,
    /// Where it is from, which says how it is pinned.
    pub source: Source,
    /// Who brings it.
    pub by: String,
}

/// What a candidate has to show before it takes over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// Ticks that it follows.
    pub ticks: u64,
    /// Rows that it may leave otherwise than the live one, in each of these ticks.
    pub changes_max: usize,
}

/// What came of following ticks.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Compared {
    /// Ticks that were followed.
    pub ticks: u64,
    /// What differed in all of them together.
    pub difference: Difference,
}

/// What came of an order to swap.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Swapped {
    /// The plugin.
    pub plugin: String,
    /// Its new generation.
    pub generation: i64,
    /// The digest of its component.
    pub digest: String,
    /// The component's version.
    pub version: String,
    /// What the shadow showed, if there was one.
    pub compared: Option<Compared>,
}

/// Why a plugin has the component that it had.
#[derive(Debug, thiserror::Error)]
pub enum LifeError {
    /// The component was refused.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Another process writes, and decides.
    #[error("this daemon stands by: ask the one that is on duty (`corral status` names it)")]
    Standby,
    /// Nobody has this name.
    #[error("no plugin is called '{name}': there are {known}")]
    Unknown {
        /// The name.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// One thing at a time.
    #[error("plugin '{0}' is being replaced, or followed by a shadow, already")]
    Busy(String),
    /// Nothing would change.
    #[error("plugin '{name}' ticks with this component already (sha256 {digest})")]
    Same {
        /// The plugin.
        name: String,
        /// The digest.
        digest: String,
    },
    /// It is set aside.
    #[error(
        "this component of plugin '{name}' is in quarantine: {why} (`corral plugin quarantine --clear {name}` lets it out)"
    )]
    Quarantined {
        /// The plugin.
        name: String,
        /// What it did.
        why: String,
    },
    /// It failed where the live one did not.
    #[error("the candidate failed where the live component did not: {0}")]
    Failed(#[source] TickError),
    /// It would move too much.
    #[error(
        "the candidate would leave {moved} rows otherwise in one tick, and {max} are allowed (--max-changes)"
    )]
    Moves {
        /// Rows.
        moved: usize,
        /// The most that are allowed.
        max: usize,
        /// All that was seen.
        compared: Box<Compared>,
    },
    /// There was nothing to follow.
    #[error(
        "no tick of plugin '{0}' ended well for ten minutes, so there was nothing to follow (see `corral status`)"
    )]
    NoTick(String),
    /// There is no other component.
    #[error("plugin '{0}' has no earlier component to go back to")]
    NoEarlier(String),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Puts a candidate into its plugin's place, after the trial that was asked for. A name that is new gets a worker.
pub(super) async fn swap(
    site: &Arc<Site>,
    candidate: Candidate,
    trial: Trial,
) -> Result<Swapped, LifeError> {
    let plugin = load(site, &candidate).await?;
    let name = plugin.description().name.clone();
    let by = candidate.by;
    let tried = async |worker: Option<&Worker>| match trial.ticks {
        0 => Ok::<_, LifeError>(None),
        _ => follow(site, worker, plugin.clone(), trial).await.map(Some),
    };
    let Some(worker) = site.worker(&name) else {
        let compared = tried(None).await?;
        let number = begin(site, &plugin, &by, "it is new").await?;
        site.hire(plugin.clone(), number, &by);
        return Ok(swapped(&plugin, number, compared));
    };
    let Ok(_one_at_a_time) = worker.replacing.try_lock() else { return Err(LifeError::Busy(name)) };
    if worker.plugin().digest() == plugin.digest() && worker.held().by_quarantine.is_none() {
        return Err(LifeError::Same { name, digest: plugin.digest().to_owned() });
    }
    let compared = tried(Some(&worker)).await?;
    let why = format!("{by} put another in its place");
    let number = begin(site, &plugin, &by, &why).await?;
    worker.put(Generation::new(plugin.clone(), number, by));
    worker.hold(|held| held.by_quarantine = None);
    Ok(swapped(&plugin, number, compared))
}

fn swapped(plugin: &Plugin, generation: i64, compared: Option<Compared>) -> Swapped {
    let about = plugin.description();
    let (name, version) = (about.name.clone(), about.version.clone());
    tracing::info!(
        plugin = name,
        generation,
        digest = plugin.digest(),
        "another component ticks from now on"
    );
    Swapped { plugin: name, generation, digest: plugin.digest().to_owned(), version, compared }
}

/// Has a candidate follow ticks, and tells the difference; whatever it shows, nothing changes.
pub(super) async fn shadow(
    site: &Arc<Site>,
    candidate: Candidate,
    trial: Trial,
) -> Result<(String, Compared), LifeError> {
    let plugin = load(site, &candidate).await?;
    let name = plugin.description().name.clone();
    let worker = site.worker(&name);
    let compared = follow(site, worker.as_deref(), plugin, trial).await?;
    Ok((name, compared))
}

async fn load(site: &Site, candidate: &Candidate) -> Result<Plugin, LifeError> {
    if !site.is_on_duty() {
        return Err(LifeError::Standby);
    }
    let digest = digest(&candidate.bytes);
    let quarantined = site.store.quarantined().await?;
    if let Some(it) = quarantined.into_iter().find(|it| it.digest == digest) {
        return Err(LifeError::Quarantined { name: it.plugin, why: it.why });
    }
    let Candidate { bytes, papers, source, .. } = candidate;
    Ok(site.host.load(source.clone(), bytes, papers).await?)
}

/// Follows as many ticks as the trial asks for. A plugin that has no worker yet is compared with nothing.
async fn follow(
    site: &Site,
    worker: Option<&Worker>,
    plugin: Plugin,
    trial: Trial,
) -> Result<Compared, LifeError> {
    let name = plugin.description().name.clone();
    let mut compared = Compared::default();
    let mut shadow = Shadow::new(plugin);
    let mut seat = match worker {
        Some(worker) => {
            let (sender, seat) = mpsc::channel(1);
            if !worker.seat(sender) {
                return Err(LifeError::Busy(name));
            }
            Some((worker, seat))
        }
        None => None,
    };
    let ended = loop {
        if compared.ticks >= trial.ticks {
            break Ok(());
        }
        let witness = match &mut seat {
            None => Some(Witness::of_nothing(site.settings(&name), site.clock.now())),
            Some((worker, seat)) => {
                worker.raise(Reason::Command);
                tokio::time::timeout(TICK_WAIT, seat.recv()).await.ok().flatten()
            }
        };
        let Some(witness) = witness else { break Err(LifeError::NoTick(name.clone())) };
        let difference = match site.host.shadow(&mut shadow, witness).await {
            Ok(difference) => difference,
            Err(error) => break Err(LifeError::Failed(error)),
        };
        let moved = difference.moved;
        compared.ticks += 1;
        compared.difference.add(difference);
        if moved > trial.changes_max {
            let max = trial.changes_max;
            break Err(LifeError::Moves { moved, max, compared: Box::new(compared.clone()) });
        }
    };
    site.host.forget_shadow(&shadow);
    ended.map(|()| compared)
}

/// Brings the newest earlier component back that is not set aside.
pub(super) async fn roll_back(
    site: &Site,
    worker: &Worker,
    by: &str,
    why: &str,
) -> Result<Swapped, LifeError> {
    let now = worker.plugin();
    let name = now.description().name.clone();
    let Ok(_one_at_a_time) = worker.replacing.try_lock() else { return Err(LifeError::Busy(name)) };
    let history = site.store.generations().await?;
    let quarantined = site.store.quarantined().await?;
    let is_set_aside = |digest: &str| quarantined.iter().any(|it| it.digest == digest);
    let mut tried = HashSet::from([now.digest().to_owned()]);
    for earlier in history.iter().filter(|it| it.plugin == name) {
        if is_set_aside(&earlier.digest) || !tried.insert(earlier.digest.clone()) {
            continue;
        }
        match recall::find(&site.host, &site.store, site.base(&name), earlier).await {
            Ok(Some(plugin)) => {
                let number = begin(site, &plugin, by, why).await?;
                worker.put(Generation::proved(plugin.clone(), Some(number), by.to_owned()));
                worker.hold(|held| held.by_quarantine = None);
                return Ok(swapped(&plugin, number, None));
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(plugin = name, error = chain(&error), "an earlier component");
            }
        }
    }
    Err(LifeError::NoEarlier(name))
}

/// A generation has failed too often: it is set aside, and the last one comes back; if there is none, the worker
/// waits until somebody helps.
pub(super) async fn falls(site: &Site, worker: &Worker, plugin: &Plugin, error: &TickError) {
    let name = plugin.description().name.as_str();
    let why = chain(error);
    if let Err(error) = site.store.quarantine(name, plugin.digest(), &why, site.clock.now()).await {
        tracing::error!(
            plugin = name,
            error = chain(&error),
            "it was not set aside; it is tried again"
        );
        return;
    }
    tracing::error!(plugin = name, digest = plugin.digest(), why, "its component is set aside");
    let fell = format!("it failed again and again: {why}");
    match roll_back(site, worker, recall::FALL, &fell).await {
        Ok(_) => {}
        Err(LifeError::NoEarlier(_)) => worker.hold(|held| held.by_quarantine = Some(why)),
        Err(error) => {
            tracing::error!(plugin = name, error = chain(&error), "no earlier component came back");
        }
    }
}

async fn begin(site: &Site, plugin: &Plugin, by: &str, why: &str) -> Result<i64, StoreError> {
    let about = plugin.description();
    let papers = serde_json::to_string(plugin.papers()).unwrap_or_default();
    let new = NewGeneration {
        plugin: &about.name,
        digest: plugin.digest(),
        version: &about.version,
        source: &plugin.source().to_string(),
        put_by: by,
        why,
        component: Component { bytes: plugin.bytes().to_vec(), papers },
    };
    site.store.begin_generation(new, site.clock.now()).await
}

/// What holds a worker that begins.
pub(super) fn held(is_enabled: bool) -> Held {
    Held { by_config: !is_enabled, ..Held::default() }
}
