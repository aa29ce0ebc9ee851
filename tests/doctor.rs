//! `corral doctor`: that it finds what is wrong, says what to do, and changes nothing.

use std::os::unix::net::UnixListener;
use std::process::Command;

use serde_json::Value;

use crate::desk::{Desk, text};

/// What a check found, of a run that ends as it may.
fn finding(command: &mut Command, check: &str) -> Value {
    let output = command.arg("--json").output().unwrap();
    let findings: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| unreachable!("{error}: {}", text(&output.stderr)));
    let all = findings.as_array().unwrap();
    let is_worst = all.iter().any(|finding| finding["verdict"] == "fail");
    assert_eq!(output.status.code(), Some(if is_worst { 9 } else { 0 }), "{findings:#}");
    all.iter().find(|finding| finding["check"] == check).cloned().unwrap_or(Value::Null)
}

#[test]
fn a_sound_database_and_the_built_in_plugins_are_found_so() {
    let desk = Desk::with_logs();
    let database = finding(&mut desk.command(&["doctor"]), "database");
    assert_eq!(database["verdict"], "ok");
    assert!(database["found"].as_str().unwrap().contains("120 attackers"), "{database}");
    let plugins = finding(&mut desk.command(&["doctor"]), "plugins");
    assert_eq!(plugins["verdict"], "ok");
    assert!(plugins["found"].as_str().unwrap().contains("campaign-clusterer"), "{plugins}");
    let disk = finding(&mut desk.command(&["doctor"]), "disk");
    assert!(disk["found"].as_str().unwrap().contains("MiB free"), "{disk}");
    assert_eq!(finding(&mut desk.command(&["doctor"]), "clock")["verdict"], "ok");
}

#[test]
fn a_missing_database_is_a_fault_with_a_remedy_and_is_not_made() {
    let desk = Desk::new();
    let database = finding(&mut desk.command(&["doctor"]), "database");
    assert_eq!(database["verdict"], "fail");
    assert!(database["remedy"].as_str().unwrap().contains("corral ingest"), "{database}");
    assert!(!desk.path("corral.db").exists());
    // And what people read says the same.
    let output = desk.run(&["doctor"]);
    assert_eq!(output.status.code(), Some(9));
    assert!(text(&output.stdout).contains("FAIL  database"), "{}", text(&output.stdout));
    assert!(text(&output.stderr).contains("the installation has a fault"));
}

#[test]
fn a_broken_component_is_a_fault() {
    let desk = Desk::new();
    desk.write("plugins/evil.wasm", "no component");
    let plugins = finding(&mut desk.command(&["--plugins", "plugins", "doctor"]), "plugins");
    assert_eq!(plugins["verdict"], "fail");
    assert!(plugins["found"].as_str().unwrap().contains("evil.wasm"), "{plugins}");
}

#[test]
fn compiled_code_has_a_place_that_is_looked_at_and_not_made() {
    let desk = Desk::new();
    let compiled = || {
        let mut command = desk.command(&["doctor"]);
        finding(command.env("CORRAL_PLUGINS_CACHE", "code/kept"), "compiled code")
    };
    let missing = compiled();
    assert_eq!(missing["verdict"], "ok");
    assert!(missing["found"].as_str().unwrap().contains("not made yet"), "{missing}");
    let mut list = desk.command(&["plugin", "list"]);
    assert!(list.env("CORRAL_PLUGINS_CACHE", "code/kept").output().unwrap().status.success());
    assert_eq!(std::fs::read_dir(desk.path("code/kept")).unwrap().count(), 5, "four and a key");
    assert_eq!(compiled()["found"], "in code/kept");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(desk.path("code/kept"), open).unwrap();
    let open = compiled();
    assert_eq!(open["verdict"], "warn");
    assert!(open["found"].as_str().unwrap().contains("open to others"), "{open}");
}

#[test]
fn a_bus_that_answers_is_told_from_one_that_does_not() {
    let desk = Desk::new();
    let socket = desk.path("bus.sock");
    let bus = || {
        let mut command = desk.command(&["doctor", "--decnet"]);
        command.env("DECNET_BUS_SOCKET", &socket);
        finding(&mut command, "bus")
    };
    let absent = bus();
    assert_eq!(absent["verdict"], "warn");
    assert!(absent["found"].as_str().unwrap().contains("bus.sock"), "{absent}");
    assert!(absent["remedy"].as_str().unwrap().contains("decnet-bus.service"), "{absent}");
    let listener = UnixListener::bind(&socket).unwrap();
    assert_eq!(bus()["verdict"], "ok");
    // A socket that nobody listens at any more looks like one from outside.
    drop(listener);
    assert_eq!(bus()["verdict"], "warn");
}

#[test]
fn a_misspelt_variable_and_an_agent_are_told() {
    let desk = Desk::new();
    let mut command = desk.command(&["doctor"]);
    command.env("CORRAL_STORE_URI", "x");
    let output = text(&command.output().unwrap().stdout);
    assert!(output.contains("CORRAL_STORE_URI is set and is no setting"), "{output}");
    let mut command = desk.command(&["doctor", "--decnet"]);
    let output = text(&command.env("DECNET_MODE", "agent").output().unwrap().stdout);
    assert!(output.contains("FAIL  settings  DECNET_MODE in the environment"), "{output}");
}
