//! One typed column of a frame: a shared, immutable slice in Arrow's layout.
//!
//! Absent values have a reserved bit pattern instead of a validity bitmap, because every reader
//! (kernel, plugin, SQL) then compares plain numbers.

use std::fmt;
use std::sync::Arc;

/// The absent value of a uint32 or text column.
pub const ABSENT: u32 = u32::MAX;
/// The absent value of a uint64 column.
pub const ABSENT_U64: u64 = u64::MAX;
/// The absent value of an int64 column.
pub const ABSENT_I64: i64 = i64::MIN;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// Counts, row indices and other small numbers; absent is [`ABSENT`].
    Uint32,
    /// Hashes and large counts; absent is [`ABSENT_U64`].
    Uint64,
    /// Times, in microseconds of UTC since 1970-01-01; absent is [`ABSENT_I64`].
    Int64,
    /// Measures; absent is NaN.
    Float64,
    /// Codes of an [`Interner`](crate::Interner); absent is [`ABSENT`].
    Text,
}

impl fmt::Display for ColumnType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Int64 => "int64",
            Self::Float64 => "float64",
            Self::Text => "text",
        })
    }
}

/// A typed, immutable column. Cloning shares the data, and making one of values copies none: these may be many. Two columns are equal if they have the same bits,
/// so an absent measure equals another.
#[derive(Clone, Debug)]
pub enum Column {
    /// See [`ColumnType::Uint32`].
    Uint32(Arc<Vec<u32>>),
    /// See [`ColumnType::Uint64`].
    Uint64(Arc<Vec<u64>>),
    /// See [`ColumnType::Int64`].
    Int64(Arc<Vec<i64>>),
    /// See [`ColumnType::Float64`].
    Float64(Arc<Vec<f64>>),
    /// See [`ColumnType::Text`].
    Text(Arc<Vec<u32>>),
}

impl Column {
    /// A text column from codes.
    pub fn text(codes: Vec<u32>) -> Self {
        Self::Text(shared(codes))
    }

    /// What it holds.
    pub fn kind(&self) -> ColumnType {
        match self {
            Self::Uint32(_) => ColumnType::Uint32,
            Self::Uint64(_) => ColumnType::Uint64,
            Self::Int64(_) => ColumnType::Int64,
            Self::Float64(_) => ColumnType::Float64,
            Self::Text(_) => ColumnType::Text,
        }
    }

    /// The number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::Uint32(values) | Self::Text(values) => values.len(),
            Self::Uint64(values) => values.len(),
            Self::Int64(values) => values.len(),
            Self::Float64(values) => values.len(),
        }
    }

    /// Whether it has no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values at `rows`, in that order. The caller has checked that every row exists.
    pub(crate) fn take(&self, rows: &[u32]) -> Self {
        fn gather<T: Copy>(values: &[T], rows: &[u32]) -> Arc<Vec<T>> {
            Arc::new(rows.iter().map(|&row| values[row as usize]).collect())
        }
        match self {
            Self::Uint32(values) => Self::Uint32(gather(values, rows)),
            Self::Uint64(values) => Self::Uint64(gather(values, rows)),
            Self::Int64(values) => Self::Int64(gather(values, rows)),
            Self::Float64(values) => Self::Float64(gather(values, rows)),
            Self::Text(values) => Self::Text(gather(values, rows)),
        }
    }
}

impl PartialEq for Column {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Uint32(a), Self::Uint32(b)) | (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Uint64(a), Self::Uint64(b)) => a == b,
            (Self::Int64(a), Self::Int64(b)) => a == b,
            (Self::Float64(a), Self::Float64(b)) => {
                a.iter().map(|value| value.to_bits()).eq(b.iter().map(|value| value.to_bits()))
            }
            _ => false,
        }
    }
}

/// Values that nobody adds to any more.
fn shared<T>(mut values: Vec<T>) -> Arc<Vec<T>> {
    values.shrink_to_fit();
    Arc::new(values)
}

impl From<Vec<u32>> for Column {
    fn from(values: Vec<u32>) -> Self {
        Self::Uint32(shared(values))
    }
}

impl From<Vec<u64>> for Column {
    fn from(values: Vec<u64>) -> Self {
        Self::Uint64(shared(values))
    }
}

impl From<Vec<i64>> for Column {
    fn from(values: Vec<i64>) -> Self {
        Self::Int64(shared(values))
    }
}

impl From<Vec<f64>> for Column {
    fn from(values: Vec<f64>) -> Self {
        Self::Float64(shared(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_equal_by_their_bits() {
        let of = |values: &[f64]| Column::from(values.to_vec());
        assert_eq!(of(&[f64::NAN, 1.0]), of(&[f64::NAN, 1.0]));
        assert_ne!(of(&[0.0]), of(&[-0.0]));
        assert_ne!(Column::from(vec![1_u32]), Column::text(vec![1]));
    }
}
