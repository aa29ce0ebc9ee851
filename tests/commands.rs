//! The real executable, as a user meets it: the main job, wrong input, a locked database, a killed run.

use std::process::Stdio;

use corral::plugin::load::digest;

use crate::desk::{Desk, text};
use crate::scene::components;

#[test]
fn the_main_job_ends_with_identities_and_their_reasons() {
    let desk = Desk::with_logs();
    let run = desk.json(&["run"]);
    assert!(run["plugins"]["clusterer"]["committed"]["formed"].as_u64().unwrap() > 10);
    let report = desk.json(&["report"]);
    assert_eq!(report["totals"]["unassigned"], 0);
    assert!(report["groups"].as_i64().unwrap() > 1);
    let (a, b) =
        (report["example"]["a"].as_str().unwrap(), report["example"]["b"].as_str().unwrap());
    let why = desk.json(&["why", a, b]);
    assert_eq!(why["answer"], "joined");
    let path = why["path"].as_array().unwrap();
    assert_eq!(path.first().unwrap()["from"], a);
    assert_eq!(path.last().unwrap()["to"], b);
    assert!(path.iter().all(|step| step["holders"].as_i64().unwrap() >= 2));
    // What people read says the same.
    assert!(desk.succeed(&["why", a, b]).contains(why["identity"].as_str().unwrap()));
    assert!(desk.succeed(&["report"]).contains("identities;"));
}

#[test]
fn the_listed_flaws_are_skipped_and_counted() {
    let desk = Desk::new();
    desk.generate(300);
    let summary = desk.json(&["ingest", "cowrie", "logs"]);
    let flaws: serde_json::Value =
        serde_json::from_slice(&std::fs::read(desk.path("logs/flaws.json")).unwrap()).unwrap();
    let unreadable = flaws.as_array().unwrap().iter().filter(|flaw| flaw["reads"] == "no").count();
    let skipped =
        summary["skipped"].as_object().unwrap().values().filter_map(|count| count.as_u64());
    assert!(unreadable > 0);
    assert_eq!(skipped.sum::<u64>(), unreadable as u64, "{summary}");
}

#[test]
fn a_second_run_says_that_nothing_is_new() {
    let desk = Desk::with_logs();
    desk.succeed(&["run"]);
    assert!(desk.succeed(&["run"]).contains("Nothing new: nothing was written."));
}

#[test]
fn an_over_merged_identity_raises_the_alarm_and_names_the_value() {
    let desk = Desk::with_logs();
    desk.succeed(&["run"]);
    let alarm = &desk.json(&["report"])["alarm"];
    assert_eq!(alarm["cause"]["reason"], "hassh");
    assert!(alarm["share"].as_f64().unwrap() > 0.25);
    let report = desk.succeed(&["report"]);
    let last_lines = report.split("ALARM: ").nth(1).unwrap();
    assert!(last_lines.contains(alarm["cause"]["value"].as_str().unwrap()), "{last_lines}");
}

#[test]
fn plugins_and_kernels_are_listed() {
    let desk = Desk::new();
    let plugins = desk.json(&["plugin", "list"]);
    let names: Vec<&str> = plugins["plugins"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|plugin| plugin["source"] == "built in")
        .filter_map(|plugin| plugin["description"]["name"].as_str())
        .collect();
    assert_eq!(names, ["attribution", "campaign-clusterer", "clusterer", "reuse-correlate"]);
    let kernels = desk.succeed(&["kernel", "list"]);
    for kernel in corral_kernels::kernel::ALL {
        assert!(kernels.contains(kernel.signature().name), "{kernels}");
    }
    assert!(!desk.path("corral.db").exists(), "listing made a database");
}

#[test]
fn reading_commands_do_not_make_a_database() {
    let desk = Desk::new();
    for arguments in [&["report"][..], &["run"], &["why", "a", "b"]] {
        let error = desk.fail(4, arguments);
        assert!(error.contains("no database at corral.db (begin with `corral ingest`"), "{error}");
    }
    assert!(!desk.path("corral.db").exists());
}

#[test]
fn an_unknown_attacker_is_named() {
    let desk = Desk::with_logs();
    let error = desk.fail(6, &["why", "192.0.2.250", "no-such"]);
    assert!(error.contains("no attacker '"), "{error}");
}

#[test]
fn two_strangers_are_told_apart_with_what_they_share() {
    let desk = Desk::with_logs();
    desk.succeed(&["run"]);
    let truth = std::fs::read_to_string(desk.path("logs/truth.csv")).unwrap();
    let noise: Vec<&str> = truth
        .lines()
        .filter(|line| line.contains(",noise,"))
        .filter_map(|line| line.split(',').next())
        .collect();
    let error = desk.fail(6, &["why", noise[0], noise[1]]);
    assert!(error.contains("are neither one identity nor one campaign"), "{error}");
}

