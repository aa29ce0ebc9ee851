//! One connection to Dionaea, decoded, from its JSON log or its database.
//!
//! Dionaea writes both, and a sensor may hand over both: the database alone knows what was downloaded,
//! the log alone what was said to the FTP server. So what they share must count once. Neither gives a
//! connection an id that the other has, and their clocks are read up to 2 ms apart; but the ports and
//! the second agree (for all but 3 of 10,000 connections that were measured, which lie at the edge of
//! a second and count twice). Hence a connection's id is made of these, its time is the whole second,
//! and an event's hash is that of its content and not that of the row. Two connections from one port
//! to one port within a second are one.
//!
//! FTP commands are verbs of a protocol and no shell's, so they only count; what `USER` and `PASS`
//! carried stands among the credentials. What the log does not say is whether a login was let in.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

use super::field::Text;
use super::moment::{self, Zone};
use super::sighting::{self, Action, Event, Events, Reject};
use super::{address, service};
use crate::clock::Timestamp;
use crate::store::dionaea as stored;
use crate::store::record::Certainty;

pub(super) mod database;

const SECOND: i64 = 1_000_000;

/// What Dionaea's modules serve.
const SERVICES: &[(&str, &str)] = &[
    ("ftpd", "ftp"),
    ("ftpdata", "ftp"),
    ("ftpdataconnect", "ftp"),
    ("ftpdatalisten", "ftp"),
    ("httpd", "http"),
    ("memcache", "memcached"),
    ("mirrorc", "mirror"),
    ("mirrord", "mirror"),
    ("mongod", "mongodb"),
    ("mqttd", "mqtt"),
    ("mssqld", "mssql"),
    ("mysqld", "mysql"),
    ("pptpd", "pptp"),
    ("printerd", "printer"),
    ("rtpudpstream", "sip"),
    ("sipcall", "sip"),
    ("sipsession", "sip"),
    ("smbd", "smb"),
    ("tftpd", "tftp"),
    ("tftpserverhandler", "tftp"),
    ("upnpd", "upnp"),
];

/// The fields that are needed of a row, under Dionaea's names and those that T-Pot gives them.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Row<'a> {
    #[serde(borrow)]
    timestamp: Text<'a>,
    #[serde(borrow, rename = "@timestamp")]
    at_timestamp: Text<'a>,
    #[serde(borrow)]
    connection: Option<Kind<'a>>,
    #[serde(borrow)]
    src_ip: Text<'a>,
    #[serde(borrow)]
    src_port: Text<'a>,
    #[serde(borrow, alias = "dest_ip")]
    dst_ip: Text<'a>,
    #[serde(borrow, alias = "dest_port")]
    dst_port: Text<'a>,
    #[serde(borrow)]
    credentials: Option<Credentials<'a>>,
    #[serde(borrow)]
    ftp: Option<Ftp<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Kind<'a> {
    #[serde(borrow)]
    protocol: Text<'a>,
    #[serde(borrow)]
    transport: Text<'a>,
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
}

/// Two lists of equal length, in whatever order they stand.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Credentials<'a> {
    #[serde(borrow)]
    username: Vec<Text<'a>>,
    #[serde(borrow)]
    password: Vec<Text<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Ftp<'a> {
    #[serde(borrow)]
    commands: Option<Commands<'a>>,
}

/// Likewise.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Commands<'a> {
    #[serde(borrow)]
    command: Vec<Text<'a>>,
    #[serde(borrow)]
    arguments: Vec<Text<'a>>,
}

/// A connection, wherever it was written down.
struct Connection<'c> {
    kind: &'c str,
    transport: &'c str,
    protocol: &'c str,
    at: Option<Timestamp>,
    /// The other's address and port.
    from: (&'c str, &'c str),
    /// The sensor's.
    to: (&'c str, &'c str),
}

/// What happened in a connection, and what tells it from all else that did.
type Happening<'a> = (Vec<u8>, Action<'a>);

