//! From an event on the bus to the result on the bus: broker, daemon and hearer are processes of their own.
//!
//! The database has many attackers who are all looked at already. Again and again one more comes, is written as
//! ingest does it, and is announced; the clock runs from the announcement until an event names its identity. The
//! daemon looks by itself so seldom that only the bus can be what woke it, and it is idle before each event:
//! what a result sets off in other correlators is work, too.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use corral::bus::client::{Client, ClientSettings, Events, Signal};
use corral::clock::{Clock, SystemClock};
use corral::config::BusConfig;
use corral::store::Store;
use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};

use super::population::{self, attacker};
use super::process::{Served, broker, corral};
use crate::tick::BUSY;

/// Events that are timed, after some that are not.
const EVENTS: u32 = 60;
const WARM_UP: u32 = 5;
/// How long an event may take until something must be wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was measured.
pub(super) struct Latency {
    /// Seconds of each event, ascending.
    pub(super) took: Vec<f64>,
    /// Megabytes that the daemon had at most, all correlators together.
    pub(super) peak: f64,
}

/// Takes the time of events, among so many attackers in a database of that name.
pub(super) async fn measure(folder: &Path, database: &Path, attackers: u32) -> Result<Latency> {
    correlate(database).await?;
    let (broker, socket) = broker(folder)?;
    let mut hearer = Hearer::connect(&socket).await?;
    let socket = socket.display().to_string();
    let variables = [
        ("CORRAL_BUS_SOCKET", socket.as_str()),
        ("CORRAL_SERVE_WATCH_MILLISECONDS", "3600000"),
        ("CORRAL_SERVE_POLL_SECONDS", "3600"),
    ];
    let served = Served::start(folder, database, &variables)?;
    let store = Store::open(&format!("sqlite://{}", database.display()), BUSY).await?;
    let clock = SystemClock::start();
    let mut took = Vec::new();
    for event in 0..WARM_UP + EVENTS {
        served.idle().await?;
        let one = attacker(attackers + event, attackers);
        let uuid = one.uuid.clone();
        store.record(&population::batch(&[one]), clock.now()).await?;
        let seconds = hearer.announce(&uuid).await?;
        if event >= WARM_UP {
            took.push(seconds);
        }
    }
    took.sort_by(f64::total_cmp);
    served.idle().await?;
    let peak = served.process.memory("VmHWM")?;
    store.close().await;
    served.process.stop()?;
    broker.stop()?;
    Ok(Latency { took, peak })
}

/// Has everything looked at, so that the daemon has nothing to catch up with, and nothing to tell.
async fn correlate(database: &Path) -> Result<()> {
    ensure!(corral(database).arg("run").status()?.success(), "corral run failed");
    let url = format!("sqlite://{}", database.display());
    let mut connection = SqliteConnection::connect(&url).await?;
    sqlx::raw_sql("DELETE FROM corral_outbox").execute(&mut connection).await?;
    Ok(connection.close().await?)
}

/// Somebody on the bus.
struct Hearer {
    client: Client,
    events: Events,
}

impl Hearer {
    async fn connect(socket: &Path) -> Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let config = BusConfig { name: "bench".to_owned(), ..BusConfig::default() };
        let patterns = ["identity.formed", "identity.observation.linked"].map(str::to_owned);
        let settings = ClientSettings::new(&config, vec![socket.to_owned()], patterns.to_vec());
        let (client, events) = Client::start(settings, clock)?;
        let mut hearer = Self { client, events };
        while !matches!(hearer.next().await?, Signal::Connected) {}
        Ok(hearer)
    }

    async fn next(&mut self) -> Result<Signal> {
        match tokio::time::timeout(PATIENCE, self.events.next()).await? {
            Some(signal) => Ok(signal),
            None => bail!("the bus is gone"),
        }
    }

    /// Seconds from the announcement of an attacker until an event names it.
    async fn announce(&mut self, uuid: &str) -> Result<f64> {
        let started = Instant::now();
        let payload = json!({"attacker_uuid": uuid});
        self.client.publish("attacker.observed", "observed", &payload).await?;
        loop {
            match self.next().await? {
                Signal::Event(event) if names(&event.payload, uuid) => {
                    return Ok(started.elapsed().as_secs_f64());
                }
                Signal::Event(_) | Signal::Connected => {}
                Signal::Missed(count) => bail!("{count} events were missed"),
                Signal::Disconnected { why } => bail!("the bus is gone: {why}"),
            }
        }
    }
}

/// Whether an event is about an attacker that formed an identity or joined one.
fn names(payload: &Value, uuid: &str) -> bool {
    let formed = payload["observation_uuids"].as_array();
    payload["observation_uuid"] == uuid
        || formed.is_some_and(|members| members.iter().any(|member| member == uuid))
}
