//! The judgement on an answer of `identity-components`, which takes nothing from the making of one.
//!
//! Where `run` streams first holders into disjoint sets, this knows only finished labels. The forest
//! must be one; every edge of it must be an edge *of the rule*, tried on its two ends as the rule is
//! written, veto included; and whatever the rule joins must have one label. For the last, each value has
//! the label of its first row, and each token one label for each kind of holders that the veto tells
//! apart: whoever is joined must have the same.
//!
//! Everything is a few passes over the input and the answer; what codes stand for is looked up in the same
//! kind of table (`words.rs`), and the rest has nothing in common; faults are reported in the order of rows.

use rustc_hash::{FxHashMap, FxHashSet};

use super::{ENDPOINT, HASSH, JA3, PAYLOAD, Population, SAME_ID, SIGNATURE, Tokens};
use crate::column::ABSENT;
use crate::first::first_equals;
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
    let rows = population.rows();
    let mut payloads = Holdings::of(&population.payloads, rows, job.pace)?;
    let mut endpoints = Holdings::of(&population.endpoints, rows, job.pace)?;
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
        let shared = |held: &mut Holdings<'_>| {
            value != ABSENT && held.has(a, value) && held.has(b, value) && !vetoed(population, a, b)
        };
        if a > b {
            return wrong("stands the wrong way round");
        }
        let word = word_codes.iter().position(|&code| code == Some(reasons[edge]));
        let real = match word.map(|at| words[at]) {
            Some(SAME_ID) => population.ids.is_some_and(equal),
            Some(JA3) => equal(population.ja3),
            Some(HASSH) => equal(population.hassh),
            Some(PAYLOAD) => shared(&mut payloads),
            Some(ENDPOINT) => shared(&mut endpoints),
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

/// The tokens that are compared one by one; where a row holds more, they become a set.
const FEW: usize = 16;

/// What each row holds.
struct Holdings<'a> {
    tokens: &'a [u32],
    /// Where the tokens of each row begin, and after the last where they end.
    starts: Vec<u32>,
    /// Of rows that hold many: one may hold most of the tokens and end most of the edges, so that looking
    /// through its tokens for each edge would be quadratic.
    many: FxHashMap<u32, FxHashSet<u32>>,
}

impl<'a> Holdings<'a> {
    fn of(held: &Tokens<'a>, rows: usize, pace: &Pace<'_>) -> Result<Self, KernelError> {
        let starts = held.starts(rows, pace)?;
        Ok(Self { tokens: held.tokens, starts, many: FxHashMap::default() })
    }

    /// Whether a row, which exists, holds the token.
    fn has(&mut self, row: u32, token: u32) -> bool {
        let at = row as usize;
        let held = &self.tokens[self.starts[at] as usize..self.starts[at + 1] as usize];
        if held.len() <= FEW {
            return held.contains(&token);
        }
        let set = self.many.entry(row).or_insert_with(|| held.iter().copied().collect());
        set.contains(&token)
    }
}

/// Rows of equal value have one label.
fn check_equal(
    what: &str,
    values: &[u32],
    labels: &[u32],
    pace: &Pace<'_>,
) -> Result<(), KernelError> {
    let firsts = first_equals(values, pace)?;
    for (row, (&first, &label)) in firsts.iter().zip(labels).enumerate() {
        pace.check_row(row)?;
        if first != ABSENT && labels[first as usize] != label {
            let other = labels[first as usize];
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
    let firsts = first_equals(held.tokens, pace)?;
    let kind = |row: u32| {
        Kind::of(population.ja3[row as usize] != ABSENT, population.hassh[row as usize] != ABSENT)
    };
    // By the first item of a token: the label of some holder of each kind.
    let mut met = vec![[ABSENT; 3]; firsts.len()];
    for (item, (&row, &first)) in held.rows.iter().zip(&firsts).enumerate() {
        pace.check_row(item)?;
        if let (true, Some(kind)) = (first != ABSENT, kind(row)) {
            met[first as usize][kind as usize] = labels[row as usize];
        }
    }
    for (item, (&row, &first)) in held.rows.iter().zip(&firsts).enumerate() {
        pace.check_row(item)?;
        if first == ABSENT {
            continue;
        }
        let [neither, only_ja3, only_hassh] = met[first as usize];
        let label = labels[row as usize];
        let other = match kind(row) {
            _ if neither != ABSENT => neither,
            Some(Kind::OnlyJa3) if only_hassh != ABSENT => only_hassh,
            Some(Kind::OnlyHassh) if only_ja3 != ABSENT => only_ja3,
            _ => continue,
        };
        if label != other {
            let (least, greatest) = (label.min(other), label.max(other));
            return Err(KernelError::Wrong(format!(
                "a {what} joins holders of the labels {least} and {greatest}"
            )));
        }
    }
    Ok(())
}

/// The holders of a token that the veto may let join others; those with both fingerprints it does not,
/// but for a holder with neither.
#[derive(Clone, Copy)]
enum Kind {
    Neither,
    OnlyJa3,
    OnlyHassh,
}

impl Kind {
    fn of(ja3: bool, hassh: bool) -> Option<Self> {
        match (ja3, hassh) {
            (false, false) => Some(Self::Neither),
            (true, false) => Some(Self::OnlyJa3),
            (false, true) => Some(Self::OnlyHassh),
            (true, true) => None,
        }
    }
}
