//! The clusterer on a real database: form, link, merge, unmerge, and nothing when nothing is new.

use crate::scene::Scene;

#[tokio::test]
async fn an_empty_database_stays_empty() {
    let scene = Scene::new().await;
    assert!(scene.cluster().await.committed.is_empty());
}

#[tokio::test]
async fn equal_hassh_forms_one_identity_and_strangers_form_their_own() {
    let mut scene = Scene::new().await;
    scene.attacker("192.0.2.1", 0, &[("hassh", "aa")]).await;
    scene.attacker("192.0.2.2", 1, &[("hassh", "bb")]).await;
    scene.attacker("192.0.2.3", 2, &[("hassh", "aa")]).await;
    let committed = scene.cluster().await.committed;
    assert_eq!((committed.formed, committed.linked, committed.explained), (2, 3, 1));
    assert_eq!(scene.identity("192.0.2.1").await, scene.identity("192.0.2.3").await);
    assert_ne!(scene.identity("192.0.2.1").await, scene.identity("192.0.2.2").await);
    let counts = scene.texts("SELECT observation_count || ' ' || hassh_hashes FROM attacker_identities ORDER BY 1 DESC").await;
    assert_eq!(counts, [r#"2 ["aa"]"#, r#"1 ["bb"]"#]);
    let topics = scene.texts("SELECT topic FROM corral_outbox ORDER BY id").await;
    assert_eq!(topics, ["identity.formed", "identity.formed"]);
}

#[tokio::test]
async fn the_last_hassh_counts() {
    let mut scene = Scene::new().await;
    scene.attacker("192.0.2.1", 0, &[("hassh", "zz"), ("hassh", "aa")]).await;
    scene.attacker("192.0.2.2", 1, &[("hassh", "zz")]).await;
    assert_eq!(scene.cluster().await.committed.formed, 2);
}

#[tokio::test]
async fn a_shared_payload_joins_unless_the_fingerprints_contradict() {
    let mut scene = Scene::new().await;
    scene.attacker("192.0.2.1", 0, &[("hassh", "aa"), ("payload-sha256", "p")]).await;
    scene.attacker("192.0.2.2", 1, &[("hassh", "bb"), ("payload-sha256", "p")]).await;
    assert_eq!(scene.cluster().await.committed.formed, 2);
    // Somebody without a fingerprint contradicts nobody, and joins them all.
    scene.attacker("192.0.2.3", 2, &[("payload-sha256", "p")]).await;
    let committed = scene.cluster().await.committed;
    assert_eq!((committed.formed, committed.linked, committed.merged), (0, 1, 1));
    assert_eq!(scene.identity("192.0.2.1").await, scene.identity("192.0.2.2").await);
    let reasons = scene.texts("SELECT DISTINCT reason FROM corral_evidence").await;
    assert_eq!(reasons, ["payload"]);
}

#[tokio::test]
async fn the_smaller_uuid_wins_a_merge_and_members_keep_their_rows() {
    let mut scene = Scene::new().await;
    scene.attacker("192.0.2.1", 0, &[("hassh", "aa")]).await;
    scene.attacker("192.0.2.2", 1, &[("ja3", "jj")]).await;
    scene.cluster().await;
    let mut before = [scene.identity("192.0.2.1").await, scene.identity("192.0.2.2").await];
    before.sort();
    scene.attacker("192.0.2.3", 2, &[("hassh", "aa"), ("ja3", "jj")]).await;
    assert_eq!(scene.cluster().await.committed.merged, 1);
    for ip in ["192.0.2.1", "192.0.2.2", "192.0.2.3"] {
        assert_eq!(scene.identity(ip).await, before[0]);
    }
    let literal = scene.texts("SELECT DISTINCT identity_id FROM attackers ORDER BY 1").await;
    assert_eq!(literal, before);
    // The winner speaks for all three.
    let winner = scene.texts("SELECT observation_count || hassh_hashes || ja3_hashes FROM attacker_identities WHERE merged_into_uuid IS NULL").await;
    assert_eq!(winner, [r#"3["aa"]["jj"]"#]);
}

#[tokio::test]
async fn a_merge_is_undone_when_its_evidence_goes() {
    let mut scene = Scene::new().await;
    scene.attacker("192.0.2.1", 0, &[("hassh", "aa")]).await;
    scene.attacker("192.0.2.2", 1, &[("ja3", "jj")]).await;
    scene.cluster().await;
    scene.attacker("192.0.2.3", 2, &[("hassh", "aa"), ("ja3", "jj")]).await;
    scene.cluster().await;
    scene.sql("DELETE FROM corral_feature WHERE kind = 'ja3' AND value = 'jj'").await;
    let committed = scene.cluster().await.committed;
    assert_eq!((committed.merged, committed.unmerged), (0, 1));
    assert_ne!(scene.identity("192.0.2.1").await, scene.identity("192.0.2.2").await);
    let topics = scene.texts("SELECT topic FROM corral_outbox ORDER BY id DESC LIMIT 1").await;
    assert_eq!(topics, ["identity.unmerged"]);
}

#[tokio::test]
async fn one_that_leaves_with_a_stranger_and_comes_back_still_has_its_evidence() {
    let mut scene = Scene::new().await;
    for n in 1..=3 {
        scene.attacker(&format!("192.0.2.{n}"), n, &[("hassh", "aa")]).await;
    }
    scene.cluster().await;
    let ends = "SELECT a || b FROM corral_evidence ORDER BY 1";
    let before = scene.texts(ends).await;
    // The first of them, whom the others were joined to, has another client now.
    let first = corral::ids::attacker("192.0.2.1");
    scene
        .sql(&format!(
            "INSERT INTO corral_feature (attacker_uuid, kind, value, first_seen, last_seen, sightings)
             VALUES ('{first}', 'hassh', 'bb', 9, 9, 1)"
        ))
        .await;
    scene.attacker("192.0.2.4", 4, &[("hassh", "bb")]).await;
    assert_eq!(scene.cluster().await.committed.linked, 1);
    let after = scene.texts(ends).await;
    assert!(before.iter().all(|edge| after.contains(edge)), "{before:?} {after:?}");
    assert_eq!((before.len(), after.len()), (2, 3));
    scene.sql("DELETE FROM corral_feature WHERE value = 'bb'").await;
    assert!(scene.cluster().await.committed.is_empty());
    assert_eq!(scene.identity("192.0.2.1").await, scene.identity("192.0.2.3").await);
    assert_eq!(after, scene.texts(ends).await);
}

#[tokio::test]
async fn a_merge_that_is_undone_leaves_no_evidence_between_two_that_are_alone() {
    let mut scene = Scene::new().await;
    scene.attacker("192.0.2.1", 0, &[("hassh", "aa")]).await;
    scene.attacker("192.0.2.2", 1, &[("hassh", "bb")]).await;
    scene.cluster().await;
    scene
        .sql(
            "INSERT INTO corral_feature (attacker_uuid, kind, value, first_seen, last_seen, sightings)
             SELECT uuid, 'ja3', 'jj', 9, 9, 1 FROM attackers",
        )
        .await;
    assert_eq!(scene.cluster().await.committed.merged, 1);
    assert_eq!(scene.texts("SELECT reason FROM corral_evidence").await, ["ja3"]);
    scene.sql("DELETE FROM corral_feature WHERE kind = 'ja3'").await;
    assert_eq!(scene.cluster().await.committed.unmerged, 1);
    assert_eq!(scene.texts("SELECT reason FROM corral_evidence").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_second_run_writes_nothing() {
    let mut scene = Scene::new().await;
    for n in 0..30 {
        let (hassh, payload) = (format!("h{}", n % 4), format!("p{}", n % 7));
        scene
            .attacker(
                &format!("192.0.2.{n}"),
                n,
                &[("hassh", &hassh), ("payload-sha256", &payload)],
            )
            .await;
    }
    scene.run().await;
    let before = scene.dump().await;
    let run = scene.run().await;
    assert!(run.is_settled());
    assert!(run.plugins.values().all(|plugin| plugin.ticks == 1));
    assert_eq!(before, scene.dump().await);
}

#[tokio::test]
async fn identities_follow_what_their_attackers_do_later() {
    let mut scene = Scene::new().await;
    scene.attacker("192.0.2.1", 0, &[("hassh", "aa")]).await;
    scene.cluster().await;
    scene
        .sql("UPDATE attackers SET last_seen = '2099-01-01 00:00:00.000000', updated_at = '2099-01-01 00:00:00.000000'")
        .await;
    assert_eq!(scene.cluster().await.committed.refreshed, 1);
    let seen = scene.texts("SELECT last_seen_at FROM attacker_identities").await;
    assert_eq!(seen, ["2099-01-01 00:00:00.000000"]);
}

#[tokio::test]
async fn an_unknown_model_is_a_problem_that_lists_those_there_are() {
    let scene = Scene::new().await;
    let clusterer = &scene.catalog.plugins["clusterer"];
    let error = scene.tick(clusterer, &[("model", "astrology")]).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "plugin 'clusterer': invalid: setting 'model': no model 'astrology' (there is: parity)"
    );
}
