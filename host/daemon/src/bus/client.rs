//! One connection to the bus, kept for ever.
//!
//! A task of its own connects, says HELLO, subscribes to all patterns, and when the connection ends does it
//! all again, after a pause that grows from a quarter of a second to five and shrinks again once a connection
//! has lasted. Nothing but [`Client::close`] ends it, or nobody being left who could publish.
//!
//! What it hears goes through a bounded queue to [`Events`]. Whoever reads them learns of every way in which
//! an event can get lost: [`Signal::Connected`] after a time without a connection, and [`Signal::Missed`] when
//! the queue ran over; after either a hearer makes a full pass, since the database is the truth.
//!
//! Reading and writing go on at the same time and share nothing, so a broker that does not read cannot keep
//! us from hearing it; and writing has a deadline, so it cannot keep us at all.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use self::link::{Command, Link};
use super::envelope::{self, Envelope};
use super::queue::{Bounds, Queue, Taken};
use super::wire::{self, Verb, WireError};
use crate::clock::Clock;
use crate::config::BusConfig;

mod link;

/// Publications that wait for the connection; whoever comes then waits to be let in.
const COMMANDS_MAX: usize = 64;

/// How a client connects, and what it wants to hear.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// Sockets in the order in which they are tried; the first that answers is it.
    pub sockets: Vec<PathBuf>,
    /// The name it gives.
    pub name: String,
    /// The patterns it subscribes to.
    pub patterns: Vec<String>,
    /// What is kept for a hearer who is slow.
    pub queue: Bounds,
    /// The time in which a packet that has begun has to arrive.
    pub packet_within: Duration,
    /// The time in which the broker has to take a packet.
    pub write_within: Duration,
}

impl ClientSettings {
    /// The settings that the config has.
    pub fn new(config: &BusConfig, sockets: Vec<PathBuf>, patterns: Vec<String>) -> Self {
        Self {
            sockets,
            name: config.name.clone(),
            patterns,
            queue: Bounds::new(config),
            packet_within: Duration::from_secs(config.packet_seconds),
            write_within: Duration::from_secs(config.write_seconds),
        }
    }

    /// All that is said once the connection is there.
    fn greeting(&self) -> Result<Bytes, WireError> {
        let mut greeting = BytesMut::from(&wire::encode(Verb::Hello, &self.name, b"")?[..]);
        for pattern in &self.patterns {
            if pattern.is_empty() {
                return Err(WireError::Args(String::new()));
            }
            greeting.extend_from_slice(&wire::encode(Verb::Sub, pattern, b"")?);
        }
        Ok(greeting.freeze())
    }
}

/// What a hearer hears.
#[derive(Clone, Debug, PartialEq)]
pub enum Signal {
    /// The connection is there and subscribed. What was published before was not heard.
    Connected,
    /// The connection ended, or the first attempt at one failed; another is being made.
    Disconnected {
        /// Why, with the socket's path.
        why: String,
    },
    /// Something happened.
    Event(Envelope),
    /// The hearer was too slow, and so many signals before this one are gone.
    Missed(u64),
}

/// Why an event was not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// There is no connection; [`Signal::Disconnected`] said why.
    #[error("the bus is not connected")]
    NotConnected,
    /// The connection ended while the packet was written; nobody knows whether it arrived.
    #[error("the connection to the bus ended while the event was written: {why}")]
    Lost {
        /// What ended it.
        why: String,
    },
    /// The envelope is too long for the bus. Nothing was written.
    #[error("an event under {topic} takes {bytes} bytes, and {limit} are the bus's limit")]
    TooLarge {
        /// Its topic.
        topic: String,
        /// Its size with the envelope.
        bytes: usize,
        /// The most that a body may have.
        limit: usize,
    },
    /// The topic cannot stand in a header. Nothing was written.
    #[error("topic")]
    Topic(#[source] WireError),
    /// The payload has no JSON form. Nothing was written.
    #[error("write an event's payload")]
    Payload(#[source] serde_json::Error),
    /// The client was closed.
    #[error("the bus's client was closed")]
    Closed,
}

/// A handle of the connection; clones share it.
#[derive(Clone, Debug)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    is_connected: Arc<AtomicBool>,
    clock: Arc<dyn Clock>,
}

