//! Transcoding payload from one serializer to another.
//!
//! | from | to JSON | to `MessagePack` and CBOR |
//! |---|---|---|
//! | binary data | a string: U+0000, then base64 | binary data |
//! | a JSON string U+0000, then base64 | | binary data |
//! | integer | integer, exact | integer, exact; beyond 64 bits a bignum in CBOR, the nearest double in `MessagePack` |
//! | CBOR bignum | integer, exact; beyond a double's range a string: base64url, behind `~` if negative (RFC 8949, 6.1) | CBOR: as it is; `MessagePack`: the nearest double, and beyond the range of doubles the same string |
//! | CBOR decimal fraction, bigfloat | the nearest double; beyond the range of doubles null | the nearest double, which is infinity beyond the range |
//! | float | float; NaN and infinities: null | double |
//! | key that is no string | its JSON text as a string | as it is |
//! | `MessagePack` extension | as binary data | in CBOR: binary data |
//! | any other CBOR tag, `undefined` | tag dropped, null | in `MessagePack`: tag dropped, null |

use bytes::Bytes;

use super::{
    DecodeError, Payload, Serializer,
    cbor::{CborReader, CborWriter},
    json::{JsonReader, JsonWriter},
    msgpack::{MsgPackReader, MsgPackWriter},
    read::{Depth, Kind, Reader, Sink, Token, walk},
    write::{self, Writer},
};

impl Payload {
    /// The payload for a client with the serializer `target`: the very same bytes if it is the sender's, too.
    ///
    /// To send one payload to many clients, call this once for each serializer, not once for each client.
    #[must_use]
    pub fn transcoded(&self, target: Serializer) -> Self {
        let part = |part: &Option<Bytes>| part.as_ref().map(|bytes| value(bytes, self.serializer, target));
        if self.serializer == target {
            return self.clone();
        }
        // A payload that was decoded has been checked. Only one made otherwise can be broken, and is worth nothing.
        match (part(&self.args).transpose(), part(&self.kwargs).transpose()) {
            (Ok(args), Ok(kwargs)) => Self { serializer: target, args, kwargs },
            _ => Self { serializer: target, ..Self::empty() },
        }
    }
}

/// Transcodes one value.
pub(super) fn value(bytes: &[u8], from: Serializer, to: Serializer) -> Result<Bytes, DecodeError> {
    match from {
        Serializer::Json => read_from(|| JsonReader::new(bytes), bytes.len(), to),
        Serializer::MsgPack => read_from(|| Ok(MsgPackReader::new(bytes)), bytes.len(), to),
        Serializer::Cbor => read_from(|| Ok(CborReader::new(bytes)), bytes.len(), to),
    }
}

fn read_from<'a, R: Reader<'a>>(
    open: impl Fn() -> Result<R, DecodeError>,
    size: usize,
    to: Serializer,
) -> Result<Bytes, DecodeError> {
    match to {
        Serializer::Json => rewrite::<R, JsonWriter>(open, size),
        Serializer::MsgPack => rewrite::<R, MsgPackWriter>(open, size),
        Serializer::Cbor => rewrite::<R, CborWriter>(open, size),
    }
}

fn rewrite<'a, R: Reader<'a>, W: Writer>(
    open: impl Fn() -> Result<R, DecodeError>,
    size: usize,
) -> Result<Bytes, DecodeError> {
    let depth = Depth::limited_to(usize::MAX);
    let mut lengths = Lengths::default();
    if !W::TEXT && !R::COUNTED {
        walk(&mut open()?, &mut lengths, depth)?;
    }
    let mut rewriter =
        Rewriter { writer: W::with_capacity(size), lengths: lengths.known.into_iter(), from_text: R::TEXT };
    let mut reader = open()?;
    walk(&mut reader, &mut rewriter, depth)?;
    reader.finish()?;
    Ok(rewriter.writer.finish().into())
}

/// Counts how long every container is, in the order of their heads: JSON and CBOR's indefinite lengths tell only at
/// the end what `MessagePack` must say at the beginning.
#[derive(Debug, Default)]
struct Lengths {
    known: Vec<usize>,
    /// The open containers, as places in `known`.
    open: Vec<(Kind, usize)>,
}

impl Lengths {
    fn count(&mut self, kind: Kind) {
        if let Some(&(open, at)) = self.open.last()
            && open == kind
            && let Some(length) = self.known.get_mut(at)
        {
            *length += 1;
        }
    }
}

impl Sink for Lengths {
    fn value(&mut self, token: Token<'_>) {
        self.count(Kind::List);
        if let Some(container) = token.container() {
            self.open.push((container.kind, self.known.len()));
            self.known.push(0);
        }
    }

    fn key(&mut self, _: Token<'_>) {
        self.count(Kind::Dict);
    }

    fn end(&mut self, _: Kind) {
        self.open.pop();
    }
}

/// Writes what is read.
#[derive(Debug)]
struct Rewriter<W> {
    writer: W,
    lengths: std::vec::IntoIter<usize>,
    from_text: bool,
}

impl<W: Writer> Sink for Rewriter<W> {
    fn value(&mut self, token: Token<'_>) {
        match token {
            Token::List(length) => self.writer.list(self.lengths.next().or(length).unwrap_or_default()),
            Token::Dict(length) => self.writer.dict(self.lengths.next().or(length).unwrap_or_default()),
            Token::Text(text) if self.from_text => write::json_text(&mut self.writer, &text.into_str()),
            scalar => write::token(&mut self.writer, scalar),
        }
    }

    fn key(&mut self, token: Token<'_>) {
        self.writer.key(token);
    }

    fn end(&mut self, kind: Kind) {
        self.writer.end(kind);
    }
}
