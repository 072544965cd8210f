//! A client's message as a list of elements, which are read one by one and named in every complaint.

use std::borrow::Cow;

use bytes::Bytes;

use super::{
    DecodeError, Dictionary, MAX_ID, Payload, Serializer, Uri,
    options::{self, Options, Refused, Source, whole_number},
    read::{Container, Depth, Ignore, Reader, Token, walk, walk_from},
};

/// A message's list while its elements are read, each of which is named in errors.
#[derive(Debug)]
pub(super) struct Envelope<'a, R> {
    reader: R,
    input: &'a Bytes,
    serializer: Serializer,
    list: Container,
    depth: Depth,
    /// The message's name.
    name: &'static str,
}

/// A message that no client may send.
pub(super) fn invalid(what: impl Into<String>) -> DecodeError {
    DecodeError::Invalid(what.into())
}

impl<'a, R: Reader<'a>> Envelope<'a, R> {
    /// Begins a message.
    pub(super) fn open(
        mut reader: R,
        input: &'a Bytes,
        serializer: Serializer,
        max_depth: usize,
    ) -> Result<Self, DecodeError> {
        let list = match reader.value()? {
            list @ Token::List(_) => list.container(),
            _ => None,
        };
        let list = list.ok_or_else(|| invalid("a message is a list"))?;
        let depth = Depth::limited_to(max_depth).deeper()?;
        Ok(Self { reader, input, serializer, list, depth, name: "message" })
    }

    /// Tells the message's name, once its type is known.
    pub(super) const fn set_name(&mut self, name: &'static str) {
        self.name = name;
    }

    /// Says what is wrong with an element.
    pub(super) fn complaint(&self, element: &str, what: &str) -> DecodeError {
        invalid(format!("{}.{element}: {what}", self.name))
    }

    /// The next element, which must be there.
    pub(super) fn next(&mut self, element: &str) -> Result<Token<'a>, DecodeError> {
        self.require(element)?;
        self.reader.value()
    }

    fn require(&mut self, element: &str) -> Result<(), DecodeError> {
        if self.reader.more(&mut self.list)? { Ok(()) } else { Err(self.complaint(element, "is missing")) }
    }

    /// An identifier.
    pub(super) fn id(&mut self, element: &str) -> Result<u64, DecodeError> {
        let id = whole_number::<R>(&self.next(element)?);
        id.filter(|id| (1..=MAX_ID).contains(id))
            .ok_or_else(|| self.complaint(element, "expected an integer from 1 to 2^53"))
    }

    /// A string.
    pub(super) fn text(&mut self, element: &str) -> Result<Cow<'a, str>, DecodeError> {
        match self.next(element)? {
            Token::Text(text) => Ok(text.into_str()),
            _ => Err(self.complaint(element, "expected a string")),
        }
    }

    /// A URI in a message that has no answer.
    pub(super) fn uri(&self, element: &str, text: &str) -> Result<Uri, DecodeError> {
        Uri::parse(text).map_err(|fault| self.complaint(element, &fault.to_string()))
    }

    /// Typed options or details of a message that has no ERROR for an answer.
    pub(super) fn options<T: Options>(&mut self, element: &str) -> Result<T, DecodeError> {
        let (options, refused) = self.request_options(element)?;
        refused.map_or(Ok(options), |refused| Err(self.complaint(element, refused)))
    }

    /// A request's typed options, and why it is to be refused for them.
    pub(super) fn request_options<T: Options>(&mut self, element: &str) -> Result<(T, Refused), DecodeError> {
        self.require(element)?;
        let source = self.source();
        options::read(&mut self.reader, source, self.depth).map_err(|error| self.within(element, error))
    }

    /// Options or details of which nothing means anything here.
    pub(super) fn dictionary(&mut self, element: &str) -> Result<Dictionary, DecodeError> {
        self.require(element)?;
        let source = self.source();
        options::keep(&mut self.reader, source, self.depth).map_err(|error| self.within(element, error))
    }

    /// Whether a dictionary has a key whose value is true. It is read up to there.
    pub(super) fn has_flag(&mut self, element: &str, flag: &str) -> Result<bool, DecodeError> {
        let mut dict = match self.next(element)? {
            dict @ Token::Dict(_) => dict.container(),
            _ => None,
        }
        .ok_or_else(|| self.complaint(element, "expected a dictionary"))?;
        while self.reader.more(&mut dict)? {
            let is_it = match self.reader.key()? {
                Token::Text(key) => key.into_str() == flag,
                _ => false,
            };
            let value = self.reader.value()?;
            if is_it {
                return Ok(matches!(value, Token::Bool(true)));
            }
            walk_from(value, &mut self.reader, &mut Ignore, self.depth)?;
        }
        Ok(false)
    }

    const fn source(&self) -> Source<'a> {
        Source { input: self.input, serializer: self.serializer }
    }

    /// Says in which element the fault is.
    fn within(&self, element: &str, error: DecodeError) -> DecodeError {
        match error {
            DecodeError::Invalid(what) => self.complaint(element, &what),
            other => other,
        }
    }

    /// The arguments that may end the message, and the message's end.
    pub(super) fn payload(&mut self) -> Result<Payload, DecodeError> {
        let mut payload = Payload { serializer: self.serializer, ..Payload::empty() };
        if !self.reader.more(&mut self.list)? {
            self.reader.finish()?;
            return Ok(payload);
        }
        payload.args = self.arguments()?;
        if !self.reader.more(&mut self.list)? {
            self.reader.finish()?;
            return Ok(payload);
        }
        payload.kwargs = self.keyword_arguments()?;
        if payload.kwargs.is_some() {
            payload.args.get_or_insert(empty_list(self.serializer));
        }
        self.end()?;
        Ok(payload)
    }

    /// `Arguments|list`; null stands for none, as some clients write it.
    fn arguments(&mut self) -> Result<Option<Bytes>, DecodeError> {
        let start = self.reader.skip_to_value();
        match self.reader.value()? {
            Token::Null => return Ok(None),
            list @ Token::List(_) => walk_from(list, &mut self.reader, &mut Ignore, self.depth)?,
            _ => return Err(self.complaint("Arguments", "expected a list")),
        }
        Ok(Some(self.input.slice(start..self.reader.position())))
    }

    /// `ArgumentsKw|dict`, whose keys are strings; null stands for none.
    fn keyword_arguments(&mut self) -> Result<Option<Bytes>, DecodeError> {
        let start = self.reader.skip_to_value();
        let mut dict = match self.reader.value()? {
            Token::Null => return Ok(None),
            dict @ Token::Dict(_) => dict.container(),
            _ => None,
        }
        .ok_or_else(|| self.complaint("ArgumentsKw", "expected a dictionary"))?;
        let depth = self.depth.deeper()?;
        while self.reader.more(&mut dict)? {
            if !matches!(self.reader.key()?, Token::Text(_)) {
                return Err(self.complaint("ArgumentsKw", "keys must be strings"));
            }
            walk(&mut self.reader, &mut Ignore, depth)?;
        }
        Ok(Some(self.input.slice(start..self.reader.position())))
    }

    /// The message's end, and the input's.
    pub(super) fn end(&mut self) -> Result<(), DecodeError> {
        if self.reader.more(&mut self.list)? {
            return Err(invalid(format!("{} has too many elements", self.name)));
        }
        self.reader.finish()
    }
}

/// The empty list, which stands before keyword arguments that come alone.
const fn empty_list(serializer: Serializer) -> Bytes {
    Bytes::from_static(match serializer {
        Serializer::Json => b"[]",
        Serializer::MsgPack => b"\x90",
        Serializer::Cbor => b"\x80",
    })
}
