//! Who gets what from our broker, and its socket.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use corral::bus::broker::Broker;
use corral::clock::SystemClock;
use corral::socket::SocketError;
use serde_json::json;
use tokio::net::UnixListener;

use super::line::{Line, Observer, packet, parts};
use super::{LOOK, Place};

#[tokio::test]
async fn an_event_goes_once_to_each_that_wants_it_and_never_back() {
    let place = Place::new();
    let served = place.serve().await;
    let socket = place.socket();
    let mut observer = Observer::new(&socket).await;
    let mut origin = observer.subscribed(&socket, &["identity.>"]).await;
    let mut twice =
        observer.subscribed(&socket, &["identity.>", "identity.*", "identity.formed"]).await;
    let mut other = observer.subscribed(&socket, &["campaign.>"]).await;
    let mut left = observer.subscribed(&socket, &["identity.>", "campaign.formed"]).await;
    left.say("UNSUB identity.>", "").await;
    observer.settled(&mut left).await;
    origin.publish("identity.formed", "1").await;
    origin.publish("campaign.formed", "2").await;
    observer.settled(&mut origin).await;
    served.stop().await;
    let all = async |line: &mut Line| {
        let mut payloads = Vec::new();
        while let Some(packet) = line.packet().await {
            let (header, body) = parts(&packet);
            let body: Option<serde_json::Value> = serde_json::from_slice(body).ok();
            payloads.push((header.trim_end().to_owned(), body.map(|body| body["payload"].clone())));
        }
        payloads
    };
    let bye = || ("BYE".to_owned(), None);
    let event = |topic: &str, n: u32| (format!("EVT {topic}"), Some(json!(n)));
    assert_eq!(all(&mut origin).await, [bye()]);
    assert_eq!(all(&mut twice).await, [event("identity.formed", 1), bye()]);
    assert_eq!(all(&mut other).await, [event("campaign.formed", 2), bye()]);
    assert_eq!(all(&mut left).await, [event("campaign.formed", 2), bye()]);
}

#[tokio::test]
async fn events_of_one_publisher_come_in_their_order() {
    let place = Place::new();
    let served = place.serve().await;
    let mut observer = Observer::new(&place.socket()).await;
    let mut witness = observer.subscribed(&place.socket(), &["a.b"]).await;
    let mut line = Line::connect(&place.socket()).await;
    for n in 0..500 {
        line.publish("a.b", &n.to_string()).await;
    }
    for n in 0..500 {
        assert_eq!(witness.event().await.unwrap().1, json!(n));
    }
    served.stop().await;
}

