//! The rows of `observations`.
//!
//! `evidence_ref` names the session: `session:{address}/{sensor}#{id}`, as the log has them, which are
//! its key in `corral_session`; what a session turns out to be (its service) is no part of its name.
//! With the primitive it makes the row's id.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::store::db::{Connection, query};
use rustc_hash::FxHashMap;

use super::{Observed, Primitive, duration, told};
use crate::clock::Timestamp;
use crate::ids;
use crate::store::StoreError;
use crate::store::record::Batch;
use crate::store::record::merge::{Grown, Merged};
use crate::store::record::rows::{self, Statement};

const LOAD: Statement = Statement {
    head: "WITH piece (at, evidence_ref) AS (VALUES ",
    row: "(?, ?)",
    tail: ") SELECT piece.at, o.primitive, {text o.value}, o.confidence, o.window_start_ts, o.window_end_ts, o.ts \
           FROM piece CROSS JOIN observations o ON o.evidence_ref = piece.evidence_ref",
};

const WRITE: Statement = Statement {
    head: "INSERT INTO observations (id, primitive, value, confidence, window_start_ts, window_end_ts, source, \
           evidence_ref, envelope_v, ts, attacker_uuid) VALUES ",
    row: "(?, ?, ?, ?, ?, ?, 'corral/behaviour', ?, 1, ?, ?)",
    tail: " ON CONFLICT (evidence_ref, primitive) DO UPDATE SET value = excluded.value, \
           confidence = excluded.confidence, window_start_ts = excluded.window_start_ts, \
           window_end_ts = excluded.window_end_ts, ts = excluded.ts",
};

/// The columns of a row that may change.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    primitive: Primitive,
    value: Arc<str>,
    confidence: f64,
    window: (f64, f64),
    ts: f64,
}

impl Row {
    fn of(observed: &Observed, start: Timestamp) -> Self {
        let since = |at: Timestamp| seconds(at.micros() - start.micros());
        Self {
            primitive: observed.primitive,
            value: Arc::clone(&observed.value),
            confidence: observed.confidence,
            window: (since(observed.first), since(observed.last)),
            ts: seconds(observed.last.micros()),
        }
    }

