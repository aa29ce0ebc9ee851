//! Our client opposite brokers that go, come back, lie, stand still or do not exist.

use std::time::Duration;

use corral::bus::client::{Client, ClientSettings, PublishError, Signal};
use corral::bus::wire::WireError;
use corral::clock::{StoppedClock, Timestamp};
use corral::config::BusConfig;
use serde_json::{Value, json};
use tokio::net::UnixListener;

use super::line::{Line, Observer, packet, parts};
use super::{LOOK, Place, connected, disconnected, soon};

const GREETING: &str = "HELLO corral\n\0\0\0\0SUB a.>\n\0\0\0\0SUB b.c\n\0\0\0\0";

/// A broker that is us.
struct Impostor {
    place: Place,
    listener: UnixListener,
}

impl Impostor {
    fn new() -> Self {
        let place = Place::new();
        let listener = UnixListener::bind(place.socket()).unwrap();
        Self { place, listener }
    }

    /// The next connection, which has to say at once who it is and what it wants.
    async fn accept(&self) -> Line {
        let mut line = Line::accept(&self.listener).await;
        let mut said = Vec::new();
        for _ in 0..3 {
            said.extend(line.packet().await.unwrap());
        }
        assert_eq!(String::from_utf8(said).unwrap(), GREETING);
        line
    }
}

fn event(topic: &str, payload: &Value) -> Vec<u8> {
    packet(&format!("EVT {topic}"), json!({"payload": payload}).to_string().as_bytes())
}

