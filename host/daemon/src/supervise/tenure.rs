//! Never both writing: this process waits until it is sure to be the only one, and stops writing when it
//! no longer is.
//!
//! Two things can stand in the way. Another Corral process holds the lease, a row in the database. Or an
//! upstream worker runs, which knows of no lease but sends heartbeats on the bus: while one was heard
//! within the silence that is asked for, nobody here writes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};
use tokio_util::task::AbortOnDropHandle;

use super::chain;
use crate::clock::{Clock, Timestamp};
use crate::store::lease::Lease;
use crate::store::{Store, StoreError};

/// What a tenure goes by.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Who asks for the lease, in words that name no other process.
    pub holder: String,
    /// How long a lease lasts without being renewed.
    pub lease: Duration,
    /// How long no foreign heartbeat may have come; nothing where none can come.
    pub silence: Duration,
    /// Whether the first attempt waits for nobody: the operator knows that the other is gone.
    pub is_takeover: bool,
}

/// Where a tenure stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "duty")]
pub enum Duty {
    /// This process does not write.
    Standby {
        /// Why.
        why: String,
    },
    /// This process writes.
    OnDuty {
        /// Since when, in microseconds of UTC.
        since: i64,
    },
}

impl Duty {
    /// Whether this process writes.
    pub fn is_on(&self) -> bool {
        matches!(self, Self::OnDuty { .. })
    }
}

/// What was heard of others.
#[derive(Debug, Default)]
pub struct Heard {
    last: Mutex<Option<(Duration, String)>>,
    rung: Notify,
}

impl Heard {
    /// A heartbeat that is not ours, of this worker, at this moment of a clock that only runs forward.
    pub fn heartbeat(&self, worker: &str, at: Duration) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((at, worker.to_owned()));
        self.rung.notify_one();
    }

    fn last(&self) -> Option<(Duration, String)> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The lease on a database, as this process has it or waits for it.
#[derive(Debug)]
pub struct Tenure {
    terms: Terms,
    store: Store,
    duty: watch::Sender<Duty>,
    heard: Heard,
}

impl Tenure {
    /// On standby. `store` need not be fenced.
    pub fn new(terms: Terms, store: Store) -> Self {
        let why = "it has just started".to_owned();
        Self {
            terms,
            store,
            duty: watch::Sender::new(Duty::Standby { why }),
            heard: Heard::default(),
        }
    }

    /// What is heard of others is told here.
    pub fn heard(&self) -> &Heard {
        &self.heard
    }

    /// Where it stands, and when that changes.
    pub fn duty(&self) -> watch::Receiver<Duty> {
        self.duty.subscribe()
    }

    /// Whether this process may write.
    pub fn is_on_duty(&self) -> bool {
        self.duty.borrow().is_on()
    }

    /// Waits for the lease, keeps it, waits again when it is lost. Never ends by itself; `doubt` is rung
    /// when somebody has reason to think that it is lost.
    pub async fn hold(&self, clock: &dyn Clock, doubt: &Notify) {
        let mut is_takeover = self.terms.is_takeover;
        let listening_since = clock.elapsed();
        loop {
            let quiet = self.silence_left(listening_since, clock.elapsed());
            if let Some((left, why)) = quiet.filter(|_| !is_takeover) {
                self.stand_by(why);
                tokio::select! {
                    () = tokio::time::sleep(left.min(self.step())) => {}
                    () = self.heard.rung.notified() => {}
                }
                continue;
            }
            match self.ask(clock.now(), is_takeover).await {
                Ok(Lease::Held(_)) => {
                    is_takeover = false;
                    self.serve(clock, doubt).await;
                }
                Ok(Lease::Taken { holder, since, until }) => {
                    self.stand_by(format!(
                        "{holder} writes since {since} (its lease ends {until})"
                    ));
                    tokio::time::sleep(self.step()).await;
                }
                Err(error) => {
                    self.stand_by(format!("the lease cannot be read: {}", chain(&error)));
                    tokio::time::sleep(self.step()).await;
                }
            }
        }
    }

