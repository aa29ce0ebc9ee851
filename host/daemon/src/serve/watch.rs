//! Finds out what changed in the database, and wakes whoever reads it.
//!
//! Each view has a version. Where Corral writes all rows, whoever writes bumps it, and a look costs one
//! statement. Where DECNET writes, nobody does: there a look first goes through what is new in DECNET's
//! tables. Hints come in showers; looks are spaced, and the first of a shower is looked at without delay.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Daemon;
use crate::config::Owner;
use crate::plugin::Reason;
use crate::store::StoreError;
use crate::store::revision::View;
use crate::supervise::backoff::Backoff;
use crate::supervise::chain;
use crate::supervise::tenure::Duty;

/// Looks until it is dropped.
pub(super) async fn watch(daemon: &Daemon) -> &'static str {
    let mut duty = daemon.tenure.duty();
    let mut versions = BTreeMap::new();
    let mut backoff = Backoff::new(daemon.backoff_max());
    let mut polled = daemon.clock.elapsed();
    loop {
        if duty.wait_for(Duty::is_on).await.is_err() {
            return "watch";
        }
        let (poll, look, spacing) = daemon.config(|config| {
            let poll = Duration::from_secs(config.serve.poll_seconds.max(1));
            let look = match config.store.owner {
                Owner::Corral => Duration::from_millis(config.serve.watch_milliseconds.max(1)),
                Owner::Decnet => poll,
            };
            (poll, look, Duration::from_millis(config.serve.wake_delay_milliseconds))
        });
        let until_poll = (polled + poll).saturating_sub(daemon.clock.elapsed());
        tokio::select! {
            () = daemon.hint.notified() => {}
            () = tokio::time::sleep(look.min(until_poll)) => {}
        }
        match find(daemon, &mut versions).await {
            Ok(()) => {
                daemon.note(|noted| noted.database = None);
                if daemon.clock.elapsed().saturating_sub(polled) >= poll {
                    polled = daemon.clock.elapsed();
                    daemon.crew.raise(Reason::Poll);
                }
                tokio::time::sleep(spacing).await;
            }
            Err(error) => {
                let why = chain(&error);
                let wait = backoff.failed(daemon.clock.elapsed());
                tracing::warn!(why, wait_seconds = wait.as_secs(), "the database cannot be read");
                daemon.note(|noted| noted.database = Some(why));
                // Whatever was hinted at is still to be looked at.
                daemon.hint.notify_one();
                tokio::time::sleep(wait).await;
            }
        }
    }
}

async fn find(daemon: &Daemon, versions: &mut BTreeMap<View, u64>) -> Result<(), StoreError> {
    let started = daemon.clock.elapsed();
    if daemon.config(|config| config.store.owner) == Owner::Decnet {
        project(daemon).await?;
    }
    let now = daemon.store.revisions().await?;
    let is_new = |view: &View| now.get(view) != versions.get(view);
    let changed: Vec<View> = now.keys().copied().filter(is_new).collect();
    *versions = now;
    let took = daemon.clock.elapsed().saturating_sub(started);
    daemon.note(|noted| noted.look = Some(took));
    if !changed.is_empty() {
        daemon.crew.raise_readers(&changed);
    }
    Ok(())
}

/// Takes in what DECNET wrote. A row that nobody can read is named once, and listed for whoever asks.
async fn project(daemon: &Daemon) -> Result<(), StoreError> {
    let fingerprints = daemon.config(|config| config.store.fingerprints);
    let fenced = daemon.store.fenced(&daemon.instance);
    let projected = fenced.project(fingerprints, daemon.clock.now()).await?;
    if !projected.poison.is_empty() {
        let poison = daemon.store.poison().await?;
        let named = poison.into_iter().map(|it| (format!("{} {}", it.table, it.row), it.reason));
        daemon.note(|noted| noted.poison = named.collect());
    }
    Ok(())
}
