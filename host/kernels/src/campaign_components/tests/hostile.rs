//! Populations in which everybody shares something with everybody, so that each list of whatever finds
//! pairs is as long as it can be.

use super::*;

const OWN: [Text; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];

/// What everybody has in common.
#[derive(Clone, Copy, Debug)]
struct Common {
    /// Tokens that everybody holds, mostly.
    tokens: usize,
    /// Most bits by which rhythms differ, if there are any.
    bits: Option<usize>,
    /// Within how many hours all windows are, if there are any.
    hours: Option<u8>,
}

/// Each shape that the module names as a worst case, and some that lie between them.
const SHAPES: [Common; 10] = [
    // One token.
    Common { tokens: 1, bits: None, hours: Some(4) },
    // One rhythm, or rhythms within a few bits: with tokens, with windows, with both.
    Common { tokens: 1, bits: Some(0), hours: None },
    Common { tokens: 1, bits: Some(3), hours: None },
    Common { tokens: 0, bits: Some(0), hours: Some(9) },
    Common { tokens: 0, bits: Some(1), hours: Some(4) },
    Common { tokens: 1, bits: Some(4), hours: Some(30) },
    // Half of the tokens and more, with windows and without.
    Common { tokens: 2, bits: None, hours: Some(2) },
    Common { tokens: 4, bits: None, hours: Some(12) },
    Common { tokens: 9, bits: Some(2), hours: None },
    Common { tokens: 3, bits: Some(5), hours: Some(200) },
];

fn one(common: Common) -> impl Strategy<Value = Row> {
    let windows = prop::collection::vec((any::<u8>(), 0..3_u8), 0..9);
    let own = prop::collection::btree_set(select(OWN.to_vec()), 0..3);
    let flips = prop::collection::vec(0..64_u32, 0..=common.bits.unwrap_or(0));
    let cohort = prop::collection::btree_set(select(vec!["x", "y", "z"]), 0..3);
    let rarely = prop::bool::weighted(0.1);
    (own, flips, windows, cohort, [rarely, rarely, rarely]).prop_map(
        move |(own, flips, windows, cohort, [apart, silent, away])| {
            let kept = if apart { common.tokens / 2 } else { common.tokens };
            let held = ["m", "n", "o", "p", "q", "r", "s", "t", "u"][..kept].iter().copied();
            let window = |hours: u8, (start, length): (u8, u8)| {
                let start = f64::from(start % hours);
                (start, start + f64::from(length) / 2.0)
            };
            Row {
                infra: own.into_iter().chain(held).map(Some).collect(),
                cohort: cohort.into_iter().map(|value| (Some("asn"), Some(value))).collect(),
                simhash: common
                    .bits
                    .filter(|_| !silent)
                    .map(|_| flips.iter().fold(0x1234_5678, |hash, bit| hash ^ 1 << bit)),
                windows: common
                    .hours
                    .filter(|_| !away)
                    .map(|hours| windows.into_iter().map(|one| window(hours, one)).collect())
                    .unwrap_or_default(),
                ..Row::default()
            }
        },
    )
}

fn population_of(common: Common) -> impl Strategy<Value = Vec<Row>> {
    prop::collection::vec(one(common), 2..14).prop_flat_map(ranked)
}

/// Compares many populations of each shape with the rule.
fn compare(cases: ProptestConfig) {
    for common in SHAPES {
        let mut runner = proptest::test_runner::TestRunner::new(cases.clone());
        let outcome = runner.run(&(population_of(common), any::<Index>()), |(rows, at)| {
            hold_against_pairs(&rows, at)
        });
        assert!(outcome.is_ok(), "{common:?}: {outcome:?}");
    }
}

#[test]
fn each_hostile_shape_has_the_labels_of_the_pairwise_rule_and_its_splits_are_rejected() {
    compare(cases(1_000));
}

#[test]
#[ignore = "takes a minute"]
fn each_hostile_shape_has_the_labels_of_the_pairwise_rule_ten_times_as_often() {
    compare(cases(10_000));
}
