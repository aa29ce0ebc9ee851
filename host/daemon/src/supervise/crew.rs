//! The workers of a daemon, side by side. None waits for another, and one that fails is nobody else's
//! trouble.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::generation::{Generation, Rules};
use super::life::{self, Candidate, Compared, LifeError, Swapped, Trial};
use super::worker::Worker;
use crate::clock::Clock;
use crate::config::Config;
use crate::plugin::catalog::Catalog;
use crate::plugin::{Host, Plugin, Reason};
use crate::store::generations::Enabled;
use crate::store::revision::View;
use crate::store::{Store, StoreError};

/// The workers by their plugins' names.
pub type Workers = BTreeMap<String, Arc<Worker>>;

/// What all workers share.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) host: Arc<Host>,
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) backoff_max: Duration,
    /// Whether this process may write.
    pub(super) duty: watch::Sender<bool>,
    /// Rung when a commit was refused because another process has the lease.
    pub(super) doubt: Notify,
    /// Rung when a commit may have left events to publish.
    committed: Notify,
    config: RwLock<Config>,
    /// What is built in or lay in the folder of plugins when the daemon started.
    base: BTreeMap<String, Plugin>,
    workers: RwLock<Workers>,
    tasks: Mutex<JoinSet<()>>,
}

impl Site {
    /// A worker changed these views: whoever reads them ticks.
    pub(super) fn touched(&self, views: &[View], by: &Worker) {
        self.committed.notify_one();
        for worker in self.workers().values() {
            worker.raise_if_it_reads(views, std::ptr::eq(Arc::as_ptr(worker), by), Reason::Event);
        }
    }

