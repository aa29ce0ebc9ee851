//! A word of memory for every code: arrays where codes lie close together, a hash map where they do not.
//!
//! Texts that arrive with each other have codes close together, so that a column's codes mostly span few
//! more numbers than it has values. Then an array is several times as fast as hashing, and zero, which
//! means nothing yet, comes for free from the system.

use rustc_hash::FxHashMap;

use crate::column::ABSENT;

/// Codes that span at most this many numbers a value go by an array: four bytes a slot make 64 bytes a
/// value at most, of which only the pages that are hit become real.
const SLOTS_PER_VALUE: usize = 16;

/// A word for every code of some column, zero at first. [`ABSENT`] has one too, which means nothing, so
/// that nobody has to ask before it matters.
pub(crate) trait Words: Send {
    /// The word of a code that the column has.
    fn word(&mut self, code: u32) -> &mut u32;
    /// Its value; of a code that the column has not, that of [`ABSENT`], or 0.
    fn get(&self, code: u32) -> u32;
}

/// By subtraction. The last word is that of [`ABSENT`].
pub(crate) struct Dense {
    base: u32,
    words: Vec<u32>,
}

/// By hashing. Whoever writes texts does not choose their codes, so an unkeyed hash is safe.
pub(crate) struct Sparse(FxHashMap<u32, u32>);

/// Words of few codes, which are asked for many that have none. Most of these are told by a bit for each of the
/// numbers that codes end in, in a tenth of the time that looking them up takes.
pub(crate) struct Sieve<W> {
    words: W,
    endings: Box<[u64; ENDINGS / 64]>,
}

/// As many as the nearest memory has bits for.
const ENDINGS: usize = 1 << 16;

impl<W> Sieve<W> {
    pub(crate) fn before(words: W) -> Self {
        Self { words, endings: Box::new([0; ENDINGS / 64]) }
    }

    fn bit(code: u32) -> (usize, u64) {
        let ending = code as usize % ENDINGS;
        (ending / 64, 1 << (ending % 64))
    }
}

/// Whichever suits the codes of a column.
pub(crate) enum Suited {
    Dense(Dense),
    Sparse(Sparse),
}

impl Suited {
    /// For the codes of this column; absent values need no word.
    pub(crate) fn to(codes: &[u32]) -> Self {
        // `ABSENT` is the largest code, so only the maximum has to leave it out.
        let base = codes.iter().copied().min().unwrap_or(0);
        let known = codes.iter().map(|&code| if code == ABSENT { 0 } else { code });
        let last = known.fold(0, u32::max);
        let span = if last < base { 0 } else { (last - base) as usize + 1 };
        if span <= codes.len() * SLOTS_PER_VALUE {
            Self::Dense(Dense { base, words: vec![0; span + 1] })
        } else {
            let mut words = FxHashMap::default();
            words.reserve(codes.len());
            Self::Sparse(Sparse(words))
        }
    }
}

impl Words for Dense {
    fn word(&mut self, code: u32) -> &mut u32 {
        let last = self.words.len() - 1;
        &mut self.words[last.min(code.wrapping_sub(self.base) as usize)]
    }

    fn get(&self, code: u32) -> u32 {
        let last = self.words.len() - 1;
        self.words[last.min(code.wrapping_sub(self.base) as usize)]
    }
}

impl Words for Sparse {
    fn word(&mut self, code: u32) -> &mut u32 {
        self.0.entry(code).or_default()
    }

    fn get(&self, code: u32) -> u32 {
        self.0.get(&code).copied().unwrap_or(0)
    }
}

impl<W: Words> Words for Sieve<W> {
    fn word(&mut self, code: u32) -> &mut u32 {
        let (at, bit) = Self::bit(code);
        self.endings[at] |= bit;
        self.words.word(code)
    }

    fn get(&self, code: u32) -> u32 {
        let (at, bit) = Self::bit(code);
        if self.endings[at] & bit == 0 { 0 } else { self.words.get(code) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(codes: &[u32], mut words: impl Words) -> Vec<u32> {
        for &code in codes {
            *words.word(code) += 1;
        }
        codes.iter().map(|&code| words.get(code)).collect()
    }

    #[test]
    fn each_code_has_a_word_of_its_own_near_and_far() {
        let last = ABSENT - 1;
        let columns: [(&[u32], bool); 7] = [
            (&[], false),
            (&[ABSENT], true),
            (&[ABSENT, ABSENT], true),
            (&[last, last, last], true),
            (&[5, 7, ABSENT, 5, 6], true),
            (&[0, last, 0, ABSENT], false),
            (&[1_000, 7, 1_000_000, 7, ABSENT], false),
        ];
        for (codes, is_dense) in columns {
            let naive = |code| codes.iter().filter(|other| *other == code).count();
            let expected: Vec<u32> =
                codes.iter().map(|code| u32::try_from(naive(code)).unwrap()).collect();
            let found = match Suited::to(codes) {
                Suited::Dense(words) => is_dense.then(|| count(codes, words)),
                Suited::Sparse(words) => (!is_dense).then(|| count(codes, Sieve::before(words))),
            };
            assert_eq!(found, Some(expected), "{codes:?}");
        }
    }
}
