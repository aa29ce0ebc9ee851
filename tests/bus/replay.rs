//! What DECNET's bus and its `supervise cpu` said to each other, recorded, and said again with one side ours.
//!
//! Packets are equal to the byte but for an envelope's id and time, which are the writer's. The broker tells
//! of its own health by its own clock, so that is compared by its form.

use std::collections::BTreeMap;
use std::fs::File;

use corral::bus::client::Signal;
use corral::bus::kind_of;
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::net::UnixListener;

use super::line::{Line, Observer, parts};
use super::{Place, connected, soon};

const RECORDING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/golden/bus/transcript.json.gz");

const HEALTH: &str = "system.bus.health";

#[derive(Deserialize)]
struct Recording {
    frames: Vec<Frame>,
}

/// One packet, the end of one direction, or a remark.
#[derive(Deserialize)]
struct Frame {
    seq: u32,
    conn: Option<u32>,
    #[serde(default)]
    client: String,
    #[serde(default)]
    dir: String,
    #[serde(default)]
    hex: String,
    #[serde(default)]
    verb: String,
    #[serde(default)]
    args: String,
    #[serde(default)]
    body_text: Option<String>,
    #[serde(default)]
    eof: bool,
}

impl Frame {
    fn bytes(&self) -> Vec<u8> {
        let digits = self.hex.as_bytes().chunks(2);
        digits
            .map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap())
            .collect()
    }

    fn is_from_client(&self) -> bool {
        self.dir == "c2s"
    }

    fn is_health(&self) -> bool {
        self.args == HEALTH
    }

    fn text(&self) -> &str {
        self.body_text.as_deref().unwrap_or_default()
    }
}

fn recorded() -> Vec<Frame> {
    let file = GzDecoder::new(File::open(RECORDING).unwrap());
    let recording: Recording = serde_json::from_reader(file).unwrap();
    recording.frames.into_iter().filter(|frame| frame.conn.is_some()).collect()
}

