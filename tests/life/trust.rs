//! What has to be true of a component before it may load, and what it may do then.

use corral::config::{Config, PluginConfig};
use corral::plugin::grants::Capability;
use corral::plugin::papers::signed::SecretKey;
use corral::plugin::papers::{Certificate, Check, Kit, Manifest};
use corral::plugin::{Papers, Source};

use super::{rival, twin};
use crate::scene::Scene;

fn folder() -> Source {
    Source::File("folder/some.wasm".into())
}

/// Whether it loads from the folder of plugins, under this config and with these papers.
async fn load(config: Config, bytes: &[u8], papers: &Papers) -> Result<(), String> {
    let scene = Scene::with_refusals(config).await;
    scene.host.load(folder(), bytes, papers).await.map(drop).map_err(|error| error.to_string())
}

async fn manifest(bytes: &[u8]) -> String {
    let scene = Scene::new().await;
    let plugin = scene.host.inspect(folder(), bytes).await.unwrap();
    Manifest::new(plugin.digest(), plugin.description().clone()).text().unwrap()
}

fn papers(manifest: &str) -> Papers {
    Papers { manifest: Some(manifest.to_owned()), certificate: None }
}

fn keyed(keys: &[&SecretKey]) -> Config {
    let mut config = Config::default();
    config.plugins.keys = keys.iter().map(|key| key.public().to_string()).collect();
    config
}

#[tokio::test]
async fn a_component_of_the_folder_has_to_be_pinned_and_the_refusal_says_how() {
    let bytes = twin("clusterer", 1);
    let digest = corral::plugin::load::digest(&bytes);
    let error = load(Config::default(), &bytes, &Papers::default()).await.unwrap_err();
    assert!(error.contains(&format!("put sha256 = [\"{digest}\"]")), "{error}");
    // By the config, by a manifest, and not by one of another component.
    let mut config = Config::default();
    let pinned = PluginConfig { sha256: vec![digest], ..PluginConfig::default() };
    config.plugin.insert("clusterer".to_owned(), pinned);
    load(config.clone(), &bytes, &Papers::default()).await.unwrap();
    let text = manifest(&bytes).await;
    load(Config::default(), &bytes, &papers(&text)).await.unwrap();
    let error = load(Config::default(), &twin("clusterer", 2), &papers(&text)).await.unwrap_err();
    assert!(error.contains("its manifest is for the component sha256"), "{error}");
    // What the config pins, no manifest and no order overrules.
    let other = twin("clusterer", 2);
    let text = manifest(&other).await;
    let error = load(config.clone(), &other, &papers(&text)).await.unwrap_err();
    assert!(error.contains("is not the component that [plugin.clusterer] sha256 names"), "{error}");
    let scene = Scene::with(config).await;
    let named = scene.host.load(Source::Named("x".into()), &other, &Papers::default()).await;
    assert!(named.is_err());
}

#[tokio::test]
async fn a_manifest_that_lies_is_refused() {
    let bytes = rival("lonely");
    let text = manifest(&bytes).await.replace("9.0.0", "0.1.0");
    let error = load(Config::default(), &bytes, &papers(&text)).await.unwrap_err();
    assert!(error.contains("says something else than describe does, of version"), "{error}");
}

#[tokio::test]
async fn signatures_are_demanded_where_the_config_says_so_and_broken_ones_never_pass() {
    let (ours, theirs) = (SecretKey::draw().unwrap(), SecretKey::draw().unwrap());
    let bytes = twin("clusterer", 1);
    let text = manifest(&bytes).await;
    let (good, foreign) = (papers(&ours.sign(&text)), papers(&theirs.sign(&text)));
    let strict = || {
        let mut config = keyed(&[&ours]);
        config.plugins.require_signature = true;
        config
    };
    load(strict(), &bytes, &good).await.unwrap();
    for (wrong, words) in [
        (papers(&text), "is not signed"),
        (foreign.clone(), "which is not among plugins.keys"),
        (Papers::default(), "is not signed"),
    ] {
        let error = load(strict(), &bytes, &wrong).await.unwrap_err();
        assert!(error.contains(words), "{error}");
    }
    // Not even a person who names the file gets it in.
    let scene = Scene::with(strict()).await;
    let named = Source::Named("x".into());
    assert!(scene.host.load(named, &bytes, &Papers::default()).await.is_err());
    // What is built in is a part of this program.
    assert_eq!(scene.catalog.plugins.len(), 4);
    // Where nobody demands one, that of a stranger is as good as none, and a broken one is not.
    load(keyed(&[&ours]), &bytes, &foreign).await.unwrap();
    let changed = papers(&ours.sign(&text).replace("0.1.0", "0.1.1"));
    let error = load(keyed(&[&ours]), &bytes, &changed).await.unwrap_err();
    assert!(error.contains("was changed after it was signed"), "{error}");
}

