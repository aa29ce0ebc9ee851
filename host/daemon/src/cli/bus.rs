//! `corral bus`: a broker for those who have no DECNET; and two aids to see what passes on a bus.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use super::{Context, Exit, Failure, output};
use crate::bus::broker::{Broker, BrokerSettings};
use crate::bus::client::{Client, ClientSettings, Events, PublishError, Signal};
use crate::bus::kind_of;
use crate::clock::Clock;

/// How long `--publish` waits for a broker to be there.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// Carry events between DECNET's services and ours: a broker on a UNIX socket, until SIGTERM or SIGINT
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes: 0 stopped by a signal, or the event is published; 2 wrong usage or config, or the JSON is none; \
8 another broker listens there, the socket cannot be made, or no broker is there to publish to")]
pub(crate) struct Args {
    /// The socket [default: bus.socket of the config, /run/decnet/bus.sock, or ~/.decnet/bus.sock]
    #[arg(long, value_name = "PATH")]
    socket: Option<String>,
    /// The group that may connect [default: bus.group of the config]
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// Be no broker but print events, a JSON line each, that match any of these patterns, e.g. '>'
    #[arg(long, value_name = "PATTERN", num_args = 1.., conflicts_with_all = ["publish", "group"])]
    listen: Vec<String>,
    /// Be no broker but publish one event
    #[arg(long, value_names = ["TOPIC", "JSON"], num_args = 2, conflicts_with = "group")]
    publish: Vec<String>,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let mut config = context.config.bus.clone();
    if let Some(socket) = args.socket {
        config.socket = socket;
    }
    if let Some(group) = args.group {
        config.group = group;
    }
    let stop = stop_signal()?;
    let clock: Arc<dyn Clock> = context.clock.clone();
    if args.listen.is_empty() && args.publish.is_empty() {
        let broker = Broker::bind(BrokerSettings::new(&config), clock)
            .await
            .map_err(|error| Failure::new(Exit::Bus, error))?;
        if !context.quiet {
            output::error(&format!("listening on {}", broker.socket().display()));
        }
        broker.run(stop).await;
        return Ok(());
    }
    let publication = publication(&args.publish)?;
    let settings = ClientSettings::new(&config, config.sockets(), args.listen);
    let (client, mut events) =
        Client::start(settings, clock).map_err(|error| Failure::new(Exit::Usage, error))?;
    let done = async {
        match publication {
            Some((topic, payload)) => publish(&client, &mut events, topic, &payload).await,
            None => {
                listen(&mut events, context.quiet).await;
                Ok(())
            }
        }
    };
    let done = tokio::select! {
        done = done => done,
        () = stop => Ok(()),
    };
    client.close().await;
    done
}

/// Waits for SIGTERM or SIGINT, which are heard from now on.
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Prints what it hears until nobody reads it any more.
async fn listen(events: &mut Events, quiet: bool) {
    let remark = |text: String| {
        if !quiet {
            output::error(&text);
        }
    };
    while let Some(signal) = events.next().await {
        match signal {
            Signal::Connected => remark("connected".to_owned()),
            Signal::Disconnected { why } => {
                remark(format!("not connected, trying again: {}", output::printable(&why)));
            }
            Signal::Missed(count) => output::error(&format!("too slow: {count} events are lost")),
            Signal::Event(event) => {
                let line = json!({
                    "topic": event.topic,
                    "type": event.kind,
                    "id": event.id,
                    "ts": event.ts,
                    "payload": event.payload,
                });
                if !output::line_of_many(&line.to_string()) {
                    return;
                }
            }
        }
    }
}

/// The topic and the payload of `--publish`.
fn publication(words: &[String]) -> Result<Option<(&str, Value)>, Failure> {
    let [topic, json] = words else { return Ok(None) };
    let payload = serde_json::from_str(json)
        .with_context(|| format!("the JSON to publish, {json:?}"))
        .map_err(|error| Failure::new(Exit::Usage, error))?;
    Ok(Some((topic, payload)))
}

/// Publishes one event as soon as there is a connection.
async fn publish(
    client: &Client,
    events: &mut Events,
    topic: &str,
    payload: &Value,
) -> Result<(), Failure> {
    let no_broker = |why: &str| Failure::new(Exit::Bus, anyhow!("no broker to publish to: {why}"));
    match tokio::time::timeout(CONNECT_WITHIN, events.next()).await {
        Ok(Some(Signal::Disconnected { why })) => return Err(no_broker(&why)),
        Ok(Some(_)) => {}
        Ok(None) | Err(_) => return Err(no_broker("it does not answer")),
    }
    client.publish(topic, kind_of(topic), payload).await.map_err(|error| {
        let code = match error {
            PublishError::NotConnected | PublishError::Lost { .. } | PublishError::Closed => {
                Exit::Bus
            }
            _ => Exit::Usage,
        };
        Failure::new(code, error)
    })
}
