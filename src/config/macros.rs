//! Three small declarations from which both the loader and the JSON Schema are made: `object!`, `choice!`, `words!`.
//!
//! A key is named once, with its type, its documentation and whether it is required. What reads it and what describes
//! it cannot drift apart, and a range lives in the type that the key has.

use serde_json::{Map, Value, json};

use schemars::Schema;

use super::{
    json::Json,
    walk::{Entries, Raw, Refused, Walk, alternatives, entry, instead_of, quoted, suggest},
};

/// An object with known keys, as `object!` declares it.
pub(super) trait Object: Raw {
    /// Every key that is known.
    const KEYS: &'static [&'static str];
    /// Keys that only Crossbar has.
    const REFUSED: &'static Refused;
    /// Keys that have their place elsewhere.
    const MISPLACED: &'static Refused;

    /// Reads the known keys. `tag` is a key that has been read already.
    fn take(entries: &Entries<'_>, tag: Option<&'static str>, walk: &mut Walk<'_>) -> Self;
}

/// Reads one key of an object.
pub(super) fn field<T: Raw>(
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

/// Reads a word out of a fixed list, or the tag of a choice; the word's place in the list.
pub(super) fn word(json: &Json, words: &[&str], refused: &Refused, walk: &mut Walk<'_>) -> Option<usize> {
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

/// Reads the key by which a choice is made; the place of its value in the list.
pub(super) fn tag(
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
pub(super) fn one_line(doc: &str) -> String {
    doc.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn first_sentence(doc: &str) -> String {
    let line = one_line(doc);
    let sentence = line.split_once(". ").map_or(line.as_str(), |(first, _)| first).trim_end_matches('.');
    let mut characters = sentence.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}

/// The schema of an object, put together key by key.
pub(super) struct ObjectSchema {
    description: String,
    properties: Map<String, Value>,
    required: Vec<Value>,
}

impl ObjectSchema {
    pub(super) fn new(doc: &str) -> Self {
        Self { description: one_line(doc), properties: Map::new(), required: Vec::new() }
    }

    pub(super) fn property(&mut self, key: &str, required: bool, schema: Schema, doc: &str) {
        let mut schema = schema;
        schema.insert("description".to_owned(), one_line(doc).into());
        self.properties.insert(key.to_owned(), schema.to_value());
        if required {
            self.required.push(key.into());
        }
    }

    pub(super) fn finish(self) -> Schema {
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

/// Adds the key by which a choice is made to the schema of one of its objects.
pub(super) fn tagged(mut schema: Schema, words: &[&str]) -> Value {
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

/// Declares an object: a struct whose fields are all optional, absent or faulty being told apart by the walk.
macro_rules! object {
    (
        $(#[doc = $doc:literal])+
        struct $name:ident {
            $(
                $(#[doc = $field_doc:literal])+
                $field:ident: $presence:ident $type:ty $(= $key:literal)?
            ),* $(,)?
        }
        $(refuses { $($refused:literal => $instead:expr),* $(,)? })?
        $(misplaced { $($misplaced:literal => $place:expr),* $(,)? })?
    ) => {
        $(#[doc = $doc])+
        #[derive(Debug)]
        #[allow(dead_code, reason = "some keys only have to be right, what they say is so anyway")]
        pub(in $crate::config) struct $name {
            $($(#[doc = $field_doc])+ pub(in $crate::config) $field: Option<$type>,)*
        }

        impl $crate::config::macros::Object for $name {
            const KEYS: &'static [&'static str] =
                &[$($crate::config::macros::key!($field $($key)?)),*];
            const REFUSED: &'static $crate::config::walk::Refused = &[$($(($refused, $instead)),*)?];
            const MISPLACED: &'static $crate::config::walk::Refused = &[$($(($misplaced, $place)),*)?];

            #[allow(unused_variables, reason = "an object may have no keys")]
            fn take(
                entries: &$crate::config::walk::Entries<'_>,
                tag: Option<&'static str>,
                walk: &mut $crate::config::walk::Walk<'_>,
            ) -> Self {
                let object = Self {
                    $($field: $crate::config::macros::field(
                        entries,
                        $crate::config::macros::key!($field $($key)?),
                        $crate::config::macros::is_required!($presence),
                        concat!($($field_doc),+),
                        walk,
                    ),)*
                };
                walk.unknown_keys(entries, Self::KEYS, (Self::REFUSED, Self::MISPLACED), tag);
                object
            }
        }

        impl $crate::config::walk::Raw for $name {
            fn read(
                json: &$crate::config::json::Json,
                walk: &mut $crate::config::walk::Walk<'_>,
            ) -> Option<Self> {
                let entries = walk.entries(json)?;
                Some($crate::config::macros::Object::take(&entries, None, walk))
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).trim_start_matches("Raw").into()
            }

            #[allow(unused_variables, reason = "an object may have no keys")]
            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                #[allow(unused_mut, reason = "an object may have no keys")]
                let mut object = $crate::config::macros::ObjectSchema::new(concat!($($doc),+));
                $(object.property(
                    $crate::config::macros::key!($field $($key)?),
                    $crate::config::macros::is_required!($presence),
                    generator.subschema_for::<$type>(),
                    concat!($($field_doc),+),
                );)*
                object.finish()
            }
        }
    };
}

/// Declares a choice of objects by their `type`.
macro_rules! choice {
    (
        $(#[doc = $doc:literal])+
        enum $name:ident {
            $($variant:ident($inner:ty) = $($word:literal)|+),* $(,)?
        }
        $(refuses { $($refused:literal => $instead:expr),* $(,)? })?
    ) => {
        $(#[doc = $doc])+
        #[derive(Debug)]
        #[allow(dead_code, reason = "an object may have no keys")]
        pub(in $crate::config) enum $name {
            $(#[doc = concat!($("`", $word, "` "),+)] $variant(Box<$inner>),)*
        }

        impl $crate::config::walk::Raw for $name {
            fn read(
                json: &$crate::config::json::Json,
                walk: &mut $crate::config::walk::Walk<'_>,
            ) -> Option<Self> {
                const WORDS: &[&str] = &[$($($word),+),*];
                let entries = walk.entries(json)?;
                let refused: &$crate::config::walk::Refused = &[$($(($refused, $instead)),*)?];
                let place = $crate::config::macros::tag(&entries, WORDS, refused, walk)?;
                match WORDS.get(place).copied()? {
                    $($($word)|+ => Some(Self::$variant(Box::new(
                        <$inner as $crate::config::macros::Object>::take(&entries, Some("type"), walk),
                    ))),)*
                    _ => None,
                }
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).trim_start_matches("Raw").into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                let choices = vec![$($crate::config::macros::tagged(
                    <$inner as schemars::JsonSchema>::json_schema(generator),
                    &[$($word),+],
                )),*];
                schemars::json_schema!({
                    "description": $crate::config::macros::one_line(concat!($($doc),+)),
                    "oneOf": choices,
                })
            }
        }
    };
}

/// Declares how the values of a type are written as words.
macro_rules! words {
    (
        $type:ty as $schema_name:literal { $($word:literal => $value:expr),* $(,)? }
        $(refuses { $($refused:literal => $instead:expr),* $(,)? })?
    ) => {
        impl $crate::config::walk::Raw for $type {
            fn read(
                json: &$crate::config::json::Json,
                walk: &mut $crate::config::walk::Walk<'_>,
            ) -> Option<Self> {
                const WORDS: &[&str] = &[$($word),*];
                let refused: &$crate::config::walk::Refused = &[$($(($refused, $instead)),*)?];
                let place = $crate::config::macros::word(json, WORDS, refused, walk)?;
                match WORDS.get(place).copied()? {
                    $($word => Some($value),)*
                    _ => None,
                }
            }
        }

        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                $schema_name.into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "enum": [$($word),*] })
            }
        }
    };
}

/// A field's key: its own name unless another one is given.
macro_rules! key {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $key:literal) => {
        $key
    };
}

/// Whether a key has to be there.
macro_rules! is_required {
    (required) => {
        true
    };
    (optional) => {
        false
    };
}

pub(super) use {choice, is_required, key, object, words};
