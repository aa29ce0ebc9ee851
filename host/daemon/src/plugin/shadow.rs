//! Another component on what a tick has read: what it would have done instead.
//!
//! A candidate runs on the very snapshot that the live tick had, told the same time and settings, and its commit is
//! caught and compared ([`outcome`](super::outcome)). Nothing of it is written. It has a memory of its own, rows of
//! state and kernels' input, and begins without any: so the first time it looks at everything, whatever its live
//! twin has acted on already. Its memory says what its commits have made of the database, so it lasts only as long
//! as what it wants is what was written; after a difference it looks at everything again.

use std::collections::BTreeMap;

use corral_kernels::{ABSENT, Column, Frame};

use super::guest::Mode;
use super::kept::Lane;
use super::outcome::Outcome;
use super::tick::{Call, Called};
use super::{Difference, Host, Plugin, Reason, TickError, Wake};
use crate::clock::Timestamp;
use crate::store::StoreError;
use crate::store::commit::Change;
use crate::store::revision::View;
use crate::store::snapshot::Snapshot;

/// A component that runs beside the live one.
#[derive(Debug)]
pub struct Shadow {
    plugin: Plugin,
    /// Its own rows of state: key and value.
    state: BTreeMap<u32, u32>,
}

impl Shadow {
    /// One that remembers nothing.
    pub fn new(plugin: Plugin) -> Self {
        Self { plugin, state: BTreeMap::new() }
    }

    /// The component.
    pub fn plugin(&self) -> &Plugin {
        &self.plugin
    }
}

/// What a live tick leaves for a shadow: the moment that it saw, and what it changed.
#[derive(Debug)]
pub struct Witness {
    pub(super) snapshot: Option<Snapshot>,
    pub(super) changes: Vec<Change>,
    pub(super) wake: Wake,
    pub(super) now: Timestamp,
}

impl Witness {
    /// What there is to follow where nothing ticks: this moment, at which nothing is changed.
    pub fn of_nothing(settings: Vec<(String, String)>, now: Timestamp) -> Self {
        let wake = Wake { reason: Reason::Command, settings };
        Self { snapshot: None, changes: Vec::new(), wake, now }
    }
}

impl Host {
    /// Runs the candidate on what the live tick saw, and tells how its commit differs.
    ///
    /// # Errors
    /// [`TickError`], of the candidate: it had a problem, died, or broke a limit.
    pub async fn shadow(
        &self,
        shadow: &mut Shadow,
        witness: Witness,
    ) -> Result<Difference, TickError> {
        let Witness { snapshot, changes: live, wake, now } = witness;
        let own_state = Some(self.state_frame(&shadow.state)?);
        let plugin = shadow.plugin.clone();
        let call = Call {
            snapshot,
            own_state,
            ..Call::new(&plugin, &wake, now, Mode::Shadow, Lane::Shadow)
        };
        let Called { answer, changes, snapshot, kept, .. } = self.call(call).await?;
        answer?;
        let puts = |changes: &[Change]| changes.iter().any(super::outcome::puts_attribution);
        let attribution = match snapshot {
            Some(mut snapshot) if puts(&live) || puts(&changes) => {
                Some(snapshot.read(View::Attribution, "").await?)
            }
            _ => None,
        };
        let of = |changes: &[Change]| Outcome::of_tick(&plugin, changes, attribution.as_ref());
        let difference = of(&live)?.difference(&of(&changes)?, &self.texts);
        if difference.moved == 0 {
            kept.give_back();
            changes.iter().for_each(|change| remember(&mut shadow.state, change));
        } else {
            shadow.state.clear();
            drop(kept);
        }
        Ok(difference)
    }

    /// Forgets what a shadow's kernels keep.
    pub fn forget_shadow(&self, shadow: &Shadow) {
        self.kept.forget(Lane::Shadow, &shadow.plugin.description().name);
    }

    /// The view `state` of these rows, as a reading of the database has it.
    pub(super) fn state_frame(&self, state: &BTreeMap<u32, u32>) -> Result<Frame, StoreError> {
        let mut rows: Vec<(String, u32, u32)> = state
            .iter()
            .map(|(key, value)| (self.texts.text(*key).unwrap_or_default(), *key, *value))
            .collect();
        rows.sort();
        let keys = rows.iter().map(|(_, key, _)| *key).collect();
        let values = rows.iter().map(|(_, _, value)| *value).collect();
        let columns = [("key", Column::text(keys)), ("value", Column::text(values))];
        Frame::new(rows.len(), columns).map_err(|error| StoreError::Corrupt {
            table: "corral_state",
            row: "of a shadow".to_owned(),
            reason: error.to_string(),
        })
    }
}

/// Puts the rows of a commit into a shadow's state.
fn remember(state: &mut BTreeMap<u32, u32>, change: &Change) {
    let Change::PutState { rows } = change else { return };
    let (Ok(keys), Ok(values)) = (rows.text("key"), rows.text("value")) else { return };
    for (key, value) in keys.iter().zip(values) {
        if *value == ABSENT {
            state.remove(key);
        } else {
            state.insert(*key, *value);
        }
    }
}
