//! Reading and building frames a column at a time.

use crate::reconcile::UNKNOWN;
use crate::wit::corral::correlator::frames as wit;
use crate::{Frame, Merges, Problem};

/// The absent value of a uint32 or text column.
pub const ABSENT: u32 = u32::MAX;

impl Frame {
    /// A whole uint32 column, or the codes of a whole text column.
    ///
    /// # Errors
    /// [`Problem::NotFound`] or [`Problem::Invalid`], naming the column; so for the others.
    pub fn u32s(&self, column: &str) -> Result<Vec<u32>, Problem> {
        self.read_u32(column, 0, self.rows())
    }

    /// Turns references by key into references by row: for each code the first row that has it in a text
    /// column; [`ABSENT`] for one that is absent, [`UNKNOWN`] for one that is not there.
    ///
    /// # Errors
    /// As [`Frame::u32s`].
    pub fn rows_of(&self, column: &str, references: &[u32]) -> Result<Vec<u32>, Problem> {
        let mut rows = self.find(column, references)?;
        for (row, reference) in rows.iter_mut().zip(references) {
            if *row == ABSENT && *reference != ABSENT {
                *row = UNKNOWN;
            }
        }
        Ok(rows)
    }

    /// Which groups were merged into which, in a reading of identities or campaigns.
    ///
    /// # Errors
    /// As [`Frame::u32s`].
    pub fn merges(&self) -> Result<Merges, Problem> {
        let losers = self.present("merged_into")?;
        let into = self.take(&losers)?.u32s("merged_into")?;
        Ok(Merges::new(losers, self.rows_of("uuid", &into)?))
    }

    /// A whole uint64 column.
    ///
    /// # Errors
    /// As [`Frame::u32s`].
    pub fn u64s(&self, column: &str) -> Result<Vec<u64>, Problem> {
        self.read_u64(column, 0, self.rows())
    }

    /// A whole int64 column.
    ///
    /// # Errors
    /// As [`Frame::u32s`].
    pub fn s64s(&self, column: &str) -> Result<Vec<i64>, Problem> {
        self.read_s64(column, 0, self.rows())
    }

    /// A whole float64 column.
    ///
    /// # Errors
    /// As [`Frame::u32s`].
    pub fn f64s(&self, column: &str) -> Result<Vec<f64>, Problem> {
        self.read_f64(column, 0, self.rows())
    }
}

/// The codes of these texts: equal text, equal code, in every frame.
///
/// # Errors
/// [`Problem::Limit`] if the plugin interns more new text than it may.
pub fn codes<const N: usize>(texts: [&str; N]) -> Result<[u32; N], Problem> {
    let codes = wit::codes(&texts.map(str::to_owned))?;
    <[u32; N]>::try_from(codes).map_err(|_| Problem::Unavailable("codes: wrong count".to_owned()))
}

/// As [`codes`], for as many texts as there are.
///
/// # Errors
/// As [`codes`].
pub fn codes_of(texts: &[String]) -> Result<Vec<u32>, Problem> {
    wit::codes(texts)
}

/// The texts behind these codes.
///
/// # Errors
/// [`Problem::Limit`] if they are too many at once.
pub fn texts(codes: &[u32]) -> Result<Vec<String>, Problem> {
    wit::texts(codes)
}

/// A new frame, column by column; the first error is kept for [`FrameBuilder::finish`].
#[derive(Debug)]
pub struct FrameBuilder {
    inner: wit::FrameBuilder,
    failed: Option<Problem>,
}

impl FrameBuilder {
    /// A frame of `rows` rows, so far without columns.
    pub fn new(rows: usize) -> Self {
        // More rows than a row index can name: the first column's length will not fit, and say so.
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        Self { inner: wit::FrameBuilder::new(rows), failed: None }
    }

    /// Adds a uint32 column.
    #[must_use]
    pub fn u32s(self, name: &str, values: &[u32]) -> Self {
        self.add(|inner| inner.add_u32(name, values))
    }

    /// Adds a uint64 column.
    #[must_use]
    pub fn u64s(self, name: &str, values: &[u64]) -> Self {
        self.add(|inner| inner.add_u64(name, values))
    }

    /// Adds a float64 column.
    #[must_use]
    pub fn f64s(self, name: &str, values: &[f64]) -> Self {
        self.add(|inner| inner.add_f64(name, values))
    }

    /// Adds a text column from codes.
    #[must_use]
    pub fn texts(self, name: &str, codes: &[u32]) -> Self {
        self.add(|inner| inner.add_text(name, codes))
    }

    fn add(mut self, column: impl FnOnce(&wit::FrameBuilder) -> Result<(), Problem>) -> Self {
        if self.failed.is_none() {
            self.failed = column(&self.inner).err();
        }
        self
    }

    /// The frame.
    ///
    /// # Errors
    /// The first [`Problem`] that a column met.
    pub fn finish(self) -> Result<Frame, Problem> {
        match self.failed {
            Some(problem) => Err(problem),
            None => wit::FrameBuilder::finish(self.inner),
        }
    }
}
