//! `cookie`: a client that logged in with its cookie before joins as the same principal, as long as the configuration
//! has that principal.

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use super::{
    Applicant, AuthError, AuthOptions, CookieAuthOptions, CryptosignOptions, Method, Principal, ScramOptions,
    StaleLogin, TicketOptions, TokenOptions, WampCraOptions,
    file::{FilePrincipal, PrincipalFile},
    standing,
};
use crate::{
    identity::{Identity, Lease, Name, Standing, Vouched},
    store::{Authentication, CookieRecord},
    time::Timestamp,
    wamp::Uri,
};

/// `authprovider` of a principal that a cookie's record remembers, as in Crossbar.io.
pub(super) const PROVIDER: &str = "cookie";

/// The login on a cookie's record, if it counts for a realm as far as the record itself tells, and the method that it was by.
pub fn login<'a>(
    options: CookieAuthOptions,
    record: &'a CookieRecord,
    realm: &Uri,
    now: Timestamp,
) -> Result<(&'a Authentication, Method), StaleLogin> {
    let stored = record.authentication.as_deref().ok_or(StaleLogin::NoLogin)?;
    if options.is_over(record, now) {
        return Err(StaleLogin::Expired);
    }
    // A stored `anonymous`, which Crossbar.io's files have, has never verified anything.
    let method = Method::parse(&stored.authmethod).ok_or(StaleLogin::Removed)?;
    if stored.authrealm != realm.as_str() {
        return Err(StaleLogin::OtherRealm);
    }
    Ok((stored, method))
}

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
    // How long the client was away, its handshake has judged. It has been connected since then.
    if options.is_too_old(stored, now) {
        return Err(StaleLogin::Expired);
    }
    // A stored `anonymous`, which Crossbar.io's files have, has never verified anything.
    let method = Method::parse(&stored.authmethod).ok_or(StaleLogin::Removed)?;
    if let Some(tokens) = config.token.as_ref().filter(|_| method == Method::Ticket) {
        return by_token(tokens, stored, applicant, now);
    }
    let Found { authid, role, home, lease, standing } =
        principal(config, method, &stored.authid, applicant.place).ok_or(StaleLogin::Removed)?;
    if home.is_some_and(|home| home.as_str() != stored.authrealm) {
        return Err(StaleLogin::Removed);
    }
    if stored.authrealm != realm.as_str() {
        return Err(StaleLogin::OtherRealm);
    }
    Ok(Principal {
        authid,
        authrole: role,
        authmethod: method.name(),
        authprovider: PROVIDER,
        authextra: serde_json::from_str(&stored.authextra).ok(),
        lease,
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

/// A principal as the stored authentication names it.
struct Found {
    authid: Name,
    role: Name,
    home: Option<Uri>,
    lease: Lease,
    standing: Standing,
}

fn principal(options: &AuthOptions, method: Method, authid: &str, place: Standing) -> Option<Found> {
    match method {
        Method::Ticket => {
            let TicketOptions { principals, file } = options.ticket.as_ref()?;
            find(principals, file.as_ref(), authid, place, |it| (&it.role, it.realm.as_ref()))
        }
        Method::WampCra => {
            let WampCraOptions { principals, file } = options.wampcra.as_ref()?;
            find(principals, file.as_ref(), authid, place, |it| (&it.role, it.realm.as_ref()))
        }
        Method::Scram | Method::WampScram => {
            let ScramOptions { principals, file } = options.scram.as_ref()?;
            find(principals, file.as_ref(), authid, place, |it| (&it.role, it.realm.as_ref()))
        }
        Method::Cryptosign => {
            let CryptosignOptions { principals, file } = options.cryptosign.as_ref()?;
            find(principals, file.as_ref(), authid, place, |it| (&it.role, it.realm.as_ref()))
        }
        // A record keeps the method that proved the login, never this one.
        Method::Cookie => None,
    }
}

fn find<P: FilePrincipal>(
    principals: &BTreeMap<Name, P>,
    file: Option<&Arc<PrincipalFile<P>>>,
    authid: &str,
    place: Standing,
    home: impl Fn(&P) -> (&Name, Option<&Uri>),
) -> Option<Found> {
    let found = |name: &Name, principal: &P, vouched: Option<Vouched>| {
        let (role, home) = home(principal);
        let lease = Lease { vouched, ..Lease::default() };
        let standing = standing::of(place, name, principal, file);
        Found { authid: name.clone(), role: role.clone(), home: home.cloned(), lease, standing }
    };
    let Some(file) = file else {
        let (name, principal) = principals.get_key_value(authid)?;
        return Some(found(name, principal, None));
    };
    let table = file.current();
    let (name, principal) = table.get(authid)?;
    Some(found(name, principal, Some(file.vouch(name, principal))))
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
