//! The formats that are read, and what tells them apart.
//!
//! A format is one file that decodes its rows; this is the table of them. Everything else about reading
//! (unpacking, cutting into rows, mending, batching) is the same for all.

use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::moment::Zone;
use super::sighting::{Decode, Events, Reject};
use super::{cowrie, dionaea, fatt, heralding, honeytrap};

/// How a database of SQLite begins.
pub const DATABASE: &[u8] = b"SQLite format 3\0";

/// What wrote a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Cowrie, an SSH and Telnet honeypot.
    Cowrie,
    /// Heralding, which collects credentials.
    Heralding,
    /// Dionaea, which collects malware.
    Dionaea,
    /// Honeytrap, which listens on all ports.
    Honeytrap,
    /// fatt, which fingerprints clients on the wire.
    Fatt,
}

/// A row of the table.
struct Traits {
    name: &'static str,
    title: &'static str,
    /// Why a row of something else is passed over.
    foreign: &'static str,
    /// What stands near the beginning of such a file: all words of one of these.
    signs: &'static [&'static [&'static [u8]]],
    decode: Decode,
}

const COWRIE: Traits = Traits {
    name: "cowrie",
    title: "Cowrie",
    foreign: "not a Cowrie event",
    signs: &[&[b"\"eventid\"", b"cowrie."]],
    decode: cowrie::decode,
};
const HERALDING: Traits = Traits {
    name: "heralding",
    title: "Heralding",
    foreign: "not a Heralding session",
    signs: &[&[b"\"auth_attempts\"", b"\"session_id\""]],
    decode: heralding::decode,
};
const DIONAEA: Traits = Traits {
    name: "dionaea",
    title: "Dionaea",
    foreign: "not a Dionaea connection",
    signs: &[
        &[b"\"connection\"", b"\"transport\"", b"\"src_ip\""],
        &[DATABASE, b"connection_protocol"],
    ],
    decode: dionaea::decode,
};
const HONEYTRAP: Traits = Traits {
    name: "honeytrap",
    title: "Honeytrap",
    foreign: "not a Honeytrap attack",
    signs: &[&[b"\"attack_connection\"", b"\"payload\""]],
    decode: honeytrap::decode,
};
const FATT: Traits = Traits {
    name: "fatt",
    title: "fatt",
    foreign: "not a fatt record",
    signs: &[&[b"\"sourceIp\"", b"\"destinationIp\""], &[b"\"fatt_"]],
    decode: fatt::decode,
};

impl Format {
    /// Every format.
    pub const ALL: [Self; 5] =
        [Self::Cowrie, Self::Heralding, Self::Dionaea, Self::Honeytrap, Self::Fatt];

    fn traits(self) -> &'static Traits {
        match self {
            Self::Cowrie => &COWRIE,
            Self::Heralding => &HERALDING,
            Self::Dionaea => &DIONAEA,
            Self::Honeytrap => &HONEYTRAP,
            Self::Fatt => &FATT,
        }
    }

    /// Its name in commands and in the database, and that of a sensor which has none of its own.
    pub fn name(self) -> &'static str {
        self.traits().name
    }

    /// Its name in sentences.
    pub fn title(self) -> &'static str {
        self.traits().title
    }

    /// Whether a file that begins like this looks like one.
    pub fn is_likely(self, start: &[u8]) -> bool {
        let has = |word: &&[u8]| memmem::find(start, word).is_some();
        self.traits().signs.iter().any(|words| words.iter().all(has))
    }

    /// The reason as counts list it.
    pub fn reason(self, reject: &Reject) -> &'static str {
        match reject {
            Reject::Broken { .. } => "broken JSON",
            Reject::Foreign => self.traits().foreign,
            Reject::NoSession => "no session",
            Reject::NoAddress => "no source address",
            Reject::NoTime => "no usable time",
            Reject::Own => "own traffic",
        }
    }

    /// Decodes one row, or one that an export wrapped into `_source`.
    ///
    /// # Errors
    /// [`Reject`].
    pub fn decode(self, row: &[u8], zone: Zone) -> Result<Events<'_>, Reject> {
        // One look at all bytes is cheaper than one at each string.
        let text = std::str::from_utf8(row).map_err(|error| Reject::Broken {
            column: error.valid_up_to() + 1,
            reason: "not UTF-8".to_owned(),
        })?;
        let decode = self.traits().decode;
        match decode(text, zone) {
            // The wrapping changes with every export (`_score`, `sort`); what is wrapped does not.
            Err(Reject::Foreign) => decode(wrapped(text).ok_or(Reject::Foreign)?, zone),
            decoded => decoded,
        }
    }
}

