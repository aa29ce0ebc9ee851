//! The daemon on the bus: events out, hints and orders in, heartbeats of those who are well.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::Duration;

use corral::bus::client::{Client, ClientSettings, Events, Signal};
use corral::clock::{Clock, SystemClock};
use corral::config::BusConfig;
use serde_json::{Value, json};

use super::process::Served;
use crate::desk::Desk;

/// A broker's process at a desk; it is killed when the test ends.
pub(super) struct Broker(Child);

impl Broker {
    pub(super) fn start(desk: &Desk) -> Self {
        let socket = desk.path("bus.sock");
        let mut command = desk.command(&["bus", "--socket", socket.to_str().unwrap()]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
        Self(child)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

/// Somebody who hears everything.
pub(super) struct Hearer {
    pub(super) client: Client,
    events: Events,
}

impl Hearer {
    pub(super) async fn start(desk: &Desk) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let config = BusConfig { name: "hearer".to_owned(), ..BusConfig::default() };
        let settings =
            ClientSettings::new(&config, vec![desk.path("bus.sock")], vec![">".to_owned()]);
        let (client, events) = Client::start(settings, clock).unwrap();
        let mut hearer = Self { client, events };
        while hearer.next().await != Signal::Connected {}
        hearer
    }

    async fn next(&mut self) -> Signal {
        let patience = Duration::from_secs(120);
        tokio::time::timeout(patience, self.events.next()).await.unwrap().unwrap()
    }

    /// Hears until something was heard, and gives everything up to that.
    pub(super) async fn until(
        &mut self,
        is_it: impl Fn(&str, &Value) -> bool,
    ) -> Vec<(String, Value)> {
        let mut heard = Vec::new();
        loop {
            match self.next().await {
                Signal::Event(event) => {
                    let ended = is_it(&event.topic, &event.payload);
                    heard.push((event.topic, event.payload));
                    if ended {
                        return heard;
                    }
                }
                Signal::Missed(count) => unreachable!("{count} events came too fast"),
                Signal::Connected | Signal::Disconnected { .. } => {}
            }
        }
    }
}

fn on_the_bus<'d>(desk: &'d Desk, arguments: &[&str]) -> Served<'d> {
    let socket = desk.path("bus.sock");
    Served::start_with(desk, arguments, &[("CORRAL_BUS_SOCKET", socket.to_str().unwrap())])
}

#[tokio::test]
async fn every_change_is_announced_and_a_hint_is_looked_at_at_once() {
    let desk = Desk::new();
    let _broker = Broker::start(&desk);
    let mut hearer = Hearer::start(&desk).await;
    // It would not look by itself before the test is long over.
    desk.write("corral.toml", "[serve]\nwatch-milliseconds = 3600000\npoll-seconds = 3600\n");
    let served = on_the_bus(&desk, &["--config", "corral.toml"]);
    served.wait_until_on_duty();
    desk.generate(60);
    desk.succeed(&["ingest", "cowrie", "logs"]);
    hearer.client.publish("attacker.observed", "observed", &json!({})).await.unwrap();
    let heard = hearer.until(|topic, _| topic == "credential.reuse.detected").await;
    served.wait_until_settled();
    let mut topics: BTreeSet<String> = heard.into_iter().map(|(topic, _)| topic).collect();
    hearer.client.publish("test.end", "end", &json!({})).await.unwrap();
    served.wait("an empty outbox", |status| status["bus"]["waiting"] == 0);
    served.stop();
    let mut formed = 0;
    // BYE comes last: what was published before was heard before.
    while let Ok(Some(signal)) =
        tokio::time::timeout(Duration::from_secs(2), hearer.events.next()).await
    {
        if let Signal::Event(event) = signal {
            formed += usize::from(event.topic == "identity.formed");
            topics.insert(event.topic);
        }
    }
    for topic in ["identity.formed", "campaign.formed", "attribution.profile.state_changed"] {
        assert!(topics.contains(topic), "{topic}: {topics:?}");
    }
    assert!(formed > 0 || topics.contains("identity.formed"));
}

#[tokio::test]
async fn heartbeats_are_of_those_who_are_well_and_an_order_is_for_one() {
    let desk = Desk::with_logs();
    let _broker = Broker::start(&desk);
    let mut hearer = Hearer::start(&desk).await;
    let served = on_the_bus(&desk, &[]);
    served.wait_until_settled();
    let health = |name: &str| format!("system.{name}.health");
    let mut beats = BTreeMap::new();
    for name in ["clusterer", "campaign-clusterer", "attribution", "reuse-correlator"] {
        let wanted = health(name);
        if beats.contains_key(&wanted) {
            continue;
        }
        beats.extend(hearer.until(|topic, _| topic == wanted).await);
    }
    for name in ["clusterer", "campaign-clusterer", "attribution", "reuse-correlator"] {
        let beat = &beats[&health(name)];
        assert_eq!(beat["worker"], name);
        assert!(beat["ts"].as_f64().unwrap() > 1.7e9);
        assert!(beat["instance"].as_str().unwrap().contains("process"), "{beat}");
    }
    let stop = json!({"action": "stop", "requested_by": "operator", "ts": 0.0});
    hearer.client.publish("system.reuse-correlator.control", "control", &stop).await.unwrap();
    let status = served.wait("a correlator that is stopped", |status| {
        status["workers"]["reuse-correlate"]["state"] == "stopped"
    });
    assert_eq!(status["workers"]["clusterer"]["state"], "idle");
    for nonsense in [json!("stop"), json!({"action": 7}), json!({"action": "dance"}), json!([])] {
        hearer.client.publish("system.clusterer.control", "control", &nonsense).await.unwrap();
    }
    let start = json!({"action": "start"});
    hearer.client.publish("system.reuse-correlator.control", "control", &start).await.unwrap();
    served.wait("a correlator that goes on", |status| {
        status["workers"]["reuse-correlate"]["state"] == "idle"
    });
    assert_eq!(served.worker("clusterer")["state"], "idle");
    served.stop();
}

#[tokio::test]
async fn events_wait_for_a_broker_that_comes_later_and_none_is_lost() {
    let desk = Desk::with_logs();
    let served = on_the_bus(&desk, &[]);
    served.wait_until_settled();
    let status = served.status().unwrap();
    assert_eq!(status["bus"]["is_connected"], false);
    assert!(status["bus"]["trouble"].as_str().unwrap().contains("bus.sock"), "{status:#}");
    let waiting = status["bus"]["waiting"].as_u64().unwrap();
    assert!(waiting > 0);
    let broker = Broker::start(&desk);
    // Whoever comes after the daemon may miss some; the daemon's own count is what it gave to the broker.
    served.wait("an empty outbox", |status| status["bus"]["waiting"] == 0);
    assert_eq!(served.status().unwrap()["bus"]["published"].as_u64().unwrap(), waiting);
    drop(broker);
    served.wait("a bus that is gone", |status| status["bus"]["is_connected"] == false);
    let _broker = Broker::start(&desk);
    served.wait("a bus that is back", |status| status["bus"]["is_connected"] == true);
    served.stop();
}
