//! The functions behind `object!`, `choice!` and `words!`: they read keys, tags and words, and write their schemas.

use schemars::Schema;
use serde_json::{Map, Value, json};

use super::{Entries, Json, Raw, Refused, Walk, alternatives, entry, quoted, suggest, walk::instead_of};

/// An object with known keys, which `object!` implements.
pub(crate) trait Object: Raw {
    /// The known keys.
    const KEYS: &'static [&'static str];
    /// Keys that Crossbar has and the gateway does not support.
    const REFUSED: &'static Refused;
    /// Keys that belong elsewhere.
    const MISPLACED: &'static Refused;

    /// Reads the known keys. `tag` is a key that the caller has read already.
    fn take(entries: &Entries<'_>, tag: Option<&'static str>, walk: &mut Walk<'_>) -> Self;
}

/// Reads one key of an object.
pub(crate) fn field<T: Raw>(
    entries: &Entries<'_>,
    key: &str,
    required: bool,
    doc: &str,
    walk: &mut Walk<'_>,
) -> Option<T> {
    match entry(entries, key) {
        Some(json) => walk.at_key(key, |walk| T::read(json, walk)),
        None if required => {
            walk.at_key(key, |walk| walk.fault(format!("missing, but required: {}", first_sentence(doc))));
            None
        }
        None => None,
    }
}

/// Reads a word of a fixed list; the result is its place in the list.
pub(crate) fn word(json: &Json, words: &[&str], refused: &Refused, walk: &mut Walk<'_>) -> Option<usize> {
    let Json::Text(text) = json else {
        walk.wrong_kind(&alternatives(words), json);
        return None;
    };
    let place = words.iter().position(|word| word == text);
    if place.is_none() {
        walk.fault(match instead_of(text, refused) {
            Some(instead) => format!("Crossbar's {} is not supported: {instead}", quoted(text)),
            None => format!("{} is unknown, {}", quoted(text), suggest(text, words.iter().copied())),
        });
    }
    place
}

/// Reads the key `type`, which tells the objects of a choice apart; the result is the word's place in the list.
pub(crate) fn tag(
    entries: &Entries<'_>,
    words: &[&str],
    refused: &Refused,
    walk: &mut Walk<'_>,
) -> Option<usize> {
    walk.at_key("type", |walk| {
        if let Some(json) = entry(entries, "type") {
            return word(json, words, refused, walk);
        }
        walk.fault(format!("missing, but required: write {}", alternatives(words)));
        None
    })
}

/// A doc comment as one line.
pub(crate) fn one_line(doc: &str) -> String {
    doc.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn first_sentence(doc: &str) -> String {
    let line = one_line(doc);
    let sentence = line.split_once(". ").map_or(line.as_str(), |(first, _)| first).trim_end_matches('.');
    let mut characters = sentence.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}

/// The schema of an object, which grows key by key.
pub(crate) struct ObjectSchema {
    description: String,
    properties: Map<String, Value>,
    required: Vec<Value>,
}

impl ObjectSchema {
    pub(crate) fn new(doc: &str) -> Self {
        Self { description: one_line(doc), properties: Map::new(), required: Vec::new() }
    }

    pub(crate) fn property(&mut self, key: &str, required: bool, schema: Schema, doc: &str) {
        let mut schema = schema;
        schema.insert("description".to_owned(), one_line(doc).into());
        self.properties.insert(key.to_owned(), schema.to_value());
        if required {
            self.required.push(key.into());
        }
    }

    pub(crate) fn finish(self) -> Schema {
        let mut schema = schemars::json_schema!({
            "description": self.description,
            "type": "object",
            "properties": self.properties,
            "additionalProperties": false,
        });
        if !self.required.is_empty() {
            schema.insert("required".to_owned(), self.required.into());
        }
        schema
    }
}

/// Adds the key `type` to the schema of one object of a choice.
pub(crate) fn tagged(mut schema: Schema, words: &[&str]) -> Value {
    let tag = match words {
        [word] => json!({ "const": word }),
        words => json!({ "enum": words }),
    };
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("type".to_owned(), tag);
    }
    let required = schema.ensure_object().entry("required").or_insert_with(|| json!([]));
    if let Some(required) = required.as_array_mut() {
        required.insert(0, "type".into());
    }
    schema.to_value()
}
