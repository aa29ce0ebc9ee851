//! The judgement on an answer of `attribution-states`, which takes nothing from the making of one.
//!
//! Where `run` gathers all windows and works on numbered classes, this walks one series after the other
//! and compares what the JSON texts mean. Majorities are found by voting, turns by counting neighbours
//! that are alike. What both share is the reading of one JSON value, which has tests of its own, and the
//! thresholds. The arithmetic is part of the rule, to the order of its steps, and is written out again.

use std::collections::HashSet;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::rules::{
    CONFLICT_CONFIDENCE, DISPERSION_AROUND_ZERO, DISPERSION_MAX, DRIFT_SHIFT_MIN, EWMA_ALPHA,
    HASH_WINDOW_SECONDS, MAJORITY, MULTI_ACTOR_CONFIDENCE_MAX, ROTATIONS_MAX, SAMPLES_MIN,
    TURNS_MIN, WINDOW,
};
use super::scalar::{Key, Scalar};
use super::{Kind, PROBLEMS, Problem, SERIES_PER_CHECK, SIGNATURE, STATES, Series, State};
use crate::column::ABSENT;
use crate::frame::Frame;
use crate::kernel::{Job, KernelError};

/// See [`Kernel::verify`](crate::Kernel::verify).
pub(super) fn verify(job: &Job<'_>, outputs: &[Frame]) -> Result<(), KernelError> {
    SIGNATURE.check_outputs(outputs)?;
    let series = Series::read(job)?;
    let states = &outputs[0];
    if states.rows() != series.len() {
        let (rows, series) = (states.rows(), series.len());
        return Err(KernelError::Wrong(format!("{rows} states for {series} series")));
    }
    let (state, problem) = (states.text("state")?, states.text("problem")?);
    let (value, number) = (states.text("value")?, states.float64("number")?);
    let (confidence, at) = (states.float64("confidence")?, states.float64("observed_at")?);
    let samples = states.uint32("samples")?;
    let state_codes = STATES.map(|word| job.texts.lookup(word));
    let problem_codes = PROBLEMS.map(|word| job.texts.lookup(word));
    let mut values = Values { job, known: FxHashMap::default() };
    for row in 0..series.len() {
        if row.is_multiple_of(SERIES_PER_CHECK) {
            job.pace.check()?;
        }
        let range = series.samples(row);
        let last = range.clone().next_back();
        let (claim, fault) = match judge(&series, row, &mut values)? {
            Ok(claim) => (claim, Some(ABSENT)),
            Err(problem) => (
                Claim { state: State::Invalid, confidence: 0.0, value: ABSENT, number: f64::NAN },
                problem_codes[problem as usize],
            ),
        };
        let last_at = last.map_or(f64::NAN, |last| series.at[last]);
        let columns = [
            ("state", state_codes[claim.state as usize] == Some(state[row])),
            ("confidence", same(claim.confidence, confidence[row])),
            ("value", claim.value == value[row]),
            ("number", same(claim.number, number[row])),
            ("samples", range.len() == samples[row] as usize),
            ("observed_at", same(last_at, at[row])),
            ("problem", fault == Some(problem[row])),
        ];
        if let Some((column, _)) = columns.iter().find(|(_, right)| !right) {
            let wrong = format!("the {column} of series {row} does not follow from its samples");
            return Err(KernelError::Wrong(wrong));
        }
    }
    Ok(())
}

/// Whether two numbers are the same to the bit, or both absent.
fn same(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

/// What an answer has to say of one series.
struct Claim {
    state: State,
    confidence: f64,
    value: u32,
    number: f64,
}

impl Claim {
    fn value(state: State, confidence: f64, value: u32) -> Self {
        Self { state, confidence, value, number: f64::NAN }
    }

    fn number(state: State, confidence: f64, number: f64) -> Self {
        Self { state, confidence, value: ABSENT, number }
    }
}

/// What the texts mean that were met so far, by code.
struct Values<'j> {
    job: &'j Job<'j>,
    known: FxHashMap<u32, Rc<Value>>,
}

struct Value {
    key: Result<Key, Problem>,
    number: Result<f64, Problem>,
}

impl Values<'_> {
    fn get(&mut self, code: u32) -> Rc<Value> {
        let text = || match code {
            ABSENT => "null".to_owned(),
            code => self.job.texts.text(code).unwrap_or_default(),
        };
        let read = || {
            let text = text();
            let scalar = Scalar::read(&text);
            let key = scalar.as_ref().map_err(|&problem| problem).and_then(Scalar::key);
            Rc::new(Value { key, number: scalar.and_then(|scalar| scalar.number()) })
        };
        self.known.entry(code).or_insert_with(read).clone()
    }
}

fn judge(
    series: &Series<'_>,
    row: usize,
    values: &mut Values<'_>,
) -> Result<Result<Claim, Problem>, KernelError> {
    let range = series.samples(row);
    let Some(last) = range.clone().next_back() else {
        return Ok(Ok(Claim::value(State::Unknown, 0.0, ABSENT)));
    };
    let middle = range.start.max(range.end.saturating_sub(WINDOW));
    let recent = &series.values[middle..range.end];
    let older = &series.values[range.start.max(middle.saturating_sub(WINDOW))..middle];
    Ok(match series.kind(row) {
        None => Err(Problem::Kind),
        Some(Kind::Categorical) => categorical(older, recent, values),
        Some(Kind::Numeric) => numeric(older, recent, values),
        Some(Kind::Hash) => {
            let first = series.at[last] - HASH_WINDOW_SECONDS;
            let mut seen = HashSet::new();
            for sample in range {
                values.job.pace.check_row(sample)?;
                if first <= series.at[sample] {
                    match &values.get(series.values[sample]).key {
                        Ok(key) => seen.insert(key.clone()),
                        Err(problem) => return Ok(Err(*problem)),
                    };
                }
            }
            seen.remove(&Key::Null);
            Ok(hash(seen.len(), series.values[last]))
        }
    })
}

