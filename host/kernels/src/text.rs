//! Interned text: equal text, equal code, for the life of the process.
//!
//! Codes are given in the order of arrival, so their order means nothing and must never decide an
//! answer. Attackers choose these texts: the table hashes with a secret key and has a limit.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::{PoisonError, RwLock};

use hashbrown::HashTable;

use crate::column::ABSENT;
use arena::Arena;

mod arena;
mod packed;

/// The shared table of texts.
///
/// A text takes its packed bytes, four for its place, and about eight in the table that finds it: a UUID
/// thirty in all.
#[derive(Debug)]
pub struct Interner {
    table: RwLock<Table>,
    keys: RandomState,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct Table {
    packed: Arena,
    /// Of each code.
    places: Vec<u32>,
    /// By the packed text.
    codes: HashTable<u32>,
    bytes: usize,
}

/// The table has reached its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InternerFull {
    /// The limit, in bytes of text.
    pub bytes_max: usize,
}

impl fmt::Display for InternerFull {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the text table holds its limit of {} bytes", self.bytes_max)
    }
}

impl std::error::Error for InternerFull {}

/// Texts, each behind the one before.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    bytes: String,
    ends: Vec<usize>,
}

impl Texts {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The text at an index.
    pub fn get(&self, at: usize) -> Option<&str> {
        let end = *self.ends.get(at)?;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.bytes.get(start..end)
    }

    /// Puts a text behind the others.
    pub fn push(&mut self, text: &str) {
        self.bytes.push_str(text);
        self.ends.push(self.bytes.len());
    }

    /// All of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        (0..self.ends.len()).map(|at| self.get(at).unwrap_or_default())
    }
}

impl<T: AsRef<str>> FromIterator<T> for Texts {
    fn from_iter<I: IntoIterator<Item = T>>(all: I) -> Self {
        let mut texts = Self::default();
        all.into_iter().for_each(|text| texts.push(text.as_ref()));
        texts
    }
}

impl Interner {
    /// An empty table that will hold at most `bytes_max` bytes of text.
    pub fn new(bytes_max: usize) -> Self {
        Self { table: RwLock::default(), keys: RandomState::new(), bytes_max }
    }

    /// The code of `text`, given now if it is new.
    ///
    /// # Errors
    /// [`InternerFull`] if it is new and the limit is reached.
    pub fn code(&self, text: &str) -> Result<u32, InternerFull> {
        let mut packed = Vec::with_capacity(PACKED_USUAL);
        packed::pack(text, &mut packed);
        let known = self.reader().find(&packed, &self.keys);
        known.map_or_else(|| self.insert(&mut self.writer(), text, &packed), Ok)
    }

