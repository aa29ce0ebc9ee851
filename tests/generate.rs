//! A made-up log must have the shapes that it is made for, and its truth must be the truth.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what cannot be read fails the test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Output};

use corral::generate::{
    Existing, FlawKind, Flaws, GenerateError, Kind, Options, Reads, Summary, Volume, generate,
};
use md5::{Digest, Md5};
use serde_json::Value;
use sha2::Sha256;
use tempfile::TempDir;

mod shapes;

/// A log that was made up, read back.
struct Story {
    summary: Summary,
    /// The whole of each log file, decompressed, the oldest first.
    files: Vec<(String, Vec<u8>)>,
    /// Actor and kind of each address.
    truth: BTreeMap<String, (String, String)>,
    directory: TempDir,
}

fn story(options: &Options) -> Story {
    let directory = tempfile::tempdir().unwrap();
    let dir = corral::files::open_directory(directory.path()).unwrap();
    let summary =
        generate(options, &dir, Existing::Refuse, &mut |_| ControlFlow::Continue(())).unwrap();
    let files = summary
        .files
        .iter()
        .map(|file| (file.name.clone(), read(&directory.path().join(&file.name))));
    let files = files.collect();
    let truth = std::fs::read_to_string(directory.path().join("truth.csv")).unwrap();
    let rows = truth.lines().skip(1).map(|row| {
        let fields: Vec<&str> = row.split(',').collect();
        (fields[0].to_owned(), (fields[1].to_owned(), fields[2].to_owned()))
    });
    let count = rows.clone().count();
    let truth: BTreeMap<_, _> = rows.collect();
    assert_eq!(truth.len(), count, "an address has two rows");
    Story { summary, files, truth, directory }
}

fn read(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    if path.extension().is_some_and(|extension| extension == "gz") {
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut plain).unwrap();
        return plain;
    }
    bytes
}

impl Story {
    /// All lines with their file and number, line breaks left off.
    fn lines(&self) -> impl Iterator<Item = (&str, u64, &[u8])> {
        self.files.iter().flat_map(|(name, content)| {
            let lines = content.split_inclusive(|byte| *byte == b'\n');
            (1..).zip(lines).map(move |(number, line)| {
                (name.as_str(), number, line.strip_suffix(b"\n").unwrap_or(line))
            })
        })
    }

    /// All events, in order, without those that stand there twice.
    fn events(&self) -> Vec<Value> {
        let flawed = |name: &str, number: u64| {
            let at =
                self.summary.flaws.iter().find(|flaw| flaw.file == name && flaw.line == number);
            at.is_some_and(|flaw| flaw.kind == FlawKind::DuplicateLine || flaw.reads == Reads::No)
        };
        let lines = self.lines().filter(|(name, number, _)| !flawed(name, *number));
        lines
            .map(|(_, _, line)| serde_json::from_str(&String::from_utf8_lossy(line)).unwrap())
            .collect()
    }

    /// What values of a member the addresses of an actor have.
    fn values(&self, actor: &str, member: &str) -> BTreeSet<String> {
        let events = self.events();
        let theirs = events.iter().filter(|event| self.truth[text(event, "src_ip")].0 == actor);
        theirs.filter_map(|event| event[member].as_str().map(str::to_owned)).collect()
    }
}

fn text<'a>(event: &'a Value, member: &str) -> &'a str {
    event[member].as_str().unwrap_or_default()
}

fn kind(event: &Value) -> &str {
    text(event, "eventid").strip_prefix("cowrie.").unwrap()
}

fn small() -> Options {
    Options { attackers: 100, ..Options::default() }
}

/// The SHA-256 of the log, decompressed, and of its truth.
fn digest(story: &Story) -> String {
    let mut hash = Sha256::new();
    for (name, content) in &story.files {
        hash.update(name);
        hash.update(content);
    }
    for name in ["truth.csv", "flaws.json"] {
        hash.update(std::fs::read(story.directory.path().join(name)).unwrap());
    }
    hexadecimal(&hash.finalize())
}

#[test]
fn the_same_seed_writes_the_same_bytes_on_every_machine() {
    let one = digest(&story(&small()));
    assert_eq!(one, digest(&story(&small())));
    assert_ne!(one, digest(&story(&Options { seed: 8, ..small() })));
    // Whoever changes the story on purpose changes this too.
    assert_eq!(one, "2da33c89da334b0f0a58e54f95e2fdae2b4e16b20db0e3ddb5c3d75f2561cf78");
}

#[test]
fn truth_names_each_address_of_the_log_and_no_other() {
    let cut = Options { until: Some(Volume::Events(2_000)), ..Options::default() };
    for options in [small(), Options::default(), cut] {
        let story = story(&options);
        let events = story.events();
        let seen: BTreeSet<&str> = events.iter().map(|event| text(event, "src_ip")).collect();
        let named: BTreeSet<&str> = story.truth.keys().map(String::as_str).collect();
        assert_eq!(seen, named);
        assert_eq!(story.summary.addresses.values().sum::<u64>(), named.len() as u64);
        for (kind, count) in &story.summary.addresses {
            let rows = story.truth.values().filter(|(_, word)| word == kind.word()).count();
            assert_eq!(rows as u64, *count);
        }
    }
}

