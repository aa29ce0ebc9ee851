//! The clusterer's decisions: pure functions from columns to columns, with no host in sight.
//!
//! [`project`] picks what the rule looks at; [`reconcile`] compares the kernel's grouping with the
//! identities that exist and says what has to change. Rows of identities are in the order of their
//! uuids, so a smaller row is a smaller uuid: the smallest identity of a group wins.

use std::collections::HashMap;

/// No value, no identity.
pub(crate) const NONE: u32 = u32::MAX;
/// An identity that the snapshot does not hold: its attackers are left alone.
const UNKNOWN: u32 = u32::MAX - 1;
/// Merge pointers followed at most, as DECNET does.
const HOPS_MAX: usize = 8;

/// The codes of the feature kinds that the rule looks at.
pub(crate) struct Kinds {
    pub(crate) ja3: u32,
    pub(crate) hassh: u32,
    pub(crate) payload: u32,
    pub(crate) endpoint: u32,
}

/// What the rule knows of each attacker.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Known {
    pub(crate) ja3: Vec<u32>,
    pub(crate) hassh: Vec<u32>,
    pub(crate) payloads: Tokens,
    pub(crate) endpoints: Tokens,
}

/// Tokens of attackers, in the attackers' order.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Tokens {
    pub(crate) row: Vec<u32>,
    pub(crate) token: Vec<u32>,
}

/// Picks the last JA3 and the last HASSH of each attacker, and all its payloads and endpoints.
/// `row`, `kind` and `value` are the features, sorted by row, in the order they were first seen.
pub(crate) fn project(
    attackers: usize,
    row: &[u32],
    kind: &[u32],
    value: &[u32],
    kinds: &Kinds,
) -> Known {
    let mut known =
        Known { ja3: vec![NONE; attackers], hassh: vec![NONE; attackers], ..Known::default() };
    for ((&row, &kind), &value) in row.iter().zip(kind).zip(value) {
        if kind == kinds.ja3 {
            known.ja3[row as usize] = value;
        } else if kind == kinds.hassh {
            known.hassh[row as usize] = value;
        } else if kind == kinds.payload {
            known.payloads.row.push(row);
            known.payloads.token.push(value);
        } else if kind == kinds.endpoint {
            known.endpoints.row.push(row);
            known.endpoints.token.push(value);
        }
    }
    known
}

/// Turns references by uuid into references by row.
pub(crate) fn rows_of(references: &[u32], uuids: &[u32]) -> Vec<u32> {
    let rows: HashMap<u32, u32> = uuids.iter().copied().zip(0..).collect();
    let row_of =
        |code: &u32| if *code == NONE { NONE } else { rows.get(code).copied().unwrap_or(UNKNOWN) };
    references.iter().map(row_of).collect()
}

/// What has to change so that the identities fit the grouping.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Plan {
    pub(crate) form: Forming,
    pub(crate) link: Linking,
    pub(crate) merge: Merging,
    /// Merged identities that come back.
    pub(crate) unmerge: Vec<u32>,
    /// Attackers of all groups that change and have more than one member, ascending.
    pub(crate) touched: Vec<u32>,
}

/// Attackers that form new identities.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Forming {
    pub(crate) rows: Vec<u32>,
    pub(crate) groups: Vec<u32>,
}

/// Attackers that join identities.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Linking {
    pub(crate) rows: Vec<u32>,
    pub(crate) targets: Vec<u32>,
}

/// Identities that merge.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Merging {
    pub(crate) losers: Vec<u32>,
    pub(crate) winners: Vec<u32>,
}

