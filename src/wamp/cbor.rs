//! CBOR (RFC 8949).
//!
//! The reader takes indefinite lengths, the writer makes definite ones. The tags for numbers are read as numbers (RFC 8949,
//! 3.4.3 and 3.4.4), the tag for seconds since 1970 as a point in time (3.4.2); transcoding drops any other tag and keeps its content. `undefined` and other simple values become null.

mod writer;

use std::borrow::Cow;

use super::{
    DecodeError,
    cursor::Cursor,
    moment::Moment,
    read::{Container, Reader, Text, Token},
    write,
};

pub(super) use writer::CborWriter;

/// Tags around one value. Each is a level of nesting for parsers that recurse, and real values have fewer.
const MAX_TAGS: usize = 4;

/// "Break", which ends what has an indefinite length.
const BREAK: u8 = 0xff;

/// Major types (RFC 8949, 3.1).
mod major {
    pub(super) const UNSIGNED: u8 = 0;
    pub(super) const NEGATIVE: u8 = 1;
    pub(super) const BYTES: u8 = 2;
    pub(super) const TEXT: u8 = 3;
    pub(super) const LIST: u8 = 4;
    pub(super) const DICT: u8 = 5;
    pub(super) const TAG: u8 = 6;
    pub(super) const OTHER: u8 = 7;
}

/// What the five bits beside the major type mean, if not a small argument (RFC 8949, 3).
mod info {
    pub(super) const ONE_BYTE: u8 = 24;
    pub(super) const TWO_BYTES: u8 = 25;
    pub(super) const FOUR_BYTES: u8 = 26;
    pub(super) const EIGHT_BYTES: u8 = 27;
    pub(super) const INDEFINITE: u8 = 31;
}

/// Simple values (RFC 8949, 3.3).
mod simple {
    pub(super) const FALSE: u64 = 20;
    pub(super) const TRUE: u64 = 21;
    pub(super) const NULL: u64 = 22;
}

/// Tags of dates and of numbers (RFC 8949, 3.4).
mod tag {
    pub(super) const DATE: u64 = 0;
    pub(super) const EPOCH: u64 = 1;
    pub(super) const BIGNUM: u64 = 2;
    pub(super) const NEGATIVE_BIGNUM: u64 = 3;
    pub(super) const DECIMAL: u64 = 4;
    pub(super) const BIGFLOAT: u64 = 5;
}

/// Reads CBOR.
#[derive(Debug)]
pub(super) struct CborReader<'a> {
    cursor: Cursor<'a>,
}

/// The head of a data item: its major type, the five bits beside it, and the argument; nothing for an indefinite
/// length.
#[derive(Debug, Clone, Copy)]
struct Head {
    major: u8,
    info: u8,
    argument: Option<u64>,
}

// === impl CborReader ===

impl<'a> CborReader<'a> {
    /// A reader for one message.
    pub(super) const fn new(input: &'a [u8]) -> Self {
        Self { cursor: Cursor::new(input, "CBOR") }
    }

    fn head(&mut self) -> Result<Head, DecodeError> {
        let [initial] = self.cursor.array()?;
        let (major, info) = (initial >> 5, initial & 0x1f);
        let argument = match info {
            0..info::ONE_BYTE => Some(info.into()),
            info::ONE_BYTE => Some(u8::from_be_bytes(self.cursor.array()?).into()),
            info::TWO_BYTES => Some(u16::from_be_bytes(self.cursor.array()?).into()),
            info::FOUR_BYTES => Some(u32::from_be_bytes(self.cursor.array()?).into()),
            info::EIGHT_BYTES => Some(u64::from_be_bytes(self.cursor.array()?)),
            info::INDEFINITE if matches!(major, major::BYTES..=major::DICT) => None,
            _ => return Err(self.cursor.malformed("has an item head that is not allowed there")),
        };
        Ok(Head { major, info, argument })
    }

