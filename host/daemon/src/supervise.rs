//! Drives the correlators: who ticks when, and what becomes of one that fails.
//!
//! [`settle`] runs them to a fixed point and ends, for `corral run`. [`crew`] keeps them for as long as a
//! daemon lives: a [`worker`] each, woken through its [`wake`], slowed down by its [`backoff`] when it
//! fails. [`life`] replaces the component that a worker ticks with, [`generation`] judges how a new one does.
//! [`tenure`] holds the lease on the database meanwhile.

use crate::clock::Timestamp;
use crate::plugin::{Plugin, Reason, TickError, Ticked};
use crate::store::revision::View;
use crate::store::ticks::TickRow;
use crate::store::{Store, StoreError};

pub mod backoff;
pub mod crew;
pub mod generation;
pub mod life;
pub mod settle;
pub mod tenure;
pub mod wake;
pub mod worker;

pub use settle::{PluginRun, Run, run};

/// Whether a plugin reads any of these views; its state is nobody else's.
fn reads_any(plugin: &Plugin, touched: &[View], its_own: bool) -> bool {
    let reads = &plugin.description().reads;
    touched.iter().any(|view| {
        (its_own || *view != View::State) && reads.iter().any(|read| read == view.name())
    })
}

/// A tick that changed nothing leaves no trace.
async fn remember(
    store: &Store,
    plugin: &Plugin,
    started_at: Timestamp,
    reason: Reason,
    ticked: &Result<Ticked, TickError>,
) -> Result<(), StoreError> {
    let (ticked, problem) = match ticked {
        Ok(ticked) if ticked.committed.is_empty() => return Ok(()),
        Ok(ticked) => (ticked.clone(), None),
        Err(error) => (Ticked::default(), Some(chain(error))),
    };
    let description = plugin.description();
    store
        .remember_tick(&TickRow {
            plugin: description.name.clone(),
            version: description.version.clone(),
            digest: plugin.digest().to_owned(),
            reason: name(reason),
            started_at,
            took: ticked.took,
            attempts: ticked.attempts,
            rows_read: ticked.rows_read,
            changes: serde_json::to_string(&ticked.committed).unwrap_or_default(),
            problem,
        })
        .await
}

/// An error with its causes, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| {
        let cause = cause.to_string();
        if text.contains(&cause) { text } else { format!("{text}: {cause}") }
    })
}

fn name(reason: Reason) -> &'static str {
    match reason {
        Reason::Startup => "startup",
        Reason::Poll => "poll",
        Reason::Event => "event",
        Reason::Command => "command",
        Reason::Again => "again",
    }
}
