//! A table of typed columns, immutable and cheap to clone.
//!
//! Ragged data (the payloads of each attacker, the windows of each identity) is a *child frame*: one
//! row an item, with a `row` column that points into the parent and never falls.

use std::fmt;
use std::sync::Arc;

use crate::column::{ABSENT, ABSENT_I64, ABSENT_U64, Column, ColumnType};
use crate::words::{Sieve, Suited, Words};

/// The most rows a frame may have: row indices are `u32`, and `u32::MAX` means absent.
pub const ROWS_MAX: usize = u32::MAX as usize - 1;

/// An immutable table. Cloning shares every column.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    rows: usize,
    columns: Arc<[(Box<str>, Column)]>,
}

impl Frame {
    /// A frame of `rows` rows with these columns.
    ///
    /// # Errors
    /// [`FrameError::Length`] if a column has another length, [`FrameError::Duplicate`] if a name
    /// stands twice, [`FrameError::TooLong`] beyond [`ROWS_MAX`].
    pub fn new<N: Into<Box<str>>>(
        rows: usize,
        columns: impl IntoIterator<Item = (N, Column)>,
    ) -> Result<Self, FrameError> {
        if rows > ROWS_MAX {
            return Err(FrameError::TooLong { rows });
        }
        let mut checked: Vec<(Box<str>, Column)> = Vec::new();
        for (name, column) in columns {
            let name = name.into();
            if column.len() != rows {
                return Err(FrameError::Length { name, expected: rows, found: column.len() });
            }
            if checked.iter().any(|(other, _)| *other == name) {
                return Err(FrameError::Duplicate { name });
            }
            checked.push((name, column));
        }
        Ok(Self { rows, columns: checked.into() })
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Names and columns, in order.
    pub fn columns(&self) -> impl ExactSizeIterator<Item = (&str, &Column)> {
        self.columns.iter().map(|(name, column)| (&**name, column))
    }

    /// The column of that name.
    ///
    /// # Errors
    /// [`FrameError::NoColumn`], which lists the columns that exist.
    pub fn column(&self, name: &str) -> Result<&Column, FrameError> {
        self.columns().find(|(other, _)| *other == name).map(|(_, column)| column).ok_or_else(
            || FrameError::NoColumn {
                name: name.into(),
                have: self.columns().map(|(name, _)| name).collect::<Vec<_>>().join(", "),
            },
        )
    }

    /// The values of a uint32 column.
    ///
    /// # Errors
    /// [`FrameError::NoColumn`] or [`FrameError::WrongType`]; so for the other four.
    pub fn uint32(&self, name: &str) -> Result<&[u32], FrameError> {
        match self.column(name)? {
            Column::Uint32(values) => Ok(values),
            other => Err(wrong_type(name, ColumnType::Uint32, other)),
        }
    }

    /// The values of a uint64 column.
    ///
    /// # Errors
    /// As [`Frame::uint32`].
    pub fn uint64(&self, name: &str) -> Result<&[u64], FrameError> {
        match self.column(name)? {
            Column::Uint64(values) => Ok(values),
            other => Err(wrong_type(name, ColumnType::Uint64, other)),
        }
    }

    /// The values of an int64 column.
    ///
    /// # Errors
    /// As [`Frame::uint32`].
    pub fn int64(&self, name: &str) -> Result<&[i64], FrameError> {
        match self.column(name)? {
            Column::Int64(values) => Ok(values),
            other => Err(wrong_type(name, ColumnType::Int64, other)),
        }
    }

    /// The values of a float64 column.
    ///
    /// # Errors
    /// As [`Frame::uint32`].
    pub fn float64(&self, name: &str) -> Result<&[f64], FrameError> {
        match self.column(name)? {
            Column::Float64(values) => Ok(values),
            other => Err(wrong_type(name, ColumnType::Float64, other)),
        }
    }

    /// The codes of a text column.
    ///
    /// # Errors
    /// As [`Frame::uint32`].
    pub fn text(&self, name: &str) -> Result<&[u32], FrameError> {
        match self.column(name)? {
            Column::Text(values) => Ok(values),
            other => Err(wrong_type(name, ColumnType::Text, other)),
        }
    }

    /// A frame of the named columns, in this order, sharing their data.
    ///
    /// # Errors
    /// [`FrameError::NoColumn`] or [`FrameError::Duplicate`].
    pub fn select(&self, names: &[impl AsRef<str>]) -> Result<Self, FrameError> {
        let columns = names
            .iter()
            .map(|name| Ok((name.as_ref(), self.column(name.as_ref())?.clone())))
            .collect::<Result<Vec<_>, FrameError>>()?;
        Self::new(self.rows, columns)
    }

    /// A frame of these rows, in this order; a row may stand more than once.
    ///
    /// # Errors
    /// [`FrameError::NoRow`] if a row does not exist.
    pub fn take(&self, rows: &[u32]) -> Result<Self, FrameError> {
        if let Some(&row) = rows.iter().find(|&&row| row as usize >= self.rows) {
            return Err(FrameError::NoRow { row, rows: self.rows });
        }
        Self::new(rows.len(), self.columns().map(|(name, column)| (name, column.take(rows))))
    }

    /// Where each of these codes stands first in a text column; [`ABSENT`] for one that does not stand
    /// there, and for the absent one. Linear in both.
    ///
    /// # Errors
    /// As [`Frame::text`].
    pub fn find(&self, column: &str, codes: &[u32]) -> Result<Vec<u32>, FrameError> {
        let values = self.text(column)?;
        Ok(match Suited::to(codes) {
            Suited::Dense(words) => find(values, codes, words),
            Suited::Sparse(words) => find(values, codes, Sieve::before(words)),
        })
    }

    /// The rows that have a value in a column, ascending.
    ///
    /// # Errors
    /// [`FrameError::NoColumn`].
    pub fn present(&self, column: &str) -> Result<Vec<u32>, FrameError> {
        fn rows<T: Copy>(values: &[T], is_there: impl Fn(T) -> bool) -> Vec<u32> {
            (0..).zip(values).filter(|(_, value)| is_there(**value)).map(|(row, _)| row).collect()
        }
        Ok(match self.column(column)? {
            Column::Uint32(values) | Column::Text(values) => rows(values, |value| value != ABSENT),
            Column::Uint64(values) => rows(values, |value| value != ABSENT_U64),
            Column::Int64(values) => rows(values, |value| value != ABSENT_I64),
            Column::Float64(values) => rows(values, |value| !value.is_nan()),
        })
    }

    /// The `row` column of a child frame, checked: it points into a parent of `parent_rows` rows and
    /// never falls.
    ///
    /// # Errors
    /// [`FrameError::NoRow`] or [`FrameError::Unsorted`], beside those of [`Frame::uint32`].
    pub fn child_rows(&self, parent_rows: usize) -> Result<&[u32], FrameError> {
        let rows = self.uint32("row")?;
        if let Some(&row) = rows.iter().find(|&&row| row as usize >= parent_rows) {
            return Err(FrameError::NoRow { row, rows: parent_rows });
        }
        match rows.windows(2).position(|pair| pair[0] > pair[1]) {
            Some(at) => Err(FrameError::Unsorted { at: at + 1 }),
            None => Ok(rows),
        }
    }
}

fn find(values: &[u32], codes: &[u32], mut words: impl Words) -> Vec<u32> {
    // 0: not asked for; 1: not seen yet; else the row, plus two.
    for &code in codes.iter().filter(|code| **code != ABSENT) {
        *words.word(code) = 1;
    }
    for (row, &value) in (0_u32..).zip(values) {
        if words.get(value) == 1 {
            *words.word(value) = row + 2;
        }
    }
    codes.iter().map(|&code| words.get(code).checked_sub(2).unwrap_or(ABSENT)).collect()
}

fn wrong_type(name: &str, expected: ColumnType, found: &Column) -> FrameError {
    FrameError::WrongType { name: name.into(), expected, found: found.kind() }
}

/// What is wrong with a frame, or with what was asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// There is no column of this name; `have` lists those that are.
    NoColumn {
        /// The name asked for.
        name: Box<str>,
        /// The names that exist.
        have: String,
    },
    /// The column has another type.
    WrongType {
        /// The column.
        name: Box<str>,
        /// The type asked for.
        expected: ColumnType,
        /// The type it has.
        found: ColumnType,
    },
    /// A column's length is not the frame's.
    Length {
        /// The column.
        name: Box<str>,
        /// The frame's rows.
        expected: usize,
        /// The column's values.
        found: usize,
    },
    /// Two columns of one name.
    Duplicate {
        /// The name.
        name: Box<str>,
    },
    /// A row that does not exist.
    NoRow {
        /// The row asked for.
        row: u32,
        /// The rows there are.
        rows: usize,
    },
    /// A child frame whose `row` column falls.
    Unsorted {
        /// The first row that is smaller than the one before.
        at: usize,
    },
    /// More rows than a row index can name.
    TooLong {
        /// The rows asked for.
        rows: usize,
    },
}

