//! The walk through a configuration: where it is, what it has found wrong, and what it may look up outside.

use std::{collections::HashSet, path::Path};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;

use super::{
    fault::{Fault, MAX_FAULTS, Place, Warning},
    json::Json,
};

/// How similar a known key must be to an unknown one to be suggested; by experience, below this it only confuses.
const SIMILAR: f64 = 0.75;

/// How much of a key or a value is repeated in a message.
const MAX_QUOTED: usize = 64;

/// What surrounds a configuration: everything that it can refer to.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    /// What relative paths are relative to.
    pub(super) node_dir: &'a Path,
    /// The value of an environment variable.
    pub(super) env: &'a dyn Fn(&str) -> Option<String>,
}

/// A value that can be read from JSON, and described as JSON Schema.
///
/// Reading reports what is wrong to the walk and goes on, so that one pass finds every fault. Nothing is returned
/// for a value that is of no use; its fault has been reported by then.
pub(super) trait Raw: JsonSchema + Sized {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self>;
}

/// The state of the walk.
pub(super) struct Walk<'a> {
    pub(super) surroundings: Surroundings<'a>,
    pub(super) faults: Vec<Fault>,
    pub(super) omitted: usize,
    pub(super) warnings: Vec<Warning>,
    path: String,
}

/// An object's entries, each key once.
pub(super) type Entries<'j> = Vec<(&'j str, &'j Json)>;

/// Words with what to do instead.
pub(super) type Refused = [(&'static str, &'static str)];

impl<'a> Walk<'a> {
    pub(super) fn new(surroundings: Surroundings<'a>) -> Self {
        Self { surroundings, faults: Vec::new(), omitted: 0, warnings: Vec::new(), path: String::new() }
    }

    /// Where the walk is.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Steps to the value of a key.
    pub(super) fn at_key<R>(&mut self, key: &str, visit: impl FnOnce(&mut Self) -> R) -> R {
        let plain = !key.is_empty()
            && key.len() <= MAX_QUOTED
            && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'$'));
        let step = match (plain, self.path.is_empty()) {
            (true, true) => key.to_owned(),
            (true, false) => format!(".{key}"),
            (false, _) => format!("[{}]", quoted(key)),
        };
        self.step(&step, visit)
    }

    /// Steps to an item of a list.
    pub(super) fn at_index<R>(&mut self, index: usize, visit: impl FnOnce(&mut Self) -> R) -> R {
        self.step(&format!("[{index}]"), visit)
    }

    fn step<R>(&mut self, step: &str, visit: impl FnOnce(&mut Self) -> R) -> R {
        let length = self.path.len();
        self.path.push_str(step);
        let result = visit(self);
        self.path.truncate(length);
        result
    }

    /// Reports a fault of the value where the walk is.
    pub(super) fn fault(&mut self, message: impl Into<String>) {
        self.fault_at(self.path.clone(), message);
    }

    /// Reports a fault of a value that the walk has left.
    pub(super) fn fault_at(&mut self, path: impl Into<String>, message: impl Into<String>) {
        if self.faults.len() < MAX_FAULTS {
            let message = printable(message.into());
            self.faults.push(Fault { place: Place::Path(path.into()), message });
        } else {
            self.omitted += 1;
        }
    }

    /// Reports something unwise about the value where the walk is.
    pub(super) fn warn(&mut self, message: impl Into<String>) {
        self.warn_at(self.path.clone(), message);
    }

    /// Reports something unwise about a value that the walk has left.
    pub(super) fn warn_at(&mut self, path: impl Into<String>, message: impl Into<String>) {
        if self.warnings.len() < MAX_FAULTS {
            self.warnings.push(Warning { path: path.into(), message: printable(message.into()) });
        }
    }

    /// Whether a fault has been reported for a value or for anything inside it.
    pub(super) fn has_fault_below(&self, path: &str) -> bool {
        self.faults.iter().any(|fault| match &fault.place {
            Place::Path(place) => {
                place.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            }
            _ => false,
        })
    }

    /// Reports a value of the wrong kind. The value itself is not repeated: it may be a secret.
    pub(super) fn wrong_kind(&mut self, expected: &str, found: &Json) {
        self.fault(format!("expected {expected}, found {}", found.kind()));
    }

    /// An object's entries. Reports other values, and keys that stand there twice.
    pub(super) fn entries<'j>(&mut self, json: &'j Json) -> Option<Entries<'j>> {
        let Json::Object(pairs) = json else {
            self.wrong_kind("an object", json);
            return None;
        };
        let mut seen = HashSet::new();
        let mut entries = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            if seen.insert(key.as_str()) {
                entries.push((key.as_str(), value));
            } else {
                self.at_key(key, |walk| walk.fault("this key stands in its object more than once, keep one"));
            }
        }
        Some(entries)
    }

    /// Reports the entries whose key is neither known nor the tag by which their object was chosen: `refused` are
    /// Crossbar's keys that do not exist here, `misplaced` are keys of other places.
    pub(super) fn unknown_keys(
        &mut self,
        entries: &Entries<'_>,
        known: &[&'static str],
        (refused, misplaced): (&Refused, &Refused),
        tag: Option<&'static str>,
    ) {
        for (key, _) in entries {
            if known.contains(key) || tag == Some(*key) {
                continue;
            }
            let message = if let Some(instead) = instead_of(key, refused) {
                format!("Crossbar's `{key}` is not supported: {instead}")
            } else if let Some(instead) = instead_of(key, misplaced) {
                instead.to_owned()
            } else {
                format!("unknown key, {}", suggest(key, known.iter().copied().chain(tag)))
            };
            self.at_key(key, |walk| walk.fault(message));
        }
    }

    /// Takes a value as it is, for whoever gives it its meaning. Only keys that stand twice are reported.
    pub(super) fn free_form(&mut self, json: &Json) -> Value {
        match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(value) => Value::Number(value.clone()),
            Json::Text(value) => Value::String(value.clone()),
            Json::List(list) => {
                let items = list.iter().enumerate();
                items.map(|(index, item)| self.at_index(index, |walk| walk.free_form(item))).collect()
            }
            Json::Object(_) => {
                let entries = self.entries(json).unwrap_or_default().into_iter();
                let pairs = entries
                    .map(|(key, value)| (key.to_owned(), self.at_key(key, |walk| walk.free_form(value))));
                Value::Object(pairs.collect())
            }
        }
    }
}

