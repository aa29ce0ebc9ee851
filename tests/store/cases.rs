//! Cases in which databases tend to differ.

use std::sync::Arc;
use std::time::Duration;

use corral::clock::Timestamp;
use corral::config::Config;
use corral::store::Store;
use corral::store::commit::{Change, CommitError, Committer, Layer};
use corral::store::resident::Resident;
use corral::store::revision::View;
use corral_kernels::{Column, Frame, Interner};

use super::failures::ATTACKER;
use crate::places::Place;
use crate::scene::Scene;
use crate::sql::Sql;

const NOW: Timestamp = Timestamp(1_790_000_000_400_000);

async fn scenes() -> Vec<(Place, Scene)> {
    let mut scenes = Vec::new();
    for place in Place::ALL {
        if let Some(opened) = place.open().await {
            scenes.push((place, Scene::at(opened, Config::default()).await));
        }
    }
    scenes
}

/// Texts, and no view that stays.
fn forgetful() -> Arc<Resident> {
    Arc::new(Resident::new(Arc::new(Interner::new(1 << 20)), 0))
}

async fn view(scene: &Scene, resident: &Arc<Resident>, view: View) -> Frame {
    scene.store.snapshot(resident.clone()).await.unwrap().read(view, "test").await.unwrap()
}

fn by() -> Committer<'static> {
    Committer { plugin: "test", now: NOW, event_bytes_max: 1 << 16 }
}

#[tokio::test]
async fn a_commit_that_relies_on_what_is_gone_writes_nothing() {
    for (place, mut scene) in scenes().await {
        let resident = forgetful();
        for at in 0..3 {
            scene.attacker(&format!("192.0.2.{at}"), at, &[]).await;
        }
        let members = view(&scene, &resident, View::Attackers).await;
        let form = |rows: Vec<u32>| Change::Form {
            layer: Layer::Identity,
            members: members.clone(),
            groups: vec![0; rows.len()],
            rows,
        };
        scene.store.commit(&resident, &[form(vec![0, 1])], by()).await.unwrap();
        let count = "SELECT observation_count FROM attacker_identities";
        let before = scene.numbers(count).await;
        // The second of them is not free any more.
        let error = scene.store.commit(&resident, &[form(vec![2]), form(vec![1])], by()).await;
        assert!(matches!(error, Err(CommitError::Conflict(_))), "{place:?}: {error:?}");
        assert_eq!(scene.numbers(count).await, before, "{place:?}");
        let rehearsed = scene.store.rehearse(&resident, &[form(vec![2])], by()).await.unwrap();
        assert_eq!((rehearsed.formed, rehearsed.linked), (1, 1), "{place:?}");
        assert_eq!(scene.numbers(count).await, before, "{place:?}");
    }
}

/// The columns of identities that follow from their members.
async fn derived(scene: &mut Scene) -> Vec<Vec<String>> {
    let mut columns = Vec::new();
    for column in [
        "observation_count",
        "first_seen_at",
        "last_seen_at",
        "COALESCE(ja3_hashes,'-')",
        "COALESCE(hassh_hashes,'-')",
        "COALESCE(payload_simhashes,'-')",
        "COALESCE(c2_endpoints,'-')",
    ] {
        let rows = format!("SELECT {column} FROM attacker_identities ORDER BY uuid");
        columns.push(scene.numbers(&rows).await);
    }
    columns
}

/// What follows from an identity's members is the same, whether memory or the database was asked.
#[tokio::test]
async fn a_new_identity_says_of_its_members_what_the_database_says() {
    for (place, mut scene) in scenes().await {
        let resident = Arc::new(Resident::new(Arc::new(Interner::new(1 << 20)), 1 << 20));
        for (at, ip) in ["192.0.2.1", "192.0.2.2", "192.0.2.3"].into_iter().enumerate() {
            let own = format!("\"{ip}\" ünïcode");
            let features = [
                ("hassh", "11111111111111111111111111111111"),
                ("ja3-column", "22222222222222222222222222222222"),
                ("payload-sha256", own.as_str()),
                ("payload-sha256", "a"),
                ("payload-md5", "b"),
            ];
            let features = if at < 2 { &features[..] } else { &[] };
            scene.attacker(ip, 100 - 7 * i64::try_from(at).unwrap(), features).await;
        }
        let members = view(&scene, &resident, View::Attackers).await;
        view(&scene, &resident, View::Features).await;
        let form = Change::Form {
            layer: Layer::Identity,
            members,
            rows: vec![0, 1, 2],
            groups: vec![0, 1, 1],
        };
        scene.store.commit(&resident, &[form], by()).await.unwrap();
        let known = derived(&mut scene).await;
        assert_eq!(known[0].len(), 2, "{place:?}: {known:?}");
        let groups = view(&scene, &resident, View::Identities).await;
        let refresh = Change::Refresh { groups, rows: vec![0, 1] };
        let (done, _) = scene.store.commit(&resident, &[refresh], by()).await.unwrap();
        assert_eq!(done.refreshed, 2, "{place:?}");
        assert_eq!(derived(&mut scene).await, known, "{place:?}");
    }
}

