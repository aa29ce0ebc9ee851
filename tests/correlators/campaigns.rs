//! The campaign clusterer: which identities act together, and by what.

use crate::scene::Scene;

/// Reasons and values of the campaigns' evidence.
async fn evidence(scene: &mut Scene) -> Vec<String> {
    scene
        .texts("SELECT reason || ' ' || value FROM corral_evidence WHERE layer = 'campaign' ORDER BY 1")
        .await
}

async fn campaigns(scene: &mut Scene) -> Vec<String> {
    scene.texts("SELECT CAST(identity_count AS TEXT) FROM campaigns WHERE merged_into_uuid IS NULL ORDER BY 1 DESC").await
}

#[tokio::test]
async fn one_relay_target_is_one_campaign_and_a_stranger_has_its_own() {
    let mut scene = Scene::new().await;
    let mail = [("relay-target", "198.51.100.9:25")];
    scene.attacker("192.0.2.1", 0, &mail).await;
    scene.attacker("192.0.2.2", 1, &mail).await;
    scene.attacker("192.0.2.3", 2, &[("relay-target", "198.51.100.10:443")]).await;
    scene.run().await;
    assert_eq!(campaigns(&mut scene).await, ["2", "1"]);
    assert_eq!(evidence(&mut scene).await, ["shared-infra 198.51.100.9:25"]);
    let topics = scene
        .texts("SELECT topic FROM corral_outbox WHERE topic LIKE '%campaign%' ORDER BY id")
        .await;
    assert_eq!(
        topics,
        [
            "campaign.formed",
            "identity.campaign.assigned",
            "identity.campaign.assigned",
            "campaign.formed",
            "identity.campaign.assigned"
        ]
    );
}

#[tokio::test]
async fn half_of_the_infrastructure_is_not_enough() {
    let mut scene = Scene::new().await;
    let (a, b) = (("relay-target", "198.51.100.9:25"), ("relay-target", "198.51.100.10:25"));
    scene.attacker("192.0.2.1", 0, &[a]).await;
    scene.attacker("192.0.2.2", 1, &[a, b]).await;
    scene.run().await;
    assert_eq!(campaigns(&mut scene).await, ["1", "1"]);
}

#[tokio::test]
async fn who_takes_over_within_a_day_where_another_left_off_is_of_its_campaign() {
    let mut scene = Scene::new().await;
    for n in 1..=3 {
        scene.attacker(&format!("192.0.2.{n}"), n, &[]).await;
    }
    scene.tactic("192.0.2.1", "web", "TA0001", 10).await;
    scene.tactic("192.0.2.1", "web", "TA0003", 20).await;
    scene.tactic("192.0.2.2", "web", "TA0007", 30).await;
    // The same at another sensor, and the same phases in the wrong order.
    scene.tactic("192.0.2.3", "mail", "TA0007", 30).await;
    scene.run().await;
    assert_eq!(campaigns(&mut scene).await, ["2", "1"]);
    assert_eq!(evidence(&mut scene).await, ["phase-handoff web"]);
}

#[tokio::test]
async fn overlapping_sessions_and_half_of_the_infrastructure_need_one_more_thing() {
    let mut scene = Scene::new().await;
    let (a, b) = (("relay-target", "198.51.100.9:25"), ("relay-target", "198.51.100.10:25"));
    let tool = ("client-version", "SSH-2.0-Go");
    scene.attacker("192.0.2.1", 0, &[a, tool]).await;
    scene.attacker("192.0.2.2", 1, &[a, b, tool]).await;
    for n in 1..=2 {
        let uuid = corral::ids::attacker(&format!("192.0.2.{n}"));
        scene
            .sql(&format!(
                "INSERT INTO corral_session (attacker_uuid, source, session, decky, service, certainty, started_at,
                     ended_at, closed, logins_failed, logins_accepted, commands, logins, seen)
                 VALUES ('{uuid}', 's', 's{n}', 'd', 'ssh', 3, 1000000, 61000000, 1, 0, 0, 0, '[]', x'')"
            ))
            .await;
    }
    scene.run().await;
    assert_eq!(campaigns(&mut scene).await, ["2"]);
    assert_eq!(
        evidence(&mut scene).await,
        ["combined shared-infra 0.5, temporal-overlap 1, cohort 1"]
    );
}

#[tokio::test]
async fn a_bridge_merges_two_campaigns_into_the_smaller() {
    let mut scene = Scene::new().await;
    scene.attacker("192.0.2.1", 0, &[("relay-target", "198.51.100.9:25")]).await;
    scene.attacker("192.0.2.2", 1, &[]).await;
    scene.tactic("192.0.2.2", "web", "TA0003", 20).await;
    scene.run().await;
    let before = scene.texts("SELECT uuid FROM campaigns ORDER BY uuid").await;
    assert_eq!(before.len(), 2);
    scene.attacker("192.0.2.3", 2, &[("relay-target", "198.51.100.9:25")]).await;
    scene.tactic("192.0.2.3", "web", "TA0007", 30).await;
    let run = scene.run().await;
    assert_eq!(run.plugins["campaign-clusterer"].committed.merged, 1);
    let live = scene.texts("SELECT uuid FROM campaigns WHERE merged_into_uuid IS NULL").await;
    assert_eq!(live, before[..1]);
    let merged =
        scene.texts("SELECT payload FROM corral_outbox WHERE topic = 'campaign.merged'").await;
    assert!(merged[0].contains(&before[1]), "{merged:?}");
    // And apart again when the bridge is gone.
    let uuid = corral::ids::attacker("192.0.2.3");
    for table in ["ttp_tag", "corral_feature"] {
        scene.sql(&format!("DELETE FROM {table} WHERE attacker_uuid = '{uuid}'")).await;
    }
    let run = scene.run().await;
    assert_eq!(run.plugins["campaign-clusterer"].committed.unmerged, 1);
}

#[tokio::test]
async fn an_identity_that_was_merged_has_no_say_and_its_attackers_speak_for_the_winner() {
    let mut scene = Scene::new().await;
    scene.attacker("192.0.2.1", 0, &[("hassh", "aa")]).await;
    scene.attacker("192.0.2.2", 1, &[("ja3", "jj"), ("relay-target", "198.51.100.9:25")]).await;
    scene.attacker("192.0.2.4", 1, &[("hassh", "cc"), ("relay-target", "198.51.100.9:25")]).await;
    scene.run().await;
    // Whichever of the first two wins, it shares the target with the third.
    scene.attacker("192.0.2.3", 2, &[("hassh", "aa"), ("ja3", "jj")]).await;
    scene.run().await;
    let live = scene
        .texts("SELECT DISTINCT COALESCE(c.merged_into_uuid, c.uuid) FROM attacker_identities i JOIN campaigns c ON c.uuid = i.campaign_id WHERE i.merged_into_uuid IS NULL")
        .await;
    assert_eq!(live.len(), 1, "{live:?}");
    let before = scene.dump().await;
    assert!(scene.run().await.plugins.values().all(|plugin| plugin.committed.is_empty()));
    assert_eq!(before, scene.dump().await);
}
