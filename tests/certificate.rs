//! `corral kernel verify` on real databases: it holds after a run, and names who was tampered with.

use serde_json::Value;
use sqlx::{Connection, SqliteConnection};

use crate::desk::{Desk, text};
use crate::scene::Scene;

/// A desk whose logs are correlated.
fn correlated() -> Desk {
    let desk = Desk::with_logs();
    desk.succeed(&["run"]);
    desk
}

async fn database(desk: &Desk) -> SqliteConnection {
    let url = format!("sqlite://{}", desk.path("corral.db").display());
    SqliteConnection::connect(&url).await.unwrap()
}

async fn tamper(desk: &Desk, sql: &'static str) {
    let mut database = database(desk).await;
    let done = sqlx::query(sql).execute(&mut database).await.unwrap();
    assert_eq!(done.rows_affected(), 1, "{sql}");
    database.close().await.unwrap();
}

/// A pair of texts of the database.
async fn pair(desk: &Desk, sql: &'static str) -> (String, String) {
    let mut database = database(desk).await;
    let pair = sqlx::query_as(sql).fetch_one(&mut database).await.unwrap();
    database.close().await.unwrap();
    pair
}

/// The certificate that does not hold, and what people read of it.
fn broken(desk: &Desk) -> (Value, String) {
    let error = desk.fail(7, &["kernel", "verify"]);
    assert!(error.contains("the certificate does not hold"), "{error}");
    let read = text(&desk.run(&["kernel", "verify"]).stdout);
    let output = desk.run(&["--json", "kernel", "verify"]);
    assert_eq!(output.status.code(), Some(7));
    (serde_json::from_slice(&output.stdout).unwrap(), read)
}

fn calls(certificate: &Value) -> Vec<&Value> {
    let plugins = certificate["plugins"].as_object().unwrap().values();
    plugins.flat_map(|plugin| plugin["calls"].as_array().unwrap()).collect()
}

#[test]
fn a_correlated_database_is_proved_and_left_as_it_is() {
    let desk = correlated();
    let before = desk.json(&["report"]);
    let certificate = desk.json(&["kernel", "verify"]);
    let calls = calls(&certificate);
    let kernels: Vec<&str> = calls.iter().map(|call| call["kernel"].as_str().unwrap()).collect();
    let expected =
        ["attribution-states", "campaign-components", "identity-components", "credential-reuse"];
    assert_eq!(kernels, expected);
    for call in &calls {
        assert_eq!(call["verdict"], "right", "{call}");
        assert!(call["rows"].as_u64().unwrap() > 0, "{call}");
        assert!(call["verify_milliseconds"].as_f64().is_some(), "{call}");
        let groups = call["kernel"].as_str().unwrap().ends_with("-components");
        assert_eq!(call["groups"].is_u64() && call["edges"].is_u64(), groups, "{call}");
    }
    for (plugin, answers) in certificate["plugins"].as_object().unwrap() {
        let would_change = answers["would_change"].as_object().unwrap();
        assert!(would_change.values().all(|rows| rows == 0), "{plugin}: {answers}");
    }
    for layer in ["identity", "campaign"] {
        let account = &certificate["layers"][layer];
        assert!(account["groups"].as_u64().unwrap() > 0, "{account}");
        // A tree each: as many edges as members, less one a group.
        let count = |name: &str| account[name].as_u64().unwrap();
        assert_eq!(count("edges"), count("members") - count("groups"), "{account}");
        assert_eq!((count("faults"), &account["judgement"]), (0, &Value::Null), "{account}");
    }
    let read = desk.succeed(&["kernel", "verify"]);
    assert!(read.contains("nothing to change: what is stored is what its kernels prove"), "{read}");
    assert_eq!(before, desk.json(&["report"]));
    assert!(desk.succeed(&["run"]).contains("Nothing new: nothing was written."));
}

#[test]
fn what_is_not_correlated_yet_is_told_and_no_fault() {
    let desk = Desk::with_logs();
    let certificate = desk.json(&["kernel", "verify"]);
    let would_form = &certificate["plugins"]["clusterer"]["would_change"]["formed"];
    assert!(would_form.as_u64().unwrap() > 10, "{certificate}");
    assert_eq!(certificate["layers"]["identity"]["groups"], 0);
    assert_eq!(desk.json(&["report"])["totals"]["identities"], 0, "it wrote");
    assert!(desk.succeed(&["kernel", "verify"]).contains("clusterer: still to be written: "));
}