#[test]
fn a_wrong_config_is_told_with_file_line_and_field() {
    let desk = Desk::new();
    desk.write("corral.toml", "[limits]\ntick-seconds = 60\ntick-second = 1\n");
    let error = desk.fail(2, &["--config", "corral.toml", "plugin", "list"]);
    assert!(
        error.contains("corral.toml") && error.contains("line 3") && error.contains("tick-second"),
        "{error}"
    );
    let error = desk.fail(2, &["--config", "missing.toml", "plugin", "list"]);
    assert!(error.contains("missing.toml") && error.contains("check the path"), "{error}");
}

#[test]
fn a_wrong_database_url_is_told_with_a_remedy() {
    let desk = Desk::new();
    let mut command = desk.command(&["run"]);
    let output = command.args(["--db", "oracle://localhost/corral"]).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(text(&output.stderr).contains("give sqlite:///absolute/path"));
}

#[test]
fn a_file_that_is_no_database_is_told() {
    let desk = Desk::new();
    desk.write("corral.db", "I am a poem.\n".repeat(100));
    let error = desk.fail(4, &["report"]);
    assert!(error.contains("not a usable database"), "{error}");
    assert_eq!(
        std::fs::read_to_string(desk.path("corral.db")).unwrap(),
        "I am a poem.\n".repeat(100)
    );
}

#[tokio::test]
async fn a_locked_database_is_told_and_nothing_is_lost() {
    use sqlx::Connection;
    let desk = Desk::with_logs();
    desk.write("corral.toml", "[store]\nbusy-seconds = 1\n");
    let before = desk.json(&["report"]);
    let url = format!("sqlite://{}", desk.path("corral.db").display());
    let mut other = sqlx::SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let error =
        desk.fail(4, &["--config", "corral.toml", "ingest", "cowrie", "logs", "--sensor", "other"]);
    assert!(error.contains("the database is locked by another process"), "{error}");
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    assert_eq!(before, desk.json(&["report"]));
}

/// The SHA-256 of a component that is none.
const EVIL: &str = "371ee1e216c6db0e75b5563ebf71ef0f20aefdaabf1b2a7aa1e6b0c9a730afc5";

#[test]
fn a_broken_component_is_refused_and_the_others_run() {
    let desk = Desk::with_logs();
    desk.write("plugins/evil.wasm", "#!/bin/sh\necho evil\n");
    let error = desk.fail(5, &["--plugins", "plugins", "plugin", "list"]);
    assert!(error.contains("plugins/evil.wasm: nobody pinned it: put sha256 = [\""), "{error}");
    desk.write("corral.toml", format!("[plugin.evil]\nsha256 = [\"{EVIL}\"]\n"));
    let error =
        desk.fail(5, &["--config", "corral.toml", "--plugins", "plugins", "plugin", "list"]);
    assert!(error.contains("plugins/evil.wasm: no WebAssembly component"), "{error}");
    let error = desk.fail(5, &["--plugins", "plugins", "run"]);
    assert!(error.contains("refused plugins/evil.wasm"), "{error}");
    assert_eq!(desk.json(&["report"])["totals"]["unassigned"], 0);
    let error = desk.fail(5, &["--plugins", "nowhere", "run"]);
    assert!(error.contains("nowhere"), "{error}");
}

#[test]
fn a_component_of_the_folder_takes_the_place_of_the_built_in_one() {
    let desk = Desk::new();
    let bytes = std::fs::read(components().join("clusterer.wasm")).unwrap();
    let pin = format!("[plugin.clusterer]\nsha256 = [\"{}\"]\n", digest(&bytes));
    desk.write("plugins/mine.wasm", bytes);
    desk.write("corral.toml", pin);
    let list = ["--config", "corral.toml", "--plugins", "plugins", "plugin", "list"];
    let plugins = desk.json(&list);
    let source = |name: &str| {
        let plugins = plugins["plugins"].as_array().unwrap().iter();
        let mut named = plugins.filter(|plugin| plugin["description"]["name"] == name);
        let source = named.next().unwrap()["source"].clone();
        assert!(named.next().is_none(), "two of one name");
        source
    };
    assert_eq!(source("clusterer"), "plugins/mine.wasm");
    assert_eq!(source("attribution"), "built in");
}

#[test]
fn a_killed_ingest_goes_on_where_it_stopped() {
    let whole = Desk::with_logs();
    let broken = Desk::new();
    broken.generate(120);
    // Small batches, so that the kill falls between two.
    broken.write("corral.toml", "[ingest]\nbatch-bytes = 20000\nopen-sessions-max = 20\n");
    let arguments = ["--config", "corral.toml", "ingest", "cowrie", "logs"];
    let mut child =
        broken.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // As soon as something is committed, or the whole is.
    while child.try_wait().unwrap().is_none() {
        if broken.run(&["report"]).status.success()
            && broken.json(&["report"])["totals"]["sessions"].as_i64().unwrap_or(0) > 0
        {
            child.kill().unwrap();
        }
    }
    broken.succeed(&["ingest", "cowrie", "logs"]);
    for desk in [&whole, &broken] {
        desk.succeed(&["run"]);
    }
    let (whole, broken) = (whole.json(&["report"]), broken.json(&["report"]));
    assert_eq!(whole, broken);
}

#[test]
fn a_closed_pipe_is_no_error() {
    let desk = Desk::with_logs();
    let mut child = desk.command(&["--json", "report"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}
