//! What the limit of pairs refuses, by which words, and what it never does.

use super::*;
use crate::kernel::{Parameter, Value};

/// Does with a job of at most so many pairs.
fn limited<T>(
    rows: &[Row],
    candidates_max: u64,
    then: impl FnOnce(&Job<'_>) -> Result<T, KernelError>,
) -> Result<T, KernelError> {
    let texts = Interner::new(1 << 20);
    let inputs = frames(rows, &texts);
    let pace = Pace::free();
    let max = Parameter { name: "candidates-max".into(), value: Value::Uint(candidates_max) };
    then(&Job::new(&SIGNATURE, &inputs, &[max], &texts, &pace).unwrap())
}

fn run(rows: &[Row], candidates_max: u64) -> Result<(), KernelError> {
    limited(rows, candidates_max, |job| CampaignComponents.run(job).map(drop))
}

/// Verifies, within a limit, what was made without one.
fn verify(rows: &[Row], candidates_max: u64) -> Result<(), KernelError> {
    limited(rows, candidates_max, |job| {
        let free = limited(rows, 0, |free| {
            let outputs = CampaignComponents.run(free)?;
            Ok(outputs[0].clone())
        })?;
        let forest = [
            ("a", Column::from(Vec::<u32>::new())),
            ("b", Column::from(Vec::<u32>::new())),
            ("reason", Column::text(vec![])),
            ("value", Column::text(vec![])),
            ("weight", Column::from(Vec::<f64>::new())),
        ];
        CampaignComponents.verify(job, &[free, Frame::new(0, forest).unwrap()])
    })
}

const NAMES: [Text; 40] = [
    "00", "01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12", "13", "14", "15",
    "16", "17", "18", "19", "20", "21", "22", "23", "24", "25", "26", "27", "28", "29", "30", "31",
    "32", "33", "34", "35", "36", "37", "38", "39",
];
const PAIRS: u64 = 40 * 39 / 2;

/// All hold one token, type alike and just miss the threshold: each pair has to be looked at.
fn all_apart_by_a_hair() -> Vec<Row> {
    let row = |(rank, own): (u32, &Text)| Row {
        rank,
        infra: vec![Some("the token"), Some(own)],
        simhash: Some(7),
        ..Row::default()
    };
    (0..).zip(&NAMES).map(row).collect()
}

/// All type alike at one time, and are active at others too.
fn all_typing_at_once() -> Vec<Row> {
    let row = |rank: u32| {
        let own = f64::from(rank) * 100.0;
        let windows = vec![(-50.0, -40.0), (own, own + 90.0)];
        Row { rank, simhash: Some(0xabc), windows, ..Row::default() }
    };
    (0..40).map(row).collect()
}

/// The message of the limit, which it must be.
fn refusal(answer: Result<(), KernelError>) -> String {
    match answer {
        Err(KernelError::Limit(what)) => what,
        other => panic!("{other:?} is no limit"),
    }
}

/// The least limit that passes, and the message of the next one.
fn least(answer: impl Fn(u64) -> Result<(), KernelError>) -> (u64, String) {
    let (mut refused, mut passes) = (1_u64, 1 << 20);
    while refused + 1 < passes {
        let middle = refused.midpoint(passes);
        match answer(middle) {
            Ok(()) => passes = middle,
            Err(_) => refused = middle,
        }
    }
    (passes, refusal(answer(refused)))
}

#[test]
fn just_enough_pairs_pass_and_one_less_is_refused_by_the_token_that_took_them() {
    let rows = all_apart_by_a_hair();
    let (passes, what) = least(|max| run(&rows, max));
    assert_eq!(passes, PAIRS);
    assert_eq!(
        what,
        "campaign-components: more than 779 pairs would have to be compared (candidates-max): 780 of them in the \
         step 'alike and near' among 40 profiles that hold the token \"the token\"; raise the parameter, or leave \
         that token out of 'infra'"
    );
}

#[test]
fn just_enough_pairs_pass_and_one_less_is_refused_by_the_rhythm_that_took_them() {
    let rows = all_typing_at_once();
    let (passes, what) = least(|max| run(&rows, max));
    // Their windows are compared as well.
    assert!((PAIRS..PAIRS * 5 / 4).contains(&passes), "{passes}");
    let told = "in the step 'typing alike and meeting' among 80 active times of the simhash \
                0x0000000000000abc; raise the parameter, or leave that simhash out of 'keystrokes'";
    assert!(what.contains(told), "{what}");
}

#[test]
fn verify_may_look_at_four_times_as_many_and_names_the_culprit_too() {
    for (rows, culprit) in [
        (all_apart_by_a_hair(), "the token \"the token\""),
        (all_typing_at_once(), "0x0000000000000abc"),
    ] {
        let (passes, what) = least(|max| verify(&rows, max));
        assert!((PAIRS / 4..PAIRS / 3).contains(&passes), "{passes}");
        assert!(what.contains(culprit) && what.contains("candidates-max"), "{what}");
    }
}

#[test]
fn windows_without_order_are_pairs_as_well() {
    // Nothing tells which of the windows meet, and their overlap never reaches the whole time.
    let windows = |length: f64| {
        (0..400_u32).map(move |at| {
            let start = f64::from(at * 7 % 400);
            (start, start + length)
        })
    };
    let row = |rank, length| Row {
        rank,
        infra: vec![Some("x")],
        windows: windows(length).collect(),
        ..Row::default()
    };
    let rows = [row(0, 1e6), row(1, 1e-6)];
    let (passes, what) = least(|max| run(&rows, max));
    assert_eq!(passes, 401 * 400 / 16);
    assert!(what.contains("'windows'"), "{what}");
    let whole = [row(0, 1.0), row(1, 1e6)];
    assert_eq!(run(&whole, 500), Ok(()), "the cap of the overlap ends the sum");
}

#[test]
fn a_token_too_long_to_tell_is_cut() {
    let long: Text = Box::leak("x".repeat(5_000).into_boxed_str());
    let mut rows = all_apart_by_a_hair();
    rows.iter_mut().for_each(|row| row.infra[0] = Some(long));
    let what = refusal(run(&rows, 1));
    assert!(what.contains("xxx") && what.len() < 500, "{what}");
}

#[test]
fn groups_need_no_pairs_however_large() {
    // Of one group: a chain of few looks; each by itself: none at all.
    let group = |rank: u32| Row {
        rank,
        infra: vec![Some("m"), Some("n"), Some("o"), Some("p"), Some(NAMES[rank as usize % 40])],
        windows: vec![(0.0, 60.0)],
        cohort: vec![(Some("asn"), Some(NAMES[rank as usize / 40]))],
        simhash: Some(u64::from(rank)),
        ..Row::default()
    };
    let rows: Vec<Row> = (0..1_600).map(group).collect();
    assert_eq!(run(&rows, 3 * 1_600), Ok(()));
    let mut alone = rows;
    for (row, name) in alone.iter_mut().zip(names(1_600)) {
        row.infra = vec![Some(name)];
        row.simhash = None;
    }
    assert_eq!(run(&alone, 1), Ok(()));
}

#[test]
fn a_typical_population_needs_less_than_a_pair_an_identity() {
    const ROWS: u32 = 3_000;
    let mut chance = super::large::Chance(9);
    let own: Vec<Text> = names(2 * ROWS as usize).collect();
    // The small numbers far more often.
    let mut heavy = |below: u64| {
        let [x, y, z] = [(); 3].map(|()| chance.below(1_000));
        usize::try_from(x * y / 1_000 * z / 1_000 * below / 1_000).unwrap()
    };
    let rows: Vec<Row> = (0..ROWS)
        .map(|rank| {
            let set = if heavy(3) > 0 { heavy(u64::from(ROWS)) } else { rank as usize };
            let start = |at: usize| f64::from(u32::try_from(at).unwrap()) * 800.0;
            let windows = [start(heavy(3_000)), start(heavy(3_000))];
            Row {
                rank,
                infra: vec![Some(own[2 * set]), Some(own[2 * set + 1]), Some(NAMES[heavy(40)])],
                cohort: vec![(Some("asn"), Some(NAMES[heavy(40)]))],
                windows: windows.map(|start| (start, start + 1_800.0)).to_vec(),
                simhash: (rank % 10 == 0).then(|| 1 << heavy(64)),
                ..Row::default()
            }
        })
        .collect();
    let (passes, _) = least(|max| run(&rows, max));
    assert!(passes < u64::from(ROWS), "{passes}");
}

fn names(count: usize) -> impl Iterator<Item = Text> {
    (0..count).map(|at| &*Box::leak(format!("token {at}").into_boxed_str()))
}
