//! Never both writing: leases, standing by, taking over.

use super::process::Served;
use crate::desk::Desk;

/// A second daemon of the same database, at a socket of its own.
fn second<'d>(desk: &'d Desk, arguments: &[&str]) -> Served<'d> {
    let socket = desk.path("second.sock");
    let environment =
        [("CORRAL_BUS_ENABLED", "false"), ("CORRAL_SERVE_SOCKET", socket.to_str().unwrap())];
    Served::start_with(desk, arguments, &environment).at("second.sock")
}

#[test]
fn a_second_daemon_stands_by_and_takes_over_when_the_first_stops() {
    let desk = Desk::with_logs();
    let first = Served::start(&desk, &[]);
    first.wait_until_settled();
    let second = second(&desk, &[]);
    let status = second.wait("a daemon that stands by", |status| {
        status["duty"]["why"].as_str().is_some_and(|why| why.contains("writes since"))
    });
    assert!(status["workers"].as_object().unwrap().values().all(|it| it["ticks"] == 0));
    let error = desk.fail(4, &["run"]);
    assert!(error.contains("corral on"), "a run says who writes: {error}");
    first.stop();
    second.wait_until_on_duty();
    second.stop();
    // Given back: nobody has to wait for it to end.
    desk.succeed(&["run"]);
}

#[test]
fn a_takeover_ends_the_commits_of_the_first() {
    let desk = Desk::with_logs();
    let first = Served::start(&desk, &[]);
    first.wait_until_settled();
    let socket = desk.path("second.sock");
    let environment =
        [("CORRAL_BUS_ENABLED", "false"), ("CORRAL_SERVE_SOCKET", socket.to_str().unwrap())];
    let second = Served::take_over(&desk, &environment).at("second.sock");
    second.wait_until_on_duty();
    let status = first.wait("a first that stands by", |status| {
        status["duty"]["why"].as_str().is_some_and(|why| why.contains("writes since"))
    });
    assert!(status["workers"].as_object().unwrap().values().all(|it| it["state"] == "standby"));
    assert!(first.log().contains("took the lease"), "{}", first.log());
    second.stop();
    first.wait_until_on_duty();
    first.stop();
}

#[test]
fn one_that_was_killed_is_followed_when_its_lease_ends() {
    let desk = Desk::with_logs();
    let environment = [("CORRAL_BUS_ENABLED", "false"), ("CORRAL_SERVE_LEASE_SECONDS", "2")];
    let first = Served::start_with(&desk, &[], &environment);
    first.wait_until_settled();
    assert!(first.signal_and_wait("KILL").code().is_none());
    // Its socket is still there, and nobody answers.
    let next = Served::start_with(&desk, &[], &environment);
    next.wait_until_settled();
    next.stop();
}
