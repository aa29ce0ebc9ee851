//! One row of Heralding's `log_session.json`, decoded: a whole session with its logins.
//!
//! Heralding lets nobody in and asks for nothing but names and passwords, so that is all there is.
//! Of some protocols it only sees half: VNC has no user names, and what a VNC client answers to the
//! challenge is logged in clear only if Heralding found the password in its list, else as null. Then
//! there was a login, and no credential. (`auth.csv` says the same again, and is not read.)

use std::borrow::Cow;

use serde::Deserialize;

use super::field::Text;
use super::moment::{self, Zone};
use super::sighting::{self, Action, Event, Events, Reject};
use super::{address, service};
use crate::clock::Timestamp;
use crate::store::record::Certainty;

const SECOND: i64 = 1_000_000;

/// The fields that are needed of a row. Unknown ones are stepped over.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Row<'a> {
    #[serde(borrow)]
    timestamp: Text<'a>,
    #[serde(borrow)]
    duration: Text<'a>,
    #[serde(borrow)]
    session_id: Text<'a>,
    #[serde(borrow)]
    source_ip: Text<'a>,
    #[serde(borrow)]
    protocol: Text<'a>,
    #[serde(borrow)]
    auth_attempts: Option<Vec<Attempt<'a>>>,
    #[serde(borrow)]
    session_ended: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Attempt<'a> {
    #[serde(borrow)]
    timestamp: Text<'a>,
    #[serde(borrow)]
    username: Text<'a>,
    #[serde(borrow)]
    password: Text<'a>,
}

/// Decodes one row: that the session began, its logins, and its end.
///
/// # Errors
/// [`Reject`].
pub fn decode(text: &str, zone: Zone) -> Result<Events<'_>, Reject> {
    let mut row: Row<'_> = serde_json::from_str(text).map_err(|error| Reject::broken(&error))?;
    let attempts = row.auth_attempts.take().ok_or(Reject::Foreign)?;
    let session = row.session_id.take().ok_or(Reject::NoSession)?;
    let address = row.source_ip.get().and_then(address::parse).ok_or(Reject::NoAddress)?;
    let time = |text: &Text<'_>| moment::parse(text.get()?, zone);
    let at = time(&row.timestamp).ok_or(Reject::NoTime)?;
    let protocol = row.protocol.get().map(service::spelled);
    let first = Event {
        hash: sighting::hash(text.as_bytes()),
        at,
        sensor: Cow::Borrowed(""),
        session,
        address,
        to: None,
        service: protocol.map(|name| (name, Certainty::Named)),
        action: Action::Other,
    };
    let mut end = Timestamp(at.0.saturating_add(seconds(&row.duration).saturating_mul(SECOND)));
    let mut more = Vec::with_capacity(attempts.len() + 1);
    for attempt in attempts {
        let at = time(&attempt.timestamp).unwrap_or(at);
        // The duration is cut to whole seconds, so a login may be later.
        end = end.max(at);
        let (username, password) = (attempt.username.0, attempt.password.0);
        more.push((at, Action::Login { accepted: false, username, password, key: None }));
    }
    if row.session_ended.get() != Some("false") {
        more.push((end, Action::Closed));
    }
    Ok(Events::of_row(first, more.into_iter()))
}

/// Whole seconds of a duration; what is none lasted none.
fn seconds(duration: &Text<'_>) -> i64 {
    let whole = duration.get().and_then(|text| text.split('.').next()?.parse::<u32>().ok());
    i64::from(whole.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::super::format::Format;
    use super::*;

    const ROW: &str = r#"{"timestamp": "2025-02-22 08:12:50.677895", "duration": 2, "session_id": "2e7bb393-d515-4ded-8327-92d043725f3d", "source_ip": "203.0.113.9", "source_port": 34248, "destination_ip": "198.51.100.1", "destination_port": 5900, "protocol": "vnc", "num_auth_attempts": 3, "auth_attempts": [{"timestamp": "2025-02-22 08:12:51.000001", "username": null, "password": null}, {"timestamp": "2025-02-22 08:12:52.000000", "username": null, "password": "security"}, {"timestamp": "2025-02-22 08:12:53.485876", "username": "", "password": ""}], "session_ended": true, "auxiliary_data": {"x": [1]}}"#;

    fn read(row: &str) -> Result<Vec<Event<'_>>, Reject> {
        let events = Format::Heralding.decode(row.as_bytes(), Zone::default())?;
        Ok(events.into_iter().collect())
    }

    #[test]
    fn a_row_is_a_session_from_its_beginning_to_its_end() {
        let events = read(ROW).unwrap();
        let [begin, unknown, vnc, empty, end] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!((&begin.action, &end.action), (&Action::Other, &Action::Closed));
        let login = |event: &Event<'_>| match &event.action {
            Action::Login { accepted: false, username, password, key: None } => {
                (username.as_deref().map(str::to_owned), password.as_deref().map(str::to_owned))
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(login(unknown), (None, None));
        assert_eq!(login(vnc), (None, Some("security".to_owned())));
        assert_eq!(login(empty), (Some(String::new()), Some(String::new())));
        assert_eq!(vnc.at.to_string(), "2025-02-22T08:12:52.000000Z");
        // Two seconds after its beginning is before its last login, so that is its end.
        assert_eq!(end.at, empty.at);
        for event in &events {
            assert_eq!(event.session, "2e7bb393-d515-4ded-8327-92d043725f3d");
            assert_eq!(event.service, Some(("vnc".into(), Certainty::Named)));
            assert_eq!(
                (event.sensor.as_ref(), event.address.to_string().as_str()),
                ("", "203.0.113.9")
            );
        }
    }

    #[test]
    fn each_event_has_a_hash_of_its_own_that_stays() {
        let hashes = |row| read(row).unwrap().iter().map(|event| event.hash).collect::<Vec<_>>();
        let mut first = hashes(ROW);
        assert_eq!(first, hashes(ROW));
        assert_eq!(first[0], sighting::hash(ROW.as_bytes()));
        first.sort_unstable();
        first.dedup();
        assert_eq!(first.len(), 5);
    }

    #[test]
    fn a_session_ends_after_its_duration_whatever_type_that_has() {
        for duration in ["9", "\"9\"", "9.7", "\"9.0\""] {
            let row = ROW.replace("\"duration\": 2", &format!("\"duration\": {duration}"));
            let end = read(&row).unwrap().last().unwrap().at.to_string();
            assert_eq!(end, "2025-02-22T08:12:59.677895Z");
        }
        let open = ROW.replace("\"session_ended\": true", "\"session_ended\": false");
        assert!(read(&open).unwrap().iter().all(|event| event.action != Action::Closed));
    }

    #[test]
    fn what_is_no_session_is_rejected_with_its_reason() {
        let reason = |row: &str| Format::Heralding.reason(&read(row).unwrap_err());
        assert_eq!(reason("{}"), "not a Heralding session");
        assert_eq!(reason(r#"{"eventid":"cowrie.session.closed"}"#), "not a Heralding session");
        assert_eq!(reason("{"), "broken JSON");
        assert_eq!(reason(r#"{"auth_attempts":[]}"#), "no session");
        assert_eq!(reason(&ROW.replace("203.0.113.9", "x")), "no source address");
        assert_eq!(reason(&ROW.replace("2025-", "1970-")), "no usable time");
    }

    #[test]
    fn an_export_is_read_as_what_it_wraps() {
        let wrapped = format!(r#"{{"_index":"x","_score":1,"_source":{ROW}}}"#);
        assert_eq!(read(&wrapped).unwrap(), read(ROW).unwrap());
    }
}
