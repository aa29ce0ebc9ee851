//! Views that stay in memory: what is kept and brought up to date is what a reading of the whole gives, and
//! only what changed is read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use corral::ids;
use corral::store::Store;
use corral::store::resident::Resident;
use corral::store::revision::View;
use corral::store::snapshot::Changed;
use corral_kernels::{Column, Frame};
use proptest::prelude::*;
use sqlx::{Connection, SqliteConnection};

use world::{ATTACKERS, Chance, World};

pub(crate) mod world;

/// The views that a transaction of ours changes, and whose keys it logs.
const LOGGED: [(View, &str); 10] = [
    (View::Attackers, "uuid"),
    (View::Features, "attacker"),
    (View::Sessions, "attacker"),
    (View::Identities, "uuid"),
    (View::Campaigns, "uuid"),
    (View::Behaviour, "attacker"),
    (View::Attribution, "identity"),
    (View::Credentials, "attacker"),
    (View::Reuse, "uuid"),
    (View::Phases, "attacker"),
];

/// Rows without their order: the key of each, and the bits of its other values. A child's `row` stands for
/// the key.
type Rows = Vec<(u32, Vec<u64>)>;

fn rows(frame: &Frame, key: &str, attackers: &Frame) -> Rows {
    let bits = |column: &Column, at: usize| match column {
        Column::Uint32(values) | Column::Text(values) => u64::from(values[at]),
        Column::Uint64(values) => values[at],
        Column::Int64(values) => values[at].cast_unsigned(),
        Column::Float64(values) => values[at].to_bits(),
    };
    let uuids = attackers.text("uuid").unwrap();
    let pointed: Option<Vec<u32>> =
        frame.uint32("row").ok().map(|rows| rows.iter().map(|row| uuids[*row as usize]).collect());
    let named = frame.text(key).ok().map(<[u32]>::to_vec);
    if let (Some(pointed), Some(named)) = (&pointed, &named) {
        assert_eq!(pointed, named, "a row points to the attacker that it names");
    }
    let keys = named.or(pointed).unwrap();
    let rest = frame.columns().filter(|(name, _)| *name != "row" && *name != key);
    let rest: Vec<&Column> = rest.map(|(_, column)| column).collect();
    let mut rows: Rows = (0..)
        .zip(keys)
        .map(|(at, key)| (key, rest.iter().map(|column| bits(column, at)).collect()))
        .collect();
    rows.sort_unstable();
    rows
}

/// What a reader makes of rows that it had and what it is told.
fn apply(mut before: Rows, changed: &Changed, key: &str, attackers: &Frame) -> Rows {
    let fresh = rows(&changed.rows, key, attackers);
    let gone: BTreeSet<u32> = changed.removed.text(key).unwrap().iter().copied().collect();
    assert!(fresh.iter().all(|(key, _)| !gone.contains(key)), "what is gone has no rows");
    before.retain(|(key, _)| !gone.contains(key) && !fresh.iter().any(|(other, _)| other == key));
    before.extend(fresh);
    before.sort_unstable();
    before
}

