//! Which of the attackers and edges count where only changes are looked at: pure functions.

use std::collections::{HashMap, HashSet};

/// The values of two lists, each once, in the order in which they come.
pub(crate) fn union(mut one: Vec<u32>, other: Vec<u32>) -> Vec<u32> {
    let mut seen = HashSet::with_capacity(one.len() + other.len());
    one.extend(other);
    one.retain(|value| seen.insert(*value));
    one
}

/// For each group the index of its first equal.
pub(crate) fn sharing(groups: &[u32]) -> Vec<u32> {
    let mut first = HashMap::new();
    (0..).zip(groups).map(|(at, group)| *first.entry(*group).or_insert(at)).collect()
}

/// Whether one of some attackers is of an identity that others were merged into, and none of its group who stayed
/// where it was is. `speaker` is the identity that speaks for each, and `winners` are those that others were merged
/// into.
pub(crate) fn is_any_leaving(
    labels: &[u32],
    anchors: &[bool],
    speaker: &[u32],
    winners: &HashSet<u32>,
) -> bool {
    let all = || labels.iter().zip(speaker).zip(anchors);
    let stayed: HashSet<(u32, u32)> =
        all().filter(|(_, anchor)| **anchor).map(|((label, of), _)| (*label, *of)).collect();
    all().any(|((label, of), _)| winners.contains(of) && !stayed.contains(&(*label, *of)))
}

/// What edges lead from and to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    Attacker(u32),
    Identity(u32),
}

/// Which edges lead to somewhere else than those before them do.
pub(crate) fn joining(a: &[Node], b: &[Node]) -> Vec<u32> {
    let mut next: HashMap<Node, Node> = HashMap::new();
    let end = |next: &HashMap<Node, Node>, node: Node| {
        std::iter::successors(Some(node), |at| next.get(at).copied()).last().unwrap_or(node)
    };
    let mut joining = Vec::new();
    for (edge, (&a, &b)) in (0..).zip(a.iter().zip(b)) {
        let (a, b) = (end(&next, a), end(&next, b));
        if a != b {
            next.insert(a, b);
            joining.push(edge);
        }
    }
    joining
}

/// A number that tells sets of merges apart, whatever their order: each of some groups was merged into the
/// other beside it.
pub(crate) fn fingerprint(groups: &[u32], merged_into: &[u32]) -> u64 {
    let mix = |(loser, winner): (&u32, &u32)| {
        let pair = u64::from(*loser) << 32 | u64::from(*winner);
        let mixed = (pair ^ pair >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ mixed >> 32).wrapping_mul(0x94d0_49bb_1331_11eb)
    };
    groups.iter().zip(merged_into).map(mix).fold(0, u64::wrapping_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_union_has_each_value_once_and_a_label_is_the_first_of_its_group() {
        assert_eq!(union(vec![3, 1, 3], vec![2, 1]), [3, 1, 2]);
        assert_eq!(sharing(&[7, 5, 7, 5, 9]), [0, 1, 0, 1, 4]);
    }

    #[test]
    fn who_stays_with_an_anchor_of_its_identity_has_not_left() {
        let winners = HashSet::from([7]);
        let leaving = |labels: &[u32], anchors: &[bool], speaker: &[u32]| {
            is_any_leaving(labels, anchors, speaker, &winners)
        };
        assert!(!leaving(&[0, 0], &[false, true], &[7, 7]));
        assert!(leaving(&[0], &[false], &[7]), "it is alone now");
        assert!(leaving(&[0, 0], &[false, true], &[7, 5]), "it is with others now");
        assert!(!leaving(&[0, 0], &[false, true], &[5, 5]), "nobody was merged");
    }

    #[test]
    fn an_edge_that_leads_nowhere_new_is_left_out() {
        let (one, two) = (Node::Attacker(0), Node::Attacker(1));
        let (own, other) = (Node::Identity(0), Node::Identity(1));
        assert_eq!(joining(&[own, one, one, two], &[own, own, own, one]), [1, 3]);
        // By way of another identity back to the first.
        assert_eq!(joining(&[own, other, two], &[other, own, two]), [0]);
    }

    #[test]
    fn a_fingerprint_tells_merges_apart_and_not_their_order() {
        let merges: [(&[u32], &[u32]); 5] =
            [(&[], &[]), (&[1], &[0]), (&[2], &[0]), (&[0], &[1]), (&[1, 2], &[0, 0])];
        let mut prints: Vec<u64> = merges.map(|(one, two)| fingerprint(one, two)).to_vec();
        prints.sort_unstable();
        prints.dedup();
        assert_eq!(prints.len(), merges.len());
        assert_eq!(fingerprint(&[1, 2], &[0, 3]), fingerprint(&[2, 1], &[3, 0]));
    }
}