/// Decodes one row of the JSON log.
///
/// # Errors
/// [`Reject`].
pub fn decode(text: &str, zone: Zone) -> Result<Events<'_>, Reject> {
    let row: Row<'_> = serde_json::from_str(text).map_err(|error| Reject::broken(&error))?;
    let kind = row.connection.ok_or(Reject::Foreign)?;
    let time = |text: &Text<'_>| moment::parse(text.get()?, zone);
    let connection = Connection {
        kind: kind.kind.get().unwrap_or(""),
        transport: kind.transport.get().unwrap_or(""),
        protocol: kind.protocol.get().unwrap_or(""),
        at: time(&row.timestamp).or_else(|| time(&row.at_timestamp)),
        from: (row.src_ip.get().unwrap_or(""), row.src_port.get().unwrap_or("")),
        to: (row.dst_ip.get().unwrap_or(""), row.dst_port.get().unwrap_or("")),
    };
    let Credentials { username, password } = row.credentials.unwrap_or_default();
    let Commands { command, arguments } = row.ftp.and_then(|ftp| ftp.commands).unwrap_or_default();
    let logins = pairs(username, password).map(|(username, password)| login(username, password));
    let commands = pairs(command, arguments)
        .filter(|(verb, _)| !matches!(verb.as_deref(), Some("USER" | "PASS")))
        .map(|(verb, argument)| (key(b"ftp", &verb, &argument), Action::Other));
    events(&connection, logins.chain(commands))
}

/// The events of a connection that stood in a database.
fn of_stored(row: stored::Connection) -> Result<Events<'static>, Reject> {
    let [from_port, to_port] = [row.remote_port, row.local_port].map(|port| port.to_string());
    let connection = Connection {
        kind: &row.kind,
        transport: &row.transport,
        protocol: &row.protocol,
        at: moment::parse(&row.at.to_string(), Zone::default()),
        from: (&row.remote_host, &from_port),
        to: (&row.local_host, &to_port),
    };
    let logins = row.logins.into_iter().map(|stored::Login { username, password }| {
        login(username.map(Cow::Owned), password.map(Cow::Owned))
    });
    let downloads = row.downloads.into_iter().map(|stored::Download { url, md5 }| {
        let (url, md5) = (url.map(Cow::Owned), md5.map(Cow::Owned));
        (key(b"download", &url, &md5), Action::File { sha256: None, md5, url })
    });
    events(&connection, logins.chain(downloads))
}

/// That the connection was made, and what happened in it.
fn events<'a>(
    connection: &Connection<'_>,
    happened: impl Iterator<Item = Happening<'a>>,
) -> Result<Events<'a>, Reject> {
    // Over UDP, Dionaea answers each client through a socket that it connects to it; over TCP, what it
    // connects to is its own choice. What it listens on is nobody's yet.
    if connection.kind == "listen"
        || (connection.kind == "connect" && connection.transport != "udp")
    {
        return Err(Reject::Own);
    }
    let address = address::parse(connection.from.0).ok_or(Reject::NoAddress)?;
    let at = connection.at.ok_or(Reject::NoTime)?;
    let at = Timestamp(at.0 - at.0.rem_euclid(SECOND));
    let local = address::parse(connection.to.0).map_or_else(String::new, |ip| ip.to_string());
    let session = sighting::connection(connection.from.1, &local, connection.to.1, at);
    let first = Event {
        // With its service: a row of another service has to count, if only so that it is learnt of.
        hash: sighting::hash(&[b"connection ", connection.protocol.as_bytes()].concat()),
        at,
        sensor: Cow::Borrowed(""),
        session: Cow::Owned(session),
        address,
        to: None,
        service: Some((service_of(connection.protocol), Certainty::Named)),
        action: Action::Other,
    };
    // The same login again is told apart by how often it was there before.
    let mut seen: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
    let more = happened
        .map(|(key, action)| {
            let content = sighting::hash(&key);
            let before = seen.entry(key).or_default();
            *before += 1;
            Event { hash: sighting::part(content, *before - 1), action, ..first.clone() }
        })
        .collect();
    Ok(Events::new(first, more))
}

