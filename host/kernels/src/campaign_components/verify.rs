//! The judgement on an answer of `campaign-components`, which takes nothing from the making of one but
//! the weight of a pair, which is the rule.
//!
//! The forest must be one, and each of its edges an edge *of the rule*, for the reason and of the weight
//! that it states. That takes time linear in the items. Then no join may be missing, so nothing that the
//! rule joins may have two labels:
//!
//! * Equal sets of tokens have one label. Linear.
//! * On each decky, all ends that a beginning may follow have its label. The window is found by
//!   searching, and that it has one label by how far each label reaches: O(p log p) for p phases.
//! * *Kinds*, the rows that weigh the same, are few where it matters, and of the rest only pairs are
//!   weighed that have two labels and may reach the threshold. They come from `candidates.rs`, found in
//!   another way than `run` does. Time is near linear where such pairs are few, as in `run`; four times
//!   `candidates-max` of them may be looked at, as not every pair is found as often here as there.
//!
//! Hash tables here only answer look-ups; faults are reported in the order of rows.

mod candidates;
mod kinds;
mod stays;

use std::collections::HashMap;

use super::firsts::Firsts;
use super::looks::Looks;
use super::population::Population;
use super::weight::{hand_over_on, hands_over, too_late, weigh};
use super::{COMBINED, PHASE_HANDOFF, SHARED_INFRA, SIGNATURE};
use crate::forest::check_forest;
use crate::frame::Frame;
use crate::kernel::{Job, KernelError};
use crate::pace::Pace;
use crate::sort::sort;

/// See [`Kernel::verify`](crate::Kernel::verify).
pub(super) fn verify(job: &Job<'_>, outputs: &[Frame]) -> Result<(), KernelError> {
    SIGNATURE.check_outputs(outputs)?;
    let population = Population::read(job)?;
    let labels = outputs[0].uint32("label")?;
    let (a, b) = (outputs[1].uint32("a")?, outputs[1].uint32("b")?);
    if labels.len() != population.rows() {
        let (labels, rows) = (labels.len(), population.rows());
        return Err(KernelError::Wrong(format!("{labels} labels for {rows} identities")));
    }
    check_forest(labels, a, b, job.pace)?;
    let mut looks = Looks::new(job, population.rows(), 4);
    check_edges(job, &population, &outputs[1], &mut looks)?;
    check_equal_sets(&population, labels, job.pace)?;
    check_handoffs(&population, labels, job.pace)?;
    candidates::check(&population, labels, &mut looks)
}

/// Every edge of the forest, whose ends exist, is an edge of the rule as it says.
fn check_edges(
    job: &Job<'_>,
    population: &Population<'_>,
    forest: &Frame,
    looks: &mut Looks<'_>,
) -> Result<(), KernelError> {
    let (a, b) = (forest.uint32("a")?, forest.uint32("b")?);
    let (reasons, values) = (forest.text("reason")?, forest.text("value")?);
    let weights = forest.float64("weight")?;
    let words = [PHASE_HANDOFF, SHARED_INFRA, COMBINED];
    let word_codes = words.map(|word| job.texts.lookup(word));
    let deckies = numbers(population.decky_codes, job.pace)?;
    for (edge, (&a, &b)) in a.iter().zip(b).enumerate() {
        job.pace.check_row(edge * 8)?;
        let wrong =
            |what| Err(KernelError::Wrong(format!("edge {edge} of rows {a} and {b} {what}")));
        if a > b {
            return wrong("stands the wrong way round");
        }
        let (x, y) = (a as usize, b as usize);
        let tiers = weigh(population, a, b, looks)?;
        let word = word_codes.iter().position(|&code| code == Some(reasons[edge]));
        let real = match word.map(|at| words[at]) {
            Some(PHASE_HANDOFF) => deckies.get(&values[edge]).is_some_and(|&decky| {
                hand_over_on(population.phases.of(x), population.phases.of(y), decky)
            }),
            Some(SHARED_INFRA) => {
                let code = |&token: &u32| population.token_codes[token as usize];
                // Equal sets hold the same.
                tiers.infra >= 1.0
                    && population.infra.of(x).iter().any(|at| code(at) == values[edge])
            }
            Some(COMBINED) => {
                let told = job.texts.text(values[edge]);
                tiers.edge() && told.is_some_and(|told| told == tiers.to_string())
            }
            _ => return wrong("has no reason that there is"),
        };
        if !real {
            return wrong("does not follow from the rule");
        }
        if weights[edge].to_bits() != tiers.sum().to_bits() {
            return wrong("has another weight");
        }
    }
    Ok(())
}

