//! What a row of any honeypot's log says, in words that all honeypots share.
//!
//! Each format decodes its rows into [`Event`]s; everything behind that (sessions, features, the store)
//! knows these and no format. A row may tell of several things, as Heralding's does, which is a whole
//! session; so it yields [`Events`], of which there is always one. Each has a hash that is a function of
//! the row and of its place in it, by which the store counts it once.

use std::borrow::Cow;
use std::iter::Chain;
use std::net::IpAddr;
use std::option;
use std::vec;

use super::moment::Zone;
use crate::clock::Timestamp;
use crate::store::record::Certainty;

/// One thing that a row says.
#[derive(Clone, Debug, PartialEq)]
pub struct Event<'a> {
    /// What tells it from every other of its session, in any copy of the log.
    pub hash: u64,
    /// When.
    pub at: Timestamp,
    /// The sensor as the log names it; empty if it does not.
    pub sensor: Cow<'a, str>,
    /// The session's id.
    pub session: Cow<'a, str>,
    /// Who.
    pub address: IpAddr,
    /// Whom it was sent to, where that has to be asked: a log that listens to the wire also has what the
    /// sensor itself sent.
    pub to: Option<IpAddr>,
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
        /// MD5 of what came.
        md5: Option<Cow<'a, str>>,
        /// From where.
        url: Option<Cow<'a, str>>,
    },
    /// A terminal was recorded, into this file.
    Recorded(Cow<'a, str>),
    /// The sensor was asked to connect to somewhere else.
    Relay {
        /// The host.
        host: Cow<'a, str>,
        /// The port.
        port: Cow<'a, str>,
    },
    /// What a client of TLS or HTTP looks like, one that speaks through a tunnel included.
    Fingerprint {
        /// Its JA3.
        ja3: Option<Cow<'a, str>>,
        /// Its JA4.
        ja4: Option<Cow<'a, str>>,
        /// Its JA4H.
        ja4h: Option<Cow<'a, str>>,
    },
    /// The first bytes that a client sent, to a sensor that only listens.
    Probe(Vec<u8>),
}

/// A public key; at least one of the two is there.
#[derive(Clone, Debug, PartialEq)]
pub struct PublicKey<'a> {
    /// `type base64`, as in a `.pub` file.
    pub key: Option<Cow<'a, str>>,
    /// Its MD5 in hexadecimal, colons between. This is not a HASSH.
    pub fingerprint: Option<Cow<'a, str>>,
}

/// What one row says: one event, or more. (One costs no allocation, and nearly all rows are one.)
#[derive(Clone, Debug, PartialEq)]
pub struct Events<'a> {
    first: Event<'a>,
    more: Vec<Event<'a>>,
}

impl<'a> Events<'a> {
    /// The events of a row whose hash is `row`, `actions` of them beside the first; all have what
    /// `first` has but their time and action.
    pub fn of_row(first: Event<'a>, more: impl Iterator<Item = (Timestamp, Action<'a>)>) -> Self {
        let more = more
            .zip(1..)
            .map(|((at, action), place)| Event {
                hash: part(first.hash, place),
                at,
                action,
                ..first.clone()
            })
            .collect();
        Self { first, more }
    }

    /// These events, and no other.
    pub(super) fn new(first: Event<'a>, more: Vec<Event<'a>>) -> Self {
        Self { first, more }
    }

    /// The first.
    pub fn first(&self) -> &Event<'a> {
        &self.first
    }

    /// The same as those of the row with this hash.
    #[must_use]
    pub fn of(mut self, row: u64) -> Self {
        self.first.hash = row;
        for (event, place) in self.more.iter_mut().zip(1..) {
            event.hash = part(row, place);
        }
        self
    }
}

impl<'a> From<Event<'a>> for Events<'a> {
    fn from(first: Event<'a>) -> Self {
        Self { first, more: Vec::new() }
    }
}

impl<'a> IntoIterator for Events<'a> {
    type Item = Event<'a>;
    type IntoIter = Chain<option::IntoIter<Event<'a>>, vec::IntoIter<Event<'a>>>;

    fn into_iter(self) -> Self::IntoIter {
        Some(self.first).into_iter().chain(self.more)
    }
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
    /// It is nothing that this format has.
    Foreign,
    /// It belongs to no session.
    NoSession,
    /// It has no source address, or what stands there is none.
    NoAddress,
    /// It has no time that can be believed.
    NoTime,
    /// It is about something that the sensor did.
    Own,
}

