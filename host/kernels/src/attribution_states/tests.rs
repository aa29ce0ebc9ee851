//! `attribution-states` against its rule in the plainest form.

mod oracle;

use proptest::prelude::*;
use proptest::sample::{Index, select};

use self::oracle::Python::{Bool, Dict, Float, Int, List, None as Null, Text};
use self::oracle::{Python, told};
use super::*;
use crate::text::Interner;

/// A series: its kind and its samples.
type Line = (&'static str, Vec<(Python, f64)>);

/// Every other null is absent, as it may be.
fn frames(lines: &[Line], texts: &Interner) -> Vec<Frame> {
    let code = |text: &str| texts.code(text).unwrap();
    let (mut row, mut value, mut at) = (Vec::new(), Vec::new(), Vec::new());
    for (line, (_, samples)) in (0_u32..).zip(lines) {
        for (sample, time) in samples {
            row.push(line);
            let absent = matches!(sample, Null) && row.len().is_multiple_of(2);
            value.push(if absent { ABSENT } else { code(&sample.json()) });
            at.push(*time);
        }
    }
    let kinds = lines.iter().map(|(kind, _)| if kind.is_empty() { ABSENT } else { code(kind) });
    let samples = [("row", row.into()), ("value", Column::text(value)), ("at", Column::from(at))];
    let rows = samples[2].1.len();
    let series = [("kind", Column::text(kinds.collect()))];
    vec![Frame::new(lines.len(), series).unwrap(), Frame::new(rows, samples).unwrap()]
}

fn with_job<T>(texts: &Interner, inputs: &[Frame], then: impl FnOnce(&Job<'_>) -> T) -> T {
    let pace = Pace::free();
    then(&Job::new(&SIGNATURE, inputs, &[], texts, &pace).unwrap())
}

fn run(texts: &Interner, inputs: &[Frame]) -> Frame {
    with_job(texts, inputs, |job| AttributionStates.run(job)).unwrap().remove(0)
}

fn verify(texts: &Interner, inputs: &[Frame], states: &Frame) -> Result<(), KernelError> {
    with_job(texts, inputs, |job| AttributionStates.verify(job, std::slice::from_ref(states)))
}

/// One row of an answer in words; floats by their bits, so that absent is equal to absent.
type Row = (String, u64, Option<String>, u64, u32, u64, Option<String>);

fn rows(states: &Frame, texts: &Interner) -> Vec<Row> {
    let text = |code: u32| texts.text(code).map(|text| text.to_string());
    let word = |name: &str, row: usize| text(states.text(name).unwrap()[row]);
    let bits = |name: &str, row: usize| states.float64(name).unwrap()[row].to_bits();
    (0..states.rows())
        .map(|row| {
            let (state, samples) =
                (word("state", row).unwrap(), states.uint32("samples").unwrap()[row]);
            let (confidence, number) = (bits("confidence", row), bits("number", row));
            let (value, problem) = (word("value", row), word("problem", row));
            (state, confidence, value, number, samples, bits("observed_at", row), problem)
        })
        .collect()
}

fn row(kind: &'static str, samples: Vec<(Python, f64)>) -> Row {
    let texts = Interner::new(1 << 20);
    let inputs = frames(&[(kind, samples)], &texts);
    let states = run(&texts, &inputs);
    assert_eq!(verify(&texts, &inputs, &states), Ok(()));
    rows(&states, &texts).remove(0)
}

const WORDS: [&str; 5] = ["a", "b", "1", " 1_0 ", "x"];

fn any_value() -> impl Strategy<Value = Python> {
    prop_oneof![
        2 => Just(Null),
        3 => any::<bool>().prop_map(Bool),
        4 => (-1..3_i64).prop_map(Int),
        4 => select(vec![0.0, -0.0, 1.0, 2.5, f64::NAN, f64::INFINITY, 1e155, -1e300]).prop_map(Float),
        4 => select(&WORDS[..]).prop_map(Text),
        1 => Just(List),
        1 => Just(Dict),
    ]
}

/// Mostly from a small choice, so that majorities, turns and drifts all happen.
fn values() -> impl Strategy<Value = Vec<Python>> {
    let few = |values: Vec<Python>| prop::collection::vec(select(values), 0..14);
    prop_oneof![
        2 => prop::collection::vec(any_value(), 0..14),
        3 => few(vec![Text("a"), Text("b")]),
        2 => few(vec![Int(1), Bool(true), Float(1.0), Text("1"), Null]),
        1 => few(vec![Float(f64::NAN), Text("a"), List]),
        1 => few(vec![Text("a"), Text("a"), Text("a"), Text("a"), Text("b"), Dict]),
        3 => prop::collection::vec((-20..40_i64).prop_map(Int), 0..14),
        2 => prop::collection::vec((90.0..110.0_f64).prop_map(Float), 0..14),
        2 => (prop::collection::vec((1..3_i64).prop_map(Int), 5), prop::collection::vec((2..5_i64).prop_map(Int), 5))
            .prop_map(|(older, recent)| [older, recent].concat()),
        1 => (prop::collection::vec(Just(Text("a")), 4..6), prop::collection::vec(select(vec![Text("a"), Text("b")]), 5))
            .prop_map(|(older, recent)| [older, recent].concat()),
    ]
}

fn line() -> impl Strategy<Value = Line> {
    let kind =
        select(vec!["categorical", "categorical", "numeric", "numeric", "hash", "bogus", ""]);
    let time = select(vec![0.0, 1.0, 86_400.0, 86_401.0, 172_800.0, f64::NAN]);
    let times = prop::collection::vec(time, 15);
    (kind, values(), times, any::<bool>()).prop_map(|(kind, values, mut times, sorted)| {
        if sorted {
            times.sort_by(f64::total_cmp);
        }
        (kind, values.into_iter().zip(times).collect())
    })
}

fn lines() -> impl Strategy<Value = Vec<Line>> {
    prop::collection::vec(line(), 0..6)
}

#[test]
fn the_states_have_their_words_and_the_value_is_the_first_of_its_equals() {
    let series = |values: &[Python]| values.iter().map(|&value| (value, 7.0)).collect::<Vec<_>>();
    let told = |kind, values: &[Python]| {
        let (state, confidence, value, number, ..) = row(kind, series(values));
        (state, f64::from_bits(confidence), value, f64::from_bits(number))
    };
    let (state, confidence, value, _) =
        told("categorical", &[Text("a"), Int(1), Bool(true), Float(1.0), Int(1)]);
    assert_eq!((&*state, confidence, value.as_deref()), ("stable", 0.8, Some("1")));
    let (state, confidence, value, _) =
        told("categorical", &[Text("a"), Text("b"), Text("a"), Text("b"), Text("a")]);
    assert_eq!((&*state, confidence, value.as_deref()), ("multi_actor", 0.6, Some("\"a\"")));
    let (state, _, value, number) = told("numeric", &[Int(10), Int(10), Int(10)]);
    assert_eq!((&*state, value, number), ("stable", Option::None, 10.0));
    let (state, confidence, ..) = told("hash", &[Text("a"), Text("b"), Text("x"), Text("1")]);
    assert_eq!((&*state, confidence), ("conflicted", 0.25));
}

#[test]
fn a_series_that_its_rule_cannot_take_says_why_and_leaves_the_others_standing() {
    let many = |value| vec![(value, 1.0); 3];
    let lines = [
        ("categorical", many(List)),
        ("numeric", many(Text("x"))),
        ("hash", many(Dict)),
        ("bogus", many(Null)),
        ("", many(Null)),
        ("bogus", vec![]),
        ("numeric", [many(Float(-1e300)), many(Float(1e155))].concat()),
        ("numeric", many(Null)),
    ];
    let texts = Interner::new(1 << 20);
    let found = rows(&run(&texts, &frames(&lines, &texts)), &texts);
    let told: Vec<_> = found.iter().map(|row| (&*row.0, row.6.as_deref())).collect();
    assert_eq!(
        told,
        [
            ("invalid", Some("value is a list")),
            ("invalid", Some("value is not a number")),
            ("invalid", Some("value is an object")),
            ("invalid", Some("no such kind of series")),
            ("invalid", Some("no such kind of series")),
            ("unknown", Option::None),
            ("invalid", Some("values spread too far")),
            ("stable", Option::None),
        ]
    );
}

#[test]
fn a_text_that_is_not_json_is_told_and_so_is_a_number_too_large() {
    let texts = Interner::new(1 << 20);
    let huge = "9".repeat(400);
    for (kind, json, problem) in
        [("categorical", "oops", "value is not JSON"), ("numeric", &*huge, "value is too large")]
    {
        let mut inputs = frames(&[(kind, vec![(Null, 1.0); 3])], &texts);
        let value = Column::text(vec![texts.code(json).unwrap(); 3]);
        let columns =
            [("row", vec![0_u32; 3].into()), ("value", value), ("at", vec![1.0; 3].into())];
        inputs[1] = Frame::new(3, columns).unwrap();
        let states = run(&texts, &inputs);
        assert_eq!(rows(&states, &texts)[0].6.as_deref(), Some(problem));
        assert_eq!(verify(&texts, &inputs, &states), Ok(()));
    }
}

#[test]
fn what_no_rule_looks_at_may_be_anything() {
    let tail = vec![(Int(3), 1e6); 10];
    for kind in ["categorical", "numeric", "hash"] {
        let series = [vec![(List, 0.0)], tail.clone()].concat();
        assert_eq!(row(kind, series).0, "stable", "{kind}");
    }
    assert_eq!(row("categorical", vec![(Dict, 0.0)]).0, "unknown");
}

#[test]
fn nan_is_counted_as_one_value_and_has_never_stayed_the_same() {
    let nan = |samples| vec![(Float(f64::NAN), 1.0); samples];
    for (samples, state) in [(5, "stable"), (6, "drifting"), (10, "drifting")] {
        assert_eq!(row("categorical", nan(samples)).0, state, "{samples}");
    }
    assert_eq!(row("hash", nan(5)).0, "stable");
}

#[test]
fn an_unsorted_sample_is_named() {
    let (texts, sample) = (Interner::new(1 << 20), vec![(Null, 1.0)]);
    let mut inputs = frames(&[("hash", sample.clone()), ("hash", sample)], &texts);
    inputs[1] = inputs[1].take(&[1, 0]).unwrap();
    let fault = with_job(&texts, &inputs, |job| AttributionStates.run(job)).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "attribution-states: input 'samples': column 'row' of a child frame falls at row 1"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6_000))]
    #[test]
    fn any_series_come_to_what_the_rule_tells_and_pass(lines in lines()) {
        let texts = Interner::new(1 << 20);
        let inputs = frames(&lines, &texts);
        let states = run(&texts, &inputs);
        prop_assert_eq!(verify(&texts, &inputs, &states), Ok(()));
        let found = rows(&states, &texts);
        prop_assert_eq!(found.len(), lines.len());
        for ((kind, samples), row) in lines.iter().zip(found) {
            let (state, confidence, value, number) = told(kind, samples);
            prop_assert_eq!(&*row.0, state);
            prop_assert_eq!(f64::from_bits(row.1), confidence);
            let json = value.map(Python::json);
            // An absent value of a sample is null.
            prop_assert!(row.2 == json || (row.2.is_none() && json.as_deref() == Some("null")));
            prop_assert!(row.3 == number.to_bits() || (number.is_nan() && f64::from_bits(row.3).is_nan()));
            prop_assert_eq!(row.4 as usize, samples.len());
            prop_assert_eq!(row.5, samples.last().map_or(f64::NAN, |sample| sample.1).to_bits());
            prop_assert_eq!(row.6.is_some(), state == "invalid");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_order_of_codes_changes_nothing(
        lines in lines(),
        order in Just((0..48_u32).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let texts = Interner::new(1 << 20);
        let states = run(&texts, &frames(&lines, &texts));
        // The same texts, met in another order.
        let shuffled = Interner::new(1 << 20);
        for code in order {
            if let Some(text) = texts.text(code) {
                shuffled.code(&text).unwrap();
            }
        }
        let other = run(&shuffled, &frames(&lines, &shuffled));
        prop_assert_eq!(rows(&other, &shuffled), rows(&states, &texts));
    }

    #[test]
    fn verify_rejects_whatever_is_nearly_right(
        lines in lines().prop_filter("no series", |lines| !lines.is_empty()),
        at in any::<Index>(),
    ) {
        let texts = Interner::new(1 << 20);
        let inputs = frames(&lines, &texts);
        let states = run(&texts, &inputs);
        let (at, missing) = (at.index(lines.len()), texts.code("no such text").unwrap());
        for (name, column) in states.columns() {
            let changed = match column {
                Column::Float64(values) => {
                    let mut values = values.to_vec();
                    values[at] = if values[at].is_finite() { values[at].next_up() } else { 0.0 };
                    vec![Column::from(values)]
                }
                Column::Uint32(values) => {
                    let mut values = values.to_vec();
                    values[at] += 1;
                    vec![Column::from(values)]
                }
                _ => {
                    let codes = column_codes(column);
                    let words = STATES.iter().chain(&PROBLEMS).map(|word| texts.lookup(word).unwrap());
                    let others = words.chain([ABSENT, missing]).filter(|&code| code != codes[at]);
                    others.map(|code| {
                        let mut codes = codes.clone();
                        codes[at] = code;
                        Column::text(codes)
                    }).collect()
                }
            };
            for column in changed {
                let columns = states.columns().map(|(other, old)| {
                    (other, if other == name { column.clone() } else { old.clone() })
                });
                let wrong = Frame::new(states.rows(), columns).unwrap();
                let fault = verify(&texts, &inputs, &wrong).unwrap_err().to_string();
                prop_assert!(fault.contains(&format!("the {name} of series {at}")), "{}", fault);
            }
        }
        let fewer = states.take(&(1..u32::try_from(lines.len()).unwrap()).collect::<Vec<_>>()).unwrap();
        let fault = verify(&texts, &inputs, &fewer).unwrap_err().to_string();
        prop_assert!(fault.contains("states for"), "{}", fault);
    }
}

fn column_codes(column: &Column) -> Vec<u32> {
    match column {
        Column::Text(codes) => codes.to_vec(),
        other => panic!("{other:?} is no text"),
    }
}
