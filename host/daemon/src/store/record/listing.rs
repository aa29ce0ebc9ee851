//! The two lists inside an attacker's row, as DECNET's readers expect their JSON.
//!
//! The list of commands holds the first thousand. Which those are does not depend on the order in
//! which logs are read: of two at one time the smaller text comes first, and the first thousand of a
//! union are among the first thousands of its parts. Mostly new commands are later than all that are
//! listed; then the list is not even parsed.

use std::borrow::Cow;

use memchr::memmem;
use serde::Deserialize;

use crate::clock::Timestamp;
use crate::store::encoding;

/// Commands that a row lists: the first ones.
const COMMANDS_MAX: usize = 1_000;
/// Fingerprints that a row lists: the first ones.
const FINGERPRINTS_MAX: usize = 1_000;
/// Characters of a command that a row lists.
pub(super) const COMMAND_CHARS_MAX: usize = 512;
/// What each command in the list has once: inside of a text the quotes would be escaped.
const MARK: &[u8] = b"\"timestamp\": \"";
/// The length of `2026-06-20T21:48:03.123456+00:00`.
const TIMESTAMP_LENGTH: usize = 32;

/// A command in the list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Listed<'a> {
    timestamp: Cow<'a, str>,
    service: Cow<'a, str>,
    decky: Cow<'a, str>,
    /// As JSON.
    command: Cow<'a, str>,
}

impl<'a> Listed<'a> {
    /// A command that is a JSON string already.
    pub(super) fn new(at: Timestamp, service: &'a str, decky: &'a str, command: &'a str) -> Self {
        let timestamp = Cow::Owned(format!("{}+00:00", encoding::datetime(at).replace(' ', "T")));
        Self { timestamp, service: service.into(), decky: decky.into(), command: command.into() }
    }
}

/// The beginning of a command that the list shows, as a JSON string.
pub(super) fn command_json(command: &str) -> String {
    let end = command.char_indices().nth(COMMAND_CHARS_MAX).map_or(command.len(), |(at, _)| at);
    encoding::string(command.get(..end).unwrap_or(command))
}

/// The list `stored` with the `new` commands; `None` if it stays what it is.
pub(super) fn add_commands(
    stored: &str,
    mut new: Vec<Listed<'_>>,
) -> Result<Option<String>, serde_json::Error> {
    new.sort_unstable();
    let count = memmem::find_iter(stored.as_bytes(), MARK).count();
    let is_later = match (last_timestamp(stored), new.first()) {
        (Some(last), Some(first)) => *first.timestamp > *last,
        (None, _) => true,
        (_, None) => return Ok(None),
    };
    if is_later {
        new.truncate(COMMANDS_MAX.saturating_sub(count));
        let open = stored.strip_suffix(']').unwrap_or("[");
        return Ok((!new.is_empty()).then(|| write_commands(open.to_owned(), count, &new)));
    }
    let mut all = parse_commands(stored)?;
    all.append(&mut new);
    all.sort_unstable();
    all.truncate(COMMANDS_MAX);
    let list = write_commands("[".to_owned(), 0, &all);
    Ok((list != stored).then_some(list))
}

/// The timestamp of the last command in a list.
fn last_timestamp(stored: &str) -> Option<&str> {
    let text = stored.strip_suffix("\"}]")?;
    text.get(text.len().checked_sub(TIMESTAMP_LENGTH)?..)
}

fn write_commands(mut json: String, before: usize, commands: &[Listed<'_>]) -> String {
    for (at, Listed { timestamp, service, decky, command }) in commands.iter().enumerate() {
        if before + at > 0 {
            json.push_str(", ");
        }
        let (service, decky) = (encoding::string(service), encoding::string(decky));
        for text in [
            "{\"service\": ",
            &service,
            ", \"decky\": ",
            &decky,
            ", \"command\": ",
            command,
            ", \"timestamp\": \"",
            timestamp,
            "\"}",
        ] {
            json.push_str(text);
        }
    }
    json.push(']');
    json
}

fn parse_commands(json: &str) -> Result<Vec<Listed<'static>>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Entry {
        service: String,
        decky: String,
        command: String,
        timestamp: String,
    }
    let entries: Vec<Entry> = serde_json::from_str(json)?;
    let listed = entries.into_iter().map(|Entry { service, decky, command, timestamp }| Listed {
        timestamp: timestamp.into(),
        service: service.into(),
        decky: decky.into(),
        command: encoding::string(&command).into(),
    });
    Ok(listed.collect())
}

/// A fingerprint that an attacker showed.
pub(super) struct Fingerprint<'a> {
    pub(super) kind: &'a str,
    pub(super) value: &'a str,
    pub(super) at: Timestamp,
    pub(super) decky: &'a str,
}

