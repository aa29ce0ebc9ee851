//! Who breaks the protocol is not spoken with any more; everybody else goes on.

use std::time::Duration;

use serde_json::json;

use super::Place;
use super::line::{Line, Observer, packet};

/// What no broker takes, and the rule that it breaks.
fn lies() -> Vec<(&'static str, Vec<u8>)> {
    let pub_of = |body: &[u8]| packet("PUB a.b", body);
    vec![
        ("an unknown verb", packet("FETCH a.b", b"")),
        ("a verb in small letters", packet("pub a.b", b"{}")),
        ("no verb", packet("", b"")),
        ("another protocol", b"GET / HTTP/1.1\r\nHost: bus\r\n\r\n".to_vec()),
        ("a header without an end", vec![b'A'; 4096]),
        ("a header one byte too long", packet(&format!("SUB {}", "a".repeat(4092)), b"")),
        ("a header that is not ASCII", packet("SUB caf\u{e9}", b"")),
        ("a header that is not text", b"SUB \xff\xfe\n\0\0\0\0".to_vec()),
        ("a length one byte too long", b"PUB a.b\n\x00\x10\x00\x01".to_vec()),
        ("the longest length", b"PUB a.b\n\xff\xff\xff\xff{}".to_vec()),
        ("a length that is too short", b"PUB a.b\n\0\0\0\x01{}PUB a.b\n\0\0\0\0".to_vec()),
        ("an EVT from a client", packet("EVT a.b", b"{}")),
        ("a PUB without a topic", packet("PUB", b"{}")),
        ("a PUB with a blank topic", packet("PUB   \t", b"{}")),
        ("a SUB without a pattern", packet("SUB", b"")),
        ("a SUB with a blank pattern", packet("SUB ", b"")),
        ("a PUB without a body", pub_of(b"")),
        ("a PUB of half a body", pub_of(b"{\"payload\":{")),
        ("a PUB that is a list", pub_of(b"[]")),
        ("a PUB that is a text", pub_of(b"\"a\"")),
        ("a PUB that is null", pub_of(b"null")),
        ("a PUB that is not JSON", pub_of(b"{\"payload\":NaN}")),
        ("a PUB of two values", pub_of(b"{}{}")),
        ("a PUB that is not UTF-8", pub_of(b"{\"payload\":\"\xff\"}")),
        ("a PUB with half a character", pub_of(br#"{"payload":"\ud83d"}"#)),
        ("a PUB that is nested without end", pub_of(&[b'['; 100_000])),
        (
            "a payload that is nested without end",
            pub_of(&[b"{\"payload\":".as_slice(), &[b'['; 100_000]].concat()),
        ),
    ]
}

#[tokio::test]
async fn a_connection_that_lies_is_closed_and_the_others_go_on() {
    let place = Place::new();
    let served = place.serve().await;
    let mut observer = Observer::new(&place.socket()).await;
    let mut witness = observer.subscribed(&place.socket(), &[">"]).await;
    for (rule, bytes) in lies() {
        let mut liar = Line::connect(&place.socket()).await;
        liar.say("HELLO liar", "").await;
        liar.try_send(&bytes).await;
        assert!(liar.is_closed().await, "{rule}: not closed");
        let mut honest = Line::connect(&place.socket()).await;
        honest.publish("still.alive", "1").await;
        let (topic, payload) = witness.event().await.unwrap();
        assert_eq!((topic.as_str(), payload), ("still.alive", json!(1)), "after {rule}");
    }
    served.stop().await;
}

#[tokio::test]
async fn what_decnet_tolerates_is_tolerated() {
    let place = Place::new();
    let served = place.serve().await;
    let mut observer = Observer::new(&place.socket()).await;
    let mut witness = observer.subscribed(&place.socket(), &["a.b"]).await;
    let mut line = Line::connect(&place.socket()).await;
    for (header, body) in [
        ("HELLO", ""),
        ("HELLO two words", "with a body"),
        ("HELLO again\r", ""),
        ("UNSUB", ""),
        ("UNSUB never.subscribed", ""),
        ("SUB x", "a body"),
        ("SUB x", ""),
        ("PUB a.b", "{}"),
        ("PUB   a.b  \r", "{\"type\":7,\"payload\":null}"),
        ("PUB a.b", "{\"payload\":[]}"),
    ] {
        line.say(header, body).await;
    }
    observer.settled(&mut line).await;
    for payload in [json!({}), json!({}), json!([])] {
        assert_eq!(witness.event().await.unwrap(), ("a.b".to_owned(), payload));
    }
    served.stop().await;
}

#[tokio::test]
async fn half_a_packet_is_dropped_with_its_connection_however_it_ends() {
    let place = Place::new();
    let served =
        place.serve_with(|settings| settings.packet_within = Duration::from_millis(50)).await;
    let mut observer = Observer::new(&place.socket()).await;
    let mut silent = observer.subscribed(&place.socket(), &["a.b"]).await;
    let whole = packet("PUB a.b", b"{\"payload\":{}}");
    for half in [1, 7, 8, 10, 12, 13, whole.len() - 1] {
        // It stops in the middle: nobody waits for the rest for ever.
        let mut stuck = Line::connect(&place.socket()).await;
        stuck.send(&whole[..half]).await;
        assert!(stuck.is_closed().await, "{half} bytes");
        // It dies in the middle.
        let mut dying = Line::connect(&place.socket()).await;
        dying.send(&whole[..half]).await;
        dying.fall_silent().await;
        assert!(dying.is_closed().await, "{half} bytes");
    }
    // One that says nothing at all has all the time there is, and nothing of those halves arrived.
    let mut honest = Line::connect(&place.socket()).await;
    honest.publish("a.b", "\"whole\"").await;
    assert_eq!(silent.event().await.unwrap().1, json!("whole"));
    served.stop().await;
}

#[tokio::test]
async fn a_packet_may_come_byte_by_byte() {
    let place = Place::new();
    let served = place.serve().await;
    let mut observer = Observer::new(&place.socket()).await;
    let mut witness = observer.subscribed(&place.socket(), &["a.b"]).await;
    let mut slow = Line::connect(&place.socket()).await;
    for byte in packet("PUB a.b", b"{\"payload\":{\"a\":1}}") {
        slow.send(&[byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(witness.event().await.unwrap().1, json!({"a": 1}));
    served.stop().await;
}

#[tokio::test]
async fn patterns_of_one_connection_have_a_limit() {
    let place = Place::new();
    let served = place.serve_with(|settings| settings.patterns_max = 3).await;
    let mut observer = Observer::new(&place.socket()).await;
    let mut line = observer.subscribed(&place.socket(), &["a", "b", "c", "a"]).await;
    line.say("SUB d", "").await;
    assert!(line.is_closed().await);
    served.stop().await;
}

#[tokio::test]
async fn an_event_that_the_brokers_envelope_makes_too_long_is_dropped_alone() {
    let place = Place::new();
    let served = place.serve().await;
    let mut observer = Observer::new(&place.socket()).await;
    let mut witness = observer.subscribed(&place.socket(), &["a.b"]).await;
    let mut line = Line::connect(&place.socket()).await;
    let bare = "{\"payload\":\"\"}";
    let full = format!("{{\"payload\":\"{}\"}}", "x".repeat((1 << 20) - bare.len()));
    line.say("PUB a.b", &full).await;
    line.publish("a.b", "\"next\"").await;
    assert_eq!(witness.event().await.unwrap().1, json!("next"));
    served.stop().await;
}
