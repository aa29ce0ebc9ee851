//! Databases that are made for one check and thrown away, each with a host of its own.
//!
//! The hosts share engine and kernel threads, and nothing that a tick could tell: texts get their codes anew, and time
//! is what the kit says it is. It goes on by an hour from tick to tick, so that whoever writes it down is noticed.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::picture::{Picture, Times};
use super::{Broken, Place, Role, failed};
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::plugin::{Host, Plugin, Reason, Source, TickError, Ticked, Trial, Usage, Wake};
use crate::store::facts::Facts;
use crate::store::{Store, StoreError};

/// The time in a new world, a while after the last fact.
const BEGIN: Timestamp = Timestamp(1_790_000_000_000_000);
const HOUR: i64 = 3_600_000_000;
/// Ticks until nothing is left to change: a group may leave in one and find its new place in the next.
const TICKS_MAX: usize = 4;
/// How long a statement waits: nobody else has the file.
const BUSY: Duration = Duration::from_secs(30);

/// A component, and where it is tried out.
pub(super) struct Lab<'a> {
    pub(super) plugin: Plugin,
    pub(super) source: Source,
    pub(super) bytes: &'a [u8],
    pub(super) role: Role,
    pub(super) config: &'a Config,
    pub(super) host: &'a Host,
    /// Attackers of the large world.
    pub(super) attackers: u32,
    folder: &'a Path,
    clock: Arc<dyn Clock>,
    worlds: AtomicUsize,
    /// What all ticks so far have used of what it asks for.
    used: Mutex<Usage>,
}

impl<'a> Lab<'a> {
    pub(super) fn new(place: &Place<'a>, plugin: Plugin, source: Source, bytes: &'a [u8]) -> Self {
        place.host.allow(&plugin);
        Self {
            role: Role::of(&plugin),
            plugin,
            source,
            bytes,
            config: place.config,
            host: place.host,
            attackers: place.attackers,
            folder: place.folder,
            clock: place.clock.clone(),
            worlds: AtomicUsize::new(0),
            used: Mutex::default(),
        }
    }

    /// A clock that only runs forward, for durations.
    pub(super) fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    /// The same clock for somebody else.
    pub(super) fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    /// What has been used so far, of views, changes and kernels.
    pub(super) fn used(&self) -> Usage {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn book(&self, usage: &Usage) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.reads.extend(usage.reads.iter().copied());
        used.writes.extend(usage.writes.iter().copied());
        used.ran.extend(usage.ran.iter().copied());
    }

    /// A new, empty world.
    pub(super) async fn world(&self) -> Result<World<'_, 'a>, StoreError> {
        let number = self.worlds.fetch_add(1, Ordering::Relaxed);
        let file = self.folder.join(format!("{number}.db"));
        let store = Store::open(&format!("sqlite://{}", file.display()), BUSY).await?;
        let time = Arc::new(Hourglass { base: self.clock.clone(), now: AtomicI64::new(BEGIN.0) });
        let host = self.host.beside(self.config, store.clone(), time.clone());
        Ok(World { lab: self, store, host, time })
    }

    /// A world with these facts, in which the plugin has done all there is to do.
    pub(super) async fn settled(&self, facts: &Facts) -> Result<World<'_, 'a>, Broken> {
        let world = self.world().await?;
        world.plant(facts).await?;
        world.settle().await?;
        Ok(world)
    }
}

/// One database and its host.
pub(super) struct World<'l, 'a> {
    lab: &'l Lab<'a>,
    pub(super) store: Store,
    pub(super) host: Host,
    time: Arc<Hourglass>,
}

impl World<'_, '_> {
    /// Adds facts.
    pub(super) async fn plant(&self, facts: &Facts) -> Result<(), StoreError> {
        self.store.plant(facts, self.time.now()).await
    }

    /// Takes facts back.
    pub(super) async fn uproot(&self, facts: &Facts) -> Result<(), StoreError> {
        self.store.uproot(facts, self.time.now()).await
    }

    /// Lets time pass.
    pub(super) fn wait(&self, hours: i64) {
        self.time.now.fetch_add(hours.saturating_mul(HOUR), Ordering::Relaxed);
    }

    /// The process ends and another begins: whatever was in memory is gone.
    pub(super) fn restart(&mut self) {
        self.host = self.lab.host.beside(self.lab.config, self.store.clone(), self.time.clone());
    }

    /// One tick, an hour after the last.
    pub(super) async fn tick(&self) -> Result<Ticked, TickError> {
        self.wait(1);
        let ticked = self.host.tick(&self.lab.plugin, wake()).await?;
        self.lab.book(&ticked.usage);
        Ok(ticked)
    }

    /// A tick that writes nothing.
    pub(super) async fn try_out(&self, fails: Option<usize>) -> Result<Trial, TickError> {
        let trial = self.host.try_out(&self.lab.plugin, wake(), fails).await?;
        self.lab.book(&trial.usage);
        Ok(trial)
    }

    /// Ticks until nothing changes any more; says how many changed something.
    pub(super) async fn settle(&self) -> Result<usize, Broken> {
        let mut last = String::new();
        for ticks in 0..=TICKS_MAX {
            let ticked = self.tick().await?;
            if ticked.committed.is_empty() {
                return Ok(ticks);
            }
            last = format!("{:?}", ticked.committed);
        }
        Err(failed(
            format!("after {TICKS_MAX} ticks the next still changes something: {last}"),
            "commit only what differs from what is there; the SDK's reconcile and Seen do",
        ))
    }

    /// The rows as they are.
    pub(super) async fn picture(&self, times: Times) -> Result<Picture, StoreError> {
        Picture::take(&self.store, &self.lab.plugin.description().name, times).await
    }
}

fn wake() -> Wake {
    Wake { reason: Reason::Command, settings: Vec::new() }
}

/// A clock whose time is told, and whose durations are real.
struct Hourglass {
    base: Arc<dyn Clock>,
    now: AtomicI64,
}

impl fmt::Debug for Hourglass {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Hourglass").field(&self.now).finish()
    }
}

impl Clock for Hourglass {
    fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::Relaxed))
    }

    fn elapsed(&self) -> Duration {
        self.base.elapsed()
    }
}
