//! The judgement on an answer of `identity-components`, which takes nothing from the making of one.
//!
//! Where `run` streams first holders into disjoint sets, this knows only finished labels. The forest
//! must be one; every edge of it must be an edge *of the rule*, tried on its two ends as the rule is
//! written, veto included; and whatever the rule joins must have one label. For the last, the labels
//! that meet in a value, or among the holders of a token by the slots they fill, are reduced to their
//! least and greatest.
//!
//! Hash tables here are keyed by codes and only answer look-ups; faults are reported in the order of
//! rows.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{ENDPOINT, HASSH, JA3, PAYLOAD, Population, SAME_ID, SIGNATURE, Tokens};
use crate::column::ABSENT;
use crate::forest::check_forest;
use crate::frame::Frame;
use crate::kernel::{Job, KernelError};
use crate::pace::Pace;

/// See [`Kernel::verify`](crate::Kernel::verify).
pub(super) fn verify(job: &Job<'_>, outputs: &[Frame]) -> Result<(), KernelError> {
    SIGNATURE.check_outputs(outputs)?;
    let population = Population::read(job)?;
    let labels = outputs[0].uint32("label")?;
    let (a, b) = (outputs[1].uint32("a")?, outputs[1].uint32("b")?);
    if labels.len() != population.rows() {
        let (labels, rows) = (labels.len(), population.rows());
        return Err(KernelError::Wrong(format!("{labels} labels for {rows} attackers")));
    }
    check_forest(labels, a, b, job.pace)?;
    check_edges(job, &population, &outputs[1])?;

    if let Some(ids) = population.ids {
        check_equal(SAME_ID, ids, labels, job.pace)?;
    }
    check_equal(JA3, population.ja3, labels, job.pace)?;
    check_equal(HASSH, population.hassh, labels, job.pace)?;
    check_holders(PAYLOAD, &population, &population.payloads, labels, job.pace)?;
    check_holders(ENDPOINT, &population, &population.endpoints, labels, job.pace)
}

/// Every edge of the forest, whose ends exist, is an edge of the rule for the reason it gives.
fn check_edges(
    job: &Job<'_>,
    population: &Population<'_>,
    forest: &Frame,
) -> Result<(), KernelError> {
    let payloads = holdings(&population.payloads, job.pace)?;
    let endpoints = holdings(&population.endpoints, job.pace)?;
    let words = [SAME_ID, JA3, HASSH, PAYLOAD, ENDPOINT];
    let word_codes = words.map(|word| job.texts.lookup(word));
    let (a, b) = (forest.uint32("a")?, forest.uint32("b")?);
    let (reasons, values) = (forest.text("reason")?, forest.text("value")?);
    for (edge, (&a, &b)) in a.iter().zip(b).enumerate() {
        job.pace.check_row(edge)?;
        let wrong =
            |what| Err(KernelError::Wrong(format!("edge {edge} of rows {a} and {b} {what}")));
        let value = values[edge];
        let equal = |slot: &[u32]| {
            value != ABSENT && slot[a as usize] == value && slot[b as usize] == value
        };
        let shared = |held: &FxHashSet<(u32, u32)>| {
            held.contains(&(a, value)) && held.contains(&(b, value)) && !vetoed(population, a, b)
        };
        if a > b {
            return wrong("stands the wrong way round");
        }
        let word = word_codes.iter().position(|&code| code == Some(reasons[edge]));
        let real = match word.map(|at| words[at]) {
            Some(SAME_ID) => population.ids.is_some_and(equal),
            Some(JA3) => equal(population.ja3),
            Some(HASSH) => equal(population.hassh),
            Some(PAYLOAD) => shared(&payloads),
            Some(ENDPOINT) => shared(&endpoints),
            _ => return wrong("has no reason that there is"),
        };
        if !real {
            return wrong("does not follow from the rule");
        }
    }
    Ok(())
}

