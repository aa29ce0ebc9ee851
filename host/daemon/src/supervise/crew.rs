//! The workers of a daemon, side by side. None waits for another, and one that fails is nobody else's
//! trouble.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::worker::Worker;
use crate::clock::Clock;
use crate::config::Config;
use crate::plugin::catalog::Catalog;
use crate::plugin::{Host, Reason};
use crate::store::Store;
use crate::store::revision::View;

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
    workers: BTreeMap<String, Arc<Worker>>,
}

impl Site {
    /// A worker changed these views: whoever reads them ticks.
    pub(super) fn touched(&self, views: &[View], by: &Worker) {
        self.committed.notify_one();
        for worker in self.workers.values() {
            worker.raise_if_it_reads(views, std::ptr::eq(Arc::as_ptr(worker), by), Reason::Event);
        }
    }
}

/// The workers of a daemon.
#[derive(Debug)]
pub struct Crew {
    site: Arc<Site>,
    tasks: Mutex<JoinSet<()>>,
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
        let workers = catalog.plugins.into_iter().map(|(name, plugin)| {
            let set = config.plugin(&name);
            (name, Arc::new(Worker::new(plugin, set.settings, set.enabled)))
        });
        let site = Arc::new(Site {
            host,
            store,
            clock,
            backoff_max,
            duty: watch::Sender::new(false),
            doubt: Notify::new(),
            committed: Notify::new(),
            workers: workers.collect(),
        });
        let mut tasks = JoinSet::new();
        for worker in site.workers.values() {
            tasks.spawn(worker.clone().keep(site.clone()));
        }
        Self { site, tasks: Mutex::new(tasks) }
    }

    /// The workers by their plugins' names.
    pub fn workers(&self) -> &BTreeMap<String, Arc<Worker>> {
        &self.site.workers
    }

    /// Puts all on duty, or on standby: ticks under way are dropped then and write nothing.
    pub fn put_on_duty(&self, on_duty: bool) {
        self.site.duty.send_if_modified(|now| std::mem::replace(now, on_duty) != on_duty);
    }

    /// Wishes for a tick of everybody.
    pub fn raise(&self, reason: Reason) {
        self.site.workers.values().for_each(|worker| worker.raise(reason));
    }

    /// Somebody else changed these views: whoever reads them ticks.
    pub fn raise_readers(&self, views: &[View]) {
        for worker in self.site.workers.values() {
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

    /// Ends all ticks, which write nothing then, and waits until they have ended.
    pub async fn stop(&self) {
        let mut tasks =
            std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.shutdown().await;
    }
}
