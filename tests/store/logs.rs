//! The same logs, read by the real executable into each database that takes logs: the same rows, and the same
//! report after a run.

use std::process::Command;

use crate::desk::{Desk, text};
use crate::places::Place;
use crate::sql::Sql;

/// Tables and columns that logs fill; measures are compared elsewhere.
const FILLED: [(&str, &str); 8] = [
    (
        "attackers",
        "uuid ip first_seen last_seen event_count services deckies traversal_path fingerprints commands",
    ),
    (
        "credentials",
        "attacker_ip decky_name service principal_key secret_sha256 secret_b64 outcome attempt_count",
    ),
    ("observations", "evidence_ref primitive value attacker_uuid"),
    (
        "ttp_tag",
        "uuid source_id attacker_uuid session_id decky_id tactic technique_id evidence created_at",
    ),
    ("corral_feature", "attacker_uuid kind value first_seen last_seen sightings decky"),
    ("corral_contact", "attacker_uuid decky service first_seen last_seen events sessions"),
    (
        "corral_session",
        "attacker_uuid source session decky service started_at ended_at logins script",
    ),
    ("corral_source", "kind sha256 bytes events skipped"),
];

#[tokio::test]
async fn logs_become_the_same_rows_on_sqlite_and_on_postgresql() {
    let Some(there) = Place::Postgres.make().await.map(|(url, _)| url) else { return };
    let desk = Desk::new();
    desk.generate(80);
    let here = format!("sqlite://{}", desk.path("corral.db").display());
    let mut reports = Vec::new();
    for url in [&here, &there] {
        // The second time everything is known.
        for words in [&["ingest", "cowrie", "logs"][..], &["ingest", "cowrie", "logs"], &["run"]] {
            succeed(&desk, url, words);
        }
        let report = succeed(&desk, url, &["--json", "report"]);
        reports.push(serde_json::from_str::<serde_json::Value>(&report).unwrap());
    }
    let (mut here, mut there) = (Sql::connect(&here).await, Sql::connect(&there).await);
    for (table, columns) in FILLED {
        let columns: Vec<String> =
            columns.split(' ').map(|column| format!("CAST({column} AS TEXT)")).collect();
        let query = format!("SELECT {} FROM {table}", columns.join(", "));
        let [mut is, mut should] = [there.texts(&query).await, here.texts(&query).await];
        is.sort();
        // What PostgreSQL has no place for.
        should.iter_mut().for_each(|row| *row = row.replace('\0', "\u{fffd}"));
        should.sort();
        assert!(!is.is_empty(), "{table}");
        for (is, should) in is.iter().zip(&should) {
            assert_eq!(is, should, "{table}");
        }
        assert_eq!(is.len(), should.len(), "{table}");
    }
    assert_eq!(reports[1], reports[0]);
}

fn succeed(desk: &Desk, url: &str, words: &[&str]) -> String {
    let mut command = Command::new(crate::tree::executable());
    command.current_dir(desk.path("")).args(["--quiet", "--db", url]).args(words);
    for variable in ["CORRAL_DB", "CORRAL_CONFIG", "CORRAL_PLUGINS", "CORRAL_LOG"] {
        command.env_remove(variable);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{words:?} on {url}: {}", text(&output.stderr));
    text(&output.stdout)
}
