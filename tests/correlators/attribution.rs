//! The attribution correlator: states, what is announced, and what is left alone.

use crate::scene::Scene;

const HASSH: &str = "toolchain.ssh.hassh_client";
const LENGTH: &str = "temporal.session_duration";
const TOOLS: &str = "cognitive.tool_vocabulary";

async fn states(scene: &mut Scene) -> Vec<String> {
    scene
        .texts(
            "SELECT primitive || ' ' || state || ' ' || current_value || ' ' || observation_count
             FROM attribution_state ORDER BY 1",
        )
        .await
}

async fn announced(scene: &mut Scene, topic: &str) -> Vec<serde_json::Value> {
    let payloads = scene
        .texts(&format!("SELECT payload FROM corral_outbox WHERE topic = '{topic}' ORDER BY id"))
        .await;
    payloads.iter().map(|payload| serde_json::from_str(payload).unwrap()).collect()
}

/// Samples of one attacker, a second apart.
async fn samples(scene: &mut Scene, ip: &str, primitive: &str, from: f64, values: &[&str]) {
    for (value, at) in values.iter().zip(0..) {
        scene.sample(ip, primitive, &format!("\"{value}\""), from + f64::from(at)).await;
    }
}

#[tokio::test]
async fn a_series_is_unknown_then_stable_then_drifts_and_each_change_is_announced() {
    let mut scene = Scene::new().await;
    scene.attacker("192.0.2.1", 0, &[]).await;
    samples(&mut scene, "192.0.2.1", LENGTH, 0.0, &["short", "short"]).await;
    scene.run().await;
    assert_eq!(states(&mut scene).await, ["temporal.session_duration unknown \"short\" 2"]);
    samples(&mut scene, "192.0.2.1", LENGTH, 10.0, &["short", "short", "short"]).await;
    scene.run().await;
    assert_eq!(states(&mut scene).await, ["temporal.session_duration stable \"short\" 5"]);
    samples(&mut scene, "192.0.2.1", LENGTH, 20.0, &["long"; 5]).await;
    scene.run().await;
    assert_eq!(states(&mut scene).await, ["temporal.session_duration drifting \"long\" 10"]);
    let events = announced(&mut scene, "attribution.profile.state_changed").await;
    let changes: Vec<_> = events
        .iter()
        .map(|event| (event["old_state"].as_str(), event["new_state"].as_str()))
        .collect();
    assert_eq!(
        changes,
        [
            (None, Some("unknown")),
            (Some("unknown"), Some("stable")),
            (Some("stable"), Some("drifting"))
        ]
    );
    assert_eq!(events[2]["current_value"], "long");
    assert_eq!(events[2]["ts"], 24.0);
    // The state began with its last sample, and stays that old while it lasts.
    samples(&mut scene, "192.0.2.1", LENGTH, 30.0, &["long"]).await;
    scene.run().await;
    let times = scene
        .texts("SELECT state || ' ' || last_change_ts || ' ' || last_observation_ts FROM attribution_state")
        .await;
    assert_eq!(times, ["drifting 24.0 30.0"]);
}

#[tokio::test]
async fn two_primitives_that_go_back_and_forth_are_suspected_once() {
    let mut scene = Scene::new().await;
    scene.attacker("192.0.2.1", 0, &[]).await;
    let turns = ["a", "b", "a", "b", "a"];
    samples(&mut scene, "192.0.2.1", LENGTH, 0.0, &turns).await;
    scene.run().await;
    let topic = "attribution.profile.multi_actor_suspected";
    assert!(announced(&mut scene, topic).await.is_empty());
    samples(&mut scene, "192.0.2.1", TOOLS, 0.0, &turns).await;
    scene.run().await;
    let events = announced(&mut scene, topic).await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["primitives"], serde_json::json!([TOOLS, LENGTH]));
    assert_eq!(events[0]["confidence"], 0.6);
    // The same suspicion again is no news; another state of one of them takes it back.
    samples(&mut scene, "192.0.2.1", TOOLS, 10.0, &["b"]).await;
    scene.run().await;
    assert_eq!(announced(&mut scene, topic).await.len(), 1);
    samples(&mut scene, "192.0.2.1", TOOLS, 20.0, &["b"; 5]).await;
    scene.run().await;
    samples(&mut scene, "192.0.2.1", TOOLS, 30.0, &["a", "b", "a", "b", "a"]).await;
    scene.run().await;
    assert_eq!(announced(&mut scene, topic).await.len(), 2);
}

#[tokio::test]
async fn a_value_that_cannot_be_merged_leaves_the_other_series_standing() {
    let mut scene = Scene::new().await;
    scene.attacker("192.0.2.1", 0, &[]).await;
    for at in 0..3 {
        scene.sample("192.0.2.1", LENGTH, "[1, 2]", f64::from(at)).await;
        scene.sample("192.0.2.1", "toolchain.c2.beacon_interval_ms", "5010.3", f64::from(at)).await;
    }
    let run = scene.run().await;
    assert!(run.is_settled());
    assert_eq!(states(&mut scene).await, ["toolchain.c2.beacon_interval_ms stable 5010.3 3"]);
}

#[tokio::test]
async fn samples_of_a_merged_identity_count_for_the_winner_unless_they_are_kept_apart() {
    let mut scene = Scene::new().await;
    scene.attacker("192.0.2.1", 0, &[("hassh", "aa")]).await;
    scene.attacker("192.0.2.2", 1, &[("ja3", "jj")]).await;
    samples(&mut scene, "192.0.2.1", HASSH, 0.0, &["x", "x"]).await;
    samples(&mut scene, "192.0.2.2", HASSH, 10.0, &["x"]).await;
    scene.run().await;
    scene.attacker("192.0.2.3", 2, &[("hassh", "aa"), ("ja3", "jj")]).await;
    scene.run().await;
    let live = "SELECT CAST(s.observation_count AS TEXT) FROM attribution_state s
         JOIN attacker_identities i ON i.uuid = s.identity_uuid WHERE i.merged_into_uuid IS NULL";
    assert_eq!(scene.texts(live).await, ["3"]);
    let plugin = &scene.catalog.plugins["attribution"];
    scene.tick(plugin, &[("merged", "apart")]).await.unwrap();
    assert_ne!(scene.texts(live).await, ["3"]);
    let error = scene.tick(&scene.catalog.plugins["attribution"], &[("merged", "perhaps")]).await;
    assert!(error.unwrap_err().to_string().contains("'perhaps' is neither unite nor apart"));
}

#[tokio::test]
async fn a_tick_with_nothing_new_reads_nothing_and_writes_nothing() {
    let mut scene = Scene::new().await;
    scene.attacker("192.0.2.1", 0, &[]).await;
    samples(&mut scene, "192.0.2.1", HASSH, 0.0, &["x", "y"]).await;
    scene.run().await;
    let before = scene.dump().await;
    let ticked = scene.tick_of("attribution").await;
    assert!(ticked.committed.is_empty());
    // Its own state is all it looked at.
    assert_eq!(ticked.rows_read, 1);
    assert_eq!(before, scene.dump().await);
}