fn service_of(module: &str) -> Cow<'static, str> {
    let known = SERVICES.iter().find(|(known, _)| known.eq_ignore_ascii_case(module));
    known.map_or_else(|| service::spelled(module), |(_, service)| Cow::Borrowed(service))
}

fn login<'a>(username: Option<Cow<'a, str>>, password: Option<Cow<'a, str>>) -> Happening<'a> {
    let key = key(b"login", &username, &password);
    (key, Action::Login { accepted: false, username, password, key: None })
}

/// What tells one happening from another: no two that differ have the same.
fn key(what: &[u8], one: &Option<Cow<'_, str>>, other: &Option<Cow<'_, str>>) -> Vec<u8> {
    let mut key = what.to_vec();
    for text in [one, other] {
        match text {
            // No byte of UTF-8 is this large, so a text cannot run into the next.
            Some(text) => key.extend([&[0xff], text.as_bytes()].concat()),
            None => key.push(0xfe),
        }
    }
    key
}

/// The two lists side by side, as far as the longer goes.
fn pairs<'a>(
    one: Vec<Text<'a>>,
    other: Vec<Text<'a>>,
) -> impl Iterator<Item = (Option<Cow<'a, str>>, Option<Cow<'a, str>>)> {
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    std::iter::from_fn(move || match (one.next(), other.next()) {
        (None, None) => None,
        (one, other) => Some((one.and_then(|text| text.0), other.and_then(|text| text.0))),
    })
}

#[cfg(test)]
mod tests {
    use super::super::format::Format;
    use super::*;

    const ROW: &str = r#"{"connection": {"protocol": "mssqld", "transport": "tcp", "type": "accept"}, "dst_ip": "192.168.96.2", "dst_port": 1433, "src_hostname": "", "src_ip": "::ffff:203.0.113.9", "src_port": 50602, "timestamp": "2025-02-12T08:46:20.999061", "credentials": {"password": ["", "x", ""], "username": ["sa", "sa", "sa"]}}"#;
    const FTP: &str = r#"{"connection": {"protocol": "ftpd", "transport": "tcp", "type": "accept"}, "dst_ip": "192.168.96.2", "dst_port": 21, "src_ip": "203.0.113.9", "src_port": 38980, "timestamp": "2025-02-12T09:35:48.086399", "ftp": {"commands": {"arguments": ["anonymous", "anonymous@", "", ""], "command": ["USER", "PASS", "PWD", "PWD"]}}, "credentials": {"password": ["anonymous@"], "username": ["anonymous"]}}"#;

