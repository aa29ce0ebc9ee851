//! `attribution-states`: what each series of observations says about the one behaviour it follows.
//!
//! A series is what was observed of one identity in one respect, in the order of time: how it types,
//! how often its beacon calls, which hash its keystrokes have. The rule is that of DECNET's attribution
//! engine (1.2.1) and depends on the kind of the values. *Recent* are the last five samples, *older* the
//! up to five before them.
//!
//! * **categorical**: fewer than three samples are `unknown`. A value *holds* some samples if at least
//!   four of them are it, or all where there are fewer than four. If none holds the recent ones, they
//!   are `multi_actor` if two values take turns, otherwise `conflicted`; the value is the last. If one
//!   does, it is the value, and the series is `drifting` if it does not hold the older ones too.
//! * **numeric**: fewer than three are `unknown`. The number is the moving average of the recent ones.
//!   They are `conflicted` if they spread around it by more than its size, and `drifting` if it has
//!   moved away from the average of the older ones.
//! * **hash**: within a day of the last sample each further value is a rotation; none is `stable`, one or
//!   two are `drifting`, more are `conflicted`. The value is the last.
//!
//! Everything else is `stable`. Values are JSON texts with the meaning that they have for Python,
//! because that is what recorded them: `true`, `1` and `1.0` are one value, `"1"` is another, and a
//! numeric series takes `" 1_000 "` (see `scalar.rs` and `python_float.rs`). A series whose values its
//! rule cannot take is `invalid`, where DECNET raises an exception; it does not spoil the others. A value
//! that no rule looks at may be anything, and a series without samples is `unknown`.
//!
//! # Why no series is read to its start
//! The first two rules look at the last ten samples and at how many there are. Only the hash rule has a
//! window in time, and since nothing promises that times rise, it looks at each time, but reads only the
//! values inside. "Most frequent, and of those the first met" shrinks too: whatever holds some samples
//! is more than half of them, so that there are no ties to break. What is left is too little to share among
//! threads: a million samples take milliseconds.
//!
//! # Size
//! | | |
//! |---|---|
//! | time | O(n + t) for n samples and t bytes of distinct text inside the windows, one thread |
//! | memory | 80 bytes a series; 8 bytes a sample inside a window, up to 64 more while codes are looked up; 100 bytes a distinct value inside, and its text twice |
//! | order | one row a series, in their order; a function of rows and texts, so the order of codes does not show |

mod dictionary;
mod python_float;
mod rules;
mod scalar;
mod verify;

#[cfg(test)]
mod tests;

use std::ops::Range;

use self::dictionary::{Dictionary, Window};
use crate::column::{ABSENT, Column, ColumnType};
use crate::frame::Frame;
use crate::kernel::{Job, Kernel, KernelError, Shape, Signature};
use crate::pace::Pace;

/// The kernel; see the module.
#[derive(Debug)]
pub struct AttributionStates;

static SIGNATURE: Signature = Signature {
    name: "attribution-states",
    summary: "Tells for each series of observations whether the behaviour is stable, drifting, \
              conflicted or of several actors.",
    inputs: &[
        // `categorical`, `numeric` or `hash`.
        Shape { name: "series", columns: &[("kind", ColumnType::Text)] },
        // Children of `series`, in the order of time within each. `value` is JSON, absent is null; `at`
        // is in seconds since 1970.
        Shape {
            name: "samples",
            columns: &[
                ("row", ColumnType::Uint32),
                ("value", ColumnType::Text),
                ("at", ColumnType::Float64),
            ],
        },
    ],
    parameters: &[],
    outputs: &[
        // One row a series. `value` is the JSON of a categorical or hash series, `number` what a numeric
        // one comes to. `problem` says why a series is invalid.
        Shape {
            name: "states",
            columns: &[
                ("state", ColumnType::Text),
                ("confidence", ColumnType::Float64),
                ("value", ColumnType::Text),
                ("number", ColumnType::Float64),
                ("samples", ColumnType::Uint32),
                ("observed_at", ColumnType::Float64),
                ("problem", ColumnType::Text),
            ],
        },
    ],
};

