//! What a policy's decision comes to: the host keeps the last word.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use rand::CryptoRng;
use serde_json::{Map, Value};

use super::{Applicant, Method, Refusal, STATIC, authid, method::ANONYMOUS};
use crate::{
    identity::{AuthId, Identity},
    policy::{AnonymousIdentity, Decision, Denial, PolicyError},
};

/// What to do about an applicant.
#[derive(Debug, Clone, PartialEq)]
pub enum Plan {
    /// Join under this identity; nothing needs to be verified.
    Join(Identity),
    /// Run this method: see [`super::begin`].
    Run(Method),
}

/// Checks a decision against the configuration and the HELLO.
///
/// `has_role` tells whether the applicant's realm has a role; `rng` draws authids. A policy that asks for
/// what it may not have is refused: nothing here falls back to another answer.
pub fn plan(
    decision: Decision,
    applicant: &Applicant<'_>,
    has_role: impl Fn(&str) -> bool,
    rng: &mut impl CryptoRng,
) -> Result<Plan, Refusal> {
    let identity = match decision {
        Decision::Anonymous(identity) => identity,
        Decision::None => AnonymousIdentity::default(),
        Decision::Defer(name) => match deferred(&name, applicant)? {
            Some(method) => return Ok(Plan::Run(method)),
            None => AnonymousIdentity::default(),
        },
        Decision::Deny(denial) => return Err(denied(denial, applicant)),
    };
    anonymous(identity, applicant, has_role, rng).map(Plan::Join)
}

/// The method that was deferred to; none for `anonymous`, which has nothing to run.
fn deferred(name: &str, applicant: &Applicant<'_>) -> Result<Option<Method>, Refusal> {
    let not_configured = || Refusal::NotConfigured(name.to_owned());
    let config = applicant.config.ok_or_else(not_configured)?;
    let method = if name == ANONYMOUS && config.anonymous.is_some() {
        None
    } else {
        let method = Method::parse(name).filter(|method| method.is_configured(config));
        Some(method.ok_or_else(not_configured)?)
    };
    let offered = &applicant.hello.authmethods;
    // A client that names no method comes as anonymous.
    let is_offered = offered.iter().any(|offer| offer == name) || (offered.is_empty() && name == ANONYMOUS);
    if is_offered { Ok(method) } else { Err(Refusal::NotOffered(name.to_owned())) }
}

fn anonymous(
    identity: AnonymousIdentity,
    applicant: &Applicant<'_>,
    has_role: impl Fn(&str) -> bool,
    rng: &mut impl CryptoRng,
) -> Result<Identity, Refusal> {
    let AnonymousIdentity { authid, authrole, authextra } = identity;
    let authid =
        authid.map_or_else(|| Ok(AuthId::Open(authid::random(rng))), |name| named(&name, applicant))?;
    let authrole = match authrole {
        Some(role) if authid::is_valid(&role) => Arc::from(role),
        Some(_) => return Err(PolicyError::Contract(format!("a role has {}", authid::RULE)).into()),
        None => {
            let config = applicant.config.and_then(|config| config.anonymous.as_ref());
            Arc::from(config.map_or(ANONYMOUS, |config| config.role.as_str()))
        }
    };
    // Others may see the role and the extra as well as the authid.
    if contains_id(&authrole, applicant)
        || authextra.as_ref().is_some_and(|extra| extra_contains_id(extra, applicant))
    {
        return Err(leak("its role or its extra"));
    }
    if !has_role(&authrole) {
        return Err(Refusal::NoSuchRole(authrole.as_ref().to_owned()));
    }
    Ok(Identity { authid, authrole, authmethod: ANONYMOUS, authprovider: STATIC, authextra })
}

/// The authid that a policy assigned. The tracking ID itself is shown to its own client only.
fn named(name: &str, applicant: &Applicant<'_>) -> Result<AuthId, Refusal> {
    if !authid::is_valid(name) {
        return Err(PolicyError::Contract(format!("an authid has {}", authid::RULE)).into());
    }
    match applicant.tracked {
        Some(tracked) if tracked.id.expose() == name => {
            Ok(AuthId::Tracking { id: tracked.id.clone(), public: Arc::clone(&tracked.public_id) })
        }
        // Whoever reads such an authid could cut the credential out of it.
        _ if contains_id(name, applicant) => Err(leak("a longer authid")),
        _ => Ok(AuthId::Open(Arc::from(name))),
    }
}

/// A denial as it is, unless its words hold the credential, which would go to the log.
fn denied(denial: Denial, applicant: &Applicant<'_>) -> Refusal {
    if contains_id(&denial.message, applicant) || contains_id(denial.reason.as_str(), applicant) {
        leak("a denial")
    } else {
        Refusal::Denied(denial)
    }
}

fn leak(place: &str) -> Refusal {
    PolicyError::Contract(format!("the cookie's `id` is a credential and stands in {place}: use `public-id`"))
        .into()
}

fn contains_id(text: &str, applicant: &Applicant<'_>) -> bool {
    applicant.tracked.is_some_and(|tracked| text.contains(tracked.id.expose()))
}

fn extra_contains_id(extra: &Map<String, Value>, applicant: &Applicant<'_>) -> bool {
    extra.iter().any(|(key, value)| contains_id(key, applicant) || value_contains_id(value, applicant))
}

fn value_contains_id(value: &Value, applicant: &Applicant<'_>) -> bool {
    match value {
        Value::String(text) => contains_id(text, applicant),
        Value::Array(items) => items.iter().any(|item| value_contains_id(item, applicant)),
        Value::Object(members) => extra_contains_id(members, applicant),
        Value::Number(_) | Value::Null | Value::Bool(_) => false,
    }
}
