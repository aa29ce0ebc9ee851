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
use std::net::IpAddr;

use super::address;
use super::moment::{self, Zone};
use crate::clock::Timestamp;
use crate::store::record::Certainty;
use row::{Key, Row};

mod row;

/// A longer name of a service is cut off.
const SERVICE_CHARS_MAX: usize = 16;

/// What one row says.
#[derive(Clone, Debug, PartialEq)]
pub struct Event<'a> {
    /// What tells this row from every other of its session, in any copy of the log.
    pub hash: u64,
    /// When.
    pub at: Timestamp,
    /// The sensor as the log names it; empty if it does not.
    pub sensor: Cow<'a, str>,
    /// The session's id.
    pub session: Cow<'a, str>,
    /// Who.
    pub address: IpAddr,
    /// What the row says of its session's service, and how certain that is.
    pub service: Option<(Cow<'a, str>, Certainty)>,
    /// What happened.
    pub action: Action<'a>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Action<'a> {
    /// Something that only counts.
    Other,
    /// The session ended.
    Closed,
    /// The client introduced itself.
    Client {
        /// Its banner, without `b'…'` around it.
        version: Option<Cow<'a, str>>,
        /// Its HASSH, as logged or computed.
        hassh: Option<Cow<'a, str>>,
    },
    /// A login was tried.
    Login {
        /// Whether the sensor let it in. With Cowrie's `AuthRandom` it does so for any password.
        accepted: bool,
        /// The user name; some services have none.
        username: Option<Cow<'a, str>>,
        /// The password; a public key has none.
        password: Option<Cow<'a, str>>,
        /// The public key, if one was offered.
        key: Option<PublicKey<'a>>,
    },
    /// A public key was offered.
    Offered(PublicKey<'a>),
    /// The terminal's size.
    Terminal {
        /// In columns.
        width: Cow<'a, str>,
        /// In rows.
        height: Cow<'a, str>,
    },
    /// A command line was entered.
    Command(Cow<'a, str>),
    /// A file came in, or should have.
    File {
        /// SHA-256 of what came.
        sha256: Option<Cow<'a, str>>,
        /// From where.
        url: Option<Cow<'a, str>>,
    },
    /// The sensor was asked to connect to somewhere else.
    Relay {
        /// The host.
        host: Cow<'a, str>,
        /// The port.
        port: Cow<'a, str>,
    },
    /// What a client that speaks through a tunnel looks like.
    Tunnelled {
        /// Its JA3.
        ja3: Option<Cow<'a, str>>,
        /// Its JA4.
        ja4: Option<Cow<'a, str>>,
        /// Its JA4H.
        ja4h: Option<Cow<'a, str>>,
    },
}

/// A public key; at least one of the two is there.
#[derive(Clone, Debug, PartialEq)]
pub struct PublicKey<'a> {
    /// `type base64`, as in a `.pub` file.
    pub key: Option<Cow<'a, str>>,
    /// Its MD5 in hexadecimal, colons between. This is not a HASSH.
    pub fingerprint: Option<Cow<'a, str>>,
}

/// Why a row yields no event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reject {
    /// It is no JSON object.
    Broken {
        /// Where, counted in bytes from 1.
        column: usize,
        /// What is wrong there.
        reason: String,
    },
    /// It is not an event of Cowrie.
    Foreign,
    /// It belongs to no session.
    NoSession,
    /// It has no source address, or what stands there is none.
    NoAddress,
    /// It has no time that can be believed.
    NoTime,
}

impl Reject {
    /// The reason as counts list it.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Broken { .. } => "broken JSON",
            Self::Foreign => "not a Cowrie event",
            Self::NoSession => "no session",
            Self::NoAddress => "no source address",
            Self::NoTime => "no usable time",
        }
    }
}

