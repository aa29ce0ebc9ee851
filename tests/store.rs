//! Every domain verb of the store on every database: what they read is the same, and what they write.

use std::sync::Arc;

use corral::store::owner::Owner;
use corral::store::resident::Resident;
use corral::store::revision::View;
use corral_kernels::{Column, Frame, Interner};

use crate::places::{Opened, Place};
use crate::resident::world::{ATTACKERS, Chance, World};
use mirror::Mirror;

mod cases;
mod failures;
mod logs;
pub(crate) mod mirror;
mod runs;

/// A world on a database, whose rows come from logs or, where no logs are read, from a copy.
async fn world(place: Place, opened: &Opened, texts: &Arc<Interner>) -> World {
    let mirror = if place.takes_logs() { None } else { Some(Mirror::into(&opened.url).await) };
    World::on(opened.store.clone(), texts.clone(), mirror)
}

/// The rows of a frame; of a database whose measures have four bytes as such, and in an order of our own, since
/// what came one after the other is the same to it.
fn rows(frame: &Frame, is_coarse: bool) -> Vec<Vec<u64>> {
    let bits = |column: &Column, at: usize| match column {
        Column::Uint32(values) | Column::Text(values) => u64::from(values[at]),
        Column::Uint64(values) => values[at],
        Column::Int64(values) => values[at].cast_unsigned(),
        Column::Float64(values) if is_coarse => f64::from(values[at] as f32).to_bits(),
        Column::Float64(values) => values[at].to_bits(),
    };
    let columns: Vec<&Column> = frame.columns().map(|(_, column)| column).collect();
    let row = |at| columns.iter().map(|column| bits(column, at)).collect();
    let mut rows: Vec<Vec<u64>> = (0..frame.rows()).map(row).collect();
    if is_coarse && frame.columns().any(|(_, column)| matches!(column, Column::Float64(_))) {
        rows.sort();
    }
    rows
}

#[tokio::test]
async fn a_life_on_a_file_of_decnets_comes_to_the_same() {
    lives(Place::SqliteOfDecnet).await;
}

#[tokio::test]
async fn a_life_on_mariadb_comes_to_the_same() {
    lives(Place::MariaDb).await;
}

#[tokio::test]
async fn a_life_on_mariadb_in_latin1_comes_to_the_same() {
    lives(Place::MariaDbLatin1).await;
}

#[tokio::test]
async fn a_life_on_postgresql_comes_to_the_same() {
    lives(Place::Postgres).await;
}

/// The same happens here and in a file of Corral's own: after each step all views are the same, and in the end
/// what reports read and what was written.
async fn lives(place: Place) {
    let Some(opened) = place.open().await else { return };
    let texts = Arc::new(Interner::new(1 << 24));
    let reference = Place::Sqlite.open().await.unwrap();
    let mut here = world(place, &opened, &texts).await;
    let mut there = World::on(reference.store.clone(), texts.clone(), None);
    for step in 0..40 {
        for world in [&mut here, &mut there] {
            let mut chance = Chance(step);
            if step == 0 {
                world.visit(&(0..ATTACKERS).collect::<Vec<_>>(), &mut chance).await;
            } else {
                world.step(&mut chance).await;
            }
        }
        for view in View::ALL {
            let (is, should) = (here.scan(view).await, there.scan(view).await);
            // Of DECNET's identities none is stale: whoever takes in attackers derives their columns.
            let columns = is.columns().map(|(name, _)| name).filter(|name| *name != "stale");
            let columns: Vec<&str> = columns.collect();
            let is_decnets = opened.store.owner() == Owner::Decnet;
            let [is, should] = match view {
                View::Identities if is_decnets => {
                    [is.select(&columns).unwrap(), should.select(&columns).unwrap()]
                }
                _ => [is.clone(), should],
            };
            let [is, should] = [is, should].map(|frame| rows(&frame, place.is_coarse()));
            assert_eq!(is, should, "{place:?}, step {step}: {view:?}");
        }
    }
    reports_are_the_same(place, &opened, &reference).await;
    written_rows_are_the_same(place, &opened, &reference).await;
}

#[tokio::test]
async fn a_snapshot_is_of_one_moment_whoever_writes_meanwhile() {
    for place in Place::ALL {
        let Some(opened) = place.open().await else { continue };
        let texts = Arc::new(Interner::new(1 << 24));
        let mut world = world(place, &opened, &texts).await;
        world.visit(&[1, 2, 3], &mut Chance(1)).await;
        let resident = Arc::new(Resident::new(texts.clone(), 1 << 20));
        let mut snapshot = opened.store.snapshot(resident).await.unwrap();
        let revision = snapshot.revision(View::Features).await.unwrap();
        world.visit(&[4, 5, 6], &mut Chance(2)).await;
        let attackers = snapshot.read(View::Attackers, "test").await.unwrap();
        assert_eq!(attackers.rows(), 3, "{place:?}");
        assert_eq!(snapshot.revision(View::Features).await.unwrap(), revision, "{place:?}");
        assert_eq!(world.scan(View::Attackers).await.rows(), 6, "{place:?}");
    }
}

