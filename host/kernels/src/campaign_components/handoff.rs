//! Handoffs: on a decky, whoever began within a day after another had left.
//!
//! The beginnings of a decky are taken in the order of time; the ends that each may follow are a window
//! of the ends in that order, and both its bounds only move forward, as the rounded difference of two
//! floats never falls when the first grows or the second shrinks. All pairs of windows would be too
//! many edges. These suffice: each end joins the beginning whose window it is in first, and each
//! beginning joins the first end of its window. An end in between was in the window of an earlier
//! beginning, along with that first end, so it is in the group already.
//!
//! One identity may be both ends of such an edge. There is no such edge, but none is needed either.

use super::Evidence;
use super::weight::too_late;
use crate::kernel::KernelError;
use crate::sort::{order_of, sort, value_of};

/// Somebody's time on a decky; in the order of deckies and times.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Moment {
    decky: u32,
    order: u64,
    row: u32,
}

impl Moment {
    fn new(decky: u32, at: f64, row: u32) -> Option<Self> {
        (!at.is_nan()).then_some(Self { decky, order: order_of(at), row })
    }

    fn at(self) -> f64 {
        value_of(self.order)
    }
}

/// Joins the identities that hand over.
pub(super) fn join(evidence: &mut Evidence<'_>) -> Result<(), KernelError> {
    let (population, pace) = (evidence.population, evidence.job.pace);
    let (mut outs, mut ins) = (Vec::new(), Vec::new());
    for (row, at) in (0_u32..).zip(0..population.rows()) {
        pace.check_row(at)?;
        for phase in population.phases.of(at) {
            outs.extend(Moment::new(phase.decky, phase.out_at, row));
            ins.extend(Moment::new(phase.decky, phase.in_at, row));
        }
    }
    sort(&mut outs, pace)?;
    sort(&mut ins, pace)?;
    let (mut first, mut next) = (0, 0);
    for (at, came) in ins.iter().enumerate() {
        pace.check_row(at)?;
        let gone = |left: &Moment| {
            left.decky < came.decky || (left.decky == came.decky && too_late(left.at(), came.at()))
        };
        first += outs[first..].iter().take_while(|left| gone(left)).count();
        next = next.max(first);
        let decky = population.decky_codes[came.decky as usize];
        if first < next {
            evidence.join(outs[first].row, came.row, evidence.phase_handoff, decky)?;
        }
        while let Some(left) = outs.get(next)
            && left.decky == came.decky
            && left.at() <= came.at()
        {
            pace.check_row(next)?;
            evidence.join(left.row, came.row, evidence.phase_handoff, decky)?;
            next += 1;
        }
    }
    Ok(())
}
