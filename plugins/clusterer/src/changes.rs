//! What changed since the last tick, and what has to change for it.
//!
//! The host keeps the kernel's input of the last tick that ended well. At that moment every attacker had
//! the identity of its group. So only two kinds of attackers can need anything now: those whose row or
//! features changed since, and those that the kernel puts into another group because of them. Of each group
//! one attacker that stayed where it was, its *anchor*, speaks for all that did.
//!
//! Four things need all attackers and are left to a tick that looks at them: an attacker that is gone, a
//! group that fell apart, an attacker that left others whose identity was merged with its own, and a merge
//! pointer between identities that is not what it was.

use std::collections::HashSet;
use std::fmt;

use corral_sdk::reconcile::{NONE, Plan, UNKNOWN, reconcile_some};
use corral_sdk::{Commit, Frame, FrameBuilder, Problem, Reading, View, kernels, store};

use super::logic::project;
use super::{Groups, KERNEL, inputs, kinds};
use logic::{Node, is_any_leaving, joining, sharing, union};

pub(super) mod logic;

/// What the kernel's input was made from.
#[derive(Debug, PartialEq)]
pub(super) struct Version {
    attackers: u64,
    features: u64,
    /// Of the merge pointers between identities.
    merges: u64,
}

impl Version {
    pub(super) fn of(groups: &Groups, features: u64) -> Self {
        Self { attackers: groups.attackers.revision, features, merges: groups.merges }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split(' ').map(|number| number.parse().ok());
        let (attackers, features, merges) = (numbers.next()??, numbers.next()??, numbers.next()??);
        Some(Self { attackers, features, merges })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {} {}", self.attackers, self.features, self.merges)
    }
}

/// Attackers whose row or features changed since a version.
pub(super) struct Changes {
    since: String,
    version: Version,
    /// Their uuids.
    attackers: Vec<u32>,
}

/// What changed since the version that the host has; none if that is not known, or if all attackers have
/// to be looked at.
pub(super) fn since(kept: &str, groups: &Groups) -> Result<Option<Changes>, Problem> {
    let Some(before) = Version::parse(kept) else { return Ok(None) };
    let attackers = store::read_since(View::Attackers, before.attackers)?;
    let features = store::read_since(View::Features, before.features)?;
    let version = Version::of(groups, features.revision);
    let (Some(rows), Some(values)) = (part(&attackers), part(&features)) else { return Ok(None) };
    let is_any_gone = attackers.removed.as_ref().is_some_and(|removed| removed.rows() > 0);
    if is_any_gone || version.merges != before.merges {
        return Ok(None);
    }
    let mut changed = union(rows.u32s("uuid")?, values.u32s("attacker")?);
    if let Some(removed) = &features.removed {
        changed = union(changed, removed.u32s("attacker")?);
    }
    let is_most = changed.len() > groups.attackers.rows.rows() as usize / 2;
    let changes = Changes { since: kept.to_owned(), version, attackers: changed };
    Ok((!is_most).then_some(changes))
}

/// The rows that changed, if that is what the host answered with.
fn part(reading: &Reading) -> Option<&Frame> {
    (!reading.whole).then_some(&reading.rows)
}

impl Changes {
    /// Commits what follows. False: the kernel knows of the changes, but nothing is committed, as all
    /// attackers have to be looked at.
    pub(super) fn commit(&self, groups: &Groups) -> Result<bool, Problem> {
        if self.attackers.is_empty() {
            return Ok(true);
        }
        let changed = self.tell_kernel(groups)?;
        if changed.groups.u32s("rebuilt")?.iter().any(|rebuilt| *rebuilt != 0) {
            return Ok(false);
        }
        let Some(listed) = Listed::of(&changed, groups)? else { return Ok(false) };
        let own = listed.identities(groups)?;
        if listed.is_leaving_merged(&own, groups) {
            return Ok(false);
        }
        let plan = listed.plan(&own, groups);
        let edges = listed.edges(&changed.edges, groups)?;
        let attackers = &groups.attackers.rows;
        let identities = &groups.identities;
        Commit::new()
            .form_identities(attackers, plan.form.rows, plan.form.groups)
            .link_attackers(attackers, plan.link.rows, identities, plan.link.targets)
            .merge_identities(identities, plan.merge.losers, plan.merge.winners)
            .extend_identities(attackers, listed.anew, &edges)
            .refresh_identities(identities, groups.stale()?)
            .send()?;
        Ok(true)
    }

    fn tell_kernel(&self, groups: &Groups) -> Result<kernels::Changed, Problem> {
        let attackers = &groups.attackers.rows;
        let mut rows = attackers.find("uuid", &self.attackers)?;
        rows.sort_unstable();
        let uuids = attackers.take(&rows)?.u32s("uuid")?;
        let features = store::read_keys(View::Features, &uuids)?;
        // Where each stands among those that changed.
        let mut at = features.u32s("row")?;
        for row in &mut at {
            *row = u32::try_from(rows.partition_point(|other| other < row)).unwrap_or(NONE);
        }
        let (kind, value) = (features.u32s("kind")?, features.u32s("value")?);
        let known = project(rows.len(), &at, &kind, &value, &kinds()?);
        let [fingerprints, payloads, endpoints] = inputs(&known, &uuids)?;
        let version = self.version.to_string();
        let inputs = [&fingerprints, &payloads, &endpoints];
        kernels::update(KERNEL, &inputs, &[], &[], (Some(&self.since), &version))
    }
}

