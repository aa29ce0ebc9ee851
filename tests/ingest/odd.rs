//! What real logs hold that no format says: one test for each, named after the fact.

use super::*;

/// A row with the fields that all have.
fn row(eventid: &str, session: &str, ip: &str, time: &str, more: &str) -> String {
    let comma = if more.is_empty() { "" } else { "," };
    format!(
        "{{\"eventid\":\"cowrie.{eventid}\",\"session\":\"{session}\",\"src_ip\":\"{ip}\",\"sensor\":\"pot\",\"timestamp\":\"{time}\"{comma}{more}}}\n"
    )
}

fn ingested(content: impl AsRef<[u8]>) -> (Place, Summary) {
    let place = Place::new();
    let path = place.put("cowrie.json", content);
    let summary = place.ingest(&[path]);
    (place, summary)
}

const AT: &str = "2022-05-29T00:00:00.000000Z";
const IP: &str = "203.0.113.9";

#[test]
fn logs_of_2017_have_a_hassh_and_the_right_services() {
    let place = Place::new();
    let summary = place.ingest(&[data("old-2017.json")]);
    assert_eq!((summary.events, summary.skipped["no session"]), (7, 1));
    assert_eq!(place.features("hassh"), ["51cba57125523ce4b9db67714a90bf6e"]);
    assert_eq!(place.features("client-version"), ["SSH-2.0-libssh-0.6.3"]);
    assert_eq!(
        place.rows(
            "SELECT attacker_ip, service, secret_printable, outcome FROM credentials ORDER BY 1"
        ),
        ["203.0.113.20|ssh|raspberry|failure", "203.0.113.21|telnet|xc3511|success"]
    );
    assert_eq!(
        place.one("SELECT COUNT(*) FROM corral_command"),
        "1",
        "command.success repeats command.input"
    );
}

#[test]
fn logs_of_2026_have_keys_tunnels_and_canonical_addresses() {
    let place = Place::new();
    let summary = place.ingest(&[data("new-2026.json")]);
    assert_eq!((summary.events, summary.sessions_new, summary.attackers_new), (17, 3, 2));
    // ::ffff:203.0.113.30 is 203.0.113.30; +0200 without a colon is understood.
    assert_eq!(
        place.rows("SELECT ip, first_seen, event_count FROM attackers ORDER BY ip"),
        ["2001:db8::30|2026-03-22 08:00:14.000000|1", "203.0.113.30|2026-03-22 08:00:01.000000|16"]
    );
    assert_eq!(place.features("hassh"), ["4e066189c3bbeec38c99b1855113733a"]);
    assert_eq!(place.features("ja4"), ["t13d1516h2_8daaf6152771_b186095e22b6"]);
    assert_eq!(place.features("ja4h"), ["ge11nn030000_0000_0000_0000"]);
    assert_eq!(place.features("relay-target"), ["198.51.100.25:25", "mail.example.org:25"]);
    assert_eq!(place.features("terminal-size"), ["120x40"]);
    assert_eq!(
        place.features("payload-sha256"),
        ["b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c"]
    );
    assert_eq!(place.features("download-url"), ["http://198.51.100.7/gone.sh"]);
    assert_eq!(place.features("public-key").len(), 1);
    // A public key is no credential; a password may hold anything, and is shown harmless.
    assert_eq!(
        place.rows("SELECT principal, secret_printable FROM credentials"),
        ["root|p\u{e4}ss\\u{0}w\\u{1b}[2J"]
    );
    assert_eq!(place.one("SELECT logins_failed, logins_accepted FROM corral_session WHERE session = '5f0a1b2c3d4e'"), "1|1");
    let fingerprints: serde_json::Value = serde_json::from_str(
        &place.one("SELECT fingerprints FROM attackers WHERE ip = '203.0.113.30'"),
    )
    .unwrap();
    let types: Vec<_> = fingerprints
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["payload"]["fingerprint_type"].clone())
        .collect();
    assert_eq!(types, ["hassh", "ja4", "ja4h"]);
    assert_eq!(fingerprints[0]["payload"]["hash"], "4e066189c3bbeec38c99b1855113733a");
    assert_eq!(fingerprints[0]["decky"], "edge-1");
}

#[test]
fn a_key_planted_and_a_key_offered_are_the_same_value() {
    let place = Place::new();
    place.ingest(&[data("worm.json"), data("new-2026.json")]);
    assert_eq!(place.features("authorized-key"), place.features("public-key"));
}

#[test]
fn scanners_are_tagged_and_have_no_client_version() {
    let place = Place::new();
    place.ingest(&[data("scanners.json")]);
    assert_eq!(place.features("client-version"), Vec::<String>::new());
    assert_eq!(place.features("scanner"), ["http-request", "mglndd", "tls-client-hello", "zgrab"]);
}

