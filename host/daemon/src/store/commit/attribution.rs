//! States of (identity, primitive), written by key, and what follows from a change of state.
//!
//! The events are DECNET's: every transition is announced, and so is an identity of which at least two
//! primitives look like several operators in turn, each time the set of these primitives is another.

use std::collections::{BTreeMap, BTreeSet};

use crate::store::db::{Connection, Sql, query, write_rows};
use corral_kernels::{Frame, Interner};
use serde_json::{Value, json};

use super::{CommitError, Committer, Effects, View, whole_column};
use crate::clock::Timestamp;

/// The state that makes an identity suspicious.
const MULTI_ACTOR: &str = "multi_actor";
/// Primitives in that state that make a suspicion of several operators behind one identity.
pub const SUSPICION_MIN: usize = 2;
/// How certain a suspicion is at most.
const CONFIDENCE: f64 = 0.6;

/// Writes the rows that are new or differ; `changed_at` and `observed_at` are seconds since 1970-01-01.
pub(super) async fn put(
    connection: &mut Connection,
    texts: &Interner,
    rows: &Frame,
    by: Committer<'_>,
    effects: &mut Effects,
) -> Result<(), CommitError> {
    let given = given(texts, rows)?;
    let identities: BTreeSet<&str> = given.iter().map(|(key, _)| key.0.as_str()).collect();
    let stored = stored(connection, &identities).await?;
    let state = |(key, row): (&Key, &Row)| (key.clone(), row.state.clone());
    let before: States = stored.iter().map(state).collect();
    let mut after = before.clone();
    // Of a key that comes twice the last counts; sorted, because the index is.
    let changed: BTreeMap<&Key, &Row> = given.iter().map(|(key, row)| (key, row)).collect();
    let changed: Vec<(&Key, &Row)> = changed
        .into_iter()
        .filter(|(key, row)| stored.get(*key).is_none_or(|old| !row.is_stored_as(old)))
        .collect();
    let rows: Vec<Value> = changed.iter().map(|(key, row)| row.json(key)).collect();
    let now = connection.datetime(by.now);
    write_rows(connection, &PUT, &rows, &now).await?;
    effects.committed.put += changed.len();
    effects.touched.add(View::Attribution, changed.iter().map(|(key, _)| key.0.as_str()));
    for (key, row) in changed {
        let old = after.insert(key.clone(), row.state.clone());
        if old.as_ref() != Some(&row.state) {
            effects.events.add("attribution.profile.state_changed", row.payload(key, old));
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

/// An identity and a primitive.
type Key = (String, String);
/// The state of each.
type States = BTreeMap<Key, String>;

/// What is to be written.
fn given(texts: &Interner, rows: &Frame) -> Result<Vec<(Key, Row)>, CommitError> {
    let text = |name: &str| whole_column(texts, rows, name);
    let keys = text("identity")?.into_iter().zip(text("primitive")?);
    let values = text("value")?.into_iter().zip(text("state")?);
    let (confidence, samples) = (rows.float64("confidence")?, rows.uint32("samples")?);
    let (changed, observed) = (rows.float64("changed_at")?, rows.float64("observed_at")?);
    let measures = confidence.iter().zip(samples).zip(changed.iter().zip(observed));
    // What is no number cannot be stored as one.
    let number = |measure: f64| if measure.is_finite() { measure } else { 0.0 };
    let rows = keys.zip(values).zip(measures).map(
        |((key, (value, state)), ((confidence, samples), (changed, observed)))| {
            let (changed, observed) = (number(*changed), number(*observed));
            let (confidence, samples) = (number(*confidence), i64::from(*samples));
            (key, Row { value, state, confidence, samples, changed, observed })
        },
    );
    Ok(rows.collect())
}

/// The rows of these identities.
async fn stored(
    connection: &mut Connection,
    identities: &BTreeSet<&str>,
) -> Result<BTreeMap<Key, Row>, CommitError> {
    let mut stored = BTreeMap::new();
    query(STORED)
        .bind(serde_json::to_string(identities).unwrap_or_default())
        .each(connection, |row| {
            let (identity, primitive, value, state, confidence, samples, changed, observed) =
                row.read()?;
            let row = Row { value, state, confidence, samples, changed, observed };
            stored.insert((identity, primitive), row);
            Ok(())
        })
        .await?;
    Ok(stored)
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

/// What a row says of its key.
#[derive(Debug)]
struct Row {
    value: String,
    state: String,
    confidence: f64,
    samples: i64,
    changed: f64,
    observed: f64,
}

impl Row {
    /// Whether writing it would change nothing. MariaDB's FLOAT keeps fewer digits than we have: what is stored
    /// there is the same if ours would be stored as it.
    fn is_stored_as(&self, stored: &Self) -> bool {
        (&self.value, &self.state, self.samples) == (&stored.value, &stored.state, stored.samples)
            && is_stored_as(self.confidence, stored.confidence)
            && is_stored_as(self.changed, stored.changed)
            && is_stored_as(self.observed, stored.observed)
    }

    fn json(&self, (identity, primitive): &Key) -> Value {
        let Self { value, state, confidence, samples, changed, observed } = self;
        json!([identity, primitive, value, state, confidence, samples, changed, observed])
    }

    fn payload(&self, (identity, primitive): &Key, old: Option<String>) -> Value {
        let value: Value =
            serde_json::from_str(&self.value).unwrap_or_else(|_| Value::String(self.value.clone()));
        json!({
            "identity_uuid": identity,
            "primitive": primitive,
            "old_state": old,
            "new_state": self.state,
            "current_value": value,
            "confidence": self.confidence,
            "observation_count": self.samples,
            "ts": self.observed,
        })
    }
}

/// Whether a measure is stored as this: but for the last digit, which its way through a text may cost, or as a
/// float of four bytes.
#[expect(clippy::float_cmp, clippy::cast_possible_truncation, reason = "as the database cuts it")]
fn is_stored_as(measure: f64, stored: f64) -> bool {
    (measure - stored).abs() <= measure.abs() * 1e-15 || f64::from(measure as f32) == stored
}

// A JSON column has numeric affinity: a number comes back as one unless it is asked for as text.
const STORED: Sql = Sql::of(
    "SELECT s.identity_uuid, s.primitive, {text s.current_value}, s.state, s.confidence,
         s.observation_count, s.last_change_ts, s.last_observation_ts
     FROM {?1: uuid key} AS n CROSS JOIN attribution_state s ON s.identity_uuid = n.uuid",
);

const PUT: Sql = Sql::of(
    "INSERT INTO attribution_state (identity_uuid, primitive, current_value, state, confidence,
         observation_count, last_change_ts, last_observation_ts, schema_version, updated_at)
     SELECT n.uuid, n.primitive, n.value, n.state, n.confidence, n.samples, n.changed, n.observed, 1, ?2
     FROM {?1: uuid key, primitive text, value text, state text, confidence real, samples int, changed real,
         observed real} AS n WHERE TRUE
     ON CONFLICT (identity_uuid, primitive) DO UPDATE SET current_value = excluded.current_value,
         state = excluded.state, confidence = excluded.confidence,
         observation_count = excluded.observation_count, last_change_ts = excluded.last_change_ts,
         last_observation_ts = excluded.last_observation_ts, updated_at = excluded.updated_at",
);
