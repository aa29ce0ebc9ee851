//! The inputs of `campaign-components`, checked, with what belongs to a row in one place.

use std::collections::HashMap;

use super::SIGNATURE;
use super::lists::Lists;
use super::sort::sort;
use crate::column::ABSENT;
use crate::first::first_equals;
use crate::kernel::{Job, KernelError};
use crate::pace::Pace;

/// Where in `SIGNATURE.inputs` they are.
const IDENTITIES: usize = 0;
const INFRA: usize = 1;
const COHORT: usize = 2;
const KEYSTROKES: usize = 3;
const WINDOWS: usize = 4;
const PHASES: usize = 5;

/// The phases after which somebody else takes over, and those with which that begins.
const OUT: [&str; 2] = ["command_and_control", "persistence"];
const IN: [&str; 2] = ["discovery", "lateral_movement"];

/// The inputs. Texts go by the index of their first item, so that no order of codes shows.
pub(super) struct Population<'a> {
    pub(super) ranks: &'a [u32],
    /// The set of tokens of each row, and the code of each token.
    pub(super) infra: Lists<u32>,
    pub(super) token_codes: &'a [u32],
    /// The set of tagged values.
    pub(super) cohort: Lists<(u32, u32)>,
    pub(super) simhashes: Vec<Option<u64>>,
    /// Start and end, in the order given.
    pub(super) windows: Lists<(f64, f64)>,
    /// What there is to know of each row's windows; nothing where nobody has any.
    pub(super) spans: Vec<Span>,
    /// By decky, and the code of each decky.
    pub(super) phases: Lists<Phase>,
    pub(super) decky_codes: &'a [u32],
}

/// The part that an identity had on a decky.
#[derive(Clone, Copy)]
pub(super) struct Phase {
    pub(super) decky: u32,
    /// When it stopped there in a phase that somebody may take over from; NaN if it did not.
    pub(super) out_at: f64,
    /// When it began there in a phase that takes over; NaN if it did not.
    pub(super) in_at: f64,
}

/// A row's windows at a glance.
#[derive(Clone, Copy)]
pub(super) struct Span {
    /// Their lengths, summed from left to right.
    pub(super) total: f64,
    /// The least start.
    pub(super) start: f64,
    /// The greatest end.
    pub(super) end: f64,
    /// Whether neither start nor end ever falls.
    pub(super) ordered: bool,
}

impl<'a> Population<'a> {
    pub(super) fn read(job: &Job<'a>) -> Result<Self, KernelError> {
        let ranks = read_ranks(job)?;
        let rows = ranks.len();
        let token_codes = job.inputs[INFRA].text("token")?;
        let tokens = first_equals(token_codes, job.pace)?;
        let known = |token: u32| (token != ABSENT).then_some(token);
        let infra = Lists::gather(rows, child(job, INFRA)?, job.pace, |at| known(tokens[at]))?;
        let kinds = first_equals(job.inputs[COHORT].text("kind")?, job.pace)?;
        let values = first_equals(job.inputs[COHORT].text("value")?, job.pace)?;
        let cohort = Lists::gather(rows, child(job, COHORT)?, job.pace, |at| {
            known(kinds[at]).zip(known(values[at]))
        })?;
        let windows = read_windows(job)?;
        Ok(Self {
            ranks,
            infra: infra.into_sets(job.pace)?,
            token_codes,
            cohort: cohort.into_sets(job.pace)?,
            simhashes: read_simhashes(job)?,
            spans: spans(&windows, job.pace)?,
            windows,
            phases: read_phases(job)?,
            decky_codes: job.inputs[PHASES].text("decky")?,
        })
    }

    pub(super) fn rows(&self) -> usize {
        self.ranks.len()
    }

    /// For each row the first one with equal windows; [`ABSENT`] if it has none.
    pub(super) fn window_firsts(&self, pace: &Pace<'_>) -> Result<Vec<u32>, KernelError> {
        self.windows.map(|(start, end)| (start.to_bits(), end.to_bits())).first_equals(pace)
    }

    /// The code of the token that comes first as text among some, of which there is at least one.
    pub(super) fn first_token(&self, job: &Job<'_>, tokens: &[u32]) -> u32 {
        let codes: Vec<u32> =
            tokens.iter().map(|&token| self.token_codes[token as usize]).collect();
        let texts = job.texts.texts(&codes);
        let first = texts.iter().zip(codes).reduce(|a, b| if b.0 < a.0 { b } else { a });
        first.map_or(ABSENT, |(_, code)| code)
    }
}

/// The rows of a child of the identities.
fn child<'a>(job: &Job<'a>, input: usize) -> Result<&'a [u32], KernelError> {
    let rows = job.inputs[input].child_rows(job.inputs[IDENTITIES].rows());
    rows.map_err(|error| SIGNATURE.invalid(input, error))
}

