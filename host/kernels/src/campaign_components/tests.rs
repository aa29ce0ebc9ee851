//! `campaign-components` against the rule taken literally: every pair, the full weighted sum.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::oracle::{Identity, IdentityWeights, Part};
use super::*;
use crate::column::ABSENT;
use crate::pace::Pace;
use crate::text::Interner;

mod hostile;
mod judged;
mod large;
mod limits;

type Text = &'static str;

/// One identity as the inputs have it.
#[derive(Clone, Debug, Default)]
struct Row {
    rank: u32,
    infra: Vec<Option<Text>>,
    cohort: Vec<(Option<Text>, Option<Text>)>,
    simhash: Option<u64>,
    windows: Vec<(f64, f64)>,
    phases: Vec<(Option<Text>, Phases)>,
}

/// First phase, last phase, first seen, last seen.
type Phases = (Option<Text>, Option<Text>, Option<f64>, Option<f64>);

impl Row {
    fn identity(&self) -> Identity {
        let owned = |text: Option<Text>| text.map(Into::into);
        let part = |&(first, last, first_seen, last_seen): &Phases| Part {
            first_phase: owned(first),
            last_phase: owned(last),
            first_seen,
            last_seen,
        };
        Identity {
            infra: self.infra.iter().flatten().map(|&token| token.into()).collect(),
            cohort: self
                .cohort
                .iter()
                .filter_map(|&(kind, value)| Some((kind?.into(), value?.into())))
                .collect(),
            simhash: self.simhash,
            windows: self.windows.clone(),
            phases: self
                .phases
                .iter()
                .filter_map(|(decky, phases)| Some(((*decky)?.into(), part(phases))))
                .collect(),
        }
    }
}

/// So many cases, or as many as `PROPTEST_CASES` asks for if that is more.
fn cases(count: u32) -> ProptestConfig {
    ProptestConfig::with_cases(count.max(ProptestConfig::default().cases))
}

/// The oracle: labels by spreading the smaller one over every pair with an edge.
fn by_pairs(rows: &[Row]) -> Vec<u32> {
    let all: Vec<_> = rows.iter().map(Row::identity).collect();
    let mut labels: Vec<u32> = (0..).take(all.len()).collect();
    for (y, x) in (0..all.len()).flat_map(|y| (0..y).map(move |x| (y, x))) {
        let (a, b) = if rows[x].rank < rows[y].rank { (x, y) } else { (y, x) };
        if labels[x] != labels[y] && IdentityWeights::of(&all[a], &all[b]).edge() {
            let (low, high) = (labels[x].min(labels[y]), labels[x].max(labels[y]));
            labels.iter_mut().filter(|label| **label == high).for_each(|label| *label = low);
        }
    }
    labels
}

/// The answer has the labels of the pairwise rule and passes, and with an edge less it does not.
fn hold_against_pairs(rows: &[Row], at: Index) -> Result<(), TestCaseError> {
    let (texts, inputs, mut answer) = Answer::of(rows);
    prop_assert_eq!(&answer.labels, &by_pairs(rows));
    prop_assert_eq!(answer.verify(&texts, &inputs), Ok(()));
    if !answer.edges.is_empty() {
        answer.edges.remove(at.index(answer.edges.len()));
        prop_assert!(answer.relabelled().verify(&texts, &inputs).is_err());
    }
    Ok(())
}