/// What reports, `why` and certificates read.
async fn reports_are_the_same(place: Place, here: &Opened, there: &Opened) {
    let mut said = Vec::new();
    for store in [&here.store, &there.store] {
        let mut lines = Vec::new();
        let totals = store.totals().await.unwrap();
        lines.push(format!("{totals:?}"));
        let identities = store.largest_identities(10).await.unwrap();
        lines.push(format!("{identities:?} {:?}", store.grouped().await.unwrap()));
        for identity in &identities {
            let members = store.members(&identity.uuid).await.unwrap();
            lines.push(format!("{members:?} {:?}", store.evidence(&members).await.unwrap()));
            lines.push(store.live_identity(&identity.uuid).await.unwrap());
            lines.push(format!("{:?}", store.live_campaign(&identity.uuid).await.unwrap()));
            lines.push(format!("{:?}", store.states(&identity.uuid).await.unwrap()));
            let (first, last) = (&members[0], members.last().unwrap());
            lines.push(format!("{:?}", store.attacker(&first.ip).await.unwrap()));
            lines.push(format!("{:?}", store.shared(&first.uuid, &last.uuid).await.unwrap()));
            let both = store.shared_credentials(&first.uuid, &last.uuid, 5).await.unwrap();
            lines.push(format!("{both:?}"));
        }
        let campaigns = store.largest_campaigns(10).await.unwrap();
        lines.push(format!("{campaigns:?} {:?}", store.allied().await.unwrap()));
        for campaign in &campaigns {
            let members = store.campaign_members(&campaign.uuid).await.unwrap();
            let evidence = store.campaign_evidence(&members).await.unwrap();
            lines.push(format!("{members:?} {evidence:?}"));
        }
        lines.push(format!("{:?}", store.most_shared("hassh", 5).await.unwrap()));
        lines.push(format!("{:?}", store.holders("hassh", "w1").await.unwrap()));
        lines.push(format!("{:?}", store.holders_of_infrastructure("w1").await.unwrap()));
        let mut kinds: Vec<_> = store.kinds().await.unwrap().into_iter().collect();
        kinds.sort();
        lines.push(format!("{kinds:?}"));
        lines.push(format!("{:?}", store.common_credentials(10).await.unwrap()));
        lines.push(format!("{:?}", store.tactics().await.unwrap()));
        lines.push(format!("{:?}", store.primitives().await.unwrap()));
        lines.push(format!("{:?}", store.unsteady(10).await.unwrap()));
        lines.push(format!("{:?}", store.steady().await.unwrap()));
        let (spread, addresses) = store.spread().await.unwrap();
        lines.push(format!("{spread:?} {addresses}"));
        for row in spread.iter().take(3) {
            lines.push(format!("{:?}", store.reused(&row.id).await.unwrap()));
        }
        for layer in
            [corral::store::commit::Layer::Identity, corral::store::commit::Layer::Campaign]
        {
            let stored = store.stored_layer(layer).await.unwrap();
            let mut merged: Vec<_> = stored.merged.into_iter().collect();
            merged.sort();
            lines.push(format!("{:?} {merged:?} {:?}", stored.members, stored.edges));
        }
        said.push(lines);
    }
    let there = said.pop().unwrap();
    for (is, should) in said.pop().unwrap().iter().zip(&there) {
        assert_eq!(is, should, "{place:?}");
    }
}

/// The rows as the tables have them, columns that no view shows included.
async fn written_rows_are_the_same(place: Place, here: &Opened, there: &Opened) {
    let tables = [
        (
            "attacker_identities",
            "uuid",
            &["uuid", "ja3_hashes", "hassh_hashes", "payload_simhashes", "c2_endpoints"][..],
        ),
        (
            "credential_reuse",
            "id",
            &["id", "principal", "attacker_uuids", "attacker_ips", "deckies", "services"],
        ),
        ("corral_outbox", "id", &["topic", "type", "payload"]),
        ("corral_evidence", "a", &["layer", "a", "b", "reason", "value"]),
    ];
    let mut here_sql = crate::sql::Sql::connect(&here.url).await;
    let mut there_sql = crate::sql::Sql::connect(&there.url).await;
    for (table, order, columns) in tables {
        let query = format!("SELECT {} FROM {table} ORDER BY {order}", columns.join(", "));
        let (is, should) = (here_sql.texts(&query).await, there_sql.texts(&query).await);
        assert_eq!(is, should, "{place:?}: {table}");
    }
}
