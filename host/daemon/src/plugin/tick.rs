//! One run of one plugin: a fresh instance, a call, and a commit if the call returned well.

use std::sync::Arc;
use std::time::Duration;

use corral_kernels::Frame;

use super::Host;
use super::bindings::{Problem, correlator};
use super::guest::{Guest, Mode, Used};
use super::kept::{Lane, Taken};
use super::load::Plugin;
use super::recording::Recorded;
use super::shadow::Witness;
use super::trap::printable;
use super::usage::Usage;
use crate::clock::Timestamp;
use crate::pool::Checked;
use crate::store::StoreError;
use crate::store::commit::{Change, CommitError, Committed, Committer};
use crate::store::revision::View;
use crate::store::snapshot::Snapshot;

/// How often a tick whose guards failed runs again on a fresh snapshot.
const ATTEMPTS_MAX: u32 = 3;

pub(super) use super::trap::describe_trap;
pub use correlator::Reason;

/// Why a tick runs, and what it is told beside that.
#[derive(Clone, Debug)]
pub struct Wake {
    /// Why.
    pub reason: Reason,
    /// The plugin's settings as the operator gave them.
    pub settings: Vec<(String, String)>,
}

/// What a tick did.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Ticked {
    /// Rows by verb.
    pub committed: Committed,
    /// The views that the commit touched.
    #[serde(skip)]
    pub touched: Vec<View>,
    /// Rows that the guest read.
    pub rows_read: usize,
    /// Runs until the guards held.
    pub attempts: u32,
    /// How long it took, all attempts together.
    #[serde(skip)]
    pub took: Duration,
    /// How much of that the kernels took, waiting for the pool and checking included.
    #[serde(skip)]
    pub kernels: Duration,
    /// How much of that the last attempt's commit took.
    #[serde(skip)]
    pub commit: Duration,
    /// What came of the kernels' answers, all attempts together.
    pub checked: Checked,
    /// What the last attempt used.
    #[serde(skip)]
    pub usage: Usage,
}

/// Why a tick changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum TickError {
    /// The guest said that it cannot.
    #[error("plugin '{plugin}': {problem}")]
    Problem {
        /// The plugin.
        plugin: String,
        /// In its own words.
        problem: String,
        /// Whether what it says is that the host could not, or that others were faster.
        is_ours: bool,
    },
    /// The guest died: a bug, its budget, its memory.
    #[error("plugin '{plugin}' died: {why}")]
    Trapped {
        /// The plugin.
        plugin: String,
        /// What wasmtime said.
        why: String,
    },
    /// The wall clock.
    #[error("plugin '{plugin}': the tick took longer than limits.tick-seconds = {seconds}")]
    Late {
        /// The plugin.
        plugin: String,
        /// The limit.
        seconds: u64,
    },
    /// Others kept changing what it relied on.
    #[error(
        "plugin '{plugin}': {what}, {ATTEMPTS_MAX} times in a row (it will be tried again at the next wake)"
    )]
    Conflict {
        /// The plugin.
        plugin: String,
        /// What changed.
        what: String,
    },
    /// The changes could not be written.
    #[error("plugin '{plugin}': {error}")]
    Commit {
        /// The plugin.
        plugin: String,
        /// Why.
        #[source]
        error: CommitError,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl TickError {
    /// Whether the component itself is to blame, as far as anybody can tell: not the database, nor other writers.
    pub fn is_the_plugins_fault(&self) -> bool {
        match self {
            Self::Trapped { .. } | Self::Late { .. } => true,
            Self::Problem { is_ours, .. } => !is_ours,
            Self::Commit { error, .. } => matches!(error, CommitError::Invalid(_)),
            Self::Conflict { .. } | Self::Store(_) => false,
        }
    }

    /// Whether the component did not even come to say what is wrong.
    pub fn is_a_death(&self) -> bool {
        matches!(self, Self::Trapped { .. } | Self::Late { .. })
    }
}

/// What becomes of the moment that a tick has read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Afterwards {
    /// It is over.
    Forget,
    /// A shadow reads it too.
    Keep,
}

/// What one call is made with.
pub(super) struct Call<'a> {
    pub(super) plugin: &'a Plugin,
    pub(super) wake: &'a Wake,
    pub(super) now: Timestamp,
    pub(super) mode: Mode,
    pub(super) lane: Lane,
    /// The moment that it is to look at; nothing: one of its own.
    pub(super) snapshot: Option<Snapshot>,
    /// The rows of its state, where they are not those of the database.
    pub(super) own_state: Option<Frame>,
    /// The views of a recorded tick.
    pub(super) recorded: Option<Arc<Recorded>>,
}

impl<'a> Call<'a> {
    /// A call that looks at a moment of its own, and at the state in the database.
    pub(super) fn new(
        plugin: &'a Plugin,
        wake: &'a Wake,
        now: Timestamp,
        mode: Mode,
        lane: Lane,
    ) -> Self {
        Self { plugin, wake, now, mode, lane, snapshot: None, own_state: None, recorded: None }
    }
}

/// What is left of a call.
pub(super) struct Called {
    /// Whether the guest came to its end, or said that it cannot.
    pub(super) answer: Result<(), TickError>,
    /// What it wants changed.
    pub(super) changes: Vec<Change>,
    pub(super) used: Used,
    /// The moment that it looked at, if it looked.
    pub(super) snapshot: Option<Snapshot>,
    /// What it took of what kernels keep.
    pub(super) kept: Taken,
}

