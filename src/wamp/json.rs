//! JSON (RFC 8259), as far as WAMP needs it: a reader that checks everything and copies nothing, and a writer.
//!
//! Stricter than the grammar in two points, because a payload passes through to clients whose parsers refuse the
//! rest: an escaped surrogate must be half of a pair, and a number must fit a double's range.

mod writer;

pub(super) use writer::JsonWriter;

use super::{
    DecodeError,
    json_string::{escape, plain_length},
    read::{Container, Kind, Reader, Text, Token},
    write::low,
};

/// Reads JSON.
#[derive(Debug)]
pub(super) struct JsonReader<'a> {
    text: &'a str,
    at: usize,
}

// === impl JsonReader ===

impl<'a> JsonReader<'a> {
    /// A reader for one message.
    pub(super) fn new(input: &'a [u8]) -> Result<Self, DecodeError> {
        let text = std::str::from_utf8(input).map_err(|error| {
            DecodeError::Malformed(format!("JSON must be UTF-8, but byte {} is not", error.valid_up_to()))
        })?;
        Ok(Self { text, at: 0 })
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn expected(&self, what: &str) -> DecodeError {
        if self.at >= self.text.len() {
            DecodeError::Malformed(format!("the JSON text ends where {what} is expected"))
        } else {
            DecodeError::Malformed(format!("JSON: {what} is expected at byte {}", self.at))
        }
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn literal(&mut self, literal: &str, token: Token<'a>) -> Result<Token<'a>, DecodeError> {
        if !self.rest().starts_with(literal.as_bytes()) {
            return Err(self.expected("a value"));
        }
        self.at += literal.len();
        Ok(token)
    }

    fn string(&mut self) -> Result<Text<'a>, DecodeError> {
        self.at += 1;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += plain_length(self.rest());
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    self.at += escape(self.rest()).ok_or_else(|| self.expected("a valid escape sequence"))?.1;
                    escaped = true;
                }
                Some(_) => return Err(self.expected("an escape sequence instead of a control character")),
                None => return Err(self.expected("the end of a string")),
            }
        }
        let inside = self.text.get(start..self.at).unwrap_or_default();
        self.at += 1;
        Ok(if escaped { Text::Escaped(inside) } else { Text::Plain(inside.into()) })
    }

    fn digits(&mut self) -> Result<(), DecodeError> {
        match self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count() {
            0 => Err(self.expected("a digit")),
            digits => {
                self.at += digits;
                Ok(())
            }
        }
    }

    fn number(&mut self) -> Result<Token<'a>, DecodeError> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        let whole = self.at;
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        let number = self.text.get(start..self.at).unwrap_or_default();
        let is_whole = self.at == whole;
        if is_whole && let Some(integer) = integer(number) {
            return Ok(integer);
        }
        match number.parse::<f64>() {
            Ok(float) if float.is_finite() && is_whole => Ok(big_integer(number)),
            Ok(float) if float.is_finite() => Ok(Token::Float(float)),
            _ => Err(DecodeError::Malformed(format!("JSON: the number at byte {start} is out of range"))),
        }
    }
}

/// An integer that CBOR at least can hold exactly.
fn integer<'a>(number: &str) -> Option<Token<'a>> {
    let Some(magnitude) = number.strip_prefix('-') else {
        return number.parse().ok().map(Token::Unsigned);
    };
    match magnitude.parse::<u128>().ok()? {
        0 => Some(Token::Unsigned(0)),
        magnitude => u64::try_from(magnitude - 1).ok().map(Token::Negative),
    }
}

/// An integer beyond 64 bits: at most 309 digits, since it fits a double's range.
fn big_integer<'a>(number: &str) -> Token<'a> {
    /// As many as fit 64 bits.
    const DIGITS: usize = 19;
    let (negative, magnitude) = match number.strip_prefix('-') {
        Some(magnitude) => (true, magnitude),
        None => (false, number),
    };
    // The lowest place first.
    let mut places: Vec<u64> = Vec::new();
    for digits in magnitude.as_bytes().chunks(DIGITS) {
        let (scale, value) = digits.iter().fold((1_u128, 0_u128), |(scale, value), digit| {
            (scale * 10, value * 10 + u128::from(digit.wrapping_sub(b'0')))
        });
        let mut carry = value;
        for place in &mut places {
            carry += u128::from(*place) * scale;
            (*place, carry) = (low(carry), carry >> 64);
        }
        if carry > 0 {
            places.push(low(carry));
        }
    }
    if negative {
        // A negative one is written as what it is below -1.
        for place in &mut places {
            let is_over = *place == 0;
            *place = place.wrapping_sub(1);
            if !is_over {
                break;
            }
        }
    }
    let bytes: Vec<u8> =
        places.iter().rev().flat_map(|place| place.to_be_bytes()).skip_while(|byte| *byte == 0).collect();
    Token::Big { negative, bytes: bytes.into() }
}

impl<'a> Reader<'a> for JsonReader<'a> {
    const TEXT: bool = true;
    const COUNTED: bool = false;

    #[inline]
    fn value(&mut self) -> Result<Token<'a>, DecodeError> {
        self.skip_space();
        match self.peek() {
            Some(b'"') => self.string().map(Token::Text),
            Some(b'[') => self.literal("[", Token::List(None)),
            Some(b'{') => self.literal("{", Token::Dict(None)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal("true", Token::Bool(true)),
            Some(b'f') => self.literal("false", Token::Bool(false)),
            Some(b'n') => self.literal("null", Token::Null),
            _ => Err(self.expected("a value")),
        }
    }

    #[inline]
    fn more(&mut self, container: &mut Container) -> Result<bool, DecodeError> {
        let (close, alternatives) = match container.kind {
            Kind::List => (b']', "',' or ']'"),
            Kind::Dict => (b'}', "',' or '}'"),
        };
        self.skip_space();
        let first = std::mem::replace(&mut container.first, false);
        match self.peek() {
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            _ if first => Ok(true),
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            _ => Err(self.expected(alternatives)),
        }
    }

    fn key(&mut self) -> Result<Token<'a>, DecodeError> {
        self.skip_space();
        if self.peek() != Some(b'"') {
            return Err(self.expected("a key in double quotes"));
        }
        let key = self.string()?;
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.expected("':'"));
        }
        self.at += 1;
        Ok(Token::Text(key))
    }

    fn skip_to_value(&mut self) -> usize {
        self.skip_space();
        self.at
    }

    fn position(&self) -> usize {
        self.at
    }

    fn finish(&mut self) -> Result<(), DecodeError> {
        self.skip_space();
        if self.at < self.text.len() { Err(self.expected("the end of the text")) } else { Ok(()) }
    }
}
