//! One query, straight into columns.
//!
//! The driver hands values from its own thread to ours one by one, each an allocation here and a release
//! there; a row of five costs four microseconds that way. So a row travels as one JSON text, which the
//! database writes and this file reads into the columns in well under a microsecond each; of a whole table,
//! [`pages`](super::pages) have some thousands travel together. Only measures travel beside it: the database
//! writes them with too few digits to name every double. What comes from a server comes in whole packets, and is
//! read as it is.

use std::fmt;

use corral_kernels::column::ABSENT_I64;
use corral_kernels::text::InternerFull;
use corral_kernels::{ABSENT, Column, Frame, FrameError, Interner};
use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};

use crate::store::db::{Cell as Given, Connection, Dialect, Row, Sql, query};
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

/// A column, its kind, and the expression that gives it.
pub(super) type Selected = (&'static str, Kind, &'static str);

pub(super) enum Builder {
    Text(Vec<u32>),
    Uint32(Vec<u32>),
    Int64(Vec<i64>),
    Float64(Vec<f64>),
    Moment(Vec<i64>),
}

impl Builder {
    pub(super) fn new(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text(Vec::new()),
            Kind::Uint32 => Self::Uint32(Vec::new()),
            Kind::Int64 => Self::Int64(Vec::new()),
            Kind::Float64 => Self::Float64(Vec::new()),
            Kind::Moment => Self::Moment(Vec::new()),
        }
    }

    pub(super) fn finish(self) -> Column {
        match self {
            Self::Text(codes) => Column::text(codes),
            Self::Uint32(values) => values.into(),
            Self::Int64(values) | Self::Moment(values) => values.into(),
            Self::Float64(values) => values.into(),
        }
    }
}

/// Where texts get their codes, and what became of that.
pub(super) struct Coder<'a> {
    interner: &'a Interner,
    full: Option<InternerFull>,
}

impl<'a> Coder<'a> {
    pub(super) fn of(interner: &'a Interner) -> Self {
        Self { interner, full: None }
    }

    /// What reading failed of.
    pub(super) fn failed(&mut self, error: &impl fmt::Display) -> StoreError {
        self.full.take().map_or_else(|| unreadable(error), StoreError::Text)
    }
}

/// Reads one element of a row into its column.
struct Cell<'a, 't> {
    builder: &'a mut Builder,
    texts: &'a mut Coder<'t>,
}

impl<'de> DeserializeSeed<'de> for Cell<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Cell<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value of a row")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        match self.builder {
            Builder::Text(values) | Builder::Uint32(values) => values.push(ABSENT),
            Builder::Int64(values) | Builder::Moment(values) => values.push(ABSENT_I64),
            Builder::Float64(_) => return Err(E::custom("a measure is no part of the text")),
        }
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        match self.builder {
            Builder::Text(values) => match self.texts.interner.code(text) {
                Ok(code) => values.push(code),
                Err(full) => {
                    self.texts.full = Some(full);
                    return Err(E::custom("no room for a text"));
                }
            },
            Builder::Moment(values) => {
                let moment = encoding::parse_datetime(text);
                values.push(moment.map_or(ABSENT_I64, |moment| moment.micros()));
            }
            _ => return Err(E::custom("a text where none belongs")),
        }
        Ok(())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        match self.builder {
            Builder::Uint32(values) => values.push(u32::try_from(number).unwrap_or(ABSENT)),
            Builder::Int64(values) => values.push(number),
            _ => return Err(E::custom("a number where none belongs")),
        }
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.visit_i64(i64::try_from(number).map_err(E::custom)?)
    }
}

/// Reads one row into the columns.
pub(super) struct Cells<'a, 't> {
    pub(super) builders: &'a mut [Builder],
    pub(super) texts: &'a mut Coder<'t>,
}

