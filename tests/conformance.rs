//! The conformance kit: our own plugins pass all of it, and each promise is seen to be broken.
//!
//! The guest `unfit` breaks the promise that its name says: the text that its component has for the crime is patched,
//! as a plugin has no settings but its defaults while it is tested.

use std::sync::Arc;

use corral::clock::{Clock, SystemClock};
use corral::config::Config;
use corral::conformance::{self, ATTACKERS, Finding, PROMISES, Place, Report};
use corral::plugin::papers::Certificate;
use corral::plugin::{Host, Source};
use corral::store::Store;

use crate::scene::{components, guests};
use crate::tree;

async fn report(bytes: &[u8], only: &[&str], attackers: u32) -> Report {
    let mut config = Config::default();
    // Enough for all but the one that compares each with each.
    config.limits.guest_milliseconds = 400;
    config.plugins.cache = tree::COMPILED.to_owned();
    config.plugins.compiler = tree::executable().display().to_string();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let folder = tempfile::tempdir().unwrap();
    let store = Store::unopened("sqlite://nowhere.db").unwrap();
    let host = Host::start(&config, store, clock.clone()).unwrap();
    let place = Place { host: &host, config: &config, folder: folder.path(), attackers, clock };
    let only: Vec<String> = only.iter().map(ToString::to_string).collect();
    conformance::test(&place, Source::Named("tested.wasm".into()), bytes, &only).await.unwrap()
}

/// Attackers of the large world here. The whole number takes a while, and nightly: see below.
const SOME: u32 = 20_000;

/// Everything passes, and so many scenarios are among it.
async fn passes(bytes: &[u8], scenarios: usize) {
    let report = report(bytes, &[], SOME).await;
    let broken: Vec<&Finding> = report.findings.iter().filter(|finding| !finding.passed).collect();
    assert!(broken.is_empty(), "{broken:#?}");
    assert_eq!(report.findings.len(), PROMISES.len() + scenarios);
    let clock = SystemClock::start();
    let certificate = report.certificate(&clock).text().unwrap();
    assert!(Certificate::parse(&certificate, &report.digest).is_ok(), "{certificate}");
}

fn built_in(name: &str) -> Vec<u8> {
    std::fs::read(components().join(name).with_extension("wasm")).unwrap()
}

#[tokio::test]
async fn the_clusterer_passes() {
    passes(&built_in("clusterer"), 5).await;
}

#[tokio::test]
async fn the_campaign_clusterer_passes() {
    passes(&built_in("campaign-clusterer"), 4).await;
}

#[tokio::test]
async fn the_attribution_correlator_passes() {
    passes(&built_in("attribution"), 2).await;
}

#[tokio::test]
async fn the_reuse_correlator_passes() {
    passes(&built_in("reuse-correlate"), 2).await;
}

#[tokio::test]
#[ignore = "a hundred thousand attackers each take some seconds"]
async fn our_plugins_are_within_their_limits_at_a_hundred_thousand_attackers() {
    for name in ["clusterer", "campaign-clusterer", "attribution", "reuse-correlate"] {
        let report = report(&built_in(name), &["limits"], ATTACKERS).await;
        println!("{name}: {} ms, {}", report.findings[0].milliseconds, report.findings[0].found);
        assert!(report.passed(), "{name}: {report:#?}");
    }
}

#[tokio::test]
async fn the_example_passes() {
    passes(&guest("example"), 5).await;
}

#[tokio::test]
async fn the_guest_without_a_crime_passes() {
    passes(&guest("unfit"), 5).await;
}

fn guest(name: &str) -> Vec<u8> {
    std::fs::read(guests().join(name).with_extension("wasm")).unwrap()
}

