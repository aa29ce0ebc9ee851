//! States of (identity, primitive), written by key, and what follows from a change of state.
//!
//! The events are DECNET's: every transition is announced, and so is an identity of which at least two
//! primitives look like several operators in turn, each time the set of these primitives is another.

use std::collections::{BTreeMap, BTreeSet};

use corral_kernels::{Frame, Interner};
use serde_json::{Value, json};
use sqlx::SqliteConnection;

use super::{CommitError, Committer, Effects, ROWS_PER_STATEMENT, View, whole_column};
use crate::clock::Timestamp;
use crate::store::encoding::datetime;

/// The state that makes an identity suspicious.
const MULTI_ACTOR: &str = "multi_actor";
/// Primitives in that state that make a suspicion of several operators behind one identity.
pub const SUSPICION_MIN: usize = 2;
/// How certain a suspicion is at most.
const CONFIDENCE: f64 = 0.6;

/// Writes the rows that are new or differ; `changed_at` and `observed_at` are seconds since 1970-01-01.
pub(super) async fn put(
    connection: &mut SqliteConnection,
    texts: &Interner,
    rows: &Frame,
    by: Committer<'_>,
    effects: &mut Effects,
) -> Result<(), CommitError> {
    let text = |name: &str| whole_column(texts, rows, name);
    let (identity, primitive) = (text("identity")?, text("primitive")?);
    let identities: BTreeSet<&str> = identity.iter().map(String::as_str).collect();
    let before = states(connection, &identities).await?;
    let (value, state) = (text("value")?, text("state")?);
    let (confidence, samples) = (rows.float64("confidence")?, rows.uint32("samples")?);
    let (changed, observed) = (rows.float64("changed_at")?, rows.float64("observed_at")?);
    let rows: Vec<Value> = identity
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
    let now = datetime(by.now);
    let mut after = before.clone();
    for chunk in rows.chunks(ROWS_PER_STATEMENT) {
        let mut written: Vec<Written> = sqlx::query_as(PUT)
            .bind(Value::from(chunk).to_string())
            .bind(&now)
            .fetch_all(&mut *connection)
            .await?;
        effects.committed.put += written.len();
        effects.touched.add(View::Attribution, written.iter().map(|row| row.identity.as_str()));
        written.sort_by(|a, b| (&a.identity, &a.primitive).cmp(&(&b.identity, &b.primitive)));
        for row in written {
            let key = (row.identity.clone(), row.primitive.clone());
            let old = after.insert(key, row.state.clone());
            if old.as_ref() != Some(&row.state) {
                effects.events.add("attribution.profile.state_changed", row.payload(old));
            }
        }
    }
    for identity in identities {
        let (was, is) = (suspicious(&before, identity), suspicious(&after, identity));
        if is.len() >= SUSPICION_MIN && is != was {
            let topic = "attribution.profile.multi_actor_suspected";
            effects.events.add(topic, suspicion(identity, &is, by.now));
        }
    }
    Ok(())
}

/// The state of each (identity, primitive).
type States = BTreeMap<(String, String), String>;

async fn states(
    connection: &mut SqliteConnection,
    identities: &BTreeSet<&str>,
) -> Result<States, CommitError> {
    let rows: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT s.identity_uuid, s.primitive, s.state FROM json_each(?) AS one
         JOIN attribution_state s ON s.identity_uuid = one.value",
    )
    .bind(serde_json::to_string(identities).unwrap_or_default())
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(identity, primitive, state)| ((identity, primitive), state))
        .collect())
}

/// The primitives of an identity that look like several operators.
fn suspicious<'s>(states: &'s States, identity: &str) -> Vec<&'s str> {
    states
        .range((identity.to_owned(), String::new())..)
        .take_while(|((other, _), _)| other == identity)
        .filter(|(_, state)| *state == MULTI_ACTOR)
        .map(|((_, primitive), _)| primitive.as_str())
        .collect()
}

fn suspicion(identity: &str, primitives: &[&str], now: Timestamp) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "microseconds of our century are below 2^53")]
    let seconds = now.micros() as f64 / 1e6;
    json!({
        "identity_uuid": identity,
        "primitives": primitives,
        "evidence_summary": format!("{} primitives flagged multi_actor", primitives.len()),
        "confidence": CONFIDENCE,
        "ts": seconds,
    })
}

/// A row as it was written.
#[derive(sqlx::FromRow)]
struct Written {
    identity: String,
    primitive: String,
    value: String,
    state: String,
    confidence: f64,
    samples: i64,
    observed: f64,
}

impl Written {
    fn payload(self, old: Option<String>) -> Value {
        let value: Value = serde_json::from_str(&self.value).unwrap_or(Value::String(self.value));
        json!({
            "identity_uuid": self.identity,
            "primitive": self.primitive,
            "old_state": old,
            "new_state": self.state,
            "current_value": value,
            "confidence": self.confidence,
            "observation_count": self.samples,
            "ts": self.observed,
        })
    }
}

// A JSON column has numeric affinity: a number comes back as one unless it is asked for as text.
const PUT: &str = "INSERT INTO attribution_state (identity_uuid, primitive, current_value, state,
         confidence, observation_count, last_change_ts, last_observation_ts, schema_version, updated_at)
     SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
         COALESCE(value ->> 6, 0.0), COALESCE(value ->> 7, 0.0), 1, ?2
     FROM json_each(?1) WHERE TRUE
     ON CONFLICT (identity_uuid, primitive) DO UPDATE SET current_value = excluded.current_value,
         state = excluded.state, confidence = excluded.confidence,
         observation_count = excluded.observation_count, last_change_ts = excluded.last_change_ts,
         last_observation_ts = excluded.last_observation_ts, updated_at = excluded.updated_at
     WHERE (current_value, state, confidence, observation_count, last_change_ts, last_observation_ts)
         IS NOT (excluded.current_value, excluded.state, excluded.confidence,
             excluded.observation_count, excluded.last_change_ts, excluded.last_observation_ts)
     RETURNING identity_uuid AS identity, primitive, CAST(current_value AS TEXT) AS value, state, confidence,
         observation_count AS samples, last_observation_ts AS observed";