/// What stands in `_source`.
fn wrapped(text: &str) -> Option<&str> {
    #[derive(Deserialize)]
    struct Export<'a> {
        #[serde(borrow, rename = "_source")]
        source: Option<&'a RawValue>,
    }
    let export: Export<'_> = serde_json::from_str(text).ok()?;
    export.source.map(RawValue::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first row of each format.
    const ROWS: [(Format, &str); 5] = [
        (
            Format::Cowrie,
            r#"{"eventid":"cowrie.session.closed","session":"a","src_ip":"203.0.113.9","timestamp":"2022-05-29T00:00:04Z"}"#,
        ),
        (
            Format::Heralding,
            r#"{"timestamp": "2025-02-22 08:05:15.141628", "duration": 0, "session_id": "2e7b", "source_ip": "203.0.113.9", "protocol": "vnc", "auth_attempts": [], "session_ended": true}"#,
        ),
        (
            Format::Dionaea,
            r#"{"connection": {"protocol": "smbd", "transport": "tcp", "type": "accept"}, "dst_ip": "192.168.96.2", "dst_port": 445, "src_ip": "203.0.113.9", "src_port": 1401, "timestamp": "2025-02-12T08:28:02.472515"}"#,
        ),
        (
            Format::Honeytrap,
            r#"{ "@timestamp": "2025-02-18T04:23:26Z", "start_time": "2025-02-18T04:23:26Z", "attack_connection": { "remote_ip": "203.0.113.9", "remote_port": 1, "local_ip": "10.128.0.5", "local_port": 8728, "payload": { "length": 0, "data_hex": "" } } }"#,
        ),
        (
            Format::Fatt,
            r#"{"timestamp": "2022-05-28T08:02:16.048624", "sourceIp": "203.0.113.9", "destinationIp": "10.182.0.11", "sourcePort": "48286", "destinationPort": "22", "protocol": "ssh", "ssh": {"client": "SSH-2.0-Go", "hassh": "51cba57125523ce4b9db67714a90bf6e"}}"#,
        ),
    ];

    #[test]
    fn each_format_knows_its_own_rows_and_no_others() {
        for (format, row) in ROWS {
            for other in Format::ALL {
                let decoded = other.decode(row.as_bytes(), Zone::default());
                if other == format {
                    assert!(decoded.is_ok(), "{format:?} {decoded:?}");
                } else {
                    assert_eq!(decoded.unwrap_err(), Reject::Foreign, "{format:?} as {other:?}");
                }
                assert_eq!(
                    other.is_likely(row.as_bytes()),
                    other == format,
                    "{format:?} {other:?}"
                );
            }
        }
    }

    #[test]
    fn what_is_wrapped_is_read_and_counts_as_itself() {
        for (format, row) in ROWS {
            let wrapped = format!(r#"{{"_index":"x","_score":1,"_source":{row}}}"#);
            let there = format.decode(wrapped.as_bytes(), Zone::default()).unwrap();
            assert_eq!(there, format.decode(row.as_bytes(), Zone::default()).unwrap());
            let twice = format!(r#"{{"_source":{wrapped}}}"#);
            assert!(format.decode(twice.as_bytes(), Zone::default()).is_err());
        }
    }
}
