//! What the expectations of every kind of component have in common: a denial, a failure, a configuration that is not accepted.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::policy::{Denial, PolicyError};

/// A component is expected to refuse the client, or to fail.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Refused {
    /// It denies, with these parts if they are given.
    Deny {
        /// The ABORT's reason.
        reason: Option<String>,
        /// The message to the client.
        message: Option<String>,
    },
    /// A failure whose description contains this.
    Error(String),
    /// The configuration is not accepted, and one of the errors contains this.
    ConfigError(String),
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawDenial {
    reason: Option<String>,
    message: Option<String>,
}

impl Refused {
    /// Whether an answer is as expected: a denial, or nothing that an expectation of this kind is about. An expected
    /// [`Refused::ConfigError`] is no answer's business.
    pub(super) fn holds(&self, answer: Result<Option<&Denial>, &PolicyError>) -> bool {
        match (self, answer) {
            (Self::Deny { reason, message }, Ok(Some(got))) => {
                reason.as_deref().is_none_or(|reason| reason == got.reason.as_str())
                    && message.as_deref().is_none_or(|message| message == got.message)
            }
            (Self::Error(part), Err(error)) => error.to_string().contains(part),
            _ => false,
        }
    }

    /// What is expected, as a cases file has it.
    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Deny { reason: None, message: None } => json!("deny"),
            Self::Deny { reason, message } => json!({ "deny": { "reason": reason, "message": message } }),
            Self::Error(part) if part.is_empty() => json!("error"),
            Self::Error(part) => json!({ "error": part }),
            Self::ConfigError(part) => json!({ "config_error": part }),
        }
    }

    /// The error of the configuration that is expected in place of an answer.
    pub(super) fn config_error(&self) -> Option<&str> {
        match self {
            Self::ConfigError(part) => Some(part),
            _ => None,
        }
    }

    fn of_word(word: &str) -> Option<Self> {
        match word {
            "deny" => Some(Self::Deny { reason: None, message: None }),
            "error" => Some(Self::Error(String::new())),
            _ => None,
        }
    }

    fn of_member(key: &str, value: Value) -> Option<serde_json::Result<Self>> {
        Some(match key {
            "deny" => serde_json::from_value(value)
                .map(|RawDenial { reason, message }| Self::Deny { reason, message }),
            "error" => serde_json::from_value(value).map(Self::Error),
            "config_error" | "config-error" => serde_json::from_value(value).map(Self::ConfigError),
            _ => return None,
        })
    }
}

/// Reads an expectation, which is a word, or an object with one member. `word` and `member` know what this kind of expectation has beside
/// [`Refused`]; `forms` is what may be written, for a message.
pub(super) fn parse<T: From<Refused>>(
    value: Value,
    forms: &str,
    word: impl FnOnce(&str) -> Option<T>,
    member: impl FnOnce(&str, &Value) -> Option<serde_json::Result<T>>,
) -> Result<T, String> {
    let fault = || forms.to_owned();
    match value {
        Value::String(text) => word(&text).or_else(|| Refused::of_word(&text).map(T::from)).ok_or_else(fault),
        Value::Object(map) if map.len() == 1 => {
            let (key, value) = map.into_iter().next().ok_or_else(fault)?;
            let read = member(&key, &value)
                .or_else(|| Refused::of_member(&key, value).map(|refused| refused.map(T::from)));
            read.ok_or_else(fault)?.map_err(|error| format!("expect.{key}: {error}"))
        }
        _ => Err(fault()),
    }
}
