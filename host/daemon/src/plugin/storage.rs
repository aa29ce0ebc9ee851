//! The import `store`: views of one snapshot for a guest, and the one commit it may hand over.
//!
//! A commit is checked here, while the guest can still be told: every frame is a reading of the view
//! that the change is about, every index exists, every list has its length, the plugin asked for it.
//! It is written by [`tick`](super::tick) when the guest has returned well.

use std::collections::HashSet;

use corral_kernels::{ColumnType, Frame, Shape};
use wasmtime::component::Resource;

use super::bindings::{Problem, store as wit};
use super::grants::Capability;
use super::guest::{FrameHandle, Guest};
use crate::store::StoreError;
use crate::store::changes::KEYS_MAX;
use crate::store::commit::{Among, Change, Layer};
use crate::store::revision::View;
use crate::store::snapshot::{Changed, Snapshot};

impl From<wit::View> for View {
    fn from(view: wit::View) -> Self {
        match view {
            wit::View::Attackers => Self::Attackers,
            wit::View::Features => Self::Features,
            wit::View::Sessions => Self::Sessions,
            wit::View::Identities => Self::Identities,
            wit::View::Campaigns => Self::Campaigns,
            wit::View::Behaviour => Self::Behaviour,
            wit::View::Attribution => Self::Attribution,
            wit::View::Credentials => Self::Credentials,
            wit::View::Reuse => Self::Reuse,
            wit::View::Phases => Self::Phases,
            wit::View::Constraints => Self::Constraints,
            wit::View::State => Self::State,
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Text(_) => Self::Limit(error.to_string()),
            error => Self::Unavailable(error.to_string()),
        }
    }
}

impl wit::Host for Guest {
    async fn read(
        &mut self,
        view: wit::View,
        since: Option<u64>,
    ) -> wasmtime::Result<Result<wit::Reading, Problem>> {
        let view = View::from(view);
        if let Err(problem) = self.may_read(view) {
            return Ok(Err(problem));
        }
        let (revision, read) = match self.reading(view, since).await {
            Ok(reading) => reading,
            Err(error) => return Ok(Err(error.into())),
        };
        match read {
            Read::Whole(frame) => {
                self.used.rows_read += frame.rows();
                let rows = self.hold(FrameHandle { frame, view: Some(view), bytes: 0 })?;
                let reading = |rows| wit::Reading { revision, whole: true, rows, removed: None };
                Ok(rows.map(reading))
            }
            // Its rows are not those of the view, so no change can be about them.
            Read::Changed(Changed { rows, removed }) => {
                self.used.rows_read += rows.rows();
                let removed = match self.own(removed)? {
                    Ok(removed) => Some(removed),
                    Err(problem) => return Ok(Err(problem)),
                };
                let reading = |rows| wit::Reading { revision, whole: false, rows, removed };
                Ok(self.own(rows)?.map(reading))
            }
        }
    }

    async fn read_keys(
        &mut self,
        view: wit::View,
        keys: Vec<u32>,
    ) -> wasmtime::Result<Result<Resource<FrameHandle>, Problem>> {
        let view = View::from(view);
        if let Err(problem) = self.may_read(view) {
            return Ok(Err(problem));
        }
        if keys.len() > KEYS_MAX {
            return Ok(Err(Problem::Limit(format!("{KEYS_MAX} keys a reading"))));
        }
        let read = match &self.recorded {
            Some(recorded) => recorded.rows_of(view, &keys),
            None => match self.snapshot().await {
                Ok(snapshot) => snapshot.rows_of(view, &keys).await,
                Err(error) => Err(error),
            },
        };
        match read {
            Ok(Some(frame)) => {
                self.used.rows_read += frame.rows();
                self.own(frame)
            }
            Ok(None) => {
                let what = format!("the view '{}' is not read by its keys", view.name());
                Ok(Err(Problem::Invalid(what)))
            }
            Err(error) => Ok(Err(error.into())),
        }
    }

