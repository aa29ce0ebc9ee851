//! Lines: profiles in the order of time, searched for pairs of different groups that meet.
//!
//! Of two spells that meet, one starts within the other. So each looks ahead, in its own line or in that
//! of others, until somebody starts after its end: all that it passes meet it.
//!
//! Whoever is of its own group by then is passed in one step with all of that group that stand beside: a
//! line knows runs of one group. Groups only grow, and so do runs; what was found of them stays true. So
//! a search is linear in the line, but for the pairs of different groups that it visits.
//!
//! Where time does not matter everybody meets everybody: all spells are [`ALWAYS`].

use std::ops::Range;

use super::Evidence;
use super::near::{self, Slots};
use super::population::Window;
use crate::kernel::KernelError;
use crate::pace::Pace;
use crate::sort::{order_of, sort};

/// Of so many that meet, the rhythms are compared one by one; in tests, of hardly any.
const FEW: usize = if cfg!(test) { 2 } else { 512 };

pub(super) const ALWAYS: Window = Window { start: f64::NEG_INFINITY, end: f64::INFINITY };

/// One profile in a line, for one of its spells.
#[derive(Clone, Copy)]
pub(super) struct Spell {
    pub(super) time: Window,
    /// Zero where rhythms do not matter.
    pub(super) simhash: u64,
    /// Which of the profiles, and a row of it.
    pub(super) profile: u32,
    pub(super) row: u32,
}

/// Spells by start.
pub(super) struct Line {
    pub(super) spells: Vec<Spell>,
    /// Whether only those are visited that are near in rhythm.
    rhythms: bool,
    /// Of each place one behind it, up to which all are of one group.
    runs: Vec<u32>,
}

/// Who looks for whom in a line.
#[derive(Clone, Copy)]
pub(super) enum Seekers<'a> {
    /// Each in the line for those behind it.
    Own,
    /// Others for those that start with them or later.
    Earlier(&'a [Spell]),
    /// Others for those that start later.
    Before(&'a [Spell]),
}

/// Searches a line. `visit` has two profiles of different groups.
pub(super) fn search(
    evidence: &mut Evidence<'_>,
    line: &mut Line,
    seekers: Seekers<'_>,
    visit: &mut impl FnMut(&mut Evidence<'_>, u32, u32) -> Result<(), KernelError>,
) -> Result<(), KernelError> {
    let pace = evidence.job.pace;
    let mut crowded: Vec<(Spell, usize)> = Vec::new();
    let (count, to) = (seekers.count(line), line.spells.len());
    for at in 0..count {
        pace.check_row(at * 64)?;
        let (one, from) = seekers.at(at, line);
        let soon = (from + FEW).min(to);
        if line.rhythms && soon < to && line.spells[soon].time.start < one.time.end {
            crowded.push((one, from));
        } else {
            line.ahead(evidence, one, from..to, visit)?;
        }
    }
    if crowded.is_empty() {
        return Ok(());
    }
    for chunk in 0..near::CHUNKS {
        let mut slots = Slots::of(line, chunk, pace)?;
        for (at, &(one, from)) in crowded.iter().enumerate() {
            pace.check_row(at * 256)?;
            for slot in near::keys(one.simhash, chunk) {
                slots.ahead(evidence, (one, from), slot, visit)?;
            }
        }
    }
    Ok(())
}

impl Seekers<'_> {
    fn count(self, line: &Line) -> usize {
        match self {
            Self::Own => line.spells.len(),
            Self::Earlier(others) | Self::Before(others) => others.len(),
        }
    }

    /// One of them, and the place from which it looks ahead.
    fn at(self, at: usize, line: &Line) -> (Spell, usize) {
        let from = |before: &dyn Fn(&Spell) -> bool| line.spells.partition_point(before);
        match self {
            Self::Own => (line.spells[at], at + 1),
            Self::Earlier(others) => {
                (others[at], from(&|spell| spell.time.start < others[at].time.start))
            }
            Self::Before(others) => {
                (others[at], from(&|spell| spell.time.start <= others[at].time.start))
            }
        }
    }
}

impl Line {
    /// A line of spells in any order.
    pub(super) fn of(
        spells: &[Spell],
        rhythms: bool,
        pace: &Pace<'_>,
    ) -> Result<Self, KernelError> {
        let mut order: Vec<(u64, u32)> =
            spells.iter().map(|spell| order_of(spell.time.start)).zip(0..).collect();
        sort(&mut order, pace)?;
        let mut sorted = Vec::with_capacity(spells.len());
        for (place, &(_, at)) in order.iter().enumerate() {
            pace.check_row(place)?;
            sorted.push(spells[at as usize]);
        }
        Ok(Self::sorted(sorted, rhythms))
    }

    /// A line of spells in order, or in order in each of the ranges that are searched.
    pub(super) fn sorted(spells: Vec<Spell>, rhythms: bool) -> Self {
        let runs = (1..).take(spells.len()).collect();
        Self { spells, rhythms, runs }
    }

    /// Visits those in a range who start before `one` ends and are near it in rhythm.
    pub(super) fn ahead(
        &mut self,
        evidence: &mut Evidence<'_>,
        one: Spell,
        range: Range<usize>,
        visit: &mut impl FnMut(&mut Evidence<'_>, u32, u32) -> Result<(), KernelError>,
    ) -> Result<(), KernelError> {
        let mut at = range.start;
        while at < range.end && self.spells[at].time.start < one.time.end {
            let other = self.spells[at];
            if !near::near(one.simhash ^ other.simhash) {
                at += 1;
            } else if evidence.forest.connected(one.row, other.row) {
                at = self.pass(evidence, at, range.end)?;
            } else {
                evidence.looks.take()?;
                visit(evidence, one.profile, other.profile)?;
                at += 1;
            }
        }
        Ok(())
    }

    /// The first place from `at` on, up to `to`, that is not known to be of its group.
    pub(super) fn pass(
        &mut self,
        evidence: &mut Evidence<'_>,
        at: usize,
        to: usize,
    ) -> Result<usize, KernelError> {
        let row = self.spells[at].row;
        let (mut end, mut passed) = (self.runs[at] as usize, 0_usize);
        while end < to && evidence.forest.connected(row, self.spells[end].row) {
            end = self.runs[end] as usize;
            passed += 1;
            evidence.job.pace.check_row(passed * 8)?;
        }
        // All that were passed lead there from now on.
        let mut place = at;
        while place < end {
            let next = self.runs[place] as usize;
            self.runs[place] = u32::try_from(end).unwrap_or(u32::MAX);
            place = next;
        }
        Ok(end)
    }
}
