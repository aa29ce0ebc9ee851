//! Rows written by key, only where they are new or differ.

use corral_kernels::{Frame, Interner};
use serde_json::json;
use sqlx::SqliteConnection;

use super::{CommitError, Committer, Effects, View, column, write_rows};
use crate::ids;
use crate::store::encoding::datetime;

/// A plugin's own rows: `key`, `value`; an absent value takes the row away.
pub(super) async fn state(
    connection: &mut SqliteConnection,
    texts: &Interner,
    rows: &Frame,
    by: Committer<'_>,
    effects: &mut Effects,
) -> Result<(), CommitError> {
    let all = every_row(rows);
    let values = rows.text("value")?;
    let present = |at: usize| values.get(at).is_some_and(|code| *code != corral_kernels::ABSENT);
    let pairs =
        column(texts, rows, "key", &all)?.into_iter().zip(column(texts, rows, "value", &all)?);
    let (kept, gone): (Vec<_>, Vec<_>) = pairs.enumerate().partition(|(at, _)| present(*at));
    let kept: Vec<_> =
        kept.into_iter().map(|(_, (key, value))| json!([by.plugin, key, value])).collect();
    let gone: Vec<_> = gone.into_iter().map(|(_, (key, _))| json!([by.plugin, key])).collect();
    let now = datetime(by.now);
    let written = write_rows(connection, PUT_STATE, &kept, &now).await?
        + write_rows(connection, DROP_STATE, &gone, &now).await?;
    effects.note(View::State, written);
    Ok(())
}

/// States of (identity, primitive); `changed_at` and `observed_at` are seconds since 1970-01-01.
pub(super) async fn attribution(
    connection: &mut SqliteConnection,
    texts: &Interner,
    rows: &Frame,
    by: Committer<'_>,
    effects: &mut Effects,
) -> Result<(), CommitError> {
    let all = every_row(rows);
    let text = |name: &str| column(texts, rows, name, &all);
    let (identity, primitive) = (text("identity")?, text("primitive")?);
    let (value, state) = (text("value")?, text("state")?);
    let (confidence, samples) = (rows.float64("confidence")?, rows.uint32("samples")?);
    let (changed, observed) = (rows.float64("changed_at")?, rows.float64("observed_at")?);
    let rows: Vec<_> = identity
        .iter()
        .zip(&primitive)
        .zip(value.iter().zip(&state))
        .zip(confidence.iter().zip(samples))
        .zip(changed.iter().zip(observed))
        .map(
            |(
                (((identity, primitive), (value, state)), (confidence, samples)),
                (changed, observed),
            )| {
                json!([identity, primitive, value, state, confidence, samples, changed, observed])
            },
        )
        .collect();
    let written = write_rows(connection, PUT_ATTRIBUTION, &rows, &datetime(by.now)).await?;
    effects.note(View::Attribution, written);
    Ok(())
}

/// Reused credentials by key: `secret_sha256`, `secret_kind`, `principal_key`. Who, where and how often
/// is derived from the credentials themselves, so that running twice counts once.
pub(super) async fn reuse(
    connection: &mut SqliteConnection,
    texts: &Interner,
    rows: &Frame,
    by: Committer<'_>,
    effects: &mut Effects,
) -> Result<(), CommitError> {
    let all = every_row(rows);
    let text = |name: &str| column(texts, rows, name, &all);
    let keys: Vec<_> = text("secret_sha256")?
        .into_iter()
        .zip(text("secret_kind")?)
        .zip(text("principal_key")?)
        .map(|((secret, kind), principal)| {
            json!([ids::credential_reuse(&secret, &kind, &principal), secret, kind, principal])
        })
        .collect();
    let written = write_rows(connection, PUT_REUSE, &keys, &datetime(by.now)).await?;
    effects.note(View::Reuse, written);
    Ok(())
}

impl Effects {
    fn note(&mut self, view: View, written: u64) {
        if written > 0 {
            self.views.insert(view);
            self.committed.put += usize::try_from(written).unwrap_or(usize::MAX);
        }
    }
}

fn every_row(frame: &Frame) -> Vec<u32> {
    (0..).take(frame.rows()).collect()
}

const PUT_STATE: &str = "INSERT INTO corral_state (plugin, key, value)
     SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?1) WHERE ?2 <> ''
     ON CONFLICT (plugin, key) DO UPDATE SET value = excluded.value WHERE value <> excluded.value";
const DROP_STATE: &str = "DELETE FROM corral_state WHERE (plugin, key) IN
     (SELECT value ->> 0, value ->> 1 FROM json_each(?1)) AND ?2 <> ''";

const PUT_ATTRIBUTION: &str = "INSERT INTO attribution_state (identity_uuid, primitive, current_value, state,
         confidence, observation_count, last_change_ts, last_observation_ts, schema_version, updated_at)
     SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
         value ->> 7, 1, ?2
     FROM json_each(?1) WHERE TRUE
     ON CONFLICT (identity_uuid, primitive) DO UPDATE SET current_value = excluded.current_value,
         state = excluded.state, confidence = excluded.confidence,
         observation_count = excluded.observation_count, last_change_ts = excluded.last_change_ts,
         last_observation_ts = excluded.last_observation_ts, updated_at = excluded.updated_at
     WHERE (current_value, state, confidence, observation_count, last_change_ts, last_observation_ts)
         IS NOT (excluded.current_value, excluded.state, excluded.confidence,
             excluded.observation_count, excluded.last_change_ts, excluded.last_observation_ts)";

const PUT_REUSE: &str = "INSERT INTO credential_reuse (id, secret_sha256, secret_kind, principal,
         principal_key, attacker_uuids, attacker_ips, deckies, services, target_count, attempt_count,
         confidence, first_seen, last_seen, updated_at)
     SELECT key.value ->> 0, c.secret_sha256, c.secret_kind, MAX(c.principal), c.principal_key,
         json_group_array(DISTINCT c.attacker_uuid) FILTER (WHERE c.attacker_uuid IS NOT NULL),
         json_group_array(DISTINCT c.attacker_ip), json_group_array(DISTINCT c.decky_name),
         json_group_array(DISTINCT c.service),
         COUNT(DISTINCT c.decky_name || ':' || c.service), SUM(c.attempt_count), 1.0,
         MIN(c.first_seen), MAX(c.last_seen), ?2
     FROM json_each(?1) AS key
     JOIN credentials c ON c.secret_sha256 = key.value ->> 1 AND c.secret_kind = key.value ->> 2
         AND c.principal_key = key.value ->> 3
     GROUP BY c.secret_sha256, c.secret_kind, c.principal_key
     ON CONFLICT (secret_sha256, secret_kind, principal_key) DO UPDATE SET
         attacker_uuids = excluded.attacker_uuids, attacker_ips = excluded.attacker_ips,
         deckies = excluded.deckies, services = excluded.services,
         target_count = excluded.target_count, attempt_count = excluded.attempt_count,
         first_seen = excluded.first_seen, last_seen = excluded.last_seen, updated_at = excluded.updated_at
     WHERE (attacker_uuids, attacker_ips, deckies, services, target_count, attempt_count, first_seen,
             last_seen)
         IS NOT (excluded.attacker_uuids, excluded.attacker_ips, excluded.deckies, excluded.services,
             excluded.target_count, excluded.attempt_count, excluded.first_seen, excluded.last_seen)";