/// What the connection hears.
#[derive(Debug)]
pub struct Events {
    heard: Arc<Queue<Heard>>,
}

/// A signal as it waits in the queue: events are read when somebody takes them, since read they are many
/// times as large.
#[derive(Debug)]
enum Heard {
    Connected,
    Disconnected { why: String },
    Event { topic: String, body: Bytes },
}

impl Client {
    /// Starts the task that connects. It needs a tokio runtime around it.
    ///
    /// # Errors
    /// [`WireError`] if the name or a pattern cannot stand in a header, or a pattern is empty.
    pub fn start(
        settings: ClientSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Events), WireError> {
        let greeting = settings.greeting()?;
        let (commands, receiver) = mpsc::channel(COMMANDS_MAX);
        let heard = Arc::new(Queue::new(settings.queue));
        let is_connected = Arc::new(AtomicBool::new(false));
        let link = Link {
            settings,
            greeting,
            heard: heard.clone(),
            is_connected: is_connected.clone(),
            clock: clock.clone(),
        };
        // The task ends with its last handle, so nobody has to hold on to it.
        let _task = tokio::spawn(link.keep(receiver));
        Ok((Self { commands, is_connected, clock }, Events { heard }))
    }

    /// Publishes an event: `kind` is its type, usually [`super::kind_of`] its topic.
    ///
    /// `Ok` means that all of it was written to the broker. A future that is dropped before may leave it
    /// published.
    ///
    /// # Errors
    /// [`PublishError`]; all but `Lost` mean that nothing was written.
    pub async fn publish(
        &self,
        topic: &str,
        kind: &str,
        payload: &(impl Serialize + ?Sized),
    ) -> Result<(), PublishError> {
        let body = envelope::write(topic, kind, self.clock.now(), payload)
            .map_err(PublishError::Payload)?;
        if topic.is_empty() {
            return Err(PublishError::Topic(WireError::Args(String::new())));
        }
        let packet = wire::encode(Verb::Pub, topic, &body).map_err(|error| match error {
            WireError::LongBody { bytes } => PublishError::TooLarge {
                topic: topic.to_owned(),
                bytes,
                limit: wire::BODY_BYTES_MAX,
            },
            error => PublishError::Topic(error),
        })?;
        if !self.is_connected() && !self.commands.is_closed() {
            return Err(PublishError::NotConnected);
        }
        let (done, written) = oneshot::channel();
        let command = Command::Publish { packet, done };
        self.commands.send(command).await.map_err(|_| PublishError::Closed)?;
        let lost = || PublishError::Lost { why: "the broker went".to_owned() };
        written.await.unwrap_or_else(|_| Err(lost()))
    }

    /// Whether there is a connection now; the next moment there may be none.
    pub fn is_connected(&self) -> bool {
        self.is_connected.load(Ordering::Acquire)
    }

    /// Says BYE and ends the connection, for all handles. What waits in [`Events`] can still be read.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.commands.send(Command::Close { done }).await.is_ok() {
            // An error would mean that the task has ended, which is what we wait for.
            let _ended = closed.await;
        }
    }
}

impl Events {
    /// The next signal; waits for one. Nothing once the client is closed and all was heard.
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Signal> {
        Some(match self.heard.take().await? {
            Taken::Dropped(count) => Signal::Missed(count),
            Taken::Item(Heard::Connected) => Signal::Connected,
            Taken::Item(Heard::Disconnected { why }) => Signal::Disconnected { why },
            Taken::Item(Heard::Event { topic, body }) => {
                Signal::Event(Envelope::read(topic, &body))
            }
        })
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.heard.abandon();
    }
}
