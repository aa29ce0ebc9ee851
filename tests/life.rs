//! The life of a plugin: another component takes over, is tried out, fails, comes back, and survives a restart.

mod load;
mod shadow;
mod trust;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use corral::clock::{Clock, SystemClock, Timestamp};
use corral::config::{Config, PluginConfig};
use corral::plugin::catalog::Catalog;
use corral::plugin::{Host, Papers, Source};
use corral::store::Store;
use corral::store::generations::{Enabled, Generation};
use corral::store::record::{Attacker, Batch, Event, Feature, Kind, Service, Session, What};
use corral::supervise::crew::Crew;
use corral::supervise::life::{Candidate, LifeError, Swapped, Trial};
use corral::supervise::worker::{State, Worker};

use crate::places::{Opened, Place};
use crate::scene::{Scene, components, guests};
use crate::sql::Sql;
use crate::tree;

/// A daemon's correlators on a database, without the daemon around them.
pub(crate) struct Life {
    pub(crate) crew: Crew,
    pub(crate) store: Store,
}

impl Life {
    /// They come on duty on this database.
    async fn begin(store: &Store, mut config: Config) -> Self {
        config.plugins.cache = tree::COMPILED.to_owned();
        config.plugins.compiler = tree::executable().display().to_string();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let host = Arc::new(Host::start(&config, store.clone(), clock.clone()).unwrap());
        let catalog = Catalog::load(&host, &config.plugins.directory).await.unwrap();
        let with = (store.clone(), clock);
        let crew = Crew::start(host, catalog, &config, with, Duration::from_millis(50));
        crew.restore().await.unwrap();
        crew.put_on_duty(true);
        Self { crew, store: store.clone() }
    }

    /// On a scene's database.
    pub(crate) async fn of(scene: &Scene) -> Self {
        Self::begin(&scene.store, scene.config.clone()).await
    }

    pub(crate) fn worker(&self, name: &str) -> Arc<Worker> {
        self.crew.workers()[name].clone()
    }

    pub(crate) async fn swap(&self, bytes: Vec<u8>) -> Result<Swapped, LifeError> {
        self.crew.swap(candidate(bytes), Trial::default()).await
    }

    /// A plugin's generations, the newest first.
    async fn history(&self, name: &str) -> Vec<Generation> {
        let all = self.store.generations().await.unwrap();
        all.into_iter().filter(|it| it.plugin == name).collect()
    }

    fn digest(&self, name: &str) -> String {
        self.worker(name).plugin().digest().to_owned()
    }

