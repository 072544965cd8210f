//! From a policy's decision to an identity, or to the method that leads to one.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use rand::CryptoRng;

use super::{Applicant, AuthError, Method, STATIC, random};
use crate::{
    identity::{ANONYMOUS, AuthId, Identity, Lease, Name},
    policy::{AnonymousIdentity, Decision},
};

/// What to do about an applicant.
#[derive(Debug, Clone, PartialEq)]
pub enum Plan {
    /// Join under this identity; nothing needs to be verified.
    Join(Identity),
    /// Run this method: see [`super::begin`].
    Run {
        /// The method.
        method: Method,
        /// The role that the policy gives to the client for whom it vouches, in place of the principal's.
        authrole: Option<Name>,
    },
}

/// Turns a decision into what is to be done. The decision keeps to the contract: it was checked where it was made.
///
/// `has_role` tells whether the applicant's realm has a role: the configuration's own role may be missing there. `rng`
/// draws authids.
pub fn plan(
    decision: Decision,
    applicant: &Applicant<'_>,
    has_role: impl Fn(&str) -> bool,
    rng: &mut impl CryptoRng,
) -> Result<Plan, AuthError> {
    let identity = match decision {
        Decision::Anonymous(identity) => identity,
        Decision::None => AnonymousIdentity::default(),
        // It has nothing to run.
        Decision::Defer(name) if name == ANONYMOUS => AnonymousIdentity::default(),
        Decision::DeferAs { method, authrole } if method == ANONYMOUS => {
            AnonymousIdentity { authrole: Some(authrole), ..AnonymousIdentity::default() }
        }
        Decision::Defer(name) => return run(name, None),
        Decision::DeferAs { method, authrole } => return run(method, Some(authrole)),
        Decision::Deny(denial) => return Err(AuthError::Denied(denial)),
    };
    anonymous(identity, applicant, has_role, rng).map(Plan::Join)
}

fn run(name: String, authrole: Option<Name>) -> Result<Plan, AuthError> {
    match Method::parse(&name) {
        Some(method) => Ok(Plan::Run { method, authrole }),
        None => Err(AuthError::NotConfigured(name)),
    }
}

fn anonymous(
    identity: AnonymousIdentity,
    applicant: &Applicant<'_>,
    has_role: impl Fn(&str) -> bool,
    rng: &mut impl CryptoRng,
) -> Result<Identity, AuthError> {
    let AnonymousIdentity { authid, authrole, authextra } = identity;
    let authid = match authid {
        Some(name) => named(name, applicant),
        None => AuthId::Open(random::authid(rng)),
    };
    let authrole = authrole.unwrap_or_else(|| {
        let options = applicant.config.and_then(|config| config.anonymous.as_ref());
        options.cloned().unwrap_or_default().role
    });
    if !has_role(&authrole) {
        return Err(AuthError::NoSuchRole(authrole));
    }
    Ok(Identity {
        authid,
        authrole,
        authmethod: ANONYMOUS,
        authprovider: STATIC,
        authextra,
        lease: Lease::default(),
        standing: Some(applicant.unproved),
    })
}

/// The authid that a policy assigned. The tracking ID itself is shown to its own client only.
fn named(name: Name, applicant: &Applicant<'_>) -> AuthId {
    match applicant.tracked {
        Some(tracked) if tracked.id.expose() == name.as_str() => {
            AuthId::Tracking { id: tracked.id.clone(), public: Arc::clone(&tracked.public_id) }
        }
        _ => AuthId::Open(name),
    }
}
