//! The broker: takes what clients publish to those who subscribed to it, as DECNET's does.
//!
//! An event goes at most once to a connection and never back to the one it came from. The broker makes the
//! envelope, so an id and a time can be trusted; it answers nothing, and closes a connection that breaks the
//! protocol. Each connection is a task with a bounded queue: one that is slow loses its oldest events, one
//! that lies or dies takes nobody with it, and none can hold memory for a packet that never ends. When the
//! process runs out of descriptors, newcomers wait and everybody else goes on.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use self::connection::Limits;
use self::hub::Hub;
use super::queue::Bounds;
use super::{envelope, kind_of};
use crate::clock::Clock;
use crate::config::BusConfig;
use crate::socket::{Socket, SocketError};

mod connection;
mod hub;

/// The topic under which the broker says that it lives.
const HEALTH: &str = "system.bus.health";

/// How often it does.
const HEALTH_EVERY: Duration = Duration::from_secs(10);

/// The pause after no connection could be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The time that connections have, when the broker stops, to take what is still theirs.
const DRAIN_WITHIN: Duration = Duration::from_secs(1);

/// Where a broker listens, and what its clients may use.
#[derive(Clone, Debug)]
pub struct BrokerSettings {
    /// The places for the socket: the first whose folder is there and may be written.
    pub sockets: Vec<PathBuf>,
    /// The group that may connect; one that does not exist, or that we may not give to, is no error.
    pub group: Option<String>,
    /// Connections at one time; more are closed at once.
    pub connections_max: usize,
    /// Patterns of one connection.
    pub patterns_max: usize,
    /// What is kept for a connection that is slow.
    pub queue: Bounds,
    /// The time in which a packet that has begun has to arrive.
    pub packet_within: Duration,
    /// How often the broker says that it lives.
    pub health_every: Duration,
}

impl BrokerSettings {
    /// The settings that the config has.
    pub fn new(config: &BusConfig) -> Self {
        Self {
            sockets: config.sockets(),
            group: Some(config.group.clone()).filter(|group| !group.is_empty()),
            connections_max: config.connections_max,
            patterns_max: config.patterns_max,
            queue: Bounds::new(config),
            packet_within: Duration::from_secs(config.packet_seconds),
            health_every: HEALTH_EVERY,
        }
    }
}

/// A broker that listens; [`Broker::run`] makes it answer.
#[derive(Debug)]
pub struct Broker {
    socket: Socket,
    settings: BrokerSettings,
    clock: Arc<dyn Clock>,
}

impl Broker {
    /// Listens: takes the place of a socket that nobody answers on any more, never of a living one.
    ///
    /// # Errors
    /// [`SocketError`], with the path and a remedy.
    pub async fn bind(
        settings: BrokerSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SocketError> {
        let socket = Socket::bind(&settings.sockets, settings.group.as_deref(), "a broker").await?;
        Ok(Self { socket, settings, clock })
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        self.socket.path()
    }

    /// Serves until `stop` is there; then says BYE to everybody, gives them a second to take what is
    /// theirs, and removes the socket.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let Self { socket, settings, clock } = self;
        let limits =
            Limits { patterns_max: settings.patterns_max, packet_within: settings.packet_within };
        let mut serving = Serving {
            hub: Arc::new(Hub::new(settings.queue, clock.clone())),
            limits,
            connections: JoinSet::new(),
            connections_max: settings.connections_max,
            is_full: false,
        };
        let mut health = tokio::time::interval(settings.health_every);
        health.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick is now, when nobody is there yet.
        health.tick().await;
        let began = clock.elapsed();
        let mut is_short = false;
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                stream = accept(&socket, &mut is_short) => serving.welcome(stream),
                _ = health.tick() => serving.say_alive(&*clock, began),
                Some(_) = serving.connections.join_next() => {}
            }
        }
        drop(socket);
        serving.finish().await;
    }
}

/// The next connection. Whatever keeps us from accepting one (no descriptors are left, most often) may be
/// over soon, and whoever is connected already does not care. It is told once, so `is_short` remembers.
async fn accept(socket: &Socket, is_short: &mut bool) -> UnixStream {
    loop {
        match socket.accept().await {
            Ok(stream) => {
                *is_short = false;
                return stream;
            }
            Err(error) if *is_short => {
                tracing::debug!(%error, "still no connection can be accepted");
            }
            Err(error) => tracing::warn!(%error, "no connection can be accepted; newcomers wait"),
        }
        *is_short = true;
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

/// That the broker lives, with its fields in DECNET's order.
#[derive(Serialize)]
struct Alive {
    pid: u32,
    uptime_sec: f64,
    ts: f64,
}

/// A broker at work.
struct Serving {
    hub: Arc<Hub>,
    limits: Limits,
    connections: JoinSet<()>,
    connections_max: usize,
    is_full: bool,
}

impl Serving {
    /// Serves a new connection, or closes it where there are too many.
    fn welcome(&mut self, stream: UnixStream) {
        while self.connections.try_join_next().is_some() {}
        let was_full = self.is_full;
        self.is_full = self.connections.len() >= self.connections_max;
        if !self.is_full {
            let serve = connection::serve(stream, self.hub.clone(), self.limits);
            let _handle = self.connections.spawn(serve);
        } else if was_full {
            tracing::debug!("one connection more than connections-max: closed");
        } else {
            tracing::warn!(
                connections_max = self.connections_max,
                "there are as many connections as there may be: newcomers are closed until one ends"
            );
        }
    }

    fn say_alive(&self, clock: &dyn Clock, began: Duration) {
        let uptime = clock.elapsed().saturating_sub(began).as_millis();
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of a process's life are few")]
        let uptime_sec = uptime as f64 / 1e3;
        let ts = envelope::seconds(clock.now());
        let alive = Alive { pid: std::process::id(), uptime_sec, ts };
        self.hub.announce(HEALTH, kind_of(HEALTH), &alive);
    }

    async fn finish(mut self) {
        self.hub.close();
        let drained = async { while self.connections.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN_WITHIN, drained).await.is_err() {
            tracing::warn!(
                connections = self.connections.len(),
                "some connections did not take what was theirs; closed all the same"
            );
        }
        self.connections.shutdown().await;
    }
}
