//! `corral plugin` against a running daemon: swap, shadow, back, off and on, and the folder that is watched.

use serde_json::Value;

use super::Served;
use crate::desk::{Desk, text};
use crate::life::{rival, twin};

fn digest(bytes: &[u8]) -> String {
    corral::plugin::load::digest(bytes)
}

fn plugin(desk: &Desk, name: &str) -> Value {
    desk.json(&["plugin", "inspect", name])
}

#[test]
fn a_swap_survives_a_killed_daemon_and_goes_back_when_it_is_told_to() {
    let desk = Desk::with_logs();
    let served = Served::start(&desk, &[]);
    served.wait_until_settled();
    let bytes = twin("clusterer", 1);
    let new = digest(&bytes);
    desk.write("twin.wasm", bytes);
    let told = desk.succeed(&["plugin", "swap", "twin.wasm"]);
    assert!(
        told.contains("clusterer ticks with generation 2 now") && told.contains(&new),
        "{told}"
    );
    served.wait_until_settled();
    assert!(served.log().contains("another component ticks from now on"));
    // Twice is once too often.
    let error = desk.fail(5, &["plugin", "swap", "twin.wasm"]);
    assert!(error.contains("ticks with this component already"), "{error}");
    drop(served);

    let served = Served::take_over(&desk, &[("CORRAL_BUS_ENABLED", "false")]);
    served.wait_until_settled();
    assert_eq!(served.worker("clusterer")["digest"], new.as_str());
    let history = plugin(&desk, "clusterer");
    assert_eq!(history["history"][0]["number"], 2);
    assert_eq!(history["history"][0]["source"], "twin.wasm");
    assert_eq!(history["history"][0]["put_by"], whoami());
    assert_eq!(history["history"][1]["source"], "built in");
    let table = desk.succeed(&["plugin", "list"]);
    assert!(table.contains("twin.wasm") && table.contains("reuse-correlate"), "{table}");
    let table = desk.succeed(&["plugin", "inspect", "clusterer"]);
    assert!(table.contains("put another in its place"), "{table}");

    let back = desk.json(&["plugin", "rollback", "clusterer"]);
    assert_eq!(
        (&back["generation"], &back["plugin"]),
        (&Value::from(3), &Value::from("clusterer"))
    );
    served.wait_until_settled();
    served.stop();
    assert!(desk.succeed(&["run"]).contains("Nothing new"), "no swap changed what was found");
}

/// Who runs these tests, as the socket knows it.
fn whoami() -> String {
    let told = std::process::Command::new("id").arg("-un").output().unwrap();
    text(&told.stdout).trim().to_owned()
}

#[test]
fn a_run_without_a_daemon_goes_by_what_was_put_there_and_switched_off() {
    let desk = Desk::with_logs();
    let served = Served::start(&desk, &[]);
    served.wait_until_on_duty();
    desk.write("rival.wasm", rival("problem"));
    desk.succeed(&["plugin", "disable", "attribution"]);
    served.wait("what is off", |status| status["workers"]["attribution"]["state"] == "stopped");
    let status = desk.succeed(&["status"]);
    assert!(status.contains(&format!("switched off by {}", whoami())), "{status}");
    served.stop();
    let error = text(&desk.run(&["run"]).stderr);
    assert!(error.contains("attribution is switched off"), "{error}");
    let served = Served::start(&desk, &[]);
    served.wait_until_on_duty();
    assert_eq!(served.worker("attribution")["state"], "stopped");
    desk.succeed(&["plugin", "enable", "attribution"]);
    served.wait_until_settled();
    served.stop();
}