impl<'de> Visitor<'de> for Cells<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a row")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut row: A) -> Result<(), A::Error> {
        let in_json = |builder: &&mut Builder| !matches!(builder, Builder::Float64(_));
        for builder in self.builders.iter_mut().filter(in_json) {
            let cell = Cell { builder, texts: &mut *self.texts };
            row.next_element_seed(cell)?.ok_or_else(|| A::Error::custom("a row is too short"))?;
        }
        Ok(())
    }
}

/// A column without values.
pub(super) fn column(kind: Kind) -> Column {
    Builder::new(kind).finish()
}

/// Reads the `columns` of the rows that `from` names.
pub(super) async fn scan(
    connection: &mut Connection,
    texts: &Interner,
    from: &Sql,
    columns: &[Selected],
    bind: &[&str],
) -> Result<Frame, StoreError> {
    let mut builders: Vec<Builder> =
        columns.iter().map(|(_, kind, _)| Builder::new(*kind)).collect();
    let is_packed = matches!(connection.dialect(), Dialect::Sqlite);
    let select = format!("SELECT {} ", expressions(columns, is_packed));
    let sql = from.prefixed(&select, connection.dialect());
    let query = bind.iter().fold(query(sql), |query, value| query.bind(*value));
    let mut texts = Coder::of(texts);
    let mut count = 0;
    query
        .each(connection, |row| {
            count += 1;
            let read = if is_packed { read_packed } else { read };
            read(row, &mut builders, &mut texts)
        })
        .await?;
    let names = columns.iter().map(|(name, ..)| *name);
    Frame::new(count, names.zip(builders.into_iter().map(Builder::finish))).map_err(not_as_scanned)
}

impl<'de> DeserializeSeed<'de> for Cells<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

/// Reads a row into the columns, value by value.
fn read(row: &Row, builders: &mut [Builder], texts: &mut Coder<'_>) -> Result<(), StoreError> {
    for (at, builder) in builders.iter_mut().enumerate() {
        let given = row.cell(at)?;
        if let Builder::Float64(values) = builder {
            values.push(measure(&given));
            continue;
        }
        let cell = Cell { builder, texts: &mut *texts };
        let taken: Result<(), serde_json::Error> = match given {
            Given::Null => cell.visit_unit(),
            Given::Int(number) => cell.visit_i64(number),
            Given::Text(text) => cell.visit_str(&text),
            Given::Float(_) | Given::Blob(_) => return Err(unreadable(&"a value of another kind")),
        };
        if let Err(error) = taken {
            return Err(texts.failed(&error));
        }
    }
    Ok(())
}

/// Reads a row into the columns that SQLite packed into one text.
fn read_packed(
    row: &Row,
    builders: &mut [Builder],
    texts: &mut Coder<'_>,
) -> Result<(), StoreError> {
    let Given::Text(json) = row.cell(0)? else { return Err(unreadable(&"no text")) };
    let mut json = serde_json::Deserializer::from_str(&json);
    if let Err(error) = (&mut json).deserialize_seq(Cells { builders, texts }) {
        return Err(texts.failed(&error));
    }
    let measures = builders.iter_mut().filter_map(|builder| match builder {
        Builder::Float64(values) => Some(values),
        _ => None,
    });
    for (values, at) in measures.zip(1..) {
        values.push(measure(&row.cell(at)?));
    }
    Ok(())
}

/// A measure; what is none is absent.
#[expect(clippy::cast_precision_loss, reason = "a measure that is a whole number is a small one")]
fn measure(given: &Given<'_>) -> f64 {
    match given {
        Given::Float(measure) => *measure,
        Given::Int(number) => *number as f64,
        _ => f64::NAN,
    }
}

/// What is selected: packed, one JSON text, and the measures; otherwise all.
pub(super) fn expressions(columns: &[Selected], is_packed: bool) -> String {
    let (measures, others): (Vec<&Selected>, Vec<&Selected>) =
        columns.iter().partition(|(_, kind, _)| matches!(kind, Kind::Float64));
    let list = |columns: &[&Selected]| {
        columns.iter().map(|(.., expression)| *expression).collect::<Vec<_>>().join(", ")
    };
    if !is_packed {
        return list(&columns.iter().collect::<Vec<_>>());
    }
    let json = format!("json_array({})", list(&others));
    if measures.is_empty() { json } else { format!("{json}, {}", list(&measures)) }
}