/// The number that each code of a decky has in the population: where it stands first.
fn numbers(codes: &[u32], pace: &Pace<'_>) -> Result<HashMap<u32, u32>, KernelError> {
    let mut numbers = HashMap::new();
    for (&code, number) in codes.iter().zip(0..) {
        pace.check_row(number as usize * 8)?;
        numbers.entry(code).or_insert(number);
    }
    Ok(numbers)
}

/// Rows of equal sets have one label.
fn check_equal_sets(
    population: &Population<'_>,
    labels: &[u32],
    pace: &Pace<'_>,
) -> Result<(), KernelError> {
    let mut firsts = Firsts::new(labels.len(), pace)?;
    for (row, &label) in (0_u32..).zip(labels) {
        pace.check_row(row as usize * 8)?;
        let tokens = population.infra.of(row as usize);
        // Whoever holds a token that nobody else holds has no equal: the first ones are the rarest.
        if tokens.first().is_none_or(|&token| token < population.lonely_tokens) {
            continue;
        }
        let same = |other: u32| population.infra.of(other as usize) == tokens;
        let other = labels[firsts.first(row, tokens, same) as usize];
        if other != label {
            return Err(KernelError::Wrong(format!(
                "the infrastructure of row {row} is in label {label} and in label {other}"
            )));
        }
    }
    Ok(())
}

/// Whoever began has the label of each who left within the day before.
fn check_handoffs(
    population: &Population<'_>,
    labels: &[u32],
    pace: &Pace<'_>,
) -> Result<(), KernelError> {
    // By decky and time; a time and its number order alike once the sign is dealt with.
    let mut left: Vec<(u32, i64, u32)> = Vec::new();
    for (row, &label) in labels.iter().enumerate() {
        pace.check_row(row)?;
        let phases = population.phases.of(row).iter().filter(|phase| !phase.out_at.is_nan());
        left.extend(phases.map(|phase| (phase.decky, ordered(phase.out_at), label)));
    }
    sort(&mut left, pace)?;
    // Where the run of equal labels ends that an item is in.
    let mut reach = vec![left.len(); left.len()];
    for at in (1..left.len()).rev() {
        pace.check_row(at)?;
        reach[at - 1] = if left[at - 1].2 == left[at].2 { reach[at] } else { at };
    }
    for (row, &label) in labels.iter().enumerate() {
        pace.check_row(row * 8)?;
        for phase in population.phases.of(row).iter().filter(|phase| !phase.in_at.is_nan()) {
            let from = left.partition_point(|&(decky, at, _)| {
                decky < phase.decky || (decky == phase.decky && too_late(time(at), phase.in_at))
            });
            let to = left.partition_point(|&(decky, at, _)| {
                decky < phase.decky
                    || (decky == phase.decky
                        && (too_late(time(at), phase.in_at) || hands_over(time(at), phase.in_at)))
            });
            if from < to && (left[from].2 != label || reach[from] < to) {
                let other = if left[from].2 == label { left[reach[from]].2 } else { left[from].2 };
                return Err(KernelError::Wrong(format!(
                    "row {row} of label {label} takes over from label {other}"
                )));
            }
        }
    }
    Ok(())
}

/// A number that orders as the time does, and back.
fn ordered(at: f64) -> i64 {
    let bits = (at + 0.0).to_bits().cast_signed();
    bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
}

fn time(ordered: i64) -> f64 {
    f64::from_bits((ordered ^ ((ordered >> 63).cast_unsigned() >> 1).cast_signed()).cast_unsigned())
}
