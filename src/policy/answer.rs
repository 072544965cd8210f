//! The one check of what a policy answers: gateway, testkit and command take the same answers.
//!
//! A policy may be wrong, or its author hostile. What is behind this module may rely on what the contract says. No
//! error repeats the answer, which may hold the tracking ID.

mod json;

use std::fmt;

#[cfg(feature = "testkit")]
pub(crate) use self::json::identity_json;
pub use self::json::{answer_json, choice_json};
use super::{
    AnonymousIdentity, ContractError, Decision, JoinRequest, PolicyError,
    bindings::{
        v0_1::wampgate::authid::types as v0_1, v0_2::wampgate::authid::types as v0_2,
        v0_3::wampgate::authid::types as v0_3,
    },
    checks,
    subject::Subject as _,
};

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
        let secret = request.whom().tracking_id;
        Ok(match self {
            Self::Anonymous { authid, authrole, authextra } => Decision::Anonymous(AnonymousIdentity {
                authid: authid.map(|authid| checks::authid(&authid, secret)).transpose()?,
                authrole: authrole.map(|role| checks::role(&role, secret, request.roles)).transpose()?,
                authextra: authextra.map(|extra| checks::extra(&extra, secret)).transpose()?,
            }),
            Self::None => Decision::None,
            Self::Defer(method) => Decision::Defer(checked_method(method, request)?),
            Self::DeferAs { method, authrole } => Decision::DeferAs {
                method: checked_method(method, request)?,
                authrole: checks::role(&authrole, secret, request.roles)?,
            },
            Self::Deny { reason, message } => Decision::Deny(checks::denial(&reason, &message, secret)?),
        })
    }
}

fn checked_method(method: String, request: &JoinRequest<'_>) -> Result<String, ContractError> {
    let is_name =
        (1..=MAX_METHOD_BYTES).contains(&method.len()) && method.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_name {
        return Err(ContractError::Method(MAX_METHOD_BYTES));
    }
    if request.whom().is_given_away_by(&method) {
        return Err(ContractError::Leak("defer"));
    }
    if !request.methods.contains(&method.as_str()) {
        return Err(ContractError::NotConfigured(method));
    }
    if request.offers(&method) { Ok(method) } else { Err(ContractError::NotOffered(method)) }
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
