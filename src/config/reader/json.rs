//! JSON as it stands in the file: keys in their order, and duplicates kept, so that the walk can report them.

use std::fmt;

use serde::{
    Deserialize,
    de::{Deserializer, MapAccess, SeqAccess, Visitor},
};
use serde_json::Number;

use super::{ConfigError, FaultPlace};

/// A JSON value. Unlike [`serde_json::Value`] it keeps keys that stand twice.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads a file's bytes.
    ///
    /// The parser bounds the depth, at 127 levels.
    pub(crate) fn parse(file: &str, bytes: &[u8]) -> Result<Self, Box<ConfigError>> {
        // Editors on Windows write a byte order mark, which means nothing in UTF-8.
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let sound = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = sound.split(|byte| *byte == b'\n').count();
            let column = 1 + sound.iter().rev().take_while(|byte| **byte != b'\n').count();
            let place = FaultPlace::Position { line, column };
            Box::new(ConfigError::one(file, place, "this is not UTF-8, save the file in that encoding"))
        })?;
        serde_json::from_str(text).map_err(|error| {
            let place = FaultPlace::Position { line: error.line(), column: error.column().max(1) };
            Box::new(ConfigError::one(file, place, explain(&error)))
        })
    }

    /// What kind of value this is, for "found …".
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(true) => "true",
            Self::Bool(false) => "false",
            Self::Number(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

/// The parser's message, with the remedy where the parser names none.
fn explain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    // The parser appends its position, which stands in front here.
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
    let remedy = match text {
        "expected value" => {
            "expected a value: an object, a list, text in double quotes, a number, true, false or null"
        }
        "trailing comma" => "expected another entry after the comma; remove the comma behind the last one",
        "key must be a string" => "expected a key in double quotes",
        "trailing characters" => "expected the end of the file after the outermost closing brace",
        "recursion limit exceeded" => "nested too deeply, use at most 127 levels",
        "EOF while parsing a value" => return "the file ends too early: expected a value".to_owned(),
        "EOF while parsing an object" => return "the file ends too early: expected `,` or `}`".to_owned(),
        "EOF while parsing a list" => return "the file ends too early: expected `,` or `]`".to_owned(),
        "EOF while parsing a string" => return "the file ends too early: expected `\"`".to_owned(),
        other => return format!("broken JSON: {other}"),
    };
    format!("broken JSON: {remedy}")
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        // JSON text has no infinities, and the parser refuses numbers that would become one.
        Ok(Number::from_f64(value).map_or(Json::Null, Json::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = access.next_element()? {
            list.push(value);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Json::Object(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &[u8]) -> String {
        Json::parse("config.json", text).unwrap_err().to_string()
    }

    #[test]
    fn duplicate_keys_are_kept_in_order() {
        let json = Json::parse("config.json", br#"{"b": 1, "a": 2, "b": 3}"#).unwrap();
        let Json::Object(entries) = json else { panic!("{json:?}") };
        assert_eq!(entries.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["b", "a", "b"]);
    }

    #[test]
    fn broken_text_is_located_and_says_what_was_expected() {
        assert_eq!(
            fault(b"{\n  \"a\": 1,\n}"),
            "config.json:3:1: broken JSON: expected another entry after the comma; remove the comma behind the last one"
        );
        assert!(fault(b"{\"a\": ").starts_with("config.json:1:6: the file ends too early"));
        assert!(
            fault(b"{a: 1}").starts_with("config.json:1:2: broken JSON: expected a key in double quotes")
        );
        assert!(fault(b"{} {}").contains("expected the end of the file"));
        assert!(fault(b"{\"a\": 'x'}").contains("expected a value"));
        assert!(fault(b"\n\n  \xFF").starts_with("config.json:3:3: this is not UTF-8"));
    }

    #[test]
    fn depth_is_bounded() {
        let text = "[".repeat(100_000);
        assert!(fault(text.as_bytes()).contains("nested too deeply"));
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        assert_eq!(Json::parse("config.json", b"\xEF\xBB\xBF[]"), Ok(Json::List(Vec::new())));
    }
}
