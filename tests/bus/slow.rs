//! A connection that does not read loses its oldest events, and costs nobody else anything.

use super::Place;
use super::line::{Line, Observer};

const EVENTS: u64 = 2_000;
const QUEUE: u64 = 16;

#[tokio::test]
async fn a_slow_reader_loses_its_oldest_events_and_nobody_else_any() {
    let place = Place::new();
    let served = place.serve_with(|settings| settings.queue.items_max = 16).await;
    let mut observer = Observer::new(&place.socket()).await;
    let mut slow = observer.subscribed(&place.socket(), &["a.b"]).await;
    let mut quick = observer.subscribed(&place.socket(), &["a.b"]).await;
    let mut publisher = Line::connect(&place.socket()).await;
    // Together far more than a socket's buffers hold.
    let filling = "x".repeat(4 << 10);
    for number in 0..EVENTS {
        publisher
            .publish("a.b", &format!("{{\"number\":{number},\"filling\":\"{filling}\"}}"))
            .await;
        assert_eq!(quick.event().await.unwrap().1["number"], number);
    }
    observer.settled(&mut publisher).await;
    // What went into the socket before it was full, then what is left in the queue.
    let mut numbers = Vec::new();
    while numbers.last() != Some(&(EVENTS - 1)) {
        numbers.push(slow.event().await.unwrap().1["number"].as_u64().unwrap());
    }
    let gaps: Vec<(u64, u64)> =
        numbers.windows(2).filter(|two| two[1] != two[0] + 1).map(|two| (two[0], two[1])).collect();
    assert_eq!(numbers[0], 0);
    let [(_, after)] = gaps.as_slice() else { panic!("gaps {gaps:?}") };
    assert_eq!(*after, EVENTS - QUEUE, "{gaps:?}");
    served.stop().await;
}

#[tokio::test]
async fn bytes_bound_what_is_kept_for_a_slow_reader_too() {
    let place = Place::new();
    let served = place.serve_with(|settings| settings.queue.bytes_max = 4 << 20).await;
    let mut observer = Observer::new(&place.socket()).await;
    let mut slow = observer.subscribed(&place.socket(), &["a.b"]).await;
    let mut publisher = Line::connect(&place.socket()).await;
    let filling = "x".repeat(1_000_000);
    for number in 0..40 {
        publisher
            .publish("a.b", &format!("{{\"number\":{number},\"filling\":\"{filling}\"}}"))
            .await;
    }
    observer.settled(&mut publisher).await;
    let mut numbers = Vec::new();
    while numbers.last() != Some(&39) {
        numbers.push(slow.event().await.unwrap().1["number"].as_u64().unwrap());
    }
    // Four fit; before them comes what was being written when the socket was full.
    assert!(numbers.ends_with(&[36, 37, 38, 39]) && numbers.len() < 10, "{numbers:?}");
    served.stop().await;
}
