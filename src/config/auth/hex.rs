//! Keys and salts in hexadecimal digits.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::config::{
    Secret, SecretKey,
    reader::{Json, Raw, Walk, checked_text, inline_schema},
    secret::RawSecretFile,
};

/// `MIN` to `MAX` bytes in hexadecimal digits. Messages may show them.
#[derive(Debug)]
pub(in crate::config) struct Hex<const MIN: usize, const MAX: usize>(pub(super) Vec<u8>);

/// 32 bytes in hexadecimal digits, written like any secret. No message shows them.
#[derive(Debug)]
pub(in crate::config) struct HexSecret(pub(super) SecretKey);

impl<const MIN: usize, const MAX: usize> Raw for Hex<MIN, MAX> {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        let (least, most) = (MIN * 2, MAX * 2);
        let hint = if MIN == MAX {
            format!("{least} hexadecimal digits")
        } else {
            format!("{least} to {most} hexadecimal digits, an even number")
        };
        let parse = |text: &str| decode(text).filter(|bytes| (MIN..=MAX).contains(&bytes.len())).map(Self);
        checked_text(json, &hint, walk, parse)
    }
}

impl HexSecret {
    /// The bytes.
    pub(in crate::config) fn secret(self) -> SecretKey {
        self.0
    }
}

impl Raw for HexSecret {
    // No message repeats the value.
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        let secret = Secret::read(json, walk)?;
        let bytes = decode(secret.expose().trim()).and_then(|bytes| bytes.try_into().ok());
        if bytes.is_none() && !walk.judges_secret(walk.path()) {
            return Some(Self(SecretKey([0; 32])));
        }
        if bytes.is_none() {
            walk.fault("is not a key, use 64 hexadecimal digits");
        }
        Some(Self(SecretKey(bytes?)))
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let pair = |pair: &[u8]| match pair {
        [high, low] => {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()
        }
        _ => None,
    };
    text.as_bytes().chunks(2).map(pair).collect()
}

inline_schema!(for [const MIN: usize, const MAX: usize] Hex<MIN, MAX>, format!("Hex_{MIN}_{MAX}"), |_generator| {
    json_schema!({ "type": "string", "pattern": format!("^([0-9A-Fa-f]{{2}}){{{MIN},{MAX}}}$") })
});

impl JsonSchema for HexSecret {
    fn schema_name() -> Cow<'static, str> {
        "HexSecret".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let file = generator.subschema_for::<RawSecretFile>();
        let pattern = r"^([0-9A-Fa-f]{64}|\$([A-Za-z_][A-Za-z0-9_]*|\{[A-Za-z_][A-Za-z0-9_]*\}))$";
        json_schema!({ "anyOf": [{ "type": "string", "pattern": pattern }, file] })
    }
}