    /// On duty until the lease is lost or somebody else is heard.
    async fn serve(&self, clock: &dyn Clock, doubt: &Notify) {
        let began = clock.elapsed();
        let mut renewed = began;
        self.duty.send_replace(Duty::OnDuty { since: clock.now().micros() });
        tracing::info!("on duty: this process writes");
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.step()) => {}
                () = self.heard.rung.notified() => {}
                () = doubt.notified() => {}
            }
            // One that was heard before this began may have been on its way out.
            if let Some((_, worker)) = self.heard.last().filter(|(at, _)| *at > began) {
                let why = format!(
                    "another process sends the heartbeat of '{worker}': stop decnet-supervise-cpu.service, or this one"
                );
                tracing::error!(why, "commits stop");
                self.stand_by(why);
                self.give_back().await;
                return;
            }
            match self.ask(clock.now(), false).await {
                Ok(Lease::Held(_)) => renewed = clock.elapsed(),
                Ok(Lease::Taken { holder, since, .. }) => {
                    let why = format!("{holder} took the lease at {since}");
                    tracing::error!(why, "commits stop");
                    self.stand_by(why);
                    return;
                }
                // What we write ourselves is in the way, and nobody can take the lease meanwhile.
                Err(_) if self.store.is_writing() => renewed = clock.elapsed(),
                Err(error) if clock.elapsed().saturating_sub(renewed) < self.terms.lease => {
                    tracing::warn!(error = chain(&error), "the lease could not be renewed");
                }
                Err(error) => {
                    self.stand_by(format!("the lease could not be renewed: {}", chain(&error)));
                    return;
                }
            }
        }
    }

    /// Gives the lease back, if this process has it.
    pub async fn give_back(&self) {
        if let Err(error) = self.store.give_back_lease(&self.terms.holder).await {
            tracing::warn!(
                error = chain(&error),
                "the lease was not given back; it ends by itself"
            );
        }
    }

    async fn ask(&self, now: Timestamp, by_force: bool) -> Result<Lease, StoreError> {
        self.store.lease(&self.terms.holder, now, self.terms.lease, by_force).await
    }

    /// How much of the silence is still to pass, and why it has to.
    fn silence_left(&self, since: Duration, now: Duration) -> Option<(Duration, String)> {
        let (from, why) = match self.heard.last().filter(|(at, _)| *at >= since) {
            Some((at, worker)) => (at, format!("another process sent the heartbeat of '{worker}'")),
            None => (since, "listening whether another process writes".to_owned()),
        };
        let left = (from + self.terms.silence).checked_sub(now).filter(|left| !left.is_zero())?;
        Some((left, why))
    }

    fn stand_by(&self, why: String) {
        let new = Duty::Standby { why };
        self.duty.send_if_modified(|duty| {
            let is_new = *duty != new;
            if is_new {
                tracing::info!(?new, "standing by");
                *duty = new.clone();
            }
            is_new
        });
    }

    /// How often the lease is renewed or asked for.
    fn step(&self) -> Duration {
        self.terms.lease / 3
    }
}

/// The lease, for a command that ends: kept while it works, and never waited for.
#[derive(Debug)]
pub struct Borrowed {
    store: Store,
    holder: String,
    _renewing: AbortOnDropHandle<()>,
}

/// Why a command may not write.
#[derive(Debug, thiserror::Error)]
pub enum BorrowError {
    /// Somebody else does.
    #[error(
        "{holder} writes to this database since {since} (`corral status` says what it did; stop it to run this)"
    )]
    Taken {
        /// Who, in the words that it gave.
        holder: String,
        /// Since when.
        since: Timestamp,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Borrowed {
    /// Takes the lease, unless somebody has it.
    ///
    /// # Errors
    /// [`BorrowError`].
    pub async fn take(
        store: &Store,
        holder: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, BorrowError> {
        if let Lease::Taken { holder, since, .. } =
            store.lease(holder, clock.now(), BORROWED, false).await?
        {
            return Err(BorrowError::Taken { holder, since });
        }
        let (renewed, name) = (store.clone(), holder.to_owned());
        let renewing = tokio::spawn(async move {
            loop {
                tokio::time::sleep(BORROWED / 3).await;
                // Where it cannot be renewed the next commit says so.
                if let Err(error) = renewed.lease(&name, clock.now(), BORROWED, false).await
                    && !renewed.is_writing()
                {
                    tracing::warn!(error = chain(&error), "the lease could not be renewed");
                }
            }
        });
        Ok(Self {
            store: store.clone(),
            holder: holder.to_owned(),
            _renewing: AbortOnDropHandle::new(renewing),
        })
    }

    /// The store to write through: it writes nothing once the lease is lost.
    pub fn store(&self) -> Store {
        self.store.fenced(&self.holder)
    }

    /// Gives it back.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn give_back(self) -> Result<(), StoreError> {
        self.store.give_back_lease(&self.holder).await
    }
}

/// How long the lease of a command lasts without being renewed.
const BORROWED: Duration = Duration::from_secs(15);