/// The value of a key.
pub(super) fn entry<'j>(entries: &Entries<'j>, key: &str) -> Option<&'j Json> {
    entries.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
}

/// What to do instead of using a word.
pub(super) fn instead_of(word: &str, refused: &Refused) -> Option<&'static str> {
    refused.iter().find(|(name, _)| *name == word).map(|(_, instead)| *instead)
}

/// "did you mean …?" if something known is similar, else everything that is known.
pub(super) fn suggest<'k>(unknown: &str, known: impl Iterator<Item = &'k str>) -> String {
    let known: Vec<&str> = known.collect();
    let nearest = known
        .iter()
        .map(|name| (strsim::jaro_winkler(&unknown.to_ascii_lowercase(), name), *name))
        .max_by(|one, other| one.0.total_cmp(&other.0));
    match nearest {
        Some((similarity, name)) if similarity >= SIMILAR => format!("did you mean `{name}`?"),
        _ if known.is_empty() => "nothing is known here".to_owned(),
        _ => format!("use {}", alternatives(&known)),
    }
}

/// `a`, `b` or `c`
pub(super) fn alternatives<T: std::fmt::Display>(names: &[T]) -> String {
    match names {
        [] => String::new(),
        [one] => format!("`{one}`"),
        [most @ .., last] => {
            let most: Vec<String> = most.iter().map(|name| format!("`{name}`")).collect();
            format!("{} or `{last}`", most.join(", "))
        }
    }
}

/// A text as JSON writes it, cut where it gets long.
pub(super) fn quoted(text: &str) -> String {
    let short: String = text.chars().take(MAX_QUOTED).collect();
    let ellipsis = if short.len() < text.len() { "…" } else { "" };
    printable(Value::String(short + ellipsis).to_string())
}

/// A text without control characters: what a file holds must not move a terminal's cursor.
fn printable(text: String) -> String {
    if !text.contains(char::is_control) {
        return text;
    }
    let escape = |c: char| if c.is_control() { c.escape_unicode().to_string() } else { c.to_string() };
    text.chars().map(escape).collect()
}

/// A value with the path where it stands, for checks that come after the walk.
#[derive(Debug)]
pub(super) struct Located<T> {
    pub(super) path: String,
    pub(super) value: T,
}

impl<T: Raw> Raw for Located<T> {
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        Some(Self { value: T::read(json, walk)?, path: walk.path().to_owned() })
    }
}

impl<T: JsonSchema> JsonSchema for Located<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> std::borrow::Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