/// The list of fingerprints, in the form of the rows that DECNET collects. All of them were seen in
/// SSH sessions: its own handshake, or that of a client that was tunnelled through it.
pub(super) fn fingerprints(ip: &str, fingerprints: &[Fingerprint<'_>]) -> String {
    let mut json = String::from("[");
    for (at, Fingerprint { kind, value, at: seen, decky }) in
        fingerprints.iter().take(FINGERPRINTS_MAX).enumerate()
    {
        if at > 0 {
            json.push_str(", ");
        }
        // The one that is no hash of a TLS or HTTP client stands where DECNET has the hash of a server.
        let name = if *kind == "hassh" { "hash" } else { kind };
        let id = (at + 1).to_string();
        let timestamp = encoding::datetime(*seen).replace(' ', "T");
        let (decky, ip, value) =
            (encoding::string(decky), encoding::string(ip), encoding::string(value));
        for text in [
            "{\"id\": ",
            &id,
            ", \"timestamp\": \"",
            &timestamp,
            "\", \"decky\": ",
            &decky,
            ", \"service\": \"ssh\", \"attacker_ip\": ",
            &ip,
            ", \"bounty_type\": \"fingerprint\", \"payload\": {\"fingerprint_type\": \"",
            kind,
            "\", \"",
            name,
            "\": ",
            &value,
            "}}",
        ] {
            json.push_str(text);
        }
    }
    json.push(']');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: i64 = 1_781_992_083_123_456;

    fn listed(offset: i64, command: &str) -> Listed<'static> {
        let json = command_json(command);
        let listed = Listed::new(Timestamp(AT + offset), "ssh", "decky-1", &json);
        Listed {
            timestamp: listed.timestamp.into_owned().into(),
            command: json.clone().into(),
            ..Listed::new(Timestamp(0), "ssh", "decky-1", "")
        }
    }

    fn add(stored: &str, new: &[Listed<'static>]) -> String {
        add_commands(stored, new.to_vec()).unwrap().unwrap_or_else(|| stored.to_owned())
    }

    #[test]
    fn commands_are_listed_as_decnet_lists_them() {
        let json = add("[]", &[listed(0, "echo \"é\"")]);
        assert_eq!(
            json,
            r#"[{"service": "ssh", "decky": "decky-1", "command": "echo \"\u00e9\"", "timestamp": "2026-06-20T21:48:03.123456+00:00"}]"#
        );
        let more = add(&json, &[listed(1, "w")]);
        assert!(more.starts_with(json.trim_end_matches(']')) && more.ends_with("}, {\"service\": \"ssh\", \"decky\": \"decky-1\", \"command\": \"w\", \"timestamp\": \"2026-06-20T21:48:03.123457+00:00\"}]"));
        let parsed: serde_json::Value = serde_json::from_str(&more).unwrap();
        assert_eq!(parsed.as_array().unwrap().len(), 2);
    }

    #[test]
    fn the_list_does_not_depend_on_the_order_in_which_commands_come() {
        let commands = [
            listed(5, "b"),
            listed(5, "a"),
            listed(1, "\"timestamp\": \""),
            listed(9, "é\u{1b}"),
            listed(5, "b"),
        ];
        let at_once = add("[]", &commands);
        for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [3, 0, 2, 4, 1], [2, 1, 0, 4, 3]] {
            let one_by_one =
                order.iter().fold("[]".to_owned(), |list, at| add(&list, &commands[*at..=*at]));
            assert_eq!(one_by_one, at_once, "{order:?}");
        }
    }

    #[test]
    fn only_the_first_thousand_commands_are_listed_whatever_came_first() {
        let all: Vec<_> = (0..1_500).map(|at| listed(at, "w")).collect();
        let (early, late) = all.split_at(700);
        let expected = add("[]", &all[..1_000]);
        assert_eq!(add(&add("[]", late), early), expected);
        assert_eq!(add(&add("[]", early), late), expected);
        assert_eq!(add_commands(&expected, all[1_000..].to_vec()).unwrap(), None);
    }

    #[test]
    fn fingerprints_are_listed_as_decnet_lists_them() {
        let at = Timestamp(AT);
        let hassh = Fingerprint { kind: "hassh", value: "51cb", at, decky: "decky-1" };
        let ja4 = Fingerprint { kind: "ja4", value: "t13d", at, decky: "decky-{1}" };
        assert_eq!(
            fingerprints("203.0.113.9", &[hassh, ja4]),
            "[{\"id\": 1, \"timestamp\": \"2026-06-20T21:48:03.123456\", \"decky\": \"decky-1\", \"service\": \"ssh\", \
             \"attacker_ip\": \"203.0.113.9\", \"bounty_type\": \"fingerprint\", \
             \"payload\": {\"fingerprint_type\": \"hassh\", \"hash\": \"51cb\"}}, \
             {\"id\": 2, \"timestamp\": \"2026-06-20T21:48:03.123456\", \"decky\": \"decky-{1}\", \"service\": \"ssh\", \
             \"attacker_ip\": \"203.0.113.9\", \"bounty_type\": \"fingerprint\", \
             \"payload\": {\"fingerprint_type\": \"ja4\", \"ja4\": \"t13d\"}}]"
        );
    }
}
