//! The rule of `attribution-states` in its plainest form, on values as Python holds them: no text, no code.

/// A value as Python holds it; the numbers are small, so that floats compare them exactly.
#[derive(Clone, Copy, Debug)]
pub(super) enum Python {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'static str),
    List,
    Dict,
}

use Python::{Bool, Dict, Float, Int, List, None as Null, Text};

impl Python {
    pub(super) fn json(self) -> String {
        match self {
            Null => "null".into(),
            Bool(value) => value.to_string(),
            Int(value) => value.to_string(),
            Float(value) if value.is_nan() => "NaN".into(),
            Float(value) if value.is_infinite() => {
                if value > 0.0 { "Infinity" } else { "-Infinity" }.into()
            }
            Float(value) => format!("{value:?}"),
            Text(text) => format!("\"{text}\""),
            List => "[1, \"x\"]".into(),
            Dict => "{\"x\": 1}".into(),
        }
    }

    /// Python's `==`.
    fn equals(self, other: Self) -> bool {
        match (self, other) {
            (Null, Null) => true,
            (Text(a), Text(b)) => a == b,
            (Bool(_) | Int(_) | Float(_), Bool(_) | Int(_) | Float(_)) => {
                self.float().unwrap() == other.float().unwrap()
            }
            _ => false,
        }
    }

    /// Whether a dict or a set of Python has them as one key: its NaN is one object.
    fn counts_as(self, other: Self) -> bool {
        let nan = |value| matches!(value, Float(value) if value.is_nan());
        self.equals(other) || (nan(self) && nan(other))
    }

    /// Python's `float`, none where it raises.
    #[expect(clippy::cast_precision_loss, reason = "the numbers are small")]
    fn float(self) -> Option<f64> {
        match self {
            Null => Some(0.0),
            Bool(value) => Some(f64::from(u8::from(value))),
            Int(value) => Some(value as f64),
            Float(value) => Some(value),
            Text(" 1_0 ") => Some(10.0),
            Text("1") => Some(1.0),
            _ => Option::None,
        }
    }

    fn hashable(self) -> bool {
        !matches!(self, List | Dict)
    }
}

/// State, confidence, value and number, as the rule tells them.
pub(super) type Told = (&'static str, f64, Option<Python>, f64);

const INVALID: Told = ("invalid", 0.0, Option::None, f64::NAN);

/// The oracle.
pub(super) fn told(kind: &str, samples: &[(Python, f64)]) -> Told {
    let values: Vec<Python> = samples.iter().map(|sample| sample.0).collect();
    if values.is_empty() {
        return ("unknown", 0.0, Option::None, f64::NAN);
    }
    match kind {
        "categorical" => told_categorical(&values),
        "numeric" => told_numeric(&values).unwrap_or(INVALID),
        "hash" => told_hash(samples),
        _ => INVALID,
    }
}

/// Values and how often they stand, in the order of their first.
fn counter(values: &[Python]) -> Vec<(Python, usize)> {
    let mut counts: Vec<(Python, usize)> = Vec::new();
    for &value in values {
        match counts.iter_mut().find(|(other, _)| other.counts_as(value)) {
            Some((_, count)) => *count += 1,
            Option::None => counts.push((value, 1)),
        }
    }
    counts
}

fn most_common(values: &[Python]) -> (Python, usize) {
    // The first of the greatest: a stable sort from many to few.
    let mut counts = counter(values);
    counts.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    counts[0]
}

#[expect(clippy::cast_precision_loss, reason = "a few samples")]
fn told_categorical(values: &[Python]) -> Told {
    let n = values.len();
    let last = values[n - 1];
    if n < 3 {
        return ("unknown", 0.0, Some(last), f64::NAN);
    }
    let recent: Vec<Python> = values.iter().rev().take(5).rev().copied().collect();
    let older: Vec<Python> = values.iter().rev().skip(5).take(5).rev().copied().collect();
    if !recent.iter().all(|value| value.hashable()) {
        return INVALID;
    }
    let (top, count) = most_common(&recent);
    let confidence = count as f64 / recent.len() as f64;
    if count < recent.len().min(4) {
        let flips = (1..recent.len()).filter(|&at| !recent[at - 1].equals(recent[at])).count();
        let repeats = recent.len() - 1 - flips;
        let turns = recent.len() >= 4
            && counter(&recent).len() == 2
            && flips >= 2 * if repeats == 0 { 1 } else { repeats };
        return if turns {
            ("multi_actor", if confidence > 0.6 { 0.6 } else { confidence }, Some(last), f64::NAN)
        } else {
            ("conflicted", confidence, Some(last), f64::NAN)
        };
    }
    if older.is_empty() {
        return ("stable", confidence, Some(top), f64::NAN);
    }
    if !older.iter().all(|value| value.hashable()) {
        return INVALID;
    }
    let (other, count) = most_common(&older);
    let drifts = count < older.len().min(4) || !other.equals(top);
    (if drifts { "drifting" } else { "stable" }, confidence, Some(top), f64::NAN)
}

#[expect(clippy::cast_precision_loss, reason = "a few samples")]
fn told_numeric(values: &[Python]) -> Option<Told> {
    let n = values.len();
    if n < 3 {
        return Some(("unknown", 0.0, Option::None, values[n - 1].float()?));
    }
    let from = n.saturating_sub(5);
    let floats = |values: &[Python]| -> Option<Vec<f64>> {
        values.iter().map(|value| value.float()).collect()
    };
    let (recent, older) =
        (floats(&values[from..])?, floats(&values[from.saturating_sub(5)..from])?);
    let ewma = |numbers: &[f64]| {
        let mut mean = numbers[0];
        for number in &numbers[1..] {
            mean = 0.3 * number + 0.7 * mean;
        }
        mean
    };
    let mean = ewma(&recent);
    let variation = if mean != 0.0 || mean.is_nan() {
        let mut sum = 0.0;
        for number in &recent {
            let deviation = number - mean;
            if deviation.is_finite() && deviation * deviation > f64::MAX {
                return Option::None;
            }
            sum += deviation * deviation;
        }
        (sum / recent.len() as f64).sqrt() / mean.abs()
    } else if recent.iter().all(|&number| number == recent[0]) {
        0.0
    } else {
        1e9
    };
    if variation > 1.0 {
        return Some(("conflicted", 0.5, Option::None, mean));
    }
    let confidence = if variation.is_nan() { 0.0 } else { 1.0 - variation };
    if !older.is_empty() {
        let before = ewma(&older);
        let scale = if before == 0.0 { 1.0 } else { before.abs() };
        if (mean - before).abs() / scale >= 0.3 {
            return Some(("drifting", confidence, Option::None, mean));
        }
    }
    Some(("stable", confidence, Option::None, mean))
}

#[expect(clippy::cast_precision_loss, reason = "a few samples")]
fn told_hash(samples: &[(Python, f64)]) -> Told {
    let (last, at) = samples[samples.len() - 1];
    let within = samples.iter().filter(|sample| sample.1 >= at - 86_400.0);
    let mut values: Vec<Python> = within.map(|sample| sample.0).collect();
    if !values.iter().all(|value| value.hashable()) {
        return INVALID;
    }
    values.retain(|value| !matches!(value, Null));
    let rotations = counter(&values).len().saturating_sub(1);
    let state = ["stable", "drifting", "drifting", "conflicted"][rotations.min(3)];
    (state, 1.0 / (1 + rotations) as f64, Some(last), f64::NAN)
}
