//! What DECNET 1.2 gets wrong, and what Corral does about it: a test each, in the order of the study's list.
//!
//! | weakness | where it is shown |
//! |---|---|
//! | W1–W7, W9, W11–W18, W23 (rows) | the tests of this file |
//! | W8: linked attackers are never unlinked | as upstream: `w08_…` shows that only merges are undone |
//! | W10: a query an identity; an edge that depends on creation order | views are read whole, once; ranks by `created_at`, of two made at once the smaller uuid: `the_earlier_has_the_smaller_rank_and_of_two_the_smaller_row` in the campaign clusterer |
//! | W12 (bus), W19–W22, W24 | the daemon's, the bus's and the configuration's tests |

use corral::store::project::Fingerprints;

use super::{Decnet, at, ja3};

const RHYTHM: &str = "motor.digraph_simhash";
const INPUT: &str = "motor.input_modality";

#[tokio::test]
async fn w01_the_shape_that_the_profiler_writes_groups() {
    let mut decnet = Decnet::new().await;
    for n in 0..2 {
        decnet.attacker(&format!("a{n}"), n, &ja3("x")).await;
    }
    decnet.project_as(Fingerprints::Legacy).await;
    assert_eq!(decnet.tick("clusterer").await.unwrap().committed.formed, 2);
    decnet.project_as(Fingerprints::Both).await;
    assert_eq!(decnet.tick("clusterer").await.unwrap().committed.merged, 1);
}

#[tokio::test]
async fn w02_a_rhythm_that_is_no_text_stops_nobody_and_the_column_is_emptied() {
    let mut decnet = Decnet::new().await;
    decnet.identity("0123456789abcdef0123456789abcdef", None).await;
    decnet.sql("UPDATE attacker_identities SET kd_digraph_simhash = X'DEADBEEFCAFEF00D'").await;
    decnet.attacker("a", 1, "[]").await;
    decnet.sql("UPDATE attackers SET identity_id = '0123456789abcdef0123456789abcdef'").await;
    decnet.observation("a", RHYTHM, "\"deadbeefcafef00d\"", 1.0).await;
    decnet.round().await;
    assert_eq!(
        decnet.text("SELECT quote(kd_digraph_simhash) FROM attacker_identities").await,
        "NULL"
    );
}

#[tokio::test]
async fn w03_w13_what_did_not_change_is_not_written() {
    let mut decnet = Decnet::new().await;
    for n in 0..6 {
        let uuid = format!("a{n}");
        decnet.attacker(&uuid, n, &ja3(if n < 3 { "x" } else { "y" })).await;
        for ts in 0..5 {
            decnet.observation(&uuid, INPUT, "\"typed\"", f64::from(ts)).await;
        }
        decnet.credential(Some(&uuid), ("d", &uuid), "root", n).await;
    }
    decnet.round().await;
    decnet.round().await;
    let tables = [
        "attackers",
        "attacker_identities",
        "campaigns",
        "attribution_state",
        "credential_reuse",
        "corral_outbox",
        "corral_revision",
        "corral_state",
    ];
    let before = decnet.dump(&tables).await;
    for ticked in decnet.round().await {
        assert!(ticked.committed.is_empty(), "{ticked:?}");
    }
    assert_eq!(before, decnet.dump(&tables).await);
}

