//! From the contract's types to a [`Decision`]: the host's check of what a policy answered.
//!
//! A policy may be wrong or written by somebody who wants it to be. Whatever is behind this module may rely
//! on the ranges that the contract names. No error repeats the answer, in which the tracking ID may stand.

use super::{
    AnonymousIdentity, Decision, Denial, PolicyError,
    bindings::{v0_1::wampgate::authid::types as v0_1, v0_2::wampgate::authid::types as wit},
    text::{clean, is_printable},
};
use crate::wamp::Uri;

/// Characters of an authid or a role.
const MAX_NAME: usize = 255;
/// Bytes of `authextra`, which is sent in WELCOME and may be kept on the cookie record.
const MAX_EXTRA_BYTES: usize = 16 * 1024;
/// Bytes of an ABORT's reason.
const MAX_REASON_BYTES: usize = 255;
/// Bytes of a message to the client.
const MAX_MESSAGE_BYTES: usize = 1024;
/// Bytes of a method's name.
const MAX_METHOD_BYTES: usize = 64;

/// What a policy answered, as the newest version of the contract has it.
pub(super) type Answer = wit::Decision;

impl From<v0_1::Decision> for Answer {
    fn from(answer: v0_1::Decision) -> Self {
        match answer {
            v0_1::Decision::Anonymous(v0_1::Identity { authid, authrole, authextra }) => {
                Self::Anonymous(wit::Identity { authid, authrole, authextra })
            }
            v0_1::Decision::None => Self::None,
            v0_1::Decision::Defer(method) => Self::Defer(method),
            v0_1::Decision::Deny(v0_1::Denial { reason, message }) => {
                Self::Deny(wit::Denial { reason, message })
            }
        }
    }
}

/// Checks an answer. `secret` is the tracking ID, which is blanked out in messages, because those are logged.
pub(super) fn check(answer: Answer, secret: Option<&str>) -> Result<Decision, PolicyError> {
    match answer {
        wit::Decision::Anonymous(identity) => Ok(Decision::Anonymous(AnonymousIdentity {
            authid: identity.authid.map(|name| checked_name("authid", name)).transpose()?,
            authrole: identity.authrole.map(|name| checked_name("authrole", name)).transpose()?,
            authextra: identity.authextra.as_deref().map(checked_extra).transpose()?,
        })),
        wit::Decision::None => Ok(Decision::None),
        wit::Decision::Defer(method) => checked_method(method).map(Decision::Defer),
        wit::Decision::Deny(denial) => Ok(Decision::Deny(checked_denial(&denial, secret)?)),
    }
}

fn checked_name(which: &str, name: String) -> Result<String, PolicyError> {
    let characters = name.chars().count();
    if !(1..=MAX_NAME).contains(&characters) {
        return broken(format!("{which}: {characters} characters, use 1 to {MAX_NAME}"));
    }
    if !name.chars().all(is_printable) {
        return broken(format!("{which}: control characters, use printable ones"));
    }
    Ok(name)
}

fn checked_extra(text: &str) -> Result<serde_json::Map<String, serde_json::Value>, PolicyError> {
    if text.len() > MAX_EXTRA_BYTES {
        return broken(format!("authextra: {} bytes, use at most {MAX_EXTRA_BYTES}", text.len()));
    }
    serde_json::from_str(text).or_else(|fault| {
        // serde_json's own message may quote the text.
        broken(format!("authextra: not a JSON object (line {}, column {})", fault.line(), fault.column()))
    })
}

fn checked_method(method: String) -> Result<String, PolicyError> {
    let sound =
        (1..=MAX_METHOD_BYTES).contains(&method.len()) && method.bytes().all(|byte| byte.is_ascii_graphic());
    if sound {
        Ok(method)
    } else {
        broken(format!(
            "defer: a method's name has 1 to {MAX_METHOD_BYTES} printable ASCII characters and no blanks"
        ))
    }
}

fn checked_denial(denial: &wit::Denial, secret: Option<&str>) -> Result<Denial, PolicyError> {
    let message = &denial.message;
    if message.len() > MAX_MESSAGE_BYTES {
        return broken(format!(
            "deny: a message of {} bytes, use at most {MAX_MESSAGE_BYTES}",
            message.len()
        ));
    }
    let sound = denial.reason.len() <= MAX_REASON_BYTES
        && denial.reason.chars().all(is_printable)
        && secret.is_none_or(|secret| secret.is_empty() || !denial.reason.contains(secret));
    match Uri::parse(&denial.reason) {
        // Blanks and escapes may be longer than what they stand for: the bound above is the contract's, this
        // one is only for them.
        Ok(reason) if sound => Ok(Denial { reason, message: clean(message, secret, 8 * MAX_MESSAGE_BYTES) }),
        _ => broken(format!(
            "deny: the reason is no WAMP URI of at most {MAX_REASON_BYTES} bytes, such as wamp.error.not_authorized"
        )),
    }
}

fn broken<T>(fault: String) -> Result<T, PolicyError> {
    Err(PolicyError::Contract(fault))
}

#[cfg(test)]
mod tests;