/// Whether the fingerprints of two attackers fully disagree.
fn vetoed(population: &Population<'_>, a: u32, b: u32) -> bool {
    let slots = [population.ja3, population.hassh].map(|slot| (slot[a as usize], slot[b as usize]));
    let mut filled = slots.into_iter().filter(|&(a, b)| a != ABSENT && b != ABSENT).peekable();
    filled.peek().is_some() && filled.all(|(a, b)| a != b)
}

/// Row and token of everything held. A set, because one attacker may hold most of the tokens and end
/// most of the edges: searching its tokens for each edge would be quadratic.
fn holdings(held: &Tokens<'_>, pace: &Pace<'_>) -> Result<FxHashSet<(u32, u32)>, KernelError> {
    let mut pairs = FxHashSet::default();
    pairs.reserve(held.rows.len());
    for (item, (&row, &token)) in held.rows.iter().zip(held.tokens).enumerate() {
        pace.check_row(item)?;
        if token != ABSENT {
            pairs.insert((row, token));
        }
    }
    Ok(pairs)
}

/// Rows of equal value have one label.
fn check_equal(
    what: &str,
    values: &[u32],
    labels: &[u32],
    pace: &Pace<'_>,
) -> Result<(), KernelError> {
    let mut label_of = FxHashMap::default();
    for (row, (&value, &label)) in values.iter().zip(labels).enumerate() {
        pace.check_row(row)?;
        if value == ABSENT {
            continue;
        }
        let other = *label_of.entry(value).or_insert(label);
        if other != label {
            return Err(KernelError::Wrong(format!(
                "the {what} of row {row} is in label {label} and in label {other}"
            )));
        }
    }
    Ok(())
}

/// Holders of one token that the rule joins have one label.
fn check_holders(
    what: &str,
    population: &Population<'_>,
    held: &Tokens<'_>,
    labels: &[u32],
    pace: &Pace<'_>,
) -> Result<(), KernelError> {
    let mut numbers = FxHashMap::default();
    let mut meetings: Vec<Meeting> = Vec::new();
    for (item, (&row, &token)) in held.rows.iter().zip(held.tokens).enumerate() {
        pace.check_row(item)?;
        if token == ABSENT {
            continue;
        }
        let number = *numbers.entry(token).or_insert(meetings.len());
        if number == meetings.len() {
            meetings.push(Meeting::default());
        }
        let at = row as usize;
        let (ja3, hassh) = (population.ja3[at] != ABSENT, population.hassh[at] != ABSENT);
        meetings[number].by_slots[usize::from(ja3)][usize::from(hassh)].meet(labels[at]);
    }
    for (number, meeting) in meetings.iter().enumerate() {
        pace.check_row(number)?;
        let joined = meeting.joined();
        if joined.least < joined.greatest {
            let Span { least, greatest } = joined;
            return Err(KernelError::Wrong(format!(
                "a {what} joins holders of the labels {least} and {greatest}"
            )));
        }
    }
    Ok(())
}

/// The labels that meet in one token, by whether the holder has a JA3 and a HASSH.
#[derive(Clone, Copy, Default)]
struct Meeting {
    by_slots: [[Span; 2]; 2],
}

impl Meeting {
    /// The labels that must be one. Holders of which no pair escapes the veto are left out.
    fn joined(&self) -> Span {
        let [[neither, only_hassh], [only_ja3, both]] = self.by_slots;
        if !neither.is_empty() {
            neither.and(only_hassh).and(only_ja3).and(both)
        } else if !only_ja3.is_empty() && !only_hassh.is_empty() {
            only_ja3.and(only_hassh)
        } else {
            Span::default()
        }
    }
}

/// The least and the greatest of some labels.
#[derive(Clone, Copy)]
struct Span {
    least: u32,
    greatest: u32,
}

impl Default for Span {
    fn default() -> Self {
        Self { least: u32::MAX, greatest: 0 }
    }
}

impl Span {
    fn is_empty(self) -> bool {
        self.least > self.greatest
    }

    fn meet(&mut self, label: u32) {
        *self = self.and(Self { least: label, greatest: label });
    }

    fn and(self, other: Self) -> Self {
        let (least, greatest) = (self.least.min(other.least), self.greatest.max(other.greatest));
        Self { least, greatest }
    }
}
