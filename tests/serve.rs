//! The daemon, as a process: what it notices, what it tells, how it stands by, stops and recovers.

mod beside;
mod bus;
mod duty;
mod plugins;
mod process;
mod trouble;

use process::Served;

use crate::desk::Desk;

/// Identities in the database, as a report counts them.
fn identities(desk: &Desk) -> u64 {
    desk.json(&["report"])["totals"]["identities"].as_u64().unwrap()
}

#[test]
fn what_is_ingested_while_it_runs_is_correlated_as_a_run_would() {
    let (desk, other) = (Desk::new(), Desk::with_logs());
    other.succeed(&["run"]);
    let served = Served::start(&desk, &[]);
    served.wait_until_on_duty();
    desk.generate(120);
    desk.succeed(&["ingest", "cowrie", "logs"]);
    served.wait_until_settled();
    assert!(identities(&other) > 0);
    assert_eq!(
        desk.json(&["report"])["identities"],
        other.json(&["report"])["identities"],
        "the same logs make the same groups"
    );
    served.stop();
    // Nothing is left to do for anybody.
    assert!(desk.succeed(&["run"]).contains("Nothing new"));
}

#[test]
fn a_stop_in_the_middle_of_a_tick_is_clean_and_the_next_start_catches_up() {
    let desk = Desk::new();
    desk.generate(3_000);
    desk.succeed(&["ingest", "cowrie", "logs"]);
    let served = Served::start(&desk, &[]);
    served.wait("a correlator that ticks", |status| {
        status["workers"].as_object().unwrap().values().any(|it| it["state"] == "ticking")
    });
    served.stop();
    let served = Served::start(&desk, &[]);
    served.wait_until_settled();
    served.stop();
    desk.succeed(&["kernel", "verify"]);
}

#[test]
fn each_signal_does_what_it_should() {
    let desk = Desk::with_logs();
    let served = Served::start(&desk, &[]);
    served.wait_until_settled();
    let exit = served.signal_and_wait("INT");
    assert_eq!(exit.code(), Some(0), "a daemon that is interrupted ends well");

    desk.write("corral.toml", "[plugin.reuse-correlate]\nenabled = false\n");
    let served = Served::start(&desk, &["--config", "corral.toml"]);
    served.wait_until_on_duty();
    assert_eq!(served.worker("reuse-correlate")["state"], "stopped");
    desk.write("corral.toml", "[plugin.reuse-correlate]\nenabled = maybe\n");
    served.signal("HUP");
    served.wait_for_log("the settings stay as they were");
    assert_eq!(served.worker("reuse-correlate")["state"], "stopped");
    desk.write("corral.toml", "[store]\nbusy-seconds = 7\n");
    served.signal("HUP");
    served.wait("a correlator that is enabled again", |status| {
        status["workers"]["reuse-correlate"]["ticks"].as_u64().unwrap() > 0
    });
    assert!(served.log().contains("counts from the next start on"), "{}", served.log());
    served.stop();
}

#[test]
fn one_correlator_stops_and_starts_and_the_others_go_on() {
    let desk = Desk::new();
    let served = Served::start(&desk, &[]);
    served.wait_until_on_duty();
    served.ask(&["worker", "stop", "clusterer"]);
    served.wait("a clusterer that is stopped", |status| {
        status["workers"]["clusterer"]["state"] == "stopped"
    });
    desk.generate(60);
    desk.succeed(&["ingest", "cowrie", "logs"]);
    served.wait("the reuse of credentials", |status| {
        status["workers"]["reuse-correlate"]["committed"]["put"].as_u64().unwrap() > 0
    });
    assert_eq!(identities(&desk), 0);
    served.ask(&["worker", "start", "clusterer"]);
    served.wait_until_settled();
    assert!(identities(&desk) > 0, "what came meanwhile was not lost");

    let ticks = served.worker("attribution")["ticks"].as_u64().unwrap();
    served.ask(&["worker", "wake"]);
    served.wait("a tick by command", |status| {
        status["workers"]["attribution"]["ticks"].as_u64().unwrap() > ticks
    });
    let error = desk.fail(2, &["worker", "stop", "nobody"]);
    assert!(error.contains("campaign-clusterer"), "{error}");
    served.stop();
}

#[test]
fn a_status_is_a_table_and_json_and_says_when_nobody_answers() {
    let desk = Desk::new();
    let error = desk.fail(10, &["status"]);
    assert!(error.contains("corral serve"), "{error}");
    let served = Served::start(&desk, &[]);
    served.wait_until_on_duty();
    let table = desk.succeed(&["status"]);
    for word in ["on duty since", "clusterer", "reuse-correlate", "memory:", "bus: switched off"] {
        assert!(table.contains(word), "{word}: {table}");
    }
    let error = served.fail_to_start_beside(&desk);
    assert!(error.contains("a daemon is listening there already"), "{error}");
    served.stop();
    assert!(!desk.path("corral.sock").exists(), "it takes its socket along");
}
