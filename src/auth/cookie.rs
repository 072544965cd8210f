//! `cookie`: whoever authenticated with this cookie before is taken at its word, if the configuration still
//! is.

#[cfg(test)]
mod tests;

use serde_json::Value;

use super::{Applicant, AuthOptions, CookieAuthOptions, Method, Principal, Refusal};
use crate::{
    identity::{Identity, Name},
    store::{Authentication, CookieRecord},
    time::Timestamp,
    wamp::Uri,
};

/// `authprovider` of a principal that a cookie's record remembers, as in Crossbar.io.
const PROVIDER: &str = "cookie";

/// Why a cookie's stored principal does not stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stale {
    /// Nobody has authenticated with the cookie.
    #[error("nobody has authenticated with this cookie")]
    Nobody,
    /// It was authenticated for another realm, and is not moved.
    #[error("the cookie was authenticated for another realm")]
    OtherRealm,
    /// The configuration no longer has the principal or its method.
    #[error("the configuration no longer has the principal, or gives it another realm")]
    Removed,
    /// `max_age` or `idle_timeout` is over.
    #[error("the authentication is too old")]
    Expired,
}

impl Stale {
    /// Whether the authentication is over for good and is to be dropped from the record.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Removed | Self::Expired)
    }
}

pub(super) fn begin(
    config: &AuthOptions,
    options: CookieAuthOptions,
    applicant: &Applicant<'_>,
    now: Timestamp,
) -> Result<Principal, Refusal> {
    let record = applicant.tracked.map(|tracked| &tracked.record).ok_or(Refusal::Stale(Stale::Nobody))?;
    standing(config, options, record, applicant.realm, now).map_err(Refusal::Stale)
}

/// The stored principal, checked against the configuration as it is now.
///
/// The role is the configured one: who has lost rights since has lost them here as well. What HELLO says
/// about authid and role is not looked at, as in Crossbar.io: WELCOME tells who the client is.
fn standing(
    config: &AuthOptions,
    options: CookieAuthOptions,
    record: &CookieRecord,
    realm: &Uri,
    now: Timestamp,
) -> Result<Principal, Stale> {
    let stored: &Authentication = record.authentication.as_ref().ok_or(Stale::Nobody)?;
    if options.is_over(record, now) {
        return Err(Stale::Expired);
    }
    // A stored `anonymous`, which Crossbar.io's files have, has never verified anything.
    let method = Method::parse(&stored.authmethod).ok_or(Stale::Removed)?;
    let (authid, role, home) = principal(config, method, &stored.authid).ok_or(Stale::Removed)?;
    if home.is_some_and(|home| home.as_str() != stored.authrealm) {
        return Err(Stale::Removed);
    }
    if stored.authrealm != realm.as_str() {
        return Err(Stale::OtherRealm);
    }
    Ok(Principal {
        authid: authid.clone(),
        authrole: role.clone(),
        authmethod: method.name(),
        authprovider: PROVIDER,
        authextra: serde_json::from_str(&stored.authextra).ok(),
        realm: realm.clone(),
    })
}

/// A configured principal as the stored authentication names it: its name, role and realm.
fn principal<'a>(
    options: &'a AuthOptions,
    method: Method,
    authid: &str,
) -> Option<(&'a Name, &'a Name, Option<&'a Uri>)> {
    match method {
        Method::Ticket => {
            let (name, principal) = options.ticket.as_ref()?.principals.get_key_value(authid)?;
            Some((name, &principal.role, principal.realm.as_ref()))
        }
        Method::WampCra => {
            let (name, principal) = options.wampcra.as_ref()?.principals.get_key_value(authid)?;
            Some((name, &principal.role, principal.realm.as_ref()))
        }
        Method::Scram | Method::WampScram => {
            let (name, principal) = options.scram.as_ref()?.principals.get_key_value(authid)?;
            Some((name, &principal.role, principal.realm.as_ref()))
        }
        Method::Cryptosign => {
            let (name, principal) = options.cryptosign.as_ref()?.principals.get_key_value(authid)?;
            Some((name, &principal.role, principal.realm.as_ref()))
        }
        // A record keeps the method that verified something, never this one.
        Method::Cookie => None,
    }
}

/// What a cookie's record is to remember of somebody who joins.
///
/// Nothing of one who has verified nothing. Nor of one who came from the record itself: that would make an authentication
/// last for ever.
pub fn remembered(identity: &Identity, realm: &str, now: Timestamp) -> Option<Authentication> {
    let method = Method::parse(identity.authmethod)?;
    if identity.authprovider == PROVIDER {
        return None;
    }
    // A SCRAM verifier belongs to one exchange.
    let is_scram = matches!(method, Method::Scram | Method::WampScram);
    let extra = identity.authextra.clone().filter(|_| !is_scram).unwrap_or_default();
    Some(Authentication {
        authid: identity.authid.own().to_owned(),
        authrole: identity.authrole.to_string(),
        authmethod: method.name().to_owned(),
        authrealm: realm.to_owned(),
        authextra: Value::Object(extra).to_string(),
        at: now,
        succession: None,
    })
}