#[test]
fn every_hassh_is_that_of_its_algorithms() {
    let story = story(&small());
    let mut checked = 0;
    for event in story.events().iter().filter(|event| kind(event) == "client.kex") {
        let list = |name: &str| {
            let names = event[name].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
            names.collect::<Vec<_>>().join(",")
        };
        let algorithms = ["kexAlgs", "encCS", "macCS", "compCS"].map(list).join(";");
        assert_eq!(text(event, "hasshAlgorithms"), algorithms);
        assert_eq!(text(event, "hassh"), hexadecimal(&Md5::digest(&algorithms)));
        checked += 1;
    }
    assert!(checked > 100, "{checked}");
}

#[test]
fn every_line_is_an_event_but_the_listed_flaws() {
    let story = story(&Options::default());
    let lines: BTreeMap<(&str, u64), &[u8]> =
        story.lines().map(|(name, number, line)| ((name, number), line)).collect();
    let mut flaws: BTreeMap<(&str, u64), _> = BTreeMap::new();
    for flaw in &story.summary.flaws {
        flaws.insert((flaw.file.as_str(), flaw.line), flaw);
    }
    let kinds: BTreeSet<FlawKind> = story.summary.flaws.iter().map(|flaw| flaw.kind).collect();
    assert_eq!(kinds.len(), 5, "{kinds:?}");
    for (place, line) in &lines {
        let strict = serde_json::from_slice::<Value>(line).is_ok();
        let lossy = serde_json::from_str::<Value>(&String::from_utf8_lossy(line)).is_ok();
        let reads = flaws.get(place).map_or(Reads::Yes, |flaw| flaw.reads);
        assert_eq!((strict, lossy), (reads == Reads::Yes, reads != Reads::No), "{place:?}");
    }
    for (place, flaw) in flaws {
        match flaw.kind {
            FlawKind::LongLine => assert!((500_000..600_000).contains(&lines[&place].len())),
            FlawKind::DuplicateLine => {
                let (file, line) = flaw.copy_of.as_ref().unwrap();
                assert_eq!(lines[&place], lines[&(file.as_str(), *line)]);
            }
            FlawKind::PartialLastLine => {
                assert_eq!(
                    (place, Some(&place)),
                    (
                        ("cowrie.json", place.1),
                        lines.keys().rfind(|other| other.0 == "cowrie.json")
                    )
                );
                assert!(!story.files.last().unwrap().1.ends_with(b"\n"));
            }
            FlawKind::BrokenJson | FlawKind::InvalidUtf8 => {}
        }
    }
    let listed: Value =
        serde_json::from_slice(&std::fs::read(story.directory.path().join("flaws.json")).unwrap())
            .unwrap();
    assert_eq!(listed, serde_json::to_value(&story.summary.flaws).unwrap());
}

#[test]
fn without_flaws_every_line_is_an_event() {
    let story = story(&Options { flaws: Flaws::Off, ..small() });
    assert!(story.summary.flaws.is_empty());
    assert_eq!(story.summary.lines, story.summary.events);
    assert_eq!(story.events().len() as u64, story.summary.lines);
    assert!(story.files.iter().all(|(_, content)| content.ends_with(b"}\n")));
}

#[test]
fn times_increase_and_sessions_belong_to_one_address() {
    let story = story(&Options::default());
    let events = story.events();
    assert!(events.is_sorted_by(|one, next| text(one, "timestamp") < text(next, "timestamp")));
    let mut sessions: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for event in &events {
        sessions.entry(text(event, "session")).or_default().push(event);
    }
    assert_eq!(sessions.len() as u64, story.summary.sessions);
    let (mut closed, mut over_midnight) = (0, 0);
    for (id, events) in &sessions {
        assert!(id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
        assert_eq!(kind(events[0]), "session.connect");
        assert!(events.iter().all(|event| event["src_ip"] == events[0]["src_ip"]));
        closed += u64::from(kind(events.last().unwrap()) == "session.closed");
        let day = |event: &Value| text(event, "timestamp")[..10].to_owned();
        over_midnight += u64::from(day(events[0]) != day(events.last().unwrap()));
    }
    assert!(closed + 20 > story.summary.sessions, "{closed}");
    assert!(over_midnight >= 1);
}

#[test]
fn each_day_has_the_schema_of_its_time_and_its_own_sensor() {
    let story = story(&Options::default());
    let names: Vec<&str> = story.files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "cowrie.json.2026-03-16.gz",
            "cowrie.json.2026-03-17.gz",
            "cowrie.json.2026-03-18.gz",
            "cowrie.json.2026-03-19",
            "cowrie.json"
        ]
    );
    let mut sensors: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for event in story.events() {
        let day = text(&event, "timestamp")[..10].to_owned();
        let (oldest, newest) = (day.as_str() == "2026-03-16", day.as_str() >= "2026-03-19");
        sensors.entry(day).or_default().insert(text(&event, "sensor").to_owned());
        assert_eq!(
            event.get("protocol").is_some(),
            newest || kind(&event) == "session.connect",
            "{event}"
        );
        assert_eq!(event.get("uuid").is_some(), newest, "{event}");
        match kind(&event) {
            "client.version" => {
                let bytes = text(&event, "version").starts_with("b'")
                    || text(&event, "version").starts_with("b\"");
                assert_eq!(bytes, oldest, "{event}");
            }
            "session.closed" | "log.closed" => {
                assert_eq!(event["duration"].is_string(), newest, "{event}");
            }
            "session.params" => assert!(event["message"].is_array()),
            "direct-tcpip.ja4" | "direct-tcpip.ja4h" => assert!(newest),
            "login.failed" if event.get("key").is_some() => {
                assert!(newest && event.get("password").is_none());
            }
            _ => {}
        }
    }
    assert!(sensors.values().all(|names| names.len() == 1));
    assert_eq!(sensors.values().flatten().collect::<BTreeSet<_>>().len(), 5);
}