/// A row that breaks what the schema promises.
fn unreadable(error: &impl fmt::Display) -> StoreError {
    StoreError::Corrupt { table: "view", row: String::new(), reason: error.to_string() }
}

/// A frame that we have just built lacks what we have just put into it.
pub(super) fn not_as_scanned(error: FrameError) -> StoreError {
    StoreError::Corrupt { table: "view", row: String::new(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::db::sqlite;
    use std::time::Duration;

    async fn connection() -> (Connection, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("corral.db").display());
        let options = sqlite::options(&url, Duration::from_secs(5)).unwrap();
        (sqlite::pools(options, 1, Duration::from_secs(5)).writer.acquire().await.unwrap(), folder)
    }

    #[tokio::test]
    async fn every_double_comes_back_to_the_bit() {
        let (mut connection, _folder) = connection().await;
        let create = query("CREATE TABLE t (n INTEGER, x FLOAT)");
        create.execute(&mut connection).await.unwrap();
        let mut bits = 0x9e37_79b9_7f4a_7c15_u64;
        let mut expected = Vec::new();
        for n in 0_i64..20_000 {
            bits ^= bits << 13;
            bits ^= bits >> 7;
            bits ^= bits << 17;
            // Times with microseconds, shares, and any bits that are a number.
            let x = match n % 3 {
                0 => 1_700_000_000.0 + (bits % 1_000_000_000_000) as f64 / 1e6,
                1 => (bits >> 11) as f64 / (1_u64 << 53) as f64,
                _ => Some(f64::from_bits(bits)).filter(|x| x.is_finite()).unwrap_or(0.1),
            };
            expected.push(x.to_bits());
            query("INSERT INTO t VALUES (?, ?)")
                .bind(n)
                .bind(x)
                .execute(&mut connection)
                .await
                .unwrap();
        }
        let texts = Interner::new(1 << 20);
        let columns = [("x", Kind::Float64, "x")];
        let frame = scan(&mut connection, &texts, &Sql::of("FROM t ORDER BY n"), &columns, &[])
            .await
            .unwrap();
        let found: Vec<u64> = frame.float64("x").unwrap().iter().map(|x| x.to_bits()).collect();
        let wrong = found.iter().zip(&expected).filter(|(a, b)| a != b).count();
        assert_eq!(wrong, 0, "of {}", expected.len());
    }

    #[tokio::test]
    async fn what_is_absent_or_does_not_fit_is_absent() {
        let (mut connection, _folder) = connection().await;
        let texts = Interner::new(1 << 20);
        let columns = [
            ("a", Kind::Text, "NULL"),
            ("b", Kind::Uint32, "4294967296"),
            ("c", Kind::Uint32, "-1"),
            ("d", Kind::Moment, "'no time'"),
            ("e", Kind::Float64, "NULL"),
            ("f", Kind::Text, "'a \"quote\" and \u{fffd}'"),
            ("g", Kind::Int64, "NULL"),
        ];
        let frame = scan(&mut connection, &texts, &Sql::of(""), &columns, &[]).await.unwrap();
        for (name, kind) in [("a", "text"), ("b", ""), ("c", "")] {
            let codes = if kind == "text" { frame.text(name) } else { frame.uint32(name) };
            assert_eq!(codes.unwrap(), [ABSENT], "{name}");
        }
        assert_eq!(frame.int64("d").unwrap(), [ABSENT_I64]);
        assert!(frame.float64("e").unwrap()[0].is_nan());
        let code = texts.code("a \"quote\" and \u{fffd}").unwrap();
        assert_eq!(frame.text("f").unwrap(), [code]);
        assert_eq!(frame.int64("g").unwrap(), [ABSENT_I64]);
    }
}
