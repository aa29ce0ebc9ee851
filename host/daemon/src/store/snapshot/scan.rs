//! One query, straight into columns.

use corral_kernels::{ABSENT, Column, Frame, FrameError, Interner, column::ABSENT_I64};
use futures_util::TryStreamExt;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::store::{StoreError, encoding};

/// How a result column becomes a frame's column.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Text, interned.
    Text,
    /// A small number; one that does not fit is absent.
    Uint32,
    /// Microseconds, as `corral_*` tables have them.
    Int64,
    /// A measure.
    Float64,
    /// A DATETIME of DECNET's tables, as microseconds.
    Moment,
}

enum Builder {
    Text(Vec<u32>),
    Uint32(Vec<u32>),
    Int64(Vec<i64>),
    Float64(Vec<f64>),
    Moment(Vec<i64>),
}

impl Builder {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text(Vec::new()),
            Kind::Uint32 => Self::Uint32(Vec::new()),
            Kind::Int64 => Self::Int64(Vec::new()),
            Kind::Float64 => Self::Float64(Vec::new()),
            Kind::Moment => Self::Moment(Vec::new()),
        }
    }

    // Unchecked: SQLite types values, not columns, and an expression has no declared type at all.
    fn push(&mut self, row: &SqliteRow, at: usize, texts: &Interner) -> Result<(), StoreError> {
        match self {
            Self::Text(values) => {
                let text: Option<&str> = row.try_get_unchecked(at)?;
                values.push(text.map_or(Ok(ABSENT), |text| texts.code(text))?);
            }
            Self::Uint32(values) => {
                let number: Option<i64> = row.try_get_unchecked(at)?;
                values.push(number.and_then(|number| u32::try_from(number).ok()).unwrap_or(ABSENT));
            }
            Self::Int64(values) => {
                let number: Option<i64> = row.try_get_unchecked(at)?;
                values.push(number.unwrap_or(ABSENT_I64));
            }
            Self::Float64(values) => {
                let number: Option<f64> = row.try_get_unchecked(at)?;
                values.push(number.unwrap_or(f64::NAN));
            }
            Self::Moment(values) => {
                let text: Option<&str> = row.try_get_unchecked(at)?;
                let moment = text.and_then(encoding::parse_datetime);
                values.push(moment.map_or(ABSENT_I64, |moment| moment.micros()));
            }
        }
        Ok(())
    }

    fn finish(self) -> Column {
        match self {
            Self::Text(codes) => Column::text(codes),
            Self::Uint32(values) => values.into(),
            Self::Int64(values) | Self::Moment(values) => values.into(),
            Self::Float64(values) => values.into(),
        }
    }
}

/// A column without values.
pub(super) fn column(kind: Kind) -> Column {
    Builder::new(kind).finish()
}

/// Runs `sql` and turns result column i into frame column `columns[i]`.
pub(super) async fn scan(
    connection: &mut SqliteConnection,
    texts: &Interner,
    sql: &'static str,
    columns: &[(&'static str, Kind)],
    bind: &[&str],
) -> Result<Frame, StoreError> {
    let mut builders: Vec<Builder> = columns.iter().map(|(_, kind)| Builder::new(*kind)).collect();
    let mut query = sqlx::query(sql);
    for value in bind {
        query = query.bind(*value);
    }
    let mut rows = query.fetch(connection);
    let mut count = 0;
    while let Some(row) = rows.try_next().await? {
        for (at, builder) in builders.iter_mut().enumerate() {
            builder.push(&row, at, texts)?;
        }
        count += 1;
    }
    let names = columns.iter().map(|(name, _)| *name);
    Frame::new(count, names.zip(builders.into_iter().map(Builder::finish))).map_err(not_as_scanned)
}

/// A frame that we have just built lacks what we have just put into it.
pub(super) fn not_as_scanned(error: FrameError) -> StoreError {
    StoreError::Corrupt { table: "view", row: String::new(), reason: error.to_string() }
}
