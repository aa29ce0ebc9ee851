//! The other end of the line: bytes to a broker or a client, and whole packets back, byte for byte.
//!
//! It knows the protocol by itself, so that what ours writes is read by something that is not ours.

use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use super::{LOOK, soon};

/// One connection.
pub(super) struct Line {
    stream: UnixStream,
}

impl From<UnixStream> for Line {
    fn from(stream: UnixStream) -> Self {
        Self { stream }
    }
}

impl Line {
    pub(super) async fn connect(socket: &Path) -> Self {
        Self { stream: soon(UnixStream::connect(socket)).await.unwrap() }
    }

    /// The next connection of somebody who connects to us.
    pub(super) async fn accept(listener: &UnixListener) -> Self {
        Self { stream: soon(listener.accept()).await.unwrap().0 }
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) {
        soon(self.stream.write_all(bytes)).await.unwrap();
    }

    /// Sends what the other end may not want to read any more.
    pub(super) async fn try_send(&mut self, bytes: &[u8]) {
        let _closed = soon(self.stream.write_all(bytes)).await;
    }

    pub(super) async fn say(&mut self, header: &str, body: &str) {
        self.send(&packet(header, body.as_bytes())).await;
    }

    pub(super) async fn publish(&mut self, topic: &str, payload: &str) {
        self.say(&format!("PUB {topic}"), &format!("{{\"type\":\"t\",\"payload\":{payload}}}"))
            .await;
    }

    /// Sends nothing more; can still hear.
    pub(super) async fn fall_silent(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// The next packet, all its bytes; nothing if the other end is gone.
    pub(super) async fn packet(&mut self) -> Option<Vec<u8>> {
        soon(async {
            let mut bytes = Vec::new();
            while bytes.last() != Some(&b'\n') {
                match self.stream.read_u8().await {
                    Ok(byte) => bytes.push(byte),
                    Err(_) if bytes.is_empty() => return None,
                    Err(error) => {
                        panic!("{error} inside the header {:?}", String::from_utf8_lossy(&bytes))
                    }
                }
            }
            let length = self.stream.read_u32().await.unwrap();
            bytes.extend(length.to_be_bytes());
            let begin = bytes.len();
            bytes.resize(begin + usize::try_from(length).unwrap(), 0);
            self.stream.read_exact(&mut bytes[begin..]).await.unwrap();
            Some(bytes)
        })
        .await
    }

    /// The topic and the payload of the next event.
    pub(super) async fn event(&mut self) -> Option<(String, serde_json::Value)> {
        let packet = self.packet().await?;
        let (header, body) = parts(&packet);
        let topic = header.strip_prefix("EVT ").unwrap_or_else(|| panic!("{header:?}")).trim_end();
        let body: serde_json::Value = serde_json::from_slice(body).unwrap();
        assert_eq!(body["topic"], topic);
        Some((topic.to_owned(), body["payload"].clone()))
    }

    /// Whether the other end is gone, with nothing left to read.
    pub(super) async fn is_closed(&mut self) -> bool {
        self.packet().await.is_none()
    }
}

/// A header's text with its newline, and the body; the length between them has to be right.
pub(super) fn parts(packet: &[u8]) -> (&str, &[u8]) {
    let end = packet.iter().position(|byte| *byte == b'\n').unwrap();
    let (header, rest) = packet.split_at(end + 1);
    let (length, body) = rest.split_at(4);
    assert_eq!(u32::from_be_bytes(length.try_into().unwrap()), u32::try_from(body.len()).unwrap());
    (std::str::from_utf8(header).unwrap(), body)
}

pub(super) fn packet(header: &str, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [header.as_bytes(), b"\n", &length, body].concat()
}

/// Tells when a broker has done what a connection asked for. Nothing answers on a bus, but a connection's
/// packets are taken in order: once an event that it published is seen, all before it was done.
pub(super) struct Observer {
    line: Line,
    count: u32,
}

impl Observer {
    pub(super) async fn new(socket: &Path) -> Self {
        let mut line = Line::connect(socket).await;
        line.say("SUB settled.>", "").await;
        let mut other = Line::connect(socket).await;
        // Until the subscription has arrived, nothing does.
        let asking = async {
            loop {
                other.publish("settled.start", "{}").await;
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::select! {
            event = line.event() => assert_eq!(event.unwrap().0, "settled.start"),
            () = asking => {}
        }
        Self { line, count: 0 }
    }

    /// Waits until the broker has done all that was asked for over this line.
    pub(super) async fn settled(&mut self, line: &mut Line) {
        self.count += 1;
        let topic = format!("settled.{}", self.count);
        line.publish(&topic, "{}").await;
        while self.line.event().await.expect("the broker went").0 != topic {}
    }

    /// A line that is subscribed to these patterns.
    pub(super) async fn subscribed(&mut self, socket: &Path, patterns: &[&str]) -> Line {
        let mut line = Line::connect(socket).await;
        for pattern in patterns {
            line.say(&format!("SUB {pattern}"), "").await;
        }
        self.settled(&mut line).await;
        line
    }
}
