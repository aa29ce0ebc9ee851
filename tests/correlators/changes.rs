//! A clusterer that looks at what changed, beside one that looks at everything: the same groups at each
//! step of the same history.

use std::sync::Arc;

use corral::clock::Timestamp;
use corral::config::Config;
use corral::ids;
use corral::store::record::{
    Attacker, Batch, Certainty, Event, Feature, Kind, Service, Session, What,
};

use crate::resident::world::Chance;
use crate::scene::Scene;

const BEGIN: i64 = 1_780_000_000_000_000;
const ATTACKERS: u64 = 24;
const STEPS: i64 = 120;

/// What attackers have: (kind, value), few values so that everything meets.
fn feature(chance: &mut Chance) -> Feature {
    let (kind, values) = match chance.below(10) {
        0 => (Kind::Hassh, 5),
        1 => (Kind::Ja3, 4),
        2..8 => (Kind::PayloadSha256, 30),
        _ => (Kind::DownloadHost, 20),
    };
    Feature { kind, value: Arc::from(format!("v{}", chance.below(values))) }
}

/// A few attackers come, with what they have.
fn visits(step: i64, chance: &mut Chance) -> Batch {
    let mut batch = Batch::default();
    for attacker in 0..=chance.below(2) {
        // Later ones come later, mostly.
        let number = chance.below(2 + ATTACKERS.min(u64::try_from(step).unwrap() / 3));
        let features: Vec<Feature> = (0..chance.below(3)).map(|_| feature(chance)).collect();
        let late = i64::try_from(chance.below(3)).unwrap();
        visit(&mut batch, 2 * number + attacker, (step, step - late), features);
    }
    batch
}

/// An attacker comes in a session of its own.
fn visit(batch: &mut Batch, number: u64, (step, at): (i64, i64), features: Vec<Feature>) {
    let ip = format!("198.51.100.{number}");
    let hash = u64::try_from(step).unwrap() << 32 | number;
    let (at, what) = (Timestamp(BEGIN + 1_000_000 * at), What::Features(features.into()));
    batch.sessions.push(Session {
        attacker: batch.attackers.len(),
        source: Arc::from("sensor"),
        session: Arc::from(format!("s{step}")),
        decky: Arc::from("decky"),
        service: Service { name: Arc::from("ssh"), certainty: Certainty::Named },
        events: vec![Event { hash, at, what }],
    });
    batch.attackers.push(Attacker { id: ids::attacker(&ip).into(), ip: ip.into() });
}

/// Everything that the clusterer says, but for who explains whom, and when it was written.
async fn groups(scene: &mut Scene) -> Vec<String> {
    let mut all = scene
        .texts("SELECT ip || ' ' || COALESCE(identity_id, '-') FROM attackers ORDER BY ip")
        .await;
    let identities =
        "SELECT uuid || ' ' || COALESCE(merged_into_uuid, '-') || ' ' || observation_count
        || COALESCE(ja3_hashes, '') || COALESCE(hassh_hashes, '') || COALESCE(c2_endpoints, '')
        || first_seen_at || last_seen_at FROM attacker_identities ORDER BY uuid";
    all.extend(scene.texts(identities).await);
    all
}

/// What is told of the groups has no circle: no more edges than trees have.
async fn check_evidence(scene: &mut Scene) {
    let spare = scene
        .texts(
            "SELECT CAST((SELECT COUNT(identity_id) FROM attackers)
                 - (SELECT COUNT(*) FROM attacker_identities WHERE merged_into_uuid IS NULL)
                 - (SELECT COUNT(*) FROM corral_evidence) AS TEXT)",
        )
        .await;
    assert!(!spare[0].starts_with('-'), "a circle of edges");
}

/// Ticks until nothing changes; how many changes of which kind there were: formed or linked, merged, and
/// merged groups that came back.
async fn settle(scene: &Scene) -> [usize; 3] {
    let (mut counts, mut ticks) = ([0; 3], 0);
    loop {
        let committed = scene.cluster().await.committed;
        counts[0] += committed.formed + committed.linked;
        counts[1] += committed.merged;
        counts[2] += committed.unmerged;
        if committed.is_empty() {
            return counts;
        }
        ticks += 1;
        assert!(ticks < 20, "still changing after {ticks} ticks");
    }
}

#[tokio::test]
async fn what_changed_is_enough_to_know_the_groups_at_each_step_of_a_history() {
    let mut config = Config::default();
    config.pool.kept_bytes_max = 0;
    let mut all = [0; 3];
    for seed in 0..4 {
        let (mut keeps, mut looks) = (Scene::new().await, Scene::with(config.clone()).await);
        let mut chance = Chance(seed);
        for step in 0..STEPS {
            let batch = visits(step, &mut chance);
            let now = Timestamp(BEGIN + 1_000_000 * (STEPS + step));
            for scene in [&keeps, &looks] {
                scene.store.record(&batch, now).await.unwrap();
            }
            let counts = [settle(&keeps).await, settle(&looks).await];
            assert_eq!(counts[0], counts[1], "seed {seed}, step {step}");
            assert_eq!(groups(&mut keeps).await, groups(&mut looks).await, "{seed}, {step}");
            check_evidence(&mut keeps).await;
            all.iter_mut().zip(counts[0]).for_each(|(all, count)| *all += count);
        }
        for scene in [&keeps, &looks] {
            assert_eq!(scene.host.checked()["identity-components"].wrong, 0);
        }
    }
    assert!(all[0] > 100 && all[1] > 10, "too little happened: {all:?}");
}

#[tokio::test]
async fn a_tick_with_nothing_new_runs_no_kernel_and_one_with_a_new_attacker_an_update() {
    let scene = Scene::new().await;
    let mut chance = Chance(7);
    for step in 0..60 {
        scene.store.record(&visits(step, &mut chance), Timestamp(BEGIN + step)).await.unwrap();
    }
    settle(&scene).await;
    let answers = || scene.host.checked()["identity-components"].answers;

    let before = answers();
    assert!(scene.cluster().await.committed.is_empty());
    assert_eq!(answers(), before);

    let mut batch = Batch::default();
    let payload = Feature { kind: Kind::PayloadSha256, value: Arc::from("v1") };
    visit(&mut batch, 200, (61, 61), vec![payload]);
    scene.store.record(&batch, Timestamp(BEGIN + 61)).await.unwrap();
    let before = answers();
    assert_eq!(scene.cluster().await.committed.linked, 1);
    assert_eq!(answers(), before + 1);

    // A host that has just started has nothing: a run over everything, and an update with everything.
    let (store, clock) = (scene.store.clone(), scene.clock.clone());
    let host = corral::plugin::Host::start(&scene.config, store, clock).unwrap();
    let catalog = corral::plugin::catalog::Catalog::load(&host, "").await.unwrap();
    let wake =
        corral::plugin::Wake { reason: corral::plugin::Reason::Startup, settings: Vec::new() };
    let ticked = host.tick(&catalog.plugins["clusterer"], wake).await.unwrap();
    assert!(ticked.committed.is_empty());
    let checked = host.checked()["identity-components"];
    assert_eq!((checked.answers, checked.verified, checked.wrong), (2, 2, 0));
}
