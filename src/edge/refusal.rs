//! Why a request is not allowed: what a proxy is told that asks, and what a client is told that would go on to an upstream.

use http::StatusCode;

use crate::{
    auth::AuthError,
    edge::addresses::TooMany,
    policy::{ContractError, PolicyError},
    store::StoreError,
};

/// Why a request is not allowed.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It has no cookie that the store knows.
    NoCookie,
    /// No login stands on its cookie.
    NoLogin,
    /// Its client has a role that is not let through.
    Role,
    /// The gateway cannot tell which request the proxy asks about.
    Unclear,
    /// A login does not stand, or the policy does not let the client in.
    Admission(AuthError),
    /// The store cannot be read.
    Store(StoreError),
    /// The answer would come too late.
    Timeout,
    /// A peer whose word does not count asks more often than one address may.
    TooMany(TooMany),
}

impl Refusal {
    /// The [reasons](Self::reason) that monitoring sees from the start.
    pub(super) const REASONS: [&str; 9] = [
        "no-cookie",
        "no-login",
        "stale-login",
        "forbidden-role",
        "denied",
        "unclear-request",
        "policy",
        "store",
        "timeout",
    ];

    /// Its name in metrics and in the log.
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::NoCookie => "no-cookie",
            Self::NoLogin
            | Self::Admission(AuthError::Policy(PolicyError::Contract(ContractError::NotOffered(_)))) => {
                "no-login"
            }
            Self::Role => "forbidden-role",
            Self::Unclear => "unclear-request",
            Self::Admission(refused) => refused.reason(),
            Self::Store(_) => "store",
            Self::Timeout => "timeout",
            Self::TooMany(refused) => refused.limit.reason(),
        }
    }

    pub(super) const fn status(&self) -> StatusCode {
        match self {
            Self::NoCookie | Self::NoLogin => StatusCode::UNAUTHORIZED,
            Self::Role | Self::Unclear => StatusCode::FORBIDDEN,
            Self::Admission(refused) => match refused {
                // The policy wants a login by another method, which a session has to make first.
                AuthError::Policy(PolicyError::Contract(ContractError::NotOffered(_)))
                | AuthError::Stale(_) => StatusCode::UNAUTHORIZED,
                AuthError::Denied(_) | AuthError::OtherRealm | AuthError::NoSuchRole(_) => {
                    StatusCode::FORBIDDEN
                }
                _ => StatusCode::SERVICE_UNAVAILABLE,
            },
            Self::Store(_) | Self::Timeout => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    /// Whether the store or the policy's gate has told the operator already.
    pub(super) fn is_told(&self) -> bool {
        match self {
            Self::Admission(refused) => refused.is_told(),
            Self::Store(error) => error.is_told(),
            _ => false,
        }
    }

    /// What the operator is told.
    pub(super) fn cause(&self) -> String {
        match self {
            Self::NoCookie => "it has no cookie that the store knows".to_owned(),
            Self::NoLogin => "its client has not logged in".to_owned(),
            Self::Role => "`roles` does not let its client's role through".to_owned(),
            Self::Unclear => "the headers that tell which request the proxy asks about contradict each other or make no sense; have \
                              the proxy remove those that it does not set itself"
                .to_owned(),
            Self::Admission(refused) => refused.to_string(),
            Self::Store(error) => error.to_string(),
            Self::Timeout => "the store or the policy took longer than `timeout`".to_owned(),
            Self::TooMany(refused) => refused.cause(),
        }
    }

    /// What the client may read: nothing about stores, IDs or the configuration.
    pub(super) fn message(&self) -> String {
        match self {
            Self::Admission(AuthError::Denied(denial)) => denial.message.clone(),
            _ => match self.status() {
                StatusCode::UNAUTHORIZED => "log in first",
                StatusCode::FORBIDDEN => "you may not do this",
                StatusCode::TOO_MANY_REQUESTS => "too many requests from your address: come later",
                _ => "the gateway cannot tell who you are at the moment: try again later",
            }
            .to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{auth::StaleLogin, edge::addresses::Limit, identity::Name, policy::Denial, wamp::Uri};

    #[test]
    fn every_refusal_has_a_status_that_proxies_take_for_one() {
        let policy = |error| Refusal::Admission(AuthError::Policy(error));
        let denial = Denial { reason: Uri::known("a.b"), message: "after hours".to_owned() };
        for (refusal, status, reason) in [
            (Refusal::NoCookie, 401, "no-cookie"),
            (Refusal::NoLogin, 401, "no-login"),
            (Refusal::Admission(StaleLogin::Removed.into()), 401, "stale-login"),
            (policy(PolicyError::Contract(ContractError::NotOffered("ticket".into()))), 401, "no-login"),
            (Refusal::Role, 403, "forbidden-role"),
            (Refusal::Unclear, 403, "unclear-request"),
            (Refusal::Admission(AuthError::Denied(denial)), 403, "denied"),
            (Refusal::Admission(AuthError::OtherRealm), 403, "other-realm"),
            (Refusal::Admission(AuthError::NoSuchRole(Name::known("guest"))), 403, "role"),
            (policy(PolicyError::Trap("secret".into())), 503, "policy"),
            (policy(PolicyError::Overloaded), 503, "overloaded"),
            (policy(PolicyError::Penalty), 503, "penalty"),
            (policy(PolicyError::Contract(ContractError::Leak("authid"))), 503, "policy"),
            (Refusal::Admission(AuthError::NotConfigured("secret".into())), 503, "method"),
            (Refusal::Admission(AuthError::NoSuchRealm(None)), 503, "realm"),
            (Refusal::Store(StoreError::Io("secret".into())), 503, "store"),
            (Refusal::Timeout, 503, "timeout"),
            (
                Refusal::TooMany(TooMany { limit: Limit::Handshakes, wait: Duration::ZERO }),
                429,
                "address-handshakes",
            ),
        ] {
            assert_eq!((refusal.status().as_u16(), refusal.reason()), (status, reason), "{refusal:?}");
            assert!(!refusal.cause().is_empty());
            assert!(!refusal.message().is_empty() && !refusal.message().contains("secret"), "{refusal:?}");
        }
    }
}
