//! The rows of an update, each with all it holds.

use std::iter::once;

use super::super::{Population, Tokens};
use crate::column::ABSENT;
use crate::kernel::{Job, KernelError};

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
        let payload_starts = population.payloads.starts(population.rows(), job.pace)?;
        let endpoint_starts = population.endpoints.starts(population.rows(), job.pace)?;
        Ok(Self { population, payload_starts, endpoint_starts })
    }

    pub(super) fn len(&self) -> usize {
        self.population.rows()
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
