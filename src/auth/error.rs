//! Why a client does not join, and the ABORT that tells it so.

use std::time::Duration;

use super::{Method, TokenError};
use crate::{
    identity::{Lapse, Name},
    policy::{ContractError, Denial, PolicyError},
    shown::is_presentable,
    wamp::{Uri, uri::error},
};

/// Why a client does not join. `Display` is for the operator's log: what the client chose, which may be a credential in the wrong
/// place, is not in it. The client is told [`AuthError::abort`].
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AuthError {
    /// The policy, an authenticator or its procedure denies, in its own words.
    #[error("the policy or the authenticator denies")]
    Denied(Denial),
    /// The policy failed or broke its contract.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The service does not have the method.
    #[error("the method {} is not configured for this service", known(.0))]
    NotConfigured(String),
    /// The gateway has no such realm, or the client left a choice that the gateway cannot make.
    #[error("{}", missing_realm(.0.as_ref()))]
    NoSuchRealm(Option<Uri>),
    /// The realm has no such role.
    #[error("the realm has no role {0:?}: add it to the realm's `roles`")]
    NoSuchRole(Name),
    /// The method needs something in HELLO.Details that is not there, or is not what it must be.
    #[error("`{0}` needs HELLO.Details.{1}, and the client did not send that")]
    Missing(&'static str, &'static str),
    /// The client asks for a channel binding that the connection does not have.
    #[error("the client asks for a channel binding that this connection does not have")]
    ChannelBinding(String),
    /// The login on the cookie's record does not count.
    #[error(transparent)]
    Stale(#[from] StaleLogin),
    /// The principal does not exist, or the secret is wrong: the client cannot tell which.
    #[error("`{0}` failed: no such principal or a wrong secret")]
    Credentials(&'static str),
    /// The token is not accepted.
    #[error("the token is not accepted: {0}")]
    Token(#[from] TokenError),
    /// Too many wrong secrets: the gateway looks at no further one for so long.
    #[error(
        "too many failed logins from this address, or for the principal that it claims to be; the next counts in {0:?}"
    )]
    Throttled(Duration),
    /// The secret is right, and the principal belongs to another realm.
    #[error("the principal belongs to another realm")]
    OtherRealm,
    /// The answer to a challenge came too late.
    #[error("the answer to the challenge came too late")]
    TooLate,
    /// The connection joins again and again.
    #[error("the connection joins more often than `max_joins_per_second` allows")]
    TooOften,
    /// The configuration or the principal that the client was joining by is not there any more.
    #[error("the configuration has changed while the client joined")]
    Reconfigured,
}

/// Why the login on a cookie's record no longer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StaleLogin {
    /// The record holds no login.
    #[error("no client has logged in with this cookie")]
    NoLogin,
    /// The login was for another realm, and does not move.
    #[error("the cookie's login is for another realm")]
    OtherRealm,
    /// The configuration no longer has the principal or its method.
    #[error("the configuration no longer has the principal, or gives it another realm")]
    Removed,
    /// `max_age` or `idle_timeout` is over.
    #[error("the cookie's login is too old")]
    Expired,
}

/// A method's name for the log. What is no method's name may be what the client wrote.
fn known(name: &str) -> &str {
    Method::parse(name).map_or("a method that does not exist", Method::name)
}

/// Which realm is not there, for the log.
fn missing_realm(named: Option<&Uri>) -> String {
    match named.map(Uri::as_str) {
        None => "the client names no realm".to_owned(),
        Some(name) if is_presentable(name) => {
            format!("the client names the realm '{name}', which is not there")
        }
        Some(_) => "the client names a realm that is not there".to_owned(),
    }
}

/// What the client has proved does not hold any more when its session is about to begin.
impl From<Lapse> for AuthError {
    fn from(lapse: Lapse) -> Self {
        match lapse {
            Lapse::Expired => TokenError::Expired.into(),
            Lapse::Removed => Self::Reconfigured,
        }
    }
}

impl StaleLogin {
    /// Whether the login is over for good, so that the record should drop it.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Removed | Self::Expired)
    }
}

impl AuthError {
    /// Every [`reason`](Self::reason).
    pub const REASONS: [&str; 17] = [
        "denied",
        "overloaded",
        "penalty",
        "policy",
        "method",
        "realm",
        "role",
        "missing",
        "channel-binding",
        "stale-login",
        "credentials",
        "other-realm",
        "too-late",
        "too-often",
        "reconfigured",
        "throttled",
        "token",
    ];

