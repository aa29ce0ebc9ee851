//! A correlator's changes, written all together or not at all.
//!
//! Each change is guarded by what the snapshot said: an attacker that was free must still be free, an
//! identity that was live must still be live. A guard that fails rolls everything back and says
//! [`CommitError::Conflict`]; the tick then runs again on a fresh snapshot. The same transaction
//! derives the identities' columns, bumps the views' versions, logs which rows changed and puts the events
//! into the outbox.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use corral_kernels::{ABSENT, Frame, FrameError, Interner, Texts};

use super::changes::Touched;
use super::db::Connection;
use super::resident::Resident;
use super::revision::View;
use super::{Store, StoreError, rollup};
use crate::clock::Timestamp;

mod attribution;
mod evidence;
mod formed;
mod groups;
mod known;
mod outbox;
mod reuse;
mod spray;
mod state;

pub use attribution::SUSPICION_MIN;

/// Which edges of an explanation count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Among {
    /// Those with both ends in the scope, which is whole groups.
    Scope,
    /// All.
    All,
}

/// Which grouping a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Attackers in identities.
    Identity,
    /// Identities in campaigns.
    Campaign,
}

/// One typed write, in bulk; see `wit/store.wit`. Frames are readings of the snapshot, so that rows
/// can be named by index; whoever makes a change has checked that every index exists.
#[derive(Clone, Debug)]
pub enum Change {
    /// New groups.
    Form {
        /// The grouping.
        layer: Layer,
        /// The member view.
        members: Frame,
        /// Its rows.
        rows: Vec<u32>,
        /// The new group of each, numbered from 0 in the order of the first row.
        groups: Vec<u32>,
    },
    /// Members that join groups.
    Link {
        /// The grouping.
        layer: Layer,
        /// The member view.
        members: Frame,
        /// Its rows.
        rows: Vec<u32>,
        /// The group view.
        groups: Frame,
        /// The group of each.
        targets: Vec<u32>,
    },
    /// Groups that become one.
    Merge {
        /// The grouping.
        layer: Layer,
        /// The group view.
        groups: Frame,
        /// Groups that point to another from now on.
        losers: Vec<u32>,
        /// The group that each points to.
        winners: Vec<u32>,
    },
    /// Merged groups that come back.
    Unmerge {
        /// The grouping.
        layer: Layer,
        /// The group view.
        groups: Frame,
        /// Its rows.
        rows: Vec<u32>,
    },
    /// Identities whose derived columns are stale.
    Refresh {
        /// The identities.
        groups: Frame,
        /// Its rows.
        rows: Vec<u32>,
    },
    /// Why members are one group.
    Explain {
        /// The grouping.
        layer: Layer,
        /// The member view.
        members: Frame,
        /// Members whose old evidence goes.
        scope: Vec<u32>,
        /// Columns `a`, `b`, `reason`, `value`, perhaps `bits`.
        edges: Frame,
        /// Which of them count.
        among: Among,
    },
    /// States of (identity, primitive).
    PutAttribution {
        /// The rows.
        rows: Frame,
    },
    /// Reused credentials, by key; lists and sums are derived.
    PutReuse {
        /// The rows.
        rows: Frame,
    },
    /// The plugin's own rows.
    PutState {
        /// The rows.
        rows: Frame,
    },
}

/// Who commits, and when.
#[derive(Clone, Copy, Debug)]
pub struct Committer<'a> {
    /// The plugin's name.
    pub plugin: &'a str,
    /// The time that the tick was told.
    pub now: Timestamp,
    /// The most bytes of one event's payload.
    pub event_bytes_max: usize,
}

/// What a commit did: rows by verb.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Committed {
    /// Groups formed.
    pub formed: usize,
    /// Members that joined a group, new or not.
    pub linked: usize,
    /// Groups merged.
    pub merged: usize,
    /// Groups that came back.
    pub unmerged: usize,
    /// Identities whose derived columns were refreshed on request.
    pub refreshed: usize,
    /// Edges of evidence written.
    pub explained: usize,
    /// Rows put.
    pub put: usize,
}

