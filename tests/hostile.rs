//! Guests that break every promise. Each is stopped, named and explained; nothing it asked for is
//! written, and the next correlator ticks as if nothing had happened.

use std::sync::Arc;

use corral::clock::Timestamp;
use corral::config::{Config, Limits};
use corral::ids;
use corral::plugin::{Plugin, Source};
use corral::store::record::{Attacker, Batch, Event, Feature, Kind, Service, Session, What};

use crate::scene::Scene;

/// Every crime that tests/guests/hostile knows, and what the operator is told.
const CRIMES: &[(&str, &str)] = &[
    ("spin", "died: spent more than limits.guest-milliseconds = 200"),
    ("grow", "bytes of memory are more than limits.memory-bytes-max = 67108864"),
    ("recurse", "died: "),
    ("panic", "died: it panicked; its last words are in the log"),
    ("give-up", "conflict: it is not my day"),
    ("hoard-frames", "limit: limits.frames-max = 256 frames at one time"),
    ("hoard-builders", "died: builds more than limits.frames-max = 256 frames at one time"),
    ("ragged-column", "invalid: column 'a' has 1 values for 3 rows"),
    ("read-past-the-end", "invalid: rows 1 to 1 + 4294967295 of a frame of 2"),
    ("wrong-type", "invalid: column 'uuid' is text, not uint64"),
    ("intern-without-end", "limit: limits.text-bytes-max = 1048576 bytes of new text"),
    (
        "read-unasked",
        "refused: view 'credentials': plugin 'hostile' does not ask for it in describe",
    ),
    (
        "run-unasked",
        "refused: kernel 'identity-components': plugin 'hostile' does not ask for it in describe",
    ),
    ("run-unknown", "not found: no kernel 'bitcoin'"),
    (
        "run-without-inputs",
        "invalid: connected-components: takes 2 inputs (nodes, edges), was given 0",
    ),
    ("run-without-end", "limit: limits.kernel-calls-max = 100 kernels a tick"),
    (
        "commit-unasked",
        "refused: change 'unmerge-identities': plugin 'hostile' does not ask for it in describe",
    ),
    ("commit-twice", "refused: commit: this tick has committed already"),
    ("commit-no-such-row", "invalid: commit: form-identities: row 4294967295 of a view of 2 rows"),
    ("commit-a-row-twice", "invalid: commit: form-identities: row 0 stands twice"),
    (
        "commit-groups-out-of-order",
        "invalid: commit: form-identities: groups are not numbered 0, 1, 2",
    ),
    (
        "commit-another-frame",
        "invalid: commit: form-identities: needs a whole reading of the view 'attackers'",
    ),
    (
        "commit-about-a-part",
        "invalid: commit: form-identities: needs a whole reading of the view 'attackers'",
    ),
    ("commit-then-panic", "died: it panicked"),
    ("commit-then-give-up", "conflict: second thoughts"),
];

/// Crimes that the host shrugs off.
const FORGIVEN: &[&str] = &["flood-log", "ask-for-changes"];

