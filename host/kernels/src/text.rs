//! Interned text: equal text, equal code, for the life of the process.
//!
//! Codes are given in the order of arrival, so their order means nothing and must never decide an
//! answer. Attackers choose these texts: the table hashes with a secret key and has a limit.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use crate::column::ABSENT;

/// The shared table of texts.
#[derive(Debug)]
pub struct Interner {
    table: RwLock<Table>,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct Table {
    codes: HashMap<Arc<str>, u32>,
    texts: Vec<Arc<str>>,
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

impl Interner {
    /// An empty table that will hold at most `bytes_max` bytes of text.
    pub fn new(bytes_max: usize) -> Self {
        Self { table: RwLock::default(), bytes_max }
    }

    /// The code of `text`, given now if it is new.
    ///
    /// # Errors
    /// [`InternerFull`] if it is new and the limit is reached.
    pub fn code(&self, text: &str) -> Result<u32, InternerFull> {
        if let Some(code) = self.lookup(text) {
            return Ok(code);
        }
        self.writer().insert(text, self.bytes_max)
    }

    /// The codes of many texts under one lock, in their order.
    ///
    /// # Errors
    /// As [`Interner::code`]; texts before the failing one stay interned.
    pub fn codes<'a>(
        &self,
        texts: impl IntoIterator<Item = &'a str>,
    ) -> Result<Vec<u32>, InternerFull> {
        let mut table = self.writer();
        texts.into_iter().map(|text| table.insert(text, self.bytes_max)).collect()
    }

    /// The code of `text`, if it has one.
    pub fn lookup(&self, text: &str) -> Option<u32> {
        self.reader().codes.get(text).copied()
    }

    /// The text of `code`, if the code was given.
    pub fn text(&self, code: u32) -> Option<Arc<str>> {
        self.reader().texts.get(code as usize).cloned()
    }

    /// The texts of many codes under one lock; absent and unknown codes give an empty text.
    pub fn texts(&self, codes: &[u32]) -> Vec<Arc<str>> {
        let empty: Arc<str> = Arc::from("");
        let table = self.reader();
        codes.iter().map(|&code| table.texts.get(code as usize).unwrap_or(&empty).clone()).collect()
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
    fn insert(&mut self, text: &str, bytes_max: usize) -> Result<u32, InternerFull> {
        if let Some(&code) = self.codes.get(text) {
            return Ok(code);
        }
        let full = InternerFull { bytes_max };
        let bytes = self.bytes + text.len();
        let code = u32::try_from(self.texts.len()).map_err(|_| full)?;
        if bytes > bytes_max || code == ABSENT {
            return Err(full);
        }
        let text: Arc<str> = text.into();
        // First the text, then the code: a code that was given always has its text.
        self.texts.push(text.clone());
        self.codes.insert(text, code);
        self.bytes = bytes;
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_text_has_an_equal_code_and_an_empty_text_is_a_value() {
        let table = Interner::new(100);
        let codes = table.codes(["a", "", "a"]).unwrap();
        assert_eq!(codes, [0, 1, 0]);
        assert_eq!(table.lookup("a"), Some(0));
        assert_eq!(
            table.texts(&[1, ABSENT, 0]).iter().map(|t| &**t).collect::<Vec<_>>(),
            ["", "", "a"]
        );
    }

    #[test]
    fn the_limit_refuses_new_text_and_keeps_what_was_there() {
        let table = Interner::new(3);
        assert_eq!(table.code("abc"), Ok(0));
        assert_eq!(table.code("d"), Err(InternerFull { bytes_max: 3 }));
        assert_eq!(table.code("abc"), Ok(0));
    }
}
