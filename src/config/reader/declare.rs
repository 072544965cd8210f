//! The functions behind `object!`, `choice!` and `words!`: they read keys, tags and words, and write their schemas.

use schemars::Schema;
use serde_json::{Map, Value, json};

use super::{
    Entries, Json, Known, Raw, Refused, Walk, alternatives, entry,
    keys::{COMMENT, instead_of},
    quoted, suggest,
};

/// An object with known keys, which `object!` implements.
pub(crate) trait Object: Raw {
    /// The known keys.
    const KEYS: &'static [&'static str];
    /// Keys of Crossbar's that the gateway takes without effect.
    const IGNORED: &'static [&'static str];
    /// Keys that Crossbar has and the gateway does not support.
    const REFUSED: &'static Refused;
    /// Keys that belong elsewhere.
    const MISPLACED: &'static Refused;

    /// Reads the known keys. `tag` is a key that the caller has read already.
    fn take(entries: &Entries<'_>, tag: Option<&'static str>, walk: &mut Walk<'_>) -> Self;
}

/// Reads one key of an object. The key may be misspelt, which is a fault of its own and hides none of those inside a list or an object.
pub(crate) fn field<T: Raw>(
    entries: &Entries<'_>,
    key: &str,
    known: &Known<'_>,
    required: bool,
    doc: &str,
    walk: &mut Walk<'_>,
) -> Option<T> {
    let written = entry(entries, key).map(|json| (key, json));
    match written.or_else(|| misspelt(entries, key, known, walk)) {
        Some((written, json)) => walk.at_key(written, |walk| T::read(json, walk)),
        None if required => {
            walk.at_key(key, |walk| walk.fault(format!("missing, but required: {}", first_sentence(doc))));
            None
        }
        None => None,
    }
}

/// The list or object under a key that stands for `key`.
fn misspelt<'e, 'j>(
    entries: &'e Entries<'j>,
    key: &'e str,
    known: &'e Known<'_>,
    walk: &mut Walk<'_>,
) -> Option<(&'j str, &'j Json)> {
    let mut found = None;
    for (written, json) in known.misspelt(entries, key) {
        walk.note_misspelt(key, written);
        found = found.or(matches!(json, Json::List(_) | Json::Object(_)).then_some((written, json)));
    }
    found
}

/// Reads a key of Crossbar's that can change neither what a client sees nor what it may do. A value of the wrong kind is a
/// fault. A value that asks for something gets a warning with what `happens` instead.
pub(crate) fn ignored<T: Raw>(entries: &Entries<'_>, key: &str, happens: &str, walk: &mut Walk<'_>) {
    let Some(json) = entry(entries, key) else { return };
    walk.at_key(key, |walk| {
        if let Json::Object(pairs) = json {
            walk.comment(&pairs.iter().map(|(key, value)| (key.as_str(), value)).collect());
        }
        if T::read(json, walk).is_some() && asks_for_something(json) {
            walk.warn(no_effect(happens));
        }
    });
}

fn no_effect(happens: &str) -> String {
    format!("has no effect: {happens}")
}

/// Whether a value is more than "off" or "nothing".
fn asks_for_something(json: &Json) -> bool {
    match json {
        Json::Null | Json::Bool(false) => false,
        Json::Bool(true) => true,
        Json::Number(number) => number.as_u64() != Some(0),
        Json::Text(text) => !text.is_empty(),
        Json::List(items) => !items.is_empty(),
        Json::Object(pairs) => pairs.iter().any(|(key, _)| key != COMMENT),
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

    /// A key of Crossbar's that has no effect.
    pub(crate) fn ignored(&mut self, key: &str, schema: Schema, happens: &str) {
        let mut schema = schema;
        schema.insert("description".to_owned(), format!("Of Crossbar; {}.", no_effect(happens)).into());
        self.properties.insert(key.to_owned(), schema.to_value());
    }

    pub(crate) fn finish(mut self) -> Schema {
        self.properties.insert(COMMENT.to_owned(), comment());
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

/// What stands under [`COMMENT`].
pub(crate) fn comment() -> Value {
    json!({ "type": "string", "description": "A comment: the gateway does not read it." })
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