    /// A string's bytes, whether its length is definite or not.
    fn bytes(&mut self, length: u64) -> Result<&'a [u8], DecodeError> {
        let length = self.cursor.length(length, 1)?;
        self.cursor.take(length)
    }

    fn text(&mut self, length: u64) -> Result<&'a str, DecodeError> {
        let length = self.cursor.length(length, 1)?;
        self.cursor.text(length)
    }

    /// The length of the next chunk of a string of indefinite length; nothing at its end. Chunks are strings of the
    /// same major type and of definite length (RFC 8949, 3.2.3).
    fn chunk(&mut self, major: u8) -> Result<Option<u64>, DecodeError> {
        if self.cursor.peek() == Some(BREAK) {
            self.cursor.take(1)?;
            return Ok(None);
        }
        match self.head()? {
            Head { major: of, argument: Some(length), .. } if of == major => Ok(Some(length)),
            _ => Err(self.cursor.malformed("has a string with a chunk that is no such string")),
        }
    }

    fn chunked_bytes(&mut self) -> Result<Token<'a>, DecodeError> {
        let mut joined = Vec::new();
        while let Some(length) = self.chunk(major::BYTES)? {
            joined.extend_from_slice(self.bytes(length)?);
        }
        Ok(Token::Bytes(joined.into()))
    }

    fn chunked_text(&mut self) -> Result<Token<'a>, DecodeError> {
        let mut joined = String::new();
        while let Some(length) = self.chunk(major::TEXT)? {
            joined.push_str(self.text(length)?);
        }
        Ok(Token::Text(Text::Plain(Cow::Owned(joined))))
    }

    /// An integer as a byte string, behind its tag.
    fn bignum(&mut self, negative: bool) -> Result<Token<'a>, DecodeError> {
        let mut bytes = match self.head()? {
            Head { major: major::BYTES, argument: Some(length), .. } => Cow::Borrowed(self.bytes(length)?),
            Head { major: major::BYTES, argument: None, .. } => match self.chunked_bytes()? {
                Token::Bytes(bytes) => bytes,
                _ => Cow::default(),
            },
            _ => return Err(self.cursor.malformed("has a bignum that is no byte string")),
        };
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        bytes = match bytes {
            Cow::Borrowed(bytes) => Cow::Borrowed(bytes.get(zeros..).unwrap_or_default()),
            Cow::Owned(mut bytes) => {
                bytes.drain(..zeros);
                Cow::Owned(bytes)
            }
        };
        if bytes.len() > size_of::<u64>() {
            return Ok(Token::Big { negative, bytes });
        }
        // RFC 8949, 3.4.3: what fits an integer is that integer.
        let small = bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        Ok(if negative { Token::Negative(small) } else { Token::Unsigned(small) })
    }

    /// A number of an exponent and a mantissa, behind its tag: the nearest double.
    fn fraction(&mut self, base: f64) -> Result<Token<'a>, DecodeError> {
        let malformed = "has a decimal fraction or a bigfloat that is no list of two integers";
        let Head { major: major::LIST, argument: length @ (Some(2) | None), .. } = self.head()? else {
            return Err(self.cursor.malformed(malformed));
        };
        let exponent = match self.head()? {
            Head { major: major::UNSIGNED, argument: Some(exponent), .. } => i128::from(exponent),
            Head { major: major::NEGATIVE, argument: Some(below), .. } => write::negative_int(below),
            _ => return Err(self.cursor.malformed(malformed)),
        };
        let mantissa = match self.head()? {
            Head { major: major::UNSIGNED, argument: Some(int), .. } => Token::Unsigned(int),
            Head { major: major::NEGATIVE, argument: Some(below), .. } => Token::Negative(below),
            Head { major: major::TAG, argument: Some(tag::BIGNUM), .. } => self.bignum(false)?,
            Head { major: major::TAG, argument: Some(tag::NEGATIVE_BIGNUM), .. } => self.bignum(true)?,
            _ => return Err(self.cursor.malformed(malformed)),
        };
        if length.is_none() && self.cursor.array()? != [BREAK] {
            return Err(self.cursor.malformed(malformed));
        }
        Ok(Token::Float(scaled(&mantissa, base, exponent)))
    }

    fn container_length(&self, length: Option<u64>, smallest: usize) -> Result<Option<usize>, DecodeError> {
        length.map(|length| self.cursor.length(length, smallest)).transpose()
    }

    /// A simple value or a float.
    fn other(&self, info: u8, argument: u64) -> Result<Token<'a>, DecodeError> {
        let [.., b4, b5, b6, b7] = argument.to_be_bytes();
        match info {
            info::TWO_BYTES => Ok(Token::Float(half(u16::from_be_bytes([b6, b7])))),
            info::FOUR_BYTES => Ok(Token::Float(f32::from_be_bytes([b4, b5, b6, b7]).into())),
            info::EIGHT_BYTES => Ok(Token::Float(f64::from_bits(argument))),
            // RFC 8949, 3.3: what fits the five bits must not stand in an extra byte.
            info::ONE_BYTE if argument < 32 => {
                Err(self.cursor.malformed("has a simple value in two bytes that takes one"))
            }
            _ => Ok(match argument {
                simple::FALSE => Token::Bool(false),
                simple::TRUE => Token::Bool(true),
                _ => Token::Null,
            }),
        }
    }
}

