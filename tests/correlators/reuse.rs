//! The reuse correlator: which credentials came back, and that nothing is counted twice.

use serde_json::Value;

use crate::scene::Scene;

const ROOT: (Option<&str>, &str) = (Some("root"), "hunter2");

async fn found(scene: &mut Scene) -> Vec<String> {
    scene
        .texts(
            "SELECT principal_key || ' ' || target_count || ' ' || attempt_count || ' ' || attacker_ips
             FROM credential_reuse ORDER BY 1",
        )
        .await
}

#[tokio::test]
async fn two_targets_are_reuse_and_one_is_not() {
    let mut scene = Scene::new().await;
    scene.attacker("192.0.2.1", 0, &[]).await;
    scene.attacker("192.0.2.2", 1, &[]).await;
    scene.credential("192.0.2.2", ("d1", "ssh"), ROOT, 3).await;
    scene.credential("192.0.2.1", ("d1", "ssh"), ROOT, 2).await;
    scene.run().await;
    assert!(found(&mut scene).await.is_empty());
    scene.credential("192.0.2.1", ("d2", "ssh"), ROOT, 1).await;
    scene.run().await;
    assert_eq!(found(&mut scene).await, [r#"root 2 6 ["192.0.2.1", "192.0.2.2"]"#]);
    let payload = scene
        .texts("SELECT payload FROM corral_outbox WHERE topic = 'credential.reuse.detected'")
        .await;
    let payload: Value = serde_json::from_str(&payload[0]).unwrap();
    assert_eq!(payload["target_count"], 2);
    assert_eq!(payload["deckies"], r#"["d1", "d2"]"#);
    assert_eq!(payload["services"], r#"["ssh"]"#);
}

#[tokio::test]
async fn sums_are_derived_so_running_again_adds_nothing() {
    let mut scene = Scene::new().await;
    scene.attacker("192.0.2.1", 0, &[]).await;
    for (decky, attempts) in [("d1", 5), ("d2", 7)] {
        scene.credential("192.0.2.1", (decky, "ssh"), ROOT, attempts).await;
    }
    scene.run().await;
    let before = scene.dump().await;
    for _ in 0..3 {
        assert!(scene.tick_of("reuse-correlate").await.committed.is_empty());
    }
    assert_eq!(before, scene.dump().await);
    // Nor does a full look at the same rows, which another write brings about.
    scene.sql("UPDATE credentials SET outcome = 'failure'").await;
    scene.run().await;
    assert_eq!(found(&mut scene).await, [r#"root 2 12 ["192.0.2.1"]"#]);
    let events = scene
        .texts("SELECT topic FROM corral_outbox WHERE topic = 'credential.reuse.detected'")
        .await;
    assert_eq!(events.len(), 1);
}

#[tokio::test]
async fn a_credential_without_a_user_name_is_one_too_and_counts_with_the_empty_one() {
    let mut scene = Scene::new().await;
    scene.attacker("192.0.2.1", 0, &[]).await;
    for decky in ["d1", "d2"] {
        scene.credential("192.0.2.1", (decky, "vnc"), (None, "1234"), 1).await;
    }
    scene.credential("192.0.2.1", ("d3", "vnc"), (Some(""), "1234"), 1).await;
    scene.run().await;
    assert_eq!(found(&mut scene).await, [r#" 3 3 ["192.0.2.1"]"#]);
}

#[tokio::test]
async fn the_threshold_is_a_setting() {
    let mut scene = Scene::new().await;
    scene.attacker("192.0.2.1", 0, &[]).await;
    for decky in ["d1", "d2"] {
        scene.credential("192.0.2.1", (decky, "ssh"), ROOT, 1).await;
    }
    let plugin = &scene.catalog.plugins["reuse-correlate"];
    scene.tick(plugin, &[("min-targets", "3")]).await.unwrap();
    assert!(found(&mut scene).await.is_empty());
    // The credentials are the same, the setting is not.
    scene.tick(&scene.catalog.plugins["reuse-correlate"], &[("min-targets", "2")]).await.unwrap();
    assert_eq!(found(&mut scene).await.len(), 1);
    let error =
        scene.tick(&scene.catalog.plugins["reuse-correlate"], &[("min-targets", "few")]).await;
    assert!(error.unwrap_err().to_string().contains("'few' is no whole number"));
}