/// Compares the grouping with the identities that exist.
///
/// * `labels`: of each attacker, the smallest attacker of its group.
/// * `identity`: of each attacker, the identity that its row names, or [`NONE`].
/// * `merged_into`: of each identity, the one it was merged into, or [`NONE`].
///
/// A group without an identity forms one. A group with several keeps the smallest and merges the
/// others into it; its attackers without an identity join. An attacker is never moved. A merged
/// identity comes back when its attackers and its winner's share no group any more.
pub(crate) fn reconcile(labels: &[u32], identity: &[u32], merged_into: &[u32]) -> Plan {
    let mut plan = Plan::default();
    let mut winner: Vec<u32> =
        (0..).take(merged_into.len()).map(|row| follow(row, merged_into)).collect();
    let snapshot = winner.clone();
    let groups = Groups::of(labels);
    let mut touched = vec![false; labels.len()];

    for (label, members) in groups.iter() {
        let mut live: Vec<u32> = members
            .iter()
            .map(|&row| identity[row as usize])
            .filter(|&id| id < UNKNOWN)
            .map(|id| resolve(id, &winner))
            .collect();
        live.sort_unstable();
        live.dedup();
        let loose = members.iter().copied().filter(|&row| identity[row as usize] == NONE);
        let before = plan.form.rows.len() + plan.link.rows.len() + plan.merge.losers.len();
        match live.split_first() {
            None => plan.form(loose),
            Some((&first, losers)) => {
                for &loser in losers {
                    winner[loser as usize] = first;
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
    unmerge(&mut plan, &mut touched, labels, identity, merged_into, &snapshot);
    plan.touched = groups
        .iter()
        .filter(|(label, members)| touched[*label as usize] && members.len() > 1)
        .flat_map(|(_, members)| members.iter().copied())
        .collect();
    plan.touched.sort_unstable();
    plan
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

/// Undoes merges whose two sides no longer share a group. Compares what the snapshot says: an
/// attacker counts for the identity its row names, and links made in this tick are not looked at.
fn unmerge(
    plan: &mut Plan,
    touched: &mut [bool],
    labels: &[u32],
    identity: &[u32],
    merged_into: &[u32],
    winner: &[u32],
) {
    let losers: Vec<u32> = (0..)
        .zip(merged_into)
        .filter(|&(row, &into)| into != NONE && winner[row as usize] != row)
        .map(|(row, _)| row)
        .collect();
    if losers.is_empty() {
        return;
    }
    let mut labels_of: HashMap<u32, Vec<u32>> = losers
        .iter()
        .flat_map(|&row| [row, winner[row as usize]])
        .map(|row| (row, Vec::new()))
        .collect();
    for (&identity, &label) in identity.iter().zip(labels) {
        if let Some(labels) = labels_of.get_mut(&identity) {
            labels.push(label);
        }
    }
    for labels in labels_of.values_mut() {
        labels.sort_unstable();
        labels.dedup();
    }
    for loser in losers {
        let (lost, won) = (&labels_of[&loser], &labels_of[&winner[loser as usize]]);
        if lost.is_empty()
            || won.is_empty()
            || lost.iter().any(|label| won.binary_search(label).is_ok())
        {
            continue;
        }
        plan.unmerge.push(loser);
        for &label in lost.iter().chain(won) {
            touched[label as usize] = true;
        }
    }
}

/// The end of the merge pointers, from `row`.
fn follow(row: u32, merged_into: &[u32]) -> u32 {
    let mut at = row;
    for _ in 0..HOPS_MAX {
        let next = merged_into[at as usize];
        if next >= UNKNOWN || next == at {
            break;
        }
        at = next;
    }
    at
}

/// The live identity behind `id`, merges of this tick included.
fn resolve(id: u32, winner: &[u32]) -> u32 {
    let mut at = winner[id as usize];
    // A cycle of pointers in the data must not hang the tick.
    for _ in 0..winner.len() {
        let next = winner[at as usize];
        if next == at {
            break;
        }
        at = next;
    }
    at
}

/// Members of each group, by counting: linear, and in the order of the first member.
struct Groups {
    label: Vec<u32>,
    start: Vec<usize>,
    members: Vec<u32>,
}

impl Groups {
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

    fn plan(labels: &[u32], identity: &[u32], merged_into: &[u32]) -> Plan {
        reconcile(labels, identity, merged_into)
    }

    #[test]
    fn nothing_in_nothing_out() {
        assert_eq!(plan(&[], &[], &[]), Plan::default());
    }

    #[test]
    fn groups_without_an_identity_form_one_in_the_order_of_their_first_member() {
        let plan = plan(&[0, 1, 0, 3], &[NONE; 4], &[]);
        assert_eq!(plan.form, Forming { rows: vec![0, 2, 1, 3], groups: vec![0, 0, 1, 2] });
        assert_eq!(plan.touched, [0, 2]);
    }

    #[test]
    fn a_new_attacker_joins_the_identity_of_its_group() {
        let plan = plan(&[0, 0, 2], &[1, NONE, 0], &[NONE, NONE]);
        assert_eq!(plan.link, Linking { rows: vec![1], targets: vec![1] });
        assert_eq!(plan.form, Forming::default());
        assert_eq!(plan.touched, [0, 1]);
    }

    #[test]
    fn the_smallest_identity_wins_and_members_keep_theirs() {
        let plan = plan(&[0, 0, 0], &[2, 1, NONE], &[NONE, NONE, NONE]);
        assert_eq!(plan.merge, Merging { losers: vec![2], winners: vec![1] });
        assert_eq!(plan.link, Linking { rows: vec![2], targets: vec![1] });
    }

    #[test]
    fn a_merged_identity_counts_as_its_winner_and_a_second_run_changes_nothing() {
        assert_eq!(plan(&[0, 0], &[0, 1], &[NONE, 0]), Plan::default());
        // 2 → 1 → 0: attackers of 2 and 0 are one group.
        assert_eq!(plan(&[0, 0], &[2, 0], &[NONE, 0, 1]), Plan::default());
    }

    #[test]
    fn an_identity_comes_back_when_the_two_sides_share_no_group() {
        let plan = plan(&[0, 1, 1], &[0, 1, 1], &[NONE, 0]);
        assert_eq!(plan.unmerge, [1]);
        assert_eq!(plan.touched, [1, 2]);
    }

    #[test]
    fn a_merge_stays_while_one_side_has_no_attackers() {
        assert_eq!(plan(&[0], &[0], &[NONE, 0]), Plan::default());
    }

    #[test]
    fn merges_of_one_tick_are_seen_by_later_groups() {
        // Group {0, 1} merges 3 into 1; group {2, 3} holds 3 and 0, that is 1 and 0.
        let plan = plan(&[0, 0, 2, 2], &[1, 3, 3, 0], &[NONE; 4]);
        assert_eq!(plan.merge, Merging { losers: vec![3, 1], winners: vec![1, 0] });
    }

    #[test]
    fn a_cycle_of_pointers_ends() {
        let plan = plan(&[0, 1], &[0, 1], &[1, 0]);
        assert_eq!(plan.form, Forming::default());
    }

    #[test]
    fn an_attacker_of_an_unknown_identity_is_left_alone() {
        let identity = rows_of(&[77, NONE], &[5]);
        let plan = plan(&[0, 0], &identity, &[NONE]);
        assert_eq!(plan.form, Forming { rows: vec![1], groups: vec![0] });
    }

    #[test]
    fn the_last_fingerprint_counts_and_all_tokens() {
        let kinds = Kinds { ja3: 10, hassh: 11, payload: 12, endpoint: 13 };
        let known = project(2, &[0, 0, 0, 1, 1], &[11, 11, 12, 12, 99], &[1, 2, 3, 3, 4], &kinds);
        assert_eq!(known.hassh, [2, NONE]);
        assert_eq!(known.ja3, [NONE, NONE]);
        assert_eq!(known.payloads, Tokens { row: vec![0, 1], token: vec![3, 3] });
        assert_eq!(known.endpoints, Tokens::default());
    }
}
