//! `corral run --record` and `corral plugin replay`: a tick again, by the same component and by another.

use std::path::PathBuf;

use crate::desk::{Desk, text};
use crate::scene::{components, guests};

/// The first recorded tick of a plugin.
fn tick(desk: &Desk, plugin: &str) -> String {
    let entries = std::fs::read_dir(desk.path("ticks")).unwrap();
    let mut names: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let of = |path: &&PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap();
        name.split_once('-').is_some_and(|(_, name)| name == plugin)
    };
    names.iter().find(of).unwrap().display().to_string()
}

#[test]
fn a_component_does_its_own_tick_again_to_the_bit_and_another_does_another() {
    let desk = Desk::with_logs();
    desk.succeed(&["run", "--record", "ticks"]);
    for plugin in ["clusterer", "campaign-clusterer", "attribution", "reuse-correlate"] {
        let component = components().join(plugin).with_extension("wasm");
        let component = component.to_str().unwrap();
        let told = desk.succeed(&["plugin", "replay", &tick(&desk, plugin), component]);
        assert!(told.contains("The same, to the bit."), "{plugin}: {told}");
    }
    let other = guests().join("example.wasm");
    let tick = tick(&desk, "clusterer");
    let replay = ["plugin", "replay", &tick, other.to_str().unwrap()];
    let output = desk.run(&replay);
    assert_eq!(output.status.code(), Some(5));
    assert!(text(&output.stderr).contains("rows would be left otherwise (--max-changes 0)"));
    assert!(text(&output.stdout).contains("form-identities: "), "{}", text(&output.stdout));
    let enough = [&replay[..], &["--max-changes", "100000"]].concat();
    let difference = desk.json(&enough);
    assert!(difference["moved"].as_u64().unwrap() > 0);
}

#[test]
fn what_is_no_recorded_tick_or_lacks_a_view_is_told() {
    let desk = Desk::with_logs();
    desk.succeed(&["run", "--record", "ticks"]);
    let component = components().join("clusterer.wasm");
    let component = component.to_str().unwrap();
    desk.write("poem.json", "I am a poem.");
    let error = desk.fail(2, &["plugin", "replay", "poem.json", component]);
    assert!(error.contains("poem.json: no recorded tick"), "{error}");
    // The reuse correlator reads no attackers.
    let error = desk.fail(5, &["plugin", "replay", &tick(&desk, "reuse-correlate"), component]);
    assert!(error.contains("the recording has no such view"), "{error}");
}
