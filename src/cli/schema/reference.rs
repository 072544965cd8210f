//! The JSON Schema as a page for people: every object with its keys, their types, units and defaults.
//!
//! The page says nothing that the declarations of the keys do not say, so that it cannot be out of date: a test compares it
//! with `docs/configuration.md`.

use std::{collections::VecDeque, fmt::Write as _};

use serde_json::{Map, Value};

/// The key of a comment, which every object has, and which stands in the introduction.
const COMMENT: &str = "$comment";

/// How the descriptions of keys without effect begin.
const WITHOUT_EFFECT: &str = "Of Crossbar; has no effect: ";

const INTRODUCTION: &str = "\
# Configuration

Every key of a configuration file, with its type, its default and its unit. `wampgate schema --markdown` makes this page of the
declarations that also read the file, and a test compares the two. `wampgate schema` prints the same as JSON Schema for your
editor, `wampgate check` checks a file, and `wampgate init` writes one to start with. The [README](../README.md) shows what a file
looks like, and [examples/](../examples) has files that run.

- Keys in **bold** are required. A default of – means that the key is off, or that nothing is set.
- Paths are absolute, or relative to the node directory.
- Any object may have a `$comment`, which is text.
- A key that is not listed is a fault. If Crossbar.io has it, the message says what to write instead:
  [crossbar.md](crossbar.md) has the differences.
";

/// A page that is being written, and the objects that it still has to describe.
struct Page<'s> {
    definitions: Option<&'s Map<String, Value>>,
    waiting: VecDeque<&'s str>,
    described: Vec<&'s str>,
    text: String,
}

/// The page about a schema.
pub(super) fn page(schema: &Value) -> String {
    let definitions = schema.get("$defs").and_then(Value::as_object);
    let mut page =
        Page { definitions, waiting: VecDeque::new(), described: Vec::new(), text: INTRODUCTION.to_owned() };
    page.describe("The file", schema);
    while let Some(name) = page.waiting.pop_front() {
        if let Some(definition) = page.definition(name) {
            page.describe(&words(name), definition);
        }
    }
    page.text
}

impl<'s> Page<'s> {
    fn definition(&self, name: &str) -> Option<&'s Value> {
        self.definitions?.get(name)
    }

    /// A section about an object, or about a choice of objects.
    fn describe(&mut self, title: &str, schema: &'s Value) {
        // Writing to a string does not fail.
        let _ = write!(self.text, "\n## {title}\n");
        if let Some(about) = description(schema) {
            let _ = write!(self.text, "\n{about}\n");
        }
        match schema.get("oneOf").and_then(Value::as_array) {
            Some(choices) => choices.iter().for_each(|choice| self.choice(choice)),
            None if has_keys(schema) => self.keys(schema),
            None => {
                let kind = self.kind(schema);
                let _ = write!(self.text, "\nWritten as {kind}.\n");
            }
        }
    }

    /// One object of a choice, by its `type`.
    fn choice(&mut self, schema: &'s Value) {
        let tag = schema.pointer("/properties/type").map(|tag| self.kind(tag)).unwrap_or_default();
        let _ = write!(self.text, "\n### `type`: {tag}\n");
        if let Some(about) = description(schema) {
            let _ = write!(self.text, "\n{about}\n");
        }
        self.keys(schema);
    }

    /// A table of keys, the required ones first, and a list of those without effect.
    fn keys(&mut self, schema: &'s Value) {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
        let is_choice = properties.get("type").is_some_and(|tag| description(tag).is_none());
        let is_required = |key: &str| {
            let required = schema.get("required").and_then(Value::as_array);
            required.is_some_and(|required| required.iter().any(|name| name == key))
        };
        let told: Vec<_> =
            properties.iter().filter(|(key, _)| *key != COMMENT && !(is_choice && *key == "type")).collect();
        let (idle, mut used): (Vec<_>, Vec<_>) = told.into_iter().partition(|(_, property)| {
            description(property).is_some_and(|text| text.starts_with(WITHOUT_EFFECT))
        });
        used.sort_by_key(|(key, _)| !is_required(key));
        if !used.is_empty() {
            self.text.push_str("\n| key | type | default | meaning |\n|---|---|---|---|\n");
        }
        for (key, property) in used {
            let (meaning, default) = meaning_and_default(description(property).unwrap_or_default());
            let unit = unit_in(description(property).unwrap_or_default(), property);
            let kind = cell(&format!("{}{unit}", self.kind(property)));
            let (meaning, default) = (cell(&meaning), cell(&default));
            let (name, default) = if is_required(key) {
                (format!("**`{key}`**"), "")
            } else {
                (format!("`{key}`"), default.as_str())
            };
            let _ = writeln!(self.text, "| {name} | {kind} | {default} | {meaning} |");
        }
        if !idle.is_empty() {
            self.text.push_str("\nKeys of Crossbar.io without effect, which are taken with a warning:\n\n");
        }
        for (key, property) in idle {
            let happens = description(property).unwrap_or_default();
            let happens = happens.strip_prefix(WITHOUT_EFFECT).unwrap_or(happens);
            let _ = writeln!(self.text, "- `{key}`: {happens}");
        }
    }

    /// What a value may be, in words.
    fn kind(&mut self, schema: &'s Value) -> String {
        if let Some(name) =
            schema.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix("#/$defs/"))
        {
            return self.reference(name);
        }
        if let Some(choices) = schema.get("anyOf").and_then(Value::as_array) {
            let kinds: Vec<String> = choices.iter().map(|choice| self.kind(choice)).collect();
            return kinds.join(" or ");
        }
        if let Some(value) = schema.get("const") {
            return literal(value);
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            return values.iter().map(literal).collect::<Vec<_>>().join(", ");
        }
        let unit =
            schema.get("x-unit").and_then(Value::as_str).map(|unit| format!(" {unit}")).unwrap_or_default();
        match schema.get("type").and_then(Value::as_str) {
            Some("integer") => match (number(schema, "minimum"), number(schema, "maximum")) {
                (Some(least), Some(most)) => format!("{least} to {most}{unit}"),
                _ => format!("a whole number{unit}"),
            },
            Some("boolean") => "true or false".to_owned(),
            Some("string") => match schema.get("x-form").and_then(Value::as_str) {
                Some(form) => format!("`\"{form}\"`"),
                None => "text".to_owned(),
            },
            Some("null") => "null".to_owned(),
            Some("array") => match schema.get("items") {
                Some(items) => format!("list of {}", self.kind(items)),
                None => "list".to_owned(),
            },
            Some("object") => self.table(schema),
            _ => "any JSON".to_owned(),
        }
    }

    /// An object whose keys the operator chooses.
    fn table(&mut self, schema: &'s Value) -> String {
        let patterned = schema.get("patternProperties").and_then(Value::as_object);
        let values =
            patterned.and_then(|patterns| patterns.values().next()).or(schema.get("additionalProperties"));
        match values {
            Some(values) if values.is_object() => format!("object of {}", self.kind(values)),
            _ => "object".to_owned(),
        }
    }

    fn reference(&mut self, name: &'s str) -> String {
        if let Some(definition) = self.definition(name).filter(|definition| description(definition).is_none())
        {
            // A value with several forms, and no section of its own.
            return self.kind(definition);
        }
        if !self.described.contains(&name) {
            self.described.push(name);
            self.waiting.push_back(name);
        }
        let title = words(name);
        format!("[{title}](#{})", title.to_lowercase().replace(' ', "-"))
    }
}