/// Header and body, with the envelope's id and time left out.
fn comparable(packet: &[u8]) -> String {
    let (header, body) = parts(packet);
    let body = std::str::from_utf8(body).unwrap();
    if body.is_empty() {
        return header.to_owned();
    }
    let (before, rest) = body.split_once(r#""id":""#).unwrap();
    let (id, rest) = rest.split_at(32);
    assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{body}");
    let (between, rest) = rest.split_once(r#","ts":"#).unwrap();
    let (ts, payload) = rest.split_once(r#","payload":"#).unwrap();
    assert!(ts.parse::<f64>().is_ok_and(|ts| ts > 1.7e9), "{body}");
    format!("{header}{before}{between}{payload}")
}

/// What a connection had coming when it closed. One closed while an event was on its way; here nothing is
/// said before everything else has arrived.
fn unheard(end: &Frame) -> &'static [&'static str] {
    if end.conn == Some(7) { &["EVT demo.none\n"] } else { &[] }
}

#[tokio::test]
async fn our_broker_answers_recorded_clients_as_decnets_did() {
    let place = Place::new();
    let served = place.serve().await;
    let mut observer = Observer::new(&place.socket()).await;
    let mut lines: BTreeMap<u32, Line> = BTreeMap::new();
    // Who said goodbye has nobody who reads the rest: DECNET's client sent it all the same.
    let mut gone = Vec::new();
    let (mut sent, mut answered) = (0, 0);
    for frame in recorded().iter().filter(|frame| !frame.is_health()) {
        let number = frame.conn.unwrap();
        if let std::collections::btree_map::Entry::Vacant(new) = lines.entry(number) {
            new.insert(Line::connect(&place.socket()).await);
        }
        let line = lines.get_mut(&number).unwrap();
        match (frame.is_from_client(), frame.eof) {
            (true, false) if gone.contains(&number) => line.try_send(&frame.bytes()).await,
            (true, false) => {
                line.send(&frame.bytes()).await;
                sent += 1;
                if frame.verb == "BYE" || frame.verb == "EVT" {
                    gone.push(number);
                } else {
                    observer.settled(line).await;
                }
            }
            (true, true) if gone.contains(&number) => {}
            (true, true) => line.fall_silent().await,
            (false, false) => {
                let answer = line.packet().await.unwrap();
                assert_eq!(comparable(&answer), comparable(&frame.bytes()), "seq {}", frame.seq);
                answered += 1;
            }
            // The end, and nothing before it that was not recorded.
            (false, true) => {
                let mut rest = Vec::new();
                while let Some(packet) = line.packet().await {
                    rest.push(parts(&packet).0.to_owned());
                }
                assert_eq!(rest, unheard(frame), "seq {}", frame.seq);
            }
        }
    }
    assert!(sent > 60 && answered > 30, "{sent} sent, {answered} answered");
    served.stop().await;
}

/// The connections of DECNET's workers and of the client that drove them.
const CLIENTS: [&str; 5] = [
    "golden-test-client",
    "clusterer",
    "campaign-clusterer",
    "attribution-correlator",
    "reuse-correlator",
];

#[tokio::test]
async fn our_client_says_to_a_recorded_broker_what_decnets_said() {
    let frames = recorded();
    for name in CLIENTS {
        let frames: Vec<&Frame> = frames.iter().filter(|frame| frame.client == name).collect();
        speak_as(name, &frames).await;
    }
}

async fn speak_as(name: &str, frames: &[&Frame]) {
    let said = |verb: &'static str| {
        frames.iter().copied().filter(move |frame| frame.is_from_client() && frame.verb == verb)
    };
    let place = Place::new();
    let listener = UnixListener::bind(place.socket()).unwrap();
    let patterns: Vec<&str> = said("SUB").map(|frame| frame.args.as_str()).collect();
    let (client, mut events) =
        place.client_with(&patterns, |settings| settings.name = name.to_owned());
    let mut line = Line::accept(&listener).await;
    for greeting in said("HELLO").chain(said("SUB")) {
        assert_eq!(line.packet().await.unwrap(), greeting.bytes(), "seq {}", greeting.seq);
    }
    connected(&mut events).await;
    let (mut heard, mut published) = (0, 0);
    for frame in frames.iter().filter(|frame| matches!(frame.verb.as_str(), "EVT" | "PUB")) {
        if frame.is_from_client() {
            let envelope: BTreeMap<&str, &RawValue> = serde_json::from_str(frame.text()).unwrap();
            let kind: String = serde_json::from_str(envelope["type"].get()).unwrap();
            // The last two of the test client have a type of their own; all others follow from the topic.
            let kind = if kind == kind_of(&frame.args) { kind_of(&frame.args) } else { &kind };
            soon(client.publish(&frame.args, kind, envelope["payload"])).await.unwrap();
            let packet = line.packet().await.unwrap();
            assert_eq!(comparable(&packet), comparable(&frame.bytes()), "seq {}", frame.seq);
            published += 1;
        } else {
            line.send(&frame.bytes()).await;
            let Signal::Event(event) = soon(events.next()).await.unwrap() else {
                panic!("seq {}: no event", frame.seq)
            };
            let meant: Value = serde_json::from_str(frame.text()).unwrap();
            assert_eq!(event.topic, frame.args);
            assert_eq!(event.kind, meant["type"]);
            assert_eq!(event.id, meant["id"]);
            assert_eq!(event.ts, meant["ts"].as_f64());
            assert_eq!(event.payload, meant["payload"]);
            heard += 1;
        }
    }
    assert!(heard > 0 && published > 0, "{name}: {heard} heard, {published} published");
    soon(client.close()).await;
    let bye = said("BYE").next().unwrap();
    assert_eq!(line.packet().await.unwrap(), bye.bytes());
    assert!(line.is_closed().await);
}

#[tokio::test]
async fn our_broker_tells_of_its_health_as_decnets_did() {
    let place = Place::new();
    let served = place
        .serve_with(|settings| settings.health_every = std::time::Duration::from_millis(20))
        .await;
    let mut line = Line::connect(&place.socket()).await;
    line.say(&format!("SUB {HEALTH}"), "").await;
    let ours = comparable(&line.packet().await.unwrap());
    let frames = recorded();
    let theirs = frames.iter().find(|frame| frame.is_health()).unwrap().bytes();
    let form = |text: &str| -> String {
        let mut form: Vec<char> =
            text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        form.dedup_by(|a, b| *a == '0' && *b == '0');
        form.into_iter().collect()
    };
    assert_eq!(form(&ours), form(&comparable(&theirs)));
    assert!(ours.contains(&format!("\"pid\":{},", std::process::id())), "{ours}");
    served.stop().await;
}
