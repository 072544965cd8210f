//! Reading serialized values piece by piece: what the three serializers have in common.
//!
//! A [`Reader`] knows one serializer's syntax and nothing else. [`walk`] drives it over a value of any depth with a
//! stack of its own, so that no input can exhaust the thread's; a [`Sink`] decides what happens with the value.

use std::borrow::Cow;

use super::{DecodeError, json_string, moment::Moment};

/// A scalar, or the head of a list or dictionary.
#[derive(Debug)]
pub(super) enum Token<'a> {
    Null,
    Bool(bool),
    Unsigned(u64),
    /// The integer -1 - n, as CBOR has it.
    Negative(u64),
    /// An integer beyond 64 bits, as CBOR has it: the bytes of n, without zeros before them, for
    /// n itself or for -1 - n.
    Big {
        negative: bool,
        bytes: Cow<'a, [u8]>,
    },
    Float(f64),
    Text(Text<'a>),
    Bytes(Cow<'a, [u8]>),
    /// A point in time, which JSON writes as text.
    Time(Moment),
    /// Its items follow; how many, if the serializer says so in advance.
    List(Option<usize>),
    /// Its pairs follow; how many, if the serializer says so in advance.
    Dict(Option<usize>),
}

/// A string. It is unescaped only if what it says is asked for.
#[derive(Debug)]
pub(super) enum Text<'a> {
    Plain(Cow<'a, str>),
    /// The inside of a JSON string whose escapes have been found valid.
    Escaped(&'a str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    List,
    Dict,
}

/// A list or dictionary that is being read.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) kind: Kind,
    /// How many items or pairs are still to come, if that was said in advance.
    pub(super) left: Option<usize>,
    /// Whether nothing of it has been read yet.
    pub(super) first: bool,
}

/// One serializer's syntax, over an input that is held in memory.
pub(super) trait Reader<'a> {
    /// Whether the serializer writes text: then integers are never taken for floats by a careless client.
    const TEXT: bool;
    /// Whether a container's length is always said in advance.
    const COUNTED: bool;

    /// Reads a scalar, or the head of a list or dictionary.
    fn value(&mut self) -> Result<Token<'a>, DecodeError>;

    /// Whether the container has another item or pair. Reads the container's end if it has none.
    fn more(&mut self, container: &mut Container) -> Result<bool, DecodeError>;

    /// Reads a dictionary's key, which is a scalar.
    fn key(&mut self) -> Result<Token<'a>, DecodeError>;

    /// Where the next value begins.
    fn skip_to_value(&mut self) -> usize;

    /// How much has been read.
    fn position(&self) -> usize;

    /// Checks that the whole input has been read.
    fn finish(&mut self) -> Result<(), DecodeError>;
}

/// Takes the pieces of a value in the order in which they stand in the input.
pub(super) trait Sink {
    /// A scalar, or the head of a list or dictionary.
    fn value(&mut self, token: Token<'_>);
    /// A key; its value is next.
    fn key(&mut self, token: Token<'_>);
    /// The end of the innermost open list or dictionary.
    fn end(&mut self, kind: Kind);
}

/// For values that only have to be well-formed.
#[derive(Debug)]
pub(super) struct Ignore;

/// How deeply containers may be nested, and how deeply they are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Depth {
    max: usize,
    now: usize,
}

/// Reads one value, which stands `depth` deep, and hands its pieces to `sink`.
pub(super) fn walk<'a>(
    reader: &mut impl Reader<'a>,
    sink: &mut impl Sink,
    depth: Depth,
) -> Result<(), DecodeError> {
    let first = reader.value()?;
    walk_from(first, reader, sink, depth)
}

/// [`walk`] for a value whose first piece has been read already.
pub(super) fn walk_from<'a>(
    first: Token<'a>,
    reader: &mut impl Reader<'a>,
    sink: &mut impl Sink,
    mut depth: Depth,
) -> Result<(), DecodeError> {
    let mut open: Vec<Container> = Vec::new();
    let mut token = first;
    loop {
        if let Some(container) = token.container() {
            depth = depth.deeper()?;
            open.push(container);
        }
        sink.value(token);
        loop {
            let Some(container) = open.last_mut() else { return Ok(()) };
            if reader.more(container)? {
                if container.kind == Kind::Dict {
                    sink.key(reader.key()?);
                }
                break;
            }
            sink.end(container.kind);
            open.pop();
            depth = depth.shallower();
        }
        token = reader.value()?;
    }
}

// === impl Token ===

impl<'a> Token<'a> {
    /// A string without escapes.
    pub(super) const fn text(text: &'a str) -> Self {
        Self::Text(Text::Plain(Cow::Borrowed(text)))
    }

    /// An integer with a sign of its own.
    pub(super) const fn signed(int: i64) -> Self {
        if int < 0 { Self::Negative(!int.cast_unsigned()) } else { Self::Unsigned(int.cast_unsigned()) }
    }

    /// The container that the token is the head of.
    pub(super) fn container(&self) -> Option<Container> {
        match *self {
            Self::List(left) => Some(Container { kind: Kind::List, left, first: true }),
            Self::Dict(left) => Some(Container { kind: Kind::Dict, left, first: true }),
            _ => None,
        }
    }
}

impl<'a> Text<'a> {
    /// What the string says.
    pub(super) fn into_str(self) -> Cow<'a, str> {
        match self {
            Self::Plain(text) => text,
            Self::Escaped(raw) => Cow::Owned(json_string::unescape(raw)),
        }
    }
}

// === impl Container ===

impl Container {
    /// Counts an item of a container whose length was said in advance; without such a length, nothing.
    pub(super) fn count_down(&mut self) -> Option<bool> {
        let left = self.left.as_mut()?;
        let more = *left > 0;
        *left = left.saturating_sub(1);
        Some(more)
    }
}

// === impl Sink ===

impl Sink for Ignore {
    fn value(&mut self, _: Token<'_>) {}
    fn key(&mut self, _: Token<'_>) {}
    fn end(&mut self, _: Kind) {}
}

// === impl Depth ===

impl Depth {
    /// Outside of any container.
    pub(super) const fn limited_to(max: usize) -> Self {
        Self { max, now: 0 }
    }

    /// The same place under another limit, if that is stricter.
    pub(super) fn at_most(self, max: usize) -> Self {
        Self { max: self.max.min(max), ..self }
    }

    /// Inside one more container.
    pub(super) const fn deeper(self) -> Result<Self, DecodeError> {
        if self.now >= self.max {
            return Err(DecodeError::TooDeep(self.max));
        }
        Ok(Self { now: self.now + 1, ..self })
    }

    const fn shallower(self) -> Self {
        Self { now: self.now.saturating_sub(1), ..self }
    }
}