    fn commit(&mut self, changes: Vec<wit::Change>) -> wasmtime::Result<Result<(), Problem>> {
        if self.changes.is_some() {
            return Ok(Err(Problem::Refused("commit: this tick has committed already".to_owned())));
        }
        if let Err(problem) = self.meet("commit") {
            return Ok(Err(problem));
        }
        self.used.writes.extend(changes.iter().map(name));
        let mut rows = 0usize;
        for change in &changes {
            // Checking takes memory too, so what is too much is not looked at. A change without rows is one.
            rows = rows.saturating_add(self.named(change)?.max(1));
            if rows > self.limits.changes_max {
                let limit = self.limits.changes_max;
                return Ok(Err(Problem::Limit(format!(
                    "commit: limits.changes-max = {limit} rows"
                ))));
            }
        }
        let mut checked = Vec::with_capacity(changes.len());
        for change in changes {
            match (Checker { guest: self }).check(change)? {
                Ok(change) => checked.push(change),
                Err(problem) => return Ok(Err(problem)),
            }
        }
        self.used.changes = rows;
        self.changes = Some(checked);
        Ok(Ok(()))
    }
}

impl Guest {
    /// A view's version, and what changed since if that is asked for and known, or the whole.
    async fn reading(&mut self, view: View, since: Option<u64>) -> Result<(u64, Read), StoreError> {
        if let Some(recorded) = &self.recorded {
            let (revision, frame) = recorded.read(view)?;
            return Ok((revision, Read::Whole(frame)));
        }
        let own_state = self.own_state.clone().filter(|_| view == View::State);
        let owner = self.name.clone();
        let snapshot = self.snapshot().await?;
        let revision = snapshot.revision(view).await?;
        if let Some(own_state) = own_state {
            return Ok((revision, Read::Whole(own_state)));
        }
        let changed = match since {
            Some(since) => snapshot.changed(view, since).await?,
            None => None,
        };
        let read = match changed {
            Some(changed) => Read::Changed(changed),
            None => Read::Whole(snapshot.read(view, &owner).await?),
        };
        Ok((revision, read))
    }
}

impl Guest {
    /// The rows that a change names.
    fn named(&self, change: &wit::Change) -> wasmtime::Result<usize> {
        use wit::Change as C;
        let rows = |frame: &Resource<FrameHandle>| Ok(self.table.get(frame)?.frame.rows());
        match change {
            C::FormIdentities(form) | C::FormCampaigns(form) => Ok(form.rows.len()),
            C::LinkAttackers(link) | C::AssignIdentities(link) => Ok(link.rows.len()),
            C::MergeIdentities(merge) | C::MergeCampaigns(merge) => Ok(merge.losers.len()),
            C::UnmergeIdentities(groups)
            | C::RefreshIdentities(groups)
            | C::UnmergeCampaigns(groups) => Ok(groups.rows.len()),
            C::ExplainIdentities(evidence) | C::ExplainCampaigns(evidence) => {
                Ok(evidence.scope.len().saturating_add(rows(&evidence.edges)?))
            }
            C::PutAttribution(upsert) | C::PutReuse(upsert) | C::PutState(upsert) => {
                rows(&upsert.rows)
            }
        }
    }

    /// Whether the plugin may read this view now.
    fn may_read(&mut self, view: View) -> Result<(), Problem> {
        self.granted(Capability::Read, view.name())?;
        self.used.reads.insert(view.name());
        self.meet("read")
    }

    async fn snapshot(&mut self) -> Result<&mut Snapshot, StoreError> {
        Ok(match &mut self.snapshot {
            Some(snapshot) => snapshot,
            closed => closed.insert(self.store.snapshot(self.resident.clone()).await?),
        })
    }
}

/// What a read gives.
enum Read {
    Whole(Frame),
    Changed(Changed),
}

/// One change, or why it cannot be.
type Checked = wasmtime::Result<Result<Change, Problem>>;

struct Checker<'a> {
    guest: &'a Guest,
}

/// The member and group views of a layer.
fn views(layer: Layer) -> (View, View) {
    match layer {
        Layer::Identity => (View::Attackers, View::Identities),
        Layer::Campaign => (View::Identities, View::Campaigns),
    }
}