/// Memory counts only as long as it is of the moment of writing.
#[tokio::test]
async fn what_came_after_the_reading_is_in_a_new_identity_too() {
    for (place, mut scene) in scenes().await {
        let resident = Arc::new(Resident::new(Arc::new(Interner::new(1 << 20)), 1 << 20));
        scene.attacker("192.0.2.1", 0, &[("hassh", "1")]).await;
        let members = view(&scene, &resident, View::Attackers).await;
        view(&scene, &resident, View::Features).await;
        scene.sql("UPDATE corral_feature SET value = '2'").await;
        let form = Change::Form { layer: Layer::Identity, members, rows: vec![0], groups: vec![0] };
        scene.store.commit(&resident, &[form], by()).await.unwrap();
        let hassh = scene.texts("SELECT hassh_hashes FROM attacker_identities").await;
        assert_eq!(hassh, [r#"["2"]"#], "{place:?}");
    }
}

#[tokio::test]
async fn writing_the_same_again_changes_nothing() {
    for (place, mut scene) in scenes().await {
        let resident = forgetful();
        scene.attacker("192.0.2.1", 0, &[]).await;
        for decky in ["d1", "d2"] {
            scene.credential("192.0.2.1", (decky, "ssh"), (Some("root"), "x"), 1).await;
        }
        let members = view(&scene, &resident, View::Attackers).await;
        let form = Change::Form { layer: Layer::Identity, members, rows: vec![0], groups: vec![0] };
        scene.store.commit(&resident, &[form], by()).await.unwrap();
        let identities = view(&scene, &resident, View::Identities).await;
        let text = |text: &str| Column::text(vec![resident.texts().code(text).unwrap()]);
        // Measures that neither four bytes nor six digits hold.
        let states = Frame::new(
            1,
            [
                ("identity", Column::text(identities.text("uuid").unwrap().to_vec())),
                ("primitive", text("motor.paste")),
                ("value", text("\"ünïcode\"")),
                ("state", text("stable")),
                ("confidence", vec![0.1].into()),
                ("samples", vec![3_u32].into()),
                ("changed_at", vec![1_718_900_000.123_456_7].into()),
                ("observed_at", vec![1_718_950_000.4].into()),
            ],
        )
        .unwrap();
        let credentials = view(&scene, &resident, View::Credentials).await;
        let keys = ["secret_sha256", "secret_kind", "principal_key"];
        let reuse = Change::PutReuse { rows: credentials.select(&keys).unwrap() };
        let state = Frame::new(1, [("key", text("Key")), ("value", text("a\\b'c\"d"))]).unwrap();
        let puts =
            [Change::PutAttribution { rows: states }, reuse, Change::PutState { rows: state }];
        let (first, views) = scene.store.commit(&resident, &puts, by()).await.unwrap();
        assert_eq!((first.put, views.len()), (3, 3), "{place:?}");
        let later = Committer { now: Timestamp(NOW.0 + 5_000_000), ..by() };
        let (again, views) = scene.store.commit(&resident, &puts, later).await.unwrap();
        assert!(again.is_empty() && views.is_empty(), "{place:?}: {again:?} {views:?}");
    }
}

#[tokio::test]
async fn user_names_that_differ_in_case_are_two_credentials() {
    for (place, mut scene) in scenes().await {
        let resident = forgetful();
        scene.attacker("192.0.2.1", 0, &[]).await;
        for name in ["root", "Root", "root "] {
            for decky in ["d1", "d2"] {
                scene.credential("192.0.2.1", (decky, "ssh"), (Some(name), "x"), 1).await;
            }
        }
        let credentials = view(&scene, &resident, View::Credentials).await;
        let keys = ["secret_sha256", "secret_kind", "principal_key"];
        let reuse = [Change::PutReuse { rows: credentials.select(&keys).unwrap() }];
        let (done, _) = scene.store.commit(&resident, &reuse, by()).await.unwrap();
        let attempts = scene.numbers("SELECT attempt_count FROM credential_reuse").await;
        // DECNET's key on MariaDB has room for one of them only, whose row is its own.
        let rows = if place.is_coarse() { 1 } else { 3 };
        assert_eq!(attempts, vec!["2"; rows], "{place:?}");
        assert_eq!(done.put, rows, "{place:?}");
        let (again, _) = scene.store.commit(&resident, &reuse, by()).await.unwrap();
        assert!(again.is_empty(), "{place:?}: {again:?}");
        let kept = scene.store.common_credentials(9).await.unwrap();
        assert_eq!(kept.len(), 3, "{place:?}: {kept:?}");
    }
}

#[tokio::test]
async fn times_and_measures_come_back_as_they_are_stored() {
    for (place, mut scene) in scenes().await {
        let resident = forgetful();
        scene.attacker("192.0.2.1", 0, &[]).await;
        scene.sample("192.0.2.1", "p", "\"v\"", 1_718_900_000.123).await;
        let behaviour = view(&scene, &resident, View::Behaviour).await;
        let at = behaviour.float64("at").unwrap()[0];
        let expected = 1_718_900_000.123;
        let expected = if place.is_coarse() { f64::from(expected as f32) } else { expected };
        assert_eq!(at.to_bits(), expected.to_bits(), "{place:?}: {at}");
        let attackers = view(&scene, &resident, View::Attackers).await;
        let first = attackers.int64("first_seen").unwrap()[0];
        assert_eq!(first, 1_774_137_600_000_000, "{place:?}: 2026-03-22 00:00:00");
    }
}

#[tokio::test]
async fn a_database_that_lacks_what_is_needed_is_named_and_left_alone() {
    for place in [Place::SqliteOfDecnet, Place::MariaDb] {
        let Some((url, _folder)) = place.make().await else { continue };
        let mut sql = crate::sql::Sql::connect(&url).await;
        sql.run("DROP TABLE ttp_tag; ALTER TABLE campaigns DROP COLUMN identity_count").await;
        let busy = std::time::Duration::from_secs(5);
        let error = corral::store::Store::open_decnet(&url, busy).await.unwrap_err().to_string();
        for what in ["table ttp_tag", "column campaigns.identity_count"] {
            assert!(error.contains(what), "{place:?}: {error}");
        }
        let tables = match place {
            Place::MariaDb => "SHOW TABLES LIKE 'corral%'",
            _ => "SELECT name FROM sqlite_schema WHERE name LIKE 'corral%'",
        };
        assert_eq!(sql.texts(tables).await, Vec::<String>::new(), "{place:?}");
    }
}

#[tokio::test]
async fn only_tables_called_corral_are_added_to_a_database_of_decnets() {
    for place in [Place::SqliteOfDecnet, Place::MariaDb, Place::MariaDbLatin1] {
        let Some((url, _folder)) = place.make().await else { continue };
        let mut sql = crate::sql::Sql::connect(&url).await;
        let tables = match place {
            Place::SqliteOfDecnet => {
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
            }
            _ => "SHOW TABLES",
        };
        let before = sql.texts(tables).await;
        place.store(&url).await.close().await;
        // Twice, because the second time they are there.
        place.store(&url).await.close().await;
        let after = sql.texts(tables).await;
        let new: Vec<&String> = after.iter().filter(|name| !before.contains(name)).collect();
        assert!(new.len() > 8 && new.iter().all(|name| name.starts_with("corral_")), "{new:?}");
    }
}

/// What a commit left in SQLite's log is in the file itself once that is tidied up.
#[tokio::test]
async fn a_tidy_database_has_everything_in_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("corral.db");
    let url = format!("sqlite://{}", file.display());
    let store = Store::open(&url, Duration::from_secs(5)).await.unwrap();
    let mut other = Sql::connect(&url).await;
    other.run(ATTACKER).await;
    other.run("PRAGMA wal_checkpoint(TRUNCATE)").await;
    let resident = forgetful();
    let mut snapshot = store.snapshot(resident.clone()).await.unwrap();
    let members = snapshot.read(View::Attackers, "test").await.unwrap();
    drop(snapshot);
    let form = Change::Form { layer: Layer::Identity, members, rows: vec![0], groups: vec![0] };
    store.commit(&resident, &[form], by()).await.unwrap();
    // A copy without the log.
    let identities = async |name: &str| {
        let copy = folder.path().join(name);
        std::fs::copy(&file, &copy).unwrap();
        let mut copy = Sql::connect(&format!("sqlite://{}", copy.display())).await;
        copy.texts("SELECT uuid FROM attacker_identities").await.len()
    };
    assert_eq!(identities("before.db").await, 0);
    store.tidy().await.unwrap();
    assert_eq!(identities("after.db").await, 1);
}