async fn scene() -> (Scene, Plugin) {
    let limits = Limits {
        guest_milliseconds: 200,
        memory_bytes_max: 64 << 20,
        text_bytes_max: 1 << 20,
        kernel_calls_max: 100,
        ..Limits::default()
    };
    let mut scene = Scene::with(Config { limits, ..Config::default() }).await;
    scene.attacker("192.0.2.1", 0, &[("hassh", "aa")]).await;
    let other = visitor("192.0.2.2", Feature { kind: Kind::Hassh, value: Arc::from("aa") });
    scene.store.record(&other, scene.clock.now()).await.unwrap();
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

#[tokio::test]
async fn every_crime_is_stopped_named_and_leaves_no_trace() {
    let (mut scene, guest) = scene().await;
    let before = scene.dump().await;
    for (crime, expected) in CRIMES {
        let error = scene.tick(&guest, &[("crime", crime)]).await.expect_err(crime).to_string();
        assert!(error.starts_with("plugin 'hostile'"), "{crime}: {error}");
        assert!(error.contains(expected), "{crime}: expected {expected:?}, got {error:?}");
        assert_eq!(scene.dump().await, before, "{crime} wrote something");
    }
    for crime in FORGIVEN {
        assert!(
            scene.tick(&guest, &[("crime", crime)]).await.unwrap().committed.is_empty(),
            "{crime}"
        );
    }
    // The host and the other correlators live.
    assert_eq!(scene.cluster().await.committed.formed, 1);
}

#[test]
fn every_crime_of_the_guest_is_in_the_list() {
    let source = include_str!("guests/hostile/src/lib.rs");
    let arms = source.lines().filter_map(|line| line.trim().strip_prefix('"')?.split_once("\" =>"));
    let known =
        |crime: &str| CRIMES.iter().any(|(name, _)| *name == crime) || FORGIVEN.contains(&crime);
    let crimes: Vec<&str> =
        arms.map(|(crime, _)| crime).filter(|crime| !crime.is_empty()).collect();
    assert!(crimes.len() > 20);
    for crime in crimes {
        assert!(known(crime), "no test runs the crime '{crime}'");
    }
}

#[tokio::test]
async fn a_spinning_guest_does_not_delay_another_tick() {
    let (scene, guest) = scene().await;
    let clusterer = &scene.catalog.plugins["clusterer"];
    let (spun, ticked) =
        tokio::join!(scene.tick(&guest, &[("crime", "spin")]), scene.tick(clusterer, &[]));
    assert!(spun.is_err());
    assert_eq!(ticked.unwrap().committed.formed, 1);
}

#[tokio::test]
async fn the_wall_clock_ends_a_tick_whose_guest_has_budget_left() {
    let limits = Limits { tick_seconds: 3, guest_milliseconds: 60_000, ..Limits::default() };
    let scene = Scene::with(Config { limits, ..Config::default() }).await;
    let guest = scene.guest("hostile").await;
    let error = scene.tick(&guest, &[("crime", "spin")]).await.unwrap_err().to_string();
    assert_eq!(error, "plugin 'hostile': the tick took longer than limits.tick-seconds = 3");
}

async fn refusal(bytes: &[u8]) -> String {
    let scene = Scene::new().await;
    let source = Source::File("evil.wasm".into());
    scene.host.inspect(source, bytes).await.unwrap_err().to_string()
}

fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

#[tokio::test]
async fn what_is_no_component_is_refused_with_a_remedy() {
    let error = refusal(b"#!/bin/sh").await;
    assert!(error.starts_with("evil.wasm: no WebAssembly component: "), "{error}");
    assert!(error.contains("cargo xtask plugins"), "{error}");
    let error = refusal(&component("(module)")).await;
    assert!(error.contains("no WebAssembly component"), "{error}");
}

#[tokio::test]
async fn all_offending_imports_are_named() {
    let error = refusal(&component(
        r#"(component
            (import "wasi:filesystem/types@0.2.0" (instance))
            (import "wasi:sockets/tcp@0.2.0" (instance))
            (import "corral:correlator/log@0.1.0" (instance)))"#,
    ))
    .await;
    assert_eq!(
        error,
        "evil.wasm: imports what no plugin may have: wasi:filesystem/types@0.2.0, wasi:sockets/tcp@0.2.0 \
         (a plugin sees only corral:correlator/*@0.1.0)"
    );
}

#[tokio::test]
async fn another_version_of_the_contract_is_refused_with_both_versions() {
    let error =
        refusal(&component(r#"(component (import "corral:correlator/frames@0.2.0" (instance)))"#))
            .await;
    assert_eq!(
        error,
        "evil.wasm: speaks corral:correlator/frames@0.2.0, this host speaks corral:correlator/*@0.1.0 \
         (rebuild it with this version's SDK)"
    );
}

#[tokio::test]
async fn a_component_without_our_export_is_refused() {
    let error = refusal(&component("(component)")).await;
    assert!(error.starts_with("evil.wasm: does not fit the contract: "), "{error}");
}

#[tokio::test]
async fn a_component_over_the_size_limit_is_refused_unread() {
    let limits = Limits { component_bytes_max: 10, ..Limits::default() };
    let scene = Scene::with_refusals(Config { limits, ..Config::default() }).await;
    let error = scene.host.inspect(Source::Embedded, &[0; 11]).await.unwrap_err().to_string();
    assert_eq!(error, "built in: 11 bytes are more than limits.component-bytes-max = 10");
}
