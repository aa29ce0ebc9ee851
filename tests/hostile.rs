//! The corpus: guests that break every limit and every promise. Each is stopped, named and explained, leaves no
//! trace, and the next correlator ticks as if nothing had happened.
//!
//! A crime is a line of a table, with the limit or the promise that it is about and what the operator is told.
//! Those in a tick and in `describe` are committed by one guest (tests/guests/hostile); what no Rust can say is
//! written as text or as bytes ([`components`]), and what is made to trouble the compiler in [`compiling`]. A limit
//! without a crime, and a crime without a line, are failures.

use std::collections::BTreeSet;
use std::sync::Arc;

use corral::clock::Timestamp;
use corral::config::{self, Config, Limits};
use corral::ids;
use corral::plugin::{Plugin, Source};
use corral::store::record::{Attacker, Batch, Event, Feature, Kind, Service, Session, What};

use crate::scene::{Scene, guests};
use crate::tree;

mod beside;
mod compiling;
mod components;
mod describing;
mod over_time;
mod ticks;
mod written;

use About::{Limit, Promise};

/// One crime of the corpus.
pub(crate) struct Crime {
    pub(crate) name: &'static str,
    pub(crate) about: About,
    /// A part of what the operator is told; nothing where the host shrugs it off.
    pub(crate) told: &'static str,
}

/// What a crime is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// A key of the config's `[limits]`.
    Limit(&'static str),
    /// Something that no setting changes.
    Promise(&'static str),
}

const fn crime(name: &'static str, about: About, told: &'static str) -> Crime {
    Crime { name, about, told }
}

/// Limits that a crime meets soon.
fn limits() -> Limits {
    Limits {
        guest_milliseconds: 200,
        memory_bytes_max: 64 << 20,
        call_bytes_max: 8 << 20,
        frame_rows_max: 1_000_000,
        frame_bytes_max: 16 << 20,
        text_bytes_max: 1 << 20,
        kernel_calls_max: 100,
        kernel_rows_max: 100_000,
        changes_max: 10_000,
        ..Limits::default()
    }
}

async fn scene_with(limits: Limits) -> Scene {
    let mut scene = Scene::with(Config { limits, ..Config::default() }).await;
    scene.attacker("192.0.2.1", 0, &[("hassh", "aa")]).await;
    let other = visitor("192.0.2.2", Feature { kind: Kind::Hassh, value: Arc::from("aa") });
    scene.store.record(&other, scene.clock.now()).await.unwrap();
    scene
}

async fn scene() -> (Scene, Plugin) {
    let scene = scene_with(limits()).await;
    let guest = scene.guest("hostile").await;
    (scene, guest)
}

/// A session of one attacker, as ingest writes it.
fn visitor(ip: &str, feature: Feature) -> Batch {
    let what = What::Features(Box::new([feature]));
    let event = Event { hash: 1, at: Timestamp(1_780_000_000_000_000), what };
    let name = || Arc::from("1");
    Batch {
        attackers: vec![Attacker { id: ids::attacker(ip).into(), ip: ip.into() }],
        sessions: vec![Session {
            attacker: 0,
            source: name(),
            session: name(),
            decky: name(),
            service: Service::guessed(),
            events: vec![event],
        }],
        sources: Vec::new(),
    }
}

/// The guest's component, with a crime for `describe` written into it.
fn marked(crime: &str) -> Vec<u8> {
    let mut bytes = std::fs::read(guests().join("hostile.wasm")).unwrap();
    let mark = b"CRIME:....";
    let at = bytes.windows(mark.len()).position(|window| window == mark).unwrap() + 6;
    bytes[at..at + crime.len()].copy_from_slice(crime.as_bytes());
    bytes
}

/// Why a component is no plugin.
async fn refusal(scene: &Scene, bytes: &[u8]) -> String {
    let source = Source::File("evil.wasm".into());
    scene.host.inspect(source, bytes).await.unwrap_err().to_string()
}

/// Every table of the corpus.
fn corpus() -> impl Iterator<Item = &'static Crime> {
    let tables = [
        ticks::CRIMES,
        describing::CRIMES,
        over_time::CRIMES,
        components::CRIMES,
        compiling::CRIMES,
    ];
    tables.into_iter().flatten()
}

#[test]
fn every_limit_of_the_config_has_a_crime() {
    let config: toml::Table = toml::from_str(config::DEFAULT_FILE).unwrap();
    let limits: BTreeSet<&str> =
        config["limits"].as_table().unwrap().keys().map(String::as_str).collect();
    let met: BTreeSet<&str> = corpus()
        .filter_map(|crime| match crime.about {
            Limit(key) => Some(key),
            Promise(_) => None,
        })
        .collect();
    assert_eq!(limits, met, "left: the limits of the config, right: those with a hostile guest");
    // And who meets a limit is told which.
    for crime in corpus().filter(|crime| !crime.told.is_empty()) {
        if let Limit(key) = crime.about {
            assert!(crime.told.contains(&format!("limits.{key}")), "{} names no limit", crime.name);
        }
    }
}

#[test]
fn every_crime_of_the_guest_is_in_a_table_and_the_other_way_round() {
    let folder = tree::root().join("tests/guests/hostile/src");
    let mut known = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let source = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let arms =
            source.lines().filter_map(|line| line.trim().strip_prefix('"')?.split_once("\" =>"));
        known.extend(arms.map(|(name, _)| name.to_owned()).filter(|name| !name.is_empty()));
    }
    let tables = [ticks::CRIMES, describing::CRIMES, over_time::CRIMES].into_iter().flatten();
    let listed: BTreeSet<String> = tables.map(|crime| crime.name.to_owned()).collect();
    assert_eq!(known, listed, "left: what the guest can do, right: what a test makes it do");
    let all: Vec<&str> = corpus().map(|crime| crime.name).collect();
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "a name stands twice");
    assert!(all.len() >= 60, "{} crimes", all.len());
}
