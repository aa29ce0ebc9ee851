//! All of a tick's changes, gathered and sent once.

use crate::reconcile::Plan;
use crate::wit::corral::correlator::store::{
    self as wit, Change, Evidence, Form, Link, Merge, Selection, Upsert,
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
        let (members, adds) = (attackers, false);
        self.with(any, Change::ExplainIdentities(Evidence { members, scope, edges, adds }))
    }

    /// Edges are added to what is known of identities, and every edge of the attackers in `forgotten` goes.
    #[must_use]
    pub fn extend_identities(
        self,
        attackers: &'a Frame,
        forgotten: Vec<u32>,
        edges: &'a Frame,
    ) -> Self {
        let any = !forgotten.is_empty() || edges.rows() > 0;
        let (members, scope, adds) = (attackers, forgotten, true);
        self.with(any, Change::ExplainIdentities(Evidence { members, scope, edges, adds }))
    }

    /// All that a plan for identities asks for: form, link, merge, unmerge, and the evidence of every
    /// component that it touches.
    #[must_use]
    pub fn regroup_identities(
        self,
        attackers: &'a Frame,
        identities: &'a Frame,
        plan: Plan,
        forest: &'a Frame,
    ) -> Self {
        self.form_identities(attackers, plan.form.rows, plan.form.groups)
            .link_attackers(attackers, plan.link.rows, identities, plan.link.targets)
            .merge_identities(identities, plan.merge.losers, plan.merge.winners)
            .unmerge_identities(identities, plan.unmerge)
            .explain_identities(attackers, plan.touched, forest)
    }

    /// The same for campaigns, whose members are identities.
    #[must_use]
    pub fn regroup_campaigns(
        self,
        identities: &'a Frame,
        campaigns: &'a Frame,
        plan: Plan,
        forest: &'a Frame,
    ) -> Self {
        let Plan { form, link, merge, unmerge, touched } = plan;
        self.with(
            !form.rows.is_empty(),
            Change::FormCampaigns(Form {
                members: identities,
                rows: form.rows,
                groups: form.groups,
            }),
        )
        .with(
            !link.rows.is_empty(),
            Change::AssignIdentities(Link {
                members: identities,
                rows: link.rows,
                groups: campaigns,
                targets: link.targets,
            }),
        )
        .with(
            !merge.losers.is_empty(),
            Change::MergeCampaigns(Merge {
                groups: campaigns,
                losers: merge.losers,
                winners: merge.winners,
            }),
        )
        .with(
            !unmerge.is_empty(),
            Change::UnmergeCampaigns(Selection { groups: campaigns, rows: unmerge }),
        )
        .with(
            !touched.is_empty(),
            Change::ExplainCampaigns(Evidence {
                members: identities,
                scope: touched,
                edges: forest,
                adds: false,
            }),
        )
    }

    /// States of (identity, primitive), with the columns of the view `attribution`.
    #[must_use]
    pub fn put_attribution(self, rows: &'a Frame) -> Self {
        self.with(rows.rows() > 0, Change::PutAttribution(Upsert { rows }))
    }

    /// Reused credentials by `secret_sha256`, `secret_kind` and `principal_key`; the rest is derived.
    #[must_use]
    pub fn put_reuse(self, rows: &'a Frame) -> Self {
        self.with(rows.rows() > 0, Change::PutReuse(Upsert { rows }))
    }

    /// The plugin's own rows: `key`, `value`; an absent value deletes.
    #[must_use]
    pub fn put_state(self, rows: &'a Frame) -> Self {
        self.with(rows.rows() > 0, Change::PutState(Upsert { rows }))
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
