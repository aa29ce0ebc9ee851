//! All of a tick's changes, gathered and sent once.

use crate::wit::corral::correlator::store::{
    self as wit, Change, Evidence, Form, Link, Merge, Selection,
};
use crate::{Frame, Problem};

/// A tick's changes. Empty ones are left out; a commit without changes is not sent.
#[derive(Debug, Default)]
pub struct Commit<'a> {
    changes: Vec<Change<'a>>,
}

impl<'a> Commit<'a> {
    /// No changes yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Attackers form identities: `rows[i]` joins new group `groups[i]`; groups are numbered in the
    /// order of their first row.
    #[must_use]
    pub fn form_identities(self, attackers: &'a Frame, rows: Vec<u32>, groups: Vec<u32>) -> Self {
        let any = !rows.is_empty();
        self.with(any, Change::FormIdentities(Form { members: attackers, rows, groups }))
    }

    /// Attackers join identities: `rows[i]` of `attackers` joins `targets[i]` of `identities`.
    #[must_use]
    pub fn link_attackers(
        self,
        attackers: &'a Frame,
        rows: Vec<u32>,
        identities: &'a Frame,
        targets: Vec<u32>,
    ) -> Self {
        let any = !rows.is_empty();
        self.with(
            any,
            Change::LinkAttackers(Link { members: attackers, rows, groups: identities, targets }),
        )
    }

    /// Identities merge: `losers[i]` points to `winners[i]` from now on.
    #[must_use]
    pub fn merge_identities(
        self,
        identities: &'a Frame,
        losers: Vec<u32>,
        winners: Vec<u32>,
    ) -> Self {
        let any = !losers.is_empty();
        self.with(any, Change::MergeIdentities(Merge { groups: identities, losers, winners }))
    }

    /// Merged identities come back.
    #[must_use]
    pub fn unmerge_identities(self, identities: &'a Frame, rows: Vec<u32>) -> Self {
        let any = !rows.is_empty();
        self.with(any, Change::UnmergeIdentities(Selection { groups: identities, rows }))
    }

    /// Identities whose derived columns are stale are brought up to date.
    #[must_use]
    pub fn refresh_identities(self, identities: &'a Frame, rows: Vec<u32>) -> Self {
        let any = !rows.is_empty();
        self.with(any, Change::RefreshIdentities(Selection { groups: identities, rows }))
    }

    /// Why attackers are one identity: the forest's edges inside `scope` replace what was there.
    #[must_use]
    pub fn explain_identities(
        self,
        attackers: &'a Frame,
        scope: Vec<u32>,
        edges: &'a Frame,
    ) -> Self {
        let any = !scope.is_empty();
        self.with(any, Change::ExplainIdentities(Evidence { members: attackers, scope, edges }))
    }

    fn with(mut self, any: bool, change: Change<'a>) -> Self {
        if any {
            self.changes.push(change);
        }
        self
    }

    /// Hands the changes to the host, which writes them when the tick returns well.
    ///
    /// # Errors
    /// [`Problem::Invalid`], [`Problem::Refused`] or [`Problem::Limit`], naming the change.
    pub fn send(self) -> Result<(), Problem> {
        if self.changes.is_empty() { Ok(()) } else { wit::commit(&self.changes) }
    }
}
