//! The rule itself: what one pair of identities weighs, to the bit as DECNET sums it.
//!
//! Both `run` and `verify` ask this, on the pairs that each of them found in its own way.

use std::fmt;

use super::lists::jaccard;
use super::looks::Looks;
use super::population::{Phase, Population, Span, Window};
use crate::kernel::KernelError;

/// The weight from which on a pair has an edge.
const EDGE_WEIGHT: f64 = 1.0;
/// The longest time, in seconds, between the end of one and the beginning of the next.
const HANDOFF_SECONDS: f64 = 86_400.0;
/// Simhashes that differ in so many bits have nothing in common.
pub(super) const FAR_BITS: u32 = 8;

/// The scores of one pair, each from 0 to 1, before their factors.
#[derive(Clone, Copy)]
pub(super) struct Tiers {
    pub(super) handoff: f64,
    pub(super) infra: f64,
    temporal: f64,
    cohort: f64,
    keystroke: f64,
}

impl Tiers {
    /// The weighted sum, in the order that decides at the threshold.
    pub(super) fn sum(&self) -> f64 {
        1.0 * self.handoff
            + 1.0 * self.infra
            + 0.4 * self.temporal
            + 0.1 * self.cohort
            + 0.6 * self.keystroke
    }

    /// Whether the pair has an edge.
    pub(super) fn edge(&self) -> bool {
        self.sum() >= EDGE_WEIGHT
    }

    /// At least what a pair without a handoff weighs, in either order, before anybody looks at windows:
    /// they overlap in full, if from the first start to the last end the two meet.
    pub(super) fn bound(of: &Population<'_>, x: u32, y: u32) -> Self {
        let (x, y) = (x as usize, y as usize);
        Self {
            handoff: 0.0,
            infra: jaccard(of.infra.of(x), of.infra.of(y)),
            temporal: f64::from(u8::from(may_meet(of, x, y))),
            cohort: jaccard(of.cohort.of(x), of.cohort.of(y)),
            keystroke: keystroke(of.simhash(x), of.simhash(y)),
        }
    }

    /// The same with the overlap that there is, `x` being the earlier one.
    pub(super) fn with_overlap(
        self,
        of: &Population<'_>,
        x: u32,
        y: u32,
        looks: &mut Looks<'_>,
    ) -> Result<Self, KernelError> {
        Ok(Self { temporal: temporal(of, x as usize, y as usize, looks)?, ..self })
    }

    /// At least what any two rows weigh that never meet and have these sets and simhashes.
    pub(super) fn bound_apart(of: &Population<'_>, x: u32, y: u32) -> Self {
        Self { temporal: 0.0, cohort: 1.0, ..Self::bound(of, x, y) }
    }
}

impl fmt::Display for Tiers {
    /// The tiers that count, as an analyst reads them: `shared-infra 0.5, keystroke 1`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tiers = [
            ("phase-handoff", self.handoff),
            ("shared-infra", self.infra),
            ("temporal-overlap", self.temporal),
            ("cohort", self.cohort),
            ("keystroke", self.keystroke),
        ];
        let mut between = "";
        for (name, score) in tiers {
            let score = format!("{score:.3}");
            let score = score.trim_end_matches('0').trim_end_matches('.');
            if score != "0" {
                write!(formatter, "{between}{name} {score}")?;
                between = ", ";
            }
        }
        Ok(())
    }
}

/// What two rows weigh. The order of the arguments does not matter: the ranks say who is the earlier.
pub(super) fn weigh(
    of: &Population<'_>,
    x: u32,
    y: u32,
    looks: &mut Looks<'_>,
) -> Result<Tiers, KernelError> {
    let (x, y) = (x as usize, y as usize);
    let (a, b) = if of.ranks[x] < of.ranks[y] { (x, y) } else { (y, x) };
    let handoff = first_handoff(of, a, b).is_some();
    Ok(Tiers {
        handoff: f64::from(u8::from(handoff)),
        infra: jaccard(of.infra.of(a), of.infra.of(b)),
        temporal: temporal(of, a, b, looks)?,
        cohort: jaccard(of.cohort.of(a), of.cohort.of(b)),
        keystroke: keystroke(of.simhash(a), of.simhash(b)),
    })
}