    /// Waits until it is so.
    pub(crate) async fn wait(
        &self,
        what: &str,
        is_it: impl Fn(&BTreeMap<String, Arc<Worker>>) -> bool,
    ) {
        for _ in 0..6_000 {
            if is_it(&self.crew.workers()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let told: Vec<_> = self.crew.workers().values().map(|worker| worker.told()).collect();
        panic!("there never was {what}: {told:#?}");
    }

    /// Waits until nobody has anything to do.
    pub(crate) async fn settle(&self) {
        let idle = |worker: &Worker| worker.told().state == State::Idle && worker.told().ticks > 0;
        loop {
            let ticks = |workers: &BTreeMap<String, Arc<Worker>>| -> u64 {
                workers.values().map(|worker| worker.told().ticks).sum()
            };
            self.wait("rest", |workers| workers.values().all(|worker| idle(worker))).await;
            let before = ticks(&self.crew.workers());
            tokio::time::sleep(Duration::from_millis(100)).await;
            if ticks(&self.crew.workers()) == before
                && self.crew.workers().values().all(|worker| idle(worker))
            {
                return;
            }
        }
    }
}

pub(crate) fn candidate(bytes: Vec<u8>) -> Candidate {
    let source = Source::Named(PathBuf::from("some.wasm"));
    Candidate { bytes, papers: Papers::default(), source, by: "alice".to_owned() }
}

/// An attacker comes, as ingest writes it: in one transaction, with all that is known of it.
pub(crate) async fn visit(store: &Store, ip: &str, hassh: &str) {
    let feature = Feature { kind: Kind::Hassh, value: Arc::from(hassh) };
    let what = What::Features(Box::new([feature]));
    let hash = corral::ids::attacker(ip)
        .bytes()
        .fold(0, |hash: u64, byte| hash.rotate_left(5) ^ u64::from(byte));
    let event = Event { hash, at: Timestamp(1_780_000_000_000_000), what };
    let name = || Arc::from(ip);
    let batch = Batch {
        attackers: vec![Attacker { id: corral::ids::attacker(ip).into(), ip: ip.into() }],
        sessions: vec![Session {
            attacker: 0,
            source: name(),
            session: name(),
            decky: name(),
            service: Service::guessed(),
            events: vec![event],
        }],
        sources: Vec::new(),
    };
    store.record(&batch, Timestamp(1_780_000_000_000_000)).await.unwrap();
}

/// A built-in component under another digest: a custom section behind it says nothing to anybody.
pub(crate) fn twin(name: &str, number: u8) -> Vec<u8> {
    let mut bytes = std::fs::read(components().join(name).with_extension("wasm")).unwrap();
    bytes.extend([0, 6, 4, b't', b'w', b'i', b'n', number]);
    bytes
}

/// A component that wants to be the clusterer, and behaves like this.
pub(crate) fn rival(mode: &str) -> Vec<u8> {
    let mut bytes = std::fs::read(guests().join("rival.wasm")).unwrap();
    let at = bytes.windows(5).position(|found| found == b"MODE:").unwrap();
    let mode = format!("MODE:{mode:.<11}");
    bytes[at..at + 16].copy_from_slice(mode.as_bytes());
    bytes
}

#[tokio::test]
async fn another_component_takes_over_and_the_history_says_so() {
    let mut scene = Scene::new().await;
    scene.attacker("192.0.2.1", 0, &[("hassh", "aa")]).await;
    let life = Life::of(&scene).await;
    life.settle().await;
    let first = life.digest("clusterer");
    let swapped = life.swap(twin("clusterer", 1)).await.unwrap();
    assert_eq!((swapped.plugin.as_str(), swapped.generation), ("clusterer", 2));
    assert_eq!(life.digest("clusterer"), swapped.digest);
    let history = life.history("clusterer").await;
    let told =
        |it: &Generation| (it.number, it.digest.clone(), it.put_by.clone(), it.ended_why.clone());
    let why = Some("alice put another in its place".to_owned());
    assert_eq!(told(&history[0]), (2, swapped.digest, "alice".to_owned(), None));
    assert_eq!(told(&history[1]), (1, first.clone(), "start".to_owned(), why));
    // It works, and the one before comes back when it is asked for.
    scene.attacker("192.0.2.2", 1, &[("hassh", "aa")]).await;
    life.worker("clusterer").raise(corral::plugin::Reason::Command);
    life.settle().await;
    assert_eq!(scene.identity("192.0.2.1").await, scene.identity("192.0.2.2").await);
    let back = life.crew.roll_back("clusterer", "bob").await.unwrap();
    assert_eq!((back.generation, &back.digest), (3, &first));
    assert_eq!(life.history("clusterer").await[1].ended_why.as_deref(), Some("bob went back"));
    life.crew.stop().await;
}

#[tokio::test]
async fn what_is_refused_leaves_the_old_one_ticking() {
    let scene = Scene::new().await;
    let life = Life::of(&scene).await;
    let before = life.digest("clusterer");
    let refused = |it: Result<Swapped, LifeError>| it.unwrap_err().to_string();
    let error = refused(life.swap(b"no component".to_vec()).await);
    assert!(error.starts_with("some.wasm: "), "{error}");
    let error = refused(life.swap(std::fs::read(guests().join("hostile.wasm")).unwrap()).await);
    assert!(error.contains("plugin 'hostile' asks for what the config does not grant"), "{error}");
    assert!(error.contains(r#"reads = ["attackers", "state"]"#), "{error}");
    let same = std::fs::read(components().join("clusterer.wasm")).unwrap();
    let error = refused(life.swap(same).await);
    assert!(error.contains("ticks with this component already"), "{error}");
    let error = life.crew.roll_back("clusterer", "bob").await.unwrap_err().to_string();
    assert_eq!(error, "plugin 'clusterer' has no earlier component to go back to");
    let error = life.crew.roll_back("nobody", "bob").await.unwrap_err().to_string();
    assert!(
        error.contains("attribution, campaign-clusterer, clusterer, reuse-correlate"),
        "{error}"
    );
    life.crew.put_on_duty(false);
    let error = refused(life.swap(twin("clusterer", 1)).await);
    assert!(error.contains("stands by"), "{error}");
    assert_eq!(life.digest("clusterer"), before);
    assert_eq!(life.history("clusterer").await.len(), 1);
}

#[tokio::test]
async fn one_that_keeps_failing_falls_and_the_last_one_comes_back_by_itself() {
    let scene = Scene::new().await;
    let life = Life::of(&scene).await;
    life.settle().await;
    let good = life.digest("clusterer");
    let bad = life.swap(rival("panic")).await.unwrap();
    life.wait("a fall", |workers| workers["clusterer"].plugin().digest() == good).await;
    let history = life.history("clusterer").await;
    assert_eq!((history.len(), history[0].digest.as_str()), (3, good.as_str()));
    assert_eq!(history[0].put_by, "corral");
    let why = history[1].ended_why.as_deref().unwrap();
    assert!(
        why.starts_with("it failed again and again: plugin 'clusterer' died: it panicked"),
        "{why}"
    );
    assert_eq!(life.worker("clusterer").told().errors, 3, "the third failure was one too many");
    life.settle().await;
    // It is set aside, under whatever name it comes, until somebody lets it out.
    let error = life.swap(rival("panic")).await.unwrap_err().to_string();
    assert!(error.contains("is in quarantine: plugin 'clusterer' died"), "{error}");
    assert_eq!(life.store.quarantined().await.unwrap()[0].digest, bad.digest);
    assert_eq!(life.crew.clear_quarantine("clusterer").await.unwrap(), 1);
    life.swap(rival("panic")).await.unwrap();
    life.wait("another fall", |workers| workers["clusterer"].plugin().digest() == good).await;
    life.crew.stop().await;
}

#[tokio::test]
async fn a_fall_without_an_earlier_one_holds_that_worker_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.plugins.quarantine_failures = 3;
    config.plugins.directory = folder.path().display().to_string();
    let bytes = rival("panic");
    let pinned = PluginConfig {
        sha256: vec![corral::plugin::load::digest(&bytes)],
        ..PluginConfig::default()
    };
    config.plugin.insert("clusterer".to_owned(), pinned);
    std::fs::write(folder.path().join("rival.wasm"), bytes).unwrap();
    let scene = Scene::with(config).await;
    for errors in [3, 0] {
        let life = Life::of(&scene).await;
        life.wait("a held clusterer", |workers| {
            workers["clusterer"].told().state == State::Quarantined
        })
        .await;
        let held = life.worker("clusterer").held();
        assert!(held.by_quarantine.unwrap().contains("it panicked"));
        assert_eq!(life.worker("clusterer").told().errors, errors, "a restart does not let it out");
        life.wait("a tick of another", |workers| workers["attribution"].told().ticks > 0).await;
        if errors == 0 {
            assert_eq!(life.crew.clear_quarantine("clusterer").await.unwrap(), 1);
            life.wait("another try", |workers| workers["clusterer"].told().errors > 0).await;
        }
        life.crew.stop().await;
    }
}

#[tokio::test]
async fn what_a_person_chose_survives_a_restart_and_what_the_program_brought_goes_with_it() {
    let scene = Scene::new().await;
    let life = Life::of(&scene).await;
    let chosen = life.swap(twin("clusterer", 7)).await.unwrap();
    life.crew.switch("attribution", Enabled::No, "alice").await.unwrap();
    life.crew.stop().await;
    // Another process: nothing but the database is the same.
    let life = Life::of(&scene).await;
    assert_eq!(life.digest("clusterer"), chosen.digest);
    assert_eq!(life.worker("clusterer").generation().number, Some(2));
    life.wait("what was switched off", |workers| {
        workers["attribution"].told().state == State::Stopped
    })
    .await;
    assert_eq!(life.worker("attribution").held().by_switch.as_deref(), Some("alice"));
    assert_eq!(life.history("reuse-correlate").await.len(), 1, "a restart is no new generation");
    life.crew.switch("attribution", Enabled::Yes, "alice").await.unwrap();
    life.wait("a tick", |workers| workers["attribution"].told().ticks > 0).await;
    life.crew.stop().await;
    // A program with another reuse correlator, as far as this one can tell.
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.plugins.directory = folder.path().display().to_string();
    let newer = twin("reuse-correlate", 9);
    let digest = corral::plugin::load::digest(&newer);
    std::fs::write(folder.path().join("newer.wasm"), newer).unwrap();
    let mut pinned = config.plugin("reuse-correlate");
    pinned.sha256.push(digest.clone());
    config.plugin.insert("reuse-correlate".to_owned(), pinned);
    let life = Life::begin(&scene.store, config).await;
    assert_eq!(life.digest("reuse-correlate"), digest);
    assert_eq!(life.history("reuse-correlate").await[0].digest, digest);
    assert_eq!(life.digest("clusterer"), chosen.digest, "what was chosen stays");
    life.crew.stop().await;
}

#[tokio::test]
async fn a_plugin_that_is_new_gets_a_worker() {
    let mut scene = Scene::new().await;
    let about = scene.guest("hostile").await.description().clone();
    let granted = PluginConfig {
        reads: Some(about.reads),
        writes: Some(about.writes),
        kernels: Some(about.kernels),
        ..PluginConfig::default()
    };
    scene.config.plugin.insert("hostile".to_owned(), granted);
    let life = Life::of(&scene).await;
    let bytes = std::fs::read(guests().join("hostile.wasm")).unwrap();
    assert_eq!(life.swap(bytes).await.unwrap().plugin, "hostile");
    life.wait("a tick of the new one", |workers| workers["hostile"].told().ticks > 0).await;
    life.crew.stop().await;
    let life = Life::of(&scene).await;
    life.wait("a tick after a restart", |workers| workers["hostile"].told().ticks > 0).await;
    life.crew.stop().await;
}

/// The history is the same on every database.
#[tokio::test]
async fn generations_are_kept_on_every_database() {
    for place in Place::ALL {
        let Some(opened) = place.open().await else { continue };
        let Opened { store, url, .. } = &opened;
        let life = Life::begin(store, Config::default()).await;
        let large = {
            // A component of several parts.
            let mut bytes = twin("clusterer", 1);
            let filler = vec![7; 900_000];
            let len = u32::try_from(filler.len() + 2).unwrap();
            bytes.push(0);
            bytes.extend([
                0x80 | (len & 0x7f) as u8,
                0x80 | (len >> 7 & 0x7f) as u8,
                (len >> 14) as u8,
            ]);
            bytes.extend([1, b'x']);
            bytes.extend(filler);
            bytes
        };
        let swapped = life.swap(large.clone()).await.unwrap();
        let kept = store.component(&swapped.digest).await.unwrap().unwrap();
        assert!(kept.bytes == large, "{place:?}");
        store.quarantine("clusterer", "00", "why", SystemClock::start().now()).await.unwrap();
        store.quarantine("clusterer", "00", "why not", SystemClock::start().now()).await.unwrap();
        assert_eq!(store.quarantined().await.unwrap()[0].why, "why not", "{place:?}");
        assert_eq!(store.clear_quarantine("clusterer").await.unwrap(), 1, "{place:?}");
        for number in 2..12 {
            life.swap(twin("clusterer", number)).await.unwrap();
        }
        assert_eq!(life.history("clusterer").await.len(), 12, "{place:?}");
        assert_eq!(
            store.component(&swapped.digest).await.unwrap(),
            None,
            "{place:?}: too long ago"
        );
        life.crew.stop().await;
        // Whoever writes into the table does not choose what runs: the digest has to fit.
        let digest = life.digest("clusterer");
        let mut sql = Sql::connect(url).await;
        sql.run(&format!("UPDATE corral_component SET content = 'AAAA' WHERE digest = '{digest}'"))
            .await;
        assert_eq!(store.component(&digest).await.unwrap(), None, "{place:?}");
        let life = Life::begin(store, Config::default()).await;
        let built_in = std::fs::read(components().join("clusterer.wasm")).unwrap();
        assert_eq!(life.digest("clusterer"), corral::plugin::load::digest(&built_in), "{place:?}");
        life.crew.stop().await;
    }
}
