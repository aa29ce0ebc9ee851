//! The attribution correlator's decisions: pure functions from columns to columns.
//!
//! [`group`] puts samples into series, one an (identity, primitive). [`changed`] compares the states that
//! a kernel made of them with those that are stored.

use std::collections::HashMap;

/// Samples in series.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Series {
    /// Of each series, the row of its identity.
    pub(crate) identity: Vec<u32>,
    /// Of each series, its primitive.
    pub(crate) primitive: Vec<u32>,
    /// Of each sample in a series, the series, ascending.
    pub(crate) row: Vec<u32>,
    /// Of each sample in a series, its row in the view, in the order of time within a series.
    pub(crate) sample: Vec<u32>,
}

/// Puts the samples of attackers that have an identity into series.
///
/// * `identity`: of each attacker, the row of its identity; `identities` or more: it has none.
/// * `attacker`, `primitive`, `at`: of each sample.
pub(crate) fn group(
    identity: &[u32],
    identities: usize,
    attacker: &[u32],
    primitive: &[u32],
    at: &[f64],
) -> Series {
    let owner = |sample: u32| identity[attacker[sample as usize] as usize];
    let mut order: Vec<u32> = (0..)
        .take(attacker.len())
        .filter(|&sample| (owner(sample) as usize) < identities)
        .collect();
    let key = |sample: u32| (owner(sample), primitive[sample as usize]);
    // Two samples of one moment stay in the order of the view.
    order.sort_by(|&x, &y| {
        key(x).cmp(&key(y)).then_with(|| at[x as usize].total_cmp(&at[y as usize]))
    });
    let mut series = Series::default();
    let mut last = None;
    for &sample in &order {
        let (identity, primitive) = key(sample);
        if last != Some((identity, primitive)) {
            last = Some((identity, primitive));
            series.identity.push(identity);
            series.primitive.push(primitive);
        }
        series.row.push(series.identity.len() as u32 - 1);
    }
    series.sample = order;
    series
}

/// States by row, new or stored: codes, and numbers as the view `attribution` has them.
#[derive(Debug, Default)]
pub(crate) struct States {
    pub(crate) identity: Vec<u32>,
    pub(crate) primitive: Vec<u32>,
    pub(crate) value: Vec<u32>,
    pub(crate) state: Vec<u32>,
    pub(crate) confidence: Vec<f64>,
    pub(crate) samples: Vec<u32>,
    pub(crate) changed_at: Vec<f64>,
    pub(crate) observed_at: Vec<f64>,
}

/// The rows of `new` that are to be written, and when the state of each changed: at its last sample if
/// it is another than before, else when it did. Rows in the state `invalid` are left as they were.
pub(crate) fn changed(new: &States, stored: &States, invalid: u32) -> (Vec<u32>, Vec<f64>) {
    let known: HashMap<(u32, u32), usize> =
        stored.identity.iter().copied().zip(stored.primitive.iter().copied()).zip(0..).collect();
    let (mut rows, mut changed_at) = (Vec::new(), Vec::new());
    for row in 0..new.identity.len() {
        if new.state[row] == invalid {
            continue;
        }
        let before = known.get(&(new.identity[row], new.primitive[row])).copied();
        let since = match before {
            Some(before) if stored.state[before] == new.state[row] => stored.changed_at[before],
            _ => new.observed_at[row],
        };
        if before.is_none_or(|before| !new.equals(row, stored, before)) {
            rows.push(row as u32);
            changed_at.push(since);
        }
    }
    (rows, changed_at)
}

impl States {
    fn equals(&self, row: usize, other: &Self, at: usize) -> bool {
        self.value[row] == other.value[at]
            && self.state[row] == other.state[at]
            && self.confidence[row] == other.confidence[at]
            && self.samples[row] == other.samples[at]
            && self.observed_at[row] == other.observed_at[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corral_sdk::reconcile::NONE;

    #[test]
    fn series_hold_the_samples_of_an_identity_in_the_order_of_time() {
        // Attackers 0 and 2 are identity 1, attacker 1 is identity 0, attacker 3 has none.
        let identity = [1, 0, 1, NONE];
        let attacker = [0, 0, 1, 2, 2, 3];
        let primitive = [7, 9, 7, 7, 9, 7];
        let at = [5.0, 1.0, 3.0, 4.0, 1.0, 0.0];
        let series = group(&identity, 2, &attacker, &primitive, &at);
        assert_eq!(series.identity, [0, 1, 1]);
        assert_eq!(series.primitive, [7, 7, 9]);
        assert_eq!(series.row, [0, 1, 1, 2, 2]);
        assert_eq!(series.sample, [2, 3, 0, 1, 4]);
    }

    fn one(state: u32, value: u32, changed_at: f64, observed_at: f64) -> States {
        States {
            identity: vec![1],
            primitive: vec![2],
            value: vec![value],
            state: vec![state],
            confidence: vec![1.0],
            samples: vec![3],
            changed_at: vec![changed_at],
            observed_at: vec![observed_at],
        }
    }

    #[test]
    fn only_what_differs_is_written_and_a_state_that_stays_keeps_its_beginning() {
        let invalid = 99;
        let stored = one(5, 6, 10.0, 20.0);
        assert_eq!(changed(&one(5, 6, 0.0, 20.0), &stored, invalid), (vec![], vec![]));
        assert_eq!(changed(&one(5, 6, 0.0, 30.0), &stored, invalid), (vec![0], vec![10.0]));
        assert_eq!(changed(&one(8, 6, 0.0, 30.0), &stored, invalid), (vec![0], vec![30.0]));
        assert_eq!(changed(&one(invalid, 6, 0.0, 30.0), &stored, invalid), (vec![], vec![]));
        let first = changed(&one(5, 6, 0.0, 30.0), &States::default(), invalid);
        assert_eq!(first, (vec![0], vec![30.0]));
    }
}
