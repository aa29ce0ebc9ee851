//! What an event's body holds: `{"v":1,"id":…,"topic":…,"type":…,"ts":…,"payload":…}`.
//!
//! The broker makes it: of what a publisher sends only `type` and `payload` are used. Whoever receives takes
//! the topic from the packet's header and does without what is missing. The fields are written in DECNET's
//! order, a float that is no number as null, and a payload in the order it had.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::clock::Timestamp;
use crate::ids;

/// The version of the form.
const VERSION: u32 = 1;

/// An event as it was received.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    /// What it is about, from the packet's header.
    pub topic: String,
    /// The topic without its root, usually; empty if there was none.
    pub kind: String,
    /// The broker's id for it; empty if there was none.
    pub id: String,
    /// The broker's time, in seconds since 1970; none if there was none.
    pub ts: Option<f64>,
    /// What happened; null if there was nothing, or nothing that can be read.
    pub payload: Value,
}

impl Envelope {
    /// Reads the body of an event. One that cannot be read has a topic all the same, and is a hint as good
    /// as any: it comes with a null payload, and the reason goes to the log.
    pub fn read(topic: String, body: &[u8]) -> Self {
        let fields = serde_json::from_slice::<Value>(body).unwrap_or_else(|error| {
            tracing::warn!(topic, %error, "an event's body is no JSON; it counts as one without a payload");
            Value::Null
        });
        let Value::Object(mut fields) = fields else {
            return Self {
                topic,
                kind: String::new(),
                id: String::new(),
                ts: None,
                payload: Value::Null,
            };
        };
        let mut text = |name| match fields.remove(name) {
            Some(Value::String(text)) => text,
            _ => String::new(),
        };
        let (kind, id) = (text("type"), text("id"));
        let ts = fields.get("ts").and_then(Value::as_f64);
        Self { topic, kind, id, ts, payload: fields.remove("payload").unwrap_or_default() }
    }
}

/// The form, in the order in which its fields are written.
#[derive(Serialize)]
struct Written<'a, P: ?Sized> {
    v: u32,
    id: &'a str,
    topic: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    ts: f64,
    payload: &'a P,
}

/// Writes the body of a packet, with an id of its own.
///
/// # Errors
/// [`serde_json::Error`] if the payload has no JSON form, such as a map whose keys are not text.
pub fn write(
    topic: &str,
    kind: &str,
    now: Timestamp,
    payload: &(impl Serialize + ?Sized),
) -> Result<Vec<u8>, serde_json::Error> {
    let id = ids::envelope();
    serde_json::to_vec(&Written { v: VERSION, id: &id, topic, kind, ts: seconds(now), payload })
}

/// What a broker takes from a publisher.
#[derive(Debug)]
pub struct Published {
    /// The type, as it was published; empty if there was none.
    pub kind: String,
    /// The payload's JSON, without blanks, in the order it had; an empty object if there was none.
    pub payload: Box<RawValue>,
}

impl Published {
    /// Reads what a publisher sent. Of a field that is there twice the last one counts.
    ///
    /// # Errors
    /// [`serde_json::Error`] if it is not a JSON object, or nested more than 128 deep.
    pub fn read(body: &Bytes) -> Result<Self, serde_json::Error> {
        let fields: BTreeMap<String, &RawValue> = serde_json::from_slice(body)?;
        let kind = fields.get("type").map(|kind| serde_json::from_str(kind.get()));
        let payload = fields.get("payload").map_or("null", |payload| payload.get());
        let payload = if payload == "null" { "{}" } else { payload };
        // Anything but a text is no type.
        Ok(Self { kind: kind.and_then(Result::ok).unwrap_or_default(), payload: anew(payload)? })
    }
}

/// JSON written anew: what passed for JSON on the way in is JSON for every reader on the way out.
fn anew(json: &str) -> Result<Box<RawValue>, serde_json::Error> {
    let mut written = Vec::with_capacity(json.len());
    let mut reader = serde_json::Deserializer::from_str(json);
    serde_transcode::transcode(&mut reader, &mut serde_json::Serializer::new(&mut written))?;
    serde_json::from_slice::<&RawValue>(&written).map(ToOwned::to_owned)
}

