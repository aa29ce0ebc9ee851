//! Pairs of two labels in a list of stays: those that meet, and differ in few bits of rhythm.

use super::super::looks::Looks;
use crate::kernel::KernelError;
use crate::pace::Pace;
use crate::sort::{order_of, sort};

/// Where on average no more than so many meet somebody, their rhythms are compared one by one. In tests
/// hardly any do.
const FEW: usize = if cfg!(test) { 2 } else { 32 };

/// Nine bands of seven bits, the last one of eight.
const BANDS: u32 = 9;

/// A time at which a kind was there.
#[derive(Clone, Copy)]
pub(super) struct Stay {
    pub(super) start: f64,
    pub(super) end: f64,
    pub(super) simhash: u64,
    pub(super) label: u32,
    pub(super) kind: u32,
    /// Whether it makes a pair with everybody, or only with those that do.
    pub(super) leads: bool,
}

/// Stays to be compared, and the bits in which rhythms may differ.
pub(super) struct List {
    pub(super) stays: Vec<Stay>,
    pub(super) bits: u32,
}

impl List {
    /// Visits the pairs.
    pub(super) fn each_pair(
        mut self,
        looks: &mut Looks<'_>,
        mut visit: impl FnMut(u32, u32, &mut Looks<'_>) -> Result<(), KernelError>,
    ) -> Result<(), KernelError> {
        self.order_by(0, looks.pace())?;
        if self.few_meet(looks.pace())? {
            return each_in_run(&self.stays, self.bits, &[], looks, &mut visit);
        }
        let masks = masks(self.bits);
        for (at, &mask) in masks.iter().enumerate() {
            let earlier = &masks[..at];
            self.order_by(mask, looks.pace())?;
            let same = |one: &Stay, other: &Stay| (one.simhash ^ other.simhash) & mask == 0;
            for (number, run) in self.stays.chunk_by(same).enumerate() {
                looks.pace().check_row(number * 8)?;
                if run.len() > 1 {
                    each_in_run(run, self.bits, earlier, looks, &mut visit)?;
                }
            }
        }
        Ok(())
    }

    /// By these bits of the rhythm, then by start and label.
    fn order_by(&mut self, mask: u64, pace: &Pace<'_>) -> Result<(), KernelError> {
        let key = |stay: &Stay| (stay.simhash & mask, order_of(stay.start), stay.label);
        if self.stays.is_sorted_by_key(key) {
            return Ok(());
        }
        let mut order: Vec<_> = self.stays.iter().map(key).zip(0_u32..).collect();
        sort(&mut order, pace)?;
        let mut ordered = Vec::with_capacity(order.len());
        for (place, &(_, at)) in order.iter().enumerate() {
            pace.check_row(place)?;
            ordered.push(self.stays[at as usize]);
        }
        self.stays = ordered;
        Ok(())
    }

    /// Whether there is no need to go by rhythm: stays are by start.
    fn few_meet(&self, pace: &Pace<'_>) -> Result<bool, KernelError> {
        let mut meetings = 0;
        for (at, one) in self.stays.iter().enumerate() {
            pace.check_row(at * 8)?;
            meetings += self.stays[at + 1..].partition_point(|other| other.start < one.end);
        }
        Ok(meetings <= FEW * self.stays.len())
    }
}

/// Of two simhashes that differ in so few bits at most, one of these masks shows no difference.
fn masks(bits: u32) -> Vec<u64> {
    let band = |number: u32| {
        let all = u64::MAX << (7 * number);
        if number + 1 == BANDS { all } else { all & !(u64::MAX << (7 * (number + 1))) }
    };
    match bits {
        ..=1 => vec![u64::MAX << 32, u64::MAX >> 32],
        2..=7 => (0..BANDS).flat_map(|i| (0..i).map(move |j| band(i) | band(j))).collect(),
        _ => vec![0],
    }
}

/// Visits the pairs of two labels that meet in a run, which is by start, and that no earlier mask shows.
fn each_in_run(
    run: &[Stay],
    bits: u32,
    earlier: &[u64],
    looks: &mut Looks<'_>,
    visit: &mut impl FnMut(u32, u32, &mut Looks<'_>) -> Result<(), KernelError>,
) -> Result<(), KernelError> {
    let (all, mut leaders) = (Queue::of(run, |_| true), Queue::of(run, |stay| stay.leads));
    for (at, one) in run.iter().enumerate() {
        looks.pace().check_row(at * 64)?;
        let (others, mut next) =
            if one.leads { (&all, at + 1) } else { (&leaders, leaders.behind) };
        while let Some(&place) = others.places.get(next)
            && let other = &run[place as usize]
            && other.start < one.end
        {
            if other.label == one.label {
                next = others.others[next] as usize;
                continue;
            }
            next += 1;
            let mix = one.simhash ^ other.simhash;
            if earlier.iter().all(|mask| mix & mask != 0) {
                looks.take()?;
                if mix.count_ones() <= bits {
                    visit(one.kind, other.kind, looks)?;
                }
            }
        }
        leaders.behind += usize::from(one.leads);
    }
    Ok(())
}

/// Some of a run.
struct Queue {
    places: Vec<u32>,
    /// For each where the next one of another label is.
    others: Vec<u32>,
    /// How many of them have been passed.
    behind: usize,
}

impl Queue {
    fn of(run: &[Stay], is_one: impl Fn(&Stay) -> bool) -> Self {
        let places: Vec<u32> =
            (0_u32..).zip(run).filter(|(_, stay)| is_one(stay)).map(|(place, _)| place).collect();
        let mut others: Vec<u32> = (1..).take(places.len()).collect();
        for at in (1..places.len()).rev() {
            let label = |at: usize| run[places[at] as usize].label;
            if label(at - 1) == label(at) {
                others[at - 1] = others[at];
            }
        }
        Self { places, others, behind: 0 }
    }
}
