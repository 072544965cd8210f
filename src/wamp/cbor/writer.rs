//! Writing CBOR.

use super::{info, major, simple, tag};
use crate::wamp::{
    moment::Moment,
    read::{Kind, Token},
    write::{self, Writer},
};

/// Writes CBOR: integers and lengths in their shortest form, floats as doubles.
#[derive(Debug)]
pub(in crate::wamp) struct CborWriter {
    out: Vec<u8>,
}

impl CborWriter {
    fn head(&mut self, major: u8, argument: u64) {
        let initial = |info: u8| major << 5 | info;
        if let Ok(argument) = u8::try_from(argument) {
            if argument < info::ONE_BYTE {
                self.out.push(initial(argument));
            } else {
                self.out.extend([initial(info::ONE_BYTE), argument]);
            }
        } else if let Ok(argument) = u16::try_from(argument) {
            self.out.push(initial(info::TWO_BYTES));
            self.out.extend(argument.to_be_bytes());
        } else if let Ok(argument) = u32::try_from(argument) {
            self.out.push(initial(info::FOUR_BYTES));
            self.out.extend(argument.to_be_bytes());
        } else {
            self.out.push(initial(info::EIGHT_BYTES));
            self.out.extend(argument.to_be_bytes());
        }
    }
}

impl Writer for CborWriter {
    const TEXT: bool = false;

    fn with_capacity(bytes: usize) -> Self {
        Self { out: Vec::with_capacity(bytes) }
    }

    fn finish(self) -> Vec<u8> {
        self.out
    }

    fn null(&mut self) {
        self.head(major::OTHER, simple::NULL);
    }

    fn bool(&mut self, value: bool) {
        self.head(major::OTHER, if value { simple::TRUE } else { simple::FALSE });
    }

    fn unsigned(&mut self, value: u64) {
        self.head(major::UNSIGNED, value);
    }

    fn negative(&mut self, below: u64) {
        self.head(major::NEGATIVE, below);
    }

    fn big(&mut self, negative: bool, bytes: &[u8]) {
        self.head(major::TAG, if negative { tag::NEGATIVE_BIGNUM } else { tag::BIGNUM });
        self.bytes(bytes);
    }

    fn float(&mut self, value: f64) {
        self.out.push(major::OTHER << 5 | info::EIGHT_BYTES);
        self.out.extend(value.to_be_bytes());
    }

    /// Seconds since 1970. Where there are fractions, text keeps all of them, and a double would not.
    fn time(&mut self, moment: Moment) {
        if let Some(text) = moment.to_rfc3339().filter(|_| moment.nanoseconds > 0) {
            self.head(major::TAG, tag::DATE);
            self.text(&text.to_string());
            return;
        }
        self.head(major::TAG, tag::EPOCH);
        if moment.nanoseconds > 0 {
            self.float(moment.to_float());
        } else {
            write::token(self, Token::signed(moment.seconds));
        }
    }

    fn text(&mut self, value: &str) {
        self.head(major::TEXT, value.len() as u64);
        self.raw(value.as_bytes());
    }

    fn bytes(&mut self, value: &[u8]) {
        self.head(major::BYTES, value.len() as u64);
        self.raw(value);
    }

    fn list(&mut self, items: usize) {
        self.head(major::LIST, items as u64);
    }

    fn dict(&mut self, pairs: usize) {
        self.head(major::DICT, pairs as u64);
    }

    fn key(&mut self, key: Token<'_>) {
        write::token(self, key);
    }

    fn end(&mut self, _: Kind) {}

    fn raw(&mut self, value: &[u8]) {
        self.out.extend_from_slice(value);
    }
}