/// Decodes one row: an event, or one that an export wrapped into `_source`.
///
/// # Errors
/// [`Reject`].
pub fn decode(row: &[u8], zone: Zone) -> Result<Event<'_>, Reject> {
    // One look at all bytes is cheaper than one at each string.
    let text = std::str::from_utf8(row).map_err(|error| Reject::Broken {
        column: error.valid_up_to() + 1,
        reason: "not UTF-8".to_owned(),
    })?;
    let mut fields = Row::default();
    fields.read(text).map_err(|error| broken(&error))?;
    match fields.source {
        // The wrapping changes with every export (`_score`, `sort`); what is wrapped does not.
        Some(source) if fields.get(Key::Eventid).is_none() => {
            let mut fields = Row::default();
            fields.read(source.get()).map_err(|error| broken(&error))?;
            interpret(&mut fields, hash(source.get().as_bytes()), zone)
        }
        _ => interpret(&mut fields, hash(row), zone),
    }
}

/// The hash of a row. XXH3 because the database keeps it: its output is specified and the same in all
/// releases and on all machines, which the standard library's hashers refuse to promise, and at 64
/// bits two of the rows of one session meet by chance once in 10^9 sessions of 200,000 rows.
pub fn hash(row: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(row)
}

/// The row made readable, if that is possible: bytes that are no UTF-8 and halves of surrogate pairs
/// become U+FFFD, raw control characters become spaces. Attackers send all of them, and a row is not
/// lost for it. `None` if there was nothing to mend.
pub fn mend(row: &[u8]) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(row);
    let mut mended = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    while let Some(at) = rest.find(|c: char| c == '\\' || c < ' ') {
        let (before, after) = rest.split_at_checked(at)?;
        mended.push_str(before);
        let (fixed, length) = match after.as_bytes() {
            [b'\\', b'u', ..]
                if unit(after).is_some_and(|unit| (0xd800..0xe000).contains(&unit)) =>
            {
                let high = unit(after).is_some_and(|unit| unit < 0xdc00);
                let low = after
                    .get(6..)
                    .and_then(unit)
                    .is_some_and(|unit| (0xdc00..0xe000).contains(&unit));
                if high && low { (after.get(..12)?, 12) } else { ("\u{fffd}", 6) }
            }
            [b'\\', next, ..] if next.is_ascii() => (after.get(..2)?, 2),
            [b'\\', ..] => ("\\", 1),
            _ => (" ", 1),
        };
        mended.push_str(fixed);
        rest = after.get(length..)?;
    }
    mended.push_str(rest);
    (mended.as_bytes() != row).then(|| mended.into_bytes())
}

/// The UTF-16 unit of the `\uXXXX` that the text begins with.
fn unit(text: &str) -> Option<u16> {
    let digits = text
        .strip_prefix("\\u")?
        .get(..4)
        .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
    u16::from_str_radix(digits, 16).ok()
}

fn broken(error: &serde_json::Error) -> Reject {
    let text = error.to_string();
    // The row is one line to us: what serde_json says about lines is about something else.
    let reason = text.split(" at line ").next().unwrap_or(&text).to_owned();
    Reject::Broken { column: error.column().max(1), reason }
}

fn interpret<'a>(row: &mut Row<'a>, hash: u64, zone: Zone) -> Result<Event<'a>, Reject> {
    let eventid = row.take(Key::Eventid).unwrap_or_default();
    let name = eventid.strip_prefix("cowrie.").ok_or(Reject::Foreign)?;
    let service = service(name, row);
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
        service,
        action,
    })
}

/// What the row says of the service. `protocol` settles it; what only SSH clients do, or the name of
/// the part that logged it, is nearly as good; the port is what the operator chose.
fn service(name: &str, row: &Row<'_>) -> Option<(Cow<'static, str>, Certainty)> {
    if let Some(protocol) = row.get(Key::Protocol) {
        return Some((service_name(protocol), Certainty::Named));
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

fn service_name(protocol: &str) -> Cow<'static, str> {
    match protocol {
        "ssh" => Cow::Borrowed("ssh"),
        "telnet" => Cow::Borrowed("telnet"),
        other => {
            Cow::Owned(other.chars().take(SERVICE_CHARS_MAX).flat_map(char::to_lowercase).collect())
        }
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
            Action::File { sha256: row.take(Key::Shasum), url: row.take(Key::Url) }
        }
        "direct-tcpip.request" => match (row.take(Key::DstIp), row.take(Key::DstPort)) {
            (Some(host), Some(port)) => Action::Relay { host, port },
            _ => Action::Other,
        },
        "direct-tcpip.ja3" | "direct-tcpip.ja4" | "direct-tcpip.ja4h" => Action::Tunnelled {
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