fn keys(codes: &[u32], values: &mut Values<'_>) -> Result<Vec<Key>, Problem> {
    codes.iter().map(|&code| values.get(code).key.clone()).collect()
}

fn categorical(older: &[u32], recent: &[u32], values: &mut Values<'_>) -> Result<Claim, Problem> {
    let last = recent[recent.len() - 1];
    if older.is_empty() && recent.len() < SAMPLES_MIN {
        return Ok(Claim::value(State::Unknown, 0.0, last));
    }
    let keys_of_recent = keys(recent, values)?;
    let times = |key: &Key| keys_of_recent.iter().filter(|&other| other == key).count();
    let most = keys_of_recent.iter().map(times).max().unwrap_or(0);
    #[expect(clippy::cast_precision_loss, reason = "a window has five samples")]
    let confidence = most as f64 / recent.len() as f64;
    let Some(holder) = holder(&keys_of_recent) else {
        return Ok(if alternates(&keys_of_recent) {
            let confidence = confidence.min(MULTI_ACTOR_CONFIDENCE_MAX);
            Claim::value(State::MultiActor, confidence, last)
        } else {
            Claim::value(State::Conflicted, confidence, last)
        });
    };
    let value = keys_of_recent.iter().zip(recent).find(|&(key, _)| key == holder);
    let value = value.map_or(ABSENT, |(_, &code)| code);
    let keys_of_older = keys(older, values)?;
    // A value that differs from itself has not stayed the same.
    let stayed = self::holder(&keys_of_older) == Some(holder) && *holder != Key::Nan;
    let state = if stayed || older.is_empty() { State::Stable } else { State::Drifting };
    Ok(Claim::value(state, confidence, value))
}

/// The value that holds the samples: more than half of them are it, so the vote of Boyer and Moore ends
/// on it, if there is one.
fn holder(keys: &[Key]) -> Option<&Key> {
    let (mut elected, mut lead) = (keys.first()?, 0_usize);
    for key in keys {
        if lead == 0 {
            elected = key;
        }
        if key == elected { lead += 1 } else { lead -= 1 }
    }
    let times = keys.iter().filter(|&key| key == elected).count();
    (times >= MAJORITY || times == keys.len()).then_some(elected)
}

/// Of four or five samples of two values, at most two neighbours are alike: with two flips for each time
/// a value is kept there is no room for more.
fn alternates(keys: &[Key]) -> bool {
    let others: Vec<&Key> = keys.iter().filter(|&key| *key != keys[0]).collect();
    let two_values = !others.is_empty() && others.iter().all(|&key| key == others[0]);
    let alike = keys.iter().zip(&keys[1..]).filter(|&(a, b)| a == b && *a != Key::Nan).count();
    keys.len() >= TURNS_MIN && two_values && alike <= 1
}

fn numbers(codes: &[u32], values: &mut Values<'_>) -> Result<Vec<f64>, Problem> {
    codes.iter().map(|&code| values.get(code).number).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a window has five samples")]
fn numeric(older: &[u32], recent: &[u32], values: &mut Values<'_>) -> Result<Claim, Problem> {
    if older.is_empty() && recent.len() < SAMPLES_MIN {
        let last = numbers(&recent[recent.len() - 1..], values)?;
        return Ok(Claim::number(State::Unknown, 0.0, last[0]));
    }
    let (recent, older) = (numbers(recent, values)?, numbers(older, values)?);
    let average = average(&recent);
    let squares: Vec<f64> = recent.iter().map(|x| (x - average) * (x - average)).collect();
    let around_zero = average == 0.0;
    let overflows = |(x, square): (&f64, &f64)| square.is_infinite() && (x - average).is_finite();
    if !around_zero && recent.iter().zip(&squares).any(overflows) {
        return Err(Problem::Spread);
    }
    let deviation = (squares.iter().fold(0.0, |sum, x| sum + x) / recent.len() as f64).sqrt();
    let dispersion = match around_zero {
        // Numbers that are all equal and average to zero are zeros.
        true if recent.iter().all(|&x| x == 0.0) => 0.0,
        true => DISPERSION_AROUND_ZERO,
        false => deviation / average.abs(),
    };
    if dispersion > DISPERSION_MAX {
        return Ok(Claim::number(State::Conflicted, CONFLICT_CONFIDENCE, average));
    }
    let confidence = if dispersion < 1.0 { 1.0 - dispersion } else { 0.0 };
    let state = match self::average(&older) {
        _ if older.is_empty() => State::Stable,
        before if before == 0.0 && average.abs() >= DRIFT_SHIFT_MIN => State::Drifting,
        before if (average - before).abs() / before.abs() >= DRIFT_SHIFT_MIN && before != 0.0 => {
            State::Drifting
        }
        _ => State::Stable,
    };
    Ok(Claim::number(state, confidence, average))
}

fn average(numbers: &[f64]) -> f64 {
    let mut average = numbers.first().copied().unwrap_or(f64::NAN);
    for number in numbers.iter().skip(1) {
        average = number * EWMA_ALPHA + average * (1.0 - EWMA_ALPHA);
    }
    average
}

/// By the values seen within the window of time, null aside.
fn hash(values: usize, last: u32) -> Claim {
    #[expect(clippy::cast_precision_loss, reason = "the kernel rounds alike")]
    let confidence = 1.0 / values.max(1) as f64;
    let state = match values {
        0 | 1 => State::Stable,
        _ if values <= 1 + ROTATIONS_MAX => State::Drifting,
        _ => State::Conflicted,
    };
    Claim::value(state, confidence, last)
}
