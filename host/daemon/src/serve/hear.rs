//! What the bus says: hints that something may be new, orders to workers, heartbeats of others.

use super::Daemon;
use crate::bus::client::{Events, Signal};
use crate::bus::envelope::Envelope;
use crate::config::Owner;

/// A correlator and the name under which DECNET's API knows it.
const KNOWN_AS: [(&str, &str); 1] = [("reuse-correlate", "reuse-correlator")];
/// The workers whose work this daemon does: whoever sends the heartbeat of one writes the same rows.
const REPLACED: [&str; 4] = ["clusterer", "campaign-clusterer", "attribution", "reuse-correlator"];

/// The name on the bus of a correlator.
pub(super) fn worker_name(plugin: &str) -> &str {
    KNOWN_AS.iter().find(|(name, _)| *name == plugin).map_or(plugin, |(_, known)| known)
}

/// Listens until it is dropped.
pub(super) async fn hear(daemon: &Daemon, mut events: Events) -> &'static str {
    while let Some(signal) = events.next().await {
        match signal {
            Signal::Connected => {
                tracing::info!("the bus is connected");
                daemon.note(|noted| noted.bus = None);
                daemon.bus_ready.notify_one();
                // Nobody knows what was said meanwhile.
                daemon.hint.notify_one();
            }
            Signal::Disconnected { why } => {
                // The client has logged it.
                daemon.note(|noted| noted.bus = Some(why));
            }
            Signal::Missed(count) => {
                tracing::warn!(
                    count,
                    "events of the bus were missed; the database is looked through"
                );
                daemon.hint.notify_one();
            }
            Signal::Event(event) => take(daemon, &event),
        }
    }
    "bus"
}

fn take(daemon: &Daemon, event: &Envelope) {
    let system = event.topic.strip_prefix("system.").and_then(|rest| rest.rsplit_once('.'));
    match system {
        // Our own do not come back: a broker sends nobody his own events.
        Some((worker, "health")) => {
            let is_shared = daemon.config(|config| config.store.owner) == Owner::Decnet;
            if is_shared && REPLACED.contains(&worker) {
                daemon.tenure.heard().heartbeat(worker, daemon.clock.elapsed());
            }
        }
        Some((worker, "control")) => order(daemon, worker, event),
        Some(_) => {}
        None => daemon.hint.notify_one(),
    }
}

/// Stops one worker, or starts it again; the others go on.
fn order(daemon: &Daemon, name: &str, event: &Envelope) {
    let text = |key: &str| event.payload.get(key).and_then(|value| value.as_str());
    let mut workers = daemon.crew.workers().into_iter();
    let Some((_, worker)) = workers.find(|(plugin, _)| worker_name(plugin) == name) else {
        return;
    };
    let by = text("requested_by").unwrap_or("somebody");
    match text("action") {
        Some("stop") => {
            tracing::info!(worker = name, by, "stopped over the bus");
            worker.hold(|held| held.by_order = true);
        }
        Some("start") => {
            tracing::info!(worker = name, by, "started over the bus");
            worker.hold(|held| held.by_order = false);
        }
        action => tracing::debug!(worker = name, ?action, "an order that nobody understands"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correlators_are_known_to_decnet_by_its_own_names() {
        let plugins = ["clusterer", "campaign-clusterer", "attribution", "reuse-correlate"];
        assert_eq!(plugins.map(worker_name), REPLACED);
        assert_eq!(worker_name("another"), "another");
    }
}