fn read_ranks<'a>(job: &Job<'a>) -> Result<&'a [u32], KernelError> {
    let ranks = job.inputs[IDENTITIES].uint32("rank")?;
    let mut order: Vec<(u32, u32)> = ranks.iter().copied().zip(0..).collect();
    sort(&mut order, job.pace)?;
    if let Some(&(ABSENT, row)) = order.last() {
        return Err(SIGNATURE.invalid(IDENTITIES, format!("row {row} has no rank")));
    }
    for (at, pair) in order.windows(2).enumerate() {
        job.pace.check_row(at)?;
        if let [(rank, one), (other, two)] = pair
            && rank == other
        {
            let fault = format!("rows {one} and {two} have one rank, {rank}; ranks must differ");
            return Err(SIGNATURE.invalid(IDENTITIES, fault));
        }
    }
    Ok(ranks)
}

fn read_simhashes(job: &Job<'_>) -> Result<Vec<Option<u64>>, KernelError> {
    let mut simhashes = vec![None; job.inputs[IDENTITIES].rows()];
    let given = job.inputs[KEYSTROKES].uint64("simhash")?;
    for (at, (&row, &simhash)) in child(job, KEYSTROKES)?.iter().zip(given).enumerate() {
        job.pace.check_row(at)?;
        if simhashes[row as usize].replace(simhash).is_some() {
            let fault = format!("rows {} and {at} are both of identity {row}", at - 1);
            return Err(SIGNATURE.invalid(KEYSTROKES, fault));
        }
    }
    Ok(simhashes)
}

fn read_windows(job: &Job<'_>) -> Result<Lists<(f64, f64)>, KernelError> {
    let (starts, ends) =
        (job.inputs[WINDOWS].float64("start")?, job.inputs[WINDOWS].float64("end")?);
    for (at, (start, end)) in starts.iter().zip(ends).enumerate() {
        job.pace.check_row(at)?;
        if !start.is_finite() || !end.is_finite() {
            let fault = format!("row {at} reaches from {start} to {end}; both must be finite");
            return Err(SIGNATURE.invalid(WINDOWS, fault));
        }
    }
    let rows = job.inputs[IDENTITIES].rows();
    Lists::gather(rows, child(job, WINDOWS)?, job.pace, |at| Some((starts[at], ends[at])))
}

fn spans(windows: &Lists<(f64, f64)>, pace: &Pace<'_>) -> Result<Vec<Span>, KernelError> {
    let mut spans = Vec::new();
    if windows.is_empty() {
        return Ok(spans);
    }
    let mut seen = 0;
    for row in 0..windows.parents() {
        pace.check_row(row)?;
        let (mut start, mut end) = (f64::INFINITY, f64::NEG_INFINITY);
        let (mut total, mut ordered, mut last) = (0.0, true, (start, end));
        for (at, &window) in windows.of(row).iter().enumerate() {
            pace.check_row(seen)?;
            seen += 1;
            (start, end) = (start.min(window.0), end.max(window.1));
            total += window.1 - window.0;
            ordered &= at == 0 || (last.0 <= window.0 && last.1 <= window.1);
            last = window;
        }
        spans.push(Span { total, start, end, ordered });
    }
    Ok(spans)
}

fn read_phases(job: &Job<'_>) -> Result<Lists<Phase>, KernelError> {
    let frame = &job.inputs[PHASES];
    let rows = child(job, PHASES)?;
    let deckies = first_equals(frame.text("decky")?, job.pace)?;
    let (first, last) = (frame.text("first_phase")?, frame.text("last_phase")?);
    let (first_seen, last_seen) = (frame.float64("first_seen")?, frame.float64("last_seen")?);
    // A phase that no text says has no code, and a code that is absent is no phase.
    let phase = |words: [&str; 2]| words.map(|word| job.texts.lookup(word).unwrap_or(ABSENT));
    let (outs, ins) = (phase(OUT), phase(IN));
    let at_time = |among: [u32; 2], phase: u32, time: f64| {
        if phase != ABSENT && among.contains(&phase) && time.is_finite() { time } else { f64::NAN }
    };
    let mut seen = HashMap::new();
    for (at, (&row, &decky)) in rows.iter().zip(&deckies).enumerate() {
        job.pace.check_row(at * 8)?;
        if at > 0 && rows[at - 1] != row {
            seen.clear();
        }
        if decky != ABSENT
            && let Some(other) = seen.insert(decky, at)
        {
            let fault = format!("rows {other} and {at} are both of identity {row} and one decky");
            return Err(SIGNATURE.invalid(PHASES, fault));
        }
    }
    let phases = Lists::gather(job.inputs[IDENTITIES].rows(), rows, job.pace, |at| {
        let out_at = at_time(outs, last[at], last_seen[at]);
        let in_at = at_time(ins, first[at], first_seen[at]);
        let counts = deckies[at] != ABSENT && !(out_at.is_nan() && in_at.is_nan());
        counts.then_some(Phase { decky: deckies[at], out_at, in_at })
    })?;
    phases.sorted_by(|phase| phase.decky, job.pace)
}
