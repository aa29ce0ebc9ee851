//! All crimes at once, beside a correlator that has work to do.

use super::{Crime, limits, scene, scene_with, ticks};

#[tokio::test]
async fn a_spinning_guest_does_not_delay_another_tick() {
    let (scene, guest) = scene().await;
    let clusterer = &scene.catalog.plugins["clusterer"];
    let (spun, ticked) =
        tokio::join!(scene.tick(&guest, &[("crime", "spin")]), scene.tick(clusterer, &[]));
    assert!(spun.is_err());
    assert_eq!(ticked.unwrap().committed.formed, 1);
}

/// As many as instances fit, for as long as the list is; meanwhile attackers come, two and two of one kind.
#[tokio::test]
async fn with_all_crimes_beside_it_the_clusterer_goes_on() {
    let mut scene = scene_with(limits()).await;
    let guest = scene.guest("hostile").await;
    let mut formed = scene.cluster().await.committed.formed;
    for (round, crimes) in (0..).zip(ticks::CRIMES.chunks(12)) {
        for half in 0..2 {
            let ip = format!("198.51.100.{}", 2 * round + half);
            scene.attacker(&ip, 100 + i64::from(round), &[("hassh", &format!("h{round}"))]).await;
        }
        let crimes = crimes.iter().map(|Crime { name, .. }| {
            let (scene, guest) = (&scene, &guest);
            async move { scene.tick(guest, &[("crime", name)]).await.is_ok() }
        });
        let clusterer = scene.tick_of("clusterer");
        let (ended_well, ticked) = tokio::join!(all(crimes), clusterer);
        let shrugged_off = ticks::CRIMES.iter().filter(|crime| crime.told.is_empty()).count();
        assert!(ended_well.iter().filter(|well| **well).count() <= shrugged_off);
        formed += ticked.committed.formed;
    }
    assert_eq!(formed, 1 + ticks::CRIMES.chunks(12).count());
}

/// Futures side by side, without another crate.
async fn all<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut futures: Vec<_> = futures.map(Box::pin).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|context| {
        futures.retain_mut(|future| match future.as_mut().poll(context) {
            std::task::Poll::Ready(value) => {
                done.push(value);
                false
            }
            std::task::Poll::Pending => true,
        });
        if futures.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done
}
