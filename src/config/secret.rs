//! Secrets: written in the file, in the environment, or in a file of their own.

use std::{borrow::Cow, fs::File, io, io::Read as _};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{
    json::Json,
    macros::object,
    value::NodePath,
    walk::{Raw, Walk},
};

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// No secret is longer; a path to something else entirely is found out early.
const MAX_SECRET_FILE: u64 = 64 * 1024;

object! {
    /// A secret in a file of its own.
    struct RawSecretFile {
        /// The file's path, absolute or relative to the node directory. A newline at its end is not part of the secret.
        file: required NodePath,
    }
}

impl Raw for Secret {
    // No message repeats what was found.
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        let secret = match json {
            Json::Text(text) => match variable(text) {
                Some(name) => from_environment(name, walk)?,
                None if text.starts_with('$') => {
                    walk.fault("this is no name of an environment variable; a secret that begins with `$` goes into a file: {\"file\": …}");
                    return None;
                }
                None => text.clone(),
            },
            Json::Object(_) => from_file(json, walk)?,
            _ => {
                walk.wrong_kind(
                    "a secret: text, \"$NAME\" for an environment variable, or {\"file\": …}",
                    json,
                );
                return None;
            }
        };
        if secret.is_empty() {
            walk.fault("the secret is empty, anybody could guess it: use a longer one");
            return None;
        }
        Some(Self(secret))
    }
}

fn from_environment(name: &str, walk: &mut Walk<'_>) -> Option<String> {
    let value = (walk.surroundings.env)(name);
    if value.is_none() {
        walk.fault(format!("the environment variable {name} is not set, set it to the secret"));
    }
    value
}

fn from_file(json: &Json, walk: &mut Walk<'_>) -> Option<String> {
    let file = RawSecretFile::read(json, walk)?.file?;
    let mut text = String::new();
    let read =
        File::open(&file.path).and_then(|open| open.take(MAX_SECRET_FILE + 1).read_to_string(&mut text));
    match read {
        Err(error) => {
            walk.at_key("file", |walk| walk.fault(format!("cannot be read: {}", describe(&error))));
            None
        }
        Ok(length) if length as u64 > MAX_SECRET_FILE => {
            let message =
                format!("holds more than {MAX_SECRET_FILE} bytes, name a file with just the secret");
            walk.at_key("file", |walk| walk.fault(message));
            None
        }
        Ok(_) => {
            let secret =
                text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
            Some(secret.to_owned())
        }
    }
}

/// The name in `$NAME`.
pub(super) fn variable(text: &str) -> Option<&str> {
    let name = text.strip_prefix('$')?;
    let sound = !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    sound.then_some(name)
}

/// An error of the operating system in plain words, the same everywhere for the common ones.
pub(super) fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "the permission is missing".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        io::ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
        _ => error.to_string(),
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let file = generator.subschema_for::<RawSecretFile>();
        json_schema!({ "anyOf": [{ "type": "string", "minLength": 1 }, file] })
    }
}