/// The guest with its mark.
fn unfit(crime: &str) -> Vec<u8> {
    let mut bytes = guest("unfit");
    let mark = b"unfit-crime:";
    let places: Vec<usize> =
        (0..bytes.len() - 32).filter(|at| bytes[*at..].starts_with(mark)).collect();
    let place =
        places.iter().find(|at| bytes[*at + mark.len()..*at + 32].iter().all(|b| *b == b'.'));
    let at = place.unwrap() + mark.len();
    bytes[at..at + crime.len()].copy_from_slice(crime.as_bytes());
    bytes
}

/// Crimes, the check that finds each, what it finds, and what it advises.
const CRIMES: &[(&str, &str, &str, &str)] = &[
    ("nameless", "describe", "says no version or no summary", "in the description"),
    ("first", "empty", "panicked", "instead of unwrap"),
    ("alone", "one-row", "panicked", "instead of unwrap"),
    ("codes", "deterministic", "the same facts at the same time gave [", "never by code"),
    ("codes", "row-order", "written backwards, gave [", "codes of texts least"),
    ("clock", "deterministic", "looked at a year later, gave [", "not by context.now"),
    (
        "diary",
        "idempotent",
        "a second tick, with nothing new, changed something: 1 rows put",
        "commit only",
    ),
    (
        "unwrap",
        "refusals",
        "(read) was refused, and plugin 'unfit' died: it panicked",
        "return it (`?`)",
    ),
    ("half", "refusals", "it went on and would have left", "what was not read is not empty"),
    ("greedy", "grants", "it asks for what it never uses: view credentials", "ask for less"),
    ("slow", "limits", "spent more than limits.guest-milliseconds = 400", "leave what grows"),
    (
        "loner",
        "scenario-strangers",
        "step 1 (two who are alike, and a stranger): ann and ben are not",
        "join who",
    ),
    ("absent", "scenario-strangers", "are in one group, and share nothing", "absent is not equal"),
    ("stale", "scenario-seen-again", "the identity of ben does not know", "stale"),
];

#[tokio::test]
async fn every_promise_that_is_broken_is_found_told_and_explained() {
    for (crime, check, found, remedy) in CRIMES {
        let report = report(&unfit(crime), &[check], SOME).await;
        let finding = report.findings.iter().find(|finding| finding.check == *check).unwrap();
        assert!(!finding.passed, "{crime}: {finding:?}");
        assert!(finding.found.contains(found), "{crime}: {}", finding.found);
        assert!(finding.remedy.as_ref().unwrap().contains(remedy), "{crime}: {finding:?}");
        let certificate = report.certificate(&SystemClock::start()).text().unwrap();
        let error = Certificate::parse(&certificate, &report.digest).unwrap_err().to_string();
        assert_eq!(error, format!("says that the component failed: {check}"));
    }
}

#[test]
fn every_crime_of_the_guest_and_every_promise_has_a_test() {
    let source = include_str!("guests/unfit/src/lib.rs");
    let crimes = source.split("is(\"").skip(1).filter_map(|rest| rest.split('"').next());
    let crimes: Vec<&str> = crimes.collect();
    assert!(crimes.len() > 8);
    for crime in crimes {
        assert!(CRIMES.iter().any(|(name, ..)| *name == crime), "no test for the crime '{crime}'");
    }
    for (promise, _) in PROMISES.iter().filter(|(name, _)| *name != "contract") {
        assert!(CRIMES.iter().any(|(_, check, ..)| check == promise), "nobody breaks '{promise}'");
    }
}

#[tokio::test]
async fn what_does_not_load_fails_at_the_contract_and_everywhere() {
    let bytes =
        wat::parse_str(r#"(component (import "wasi:sockets/tcp@0.2.0" (instance)))"#).unwrap();
    let report = report(&bytes, &[], SOME).await;
    let first = &report.findings[0];
    assert_eq!(first.check, "contract");
    assert!(first.found.contains("wasi:sockets/tcp@0.2.0"), "{}", first.found);
    assert!(report.findings.iter().all(|finding| !finding.passed));
}
