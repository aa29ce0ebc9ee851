//! What the links of `identity-components` follow from: equal values, and tokens with the veto.

use std::hint::select_unpredictable;

use rustc_hash::FxHashMap;

use super::{Population, Tokens};
use crate::column::ABSENT;
use crate::kernel::KernelError;
use crate::links::{CHUNK, Chunk, Link, Links};
use crate::pace::Pace;
use crate::words::Words;

/// A token's word numbers rows with so many bits; the other two are a tag.
const NUMBER_BITS: u32 = 30;
const NUMBER: u32 = (1 << NUMBER_BITS) - 1;
/// The most attackers that there can be.
pub(super) const ROWS_MAX: usize = 1 << NUMBER_BITS;

/// Links each row to the first one of an equal value.
pub(super) struct Equal<'a, W> {
    values: &'a [u32],
    done: usize,
    /// The first row of each value, plus one.
    firsts: W,
}

impl<'a, W: Words> Equal<'a, W> {
    pub(super) fn new(values: &'a [u32], firsts: W) -> Self {
        Self { values, done: 0, firsts }
    }
}

impl<W: Words> Links for Equal<'_, W> {
    fn fill(&mut self, chunk: &mut Chunk) -> bool {
        let rest = &self.values[self.done..];
        // A frame's rows have numbers.
        let rows = u32::try_from(self.done).unwrap_or(ABSENT)..;
        for (row, &value) in rows.zip(rest.iter().take(chunk.room())) {
            let first = self.firsts.word(value);
            let (is_first, known) = (*first == 0, *first);
            *first = select_unpredictable(is_first, row + 1, known);
            let link = Link { a: known.wrapping_sub(1), b: row, value };
            chunk.put(link, !is_first & (value != ABSENT));
        }
        self.done += rest.len().min(chunk.room());
        !rest.is_empty()
    }
}

/// Links the holders of each token as far as the veto lets them: the module's cases 1 and 2.
///
/// One word says whom the holders of a token join, in nearly all cases: its first holder without
/// fingerprints; if there is none, its first with only a JA3, whom those with only a HASSH join; and if
/// there is none of these either, its first with only a HASSH. Such words are ordered, so the word of a
/// token is the greatest of its holders' words. Only if there are holders with only a JA3 *and* holders
/// with only a HASSH, the first of the latter has to be known as well, for the former to join.
pub(super) struct Held<'a, W> {
    held: &'a Tokens<'a>,
    ja3: &'a [u32],
    hassh: &'a [u32],
    done: usize,
    words: W,
    /// By token, where both kinds hold it.
    first_only_hassh: FxHashMap<u32, u32>,
}

/// The tags of words; of nobody who could join by a token, the whole word is 0.
const NEITHER: u32 = 3;
const ONLY_JA3: u32 = 2;
const ONLY_HASSH: u32 = 1;

impl<'a, W: Words> Held<'a, W> {
    /// Looks at all holders of each token.
    pub(super) fn read(
        held: &'a Tokens<'a>,
        population: &'a Population<'a>,
        words: W,
        pace: &Pace<'_>,
    ) -> Result<Self, KernelError> {
        let (ja3, hassh) = (population.ja3, population.hassh);
        let first_only_hassh = FxHashMap::default();
        let mut read = Self { held, ja3, hassh, done: 0, words, first_only_hassh };
        for (rows, tokens) in held.rows.chunks(CHUNK).zip(held.tokens.chunks(CHUNK)) {
            pace.check()?;
            for (&row, &token) in rows.iter().zip(tokens) {
                let new = word(row, ja3[row as usize], hassh[row as usize]);
                let word = read.words.word(token);
                let known = *word;
                *word = known.max(new);
                if are_opposite(known, new) && token != ABSENT {
                    let first = if tag(new) == ONLY_HASSH { row } else { row_of(known) };
                    read.first_only_hassh.entry(token).or_insert(first);
                }
            }
        }
        Ok(read)
    }

    /// Whom a holder joins who fills one slot, by a token that has no holder with neither.
    fn opposite(&self, word: u32, token: u32, tag_of_holder: u32) -> Option<u32> {
        match tag_of_holder {
            ONLY_HASSH => (tag(word) == ONLY_JA3).then(|| row_of(word)),
            ONLY_JA3 => self.first_only_hassh.get(&token).copied(),
            _ => None,
        }
    }
}

impl<W: Words> Links for Held<'_, W> {
    fn fill(&mut self, chunk: &mut Chunk) -> bool {
        let rows = &self.held.rows[self.done..];
        let items = rows.iter().zip(&self.held.tokens[self.done..]);
        let are_mixed = !self.first_only_hassh.is_empty();
        for (&row, &token) in items.take(chunk.room()) {
            let word_of_token = self.words.get(token);
            let (mut partner, mut is_one) = (row_of(word_of_token), tag(word_of_token) == NEITHER);
            if are_mixed && !is_one {
                let holder = word(row, self.ja3[row as usize], self.hassh[row as usize]);
                if let Some(opposite) = self.opposite(word_of_token, token, tag(holder)) {
                    (partner, is_one) = (opposite, true);
                }
            }
            let link = Link { a: partner, b: row, value: token };
            chunk.put(link, is_one & (partner != row) & (token != ABSENT));
        }
        self.done += rows.len().min(chunk.room());
        !rows.is_empty()
    }
}

/// The word of a token that only this row holds. The smaller row has the greater number.
fn word(row: u32, ja3: u32, hassh: u32) -> u32 {
    let has = |slot: u32| u32::from(slot != ABSENT);
    let tag = NEITHER - has(ja3) - 2 * has(hassh);
    select_unpredictable(tag == 0, 0, tag << NUMBER_BITS | (NUMBER - row))
}

fn tag(word: u32) -> u32 {
    word >> NUMBER_BITS
}

/// The row of a word that is not 0.
fn row_of(word: u32) -> u32 {
    NUMBER - (word & NUMBER)
}

/// Whether one is [`ONLY_JA3`] and the other [`ONLY_HASSH`].
fn are_opposite(a: u32, b: u32) -> bool {
    (a ^ b) >> NUMBER_BITS == NEITHER && a.min(b) >> NUMBER_BITS != 0
}
