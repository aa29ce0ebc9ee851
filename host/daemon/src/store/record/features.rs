//! `corral_feature`: what an attacker can share with another.

use std::sync::Arc;

use crate::store::db::{Connection, query};

use super::merge::Merged;
use super::rows::{self, Statement};
use super::{Batch, Kind};
use crate::store::StoreError;

const ADD: Statement = Statement {
    head: "INSERT INTO corral_feature (attacker_uuid, kind, value, first_seen, last_seen, sightings, decky) VALUES ",
    row: "(?, ?, ?, ?, ?, ?, ?)",
    // On the right stand the values before the update, whatever was set to the left of them.
    tail: " ON CONFLICT (attacker_uuid, kind, {unique value}) DO UPDATE SET \
           decky = CASE WHEN (excluded.first_seen, excluded.decky) < \
                   (corral_feature.first_seen, corral_feature.decky) \
                   THEN excluded.decky ELSE corral_feature.decky END, \
           first_seen = {least}(corral_feature.first_seen, excluded.first_seen), \
           last_seen = {greatest}(corral_feature.last_seen, excluded.last_seen), \
           sightings = corral_feature.sightings + excluded.sightings",
};

/// Adds the new sightings, in the order of the table; recomputes scripts of sessions that grew.
pub(super) async fn write(
    connection: &mut Connection,
    batch: &Batch,
    merged: &Merged<'_>,
) -> Result<(), StoreError> {
    let mut sightings: Vec<_> = merged
        .features
        .iter()
        .filter(|((attacker, kind, value), _)| {
            *kind != Kind::CommandScript
                || !merged.scripts.contains(&(*attacker, Arc::clone(value)))
        })
        .map(|((attacker, kind, value), sighting)| {
            (batch.attacker_id(*attacker), kind.name(), value, sighting)
        })
        .collect();
    sightings.sort_unstable_by(|a, b| (&a.0, a.1, a.2).cmp(&(&b.0, b.1, b.2)));
    rows::write(connection, ADD, &sightings, |values, (attacker, kind, value, sighting)| {
        values
            .bind(Arc::clone(attacker))
            .bind(*kind)
            .bind(Arc::clone(value))
            .bind(sighting.span.first.micros())
            .bind(sighting.span.last.micros())
            .bind(sighting.span.count)
            .bind(Arc::clone(&sighting.decky))
    })
    .await?;
    for (attacker, script) in &merged.scripts {
        recompute_script(connection, &batch.attacker_id(*attacker), script).await?;
    }
    Ok(())
}

/// Counts the sessions that have this script now; a script that none has is nobody's feature.
async fn recompute_script(
    connection: &mut Connection,
    attacker: &Arc<str>,
    script: &Arc<str>,
) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM corral_feature WHERE attacker_uuid = ?1 AND kind = 'command-script' AND value = ?2",
        "WITH scripted AS (
             SELECT s.decky, MIN(c.at) AS began, MAX(c.at) AS ended
             FROM corral_session s JOIN corral_command c ON c.session_id = s.id
             WHERE s.attacker_uuid = ?1 AND s.script = ?2 GROUP BY s.id
         )
         INSERT INTO corral_feature (attacker_uuid, kind, value, first_seen, last_seen, sightings, decky)
         SELECT ?1, 'command-script', ?2, MIN(began), MAX(ended), COUNT(*),
                (SELECT decky FROM scripted ORDER BY began, decky LIMIT 1)
         FROM scripted HAVING COUNT(*) > 0",
    ] {
        query(sql).bind(Arc::clone(attacker)).bind(Arc::clone(script)).execute(&mut *connection).await?;
    }
    Ok(())
}
