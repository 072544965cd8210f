//! Reading options and details: dictionaries of which some keys mean something here.
//!
//! - The values of those keys go into a typed struct. Where others need the whole dictionary, it is kept beside them as it
//!   came, see [`Dictionary`].
//! - A key whose value is null counts as absent: several client libraries send null for an option that was not set.
//! - What a message does not have, and would mean something if it did, is in one table: `absent.rs`.
//! - Errors name the key and what its value should be. They do not repeat what the client sent, which may be a secret.

mod absent;
mod known;

use self::absent::Absent;

use bytes::Bytes;

use super::{
    DecodeError, Dictionary, Serializer,
    read::{Container, Depth, Ignore, Kind, Reader, Token, walk, walk_from},
};

/// How deeply details may be nested even where the limit for arguments is higher: policies get some of them, and the
/// parsers of policies may call themselves.
const MAX_DEPTH: usize = 128;

/// How many sessions or names a list of receivers may have, each counted as often as it is there. A name takes several times its
/// own length in memory.
const MAX_RECEIVERS: usize = 10_000;

/// Why a request is refused that is sound otherwise: what its ERROR says of an option.
pub(super) type Refused = Option<&'static str>;

/// Notes why a request is refused. The client is told what was found first: what is found later may only follow from it.
fn refuse(refused: &mut Refused, complaint: &'static str) {
    refused.get_or_insert(complaint);
}

/// What a dictionary is read into.
pub(super) trait Options: Default {
    /// The keys that mean something; at most 32.
    const KEYS: &'static [&'static str];

    /// Keys that would mean something to another router.
    const ABSENT: Absent = &[];

    /// Takes the value of one of the keys, or says why the message is to be refused.
    fn set<'a, R: Reader<'a>>(
        &mut self,
        key: &'static str,
        value: OptionValue<'_, 'a, R>,
        refused: &mut Refused,
    ) -> Result<(), DecodeError>;

    /// Says why the message is to be refused for options that do not go together.
    fn check(&mut self, _refused: &mut Refused) {}

    /// Takes the dictionary itself, where it is needed.
    fn keep(&mut self, _written: Dictionary) {}
}

/// Where messages are read from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) input: &'a Bytes,
    pub(super) serializer: Serializer,
}

/// A value whose first piece has been read. It must be taken to its end.
pub(super) struct OptionValue<'r, 'a, R> {
    reader: &'r mut R,
    source: Source<'a>,
    /// Where it begins.
    start: usize,
    token: Token<'a>,
    depth: Depth,
}

/// Reads a dictionary that stands `depth` deep in a message, and finds out whether the message is to be refused for it.
pub(super) fn read<'a, R: Reader<'a>, T: Options>(
    reader: &mut R,
    source: Source<'a>,
    depth: Depth,
) -> Result<(T, Refused), DecodeError> {
    let start = reader.skip_to_value();
    let mut dict = open(reader)?;
    let depth = depth.at_most(MAX_DEPTH).deeper()?;
    let mut options = T::default();
    let mut refused = None;
    let (mut seen, mut is_empty) = (0_u32, true);
    while reader.more(&mut dict)? {
        is_empty = false;
        let key = match reader.key()? {
            Token::Text(text) => text.into_str(),
            _ => return Err(invalid("keys must be strings")),
        };
        let start = reader.skip_to_value();
        let token = reader.value()?;
        let value = OptionValue { reader, source, start, token, depth };
        let is_there = !matches!(value.token, Token::Null);
        let known = T::KEYS.iter().enumerate().find(|(_, known)| ***known == *key);
        let Some((place, known)) = known.filter(|_| is_there) else {
            let asks = is_there && !matches!(value.token, Token::Bool(false));
            if asks && let Some(complaint) = absent::complaint(T::ABSENT, &key) {
                refuse(&mut refused, complaint);
            }
            value.skip()?;
            continue;
        };
        if seen & (1 << place) != 0 {
            return Err(invalid(format!("{known}: is there twice")));
        }
        seen |= 1 << place;
        options.set(known, value, &mut refused).map_err(|error| match error {
            DecodeError::Invalid(what) => invalid(format!("{known}: {what}")),
            other => other,
        })?;
    }
    if !is_empty {
        options.check(&mut refused);
        options.keep(source.slice(start, reader));
    }
    Ok((options, refused))
}

/// Keeps a dictionary of which nothing means anything here.
pub(super) fn keep<'a, R: Reader<'a>>(
    reader: &mut R,
    source: Source<'a>,
    depth: Depth,
) -> Result<Dictionary, DecodeError> {
    let start = reader.skip_to_value();
    let dict = open(reader)?;
    rest(reader, source, start, dict, depth)
}

/// Keeps a dictionary whose head has been read.
fn rest<'a, R: Reader<'a>>(
    reader: &mut R,
    source: Source<'a>,
    start: usize,
    mut dict: Container,
    depth: Depth,
) -> Result<Dictionary, DecodeError> {
    let depth = depth.deeper()?;
    let mut is_empty = true;
    while reader.more(&mut dict)? {
        is_empty = false;
        reader.key()?;
        walk(reader, &mut Ignore, depth)?;
    }
    Ok(if is_empty { Dictionary::default() } else { source.slice(start, reader) })
}

fn open<'a>(reader: &mut impl Reader<'a>) -> Result<Container, DecodeError> {
    dictionary(&reader.value()?)
}