#[tokio::test]
async fn evidence_that_was_deleted_is_missed_between_the_two_it_joined() {
    let desk = correlated();
    let (a, b) = pair(
        &desk,
        "SELECT x.ip, y.ip FROM corral_evidence e JOIN attackers x ON x.uuid = e.a
             JOIN attackers y ON y.uuid = e.b WHERE layer = 'identity' ORDER BY a DESC, b DESC LIMIT 1",
    )
    .await;
    tamper(
        &desk,
        "DELETE FROM corral_evidence WHERE (layer, a, b) IN (SELECT layer, a, b FROM corral_evidence
             WHERE layer = 'identity' ORDER BY a DESC, b DESC LIMIT 1)",
    )
    .await;
    let (certificate, read) = broken(&desk);
    let account = &certificate["layers"]["identity"];
    assert_eq!(
        (&account["faults"], &account["first_faults"][0]["fault"]),
        (&1.into(), &"missing".into())
    );
    // One of the two sides that fell apart is a leaf, or both are; the two named are of the two sides.
    let group = account["first_faults"][0]["group"].as_str().unwrap();
    let (of_a, of_b) = (desk.json(&["why", &a, &b])["identity"].clone(), group);
    assert_eq!(of_a, of_b);
    assert!(read.contains("no evidence connects ") && read.contains(group), "{read}");
    assert_eq!(certificate["layers"]["campaign"]["faults"], 0);
    // The kernels are still right, and would change nothing.
    assert!(calls(&certificate).iter().all(|call| call["verdict"] == "right"));
}

#[tokio::test]
async fn an_attacker_that_was_moved_by_hand_is_named() {
    let desk = correlated();
    let (moved, _) = pair(
        &desk,
        "SELECT ip, uuid FROM attackers WHERE uuid = (SELECT MAX(b) FROM corral_evidence
             WHERE layer = 'identity')",
    )
    .await;
    tamper(
        &desk,
        "UPDATE attackers SET identity_id = (SELECT uuid FROM attacker_identities i
             WHERE i.uuid <> attackers.identity_id ORDER BY uuid LIMIT 1)
         WHERE uuid = (SELECT MAX(b) FROM corral_evidence WHERE layer = 'identity')",
    )
    .await;
    let (certificate, read) = broken(&desk);
    let faults = certificate["layers"]["identity"]["first_faults"].as_array().unwrap();
    let foreign = faults.iter().find(|fault| fault["fault"] == "foreign").unwrap();
    assert!(foreign["a"] == *moved || foreign["b"] == *moved, "{moved}: {faults:?}");
    assert_ne!(foreign["group_a"], foreign["group_b"]);
    assert!(read.contains(&moved), "{read}");
}

#[tokio::test]
async fn evidence_between_campaigns_that_was_made_up_is_named() {
    let desk = correlated();
    let (a, b) = pair(
        &desk,
        "SELECT MIN(uuid), MAX(uuid) FROM attacker_identities WHERE campaign_id IN
             (SELECT MIN(uuid) FROM campaigns UNION SELECT MAX(uuid) FROM campaigns)
         HAVING COUNT(DISTINCT campaign_id) = 2",
    )
    .await;
    tamper(
        &desk,
        "INSERT INTO corral_evidence SELECT 'campaign', MIN(uuid), MAX(uuid), 'shared-infra', 'x', NULL, 0
         FROM attacker_identities WHERE campaign_id IN
             (SELECT MIN(uuid) FROM campaigns UNION SELECT MAX(uuid) FROM campaigns)",
    )
    .await;
    let (certificate, read) = broken(&desk);
    let account = &certificate["layers"]["campaign"];
    assert!(account["faults"].as_u64().unwrap() >= 1);
    assert!(read.contains(&a) && read.contains(&b), "{read}");
}

#[test]
fn a_kernel_can_be_named_and_only_what_it_explains_is_judged() {
    let desk = correlated();
    let certificate = desk.json(&["kernel", "verify", "identity-components"]);
    let names =
        |part: &str| -> Vec<&String> { certificate[part].as_object().unwrap().keys().collect() };
    assert_eq!(names("plugins"), ["clusterer"]);
    assert_eq!(names("layers"), ["identity"]);
    let error = desk.fail(2, &["kernel", "verify", "astrology"]);
    assert!(error.contains("no kernel 'astrology'") && error.contains("corral kernel list"));
    let error = desk.fail(6, &["kernel", "verify", "connected-components"]);
    assert!(error.contains("no enabled correlator"), "{error}");
}

