//! Options and details: dictionaries that become typed structs, read straight from the message with serde.
//!
//! - Keys that a struct does not know are skipped, whatever is in them.
//! - A key whose value is null counts as absent: several client libraries send one for what was not set.
//! - Binary data becomes WAMP's form of it in JSON, a string of U+0000 and base64, and a key that is no string becomes
//!   one: what ends in a [`serde_json::Value`] has no other types.
//! - Errors name the key and what it should be, and do not repeat what was sent, which may be a secret.

use std::{borrow::Cow, fmt};

use serde::{
    de::{
        self, DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IntoDeserializer as _, Visitor,
        value::CowStrDeserializer,
    },
    forward_to_deserialize_any,
};

use super::{
    DecodeError,
    read::{Container, Depth, Ignore, Kind, Reader, Token, walk_from},
    write::{binary_as_text, key_text, negative_float},
};

/// How deeply details may be nested even where the limit for arguments is higher: unlike those they are read into
/// values, by functions that call themselves.
const MAX_DEPTH: usize = 128;

/// The longest complaint; serde's own messages are shorter.
const MAX_MESSAGE: usize = 200;

/// Reads a dictionary in place `depth` of a message.
pub(super) fn read<'a, T: DeserializeOwned>(
    reader: &mut impl Reader<'a>,
    depth: Depth,
) -> Result<T, DecodeError> {
    let token = reader.value()?;
    if !matches!(token, Token::Dict(_)) {
        return Err(DecodeError::Invalid("expected a dictionary".to_owned()));
    }
    let node = Node { reader, token, depth: depth.at_most(MAX_DEPTH), outermost: true };
    T::deserialize(node).map_err(|Fault(error)| error)
}

/// A value whose first piece has been read.
struct Node<'r, 'a, R> {
    reader: &'r mut R,
    token: Token<'a>,
    depth: Depth,
    /// Whether this is the dictionary itself and nothing in it.
    outermost: bool,
}

/// The items or pairs of a value.
struct Items<'r, 'a, R> {
    reader: &'r mut R,
    container: Container,
    depth: Depth,
    outermost: bool,
    /// The pair whose key has been read: the key and the first piece of the value.
    pair: Option<(Cow<'a, str>, Token<'a>)>,
}

/// The error type that serde wants to make errors of.
#[derive(Debug)]
struct Fault(DecodeError);

// === impl Node ===

impl<'a, R: Reader<'a>> Node<'_, 'a, R> {
    fn items(&mut self, container: Container) -> Result<Items<'_, 'a, R>, Fault> {
        let depth = self.depth.deeper()?;
        Ok(Items { reader: &mut *self.reader, container, depth, outermost: self.outermost, pair: None })
    }
}

impl<'de, R: Reader<'de>> Deserializer<'de> for Node<'_, 'de, R> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Fault> {
        if let Some(container) = self.token.container() {
            let kind = container.kind;
            let items = self.items(container)?;
            return match kind {
                Kind::List => visitor.visit_seq(items),
                Kind::Dict => visitor.visit_map(items),
            };
        }
        match self.token {
            Token::Bool(value) => visitor.visit_bool(value),
            Token::Unsigned(value) => visitor.visit_u64(value),
            Token::Negative(below) => match i64::try_from(below) {
                Ok(below) => visitor.visit_i64(!below),
                Err(_) => visitor.visit_f64(negative_float(below)),
            },
            Token::Float(value) => match whole_number::<R>(value) {
                Some(whole) => visitor.visit_u64(whole),
                None => visitor.visit_f64(value),
            },
            Token::Text(text) => match text.into_str() {
                Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
                Cow::Owned(text) => visitor.visit_string(text),
            },
            Token::Bytes(bytes) => visitor.visit_string(binary_as_text(&bytes)),
            Token::Null | Token::List(_) | Token::Dict(_) => visitor.visit_unit(),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if matches!(self.token, Token::Null) { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        walk_from(self.token, self.reader, &mut Ignore, self.depth)?;
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier
    }
}

/// The integer that a client meant by a float.
///
/// JavaScript's usual encoders for `MessagePack` and CBOR write an integer of more than 32 bits, such as a session's
/// identifier, as a float. In JSON an integer is always written as one.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "whole and in range, as just checked"
)]
pub(super) fn whole_number<'a, R: Reader<'a>>(value: f64) -> Option<u64> {
    const RANGE: std::ops::RangeInclusive<f64> = 4_294_967_296.0..=9_007_199_254_740_992.0;
    (!R::TEXT && RANGE.contains(&value) && value.fract() == 0.0).then_some(value as u64)
}

// === impl Items ===

impl<'a, R: Reader<'a>> de::SeqAccess<'a> for Items<'_, 'a, R> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'a>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        if !self.reader.more(&mut self.container)? {
            return Ok(None);
        }
        let token = self.reader.value()?;
        let item = Node { reader: &mut *self.reader, token, depth: self.depth, outermost: false };
        seed.deserialize(item).map(Some)
    }
}

impl<'a, R: Reader<'a>> de::MapAccess<'a> for Items<'_, 'a, R> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'a>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        loop {
            if !self.reader.more(&mut self.container)? {
                return Ok(None);
            }
            let key = match self.reader.key()? {
                Token::Text(text) => text.into_str(),
                _ if self.outermost => return Err(Fault::custom("keys must be strings")),
                other => key_text(other),
            };
            let value = self.reader.value()?;
            if self.outermost && matches!(value, Token::Null) {
                continue;
            }
            let (key, _) = self.pair.insert((key, value));
            let key: CowStrDeserializer<'_, Fault> = Cow::Borrowed(&**key).into_deserializer();
            return seed.deserialize(key).map(Some);
        }
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let (key, token) = self.pair.take().ok_or_else(|| Fault::custom("a value stands before its key"))?;
        let value = Node { reader: &mut *self.reader, token, depth: self.depth, outermost: false };
        seed.deserialize(value).map_err(|Fault(error)| match error {
            DecodeError::Invalid(what) if self.outermost => Fault::custom(format_args!("{key}: {what}")),
            _ => Fault(error),
        })
    }
}

// === impl Fault ===

impl From<DecodeError> for Fault {
    fn from(error: DecodeError) -> Self {
        Self(error)
    }
}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let message = message.to_string();
        let end = message.floor_char_boundary(MAX_MESSAGE);
        Self(DecodeError::Invalid(message.get(..end).unwrap_or_default().to_owned()))
    }

    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format_args!("expected {expected}"))
    }

    fn invalid_value(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format_args!("expected {expected}"))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Fault {}
