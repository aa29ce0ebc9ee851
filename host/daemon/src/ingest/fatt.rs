//! One record of fatt, decoded: what a client on the wire looks like.
//!
//! fatt listens beside the honeypots and fingerprints whatever passes, the sensor's own traffic
//! included: over half of its records on a real sensor. So each event names whom the packet went to,
//! and only what comes from outside and goes to us counts; who *us* is, the config says, and private
//! addresses are.
//!
//! A scanner that shuffles its TLS extensions shows hundreds of JA3s from one address. They are all
//! kept here: what a value that nobody repeats is worth is the model's affair. fatt's hash of HTTP
//! headers is a scheme of its own and no JA4H, so it is not read.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::field::Text;
use super::moment::{self, Zone};
use super::sighting::{self, Action, Event, Events, Reject};
use super::{address, service};
use crate::clock::Timestamp;
use crate::store::record::Certainty;

const DAY: i64 = 86_400_000_000;

/// The fields that are needed of a record, under fatt's names and those that T-Pot gives them.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Row<'a> {
    #[serde(borrow)]
    timestamp: Text<'a>,
    #[serde(borrow, rename = "@timestamp")]
    at_timestamp: Text<'a>,
    #[serde(borrow, rename = "sourceIp", alias = "src_ip")]
    source_ip: Text<'a>,
    #[serde(borrow, rename = "destinationIp", alias = "dest_ip")]
    destination_ip: Text<'a>,
    #[serde(borrow, rename = "sourcePort", alias = "src_port")]
    source_port: Text<'a>,
    #[serde(borrow, rename = "destinationPort", alias = "dest_port")]
    destination_port: Text<'a>,
    #[serde(borrow)]
    protocol: Text<'a>,
    #[serde(borrow, alias = "fatt_ssh")]
    ssh: Option<Ssh<'a>>,
    #[serde(borrow, alias = "fatt_tls")]
    tls: Option<Tls<'a>>,
    #[serde(alias = "fatt_http")]
    http: Option<IgnoredAny>,
    #[serde(alias = "fatt_rdp")]
    rdp: Option<IgnoredAny>,
    #[serde(alias = "fatt_gquic")]
    gquic: Option<IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Ssh<'a> {
    #[serde(borrow)]
    client: Text<'a>,
    #[serde(borrow)]
    hassh: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Tls<'a> {
    #[serde(borrow)]
    ja3: Text<'a>,
}

/// Decodes one record: one event.
///
/// # Errors
/// [`Reject`].
pub fn decode(text: &str, zone: Zone) -> Result<Events<'_>, Reject> {
    let row: Row<'_> = serde_json::from_str(text).map_err(|error| Reject::broken(&error))?;
    let is_other = row.http.is_some() || row.rdp.is_some() || row.gquic.is_some();
    let action = match (row.ssh, row.tls) {
        (Some(Ssh { mut client, mut hassh }), _) => {
            Action::Client { version: client.take(), hassh: hassh.take() }
        }
        (None, Some(Tls { mut ja3 })) => {
            Action::Fingerprint { ja3: ja3.take(), ja4: None, ja4h: None }
        }
        (None, None) if is_other => Action::Other,
        (None, None) => return Err(Reject::Foreign),
    };
    let to = row.destination_ip.get().and_then(address::parse).ok_or(Reject::Foreign)?;
    let address = row.source_ip.get().and_then(address::parse).ok_or(Reject::NoAddress)?;
    let time = |text: &Text<'_>| moment::parse(text.get()?, zone);
    let at = time(&row.timestamp).or_else(|| time(&row.at_timestamp)).ok_or(Reject::NoTime)?;
    // One connection has several records. Its ports come again some day, so the day is part of the id.
    let day = Timestamp(at.0 - at.0.rem_euclid(DAY));
    let port = |text: &Text<'_>| text.get().unwrap_or("").to_owned();
    let (from, local) = (port(&row.source_port), port(&row.destination_port));
    let session = sighting::connection(&from, &to.to_string(), &local, day);
    let protocol = row.protocol.get().map(service::spelled);
    Ok(Events::from(Event {
        hash: sighting::hash(text.as_bytes()),
        at,
        sensor: Cow::Borrowed(""),
        session: Cow::Owned(session),
        address,
        to: Some(to),
        service: protocol.map(|name| (name, Certainty::Inferred)),
        action,
    }))
}

