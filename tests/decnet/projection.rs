//! What a look at DECNET's tables finds, and that it costs nothing where there is nothing to find.

use corral::store::Store;
use corral::store::project::Fingerprints;
use corral::store::revision::View;
use std::time::Duration;

use super::{Decnet, at, ja3, later};

#[tokio::test]
async fn a_look_that_finds_nothing_writes_nothing() {
    let mut decnet = Decnet::new().await;
    decnet.attacker("a", 1, &ja3("x")).await;
    decnet.observation("a", "motor.input_modality", "\"typed\"", 10.0).await;
    decnet.credential(Some("a"), ("d", "ssh"), "root", 1).await;
    decnet.round().await;
    decnet.project().await;
    let before = decnet
        .text("SELECT CAST(total_changes() AS TEXT) || (SELECT COUNT(*) FROM corral_change)")
        .await;
    let own =
        ["corral_state", "corral_revision", "corral_change", "corral_projected", "corral_feature"];
    let dump = decnet.dump(&own).await;
    for _ in 0..3 {
        assert!(decnet.project().await.is_empty());
    }
    assert_eq!(dump, decnet.dump(&own).await);
    let after = decnet
        .text("SELECT CAST(total_changes() AS TEXT) || (SELECT COUNT(*) FROM corral_change)")
        .await;
    assert_eq!(before, after);
}

#[tokio::test]
async fn a_restart_goes_on_where_the_last_look_ended() {
    let mut decnet = Decnet::new().await;
    decnet.attacker("a", 1, &ja3("x")).await;
    decnet.project().await;
    decnet.project().await;
    let store = Store::open_decnet(&decnet.url, Duration::from_secs(5)).await.unwrap();
    let found = store.project(Fingerprints::Both, decnet.clock.now()).await.unwrap();
    assert!(found.is_empty(), "{found:?}");
    // Another rule makes every row new.
    let found = store.project(Fingerprints::Legacy, decnet.clock.now()).await.unwrap();
    assert_eq!(found.changed.get(&View::Features), Some(&Some(1)));
    assert_eq!(decnet.text("SELECT kind FROM corral_feature").await, "ja3-column");
}

#[tokio::test]
async fn only_what_changed_is_told() {
    let mut decnet = Decnet::new().await;
    for n in 0..5 {
        decnet.attacker(&format!("a{n}"), n, &ja3("x")).await;
    }
    decnet.project().await;
    // The profiler counted an event: nothing that anybody looks at.
    decnet
        .sql(&format!(
            "UPDATE attackers SET event_count = 9, updated_at = '{}' WHERE uuid = 'a1'",
            at(50)
        ))
        .await;
    let found = decnet.project().await;
    assert!(found.changed.is_empty(), "{found:?}");
    decnet
        .sql(&format!(
            "UPDATE attackers SET fingerprints = '[]', updated_at = '{}' WHERE uuid = 'a2'",
            at(51)
        ))
        .await;
    let found = decnet.project().await;
    assert_eq!(found.changed.get(&View::Features), Some(&Some(1)));
    assert_eq!(found.changed.get(&View::Attackers), Some(&Some(1)));
    let left = decnet.texts("SELECT attacker_uuid FROM corral_feature ORDER BY 1").await;
    assert_eq!(left, ["a0", "a1", "a3", "a4"]);
}

#[tokio::test]
async fn attackers_that_are_purged_are_forgotten_and_those_with_an_older_time_are_found() {
    let mut decnet = Decnet::new().await;
    for n in 0..3 {
        decnet.attacker(&format!("a{n}"), 30 + n, &ja3("x")).await;
    }
    decnet.project().await;
    decnet.sql("DELETE FROM attackers WHERE uuid = 'a1'").await;
    let found = decnet.project().await;
    assert_eq!(found.changed.get(&View::Attackers), Some(&Some(1)));
    assert_eq!(
        decnet.texts("SELECT attacker_uuid FROM corral_feature ORDER BY 1").await,
        ["a0", "a2"]
    );
    // A backlog: log time, long before what was seen.
    decnet.attacker("old", 0, &ja3("x")).await;
    decnet.project().await;
    assert_eq!(
        decnet.texts("SELECT attacker_uuid FROM corral_feature ORDER BY 1").await,
        ["a0", "a2", "old"]
    );
    assert!(decnet.project().await.is_empty());
}

#[tokio::test]
async fn one_goes_and_one_comes_and_both_are_noticed() {
    let mut decnet = Decnet::new().await;
    decnet.attacker("a", 1, &ja3("x")).await;
    decnet.attacker("b", 2, &ja3("x")).await;
    decnet.project().await;
    decnet.sql("DELETE FROM attackers WHERE uuid = 'a'").await;
    decnet.attacker("c", 3, &ja3("y")).await;
    decnet.project().await;
    assert_eq!(
        decnet.texts("SELECT attacker_uuid FROM corral_feature ORDER BY 1").await,
        ["b", "c"]
    );
}

