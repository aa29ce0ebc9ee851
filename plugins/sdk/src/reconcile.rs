//! What has to change so that groups fit a grouping: pure, and the same for identities and campaigns.
//!
//! A kernel says which members belong together; the database says which group each member has. From
//! the two, [`reconcile`] makes the plan that a correlator commits. Members are attackers where groups
//! are identities, and identities where groups are campaigns. Rows of groups are in the order of their
//! uuids, as the views have them, so a smaller row is a smaller uuid: the smallest group wins.

use std::collections::{HashMap, HashSet};

use super::merges::Merges;

/// No group.
pub const NONE: u32 = u32::MAX;
/// A group that the snapshot does not hold, or a member that takes no part: left alone.
pub const UNKNOWN: u32 = u32::MAX - 1;
/// What has to change so that the groups fit the grouping.
#[derive(Debug, Default, PartialEq)]
pub struct Plan {
    /// Members that form new groups.
    pub form: Forming,
    /// Members that join groups.
    pub link: Linking,
    /// Groups that merge.
    pub merge: Merging,
    /// Merged groups that come back, by row.
    pub unmerge: Vec<u32>,
    /// Members of all components that change and have more than one member, and those of merged groups that
    /// come back and of the groups they leave, ascending.
    pub touched: Vec<u32>,
}

/// Members that form new groups.
#[derive(Debug, Default, PartialEq)]
pub struct Forming {
    /// The members, by row.
    pub rows: Vec<u32>,
    /// The new group of each, numbered in the order of their first rows.
    pub groups: Vec<u32>,
}

/// Members that join groups.
#[derive(Debug, Default, PartialEq)]
pub struct Linking {
    /// The members, by row.
    pub rows: Vec<u32>,
    /// The group of each, by row.
    pub targets: Vec<u32>,
}

/// Groups that merge.
#[derive(Debug, Default, PartialEq)]
pub struct Merging {
    /// Groups that point to another from now on.
    pub losers: Vec<u32>,
    /// The group that each points to.
    pub winners: Vec<u32>,
}

/// Compares a grouping, whose parts are called components here, with the groups that exist.
///
/// * `labels`: of each member, the smallest member of its component.
/// * `group`: of each member, the group that its row names, [`NONE`] or [`UNKNOWN`].
/// * `merges`: which groups were merged into which.
///
/// A component without a group forms one. A component with several keeps the smallest and merges the
/// others into it; its members without a group join. A member is never moved. A merged group comes
/// back when its members and its winner's share no component any more.
pub fn reconcile(labels: &[u32], group: &[u32], merges: &Merges) -> Plan {
    let components = Components::of(labels);
    // Who is alone now may have had evidence before, if a merge is undone.
    let mut parted = vec![false; labels.len()];
    let leaving = unmerge(&mut parted, labels, group, merges);
    let (mut plan, touched) = join(&components, group, merges, &leaving);
    plan.unmerge = leaving;
    plan.touched = components
        .iter()
        .filter(|&(label, members)| {
            parted[label as usize] || touched[label as usize] && members.len() > 1
        })
        .flat_map(|(_, members)| members.iter().copied())
        .collect();
    plan.touched.sort_unstable();
    plan
}

/// The same for some of the members: of each component those whose group may not fit, and one of the
/// others, which speaks for them. Whether a merged group comes back is not looked at, because that takes
/// all members; nor is anything said of `touched`.
pub fn reconcile_some(labels: &[u32], group: &[u32], merges: &Merges) -> Plan {
    join(&Components::of(labels), group, merges, &[]).0
}