impl Committed {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds another commit's counts.
    pub fn add(&mut self, other: Self) {
        self.formed += other.formed;
        self.linked += other.linked;
        self.merged += other.merged;
        self.unmerged += other.unmerged;
        self.refreshed += other.refreshed;
        self.explained += other.explained;
        self.put += other.put;
    }
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Somebody else changed what the changes relied on.
    #[error("{0} changed since it was read")]
    Conflict(String),
    /// A frame lacks a column that the change needs.
    #[error("the changes do not fit")]
    Invalid(#[from] FrameError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the changes of one commit have gathered so far.
#[derive(Debug, Default)]
struct Effects {
    committed: Committed,
    touched: Touched,
    /// Whose columns are to be derived again.
    identities: BTreeSet<String>,
    events: outbox::Events,
}

impl Store {
    /// Writes `changes`, their events and what follows from them in one transaction; says what that
    /// did, and which views it touched. Frames of the changes have the texts of `resident`.
    ///
    /// # Errors
    /// [`CommitError`]; nothing was written.
    pub async fn commit(
        &self,
        resident: &Resident,
        changes: &[Change],
        by: Committer<'_>,
    ) -> Result<(Committed, Vec<View>), CommitError> {
        if changes.is_empty() {
            return Ok((Committed::default(), Vec::new()));
        }
        self.write(resident, changes, by).await.map_err(|error| match error {
            // Two transactions that a server found in each other's way, and ended one.
            CommitError::Store(StoreError::Crossed(_)) => {
                CommitError::Conflict("what another wrote at the same time".to_owned())
            }
            error => error,
        })
    }

    async fn write(
        &self,
        resident: &Resident,
        changes: &[Change],
        by: Committer<'_>,
    ) -> Result<(Committed, Vec<View>), CommitError> {
        let (mut transaction, mut effects) = self.apply_all(resident, changes, by).await?;
        let derived = rollup::identities(&mut transaction, &effects.identities, by.now).await?;
        effects.touched.add(View::Identities, derived);
        let views = effects.touched.write(&mut transaction).await?;
        effects.events.write(&mut transaction, by).await?;
        transaction.commit().await?;
        self.untidy.store(true, Ordering::Relaxed);
        Ok((effects.committed, views))
    }

    /// What [`Store::commit`] would do, by verb; nothing is written.
    ///
    /// # Errors
    /// [`CommitError`], as the commit would have it.
    pub async fn rehearse(
        &self,
        resident: &Resident,
        changes: &[Change],
        by: Committer<'_>,
    ) -> Result<Committed, CommitError> {
        if changes.is_empty() {
            return Ok(Committed::default());
        }
        let (transaction, effects) = self.apply_all(resident, changes, by).await?;
        transaction.rollback().await?;
        Ok(effects.committed)
    }

    async fn apply_all(
        &self,
        resident: &Resident,
        changes: &[Change],
        by: Committer<'_>,
    ) -> Result<(Connection, Effects), CommitError> {
        let mut transaction = self.begin_derived().await?;
        let mut effects = Effects::default();
        for change in changes {
            apply(&mut transaction, resident, change, by, &mut effects).await?;
        }
        Ok((transaction, effects))
    }
}

async fn apply(
    connection: &mut Connection,
    resident: &Resident,
    change: &Change,
    by: Committer<'_>,
    effects: &mut Effects,
) -> Result<(), CommitError> {
    let texts = resident.texts();
    let mut writer = groups::Writer { connection, resident, now: by.now, effects };
    match change {
        Change::Form { layer, members, rows, groups } => {
            writer.form(*layer, members, rows, groups).await
        }
        Change::Link { layer, members, rows, groups, targets } => {
            writer.link(*layer, members, rows, groups, targets).await
        }
        Change::Merge { layer, groups, losers, winners } => {
            writer.merge(*layer, groups, losers, winners).await
        }
        Change::Unmerge { layer, groups, rows } => writer.unmerge(*layer, groups, rows).await,
        Change::Refresh { groups, rows } => {
            let stale = column(texts, groups, "uuid", rows)?;
            effects.identities.extend(stale.iter().map(str::to_owned));
            effects.committed.refreshed += rows.len();
            Ok(())
        }
        Change::Explain { layer, members, scope, edges, among } => {
            let (layer, among) = (*layer, *among);
            let explanation = evidence::Explanation { layer, members, scope, edges, among };
            effects.committed.explained +=
                evidence::replace(connection, texts, explanation, by.now).await?;
            Ok(())
        }
        Change::PutAttribution { rows } => {
            attribution::put(connection, texts, rows, by, effects).await
        }
        Change::PutReuse { rows } => reuse::put(connection, texts, rows, by, effects).await,
        Change::PutState { rows } => state::put(connection, texts, rows, by, effects).await,
    }
}

/// The texts of a text column at `rows`.
fn column(texts: &Interner, frame: &Frame, name: &str, rows: &[u32]) -> Result<Texts, FrameError> {
    Ok(texts.texts(&codes(frame, name, rows)?))
}

/// The codes of a text column at `rows`.
fn codes(frame: &Frame, name: &str, rows: &[u32]) -> Result<Vec<u32>, FrameError> {
    let codes = frame.text(name)?;
    Ok(rows.iter().map(|row| codes.get(*row as usize).copied().unwrap_or(ABSENT)).collect())
}

/// The texts of a whole text column.
fn whole_column(texts: &Interner, frame: &Frame, name: &str) -> Result<Vec<String>, FrameError> {
    Ok(texts.texts(frame.text(name)?).iter().map(str::to_owned).collect())
}