    /// What the row was made of. Microseconds survive as seconds: up to the year 2106 a double tells
    /// them apart.
    fn observed(&self) -> Observed {
        let last = micros(self.ts);
        Observed {
            primitive: self.primitive,
            value: Arc::clone(&self.value),
            confidence: self.confidence,
            first: Timestamp(last - micros(self.window.1 - self.window.0)),
            last: Timestamp(last),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 microseconds, the year 2255")]
fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

#[expect(clippy::cast_possible_truncation, reason = "a number out of range becomes the nearest")]
fn micros(seconds: f64) -> i64 {
    (seconds * 1e6).round() as i64
}

/// Writes the samples of all sessions that have new events, where they differ from the rows, and gives
/// the attackers whose rows that changed, by index into the batch.
pub(in crate::store::record) async fn write(
    connection: &mut Connection,
    batch: &Batch,
    merged: &Merged<'_>,
) -> Result<BTreeSet<usize>, StoreError> {
    let sessions: Vec<&Grown<'_>> = merged.sessions.iter().chain(&merged.recalled).collect();
    let mut stored = load(connection, batch, &sessions).await?;
    let mut changed = Vec::new();
    for (at, session) in sessions.into_iter().enumerate() {
        let rows = changes(session, stored.remove(&at).unwrap_or_default());
        if rows.is_empty() {
            continue;
        }
        let evidence: Arc<str> = Arc::from(evidence(batch, session));
        changed.extend(rows.into_iter().map(|row| (Arc::clone(&evidence), session, row)));
    }
    // The order of two of the three indexes, in which neighbours are cheap.
    changed.sort_unstable_by(|a, b| (&a.0, a.2.primitive).cmp(&(&b.0, b.2.primitive)));
    rows::write(connection, WRITE, &changed, |values, (evidence, session, row)| {
        let primitive = row.primitive.name();
        values
            .bind(ids::observation(evidence, primitive))
            .bind(primitive)
            .bind(Arc::clone(&row.value))
            .bind(row.confidence)
            .bind(row.window.0)
            .bind(row.window.1)
            .bind(Arc::clone(evidence))
            .bind(row.ts)
            .bind(batch.attacker_id(session.piece.attacker))
    })
    .await?;
    Ok(changed.into_iter().map(|(_, session, _)| session.piece.attacker).collect())
}

/// The rows of those of the sessions that were stored, by index.
async fn load(
    connection: &mut Connection,
    batch: &Batch,
    sessions: &[&Grown<'_>],
) -> Result<FxHashMap<usize, Vec<Row>>, StoreError> {
    let sessions = sessions.iter().enumerate();
    let known: Vec<_> = sessions.filter(|(_, session)| session.before.is_some()).collect();
    let mut stored: FxHashMap<usize, Vec<Row>> = FxHashMap::default();
    for chunk in rows::chunks(&known) {
        let mut query = query(LOAD.sql(chunk.len(), connection.dialect()));
        for (at, session) in chunk {
            query =
                query.bind(i64::try_from(*at).unwrap_or(i64::MAX)).bind(evidence(batch, session));
        }
        let found: Vec<(i64, String, String, f64, f64, f64, f64)> =
            query.all(&mut *connection).await?;
        for (at, primitive, value, confidence, start, end, ts) in found {
            // A newer release may know more primitives.
            let Some(primitive) = Primitive::find(&primitive) else { continue };
            let (value, window) = (Arc::from(value), (start, end));
            let row = Row { primitive, value, confidence, window, ts };
            stored.entry(usize::try_from(at).unwrap_or(usize::MAX)).or_default().push(row);
        }
    }
    Ok(stored)
}

/// A session's name. What stands between its parts does not stand in them.
fn evidence(batch: &Batch, session: &Grown<'_>) -> String {
    let source = session.piece.source.replace('%', "%25").replace('#', "%23");
    let ip = batch.attacker_ip(session.piece.attacker);
    format!("session:{ip}/{source}#{}", session.piece.session)
}

/// The rows of a session that are not as they are stored.
fn changes(session: &Grown<'_>, stored: Vec<Row>) -> Vec<Row> {
    let mut samples: Vec<Observed> = stored.iter().map(Row::observed).collect();
    let mut put = |new: Observed, wins: fn(&Observed, &Observed) -> bool| match samples
        .iter_mut()
        .find(|old| old.primitive == new.primitive)
    {
        Some(old) if wins(&new, old) => *old = new,
        Some(_) => {}
        None => samples.push(new),
    };
    told(session).into_iter().for_each(|told| put(told, Observed::is_before));
    session.conduct.iter().cloned().chain(duration(session)).for_each(|all| put(all, |_, _| true));
    let start = session.state.started_at;
    let rows = samples.iter().map(|observed| Row::of(observed, start));
    rows.filter(|row| !stored.contains(row)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_tells_to_the_microsecond_what_it_was_made_of() {
        let start = Timestamp(1_653_782_400_000_001);
        for (first, last) in [(0, 0), (1, 999_999), (-3, 7), (123_456, 86_400_000_000_123)] {
            let at = |offset: i64| Timestamp(start.micros() + offset);
            let observed = Observed::new(Primitive::Cleanup, "none", 0.45, (at(first), at(last)));
            let row = Row::of(&observed, start);
            assert_eq!(row.observed(), observed, "{row:?}");
            assert_eq!(row.window, (seconds(first), seconds(last)));
        }
        let late = Observed::new(
            Primitive::Payload,
            "x",
            1.0,
            (Timestamp(4_291_747_199_999_999), Timestamp(4_291_747_199_999_999)),
        );
        assert_eq!(Row::of(&late, start).observed(), late, "the end of 2105");
    }
}