async fn next_payload(events: &mut corral::bus::client::Events) -> Value {
    match soon(events.next()).await.unwrap() {
        Signal::Event(event) => event.payload,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_client_reconnects_and_subscribes_again_whatever_ended_the_connection() {
    let broker = Impostor::new();
    let (client, mut events) = broker.place.client(&["a.>", "b.c"]);
    let whole = event("a.b", &json!(1));
    // Each pause is twice as long as the one before; four ends show all there is to see.
    let ends: [(&[u8], &str); 4] = [
        (b"", "closed the connection"),
        (b"BYE\n\0\0\0\0", "goodbye"),
        (&whole[..4], "header is not whole"),
        (&whole[..whole.len() - 1], "body is not whole"),
    ];
    for (number, (end, why)) in ends.into_iter().enumerate() {
        let mut line = broker.accept().await;
        assert_eq!(soon(events.next()).await, Some(Signal::Connected));
        assert!(client.is_connected());
        line.send(&event("a.b", &json!(number))).await;
        assert_eq!(next_payload(&mut events).await, json!(number));
        line.send(end).await;
        drop(line);
        let told = disconnected(&mut events).await;
        assert!(told.contains(why) && told.contains("bus.sock"), "{told}");
        assert!(!client.is_connected());
    }
}

#[tokio::test]
async fn a_broker_that_stops_inside_a_packet_is_left() {
    let broker = Impostor::new();
    let (_client, mut events) = broker.place.client_with(&["a.>", "b.c"], |settings| {
        settings.packet_within = Duration::from_millis(50);
    });
    let mut line = broker.accept().await;
    line.send(b"EVT a.b\n\0\0\0").await;
    let told = disconnected(&mut events).await;
    assert!(told.contains("not whole after 0.05 s"), "{told}");
    broker.accept().await;
}

#[tokio::test]
async fn packets_of_a_broker_that_lies_end_the_connection_and_nothing_else() {
    for (lie, why) in [
        (&b"EVT a.b\n\x00\x10\x00\x01"[..], "1048577 bytes"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1"),
        (&[b'E'; 5000], "4096"),
        (b"EVT caf\xe9\n\0\0\0\0", "not ASCII"),
        (b"EVT a.b\n\0\0\0\x05ab", "body is not whole"),
    ] {
        let broker = Impostor::new();
        let (_client, mut events) = broker.place.client(&["a.>", "b.c"]);
        let mut line = broker.accept().await;
        line.try_send(lie).await;
        drop(line);
        let told = disconnected(&mut events).await;
        assert!(told.contains(why), "{told}");
        broker.accept().await;
        connected(&mut events).await;
    }
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_heard_all_the_same() {
    let broker = Impostor::new();
    let (_client, mut events) = broker.place.client(&["a.>", "b.c"]);
    let mut line = broker.accept().await;
    connected(&mut events).await;
    for body in [&b""[..], b"{", b"[]", b"\xff", b"{\"payload\":NaN}"] {
        line.send(&packet("EVT a.b", body)).await;
        assert_eq!(next_payload(&mut events).await, Value::Null);
    }
    // What only clients send is passed over.
    line.say("PUB a.b", "{}").await;
    line.send(&event("a.b", &json!("next"))).await;
    assert_eq!(next_payload(&mut events).await, json!("next"));
}

#[tokio::test]
async fn a_slow_hearer_learns_how_much_he_missed() {
    let broker = Impostor::new();
    let (client, mut events) =
        broker.place.client_with(&["a.>", "b.c"], |settings| settings.queue.items_max = 8);
    let mut line = broker.accept().await;
    for number in 0..100 {
        line.send(&event("a.b", &json!(number))).await;
    }
    let Impostor { place: _place, listener } = broker;
    drop((line, listener));
    // Nobody takes anything until all of it has come.
    soon(async {
        while client.is_connected() {
            tokio::time::sleep(LOOK).await;
        }
    })
    .await;
    let Some(Signal::Missed(mut missed)) = soon(events.next()).await else { panic!("none missed") };
    let mut heard = Vec::new();
    loop {
        match soon(events.next()).await.unwrap() {
            Signal::Event(event) => heard.push(event.payload.as_u64().unwrap()),
            Signal::Missed(count) => missed += count,
            Signal::Disconnected { .. } => break,
            Signal::Connected => panic!("the oldest signal is still there"),
        }
    }
    // All that came before the end: a connection and a hundred events.
    assert_eq!(missed + heard.len() as u64, 101);
    assert!((7..=8).contains(&heard.len()), "{heard:?}");
    assert!(heard.windows(2).all(|two| two[1] == two[0] + 1) && heard.ends_with(&[98, 99]));
}

#[tokio::test]
async fn publishing_without_a_connection_is_refused_and_nothing_is_kept() {
    let place = Place::new();
    let (client, mut events) = place.client(&[">"]);
    let Some(Signal::Disconnected { why }) = soon(events.next()).await else { panic!("connected") };
    assert!(why.contains("bus.sock"), "{why}");
    for _ in 0..200 {
        let refused = soon(client.publish("a.b", "b", &json!({}))).await;
        assert!(matches!(refused, Err(PublishError::NotConnected)), "{refused:?}");
    }
    let listener = UnixListener::bind(place.socket()).unwrap();
    let mut line = Line::accept(&listener).await;
    connected(&mut events).await;
    client.publish("a.b", "b", &json!("new")).await.unwrap();
    let mut packets = Vec::new();
    while packets.last().is_none_or(|packet: &Vec<u8>| !packet.starts_with(b"PUB")) {
        packets.push(line.packet().await.unwrap());
    }
    assert_eq!(packets.len(), 3);
    assert!(packets[2].ends_with(b"\"payload\":\"new\"}"));
}

#[tokio::test]
async fn a_broker_that_does_not_read_cannot_hold_us() {
    let broker = Impostor::new();
    let (client, mut events) = broker.place.client_with(&["a.>", "b.c"], |settings| {
        settings.write_within = Duration::from_millis(100);
    });
    let mut deaf = broker.accept().await;
    connected(&mut events).await;
    // While it does not read us, we hear it.
    let large = json!("x".repeat(1_000_000));
    let (lost, heard) = soon(async {
        deaf.send(&event("a.b", &json!("heard"))).await;
        tokio::join!(
            async {
                loop {
                    if let Err(error) = client.publish("a.b", "b", &large).await {
                        break error;
                    }
                }
            },
            next_payload(&mut events)
        )
    })
    .await;
    assert_eq!(heard, json!("heard"));
    let PublishError::Lost { why } = lost else { panic!("{lost}") };
    assert!(why.contains("did not read for 0.1 s"), "{why}");
    assert!(disconnected(&mut events).await.contains("did not read"));
    let mut anew = broker.accept().await;
    connected(&mut events).await;
    client.publish("a.b", "b", &json!("again")).await.unwrap();
    assert!(anew.packet().await.unwrap().ends_with(b"\"again\"}"));
}

#[tokio::test]
async fn a_mebibyte_is_published_and_one_byte_more_is_refused_before_it_is_written() {
    let place = Place::new();
    let listener = UnixListener::bind(place.socket()).unwrap();
    let settings = ClientSettings::new(&BusConfig::default(), vec![place.socket()], Vec::new());
    let clock = StoppedClock(Timestamp(1_795_453_785_801_824));
    let (client, mut events) = Client::start(settings, std::sync::Arc::new(clock)).unwrap();
    let mut line = Line::accept(&listener).await;
    assert_eq!(line.packet().await.unwrap(), b"HELLO corral\n\0\0\0\0");
    connected(&mut events).await;
    client.publish("a.b", "b", "").await.unwrap();
    let empty = parts(&line.packet().await.unwrap()).1.len();
    let filling = "x".repeat((1 << 20) - empty);
    let (written, read) = tokio::join!(client.publish("a.b", "b", &filling), line.packet());
    written.unwrap();
    assert_eq!(parts(&read.unwrap()).1.len(), 1 << 20);
    let refused = client.publish("a.b", "b", &format!("{filling}x")).await.unwrap_err();
    assert!(
        matches!(refused, PublishError::TooLarge { bytes: 1_048_577, limit: 1_048_576, .. }),
        "{refused}"
    );
    assert!(refused.to_string().contains("a.b") && refused.to_string().contains("1048577"));
    for topic in ["", "two\nlines", "caf\u{e9}", " a.b", &"x".repeat(4092)] {
        let refused = client.publish(topic, "b", &json!({})).await.unwrap_err();
        assert!(matches!(refused, PublishError::Topic(_)), "{topic:?}: {refused}");
    }
    // Nothing of all that was written.
    client.publish(&"x".repeat(4091), "", &json!("last")).await.unwrap();
    assert!(line.packet().await.unwrap().ends_with(b"\"last\"}"));
}

#[tokio::test]
async fn a_closed_client_says_goodbye_and_its_handles_say_so() {
    let broker = Impostor::new();
    let (client, mut events) = broker.place.client(&["a.>", "b.c"]);
    let other = client.clone();
    let mut line = broker.accept().await;
    connected(&mut events).await;
    line.send(&event("a.b", &json!(1))).await;
    assert_eq!(next_payload(&mut events).await, json!(1));
    soon(client.close()).await;
    assert_eq!(line.packet().await.unwrap(), b"BYE\n\0\0\0\0");
    assert!(line.is_closed().await);
    assert!(!other.is_connected());
    let refused = soon(other.publish("a.b", "b", &json!({}))).await;
    assert!(matches!(refused, Err(PublishError::Closed)), "{refused:?}");
    assert_eq!(soon(events.next()).await, None);
    // Twice is no error.
    soon(other.close()).await;
}

#[tokio::test]
async fn a_client_that_waits_for_a_broker_can_be_closed() {
    let place = Place::new();
    let (client, mut events) = place.client(&[">"]);
    disconnected(&mut events).await;
    soon(client.close()).await;
    assert_eq!(soon(events.next()).await, None);
}

#[tokio::test]
async fn the_connection_ends_with_its_last_handle() {
    let broker = Impostor::new();
    let (client, events) = broker.place.client(&["a.>", "b.c"]);
    let other = client.clone();
    let mut line = broker.accept().await;
    // Nobody hears any more, but somebody may publish.
    drop((client, events));
    line.send(&event("a.b", &json!(1))).await;
    soon(async {
        while !other.is_connected() {
            tokio::time::sleep(LOOK).await;
        }
    })
    .await;
    other.publish("a.b", "b", &json!(2)).await.unwrap();
    assert!(line.packet().await.unwrap().ends_with(b"\"payload\":2}"));
    drop(other);
    assert_eq!(line.packet().await.unwrap(), b"BYE\n\0\0\0\0");
    assert!(line.is_closed().await);
}

#[tokio::test]
async fn sockets_are_tried_in_their_order() {
    let (first, second) = (Place::new(), Place::new());
    let sockets = vec![first.socket(), second.socket()];
    let listener = UnixListener::bind(second.socket()).unwrap();
    let (_client, mut events) =
        first.client_with(&[], |settings| settings.sockets = sockets.clone());
    Line::accept(&listener).await;
    connected(&mut events).await;
    let preferred = UnixListener::bind(first.socket()).unwrap();
    let (_client, mut events) = first.client_with(&[], |settings| settings.sockets = sockets);
    Line::accept(&preferred).await;
    connected(&mut events).await;
}

#[tokio::test]
async fn names_and_patterns_that_no_header_takes_are_refused_at_once() {
    for (name, pattern) in [("corral", ""), ("corral", "a b\n"), ("a\nb", ">"), ("caf\u{e9}", ">")]
    {
        let config = BusConfig { name: name.to_owned(), ..BusConfig::default() };
        let settings = ClientSettings::new(&config, Vec::new(), vec![pattern.to_owned()]);
        let refused = Client::start(settings, std::sync::Arc::new(StoppedClock(Timestamp(0))));
        assert!(matches!(refused.unwrap_err(), WireError::Args(_)), "{name:?} {pattern:?}");
    }
}

#[tokio::test]
async fn our_client_and_our_broker_understand_each_other() {
    let place = Place::new();
    // The client is there first, and waits.
    let (listener, mut heard) = place.client(&["identity.>"]);
    disconnected(&mut heard).await;
    let served = place.serve().await;
    connected(&mut heard).await;
    let (speaker, mut events) = place.client(&["identity.>"]);
    connected(&mut events).await;
    let observer = Observer::new(&place.socket()).await;
    // A client says nothing of when its subscription has arrived.
    let payload = json!({"identity_uuid": "x", "score": 0.1});
    let asking = async {
        loop {
            speaker.publish("identity.formed", "formed", &payload).await.unwrap();
            tokio::time::sleep(LOOK).await;
        }
    };
    let event = tokio::select! {
        signal = soon(heard.next()) => signal.unwrap(),
        () = asking => unreachable!(),
    };
    let Signal::Event(event) = event else { panic!("{event:?}") };
    assert_eq!((event.topic.as_str(), event.kind.as_str()), ("identity.formed", "formed"));
    assert_eq!(event.payload, payload);
    drop(observer);
    soon(listener.close()).await;
    served.stop().await;
    assert!(disconnected(&mut events).await.contains("goodbye"));
}
