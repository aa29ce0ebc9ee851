//! How Cowrie writes an event down, in the schema of its day.
//!
//! Its JSON changed over the years, and an ingester meets all of them: `version` was once the print of
//! a Python bytes object, `protocol` stood on the connect event only, durations were numbers and then
//! text. The members' order is Cowrie's, because people (and tests) read these lines; fields that only
//! newer versions write are left out of older eras, and so are events that those did not know.
//!
//! Speed matters here: a gigabyte is three million lines. So members go straight into one buffer, what
//! is the same for a whole day or session is put together once, and nothing is parsed or cloned.

use std::net::Ipv4Addr;

use super::script::{Event, Protocol};
use text::{push_number, push_python_bytes, push_text, push_two, push_utf8};

mod events;
mod text;

/// The honeypot's own address, inside its container.
const SENSOR_ADDRESS: &str = "172.18.0.2";

/// A time in Cowrie's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Era {
    /// As in 2020: `version` is the print of a bytes object.
    Y2020,
    /// As in 2022: `protocol` only when connecting, durations are numbers.
    Y2022,
    /// As in 2026: `uuid` and `protocol` everywhere, durations are text, TLS in tunnels is fingerprinted.
    Y2026,
}

/// The honeypot on one day.
#[derive(Debug)]
pub(super) struct Sensor {
    pub(super) era: Era,
    /// Its container's id, which changes with every restart.
    pub(super) name: String,
    pub(super) uuid: String,
    /// The day, as `2026-03-16`.
    pub(super) date: String,
    /// Its midnight, in microseconds of UTC.
    pub(super) midnight: i64,
}

/// What all events of a session have in common.
#[derive(Debug)]
pub(super) struct Contact {
    pub(super) address: Ipv4Addr,
    pub(super) id: String,
    pub(super) protocol: Protocol,
    /// When it connected, and when its shell opened.
    pub(super) connected: i64,
    pub(super) shell: i64,
}

/// What follows the message: events differ in where they put the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tail {
    /// Address, session, protocol.
    Usual,
    /// The members in front have the address.
    NoAddress,
    /// They have all three.
    Nothing,
}

impl Era {
    /// Whether Cowrie of this era writes such an event.
    pub(super) fn writes(self, event: &Event<'_>) -> bool {
        let newer =
            matches!(event, Event::KeyRefused { .. } | Event::TunnelTls(_) | Event::TunnelHttp(_));
        self == Self::Y2026 || !newer
    }
}

/// Appends the line of an event, with its line break.
pub(super) fn write_line(
    out: &mut Vec<u8>,
    sensor: &Sensor,
    contact: &Contact,
    at: i64,
    event: &Event<'_>,
) {
    let mut line = Line { out, sensor, contact, at };
    match event {
        Event::Connect { .. } | Event::Version(_) | Event::KeyExchange(_) | Event::Close => {
            line.transport(event);
        }
        Event::LoginFailed(_)
        | Event::LoginSucceeded(_)
        | Event::GarbledLogin(_)
        | Event::KeyOffered { .. }
        | Event::KeyRefused { .. } => line.login(event),
        Event::Saved { .. }
        | Event::Downloaded(_)
        | Event::DownloadFailed(_)
        | Event::Uploaded(_) => {
            line.file(event);
        }
        Event::Tunnel { .. }
        | Event::TunnelTls(_)
        | Event::TunnelHttp(_)
        | Event::TunnelData { .. } => {
            line.tunnel(event);
        }
        _ => line.shell(event),
    }
    out.push(b'\n');
}

/// A line being written.
pub(super) struct Line<'o> {
    out: &'o mut Vec<u8>,
    sensor: &'o Sensor,
    contact: &'o Contact,
    at: i64,
}

