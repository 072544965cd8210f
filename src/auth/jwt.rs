//! The method `ticket` of type `jwt`: from a [token](super::token) to a principal, at once or by a challenge, and back from a cookie.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{
    Applicant, AuthError, Method, MethodStep, Opening, Principal, State, TokenError, TokenOptions, standing,
    token::{Claims, EXPIRES, ROLE},
};
use crate::{
    identity::{Lease, Name, Standing},
    time::Timestamp,
    wamp::Uri,
};

/// `authprovider` of a principal that a token names.
pub(super) const PROVIDER: &str = "jwt";

/// A challenge that waits for its token.
pub(super) struct PendingToken {
    options: Arc<TokenOptions>,
    realm: Uri,
    standing: Standing,
    /// Who the client says that it is, if it does.
    claimed: Option<String>,
}

/// Verifies the token that the client has brought in its handshake, or asks for one.
pub(super) fn begin(
    options: &Arc<TokenOptions>,
    applicant: &Applicant<'_>,
    now: Timestamp,
) -> Result<MethodStep, AuthError> {
    let pending = PendingToken {
        options: Arc::clone(options),
        realm: applicant.realm.clone(),
        standing: standing::of_token(applicant.place, options),
        claimed: applicant.hello.authid.clone(),
    };
    if let Some(token) = applicant.token {
        return pending.finish(token, now).map(MethodStep::Done);
    }
    let opening = Opening { extra: Map::new(), state: State::Token(pending) };
    Ok(opening.challenge(Method::Ticket, now))
}

impl PendingToken {
    pub(super) fn finish(self, token: &str, now: Timestamp) -> Result<Principal, AuthError> {
        let claims = self.options.verify(token, now)?;
        self.options.principal(&claims, &self.realm, self.claimed.as_deref(), self.standing)
    }
}

impl TokenOptions {
    /// The principal that a token names.
    fn principal(
        &self,
        claims: &Claims,
        realm: &Uri,
        claimed: Option<&str>,
        standing: Standing,
    ) -> Result<Principal, AuthError> {
        let authid = claims.name(&self.claims.authid)?.ok_or(TokenError::NoAuthId)?;
        if claimed.is_some_and(|claimed| claimed != authid.as_str()) {
            return Err(TokenError::OtherAuthId.into());
        }
        let role = claims.name(&self.claims.role)?.or_else(|| self.role.clone()).ok_or(TokenError::NoRole)?;
        if let Some(name) = &self.claims.realm {
            let home = claims.text(name)?.ok_or(TokenError::NoRealm)?;
            if home != realm.as_str() {
                return Err(AuthError::OtherRealm);
            }
        }
        let mut extra = Map::new();
        for name in &self.claims.extra {
            if let Some(value) = claims.value(name) {
                extra.insert(name.clone(), value.clone());
            }
        }
        extra.insert(EXPIRES.to_owned(), claims.expires.into());
        Ok(Principal {
            authid,
            authrole: role,
            authmethod: Method::Ticket.name(),
            authprovider: PROVIDER,
            lease: self.lease(claims.expires),
            authextra: Some(extra),
            realm: realm.clone(),
            standing,
        })
    }

    /// How long a session may last by a token that ends then, in seconds.
    fn lease(&self, expires: u64) -> Lease {
        let until = self.end_at_expiry.then(|| Timestamp::from_millis(expires.saturating_mul(1000)));
        Lease { until, vouched: None }
    }

    /// What a cookie keeps of a login by a token: its role, its details, and how long it may last. None: the record was not made
    /// by a token.
    pub(super) fn remembered(&self, role: &str, extra: &str) -> Option<Remembered> {
        let extra: Map<String, Value> = serde_json::from_str(extra).ok()?;
        let expires = extra.get(EXPIRES)?.as_u64()?;
        let role = extra.get(ROLE).and_then(Value::as_str).unwrap_or(role);
        Some(Remembered {
            role: Name::parse(role).ok()?,
            // A cookie that may outlive its token stands by itself.
            ends: (!self.cookie_may_outlive).then(|| Timestamp::from_millis(expires.saturating_mul(1000))),
            lease: if self.cookie_may_outlive { Lease::default() } else { self.lease(expires) },
            extra,
        })
    }
}

/// A login by a token, as a cookie remembers it.
pub(super) struct Remembered {
    pub(super) role: Name,
    /// From when on it no longer stands.
    pub(super) ends: Option<Timestamp>,
    pub(super) lease: Lease,
    pub(super) extra: Map<String, Value>,
}

impl std::fmt::Debug for PendingToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PendingToken").field("realm", &self.realm).finish_non_exhaustive()
    }
}