#[test]
fn a_hole_of_nul_bytes_costs_neither_memory_nor_the_event_behind_it() {
    let line = row("session.closed", "a", IP, AT, "");
    let content = [vec![0; 9 << 20], line.into_bytes()].concat();
    let place = Place::new();
    place.put("log/cowrie.json", content);
    let summary = place.ingest(&[place.path("log")]);
    assert_eq!((summary.lines, summary.events_new, summary.problems.len()), (1, 1, 0));
}

#[test]
fn a_line_longer_than_allowed_is_passed_over_and_the_next_is_read() {
    let long = row("command.input", "a", IP, AT, &format!("\"input\":\"{}\"", "x".repeat(5_000)));
    let content = long + &row("session.closed", "a", IP, AT, "");
    let place = Place::new();
    let path = place.put("cowrie.json", content);
    let config = IngestConfig { line_bytes_max: 4_096, ..IngestConfig::default() };
    let summary = place.ingest_with(&config, std::slice::from_ref(&path));
    assert_eq!((summary.lines, summary.events_new, summary.skipped["line too long"]), (2, 1, 1));
    assert!(
        summary.problems[0]
            .to_string()
            .contains("cowrie.json:1: longer than 4096 bytes (raise ingest.line-bytes-max)")
    );
}

#[test]
fn broken_lines_are_counted_and_the_first_five_are_named() {
    let mut content = String::new();
    for at in 0..8 {
        content += &format!("{{\"eventid\":\"cowrie.x\",\"n\":{at}\n");
        content += &row("session.closed", "a", IP, &AT.replace(":00.", &format!(":0{at}.")), "");
    }
    let (place, summary) = ingested(content);
    assert_eq!(
        (summary.events_new, summary.skipped["broken JSON"], summary.problems.len()),
        (8, 8, 5)
    );
    let (place_and_line, reason) =
        (format!("{}:3:", place.path("cowrie.json").display()), ": EOF while parsing an object");
    let problem = summary.problems[1].to_string();
    assert!(problem.starts_with(&place_and_line) && problem.ends_with(reason), "{problem}");
    assert!(summary.problems.iter().all(|problem| !problem.is_unread));
}

