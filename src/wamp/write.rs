//! Writing values piece by piece: what the three serializers have in common.

use std::{borrow::Cow, fmt::Write as _};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Map, Number, Value};

use super::{
    moment::Moment,
    read::{Kind, Token},
};

/// One serializer's syntax.
pub(super) trait Writer {
    /// Whether the serializer writes text, which has no binary strings, no lengths, and only strings for keys.
    const TEXT: bool;

    /// A writer that need not grow before it has written so many bytes.
    fn with_capacity(bytes: usize) -> Self;
    /// What was written.
    fn finish(self) -> Vec<u8>;

    fn null(&mut self);
    fn bool(&mut self, value: bool);
    fn unsigned(&mut self, value: u64);
    /// Writes -1 - `below`: exactly, if the serializer has such an integer, else as the nearest float.
    fn negative(&mut self, below: u64);
    /// Writes an integer beyond 64 bits: exactly, if the serializer has a form for it, else as the nearest float.
    fn big(&mut self, negative: bool, bytes: &[u8]);
    fn float(&mut self, value: f64);
    fn text(&mut self, value: &str);
    fn bytes(&mut self, value: &[u8]);
    fn time(&mut self, moment: Moment);
    /// Opens a list of so many items.
    fn list(&mut self, items: usize);
    /// Opens a dictionary of so many pairs.
    fn dict(&mut self, pairs: usize);
    /// Writes a pair's key, as far as the serializer can with the key's own type.
    fn key(&mut self, key: Token<'_>);
    /// Closes the innermost open container.
    fn end(&mut self, kind: Kind);
    /// Adds a value that is serialized already.
    fn raw(&mut self, value: &[u8]);
}

/// Binary data as WAMP has it in JSON: U+0000, then base64 (section "Binary support in JSON").
pub(super) fn binary_as_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(1 + bytes.len().div_ceil(3) * 4);
    text.push('\0');
    STANDARD.encode_string(bytes, &mut text);
    text
}

/// The binary data behind a string that came as JSON. Without the mark, or with no base64 behind it, it is just a string.
pub(super) fn text_as_binary(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text.strip_prefix('\0')?).ok()
}

