//! One correlator of a daemon: waits for a wake, ticks, and goes on whatever becomes of the tick.
//!
//! Each tick takes the generation that is there when it begins, and ends on it. Another may take its place at any
//! time: nobody waits for that, and nothing is lost by it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use super::backoff::Backoff;
use super::crew::Site;
use super::generation::{Generation, Verdict};
use super::life;
use super::wake::Wake;
use super::{chain, name, reads_any, remember};
use crate::clock::Timestamp;
use crate::plugin::shadow::Witness;
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
    /// Every component that it could tick with is set aside.
    Quarantined,
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

/// Who wants a worker to tick: all have to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The config says that it does not run.
    pub by_config: bool,
    /// It was told to stop, until it is told to start or the daemon starts again.
    pub by_order: bool,
    /// Who switched it off, for good.
    pub by_switch: Option<String>,
    /// Why every component that it could tick with is set aside.
    pub by_quarantine: Option<String>,
}

impl Held {
    /// Whether nothing holds it.
    fn is_free(&self) -> bool {
        *self == Self::default()
    }

    fn state(&self) -> State {
        match self {
            _ if self.is_free() => State::Standby,
            Self { by_quarantine: Some(_), .. } => State::Quarantined,
            _ => State::Stopped,
        }
    }
}

/// A correlator that a daemon keeps.
#[derive(Debug)]
pub struct Worker {
    generation: watch::Sender<Generation>,
    settings: RwLock<Vec<(String, String)>>,
    wake: Wake,
    held: watch::Sender<Held>,
    /// Where a shadow waits for what a tick has read.
    shadow: Mutex<Option<mpsc::Sender<Witness>>>,
    /// Held while a generation is replaced: one at a time.
    pub(super) replacing: tokio::sync::Mutex<()>,
    told: Mutex<Told>,
}