    pub(super) fn workers(&self) -> Workers {
        self.workers.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn worker(&self, name: &str) -> Option<Arc<Worker>> {
        self.workers.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// What this program, or its folder, has for a plugin.
    pub(super) fn base(&self, name: &str) -> Option<&Plugin> {
        self.base.get(name)
    }

    pub(super) fn rules(&self) -> Rules {
        self.config(|config| Rules::new(&config.plugins))
    }

    pub(super) fn settings(&self, name: &str) -> Vec<(String, String)> {
        self.config(|config| config.plugin(name).settings.into_iter().collect())
    }

    pub(super) fn is_on_duty(&self) -> bool {
        *self.duty.borrow()
    }

    fn config<T>(&self, of: impl FnOnce(&Config) -> T) -> T {
        of(&self.config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts a worker to work for a plugin that had none.
    pub(super) fn hire(self: &Arc<Self>, plugin: Plugin, number: i64, by: &str) {
        let name = plugin.description().name.clone();
        let set = self.config(|config| config.plugin(&name));
        let generation = Generation::new(plugin, number, by.to_owned());
        let worker = Arc::new(Worker::new(generation, set.settings, life::held(set.enabled)));
        self.workers.write().unwrap_or_else(PoisonError::into_inner).insert(name, worker.clone());
        self.start(worker);
    }

    fn start(self: &Arc<Self>, worker: Arc<Worker>) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.spawn(worker.keep(self.clone()));
    }
}

/// The workers of a daemon.
#[derive(Debug)]
pub struct Crew {
    site: Arc<Site>,
}

impl Crew {
    /// A worker for each plugin of the catalog. They stand by until they are put on duty.
    pub fn start(
        host: Arc<Host>,
        catalog: Catalog,
        config: &Config,
        (store, clock): (Store, Arc<dyn Clock>),
        backoff_max: Duration,
    ) -> Self {
        let workers = catalog.plugins.iter().map(|(name, plugin)| {
            let set = config.plugin(name);
            let generation = Generation::proved(plugin.clone(), None, String::new());
            let worker = Worker::new(generation, set.settings, life::held(set.enabled));
            (name.clone(), Arc::new(worker))
        });
        let workers: Workers = workers.collect();
        let site = Arc::new(Site {
            host,
            store,
            clock,
            backoff_max,
            duty: watch::Sender::new(false),
            doubt: Notify::new(),
            committed: Notify::new(),
            config: RwLock::new(config.clone()),
            base: catalog.plugins,
            workers: RwLock::new(workers.clone()),
            tasks: Mutex::default(),
        });
        workers.into_values().for_each(|worker| site.start(worker));
        Self { site }
    }

    /// The workers by their plugins' names.
    pub fn workers(&self) -> Workers {
        self.site.workers()
    }

    /// Goes by other settings from now on.
    pub fn set(&self, config: &Config) {
        *self.site.config.write().unwrap_or_else(PoisonError::into_inner) = config.clone();
        for (name, worker) in self.workers() {
            let set = config.plugin(&name);
            worker.hold(|held| held.by_config = !set.enabled);
            worker.set(set.settings);
        }
    }

    /// Goes on with the generations that the database has, which another process may have put there: before the
    /// first tick on duty.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn restore(&self) -> Result<(), StoreError> {
        life::recall::restore(&self.site).await
    }

    /// Puts all on duty, or on standby: ticks under way are dropped then and write nothing.
    pub fn put_on_duty(&self, on_duty: bool) {
        self.site.duty.send_if_modified(|now| std::mem::replace(now, on_duty) != on_duty);
    }

    /// Wishes for a tick of everybody.
    pub fn raise(&self, reason: Reason) {
        self.workers().values().for_each(|worker| worker.raise(reason));
    }

    /// Somebody else changed these views: whoever reads them ticks.
    pub fn raise_readers(&self, views: &[View]) {
        for worker in self.workers().values() {
            worker.raise_if_it_reads(views, true, Reason::Event);
        }
    }

    /// Waits until a commit may have left events to publish.
    pub async fn committed(&self) {
        self.site.committed.notified().await;
    }

    /// Rung when a commit was refused because another process has the lease.
    pub fn doubt(&self) -> &Notify {
        &self.site.doubt
    }

    /// Puts a component into its plugin's place, after the trial that is asked for.
    ///
    /// # Errors
    /// [`LifeError`]; the old component goes on.
    pub async fn swap(&self, candidate: Candidate, trial: Trial) -> Result<Swapped, LifeError> {
        life::swap(&self.site, candidate, trial).await
    }

    /// Has a component follow the ticks of the live one, and tells the name of its plugin and the difference.
    /// Dropping the future ends it.
    ///
    /// # Errors
    /// [`LifeError`].
    pub async fn shadow(
        &self,
        candidate: Candidate,
        trial: Trial,
    ) -> Result<(String, Compared), LifeError> {
        life::shadow(&self.site, candidate, trial).await
    }

    /// Brings the last component back that a plugin had.
    ///
    /// # Errors
    /// [`LifeError`].
    pub async fn roll_back(&self, name: &str, by: &str) -> Result<Swapped, LifeError> {
        let worker = self.worker(name)?;
        if !self.site.is_on_duty() {
            return Err(LifeError::Standby);
        }
        life::roll_back(&self.site, &worker, by, &format!("{by} went back")).await
    }

    /// Switches a plugin off or on, for good.
    ///
    /// # Errors
    /// [`LifeError`].
    pub async fn switch(&self, name: &str, enabled: Enabled, by: &str) -> Result<(), LifeError> {
        let worker = self.worker(name)?;
        let now = self.site.clock.now();
        self.site.store.switch_plugin(name, enabled, by, now).await?;
        worker.hold(|held| {
            held.by_switch = (enabled == Enabled::No).then(|| by.to_owned());
        });
        Ok(())
    }

    /// Lets every component of a plugin out of quarantine; says how many that were.
    ///
    /// # Errors
    /// [`LifeError`].
    pub async fn clear_quarantine(&self, name: &str) -> Result<u64, LifeError> {
        let worker = self.worker(name)?;
        let cleared = self.site.store.clear_quarantine(name).await?;
        worker.hold(|held| held.by_quarantine = None);
        Ok(cleared)
    }

    fn worker(&self, name: &str) -> Result<Arc<Worker>, LifeError> {
        self.site.worker(name).ok_or_else(|| LifeError::Unknown {
            name: name.to_owned(),
            known: self.workers().into_keys().collect::<Vec<_>>().join(", "),
        })
    }

    /// Ends all ticks, which write nothing then, and waits until they have ended.
    pub async fn stop(&self) {
        let mut tasks =
            std::mem::take(&mut *self.site.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.shutdown().await;
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        // The tasks hold the site, and the site the tasks.
        self.site.tasks.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}
