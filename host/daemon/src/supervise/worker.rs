//! One correlator of a daemon: waits for a wake, ticks, and goes on whatever becomes of the tick.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::backoff::Backoff;
use super::crew::Site;
use super::wake::Wake;
use super::{chain, name, reads_any, remember};
use crate::clock::Timestamp;
use crate::plugin::{self, Plugin, Reason, TickError, Ticked};
use crate::store::StoreError;
use crate::store::commit::Committed;
use crate::store::revision::View;

/// What a worker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Another process writes, or nobody knows yet.
    Standby,
    /// Somebody told it to stop.
    Stopped,
    /// Nothing to do.
    Idle,
    /// It ticks.
    Ticking,
    /// Its last tick failed; it will try again.
    Waiting,
}

/// What there is to say of a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Told {
    /// What it is doing.
    pub state: State,
    /// Ticks that ended well.
    pub ticks: u64,
    /// Ticks that failed.
    pub errors: u64,
    /// Of those, how many since one ended well.
    pub errors_in_a_row: u64,
    /// Rows by verb, all ticks together.
    pub committed: Committed,
    /// The last tick that ended well.
    pub last_tick: Option<LastTick>,
    /// Why the last one that failed did, and when.
    pub last_error: Option<LastError>,
}

/// A tick that ended well.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LastTick {
    /// When it began, in microseconds of UTC.
    pub at: i64,
    /// Why.
    pub reason: String,
    /// How long it took, in milliseconds.
    pub milliseconds: f64,
    /// Rows that it read.
    pub rows_read: usize,
    /// What it changed.
    pub committed: Committed,
}

/// A tick that failed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LastError {
    /// When it began, in microseconds of UTC.
    pub at: i64,
    /// Why it failed.
    pub why: String,
    /// How long the worker waits until it tries again, in seconds.
    pub wait_seconds: f64,
}

/// A correlator that a daemon keeps.
#[derive(Debug)]
pub struct Worker {
    plugin: RwLock<Plugin>,
    settings: RwLock<Vec<(String, String)>>,
    wake: Wake,
    wanted: watch::Sender<bool>,
    told: Mutex<Told>,
}

impl Worker {
    /// A worker of this plugin. It does nothing before [`Worker::keep`].
    pub fn new(plugin: Plugin, settings: BTreeMap<String, String>, is_wanted: bool) -> Self {
        let told = Told {
            state: State::Standby,
            ticks: 0,
            errors: 0,
            errors_in_a_row: 0,
            committed: Committed::default(),
            last_tick: None,
            last_error: None,
        };
        Self {
            plugin: RwLock::new(plugin),
            settings: RwLock::new(settings.into_iter().collect()),
            wake: Wake::default(),
            wanted: watch::Sender::new(is_wanted),
            told: Mutex::new(told),
        }
    }