    fn read(row: &str) -> Result<Vec<Event<'_>>, Reject> {
        let events = Format::Dionaea.decode(row.as_bytes(), Zone::default())?;
        Ok(events.into_iter().collect())
    }

    /// The connection of `ROW` as the database has it: a moment later, within the same second.
    fn stored() -> stored::Connection {
        let login = |password: &str| stored::Login {
            username: Some("sa".to_owned()),
            password: Some(password.to_owned()),
        };
        stored::Connection {
            kind: "accept".to_owned(),
            transport: "tcp".to_owned(),
            protocol: "mssqld".to_owned(),
            at: 1_739_349_980.999_912,
            local_host: "192.168.96.2".to_owned(),
            local_port: 1433,
            remote_host: "203.0.113.9".to_owned(),
            remote_port: 50602,
            logins: ["", "x", ""].map(login).to_vec(),
            downloads: Vec::new(),
        }
    }

    fn distinct(events: &[Event<'_>]) -> usize {
        let mut hashes: Vec<u64> = events.iter().map(|event| event.hash).collect();
        hashes.sort_unstable();
        hashes.dedup();
        hashes.len()
    }

    #[test]
    fn a_row_is_a_connection_with_its_logins() {
        let events = read(ROW).unwrap();
        assert_eq!((events.len(), distinct(&events)), (4, 4));
        assert_eq!(events[0].action, Action::Other);
        assert_eq!(events[0].at.to_string(), "2025-02-12T08:46:20.000000Z");
        assert_eq!(events[0].session, "50602>192.168.96.2:1433@1739349980");
        assert_eq!(events[0].address.to_string(), "203.0.113.9");
        assert_eq!(events[0].service, Some(("mssql".into(), Certainty::Named)));
        let passwords: Vec<_> = events[1..]
            .iter()
            .map(|event| match &event.action {
                Action::Login { accepted: false, username, password, key: None } => {
                    (username.as_deref().unwrap(), password.as_deref().unwrap())
                }
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(passwords, [("sa", ""), ("sa", "x"), ("sa", "")]);
    }

    #[test]
    fn the_log_and_the_database_tell_of_the_same_connection_in_the_same_words() {
        let of_stored: Vec<_> = of_stored(stored()).unwrap().into_iter().collect();
        assert_eq!(of_stored, read(ROW).unwrap());
    }

    #[test]
    fn a_download_is_known_by_its_md5_and_its_url() {
        let download = |url: Option<&str>, md5: &str| stored::Download {
            url: url.map(str::to_owned),
            md5: Some(md5.to_owned()),
        };
        let downloads = [download(Some(""), "a"), download(None, "a"), download(Some("a"), "")];
        let row = stored::Connection { downloads: downloads.to_vec(), ..stored() };
        let events: Vec<_> = of_stored(row).unwrap().into_iter().collect();
        assert_eq!((events.len(), distinct(&events)), (7, 7));
        let Action::File { sha256: None, md5: Some(md5), url: Some(url) } = &events[4].action
        else {
            panic!("{events:?}")
        };
        assert_eq!((md5.as_ref(), url.as_ref()), ("a", ""));
    }

    #[test]
    fn ftp_commands_only_count_and_who_logged_in_stands_among_the_credentials() {
        let events = read(FTP).unwrap();
        assert_eq!((events.len(), distinct(&events)), (4, 4));
        assert_eq!(events[0].service.as_ref().unwrap().0, "ftp");
        assert!(matches!(&events[1].action, Action::Login { .. }));
        assert_eq!((&events[2].action, &events[3].action), (&Action::Other, &Action::Other));
        // A list that is too short leaves its values out.
        let row = FTP.replace(r#""password": ["anonymous@"]"#, r#""password": []"#);
        let Action::Login { username: Some(_), password: None, .. } =
            &read(&row).unwrap()[1].action
        else {
            panic!()
        };
    }

    #[test]
    fn modules_have_the_names_of_their_services() {
        for (module, service) in [
            ("smbd", "smb"),
            ("mongod", "mongodb"),
            ("SipSession", "sip"),
            ("TftpServerHandler", "tftp"),
            ("epmapper", "epmapper"),
            ("Blackhole", "blackhole"),
        ] {
            assert_eq!(service_of(module), service);
        }
        assert!(SERVICES.is_sorted());
    }

    #[test]
    fn what_dionaea_did_itself_is_rejected_and_udp_is_not() {
        let reason = |row: &str| Format::Dionaea.reason(&read(row).unwrap_err());
        assert_eq!(reason(&ROW.replace("\"accept\"", "\"connect\"")), "own traffic");
        assert_eq!(reason(&ROW.replace("\"accept\"", "\"listen\"")), "own traffic");
        let udp = ROW.replace("\"accept\"", "\"connect\"").replace("\"tcp\"", "\"udp\"");
        assert_eq!(read(&udp).unwrap().len(), 4);
        assert_eq!(reason("{}"), "not a Dionaea connection");
        assert_eq!(reason(&ROW.replace("::ffff:203.0.113.9", "")), "no source address");
        assert_eq!(reason(&ROW.replace("2025-", "1970-")), "no usable time");
    }

    #[test]
    fn an_export_with_the_names_of_t_pot_is_the_same_connection() {
        let renamed = ROW.replace("dst_ip", "dest_ip").replace("dst_port", "dest_port");
        let wrapped = format!(r#"{{"_index":"x","_source":{renamed}}}"#);
        assert_eq!(read(&wrapped).unwrap(), read(ROW).unwrap());
    }
}
