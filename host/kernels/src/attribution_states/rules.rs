//! The three rules of `attribution-states`, each on the window of one series.

use rustc_hash::FxHashSet;

use super::dictionary::{NAN, NULL, Window};
use super::{Finding, Problem, State};
use crate::kernel::KernelError;
use crate::pace::Pace;

// The thresholds of DECNET's attribution engine (1.2.1), checked by the recorded `aggregate` cases.

/// How many samples are recent, and how many before them are older.
pub(super) const WINDOW: usize = 5;
/// Fewer samples say nothing about a categorical or numeric series.
pub(super) const SAMPLES_MIN: usize = 3;
/// How many of five samples a value has to be to hold them.
pub(super) const MAJORITY: usize = 4;
/// Fewer recent samples do not show two values taking turns.
pub(super) const TURNS_MIN: usize = 4;
/// Two values alone never prove two actors: the most confidence in `multi_actor`.
pub(super) const MULTI_ACTOR_CONFIDENCE_MAX: f64 = 0.6;
/// The weight of each new sample in the exponentially weighted moving average.
pub(super) const EWMA_ALPHA: f64 = 0.3;
/// The least shift of the average, relative to the older one, that is a drift.
pub(super) const DRIFT_SHIFT_MIN: f64 = 0.30;
/// The most dispersion (deviation relative to the average) that is not a conflict.
pub(super) const DISPERSION_MAX: f64 = 1.0;
/// The dispersion of numbers that differ and whose average is zero.
pub(super) const DISPERSION_AROUND_ZERO: f64 = 1e9;
/// The confidence in a numeric conflict.
pub(super) const CONFLICT_CONFIDENCE: f64 = 0.5;
/// How long before the last sample a hash still counts.
pub(super) const HASH_WINDOW_SECONDS: f64 = 86_400.0;
/// More rotations of a hash within its window are a conflict.
pub(super) const ROTATIONS_MAX: usize = 2;

/// At least one sample.
pub(super) fn categorical(window: &Window<'_>) -> Result<Finding, Problem> {
    if window.len() < SAMPLES_MIN {
        return Ok(Finding::with_value(State::Unknown, 0.0, window.last));
    }
    let split = window.len().saturating_sub(WINDOW);
    let recent = window.classes(split..window.len())?;
    let (first, times) = most_frequent(&recent);
    let confidence = share(times, recent.len());
    if times < majority(&recent) {
        return Ok(if take_turns(&recent) {
            let confidence = confidence.min(MULTI_ACTOR_CONFIDENCE_MAX);
            Finding::with_value(State::MultiActor, confidence, window.last)
        } else {
            Finding::with_value(State::Conflicted, confidence, window.last)
        });
    }
    let older = window.classes(0..split)?;
    let state = if older.is_empty() {
        State::Stable
    } else {
        let (other, times) = most_frequent(&older);
        let holds = times >= majority(&older) && !differ(older[other], recent[first]);
        if holds { State::Stable } else { State::Drifting }
    };
    Ok(Finding::with_value(state, confidence, window.codes[split + first]))
}

/// Where the most frequent value stands first, and how often it stands.
fn most_frequent(classes: &[u32]) -> (usize, usize) {
    let mut most = (0, 0);
    for (first, class) in classes.iter().enumerate() {
        let times = classes.iter().filter(|&other| other == class).count();
        if times > most.1 {
            most = (first, times);
        }
    }
    most
}

fn majority(classes: &[u32]) -> usize {
    MAJORITY.min(classes.len())
}

/// Whether two values alternate: two flips or more for each time that a value is kept.
fn take_turns(recent: &[u32]) -> bool {
    let mut distinct = recent.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    let flips = recent.windows(2).filter(|pair| differ(pair[0], pair[1])).count();
    let kept = recent.len() - 1 - flips;
    recent.len() >= TURNS_MIN && distinct.len() == 2 && flips >= 2 * kept.max(1)
}

/// Whether two values compare as different. Python counts all NaN that it reads from JSON as one value,
/// because they are one object, and yet it finds that value different from itself.
fn differ(a: u32, b: u32) -> bool {
    a != b || a == NAN
}

#[expect(clippy::cast_precision_loss, reason = "a window has five samples")]
fn share(times: usize, of: usize) -> f64 {
    times as f64 / of as f64
}

/// At least one sample.
pub(super) fn numeric(window: &Window<'_>) -> Result<Finding, Problem> {
    if window.len() < SAMPLES_MIN {
        let last = window.numbers(window.len() - 1..window.len())?;
        return Ok(Finding::with_number(State::Unknown, 0.0, last[0]));
    }
    let split = window.len().saturating_sub(WINDOW);
    let recent = window.numbers(split..window.len())?;
    // Read even where the answer is a conflict without them, as DECNET does.
    let older = window.numbers(0..split)?;
    let average = moving_average(&recent);
    let dispersion = dispersion(&recent, average)?;
    if dispersion > DISPERSION_MAX {
        return Ok(Finding::with_number(State::Conflicted, CONFLICT_CONFIDENCE, average));
    }
    // `min` and `max` leave NaN out: a dispersion that is none leaves no confidence.
    let confidence = (1.0 - dispersion.min(1.0)).max(0.0);
    let state = if moved(&older, average) { State::Drifting } else { State::Stable };
    Ok(Finding::with_number(state, confidence, average))
}

/// The exponentially weighted moving average, from the first number on.
fn moving_average(numbers: &[f64]) -> f64 {
    let step = |average: f64, number: f64| EWMA_ALPHA * number + (1.0 - EWMA_ALPHA) * average;
    numbers.iter().copied().reduce(step).unwrap_or(f64::NAN)
}

/// The deviation from the average, relative to it.
fn dispersion(numbers: &[f64], average: f64) -> Result<f64, Problem> {
    if average == 0.0 {
        let constant = numbers.iter().all(|&number| number == numbers[0]);
        return Ok(if constant { 0.0 } else { DISPERSION_AROUND_ZERO });
    }
    let mut squares = 0.0;
    for number in numbers {
        let deviation = number - average;
        let square = deviation * deviation;
        // Where Python's power of a finite number leaves the range, it raises.
        if square.is_infinite() && deviation.is_finite() {
            return Err(Problem::Spread);
        }
        squares += square;
    }
    #[expect(clippy::cast_precision_loss, reason = "a window has five samples")]
    let variance = squares / numbers.len() as f64;
    Ok(variance.sqrt() / average.abs())
}

/// Whether the average has moved away from that of the older numbers, if there are any.
fn moved(older: &[f64], average: f64) -> bool {
    if older.is_empty() {
        return false;
    }
    let before = moving_average(older);
    let scale = if before == 0.0 { 1.0 } else { before.abs() };
    (average - before).abs() / scale >= DRIFT_SHIFT_MIN
}

/// Any window: the last sample may be outside, where its time is unknown.
pub(super) fn hash(
    window: &Window<'_>,
    pace: &Pace<'_>,
) -> Result<Result<Finding, Problem>, KernelError> {
    let mut distinct = FxHashSet::default();
    for at in 0..window.len() {
        pace.check_row(at)?;
        match window.class(at) {
            Ok(NULL) => {}
            Ok(class) => {
                distinct.insert(class);
            }
            Err(problem) => return Ok(Err(problem)),
        }
    }
    let rotations = distinct.len().saturating_sub(1);
    let state = match rotations {
        0 => State::Stable,
        1..=ROTATIONS_MAX => State::Drifting,
        _ => State::Conflicted,
    };
    Ok(Ok(Finding::with_value(state, share(1, 1 + rotations), window.last)))
}
