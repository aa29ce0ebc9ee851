//! Heartbeats: every 30 seconds, one for each worker that does its work.
//!
//! Silence is the message that something is wrong: a worker that is stopped, that stands by or whose last
//! tick failed sends none, and DECNET's API calls it stale after 90 seconds.

use std::time::Duration;

use serde_json::{Value, json};

use super::Daemon;
use super::hear::worker_name;
use crate::bus::client::Client;
use crate::bus::envelope::seconds;
use crate::supervise::tenure::Duty;
use crate::supervise::worker::Told;

/// Between two heartbeats.
const EVERY: Duration = Duration::from_secs(30);

/// Beats until it is dropped: at once when the daemon comes on duty, then regularly.
pub(super) async fn beat(daemon: &Daemon, bus: &Client) -> &'static str {
    let mut duty = daemon.tenure.duty();
    loop {
        if duty.wait_for(Duty::is_on).await.is_err() {
            return "heartbeats";
        }
        for (plugin, worker) in daemon.crew.workers() {
            if !worker.is_well() {
                continue;
            }
            let name = worker_name(&plugin);
            let topic = format!("system.{name}.health");
            let payload =
                payload(name, seconds(daemon.clock.now()), &daemon.instance, &worker.told());
            if let Err(error) = bus.publish(&topic, "health", &payload).await {
                tracing::debug!(%error, name, "a heartbeat was not sent");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            _ = duty.changed() => {}
        }
    }
}

/// DECNET's two fields, and what its API shows beside them.
fn payload(name: &str, ts: f64, instance: &str, told: &Told) -> Value {
    let mut payload = json!({
        "worker": name,
        "ts": ts,
        "instance": instance,
        "version": env!("CARGO_PKG_VERSION"),
        "ticks": told.ticks,
        "errors": told.errors,
    });
    if let (Some(fields), Some(last)) = (payload.as_object_mut(), &told.last_tick) {
        fields.insert("last_tick_at".to_owned(), json!(last.at as f64 / 1e6));
        fields.insert("last_tick_ms".to_owned(), json!(last.milliseconds));
        fields.insert("rows_read".to_owned(), json!(last.rows_read));
        fields.insert("changes".to_owned(), json!(last.committed));
    }
    if let (Some(fields), Some(last)) = (payload.as_object_mut(), &told.last_error) {
        fields.insert("last_error".to_owned(), json!(last.why));
    }
    payload
}
