//! How many statements some work runs, and whether it commits.
//!
//! sqlx tells of each statement in an event of its own; here they are counted. What it does not tell of is the
//! begin and the end of a transaction. Whether anybody committed shows in a number that SQLite keeps.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use anyhow::Result;
use sqlx::{Connection, SqliteConnection};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{Interest, set_global_default};
use tracing::{Event, Metadata, Subscriber};

const TARGET: &str = "sqlx::query";

static IS_ON: AtomicBool = AtomicBool::new(false);
static STATEMENTS: AtomicU64 = AtomicU64::new(0);
static INSTALLED: OnceLock<()> = OnceLock::new();

/// Counts statements while it is on; of nothing else it wants to hear.
struct Counter;

impl Subscriber for Counter {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.target() == TARGET { Interest::sometimes() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == TARGET && IS_ON.load(Ordering::Relaxed)
    }

    fn event(&self, _: &Event<'_>) {
        STATEMENTS.fetch_add(1, Ordering::Relaxed);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The statements that `work` runs in this process, and what it gives.
pub(super) async fn counted<T>(work: impl Future<Output = Result<T>>) -> Result<(u64, T)> {
    if INSTALLED.set(()).is_ok() {
        set_global_default(Counter)?;
    }
    STATEMENTS.store(0, Ordering::Relaxed);
    IS_ON.store(true, Ordering::Relaxed);
    let result = work.await;
    IS_ON.store(false, Ordering::Relaxed);
    Ok((STATEMENTS.load(Ordering::Relaxed), result?))
}

/// Somebody who looks whether others commit.
pub(super) struct Onlooker(SqliteConnection);

impl Onlooker {
    pub(super) async fn of(url: &str) -> Result<Self> {
        Ok(Self(SqliteConnection::connect(url).await?))
    }

    /// A number that is another as soon as somebody else has committed a change.
    pub(super) async fn version(&mut self) -> Result<i64> {
        Ok(sqlx::query_scalar("PRAGMA data_version").fetch_one(&mut self.0).await?)
    }
}