    /// Its name in metrics and in the log.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Denied(_) => "denied",
            Self::Policy(PolicyError::Overloaded) => "overloaded",
            Self::Policy(PolicyError::Penalty) => "penalty",
            Self::Policy(_) => "policy",
            Self::NotConfigured(_) => "method",
            Self::NoSuchRealm(_) => "realm",
            Self::NoSuchRole(_) => "role",
            Self::Missing(..) => "missing",
            Self::ChannelBinding(_) => "channel-binding",
            Self::Stale(_) => "stale-login",
            Self::Credentials(_) => "credentials",
            Self::OtherRealm => "other-realm",
            Self::TooLate => "too-late",
            Self::TooOften => "too-often",
            Self::Reconfigured => "reconfigured",
            Self::Throttled(_) => "throttled",
            Self::Token(_) => "token",
        }
    }

    /// Whether the policy's gate has told the operator already.
    pub const fn is_told(&self) -> bool {
        match self {
            Self::Policy(error) => !matches!(error, PolicyError::Overloaded | PolicyError::Penalty),
            _ => false,
        }
    }

    /// Whether the client has guessed wrong, or has to wait since it did.
    pub const fn is_wrong_guess(&self) -> bool {
        matches!(self, Self::Credentials(_) | Self::Throttled(_) | Self::Token(_))
    }

    /// Whether the login on the applicant's cookie is over for good, so that the record should drop it. No failure of
    /// another method touches it.
    pub fn ends_stored_authentication(&self, method: Method) -> bool {
        method == Method::Cookie
            && match self {
                Self::Stale(stale) => stale.is_final(),
                Self::NoSuchRole(_) => true,
                _ => false,
            }
    }

    /// The reason and the message of the ABORT.
    ///
    /// Wrong credentials are `wamp.error.not_authorized`, as Crossbar.io's clients expect; the specification's basic profile
    /// names "a join" among its uses. Faults that the operator must repair are `wamp.error.authentication_failed` ("a
    /// technical runtime failure"); the client learns no more than that.
    pub fn abort(&self) -> (Uri, String) {
        let (reason, message) = match self {
            Self::Denied(denial) => return (denial.reason.clone(), denial.message.clone()),
            Self::Policy(PolicyError::Overloaded | PolicyError::Penalty) => {
                (error::UNAVAILABLE, "the gateway is busy, try again".to_owned())
            }
            Self::Policy(PolicyError::Contract(ContractError::NotOffered(method))) => (
                error::NO_AUTH_METHOD,
                format!("offer the authentication method {method:?} in HELLO.Details.authmethods"),
            ),
            Self::Policy(PolicyError::Contract(ContractError::NoSuchRole(role))) | Self::NoSuchRole(role) => {
                (error::NO_SUCH_ROLE, format!("the realm has no role {role:?}"))
            }
            Self::Policy(_) | Self::NotConfigured(_) => {
                (error::AUTHENTICATION_FAILED, "the gateway could not decide who you are".to_owned())
            }
            Self::NoSuchRealm(Some(realm)) => {
                (error::NO_SUCH_REALM, format!("no realm {:?} exists on this router", realm.as_str()))
            }
            Self::NoSuchRealm(None) => (error::NO_SUCH_REALM, "name a realm in HELLO".to_owned()),
            Self::Missing(method, field) => {
                (error::NOT_AUTHORIZED, format!("the method {method:?} needs HELLO.Details.{field}"))
            }
            Self::ChannelBinding(_) => (
                error::NOT_AUTHORIZED,
                "this connection does not have the channel binding that you ask for".to_owned(),
            ),
            Self::Stale(StaleLogin::NoLogin) => (
                error::NO_AUTH_METHOD,
                "no client has logged in with this cookie: use another method".to_owned(),
            ),
            Self::Stale(_) => (
                error::NOT_AUTHORIZED,
                "the cookie no longer stands for you here: authenticate again".to_owned(),
            ),
            Self::Credentials(method) => {
                (error::NOT_AUTHORIZED, format!("{method} authentication failed: wrong authid or secret"))
            }
            Self::Throttled(wait) => {
                let seconds = wait.as_millis().div_ceil(1000).max(1);
                (error::UNAVAILABLE, format!("too many failed logins: try again in {seconds} s"))
            }
            Self::Token(error) => (error::NOT_AUTHORIZED, error.told().to_owned()),
            Self::OtherRealm => (error::NOT_AUTHORIZED, "you may not join this realm".to_owned()),
            Self::TooOften => {
                (error::UNAVAILABLE, "this connection joins too often: wait before you join again".to_owned())
            }
            Self::Reconfigured => {
                (error::UNAVAILABLE, "the gateway's configuration has changed: join again".to_owned())
            }
            Self::TooLate => (error::NOT_AUTHORIZED, "the answer to CHALLENGE came too late".to_owned()),
        };
        (Uri::known(reason), message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words of a policy or of the configuration that no client may see.
    const INTERNAL: &str = "internal-detail";

    fn refusals() -> Vec<(AuthError, &'static str)> {
        let internal = || INTERNAL.to_owned();
        let contract = |error| AuthError::Policy(PolicyError::Contract(error));
        vec![
            (PolicyError::Refused(internal()).into(), "wamp.error.authentication_failed"),
            (PolicyError::Trap(internal()).into(), "wamp.error.authentication_failed"),
            (PolicyError::Deadline(Duration::from_millis(20)).into(), "wamp.error.authentication_failed"),
            (PolicyError::Memory(1).into(), "wamp.error.authentication_failed"),
            (PolicyError::HostCalls.into(), "wamp.error.authentication_failed"),
            (contract(ContractError::Types(internal())), "wamp.error.authentication_failed"),
            (contract(ContractError::NotConfigured(internal())), "wamp.error.authentication_failed"),
            (contract(ContractError::Leak("authrole")), "wamp.error.authentication_failed"),
            (contract(ContractError::NotOffered("ticket".into())), "wamp.error.no_auth_method"),
            (contract(ContractError::NoSuchRole(Name::known("guest"))), "wamp.error.no_such_role"),
            (PolicyError::Overloaded.into(), "wamp.error.unavailable"),
            (PolicyError::Penalty.into(), "wamp.error.unavailable"),
            (AuthError::NotConfigured(internal()), "wamp.error.authentication_failed"),
            (AuthError::NoSuchRealm(None), "wamp.error.no_such_realm"),
            (AuthError::NoSuchRealm(Some(Uri::known("com.example"))), "wamp.error.no_such_realm"),
            (AuthError::NoSuchRole(Name::known("guest")), "wamp.error.no_such_role"),
            (AuthError::Missing("ticket", "authid"), "wamp.error.not_authorized"),
            (AuthError::ChannelBinding(internal()), "wamp.error.not_authorized"),
            (StaleLogin::NoLogin.into(), "wamp.error.no_auth_method"),
            (StaleLogin::OtherRealm.into(), "wamp.error.not_authorized"),
            (StaleLogin::Removed.into(), "wamp.error.not_authorized"),
            (StaleLogin::Expired.into(), "wamp.error.not_authorized"),
            (AuthError::Credentials("ticket"), "wamp.error.not_authorized"),
            (TokenError::Signature.into(), "wamp.error.not_authorized"),
            (TokenError::Expired.into(), "wamp.error.not_authorized"),
            (AuthError::OtherRealm, "wamp.error.not_authorized"),
            (AuthError::Throttled(Duration::from_millis(1)), "wamp.error.unavailable"),
            (AuthError::TooLate, "wamp.error.not_authorized"),
            (AuthError::TooOften, "wamp.error.unavailable"),
            (AuthError::Reconfigured, "wamp.error.unavailable"),
        ]
    }

    #[test]
    fn every_refusal_has_its_reason_and_a_message_without_internals() {
        for (refusal, expected) in refusals() {
            let (reason, message) = refusal.abort();
            assert_eq!(reason.as_str(), expected, "{refusal}");
            assert!(AuthError::REASONS.contains(&refusal.reason()), "{refusal}");
            assert!(!message.is_empty() && !message.contains(INTERNAL), "{message}");
        }
    }

    #[test]
    fn only_a_login_that_is_over_for_good_is_dropped() {
        let (over, role): (AuthError, _) =
            (StaleLogin::Removed.into(), AuthError::NoSuchRole(Name::known("guest")));
        assert!(over.ends_stored_authentication(Method::Cookie));
        assert!(AuthError::from(StaleLogin::Expired).ends_stored_authentication(Method::Cookie));
        assert!(role.ends_stored_authentication(Method::Cookie));
        assert!(!AuthError::from(StaleLogin::OtherRealm).ends_stored_authentication(Method::Cookie));
        for (refusal, _) in refusals() {
            assert!(!refusal.ends_stored_authentication(Method::Ticket), "{refusal}");
        }
    }

    #[test]
    fn a_denial_is_told_in_the_policys_own_words() {
        let denial = Denial { reason: Uri::known("com.example.error.closed"), message: "after hours".into() };
        let (reason, message) = AuthError::Denied(denial).abort();
        assert_eq!((reason.as_str(), message.as_str()), ("com.example.error.closed", "after hours"));
    }

    #[test]
    fn what_a_client_may_have_chosen_is_not_logged() {
        let secret = || "secret".to_owned();
        let denial = Denial { reason: Uri::known("com.example.error.closed"), message: secret() };
        for refusal in [
            AuthError::Denied(denial),
            AuthError::NotConfigured(secret()),
            AuthError::NoSuchRealm(Some(Uri::known("kA8dsecret"))),
            AuthError::ChannelBinding(secret()),
        ] {
            let logged = refusal.to_string();
            assert!(!logged.is_empty() && !logged.contains("secret"), "{logged}");
        }
        let refusal = AuthError::NoSuchRealm(Some(Uri::known("com.example.realm_1")));
        assert_eq!(
            refusal.to_string(),
            "the client names the realm 'com.example.realm_1', which is not there"
        );
    }
}