impl Reject {
    /// What serde_json says of a row. (The row is one line to us: what it says about lines is about
    /// something else.)
    pub(super) fn broken(error: &serde_json::Error) -> Self {
        let text = error.to_string();
        let reason = text.split(" at line ").next().unwrap_or(&text).to_owned();
        Self::Broken { column: error.column().max(1), reason }
    }
}

/// Decodes one row of some format. Pure: the same row and zone, the same events.
pub type Decode = for<'a> fn(&'a str, Zone) -> Result<Events<'a>, Reject>;

/// The hash of a row. XXH3 because the database keeps it: its output is specified and the same in all
/// releases and on all machines, which the standard library's hashers refuse to promise, and at 64
/// bits two of the rows of one session meet by chance once in 10^9 sessions of 200,000 rows.
pub fn hash(row: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(row)
}

/// The hash of what stands at a place of a row with this hash; at place 0, that itself.
pub fn part(row: u64, place: u64) -> u64 {
    if place == 0 {
        return row;
    }
    xxhash_rust::xxh3::xxh3_64_with_seed(&row.to_le_bytes(), place)
}

/// The id of a session for logs that give none: from the remote port to an address and port of the
/// sensor, at a second. The session's attacker is no part of it, since it has a column of its own.
pub fn connection(remote_port: &str, local_ip: &str, local_port: &str, at: Timestamp) -> String {
    format!("{remote_port}>{local_ip}:{local_port}@{}", at.0.div_euclid(1_000_000))
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

#[cfg(test)]
mod tests {
    use super::super::format::Format;
    use super::*;

    /// A row of Cowrie's with this as its command.
    fn row(input: &[u8]) -> Vec<u8> {
        let before = r#"{"eventid":"cowrie.command.input","session":"a","src_ip":"203.0.113.9","timestamp":"2022-05-29T00:00:04Z","input":"a"#;
        [before.as_bytes(), input, br#"b"}"#].concat()
    }

    fn decode(row: &[u8]) -> Result<Events<'_>, Reject> {
        Format::Cowrie.decode(row, Zone::default())
    }

    #[test]
    fn a_row_with_bytes_that_are_no_text_is_mended() {
        for (bytes, expected) in [
            (&b"\xff"[..], "a\u{fffd}b"),
            (b"\x1b", "a b"),
            (br"\udcff", "a\u{fffd}b"),
            (br"\ud83d", "a\u{fffd}b"),
            (br"\ud83d\ude00\x", ""),
            (br"\\\xff", ""),
        ] {
            let row = row(bytes);
            assert!(decode(&row).is_err());
            let mended = mend(&row);
            if expected.is_empty() {
                let again = mended.as_deref().map(|mended| decode(mended).is_err());
                assert!(again.unwrap_or(true), "what is no JSON stays none");
            } else {
                let mended = mended.unwrap();
                let action = &decode(&mended).unwrap().first.action;
                assert_eq!(*action, Action::Command(expected.into()));
            }
        }
        assert_eq!(mend(&row(b"?")), None);
    }

    #[test]
    fn the_events_of_a_row_are_told_apart_by_their_place() {
        let row = row(b"");
        let first = decode(&row).unwrap().first;
        let at = first.at;
        let events = Events::of_row(first, [(at, Action::Other), (at, Action::Other)].into_iter());
        let hashes = |events: Events<'_>| events.into_iter().map(|e| e.hash).collect::<Vec<_>>();
        let hash = hash(&row);
        assert_eq!(hashes(events.clone()), [hash, part(hash, 1), part(hash, 2)]);
        assert_eq!(hashes(events.of(7)), [7, part(7, 1), part(7, 2)]);
        // Databases hold these too.
        assert_eq!((part(7, 0), part(7, 1)), (7, 11_820_201_061_969_409_296));
    }

    #[test]
    fn the_hash_of_a_row_is_the_same_for_ever() {
        // The value that the reference implementation of XXH3 gives; databases hold it.
        assert_eq!(hash(b""), 0x2d06_8005_38d3_94c2);
        assert_eq!(hash(b"cowrie"), hash(b"cowrie"));
    }
}
