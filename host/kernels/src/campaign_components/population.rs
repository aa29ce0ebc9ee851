//! The inputs of `campaign-components`, checked, with what belongs to a row in one place.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};

use super::SIGNATURE;
use super::lists::Lists;
use crate::column::ABSENT;
use crate::first::first_equals;
use crate::kernel::{Job, KernelError};
use crate::pace::{Pace, ROWS_PER_CHECK};
use crate::sort::sort;

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
    /// The set of tokens of each row. Tokens are numbered from the rarest to the commonest, so the first
    /// ones are held once only; the codes are by number.
    pub(super) infra: Lists<u32>,
    pub(super) lonely_tokens: u32,
    pub(super) token_codes: Vec<u32>,
    /// The set of tagged values.
    pub(super) cohort: Lists<(u32, u32)>,
    /// All simhashes, and where each row's is among them; [`ABSENT`] without one.
    simhashes: &'a [u64],
    simhash_at: Vec<u32>,
    /// In the order given.
    pub(super) windows: Lists<Window>,
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

/// A time from start to end, in seconds. Equal if the bits are.
#[derive(Clone, Copy)]
pub(super) struct Window {
    pub(super) start: f64,
    pub(super) end: f64,
}

impl Window {
    fn bits(self) -> (u64, u64) {
        (self.start.to_bits(), self.end.to_bits())
    }
}

impl PartialEq for Window {
    fn eq(&self, other: &Self) -> bool {
        self.bits() == other.bits()
    }
}

impl Eq for Window {}

impl Hash for Window {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bits().hash(state);
    }
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
    /// At least the longest length, if no start is before the one before; or else infinity.
    pub(super) longest: f64,
}

impl<'a> Population<'a> {
    pub(super) fn read(job: &Job<'a>) -> Result<Self, KernelError> {
        let ranks = read_ranks(job)?;
        let rows = ranks.len();
        let tokens = Tokens::read(job)?;
        let known = |token: u32| (token != ABSENT).then_some(token);
        let infra =
            Lists::gather(rows, child(job, INFRA)?, job.pace, |at| known(tokens.numbers[at]))?;
        let kinds = first_equals(job.inputs[COHORT].text("kind")?, job.pace)?;
        let values = first_equals(job.inputs[COHORT].text("value")?, job.pace)?;
        let cohort = Lists::gather(rows, child(job, COHORT)?, job.pace, |at| {
            known(kinds[at]).zip(known(values[at]))
        })?;
        let windows = read_windows(job)?;
        Ok(Self {
            ranks,
            infra: infra.into_sets(job.pace)?,
            lonely_tokens: tokens.lonely,
            token_codes: tokens.codes,
            cohort: cohort.into_sets(job.pace)?,
            simhashes: job.inputs[KEYSTROKES].uint64("simhash")?,
            simhash_at: read_simhashes(job)?,
            spans: spans(&windows, job.pace)?,
            windows,
            phases: read_phases(job)?,
            decky_codes: job.inputs[PHASES].text("decky")?,
        })
    }

    pub(super) fn rows(&self) -> usize {
        self.ranks.len()
    }

    /// Gives the memory back, piece by piece: the system takes its time.
    pub(super) fn let_go(self, pace: &Pace<'_>) -> Result<(), KernelError> {
        drop(self.infra);
        pace.check()?;
        drop((self.token_codes, self.simhash_at));
        pace.check()?;
        drop(self.cohort);
        pace.check()?;
        drop(self.windows);
        pace.check()?;
        drop(self.spans);
        pace.check()
    }