async fn lives(steps: Vec<u64>, bytes_max: usize) {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::new(folder.path()).await;
    let resident = Arc::new(Resident::new(world.texts.clone(), bytes_max));
    let mut seen: BTreeMap<View, (u64, Rows)> = BTreeMap::new();
    for seed in steps {
        let mut chance = Chance(seed);
        world.step(&mut chance).await;
        let mut snapshot = world.store.snapshot(resident.clone()).await.unwrap();
        let attackers = world.scan(View::Attackers).await;
        for (view, key) in LOGGED {
            // Not every view each time, so that some are several versions behind.
            if chance.below(3) == 0 {
                continue;
            }
            let expected = world.scan(view).await;
            let whole = snapshot.read(view, "test").await.unwrap();
            assert_eq!(whole, expected, "{view:?}");
            if let Some((since, before)) = seen.get(&view) {
                let changed = snapshot.changed(view, *since).await.unwrap();
                let changed = changed.expect("all of it was logged");
                let now = apply(before.clone(), &changed, key, &attackers);
                assert!(
                    now == rows(&whole, key, &attackers),
                    "{view:?} since {since}: {changed:?}"
                );
            }
            if chance.below(4) == 0 {
                let revision = snapshot.revision(view).await.unwrap();
                seen.insert(view, (revision, rows(&whole, key, &attackers)));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3, max_shrink_iters: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_refreshed_view_is_what_a_reading_of_the_whole_gives(
        steps in prop::collection::vec(any::<u64>(), 100..200),
        bytes_max in prop_oneof![3 => Just(1 << 20), 1 => Just(4_000)],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(lives(steps, bytes_max));
    }
}

/// A world in which all attackers have come, and each view has rows.
async fn settled(folder: &std::path::Path) -> World {
    let mut world = World::new(folder).await;
    let mut chance = Chance(7);
    world.visit(&(0..ATTACKERS).collect::<Vec<_>>(), &mut chance).await;
    for _ in 0..60 {
        world.step(&mut chance).await;
    }
    world
}

/// Changes the database behind everybody's back.
async fn tamper(folder: &std::path::Path, sql: &'static str) {
    let url = format!("sqlite://{}", folder.join("corral.db").display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// Nobody says that these change; so whoever sees them change has read them.
const TAMPER: &str = "UPDATE attackers SET asn = 7; UPDATE corral_feature SET value = 'x' || value;
    UPDATE corral_session SET decky = 'x'; UPDATE observations SET value = '\"x\"';
    UPDATE credentials SET attempt_count = 77; UPDATE ttp_tag SET tactic = 'x';
    UPDATE attacker_identities SET created_at = '1999-01-01 00:00:00.000000'";

#[tokio::test]
async fn what_did_not_change_is_not_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = settled(folder.path()).await;
    let resident = Arc::new(Resident::new(world.texts.clone(), 1 << 20));
    let views = [View::Attackers, View::Features, View::Sessions, View::Behaviour]
        .into_iter()
        .chain([View::Credentials, View::Phases, View::Identities]);
    let attackers = world.scan(View::Attackers).await;
    let mut before = BTreeMap::new();
    let mut snapshot = world.store.snapshot(resident.clone()).await.unwrap();
    for view in views.clone() {
        before.insert(view, snapshot.read(view, "test").await.unwrap());
    }
    drop(snapshot);
    tamper(folder.path(), TAMPER).await;
    let mut snapshot = world.store.snapshot(resident.clone()).await.unwrap();
    for view in views.clone() {
        assert_eq!(snapshot.read(view, "test").await.unwrap(), before[&view], "{view:?}");
    }
    drop(snapshot);
    // One of them comes back, with so much that every view has something new of it.
    for seed in 0..30 {
        world.visit(&[3], &mut Chance(seed)).await;
    }
    let who = world.texts.code(&ids::attacker("198.51.100.3")).unwrap();
    let mut snapshot = world.store.snapshot(resident.clone()).await.unwrap();
    let now = snapshot.read(View::Attackers, "test").await.unwrap();
    for view in views {
        let key = LOGGED.iter().find(|(other, _)| *other == view).unwrap().1;
        let whole = snapshot.read(view, "test").await.unwrap();
        let (others, its): (Rows, Rows) =
            rows(&whole, key, &now).into_iter().partition(|(key, _)| *key != who);
        let (tampered, _): (Rows, Rows) =
            rows(&world.scan(view).await, key, &now).into_iter().partition(|(key, _)| *key != who);
        if view != View::Identities {
            let (kept, _): (Rows, Rows) =
                rows(&before[&view], key, &attackers).into_iter().partition(|(key, _)| *key != who);
            assert!(others == kept, "{view:?}: another's rows were read");
            assert!(!its.is_empty(), "{view:?}");
        }
        assert!(others != tampered, "{view:?}: everything was read");
    }
}

/// Takes the database back to what it was before the log.
const BEFORE_THE_LOG: &str = "DELETE FROM corral_change";

#[tokio::test]
async fn a_database_without_the_log_is_read_whole_until_the_log_knows() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = settled(folder.path()).await;
    world.store.close().await;
    tamper(folder.path(), BEFORE_THE_LOG).await;
    world = World::new(folder.path()).await;
    let resident = Arc::new(Resident::new(world.texts.clone(), 1 << 20));
    let changed = async |store: &Store, since: u64| {
        let mut snapshot = store.snapshot(resident.clone()).await.unwrap();
        let now = snapshot.revision(View::Attackers).await.unwrap();
        (
            now,
            snapshot
                .changed(View::Attackers, since)
                .await
                .unwrap()
                .map(|changed| changed.rows.rows()),
        )
    };
    let (then, known) = changed(&world.store, 1).await;
    assert!(then > 1 && known.is_none(), "{then}: {known:?}");
    world.visit(&[3], &mut Chance(1)).await;
    assert_eq!(changed(&world.store, then).await, (then + 1, Some(1)));
    assert_eq!(changed(&world.store, then - 1).await, (then + 1, None));
    // Somebody who bumps a version by hand leaves a gap.
    tamper(folder.path(), "UPDATE corral_revision SET revision = revision + 1").await;
    world.visit(&[4], &mut Chance(2)).await;
    assert_eq!(changed(&world.store, then).await, (then + 3, None));
    assert_eq!(changed(&world.store, then + 2).await, (then + 3, Some(1)));
    assert_eq!(changed(&world.store, then + 3).await, (then + 3, Some(0)));
    assert_eq!(changed(&world.store, u64::MAX).await, (then + 3, None));
}
