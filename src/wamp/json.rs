//! JSON (RFC 8259), as far as WAMP needs it: a reader that checks everything and copies nothing, and a writer.
//!
//! Stricter than the grammar in two points, because a payload passes through to clients whose parsers refuse the
//! rest: an escaped surrogate must be half of a pair, and a number must fit a double's range.

use super::{
    DecodeError,
    read::{Container, Kind, Reader, Text, Token},
    write::{Writer, binary_as_text, key_text, negative_int},
};

/// Reads JSON.
#[derive(Debug)]
pub(super) struct JsonReader<'a> {
    text: &'a str,
    at: usize,
}

/// Writes JSON without white space.
#[derive(Debug)]
pub(super) struct JsonWriter {
    out: Vec<u8>,
}

/// What an escape sequence stands for, and how long it is; nothing if it is none. `rest` begins with the backslash.
fn escape(rest: &[u8]) -> Option<(char, usize)> {
    let character = match rest.get(1)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode_escape(rest),
        _ => return None,
    };
    Some((character, 2))
}

/// `\uXXXX`, or two of them that are a surrogate pair.
fn unicode_escape(rest: &[u8]) -> Option<(char, usize)> {
    let unit = |from: usize| -> Option<u32> {
        let escape = rest.get(from..from + 6)?.strip_prefix(b"\\u")?;
        escape.iter().try_fold(0, |unit, &digit| Some(unit << 4 | char::from(digit).to_digit(16)?))
    };
    let high = unit(0)?;
    if let Some(character) = char::from_u32(high) {
        return Some((character, 6));
    }
    let low = unit(6)?;
    if !(0xd800..0xdc00).contains(&high) || !(0xdc00..0xe000).contains(&low) {
        return None;
    }
    let character = char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))?;
    Some((character, 12))
}

/// The string whose inside is `raw`. An invalid escape, which a reader would not have passed, stays as it is.
pub(super) fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((plain, escaped)) = rest.find('\\').and_then(|at| rest.split_at_checked(at)) {
        out.push_str(plain);
        let (character, length) = escape(escaped.as_bytes()).unwrap_or(('\\', 1));
        out.push(character);
        rest = escaped.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// How many bytes a string goes on before a quote, an escape or a control character.
///
/// Eight at a time, for this is where most of a payload is: the arithmetic leaves the highest bit set in the first byte
/// that matches (and perhaps in ones behind it).
fn plain_length(rest: &[u8]) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGHEST: u64 = ONES << 7;
    let below = |word: u64, bound: u8| word.wrapping_sub(ONES * u64::from(bound)) & !word & HIGHEST;
    let (words, tail) = rest.as_chunks();
    let mut length = 0;
    for word in words {
        let word = u64::from_le_bytes(*word);
        let special = below(word, b' ')
            | below(word ^ ONES * u64::from(b'"'), 1)
            | below(word ^ ONES * u64::from(b'\\'), 1);
        if special != 0 {
            return length + (special.trailing_zeros() / 8) as usize;
        }
        length += 8;
    }
    length + tail.iter().take_while(|&&byte| byte >= b' ' && !matches!(byte, b'"' | b'\\')).count()
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
        if self.at == whole
            && let Some(integer) = integer(number)
        {
            return Ok(integer);
        }
        match number.parse::<f64>() {
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

impl<'a> Reader<'a> for JsonReader<'a> {
    const TEXT: bool = true;
    const COUNTED: bool = false;

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

// === impl JsonWriter ===

impl JsonWriter {
    /// Whether a comma is due shows in what was written last: no value ends like a container's or a pair's opening.
    fn separate(&mut self) {
        if !matches!(self.out.last(), None | Some(b'[' | b'{' | b':')) {
            self.out.push(b',');
        }
    }

    fn serde(&mut self, value: impl serde::Serialize) {
        self.separate();
        // Strings and numbers always have a JSON form (`null` for what is no number), and a Vec takes whatever comes.
        let _ = serde_json::to_writer(&mut self.out, &value);
    }
}

impl Writer for JsonWriter {
    const TEXT: bool = true;

    fn with_capacity(bytes: usize) -> Self {
        Self { out: Vec::with_capacity(bytes) }
    }

    fn finish(self) -> Vec<u8> {
        self.out
    }

    fn null(&mut self) {
        self.raw(b"null");
    }

    fn bool(&mut self, value: bool) {
        self.serde(value);
    }

    fn unsigned(&mut self, value: u64) {
        self.serde(value);
    }

    fn negative(&mut self, below: u64) {
        match i64::try_from(below) {
            Ok(below) => self.serde(!below),
            Err(_) => self.serde(negative_int(below)),
        }
    }

    fn float(&mut self, value: f64) {
        self.serde(value);
    }

    fn text(&mut self, value: &str) {
        self.serde(value);
    }

    fn bytes(&mut self, value: &[u8]) {
        self.serde(binary_as_text(value));
    }

    fn list(&mut self, _: usize) {
        self.raw(b"[");
    }

    fn dict(&mut self, _: usize) {
        self.raw(b"{");
    }

    fn key(&mut self, key: Token<'_>) {
        self.text(&key_text(key));
        self.out.push(b':');
    }

    fn end(&mut self, kind: Kind) {
        self.out.push(match kind {
            Kind::List => b']',
            Kind::Dict => b'}',
        });
    }

    fn raw(&mut self, value: &[u8]) {
        self.separate();
        self.out.extend_from_slice(value);
    }
}