impl fmt::Display for FrameError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoColumn { name, have } => {
                write!(formatter, "no column '{name}' (there are: {have})")
            }
            Self::WrongType { name, expected, found } => {
                write!(formatter, "column '{name}' is {found}, not {expected}")
            }
            Self::Length { name, expected, found } => {
                write!(formatter, "column '{name}' has {found} values for {expected} rows")
            }
            Self::Duplicate { name } => write!(formatter, "column '{name}' stands twice"),
            Self::NoRow { row, rows } => {
                write!(formatter, "row {row} does not exist (there are {rows})")
            }
            Self::Unsorted { at } => {
                write!(formatter, "column 'row' of a child frame falls at row {at}")
            }
            Self::TooLong { rows } => write!(formatter, "{rows} rows are more than {ROWS_MAX}"),
        }
    }
}

impl std::error::Error for FrameError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Frame {
        Frame::new(3, [("a", Column::from(vec![5u32, 6, 7])), ("t", Column::text(vec![0, 1, 0]))])
            .unwrap()
    }

    #[test]
    fn columns_are_read_by_name_and_type() {
        let frame = sample();
        assert_eq!(frame.uint32("a").unwrap(), [5, 6, 7]);
        assert_eq!(frame.text("t").unwrap(), [0, 1, 0]);
        assert_eq!(frame.text("a").unwrap_err().to_string(), "column 'a' is uint32, not text");
        assert_eq!(frame.uint64("b").unwrap_err().to_string(), "no column 'b' (there are: a, t)");
    }

    #[test]
    fn a_frame_refuses_ragged_and_repeated_columns() {
        let ragged = Frame::new(2, [("a", Column::from(vec![1u32]))]);
        assert_eq!(ragged.unwrap_err().to_string(), "column 'a' has 1 values for 2 rows");
        let twice =
            Frame::new(1, [("a", Column::from(vec![1u32])), ("a", Column::from(vec![1u32]))]);
        assert_eq!(twice.unwrap_err().to_string(), "column 'a' stands twice");
    }

    #[test]
    fn select_and_take_keep_the_asked_order() {
        let frame = sample().select(&["t", "a"]).unwrap().take(&[2, 0, 2]).unwrap();
        assert_eq!(frame.columns().map(|(name, _)| name).collect::<Vec<_>>(), ["t", "a"]);
        assert_eq!(frame.uint32("a").unwrap(), [7, 5, 7]);
        assert!(matches!(sample().take(&[3]), Err(FrameError::NoRow { row: 3, rows: 3 })));
    }

    #[test]
    fn codes_are_found_where_they_stand_first_near_and_far() {
        for far in [1, 1_000_000] {
            let code = |number: u32| number * far + 3;
            let values = vec![code(5), code(2), ABSENT, code(5), code(9)];
            let frame = Frame::new(5, [("t", Column::text(values))]).unwrap();
            let found = |codes: &[u32]| frame.find("t", codes).unwrap();
            let asked = [code(9), code(5), 0, ABSENT, code(5), code(7), code(40)];
            assert_eq!(found(&asked), [4, 0, ABSENT, ABSENT, 0, ABSENT, ABSENT]);
            assert_eq!((found(&[]), found(&[ABSENT])), (vec![], vec![ABSENT]));
            assert_eq!(found(&[code(2)]), [1]);
        }
    }

    #[test]
    fn a_childs_rows_point_into_the_parent_and_never_fall() {
        let child = |rows: Vec<u32>| Frame::new(rows.len(), [("row", Column::from(rows))]).unwrap();
        assert!(child(vec![0, 0, 2]).child_rows(3).is_ok());
        assert!(matches!(child(vec![0, 3]).child_rows(3), Err(FrameError::NoRow { row: 3, .. })));
        assert!(matches!(child(vec![1, 0]).child_rows(3), Err(FrameError::Unsorted { at: 1 })));
    }
}