/// Seconds since 1970, as Python's `time.time()` has them.
#[expect(clippy::cast_precision_loss, reason = "microseconds of this age are exact in a float")]
pub fn seconds(at: Timestamp) -> f64 {
    at.micros() as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const AT: Timestamp = Timestamp(1_795_453_785_801_824);

    fn published(body: &str) -> Result<(String, String), String> {
        let read = Published::read(&Bytes::copy_from_slice(body.as_bytes()));
        read.map(|it| (it.kind, it.payload.get().to_owned())).map_err(|error| error.to_string())
    }

    #[test]
    fn fields_have_the_order_that_decnet_gives_them() {
        let body = write("identity.formed", "formed", AT, &json!({"identity_uuid": "x"})).unwrap();
        let body = String::from_utf8(body).unwrap();
        let id = &body[r#"{"v":1,"id":""#.len()..][..32];
        let rest = r#""topic":"identity.formed","type":"formed","ts":1795453785.801824,"payload":{"identity_uuid":"x"}}"#;
        assert_eq!(body, format!(r#"{{"v":1,"id":"{id}",{rest}"#));
        assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }

    #[test]
    fn a_float_that_is_no_number_is_null() {
        let body = write("t", "", AT, &[f64::NAN, f64::INFINITY, 0.5]).unwrap();
        assert!(String::from_utf8(body).unwrap().ends_with(r#""payload":[null,null,0.5]}"#));
    }

    #[test]
    fn the_topic_is_the_headers_and_missing_fields_are_tolerated() {
        let body = br#"{"topic":"other","type":"t","ts":1.5,"id":"i","payload":{"a":1}}"#;
        let read = Envelope::read("a.t".into(), body);
        assert_eq!((read.topic.as_str(), read.kind.as_str(), read.id.as_str()), ("a.t", "t", "i"));
        assert_eq!((read.ts, read.payload), (Some(1.5), json!({"a": 1})));
        for body in ["", "{}", "[]", "{", "{\"ts\":\"x\",\"type\":7,\"id\":null}", "\u{0}"] {
            let read = Envelope::read("a.t".into(), body.as_bytes());
            assert_eq!((read.topic.as_str(), read.ts), ("a.t", None), "{body:?}");
            assert_eq!((read.kind, read.payload), (String::new(), Value::Null), "{body:?}");
        }
    }

    #[test]
    fn a_broker_uses_type_and_payload_only() {
        let body = r#"{"v":9,"id":"mine","topic":"x","ts":"soon","type":"t","payload":{"b":1,"a":[1,2.5,null]}}"#;
        let kept = ("t".into(), r#"{"b":1,"a":[1,2.5,null]}"#.into());
        assert_eq!(published(body).unwrap(), kept);
        for bare in ["{}", r#"{"type":7}"#, r#"{"payload":null}"#] {
            assert_eq!(published(bare).unwrap(), (String::new(), "{}".into()), "{bare}");
        }
        let twice = r#"{"payload":{"a":1},"payload":{"a":2}}"#;
        assert_eq!(published(twice).unwrap().1, r#"{"a":2}"#);
    }

    #[test]
    fn a_payload_is_written_anew() {
        let payload = |json: &str| published(&format!("{{\"payload\":{json}}}")).map(|it| it.1);
        assert_eq!(
            payload("{ \"z\" : [1 , 1.0, 1e2],\n\"a\":\"\\u00e9\\/\"}").unwrap(),
            r#"{"z":[1,1.0,100.0],"a":"é/"}"#
        );
        // Half a surrogate pair would be refused by every reader behind us.
        assert!(payload(r#"{"a":"\ud800"}"#).is_err());
    }

    #[test]
    fn what_is_no_object_is_refused() {
        let deep = "[".repeat(200) + &"]".repeat(200);
        for body in [
            "",
            "null",
            "[]",
            "1",
            "\"a\"",
            "{",
            "{\"a\":NaN}",
            "{} {}",
            &deep,
            &format!("{{\"payload\":{deep}}}"),
        ] {
            assert!(published(body).is_err(), "{body:?}");
        }
        assert!(Published::read(&Bytes::from_static(b"{\"a\":\"\xff\"}")).is_err());
    }
}