/// Forms, links and merges; and which components that touched, by label.
///
/// A group that leaves its winner in this tick speaks for that winner no more, if its component has another: what
/// were merged through it would be parted at the next tick, and merged again, without end.
fn join(
    components: &Components,
    group: &[u32],
    merges: &Merges,
    leaving: &[u32],
) -> (Plan, Vec<bool>) {
    let leaving: HashSet<u32> = leaving.iter().copied().collect();
    let mut plan = Plan::default();
    // Who lost in this tick, and to whom.
    let mut lost: HashMap<u32, u32> = HashMap::new();
    let mut touched = vec![false; group.len()];

    for (label, members) in components.iter() {
        let named = members.iter().map(|&row| group[row as usize]).filter(|&id| id < UNKNOWN);
        let is_anybody_staying = named.clone().any(|id| !leaving.contains(&id));
        let mut live: Vec<u32> = named
            .filter(|id| !is_anybody_staying || !leaving.contains(id))
            .map(|id| resolve(merges.speaker(id), &lost))
            // Pointers that lead nowhere or round in a circle end at nobody who could win or lose.
            .filter(|&id| merges.target(id) == NONE)
            .collect();
        live.sort_unstable();
        live.dedup();
        let loose = members.iter().copied().filter(|&row| group[row as usize] == NONE);
        let before = plan.form.rows.len() + plan.link.rows.len() + plan.merge.losers.len();
        match live.split_first() {
            None => plan.form(loose),
            Some((&first, losers)) => {
                for &loser in losers {
                    lost.insert(loser, first);
                    plan.merge.losers.push(loser);
                    plan.merge.winners.push(first);
                }
                for row in loose {
                    plan.link.rows.push(row);
                    plan.link.targets.push(first);
                }
            }
        }
        let after = plan.form.rows.len() + plan.link.rows.len() + plan.merge.losers.len();
        touched[label as usize] = after > before;
    }
    (plan, touched)
}

impl Plan {
    fn form(&mut self, loose: impl Iterator<Item = u32>) {
        let group = self.form.groups.last().map_or(0, |last| last + 1);
        for row in loose {
            self.form.rows.push(row);
            self.form.groups.push(group);
        }
    }
}

/// Undoes merges whose two sides no longer hang together. Compares what the snapshot says: a member
/// counts for the group its row names, and links made in this tick are not looked at.
///
/// Groups hang together if they share a component, or if each does with a third that was merged with them.
/// If only a group and its winner were compared, one that a third holds to the winner would leave and be
/// merged again, tick by tick without end. A group without members hangs on whatever it points to.
fn unmerge(parted: &mut [bool], labels: &[u32], group: &[u32], merges: &Merges) -> Vec<u32> {
    let pairs = merges.iter().map(|(loser, _)| (loser, merges.speaker(loser)));
    let winner: HashMap<u32, u32> = pairs.filter(|(loser, winner)| loser != winner).collect();
    let mut losers: Vec<u32> = winner.keys().copied().collect();
    losers.sort_unstable();
    if losers.is_empty() {
        return Vec::new();
    }
    let mut left = Vec::new();
    let mut hanging = Hanging::default();
    let roots: HashSet<u32> = winner.values().copied().collect();
    let root_of = |id: u32| winner.get(&id).copied().or_else(|| roots.get(&id).copied());
    for (&id, &label) in group.iter().zip(labels) {
        if let Some(root) = root_of(id) {
            hanging.meet(id, (root, label));
        }
    }
    let mut undone = HashSet::new();
    for loser in losers {
        let holder = merges.above(loser).find(|&id| hanging.class(id).is_some());
        let (own, other) = (hanging.class(loser), holder.and_then(|id| hanging.class(id)));
        if own.is_some() && other.is_some() && own != other {
            left.push(loser);
            undone.extend(root_of(loser));
        }
    }
    for (&id, &label) in group.iter().zip(labels) {
        if root_of(id).is_some_and(|root| undone.contains(&root)) {
            parted[label as usize] = true;
        }
    }
    left
}

/// Which merged groups hang together.
#[derive(Default)]
struct Hanging {
    /// By group, of those that have members: another of the same class, or itself.
    next: HashMap<u32, u32>,
    /// The first group met in a component, by the winner and the label.
    first: HashMap<(u32, u32), u32>,
}

impl Hanging {
    /// A member of this group is in that component.
    fn meet(&mut self, id: u32, component: (u32, u32)) {
        self.next.entry(id).or_insert(id);
        let other = *self.first.entry(component).or_insert(id);
        if let (Some(one), Some(two)) = (self.class(id), self.class(other)) {
            self.next.insert(one.max(two), one.min(two));
            self.next.insert(id, one.min(two));
        }
    }

