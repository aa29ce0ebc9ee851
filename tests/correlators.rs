//! The four correlators on a real database: what each makes of it, and that they leave each other alone.

use std::collections::BTreeMap;

use corral::config::{Config, PluginConfig};
use corral::plugin::load::digest;

use crate::scene::{Scene, guests};

mod attribution;
mod campaigns;
mod changes;
mod clusterer;
mod reuse;

#[tokio::test]
async fn all_four_are_built_in_and_an_empty_database_stays_empty() {
    let mut scene = Scene::new().await;
    let names: Vec<&String> = scene.catalog.plugins.keys().collect();
    assert_eq!(names, ["attribution", "campaign-clusterer", "clusterer", "reuse-correlate"]);
    let run = scene.run().await;
    assert!(run.is_settled());
    assert_eq!(scene.texts("SELECT uuid FROM campaigns").await, Vec::<String>::new());
}

#[tokio::test]
async fn one_that_fails_is_set_aside_and_the_others_come_to_their_end() {
    for (crime, words) in [("panic", "panicked"), ("spin", "guest-milliseconds")] {
        let mut config = Config::default();
        let folder = tempfile::tempdir().unwrap();
        config.plugins.directory = folder.path().display().to_string();
        config.limits.guest_milliseconds = 200;
        let settings = BTreeMap::from([("crime".to_owned(), crime.to_owned())]);
        let bytes = std::fs::read(guests().join("hostile.wasm")).unwrap();
        std::fs::write(folder.path().join("hostile.wasm"), &bytes).unwrap();
        let owned = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
        let granted = PluginConfig {
            sha256: vec![digest(&bytes)],
            reads: owned(&["attackers", "state"]),
            writes: owned(&[
                "form-identities",
                "merge-identities",
                "explain-identities",
                "put-state",
            ]),
            kernels: owned(&["connected-components", "identity-components"]),
            settings,
            ..PluginConfig::default()
        };
        config.plugin.insert("hostile".to_owned(), granted);
        let mut scene = Scene::with(config).await;
        scene.attacker("192.0.2.1", 0, &[("relay-target", "198.51.100.9:25")]).await;
        scene.attacker("192.0.2.2", 1, &[("relay-target", "198.51.100.9:25")]).await;
        let run = scene.run().await;
        let failed = run.plugins["hostile"].failed.as_deref().unwrap();
        assert!(failed.contains(words), "{crime}: {failed}");
        for name in ["attribution", "campaign-clusterer", "clusterer", "reuse-correlate"] {
            assert_eq!(run.plugins[name].failed, None, "{name} beside {crime}");
        }
        let members = scene.texts("SELECT CAST(identity_count AS TEXT) FROM campaigns").await;
        assert_eq!(members, ["2"]);
    }
}