    /// The plugin that its next tick runs.
    pub fn plugin(&self) -> Plugin {
        self.plugin.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Wishes for a tick.
    pub fn raise(&self, reason: Reason) {
        self.wake.raise(reason);
    }

    /// Wishes for a tick if the plugin reads any of these views.
    pub(super) fn raise_if_it_reads(&self, views: &[View], its_own: bool, reason: Reason) {
        if reads_any(&self.plugin(), views, its_own) {
            self.wake.raise(reason);
        }
    }

    /// Starts or stops it; a tick under way is dropped and writes nothing.
    pub fn want(&self, is_wanted: bool) {
        self.wanted.send_replace(is_wanted);
    }

    /// Gives it other settings, and a tick with them if they differ.
    pub fn set(&self, settings: BTreeMap<String, String>) {
        let settings: Vec<_> = settings.into_iter().collect();
        let mut current = self.settings.write().unwrap_or_else(PoisonError::into_inner);
        if *current != settings {
            *current = settings;
            self.wake.raise(Reason::Command);
        }
    }

    /// What there is to say of it.
    pub fn told(&self) -> Told {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether it does its work while it is on duty: nobody stopped it, and its last tick did not fail.
    pub fn is_well(&self) -> bool {
        *self.wanted.borrow() && self.told().errors_in_a_row == 0
    }

    /// Ticks whenever it is woken, on duty and wanted. Never ends by itself.
    pub(super) async fn keep(self: Arc<Self>, site: Arc<Site>) {
        let mut duty = site.duty.subscribe();
        let mut wanted = self.wanted.subscribe();
        let mut backoff = Backoff::new(site.backoff_max);
        loop {
            self.state(if *wanted.borrow() { State::Standby } else { State::Stopped });
            // The senders live as long as this does.
            if wanted.wait_for(|is_wanted| *is_wanted).await.is_err() {
                return;
            }
            self.state(State::Standby);
            tokio::select! {
                _ = duty.wait_for(|on_duty| *on_duty) => {}
                _ = wanted.wait_for(|is_wanted| !*is_wanted) => continue,
            }
            // Whatever happened while it did nothing.
            self.wake.raise(Reason::Startup);
            tokio::select! {
                biased;
                _ = duty.wait_for(|on_duty| !*on_duty) => {}
                _ = wanted.wait_for(|is_wanted| !*is_wanted) => {}
                () = self.work(&site, &mut backoff) => {}
            }
        }
    }

    async fn work(&self, site: &Site, backoff: &mut Backoff) {
        loop {
            self.state(State::Idle);
            let reason = self.wake.take().await;
            self.state(State::Ticking);
            let started_at = site.clock.now();
            let ticked = self.tick(site, reason).await;
            if let Err(error) =
                remember(&site.store, &self.plugin(), started_at, reason, &ticked).await
            {
                tracing::warn!(error = chain(&error), "the history of ticks lacks one");
            }
            match ticked {
                Ok(ticked) => self.ended_well(site, started_at, reason, &ticked),
                Err(error) => {
                    let wait = backoff.failed(site.clock.elapsed());
                    self.failed(site, started_at, &error, wait);
                    // The wish stands.
                    self.wake.raise(reason);
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// One tick, in a task of its own: whatever breaks in there is a failed tick and not the end of this
    /// worker. Dropping the future ends the tick, which then has written nothing.
    async fn tick(&self, site: &Site, reason: Reason) -> Result<Ticked, TickError> {
        let plugin = self.plugin();
        let settings = self.settings.read().unwrap_or_else(PoisonError::into_inner).clone();
        let (host, name) = (site.host.clone(), plugin.description().name.clone());
        let ticking =
            tokio::spawn(
                async move { host.tick(&plugin, plugin::Wake { reason, settings }).await },
            );
        match AbortOnDropHandle::new(ticking).await {
            Ok(ticked) => ticked,
            Err(error) => Err(TickError::Trapped {
                plugin: name,
                why: format!("the host broke off: {error}"),
            }),
        }
    }

    fn ended_well(&self, site: &Site, at: Timestamp, reason: Reason, ticked: &Ticked) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.errors_in_a_row > 0 {
            tracing::info!(plugin = self.plugin().description().name, "it works again");
        }
        told.ticks += 1;
        told.errors_in_a_row = 0;
        told.committed.add(ticked.committed);
        told.last_tick = Some(LastTick {
            at: at.micros(),
            reason: name(reason).to_owned(),
            milliseconds: ticked.took.as_secs_f64() * 1000.0,
            rows_read: ticked.rows_read,
            committed: ticked.committed,
        });
        drop(told);
        if !ticked.touched.is_empty() {
            site.touched(&ticked.touched, self);
        }
    }

    fn failed(&self, site: &Site, at: Timestamp, error: &TickError, wait: Duration) {
        let why = chain(error);
        tracing::warn!(why, wait_seconds = wait.as_secs(), "a tick failed");
        if matches!(error, TickError::Store(StoreError::Fenced)) {
            site.doubt.notify_one();
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.state = State::Waiting;
        told.errors += 1;
        told.errors_in_a_row += 1;
        told.last_error =
            Some(LastError { at: at.micros(), why, wait_seconds: wait.as_secs_f64() });
    }

    fn state(&self, state: State) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).state = state;
    }
}
