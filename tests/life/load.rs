//! Swaps while everybody works: nothing is lost, nothing comes twice, and what comes of it is what would have.

use corral::plugin::Reason;

use super::{Life, twin, visit};
use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_swaps_under_load_lose_nothing_and_double_nothing() {
    Box::pin(swap_under_load(200)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "ten thousand swaps take minutes"]
async fn ten_thousand_swaps_under_load_lose_nothing_and_double_nothing() {
    Box::pin(swap_under_load(10_000)).await;
}

async fn swap_under_load(swaps: u32) {
    let (mut swapped, mut plain) = (Scene::new().await, Scene::new().await);
    let life = Life::of(&swapped).await;
    life.settle().await;
    let twins = ["clusterer", "reuse-correlate", "campaign-clusterer"];
    let bytes: Vec<[Vec<u8>; 2]> = twins.map(|name| [twin(name, 1), twin(name, 2)]).into();
    let mut attackers = 0;
    for swap in 0..swaps {
        if swap % 4 == 0 && attackers < 1_000 {
            attackers += 1;
            for scene in [&swapped, &plain] {
                visit(&scene.store, &ip(attackers), &format!("h{}", attackers % 9)).await;
            }
        }
        life.crew.raise(Reason::Event);
        let which = swap as usize % twins.len();
        let next = swap as usize / twins.len() % 2;
        life.swap(bytes[which][next].clone()).await.unwrap();
    }
    life.crew.raise(Reason::Command);
    life.settle().await;
    let errors: u64 = life.crew.workers().values().map(|worker| worker.told().errors).sum();
    assert_eq!(errors, 0, "no tick was disturbed");
    life.crew.stop().await;
    plain.run().await;
    // Groups have their ids from who came first, so what counts is who is together with whom.
    let together = "SELECT GROUP_CONCAT(ip, ' ') FROM (SELECT a.ip, COALESCE(i.merged_into_uuid, i.uuid) AS live
         FROM attackers a JOIN attacker_identities i ON i.uuid = a.identity_id ORDER BY a.ip) GROUP BY live ORDER BY 1";
    assert_eq!(swapped.texts(together).await, plain.texts(together).await);
    let twice = "SELECT payload FROM corral_outbox WHERE topic = 'identity.formed'
         GROUP BY json_extract(payload, '$.identity_uuid') HAVING COUNT(*) > 1";
    assert_eq!(swapped.texts(twice).await, Vec::<String>::new(), "announced twice");
    let lost = "SELECT uuid FROM attacker_identities WHERE uuid NOT IN
         (SELECT json_extract(payload, '$.identity_uuid') FROM corral_outbox WHERE topic = 'identity.formed')";
    assert_eq!(swapped.texts(lost).await, Vec::<String>::new(), "never announced");
}

fn ip(number: u32) -> String {
    format!("198.51.{}.{}", 100 + number / 250, number % 250 + 1)
}
