//! Secrets: written in the file, in the environment, or in a file of their own.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{
    Secret,
    reader::{Json, NodePath, Own, Raw, Walk, object, variable},
};
use crate::file::{self, ReadError};

/// What stands for a secret that is not there, where only the rest of a configuration is checked: also a key in hexadecimal digits.
const PLACEHOLDER: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The largest file of a secret. The path of a larger file is a mistake.
const MAX_SECRET_FILE: u64 = 64 * 1024;

object! {
    /// A secret in a file of its own.
    struct RawSecretFile {
        /// The file's path, absolute or relative to the node directory. A newline at its end is not part of the secret.
        file: required NodePath,
    }
}

impl Raw for Secret {
    // No message repeats the value.
    fn read(json: &Json, walk: &mut Walk<'_>) -> Option<Self> {
        let secret = match json {
            Json::Text(text) => match variable(text) {
                Some(name) => from_environment(name, text.starts_with("${"), walk)?,
                None if text.starts_with('$') => {
                    walk.fault("this is not the name of an environment variable; write a secret that begins with `$` into a file: {\"file\": …}");
                    return None;
                }
                None => text.clone(),
            },
            Json::Object(_) => from_file(json, walk)?,
            _ => {
                walk.wrong_kind(
                    "a secret: text, \"${NAME}\" for an environment variable, or {\"file\": …}",
                    json,
                );
                return None;
            }
        };
        if secret.is_empty() {
            walk.unusable_secret("the secret is empty: use one that is hard to guess");
            return placeholder(walk).map(Self::new);
        }
        Some(Self::new(secret))
    }
}

/// Reads a secret from the environment. Crossbar reads a variable only where its name stands in braces; for Crossbar,
/// `$NAME` is the secret itself, so that no message may repeat it.
fn from_environment(name: &str, in_braces: bool, walk: &mut Walk<'_>) -> Option<String> {
    const IN_A_FILE: &str = "write a secret that begins with `$` into a file: {\"file\": …}";
    let value = (walk.surroundings.env)(name);
    match (&value, in_braces) {
        (Some(_), true) => {}
        (Some(_), false) => walk.warn(format!(
            "the gateway reads this from the environment variable, where Crossbar takes the text itself: write \"${{NAME}}\" for a variable, and {IN_A_FILE}"
        )),
        (None, true) => {
            walk.missing_secret(format!("the environment variable {name} is not set, set it to the secret"));
        }
        (None, false) => walk.missing_secret(format!(
            "this names an environment variable that is not set: set it to the secret, and write its name as \"${{NAME}}\"; {IN_A_FILE}"
        )),
    }
    value.or_else(|| placeholder(walk))
}

/// Something to go on with, if a secret may be missing.
fn placeholder(walk: &Walk<'_>) -> Option<String> {
    walk.is_missing_secret(walk.path()).then(|| PLACEHOLDER.to_owned())
}

fn from_file(json: &Json, walk: &mut Walk<'_>) -> Option<String> {
    let path = RawSecretFile::read(json, walk)?.file?.path;
    let written_at = walk.path().to_owned();
    walk.protect(Own::Secret, &path, written_at);
    let read = file::read(&path, MAX_SECRET_FILE);
    if let Err(error) = &read
        && (error.is_missing() || walk.surroundings.options.without_files)
    {
        walk.at_key("file", |walk| walk.missing_secret(error.told(&path)));
        return placeholder(walk);
    }
    let read = read.map_err(|error| match error {
        ReadError::TooLarge => {
            format!("holds more than {MAX_SECRET_FILE} bytes, name a file with just the secret")
        }
        error => error.told(&path),
    });
    let text = read.and_then(|bytes| {
        String::from_utf8(bytes).map_err(|_| "cannot be read: it is not UTF-8 text".to_owned())
    });
    match text {
        Ok(text) => {
            if file::is_open_to_others(&path) {
                walk.at_key("file", |walk| {
                    walk.warn("every user of this machine has access to the secret: run `chmod o= FILE`");
                });
            }
            let secret =
                text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
            Some(secret.to_owned())
        }
        Err(message) => {
            walk.at_key("file", |walk| walk.unusable_secret(message));
            placeholder(walk)
        }
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
