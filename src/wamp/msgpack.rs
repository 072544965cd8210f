//! `MessagePack`, version 5, which tells strings from binary data.
//!
//! The reader knows the extension for timestamps. It takes any other extension value for the binary data in it; transcoding loses its
//! type number.

use rmp::{Marker, encode};

use super::{
    DecodeError,
    cursor::Cursor,
    moment::Moment,
    read::{Container, Kind, Reader, Token},
    write::{self, Writer},
};

/// The type of the extension for timestamps, -1.
const TIMESTAMP: u8 = 0xff;

/// Reads `MessagePack`.
#[derive(Debug)]
pub(super) struct MsgPackReader<'a> {
    cursor: Cursor<'a>,
}

/// Writes `MessagePack`, every value in its shortest form.
#[derive(Debug)]
pub(super) struct MsgPackWriter {
    out: Vec<u8>,
}

// === impl MsgPackReader ===

impl<'a> MsgPackReader<'a> {
    /// A reader for one message.
    pub(super) const fn new(input: &'a [u8]) -> Self {
        Self { cursor: Cursor::new(input, "MessagePack") }
    }

    fn be<const N: usize>(&mut self) -> Result<u64, DecodeError> {
        let bytes: [u8; N] = self.cursor.array()?;
        Ok(bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    fn text(&mut self, length: u64) -> Result<Token<'a>, DecodeError> {
        let length = self.cursor.length(length, 1)?;
        self.cursor.text(length).map(Token::text)
    }

    fn bytes(&mut self, length: u64) -> Result<Token<'a>, DecodeError> {
        let length = self.cursor.length(length, 1)?;
        self.cursor.take(length).map(|bytes| Token::Bytes(bytes.into()))
    }

    /// An extension: the type, then `length` bytes.
    fn extension(&mut self, length: u64) -> Result<Token<'a>, DecodeError> {
        let kind = self.cursor.take(1)?;
        let value = self.bytes(length)?;
        // How JavaScript's encoders write `undefined`, which a client may well have for an option.
        Ok(match (kind, &value) {
            ([0], Token::Bytes(bytes)) if **bytes == [0] => Token::Null,
            (&[TIMESTAMP], Token::Bytes(bytes)) => Moment::from_msgpack(bytes).map_or(value, Token::Time),
            _ => value,
        })
    }

    fn list(&self, length: u64) -> Result<Token<'a>, DecodeError> {
        self.cursor.length(length, 1).map(|length| Token::List(Some(length)))
    }

    fn dict(&self, length: u64) -> Result<Token<'a>, DecodeError> {
        self.cursor.length(length, 2).map(|length| Token::Dict(Some(length)))
    }
}

