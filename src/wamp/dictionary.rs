//! Options and details as their sender wrote them: dictionaries that are still serialized.

use std::{borrow::Cow, fmt};

use bytes::Bytes;
use serde_json::{Map, Value};

use super::{
    DecodeError, Serializer,
    cbor::CborReader,
    json::JsonReader,
    msgpack::MsgPackReader,
    read::{Container, Depth, Ignore, Kind, Reader, Token, walk, walk_from},
    transcode,
};

/// A dictionary of a message, as the bytes in which it came: a slice of the frame, which it keeps in memory.
///
/// What the gateway interprets of it stands in a typed struct beside it; the rest can be passed on or looked up.
#[derive(Clone, PartialEq)]
pub struct Dictionary {
    serializer: Serializer,
    /// Nothing for the empty dictionary, which is the usual one.
    bytes: Option<Bytes>,
}

impl Default for Dictionary {
    fn default() -> Self {
        Self { serializer: Serializer::Json, bytes: None }
    }
}

/// The roles of clients.
const ROLES: [&str; 4] = ["caller", "callee", "publisher", "subscriber"];

/// What stands under a key of a dictionary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Member {
    /// Nothing, or null.
    Absent,
    /// A string.
    Text(String),
    /// Anything else.
    Other,
}

impl Dictionary {
    /// A dictionary that has been found to be one, and not to be empty.
    pub(super) const fn written(serializer: Serializer, bytes: Bytes) -> Self {
        Self { serializer, bytes: Some(bytes) }
    }

    /// Whether nothing is in it.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_none()
    }

    /// How many bytes it has, serialized; 0 if it is empty.
    pub fn size(&self) -> usize {
        self.bytes.as_ref().map_or(0, Bytes::len)
    }

    /// The dictionary as JSON text. What JSON does not have becomes what transcoding makes of it.
    pub fn to_json(&self) -> String {
        let json =
            self.bytes.as_ref().map(|bytes| transcode::value(bytes, self.serializer, Serializer::Json));
        // A dictionary that was decoded has been checked, and the writer of JSON makes UTF-8.
        let json = json.and_then(Result::ok).and_then(|json| String::from_utf8(json.into()).ok());
        json.unwrap_or_else(|| "{}".to_owned())
    }

    /// The string under a key; nothing if there is none, or something else.
    pub fn text(&self, key: &str) -> Option<String> {
        match self.member(key) {
            Member::Text(text) => Some(text),
            Member::Absent | Member::Other => None,
        }
    }

    /// Visits the features in a dictionary of a client's roles, `{"ROLE": {"features": {"FEATURE": true}}}`, each with its value if that is a
    /// boolean.
    ///
    /// Null is no value. An empty list counts as an empty dictionary: languages such as PHP and Lua cannot tell them apart.
    pub(super) fn each_feature(
        &self,
        mut visit: impl FnMut(&str, &str, Option<bool>) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let Some(bytes) = &self.bytes else { return Ok(()) };
        match self.serializer {
            Serializer::Json => JsonReader::new(bytes).and_then(|reader| each_feature(reader, &mut visit)),
            Serializer::MsgPack => each_feature(MsgPackReader::new(bytes), &mut visit),
            Serializer::Cbor => each_feature(CborReader::new(bytes), &mut visit),
        }
    }

    /// What stands under a key. If the key is there twice, the last one counts.
    pub fn member(&self, key: &str) -> Member {
        let Some(bytes) = &self.bytes else { return Member::Absent };
        let found = match self.serializer {
            Serializer::Json => JsonReader::new(bytes).and_then(|reader| member(reader, key)),
            Serializer::MsgPack => member(MsgPackReader::new(bytes), key),
            Serializer::Cbor => member(CborReader::new(bytes), key),
        };
        // A dictionary that was decoded has been checked. Of one that is broken nothing is believed.
        found.unwrap_or(Member::Absent)
    }
}

/// Visits the features that stand in a dictionary of roles.
fn each_feature<'a, R: Reader<'a>>(
    mut reader: R,
    visit: &mut impl FnMut(&str, &str, Option<bool>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let depth = Depth::limited_to(usize::MAX);
    let Some(mut roles) = reader.value()?.container() else { return Ok(()) };
    while reader.more(&mut roles)? {
        let role = key(&mut reader)?;
        let Some(role) = ROLES.into_iter().find(|known| **known == *role) else {
            walk(&mut reader, &mut Ignore, depth)?;
            continue;
        };
        let Some(mut details) = open(&mut reader, || format!("roles.{role}"))? else { continue };
        while reader.more(&mut details)? {
            if key(&mut reader)? != "features" {
                walk(&mut reader, &mut Ignore, depth)?;
                continue;
            }
            let Some(mut features) = open(&mut reader, || format!("roles.{role}.features"))? else {
                continue;
            };
            while reader.more(&mut features)? {
                let feature = key(&mut reader)?;
                match reader.value()? {
                    Token::Bool(value) => visit(role, &feature, Some(value))?,
                    Token::Null => {}
                    other => {
                        visit(role, &feature, None)?;
                        walk_from(other, &mut reader, &mut Ignore, depth)?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// A dictionary's next key; one that is no string is none that anything is looked for under.
fn key<'a>(reader: &mut impl Reader<'a>) -> Result<Cow<'a, str>, DecodeError> {
    Ok(match reader.key()? {
        Token::Text(text) => text.into_str(),
        _ => Cow::default(),
    })
}

/// Begins a dictionary; nothing for null and the empty list.
fn open<'a>(
    reader: &mut impl Reader<'a>,
    what: impl FnOnce() -> String,
) -> Result<Option<Container>, DecodeError> {
    let value = reader.value()?;
    let is_nothing = match value.container() {
        Some(container) if container.kind == Kind::Dict => return Ok(Some(container)),
        Some(mut list) => list.kind == Kind::List && !reader.more(&mut list)?,
        None => matches!(value, Token::Null),
    };
    if is_nothing {
        return Ok(None);
    }
    Err(DecodeError::Invalid(format!("HELLO.Details: {}: expected a dictionary", what())))
}

fn member<'a, R: Reader<'a>>(mut reader: R, wanted: &str) -> Result<Member, DecodeError> {
    let mut found = Member::Absent;
    let Some(mut dict) = reader.value()?.container() else { return Ok(found) };
    let depth = Depth::limited_to(usize::MAX);
    while reader.more(&mut dict)? {
        let is_wanted = match reader.key()? {
            Token::Text(key) => *key.into_str() == *wanted,
            _ => false,
        };
        let value = match reader.value()? {
            Token::Null => Member::Absent,
            Token::Text(text) if is_wanted => Member::Text(text.into_str().into_owned()),
            other => {
                walk_from(other, &mut reader, &mut Ignore, depth)?;
                Member::Other
            }
        };
        if is_wanted {
            found = value;
        }
    }
    Ok(found)
}

impl From<Map<String, Value>> for Dictionary {
    fn from(members: Map<String, Value>) -> Self {
        if members.is_empty() {
            return Self::default();
        }
        Self::written(Serializer::Json, Value::Object(members).to_string().into())
    }
}

/// Shows no content: it may be a secret.
impl fmt::Debug for Dictionary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dictionary({} bytes of {:?})", self.size(), self.serializer)
    }
}

#[cfg(test)]
impl Dictionary {
    /// Adds a member.
    pub(crate) fn insert(&mut self, key: &str, value: impl Into<Value>) {
        let mut members: Map<_, _> = serde_json::from_str(&self.to_json()).unwrap();
        members.insert(key.to_owned(), value.into());
        *self = Self::from(members);
    }
}

#[cfg(test)]
mod tests;