/// Whether whoever left may have handed over to whoever came.
pub(super) fn hands_over(out_at: f64, in_at: f64) -> bool {
    // Nothing compares with NaN, so an unknown time hands over to nobody.
    (0.0..=HANDOFF_SECONDS).contains(&(in_at - out_at))
}

/// Whether it is too late to take over. As the gap, this never goes back while one side grows.
pub(super) fn too_late(out_at: f64, in_at: f64) -> bool {
    in_at - out_at > HANDOFF_SECONDS
}

/// The first decky on which two rows hand over, in either direction.
fn first_handoff(of: &Population<'_>, x: usize, y: usize) -> Option<u32> {
    let (x, y) = (of.phases.of(x), of.phases.of(y));
    let (few, many) = if x.len() <= y.len() { (x, y) } else { (y, x) };
    few.iter().map(|phase| phase.decky).find(|&decky| hand_over_on(few, many, decky))
}

/// Whether two rows hand over on that decky, in either direction. By decky, both.
pub(super) fn hand_over_on(x: &[Phase], y: &[Phase], decky: u32) -> bool {
    let find = |phases: &[Phase]| {
        let at = phases.binary_search_by_key(&decky, |phase| phase.decky);
        at.ok().map(|at| phases[at])
    };
    find(x)
        .zip(find(y))
        .is_some_and(|(x, y)| hands_over(x.out_at, y.in_at) || hands_over(y.out_at, x.in_at))
}

fn keystroke(a: Option<u64>, b: Option<u64>) -> f64 {
    match a.zip(b).map(|(a, b)| (a ^ b).count_ones()) {
        Some(bits) if bits < FAR_BITS => 1.0 - f64::from(bits) / f64::from(FAR_BITS),
        _ => 0.0,
    }
}

/// Whether the times from the first start to the last end have anything in common.
fn may_meet(of: &Population<'_>, x: usize, y: usize) -> bool {
    of.spans.get(x).zip(of.spans.get(y)).is_some_and(|(x, y)| x.start < y.end && y.start < x.end)
}

/// How much of a's time b was active too. Windows of b that overlap count once each, and so may the
/// time that they share; DECNET caps the quotient, not the sum.
fn temporal(
    of: &Population<'_>,
    a: usize,
    b: usize,
    looks: &mut Looks<'_>,
) -> Result<f64, KernelError> {
    if !may_meet(of, a, b) {
        return Ok(0.0);
    }
    let (span, other_span) = (of.spans[a], of.spans[b]);
    if span.total.is_nan() || span.total <= 0.0 {
        return Ok(0.0);
    }
    // Windows that do not meet add nothing, so leaving them out does not change a bit of the sum.
    let meeting = Window { start: other_span.start, end: other_span.end };
    let mut overlap = 0.0;
    for &window in between(of.windows.of(a), span, meeting) {
        let others = between(of.windows.of(b), other_span, window);
        looks.take_windows(others.len() + 1)?;
        for other in others {
            let seconds = window.end.min(other.end) - window.start.max(other.start);
            if seconds > 0.0 {
                overlap += seconds;
            }
        }
        // The sum never falls, so the quotient is capped from here on.
        if overlap >= span.total {
            return Ok(1.0);
        }
    }
    Ok((overlap / span.total).min(1.0))
}

/// The windows that can meet one: all of them, unless their order tells.
fn between(windows: &[Window], span: Span, with: Window) -> &[Window] {
    if span.longest.is_infinite() {
        return windows;
    }
    // A start so early that even the longest window from there ends too soon; the next number makes up
    // for the rounding of the sum.
    let early = |window: &Window| (window.start + span.longest).next_up() <= with.start;
    let rest = &windows[windows.partition_point(early)..];
    &rest[..rest.partition_point(|window| window.start < with.end)]
}