#[tokio::test]
async fn a_certificate_is_demanded_where_the_config_says_so() {
    let key = SecretKey::draw().unwrap();
    let bytes = twin("clusterer", 1);
    let digest = corral::plugin::load::digest(&bytes);
    let certificate = |digest: &str, passed| {
        let kit = Kit { corral: "0".to_owned(), contract: "0".to_owned(), at: 0 };
        let check = Check { name: "lives".to_owned(), passed, found: String::new() };
        Certificate::new(digest, kit, vec![check]).text().unwrap()
    };
    let strict = || {
        let mut config = Config::default();
        config.plugins.require_certificate = true;
        config
    };
    let text = manifest(&bytes).await;
    let with = |certificate: Option<String>| Papers { certificate, ..papers(&text) };
    load(strict(), &bytes, &with(Some(certificate(&digest, true)))).await.unwrap();
    for (wrong, words) in [
        (None, "has no certificate"),
        (Some(certificate(&digest, false)), "says that the component failed: lives"),
        (Some(certificate("00", true)), "its certificate is for the component sha256 00"),
    ] {
        let error = load(strict(), &bytes, &with(wrong)).await.unwrap_err();
        assert!(error.contains(words), "{error}");
    }
    // With keys, anybody could have written one that is not signed.
    let mut keyed = keyed(&[&key]);
    keyed.plugins.require_certificate = true;
    let plain = certificate(&digest, true);
    assert!(load(keyed.clone(), &bytes, &with(Some(plain.clone()))).await.is_err());
    load(keyed, &bytes, &with(Some(key.sign(&plain)))).await.unwrap();
}

#[tokio::test]
async fn a_wrong_key_in_the_config_is_named() {
    let mut config = Config::default();
    config.plugins.keys = vec!["ed25519:short".to_owned()];
    let store = Scene::new().await.store.clone();
    let clock = std::sync::Arc::new(corral::clock::SystemClock::start());
    let error = corral::plugin::Host::start(&config, store, clock).unwrap_err();
    assert!(corral::supervise::chain(&error).contains("'ed25519:short' is no key"), "{error}");
}

/// Every view, change and kernel: granted it is let through, not granted it is refused by its name, with the line
/// to add; and what was taken away counts from the next tick on.
#[tokio::test]
async fn each_capability_is_refused_where_the_config_does_not_grant_it() {
    let mut scene = Scene::new().await;
    scene.attacker("192.0.2.1", 0, &[("hassh", "aa")]).await;
    let glutton = scene.guest("glutton").await;
    let about = glutton.description().clone();
    let all = |capability: Capability| capability.asked(&about).to_vec();
    assert_eq!(all(Capability::Read).len(), 12);
    assert_eq!(all(Capability::Write).len(), 14);
    assert_eq!(all(Capability::Kernel).len(), corral_kernels::kernel::ALL.len());
    for capability in [Capability::Read, Capability::Write, Capability::Kernel] {
        for name in all(capability) {
            let wish = format!("{} {name}", capability.key());
            let granted = scene.tick(&glutton, &[("wish", &wish)]).await;
            let answer = granted.map_or_else(|error| error.to_string(), |_| String::new());
            assert!(!answer.contains("refused"), "{wish}: {answer}");

            let mut config = scene.config.clone();
            let others = all(capability).into_iter().filter(|other| *other != name).collect();
            let mut plugin = PluginConfig::default();
            match capability {
                Capability::Read => plugin.reads = Some(others),
                Capability::Write => plugin.writes = Some(others),
                _ => plugin.kernels = Some(others),
            }
            config.plugin.insert("glutton".to_owned(), plugin);
            scene.host.obey(&config).unwrap();
            let error = scene.tick(&glutton, &[("wish", &wish)]).await.unwrap_err().to_string();
            let words = format!(
                "'{name}': the config does not grant it to plugin 'glutton' (add it to {} under [plugin.glutton])",
                capability.key()
            );
            assert!(error.contains(&words), "{wish}: {error}");
            scene.host.obey(&scene.config).unwrap();
        }
    }
}