impl Checker<'_> {
    fn check(&self, change: wit::Change) -> Checked {
        use wit::Change as C;
        let name = name(&change);
        if let Err(problem) = self.guest.granted(Capability::Write, name) {
            return Ok(Err(problem));
        }
        let checked = match change {
            C::FormIdentities(form) => self.form(Layer::Identity, form),
            C::FormCampaigns(form) => self.form(Layer::Campaign, form),
            C::LinkAttackers(link) => self.link(Layer::Identity, link),
            C::AssignIdentities(link) => self.link(Layer::Campaign, link),
            C::MergeIdentities(merge) => self.merge(Layer::Identity, merge),
            C::MergeCampaigns(merge) => self.merge(Layer::Campaign, merge),
            C::UnmergeIdentities(selection) => self.unmerge(Layer::Identity, selection),
            C::UnmergeCampaigns(selection) => self.unmerge(Layer::Campaign, selection),
            C::RefreshIdentities(selection) => self
                .select(Layer::Identity, selection)
                .map(|(groups, rows)| Change::Refresh { groups, rows }),
            C::ExplainIdentities(evidence) => self.explain(Layer::Identity, evidence),
            C::ExplainCampaigns(evidence) => self.explain(Layer::Campaign, evidence),
            C::PutAttribution(upsert) => {
                self.upsert(&upsert, &ATTRIBUTION, |rows| Change::PutAttribution { rows })
            }
            C::PutReuse(upsert) => self.upsert(&upsert, &REUSE, |rows| Change::PutReuse { rows }),
            C::PutState(upsert) => self.upsert(&upsert, &STATE, |rows| Change::PutState { rows }),
        };
        Ok(match checked {
            Ok(checked) => Ok(checked),
            Err(Refusal::Problem(what)) => Err(Problem::Invalid(format!("commit: {name}: {what}"))),
            Err(Refusal::Trap(error)) => return Err(error),
        })
    }

    fn form(&self, layer: Layer, form: wit::Form) -> Result<Change, Refusal> {
        let members = self.reading(&form.members, views(layer).0)?;
        let wit::Form { rows, groups, .. } = form;
        same_length(rows.len(), "rows", groups.len(), "groups")?;
        exist(&rows, &members)?;
        distinct(&rows)?;
        let mut next = 0;
        let mut first_rows = rows.iter().zip(&groups).filter(|&(_, &group)| {
            let first = group == next;
            next += u32::from(first);
            first
        });
        if !first_rows.by_ref().map(|(row, _)| row).is_sorted()
            || groups.iter().any(|&group| group >= next)
        {
            return Err("groups are not numbered 0, 1, 2 … in the order of their first row"
                .to_owned()
                .into());
        }
        Ok(Change::Form { layer, members, rows, groups })
    }

    fn link(&self, layer: Layer, link: wit::Link) -> Result<Change, Refusal> {
        let members = self.reading(&link.members, views(layer).0)?;
        let groups = self.reading(&link.groups, views(layer).1)?;
        let wit::Link { rows, targets, .. } = link;
        same_length(rows.len(), "rows", targets.len(), "targets")?;
        exist(&rows, &members)?;
        exist(&targets, &groups)?;
        distinct(&rows)?;
        Ok(Change::Link { layer, members, rows, groups, targets })
    }

    fn merge(&self, layer: Layer, merge: wit::Merge) -> Result<Change, Refusal> {
        let groups = self.reading(&merge.groups, views(layer).1)?;
        let wit::Merge { losers, winners, .. } = merge;
        same_length(losers.len(), "losers", winners.len(), "winners")?;
        exist(&losers, &groups)?;
        exist(&winners, &groups)?;
        distinct(&losers)?;
        if let Some(at) = losers.iter().zip(&winners).position(|(loser, winner)| loser == winner) {
            return Err(format!("at {at}, a group loses to itself").into());
        }
        Ok(Change::Merge { layer, groups, losers, winners })
    }

    fn unmerge(&self, layer: Layer, selection: wit::Selection) -> Result<Change, Refusal> {
        let (groups, rows) = self.select(layer, selection)?;
        Ok(Change::Unmerge { layer, groups, rows })
    }

    fn select(
        &self,
        layer: Layer,
        selection: wit::Selection,
    ) -> Result<(Frame, Vec<u32>), Refusal> {
        let wit::Selection { groups, rows } = selection;
        let groups = self.reading(&groups, views(layer).1)?;
        exist(&rows, &groups)?;
        distinct(&rows)?;
        Ok((groups, rows))
    }

    fn explain(&self, layer: Layer, evidence: wit::Evidence) -> Result<Change, Refusal> {
        let members = self.reading(&evidence.members, views(layer).0)?;
        let edges = self.frame(&evidence.edges)?;
        EDGES.check(&edges).map_err(|error| error.to_string())?;
        exist(&evidence.scope, &members)?;
        for end in ["a", "b"] {
            exist(edges.uint32(end).map_err(|error| error.to_string())?, &members)?;
        }
        let wit::Evidence { scope, adds, .. } = evidence;
        let among = if adds { Among::All } else { Among::Scope };
        Ok(Change::Explain { layer, members, scope, edges, among })
    }

    fn upsert(
        &self,
        upsert: &wit::Upsert,
        shape: &Shape,
        change: impl FnOnce(Frame) -> Change,
    ) -> Result<Change, Refusal> {
        let rows = self.frame(&upsert.rows)?;
        shape.check(&rows).map_err(|error| error.to_string())?;
        Ok(change(rows))
    }

    fn frame(&self, handle: &Resource<FrameHandle>) -> Result<Frame, Refusal> {
        Ok(self.guest.table.get(handle).map_err(|error| Refusal::Trap(error.into()))?.frame.clone())
    }

    /// The frame, if it is a reading of `view`, row for row.
    fn reading(&self, handle: &Resource<FrameHandle>, view: View) -> Result<Frame, Refusal> {
        let held = self.guest.table.get(handle).map_err(|error| Refusal::Trap(error.into()))?;
        if held.view != Some(view) {
            return Err(format!("needs a whole reading of the view '{}'", view.name()).into());
        }
        Ok(held.frame.clone())
    }
}

