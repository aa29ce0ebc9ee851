//! Kinds: rows of one label that weigh the same, and when they were there.

use super::super::firsts::Firsts;
use super::super::population::Population;
use crate::kernel::KernelError;
use crate::pace::Pace;
use crate::sort::{order_of, sort_slice, value_of};

/// Into so many stays the windows of a kind are put.
const STAYS_MAX: usize = 6;

/// Rows of one label that weigh the same.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    /// The row of the smallest rank, and of the largest.
    pub(super) earliest: u32,
    pub(super) latest: u32,
}

/// All kinds that something can be said about.
pub(super) struct Kinds {
    pub(super) all: Vec<Kind>,
    /// Where the stays of each start, and one more.
    starts: Vec<u32>,
    stays: Vec<(f64, f64)>,
}

impl Kinds {
    /// The rows with tokens, or with keystrokes and windows. Equal ones are one kind if they share a
    /// label, as those must that the rule joins.
    pub(super) fn of(
        population: &Population<'_>,
        labels: &[u32],
        pace: &Pace<'_>,
    ) -> Result<Self, KernelError> {
        let mut all: Vec<Kind> = Vec::with_capacity(labels.len());
        let mut known = Firsts::new(labels.len(), pace)?;
        for (row, &rank) in (0_u32..).zip(population.ranks) {
            let at = row as usize;
            pace.check_row(at * 8)?;
            let (tokens, simhash) = (population.infra.of(at), population.simhash(at));
            let windows = population.windows.of(at);
            if tokens.is_empty() && (simhash.is_none() || windows.is_empty()) {
                continue;
            }
            let new = Kind { earliest: row, latest: row };
            // The first token is the rarest.
            if tokens.first().is_some_and(|&token| token < population.lonely_tokens) {
                all.push(new);
                continue;
            }
            let same = |other: usize| {
                labels[other] == labels[at]
                    && population.simhash(other) == simhash
                    && population.infra.of(other) == tokens
                    && population.cohort.of(other) == population.cohort.of(at)
                    && population.windows.of(other) == windows
            };
            let key = (tokens, population.cohort.of(at), windows, simhash, labels[at]);
            let next = u32::try_from(all.len()).unwrap_or(u32::MAX);
            let number =
                known.first(next, key, |kind| same(all[kind as usize].earliest as usize)) as usize;
            match all.get_mut(number) {
                None => all.push(new),
                Some(kind) if rank < population.ranks[kind.earliest as usize] => {
                    kind.earliest = row;
                }
                Some(kind) if rank > population.ranks[kind.latest as usize] => kind.latest = row,
                Some(_) => {}
            }
        }
        let mut kinds = Self { all, starts: vec![0], stays: Vec::new() };
        if !population.windows.is_empty() {
            kinds.find_stays(population, pace)?;
        }
        Ok(kinds)
    }

    /// When a kind was there, in a few pieces that hold all windows of any length.
    pub(super) fn stays(&self, number: u32) -> &[(f64, f64)] {
        match self.starts.get(number as usize..number as usize + 2) {
            Some(&[start, end]) => &self.stays[start as usize..end as usize],
            _ => &[],
        }
    }

    fn find_stays(
        &mut self,
        population: &Population<'_>,
        pace: &Pace<'_>,
    ) -> Result<(), KernelError> {
        let (mut seen, mut windows) = (0, Vec::new());
        for (at, kind) in self.all.iter().enumerate() {
            pace.check_row(at * 8)?;
            windows.clear();
            for window in population.windows.of(kind.earliest as usize) {
                pace.check_row(seen)?;
                seen += 1;
                if window.start < window.end {
                    windows.push((order_of(window.start), order_of(window.end)));
                }
            }
            sort_slice(&mut windows, pace)?;
            for piece in windows.chunks(windows.len().div_ceil(STAYS_MAX).max(1)) {
                let end = piece.iter().map(|&(_, end)| end).max().unwrap_or(0);
                self.stays.push((value_of(piece[0].0), value_of(end)));
            }
            self.starts.push(u32::try_from(self.stays.len()).unwrap_or(u32::MAX));
        }
        Ok(())
    }
}
