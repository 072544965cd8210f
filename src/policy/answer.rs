//! The one check of what a policy answers: gateway, testkit and command take the same answers.
//!
//! A policy may be wrong, or its author hostile. What is behind this module may rely on what the contract says. No
//! error repeats the answer, which may hold the tracking ID.

mod json;

use std::fmt;

use serde_json::{Map, Value};

pub use self::json::answer_json;
#[cfg(feature = "testkit")]
pub(crate) use self::json::identity_json;
use super::{
    AnonymousIdentity, ContractError, Decision, Denial, JoinRequest, PolicyError,
    bindings::{
        v0_1::wampgate::authid::types as v0_1, v0_2::wampgate::authid::types as v0_2,
        v0_3::wampgate::authid::types as v0_3,
    },
    text::clean,
};
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
/// Bytes of a method's name.
const MAX_METHOD_BYTES: usize = 64;

/// What a policy answered, unchecked: the contract's `decision` (`wit/`).
///
/// `Debug` shows its kind only: an authid may be the tracking ID.
#[derive(Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "described item by item in wit/")]
pub enum RawDecision {
    Anonymous { authid: Option<String>, authrole: Option<String>, authextra: Option<String> },
    None,
    Defer(String),
    DeferAs { method: String, authrole: String },
    Deny { reason: String, message: String },
}

/// The contract's versions have the same answers, and the newer ones some more.
macro_rules! answers {
    ($wit:ident $(, $more:pat => $answer:expr)*) => {
        impl From<$wit::Decision> for RawDecision {
            fn from(answer: $wit::Decision) -> Self {
                match answer {
                    $wit::Decision::Anonymous($wit::Identity { authid, authrole, authextra }) => {
                        Self::Anonymous { authid, authrole, authextra }
                    }
                    $wit::Decision::None => Self::None,
                    $wit::Decision::Defer(method) => Self::Defer(method),
                    $wit::Decision::Deny($wit::Denial { reason, message }) => Self::Deny { reason, message },
                    $($more => $answer,)*
                }
            }
        }
    };
}

answers!(v0_1);
answers!(v0_2);
answers!(
    v0_3,
    v0_3::Decision::DeferAs(v0_3::Deferral { method, authrole }) => Self::DeferAs { method, authrole }
);

impl RawDecision {
    /// Checks the answer to a request: what the contract says of it, and of its place beside the request.
    pub fn check(self, request: &JoinRequest<'_>) -> Result<Decision, PolicyError> {
        Ok(match self {
            Self::Anonymous { authid, authrole, authextra } => Decision::Anonymous(AnonymousIdentity {
                authid: authid.map(|authid| checked_authid(&authid, request)).transpose()?,
                authrole: authrole.map(|role| checked_role(&role, request)).transpose()?,
                authextra: authextra.map(|extra| checked_extra(&extra, request)).transpose()?,
            }),
            Self::None => Decision::None,
            Self::Defer(method) => Decision::Defer(checked_method(method, request)?),
            Self::DeferAs { method, authrole } => Decision::DeferAs {
                method: checked_method(method, request)?,
                authrole: checked_role(&authrole, request)?,
            },
            Self::Deny { reason, message } => Decision::Deny(checked_denial(&reason, &message, request)?),
        })
    }
}

/// The tracking ID itself may be the authid: only its own client sees it then.
fn checked_authid(text: &str, request: &JoinRequest<'_>) -> Result<Name, ContractError> {
    let name = Name::parse(text).map_err(ContractError::Authid)?;
    match request.secret() {
        // A reader of a longer authid could cut the credential out of it.
        Some(secret) if secret != text && text.contains(secret) => Err(ContractError::Leak("authid")),
        _ => Ok(name),
    }
}

fn checked_role(text: &str, request: &JoinRequest<'_>) -> Result<Name, ContractError> {
    let name = Name::parse(text).map_err(ContractError::Authrole)?;
    // First of all, because the other error repeats the role.
    if request.gives_away(text) {
        return Err(ContractError::Leak("authrole"));
    }
    if request.roles.is_empty() || request.roles.contains(&text) {
        Ok(name)
    } else {
        Err(ContractError::NoSuchRole(name))
    }
}

fn checked_extra(text: &str, request: &JoinRequest<'_>) -> Result<Map<String, Value>, ContractError> {
    if text.len() > MAX_EXTRA_BYTES {
        return Err(ContractError::ExtraSize { bytes: text.len(), most: MAX_EXTRA_BYTES });
    }
    // The message of serde_json may quote the text.
    let extra = serde_json::from_str(text)
        .map_err(|error| ContractError::Extra { line: error.line(), column: error.column() })?;
    // Not the text, where escapes could hide the ID.
    if members_give_away(&extra, request) { Err(ContractError::Leak("authextra")) } else { Ok(extra) }
}

fn members_give_away(members: &Map<String, Value>, request: &JoinRequest<'_>) -> bool {
    members.iter().any(|(key, value)| request.gives_away(key) || value_gives_away(value, request))
}

fn value_gives_away(value: &Value, request: &JoinRequest<'_>) -> bool {
    match value {
        Value::String(text) => request.gives_away(text),
        Value::Array(items) => items.iter().any(|item| value_gives_away(item, request)),
        Value::Object(members) => members_give_away(members, request),
        Value::Number(_) | Value::Null | Value::Bool(_) => false,
    }
}

fn checked_method(method: String, request: &JoinRequest<'_>) -> Result<String, ContractError> {
    let is_name =
        (1..=MAX_METHOD_BYTES).contains(&method.len()) && method.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_name {
        return Err(ContractError::Method(MAX_METHOD_BYTES));
    }
    if request.gives_away(&method) {
        return Err(ContractError::Leak("defer"));
    }
    if !request.methods.contains(&method.as_str()) {
        return Err(ContractError::NotConfigured(method));
    }
    if request.offers(&method) { Ok(method) } else { Err(ContractError::NotOffered(method)) }
}

fn checked_denial(reason: &str, message: &str, request: &JoinRequest<'_>) -> Result<Denial, ContractError> {
    if message.len() > MAX_MESSAGE_BYTES {
        return Err(ContractError::MessageSize { bytes: message.len(), most: MAX_MESSAGE_BYTES });
    }
    if request.gives_away(reason) {
        return Err(ContractError::Leak("deny"));
    }
    let is_short = reason.len() <= MAX_REASON_BYTES && reason.chars().all(is_printable);
    match Uri::parse(reason) {
        // Blanks and escapes may be longer than what they stand for: the bound above is the contract's, this
        // one is only for them.
        Ok(reason) if is_short => {
            Ok(Denial { reason, message: clean(message, request.secret(), 8 * MAX_MESSAGE_BYTES) })
        }
        _ => Err(ContractError::Reason(MAX_REASON_BYTES)),
    }
}

impl fmt::Debug for RawDecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anonymous { .. } => "Anonymous(..)",
            Self::None => "None",
            Self::Defer(_) => "Defer(..)",
            Self::DeferAs { .. } => "DeferAs(..)",
            Self::Deny { .. } => "Deny(..)",
        })
    }
}

#[cfg(test)]
mod tests;