enum Refusal {
    Problem(String),
    Trap(wasmtime::Error),
}

impl From<String> for Refusal {
    fn from(what: String) -> Self {
        Self::Problem(what)
    }
}

fn same_length(a: usize, a_name: &str, b: usize, b_name: &str) -> Result<(), String> {
    if a == b { Ok(()) } else { Err(format!("{a} {a_name} for {b} {b_name}")) }
}

fn exist(rows: &[u32], frame: &Frame) -> Result<(), String> {
    match rows.iter().find(|&&row| row as usize >= frame.rows()) {
        Some(row) => Err(format!("row {row} of a view of {} rows", frame.rows())),
        None => Ok(()),
    }
}

fn distinct(rows: &[u32]) -> Result<(), String> {
    let mut seen = HashSet::with_capacity(rows.len());
    match rows.iter().find(|&&row| !seen.insert(row)) {
        Some(row) => Err(format!("row {row} stands twice")),
        None => Ok(()),
    }
}

/// Every change, by its name in the contract.
pub(super) const CHANGES: [&str; 14] = [
    "form-identities",
    "link-attackers",
    "merge-identities",
    "unmerge-identities",
    "refresh-identities",
    "explain-identities",
    "form-campaigns",
    "assign-identities",
    "merge-campaigns",
    "unmerge-campaigns",
    "explain-campaigns",
    "put-attribution",
    "put-reuse",
    "put-state",
];

fn name(change: &wit::Change) -> &'static str {
    use wit::Change as C;
    match change {
        C::FormIdentities(_) => "form-identities",
        C::LinkAttackers(_) => "link-attackers",
        C::MergeIdentities(_) => "merge-identities",
        C::UnmergeIdentities(_) => "unmerge-identities",
        C::RefreshIdentities(_) => "refresh-identities",
        C::ExplainIdentities(_) => "explain-identities",
        C::FormCampaigns(_) => "form-campaigns",
        C::AssignIdentities(_) => "assign-identities",
        C::MergeCampaigns(_) => "merge-campaigns",
        C::UnmergeCampaigns(_) => "unmerge-campaigns",
        C::ExplainCampaigns(_) => "explain-campaigns",
        C::PutAttribution(_) => "put-attribution",
        C::PutReuse(_) => "put-reuse",
        C::PutState(_) => "put-state",
    }
}

const EDGES: Shape = Shape {
    name: "edges",
    columns: &[
        ("a", ColumnType::Uint32),
        ("b", ColumnType::Uint32),
        ("reason", ColumnType::Text),
        ("value", ColumnType::Text),
    ],
};
const ATTRIBUTION: Shape = Shape {
    name: "attribution",
    columns: &[
        ("identity", ColumnType::Text),
        ("primitive", ColumnType::Text),
        ("value", ColumnType::Text),
        ("state", ColumnType::Text),
        ("confidence", ColumnType::Float64),
        ("samples", ColumnType::Uint32),
        ("changed_at", ColumnType::Float64),
        ("observed_at", ColumnType::Float64),
    ],
};
const REUSE: Shape = Shape {
    name: "reuse",
    columns: &[
        ("secret_sha256", ColumnType::Text),
        ("secret_kind", ColumnType::Text),
        ("principal_key", ColumnType::Text),
    ],
};
const STATE: Shape =
    Shape { name: "state", columns: &[("key", ColumnType::Text), ("value", ColumnType::Text)] };