/// A child frame of what each row has.
fn child<T: Copy>(
    rows: &[Row],
    items: impl Fn(&Row) -> Vec<T>,
    columns: impl Fn(&[T]) -> Vec<(&'static str, Column)>,
) -> Frame {
    let (row, items): (Vec<u32>, Vec<T>) = (0_u32..)
        .zip(rows)
        .flat_map(|(at, row)| items(row).into_iter().map(move |item| (at, item)))
        .unzip();
    let columns = columns(&items).into_iter().chain([("row", Column::from(row.clone()))]);
    Frame::new(row.len(), columns).unwrap()
}

fn frames(rows: &[Row], texts: &Interner) -> Vec<Frame> {
    let code = |text: Option<Text>| text.map_or(ABSENT, |text| texts.code(text).unwrap());
    let text = |codes: Vec<Option<Text>>| Column::text(codes.into_iter().map(code).collect());
    let time = |time: Option<f64>| time.unwrap_or(f64::NAN);
    let ranks = Column::from(rows.iter().map(|row| row.rank).collect::<Vec<_>>());
    vec![
        Frame::new(rows.len(), [("rank", ranks)]).unwrap(),
        child(rows, |row| row.infra.clone(), |items| vec![("token", text(items.to_vec()))]),
        child(
            rows,
            |row| row.cohort.clone(),
            |items| {
                let (kinds, values) = items.iter().copied().unzip();
                vec![("kind", text(kinds)), ("value", text(values))]
            },
        ),
        child(
            rows,
            |row| row.simhash.into_iter().collect(),
            |items| vec![("simhash", items.to_vec().into())],
        ),
        child(
            rows,
            |row| row.windows.clone(),
            |items| {
                let (starts, ends): (Vec<f64>, Vec<f64>) = items.iter().copied().unzip();
                vec![("start", starts.into()), ("end", ends.into())]
            },
        ),
        child(
            rows,
            |row| row.phases.clone(),
            |items| {
                let all = |of: fn(&Phases) -> Option<Text>| {
                    text(items.iter().map(|(_, phases)| of(phases)).collect())
                };
                let times = |of: fn(&Phases) -> Option<f64>| {
                    Column::from(items.iter().map(|(_, p)| time(of(p))).collect::<Vec<_>>())
                };
                vec![
                    ("decky", text(items.iter().map(|item| item.0).collect())),
                    ("first_phase", all(|phases| phases.0)),
                    ("last_phase", all(|phases| phases.1)),
                    ("first_seen", times(|phases| phases.2)),
                    ("last_seen", times(|phases| phases.3)),
                ]
            },
        ),
    ]
}

fn with_job<T>(texts: &Interner, inputs: &[Frame], then: impl FnOnce(&Job<'_>) -> T) -> T {
    let pace = Pace::free();
    then(&Job::new(&SIGNATURE, inputs, &[], texts, &pace).unwrap())
}

/// a, b, the reason and the value as codes, the weight.
type ForestEdge = (u32, u32, u32, u32, f64);

/// An answer that can be changed.
#[derive(Clone, Debug, PartialEq)]
struct Answer {
    labels: Vec<u32>,
    edges: Vec<ForestEdge>,
}

impl Answer {
    fn of(rows: &[Row]) -> (Interner, Vec<Frame>, Self) {
        let texts = Interner::new(1 << 20);
        let inputs = frames(rows, &texts);
        let answer = Self::run(&texts, &inputs);
        (texts, inputs, answer)
    }

    fn run(texts: &Interner, inputs: &[Frame]) -> Self {
        let outputs = with_job(texts, inputs, |job| CampaignComponents.run(job)).unwrap();
        let forest = &outputs[1];
        let (a, b) = (forest.uint32("a").unwrap(), forest.uint32("b").unwrap());
        let (reason, value) = (forest.text("reason").unwrap(), forest.text("value").unwrap());
        let weight = forest.float64("weight").unwrap();
        let edge = |at: usize| (a[at], b[at], reason[at], value[at], weight[at]);
        Self {
            labels: outputs[0].uint32("label").unwrap().to_vec(),
            edges: (0..forest.rows()).map(edge).collect(),
        }
    }

    fn verify(&self, texts: &Interner, inputs: &[Frame]) -> Result<(), KernelError> {
        let column = |of: fn(&ForestEdge) -> u32| self.edges.iter().map(of).collect::<Vec<_>>();
        let forest = [
            ("a", Column::from(column(|edge| edge.0))),
            ("b", Column::from(column(|edge| edge.1))),
            ("reason", Column::text(column(|edge| edge.2))),
            ("value", Column::text(column(|edge| edge.3))),
            ("weight", Column::from(self.edges.iter().map(|edge| edge.4).collect::<Vec<_>>())),
        ];
        let labels = [("label", Column::from(self.labels.clone()))];
        let outputs = [
            Frame::new(self.labels.len(), labels).unwrap(),
            Frame::new(self.edges.len(), forest).unwrap(),
        ];
        with_job(texts, inputs, |job| CampaignComponents.verify(job, &outputs))
    }

    /// Labels that fit the edges, so that only the rule itself can tell a fault.
    fn relabelled(mut self) -> Self {
        let mut forest = Forest::new(self.labels.len());
        for &(a, b, ..) in &self.edges {
            forest.join(a, b);
        }
        self.labels = forest.into_labels(&Pace::free()).unwrap().to_vec();
        self
    }

    /// The edges in words.
    fn told(&self, texts: &Interner) -> Vec<(u32, u32, String, String, f64)> {
        let text = |code| texts.text(code).unwrap().to_string();
        self.edges.iter().map(|&(a, b, why, what, w)| (a, b, text(why), text(what), w)).collect()
    }
}

/// The edges of a right answer, in words.
fn edges(rows: &[Row]) -> Vec<(u32, u32, String, String, f64)> {
    let (texts, inputs, answer) = Answer::of(rows);
    assert_eq!(answer.labels, by_pairs(rows), "{rows:?}");
    assert_eq!(answer.verify(&texts, &inputs), Ok(()));
    answer.told(&texts)
}

fn edge(
    (a, b): (u32, u32),
    reason: &str,
    value: &str,
    weight: f64,
) -> (u32, u32, String, String, f64) {
    (a, b, reason.into(), value.into(), weight)
}

/// Values so few that pairs share all, some or none of them, in each tier.
fn row() -> impl Strategy<Value = Row> {
    let some = |values: &'static [Text]| prop::option::weighted(0.95, select(values));
    let token = some(&["", "v", "w", "x", "y", "z"]);
    let tagged = (some(&["asn", "tool"]), some(&["", "x"]));
    let flips =
        select(vec![0, 1, 2, 3, 0b111, 0b1_1111, 0x7f, 0xff, u64::MAX, u64::MAX - 1, 1 << 63]);
    let windows = select(vec![
        (0.0, 10.0),
        (0.0, 5.0),
        (5.0, 10.0),
        (2.0, 4.0),
        (0.1, 0.4),
        (3.0, 3.0),
        (9.0, 1.0),
        (20.0, 30.0),
    ]);
    let phase = || {
        let words =
            ["command_and_control", "persistence", "discovery", "lateral_movement", "delivery"];
        prop::option::weighted(0.9, select(words.to_vec()))
    };
    let time = || {
        let day = 86_400.0;
        prop::option::weighted(
            0.9,
            select(vec![0.0, -0.0, 0.25, day, day + 0.25, 2.0 * day, 1e300]),
        )
    };
    let parts = prop::collection::vec((phase(), phase(), time(), time()), 2);
    let which = prop::collection::btree_set(some(&["d", "e"]), 0..2);
    (
        prop_oneof![Just(vec![]).boxed(), prop::collection::vec(token, 1..5).boxed()],
        prop::collection::vec(tagged, 0..3),
        prop::option::weighted(0.7, flips),
        prop::collection::vec(windows, 0..3),
        prop_oneof![5 => Just(BTreeSet::new()).boxed(), 1 => which.boxed()],
        parts,
    )
        .prop_map(|(infra, cohort, simhash, windows, deckies, parts)| Row {
            rank: 0,
            infra,
            cohort,
            simhash,
            windows,
            phases: deckies.into_iter().zip(parts).collect(),
        })
}

/// Identities with ranks in any order, some of them equal in parts.
fn population() -> impl Strategy<Value = Vec<Row>> {
    let copies = prop::collection::vec((any::<Index>(), any::<Index>(), 0..6_u8), 0..4);
    (prop::collection::vec(row(), 0..9), copies)
        .prop_map(|(mut rows, copies)| {
            for (from, to, part) in copies {
                if rows.is_empty() {
                    continue;
                }
                let (from, to) = (from.get(&rows).clone(), to.index(rows.len()));
                match part {
                    0 => rows[to].infra = from.infra,
                    1 => rows[to].cohort = from.cohort,
                    2 => rows[to].simhash = from.simhash,
                    3 => rows[to].windows = from.windows,
                    _ => rows[to] = Row { phases: vec![], ..from },
                }
            }
            rows
        })
        .prop_flat_map(ranked)
}

/// The rows with ranks in any order.
fn ranked(rows: Vec<Row>) -> impl Strategy<Value = Vec<Row>> {
    let ranks: Vec<u32> = (0..).step_by(3).take(rows.len()).collect();
    (Just(rows), Just(ranks).prop_shuffle()).prop_map(|(mut rows, ranks)| {
        rows.iter_mut().zip(ranks).for_each(|(row, rank)| row.rank = rank);
        rows
    })
}

#[test]
fn the_first_decky_on_which_they_hand_over_is_told_and_nobody_hands_over_to_himself() {
    let part =
        |rank, phases: Phases| Row { rank, phases: vec![(Some("d"), phases)], ..Row::default() };
    let left = |rank, at| part(rank, (None, Some("persistence"), None, Some(at)));
    let came = |rank, at| part(rank, (Some("discovery"), None, Some(at), None));
    let day = 86_400.0;
    let told = |a, b| edge((a, b), "phase-handoff", "d", 1.0);
    assert_eq!(edges(&[left(0, 0.0), came(1, day)]), [told(0, 1)]);
    assert_eq!(edges(&[came(0, 5.0), left(1, 5.0)]), [told(0, 1)]);
    assert_eq!(edges(&[left(0, 0.0), came(1, day + 0.5)]), []);
    assert_eq!(edges(&[left(0, 1.0), came(1, 0.5)]), []);
    let both = (Some("discovery"), Some("persistence"), Some(7.0), Some(5.0));
    assert_eq!(edges(&[part(0, both), left(1, 6.0)]), [told(0, 1)]);
    assert_eq!(edges(&[part(0, both)]), []);
}

#[test]
fn equal_infrastructure_is_told_by_its_first_token() {
    let holder = |rank, infra: &[Text]| Row {
        rank,
        infra: infra.iter().map(|&token| Some(token)).collect(),
        ..Row::default()
    };
    let rows = [holder(2, &["z", "y", "y"]), holder(1, &["y", "z"]), holder(0, &["y"])];
    assert_eq!(edges(&rows), [edge((0, 1), "shared-infra", "y", 1.0)]);
    assert_eq!(
        edges(&[holder(0, &[""]), holder(1, &[""])]),
        [edge((0, 1), "shared-infra", "", 1.0)]
    );
    assert_eq!(edges(&[holder(0, &[]), holder(1, &[])]), []);
}

#[test]
fn what_just_reaches_the_threshold_is_an_edge_and_the_earlier_one_decides() {
    let typist = |rank, windows: &[(f64, f64)], simhash| Row {
        rank,
        windows: windows.to_vec(),
        simhash: Some(simhash),
        ..Row::default()
    };
    let (short, long) = ([(0.0, 5.0)], [(0.0, 10.0)]);
    let told = [edge((0, 1), "combined", "temporal-overlap 1, keystroke 1", 1.0)];
    assert_eq!(edges(&[typist(0, &short, 7), typist(1, &long, 7)]), told);
    assert_eq!(edges(&[typist(1, &long, 7), typist(0, &short, 7)]), told);
    assert_eq!(edges(&[typist(1, &short, 7), typist(0, &long, 7)]), []);
    assert_eq!(edges(&[typist(0, &short, 7), typist(1, &short, 6)]), []);
    let half = |rank, other| Row {
        rank,
        infra: vec![Some("x"), other],
        windows: long.to_vec(),
        cohort: vec![(Some("asn"), Some("1"))],
        ..Row::default()
    };
    assert_eq!(
        edges(&[half(0, None), half(1, Some("y"))]),
        [edge((0, 1), "combined", "shared-infra 0.5, temporal-overlap 1, cohort 1", 1.0)]
    );
}

proptest! {
    #![proptest_config(cases(10_000))]

    #[test]
    fn any_population_has_the_labels_of_the_pairwise_rule_and_passes(rows in population()) {
        let (texts, inputs, answer) = Answer::of(&rows);
        prop_assert_eq!(&answer.labels, &by_pairs(&rows));
        prop_assert_eq!(answer.verify(&texts, &inputs), Ok(()));
    }
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn the_order_of_rows_does_not_change_the_groups(
        (rows, order) in population().prop_flat_map(|rows| {
            let order: Vec<usize> = (0..rows.len()).collect();
            (Just(rows), Just(order).prop_shuffle())
        }),
    ) {
        let reversed: Vec<usize> = (0..rows.len()).rev().collect();
        let before = Answer::of(&rows).2.labels;
        for order in [order, reversed] {
            let moved: Vec<_> = order.iter().map(|&row| rows[row].clone()).collect();
            let after = Answer::of(&moved).2.labels;
            for (i, &a) in order.iter().enumerate() {
                for (j, &b) in order.iter().enumerate() {
                    prop_assert_eq!(after[i] == after[j], before[a] == before[b]);
                }
            }
        }
    }

    #[test]
    fn the_order_of_codes_changes_nothing(
        rows in population(),
        early in Just(vec![COMBINED, "persistence", "d", "asn", "", "v", "w", "x", "y", "z"]).prop_shuffle(),
    ) {
        let (texts, _, answer) = Answer::of(&rows);
        let shuffled = Interner::new(1 << 20);
        shuffled.codes(early).unwrap();
        let other = Answer::run(&shuffled, &frames(&rows, &shuffled));
        prop_assert_eq!(&other.labels, &answer.labels);
        prop_assert_eq!(other.told(&shuffled), answer.told(&texts));
    }
}