/// Series that are judged between two checks: each is worth several plain rows.
const SERIES_PER_CHECK: usize = 2_048;

/// How the values of a series are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Categorical,
    Numeric,
    Hash,
}

const KINDS: [(Kind, &str); 3] =
    [(Kind::Categorical, "categorical"), (Kind::Numeric, "numeric"), (Kind::Hash, "hash")];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unknown,
    Stable,
    Drifting,
    Conflicted,
    MultiActor,
    Invalid,
}

/// By the number of the state.
const STATES: [&str; 6] = ["unknown", "stable", "drifting", "conflicted", "multi_actor", "invalid"];

/// Why a series is invalid. The words are few and fixed, so that no input makes the interner grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Problem {
    Kind,
    NotJson,
    List,
    Object,
    NotANumber,
    TooLarge,
    Spread,
}

/// By the number of the problem.
const PROBLEMS: [&str; 7] = [
    "no such kind of series",
    "value is not JSON",
    "value is a list",
    "value is an object",
    "value is not a number",
    "value is too large",
    "values spread too far",
];

impl Kernel for AttributionStates {
    fn signature(&self) -> &'static Signature {
        &SIGNATURE
    }

    fn run(&self, job: &Job<'_>) -> Result<Vec<Frame>, KernelError> {
        let series = Series::read(job)?;
        let windows = Windows::pick(&series, job.pace)?;
        let dictionary = Dictionary::read(&windows.codes, job)?;
        let mut findings = Vec::with_capacity(series.len());
        let mut start = 0;
        for (row, &end) in windows.ends.iter().enumerate() {
            if row.is_multiple_of(SERIES_PER_CHECK) {
                job.pace.check()?;
            }
            let range = start..end as usize;
            start = range.end;
            let Some(last) = series.samples(row).next_back() else {
                findings.push(Finding::EMPTY);
                continue;
            };
            let window = Window {
                last: series.values[last],
                codes: &windows.codes[range.clone()],
                words: &dictionary.words[range],
                dictionary: &dictionary,
            };
            let finding = match series.kind(row) {
                None => Err(Problem::Kind),
                Some(Kind::Categorical) => rules::categorical(&window),
                Some(Kind::Numeric) => rules::numeric(&window),
                Some(Kind::Hash) => rules::hash(&window, job.pace)?,
            };
            findings.push(finding.unwrap_or_else(Finding::invalid));
        }
        Ok(vec![states(&series, &findings, job)?])
    }

    fn verify(&self, job: &Job<'_>, outputs: &[Frame]) -> Result<(), KernelError> {
        verify::verify(job, outputs)
    }
}

/// The inputs, with samples that point at series.
struct Series<'a> {
    kinds: &'a [u32],
    /// The codes of [`KINDS`], as far as anybody wrote them.
    words: [Option<u32>; 3],
    /// Where the samples of each series start, and after the last where they end.
    starts: Vec<u32>,
    values: &'a [u32],
    at: &'a [f64],
}

impl<'a> Series<'a> {
    fn read(job: &Job<'a>) -> Result<Self, KernelError> {
        let (kinds, samples) = (job.inputs[0].text("kind")?, &job.inputs[1]);
        let rows = samples.child_rows(kinds.len()).map_err(|error| SIGNATURE.invalid(1, error))?;
        let mut starts = vec![0_u32; kinds.len() + 1];
        for (sample, &row) in rows.iter().enumerate() {
            job.pace.check_row(sample)?;
            starts[row as usize + 1] += 1;
        }
        for row in 0..kinds.len() {
            job.pace.check_row(row)?;
            starts[row + 1] += starts[row];
        }
        let words = KINDS.map(|(_, word)| job.texts.lookup(word));
        Ok(Self {
            kinds,
            words,
            starts,
            values: samples.text("value")?,
            at: samples.float64("at")?,
        })
    }

