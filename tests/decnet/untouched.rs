//! What Corral never does to a database of DECNET's.

use std::path::{Path, PathBuf};

use corral::store::StoreError;
use corral::store::facts::Facts;
use corral::store::project::Fingerprints;

use super::{Decnet, ja3};

/// DECNET's tables that Corral reads or writes.
const TABLES: [&str; 8] = [
    "attackers",
    "attacker_identities",
    "campaigns",
    "observations",
    "credentials",
    "credential_reuse",
    "attribution_state",
    "ttp_tag",
];

#[tokio::test]
async fn nothing_is_added_but_tables_of_our_own() {
    let mut decnet = Decnet::new().await;
    let tables = decnet
        .texts("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        .await;
    assert!(!tables.iter().any(|name| name == "_sqlx_migrations"), "{tables:?}");
    let own = tables.iter().filter(|name| name.starts_with("corral_")).count();
    assert!(own > 10, "{tables:?}");
    let version = decnet.text("SELECT version_num FROM alembic_version").await;
    assert_eq!(version, "4a914b1d62a0");
    assert_eq!(tables.len() - own, 40, "{tables:?}");
}

#[tokio::test]
async fn no_row_of_decnets_goes_and_only_its_own_columns_change() {
    let mut decnet = Decnet::new().await;
    for n in 0..4 {
        let uuid = format!("a{n}");
        decnet.attacker(&uuid, n, &ja3(if n < 2 { "x" } else { "y" })).await;
        decnet.observation(&uuid, "motor.input_modality", "\"typed\"", f64::from(n)).await;
        decnet.credential(Some(&uuid), ("d", &uuid), "root", n).await;
    }
    decnet.identity("0123456789abcdef0123456789abcdef", None).await;
    let attackers =
        "SELECT group_concat(uuid || ip || first_seen || last_seen || fingerprints || updated_at)
         FROM attackers";
    let before = decnet.text(attackers).await;
    let (observations, credentials) =
        (decnet.dump(&["observations"]).await, decnet.dump(&["credentials"]).await);
    let mut counts = vec![0; TABLES.len()];
    for _ in 0..3 {
        decnet.round().await;
        for (table, before) in TABLES.iter().zip(&mut counts) {
            let count = decnet.text(&format!("SELECT CAST(COUNT(*) AS TEXT) FROM {table}")).await;
            let count: i64 = count.parse().unwrap();
            assert!(count >= *before, "{table}: {count} rows, before {before}");
            *before = count;
        }
    }
    assert_eq!(before, decnet.text(attackers).await);
    assert_eq!(observations, decnet.dump(&["observations"]).await);
    assert_eq!(credentials, decnet.dump(&["credentials"]).await);
}

/// Statements that take rows away name tables of our own. Ingest may do otherwise, and so may facts that come and go
/// where plugins are tried out: both write databases that Corral owns, and no others.
#[test]
fn no_statement_deletes_a_row_of_decnets() {
    let root = crate::tree::root().join("host/daemon/src");
    let mut files = vec![root.clone()];
    let mut found = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let code = std::fs::read_to_string(&path).unwrap();
        let code = code.split("#[cfg(test)]").next().unwrap();
        let elsewhere = ["store/record", "store/facts.rs"].map(|place| root.join(place));
        let is_elsewhere = elsewhere.iter().any(|place| path.starts_with(place));
        for word in ["DELETE FROM ", "DROP TABLE ", "REPLACE INTO ", "TRUNCATE "] {
            for (at, _) in code.match_indices(word) {
                let table = &code[at + word.len()..];
                let is_own = table.starts_with("corral_") || table.starts_with("{table}");
                found += 1;
                assert!(is_own || is_elsewhere, "{}: {word}{}", name(&path), &table[..30]);
            }
        }
    }
    assert!(found > 5, "the search found {found} statements: it looks at the wrong place");
}

#[tokio::test]
async fn facts_neither_come_nor_go_in_a_database_of_decnets() {
    let mut decnet = Decnet::new().await;
    decnet.attacker("a", 0, &ja3("x")).await;
    let before = decnet.dump(&TABLES).await;
    let now = decnet.clock.now();
    for refused in [
        decnet.store.plant(&Facts::default(), now).await,
        decnet.store.uproot(&Facts::default(), now).await,
    ] {
        assert!(matches!(refused, Err(StoreError::Unsupported(_))), "{refused:?}");
    }
    assert_eq!(decnet.dump(&TABLES).await, before);
}

fn name(path: &Path) -> String {
    PathBuf::from(path).display().to_string()
}

/// A process may sleep through its lease, and then go on with what it was about to write.
#[tokio::test]
async fn who_has_lost_the_lease_takes_nothing_in() {
    let mut decnet = Decnet::new().await;
    decnet.attacker("a", 0, &ja3("x")).await;
    let now = decnet.clock.now();
    let hour = std::time::Duration::from_secs(3600);
    decnet.store.lease("another", now, hour, false).await.unwrap();
    let looked = decnet.store.fenced("sleeper").project(Fingerprints::Both, now).await;
    assert!(matches!(looked, Err(StoreError::Fenced)), "{looked:?}");
    assert_eq!(decnet.text("SELECT COUNT(*) || '' FROM corral_feature").await, "0");
    decnet.store.fenced("another").project(Fingerprints::Both, now).await.unwrap();
    assert_ne!(decnet.text("SELECT COUNT(*) || '' FROM corral_feature").await, "0");
}