#[test]
fn a_shadow_shows_what_would_be_otherwise_and_a_limit_keeps_it_out() {
    let desk = Desk::with_logs();
    let served = Served::start(&desk, &[]);
    served.wait_until_settled();
    desk.write("twin.wasm", twin("clusterer", 1));
    let same = desk.succeed(&["plugin", "shadow", "twin.wasm", "--ticks", "2"]);
    assert_eq!(same, "2 ticks followed: the candidate did the same.\n");
    let json = desk.json(&["plugin", "shadow", "twin.wasm"]);
    assert_eq!((&json["plugin"], &json["compared"]["ticks"]), (&"clusterer".into(), &1.into()));
    served.stop();

    // A database with something to do for whoever comes first.
    let other = Desk::with_logs();
    other.write("corral.toml", "[plugin.clusterer]\nenabled = false\n");
    let served = Served::start(&other, &["--config", "corral.toml"]);
    served.wait_until_on_duty();
    other.write("panic.wasm", rival("panic"));
    other.write("corral.toml", "");
    served.signal("HUP");
    let error = other.fail(5, &["plugin", "swap", "panic.wasm", "--shadow", "1"]);
    assert!(error.contains("the candidate failed where the live component did not"), "{error}");
    served.wait_until_settled();
    served.stop();
}

#[test]
fn without_a_daemon_orders_say_so() {
    let desk = Desk::new();
    desk.write("twin.wasm", twin("clusterer", 1));
    for order in [
        &["plugin", "swap", "twin.wasm"][..],
        &["plugin", "shadow", "twin.wasm"],
        &["plugin", "rollback", "clusterer"],
        &["plugin", "disable", "clusterer"],
        &["plugin", "quarantine"],
        &["plugin", "inspect", "clusterer"],
    ] {
        let error = desk.fail(10, order);
        assert!(error.contains("no daemon answers"), "{order:?}: {error}");
    }
    let error = desk.fail(2, &["plugin", "swap", "nothing.wasm"]);
    assert!(error.contains("nothing.wasm"), "{error}");
}

#[test]
fn what_is_laid_into_a_watched_folder_takes_over_if_it_is_pinned() {
    let desk = Desk::with_logs();
    desk.write("plugins/README", "components go here");
    desk.write("corral.toml", "[plugins]\ndirectory = \"plugins\"\nwatch-seconds = 1\n");
    let served = Served::start(&desk, &["--config", "corral.toml"]);
    served.wait_until_settled();
    let bytes = twin("clusterer", 1);
    desk.write("plugins/new.wasm", &bytes);
    served.wait_for_log("a component of the folder was not taken");
    assert!(served.log().contains("nobody pinned it"), "{}", served.log());
    // Its manifest comes, and with it the pin.
    desk.write("signed/new.wasm", &bytes);
    desk.succeed(&["plugin", "sign", "signed/new.wasm"]);
    std::fs::copy(desk.path("signed/new.toml"), desk.path("plugins/new.toml")).unwrap();
    served.wait("another clusterer", |status| {
        status["workers"]["clusterer"]["digest"] == digest(&bytes).as_str()
    });
    served.wait_until_settled();
    assert_eq!(plugin(&desk, "clusterer")["put_by"], "the folder of plugins");
    served.stop();
}

#[test]
fn one_that_fails_in_a_daemon_is_shown_in_quarantine_until_it_is_cleared() {
    let desk = Desk::with_logs();
    let served = Served::start(&desk, &[]);
    served.wait_until_settled();
    desk.write("bad.wasm", rival("panic"));
    desk.succeed(&["plugin", "swap", "bad.wasm"]);
    served.wait("a fall", |status| status["workers"]["clusterer"]["generation"] == 3);
    let shown = desk.json(&["plugin", "quarantine"]);
    assert_eq!(shown[0]["digest"], digest(&rival("panic")).as_str());
    assert!(desk.succeed(&["plugin", "quarantine"]).contains("it panicked"));
    let error = desk.fail(5, &["plugin", "swap", "bad.wasm"]);
    assert!(error.contains("corral plugin quarantine --clear clusterer"), "{error}");
    let cleared = desk.succeed(&["plugin", "quarantine", "--clear", "clusterer"]);
    assert_eq!(cleared, "1 components of clusterer may load again.\n");
    served.wait_until_settled();
    served.stop();
}