impl Worker {
    /// A worker of this generation. It does nothing before [`Worker::keep`].
    pub(super) fn new(
        generation: Generation,
        settings: BTreeMap<String, String>,
        held: Held,
    ) -> Self {
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
            generation: watch::Sender::new(generation),
            settings: RwLock::new(settings.into_iter().collect()),
            wake: Wake::default(),
            held: watch::Sender::new(held),
            shadow: Mutex::default(),
            replacing: tokio::sync::Mutex::default(),
            told: Mutex::new(told),
        }
    }

    /// What its next tick runs.
    pub fn generation(&self) -> Generation {
        self.generation.borrow().clone()
    }

    /// The component that its next tick runs.
    pub fn plugin(&self) -> Plugin {
        self.generation().plugin
    }

    /// Puts another generation in place; a tick under way ends on the one it began with.
    pub(super) fn put(&self, generation: Generation) {
        self.generation.send_replace(generation);
        self.wake.raise(Reason::Command);
    }

    /// Gives the generation in place the number that it has in the history.
    pub(super) fn number(&self, number: i64, by: &str) {
        self.generation.send_if_modified(|generation| {
            generation.number = Some(number);
            by.clone_into(&mut generation.put_by);
            false
        });
    }

    /// What is told of the generation in place, if it still is this component.
    fn note<T>(&self, plugin: &Plugin, what: impl FnOnce(&mut Generation) -> T) -> Option<T> {
        let mut noted = None;
        self.generation.send_if_modified(|generation| {
            if generation.plugin.digest() == plugin.digest() {
                noted = Some(what(generation));
            }
            // Nobody waits for that.
            false
        });
        noted
    }

    /// Hands what the next ticks read to a shadow; there is one at a time.
    pub(super) fn seat(&self, shadow: mpsc::Sender<Witness>) -> bool {
        let mut seat = self.shadow.lock().unwrap_or_else(PoisonError::into_inner);
        if seat.as_ref().is_some_and(|seat| !seat.is_closed()) {
            return false;
        }
        *seat = Some(shadow);
        true
    }

    /// The shadow that waits for a tick, if one does.
    fn seated(&self) -> Option<mpsc::Sender<Witness>> {
        let mut seat = self.shadow.lock().unwrap_or_else(PoisonError::into_inner);
        if seat.as_ref().is_some_and(mpsc::Sender::is_closed) {
            *seat = None;
        }
        seat.clone().filter(|seat| seat.capacity() > 0)
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

    /// What keeps it from ticking.
    pub fn held(&self) -> Held {
        self.held.borrow().clone()
    }

    /// Holds it, or lets it go; a tick under way is dropped then and writes nothing.
    pub fn hold(&self, change: impl FnOnce(&mut Held)) {
        self.held.send_modify(change);
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
        self.held.borrow().is_free() && self.told().errors_in_a_row == 0
    }

    /// Ticks whenever it is woken, on duty and free. Never ends by itself.
    pub(super) async fn keep(self: Arc<Self>, site: Arc<Site>) {
        let mut duty = site.duty.subscribe();
        let mut held = self.held.subscribe();
        let mut backoff = Backoff::new(site.backoff_max);
        loop {
            self.state(held.borrow().state());
            // The senders live as long as this does.
            if held.wait_for(Held::is_free).await.is_err() {
                return;
            }
            self.state(State::Standby);
            tokio::select! {
                _ = duty.wait_for(|on_duty| *on_duty) => {}
                _ = held.wait_for(|held| !held.is_free()) => continue,
            }
            // Whatever happened while it did nothing.
            self.wake.raise(Reason::Startup);
            tokio::select! {
                biased;
                _ = duty.wait_for(|on_duty| !*on_duty) => {}
                _ = held.wait_for(|held| !held.is_free()) => {}
                () = self.work(&site, &mut backoff) => {}
            }
        }
    }

    async fn work(&self, site: &Arc<Site>, backoff: &mut Backoff) {
        let mut generations = self.generation.subscribe();
        loop {
            self.state(State::Idle);
            let reason = self.wake.take().await;
            self.state(State::Ticking);
            let started_at = site.clock.now();
            let plugin = generations.borrow_and_update().plugin.clone();
            let ticked = self.tick(site, &plugin, reason).await;
            if let Err(error) = remember(&site.store, &plugin, started_at, reason, &ticked).await {
                tracing::warn!(error = chain(&error), "the history of ticks lacks one");
            }
            match ticked {
                Ok(ticked) => self.ended_well(site, &plugin, started_at, reason, &ticked),
                Err(error) => {
                    // The wish stands.
                    self.wake.raise(reason);
                    let wait = backoff.failed(site.clock.elapsed());
                    self.failed(site, started_at, &error, wait);
                    let rules = site.rules();
                    let verdict = self.note(&plugin, |it| it.failed(&error, rules));
                    if verdict == Some(Verdict::Falls) {
                        life::falls(site, self, &plugin, &error).await;
                    }
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        // No pause of another's counts for a new one.
                        _ = generations.changed() => *backoff = Backoff::new(site.backoff_max),
                    }
                }
            }
        }
    }

    /// One tick, in a task of its own: whatever breaks in there is a failed tick and not the end of this
    /// worker. Dropping the future ends the tick, which then has written nothing.
    async fn tick(
        &self,
        site: &Site,
        plugin: &Plugin,
        reason: Reason,
    ) -> Result<Ticked, TickError> {
        let settings = self.settings.read().unwrap_or_else(PoisonError::into_inner).clone();
        let wake = plugin::Wake { reason, settings };
        let (host, plugin) = (site.host.clone(), plugin.clone());
        let name = plugin.description().name.clone();
        let shadow = self.seated();
        let ticking = tokio::spawn(async move {
            let Some(shadow) = shadow else { return host.tick(&plugin, wake).await };
            let (ticked, witness) = host.tick_with_witness(&plugin, wake).await?;
            // If it is not there any more, nobody wants to see it.
            let _gone = shadow.try_send(witness);
            Ok(ticked)
        });
        match AbortOnDropHandle::new(ticking).await {
            Ok(ticked) => ticked,
            Err(error) => Err(TickError::Trapped {
                plugin: name,
                why: format!("the host broke off: {error}"),
            }),
        }
    }

    fn ended_well(
        &self,
        site: &Site,
        plugin: &Plugin,
        at: Timestamp,
        reason: Reason,
        ticked: &Ticked,
    ) {
        self.note(plugin, Generation::ended_well);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.errors_in_a_row > 0 {
            tracing::info!(plugin = plugin.description().name, "it works again");
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