    /// The group that stands for all that hang together with this one, if it has members.
    fn class(&self, id: u32) -> Option<u32> {
        let mut at = id;
        loop {
            let next = *self.next.get(&at)?;
            if next == at {
                return Some(at);
            }
            at = next;
        }
    }
}

/// The group that speaks for `id` after the merges of this tick.
fn resolve(id: u32, lost: &HashMap<u32, u32>) -> u32 {
    let mut at = id;
    // A cycle of pointers in the data must not hang the tick.
    for _ in 0..=lost.len() {
        match lost.get(&at) {
            Some(next) => at = *next,
            None => break,
        }
    }
    at
}

/// Members of each component, by counting: linear, and in the order of the first member.
struct Components {
    label: Vec<u32>,
    start: Vec<usize>,
    members: Vec<u32>,
}

impl Components {
    fn of(labels: &[u32]) -> Self {
        let mut size = vec![0usize; labels.len()];
        for &label in labels {
            size[label as usize] += 1;
        }
        let label: Vec<u32> =
            (0..).zip(&size).filter(|(_, size)| **size > 0).map(|(row, _)| row).collect();
        let mut next = vec![0usize; labels.len()];
        let mut start = vec![0];
        for &label in &label {
            let at = start.last().copied().unwrap_or(0);
            next[label as usize] = at;
            start.push(at + size[label as usize]);
        }
        let mut members = vec![0; labels.len()];
        for (row, &label) in (0..).zip(labels) {
            members[next[label as usize]] = row;
            next[label as usize] += 1;
        }
        Self { label, start, members }
    }

