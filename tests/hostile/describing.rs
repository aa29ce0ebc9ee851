//! Crimes in `describe`: then there is no plugin, and nothing else happens.

use super::About::{Limit, Promise};
use super::{Crime, crime, limits, marked, refusal, scene_with};
use corral::config::Limits;
use corral::plugin::Source;

const HONEST: super::About = Promise("what describe says is possible");
const PROBE: super::About = Promise("nobody works while it describes itself");

pub(super) const CRIMES: &[Crime] = &[
    crime(
        "spin-in-describe",
        Limit("guest-milliseconds"),
        "describe failed: spent more than limits.guest-milliseconds = 200",
    ),
    crime(
        "log-without-end-in-describe",
        Limit("guest-milliseconds"),
        "describe failed: spent more than limits.guest-milliseconds = 200",
    ),
    crime("grow-in-describe", Limit("memory-bytes-max"), "limits.memory-bytes-max = 67108864"),
    crime("panic-in-describe", PROBE, "describe failed: it panicked"),
    crime("work-in-describe", PROBE, ""),
    crime(
        "describe-at-length",
        Limit("describe-bytes-max"),
        "which is more than limits.describe-bytes-max = 65536",
    ),
    crime(
        "describe-without-end",
        Limit("describe-bytes-max"),
        "which is more than limits.describe-bytes-max = 65536",
    ),
    crime(
        "describe-many-settings",
        Limit("describe-bytes-max"),
        "which is more than limits.describe-bytes-max = 65536",
    ),
    crime(
        "describe-more-than-a-call",
        Limit("call-bytes-max"),
        "describe failed: one call brought more than limits.call-bytes-max",
    ),
    crime("have-no-name", HONEST, "describe: name \"\" is not kebab-case"),
    crime(
        "have-a-path-for-a-name",
        HONEST,
        "describe: name \"../../etc/passwd\" is not kebab-case",
    ),
    crime("have-a-long-name", HONEST, "is not kebab-case of at most 64 letters"),
    crime(
        "ask-for-an-unknown-view",
        HONEST,
        "describe: asks for view 'passwords', which this host does not have",
    ),
    crime(
        "ask-for-an-unknown-change",
        HONEST,
        "describe: asks for change 'drop-table', which this host does not have",
    ),
    crime(
        "ask-for-an-unknown-kernel",
        HONEST,
        "describe: asks for kernel 'bitcoin', which this host does not have",
    ),
];

#[tokio::test]
async fn whoever_commits_a_crime_in_describe_is_no_plugin() {
    let wide = Limits { call_bytes_max: 32 << 20, ..limits() };
    let (mut scene, wide) = (scene_with(limits()).await, scene_with(wide).await);
    let before = scene.dump().await;
    let mut wrong = Vec::new();
    for Crime { name, told, .. } in CRIMES.iter().filter(|crime| !crime.told.is_empty()) {
        // A list of a million texts is more than a call brings, where that is little.
        let host = if *name == "describe-without-end" { &wide } else { &scene };
        let error = refusal(host, &marked(name)).await;
        if !error.starts_with("evil.wasm: ") || !error.contains(told) || error.len() > 2_000 {
            wrong.push(format!("{name}: expected {told:?}, got {error:?}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert_eq!(scene.dump().await, before);
    assert_eq!(scene.cluster().await.committed.formed, 1);
}

#[tokio::test]
async fn what_a_guest_asks_for_while_it_describes_itself_is_refused() {
    let scene = scene_with(limits()).await;
    let source = Source::File("evil.wasm".into());
    let plugin = scene.host.inspect(source, &marked("work-in-describe")).await.unwrap();
    assert_eq!(plugin.description().summary, "[true, true, true]");
}
