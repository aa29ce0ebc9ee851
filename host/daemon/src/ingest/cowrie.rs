//! One row of a Cowrie log, decoded.
//!
//! Ten years of Cowrie agree on little but `eventid`, `session`, `src_ip` and a timestamp: durations
//! are numbers or texts, ports either, versions may be Python `repr`s, lists hide in other events, and
//! `protocol` stands on the first event of a session, on all, or on none. So no field has a type: the
//! part that reads the JSON gives each as text, and this one says what the texts mean.
//!
//! [`decode`] borrows from the row, allocates only for escaped text, and knows nothing of sessions:
//! what a row says of its session's service is handed on with how certain it is. What the row's
//! values are worth to the clustering is decided in [`super::features`].

use std::borrow::Cow;

use super::moment::{self, Zone};
use super::sighting::{self, Action, Event, Events, Reject};
use super::{address, service};
use crate::store::record::Certainty;
use row::{Key, Row};

mod row;

/// Decodes one row: one event.
///
/// # Errors
/// [`Reject`].
pub fn decode(text: &str, zone: Zone) -> Result<Events<'_>, Reject> {
    let mut row = Row::default();
    row.read(text).map_err(|error| Reject::broken(&error))?;
    interpret(&mut row, sighting::hash(text.as_bytes()), zone).map(Events::from)
}

fn interpret<'a>(row: &mut Row<'a>, hash: u64, zone: Zone) -> Result<Event<'a>, Reject> {
    let eventid = row.take(Key::Eventid).unwrap_or_default();
    let name = eventid.strip_prefix("cowrie.").ok_or(Reject::Foreign)?;
    let service = service_of(name, row);
    let at = [Key::Timestamp, Key::AtTimestamp, Key::Epoch]
        .into_iter()
        .find_map(|key| moment::parse(row.get(key)?, zone));
    let action = action(name, row);
    let session = row.take(Key::Session).ok_or(Reject::NoSession)?;
    let address = row.get(Key::SrcIp).and_then(address::parse).ok_or(Reject::NoAddress)?;
    let at = at.ok_or(Reject::NoTime)?;
    Ok(Event {
        hash,
        at,
        sensor: row.take(Key::Sensor).unwrap_or_default(),
        session,
        address,
        to: None,
        service,
        action,
    })
}

/// What the row says of the service. `protocol` settles it; what only SSH clients do, or the name of
/// the part that logged it, is nearly as good; the port is what the operator chose.
fn service_of(name: &str, row: &Row<'_>) -> Option<(Cow<'static, str>, Certainty)> {
    if let Some(protocol) = row.get(Key::Protocol) {
        return Some((service::spelled(protocol), Certainty::Named));
    }
    let system = row.get(Key::System).unwrap_or("");
    let of_ssh = matches!(name, "client.version" | "client.kex" | "client.fingerprint")
        || name.starts_with("direct-tcpip.")
        || system.contains("SSH")
        || system.contains("cowrie.ssh");
    if of_ssh {
        return Some((Cow::Borrowed("ssh"), Certainty::Inferred));
    }
    if name.starts_with("telnet.") || system.contains("Telnet") || system.contains("cowrie.telnet")
    {
        return Some((Cow::Borrowed("telnet"), Certainty::Inferred));
    }
    match row.get(Key::DstPort).filter(|_| name == "session.connect")? {
        "22" | "2222" => Some((Cow::Borrowed("ssh"), Certainty::Port)),
        "23" | "2223" => Some((Cow::Borrowed("telnet"), Certainty::Port)),
        _ => None,
    }
}