    fn iter(&self) -> impl Iterator<Item = (u32, &[u32])> {
        let bounds = self.start.iter().zip(self.start.iter().skip(1));
        self.label
            .iter()
            .zip(bounds)
            .map(|(&label, (&start, &end))| (label, &self.members[start..end]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With the group that each group was merged into.
    fn plan(labels: &[u32], group: &[u32], merged_into: &[u32]) -> Plan {
        let merged = (0..).zip(merged_into.iter().copied()).filter(|(_, into)| *into != NONE);
        let (losers, winners) = merged.unzip();
        reconcile(labels, group, &Merges::new(losers, winners))
    }

    #[test]
    fn nothing_in_nothing_out() {
        assert_eq!(plan(&[], &[], &[]), Plan::default());
    }

    #[test]
    fn components_without_a_group_form_one_in_the_order_of_their_first_member() {
        let plan = plan(&[0, 1, 0, 3], &[NONE; 4], &[]);
        assert_eq!(plan.form, Forming { rows: vec![0, 2, 1, 3], groups: vec![0, 0, 1, 2] });
        assert_eq!(plan.touched, [0, 2]);
    }

    #[test]
    fn a_new_member_joins_the_group_of_its_component() {
        let plan = plan(&[0, 0, 2], &[1, NONE, 0], &[NONE, NONE]);
        assert_eq!(plan.link, Linking { rows: vec![1], targets: vec![1] });
        assert_eq!(plan.form, Forming::default());
        assert_eq!(plan.touched, [0, 1]);
    }

    #[test]
    fn the_smallest_group_wins_and_members_keep_theirs() {
        let plan = plan(&[0, 0, 0], &[2, 1, NONE], &[NONE, NONE, NONE]);
        assert_eq!(plan.merge, Merging { losers: vec![2], winners: vec![1] });
        assert_eq!(plan.link, Linking { rows: vec![2], targets: vec![1] });
    }

    #[test]
    fn a_merged_group_counts_as_its_winner_and_a_second_run_changes_nothing() {
        assert_eq!(plan(&[0, 0], &[0, 1], &[NONE, 0]), Plan::default());
        // 2 → 1 → 0: members of 2 and 0 are one component.
        assert_eq!(plan(&[0, 0], &[2, 0], &[NONE, 0, 1]), Plan::default());
    }

    #[test]
    fn a_group_comes_back_when_the_two_sides_share_no_component() {
        let plan = plan(&[0, 1, 1], &[0, 1, 1], &[NONE, 0]);
        assert_eq!(plan.unmerge, [1]);
        // Row 0 is alone, and what joined it to the others goes.
        assert_eq!(plan.touched, [0, 1, 2]);
    }

    #[test]
    fn a_group_that_a_third_holds_to_the_winner_stays_and_one_that_points_elsewhere_comes_back() {
        // 2 → 0 and 1 → 0; 2 has members in the components of both.
        assert_eq!(plan(&[0, 0, 2, 2], &[0, 2, 2, 1], &[NONE, 0, 0]), Plan::default());
        // 2 → 1 → 0; 2 shares a component with 0, and 1 with nobody: both come back, so that 2 and 0 can
        // be merged without 1.
        assert_eq!(plan(&[0, 0, 2], &[0, 2, 1], &[NONE, 0, 1]).unmerge, [1, 2]);
        assert_eq!(plan(&[0, 0, 2], &[0, 2, 1], &[NONE, NONE, NONE]).merge.losers, [2]);
        assert_eq!(plan(&[0, 0, 2], &[0, 2, 1], &[NONE, NONE, 0]), Plan::default());
    }

    #[test]
    fn groups_that_leave_a_winner_together_stay_together() {
        // 2 → 1 → 0, and 1 and 2 share what 0 has not.
        assert_eq!(plan(&[0, 1, 1], &[0, 2, 1], &[NONE, 0, 1]).unmerge, [1]);
        // 1 → 0 and 2 → 0: both leave, and are one at the next tick.
        assert_eq!(plan(&[0, 1, 1], &[0, 2, 1], &[NONE, 0, 0]).unmerge, [1, 2]);
        // 2 → 1 → 0, and nobody is in 1.
        assert_eq!(plan(&[0, 1], &[0, 2], &[NONE, 0, 1]).unmerge, [2]);
        assert_eq!(plan(&[0, 0], &[0, 2], &[NONE, 0, 1]), Plan::default());
    }

    #[test]
    fn nobody_is_merged_through_a_group_that_leaves() {
        // 2 → 0, and shares a component with 1 now. Once it has left, 1 and 2 are merged, and that is that.
        let labels = [0, 1, 1];
        let first = plan(&labels, &[0, 1, 2], &[NONE, NONE, 0]);
        assert_eq!((first.merge, first.unmerge), (Merging::default(), vec![2]));
        let second = plan(&labels, &[0, 1, 2], &[NONE, NONE, NONE]);
        assert_eq!(second.merge, Merging { losers: vec![2], winners: vec![1] });
        assert_eq!(plan(&labels, &[0, 1, 2], &[NONE, NONE, 1]), Plan::default());
    }

    #[test]
    fn a_merge_stays_while_one_side_has_no_members() {
        assert_eq!(plan(&[0], &[0], &[NONE, 0]), Plan::default());
    }

    #[test]
    fn merges_of_one_tick_are_seen_by_later_components() {
        // Component {0, 1} merges 3 into 1; component {2, 3} holds 3 and 0, that is 1 and 0.
        let plan = plan(&[0, 0, 2, 2], &[1, 3, 3, 0], &[NONE; 4]);
        assert_eq!(plan.merge, Merging { losers: vec![3, 1], winners: vec![1, 0] });
    }

    #[test]
    fn a_cycle_of_pointers_ends() {
        let plan = plan(&[0, 1], &[0, 1], &[1, 0]);
        assert_eq!(plan.form, Forming::default());
    }

    #[test]
    fn a_group_whose_pointers_lead_to_nobody_is_left_alone() {
        // 0 and 1 point to each other, 2 to itself, 3 to one that is not there, and 4 is live.
        let merged_into = [1, 0, 2, UNKNOWN, NONE];
        let plan = plan(&[0; 6], &[0, 1, 2, 3, 4, NONE], &merged_into);
        assert_eq!(plan.merge, Merging::default());
        assert_eq!(plan.unmerge, Vec::<u32>::new());
        assert_eq!(plan.link, Linking { rows: vec![5], targets: vec![4] });
    }

    #[test]
    fn a_member_of_an_unknown_group_is_left_alone() {
        let plan = plan(&[0, 0], &[UNKNOWN, NONE], &[NONE]);
        assert_eq!(plan.form, Forming { rows: vec![1], groups: vec![0] });
    }
}
