//! The task behind a client: it connects, speaks, hears, and begins again.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::{mpsc, oneshot};

use super::{ClientSettings, Heard, PublishError};
use crate::bus::queue::{Put, Queue};
use crate::bus::wire::{self, Reader, Verb};
use crate::clock::Clock;

/// The pause before the second attempt; each further one is twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(250);

/// The longest pause. A connection that lasts as long starts the count anew.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What a handle asks of the task.
#[derive(Debug)]
pub(super) enum Command {
    /// Write this, and say when it is written.
    Publish {
        /// All of it.
        packet: Bytes,
        /// Who waits for it.
        done: oneshot::Sender<Result<(), PublishError>>,
    },
    /// Say BYE and end.
    Close {
        /// Who waits for it.
        done: oneshot::Sender<()>,
    },
}

/// Who waits for the end; nobody if all handles went.
type Closed = Option<oneshot::Sender<()>>;

/// The connection, over all its ends.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) settings: ClientSettings,
    pub(super) greeting: Bytes,
    pub(super) heard: Arc<Queue<Heard>>,
    pub(super) is_connected: Arc<AtomicBool>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Link {
    /// Keeps the connection until somebody closes it.
    pub(super) async fn keep(self, mut commands: mpsc::Receiver<Command>) {
        let mut pause = PAUSE_MIN;
        let mut is_first = true;
        let closed = loop {
            let why = match self.connect().await {
                Ok((stream, socket)) => {
                    let began = self.clock.elapsed();
                    let ended = self.converse(stream, &mut commands).await;
                    if self.clock.elapsed().saturating_sub(began) >= PAUSE_MAX {
                        pause = PAUSE_MIN;
                    }
                    match ended {
                        ControlFlow::Continue(why) => Some(format!("{}: {why}", socket.display())),
                        ControlFlow::Break(closed) => break closed,
                    }
                }
                // Told once: the attempts that follow fail alike.
                Err(why) if is_first => Some(why),
                Err(why) => {
                    tracing::debug!(why, "the bus is still not there");
                    None
                }
            };
            is_first = false;
            if let Some(why) = why {
                tracing::warn!(why, "the bus is not connected; trying again");
                self.hear(0, Heard::Disconnected { why });
            }
            if let ControlFlow::Break(closed) = refuse(&mut commands, pause).await {
                break closed;
            }
            pause = (2 * pause).min(PAUSE_MAX);
        };
        drop(commands);
        self.heard.close();
        if let Some(done) = closed {
            // Whoever closed may have stopped waiting.
            let _gone = done.send(());
        }
    }

    /// Connects to the first socket that answers and says who we are and what we want.
    async fn connect(&self) -> Result<(UnixStream, &Path), String> {
        let mut reasons = Vec::new();
        for socket in &self.settings.sockets {
            let named = |error: String| format!("{}: {error}", socket.display());
            let greeted = async {
                let mut stream = UnixStream::connect(socket).await.map_err(|e| e.to_string())?;
                write(&mut stream, &self.greeting, self.settings.write_within).await?;
                Ok::<_, String>(stream)
            };
            match greeted.await {
                Ok(stream) => {
                    tracing::info!(socket = %socket.display(), "connected to the bus");
                    return Ok((stream, socket));
                }
                Err(error) => reasons.push(named(error)),
            }
        }
        if reasons.is_empty() {
            return Err(
                "no socket is named (bus.socket in the config, or CORRAL_BUS_SOCKET)".into()
            );
        }
        Err(reasons.join("; "))
    }

    /// Speaks and hears until the connection ends, with the reason, or somebody closes it.
    async fn converse(
        &self,
        stream: UnixStream,
        commands: &mut mpsc::Receiver<Command>,
    ) -> ControlFlow<Closed, String> {
        let (read, mut write) = stream.into_split();
        self.hear(0, Heard::Connected);
        self.is_connected.store(true, Ordering::Release);
        let ended = tokio::select! {
            why = self.listen(read) => ControlFlow::Continue(why),
            ended = speak(&mut write, commands, self.settings.write_within) => ended,
        };
        self.is_connected.store(false, Ordering::Release);
        ended
    }

    /// Takes in events until there are no more, and says why.
    async fn listen(&self, from: OwnedReadHalf) -> String {
        let mut reader = Reader::new(from, self.settings.packet_within);
        loop {
            match reader.next().await {
                Ok(Some(packet)) => match packet.verb {
                    Verb::Evt => {
                        let bytes = packet.args.len() + packet.body.len();
                        let event = Heard::Event { topic: packet.args, body: packet.body };
                        self.hear(bytes, event);
                    }
                    Verb::Bye => return "the broker said goodbye".to_owned(),
                    verb => {
                        tracing::debug!(%verb, "a packet that only clients send came from the broker");
                    }
                },
                Ok(None) => return "the broker closed the connection".to_owned(),
                Err(error) => return format!("a packet from the broker: {error}"),
            }
        }
    }

    fn hear(&self, bytes: usize, heard: Heard) {
        if self.heard.put(bytes, heard) == Put::Overrun {
            tracing::warn!(
                queue = self.settings.queue.items_max,
                "events come faster than they are heard; the oldest go"
            );
        }
    }
}

/// Writes what handles ask for until that fails, with the reason, or somebody closes the connection.
async fn speak(
    to: &mut (impl AsyncWrite + Unpin),
    commands: &mut mpsc::Receiver<Command>,
    within: Duration,
) -> ControlFlow<Closed, String> {
    loop {
        let closed = match commands.recv().await {
            Some(Command::Publish { packet, done }) => {
                let written = write(to, &packet, within).await;
                let why = written.clone().err();
                // Whoever published may have stopped waiting.
                let _gone = done.send(written.map_err(|why| PublishError::Lost { why }));
                match why {
                    Some(why) => return ControlFlow::Continue(why),
                    None => continue,
                }
            }
            Some(Command::Close { done }) => Some(done),
            None => None,
        };
        if let Ok(bye) = wire::encode(Verb::Bye, "", b"") {
            // It is a courtesy: the broker sees the end of the connection as well.
            let _unheard = write(to, &bye, within).await;
        }
        return ControlFlow::Break(closed);
    }
}

/// Waits, and refuses what cannot be written meanwhile.
async fn refuse(commands: &mut mpsc::Receiver<Command>, pause: Duration) -> ControlFlow<Closed> {
    let over = tokio::time::sleep(pause);
    tokio::pin!(over);
    loop {
        let command = tokio::select! {
            () = &mut over => return ControlFlow::Continue(()),
            command = commands.recv() => command,
        };
        match command {
            Some(Command::Publish { done, .. }) => {
                let _gone = done.send(Err(PublishError::NotConnected));
            }
            Some(Command::Close { done }) => return ControlFlow::Break(Some(done)),
            None => return ControlFlow::Break(None),
        }
    }
}

/// Writes all of it in time.
async fn write(
    to: &mut (impl AsyncWrite + Unpin),
    bytes: &[u8],
    within: Duration,
) -> Result<(), String> {
    let whole = async {
        to.write_all(bytes).await?;
        to.flush().await
    };
    match tokio::time::timeout(within, whole).await {
        Ok(written) => written.map_err(|error| error.to_string()),
        Err(_) => Err(format!("the broker did not read for {} s", within.as_secs_f64())),
    }
}
