//! What every kernel of the catalogue promises, tried on each: a new kernel adds its sample here.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;

use super::{ALL, Job, Kernel, KernelError, Parameter, Value, find};
use crate::column::{ABSENT, Column, ColumnType};
use crate::frame::Frame;
use crate::pace::Pace;
use crate::text::Interner;

/// Enough rows that a run passes several checkpoints.
const ROWS: u32 = 50_000;

/// Inputs that keep the kernel busy, the same on every call.
fn sample(kernel: &dyn Kernel) -> Vec<Frame> {
    // Every row once, for child frames with one item a row.
    let row: Vec<u32> = (0..ROWS).collect();
    let frame = |columns: Vec<(&str, Column)>| Frame::new(row.len(), columns).unwrap();
    let text = |salt| Column::text(row.iter().map(|&row| draw(row, salt)).collect());
    let prints = |salt| {
        let code = |row| Some(draw(row, salt)).filter(|&code| code > 500).unwrap_or(ABSENT);
        Column::text((0..ROWS).map(code).collect())
    };
    match kernel.signature().name {
        "connected-components" => {
            let ends =
                |salt| Column::from((0..ROWS).map(|row| draw(row, salt)).collect::<Vec<_>>());
            vec![frame(vec![]), frame(vec![("a", ends(1)), ("b", ends(2))])]
        }
        "identity-components" => vec![
            frame(vec![("ja3", prints(3)), ("hassh", prints(4))]),
            frame(vec![("row", row.clone().into()), ("token", text(5))]),
            frame(vec![("row", row.clone().into()), ("token", text(6))]),
        ],
        "attribution-states" => {
            // Children of ten samples each, by the codes of TEXTS.
            let parent = Column::from(row.iter().map(|row| row / 10).collect::<Vec<_>>());
            let value = Column::text(row.iter().map(|&row| 1 + draw(row, 7) % 4).collect());
            let at = Column::from(row.iter().copied().map(f64::from).collect::<Vec<_>>());
            let kinds = [("kind", Column::text(vec![0; row.len() / 10]))];
            let samples = frame(vec![("row", parent), ("value", value), ("at", at)]);
            vec![Frame::new(row.len() / 10, kinds).unwrap(), samples]
        }
        "credential-reuse" => vec![frame(vec![
            ("secret_sha256", text(8)),
            ("secret_kind", Column::text(row.iter().map(|row| row % 2).collect())),
            ("principal", Column::text(row.iter().map(|row| row % 3).collect())),
            ("decky", text(9)),
            ("service", text(10)),
            ("ip", prints(11)),
        ])],
        "campaign-components" => {
            let row = || ("row", Column::from(row.clone()));
            let numbers = |salt| (0..ROWS).map(move |row| draw(row, salt));
            let rhythms =
                |salt| numbers(salt).map(|n| u64::from(n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let times = |salt, more: f64| {
                Column::from(numbers(salt).map(|n| f64::from(n) * 60.0 + more).collect::<Vec<_>>())
            };
            vec![
                frame(vec![("rank", Column::from((0..ROWS).rev().collect::<Vec<_>>()))]),
                frame(vec![row(), ("token", prints(7))]),
                frame(vec![row(), ("kind", text(8)), ("value", text(9))]),
                frame(vec![row(), ("simhash", rhythms(10).collect::<Vec<_>>().into())]),
                frame(vec![row(), ("start", times(11, 0.0)), ("end", times(11, 90.0))]),
                frame(vec![
                    row(),
                    ("decky", text(12)),
                    ("first_phase", text(13)),
                    ("last_phase", text(14)),
                    ("first_seen", times(15, 0.0)),
                    ("last_seen", times(15, 5.0)),
                ]),
            ]
        }
        other => panic!("'{other}' has no sample in kernel/contract.rs"),
    }
}

/// A number below [`ROWS`], half of the time below a sixteenth of it.
fn draw(row: u32, salt: u32) -> u32 {
    let mut chance = u64::from((row ^ (salt << 20)).wrapping_mul(0x9e37_79b1).rotate_left(15));
    for _ in 0..2 {
        chance = (chance * chance) >> 32;
    }
    u32::try_from((chance * u64::from(ROWS)) >> 32).unwrap()
}

/// Texts that samples are made of, coded in this order.
const TEXTS: [&str; 5] = ["numeric", "5010.3", "null", "true", "\"1_000\""];

fn texts() -> Interner {
    let texts = Interner::new(1 << 20);
    texts.codes(TEXTS).unwrap();
    texts
}

/// The message of the refusal, which must be one.
fn refusal(kernel: &dyn Kernel, inputs: &[Frame], parameters: &[Parameter]) -> String {
    let (texts, pace) = (texts(), Pace::free());
    match Job::new(kernel.signature(), inputs, parameters, &texts, &pace) {
        Err(KernelError::Invalid(what)) => what,
        other => panic!("{other:?} is not a refusal"),
    }
}

#[test]
fn the_same_bits_on_one_two_eight_and_64_threads_and_verify_accepts_them() {
    for kernel in ALL {
        let (inputs, texts, pace) = (sample(*kernel), texts(), Pace::free());
        let job = Job::new(kernel.signature(), &inputs, &[], &texts, &pace).unwrap();
        let alone = kernel.run(&job).unwrap();
        assert_eq!(kernel.verify(&job, &alone), Ok(()));
        for threads in [1, 2, 8, 64] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert_eq!(pool.install(|| kernel.run(&job)).unwrap(), alone, "{threads} threads");
        }
    }
}

#[test]
fn a_set_flag_cancels_run_and_verify() {
    for kernel in ALL {
        let (inputs, texts, free) = (sample(*kernel), texts(), Pace::free());
        let job = Job::new(kernel.signature(), &inputs, &[], &texts, &free).unwrap();
        let outputs = kernel.run(&job).unwrap();
        let flag = AtomicBool::new(true);
        let pace = Pace::new(&flag);
        let job = Job::new(kernel.signature(), &inputs, &[], &texts, &pace).unwrap();
        assert_eq!(kernel.run(&job), Err(KernelError::Cancelled));
        assert_eq!(kernel.verify(&job, &outputs), Err(KernelError::Cancelled));
    }
}

#[test]
fn a_missing_input_is_refused_by_a_message_that_lists_them() {
    for kernel in ALL {
        let mut inputs = sample(*kernel);
        inputs.pop();
        let what = refusal(*kernel, &inputs, &[]);
        assert!(what.starts_with(kernel.signature().name), "{what}");
        for shape in kernel.signature().inputs {
            assert!(what.contains(shape.name), "{what}");
        }
    }
}

#[test]
fn a_missing_or_mistyped_column_is_named_with_its_input() {
    for kernel in ALL {
        let inputs = sample(*kernel);
        for (at, shape) in kernel.signature().inputs.iter().enumerate() {
            for &(name, kind) in shape.columns {
                let others = inputs[at].columns().filter(|&(other, _)| other != name);
                let others: Vec<_> = others.map(|(name, column)| (name, column.clone())).collect();
                let rows = inputs[at].rows();
                let wrong = match kind {
                    ColumnType::Float64 => Column::from(vec![0_u32; rows]),
                    _ => Column::from(vec![0.0; rows]),
                };
                let mistyped = others.iter().cloned().chain([(name, wrong)]);
                for frame in [Frame::new(rows, mistyped), Frame::new(rows, others.clone())] {
                    let mut inputs = inputs.clone();
                    inputs[at] = frame.unwrap();
                    let what = refusal(*kernel, &inputs, &[]);
                    let place = format!("input '{}'", shape.name);
                    assert!(what.contains(&place) && what.contains(&format!("'{name}'")), "{what}");
                }
            }
        }
    }
}

#[test]
fn an_unknown_or_mistyped_parameter_is_named() {
    for kernel in ALL {
        let inputs = sample(*kernel);
        let unknown = Parameter { name: "no-such".into(), value: Value::Uint(1) };
        assert!(refusal(*kernel, &inputs, &[unknown]).contains("'no-such'"));
        for known in kernel.signature().parameters {
            let value = match known.value {
                Value::Text(_) => Value::Uint(1),
                _ => Value::Text("".into()),
            };
            let mistyped = Parameter { name: known.name.clone(), value };
            assert!(refusal(*kernel, &inputs, &[mistyped]).contains(&*known.name));
        }
    }
}

#[test]
fn an_answer_of_another_shape_is_wrong() {
    for kernel in ALL {
        let (inputs, texts, pace) = (sample(*kernel), texts(), Pace::free());
        let job = Job::new(kernel.signature(), &inputs, &[], &texts, &pace).unwrap();
        let outputs = kernel.run(&job).unwrap();
        let mut answers = vec![outputs[1..].to_vec()];
        for at in 0..outputs.len() {
            let mut answer = outputs.clone();
            answer[at] = Frame::new::<&str>(outputs[at].rows(), []).unwrap();
            answers.push(answer);
        }
        for answer in answers {
            assert!(matches!(kernel.verify(&job, &answer), Err(KernelError::Wrong(_))));
        }
    }
}

#[test]
fn names_are_kebab_case_and_unique_and_find_knows_them() {
    let names: BTreeSet<_> = ALL.iter().map(|kernel| kernel.signature().name).collect();
    assert_eq!(names.len(), ALL.len());
    for name in names {
        assert!(name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-'), "{name}");
        assert_eq!(find(name).map(|kernel| kernel.signature().name), Some(name));
    }
    assert!(find("no-such").is_none());
}
