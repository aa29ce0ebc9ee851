//! The same look on every database that DECNET works with.

use corral::clock::Timestamp;
use corral::config::Config;
use corral::store::project::Fingerprints;
use corral::store::revision::View;

use crate::places::Place;
use crate::scene::Scene;

#[tokio::test]
async fn what_decnet_wrote_is_taken_in_on_every_database_of_decnets() {
    for place in [Place::SqliteOfDecnet, Place::MariaDb, Place::MariaDbLatin1] {
        let Some(opened) = place.open().await else { continue };
        let mut scene = Scene::at(opened, Config::default()).await;
        for (at, ip) in ["192.0.2.1", "192.0.2.2"].into_iter().enumerate() {
            scene.attacker(ip, at as i64, &[]).await;
            scene.sample(ip, "motor.input_modality", "\"typed\"", 1_790_000_000.5).await;
            scene.credential(ip, ("d", ip), (Some("root"), "x"), 1).await;
        }
        let list = r#"[{"payload": {"fingerprint_type": "ja3", "ja3": "x"}}, {"kind": "ja3", "hash": "x"}]"#;
        scene.sql(&format!("UPDATE attackers SET fingerprints = '{list}'")).await;
        let now = scene.clock.now();
        let found = scene.store.project(Fingerprints::Both, now).await.unwrap();
        assert_eq!(found.changed.get(&View::Features), Some(&Some(2)), "{place:?}: {found:?}");
        assert_eq!(found.poison, [], "{place:?}");
        assert_eq!(scene.texts("SELECT DISTINCT kind FROM corral_feature").await, ["ja3"]);
        let committed = scene.cluster().await.committed;
        assert_eq!((committed.formed, committed.linked), (1, 2), "{place:?}");
        // What Corral itself wrote is no news, and then nothing is.
        for seconds in 1..3 {
            let later = Timestamp(now.micros() + seconds * 1_000_000);
            let found = scene.store.project(Fingerprints::Both, later).await.unwrap();
            assert!(found.is_empty(), "{place:?}: {found:?}");
        }
        scene.sql("UPDATE attackers SET fingerprints = 'no list' WHERE ip = '192.0.2.2'").await;
        let found = scene.store.project(Fingerprints::Both, now).await.unwrap();
        assert_eq!(found.poison.len(), 1, "{place:?}: {found:?}");
        assert_eq!(scene.texts("SELECT kind FROM corral_feature").await, ["ja3"], "{place:?}");
        scene.sql("DELETE FROM observations").await;
        scene.sql("DELETE FROM credentials").await;
        scene.sql("DELETE FROM attackers WHERE ip = '192.0.2.2'").await;
        let found = scene.store.project(Fingerprints::Both, now).await.unwrap();
        assert_eq!(found.changed.get(&View::Attackers), Some(&Some(1)), "{place:?}: {found:?}");
        assert_eq!(scene.store.poison().await.unwrap(), [], "{place:?}");
    }
}