#[cfg(test)]
mod tests {
    use super::super::format::Format;
    use super::*;

    fn row(body: &str) -> String {
        format!(
            r#"{{"timestamp": "2022-05-28T08:02:16.048624", "sourceIp": "203.0.113.9", "destinationIp": "10.182.0.11", "sourcePort": "48286", "destinationPort": "22", "protocol": "SSH", {body}}}"#
        )
    }

    fn read(row: &str) -> Result<Event<'_>, Reject> {
        Ok(Format::Fatt.decode(row.as_bytes(), Zone::default())?.first().clone())
    }

    #[test]
    fn a_client_has_its_hassh_and_its_banner() {
        let text = row(
            r#""ssh": {"client": "SSH-2.0-Go", "hassh": "51cba57125523ce4b9db67714a90bf6e", "ckex": "x"}"#,
        );
        let event = read(&text).unwrap();
        let Action::Client { version: Some(version), hassh: Some(hassh) } = &event.action else {
            panic!("{event:?}")
        };
        assert_eq!(
            (version.as_ref(), hassh.as_ref()),
            ("SSH-2.0-Go", "51cba57125523ce4b9db67714a90bf6e")
        );
        assert_eq!(event.service, Some(("ssh".into(), Certainty::Inferred)));
        assert_eq!(event.to.unwrap().to_string(), "10.182.0.11");
        // All that one connection shows in a day is one session.
        assert_eq!(event.session, "48286>10.182.0.11:22@1653696000");
    }

    #[test]
    fn a_client_of_tls_has_its_ja3_and_others_only_count() {
        let text = row(r#""tls": {"serverName": "", "ja3": "cc8870c5053e89c025176af1201dd122"}"#);
        let Action::Fingerprint { ja3: Some(ja3), ja4: None, ja4h: None } =
            read(&text).unwrap().action
        else {
            panic!()
        };
        assert_eq!(ja3, "cc8870c5053e89c025176af1201dd122");
        for body in [r#""http": {"userAgent": "x"}"#, r#""rdp": {}"#, r#""gquic": {}"#] {
            assert_eq!(read(&row(body)).unwrap().action, Action::Other);
        }
    }

    #[test]
    fn an_export_with_the_names_of_t_pot_is_the_same_client() {
        let text =
            row(r#""ssh": {"client": "SSH-2.0-Go", "hassh": "51cba57125523ce4b9db67714a90bf6e"}"#);
        let renamed = text
            .replace("sourceIp", "src_ip")
            .replace("destinationIp", "dest_ip")
            .replace("sourcePort", "src_port")
            .replace("destinationPort", "dest_port")
            .replace("\"ssh\"", "\"fatt_ssh\"");
        let wrapped = format!(r#"{{"_source": {renamed}}}"#);
        let (there, here) = (read(&wrapped).unwrap(), read(&text).unwrap());
        assert_eq!(Event { hash: 0, ..there }, Event { hash: 0, ..here });
    }

    #[test]
    fn what_is_no_record_is_rejected_with_its_reason() {
        let reason = |row: &str| Format::Fatt.reason(&read(row).unwrap_err());
        assert_eq!(reason("{}"), "not a fatt record");
        assert_eq!(reason(&row(r#""x": 1"#)), "not a fatt record");
        let good = row(r#""rdp": {}"#);
        assert_eq!(reason(&good.replace("203.0.113.9", "")), "no source address");
        assert_eq!(reason(&good.replace("2022-", "1970-")), "no usable time");
    }
}
