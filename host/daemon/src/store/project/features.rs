//! `corral_feature` of attackers whose fingerprints were taken in: only those that differ are written.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::fingerprints::Feature;
use super::{KEYS, json};
use crate::store::StoreError;
use crate::store::db::{Connection, Sql, query};
use crate::store::record::rows::{self, Statement};

/// Takes away all features of some attackers.
pub(super) const FORGET: Sql = Sql::of(
    "DELETE FROM corral_feature WHERE attacker_uuid IN (SELECT n.uuid FROM {?: uuid key} AS n)",
);
const STORED: Sql = Sql::of(
    "SELECT attacker_uuid, kind, value, first_seen, last_seen, sightings, decky FROM corral_feature
     WHERE attacker_uuid IN (SELECT n.uuid FROM {?: uuid key} AS n)",
);

/// Makes the features of these attackers what they should be; gives the attackers of which they were not.
pub(super) async fn write(
    connection: &mut Connection,
    uuids: &[String],
    wanted: &BTreeMap<&str, Vec<Feature>>,
) -> Result<Vec<String>, StoreError> {
    let mut stored: BTreeMap<String, Vec<Stored>> = BTreeMap::new();
    for chunk in uuids.chunks(KEYS) {
        let rows: Vec<Stored> = query(STORED).bind(json(chunk)).all(&mut *connection).await?;
        for row in rows {
            stored.entry(row.attacker_uuid.clone()).or_default().push(row);
        }
    }
    let (mut differ, mut rows) = (Vec::new(), Vec::new());
    for (uuid, features) in wanted {
        let mut stored = stored.remove(*uuid).unwrap_or_default();
        stored.sort_unstable_by(|a, b| (&a.kind, &a.value).cmp(&(&b.kind, &b.value)));
        let is_same = stored.len() == features.len()
            && stored.iter().zip(features).all(|(stored, feature)| stored.is(feature));
        if !is_same {
            differ.push((*uuid).to_owned());
            rows.extend(features.iter().map(|feature| (*uuid, feature)));
        }
    }
    for chunk in differ.chunks(KEYS) {
        query(FORGET).bind(json(chunk)).execute(&mut *connection).await?;
    }
    rows::write(connection, ADD, &rows, |values, (uuid, feature)| {
        values
            .bind((*uuid).to_owned())
            .bind(feature.kind)
            .bind(feature.value.clone())
            .bind(feature.first_seen)
            .bind(feature.last_seen)
            .bind(feature.sightings)
            .bind(feature.decky.clone())
    })
    .await?;
    Ok(differ)
}

/// A feature as it is stored.
#[derive(Debug, Deserialize)]
struct Stored {
    attacker_uuid: String,
    kind: String,
    value: String,
    first_seen: i64,
    last_seen: i64,
    sightings: i64,
    decky: String,
}

impl Stored {
    fn is(&self, feature: &Feature) -> bool {
        self.kind == feature.kind
            && self.value == feature.value
            && self.first_seen == feature.first_seen
            && self.last_seen == feature.last_seen
            && self.sightings == feature.sightings
            && self.decky == feature.decky
    }
}

const ADD: Statement = Statement {
    head: "INSERT INTO corral_feature (attacker_uuid, kind, value, first_seen, last_seen, sightings, decky) VALUES ",
    row: "(?, ?, ?, ?, ?, ?, ?)",
    tail: "",
};