impl Line<'_> {
    fn raw(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn event(&mut self, id: &str) {
        self.raw("{\"eventid\":\"cowrie.");
        self.raw(id);
        self.raw("\"");
    }

    fn member(&mut self, name: &str, value: &str) {
        self.raw(",\"");
        self.raw(name);
        self.raw("\":\"");
        push_text(self.out, value);
        self.raw("\"");
    }

    fn number(&mut self, name: &str, value: u64) {
        self.raw(",\"");
        self.raw(name);
        self.raw("\":");
        push_number(self.out, value);
    }

    /// The message, put together from parts.
    fn message(&mut self, parts: &[&str]) {
        self.raw(",\"message\":\"");
        for part in parts {
            push_text(self.out, part);
        }
        self.raw("\"");
    }

    fn sensor_and_time(&mut self) {
        self.raw(",\"sensor\":\"");
        self.raw(&self.sensor.name);
        if self.sensor.era == Era::Y2026 {
            self.raw("\",\"uuid\":\"");
            self.raw(&self.sensor.uuid);
        }
        self.raw("\",\"timestamp\":\"");
        self.raw(&self.sensor.date);
        let micros = u64::try_from(self.at - self.sensor.midnight).unwrap_or(0);
        let seconds = micros / 1_000_000;
        for (mark, number) in
            [(b'T', seconds / 3600), (b':', seconds / 60 % 60), (b':', seconds % 60)]
        {
            self.out.push(mark);
            push_two(self.out, number);
        }
        self.out.push(b'.');
        for hundredth in [micros / 10_000 % 100, micros / 100 % 100, micros % 100] {
            push_two(self.out, hundredth);
        }
        self.raw("Z\"");
    }

    fn end(&mut self, tail: Tail) {
        if tail == Tail::Usual {
            self.raw(",\"src_ip\":\"");
            self.address();
            self.raw("\"");
        }
        if tail != Tail::Nothing {
            self.raw(",\"session\":\"");
            self.raw(&self.contact.id);
            self.raw("\"");
            if self.sensor.era == Era::Y2026 {
                self.raw(",\"protocol\":\"");
                self.raw(self.protocol());
                self.raw("\"");
            }
        }
        self.raw("}");
    }

    fn finish(&mut self) {
        self.sensor_and_time();
        self.end(Tail::Usual);
    }

    fn address(&mut self) {
        for (place, octet) in self.contact.address.octets().into_iter().enumerate() {
            if place > 0 {
                self.out.push(b'.');
            }
            push_number(self.out, u64::from(octet));
        }
    }

    fn protocol(&self) -> &'static str {
        match self.contact.protocol {
            Protocol::Ssh => "ssh",
            Protocol::Telnet => "telnet",
        }
    }

    /// A duration since then, as a member and for a message.
    fn duration(&mut self, since: i64) -> String {
        let micros = u64::try_from(self.at - since).unwrap_or(0);
        let seconds = micros / 1_000_000;
        if self.sensor.era == Era::Y2026 {
            let text = format!("{seconds}.{}", micros / 100_000 % 10);
            self.member("duration", &text);
            return text;
        }
        self.number("duration", seconds);
        // Digits past the microsecond are what a difference of binary fractions leaves.
        let noise = micros.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 999_999 + 1;
        self.raw(&format!(".{:06}{noise}", micros % 1_000_000));
        seconds.to_string()
    }

    fn transport(&mut self, event: &Event<'_>) {
        match event {
            Event::Connect { source_port } => self.connect(*source_port),
            Event::Version(bytes) => {
                self.event("client.version");
                for (open, close) in
                    [(",\"version\":\"", "\""), (",\"message\":\"Remote SSH version: ", "\"")]
                {
                    self.raw(open);
                    if self.sensor.era == Era::Y2020 {
                        push_python_bytes(self.out, bytes);
                    } else {
                        push_utf8(self.out, bytes);
                    }
                    self.raw(close);
                }
                self.finish();
            }
            Event::KeyExchange(client) => {
                self.event("client.kex");
                self.raw(",");
                self.raw(&client.members);
                self.message(&["SSH client hassh fingerprint: ", &client.hassh]);
                self.finish();
            }
            _ => {
                self.event("session.closed");
                let duration = self.duration(self.contact.connected);
                self.message(&["Connection lost after ", &duration, " seconds"]);
                self.finish();
            }
        }
    }

    fn connect(&mut self, source_port: u32) {
        let port = match self.contact.protocol {
            Protocol::Ssh => "22",
            Protocol::Telnet => "23",
        };
        self.event("session.connect");
        self.raw(",\"src_ip\":\"");
        self.address();
        self.raw("\"");
        self.number("src_port", u64::from(source_port));
        self.member("dst_ip", SENSOR_ADDRESS);
        self.raw(",\"dst_port\":");
        self.raw(port);
        self.member("session", &self.contact.id);
        self.member("protocol", self.protocol());
        self.raw(",\"message\":\"New connection: ");
        self.address();
        self.raw(":");
        push_number(self.out, u64::from(source_port));
        for part in [" (", SENSOR_ADDRESS, ":", port, ") [session: ", &self.contact.id, "]\""] {
            self.raw(part);
        }
        self.sensor_and_time();
        self.end(Tail::Nothing);
    }

    fn login(&mut self, event: &Event<'_>) {
        match event {
            Event::LoginFailed(credential) | Event::LoginSucceeded(credential) => {
                let failed = matches!(event, Event::LoginFailed(_));
                self.event(if failed { "login.failed" } else { "login.success" });
                self.member("username", &credential.user);
                self.member("password", &credential.password);
                let outcome = if failed { "] failed" } else { "] succeeded" };
                self.message(&[
                    "login attempt [",
                    &credential.user,
                    "/",
                    &credential.password,
                    outcome,
                ]);
            }
            Event::GarbledLogin(name) => {
                self.event("login.failed");
                // As it is: this line is not UTF-8.
                self.raw(",\"username\":\"");
                self.out.extend_from_slice(name);
                self.raw("\",\"password\":\"x\",\"message\":\"login attempt failed\"");
            }
            Event::KeyOffered { user, key } => {
                self.event("client.fingerprint");
                self.member("username", user);
                self.key(key);
                let parts = [
                    "public key attempt for user ",
                    user,
                    " of type ",
                    key.kind,
                    " with fingerprint ",
                ];
                self.message(&[&parts[..], &[&key.fingerprint]].concat());
            }
            Event::KeyRefused { user, key } => {
                self.event("login.failed");
                self.member("username", user);
                self.key(key);
                self.message(&["public key login attempt for [", user, "] failed"]);
            }
            _ => {}
        }
        self.finish();
    }

    fn key(&mut self, key: &super::artefacts::PublicKey) {
        self.member("fingerprint", &key.fingerprint);
        self.member("key", &key.offered);
        self.member("type", key.kind);
    }
}
