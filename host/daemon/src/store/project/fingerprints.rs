//! What an attacker's `fingerprints` say: features, in the order in which they were seen last.
//!
//! DECNET's profiler writes a list of bounty rows, whose payload names a type and a value of that type; its
//! clusterer looks for entries with a `kind` and a `hash` at the top, which nobody writes. Both shapes are
//! read here, each entry for both. What groups attackers and what stands in an identity's columns is not
//! the same thing in DECNET, so a value that only one of the two may see has a kind of its own: `ja3-edge`
//! is for grouping only, `ja3-column` for the column only, and `ja3` for both.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::config::Fingerprints;
use crate::store::encoding;

/// The most bytes of a list that are looked at; a list that is longer is refused as a whole.
pub const BYTES_MAX: usize = 4 << 20;
/// The most bytes of a value; hashes have a hundred at most.
const VALUE_BYTES_MAX: usize = 1024;

/// A feature, as `corral_feature` has it; times in microseconds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Feature {
    pub(super) kind: &'static str,
    pub(super) value: String,
    pub(super) first_seen: i64,
    pub(super) last_seen: i64,
    pub(super) sightings: i64,
    pub(super) decky: String,
}

/// What is known of one value while a list is read.
#[derive(Debug, Default)]
struct Sighted {
    /// When it was last told of for grouping, and for a column.
    edge: Option<i64>,
    column: Option<i64>,
    first: i64,
    last: i64,
    count: i64,
    decky: String,
}

/// The kinds of one slot: for both, for grouping only, for the column only.
type Kinds = [&'static str; 3];

const JA3: Kinds = ["ja3", "ja3-edge", "ja3-column"];
const HASSH: Kinds = ["hassh", "hassh-edge", "hassh-column"];
const TLS_CERT: Kinds = ["tls-cert-sha256"; 3];
const JA4H: Kinds = ["ja4h"; 3];
const JA4_QUIC: Kinds = ["ja4-quic"; 3];

/// Type of a payload, the key of its value, the slot, and whether the value groups attackers.
const REAL: [(&str, &str, Kinds, bool); 5] = [
    ("ja3", "ja3", JA3, true),
    ("hassh_server", "hash", HASSH, true),
    ("tls_certificate", "cert_sha256", TLS_CERT, false),
    ("ja4h", "ja4h", JA4H, false),
    ("ja4_quic", "ja4_quic", JA4_QUIC, false),
];

/// The features in a list of fingerprints, sorted; `first_seen` is the attacker's, for entries without a time.
///
/// A feature's time is that of its last entry, and no two entries have the same: whoever takes the last by
/// time takes the last of the list.
///
/// # Errors
/// Why the whole list says nothing.
pub(super) fn features(
    json: &str,
    shapes: Fingerprints,
    first_seen: i64,
) -> Result<Vec<Feature>, String> {
    if json.len() > BYTES_MAX {
        return Err(format!("fingerprints: more than {BYTES_MAX} bytes"));
    }
    let list: Value =
        serde_json::from_str(json).map_err(|error| format!("fingerprints: no JSON: {error}"))?;
    let Value::Array(entries) = list else { return Err("fingerprints: not a list".to_owned()) };
    let mut sighted: BTreeMap<(Kinds, String), Sighted> = BTreeMap::new();
    let mut at = first_seen;
    for entry in entries.iter().filter_map(Value::as_object) {
        at = at.saturating_add(1).max(time(entry).unwrap_or(i64::MIN));
        if let Some((kinds, value)) = legacy(entry)? {
            sighted.entry((kinds, value)).or_default().meet(at, entry, true, false);
        }
        if let Some((kinds, value, groups)) = real(entry) {
            let groups = groups && shapes == Fingerprints::Both;
            sighted.entry((kinds, value)).or_default().meet(at, entry, groups, true);
        }
    }
    let mut features: Vec<Feature> = sighted
        .into_iter()
        .map(|((kinds, value), sighted)| sighted.feature(kinds, value))
        .collect();
    features.sort_unstable();
    Ok(features)
}

impl Sighted {
    fn meet(&mut self, at: i64, entry: &Map<String, Value>, edge: bool, column: bool) {
        if self.count == 0 {
            self.first = at;
            self.decky = text(entry, "decky").unwrap_or_default().to_owned();
        }
        // An entry of both shapes is one sighting.
        self.count += i64::from(self.last != at || self.count == 0);
        self.last = at;
        if edge {
            self.edge = Some(at);
        }
        if column {
            self.column = Some(at);
        }
    }

    fn feature(self, kinds: Kinds, value: String) -> Feature {
        let [both, edge, column] = kinds;
        let (kind, seen) = match (self.edge, self.column) {
            (Some(at), Some(_)) => (both, at),
            (Some(at), None) => (edge, at),
            (None, _) => (column, self.column.unwrap_or(self.last)),
        };
        Feature {
            kind,
            value,
            first_seen: seen,
            last_seen: self.last.max(seen),
            sightings: self.count,
            decky: self.decky,
        }
    }
}

/// What an entry with a `kind` says: its `hash`, or, where that is empty, its `value`.
fn legacy(entry: &Map<String, Value>) -> Result<Option<(Kinds, String)>, String> {
    let kinds = match text(entry, "kind") {
        Some("ja3") => JA3,
        Some("hassh") => HASSH,
        _ => return Ok(None),
    };
    let value =
        ["hash", "value"].iter().filter_map(|key| entry.get(*key)).find(|value| is_true(value));
    let Some(value) = value else { return Ok(None) };
    let value = match value {
        Value::String(text) => text.clone(),
        // Nothing that a tool would write. Python compares such values as numbers, whatever their type.
        Value::Bool(is_true) => format!("#{}", u8::from(*is_true)),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => format!("#{float}"),
            _ => format!("#{number}"),
        },
        _ => return Err("fingerprints: a hash that is a list or an object".to_owned()),
    };
    Ok((value.len() <= VALUE_BYTES_MAX).then_some((kinds, value)))
}

