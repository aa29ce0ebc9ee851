//! The four correlators, through their plugins, over the same rows on every database: the same groups.

use corral::config::Config;

use crate::places::Place;
use crate::scene::Scene;

/// Attackers of some campaigns, and one of nobody's.
async fn fill(scene: &mut Scene) {
    for (at, ip) in (0..).zip(["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5"]) {
        let hassh = format!("hassh-{}", at / 2);
        let kind = if at < 4 { "hassh" } else { "client-version" };
        scene.attacker(ip, at, &[(kind, &hassh), ("relay-target", "198.51.100.9:25")]).await;
        for sample in 0..4 {
            let value = if sample % 2 == 0 { "\"typed\"" } else { "\"pasted\"" };
            let time = 1_774_000_000.0 + f64::from(sample) * 4096.0;
            scene.sample(ip, "motor.input_modality", value, time + at as f64 * 65_536.0).await;
        }
        scene.credential(ip, (&format!("d{at}"), "ssh"), (Some("root"), "x"), 2).await;
    }
}

#[tokio::test]
async fn a_run_of_all_correlators_comes_to_the_same_on_every_database() {
    let mut said: Vec<(Place, Vec<String>)> = Vec::new();
    for place in Place::ALL {
        let Some(opened) = place.open().await else { continue };
        let mut scene = Scene::at(opened, Config::default()).await;
        fill(&mut scene).await;
        let run = scene.run().await;
        assert!(run.is_settled(), "{place:?}");
        let mut lines = Vec::new();
        for query in [
            "SELECT uuid, identity_id FROM attackers ORDER BY uuid",
            "SELECT uuid, campaign_id, merged_into_uuid FROM attacker_identities ORDER BY uuid",
            "SELECT uuid, merged_into_uuid FROM campaigns ORDER BY uuid",
            "SELECT identity_uuid, primitive, state FROM attribution_state ORDER BY identity_uuid, primitive",
            "SELECT id, attacker_ips, deckies FROM credential_reuse ORDER BY id",
            "SELECT layer, a, b, reason, value FROM corral_evidence ORDER BY layer, a, b",
            "SELECT topic, type FROM corral_outbox ORDER BY topic",
        ] {
            lines.extend(scene.texts(query).await);
        }
        assert!(lines.len() > 20, "{place:?}: {lines:?}");
        // A second run finds nothing to do.
        let events = scene.numbers("SELECT COUNT(*) FROM corral_outbox").await;
        let again = scene.run().await;
        assert!(again.plugins.values().all(|plugin| plugin.failed.is_none()), "{place:?}");
        let after = scene.numbers("SELECT COUNT(*) FROM corral_outbox").await;
        assert_eq!(after, events, "{place:?}");
        said.push((place, lines));
    }
    let (_, first) = &said[0];
    for (place, lines) in &said {
        assert_eq!(lines, first, "{place:?}");
    }
}