fn action<'a>(name: &str, row: &mut Row<'a>) -> Action<'a> {
    match name {
        "session.closed" => Action::Closed,
        "client.version" | "client.kex" => {
            Action::Client { version: row.take(Key::Version).map(without_repr), hassh: row.hassh() }
        }
        "login.success" | "login.failed" => Action::Login {
            accepted: name == "login.success",
            username: row.take_even_empty(Key::Username),
            password: row.take_even_empty(Key::Password),
            key: row.public_key(),
        },
        "client.fingerprint" => row.public_key().map_or(Action::Other, Action::Offered),
        "client.size" => match (row.take(Key::Width), row.take(Key::Height)) {
            (Some(width), Some(height)) => Action::Terminal { width, height },
            _ => Action::Other,
        },
        // `command.failed` and `.success` say again what `.input` said.
        "command.input" => row.take(Key::Input).map_or(Action::Other, Action::Command),
        "session.file_download" | "session.file_download.failed" | "session.file_upload" => {
            Action::File { sha256: row.take(Key::Shasum), md5: None, url: row.take(Key::Url) }
        }
        // A recording of what another session entered before is thrown away: the file is the other's.
        "log.closed" if row.get(Key::Duplicate) != Some("true") => {
            row.take(Key::Ttylog).map_or(Action::Other, Action::Recorded)
        }
        "direct-tcpip.request" => match (row.take(Key::DstIp), row.take(Key::DstPort)) {
            (Some(host), Some(port)) => Action::Relay { host, port },
            _ => Action::Other,
        },
        "direct-tcpip.ja3" | "direct-tcpip.ja4" | "direct-tcpip.ja4h" => Action::Fingerprint {
            ja3: row.take(Key::Ja3),
            ja4: row.take(Key::Ja4),
            ja4h: row.take(Key::Ja4h),
        },
        _ => Action::Other,
    }
}

/// The text inside of `b'…'`: for some years Cowrie logged Python's notation of bytes.
fn without_repr(text: Cow<'_, str>) -> Cow<'_, str> {
    fn inner(text: &str) -> Option<&str> {
        let quoted = text.strip_prefix('b')?;
        let quote = quoted.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
        quoted.strip_prefix(quote)?.strip_suffix(quote)
    }
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(inner(text).unwrap_or(text)),
        Cow::Owned(text) => match inner(&text) {
            Some(inner) => Cow::Owned(inner.to_owned()),
            None => Cow::Owned(text),
        },
    }
}
#[cfg(test)]
mod tests {
    use super::super::format::Format;
    use super::*;

