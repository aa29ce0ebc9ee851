//! From the outbox to the bus: in the order of commits, at least once, no faster than hearers can take.
//!
//! An event leaves the outbox when the bus has all of it. A process that ends between the two sends it again,
//! and hearers that care go by the ids in the payload. After a time without a bus there may be a long queue:
//! then the newest events go first, so that whoever looks sees today's state soon, and after that all of
//! them in their order, the newest again, so that the last word is the right one.

use std::time::Duration;

use serde_json::value::RawValue;

use super::Daemon;
use crate::bus::client::{Client, PublishError};
use crate::store::StoreError;
use crate::store::outbox::{End, Waiting};
use crate::supervise::chain;

/// Events read, and dropped, at a time.
const BATCH: usize = 256;
/// A queue as long as this is one to catch up with: a broker keeps so many for each hearer.
const LONG: u64 = 1024;
/// When nobody rings.
const IDLE: Duration = Duration::from_secs(5);

/// Publishes until it is dropped.
pub(super) async fn publish(daemon: &Daemon, bus: &Client) -> &'static str {
    let mut pace = daemon.config(|config| {
        Pace::new(config.bus.publish_per_second, config.bus.publish_burst, daemon.clock.elapsed())
    });
    let mut is_new_connection = true;
    loop {
        if daemon.tenure.is_on_duty() && bus.is_connected() {
            match drain(daemon, bus, &mut pace, is_new_connection).await {
                Ok(()) => is_new_connection = false,
                Err(Stopped::Bus(error)) => {
                    tracing::debug!(%error, "events wait for the bus");
                    is_new_connection = true;
                }
                Err(Stopped::Store(error)) => {
                    tracing::warn!(error = chain(&error), "the outbox cannot be read");
                }
            }
        }
        tokio::select! {
            () = daemon.crew.committed() => {}
            () = daemon.bus_ready.notified() => is_new_connection = true,
            () = tokio::time::sleep(IDLE) => {}
        }
    }
}

/// Why events still wait.
enum Stopped {
    Bus(PublishError),
    Store(StoreError),
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Sends all that waits.
async fn drain(
    daemon: &Daemon,
    bus: &Client,
    pace: &mut Pace,
    is_new_connection: bool,
) -> Result<(), Stopped> {
    if is_new_connection && daemon.store.waiting_count().await? > LONG {
        for event in daemon.store.waiting(End::Newest, BATCH).await? {
            send(daemon, bus, pace, &event).await?;
        }
    }
    loop {
        let batch = daemon.store.waiting(End::Oldest, BATCH).await?;
        let Some(last) = batch.last().map(|event| event.id) else { return Ok(()) };
        for event in &batch {
            if let Err(stopped) = send(daemon, bus, pace, event).await {
                // What went out before it need not go again.
                daemon.store.delivered(event.id - 1).await?;
                return Err(stopped);
            }
        }
        daemon.store.delivered(last).await?;
    }
}

async fn send(
    daemon: &Daemon,
    bus: &Client,
    pace: &mut Pace,
    event: &Waiting,
) -> Result<(), Stopped> {
    tokio::time::sleep(pace.next(daemon.clock.elapsed())).await;
    let sent = match RawValue::from_string(event.payload.clone()) {
        Ok(payload) => bus.publish(&event.topic, &event.kind, &payload).await,
        Err(error) => Err(PublishError::Payload(error)),
    };
    match sent {
        Ok(()) => daemon.note(|noted| noted.published += 1),
        Err(
            error @ (PublishError::NotConnected | PublishError::Lost { .. } | PublishError::Closed),
        ) => {
            return Err(Stopped::Bus(error));
        }
        // It would be no better next time, and all others wait behind it.
        Err(error) => {
            tracing::error!(%error, topic = event.topic, "an event cannot be published and is passed over");
            daemon.note(|noted| noted.unpublished += 1);
        }
    }
    Ok(())
}

/// So many events a second, and a burst after a pause (a token bucket).
#[derive(Debug)]
struct Pace {
    /// The time that one event takes.
    each: Duration,
    /// The time that a full burst takes.
    burst: Duration,
    /// When the next event may go at the latest.
    next: Duration,
}

impl Pace {
    fn new(per_second: u32, burst: u32, now: Duration) -> Self {
        let each = Duration::from_secs(1) / per_second.max(1);
        let burst = each * burst.max(1);
        Self { each, burst, next: now.saturating_sub(burst) }
    }

    /// How long the next event waits, which goes then.
    fn next(&mut self, now: Duration) -> Duration {
        self.next = self.next.max(now.saturating_sub(self.burst)) + self.each;
        self.next.saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_its_rate() {
        let mut now = Duration::from_secs(100);
        let mut pace = Pace::new(1_000, 10, now);
        assert!((0..10).all(|_| pace.next(now).is_zero()));
        for _ in 0..100 {
            let wait = pace.next(now);
            assert_eq!(wait, Duration::from_millis(1));
            now += wait;
        }
        // A pause is worth one burst, however long.
        now += Duration::from_secs(60);
        assert!((0..10).all(|_| pace.next(now).is_zero()));
        assert_eq!(pace.next(now), Duration::from_millis(1));
    }
}