#[test]
fn every_address_is_reserved() {
    let story = story(&small());
    for address in story.truth.keys() {
        let octets = address.parse::<std::net::Ipv4Addr>().unwrap().octets();
        let documentation = matches!(octets, [203, 0, 113, _] | [198, 51, 100, _] | [192, 0, 2, _]);
        assert!(documentation || octets[0] >= 240, "{address}");
    }
}

#[test]
fn populations_grow_in_proportion() {
    let story = story(&Options { attackers: 2_400, ..Options::default() });
    let counts = &story.summary.addresses;
    assert_eq!(
        (counts[&Kind::Worm], counts[&Kind::Relay], counts[&Kind::Stranger]),
        (360, 270, 780)
    );
    assert_eq!(counts.values().sum::<u64>(), 2_400);
}

#[test]
fn more_bytes_bring_new_chapters_and_stop_in_time() {
    let limit = 3_000_000;
    let story = story(&Options { until: Some(Volume::Bytes(limit)), ..small() });
    assert!((limit..limit + 600_000).contains(&story.summary.bytes), "{}", story.summary.bytes);
    assert!(story.summary.chapters > 1 && story.truth.values().any(|(actor, _)| actor == "worm-2"));
    let counted = |lines: &mut dyn Iterator<Item = u64>| lines.sum::<u64>();
    assert_eq!(
        counted(&mut story.summary.files.iter().map(|file| file.lines)),
        story.lines().count() as u64
    );
    for (file, (_, content)) in story.summary.files.iter().zip(&story.files) {
        assert_eq!(file.bytes, content.len() as u64);
    }
}

#[test]
fn a_limit_of_events_is_kept_exactly() {
    let story = story(&Options { until: Some(Volume::Events(1_234)), ..small() });
    assert_eq!((story.summary.events, story.events().len()), (1_234, 1_234));
}

fn corral(arguments: &[&str], directory: &Path) -> Output {
    let mut command = Command::new(crate::tree::executable());
    command.arg("generate").arg(directory).args(arguments).output().unwrap()
}

#[test]
fn whoever_watches_can_break_off_and_the_rest_can_be_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let dir = corral::files::open_directory(directory.path()).unwrap();
    let endless = Options { until: Some(Volume::Bytes(u64::MAX)), ..small() };
    let mut calls = 0;
    let stopped = generate(&endless, &dir, Existing::Refuse, &mut |progress| {
        calls += 1;
        if progress.bytes > 2_000_000 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(stopped, Err(GenerateError::Stopped)) && calls > 1);
    assert!(
        generate(&small(), &dir, Existing::Replace, &mut |_| ControlFlow::Continue(())).is_ok()
    );
}

#[test]
fn the_command_sums_up_and_has_a_json_twin() {
    let directory = tempfile::tempdir().unwrap();
    let output = corral(&["--attackers", "50", "--quiet"], &directory.path().join("new/logs"));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && printed.contains("cowrie.json") && printed.contains("worm"),
        "{printed}"
    );
    let output =
        corral(&["--attackers", "50", "--json", "--no-gzip"], &directory.path().join("json"));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        summary["addresses"].as_object().unwrap().values().filter_map(Value::as_u64).sum::<u64>(),
        50
    );
    assert_eq!(summary["files"][0]["name"], "cowrie.json.2026-03-16");
}

#[test]
fn a_directory_in_use_is_refused_and_only_a_story_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    assert!(corral(&["--attackers", "50"], path).status.success());
    let refused = corral(&["--attackers", "50"], path);
    let message = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(message.contains("not empty") && message.contains("--force"), "{message}");
    assert!(corral(&["--attackers", "50", "--force", "--days", "2"], path).status.success());
    assert!(!path.join("cowrie.json.2026-03-18.gz").exists(), "the old story is gone");

    // Somebody else's file is safe.
    std::fs::write(path.join("notes.txt"), "mine").unwrap();
    let refused = corral(&["--force"], path);
    let message = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(2) && message.contains("notes.txt"), "{message}");
    assert!(path.join("cowrie.json").exists());
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