#[test]
fn bytes_that_are_no_text_do_not_cost_the_line() {
    let mut content = row("command.input", "a", IP, AT, "\"input\":\"cat \u{1}\"").into_bytes();
    let at = content.iter().position(|byte| *byte == 1).unwrap();
    content[at] = 0xff;
    content.extend(
        row("login.failed", "a", IP, AT, r#""username":"\udc80","password":"\ud800x""#).bytes(),
    );
    let (place, summary) = ingested(content);
    assert_eq!((summary.events_new, summary.problems.len()), (2, 0));
    assert_eq!(place.one("SELECT input FROM corral_command"), "cat \u{fffd}");
    assert_eq!(
        place.one("SELECT principal, secret_printable FROM credentials"),
        "\u{fffd}|\u{fffd}x"
    );
}

#[test]
fn an_event_without_a_believable_time_or_source_is_counted_and_left_out() {
    let content = [
        row("session.closed", "a", IP, "1970-01-01T00:00:00Z", ""),
        row("session.closed", "b", IP, "yesterday", ""),
        row("session.closed", "c", "", AT, ""),
        row("session.closed", "d", IP, "1970-01-01T00:00:00Z", "\"epoch\":1653782404387"),
    ];
    let (place, summary) = ingested(content.concat());
    assert_eq!((summary.skipped["no usable time"], summary.skipped["no source address"]), (2, 1));
    assert_eq!(place.one("SELECT first_seen FROM attackers"), "2022-05-29 00:00:04.387000");
}

#[test]
fn every_spelling_of_time_lands_at_its_moment() {
    let times = [
        "2022-05-29T02:00:00.5Z",
        "2022-05-29T02:00:00.5+0000",
        "2022-05-29T04:00:00.5+0200",
        "2022-05-29T04:00:00.5+02:00",
        "2022/05/29 04:00:00,5",
        "2022-05-29 04:00:00.500",
    ];
    let content: Vec<String> =
        times.iter().map(|time| row("session.closed", "a", IP, time, "")).collect();
    let place = Place::new();
    let path = place.put("cowrie.json", content.concat());
    let config = IngestConfig { utc_offset_hours: 2.0, ..IngestConfig::default() };
    place.ingest_with(&config, &[path]);
    assert_eq!(
        place.one("SELECT first_seen, last_seen, event_count FROM attackers"),
        "2022-05-29 02:00:00.500000|2022-05-29 02:00:00.500000|6"
    );
}

#[test]
fn own_and_private_addresses_are_left_out_when_the_config_says_so() {
    let ips = ["203.0.113.9", "198.51.100.7", "10.0.0.1", "169.254.169.254", "fd00::1"];
    let content: Vec<String> =
        ips.iter().map(|ip| row("session.closed", "a", ip, AT, "")).collect();
    let place = Place::new();
    let path = place.put("cowrie.json", content.concat());
    let own_networks = vec!["198.51.100.0/24".to_owned()];
    let config = IngestConfig { own_networks, drop_private: true, ..IngestConfig::default() };
    let summary = place.ingest_with(&config, std::slice::from_ref(&path));
    assert_eq!((summary.skipped["own network"], summary.skipped["private address"]), (1, 3));
    assert_eq!(place.one("SELECT ip FROM attackers"), "203.0.113.9");
    assert_eq!(place.ingest(&[path]).attackers_new, 4, "the default leaves nobody out");
}

#[test]
fn a_network_that_is_none_is_a_mistake_in_the_config() {
    let place = Place::new();
    let config = place
        .put("corral.toml", "[ingest]\nown-networks = [\"198.51.100.0/99\"]\n")
        .display()
        .to_string();
    let output = place.corral(&["--config", &config, "ingest", "cowrie", "x"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("198.51.100.0/99"));
}

#[test]
fn containers_are_one_sensor_until_they_are_named() {
    let place = Place::new();
    place.ingest(&[data("worm.json")]);
    assert_eq!(place.rows("SELECT DISTINCT decky FROM corral_contact"), ["cowrie"]);
    let place = Place::new();
    let sensors = [("a1b2c3d4e5f6", "north"), ("e0c3bd40fb71", "south")];
    let sensors = sensors.map(|(source, name)| (source.to_owned(), name.to_owned())).into();
    place.ingest_with(&IngestConfig { sensors, ..IngestConfig::default() }, &[data("worm.json")]);
    assert_eq!(
        place.rows("SELECT DISTINCT decky FROM corral_contact ORDER BY 1"),
        ["north", "south"]
    );
    let place = Place::new();
    let log = data("worm.json").display().to_string();
    place.corral(&["ingest", "cowrie", "--sensor", "east", &log]);
    assert_eq!(place.rows("SELECT DISTINCT decky FROM corral_contact"), ["east"]);
}

#[test]
fn an_attacker_on_two_sensors_traverses_them_in_the_order_of_first_contact() {
    let at = |second: u8| AT.replace(":00.", &format!(":{second:02}."));
    let of = |sensor: &str, second| {
        row("session.closed", "a", IP, &at(second), "").replace("\"pot\"", &format!("\"{sensor}\""))
    };
    let (place, _) = ingested([of("beta", 2), of("alpha", 5), of("gamma", 1)].concat());
    assert_eq!(
        place.one("SELECT decky_count, is_traversal, traversal_path, deckies FROM attackers"),
        "3|1|gamma → beta → alpha|[\"gamma\", \"beta\", \"alpha\"]"
    );
}

#[test]
fn protocol_on_the_first_event_names_the_service_of_all() {
    let content = [
        row("login.failed", "a", IP, "2022-05-29T00:00:02Z", r#""username":"u","password":"p""#),
        row("session.connect", "a", IP, "2022-05-29T00:00:01Z", r#""protocol":"ssh""#),
        row("login.failed", "b", IP, "2022-05-29T00:00:03Z", r#""username":"u","password":"p""#),
        row(
            "session.connect",
            "b",
            IP,
            "2022-05-29T00:00:02Z",
            r#""protocol":"telnet","dst_port":22"#,
        ),
    ];
    let (place, _) = ingested(content.concat());
    assert_eq!(
        place.rows("SELECT service, attempt_count FROM credentials ORDER BY 1"),
        ["ssh|1", "telnet|1"]
    );
    assert_eq!(
        place.one("SELECT services, service_count FROM attackers"),
        "[\"ssh\", \"telnet\"]|2"
    );
}

#[test]
fn a_service_that_was_guessed_is_corrected_everywhere_when_it_is_known() {
    let login =
        row("login.failed", "a", IP, "2022-05-29T00:00:02Z", r#""username":"u","password":"p""#);
    let command = row("command.input", "a", IP, "2022-05-29T00:00:03Z", r#""input":"w""#);
    let other =
        row("login.failed", "b", IP, "2022-05-29T00:00:09Z", r#""username":"u","password":"p""#);
    let connect = row("session.connect", "a", IP, "2022-05-29T00:00:01Z", r#""protocol":"ssh""#);
    let place = Place::new();
    let first = place.put("1.json", [login, command, other].concat());
    place.ingest(&[first]);
    assert_eq!(
        place.one("SELECT service, attempt_count, first_seen FROM credentials"),
        "telnet|2|2022-05-29 00:00:02.000000"
    );
    let second = place.put("2.json", connect);
    place.ingest(&[second]);
    assert_eq!(
        place.rows("SELECT service, attempt_count, first_seen FROM credentials ORDER BY 1"),
        ["ssh|1|2022-05-29 00:00:02.000000", "telnet|1|2022-05-29 00:00:09.000000"]
    );
    assert_eq!(
        place.rows("SELECT service, events, sessions FROM corral_contact ORDER BY 1"),
        ["ssh|3|1", "telnet|1|1"]
    );
    assert!(place.one("SELECT commands FROM attackers").contains("\"service\": \"ssh\""));
    assert_eq!(place.one("SELECT credential_count, event_count FROM attackers"), "2|4");
}

#[test]
fn a_script_that_goes_on_takes_the_place_of_its_beginning() {
    let command = |second: u8, input: &str| {
        row(
            "command.input",
            "a",
            IP,
            &AT.replace(":00.", &format!(":{second:02}.")),
            &format!("\"input\":\"{input}\""),
        )
    };
    let (place, _) = ingested([command(1, "uname"), command(2, "w")].concat());
    let before = place.features("command-script");
    assert_eq!(before.len(), 1);
    let later = place.put("later.json", command(0, "id"));
    let summary = place.ingest(&[later]);
    let after = place.features("command-script");
    assert_eq!((after.len(), summary.sessions_grown, summary.features_new), (1, 1, 0));
    assert_ne!(after, before);
    let at_once = ingested([command(0, "id"), command(1, "uname"), command(2, "w")].concat()).0;
    assert_eq!(at_once.dump(), place.dump());
}

#[test]
fn user_names_that_are_missing_are_null_and_success_wins() {
    let login = |event: &str, second: u8, more: &str| {
        row(event, "a", IP, &AT.replace(":00.", &format!(":{second:02}.")), more)
    };
    let (place, _) = ingested(
        [
            login("login.success", 1, r#""username":"root","password":"x""#),
            login("login.failed", 2, r#""username":"root","password":"x""#),
            login("login.failed", 3, r#""username":null,"password":"y""#),
            login("login.failed", 4, r#""username":"","password":"z""#),
            login("login.failed", 5, r#""username":"root","key":"k""#),
        ]
        .concat(),
    );
    assert_eq!(
        place.rows("SELECT principal, principal_key, secret_printable, outcome, attempt_count FROM credentials ORDER BY 3"),
        ["root|root|x|success|2", "NULL||y|failure|1", "||z|failure|1"]
    );
    assert_eq!(place.one("SELECT logins_failed, logins_accepted FROM corral_session"), "4|1");
}

#[test]
fn what_is_too_long_for_its_column_is_cut_and_still_counts_as_itself() {
    let long = "A".repeat(9_000);
    let content = [
        row(
            "command.input",
            "a",
            IP,
            AT,
            &format!("\"input\":\"wget http://198.51.100.7/{long}\""),
        ),
        row(
            "login.failed",
            "a",
            IP,
            AT,
            &format!("\"username\":\"{long}\",\"password\":\"{long}\""),
        ),
        row(
            "login.failed",
            "b",
            IP,
            AT,
            &format!("\"username\":\"{long}\",\"password\":\"{long}B\""),
        ),
        row("client.version", "a", IP, AT, &format!("\"version\":\"SSH-2.0-{long}\"")),
    ];
    let (place, _) = ingested(content.concat());
    let most = |sql: &str| place.one(sql).parse::<usize>().unwrap();
    assert!(most("SELECT MAX(length(value)) FROM corral_feature") < 1_200);
    assert!(most("SELECT MAX(length(input)) FROM corral_command") < 4_300);
    assert_eq!(
        place.rows("SELECT length(principal), length(secret_b64), length(secret_printable) <= 512 FROM credentials"),
        ["256|2048|1", "256|2048|1"]
    );
}

#[test]
fn only_the_first_thousand_commands_stand_in_the_row_of_an_attacker() {
    let command = |at: usize| {
        let time = format!("2022-05-29T00:{:02}:{:02}Z", at / 60, at % 60);
        row(
            "command.input",
            &format!("s{}", at / 100),
            IP,
            &time,
            &format!("\"input\":\"echo {at}\""),
        )
    };
    let all: Vec<String> = (0..1_500).map(command).collect();
    let (at_once, _) = ingested(all.concat());
    let list: serde_json::Value =
        serde_json::from_str(&at_once.one("SELECT commands FROM attackers")).unwrap();
    assert_eq!(
        (list.as_array().unwrap().len(), &list[999]["command"]),
        (1_000, &"echo 999".into())
    );
    let place = Place::new();
    for (name, part) in [("1", &all[600..]), ("2", &all[..900])] {
        let path = place.put(name, part.concat());
        place.ingest(&[path]);
    }
    assert_eq!(place.dump(), at_once.dump());
}
