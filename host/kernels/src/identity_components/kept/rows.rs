//! The rows of an update, each with all it holds.

use std::iter::once;

use super::super::{Population, Tokens};
use crate::column::ABSENT;
use crate::kernel::{Job, KernelError};
use crate::pace::Pace;

/// The inputs of an update, with where each row's children begin.
pub(crate) struct Rows<'a> {
    population: Population<'a>,
    payload_starts: Vec<u32>,
    endpoint_starts: Vec<u32>,
}

impl<'a> Rows<'a> {
    /// Reads the inputs, whose shapes are right.
    pub(super) fn read(job: &Job<'a>) -> Result<Self, KernelError> {
        let population = Population::read(job)?;
        let starts = |held| starts(held, population.ja3.len(), job.pace);
        let payload_starts = starts(&population.payloads)?;
        let endpoint_starts = starts(&population.endpoints)?;
        Ok(Self { population, payload_starts, endpoint_starts })
    }

    pub(super) fn len(&self) -> usize {
        self.population.ja3.len()
    }

    /// At least as many as all rows hold together.
    pub(super) fn values_max(&self) -> usize {
        let Population { ids, ja3, hassh, payloads, endpoints } = &self.population;
        let filled = |slot: &[u32]| slot.iter().filter(|&&value| value != ABSENT).count();
        let prints = ids.map_or(0, filled) + filled(ja3) + filled(hassh);
        prints + payloads.tokens.len() + endpoints.tokens.len()
    }

    /// Which slots a row fills: 0 neither, 1 only JA3, 2 only HASSH, 3 both.
    pub(super) fn kind(&self, row: u32) -> u8 {
        let filled = |slot: &[u32]| u8::from(slot[row as usize] != ABSENT);
        filled(self.population.ja3) + 2 * filled(self.population.hassh)
    }

    /// Reason, by its number in [`REASONS`](super::REASONS), and value of everything that a row holds; a
    /// token may stand twice.
    pub(super) fn values(&self, row: u32) -> impl Iterator<Item = (u8, u32)> {
        let row = row as usize;
        let population = &self.population;
        let id = population.ids.map_or(ABSENT, |ids| ids[row]);
        let tokens = |held: &Tokens<'a>, starts: &[u32]| {
            &held.tokens[starts[row] as usize..starts[row + 1] as usize]
        };
        let payloads = tokens(&population.payloads, &self.payload_starts);
        let endpoints = tokens(&population.endpoints, &self.endpoint_starts);
        once((0, id))
            .chain([(1, population.ja3[row]), (2, population.hassh[row])])
            .chain(payloads.iter().map(|&token| (3, token)))
            .chain(endpoints.iter().map(|&token| (4, token)))
            .filter(|&(_, value)| value != ABSENT)
    }
}

/// Where the children of each of so many rows begin, and where the last one's end.
fn starts(held: &Tokens<'_>, rows: usize, pace: &Pace<'_>) -> Result<Vec<u32>, KernelError> {
    let mut starts = Vec::with_capacity(rows + 1);
    let mut item = 0;
    for row in 0..=rows {
        pace.check_row(row)?;
        while held.rows.get(item as usize).is_some_and(|&parent| (parent as usize) < row) {
            item += 1;
        }
        starts.push(item);
    }
    Ok(starts)
}
