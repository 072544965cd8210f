//! What the answers of all kinds of components have in common: names, details, and refusals for the client.
//!
//! `secret` is the client's tracking ID, which no answer may give away.

use serde_json::{Map, Value};

use super::{ContractError, Denial, text::clean};
use crate::{
    identity::{Name, is_printable},
    wamp::Uri,
};

/// Bytes of `authextra`, which is sent in WELCOME and may be kept on the cookie record.
const MAX_EXTRA_BYTES: usize = 16 * 1024;
/// Bytes of an ABORT's reason.
const MAX_REASON_BYTES: usize = 255;
/// Bytes of a message to the client.
const MAX_MESSAGE_BYTES: usize = 1024;

/// Whether a text holds the tracking ID.
fn gives_away(secret: Option<&str>, text: &str) -> bool {
    secret.is_some_and(|secret| text.contains(secret))
}

/// The tracking ID itself may be the authid: only its own client sees it then.
pub(super) fn authid(text: &str, secret: Option<&str>) -> Result<Name, ContractError> {
    let name = Name::parse(text).map_err(ContractError::Authid)?;
    match secret {
        // A reader of a longer authid could cut the credential out of it.
        Some(secret) if secret != text && text.contains(secret) => Err(ContractError::Leak("authid")),
        _ => Ok(name),
    }
}

/// A role that the realm has, if `roles` names any.
pub(super) fn role(text: &str, secret: Option<&str>, roles: &[&str]) -> Result<Name, ContractError> {
    let name = Name::parse(text).map_err(ContractError::Authrole)?;
    // First of all, because the other error repeats the role.
    if gives_away(secret, text) {
        return Err(ContractError::Leak("authrole"));
    }
    if roles.is_empty() || roles.contains(&text) { Ok(name) } else { Err(ContractError::NoSuchRole(name)) }
}

/// An object that WELCOME will hold.
pub(super) fn extra(text: &str, secret: Option<&str>) -> Result<Map<String, Value>, ContractError> {
    if text.len() > MAX_EXTRA_BYTES {
        return Err(ContractError::ExtraSize { bytes: text.len(), most: MAX_EXTRA_BYTES });
    }
    // The message of serde_json may quote the text.
    let extra = serde_json::from_str(text)
        .map_err(|error| ContractError::Extra { line: error.line(), column: error.column() })?;
    // Not the text, where escapes could hide the ID.
    if members_give_away(&extra, secret) { Err(ContractError::Leak("authextra")) } else { Ok(extra) }
}

fn members_give_away(members: &Map<String, Value>, secret: Option<&str>) -> bool {
    members.iter().any(|(key, value)| gives_away(secret, key) || value_gives_away(value, secret))
}

fn value_gives_away(value: &Value, secret: Option<&str>) -> bool {
    match value {
        Value::String(text) => gives_away(secret, text),
        Value::Array(items) => items.iter().any(|item| value_gives_away(item, secret)),
        Value::Object(members) => members_give_away(members, secret),
        Value::Number(_) | Value::Null | Value::Bool(_) => false,
    }
}

/// A refusal that the client may be told.
pub(super) fn denial(reason: &str, message: &str, secret: Option<&str>) -> Result<Denial, ContractError> {
    if message.len() > MAX_MESSAGE_BYTES {
        return Err(ContractError::MessageSize { bytes: message.len(), most: MAX_MESSAGE_BYTES });
    }
    if gives_away(secret, reason) {
        return Err(ContractError::Leak("deny"));
    }
    let is_short = reason.len() <= MAX_REASON_BYTES && reason.chars().all(is_printable);
    match Uri::parse(reason) {
        // Blanks and escapes may be longer than what they stand for: the bound above is the contract's, this
        // one is only for them.
        Ok(reason) if is_short => {
            Ok(Denial { reason, message: clean(message, secret, 8 * MAX_MESSAGE_BYTES) })
        }
        _ => Err(ContractError::Reason(MAX_REASON_BYTES)),
    }
}