    fn read(row: &str) -> Result<Event<'_>, Reject> {
        let events = Format::Cowrie.decode(row.as_bytes(), Zone::default())?;
        Ok(events.first().clone())
    }

    /// A row of the form that all have in common, with more fields.
    fn row(eventid: &str, more: &str) -> String {
        let comma = if more.is_empty() { "" } else { "," };
        format!(
            r#"{{"eventid":"{eventid}","session":"a1b2c3d4e5f6","src_ip":"203.0.113.9","sensor":"s","timestamp":"2022-05-29T00:00:04.387278Z"{comma}{more}}}"#
        )
    }

    fn action(eventid: &str, more: &str) -> Action<'static> {
        let row: &'static str = row(eventid, more).leak();
        read(row).unwrap().action
    }

    fn service(eventid: &str, more: &str) -> Option<(String, Certainty)> {
        read(&row(eventid, more))
            .unwrap()
            .service
            .map(|(name, certainty)| (name.into_owned(), certainty))
    }

    #[test]
    fn a_row_is_read_without_its_message() {
        let text = row(
            "cowrie.login.failed",
            r#""username":"root","password":"","message":["x",{"y":1}]"#,
        );
        let event = read(&text).unwrap();
        assert_eq!(event.at.to_string(), "2022-05-29T00:00:04.387278Z");
        assert_eq!((event.sensor.as_ref(), event.session.as_ref()), ("s", "a1b2c3d4e5f6"));
        assert_eq!(event.address.to_string(), "203.0.113.9");
        let Action::Login {
            accepted: false,
            username: Some(username),
            password: Some(password),
            key: None,
        } = event.action
        else {
            panic!("{:?}", event.action)
        };
        assert_eq!((username.as_ref(), password.as_ref()), ("root", ""));
    }

    #[test]
    fn fields_may_have_any_type() {
        for more in [
            r#""duration":"120.1","width":80,"height":"24""#,
            r#""duration":2.5,"width":"80","height":24,"message":[]"#,
            r#""duration_ms":2500,"width":80,"height":24,"isError":false,"message":null"#,
        ] {
            assert_eq!(
                action("cowrie.client.size", more),
                Action::Terminal { width: "80".into(), height: "24".into() }
            );
        }
        let target = Action::Relay { host: "198.51.100.7".into(), port: "25".into() };
        assert_eq!(
            action(
                "cowrie.direct-tcpip.request",
                r#""dst_ip":"198.51.100.7","dst_port":25,"src_port":0"#
            ),
            target
        );
        assert_eq!(
            action("cowrie.direct-tcpip.request", r#""dst_ip":"198.51.100.7","dst_port":"25""#),
            target
        );
    }

    #[test]
    fn a_recording_is_named_unless_it_is_another_sessions() {
        let recorded = Action::Recorded("log/tty/3f1f".into());
        for own in ["", r#","duplicate":false"#, r#","duplicate":null"#] {
            let more = format!(r#""ttylog":"log/tty/3f1f"{own}"#);
            assert_eq!(action("cowrie.log.closed", &more), recorded);
        }
        for none in [r#""ttylog":"log/tty/3f1f","duplicate":true"#, r#""ttylog":"""#, ""] {
            assert_eq!(action("cowrie.log.closed", none), Action::Other);
        }
    }

    #[test]
    fn a_public_key_is_a_login_without_a_password_and_no_hassh() {
        let more =
            r#""username":"root","key":"ssh-rsa AAAA","fingerprint":"d4:98","type":"ssh-rsa""#;
        let Action::Login { password: None, key: Some(key), .. } =
            action("cowrie.login.failed", more)
        else {
            panic!()
        };
        assert_eq!(key.fingerprint.unwrap(), "d4:98");
        assert!(matches!(action("cowrie.client.fingerprint", more), Action::Offered(_)));
    }

    #[test]
    fn a_null_user_name_is_none_and_an_empty_one_is_empty() {
        let name = |more| match action("cowrie.login.success", more) {
            Action::Login { username, .. } => username,
            other => panic!("{other:?}"),
        };
        assert_eq!(name(r#""username":null,"password":"x""#), None);
        assert_eq!(name(r#""password":"x""#), None);
        assert_eq!(name(r#""username":"","password":"x""#).unwrap(), "");
    }

    #[test]
    fn a_version_loses_the_notation_of_bytes() {
        for (logged, expected) in [
            (r"b'SSH-2.0-x'", "SSH-2.0-x"),
            (r#"b\"SSH-2.0-x'\""#, "SSH-2.0-x'"),
            (r"SSH-2.0-x", "SSH-2.0-x"),
            (r"b'broken", "b'broken"),
            (r"b", "b"),
        ] {
            let Action::Client { version: Some(version), hassh: None } =
                action("cowrie.client.version", &format!(r#""version":"{logged}""#))
            else {
                panic!()
            };
            assert_eq!(version, expected);
        }
    }

    #[test]
    fn hassh_is_computed_where_an_old_log_has_only_the_lists() {
        let lists = r#""version":"SSH-2.0-x","kexAlgs":["k1","k2"],"keyAlgs":["x"],"encCS":["e"],"macCS":["m"],"compCS":["none"],"langCS":[""]"#;
        let Action::Client { hassh: Some(computed), .. } = action("cowrie.client.version", lists)
        else {
            panic!()
        };
        assert_eq!(computed, super::super::hassh::of(&["k1", "k2"], &["e"], &["m"], &["none"]));
        let both = format!(r#""hassh":"logged",{lists}"#);
        let Action::Client { hassh: Some(logged), .. } = action("cowrie.client.kex", &both) else {
            panic!()
        };
        assert_eq!(logged, "logged");
    }

    #[test]
    fn the_service_is_known_as_surely_as_the_row_tells() {
        let some = |name: &str, certainty| Some((name.to_owned(), certainty));
        assert_eq!(
            service("cowrie.session.connect", r#""protocol":"telnet","dst_port":22"#),
            some("telnet", Certainty::Named)
        );
        assert_eq!(
            service("cowrie.command.input", r#""protocol":"SSH""#),
            some("ssh", Certainty::Named)
        );
        assert_eq!(
            service("cowrie.client.version", r#""version":"x""#),
            some("ssh", Certainty::Inferred)
        );
        assert_eq!(
            service("cowrie.login.failed", r#""system":"CowrieTelnetTransport,3,203.0.113.9""#),
            some("telnet", Certainty::Inferred)
        );
        assert_eq!(
            service(
                "cowrie.login.failed",
                r#""system":"SSHService ssh-userauth on HoneyPotSSHTransport,3""#
            ),
            some("ssh", Certainty::Inferred)
        );
        assert_eq!(
            service("cowrie.session.connect", r#""dst_port":2222"#),
            some("ssh", Certainty::Port)
        );
        assert_eq!(
            service("cowrie.session.connect", r#""dst_port":"23""#),
            some("telnet", Certainty::Port)
        );
        assert_eq!(service("cowrie.session.connect", r#""dst_port":8022"#), None);
        assert_eq!(service("cowrie.command.input", r#""dst_port":23"#), None);
    }

    #[test]
    fn what_is_no_event_is_rejected_with_its_reason() {
        let reason = |row: &str| Format::Cowrie.reason(&read(row).unwrap_err());
        assert_eq!(reason("{\"a\":1"), "broken JSON");
        assert_eq!(reason("[]"), "broken JSON");
        assert_eq!(reason("{}"), "not a Cowrie event");
        assert_eq!(reason(r#"{"eventid":"adbhoney.connect"}"#), "not a Cowrie event");
        assert_eq!(reason(r#"{"eventid":"cowrie.log.open"}"#), "no session");
        let good = row("cowrie.session.closed", "");
        assert_eq!(reason(&good.replace("203.0.113.9", "")), "no source address");
        assert_eq!(reason(&good.replace("203.0.113.9", "Unknown")), "no source address");
        assert_eq!(reason(&good.replace("2022", "1970")), "no usable time");
        assert_eq!(read(&good).unwrap().action, Action::Closed);
    }

    #[test]
    fn a_broken_row_says_where_it_breaks() {
        let Err(Reject::Broken { column, reason }) = read(r#"{"eventid":"cowrie.x",}"#) else {
            panic!()
        };
        assert_eq!((column, reason.as_str()), (23, "trailing comma"));
        let row = b"{\"a\":\"\xff\"}";
        let Err(Reject::Broken { column, .. }) = Format::Cowrie.decode(row, Zone::default()) else {
            panic!()
        };
        assert_eq!(column, 7);
    }

    #[test]
    fn an_export_of_elasticsearch_is_read_as_what_it_wraps() {
        let inner = row(
            "cowrie.session.connect",
            r#""dest_port":22,"@timestamp":"2022-05-29T00:00:05.000Z","type":"Cowrie""#,
        );
        let wrapped = |score: u8| {
            format!(r#"{{"_index":"logstash-2022.05.29","_score":{score},"_source":{inner}}}"#)
        };
        let (first, second) = (wrapped(1), wrapped(2));
        assert_eq!(read(&first).unwrap(), read(&inner).unwrap());
        assert_eq!(read(&second).unwrap().hash, read(&inner).unwrap().hash);
        let bare = inner.replace("\"timestamp\"", "\"other\"");
        assert_eq!(read(&bare).unwrap().at.to_string(), "2022-05-29T00:00:05.000000Z");
    }
}