#[tokio::test]
async fn w04_the_columns_speak_for_all_that_were_merged() {
    let mut decnet = Decnet::new().await;
    decnet.attacker("a", 1, &ja3("x")).await;
    decnet
        .attacker(
            "b",
            2,
            r#"[{"kind": "hassh", "hash": "h", "fingerprint_type": "ja3", "ja3": "y"}]"#,
        )
        .await;
    decnet.round().await;
    decnet
        .attacker(
            "c",
            3,
            r#"[{"kind": "hassh", "hash": "h"}, {"fingerprint_type": "ja3", "ja3": "x"}]"#,
        )
        .await;
    decnet.round().await;
    let winner = "SELECT ja3_hashes FROM attacker_identities WHERE merged_into_uuid IS NULL";
    assert_eq!(decnet.text(winner).await, r#"["x", "y"]"#);
}

#[tokio::test]
async fn w05_counts_and_times_and_every_list_are_kept_up() {
    let mut decnet = Decnet::new().await;
    decnet
        .attacker(
            "a",
            10,
            r#"[{"kind": "ja3", "hash": "x", "fingerprint_type": "ja4h", "ja4h": "q"}]"#,
        )
        .await;
    decnet.round().await;
    decnet.attacker("b", 5, r#"[{"kind": "ja3", "hash": "x"}]"#).await;
    decnet.round().await;
    decnet
        .sql(&format!(
            "UPDATE attackers SET last_seen = '{0}', updated_at = '{0}' WHERE uuid = 'a'",
            at(99)
        ))
        .await;
    decnet.round().await;
    let row = decnet
        .text("SELECT observation_count || first_seen_at || last_seen_at || ja4h_hashes FROM attacker_identities")
        .await;
    assert_eq!(row, format!("2{}{}{}", at(5), at(99), r#"["q"]"#));
}

#[tokio::test]
async fn w06_attribution_mints_no_identity_and_an_orphan_stub_points_to_whom_it_was_made_for() {
    let mut decnet = Decnet::new().await;
    decnet.attacker("a", 7, "[]").await;
    decnet.observation("a", INPUT, "\"typed\"", 5.0).await;
    decnet.project().await;
    decnet.tick("attribution").await.unwrap();
    assert_eq!(decnet.texts("SELECT uuid FROM attacker_identities").await, Vec::<String>::new());
    decnet.round().await;
    // A stub of an attribution worker of DECNET's that lost the race to the clusterer.
    let stub = "0123456789abcdef0123456789abcdef";
    decnet.identity(stub, None).await;
    decnet
        .sql(&format!(
            "UPDATE attacker_identities SET first_seen_at = '{}' WHERE uuid = '{stub}'",
            at(7)
        ))
        .await;
    decnet
        .sql(&format!(
            "INSERT INTO attribution_state VALUES ('{stub}', '{INPUT}', '\"typed\"', 'unknown', 0, 1, 5.0, 5.0, 1, '{}')",
            at(9)
        ))
        .await;
    decnet.round().await;
    let of_attacker = decnet.text("SELECT identity_id FROM attackers").await;
    let sql = format!("SELECT merged_into_uuid FROM attacker_identities WHERE uuid = '{stub}'");
    assert_eq!(decnet.text(&sql).await, of_attacker);
    let topics = decnet.texts("SELECT topic FROM corral_outbox ORDER BY id DESC LIMIT 1").await;
    assert!(topics[0].ends_with("merged") || topics[0].starts_with("campaign"), "{topics:?}");
    // Nothing takes it back, and it stays.
    decnet.round().await;
    assert_eq!(decnet.text(&sql).await, of_attacker);
}

#[tokio::test]
async fn w06_a_stub_that_may_be_anybodys_is_left_alone() {
    let mut decnet = Decnet::new().await;
    decnet.attacker("a", 7, &ja3("x")).await;
    decnet.attacker("b", 7, &ja3("y")).await;
    decnet.round().await;
    let stub = "0123456789abcdef0123456789abcdef";
    decnet.identity(stub, None).await;
    decnet
        .sql(&format!(
            "UPDATE attacker_identities SET first_seen_at = '{}' WHERE uuid = '{stub}'",
            at(7)
        ))
        .await;
    decnet.round().await;
    let sql = format!("SELECT merged_into_uuid FROM attacker_identities WHERE uuid = '{stub}'");
    assert_eq!(decnet.text(&sql).await, "NULL");
}

#[tokio::test]
async fn w07_pointers_that_lead_nowhere_or_round_are_named_and_stop_nobody() {
    let mut decnet = Decnet::new().await;
    for (uuid, into) in [("i1", "gone"), ("i2", "i3"), ("i3", "i2"), ("i4", "i4")] {
        decnet.identity(uuid, Some(into)).await;
    }
    for n in 1..5 {
        decnet.attacker(&format!("a{n}"), n, &ja3("x")).await;
        decnet.sql(&format!("UPDATE attackers SET identity_id = 'i{n}' WHERE uuid = 'a{n}'")).await;
    }
    decnet.attacker("b", 9, &ja3("x")).await;
    decnet.attacker("c", 9, &ja3("y")).await;
    let found = decnet.project().await;
    let rows: Vec<&str> = found.poison.iter().map(|poison| poison.row.as_str()).collect();
    assert_eq!(rows, ["i1", "i2", "i3", "i4"]);
    for plugin in ["clusterer", "campaign-clusterer", "attribution"] {
        decnet.tick(plugin).await.unwrap();
    }
    let free = decnet.texts("SELECT uuid FROM attackers WHERE identity_id IS NULL").await;
    assert_eq!(free, Vec::<String>::new());
    for ticked in decnet.round().await.iter().chain(&decnet.round().await) {
        assert_eq!(ticked.committed.unmerged, 0, "merges and unmerges take turns");
    }
}

#[tokio::test]
async fn w08_only_merges_are_undone() {
    let mut decnet = Decnet::new().await;
    decnet.attacker("a", 1, &ja3("x")).await;
    decnet.attacker("b", 2, &ja3("x")).await;
    decnet.round().await;
    let before = decnet.texts("SELECT identity_id FROM attackers").await;
    decnet
        .sql(&format!(
            "UPDATE attackers SET fingerprints = '[]', updated_at = '{}' WHERE uuid = 'b'",
            at(9)
        ))
        .await;
    decnet.round().await;
    assert_eq!(before, decnet.texts("SELECT identity_id FROM attackers").await);
}

#[tokio::test]
async fn w09_tags_of_one_moment_have_one_order() {
    let mut partitions = Vec::new();
    for order in [[0, 1, 2, 3], [3, 2, 1, 0]] {
        let mut decnet = Decnet::new().await;
        let tags = [("a", "TA0003"), ("a", "TA0007"), ("b", "TA0007"), ("b", "TA0011")];
        for uuid in ["a", "b"] {
            decnet.attacker(uuid, 1, "[]").await;
        }
        for n in order {
            let (uuid, tactic) = tags[n];
            decnet
                .sql(&format!(
                    "INSERT INTO ttp_tag (uuid, source_kind, source_id, attacker_uuid, decky_id, tactic,
                         technique_id, confidence, rule_id, rule_version, evidence, attack_release, created_at)
                     VALUES ('{n}', 'command', '', '{uuid}', 'd', '{tactic}', 'T1', 1.0, 'r', 1, '{{}}', '', '{}')",
                    at(1)
                ))
                .await;
        }
        decnet.round().await;
        partitions
            .push(decnet.texts("SELECT campaign_id FROM attacker_identities ORDER BY uuid").await);
    }
    assert_eq!(partitions[0], partitions[1]);
}

#[tokio::test]
async fn w11_a_campaign_counts_its_identities() {
    let mut decnet = Decnet::new().await;
    for n in 0..3 {
        decnet.attacker(&format!("a{n}"), n, "[]").await;
    }
    decnet.round().await;
    for (n, tactic, minute) in [(0, "TA0011", 1), (1, "TA0007", 2), (2, "TA0007", 3)] {
        decnet
            .sql(&format!(
                "INSERT INTO ttp_tag (uuid, source_kind, source_id, attacker_uuid, decky_id, tactic, technique_id,
                     confidence, rule_id, rule_version, evidence, attack_release, created_at)
                 VALUES ('{n}', 'command', '', 'a{n}', 'd', '{tactic}', 'T1', 1.0, 'r', 1, '{{}}', '', '{}')",
                at(minute)
            ))
            .await;
    }
    decnet.round().await;
    let live =
        "SELECT CAST(SUM(identity_count) AS TEXT) FROM campaigns WHERE merged_into_uuid IS NULL";
    let count = decnet
        .text("SELECT CAST(COUNT(*) AS TEXT) FROM campaigns WHERE merged_into_uuid IS NULL")
        .await;
    assert_eq!((count.as_str(), decnet.text(live).await.as_str()), ("1", "1"));
}

#[tokio::test]
async fn w12_a_sample_that_no_event_named_counts() {
    let mut decnet = Decnet::new().await;
    decnet.attacker("a", 1, "[]").await;
    decnet.round().await;
    for ts in 0..4 {
        decnet.observation("a", INPUT, "\"typed\"", f64::from(ts)).await;
    }
    decnet.round().await;
    let state = "SELECT state || observation_count || last_observation_ts FROM attribution_state";
    assert_eq!(decnet.text(state).await, "stable43.0");
    // One that came late, with an older time.
    decnet.observation("a", INPUT, "\"typed\"", 0.5).await;
    decnet.round().await;
    assert_eq!(decnet.text(state).await, "stable53.0");
}

#[tokio::test]
async fn w14_series_of_identities_that_are_merged_are_one() {
    let mut decnet = Decnet::new().await;
    decnet.attacker("a", 1, r#"[{"kind": "ja3", "hash": "x"}]"#).await;
    decnet.attacker("b", 2, r#"[{"kind": "hassh", "hash": "h"}]"#).await;
    for uuid in ["a", "b"] {
        decnet.observation(uuid, INPUT, "\"typed\"", 1.0).await;
        decnet.observation(uuid, INPUT, "\"typed\"", 2.0).await;
    }
    decnet.round().await;
    decnet
        .attacker("c", 3, r#"[{"kind": "ja3", "hash": "x"}, {"kind": "hassh", "hash": "h"}]"#)
        .await;
    decnet.round().await;
    let count = decnet
        .text(
            "SELECT CAST(s.observation_count AS TEXT) FROM attribution_state s JOIN attacker_identities i
             ON i.uuid = s.identity_uuid WHERE i.merged_into_uuid IS NULL",
        )
        .await;
    assert_eq!(count, "4");
}

#[tokio::test]
async fn w15_samples_of_one_time_have_one_order() {
    let mut states = Vec::new();
    for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0]] {
        let mut decnet = Decnet::new().await;
        decnet.attacker("a", 1, "[]").await;
        for n in order {
            // As MariaDB's FLOAT has it: all of one time.
            decnet.observation("a", INPUT, &format!("\"v{n}\""), 1_767_225_600.0).await;
        }
        decnet.round().await;
        states.push(
            decnet.text("SELECT CAST(current_value AS TEXT) || state FROM attribution_state").await,
        );
    }
    assert_eq!(states[0], states[1]);
}

#[tokio::test]
async fn w16_a_value_that_cannot_be_merged_costs_its_series_only() {
    let mut decnet = Decnet::new().await;
    decnet.attacker("a", 1, "[]").await;
    for ts in 0..3 {
        decnet.observation("a", INPUT, "\"typed\"", f64::from(ts)).await;
        decnet.observation("a", "temporal.circadian.hour_histogram", "[1, 2]", f64::from(ts)).await;
        decnet
            .observation("a", "toolchain.c2.beacon_interval_ms", "{\"a\": 1}", f64::from(ts))
            .await;
    }
    decnet.round().await;
    assert_eq!(decnet.texts("SELECT primitive FROM attribution_state").await, [INPUT]);
}

#[tokio::test]
async fn w17_attempts_are_the_sum_and_times_are_the_credentials_own() {
    let mut decnet = Decnet::new().await;
    decnet.attacker("a", 1, "[]").await;
    decnet.credential(Some("a"), ("d1", "ssh"), "root", 3).await;
    decnet.credential(Some("a"), ("d2", "ftp"), "root", 8).await;
    for _ in 0..3 {
        decnet.round().await;
    }
    let row = "SELECT target_count || ' ' || attempt_count || first_seen || last_seen FROM credential_reuse";
    assert_eq!(decnet.text(row).await, format!("2 4{}{}", at(3), at(8)));
    // A known sensor and a known service meet for the first time.
    decnet.credential(Some("a"), ("d1", "ftp"), "root", 9).await;
    decnet.round().await;
    assert_eq!(decnet.text(row).await, format!("3 6{}{}", at(3), at(9)));
    let announced = "SELECT CAST(COUNT(*) AS TEXT) FROM corral_outbox WHERE topic = 'credential.reuse.detected'";
    assert_eq!(decnet.text(announced).await, "2");
    // Once more where it was tried before: the row says so, and nobody is told.
    decnet
        .sql(&format!(
            "UPDATE credentials SET attempt_count = 9, last_seen = '{}' WHERE id = 1",
            at(10)
        ))
        .await;
    decnet.round().await;
    assert_eq!(decnet.text(row).await, format!("3 13{}{}", at(3), at(10)));
    assert_eq!(decnet.text(announced).await, "2");
}

#[tokio::test]
async fn w18_events_have_what_the_worker_for_tactics_looks_for() {
    let mut decnet = Decnet::new().await;
    decnet.attacker("a", 1, &ja3("x")).await;
    decnet.attacker("b", 2, r#"[{"kind": "hassh", "hash": "h"}]"#).await;
    for (n, account) in ["root", "admin", "pi"].into_iter().enumerate() {
        decnet.credential(Some("a"), (&format!("d{n}"), "ssh"), account, 1).await;
        decnet.credential(Some("a"), ("e", "ssh"), account, 1).await;
    }
    decnet.round().await;
    let payload = "SELECT json_extract(payload, '$.shared_password_hash') || json_extract(payload, '$.account_count')
         FROM corral_outbox WHERE topic = 'identity.formed' AND payload LIKE '%account_count%'";
    assert_eq!(decnet.texts(payload).await, ["sha3"]);
    let anchors = "SELECT DISTINCT json_extract(payload, '$.attacker_uuid') || json_extract(payload, '$.attacker_ip')
             || json_extract(payload, '$.credential_hash') || json_extract(payload, '$.reuse_count')
         FROM corral_outbox WHERE topic = 'credential.reuse.detected'";
    assert_eq!(decnet.texts(anchors).await, ["a192.0.2.1sha2"]);
    decnet.sql("DELETE FROM corral_outbox").await;
    decnet
        .attacker(
            "c",
            3,
            r#"[{"kind": "hassh", "hash": "h"}, {"fingerprint_type": "ja3", "ja3": "x"}]"#,
        )
        .await;
    decnet.round().await;
    let merged =
        "SELECT (json_extract(payload, '$.identity_uuid') = json_extract(payload, '$.winner_uuid'))
             || '' || json_extract(payload, '$.account_count')
         FROM corral_outbox WHERE topic = 'identity.merged'";
    assert_eq!(decnet.texts(merged).await, ["13"]);
    let linked = "SELECT json_extract(payload, '$.attacker_uuid') FROM corral_outbox
         WHERE topic = 'identity.observation.linked'";
    assert_eq!(decnet.texts(linked).await, ["c"]);
}

#[tokio::test]
async fn w23_what_is_written_in_the_same_second_is_seen() {
    let mut decnet = Decnet::new().await;
    decnet.attacker("a", 1, &ja3("x")).await;
    decnet.credential(Some("a"), ("d", "ssh"), "root", 1).await;
    decnet.project().await;
    // As MariaDB's DATETIME has it: the same time as before.
    decnet.sql("UPDATE attackers SET fingerprints = '[]'").await;
    decnet.sql("UPDATE credentials SET attempt_count = 3").await;
    decnet.attacker("b", 1, &ja3("y")).await;
    decnet.project().await;
    assert_eq!(decnet.texts("SELECT attacker_uuid FROM corral_feature").await, ["b"]);
    assert_eq!(decnet.store.revision(corral::store::revision::View::Credentials).await.unwrap(), 2);
}