/// A mantissa times a power of the base. A power of ten is read as decimal text, which is exact where the mantissa is.
#[allow(clippy::cast_precision_loss, reason = "the nearest double is what is asked for")]
fn scaled(mantissa: &Token<'_>, base: f64, exponent: i128) -> f64 {
    let exponent = i32::try_from(exponent).unwrap_or(if exponent < 0 { i32::MIN } else { i32::MAX });
    let (digits, nearest) = match *mantissa {
        Token::Unsigned(int) => (Some(i128::from(int)), int as f64),
        Token::Negative(below) => (Some(write::negative_int(below)), write::negative_float(below)),
        Token::Big { negative, ref bytes } => (None, write::big_float(negative, bytes)),
        _ => (None, f64::NAN),
    };
    match digits {
        Some(digits) if base > 2.0 => format!("{digits}e{exponent}").parse().unwrap_or(f64::NAN),
        _ if nearest == 0.0 => 0.0,
        _ => nearest * base.powi(exponent),
    }
}

/// What is behind the tag for seconds since 1970. What is no number, or none of the range, stays what it is.
fn since_epoch(token: Token<'_>) -> Token<'_> {
    let whole = |seconds| Some(Moment { seconds, nanoseconds: 0 });
    let moment = match token {
        Token::Unsigned(seconds) => i64::try_from(seconds).ok().and_then(whole),
        Token::Negative(below) => i64::try_from(below).ok().and_then(|below| whole(!below)),
        Token::Float(seconds) => Moment::from_float(seconds),
        _ => None,
    };
    moment.map_or(token, Token::Time)
}

/// A float of 16 bits (RFC 8949, appendix D).
fn half(bits: u16) -> f64 {
    let exponent = i32::from(bits >> 10 & 0x1f);
    let mantissa = bits & 0x3ff;
    let magnitude = match (exponent, mantissa) {
        (0, _) => f64::from(mantissa) * 2f64.powi(-24),
        (31, 0) => f64::INFINITY,
        (31, _) => f64::NAN,
        _ => f64::from(mantissa + 0x400) * 2f64.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

impl<'a> Reader<'a> for CborReader<'a> {
    const TEXT: bool = false;
    const COUNTED: bool = false;

    fn value(&mut self) -> Result<Token<'a>, DecodeError> {
        let mut is_time = false;
        for _ in 0..=MAX_TAGS {
            let Head { major, info, argument } = self.head()?;
            let length = argument.unwrap_or_default();
            let token = match major {
                major::UNSIGNED => Token::Unsigned(length),
                major::NEGATIVE => Token::Negative(length),
                major::BYTES if argument.is_none() => self.chunked_bytes()?,
                major::BYTES => Token::Bytes(self.bytes(length)?.into()),
                major::TEXT if argument.is_none() => self.chunked_text()?,
                major::TEXT => Token::text(self.text(length)?),
                major::LIST => Token::List(self.container_length(argument, 1)?),
                major::DICT => Token::Dict(self.container_length(argument, 2)?),
                major::TAG => match length {
                    tag::BIGNUM => self.bignum(false)?,
                    tag::NEGATIVE_BIGNUM => self.bignum(true)?,
                    tag::DECIMAL => self.fraction(10.0)?,
                    tag::BIGFLOAT => self.fraction(2.0)?,
                    other => {
                        is_time = other == tag::EPOCH;
                        continue;
                    }
                },
                _ => self.other(info, length)?,
            };
            return Ok(if is_time { since_epoch(token) } else { token });
        }
        Err(self.cursor.malformed("has a value with too many tags"))
    }

    fn more(&mut self, container: &mut Container) -> Result<bool, DecodeError> {
        if let Some(more) = container.count_down() {
            return Ok(more);
        }
        let more = self.cursor.peek() != Some(BREAK);
        if !more {
            self.cursor.take(1)?;
        }
        Ok(more)
    }

    fn key(&mut self) -> Result<Token<'a>, DecodeError> {
        let key = self.value()?;
        if key.container().is_some() {
            return Err(self.cursor.malformed("has a list or map as a map's key"));
        }
        Ok(key)
    }

    fn skip_to_value(&mut self) -> usize {
        self.cursor.position()
    }

    fn position(&self) -> usize {
        self.cursor.position()
    }

    fn finish(&mut self) -> Result<(), DecodeError> {
        self.cursor.finish()
    }
}
