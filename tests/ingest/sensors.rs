//! The other sensors: what their logs say is what the database says, once.
//!
//! The counts of the real logs were made by a program of its own, in Python: `json` for every row, sets
//! of tuples for what is counted once. What each number counts stands beside it.

use super::*;

const IP: &str = "203.0.113.9";

/// Ingests with the executable and gives its summary.
fn summary(place: &Place, arguments: &[&str], paths: &[PathBuf]) -> serde_json::Value {
    let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    let paths = paths.iter().map(String::as_str);
    let all: Vec<&str> =
        ["--json", "ingest"].into_iter().chain(arguments.iter().copied()).chain(paths).collect();
    let output = place.corral(&all);
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn counts<const N: usize>(summary: &serde_json::Value, names: [&str; N]) -> [u64; N] {
    names.map(|name| summary[name].as_u64().unwrap())
}

const COUNTED: [&str; 5] = ["lines", "events", "sessions_new", "attackers_new", "credentials_new"];

/// Reads a real log twice and says what the first reading counted.
fn twice(format: &str) -> (Place, serde_json::Value) {
    let place = Place::new();
    let log = [uqo(&format!("{format}.json"))];
    let first = summary(&place, &[format], &log);
    let rows = place.exact_dump();
    let again = summary(&place, &[format], &log);
    let changes =
        ["events_new", "sessions_new", "sessions_grown", "attackers_updated", "features_new"];
    assert_eq!(counts(&again, changes), [0; 5]);
    assert_eq!(place.exact_dump(), rows, "reading {format} again changes nothing");
    (place, first)
}

#[test]
fn a_log_of_heralding_is_its_sessions_and_their_credentials() {
    let (place, first) = twice("heralding");
    // Lines; two events for each and one for each login; session_id; source_ip; (source_ip, protocol,
    // username, password) where the password is not null.
    assert_eq!(counts(&first, COUNTED), [200, 474, 200, 91, 38]);
    assert_eq!(
        place.one("SELECT SUM(logins_failed), SUM(logins_accepted), SUM(closed), MIN(certainty) FROM corral_session"),
        "74|0|200|3"
    );
    assert_eq!(
        place.rows("SELECT DISTINCT decky_name, secret_kind FROM credentials"),
        ["heralding|plaintext"]
    );
    assert_eq!(place.one("SELECT DISTINCT kind FROM corral_source"), "heralding");
    assert_eq!(
        place.one(
            "SELECT COUNT(*) FROM credentials WHERE service = 'vnc' AND principal IS NOT NULL"
        ),
        "0",
        "VNC has no user names"
    );
}

#[test]
fn a_log_of_dionaea_is_its_connections_and_their_credentials() {
    let (place, first) = twice("dionaea");
    // Line feeds; one event for each accepted connection, each login and each FTP command but USER and
    // PASS; (src_ip, src_port, dst_ip, dst_port, second); src_ip; (src_ip, protocol, username, password).
    assert_eq!(counts(&first, COUNTED), [172, 265, 153, 104, 39]);
    assert_eq!(first["skipped"], serde_json::json!({ "own traffic": 17 }));
    assert_eq!(place.one("SELECT SUM(attempt_count) FROM credentials"), "42");
    assert_eq!(
        place.rows("SELECT DISTINCT service FROM corral_session ORDER BY 1"),
        ["epmapper", "ftp", "http", "mirror", "mongodb", "mqtt", "mssql", "mysql", "pptp", "smb"]
    );
    // What the sensor's own address was is no sensor's name, and FTP's verbs are no shell's commands.
    assert_eq!(place.one("SELECT DISTINCT decky FROM corral_session"), "dionaea");
    assert_eq!(place.one("SELECT COUNT(*) FROM corral_command"), "0");
    assert_eq!(
        place.one(
            "SELECT COUNT(*) > 0 FROM credentials WHERE service = 'mssql' AND secret_b64 = ''"
        ),
        "1",
        "an empty password is a value"
    );
}

#[test]
fn a_log_of_honeytrap_is_its_connections_and_what_was_sent_first() {
    let (place, first) = twice("honeytrap");
    // Lines; two events for each attack with a time; (remote_ip, remote_port, local_port, start_time);
    // remote_ip; no credentials.
    assert_eq!(counts(&first, COUNTED), [98, 140, 70, 53, 0]);
    assert_eq!(first["skipped"], serde_json::json!({ "no usable time": 26 }));
    // (remote_ip, SHA-256 of the bytes, the value of Host cut out), and the same without the address.
    assert_eq!(
        place.one(
            "SELECT COUNT(*), COUNT(DISTINCT value) FROM corral_feature WHERE kind = 'probe-sha256'"
        ),
        "53|33"
    );
}

/// A line of fatt's.
fn seen(from: &str, to: &str, more: &str) -> String {
    format!(
        "{{\"timestamp\": \"2022-05-28T08:02:16.048624\", \"sourceIp\": \"{from}\", \"destinationIp\": \"{to}\", \
         \"sourcePort\": \"48286\", \"destinationPort\": \"22\", \"protocol\": \"ssh\", {more}}}\n"
    )
}

const CLIENT: &str =
    r#""ssh": {"client": "SSH-2.0-Go", "hassh": "51CBA57125523ce4b9db67714a90bf6e", "ckex": "x"}"#;

#[test]
fn of_what_fatt_hears_only_what_came_in_from_outside_counts() {
    let lines = [
        seen(IP, "10.182.0.11", CLIENT),
        seen("10.182.0.11", IP, CLIENT),
        seen("10.182.0.11", "169.254.169.254", CLIENT),
        seen("169.254.169.254", "10.182.0.11", CLIENT),
        seen("203.0.113.10", "198.51.100.7", CLIENT),
        seen("198.51.100.7", "203.0.113.10", CLIENT),
        seen(IP, "10.182.0.11", r#""tls": {"ja3": "cc8870c5053e89c025176af1201dd122"}"#),
    ];
    let place = Place::new();
    let log = place.put("fatt.log", lines.concat());
    let first = summary(&place, &["fatt"], std::slice::from_ref(&log));
    assert_eq!(
        counts(&first, ["events", "sessions_new", "attackers_new", "features_new"]),
        [2, 1, 1, 3]
    );
    assert_eq!(first["skipped"], serde_json::json!({ "own traffic": 5 }));
    assert_eq!(place.features("hassh"), ["51cba57125523ce4b9db67714a90bf6e"]);
    assert_eq!(place.features("ja3"), ["cc8870c5053e89c025176af1201dd122"]);
    assert_eq!(place.features("client-version"), ["SSH-2.0-Go"]);
    // A sensor with a public address is ours if the config says so.
    let config = IngestConfig {
        own_networks: vec!["198.51.100.0/24".to_owned()],
        ..IngestConfig::default()
    };
    let grown = place.ingest_as(Format::Fatt, &config, &[log]);
    assert_eq!((grown.events_new, grown.attackers_new, grown.skipped["own traffic"]), (1, 1, 4));
}

#[test]
fn a_log_of_nothing_but_own_traffic_says_what_to_do() {
    let place = Place::new();
    let log = place.put("fatt.log", seen(IP, "198.51.100.7", CLIENT)).display().to_string();
    let output = place.corral(&["ingest", "fatt", &log]);
    assert!(output.status.success());
    assert!(text(&output.stderr).contains("ingest.own-networks"), "{}", text(&output.stderr));
}

#[test]
fn a_log_of_another_honeypot_is_a_mistake() {
    let place = Place::new();
    for (format, title, log) in [
        ("heralding", "Heralding", uqo("dionaea.json")),
        ("dionaea", "Dionaea", uqo("honeytrap.json")),
        ("honeytrap", "Honeytrap", uqo("heralding.json")),
        ("fatt", "fatt", data("worm.json")),
        ("cowrie", "Cowrie", uqo("heralding.json")),
    ] {
        let log = log.display().to_string();
        let output = place.corral(&["ingest", format, &log]);
        assert_eq!(output.status.code(), Some(3), "{format}");
        let expected = format!("{log}: 0 events: is this a {title} log?");
        assert!(text(&output.stderr).contains(&expected), "{}", text(&output.stderr));
    }
    assert_eq!(place.one("SELECT COUNT(*) FROM attackers"), "0");
}

#[test]
fn of_a_folder_only_what_looks_like_the_format_is_taken() {
    let place = Place::new();
    for name in ["heralding.json", "dionaea.json", "honeytrap.json"] {
        place.put(&format!("log/{name}.gz"), gzip(&fs::read(uqo(name)).unwrap()));
    }
    place.put("log/fatt.log", seen(IP, "10.182.0.11", CLIENT));
    place.put("log/cowrie.json", fs::read(data("worm.json")).unwrap());
    place.put("log/dionaea.sqlite", dionaea(&place, &[connection(1, "203.0.113.8", 5_000, 0.0)]));
    // A database that is none of Dionaea's.
    place.ingest(&[]);
    fs::copy(place.path("corral.db"), place.path("log/sipaccounts.sqlite")).unwrap();
    for (format, title, files, passed_over) in [
        ("cowrie", "Cowrie", 1, 6),
        ("heralding", "Heralding", 1, 6),
        ("dionaea", "Dionaea", 2, 5),
        ("honeytrap", "Honeytrap", 1, 6),
        ("fatt", "fatt", 1, 6),
    ] {
        let summary = summary(&place, &[format], &[place.path("log")]);
        assert_eq!(counts(&summary, ["files"]), [files], "{format}");
        assert_eq!(summary["passed_over"]["count"], passed_over, "{format}");
        let empty = place.path("empty").display().to_string();
        fs::create_dir_all(&empty).unwrap();
        let output = place.corral(&["ingest", format, &empty]);
        assert_eq!(output.status.code(), Some(3));
        assert!(text(&output.stderr).contains(&format!("no {title} logs found")));
    }
    assert_eq!(
        place.rows("SELECT kind || COUNT(*) FROM corral_source GROUP BY kind ORDER BY kind"),
        ["cowrie1", "dionaea2", "fatt1", "heralding1", "honeytrap1"]
    );
}

#[test]
fn a_damaged_array_costs_what_is_damaged() {
    let place = Place::new();
    let whole = fs::read_to_string(uqo("honeytrap.json")).unwrap();
    let rows: Vec<&str> = whole.lines().filter(|line| line.contains("attack_connection")).collect();
    let alive: Vec<&str> =
        rows.iter().copied().filter(|row| !row.contains("1970-01-01")).take(4).collect();
    let row = |at: usize| alive[at].trim_end_matches([',', '\r']);
    // No comma, no end, and a row that was broken off.
    let log =
        format!("{{ \"attacks\" : [\n{}\n{}\n{}\n{},\n", row(0), row(1), &row(2)[..280], row(3));
    let log = place.put("attackers.json", log);
    let output = place.corral(&["--json", "ingest", "honeytrap", &log.display().to_string()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(counts(&found, ["events", "sessions_new"]), [6, 3]);
    assert_eq!(found["skipped"], serde_json::json!({ "broken JSON": 1 }));
    assert!(text(&output.stderr).contains("attackers.json:4:"), "{}", text(&output.stderr));
}

#[test]
fn a_sensor_that_has_no_name_is_called_after_its_honeypot_unless_somebody_names_it() {
    let log = uqo("heralding.json");
    let decky = |place: &Place| place.one("SELECT DISTINCT decky FROM corral_session");
    let place = Place::new();
    summary(&place, &["heralding", "--sensor", "lisbon"], std::slice::from_ref(&log));
    assert_eq!(decky(&place), "lisbon");
    let place = Place::new();
    let sensors = [("heralding".to_owned(), "porto".to_owned())].into();
    let config = IngestConfig { sensors, ..IngestConfig::default() };
    place.ingest_as(Format::Heralding, &config, &[log]);
    assert_eq!(decky(&place), "porto");
}

#[test]
fn one_scanner_at_two_sensors_in_one_second_has_two_sessions() {
    let place = Place::new();
    let row = r#"{"connection": {"protocol": "smbd", "transport": "tcp", "type": "accept"}, "dst_ip": "172.30.0.2", "dst_port": 445, "src_ip": "203.0.113.9", "src_port": 61000, "timestamp": "2025-02-12T08:28:02.4"}"#;
    let log = place.put("dionaea.json", row);
    for sensor in ["lisbon", "porto", "lisbon"] {
        summary(&place, &["dionaea", "--sensor", sensor], std::slice::from_ref(&log));
    }
    assert_eq!(place.rows("SELECT decky FROM corral_session ORDER BY 1"), ["lisbon", "porto"]);
}

/// A row of Dionaea's `connections`: an attacker that came to port 445.
fn connection(id: u32, ip: &str, port: u16, second: f64) -> String {
    format!(
        "INSERT INTO connections VALUES ({id}, 'accept', 'tcp', 'smbd', {}, {id}, NULL, '172.30.0.2', 445, '{ip}', '', {port})",
        1_739_349_980.0 + second
    )
}

/// A database with Dionaea's tables and these rows.
fn dionaea(place: &Place, rows: &[String]) -> Vec<u8> {
    let path = place.path("made.sqlite");
    let _none_yet = fs::remove_file(&path);
    let tables = [
        "CREATE TABLE connections (connection INTEGER PRIMARY KEY, connection_type TEXT, connection_transport TEXT, \
         connection_protocol TEXT, connection_timestamp INTEGER, connection_root INTEGER, connection_parent INTEGER, \
         local_host TEXT, local_port INTEGER, remote_host TEXT, remote_hostname TEXT, remote_port INTEGER)",
        "CREATE TABLE logins (login INTEGER PRIMARY KEY, connection INTEGER, login_username TEXT, login_password TEXT)",
        "CREATE TABLE downloads (download INTEGER PRIMARY KEY, connection INTEGER, download_url TEXT, download_md5_hash TEXT)",
    ];
    place.runtime.block_on(async {
        let url = format!("sqlite://{}?mode=rwc", path.display());
        let mut database = SqliteConnection::connect(&url).await.unwrap();
        for sql in tables.into_iter().map(str::to_owned).chain(rows.iter().cloned()) {
            sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut database).await.unwrap();
        }
        database.close().await.unwrap();
    });
    fs::read(path).unwrap()
}

/// Three connections; the third is Dionaea's own, and brought something for the second.
fn worm() -> Vec<String> {
    let sql = [
        "INSERT INTO connections VALUES (3, 'connect', 'tcp', 'httpd', 1739349990, 2, 2, '172.30.0.2', 1, '198.51.100.7', '', 80)",
        "INSERT INTO logins VALUES (1, 1, 'sa', '')",
        "INSERT INTO logins VALUES (2, 1, CAST('sa' AS BLOB), x'ff')",
        "INSERT INTO downloads VALUES (1, 3, 'http://198.51.100.7/x.exe', 'A48CA7B40ab2a6ebdd94dbd52164c6cf')",
        "INSERT INTO downloads VALUES (2, 2, '', 'd41d8cd98f00b204e9800998ecf8427e')",
        "INSERT INTO downloads VALUES (3, 2, NULL, '68b329da9893e34099c7d8ad5cb9c940')",
    ];
    let attackers =
        [connection(1, IP, 1_401, 0.25), connection(2, "::ffff:203.0.113.10", 1_402, 1.5)];
    attackers.into_iter().chain(sql.map(str::to_owned)).collect()
}

#[test]
fn a_database_of_dionaea_is_its_connections_logins_and_downloads() {
    let place = Place::new();
    let database = dionaea(&place, &worm());
    let log = place.put("dionaea.sqlite", &database);
    let first = summary(&place, &["dionaea"], std::slice::from_ref(&log));
    assert_eq!(counts(&first, COUNTED), [3, 7, 2, 2, 2]);
    assert_eq!(first["skipped"], serde_json::json!({ "own traffic": 1 }));
    assert_eq!(place.features("payload-md5"), ["a48ca7b40ab2a6ebdd94dbd52164c6cf"]);
    assert_eq!(place.features("download-url"), ["http://198.51.100.7/x.exe"]);
    assert_eq!(place.features("download-host"), ["198.51.100.7"]);
    assert_eq!(
        place.rows("SELECT attacker_ip, decky_name, service, principal, secret_printable FROM credentials ORDER BY secret_b64"),
        ["203.0.113.9|dionaea|smb|sa|", "203.0.113.9|dionaea|smb|sa|\u{fffd}"]
    );
    // Again, packed, grown, and in the log as well.
    let rows = place.exact_dump();
    summary(&place, &["dionaea"], &[log]);
    assert_eq!(place.exact_dump(), rows);
    let rows = place.dump();
    let packed = place.put("dionaea.sqlite.gz", gzip(&database));
    assert_eq!(counts(&summary(&place, &["dionaea"], &[packed]), ["events_new"]), [0]);
    let json = r#"{"connection": {"protocol": "smbd", "transport": "tcp", "type": "accept"}, "dst_ip": "172.30.0.2", "dst_port": 445, "src_ip": "203.0.113.9", "src_port": 1401, "timestamp": "2025-02-12T08:46:20.249", "credentials": {"username": ["sa"], "password": [""]}}"#;
    let json = place.put("dionaea.json", json);
    assert_eq!(counts(&summary(&place, &["dionaea"], &[json]), ["events", "events_new"]), [2, 0]);
    assert_eq!(place.dump(), rows);
}

#[test]
fn a_database_of_many_pages_is_read_to_its_end() {
    let place = Place::new();
    let rows = "WITH RECURSIVE n (n) AS (SELECT 10 UNION ALL SELECT n + 1 FROM n WHERE n < 9009) \
                INSERT INTO connections SELECT n, 'accept', 'tcp', 'smbd', 1739349980 + n, n, NULL, '172.30.0.2', 445, \
                '203.0.113.' || (n % 50), '', n FROM n";
    let logins = "INSERT INTO logins SELECT connection, connection, 'sa', '' FROM connections";
    let log = place.put("x", dionaea(&place, &[rows.to_owned(), logins.to_owned()]));
    let config = IngestConfig { batch_bytes: 1 << 16, ..IngestConfig::default() };
    let first = place.ingest_as(Format::Dionaea, &config, &[log]);
    assert_eq!((first.lines, first.events_new, first.sessions_new), (9_000, 18_000, 9_000));
    assert_eq!((first.attackers_new, first.credentials_new), (50, 50));
}

#[test]
fn a_database_that_is_not_whole_is_refused_with_the_reason() {
    let place = Place::new();
    let database = dionaea(&place, &worm());
    let refused = |log: &Path| {
        let output = place.corral(&["ingest", "dionaea", &log.display().to_string()]);
        assert_eq!(output.status.code(), Some(3), "{}", text(&output.stdout));
        text(&output.stderr)
    };
    let cut = place.put("cut.sqlite", &database[..database.len() - 4_096]);
    assert!(refused(&cut).contains("truncated or damaged"), "{}", refused(&cut));
    let mut torn = database.clone();
    let end = torn.len();
    torn[end - 4_096..].fill(0x55);
    let torn = place.put("torn.sqlite", torn);
    assert!(refused(&torn).contains(".backup"), "{}", refused(&torn));
    let packed = place.put("packed.sqlite.gz", gzip(&database[..database.len() - 4_096]));
    assert!(refused(&packed).contains("the database is truncated"), "{}", refused(&packed));
    let whole = gzip(&database);
    let packed = place.put("half.sqlite.gz", &whole[..whole.len() / 2]);
    assert!(refused(&packed).contains("the gzip data is truncated"), "{}", refused(&packed));
    let short = place.put("short.sqlite", &database[..50]);
    assert!(refused(&short).contains("truncated or damaged"), "{}", refused(&short));
    let live = place.put("live.sqlite", &database);
    place.put("live.sqlite-wal", "x");
    assert!(refused(&live).contains("the database is in use"), "{}", refused(&live));
    // Closed in good order, a database may still be marked for a write-ahead log.
    let mut marked = database;
    marked[18..20].fill(2);
    let marked = place.put("marked.sqlite", marked);
    assert_eq!(counts(&summary(&place, &["dionaea"], &[marked]), ["events_new"]), [7]);
    let foreign = place.put("foreign.sqlite", fs::read(place.path("corral.db")).unwrap());
    assert!(refused(&foreign).contains("is not Dionaea's"), "{}", refused(&foreign));
}
