//! A server that goes away: an error, nothing written, and everything goes on when it is back.

use std::sync::Arc;
use std::time::Duration;

use corral::clock::Timestamp;
use corral::store::commit::{Change, CommitError, Committer, Layer};
use corral::store::resident::Resident;
use corral::store::revision::View;
use corral::store::{Store, StoreError};
use corral_kernels::Interner;

use crate::places::Place;
use crate::servers::{Kind, Server, shared};
use crate::sql::Sql;

const DECNET_MARIADB: &str = include_str!("../data/decnet/mariadb.sql");
pub(super) const ATTACKER: &str = "INSERT INTO attackers (uuid, ip, first_seen, last_seen, event_count, service_count,
    decky_count, services, deckies, is_traversal, bounty_count, credential_count, fingerprints, commands,
    rotation_count, ipv6_leak_count, updated_at)
    VALUES ('a', '192.0.2.1', '2026-03-22 00:00:00', '2026-03-22 00:00:00', 1, 1, 1, '[]', '[]', 0, 0, 0, '[]',
    '[]', 0, 0, '2026-03-22 00:00:00')";

#[tokio::test]
async fn a_server_that_goes_away_is_an_error_and_its_return_needs_no_restart() {
    for kind in [Kind::MariaDb, Kind::Postgres] {
        let Some(server) = Server::start(kind) else { continue };
        let url = server.url(&server.database("").await);
        let busy = Duration::from_secs(3);
        let store = match kind {
            Kind::MariaDb => {
                Sql::connect(&url).await.run(DECNET_MARIADB).await;
                Store::open_decnet(&url, busy).await.unwrap()
            }
            Kind::Postgres => Store::open(&url, busy).await.unwrap(),
        };
        Sql::connect(&url).await.run(ATTACKER).await;
        let resident = Arc::new(Resident::new(Arc::new(Interner::new(1 << 20)), 0));
        let members = async || {
            let mut snapshot = store.snapshot(resident.clone()).await?;
            snapshot.read(View::Attackers, "test").await
        };
        let members_of_one = members().await.unwrap();
        let form = [Change::Form {
            layer: Layer::Identity,
            members: members_of_one,
            rows: vec![0],
            groups: vec![0],
        }];
        let by = Committer { plugin: "test", now: Timestamp(0), event_bytes_max: 1 << 16 };
        server.stop();
        let error = store.commit(&resident, &form, by).await.unwrap_err().to_string();
        assert!(error.contains("cannot be reached"), "{kind:?}: {error}");
        let error = members().await.unwrap_err();
        assert!(matches!(error, StoreError::Gone(_)), "{kind:?}: {error:?}");
        server.restart();
        let free = members().await.unwrap();
        assert_eq!(free.text("identity").unwrap(), [corral_kernels::ABSENT], "{kind:?}");
        let (done, _) = store.commit(&resident, &form, by).await.unwrap();
        assert_eq!(done.formed, 1, "{kind:?}");
        store.close().await;
    }
}

#[tokio::test]
async fn who_waits_for_a_lock_in_vain_writes_nothing_and_may_try_again() {
    for place in [Place::Sqlite, Place::MariaDb, Place::Postgres] {
        let Some((url, _folder)) = place.make().await else { continue };
        place.store(&url).await.close().await;
        let busy = Duration::from_secs(1);
        let store = match place {
            Place::MariaDb => Store::open_decnet(&url, busy).await.unwrap(),
            _ => Store::open(&url, busy).await.unwrap(),
        };
        let mut other = Sql::connect(&url).await;
        other.run(ATTACKER).await;
        let resident = Arc::new(Resident::new(Arc::new(Interner::new(1 << 20)), 0));
        let mut snapshot = store.snapshot(resident.clone()).await.unwrap();
        let members = snapshot.read(View::Attackers, "test").await.unwrap();
        drop(snapshot);
        let form =
            [Change::Form { layer: Layer::Identity, members, rows: vec![0], groups: vec![0] }];
        let by = Committer { plugin: "test", now: Timestamp(0), event_bytes_max: 1 << 16 };
        other.run("BEGIN").await;
        other.run("UPDATE attackers SET asn = 1").await;
        let error = store.commit(&resident, &form, by).await.unwrap_err();
        assert!(matches!(error, CommitError::Store(StoreError::Locked(_))), "{place:?}: {error:?}");
        other.run("ROLLBACK").await;
        let (done, _) = store.commit(&resident, &form, by).await.unwrap();
        assert_eq!(done.formed, 1, "{place:?}");
    }
}

#[tokio::test]
async fn a_database_that_the_server_has_not_is_told() {
    for kind in [Kind::MariaDb, Kind::Postgres] {
        let Some(server) = shared(kind) else { continue };
        let (url, busy) = (server.url("nobodys"), Duration::from_secs(3));
        let opened = match kind {
            Kind::MariaDb => Store::open_decnet(&url, busy).await,
            Kind::Postgres => Store::open(&url, busy).await,
        };
        let error = opened.unwrap_err();
        assert!(matches!(error, StoreError::NoDatabase(_)), "{kind:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_password_stays_out_of_what_is_said() {
    let busy = Duration::from_millis(300);
    for url in
        ["mysql+asyncmy://corral:hush%40+x@127.0.0.1:9/d", "postgres://corral:hush@127.0.0.1:9/d"]
    {
        let opened = match url.starts_with("mysql") {
            true => Store::open_decnet(url, busy).await,
            false => Store::open(url, busy).await,
        };
        let error = opened.unwrap_err();
        assert!(matches!(error, StoreError::Gone(_)), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
    }
}
