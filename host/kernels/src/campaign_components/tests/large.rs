//! Populations that are large enough for the filters and indexes to filter.

use super::*;

const TOKENS: [Text; 16] =
    ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p"];

/// Sets that mostly are near copies of a few, with windows, cohorts and keystrokes that reach the rest
/// of the way now and then.
fn alike() -> impl Strategy<Value = Vec<Row>> {
    let set = || prop::collection::btree_set(select(TOKENS.to_vec()), 1..14);
    let change = prop::collection::vec(select(TOKENS.to_vec()), 0..4);
    let row = (any::<Index>(), change, 0..3_u8, 0..3_u8, prop::option::weighted(0.3, 0..7_u32));
    (prop::collection::vec(set(), 1..4), prop::collection::vec(row, 2..40))
        .prop_map(|(sets, rows)| {
            let make =
                |(set, change, windows, cohort, bits): (Index, Vec<Text>, u8, u8, Option<u32>)| {
                    let mut infra = set.get(&sets).clone();
                    for token in change {
                        if !infra.remove(token) {
                            infra.insert(token);
                        }
                    }
                    Row {
                        infra: infra.into_iter().map(Some).collect(),
                        windows: [vec![], vec![(0.0, 10.0)], vec![(0.0, 9.0)]]
                            [usize::from(windows)]
                        .clone(),
                        cohort: [
                            vec![],
                            vec![(Some("asn"), Some("x"))],
                            vec![(Some("asn"), Some("y"))],
                        ][usize::from(cohort)]
                        .clone(),
                        simhash: bits.map(|bits| (1 << bits) - 1),
                        ..Row::default()
                    }
                };
            rows.into_iter().map(make).collect()
        })
        .prop_flat_map(ranked)
}

proptest! {
    #![proptest_config(cases(1_500))]

    #[test]
    fn similar_sets_are_found_and_their_splits_rejected(rows in alike(), at in any::<Index>()) {
        hold_against_pairs(&rows, at)?;
    }
}

/// SplitMix64, from a fixed seed.
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % end
    }

    pub(super) fn flip(&mut self, hash: u64, bits: u64) -> u64 {
        (0..bits).fold(hash, |hash, _| hash ^ 1 << self.below(64))
    }
}

#[test]
fn long_lists_of_rhythms_go_through_the_index_and_its_answer_is_right() {
    let mut chance = Chance(3);
    let centres: Vec<u64> = (0..200).map(|_| chance.below(u64::MAX)).collect();
    let tokens = |tokens: [Text; 3]| tokens.map(Some).to_vec();
    let rows: Vec<Row> = (0..1_800_u32)
        .map(|at| {
            let centre = centres[usize::try_from(chance.below(200)).unwrap()];
            let far = chance.below(6);
            let [own, other] = [16, 16].map(|end| usize::try_from(chance.below(end)).unwrap());
            let start = f64::from(u32::try_from(chance.below(40)).unwrap());
            Row {
                rank: at ^ 1,
                infra: if at % 5 == 0 { vec![] } else { tokens(["z", TOKENS[own], TOKENS[other]]) },
                simhash: Some(chance.flip(centre, far)),
                windows: if at % 3 == 0 { vec![] } else { vec![(start, start + 5.0)] },
                cohort: vec![(Some("asn"), Some(TOKENS[own / 4]))],
                ..Row::default()
            }
        })
        .collect();
    let (texts, inputs, answer) = Answer::of(&rows);
    assert_eq!(answer.labels, by_pairs(&rows));
    assert_eq!(answer.verify(&texts, &inputs), Ok(()));
    let groups = answer.labels.iter().collect::<BTreeSet<_>>().len();
    assert!((20..1_700).contains(&groups), "{groups} groups");
    let combined = texts.lookup(COMBINED);
    let combined: Vec<usize> =
        (0..answer.edges.len()).filter(|&at| Some(answer.edges[at].2) == combined).collect();
    assert!(combined.len() > 20, "{} combined edges", combined.len());
    for &at in combined.iter().step_by(combined.len() / 20) {
        let mut other = answer.clone();
        other.edges.remove(at);
        assert!(other.relabelled().verify(&texts, &inputs).is_err(), "{at}");
    }
}

#[test]
fn handoffs_on_a_busy_decky_are_a_chain_of_few_edges() {
    let mut chance = Chance(5);
    let rows: Vec<Row> = (0..600_u32)
        .map(|rank| {
            let mut time =
                || Some(f64::from(u32::try_from(chance.below(4_000)).unwrap()) * 3_600.0);
            let (came, left) = (time(), time());
            let decky = TOKENS[usize::try_from(chance.below(3)).unwrap()];
            let first = ["discovery", "delivery", "lateral_movement"][rank as usize % 3];
            let last =
                ["persistence", "delivery", "discovery", "command_and_control"][rank as usize % 4];
            let phases = vec![(Some(decky), (Some(first), Some(last), came, left))];
            Row { rank, phases, ..Row::default() }
        })
        .collect();
    let (texts, inputs, answer) = Answer::of(&rows);
    assert_eq!(answer.labels, by_pairs(&rows));
    assert_eq!(answer.verify(&texts, &inputs), Ok(()));
    for at in (0..answer.edges.len()).step_by(17) {
        let mut other = answer.clone();
        other.edges.remove(at);
        assert!(other.relabelled().verify(&texts, &inputs).is_err(), "{at}");
    }
}
