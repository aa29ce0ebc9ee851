//! What memory holds of the very moment that a commit writes at.
//!
//! The columns of a new identity follow from the rows of its members. The tick has just read these, and as long
//! as nobody wrote meanwhile, which the views' versions say, the identity is written whole, and the database is
//! asked nothing. Otherwise the rollup asks it.

use corral_kernels::{Frame, Interner};

use super::CommitError;
use crate::clock::Timestamp;
use crate::store::db::Connection;
use crate::store::resident::{Resident, Versions};
use crate::store::revision::{self, View};
use crate::store::rollup::{self, Summary};

/// Attackers and their features, as they are in the database now.
pub(super) struct Known<'r> {
    texts: &'r Interner,
    attackers: Frame,
    features: Frame,
    /// The codes of kinds of features, with the list that each belongs to.
    kinds: Vec<(u32, usize)>,
}

impl<'r> Known<'r> {
    /// What memory holds, if it is of this moment, and if `attackers` are the attackers that it holds.
    pub(super) async fn now(
        connection: &mut Connection,
        resident: &'r Resident,
        attackers: &Frame,
    ) -> Result<Option<Self>, CommitError> {
        let revisions = revision::current(connection).await?;
        let held =
            |view, order| resident.exactly(view, Versions { rows: revisions.of(view), order });
        let Some(held_attackers) = held(View::Attackers, 0) else { return Ok(None) };
        let Some(features) = held(View::Features, revisions.attackers_order()) else {
            return Ok(None);
        };
        if !std::ptr::eq(held_attackers.text("uuid")?, attackers.text("uuid")?) {
            return Ok(None);
        }
        let texts = resident.texts();
        let kinds = rollup::KINDS_LISTED;
        let kinds = kinds.iter().filter_map(|(kind, list)| Some((texts.lookup(kind)?, *list)));
        Ok(Some(Self { texts, attackers: held_attackers, features, kinds: kinds.collect() }))
    }

    /// The columns of an identity with these attackers, by row. `datetime` is how the database has times.
    pub(super) fn summary(
        &self,
        rows: impl Iterator<Item = u32>,
        datetime: impl Fn(Timestamp) -> String,
    ) -> Summary {
        let time = |name| self.attackers.int64(name).unwrap_or_default();
        let (first, last) = (time("first_seen"), time("last_seen"));
        let text = |name| self.features.text(name).unwrap_or_default();
        let (kind, value) = (text("kind"), text("value"));
        let mut span: Option<(i64, i64)> = None;
        let mut summary = Summary::default();
        let mut values: Vec<(usize, u32)> = Vec::new();
        for row in rows {
            summary.members += 1;
            if let (Some(first), Some(last)) = (first.get(row as usize), last.get(row as usize)) {
                span = Some(span.map_or((*first, *last), |(a, b)| (a.min(*first), b.max(*last))));
            }
            for at in self.features_of(row) {
                let (Some(kind), Some(value)) = (kind.get(at), value.get(at)) else { continue };
                let list = self.kinds.iter().find(|(code, _)| code == kind);
                values.extend(list.map(|(_, list)| (*list, *value)));
            }
        }
        values.sort_unstable();
        values.dedup();
        for (list, value) in values {
            summary.add(list, self.texts.text(value).unwrap_or_default());
        }
        summary.first_seen = span.map(|(first, _)| datetime(Timestamp(first)));
        summary.last_seen = span.map(|(_, last)| datetime(Timestamp(last)));
        summary
    }

    /// The features lie by attacker.
    fn features_of(&self, row: u32) -> std::ops::Range<usize> {
        let rows = self.features.uint32("row").unwrap_or_default();
        rows.partition_point(|other| *other < row)..rows.partition_point(|other| *other <= row)
    }
}
