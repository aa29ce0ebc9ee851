//! One connection of the broker: what it says is done, what it subscribed to is sent.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;

use super::hub::Hub;
use crate::bus::envelope::Published;
use crate::bus::queue::{Queue, Taken};
use crate::bus::wire::{Packet, Reader, Verb, WireError};

/// What a connection may use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) patterns_max: usize,
    pub(super) packet_within: Duration,
}

/// Why a connection is closed that did not close itself.
#[derive(Debug, thiserror::Error)]
enum Violation {
    #[error("a packet: {0}")]
    Packet(#[from] WireError),
    #[error("an EVT, which only a broker sends")]
    Event,
    #[error("{0} with nothing behind it")]
    NoArgs(Verb),
    #[error("the body of a PUB under {topic:?} is not the JSON object that it has to be: {error}")]
    Body { topic: String, error: serde_json::Error },
    #[error("more than {0} patterns (patterns-max)")]
    Patterns(usize),
}

/// Serves a connection until it ends.
pub(super) async fn serve(stream: UnixStream, hub: Arc<Hub>, limits: Limits) {
    let (number, outbound) = hub.join();
    tracing::debug!(connection = number, "connected");
    let (read, write) = stream.into_split();
    let ended = tokio::select! {
        heard = hear(read, number, &hub, limits) => heard,
        () = send(write, number, &outbound) => Ok(()),
    };
    let name = hub.name_of(number);
    hub.leave(number);
    match ended {
        Ok(()) => tracing::debug!(connection = number, ?name, "ended"),
        // Somebody left without reading what was his, as every client does that is killed.
        Err(Violation::Packet(WireError::Socket(error))) => {
            tracing::debug!(connection = number, ?name, %error, "ended");
        }
        Err(why) => tracing::warn!(connection = number, ?name, %why, "closed a connection"),
    }
}

/// Does what a connection asks for, until it says BYE or goes.
async fn hear(
    from: impl AsyncRead + Unpin,
    number: u64,
    hub: &Hub,
    limits: Limits,
) -> Result<(), Violation> {
    let mut reader = Reader::new(from, limits.packet_within);
    while let Some(Packet { verb, args, body }) = reader.next().await? {
        match verb {
            Verb::Hello => hub.name(number, &args),
            Verb::Pub | Verb::Sub if args.is_empty() => return Err(Violation::NoArgs(verb)),
            Verb::Pub => publish(number, hub, args, &body)?,
            Verb::Sub => {
                if hub.subscribe(number, args) > limits.patterns_max {
                    return Err(Violation::Patterns(limits.patterns_max));
                }
            }
            Verb::Unsub => hub.unsubscribe(number, &args),
            Verb::Evt => return Err(Violation::Event),
            Verb::Bye => return Ok(()),
        }
    }
    Ok(())
}

fn publish(number: u64, hub: &Hub, topic: String, body: &Bytes) -> Result<(), Violation> {
    match Published::read(body) {
        Ok(published) => {
            hub.publish(number, &topic, &published.kind, &published.payload);
            Ok(())
        }
        Err(error) => Err(Violation::Body { topic, error }),
    }
}

/// Sends what the queue has, until it is closed and empty or the other side is gone.
async fn send(mut to: impl AsyncWrite + Unpin, number: u64, outbound: &Queue<Bytes>) {
    while let Some(taken) = outbound.take().await {
        match taken {
            Taken::Item(packet) => {
                if let Err(error) = to.write_all(&packet).await {
                    tracing::debug!(connection = number, %error, "cannot be written to");
                    return;
                }
            }
            Taken::Dropped(count) => {
                tracing::warn!(
                    connection = number,
                    count,
                    "reads again; so many events went before"
                );
            }
        }
    }
}