#[tokio::test]
async fn the_envelope_is_the_brokers_whatever_was_published() {
    let place = Place::new();
    let served = place.serve().await;
    let mut observer = Observer::new(&place.socket()).await;
    let mut witness = observer.subscribed(&place.socket(), &["a.b"]).await;
    let mut line = Line::connect(&place.socket()).await;
    let forged = r#"{"v":7,"id":"forged","topic":"c.d","type":"t","ts":1,"payload":{"z":1, "a":2},"more":0}"#;
    line.say("PUB a.b", forged).await;
    let packet = witness.packet().await.unwrap();
    let body = std::str::from_utf8(parts(&packet).1).unwrap();
    let read: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        (&read["v"], &read["topic"], &read["type"]),
        (&json!(1), &json!("a.b"), &json!("t"))
    );
    assert_eq!(read["id"].as_str().unwrap().len(), 32);
    assert!(read["ts"].as_f64().unwrap() > 1.7e9);
    assert!(body.ends_with(r#","payload":{"z":1,"a":2}}"#), "{body}");
    served.stop().await;
}

#[tokio::test]
async fn a_stopping_broker_hands_over_what_it_took_and_says_goodbye() {
    let place = Place::new();
    let served = place.serve().await;
    let mut observer = Observer::new(&place.socket()).await;
    let mut witness = observer.subscribed(&place.socket(), &["a.b"]).await;
    let mut line = Line::connect(&place.socket()).await;
    for n in 0..100 {
        line.publish("a.b", &n.to_string()).await;
    }
    observer.settled(&mut line).await;
    served.stop().await;
    for n in 0..100 {
        assert_eq!(witness.event().await.unwrap().1, json!(n));
    }
    assert_eq!(witness.packet().await.unwrap(), b"BYE\n\0\0\0\0");
    assert!(witness.is_closed().await);
    assert!(!place.socket().exists());
}

#[tokio::test]
async fn a_goodbye_ends_the_connection() {
    let place = Place::new();
    let served = place.serve().await;
    let mut line = Line::connect(&place.socket()).await;
    line.say("BYE", "").await;
    assert!(line.is_closed().await);
    served.stop().await;
}

/// Publishes over one line until the other hears it.
async fn meet(from: &mut Line, to: &mut Line) {
    let asking = async {
        loop {
            from.try_send(&packet("PUB a.b", b"{}")).await;
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::select! {
        event = to.event() => assert_eq!(event.unwrap().0, "a.b"),
        () = asking => {}
    }
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_until_one_ends() {
    let place = Place::new();
    let served = place.serve_with(|settings| settings.connections_max = 2).await;
    let mut first = Line::connect(&place.socket()).await;
    first.say("SUB a.b", "").await;
    let mut second = Line::connect(&place.socket()).await;
    meet(&mut second, &mut first).await;
    for _ in 0..20 {
        assert!(Line::connect(&place.socket()).await.is_closed().await);
    }
    // Those inside do not notice, and when one leaves another can come.
    meet(&mut second, &mut first).await;
    second.say("BYE", "").await;
    assert!(second.is_closed().await);
    let mut third = Line::connect(&place.socket()).await;
    meet(&mut third, &mut first).await;
    served.stop().await;
}

#[tokio::test]
async fn the_socket_is_for_user_and_group_only() {
    let place = Place::new();
    // A group that does not exist is no error; one that does is the file's.
    for group in [None, Some("no-such-group".to_owned()), Some("root".to_owned())] {
        let served = place.serve_with(|settings| settings.group = group).await;
        let mode = std::fs::metadata(place.socket()).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o660, "{mode:o}");
        served.stop().await;
    }
}

async fn refused(place: &Place) -> SocketError {
    let clock = Arc::new(SystemClock::start());
    Broker::bind(place.broker_settings(|_| {}), clock).await.unwrap_err()
}

#[tokio::test]
async fn a_living_brokers_socket_is_not_taken() {
    let place = Place::new();
    let served = place.serve().await;
    let error = refused(&place).await;
    assert!(matches!(error, SocketError::Taken { .. }), "{error}");
    assert!(error.to_string().contains("bus.sock") && error.to_string().contains("another socket"));
    // And it lives on.
    Observer::new(&place.socket()).await;
    served.stop().await;
}

#[tokio::test]
async fn a_socket_that_nobody_listens_on_is_replaced_and_anything_else_is_not() {
    let place = Place::new();
    drop(UnixListener::bind(place.socket()).unwrap());
    assert!(place.socket().exists());
    let served = place.serve().await;
    Observer::new(&place.socket()).await;
    served.stop().await;
    std::fs::write(place.socket(), "somebody's notes").unwrap();
    let error = refused(&place).await;
    assert!(matches!(error, SocketError::NotASocket(_)), "{error}");
    assert_eq!(std::fs::read_to_string(place.socket()).unwrap(), "somebody's notes");
}

#[tokio::test]
async fn a_socket_that_took_our_place_stays_when_we_stop() {
    let place = Place::new();
    let served = place.serve().await;
    std::fs::remove_file(place.socket()).unwrap();
    let _other = UnixListener::bind(place.socket()).unwrap();
    served.stop().await;
    assert!(place.socket().exists());
}

#[tokio::test]
async fn the_first_place_with_a_folder_is_taken() {
    let place = Place::new();
    let nowhere = place.socket().with_file_name("no/such/folder.sock");
    let served =
        place.serve_with(|settings| settings.sockets = vec![nowhere.clone(), place.socket()]).await;
    Observer::new(&place.socket()).await;
    served.stop().await;
    let settings = place.broker_settings(|settings| settings.sockets = vec![nowhere.clone()]);
    let error =
        Broker::bind(settings, Arc::new(SystemClock::start())).await.unwrap_err().to_string();
    assert!(error.contains("folder.sock") && error.contains("make its folder first"), "{error}");
    let too_long = place.socket().with_file_name("x".repeat(120));
    let settings = place.broker_settings(|settings| settings.sockets = vec![too_long]);
    let error =
        Broker::bind(settings, Arc::new(SystemClock::start())).await.unwrap_err().to_string();
    assert!(error.contains("107 bytes"), "{error}");
}
