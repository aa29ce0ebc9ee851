//! The history of ticks: those that changed something, and those that failed.

use std::time::Duration;

use super::db::query;
use super::{Store, StoreError};
use crate::clock::Timestamp;

/// One tick, as it is remembered.
#[derive(Clone, Debug)]
pub struct TickRow {
    /// The plugin's name.
    pub plugin: String,
    /// Its author's version.
    pub version: String,
    /// The SHA-256 of its component.
    pub digest: String,
    /// Why it ran.
    pub reason: &'static str,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// Runs until the guards held.
    pub attempts: u32,
    /// Rows that it read.
    pub rows_read: usize,
    /// What it changed, as JSON.
    pub changes: String,
    /// Why it failed, if it did.
    pub problem: Option<String>,
}

impl Store {
    /// Remembers a tick.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn remember_tick(&self, tick: &TickRow) -> Result<(), StoreError> {
        query(
            "INSERT INTO corral_tick (plugin, version, digest, reason, started_at, duration_us, attempts,
                 rows_read, changes, problem) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&tick.plugin)
        .bind(&tick.version)
        .bind(&tick.digest)
        .bind(tick.reason)
        .bind(tick.started_at.micros())
        .bind(i64::try_from(tick.took.as_micros()).unwrap_or(i64::MAX))
        .bind(tick.attempts)
        .bind(i64::try_from(tick.rows_read).unwrap_or(i64::MAX))
        .bind(&tick.changes)
        .bind(&tick.problem)
        .execute(&mut self.writer.acquire().await?)
        .await?;
        Ok(())
    }
}
