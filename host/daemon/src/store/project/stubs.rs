//! Orphan stubs: identities that DECNET's attribution made for an attacker whom the clusterer then gave another.
//!
//! Both of DECNET's workers may make an identity for one attacker, and the last to write has it. The other
//! stays behind without an attacker, and gets a campaign of its own. Here it points to the live identity of
//! the attacker that it was made for, as one that was merged: nothing is taken away, and what refers to it
//! still finds somebody. Only if there is no doubt: a stub has the attacker's first sight and, where there are
//! states of it, their times are those of the attacker's samples.

use std::collections::BTreeSet;

use serde_json::json;

use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::changes::Touched;
use crate::store::db::{Connection, query};
use crate::store::encoding::datetime;
use crate::store::revision::View;

/// Stubs that are looked at in one look.
const STUBS_MAX: i64 = 1_000;

const ORPHANS: &str = "SELECT i.uuid, i.first_seen_at FROM attacker_identities i
     LEFT JOIN attackers a ON a.identity_id = i.uuid
     WHERE a.uuid IS NULL AND i.merged_into_uuid IS NULL AND i.first_seen_at IS NOT NULL
         AND i.observation_count <= 1 AND LENGTH(i.uuid) = 32
     ORDER BY i.uuid LIMIT ?";
const ATTACKERS: &str =
    "SELECT uuid, identity_id FROM attackers WHERE first_seen = ? AND identity_id IS NOT NULL";
const STATES: &str = "SELECT COUNT(*) FROM attribution_state WHERE identity_uuid = ?";
const SAMPLES: &str =
    "SELECT COUNT(*) FROM attribution_state s WHERE s.identity_uuid = ? AND EXISTS
     (SELECT 1 FROM observations o WHERE o.attacker_uuid = ? AND o.primitive = s.primitive
      AND o.ts = s.last_observation_ts)";

/// An orphan and the live identity that it belongs to.
pub(super) type Retired = (String, String);

/// Orphans of which nobody can doubt whose they are.
pub(super) async fn find(connection: &mut Connection) -> Result<Vec<Retired>, StoreError> {
    let orphans: Vec<(String, String)> =
        query(ORPHANS).bind(STUBS_MAX).all(&mut *connection).await?;
    let mut found = Vec::new();
    for (stub, first_seen) in orphans {
        if !stub.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            continue;
        }
        let attackers: Vec<(String, String)> =
            query(ATTACKERS).bind(&first_seen).all(&mut *connection).await?;
        let states: i64 = query(STATES).bind(&stub).one(&mut *connection).await?;
        let mut winners = BTreeSet::new();
        for (attacker, identity) in attackers {
            let samples: i64 =
                query(SAMPLES).bind(&stub).bind(&attacker).one(&mut *connection).await?;
            if samples == states
                && let Some(live) = live(connection, identity).await?
            {
                winners.insert(live);
            }
        }
        if let (Some(winner), 1) = (winners.first(), winners.len()) {
            found.push((stub, winner.clone()));
        }
    }
    Ok(found)
}

/// The identity that speaks for this one, if its pointers lead to one.
async fn live(connection: &mut Connection, identity: String) -> Result<Option<String>, StoreError> {
    let mut at = identity;
    for _ in 0..8 {
        let into: Option<Option<String>> =
            query("SELECT merged_into_uuid FROM attacker_identities WHERE uuid = ?")
                .bind(&at)
                .optional(&mut *connection)
                .await?;
        match into {
            None => return Ok(None),
            Some(None) => return Ok(Some(at)),
            Some(Some(next)) => at = next,
        }
    }
    Ok(None)
}

/// Points them to their winners, and announces it as a merge; in the caller's transaction.
pub(super) async fn retire(
    connection: &mut Connection,
    retired: &[Retired],
    touched: &mut Touched,
    now: Timestamp,
) -> Result<(), StoreError> {
    for (stub, winner) in retired {
        let written = query(
            "UPDATE attacker_identities SET merged_into_uuid = ?, updated_at = ?
             WHERE uuid = ? AND merged_into_uuid IS NULL",
        )
        .bind(winner)
        .bind(datetime(now))
        .bind(stub)
        .execute(&mut *connection)
        .await?;
        if written == 0 {
            continue;
        }
        let payload = json!({"winner_uuid": winner, "loser_uuid": stub, "identity_uuid": winner});
        query("INSERT INTO corral_outbox (topic, type, payload, created_at) VALUES (?, ?, ?, ?)")
            .bind("identity.merged")
            .bind("merged")
            .bind(payload.to_string())
            .bind(now.micros())
            .execute(&mut *connection)
            .await?;
        tracing::info!(
            stub,
            winner,
            "an identity that lost its attacker points to whom it was made for"
        );
        touched.add(View::Identities, [stub.as_str(), winner.as_str()]);
    }
    Ok(())
}
