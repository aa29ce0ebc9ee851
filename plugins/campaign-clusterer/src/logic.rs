//! What the rule looks at of each identity: pure functions from columns to columns.
//!
//! The views speak of attackers. `owner` says for each attacker which identity speaks for it, as a row;
//! an attacker without one has a number that no row has, and takes no part.

use std::collections::HashMap;

use corral_sdk::reconcile::NONE;

/// The rank of each identity: the order in which they were made, of two made at once the smaller uuid.
pub(crate) fn ranks(created_at: &[i64]) -> Vec<u32> {
    let mut order: Vec<u32> = (0..).take(created_at.len()).collect();
    order.sort_by_key(|&row| (created_at[row as usize], row));
    let mut ranks = vec![0; created_at.len()];
    for (rank, &row) in (0..).zip(&order) {
        ranks[row as usize] = rank;
    }
    ranks
}

/// Which items of a child of the attackers belong to identities, as (identity, item), as they stood.
pub(crate) fn owned(owner: &[u32], identities: usize, attacker: &[u32]) -> Vec<(u32, u32)> {
    attacker
        .iter()
        .map(|&attacker| owner[attacker as usize])
        .zip(0..)
        .filter(|&(identity, _)| (identity as usize) < identities)
        .collect()
}

/// Items in the order of the identities, within one by `time`, then as they stood.
pub(crate) fn in_time(mut items: Vec<(u32, u32)>, time: &[i64]) -> Vec<(u32, u32)> {
    items.sort_unstable_by_key(|&(identity, item)| (identity, time[item as usize], item));
    items
}

/// Texts of identities: what a child frame of the kernel holds.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Tokens {
    pub(crate) row: Vec<u32>,
    pub(crate) kind: Vec<u32>,
    pub(crate) value: Vec<u32>,
}

impl Tokens {
    /// The distinct tokens in the order of their rows.
    pub(crate) fn sorted(mut tokens: Vec<(u32, u32, u32)>) -> Self {
        tokens.sort_unstable();
        tokens.dedup();
        Self {
            row: tokens.iter().map(|token| token.0).collect(),
            kind: tokens.iter().map(|token| token.1).collect(),
            value: tokens.iter().map(|token| token.2).collect(),
        }
    }
}

/// What one identity did at one sensor.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Phases {
    pub(crate) row: Vec<u32>,
    pub(crate) decky: Vec<u32>,
    pub(crate) first_phase: Vec<u32>,
    pub(crate) last_phase: Vec<u32>,
    pub(crate) first_seen: Vec<f64>,
    pub(crate) last_seen: Vec<f64>,
}

/// The first and the last phase of each identity at each sensor. `items` are the tagged tactics that
/// [`in_time`] gave, `phase` the phase of each or [`NONE`], `at` its time in microseconds.
pub(crate) fn phases(items: &[(u32, u32)], decky: &[u32], phase: &[u32], at: &[i64]) -> Phases {
    let mut found = Phases::default();
    let mut places: HashMap<(u32, u32), usize> = HashMap::new();
    for &(identity, item) in items {
        let (decky, phase, at) = (decky[item as usize], phase[item as usize], at[item as usize]);
        if phase == NONE || decky == NONE {
            continue;
        }
        let place = *places.entry((identity, decky)).or_insert(found.row.len());
        if place == found.row.len() {
            found.row.push(identity);
            found.decky.push(decky);
            found.first_phase.push(phase);
            found.first_seen.push(seconds(at));
            found.last_phase.push(phase);
            found.last_seen.push(seconds(at));
        }
        found.last_phase[place] = phase;
        found.last_seen[place] = seconds(at);
    }
    found
}

/// Microseconds as seconds.
pub(crate) fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

/// Half of the samples or more have a bit unset: then the centroid has it unset too. So the rhythm of an
/// identity is that of most of its sessions, and a tie says nothing. `None` of nothing.
pub(crate) fn centroid(samples: &[u64]) -> Option<u64> {
    if samples.is_empty() {
        return None;
    }
    let count = |bit: u32| samples.iter().filter(|sample| **sample >> bit & 1 == 1).count();
    Some((0..64).filter(|&bit| 2 * count(bit) > samples.len()).fold(0, |bits, bit| bits | 1 << bit))
}

/// The hash in a sample of `motor.digraph_simhash`: a JSON text of 16 hexadecimal digits.
pub(crate) fn simhash(value: &str) -> Option<u64> {
    let digits = value.strip_prefix('"')?.strip_suffix('"')?;
    let is_hash = digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earlier_has_the_smaller_rank_and_of_two_the_smaller_row() {
        assert_eq!(ranks(&[30, 10, 30, 20]), [2, 0, 3, 1]);
    }

    #[test]
    fn items_follow_their_identities_and_then_time() {
        // Attackers 0 and 2 are identity 1, attacker 1 is identity 0, attacker 3 has none.
        let owner = [1, 0, 1, NONE];
        let items = in_time(owned(&owner, 2, &[0, 0, 1, 2, 3]), &[5, 9, 1, 7, 0]);
        assert_eq!(items, [(0, 2), (1, 0), (1, 3), (1, 1)]);
        assert_eq!(owned(&owner, 2, &[2, 0]), [(1, 0), (1, 1)]);
    }

    #[test]
    fn tokens_stand_once_in_the_order_of_their_rows() {
        let tokens = Tokens::sorted(vec![(1, 7, 5), (0, 7, 9), (1, 7, 5)]);
        assert_eq!(tokens, Tokens { row: vec![0, 1], kind: vec![7, 7], value: vec![9, 5] });
    }

    #[test]
    fn a_place_has_its_first_and_its_last_phase() {
        let items = [(0, 1), (0, 0), (0, 3), (2, 2)];
        let found =
            phases(&items, &[8, 8, 9, 8], &[50, 51, 52, NONE], &[2_000_000, 1_500_000, 3, 4]);
        assert_eq!(
            found,
            Phases {
                row: vec![0, 2],
                decky: vec![8, 9],
                first_phase: vec![51, 52],
                last_phase: vec![50, 52],
                first_seen: vec![1.5, 0.000_003],
                last_seen: vec![2.0, 0.000_003],
            }
        );
    }

    #[test]
    fn a_centroid_needs_a_strict_majority() {
        assert_eq!(centroid(&[]), None);
        assert_eq!(centroid(&[0xf0]), Some(0xf0));
        assert_eq!(centroid(&[0b11, 0b01]), Some(0b01));
        assert_eq!(centroid(&[0b110, 0b010, 0b100]), Some(0b110));
    }

    #[test]
    fn a_simhash_is_sixteen_digits_in_quotes() {
        assert_eq!(simhash("\"00000000000000ff\""), Some(255));
        assert_eq!(simhash("\"ff\""), None);
        assert_eq!(simhash("\"+000000000000000\""), None);
        assert_eq!(simhash("00000000000000ff"), None);
    }
}
