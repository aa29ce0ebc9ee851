//! Values on their way to the database.

use std::borrow::Cow;
use std::sync::Arc;

/// A value that is bound to a statement. An absent one has a type too: PostgreSQL wants to know.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::store) enum Value {
    /// A text, a name, a time of DECNET's.
    Text(Option<Text>),
    /// A number, a time of ours, or whether (0 or 1).
    Int(Option<i64>),
    /// A measure.
    Float(Option<f64>),
    /// Bytes.
    Blob(Option<Vec<u8>>),
}

/// A text, shared or owned.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::store) enum Text {
    /// As it stands in the program.
    Static(&'static str),
    /// Shared with others.
    Shared(Arc<str>),
    /// Our own.
    Owned(String),
}

impl Text {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Static(text) => text,
            Self::Shared(text) => text,
            Self::Owned(text) => text,
        }
    }
}

macro_rules! from {
    ($($from:ty => $variant:ident, $with:expr;)*) => {
        $(
            impl From<$from> for Value {
                fn from(value: $from) -> Self {
                    Self::$variant(Some(($with)(value)))
                }
            }

            impl From<Option<$from>> for Value {
                fn from(value: Option<$from>) -> Self {
                    Self::$variant(value.map($with))
                }
            }
        )*
    };
}

from! {
    &str => Text, |text: &str| Text::Owned(text.to_owned());
    &String => Text, |text: &String| Text::Owned(text.clone());
    String => Text, Text::Owned;
    Arc<str> => Text, Text::Shared;
    Cow<'_, str> => Text, |text: Cow<'_, str>| Text::Owned(text.into_owned());
    i64 => Int, |number| number;
    &i64 => Int, |number: &i64| *number;
    u32 => Int, i64::from;
    bool => Int, i64::from;
    f64 => Float, |measure| measure;
    Vec<u8> => Blob, |bytes| bytes;
}

impl From<&Option<String>> for Value {
    fn from(value: &Option<String>) -> Self {
        value.as_ref().into()
    }
}

/// A text of the program, which nobody copies.
pub(in crate::store) fn fixed(text: &'static str) -> Value {
    Value::Text(Some(Text::Static(text)))
}
