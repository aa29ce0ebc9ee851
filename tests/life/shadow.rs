//! A candidate in the shadow of what ticks: what it would do otherwise is seen before it does anything.

use corral::plugin::Reason;
use corral::supervise::life::{LifeError, Trial};

use super::{Life, candidate, rival, twin, visit};
use crate::scene::Scene;

/// Six attackers: two pairs that share something, and two that do not.
async fn scene() -> Scene {
    let mut scene = Scene::new().await;
    for (at, (ip, hassh)) in (0..).zip([
        ("192.0.2.1", "aa"),
        ("192.0.2.2", "aa"),
        ("192.0.2.3", "bb"),
        ("192.0.2.4", "bb"),
        ("192.0.2.5", "cc"),
        ("192.0.2.6", "dd"),
    ]) {
        scene.attacker(ip, at, &[("hassh", hassh)]).await;
    }
    scene
}

#[tokio::test]
async fn the_same_logic_shows_no_difference_whatever_the_live_one_has_done_already() {
    let mut scene = scene().await;
    let life = Life::of(&scene).await;
    life.settle().await;
    let before = scene.dump().await;
    for name in ["clusterer", "campaign-clusterer", "attribution", "reuse-correlate"] {
        let trial = Trial { ticks: 3, changes_max: 0 };
        let (plugin, compared) = life.crew.shadow(candidate(twin(name, 1)), trial).await.unwrap();
        assert_eq!((plugin.as_str(), compared.ticks), (name, 3));
        assert_eq!(compared.difference.moved, 0, "{compared:#?}");
    }
    assert_eq!(scene.dump().await, before, "a shadow writes nothing");
    life.crew.stop().await;
}

#[tokio::test]
async fn a_shadow_follows_what_is_new_as_well() {
    let scene = scene().await;
    let life = Life::of(&scene).await;
    life.settle().await;
    let (sender, mut told) = tokio::sync::mpsc::channel(1);
    let following = async {
        let trial = Trial { ticks: 30, changes_max: 0 };
        let done = life.crew.shadow(candidate(twin("clusterer", 1)), trial).await;
        sender.send(()).await.unwrap();
        done
    };
    let bringing = async {
        for at in 0.. {
            if told.try_recv().is_ok() {
                return;
            }
            if at < 250 {
                let ip = format!("198.51.100.{}", at + 1);
                visit(&scene.store, &ip, &format!("h{}", at % 7)).await;
            }
            life.worker("clusterer").raise(Reason::Event);
            tokio::task::yield_now().await;
        }
    };
    let (done, ()) = tokio::join!(following, bringing);
    let (_, compared) = done.unwrap();
    assert_eq!((compared.ticks, compared.difference.moved), (30, 0), "{compared:#?}");
    life.crew.stop().await;
}

#[tokio::test]
async fn a_difference_is_counted_shown_and_kept_out() {
    let scene = scene().await;
    let life = Life::of(&scene).await;
    let built_in = life.digest("clusterer");
    life.settle().await;
    let trial = Trial { ticks: u64::MAX, changes_max: 0 };
    let following = life.crew.swap(candidate(rival("lonely")), trial);
    let bringing = async {
        // While nothing is new, the two do the same: nothing.
        let ticks = life.worker("clusterer").told().ticks;
        life.wait("ticks that are followed", |workers| {
            workers["clusterer"].told().ticks > ticks + 3
        })
        .await;
        // Until one comes in a tick that is followed: not all are.
        for newcomer in 0..u32::MAX {
            visit(&scene.store, &format!("198.51.{}.{}", newcomer / 250, newcomer % 250), "aa")
                .await;
            life.worker("clusterer").raise(Reason::Event);
            tokio::task::yield_now().await;
        }
    };
    let swapped = tokio::select! {
        swapped = following => swapped,
        () = bringing => unreachable!(),
    };
    let error = swapped.unwrap_err();
    let LifeError::Moves { moved, max: 0, compared } = error else { panic!("{error}") };
    let verb = |name: &str| compared.difference.verbs.iter().find(|verb| verb.change == name);
    // The live one links whoever came to the identity that is there; the rival makes one of each.
    let (linked, formed) = (verb("link-attackers").unwrap(), verb("form-identities").unwrap());
    assert_eq!(linked.only_live + formed.only_candidate, moved, "{compared:#?}");
    assert_eq!(linked.only_live, formed.only_candidate);
    assert_eq!((formed.live, linked.candidate), (0, 0));
    assert!(formed.examples[0].row.starts_with("198.51."), "{compared:#?}");
    assert_eq!(life.digest("clusterer"), built_in);
    assert_eq!(life.history("clusterer").await.len(), 1);
    life.crew.stop().await;
}

#[tokio::test]
async fn a_trial_that_is_passed_ends_in_the_swap_and_one_that_dies_does_not() {
    let scene = scene().await;
    let life = Life::of(&scene).await;
    life.settle().await;
    let trial = Trial { ticks: 2, changes_max: 0 };
    let error = life.crew.swap(candidate(rival("panic")), trial).await.unwrap_err();
    assert!(matches!(error, LifeError::Failed(_)), "{error}");
    assert_eq!(life.worker("clusterer").told().errors, 0, "the live one never noticed");
    assert!(life.store.quarantined().await.unwrap().is_empty());
    let swapped = life.crew.swap(candidate(twin("clusterer", 3)), trial).await.unwrap();
    assert_eq!(swapped.compared.unwrap().ticks, 2);
    assert_eq!(life.digest("clusterer"), swapped.digest);
    life.crew.stop().await;
}

#[tokio::test]
async fn one_shadow_at_a_time_and_none_is_left_when_nobody_waits_for_it() {
    let scene = scene().await;
    let life = Life::of(&scene).await;
    life.settle().await;
    let trial = Trial { ticks: u64::MAX, changes_max: 0 };
    let endless = life.crew.shadow(candidate(twin("clusterer", 1)), trial);
    let mut endless = Box::pin(endless);
    let ticks = life.worker("clusterer").told().ticks;
    let other = async {
        life.wait("ticks that are followed", |workers| {
            workers["clusterer"].told().ticks > ticks + 3
        })
        .await;
        loop {
            let one = Trial { ticks: 1, changes_max: 0 };
            match life.crew.shadow(candidate(twin("clusterer", 2)), one).await {
                Err(LifeError::Busy(name)) => break assert_eq!(name, "clusterer"),
                Err(error) => panic!("{error}"),
                Ok(_) => {}
            }
        }
    };
    tokio::select! {
        _ = &mut endless => panic!("it ended"),
        () = other => {}
    }
    drop(endless);
    let one = Trial { ticks: 1, changes_max: 0 };
    life.crew.shadow(candidate(twin("clusterer", 2)), one).await.unwrap();
    life.crew.stop().await;
}
