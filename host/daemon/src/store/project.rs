//! What Corral knows of a database that DECNET owns: found by looking, as nobody tells.
//!
//! DECNET's workers write `attackers`, `observations`, `credentials` and `ttp_tag`, and bump no version of
//! ours. So [`Store::project`] looks before the correlators tick: what changed since it looked last becomes
//! features, derived columns and [`changes`](super::changes), as if Corral's own ingest had written it. A
//! look that finds nothing is a handful of statements and writes nothing.
//!
//! * `attackers`: rows with an `updated_at` in or after the last two seconds of what was seen, each compared
//!   by a digest of what the views show of it; the count tells of rows that went. See [`attackers`].
//! * the other tables: counts and latest times, see [`tables`].
//! * now and then, and whenever the marks of the last look do not hold, everything is compared.
//!
//! A row that makes no sense is isolated: it is named once in the log, kept in `corral_poison`, and gives
//! nothing; everything else goes on.

use std::collections::BTreeMap;
use std::time::Duration;

use super::changes::Touched;
use super::revision::View;
use super::{Store, StoreError};
use crate::clock::Timestamp;
pub use crate::config::Fingerprints;
use marks::Marks;

mod attackers;
mod features;
mod fingerprints;
mod marks;
mod poison;
mod stubs;
mod tables;

pub use fingerprints::BYTES_MAX as FINGERPRINTS_BYTES_MAX;
pub use poison::Poison;

/// Everything is compared again after this long, for what no mark can tell.
const WHOLE_EVERY: Duration = Duration::from_secs(3600);
/// Rows that were written so long before the latest are looked at again: somebody may have committed late,
/// and MariaDB's DATETIME has whole seconds.
const SLACK: Duration = Duration::from_secs(2);
/// The same for times in a FLOAT, whose steps on MariaDB are so many seconds wide.
const FLOAT_SLACK: f64 = 128.0;
/// Keys in one statement.
const KEYS: usize = 256;

/// What a look at the tables found.
#[derive(Debug, Default)]
pub struct Projected {
    /// The views that changed, each with how many keys; `None`: nobody counted.
    pub changed: BTreeMap<View, Option<usize>>,
    /// Rows that make no sense and were not known to.
    pub poison: Vec<Poison>,
}

impl Projected {
    /// Whether nothing is new.
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.poison.is_empty()
    }

    fn note(&mut self, touched: &Touched) {
        for (view, count) in touched.counts() {
            let before = self.changed.entry(view).or_insert(Some(0));
            *before = before.zip(count).map(|(before, count)| before + count);
        }
    }
}

/// What one look needs to know.
#[derive(Clone, Copy, Debug)]
struct Look {
    fingerprints: Fingerprints,
    now: Timestamp,
    /// Whether everything is compared.
    whole: bool,
}

impl Store {
    /// Takes in what others wrote since the last call, before correlators tick. One caller at a time; on a
    /// database that Corral owns there is nothing to take in.
    ///
    /// # Errors
    /// [`StoreError`]; what was taken in before it stays, and the next call goes on.
    pub async fn project(
        &self,
        fingerprints: Fingerprints,
        now: Timestamp,
    ) -> Result<Projected, StoreError> {
        let mut connection = self.read().await?;
        let before = marks::read(&mut connection).await?;
        let whole = before.is_void(fingerprints, now);
        let look = Look { fingerprints, now, whole };
        let mut after = before.clone();
        let mut projected = Projected::default();
        let attackers = attackers::Attackers { store: self, look };
        attackers.project(&mut after, &mut projected).await?;
        let (mut touched, poison) = tables::look(&mut connection, look, &mut after).await?;
        // They come to be when an attacker gets another identity, and that is when identities change.
        let stubs = match &poison {
            Some(_) => stubs::find(&mut connection).await?,
            None => Vec::new(),
        };
        if whole {
            after.whole_at = now.micros();
            after.shapes = Some(marks::shapes(fingerprints));
        }
        drop(connection);
        if after == before && touched.is_empty() && poison.is_none() {
            return Ok(projected);
        }
        let mut transaction = self.begin_derived().await?;
        stubs::retire(&mut transaction, &stubs, &mut touched, now).await?;
        projected.note(&touched);
        if let Some(poison) = poison {
            let found =
                poison::replace(&mut transaction, poison::IDENTITIES, None, &poison).await?;
            projected.poison.extend(found);
        }
        touched.write(&mut transaction).await?;
        tables::adopt(&mut transaction, &mut after).await?;
        marks::write(&mut transaction, &after).await?;
        transaction.commit().await?;
        Ok(projected)
    }

    /// Every row that is known to make no sense.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn poison(&self) -> Result<Vec<Poison>, StoreError> {
        let mut connection = self.read().await?;
        poison::all(&mut connection).await
    }
}

/// Keys as a statement takes them.
fn json<T: serde::Serialize>(keys: &[T]) -> String {
    serde_json::to_string(keys).unwrap_or_default()
}

impl Marks {
    /// Whether the marks say nothing about these tables, or are too old.
    fn is_void(&self, fingerprints: Fingerprints, now: Timestamp) -> bool {
        let age = now.micros().saturating_sub(self.whole_at);
        let is_old = u128::try_from(age).is_ok_and(|age| age >= WHOLE_EVERY.as_micros());
        self.shapes.as_deref() != Some(marks::shapes(fingerprints).as_str()) || is_old || age < 0
    }
}
