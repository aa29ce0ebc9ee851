//! Plugins that were built for earlier versions of the contract, and what becomes of them.

use corral::plugin::Source;
use corral::plugin::load::{SPOKEN, VERSION};

use crate::scene::Scene;
use crate::tree;

/// The versions that there is a component of.
fn kept() -> Vec<String> {
    let folder = std::fs::read_dir(tree::root().join("tests/data/contracts")).unwrap();
    let mut versions: Vec<String> = folder
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    versions.sort();
    versions
}

#[tokio::test]
async fn a_plugin_of_each_version_loads_and_works_or_is_refused_with_the_reason() {
    let mut versions = kept();
    assert!(!versions.is_empty());
    // That of this version is built with every test.
    versions.retain(|version| version != VERSION);
    for version in versions {
        let path =
            tree::root().join("tests/data/contracts").join(&version).join("reuse-correlate.wasm");
        let bytes = std::fs::read(&path).unwrap();
        let mut scene = Scene::new().await;
        scene.attacker("192.0.2.1", 0, &[]).await;
        for decky in ["a", "b"] {
            scene.credential("192.0.2.1", (decky, "ssh"), (Some("root"), "x"), 1).await;
        }
        let loaded = scene.host.inspect(Source::Named(path), &bytes).await;
        if !SPOKEN.contains(&version.as_str()) {
            let error = loaded.unwrap_err().to_string();
            assert!(error.contains(&format!("@{version}, this host speaks")), "{error}");
            continue;
        }
        let old = loaded.unwrap();
        assert_eq!(old.description().name, "reuse-correlate");
        assert_eq!(
            scene.tick(&old, &[]).await.unwrap().committed.put,
            2,
            "the reuse, and what it saw"
        );
        assert!(scene.tick(&old, &[]).await.unwrap().committed.is_empty());
        // What today's says is what that one said.
        let today = scene.tick_of("reuse-correlate").await;
        assert_eq!(today.committed.put, 0, "{version}");
        assert_eq!(scene.texts("SELECT secret_sha256 FROM credential_reuse").await, ["sha-x"]);
    }
}

#[test]
fn of_the_version_before_there_is_a_component() {
    for version in SPOKEN.iter().filter(|version| **version != VERSION) {
        assert!(
            kept().iter().any(|kept| kept == version),
            "tests/data/contracts has none of {version}"
        );
    }
}
