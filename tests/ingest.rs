//! Logs into rows: what a Cowrie log says is what the database says, once, however the log came.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use corral::clock::{StoppedClock, Timestamp};
use corral::config::IngestConfig;
use corral::ingest::format::Format;
use corral::ingest::{self, Settings, Silent, Summary};
use corral::store::Store;
use flate2::Compression;
use flate2::write::GzEncoder;
use sqlx::{Connection, Row, SqliteConnection};
use tempfile::TempDir;

use crate::tree;

mod behaviour;
mod odd;
mod pieces;
mod sensors;

/// A throw-away database.
struct Place {
    folder: TempDir,
    runtime: tokio::runtime::Runtime,
}

impl Place {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        Self { folder: tempfile::tempdir().unwrap(), runtime }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn url(&self) -> String {
        format!("sqlite://{}", self.path("corral.db").display())
    }

    /// Puts a file beside the database.
    fn put(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// Ingests with these settings, at a time that stands still.
    fn ingest_with(&self, config: &IngestConfig, paths: &[PathBuf]) -> Summary {
        self.ingest_as(Format::Cowrie, config, paths)
    }

    /// The same with the logs of another sensor.
    fn ingest_as(&self, format: Format, config: &IngestConfig, paths: &[PathBuf]) -> Summary {
        let settings = Settings::new(format, config, None).unwrap();
        self.runtime.block_on(async {
            let store = Store::open(&self.url(), Duration::from_secs(30)).await.unwrap();
            let clock = StoppedClock(Timestamp(1_800_000_000_000_000));
            let summary =
                ingest::ingest(&store, &clock, settings, paths.to_vec(), Arc::new(Silent)).await;
            store.close().await;
            summary.unwrap()
        })
    }

    fn ingest(&self, paths: &[PathBuf]) -> Summary {
        self.ingest_with(&IngestConfig::default(), paths)
    }

    /// The rows that a query gives, each as its values with `|` between.
    fn rows(&self, sql: &str) -> Vec<String> {
        self.runtime.block_on(async {
            let mut connection = SqliteConnection::connect(&self.url()).await.unwrap();
            let sql = sqlx::AssertSqlSafe(sql.to_owned());
            let rows = sqlx::query(sql).fetch_all(&mut connection).await.unwrap();
            connection.close().await.unwrap();
            let text = |row: &sqlx::sqlite::SqliteRow| {
                let cells = (0..row.len()).map(|at| {
                    let text = row.try_get_unchecked::<Option<String>, _>(at);
                    text.unwrap().unwrap_or_else(|| "NULL".to_owned())
                });
                cells.collect::<Vec<_>>().join("|")
            };
            rows.iter().map(text).collect()
        })
    }

    fn one(&self, sql: &str) -> String {
        let rows = self.rows(sql);
        assert_eq!(rows.len(), 1, "{sql}: {rows:?}");
        rows[0].clone()
    }

    /// All values of a kind of feature, sorted.
    fn features(&self, kind: &str) -> Vec<String> {
        self.rows(&format!(
            "SELECT DISTINCT value FROM corral_feature WHERE kind = '{kind}' ORDER BY value"
        ))
    }

    /// Everything in the database, without the ids of rows, which tell the order of their coming.
    fn dump(&self) -> Vec<String> {
        let mut dump = Vec::new();
        for table in self.rows("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name") {
            if matches!(table.as_str(), "corral_schema" | "corral_revision" | "corral_change" | "corral_source") {
                continue;
            }
            dump.extend(self.table(&table));
        }
        dump
    }

    fn table(&self, table: &str) -> Vec<String> {
        let columns = self.rows(&format!("SELECT name FROM pragma_table_info('{table}')"));
        let cells: Vec<String> = columns
            .iter()
            .map(|column| match (table, column.as_str()) {
                ("corral_session" | "credentials", "id") => "''".to_owned(),
                ("corral_command", "session_id") => {
                    "(SELECT session || source || attacker_uuid FROM corral_session s WHERE s.id = session_id)".to_owned()
                }
                _ => format!("quote({column})"),
            })
            .collect();
        let sql =
            format!("SELECT '{table}: ' || {} FROM {table} ORDER BY 1", cells.join(" || '|' || "));
        self.rows(&sql)
    }

    /// Everything in the database, to the last row.
    fn exact_dump(&self) -> Vec<String> {
        let mut dump = self.dump();
        dump.extend(self.rows("SELECT id, session FROM corral_session ORDER BY id"));
        dump.extend(self.rows("SELECT id, secret_sha256 FROM credentials ORDER BY id"));
        dump.extend(self.table("corral_revision"));
        dump.extend(self.table("corral_change"));
        dump.extend(self.table("corral_source"));
        dump
    }

    /// Runs the executable.
    fn corral(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(tree::executable());
        command.args(["--db", &self.url()]).args(arguments).env_remove("CORRAL_CONFIG");
        command
    }
}

fn data(name: &str) -> PathBuf {
    tree::root().join("tests/data/cowrie").join(name)
}

/// A cut of a real log, which was published as public domain.
fn uqo(name: &str) -> PathBuf {
    tree::root().join("tests/data/uqo_2025").join(name)
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_log_becomes_the_rows_that_it_tells_of() {
    let place = Place::new();
    let summary = place.ingest(&[data("worm.json")]);
    assert_eq!((summary.lines, summary.events, summary.events_new), (39, 39, 39));
    assert_eq!((summary.sessions_new, summary.attackers_new, summary.attackers_updated), (3, 2, 0));
    assert_eq!(
        place.one("SELECT ip, first_seen, last_seen, event_count, services, deckies, decky_count, is_traversal, \
                   traversal_path, asn, identity_id FROM attackers WHERE ip = '203.0.113.9'"),
        "203.0.113.9|2022-05-29 00:00:01.000001|2022-05-29 01:00:23.000000|25|[\"ssh\"]|[\"cowrie\"]|1|0|NULL|NULL|NULL"
    );
    assert_eq!(place.features("hassh"), ["51cba57125523ce4b9db67714a90bf6e"]);
    assert_eq!(place.features("client-version"), ["SSH-2.0-libssh-0.6.3"]);
    assert_eq!(place.features("download-url"), ["http://198.51.100.7/bins.sh"]);
    assert_eq!(place.features("download-host"), ["198.51.100.7", "198.51.100.8"]);
    assert_eq!(place.features("authorized-key").len(), 1);
    // One script on two addresses, and a shorter one.
    assert_eq!(
        place.rows("SELECT COUNT(*), SUM(sightings) FROM corral_feature WHERE kind = 'command-script' GROUP BY value ORDER BY 1"),
        ["1|1", "2|2"]
    );
    assert_eq!(
        place.rows("SELECT principal, attempt_count, outcome, secret_printable, secret_b64, service, decky_name, secret_kind \
                    FROM credentials WHERE attacker_ip = '203.0.113.9' ORDER BY attempt_count, secret_b64"),
        ["root|2|failure|123456|MTIzNDU2|ssh|cowrie|plaintext", "root|2|success|3245gs5662d34|MzI0NWdzNTY2MmQzNA==|ssh|cowrie|plaintext"]
    );
    assert_eq!(
        place.one("SELECT service, certainty, closed, logins_failed, logins_accepted, commands, length(seen) / 8 \
                   FROM corral_session WHERE session = '0cdc08392169'"),
        "ssh|3|1|1|1|4|14"
    );
    let tags = place.rows("SELECT DISTINCT tactic || ' ' || technique_id FROM ttp_tag WHERE session_id = '0cdc08392169'");
    for tag in ["TA0007 T1082", "TA0003 T1098", "TA0011 T1105", "TA0005 T1222"] {
        assert!(tags.iter().any(|found| found == tag), "{tag} in {tags:?}");
    }
    assert_eq!(
        place.one("SELECT created_at, decky_id, source_kind, attack_release, json_extract(evidence, '$.command') FROM ttp_tag \
                   WHERE rule_id = 'system-uname' AND session_id = 'abb3971cf61d'"),
        "2022-05-29 01:00:04.000000|cowrie|command|16.1|uname -a"
    );
    let commands: serde_json::Value = serde_json::from_str(
        &place.one("SELECT commands FROM attackers WHERE ip = '203.0.113.77'"),
    )
    .unwrap();
    assert_eq!(commands[0]["command"], "uname -a");
    assert_eq!(commands[0]["timestamp"], "2022-05-29T00:05:04.000000+00:00");
}

#[test]
fn the_same_log_again_changes_not_a_single_row() {
    let place = Place::new();
    let logs = ["worm.json", "old-2017.json", "new-2026.json", "scanners.json"].map(data);
    place.ingest(&logs);
    let before = place.exact_dump();
    let again = place.ingest(&logs);
    assert_eq!((again.events_new, again.sessions_new, again.sessions_grown), (0, 0, 0));
    assert_eq!((again.attackers_new, again.attackers_updated, again.features_new), (0, 0, 0));
    assert_eq!(place.exact_dump(), before);
}

#[test]
fn a_grown_file_adds_only_what_grew() {
    let place = Place::new();
    let whole = fs::read_to_string(data("worm.json")).unwrap();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    // The writer was in the middle of a line.
    let half = format!("{}{}", lines[..9].concat(), &lines[9][..40]);
    let path = place.put("cowrie.json", &half);
    let first = place.ingest(std::slice::from_ref(&path));
    assert_eq!((first.events_new, first.skipped["incomplete last line"]), (9, 1));
    assert_eq!(
        first.problems[0].to_string(),
        format!("{}:10: incomplete last line (read it again when it is complete)", path.display())
    );
    place.put("cowrie.json", &whole);
    assert_eq!(place.ingest(&[path]).events_new, 30);
    let at_once = Place::new();
    at_once.ingest(&[data("worm.json")]);
    assert_eq!(place.dump(), at_once.dump());
}

#[test]
fn a_last_line_that_only_lacks_its_line_feed_counts() {
    let place = Place::new();
    let whole = fs::read_to_string(data("worm.json")).unwrap();
    let path = place.put("cowrie.json", whole.trim_end());
    assert_eq!(place.ingest(&[path]).events_new, 39);
}

#[test]
fn every_way_of_packing_and_naming_is_the_same_log() {
    let expected = Place::new();
    expected.ingest(&[data("worm.json")]);
    let place = Place::new();
    let whole = fs::read_to_string(data("worm.json")).unwrap();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    // Rotated twice, packed by member, a copy of a part, and files that are none of ours.
    place.put(
        "log/cowrie.json.2.gz",
        [gzip(lines[..3].concat().as_bytes()), gzip(lines[3..14].concat().as_bytes())].concat(),
    );
    place.put("log/cowrie.json.1.gz", gzip(lines[10..20].concat().as_bytes()));
    place.put("log/cowrie.json", lines[20..].concat());
    place.put("log/backup/cowrie-2022-05-29.json", lines[5..25].concat());
    place.put("log/cowrie.log", "2022-05-29 [cowrie.ssh.factory] x\n");
    place.put("log/adbhoney.json", "{\"eventid\":\"adbhoney.connect\"}\n");
    let summary = place.ingest(&[place.path("log")]);
    assert_eq!((summary.files, summary.events_new), (4, 39));
    assert_eq!(summary.passed_over.count, 2);
    assert!(summary.passed_over.first.iter().any(|path| path.ends_with("adbhoney.json")));
    assert_eq!(place.dump(), expected.dump());
}

#[test]
fn arrays_and_exports_are_the_same_log() {
    let expected = Place::new();
    expected.ingest(&[data("worm.json")]);
    let whole = fs::read_to_string(data("worm.json")).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let wrapped: Vec<String> =
        lines.iter().map(|line| format!("{{\"_index\":\"x\",\"_source\":{line}}}")).collect();
    for form in [
        format!("[{}]", lines.join(",\n")),
        format!("[\n{}\n]\n", lines.join("\n")),
        format!("[{}]", lines.join(", ")),
        format!("{},\n", lines.join(",\n")),
        lines.concat(),
        whole.replace('\n', "\r\n"),
        wrapped.join("\n"),
    ] {
        let place = Place::new();
        let path = place.put("cowrie.json", form);
        assert_eq!(place.ingest(&[path]).events_new, 39);
        assert_eq!(place.dump(), expected.dump());
    }
}

#[test]
fn files_are_read_in_the_order_of_their_events() {
    let place = Place::new();
    let whole = fs::read_to_string(data("worm.json")).unwrap();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    // By name the order would be the other way round; the first has no event that tells.
    for (name, part) in [
        ("a.json", &lines[28..]),
        ("b.json.2022-05-29", &lines[14..28]),
        ("c.json.gz", &lines[..14]),
    ] {
        let content = part.concat();
        place.put(
            &format!("log/{name}"),
            if name.ends_with("gz") { gzip(content.as_bytes()) } else { content.into_bytes() },
        );
    }
    place.ingest(&[place.path("log")]);
    let order = place.rows("SELECT path FROM corral_source ORDER BY id");
    let names: Vec<&str> = order.iter().map(|path| path.rsplit('/').next().unwrap()).collect();
    assert_eq!(names, ["c.json.gz", "b.json.2022-05-29", "a.json"]);
}

#[test]
fn a_source_is_listed_with_what_it_held() {
    let place = Place::new();
    let path = place.put(
        "cowrie.json",
        fs::read_to_string(data("worm.json")).unwrap() + "{\"eventid\":\"cowrie.log.open\"}\n{}\n",
    );
    place.ingest(&[path]);
    assert_eq!(
        place.one("SELECT kind, lines, events, skipped, first_event_at, last_event_at, length(sha256) FROM corral_source"),
        "cowrie|41|39|{\"no session\":1,\"not a Cowrie event\":1}|1653782401000001|1653786023000000|64"
    );
}

#[test]
fn the_command_prints_a_summary_and_its_twin_in_json() {
    let place = Place::new();
    let log = data("worm.json").display().to_string();
    let output = place.corral(&["ingest", "cowrie", &log]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "", "no progress without a terminal");
    let stdout = text(&output.stdout);
    for line in ["events       39", "39 new, 0 known before", "attackers    2"] {
        assert!(stdout.contains(line), "{stdout}");
    }
    let output = place.corral(&["--json", "ingest", "cowrie", &log]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((json["events"].as_u64(), json["events_new"].as_u64()), (Some(39), Some(0)));
}

#[test]
fn standard_input_is_read_packed_or_not() {
    let place = Place::new();
    let mut child = place
        .command(&["--json", "ingest", "cowrie", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&gzip(&fs::read(data("worm.json")).unwrap())).unwrap();
    let output = child.wait_with_output().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["events_new"], 39);
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_goes_on() {
    let place = Place::new();
    let mut packed = gzip(&fs::read(data("worm.json")).unwrap().repeat(50));
    packed.truncate(packed.len() - 100);
    let broken = place.put("broken.json.gz", packed).display().to_string();
    let missing = place.path("missing.json").display().to_string();
    let whole = data("worm.json").display().to_string();
    let output = place.corral(&["ingest", "cowrie", &missing, &broken, &whole]);
    assert_eq!(output.status.code(), Some(3));
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains(&format!("{missing}: ")) && stderr.contains("check the path"),
        "{stderr}"
    );
    assert!(
        stderr.contains("broken.json.gz:")
            && stderr.contains("truncated")
            && stderr.contains("copy the file again"),
        "{stderr}"
    );
    assert_eq!(place.one("SELECT COUNT(*) FROM attackers"), "2");
}

#[test]
fn a_folder_without_logs_is_an_error_with_a_hint() {
    let place = Place::new();
    place.put("log/readme.txt", "nothing");
    let output = place.corral(&["ingest", "cowrie", &place.path("log").display().to_string()]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("no Cowrie logs found"));
    let output = place.corral(&["ingest", "cowrie"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_locked_database_is_waited_for_and_then_named() {
    let place = Place::new();
    place.ingest(&[]);
    let config = place.put("corral.toml", "[store]\nbusy-seconds = 1\n").display().to_string();
    let log = data("worm.json").display().to_string();
    let mut connection = place.runtime.block_on(SqliteConnection::connect(&place.url())).unwrap();
    place.runtime.block_on(sqlx::query("BEGIN EXCLUSIVE").execute(&mut connection)).unwrap();
    let output = place.corral(&["--config", &config, "ingest", "cowrie", &log]);
    assert_eq!(output.status.code(), Some(4));
    assert!(text(&output.stderr).contains("locked by another process"), "{}", text(&output.stderr));
    place.runtime.block_on(sqlx::query("ROLLBACK").execute(&mut connection)).unwrap();
    place.runtime.block_on(connection.close()).unwrap();
    assert!(place.corral(&["ingest", "cowrie", &log]).status.success());
    assert_eq!(place.one("SELECT SUM(event_count) FROM attackers"), "39");
}
