//! Simhashes within a few bits of one another, without looking at all pairs.
//!
//! Seven bits over four chunks of 16 bits leave a chunk that differs in at most one: so whoever is
//! near is found by looking up each chunk, and it with each one of its bits flipped. With 17 look-ups
//! in 65,536 slots, a million hashes that are spread evenly meet a thousand others each, not a million.
//! (Norouzi, Punjani, Fleet: *Fast search in Hamming space with multi-index hashing*, CVPR 2012.)

use super::Evidence;
use super::line::{Line, Spell};
use super::weight::FAR_BITS;
use crate::kernel::KernelError;
use crate::pace::Pace;

pub(super) const CHUNKS: u32 = 4;
const CHUNK_BITS: u32 = u64::BITS / CHUNKS;

/// Whether two simhashes that differ in these bits are near.
pub(super) fn near(mix: u64) -> bool {
    mix.count_ones() < FAR_BITS
}

/// The slots of a chunk in which those are that differ from this simhash in at most a bit of it.
pub(super) fn keys(simhash: u64, chunk: u32) -> impl Iterator<Item = usize> {
    let own = chunk_of(simhash, chunk);
    (0..CHUNK_BITS).map(|bit| 1 << bit).chain([0]).map(move |flip| own ^ flip)
}

/// Which of the chunks, counted from the low bits.
fn chunk_of(simhash: u64, chunk: u32) -> usize {
    let bits = simhash >> (chunk * CHUNK_BITS) & ((1 << CHUNK_BITS) - 1);
    usize::try_from(bits).unwrap_or(0)
}

/// The spells of a line by one chunk of their simhashes; in order in each slot.
pub(super) struct Slots {
    chunk: u32,
    /// Where each slot starts in the line.
    starts: Vec<u32>,
    line: Line,
    /// Where each spell is in the line that it is from.
    places: Vec<u32>,
}

impl Slots {
    pub(super) fn of(line: &Line, chunk: u32, pace: &Pace<'_>) -> Result<Self, KernelError> {
        let spells = &line.spells;
        let mut starts = vec![0; (1 << CHUNK_BITS) + 1];
        for (at, spell) in spells.iter().enumerate() {
            pace.check_row(at)?;
            starts[chunk_of(spell.simhash, chunk) + 1] += 1;
        }
        for slot in 1..starts.len() {
            starts[slot] += starts[slot - 1];
        }
        let (mut next, mut places) = (starts.clone(), vec![0; spells.len()]);
        for (place, spell) in (0_u32..).zip(spells) {
            pace.check_row(place as usize)?;
            let slot = &mut next[chunk_of(spell.simhash, chunk)];
            places[*slot as usize] = place;
            *slot += 1;
        }
        let mut sorted = Vec::with_capacity(spells.len());
        for (at, &place) in places.iter().enumerate() {
            pace.check_row(at)?;
            sorted.push(spells[place as usize]);
        }
        Ok(Self { chunk, starts, line: Line::sorted(sorted, true), places })
    }

    /// Visits those in a slot from a place of the original line on who start before `one` ends, are near
    /// it, and are in no slot of an earlier chunk that it looked at.
    pub(super) fn ahead(
        &mut self,
        evidence: &mut Evidence<'_>,
        (one, from): (Spell, usize),
        slot: usize,
        visit: &mut impl FnMut(&mut Evidence<'_>, u32, u32) -> Result<(), KernelError>,
    ) -> Result<(), KernelError> {
        let (first, end) = (self.starts[slot] as usize, self.starts[slot + 1] as usize);
        let mut at =
            first + self.places[first..end].partition_point(|&place| (place as usize) < from);
        while at < end && self.line.spells[at].time.start < one.time.end {
            let other = self.line.spells[at];
            if evidence.forest.connected(one.row, other.row) {
                at = self.line.pass(evidence, at, end)?;
                continue;
            }
            let mix = one.simhash ^ other.simhash;
            let found = |chunk| chunk_of(mix, chunk).count_ones() <= 1;
            if !(0..self.chunk).any(found) {
                evidence.looks.take()?;
                if near(mix) {
                    visit(evidence, one.profile, other.profile)?;
                }
            }
            at += 1;
        }
        Ok(())
    }
}