/// What a bounty row says: the value that the type of its payload names.
fn real(entry: &Map<String, Value>) -> Option<(Kinds, String, bool)> {
    let decoded;
    let payload = match entry.get("payload") {
        Some(Value::Object(payload)) => payload,
        Some(Value::String(json)) => {
            decoded = serde_json::from_str::<Map<String, Value>>(json).ok()?;
            &decoded
        }
        _ => entry,
    };
    let named = text(payload, "fingerprint_type")?;
    let (_, key, kinds, groups) = REAL.iter().find(|(name, ..)| *name == named)?;
    let value = text(payload, key).filter(|value| !value.is_empty())?;
    (value.len() <= VALUE_BYTES_MAX).then(|| (*kinds, value.to_owned(), *groups))
}

fn text<'v>(entry: &'v Map<String, Value>, key: &str) -> Option<&'v str> {
    entry.get(key).and_then(Value::as_str)
}

/// Whether Python takes a value for true.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(is_true) => *is_true,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

/// When a bounty row was written.
fn time(entry: &Map<String, Value>) -> Option<i64> {
    encoding::parse_datetime(text(entry, "timestamp")?).map(|at| at.micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kinds and values in the order of their times.
    fn seen(json: &str, shapes: Fingerprints) -> Vec<(&'static str, String)> {
        let mut features = features(json, shapes, 1_000).unwrap();
        features.sort_by_key(|feature| feature.first_seen);
        features.into_iter().map(|feature| (feature.kind, feature.value)).collect()
    }

    fn pair(kind: &'static str, value: &str) -> (&'static str, String) {
        (kind, value.to_owned())
    }

    #[test]
    fn a_bounty_row_groups_only_where_the_real_shape_counts() {
        let json = r#"[{"bounty_type": "fingerprint", "payload": {"fingerprint_type": "ja3", "ja3": "a"}},
            {"payload": "{\"fingerprint_type\": \"hassh_server\", \"hash\": \"b\"}"},
            {"payload": {"fingerprint_type": "tls_certificate", "cert_sha256": "c"}},
            {"payload": {"fingerprint_type": "tls_certificate"}},
            {"fingerprint_type": "ja4h", "ja4h": "d"},
            {"payload": "no object", "fingerprint_type": "ja4_quic", "ja4_quic": "e"}]"#;
        let rest = [pair("tls-cert-sha256", "c"), pair("ja4h", "d")];
        let both = seen(json, Fingerprints::Both);
        assert_eq!(both, [&[pair("ja3", "a"), pair("hassh", "b")], &rest[..]].concat());
        let legacy = seen(json, Fingerprints::Legacy);
        let columns = [pair("ja3-column", "a"), pair("hassh-column", "b")];
        assert_eq!(legacy, [&columns, &rest[..]].concat());
    }

    #[test]
    fn an_entry_with_a_kind_groups_and_is_in_no_column() {
        let json = r#"[{"kind": "ja3", "hash": "", "value": "a"}, {"kind": "hassh", "hash": "b", "value": "x"},
            {"kind": "JA3", "hash": "c"}, {"kind": "ja3"}, "text", 5, null]"#;
        for shapes in [Fingerprints::Both, Fingerprints::Legacy] {
            assert_eq!(seen(json, shapes), [pair("ja3-edge", "a"), pair("hassh-edge", "b")]);
        }
    }

    #[test]
    fn the_last_entry_is_the_last_by_time_and_an_entry_of_both_shapes_counts_once() {
        let json = r#"[{"kind": "ja3", "hash": "a", "payload": {"fingerprint_type": "ja3", "ja3": "a"}},
            {"kind": "ja3", "hash": "b", "timestamp": "1970-01-01T00:00:09"}, {"kind": "ja3", "hash": "a"}]"#;
        assert_eq!(seen(json, Fingerprints::Legacy), [pair("ja3-edge", "b"), pair("ja3", "a")]);
        let features = features(json, Fingerprints::Legacy, 1_000).unwrap();
        let counts: Vec<i64> = features.iter().map(|feature| feature.sightings).collect();
        assert_eq!(counts, [2, 1], "of a and of b");
        assert_eq!(features[0].first_seen, 9_000_001);
    }

    #[test]
    fn a_list_that_is_none_says_why() {
        for (json, why) in [
            ("not json", "no JSON"),
            ("", "no JSON"),
            ("true", "not a list"),
            (r#"{"kind": "ja3"}"#, "not a list"),
            (r#"[{"kind": "ja3", "hash": ["a"]}]"#, "a list or an object"),
        ] {
            let error = features(json, Fingerprints::Both, 0).unwrap_err();
            assert!(error.contains(why), "{json}: {error}");
        }
        let huge = format!("[\"{}\"]", "a".repeat(BYTES_MAX));
        assert!(features(&huge, Fingerprints::Both, 0).unwrap_err().contains("bytes"));
        let deep = "[".repeat(100_000);
        assert!(features(&deep, Fingerprints::Both, 0).is_err());
    }

    #[test]
    fn what_is_no_text_is_compared_as_a_number() {
        let json = |value: &str| format!(r#"[{{"kind": "ja3", "hash": {value}}}]"#);
        let of = |value: &str| seen(&json(value), Fingerprints::Both);
        assert_eq!(of("5"), of("5.0"));
        assert_eq!(of("true"), of("1"));
        assert_ne!(of("5"), of("\"5\""));
    }
}