fn dictionary(token: &Token<'_>) -> Result<Container, DecodeError> {
    let dict = token.container().filter(|head| head.kind == Kind::Dict);
    dict.ok_or_else(|| invalid("expected a dictionary"))
}

fn invalid(what: impl Into<String>) -> DecodeError {
    DecodeError::Invalid(what.into())
}

impl Source<'_> {
    /// What has been read since `start`.
    fn slice<'a>(self, start: usize, reader: &impl Reader<'a>) -> Dictionary {
        Dictionary::written(self.serializer, self.input.slice(start..reader.position()))
    }
}

// === impl OptionValue ===

impl<'a, R: Reader<'a>> OptionValue<'_, 'a, R> {
    fn skip(self) -> Result<(), DecodeError> {
        walk_from(self.token, self.reader, &mut Ignore, self.depth)
    }

    fn bool(self) -> Result<bool, DecodeError> {
        match self.token {
            Token::Bool(value) => Ok(value),
            _ => Err(invalid("expected a boolean")),
        }
    }

    /// A whole number, from 0.
    fn number(self, expected: &'static str) -> Result<u64, DecodeError> {
        let number = match self.token {
            // JavaScript's encoders write small numbers as integers, and what was calculated perhaps as a float.
            Token::Float(float) if !R::TEXT && float.fract() == 0.0 => whole_float(float),
            token => whole_number::<R>(&token),
        };
        number.ok_or_else(|| invalid(expected))
    }

    fn text(self) -> Result<String, DecodeError> {
        text(self.token).ok_or_else(|| invalid("expected a string"))
    }

    /// At most `max` strings: an empty one is a few bytes of a message, and many times that in memory.
    fn texts(self, max: usize) -> Result<Vec<String>, DecodeError> {
        let texts = self.list(text, "expected a list of strings", max)?;
        texts.ok_or_else(|| invalid(format!("may have {max} items")))
    }

    /// Identifiers of sessions, sorted, each once. A number that is none matches no session.
    ///
    /// Its own connection sorts a list, so that the realm need not, and nothing keeps what is there twice: one byte of a message can
    /// become eight.
    fn ids(self, too_long: &'static str, refused: &mut Refused) -> Result<Vec<u64>, DecodeError> {
        self.receivers(|token| whole_number::<R>(&token), "expected a list of session IDs", too_long, refused)
    }

    /// Names of sessions, sorted, each once, for the same reasons.
    fn names(self, too_long: &'static str, refused: &mut Refused) -> Result<Vec<String>, DecodeError> {
        self.receivers(text, "expected a list of strings", too_long, refused)
    }

    /// A list that says who gets an event; the message is refused if the list is too long.
    fn receivers<T: Ord>(
        self,
        item: impl Fn(Token<'a>) -> Option<T>,
        expected: &'static str,
        too_long: &'static str,
        refused: &mut Refused,
    ) -> Result<Vec<T>, DecodeError> {
        let Some(mut receivers) = self.list(item, expected, MAX_RECEIVERS)? else {
            refuse(refused, too_long);
            return Ok(Vec::new());
        };
        receivers.sort_unstable();
        receivers.dedup();
        receivers.shrink_to_fit();
        Ok(receivers)
    }

    /// A list of items of one type; nothing if there are more than `max`.
    fn list<T>(
        self,
        item: impl Fn(Token<'a>) -> Option<T>,
        expected: &'static str,
        max: usize,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        let list = self.token.container().filter(|head| head.kind == Kind::List);
        let mut list = list.ok_or_else(|| invalid(expected))?;
        self.depth.deeper()?;
        let mut items = Some(Vec::new());
        while self.reader.more(&mut list)? {
            let item = item(self.reader.value()?).ok_or_else(|| invalid(expected))?;
            // One that is too long is read to its end, with the types of its items.
            items = items.filter(|items| items.len() < max);
            if let Some(items) = &mut items {
                items.push(item);
            }
        }
        Ok(items)
    }

    fn dictionary(self) -> Result<Dictionary, DecodeError> {
        let dict = dictionary(&self.token)?;
        rest(self.reader, self.source, self.start, dict, self.depth)
    }
}

fn text(token: Token<'_>) -> Option<String> {
    match token {
        Token::Text(text) => Some(text.into_str().into_owned()),
        _ => None,
    }
}

/// A float that is a whole number of at most 2^53.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range, as just checked")]
pub(crate) fn whole_float(float: f64) -> Option<u64> {
    (0.0..=9_007_199_254_740_992.0).contains(&float).then_some(float as u64)
}

/// The integer that a client meant.
///
/// JavaScript's usual encoders for `MessagePack` and CBOR write an integer of more than 32 bits, such as a session's
/// identifier, as a float. In JSON an integer is always written as one.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "whole and in range, as just checked"
)]
pub(super) fn whole_number<'a, R: Reader<'a>>(token: &Token<'a>) -> Option<u64> {
    const RANGE: std::ops::RangeInclusive<f64> = 4_294_967_296.0..=9_007_199_254_740_992.0;
    match *token {
        Token::Unsigned(value) => Some(value),
        Token::Float(value) => {
            (!R::TEXT && RANGE.contains(&value) && value.fract() == 0.0).then_some(value as u64)
        }
        _ => None,
    }
}