impl<'a> Reader<'a> for MsgPackReader<'a> {
    const TEXT: bool = false;
    const COUNTED: bool = true;

    fn value(&mut self) -> Result<Token<'a>, DecodeError> {
        let [marker] = self.cursor.array()?;
        Ok(match Marker::from_u8(marker) {
            Marker::Null => Token::Null,
            Marker::True => Token::Bool(true),
            Marker::False => Token::Bool(false),
            Marker::FixPos(int) => Token::Unsigned(int.into()),
            Marker::FixNeg(int) => Token::signed(int.into()),
            Marker::U8 => Token::Unsigned(self.be::<1>()?),
            Marker::U16 => Token::Unsigned(self.be::<2>()?),
            Marker::U32 => Token::Unsigned(self.be::<4>()?),
            Marker::U64 => Token::Unsigned(self.be::<8>()?),
            Marker::I8 => Token::signed(i8::from_be_bytes(self.cursor.array()?).into()),
            Marker::I16 => Token::signed(i16::from_be_bytes(self.cursor.array()?).into()),
            Marker::I32 => Token::signed(i32::from_be_bytes(self.cursor.array()?).into()),
            Marker::I64 => Token::signed(i64::from_be_bytes(self.cursor.array()?)),
            Marker::F32 => Token::Float(f32::from_be_bytes(self.cursor.array()?).into()),
            Marker::F64 => Token::Float(f64::from_be_bytes(self.cursor.array()?)),
            Marker::FixStr(length) => self.text(length.into())?,
            Marker::Str8 => self.be::<1>().and_then(|length| self.text(length))?,
            Marker::Str16 => self.be::<2>().and_then(|length| self.text(length))?,
            Marker::Str32 => self.be::<4>().and_then(|length| self.text(length))?,
            Marker::Bin8 => self.be::<1>().and_then(|length| self.bytes(length))?,
            Marker::Bin16 => self.be::<2>().and_then(|length| self.bytes(length))?,
            Marker::Bin32 => self.be::<4>().and_then(|length| self.bytes(length))?,
            Marker::FixArray(length) => self.list(length.into())?,
            Marker::Array16 => self.be::<2>().and_then(|length| self.list(length))?,
            Marker::Array32 => self.be::<4>().and_then(|length| self.list(length))?,
            Marker::FixMap(length) => self.dict(length.into())?,
            Marker::Map16 => self.be::<2>().and_then(|length| self.dict(length))?,
            Marker::Map32 => self.be::<4>().and_then(|length| self.dict(length))?,
            Marker::FixExt1 => self.extension(1)?,
            Marker::FixExt2 => self.extension(2)?,
            Marker::FixExt4 => self.extension(4)?,
            Marker::FixExt8 => self.extension(8)?,
            Marker::FixExt16 => self.extension(16)?,
            Marker::Ext8 => self.be::<1>().and_then(|length| self.extension(length))?,
            Marker::Ext16 => self.be::<2>().and_then(|length| self.extension(length))?,
            Marker::Ext32 => self.be::<4>().and_then(|length| self.extension(length))?,
            Marker::Reserved => {
                return Err(self.cursor.malformed("has the marker 0xc1, which is never used"));
            }
        })
    }

    fn more(&mut self, container: &mut Container) -> Result<bool, DecodeError> {
        Ok(container.count_down().unwrap_or(false))
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

// === impl MsgPackWriter ===

/// The format's lengths have 32 bits. Nothing longer gets here: frames are bounded far below.
fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

// Every `let _` below is for the error of a Vec's `Write`, which there is none of.
impl Writer for MsgPackWriter {
    const TEXT: bool = false;

    fn with_capacity(bytes: usize) -> Self {
        Self { out: Vec::with_capacity(bytes) }
    }

    fn finish(self) -> Vec<u8> {
        self.out
    }

    fn null(&mut self) {
        let _ = encode::write_nil(&mut self.out);
    }

    fn bool(&mut self, value: bool) {
        let _ = encode::write_bool(&mut self.out, value);
    }

    fn unsigned(&mut self, value: u64) {
        let _ = encode::write_uint(&mut self.out, value);
    }

    fn negative(&mut self, below: u64) {
        if let Ok(below) = i64::try_from(below) {
            let _ = encode::write_sint(&mut self.out, !below);
        } else {
            self.float(write::negative_float(below));
        }
    }

    fn big(&mut self, negative: bool, bytes: &[u8]) {
        let nearest = write::big_float(negative, bytes);
        if nearest.is_finite() {
            self.float(nearest);
        } else {
            // The same as in JSON: infinity would be another number.
            self.text(&write::big_text(negative, bytes));
        }
    }

    fn float(&mut self, value: f64) {
        let _ = encode::write_f64(&mut self.out, value);
    }

    fn text(&mut self, value: &str) {
        let _ = encode::write_str(&mut self.out, value);
    }

    fn bytes(&mut self, value: &[u8]) {
        let _ = encode::write_bin(&mut self.out, value);
    }

    fn time(&mut self, moment: Moment) {
        let content = moment.to_msgpack();
        let _ = encode::write_ext_meta(&mut self.out, length(content.len()), TIMESTAMP.cast_signed());
        self.raw(&content);
    }

    fn list(&mut self, items: usize) {
        let _ = encode::write_array_len(&mut self.out, length(items));
    }

    fn dict(&mut self, pairs: usize) {
        let _ = encode::write_map_len(&mut self.out, length(pairs));
    }

    fn key(&mut self, key: Token<'_>) {
        write::token(self, key);
    }

    fn end(&mut self, _: Kind) {}

    fn raw(&mut self, value: &[u8]) {
        self.out.extend_from_slice(value);
    }
}
