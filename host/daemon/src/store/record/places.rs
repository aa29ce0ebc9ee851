//! `corral_contact`: how often and when an attacker was at which service of which sensor.

use std::sync::Arc;

use crate::store::db::{Connection, query};

use super::Batch;
use super::merge::{Contact, Merged, Place};
use super::rows::{self, Statement};
use crate::store::StoreError;

const ADD: Statement = Statement {
    head: "INSERT INTO corral_contact (attacker_uuid, decky, service, first_seen, last_seen, events, sessions) VALUES ",
    row: "(?, ?, ?, ?, ?, ?, ?)",
    tail: " ON CONFLICT (attacker_uuid, decky, service) DO UPDATE SET \
           first_seen = {least}(corral_contact.first_seen, excluded.first_seen), \
           last_seen = {greatest}(corral_contact.last_seen, excluded.last_seen), \
           events = corral_contact.events + excluded.events, \
           sessions = corral_contact.sessions + excluded.sessions",
};

/// Adds the new events; recomputes where a session left or came, which the sessions' rows show already.
pub(super) async fn write(
    connection: &mut Connection,
    batch: &Batch,
    merged: &Merged<'_>,
) -> Result<(), StoreError> {
    let grown: Vec<_> = merged.places.iter().filter(|(_, contact)| !contact.moved).collect();
    rows::write(connection, ADD, &grown, |values, (place, contact): &(&Place, &Contact)| {
        values
            .bind(batch.attacker_id(place.attacker))
            .bind(Arc::clone(&place.decky))
            .bind(Arc::clone(&place.service))
            .bind(contact.first.micros())
            .bind(contact.last.micros())
            .bind(contact.events)
            .bind(contact.sessions)
    })
    .await?;
    for place in merged.moved() {
        for sql in [
            "DELETE FROM corral_contact WHERE attacker_uuid = ? AND decky = ? AND service = ?",
            "INSERT INTO corral_contact (attacker_uuid, decky, service, first_seen, last_seen, events, sessions)
             SELECT attacker_uuid, decky, service, MIN(started_at), MAX(ended_at), SUM(LENGTH(seen) / 8), COUNT(*)
             FROM corral_session WHERE attacker_uuid = ? AND decky = ? AND service = ?
             GROUP BY attacker_uuid, decky, service",
        ] {
            query(sql)
                .bind(batch.attacker_id(place.attacker))
                .bind(Arc::clone(&place.decky))
                .bind(Arc::clone(&place.service))
                .execute(&mut *connection)
                .await?;
        }
    }
    Ok(())
}
