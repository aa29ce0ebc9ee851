//! The daemon on DECNET's database and DECNET's bus, beside DECNET's own workers.

use serde_json::json;
use sqlx::{ConnectOptions, SqliteConnection};

use super::bus::{Broker, Hearer};
use super::process::Served;
use crate::decnet;
use crate::desk::Desk;

/// A desk with a database as a boot of DECNET makes it.
fn decnets() -> Desk {
    let desk = Desk::new();
    desk.write("corral.db", decnet::empty_database());
    desk
}

/// A daemon that waits for so many seconds of silence.
fn serve<'d>(desk: &'d Desk, silence: &str, is_takeover: bool) -> Served<'d> {
    let socket = desk.path("bus.sock");
    let environment = [
        ("CORRAL_BUS_SOCKET", socket.to_str().unwrap()),
        ("CORRAL_STORE_OWNER", "decnet"),
        ("CORRAL_SERVE_STANDBY_SECONDS", silence),
    ];
    if is_takeover {
        Served::take_over(desk, &environment)
    } else {
        Served::start_with(desk, &[], &environment)
    }
}

async fn open(desk: &Desk) -> SqliteConnection {
    let options: sqlx::sqlite::SqliteConnectOptions =
        format!("sqlite://{}", desk.path("corral.db").display()).parse().unwrap();
    options.foreign_keys(false).connect().await.unwrap()
}

/// An attacker with a JA3, as the profiler writes both.
async fn attacker(database: &mut SqliteConnection, uuid: &str, ja3: &str) {
    let fingerprints = json!([{
        "id": 1, "timestamp": "2026-06-20T21:48:03.123456", "decky": "d", "service": "sniffer",
        "attacker_ip": uuid, "bounty_type": "fingerprint",
        "payload": {"fingerprint_type": "ja3", "ja3": ja3},
    }]);
    let seen = "2026-06-20 21:48:03.123456";
    decnet::insert_attacker(database, uuid, seen, &fingerprints.to_string()).await;
}

#[tokio::test]
async fn what_the_profiler_writes_and_announces_is_grouped_and_announced() {
    let desk = decnets();
    let _broker = Broker::start(&desk);
    let mut hearer = Hearer::start(&desk).await;
    let served = serve(&desk, "0", false);
    served.wait_until_on_duty();
    let mut database = open(&desk).await;
    // Together: the daemon may look at any moment.
    sqlx::raw_sql("BEGIN").execute(&mut database).await.unwrap();
    attacker(&mut database, "a1", "5c1b").await;
    attacker(&mut database, "a2", "5c1b").await;
    sqlx::raw_sql("COMMIT").execute(&mut database).await.unwrap();
    hearer
        .client
        .publish("attacker.scored", "scored", &json!({"attacker_ip": "a1"}))
        .await
        .unwrap();
    let heard = hearer.until(|topic, _| topic == "identity.formed").await;
    let formed = &heard.last().unwrap().1;
    assert_eq!(formed["observation_uuids"], json!(["a1", "a2"]));
    attacker(&mut database, "a3", "5c1b").await;
    hearer.client.publish("attacker.observed", "observed", &json!({})).await.unwrap();
    let heard = hearer.until(|topic, _| topic == "identity.observation.linked").await;
    let linked = &heard.last().unwrap().1;
    assert_eq!(linked["observation_uuid"], "a3");
    assert_eq!(linked["identity_uuid"], formed["identity_uuid"]);
    served.wait_until_settled();
    served.stop();
}

#[tokio::test]
async fn nobody_writes_beside_a_process_of_decnets() {
    let desk = decnets();
    let _broker = Broker::start(&desk);
    let other = Hearer::start(&desk).await;
    let beat = async |name: &str| {
        let topic = format!("system.{name}.health");
        let payload = json!({"worker": name, "ts": 0.0});
        other.client.publish(&topic, "health", &payload).await.unwrap();
    };
    // Longer than this test may take, so that only a takeover comes before.
    let served = serve(&desk, "3600", false);
    served.wait("a daemon that listens", |status| {
        status["duty"]["why"].as_str().is_some_and(|why| why.contains("listening"))
    });
    served.wait("a bus", |status| status["bus"]["is_connected"] == true);
    beat("campaign-clusterer").await;
    served.wait("a foreign heartbeat", |status| {
        status["duty"]["why"].as_str().is_some_and(|why| why.contains("'campaign-clusterer'"))
    });
    served.stop();

    let served = serve(&desk, "3600", true);
    served.wait_until_on_duty();
    served.wait("a bus", |status| status["bus"]["is_connected"] == true);
    // Workers that are not replaced may beat as they like.
    beat("profiler").await;
    let mut database = open(&desk).await;
    attacker(&mut database, "a1", "5c1b").await;
    served.ask(&["worker", "wake"]);
    served.wait("an identity", |status| {
        status["workers"]["clusterer"]["committed"]["formed"].as_u64().unwrap() > 0
    });
    beat("reuse-correlator").await;
    let status =
        served.wait("a daemon that stands by", |status| status["duty"]["duty"] == "standby");
    assert!(status["duty"]["why"].as_str().unwrap().contains("'reuse-correlator'"), "{status:#}");
    assert!(served.log().contains("commits stop"), "{}", served.log());
    served.stop();
}

#[tokio::test]
async fn silence_is_enough_to_begin() {
    let desk = decnets();
    let _broker = Broker::start(&desk);
    let served = serve(&desk, "1", false);
    served.wait_until_on_duty();
    served.stop();
}

#[tokio::test]
async fn tables_that_are_missing_are_named_and_waited_for() {
    let desk = decnets();
    let mut database = open(&desk).await;
    sqlx::raw_sql(
        "ALTER TABLE attackers RENAME COLUMN asn TO number; ALTER TABLE ttp_tag RENAME TO tags",
    )
    .execute(&mut database)
    .await
    .unwrap();
    let _broker = Broker::start(&desk);
    let served = serve(&desk, "0", false);
    let status =
        served.wait("trouble with the schema", |status| !status["database"]["trouble"].is_null());
    let trouble = status["database"]["trouble"].as_str().unwrap();
    for missing in ["column attackers.asn", "table ttp_tag"] {
        assert!(trouble.contains(missing), "{missing}: {trouble}");
    }
    sqlx::raw_sql(
        "ALTER TABLE attackers RENAME COLUMN number TO asn; ALTER TABLE tags RENAME TO ttp_tag",
    )
    .execute(&mut database)
    .await
    .unwrap();
    served.wait_until_on_duty();
    served.stop();
}
