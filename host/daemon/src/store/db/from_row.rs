//! A row as a value of ours: whatever serde can make of names and values.
//!
//! A struct takes the columns with the names of its fields, a tuple takes them in their order, anything else
//! is the first column. Bytes are the list that they are. A number is a measure where one is asked for, and a number is whether where that is.

use serde::de::value::{Error, SeqDeserializer, StrDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::{Cell, Row};
use crate::store::StoreError;

/// The row as a `T`.
pub(super) fn from_row<T: DeserializeOwned>(row: &Row) -> Result<T, StoreError> {
    T::deserialize(OfRow(row)).map_err(StoreError::Row)
}

struct OfRow<'r>(&'r Row);

impl<'r> OfRow<'r> {
    fn first(&self) -> Result<OfCell<'r>, Error> {
        cell(self.0, 0)
    }
}

fn cell(row: &Row, at: usize) -> Result<OfCell<'_>, Error> {
    row.cell(at).map(OfCell).map_err(|error| Error::custom(format!("{}: {error:?}", row.name(at))))
}

impl<'de> Deserializer<'de> for OfRow<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.first()?.deserialize_any(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.first()?.deserialize_bool(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.first()?.deserialize_option(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(Cells { row: self.0, at: 0 })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_map(Cells { row: self.0, at: 0 })
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple_struct map enum identifier ignored_any
    }
}

/// The values of a row, from one on.
struct Cells<'r> {
    row: &'r Row,
    at: usize,
}

impl<'de> SeqAccess<'de> for Cells<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        if self.at >= self.row.len() {
            return Ok(None);
        }
        self.at += 1;
        seed.deserialize(cell(self.row, self.at - 1)?).map(Some)
    }
}

impl<'de> MapAccess<'de> for Cells<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        if self.at >= self.row.len() {
            return Ok(None);
        }
        let name = StrDeserializer::new(self.row.name(self.at));
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        self.at += 1;
        seed.deserialize(cell(self.row, self.at - 1)?)
    }
}

struct OfCell<'r>(Cell<'r>);

impl<'de> Deserializer<'de> for OfCell<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Cell::Null => visitor.visit_unit(),
            Cell::Int(number) => visitor.visit_i64(number),
            Cell::Float(measure) => visitor.visit_f64(measure),
            Cell::Text(text) => visitor.visit_str(&text),
            Cell::Blob(bytes) => visitor.visit_bytes(bytes),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Cell::Int(number) => visitor.visit_bool(number != 0),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Cell::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Cell::Blob(bytes) => visitor.visit_seq(SeqDeserializer::new(bytes.iter().copied())),
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct tuple tuple_struct map struct enum identifier ignored_any
    }
}