#[test]
fn a_run_tells_what_was_checked_and_the_config_says_how_much_is() {
    let desk = Desk::with_logs();
    let run = desk.json(&["run"]);
    let kernels = run["kernels"].as_object().unwrap();
    assert_eq!(kernels.len(), 4, "{run}");
    for (kernel, checked) in kernels {
        assert!(checked["answers"].as_u64().unwrap() > 0, "{kernel}: {checked}");
        assert_eq!(checked["answers"], checked["verified"], "{kernel}");
        assert_eq!(checked["wrong"], 0, "{kernel}");
        assert!(checked["milliseconds"].as_f64().unwrap() > 0.0, "{kernel}");
    }
    let desk = Desk::with_logs();
    desk.write("corral.toml", "[verify]\nrows-max = 0\nsample = 0\n");
    let run = desk.json(&["--config", "corral.toml", "run"]);
    let kernels = run["kernels"].as_object().unwrap();
    // What has no rows has none too many.
    for kernel in ["identity-components", "credential-reuse"] {
        assert_eq!(kernels[kernel]["verified"], 0, "{run}");
    }
    // On demand, all the same.
    let certificate = desk.json(&["--config", "corral.toml", "kernel", "verify"]);
    assert!(calls(&certificate).iter().all(|call| call["verdict"] == "right"));
}

#[test]
fn a_broken_component_is_told_and_the_rest_is_proved() {
    let desk = correlated();
    desk.write("plugins/evil.wasm", "no component");
    let error = desk.fail(5, &["--plugins", "plugins", "kernel", "verify"]);
    assert!(error.contains("refused plugins/evil.wasm"), "{error}");
}

#[tokio::test]
async fn a_tick_tells_what_was_checked() {
    let mut scene = Scene::new().await;
    scene.attacker("192.0.2.1", 0, &[("hassh", "aa")]).await;
    let checked = scene.cluster().await.checked;
    // The run, and what is kept of its input for the next.
    assert_eq!((checked.answers, checked.verified, checked.wrong), (2, 2, 0));
}

/// Attackers come, change their clients, share and part again: what a run makes of it is accounted for.
#[tokio::test]
async fn a_database_with_a_history_is_accounted_for_after_every_run() {
    let mut scene = Scene::new().await;
    let mut chance = 19_u64;
    let mut draw = |below: u64| {
        chance =
            chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (chance >> 33) % below
    };
    let (mut merged, mut unmerged, mut apart) = (0, 0, 0);
    for at in 0..24 {
        if at < 12 {
            scene.attacker(&format!("192.0.2.{at}"), 0, &[]).await;
        }
        for _ in 0..2 {
            let uuid = corral::ids::attacker(&format!("192.0.2.{}", draw(at.min(11) + 1)));
            let kinds = [("hassh", 4), ("ja3", 5), ("relay-target", 3)];
            let (kind, values) = kinds[usize::try_from(draw(3)).unwrap()];
            let value = draw(values);
            // The last fingerprint counts, so the others may go; of hosts some are forgotten.
            let forgotten =
                if kind == "relay-target" { draw(3).to_string() } else { "%".to_owned() };
            scene
                .sql(&format!(
                    "DELETE FROM corral_feature WHERE attacker_uuid = '{uuid}' AND kind = '{kind}'
                         AND value LIKE '{forgotten}';
                     INSERT OR REPLACE INTO corral_feature (attacker_uuid, kind, value, first_seen,
                         last_seen, sightings) VALUES ('{uuid}', '{kind}', '{value}', {at}, {at}, 1)"
                ))
                .await;
        }
        let run = scene.run().await;
        assert!(run.is_settled(), "at {at}");
        merged += run.plugins["clusterer"].committed.merged;
        unmerged += run.plugins["clusterer"].committed.unmerged;
        let Scene { host, catalog, config, store, .. } = &scene;
        let certificate =
            corral::certificate::certify(host, catalog, config, store, &[]).await.unwrap();
        assert!(certificate.holds(), "at {at}: {:#?}", certificate.layers);
        apart += certificate.layers["identity"].apart;
    }
    assert!(merged > 0 && unmerged > 0 && apart > 0, "{merged}, {unmerged}, {apart}");
}