#[tokio::test]
async fn samples_tactics_and_credentials_are_told_by_their_attackers() {
    let mut decnet = Decnet::new().await;
    for (uuid, ts, minute) in [("a", 1000.0, 1), ("b", 5000.0, 2)] {
        decnet.attacker(uuid, 1, "[]").await;
        decnet.observation(uuid, "motor.input_modality", "\"typed\"", ts).await;
        decnet.credential(Some(uuid), ("d", uuid), "root", minute).await;
    }
    decnet.project().await;
    assert!(decnet.project().await.is_empty());
    decnet.observation("b", "motor.input_modality", "\"pasted\"", 9000.0).await;
    let found = decnet.project().await;
    assert_eq!(found.changed.get(&View::Behaviour), Some(&Some(1)), "{found:?}");
    // Of an earlier time than any: nobody knows whose it is.
    decnet.observation("b", "motor.input_modality", "\"pasted\"", 5.0).await;
    assert_eq!(decnet.project().await.changed.get(&View::Behaviour), Some(&None));
    decnet.credential(Some("b"), ("d", "ftp"), "root", 5).await;
    assert_eq!(decnet.project().await.changed.get(&View::Credentials), Some(&Some(1)));
    // One that has no attacker yet, and then gets it.
    decnet.credential(None, ("d", "smtp"), "root", 3).await;
    assert_eq!(decnet.project().await.changed.get(&View::Credentials), Some(&None));
    decnet.sql("UPDATE credentials SET attacker_uuid = 'a' WHERE attacker_uuid IS NULL").await;
    assert_eq!(decnet.project().await.changed.get(&View::Credentials), Some(&None));
    decnet
        .sql(&format!(
            "INSERT INTO ttp_tag (uuid, source_kind, source_id, attacker_uuid, decky_id, tactic, technique_id,
                 confidence, rule_id, rule_version, evidence, attack_release, created_at)
             VALUES ('t', 'command', '', 'a', 'd', 'TA0007', 'T1', 1.0, 'r', 1, '{{}}', '', '{}')",
            at(1)
        ))
        .await;
    assert_eq!(decnet.project().await.changed.get(&View::Phases), Some(&Some(1)));
    assert!(decnet.project().await.is_empty());
}

#[tokio::test]
async fn what_others_do_to_identities_is_told_and_what_we_do_is_not_told_again() {
    let mut decnet = Decnet::new().await;
    decnet.attacker("a", 1, &ja3("x")).await;
    decnet.attacker("b", 2, &ja3("y")).await;
    decnet.round().await;
    let found = decnet.project().await;
    assert_eq!(found.changed.get(&View::Identities), None, "{found:?}");
    decnet.identity("somebody", None).await;
    decnet.sql("UPDATE attacker_identities SET updated_at = '2099-01-01 00:00:00.000000' WHERE uuid = 'somebody'").await;
    let found = decnet.project().await;
    assert!(found.changed.contains_key(&View::Identities), "{found:?}");
    assert!(decnet.project().await.is_empty(), "a time to come is no news for ever");
}

#[tokio::test]
async fn everything_is_compared_now_and_then() {
    let mut decnet = Decnet::new().await;
    decnet.attacker("a", 1, &ja3("x")).await;
    decnet.attacker("b", 9, "[]").await;
    decnet.project().await;
    // By hand, without an updated_at.
    decnet.sql("UPDATE attackers SET fingerprints = '[]'").await;
    let soon = later(&*decnet.clock, 60);
    decnet.store.project(Fingerprints::Both, soon).await.unwrap();
    assert_eq!(decnet.texts("SELECT kind FROM corral_feature").await, ["ja3"]);
    let late = later(&*decnet.clock, 3601);
    decnet.store.project(Fingerprints::Both, late).await.unwrap();
    assert_eq!(decnet.texts("SELECT kind FROM corral_feature").await, Vec::<String>::new());
}

#[tokio::test]
async fn poison_is_named_once_and_everything_else_goes_on() {
    let mut decnet = Decnet::new().await;
    let huge = format!("[\"{}\"]", "x".repeat(16 << 20));
    for (uuid, fingerprints) in [
        ("broken", "[{"),
        ("number", "5"),
        ("nested", r#"[{"kind": "ja3", "value": ["x"]}]"#),
        ("huge", huge.as_str()),
    ] {
        decnet.attacker(uuid, 1, fingerprints).await;
    }
    decnet.attacker("good", 2, &ja3("x")).await;
    decnet.attacker("fine", 3, &ja3("x")).await;
    let found = decnet.project().await;
    let mut rows: Vec<&str> = found.poison.iter().map(|poison| poison.row.as_str()).collect();
    rows.sort_unstable();
    assert_eq!(rows, ["broken", "huge", "nested", "number"]);
    assert_eq!(decnet.tick("clusterer").await.unwrap().committed.formed, 5);
    let again = decnet.project().await;
    assert_eq!(again.poison, []);
    assert_eq!(decnet.store.poison().await.unwrap().len(), 4);
    // Whoever mends a row is believed.
    decnet
        .sql(&format!(
            "UPDATE attackers SET fingerprints = '[]', updated_at = '{}' WHERE uuid = 'huge'",
            at(9)
        ))
        .await;
    decnet.project().await;
    assert_eq!(decnet.store.poison().await.unwrap().len(), 3);
}

#[tokio::test]
async fn an_identity_in_another_case_is_another_identity_and_its_attacker_is_left_alone() {
    let mut decnet = Decnet::new().await;
    decnet.identity("abcdef00abcdef00abcdef00abcdef00", None).await;
    decnet.attacker("a", 1, &ja3("x")).await;
    decnet.attacker("b", 2, &ja3("x")).await;
    decnet.sql("UPDATE attackers SET identity_id = 'ABCDEF00ABCDEF00ABCDEF00ABCDEF00' WHERE uuid = 'a'").await;
    let found = decnet.project().await;
    assert!(found.poison.iter().any(|poison| poison.row == "a"), "{found:?}");
    decnet.tick("clusterer").await.unwrap();
    let literal = decnet.text("SELECT identity_id FROM attackers WHERE uuid = 'a'").await;
    assert_eq!(literal, "ABCDEF00ABCDEF00ABCDEF00ABCDEF00");
    assert_ne!(decnet.text("SELECT identity_id FROM attackers WHERE uuid = 'b'").await, "NULL");
}