    pub(super) fn simhash(&self, row: usize) -> Option<u64> {
        let at = self.simhash_at[row];
        (at != ABSENT).then(|| self.simhashes[at as usize])
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

/// The tokens of all items, numbered by how often they stand.
struct Tokens {
    /// The number of each item's token.
    numbers: Vec<u32>,
    /// The code of each number.
    codes: Vec<u32>,
    /// How many stand once.
    lonely: u32,
}

impl Tokens {
    fn read(job: &Job<'_>) -> Result<Self, KernelError> {
        let given = job.inputs[INFRA].text("token")?;
        let mut numbers = first_equals(given, job.pace)?;
        // How often each stands, by its first item; then how many stand so often.
        let mut counts = filled(0_u32, given.len(), job.pace)?;
        let mut most = 0;
        for (at, &first) in numbers.iter().enumerate() {
            job.pace.check_row(at)?;
            if first != ABSENT {
                counts[first as usize] += 1;
                most = most.max(counts[first as usize]);
            }
        }
        let mut next = filled(0_u32, most as usize + 2, job.pace)?;
        for (at, &count) in counts.iter().enumerate() {
            job.pace.check_row(at)?;
            next[count as usize + 1] += u32::from(count > 0);
        }
        for count in 1..next.len() {
            job.pace.check_row(count)?;
            next[count] += next[count - 1];
        }
        let lonely = next.get(2).copied().unwrap_or(0);
        let mut codes = filled(0, next.last().map_or(0, |&end| end as usize), job.pace)?;
        for (at, (&code, count)) in given.iter().zip(&mut counts).enumerate() {
            job.pace.check_row(at)?;
            if *count > 0 {
                let number = &mut next[*count as usize];
                codes[*number as usize] = code;
                *count = *number;
                *number += 1;
            }
        }
        for (at, number) in numbers.iter_mut().enumerate() {
            job.pace.check_row(at)?;
            if *number != ABSENT {
                *number = counts[*number as usize];
            }
        }
        Ok(Self { numbers, codes, lonely })
    }
}

/// So many of a value: the system takes its time to give memory, so there are checks in between.
pub(super) fn filled<T: Copy>(
    value: T,
    count: usize,
    pace: &Pace<'_>,
) -> Result<Vec<T>, KernelError> {
    let mut all = Vec::with_capacity(count);
    while all.len() < count {
        pace.check()?;
        all.resize(count.min(all.len() + 4 * ROWS_PER_CHECK), value);
    }
    Ok(all)
}

fn read_simhashes(job: &Job<'_>) -> Result<Vec<u32>, KernelError> {
    let mut places = filled(ABSENT, job.inputs[IDENTITIES].rows(), job.pace)?;
    for (at, &row) in (0_u32..).zip(child(job, KEYSTROKES)?) {
        job.pace.check_row(at as usize)?;
        let place = &mut places[row as usize];
        if *place != ABSENT {
            let fault = format!("rows {place} and {at} are both of identity {row}");
            return Err(SIGNATURE.invalid(KEYSTROKES, fault));
        }
        *place = at;
    }
    Ok(places)
}

fn read_windows(job: &Job<'_>) -> Result<Lists<Window>, KernelError> {
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
    Lists::gather(rows, child(job, WINDOWS)?, job.pace, |at| {
        Some(Window { start: starts[at], end: ends[at] })
    })
}

fn spans(windows: &Lists<Window>, pace: &Pace<'_>) -> Result<Vec<Span>, KernelError> {
    let mut spans = Vec::new();
    if windows.is_empty() {
        return Ok(spans);
    }
    spans.reserve_exact(windows.parents());
    let mut seen = 0;
    for row in 0..windows.parents() {
        pace.check_row(row)?;
        let (mut start, mut end) = (f64::INFINITY, f64::NEG_INFINITY);
        let (mut total, mut longest, mut last) = (0.0, 0.0_f64, f64::NEG_INFINITY);
        for window in windows.of(row) {
            pace.check_row(seen)?;
            seen += 1;
            (start, end) = (start.min(window.start), end.max(window.end));
            total += window.end - window.start;
            // The next number makes up for the rounding of the difference.
            longest = longest.max((window.end - window.start).next_up());
            if window.start < last {
                longest = f64::INFINITY;
            }
            last = window.start;
        }
        spans.push(Span { total, start, end, longest });
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