    /// The codes of many texts under one lock, in their order.
    ///
    /// # Errors
    /// As [`Interner::code`]; texts before the failing one stay interned.
    pub fn codes<'a>(
        &self,
        texts: impl IntoIterator<Item = &'a str>,
    ) -> Result<Vec<u32>, InternerFull> {
        let (mut table, mut packed) = (self.writer(), Vec::with_capacity(PACKED_USUAL));
        let code = |text: &'a str| {
            packed.clear();
            packed::pack(text, &mut packed);
            self.insert(&mut table, text, &packed)
        };
        texts.into_iter().map(code).collect()
    }

    /// The code of `text`, if it has one.
    pub fn lookup(&self, text: &str) -> Option<u32> {
        let mut packed = Vec::with_capacity(PACKED_USUAL);
        packed::pack(text, &mut packed);
        self.reader().find(&packed, &self.keys)
    }

    /// The text of `code`, if the code was given.
    pub fn text(&self, code: u32) -> Option<String> {
        let mut text = String::new();
        self.reader().append(code, &mut text).then_some(text)
    }

    /// The texts of many codes under one lock; absent and unknown codes give an empty text.
    pub fn texts(&self, codes: &[u32]) -> Texts {
        let (table, mut bytes) = (self.reader(), String::with_capacity(16 * codes.len()));
        let end = |code: &u32| {
            table.append(*code, &mut bytes);
            bytes.len()
        };
        let ends = codes.iter().map(end).collect();
        Texts { bytes, ends }
    }

    /// The same, if they are no more than `bytes_max` bytes together. A text may be asked for many times over, so
    /// they can be far more than the table holds.
    pub fn texts_within(&self, codes: &[u32], bytes_max: usize) -> Option<Texts> {
        let (table, mut bytes) = (self.reader(), String::new());
        let end = |code: &u32| {
            table.append(*code, &mut bytes);
            (bytes.len() <= bytes_max).then_some(bytes.len())
        };
        let ends = codes.iter().map(end).collect::<Option<_>>()?;
        Some(Texts { bytes, ends })
    }

    fn insert(&self, table: &mut Table, text: &str, packed: &[u8]) -> Result<u32, InternerFull> {
        if let Some(code) = table.find(packed, &self.keys) {
            return Ok(code);
        }
        let full = InternerFull { bytes_max: self.bytes_max };
        let bytes = table.bytes + text.len();
        let code = u32::try_from(table.places.len()).map_err(|_| full)?;
        if bytes > self.bytes_max || code == ABSENT {
            return Err(full);
        }
        // First the text, then the code: a code that was given always has its text.
        table.places.push(table.packed.push(packed).ok_or(full)?);
        let Table { packed: all, places, codes, .. } = table;
        let hash = |code: &u32| self.keys.hash_one(packed::first(all.from(places[*code as usize])));
        codes.insert_unique(self.keys.hash_one(packed), code, hash);
        table.bytes = bytes;
        Ok(code)
    }

    // A panic cannot leave the table half-written in a way that matters: see `insert`.
    fn reader(&self) -> std::sync::RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> std::sync::RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn find(&self, packed: &[u8], keys: &RandomState) -> Option<u32> {
        let is_it = |code: &u32| self.packed.from(self.places[*code as usize]).starts_with(packed);
        self.codes.find(keys.hash_one(packed), is_it).copied()
    }

    /// Puts the text of a code behind `into`; false if the code was never given.
    fn append(&self, code: u32, into: &mut String) -> bool {
        let place = self.places.get(code as usize);
        place.is_some_and(|place| {
            packed::unpack(self.packed.from(*place), into);
            true
        })
    }
}

/// Bytes of most packed texts, at most.
const PACKED_USUAL: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_text_has_an_equal_code_and_an_empty_text_is_a_value() {
        let table = Interner::new(100);
        let codes = table.codes(["a", "", "a"]).unwrap();
        assert_eq!(codes, [0, 1, 0]);
        assert_eq!(table.lookup("a"), Some(0));
        assert_eq!(table.texts(&[1, ABSENT, 0]).iter().collect::<Vec<_>>(), ["", "", "a"]);
    }

    #[test]
    fn texts_within_a_limit_are_all_or_none() {
        let table = Interner::new(100);
        let codes = table.codes(["four", ""]).unwrap();
        let asked = [codes[0], codes[1], codes[0], ABSENT];
        let within = |bytes_max| table.texts_within(&asked, bytes_max).map(|texts| texts.len());
        assert_eq!((within(8), within(7)), (Some(4), None));
    }

    #[test]
    fn the_limit_refuses_new_text_and_keeps_what_was_there() {
        let table = Interner::new(3);
        assert_eq!(table.code("abc"), Ok(0));
        assert_eq!(table.code("d"), Err(InternerFull { bytes_max: 3 }));
        assert_eq!(table.code("abc"), Ok(0));
    }

    #[test]
    fn codes_keep_their_texts_while_the_table_grows() {
        let table = Interner::new(1 << 20);
        let text = |n: u32| match n % 3 {
            0 => format!("{n:08x}"),
            1 => format!("{n:08x}-0000-0000-0000-000000000000"),
            _ => format!("text {n}"),
        };
        let codes: Vec<u32> = (0..9_000).map(|n| table.code(&text(n)).unwrap()).collect();
        assert!(codes.iter().copied().eq(0..9_000));
        let texts = table.texts(&codes);
        assert!(texts.iter().eq((0..9_000).map(text)));
        assert_eq!((texts.len(), texts.get(9_000)), (9_000, None));
        assert!((0..9_000).all(|n| table.lookup(&text(n)) == Some(n)));
        assert_eq!((table.lookup("none"), table.text(9_000)), (None, None));
    }
}
