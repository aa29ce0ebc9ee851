//! Crimes that take more than one tick, more than the guest's own time, or a whole population; and words, which are
//! seen where the executable writes them.

use corral::config::{Config, Limits};
use corral::plugin::load::digest;

use super::About::{Limit, Promise};
use super::{Crime, crime, limits, marked, scene_with};
use crate::desk::{Desk, text};
use crate::scene::Scene;

pub(super) const CRIMES: &[Crime] = &[
    crime(
        "spin-past-the-clock",
        Limit("tick-seconds"),
        "the tick took longer than limits.tick-seconds = 3",
    ),
    crime(
        "flood-log-with-short-lines",
        Limit("log-lines-per-second"),
        "limits.log-lines-per-second is used up",
    ),
    crime(
        "intern-something-new",
        Limit("interned-bytes-max"),
        "limit: limits.interned-bytes-max = 150000 bytes of text in all ticks",
    ),
    crime("commit-one-large-event", Limit("event-bytes-max"), ""),
    crime("forge-log-lines", Promise("a guest's words are one line of bounded length"), ""),
];

#[tokio::test]
async fn text_that_stays_for_good_is_limited_over_all_ticks() {
    let limits = Limits { interned_bytes_max: 150_000, ..limits() };
    let scene = scene_with(limits).await;
    let guest = scene.guest("hostile").await;
    let crime = [("crime", CRIMES[2].name)];
    for _ in 0..2 {
        scene.tick(&guest, &crime).await.unwrap();
    }
    let error = scene.tick(&guest, &crime).await.unwrap_err().to_string();
    assert!(error.contains(CRIMES[2].told), "{error}");
    // It is this plugin's share that is used up, not that of others.
    assert_eq!(scene.cluster().await.committed.formed, 1);
}

#[tokio::test]
async fn an_event_of_many_members_is_several_within_the_limit() {
    let limits = Limits { event_bytes_max: 1_000, ..limits() };
    let mut scene = scene_with(limits).await;
    for n in 3..60 {
        scene.attacker(&format!("192.0.2.{n}"), n, &[]).await;
    }
    let guest = scene.guest("hostile").await;
    let ticked = scene.tick(&guest, &[("crime", "commit-one-large-event")]).await.unwrap();
    assert_eq!(ticked.committed.formed, 1);
    let lengths = scene.numbers("SELECT LENGTH(payload) FROM corral_outbox").await;
    assert!(lengths.len() > 2, "{lengths:?}");
    assert!(lengths.iter().all(|bytes| bytes.parse::<usize>().unwrap() <= 1_000), "{lengths:?}");
}

#[tokio::test]
async fn the_wall_clock_ends_a_tick_whose_guest_has_budget_left() {
    let limits = Limits { tick_seconds: 3, guest_milliseconds: 60_000, ..Limits::default() };
    let scene = Scene::with(Config { limits, ..Config::default() }).await;
    let guest = scene.guest("hostile").await;
    let crime = [("crime", CRIMES[0].name)];
    let error = scene.tick(&guest, &crime).await.unwrap_err().to_string();
    assert_eq!(error, format!("plugin 'hostile': {}", CRIMES[0].told));
}

/// What the executable says on standard error while the guest commits a crime in its ticks.
fn heard(crime: &str, limits: &str) -> String {
    let desk = Desk::with_logs();
    let bytes = marked("");
    let digest = digest(&bytes);
    desk.write("plugins/hostile.wasm", bytes);
    desk.write(
        "corral.toml",
        format!(
            "[plugin.hostile]\nsha256 = [\"{digest}\"]\nreads = [\"attackers\", \"state\"]\n\
             writes = [\"form-identities\", \"merge-identities\", \"explain-identities\", \"put-state\"]\n\
             kernels = [\"connected-components\", \"identity-components\"]\n\
             settings = {{ crime = \"{crime}\" }}\n[limits]\n{limits}\n"
        ),
    );
    text(&desk.run(&["--config", "corral.toml", "--plugins", "plugins", "run"]).stderr)
}

#[test]
fn a_flood_in_the_log_is_cut_off_and_told_once() {
    let heard = heard("flood-log-with-short-lines", "log-lines-per-second = 3");
    let told = heard.matches("limits.log-lines-per-second is used up").count();
    let lines = heard.lines().filter(|line| line.contains("!")).count();
    // Ten seconds' worth at once; the rest is as long as the run takes, in which it ticks a few times.
    assert!((30..300).contains(&lines), "{lines} lines: {heard}");
    assert!((1..=lines).contains(&told), "{told} of {lines}: {heard}");
}

#[test]
fn a_flood_of_bytes_is_cut_off_in_each_tick_and_told_once() {
    let heard = heard("flood-log", "log-bytes-max = 1000\nlog-lines-per-second = 1000");
    let lines = heard.lines().filter(|line| line.contains("a dull guest")).count();
    let ticks = heard.matches("limits.log-bytes-max is used up").count();
    let line = "all work and no play makes a dull guest".len();
    assert!(ticks > 0, "{heard}");
    assert_eq!(lines, ticks * (1_000 / line), "{heard}");
}

#[test]
fn a_line_in_the_log_is_whose_it_says() {
    let heard = heard("forge-log-lines", "");
    let forged = heard.lines().find(|line| line.contains("the database is gone")).unwrap();
    assert!(forged.contains("plugin=\"hostile\""), "{forged}");
    assert!(forged.contains("well\\n2026-03-22T10:00:00Z ERROR"), "{forged}");
    assert!(!heard.contains("\x1b[2J") && !heard.contains('\r'), "{heard:?}");
}
