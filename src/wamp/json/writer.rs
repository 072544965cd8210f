//! Writing JSON.

use crate::wamp::{
    moment::Moment,
    read::{Kind, Token},
    write::{Writer, big_digits, big_text, binary_as_text, key_text, negative_int},
};

/// Writes JSON without white space.
#[derive(Debug)]
pub(in crate::wamp) struct JsonWriter {
    out: Vec<u8>,
}

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

    fn big(&mut self, negative: bool, bytes: &[u8]) {
        match big_digits(negative, bytes) {
            Some(digits) => self.raw(digits.as_bytes()),
            None => self.serde(big_text(negative, bytes)),
        }
    }

    fn float(&mut self, value: f64) {
        self.serde(value);
    }

    /// As text, or as the seconds since 1970 in a year that RFC 3339 cannot write.
    fn time(&mut self, moment: Moment) {
        match moment.to_rfc3339() {
            Some(text) => self.serde(text.to_string()),
            None if moment.nanoseconds == 0 => self.serde(moment.seconds),
            None => self.serde(moment.to_float()),
        }
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
