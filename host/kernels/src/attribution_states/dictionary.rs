//! What the values inside the windows mean, each distinct text read once.
//!
//! A value becomes a *word*, the number of its text here; a word has a *class*, which equal values share
//! (`1` and `true` are two words of one class), and a number. Both are dense and follow the order of
//! first use, so that nothing of the interner's codes remains.

use std::collections::HashMap;
use std::ops::Range;

use super::Problem;
use super::scalar::{Key, Scalar};
use crate::column::ABSENT;
use crate::first::first_equals;
use crate::kernel::{Job, KernelError};

/// The class of null, and the word of an absent value.
pub(super) const NULL: u32 = 0;
/// The class of the number that differs from itself.
pub(super) const NAN: u32 = 1;

/// Texts that are read between two checks.
const TEXTS_PER_CHECK: usize = 2_048;

/// The words of all windows.
pub(super) struct Dictionary {
    /// One a value.
    pub(super) words: Vec<u32>,
    /// By word.
    meanings: Vec<Meaning>,
}

struct Meaning {
    class: Result<u32, Problem>,
    number: Result<f64, Problem>,
}

impl Dictionary {
    /// Reads the texts of these codes.
    ///
    /// # Errors
    /// [`KernelError::Cancelled`].
    pub(super) fn read(codes: &[u32], job: &Job<'_>) -> Result<Self, KernelError> {
        // The codes of all words but the null.
        let mut distinct = Vec::new();
        let mut words = first_equals(codes, job.pace)?;
        for at in 0..words.len() {
            job.pace.check_row(at)?;
            words[at] = match words[at] {
                ABSENT => NULL,
                first if first as usize == at => {
                    distinct.push(codes[at]);
                    // No more than there are samples, which a u32 counts.
                    u32::try_from(distinct.len()).unwrap_or(ABSENT)
                }
                first => words[first as usize],
            };
        }
        // Attackers choose the texts: a table with a secret key, only looked up in.
        let mut classes = HashMap::from([(Key::Null, NULL), (Key::Nan, NAN)]);
        let mut meanings = Vec::with_capacity(1 + distinct.len());
        meanings.push(Meaning { class: Ok(NULL), number: Scalar::Null.number() });
        for codes in distinct.chunks(TEXTS_PER_CHECK) {
            job.pace.check()?;
            for text in job.texts.texts(codes).iter() {
                let scalar = Scalar::read(text);
                let next = u32::try_from(classes.len()).unwrap_or(ABSENT);
                let class = |scalar: &Scalar<'_>| Ok(*classes.entry(scalar.key()?).or_insert(next));
                meanings.push(Meaning {
                    class: scalar.as_ref().map_err(|&problem| problem).and_then(class),
                    number: scalar.and_then(|scalar| scalar.number()),
                });
            }
        }
        Ok(Self { words, meanings })
    }
}

/// The samples of one series whose values count, and the value of its last sample.
pub(super) struct Window<'a> {
    pub(super) last: u32,
    pub(super) codes: &'a [u32],
    pub(super) words: &'a [u32],
    pub(super) dictionary: &'a Dictionary,
}

impl Window<'_> {
    pub(super) fn len(&self) -> usize {
        self.words.len()
    }

    /// What the values at these places are equal to.
    pub(super) fn classes(&self, places: Range<usize>) -> Result<Vec<u32>, Problem> {
        places.map(|at| self.class(at)).collect()
    }

    pub(super) fn class(&self, at: usize) -> Result<u32, Problem> {
        self.meaning(at).class
    }

    /// The values at these places as numbers.
    pub(super) fn numbers(&self, places: Range<usize>) -> Result<Vec<f64>, Problem> {
        places.map(|at| self.meaning(at).number).collect()
    }

    fn meaning(&self, at: usize) -> &Meaning {
        &self.dictionary.meanings[self.words[at] as usize]
    }
}