impl Host {
    /// Runs one tick: on a fresh snapshot, again if a guard failed, three times at most.
    ///
    /// # Errors
    /// [`TickError`]; nothing was written.
    pub async fn tick(&self, plugin: &Plugin, wake: Wake) -> Result<Ticked, TickError> {
        if self.recorder.is_none() {
            return self.run(plugin, wake, Afterwards::Forget).await.map(|(ticked, _)| ticked);
        }
        let (ticked, witness) = self.run(plugin, wake, Afterwards::Keep).await?;
        Box::pin(self.record(plugin, &ticked, witness)).await;
        Ok(ticked)
    }

    /// The same, and what a shadow needs to do it again in its own way. The moment that was read stays open as long
    /// as the witness lives.
    ///
    /// # Errors
    /// [`TickError`]; nothing was written.
    pub async fn tick_with_witness(
        &self,
        plugin: &Plugin,
        wake: Wake,
    ) -> Result<(Ticked, Witness), TickError> {
        self.run(plugin, wake, Afterwards::Keep).await
    }

    async fn run(
        &self,
        plugin: &Plugin,
        wake: Wake,
        afterwards: Afterwards,
    ) -> Result<(Ticked, Witness), TickError> {
        let started = self.clock.elapsed();
        let name = plugin.description().name.clone();
        let mut wake = wake;
        let mut attempts = 0;
        let mut kernels = Duration::ZERO;
        let mut checked = Checked::default();
        loop {
            attempts += 1;
            let now = self.clock.now();
            let call = Call::new(plugin, &wake, now, Mode::Change, Lane::Live);
            let Called { answer, changes, used, snapshot, kept } = self.call(call).await?;
            answer?;
            // The moment it read is over before it writes, unless somebody else wants to see it too.
            let snapshot = snapshot.filter(|_| afterwards == Afterwards::Keep);
            kernels += used.kernel_time;
            used.kernel_calls.iter().for_each(|call| checked.add(call.checked()));
            let by = Committer { plugin: &name, now, event_bytes_max: self.limits.event_bytes_max };
            let called = self.clock.elapsed();
            match self.store.commit(&self.resident, &changes, by).await {
                Ok((committed, touched)) => {
                    let commit = self.clock.elapsed().saturating_sub(called);
                    kept.give_back();
                    let took = self.clock.elapsed().saturating_sub(started);
                    let rows_read = used.rows_read;
                    let usage = Usage::of(&used);
                    let ticked = Ticked {
                        committed,
                        touched,
                        rows_read,
                        attempts,
                        took,
                        kernels,
                        commit,
                        checked,
                        usage,
                    };
                    return Ok((ticked, Witness { snapshot, changes, wake, now }));
                }
                Err(CommitError::Conflict(what)) if attempts < ATTEMPTS_MAX => {
                    tracing::debug!(plugin = name, what, "a guard failed; the tick runs again");
                    wake.reason = Reason::Again;
                }
                Err(CommitError::Conflict(what)) => {
                    let what = format!("{what} changed while it ran");
                    return Err(TickError::Conflict { plugin: name, what });
                }
                Err(CommitError::Store(error)) => return Err(error.into()),
                Err(error) => return Err(TickError::Commit { plugin: name, error }),
            }
        }
    }

    /// One call in a fresh instance.
    pub(super) async fn call(&self, call: Call<'_>) -> Result<Called, TickError> {
        let Call { plugin, wake, now, mode, lane, snapshot, own_state, recorded } = call;
        let name = || plugin.description().name.clone();
        let died = |why: String| TickError::Trapped { plugin: name(), why };
        let context = correlator::Context {
            now: now.micros(),
            reason: wake.reason,
            dirty: None,
            settings: settings(plugin, &wake.settings),
        };
        let mut store = self.guest_store(Some(plugin), mode, lane);
        store.data_mut().snapshot = snapshot;
        store.data_mut().own_state = own_state;
        store.data_mut().recorded = recorded;
        let code = plugin.code().clone();
        let call = async move {
            let answer = code.tick(&mut store, context).await?;
            store.data_mut().used.instructions = store.get_fuel().map_or(0, |left| u64::MAX - left);
            Ok::<_, wasmtime::Error>((answer, store.into_data()))
        };
        let Some(running) = self.engine.spawn(call) else {
            return Err(died("the host is stopping".to_owned()));
        };
        match tokio::time::timeout(self.limits.tick(), running.join()).await {
            Err(_) => Err(TickError::Late { plugin: name(), seconds: self.limits.tick_seconds }),
            Ok(Err(error)) => Err(died(error.to_string())),
            Ok(Ok(Err(error))) => Err(died(describe_trap(&error))),
            Ok(Ok(Ok((answer, guest)))) => {
                let Guest { changes, mut used, memory, snapshot, kept, .. } = guest;
                used.memory_bytes = memory.bytes();
                let answer = answer.map_err(|problem| TickError::Problem {
                    plugin: name(),
                    problem: printable(&text(&problem)),
                    is_ours: matches!(problem, Problem::Unavailable(_) | Problem::Conflict(_)),
                });
                let changes = changes.unwrap_or_default();
                Ok(Called { answer, changes, used, snapshot, kept })
            }
        }
    }
}

/// The plugin's settings with its defaults filled in; others are not handed over.
fn settings(plugin: &Plugin, given: &[(String, String)]) -> Vec<(String, String)> {
    let value =
        |name: &str| given.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone());
    let known = plugin.description().settings.iter();
    known
        .map(|known| {
            (known.name.clone(), value(&known.name).unwrap_or_else(|| known.default.clone()))
        })
        .collect()
}

fn text(problem: &Problem) -> String {
    match problem {
        Problem::Invalid(what) => format!("invalid: {what}"),
        Problem::NotFound(what) => format!("not found: {what}"),
        Problem::Refused(what) => format!("refused: {what}"),
        Problem::Limit(what) => format!("limit: {what}"),
        Problem::Unavailable(what) => format!("unavailable: {what}"),
        Problem::Conflict(what) => format!("conflict: {what}"),
    }
}
