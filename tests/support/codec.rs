//! WAMP's serializers for tests: one notation, [`serde_json::Value`], whatever travels on the wire.
//!
//! Bytes, which JSON lacks, are written as WAMP writes them there (section "Binary conversion of JSON Strings"): a
//! string of U+0000 and base64. So the same value can be sent with one serializer and compared after another.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ciborium::Value as Binary;
use serde_json::{Map, Number, Value};

/// How messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Serializer {
    Json,
    MsgPack,
    Cbor,
}

/// A value that is bytes.
pub(crate) fn bytes(content: impl AsRef<[u8]>) -> Value {
    Value::String(format!("\0{}", STANDARD.encode(content)))
}

impl Serializer {
    pub(crate) const ALL: [Self; 3] = [Self::Json, Self::MsgPack, Self::Cbor];

    /// The subprotocol.
    pub(crate) const fn protocol(self, batched: bool) -> &'static str {
        match (self, batched) {
            (Self::Json, false) => "wamp.2.json",
            (Self::Json, true) => "wamp.2.json.batched",
            (Self::MsgPack, false) => "wamp.2.msgpack",
            (Self::MsgPack, true) => "wamp.2.msgpack.batched",
            (Self::Cbor, false) => "wamp.2.cbor",
            (Self::Cbor, true) => "wamp.2.cbor.batched",
        }
    }

    pub(crate) fn encode(self, message: &Value) -> Vec<u8> {
        match self {
            Self::Json => serde_json::to_vec(message).unwrap(),
            Self::MsgPack => rmp_serde::to_vec(&to_binary(message)).unwrap(),
            Self::Cbor => {
                let mut bytes = Vec::new();
                ciborium::into_writer(&to_binary(message), &mut bytes).unwrap();
                bytes
            }
        }
    }

    #[track_caller]
    pub(crate) fn decode(self, bytes: &[u8]) -> Value {
        match self {
            Self::Json => serde_json::from_slice(bytes).unwrap(),
            Self::MsgPack => from_binary(rmp_serde::from_slice(bytes).unwrap()),
            Self::Cbor => from_binary(ciborium::from_reader(bytes).unwrap()),
        }
    }

    /// Puts messages into one frame of the batched form.
    pub(crate) fn batch(self, messages: &[Value]) -> Vec<u8> {
        let mut frame = Vec::new();
        for message in messages {
            let bytes = self.encode(message);
            if self == Self::Json {
                frame.extend(bytes);
                frame.push(SEPARATOR);
            } else {
                frame.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
                frame.extend(bytes);
            }
        }
        frame
    }

    /// Takes a frame of the batched form apart.
    #[track_caller]
    pub(crate) fn unbatch(self, mut frame: &[u8]) -> Vec<Value> {
        if self == Self::Json {
            let mut messages: Vec<&[u8]> = frame.split(|byte| *byte == SEPARATOR).collect();
            assert_eq!(messages.pop(), Some(&[][..]), "a batch ends with a separator");
            return messages.into_iter().map(|message| self.decode(message)).collect();
        }
        let mut messages = Vec::new();
        while let Some((length, rest)) = frame.split_first_chunk::<4>() {
            let (message, rest) = rest.split_at(usize::try_from(u32::from_be_bytes(*length)).unwrap());
            messages.push(self.decode(message));
            frame = rest;
        }
        assert!(frame.is_empty(), "something stands behind the last message of a batch");
        messages
    }
}

/// What ends a JSON message in a batch: octal 30, as the specification writes it.
const SEPARATOR: u8 = 0o30;

fn to_binary(value: &Value) -> Binary {
    match value {
        Value::Null => Binary::Null,
        Value::Bool(truth) => Binary::Bool(*truth),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => Binary::from(number),
            (_, Some(number)) => Binary::from(number),
            _ => Binary::Float(number.as_f64().unwrap()),
        },
        Value::String(text) => match text.strip_prefix('\0') {
            Some(encoded) => Binary::Bytes(STANDARD.decode(encoded).unwrap()),
            None => Binary::Text(text.clone()),
        },
        Value::Array(items) => Binary::Array(items.iter().map(to_binary).collect()),
        Value::Object(entries) => Binary::Map(
            entries.iter().map(|(key, value)| (Binary::Text(key.clone()), to_binary(value))).collect(),
        ),
    }
}

#[track_caller]
fn from_binary(value: Binary) -> Value {
    match value {
        Binary::Null => Value::Null,
        Binary::Bool(truth) => Value::Bool(truth),
        Binary::Integer(number) => {
            let number = i128::from(number);
            u64::try_from(number)
                .map(Number::from)
                .or_else(|_| i64::try_from(number).map(Number::from))
                .map_or_else(|_| panic!("{number} does not fit"), Value::Number)
        }
        Binary::Float(number) => Number::from_f64(number).map_or(Value::Null, Value::Number),
        Binary::Text(text) => Value::String(text),
        Binary::Bytes(content) => bytes(content),
        Binary::Array(items) => items.into_iter().map(from_binary).collect(),
        Binary::Map(entries) => Value::Object(
            entries
                .into_iter()
                .map(|(key, value)| match key {
                    Binary::Text(key) => (key, from_binary(value)),
                    other => panic!("{other:?} is no key of a dictionary"),
                })
                .collect::<Map<_, _>>(),
        ),
        other => panic!("{other:?} has no place in WAMP"),
    }
}
