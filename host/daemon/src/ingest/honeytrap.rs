//! One row of Honeytrap's log of attackers, decoded: a connection to a port where nothing is.
//!
//! Honeytrap listens everywhere, so the port is all that tells what was sought, and what the client
//! sent first is all that it shows of itself. The rows stand in `{"attacks":[ … ]}` or one a line.
//! `proxy_connection` is about what Honeytrap did, and is not read. A row of which Honeytrap knew
//! nothing has 1970 in all its times.

use std::borrow::Cow;

use serde::Deserialize;

use super::field::Text;
use super::moment::{self, Zone};
use super::sighting::{self, Action, Event, Events, Reject};
use super::{address, service};
use crate::store::record::Certainty;

/// The fields that are needed of a row.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Row<'a> {
    #[serde(borrow, rename = "@timestamp")]
    timestamp: Text<'a>,
    #[serde(borrow)]
    start_time: Text<'a>,
    #[serde(borrow)]
    end_time: Text<'a>,
    #[serde(borrow)]
    attack_connection: Option<Connection<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Connection<'a> {
    #[serde(borrow)]
    remote_ip: Text<'a>,
    #[serde(borrow)]
    remote_port: Text<'a>,
    #[serde(borrow)]
    local_ip: Text<'a>,
    #[serde(borrow)]
    local_port: Text<'a>,
    #[serde(borrow)]
    payload: Option<Payload<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Payload<'a> {
    #[serde(borrow)]
    length: Text<'a>,
    #[serde(borrow)]
    data_hex: Text<'a>,
}

/// Decodes one row: the connection with what was sent, and its end.
///
/// # Errors
/// [`Reject`].
pub fn decode(text: &str, zone: Zone) -> Result<Events<'_>, Reject> {
    let row: Row<'_> = serde_json::from_str(text).map_err(|error| Reject::broken(&error))?;
    let connection = row.attack_connection.ok_or(Reject::Foreign)?;
    let address = connection.remote_ip.get().and_then(address::parse).ok_or(Reject::NoAddress)?;
    let time = |text: &Text<'_>| moment::parse(text.get()?, zone);
    let end = time(&row.end_time);
    let at =
        time(&row.start_time).or_else(|| time(&row.timestamp)).or(end).ok_or(Reject::NoTime)?;
    let port = |text: &Text<'_>| text.get().unwrap_or("").to_owned();
    let local_port = port(&connection.local_port);
    let local_ip = connection.local_ip.get().unwrap_or("");
    let session = sighting::connection(&port(&connection.remote_port), local_ip, &local_port, at);
    let sent = connection.payload.and_then(|payload| payload.sent());
    let first = Event {
        hash: sighting::hash(text.as_bytes()),
        at,
        sensor: Cow::Borrowed(""),
        session: Cow::Owned(session),
        address,
        to: None,
        service: Some((Cow::Borrowed(service::of_port(&local_port)), Certainty::Port)),
        action: sent.map_or(Action::Other, Action::Probe),
    };
    let closed = end.map(|end| (end.max(at), Action::Closed));
    Ok(Events::of_row(first, closed.into_iter()))
}

impl Payload<'_> {
    /// What was sent first, if it is all there.
    fn sent(&self) -> Option<Vec<u8>> {
        let hex = self.data_hex.get()?.as_bytes();
        let length: usize = self.length.get()?.parse().ok()?;
        if hex.len() != length.checked_mul(2)? {
            return None;
        }
        let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
        hex.chunks_exact(2)
            .map(|pair| match pair {
                [high, low] => Some(digit(high)? << 4 | digit(low)?),
                _ => None,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::format::Format;
    use super::*;

    const ROW: &str = r#"{ "is_virtual": false, "@timestamp": "2025-02-18T04:23:27Z", "start_time": "2025-02-18T04:23:26Z", "end_time": "2025-02-18T04:23:29Z", "attack_connection": { "protocol": "tcp", "remote_ip": "203.0.113.9", "remote_port": 47344, "local_ip": "10.128.0.5", "local_port": 8080, "payload": { "md5_hash": "x", "sha512_hash": "y", "length": 3, "data_hex": "0dFf41" } }, "proxy_connection": { "protocol": "ip", "remote_ip": "0.0.0.0", "remote_port": 0, "local_ip": "0.0.0.0", "local_port": 0, "payload": { "length": 1, "data_hex": "00" } }, "operation_mode": 1, "downloads": { } }"#;

    fn read(row: &str) -> Result<Vec<Event<'_>>, Reject> {
        let events = Format::Honeytrap.decode(row.as_bytes(), Zone::default())?;
        Ok(events.into_iter().collect())
    }

    #[test]
    fn a_row_is_a_connection_with_what_was_sent() {
        let events = read(ROW).unwrap();
        let [begin, end] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!(begin.action, Action::Probe(vec![0x0d, 0xff, b'A']));
        assert_eq!(begin.service, Some(("http".into(), Certainty::Port)));
        assert_eq!(begin.session, "47344>10.128.0.5:8080@1739852606");
        assert_eq!(
            (begin.sensor.as_ref(), begin.address.to_string().as_str()),
            ("", "203.0.113.9")
        );
        assert_eq!(
            (&end.action, end.at.to_string().as_str()),
            (&Action::Closed, "2025-02-18T04:23:29.000000Z")
        );
    }

    #[test]
    fn what_is_not_all_there_is_no_probe() {
        for (from, to) in [
            ("\"length\": 3", "\"length\": 4"),
            ("0dFf41", "0dFf4"),
            ("0dFf41", "0dFfxx"),
            ("\"length\": 3, \"data_hex\": \"0dFf41\"", "\"length\": 0, \"data_hex\": \"\""),
        ] {
            assert_eq!(read(&ROW.replace(from, to)).unwrap()[0].action, Action::Other, "{to}");
        }
    }

    #[test]
    fn a_time_of_1970_is_replaced_by_another_or_costs_the_row() {
        let at = |row: &str| read(row).map(|events| events[0].at.to_string());
        let row = ROW.replace("2025-02-18T04:23:26Z", "1970-01-01T00:00:00Z");
        assert_eq!(at(&row).unwrap(), "2025-02-18T04:23:27.000000Z");
        let row = row.replace("2025-02-18T04:23:27Z", "1970-01-01T00:00:00Z");
        assert_eq!(at(&row).unwrap(), "2025-02-18T04:23:29.000000Z");
        let row = row.replace("2025-02-18T04:23:29Z", "1970-01-01T00:00:00Z");
        assert_eq!(at(&row), Err(Reject::NoTime));
    }

    #[test]
    fn what_is_no_connection_is_rejected_with_its_reason() {
        let reason = |row: &str| Format::Honeytrap.reason(&read(row).unwrap_err());
        assert_eq!(reason("{}"), "not a Honeytrap attack");
        assert_eq!(reason(&ROW.replace("203.0.113.9", "")), "no source address");
    }
}