/// Some attackers by row, ascending: those that moved, and the anchors of their groups.
struct Listed {
    rows: Vec<u32>,
    /// For each the first one of the same group, as an index of these.
    labels: Vec<u32>,
    /// Which of them are anchors.
    anchors: Vec<bool>,
    /// Rows of those of which no edge told before holds.
    anew: Vec<u32>,
    /// Of each edge of the kernel's, the rows of its ends.
    ends: [Vec<u32>; 2],
}

impl Listed {
    fn of(changed: &kernels::Changed, groups: &Groups) -> Result<Option<Self>, Problem> {
        let attackers = &groups.attackers.rows;
        // At once, because each search goes through all attackers.
        let named = [
            changed.moved.u32s("key")?,
            changed.groups.u32s("anchor")?,
            changed.edges.u32s("a")?,
            changed.edges.u32s("b")?,
        ];
        let mut found = attackers.find("uuid", &named.concat())?.into_iter();
        let [moved, anchors, a, b] =
            named.map(|names| found.by_ref().take(names.len()).collect::<Vec<u32>>());
        let is_anew = changed.moved.u32s("anew")?;
        let group = changed.moved.u32s("group")?.into_iter();
        let of_anchor = changed.groups.u32s("group")?.into_iter();
        let anew = moved.iter().zip(is_anew).filter(|(_, anew)| *anew != 0).map(|(row, _)| *row);
        let mut anew: Vec<u32> = anew.collect();
        anew.sort_unstable();
        // Whoever moved is there, and a group may have no anchor.
        if moved.contains(&NONE) {
            return Ok(None);
        }
        let moved = moved.into_iter().zip(group).map(|(row, group)| (row, group, false));
        let anchors = anchors.into_iter().zip(of_anchor).map(|(row, group)| (row, group, true));
        let mut all: Vec<(u32, u32, bool)> =
            moved.chain(anchors).filter(|(row, ..)| *row != NONE).collect();
        all.sort_unstable();
        let group: Vec<u32> = all.iter().map(|(_, group, _)| *group).collect();
        let (rows, anchors) = all.into_iter().map(|(row, _, anchor)| (row, anchor)).unzip();
        Ok(Some(Self { rows, labels: sharing(&group), anchors, anew, ends: [a, b] }))
    }

    /// The identity of each, as a row of the view.
    fn identities(&self, groups: &Groups) -> Result<Vec<u32>, Problem> {
        let own = groups.attackers.rows.take(&self.rows)?.u32s("identity")?;
        groups.identities.rows_of("uuid", &own)
    }

    /// Whether one that speaks for a merged identity has left the others: it may be the last that held them.
    fn is_leaving_merged(&self, own: &[u32], groups: &Groups) -> bool {
        let merged = &groups.merged;
        let winners: HashSet<u32> = merged.iter().map(|(loser, _)| merged.speaker(loser)).collect();
        is_any_leaving(&self.labels, &self.anchors, &merged.speakers(own), &winners)
    }

    /// What has to change, in rows of the views.
    fn plan(&self, own: &[u32], groups: &Groups) -> Plan {
        let mut plan = reconcile_some(&self.labels, own, &groups.merged);
        for at in plan.form.rows.iter_mut().chain(&mut plan.link.rows) {
            *at = self.rows[*at as usize];
        }
        plan
    }

    /// The edges that lead to somewhere else than what is told already, with their ends as rows.
    ///
    /// Members of an identity may have come apart and met again: what told of the way from one to the
    /// other has stayed, and a second way would make a circle of it.
    fn edges(&self, edges: &Frame, groups: &Groups) -> Result<Frame, Problem> {
        let attackers = &groups.attackers.rows;
        let mut nodes = [Vec::new(), Vec::new()];
        for (nodes, rows) in nodes.iter_mut().zip(&self.ends) {
            let own =
                groups.identities.rows_of("uuid", &attackers.take(rows)?.u32s("identity")?)?;
            let own = groups.merged.speakers(&own);
            *nodes = rows.iter().zip(own).map(|(row, own)| self.node(*row, own)).collect();
        }
        let [a, b] = &nodes;
        let ways = joining(a, b);
        let rows = |rows: &[u32]| ways.iter().map(|at| rows[*at as usize]).collect::<Vec<_>>();
        let why = edges.take(&ways)?;
        FrameBuilder::new(ways.len())
            .u32s("a", &rows(&self.ends[0]))
            .u32s("b", &rows(&self.ends[1]))
            .texts("reason", &why.u32s("reason")?)
            .texts("value", &why.u32s("value")?)
            .finish()
    }

    /// What an attacker is tied to by what is told already: its identity, or nothing but itself.
    fn node(&self, row: u32, identity: u32) -> Node {
        if identity >= UNKNOWN || self.anew.binary_search(&row).is_ok() {
            Node::Attacker(row)
        } else {
            Node::Identity(identity)
        }
    }
}
