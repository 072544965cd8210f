//! `cookie`: a client that logged in with its cookie before joins as the same principal, as long as the configuration
//! has that principal.

#[cfg(test)]
mod tests;

use serde_json::Value;

use super::{
    Applicant, AuthError, AuthOptions, CookieAuthOptions, Method, Principal, StaleLogin, TokenOptions,
    standing,
};
use crate::{
    identity::{Identity, Lease, Name, Standing},
    store::{Authentication, CookieRecord},
    time::Timestamp,
    wamp::Uri,
};

/// `authprovider` of a principal that a cookie's record remembers, as in Crossbar.io.
const PROVIDER: &str = "cookie";

pub(super) fn begin(
    config: &AuthOptions,
    options: CookieAuthOptions,
    applicant: &Applicant<'_>,
    now: Timestamp,
) -> Result<Principal, AuthError> {
    let record =
        applicant.tracked.map(|tracked| &tracked.record).ok_or(AuthError::Stale(StaleLogin::NoLogin))?;
    stored(config, options, record, applicant, now).map_err(AuthError::Stale)
}

/// The stored principal, checked against the configuration as it is now.
///
/// The role is the one that the configuration has now: a principal that has lost rights since has lost them here as well. As
/// in Crossbar.io, HELLO's authid and role do not matter: WELCOME tells who the client is.
fn stored(
    config: &AuthOptions,
    options: CookieAuthOptions,
    record: &CookieRecord,
    applicant: &Applicant<'_>,
    now: Timestamp,
) -> Result<Principal, StaleLogin> {
    let realm = applicant.realm;
    let stored: &Authentication = record.authentication.as_ref().ok_or(StaleLogin::NoLogin)?;
    if options.is_over(record, now) {
        return Err(StaleLogin::Expired);
    }
    // A stored `anonymous`, which Crossbar.io's files have, has never verified anything.
    let method = Method::parse(&stored.authmethod).ok_or(StaleLogin::Removed)?;
    if let Some(tokens) = config.token.as_ref().filter(|_| method == Method::Ticket) {
        return by_token(tokens, stored, applicant, now);
    }
    let found = principal(config, method, &stored.authid, applicant.place).ok_or(StaleLogin::Removed)?;
    let Found { authid, role, home, standing } = found;
    if home.is_some_and(|home| home.as_str() != stored.authrealm) {
        return Err(StaleLogin::Removed);
    }
    if stored.authrealm != realm.as_str() {
        return Err(StaleLogin::OtherRealm);
    }
    Ok(Principal {
        authid: authid.clone(),
        authrole: role.clone(),
        authmethod: method.name(),
        authprovider: PROVIDER,
        authextra: serde_json::from_str(&stored.authextra).ok(),
        lease: Lease::default(),
        realm: realm.clone(),
        standing,
    })
}

/// The principal that a token has named, for as long as the token would.
fn by_token(
    tokens: &TokenOptions,
    stored: &Authentication,
    applicant: &Applicant<'_>,
    now: Timestamp,
) -> Result<Principal, StaleLogin> {
    let realm = applicant.realm;
    let remembered = tokens.remembered(&stored.authrole, &stored.authextra).ok_or(StaleLogin::Removed)?;
    if remembered.ends.is_some_and(|end| now >= end) {
        return Err(StaleLogin::Expired);
    }
    if stored.authrealm != realm.as_str() {
        return Err(StaleLogin::OtherRealm);
    }
    Ok(Principal {
        authid: Name::parse(&stored.authid).map_err(|_| StaleLogin::Removed)?,
        authrole: remembered.role,
        authmethod: Method::Ticket.name(),
        authprovider: PROVIDER,
        authextra: Some(remembered.extra),
        lease: remembered.lease,
        realm: realm.clone(),
        standing: standing::of_token(applicant.place, tokens),
    })
}

/// A configured principal.
struct Found<'a> {
    authid: &'a Name,
    role: &'a Name,
    home: Option<&'a Uri>,
    standing: Standing,
}

/// The configured principal that the stored authentication names.
fn principal<'a>(
    options: &'a AuthOptions,
    method: Method,
    authid: &str,
    place: Standing,
) -> Option<Found<'a>> {
    /// Finds it, and takes what all kinds of principals have.
    macro_rules! find {
        ($method:ident) => {{
            let (authid, principal) = options.$method.as_ref()?.principals.get_key_value(authid)?;
            let standing = standing::of_principal(place, authid, principal);
            Some(Found { authid, role: &principal.role, home: principal.realm.as_ref(), standing })
        }};
    }
    match method {
        Method::Ticket => find!(ticket),
        Method::WampCra => find!(wampcra),
        Method::Scram | Method::WampScram => find!(scram),
        Method::Cryptosign => find!(cryptosign),
        // A record keeps the method that proved the login, never this one.
        Method::Cookie => None,
    }
}

/// What a cookie's record should remember of a client that joins.
///
/// Nothing if the client has proved nothing. Nothing either if the login came from the record itself: it would last for
/// ever.
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