    fn len(&self) -> usize {
        self.kinds.len()
    }

    fn kind(&self, row: usize) -> Option<Kind> {
        let at = self.words.iter().position(|&word| word == Some(self.kinds[row]))?;
        Some(KINDS[at].0)
    }

    fn samples(&self, row: usize) -> Range<usize> {
        self.starts[row] as usize..self.starts[row + 1] as usize
    }
}

/// The samples whose values count, those of all series in one list.
struct Windows {
    /// The codes of their values.
    codes: Vec<u32>,
    /// Where those of each series end.
    ends: Vec<u32>,
}

impl Windows {
    fn pick(series: &Series<'_>, pace: &Pace<'_>) -> Result<Self, KernelError> {
        let mut codes = Vec::new();
        let mut ends = Vec::with_capacity(series.len());
        for row in 0..series.len() {
            pace.check_row(row)?;
            let samples = series.samples(row);
            match series.kind(row) {
                None => {}
                Some(Kind::Categorical | Kind::Numeric) => {
                    let from = samples.start.max(samples.end.saturating_sub(2 * rules::WINDOW));
                    codes.extend_from_slice(&series.values[from..samples.end]);
                }
                Some(Kind::Hash) => {
                    // Where the last time is unknown, no sample is within a day of it.
                    let last = samples.clone().next_back().map_or(f64::NAN, |last| series.at[last]);
                    for sample in samples {
                        pace.check_row(sample)?;
                        if series.at[sample] >= last - rules::HASH_WINDOW_SECONDS {
                            codes.push(series.values[sample]);
                        }
                    }
                }
            }
            // As many as there are samples at most, which a u32 counts.
            ends.push(u32::try_from(codes.len()).unwrap_or(ABSENT));
        }
        Ok(Self { codes, ends })
    }
}

/// What a series comes to; `value` is a code.
#[derive(Clone, Copy, Debug)]
struct Finding {
    state: State,
    confidence: f64,
    value: u32,
    number: f64,
    problem: Option<Problem>,
}

impl Finding {
    /// What a series without samples comes to.
    const EMPTY: Self = Self::with_value(State::Unknown, 0.0, ABSENT);

    const fn with_value(state: State, confidence: f64, value: u32) -> Self {
        Self { state, confidence, value, number: f64::NAN, problem: None }
    }

    const fn with_number(state: State, confidence: f64, number: f64) -> Self {
        Self { state, confidence, value: ABSENT, number, problem: None }
    }

    const fn invalid(problem: Problem) -> Self {
        Self { problem: Some(problem), ..Self::with_value(State::Invalid, 0.0, ABSENT) }
    }
}

fn states(series: &Series<'_>, findings: &[Finding], job: &Job<'_>) -> Result<Frame, KernelError> {
    let states = job.texts.codes(STATES)?;
    let problems = job.texts.codes(PROBLEMS)?;
    let problem = |of: &Finding| of.problem.map_or(ABSENT, |problem| problems[problem as usize]);
    let samples = series.starts.windows(2);
    let last = |row| series.samples(row).next_back();
    let observed_at = |row| last(row).map_or(f64::NAN, |sample| series.at[sample]);
    let columns = [
        ("state", Column::text(findings.iter().map(|of| states[of.state as usize]).collect())),
        ("confidence", Column::from(findings.iter().map(|of| of.confidence).collect::<Vec<f64>>())),
        ("value", Column::text(findings.iter().map(|of| of.value).collect())),
        ("number", Column::from(findings.iter().map(|of| of.number).collect::<Vec<f64>>())),
        ("samples", Column::from(samples.map(|ends| ends[1] - ends[0]).collect::<Vec<u32>>())),
        ("observed_at", Column::from((0..series.len()).map(observed_at).collect::<Vec<f64>>())),
        ("problem", Column::text(findings.iter().map(problem).collect())),
    ];
    Ok(Frame::new(series.len(), columns)?)
}
