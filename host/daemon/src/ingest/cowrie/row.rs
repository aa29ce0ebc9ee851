//! The JSON of a row, of which only those fields are kept that some event needs.
//!
//! Any value is read as text if it can be one, so that no type that a writer chose or changed costs a
//! row. What nothing needs (`message` above all, which repeats the others) is stepped over. The fields
//! lie in one array that is filled in place: a struct of thirty texts, handed up through the layers of
//! a decoder, takes longer to move than to read.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::super::field::Text;
use super::super::hassh;
use super::super::sighting::PublicKey;

/// A field that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Eventid,
    Timestamp,
    AtTimestamp,
    Epoch,
    Sensor,
    Session,
    SrcIp,
    Protocol,
    System,
    DstIp,
    DstPort,
    Version,
    Hassh,
    Username,
    Password,
    Offered,
    Fingerprint,
    Width,
    Height,
    Input,
    Url,
    Shasum,
    Ja3,
    Ja4,
    Ja4h,
    Ttylog,
    Duplicate,
}

impl Key {
    const COUNT: usize = Self::Duplicate as usize + 1;

    fn find(name: &str) -> Option<Self> {
        Some(match name {
            "eventid" => Self::Eventid,
            "timestamp" => Self::Timestamp,
            "@timestamp" => Self::AtTimestamp,
            "epoch" => Self::Epoch,
            "sensor" => Self::Sensor,
            "session" => Self::Session,
            "src_ip" => Self::SrcIp,
            "protocol" => Self::Protocol,
            "system" => Self::System,
            // T-Pot renames these two on their way into Elasticsearch.
            "dst_ip" | "dest_ip" => Self::DstIp,
            "dst_port" | "dest_port" => Self::DstPort,
            "version" => Self::Version,
            "hassh" => Self::Hassh,
            "username" => Self::Username,
            "password" => Self::Password,
            "key" => Self::Offered,
            "fingerprint" => Self::Fingerprint,
            "width" => Self::Width,
            "height" => Self::Height,
            "input" => Self::Input,
            "url" => Self::Url,
            "shasum" => Self::Shasum,
            "ja3" => Self::Ja3,
            "ja4" => Self::Ja4,
            "ja4h" => Self::Ja4h,
            "ttylog" => Self::Ttylog,
            "duplicate" => Self::Duplicate,
            _ => return None,
        })
    }
}

/// The lists that a HASSH is made of, in its order.
const LISTS: [&str; 4] = ["kexAlgs", "encCS", "macCS", "compCS"];

/// The fields of a row.
#[derive(Default)]
pub(super) struct Row<'a> {
    fields: [Option<Cow<'a, str>>; Key::COUNT],
    lists: [Option<&'a RawValue>; LISTS.len()],
}

impl<'a> Row<'a> {
    /// Reads the fields of a JSON object. (In place: what is filled is not moved.)
    pub(super) fn read(&mut self, text: &'a str) -> Result<(), serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        Fill(self).deserialize(&mut deserializer)?;
        deserializer.end()
    }

    /// A field's text, if there is any.
    pub(super) fn get(&self, key: Key) -> Option<&str> {
        self.fields.get(key as usize)?.as_deref().filter(|text| !text.is_empty())
    }

    /// The same, to keep.
    pub(super) fn take(&mut self, key: Key) -> Option<Cow<'a, str>> {
        self.take_even_empty(key).filter(|text| !text.is_empty())
    }

    /// The same, where an empty text says something.
    pub(super) fn take_even_empty(&mut self, key: Key) -> Option<Cow<'a, str>> {
        self.fields.get_mut(key as usize)?.take()
    }

    /// The public key, in either form.
    pub(super) fn public_key(&mut self) -> Option<PublicKey<'a>> {
        let (key, fingerprint) = (self.take(Key::Offered), self.take(Key::Fingerprint));
        (key.is_some() || fingerprint.is_some()).then_some(PublicKey { key, fingerprint })
    }

    /// The HASSH as logged; else from the lists, which logs before September 2018 have in
    /// `client.version`.
    pub(super) fn hassh(&mut self) -> Option<Cow<'a, str>> {
        if let Some(hassh) = self.take(Key::Hassh) {
            return Some(hassh);
        }
        let [kex, encryption, mac, compression] =
            self.lists.map(|list| serde_json::from_str::<Vec<Text<'_>>>(list?.get()).ok());
        let lists = (kex?, encryption?, mac?, compression?);
        Some(Cow::Owned(hassh::of(
            &texts(&lists.0),
            &texts(&lists.1),
            &texts(&lists.2),
            &texts(&lists.3),
        )))
    }
}

fn texts<'t>(list: &'t [Text<'_>]) -> Vec<&'t str> {
    list.iter().filter_map(|text| text.0.as_deref()).collect()
}

/// Fills a row.
struct Fill<'r, 'a>(&'r mut Row<'a>);

impl<'de> DeserializeSeed<'de> for Fill<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fill<'_, 'de> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let row = self.0;
        while let Some(target) = entries.next_key::<Target>()? {
            match target {
                Target::Field(key) => {
                    let Text(text) = entries.next_value()?;
                    // Of a field that is there twice, in its old name and its new, one is enough.
                    if let Some(field) = row.fields.get_mut(key as usize).filter(|_| text.is_some())
                    {
                        *field = text;
                    }
                }
                Target::List(at) => {
                    let list = entries.next_value()?;
                    if let Some(slot) = row.lists.get_mut(at) {
                        *slot = Some(list);
                    }
                }
                Target::Nothing => {
                    entries.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// Where the value of a key goes.
enum Target {
    Field(Key),
    List(usize),
    Nothing,
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_identifier(TargetVisitor)
    }
}

struct TargetVisitor;

impl Visitor<'_> for TargetVisitor {
    type Value = Target;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Target, E> {
        if let Some(key) = Key::find(name) {
            return Ok(Target::Field(key));
        }
        Ok(LISTS.iter().position(|list| *list == name).map_or(Target::Nothing, Target::List))
    }
}
