//! What goes wrong around a daemon: it says so, goes on with the rest, and recovers by itself.

use super::process::Served;
use crate::desk::Desk;
use crate::scene;

#[test]
fn a_database_that_comes_later_is_waited_for() {
    let desk = Desk::new();
    desk.write(
        "corral.db",
        "Two roads diverged in a yellow wood, and sorry I could not travel both",
    );
    let served = Served::start(&desk, &[]);
    let status =
        served.wait("trouble with the database", |status| !status["database"]["trouble"].is_null());
    let trouble = status["database"]["trouble"].as_str().unwrap();
    assert!(trouble.contains("not a usable database"), "{trouble}");
    assert_eq!(status["duty"]["duty"], "standby");
    std::fs::remove_file(desk.path("corral.db")).unwrap();
    served.wait_until_on_duty();
    desk.generate(60);
    desk.succeed(&["ingest", "cowrie", "logs"]);
    served.wait_until_settled();
    assert!(served.worker("clusterer")["committed"]["formed"].as_u64().unwrap() > 0);
    served.stop();
}

#[test]
fn a_plugin_that_dies_is_tried_again_ever_less_often_and_is_nobody_elses_trouble() {
    let desk = Desk::with_logs();
    std::fs::create_dir(desk.path("plugins")).unwrap();
    let guest = scene::guests().join("hostile.wasm");
    std::fs::copy(guest, desk.path("plugins/hostile.wasm")).unwrap();
    desk.write("plugins/junk.wasm", "no component");
    let inspected = desk.json(&["plugin", "inspect", "plugins/hostile.wasm"]);
    let section = inspected["config"].as_str().unwrap();
    let settings = "[plugin.hostile.settings]\ncrime = \"panic\"\n";
    desk.write("corral.toml", format!("{section}\n{settings}"));
    let served = Served::start(&desk, &["--plugins", "plugins", "--config", "corral.toml"]);
    let status = served.wait("a second failure", |status| {
        let workers = status["workers"].as_object().unwrap();
        workers.values().any(|it| it["errors_in_a_row"].as_u64().unwrap() >= 2)
    });
    let workers = status["workers"].as_object().unwrap();
    let dead: Vec<_> = workers.values().filter(|it| it["errors"] != 0).collect();
    assert_eq!(dead.len(), 1, "{status:#}");
    assert_eq!(dead[0]["last_error"]["wait_seconds"], 2.0);
    assert!(dead[0]["last_error"]["why"].as_str().unwrap().contains("panicked"), "{status:#}");
    assert!(status["refused"][0].as_str().unwrap().contains("junk.wasm"), "{status:#}");
    served.wait("groups all the same", |status| {
        status["workers"]["clusterer"]["committed"]["formed"].as_u64().unwrap() > 0
    });
    served.stop();
}
