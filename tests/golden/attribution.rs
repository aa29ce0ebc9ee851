//! The attribution engine: what DECNET made of a series of observations.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use corral_kernels::{ABSENT, Column, Frame, Interner, Job, Kernel, Pace, find};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::{Tally, cases};

/// How far a float may be off, relative to itself: DECNET takes roots and squares with `pow`.
const TOLERANCE: f64 = 1e-12;

#[derive(Debug, Deserialize)]
struct Observation {
    /// DECNET reads a missing time as zero.
    #[serde(default)]
    ts: f64,
    /// As it is written, because a kernel has to tell `1` from `true` where it gives a value back.
    value: Option<Box<RawValue>>,
}

#[derive(Debug, Deserialize)]
struct Expected {
    /// The exception, instead of everything else.
    error: Option<String>,
    current_value: Option<Box<RawValue>>,
    #[serde(default)]
    state: String,
    #[serde(default)]
    confidence: f64,
    #[serde(default)]
    observation_count: u32,
    #[serde(default)]
    last_observation_ts: f64,
}

pub(crate) fn aggregate(path: &Path) -> Result<Tally> {
    #[derive(Deserialize)]
    struct Case {
        case: u32,
        value_kind: Option<String>,
        observations: Vec<Observation>,
        expected: Expected,
    }
    let mut tally = Tally::default();
    for case in cases::<Case>(path)? {
        let Case { case, value_kind, observations, expected } = case?;
        // DECNET takes a series without a kind for a categorical one.
        let kind = value_kind.as_deref().unwrap_or("categorical");
        tally.count(&format!("case {case}, {kind}"), check(kind, &observations, &expected));
    }
    Ok(tally)
}

fn check(kind: &str, observations: &[Observation], expected: &Expected) -> Result<()> {
    let texts = Interner::new(1 << 30);
    let states = states(kind, observations, &texts)?;
    let word = |name: &str| -> Result<Option<String>> {
        let code = *states.text(name)?.first().context("no row")?;
        Ok(texts.text(code).map(|text| text.to_string()))
    };
    let float =
        |name: &str| -> Result<f64> { states.float64(name)?.first().copied().context("no row") };
    let state = word("state")?.context("no state")?;
    if let Some(error) = &expected.error {
        ensure!(state == "invalid", "{state}, where DECNET raises {error}");
        ensure!(word("problem")?.is_some(), "no problem is named");
        return Ok(());
    }
    ensure!(state == expected.state, "{state}, not {}", expected.state);
    let confidence = float("confidence")?;
    ensure!(close(confidence, expected.confidence), "{confidence}, not {expected:?}");
    let count = states.uint32("samples")?;
    ensure!(count == [expected.observation_count], "{count:?} samples, not {expected:?}");
    if !observations.is_empty() {
        let at = float("observed_at")?;
        ensure!(at.to_bits() == expected.last_observation_ts.to_bits(), "{at}, not {expected:?}");
    }
    let value = word("value")?;
    match &expected.current_value {
        Some(number) if kind == "numeric" => {
            let found = float("number")?;
            ensure!(close(found, number_of(number)?), "{found}, not {number}");
            ensure!(value.is_none(), "a value, {value:?}, beside the number");
        }
        other => {
            let other = other.as_ref().map(|value| value.get());
            ensure!(value.as_deref() == other, "{value:?}, not {other:?}");
            ensure!(float("number")?.is_nan(), "a number beside the value");
        }
    }
    Ok(())
}

/// The one row that `attribution-states` gives for one series, verified.
fn states(kind: &str, observations: &[Observation], texts: &Interner) -> Result<Frame> {
    let code = |observation: &Observation| match &observation.value {
        Some(value) => texts.code(value.get()),
        None => Ok(ABSENT),
    };
    let values = observations.iter().map(code).collect::<Result<_, _>>()?;
    let times: Vec<f64> = observations.iter().map(|observation| observation.ts).collect();
    let samples = [
        ("row", Column::from(vec![0_u32; observations.len()])),
        ("value", Column::text(values)),
        ("at", Column::from(times)),
    ];
    let inputs = [
        Frame::new(1, [("kind", Column::text(vec![texts.code(kind)?]))])?,
        Frame::new(observations.len(), samples)?,
    ];
    let kernel: &dyn Kernel = find("attribution-states").context("no kernel attribution-states")?;
    let pace = Pace::free();
    let job = Job::new(kernel.signature(), &inputs, &[], texts, &pace)?;
    let outputs = kernel.run(&job)?;
    kernel.verify(&job, &outputs)?;
    outputs.into_iter().next().context("no output")
}

/// A float; those that JSON lacks are recorded as `{"$f":"nan"}`.
fn number_of(value: &RawValue) -> Result<f64> {
    let value: Value = serde_json::from_str(value.get())?;
    match value.get("$f").and_then(Value::as_str) {
        Some(word) => Ok(word.parse()?),
        None => value.as_f64().context("no number"),
    }
}

fn close(found: f64, expected: f64) -> bool {
    found == expected
        || (found.is_nan() && expected.is_nan())
        || (found - expected).abs() <= TOLERANCE * expected.abs()
}