/// Whether it is an object whose keys the gateway knows. A comment is none of them.
fn has_keys(schema: &Value) -> bool {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.is_some_and(|properties| properties.is_empty() || properties.keys().any(|key| key != COMMENT))
}

/// The unit that a description names, of a number whose type does not have one.
fn unit_in(description: &str, schema: &Value) -> &'static str {
    let units = [("in seconds", " s"), ("in bytes", " bytes"), ("in KiB", " KiB")];
    if schema.get("x-unit").is_some() || !schema.to_string().contains(r#""type":"integer""#) {
        return "";
    }
    units.iter().find(|(words, _)| description.contains(words)).map_or("", |(_, unit)| unit)
}

fn description(schema: &Value) -> Option<&str> {
    schema.get("description").and_then(Value::as_str)
}

/// A description without the sentence about its default, and the default.
fn meaning_and_default(description: &str) -> (String, String) {
    let start = ["Default: ", "Default "].iter().find_map(|word| Some((description.find(word)?, word.len())));
    let Some((start, length)) = start else { return (description.to_owned(), "–".to_owned()) };
    let (meaning, sentence) = (description.get(..start), description.get(start + length..));
    let (default, rest) = match sentence.unwrap_or_default().split_once(". ") {
        Some((default, rest)) => (default, rest),
        None => (sentence.unwrap_or_default(), ""),
    };
    let meaning = format!("{}{rest}", meaning.unwrap_or_default());
    (meaning.trim_end().to_owned(), default.trim_end_matches('.').to_owned())
}

/// `WebSocketOptions` as `web socket options`, with a capital letter.
fn words(name: &str) -> String {
    let mut words = String::new();
    for letter in name.replace("WebSocket", "Websocket").chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
            words.extend(letter.to_lowercase());
        } else {
            words.push(letter);
        }
    }
    words
}

fn literal(value: &Value) -> String {
    format!("`{value}`")
}

/// A bound with commas between its thousands.
fn number(schema: &Value, key: &str) -> Option<String> {
    let digits = schema.get(key)?.as_u64()?.to_string();
    let grouped: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    Some(grouped.join(","))
}

/// A text that stands in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_leaves_its_description() {
        for (description, meaning, default) in [
            ("The port. Default 8080.", "The port.", "8080"),
            ("Roles. Default: any realm. More.", "Roles. More.", "any realm"),
            ("The size. Default 1.5 MiB.", "The size.", "1.5 MiB"),
            ("The size.", "The size.", "–"),
        ] {
            assert_eq!(meaning_and_default(description), (meaning.to_owned(), default.to_owned()));
        }
    }

    #[test]
    fn names_become_titles_and_numbers_are_grouped() {
        assert_eq!(words("WebSocketOptions"), "Websocket options");
        assert_eq!(words("Role"), "Role");
        assert_eq!(number(&serde_json::json!({ "maximum": 34_560_000 }), "maximum").unwrap(), "34,560,000");
        assert_eq!(number(&serde_json::json!({ "maximum": 125 }), "maximum").unwrap(), "125");
    }
}
