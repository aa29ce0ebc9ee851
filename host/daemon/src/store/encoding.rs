//! How DECNET's tables write times and lists, and how we read them back.

use std::fmt::Write;

use crate::clock::Timestamp;

/// A time as DECNET's SQLite columns have it: `YYYY-MM-DD HH:MM:SS.ffffff`, UTC, always six digits.
pub fn datetime(at: Timestamp) -> String {
    let moment = jiff::Timestamp::from_microsecond(at.micros()).unwrap_or_default();
    let civil = jiff::tz::Offset::UTC.to_datetime(moment);
    let mut text = String::with_capacity(26);
    let micros = civil.subsec_nanosecond() / 1000;
    // Writing into a String cannot fail.
    let _infallible = write!(
        text,
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{micros:06}",
        civil.year(),
        civil.month(),
        civil.day(),
        civil.hour(),
        civil.minute(),
        civil.second(),
    );
    text
}

/// Reads a time back; `None` if the text is none.
pub fn parse_datetime(text: &str) -> Option<Timestamp> {
    let civil: jiff::civil::DateTime = text.trim_end_matches('Z').parse().ok()?;
    let moment = jiff::tz::Offset::UTC.to_timestamp(civil).ok()?;
    Some(Timestamp(moment.as_microsecond()))
}

/// A JSON list of texts as DECNET's columns have it: `["a", "b"]`, everything but ASCII escaped.
pub fn list<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> String {
    let texts: Vec<String> = texts.into_iter().map(|text| string(text.as_ref())).collect();
    format!("[{}]", texts.join(", "))
}

/// A JSON string, everything but ASCII escaped.
pub fn string(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\') {
        json.push('"');
        json.push_str(text);
        json.push('"');
        return json;
    }
    for c in serde_json::Value::from(text).to_string().chars() {
        if c.is_ascii() {
            json.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _infallible = write!(json, "\\u{unit:04x}");
        }
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_their_microseconds() {
        let at = Timestamp(1_781_992_083_123_456);
        assert_eq!(datetime(at), "2026-06-20 21:48:03.123456");
        assert_eq!(parse_datetime("2026-06-20 21:48:03.123456"), Some(at));
        assert_eq!(datetime(Timestamp(0)), "1970-01-01 00:00:00.000000");
        assert_eq!(parse_datetime("yesterday"), None);
    }

    #[test]
    fn lists_are_spaced_and_ascii() {
        assert_eq!(list(["a", "b"]), r#"["a", "b"]"#);
        assert_eq!(list(["\"é😀"]), r#"["\"\u00e9\ud83d\ude00"]"#);
        assert_eq!(list::<&str>([]), "[]");
    }
}