/// A key as a string, for JSON: numbers and the like by their JSON text, binary data as everywhere.
pub(super) fn key_text(key: Token<'_>) -> Cow<'_, str> {
    match key {
        Token::Text(text) => text.into_str(),
        Token::Bytes(bytes) => binary_as_text(&bytes).into(),
        Token::Unsigned(int) => int.to_string().into(),
        Token::Negative(below) => negative_int(below).to_string().into(),
        Token::Big { negative, bytes } => {
            big_digits(negative, &bytes).unwrap_or_else(|| big_text(negative, &bytes)).into()
        }
        Token::Float(float) => Value::from(float).to_string().into(),
        Token::Time(moment) => match moment.to_rfc3339() {
            Some(text) => text.to_string().into(),
            None => moment.seconds.to_string().into(),
        },
        Token::Bool(true) => "true".into(),
        Token::Bool(false) => "false".into(),
        // No reader takes a list or dictionary for a key.
        Token::Null | Token::List(_) | Token::Dict(_) => "null".into(),
    }
}

/// Writes a scalar, or the head of a container of so many items or pairs.
pub(super) fn token<W: Writer>(writer: &mut W, token: Token<'_>) {
    match token {
        Token::Null => writer.null(),
        Token::Bool(value) => writer.bool(value),
        Token::Unsigned(value) => writer.unsigned(value),
        Token::Negative(below) => writer.negative(below),
        Token::Big { negative, bytes } => writer.big(negative, &bytes),
        Token::Float(value) => writer.float(value),
        Token::Text(value) => writer.text(&value.into_str()),
        Token::Bytes(value) => writer.bytes(&value),
        Token::Time(moment) => writer.time(moment),
        Token::List(items) => writer.list(items.unwrap_or_default()),
        Token::Dict(pairs) => writer.dict(pairs.unwrap_or_default()),
    }
}

/// Writes a dictionary. Strings in it may stand for binary data, as everywhere in JSON.
pub(super) fn object<W: Writer>(writer: &mut W, object: &Map<String, Value>) {
    writer.dict(object.len());
    for (key, value) in object {
        writer.key(Token::text(key));
        json_value(writer, value);
    }
    writer.end(Kind::Dict);
}

fn json_value<W: Writer>(writer: &mut W, value: &Value) {
    match value {
        Value::Null => writer.null(),
        Value::Bool(value) => writer.bool(*value),
        Value::Number(number) => json_number(writer, number),
        Value::String(text) => json_text(writer, text),
        Value::Array(items) => {
            writer.list(items.len());
            for item in items {
                json_value(writer, item);
            }
            writer.end(Kind::List);
        }
        Value::Object(pairs) => object(writer, pairs),
    }
}

/// Writes a string that came as JSON.
pub(super) fn json_text<W: Writer>(writer: &mut W, text: &str) {
    match (!W::TEXT).then(|| text_as_binary(text)).flatten() {
        Some(bytes) => writer.bytes(&bytes),
        None => writer.text(text),
    }
}

fn json_number<W: Writer>(writer: &mut W, number: &Number) {
    if let Some(int) = number.as_u64() {
        writer.unsigned(int);
    } else if let Some(int) = number.as_i64() {
        token(writer, Token::signed(int));
    } else {
        writer.float(number.as_f64().unwrap_or(f64::NAN));
    }
}

/// The integer -1 - `below`.
pub(super) const fn negative_int(below: u64) -> i128 {
    !(below as i128)
}

/// An integer beyond 64 bits in JSON: its digits, if it fits a double's range as all numbers in JSON have to here.
pub(super) fn big_digits(negative: bool, bytes: &[u8]) -> Option<String> {
    /// As many as fit 64 bits.
    const SCALE: u128 = 10_000_000_000_000_000_000;
    if !big_float(negative, bytes).is_finite() {
        return None;
    }
    // The highest place first, eight bytes each.
    let mut places: Vec<u64> = bytes
        .rchunks(size_of::<u64>())
        .rev()
        .map(|place| place.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
        .collect();
    if negative {
        // It is written as what it is below -1.
        let mut is_carried = true;
        for place in places.iter_mut().rev() {
            (*place, is_carried) = place.overflowing_add(u64::from(is_carried));
        }
        if is_carried {
            places.insert(0, 1);
        }
    }
    let mut groups = Vec::new();
    while places.iter().any(|place| *place != 0) {
        let mut rest = 0_u128;
        for place in &mut places {
            let number = rest << 64 | u128::from(*place);
            (*place, rest) = (low(number / SCALE), number % SCALE);
        }
        groups.push(rest);
    }
    let mut digits = String::from(if negative { "-" } else { "" });
    for (place, group) in groups.iter().rev().enumerate() {
        let width = if place == 0 { 0 } else { 19 };
        // A text takes all that is written to it.
        let _ = write!(digits, "{group:0width$}");
    }
    Some(digits)
}

/// The lower half of a number.
#[allow(clippy::cast_possible_truncation, reason = "the lower half is what is asked for")]
pub(super) const fn low(number: u128) -> u64 {
    number as u64
}

/// An integer beyond a double's range in JSON (RFC 8949, 6.1): its bytes in base64url without padding, behind `~` if it is negative.
pub(super) fn big_text(negative: bool, bytes: &[u8]) -> String {
    let mut text = String::with_capacity(1 + bytes.len().div_ceil(3) * 4);
    if negative {
        text.push('~');
    }
    URL_SAFE_NO_PAD.encode_string(bytes, &mut text);
    text
}

/// The double nearest to an integer beyond 64 bits, or an infinity. The bytes behind the first sixteen only tell whether
/// there is something: they are less than the last place of the double.
#[allow(clippy::cast_precision_loss, reason = "the nearest double is what is asked for")]
pub(super) fn big_float(negative: bool, bytes: &[u8]) -> f64 {
    let (head, tail) = bytes.split_at(bytes.len().min(16));
    let mut leading = head.iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    if tail.iter().any(|byte| *byte != 0) {
        leading |= 1;
    }
    let shift = i32::try_from(tail.len().saturating_mul(8)).unwrap_or(i32::MAX);
    let magnitude = leading as f64 * 2f64.powi(shift);
    if negative { -1.0 - magnitude } else { magnitude }
}

/// What becomes of the integer -1 - `below` where there is no type for it.
#[allow(clippy::cast_precision_loss, reason = "the nearest double is what is asked for")]
pub(super) const fn negative_float(below: u64) -> f64 {
    negative_int(below) as f64
}
