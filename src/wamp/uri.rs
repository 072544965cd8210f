//! URIs: the names of realms, topics, procedures and errors (section "URIs").

use std::{fmt, sync::Arc};

/// A WAMP URI that passed the specification's loose rule: no white space, no `#`, no empty component.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uri(Arc<str>);

/// What is wrong with a text that should be a URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a WAMP URI has components without white space or '#', joined by single dots")]
pub struct InvalidUri;

impl Uri {
    /// Checks a text that came from a client or a policy.
    pub fn parse(text: &str) -> Result<Self, InvalidUri> {
        // Section "URIs", loose rule: ^([^\s\.#]+\.)*([^\s\.#]+)$
        let sound = !text.is_empty()
            && text.split('.').all(|component| {
                !component.is_empty() && !component.chars().any(|c| c.is_whitespace() || c == '#')
            });
        if sound { Ok(Self(Arc::from(text))) } else { Err(InvalidUri) }
    }

    /// A URI of the program's own, such as one of [`error`]'s.
    pub fn known(text: &'static str) -> Self {
        debug_assert!(Self::parse(text).is_ok(), "{text}");
        Self(Arc::from(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the URI belongs to the protocol itself: applications may not use `wamp.` URIs.
    pub fn is_reserved(&self) -> bool {
        self.0.split('.').next() == Some("wamp")
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The predefined URIs that this router sends (section "Predefined URIs").
pub mod error {
    #![allow(missing_docs, reason = "the names are the URIs")]
    pub const INVALID_URI: &str = "wamp.error.invalid_uri";
    pub const INVALID_ARGUMENT: &str = "wamp.error.invalid_argument";
    pub const NO_SUCH_PROCEDURE: &str = "wamp.error.no_such_procedure";
    pub const PROCEDURE_ALREADY_EXISTS: &str = "wamp.error.procedure_already_exists";
    pub const NO_SUCH_REGISTRATION: &str = "wamp.error.no_such_registration";
    pub const NO_SUCH_SUBSCRIPTION: &str = "wamp.error.no_such_subscription";
    pub const NO_SUCH_SESSION: &str = "wamp.error.no_such_session";
    pub const OPTION_NOT_ALLOWED: &str = "wamp.error.option_not_allowed";
    pub const NO_SUCH_REALM: &str = "wamp.error.no_such_realm";
    pub const NO_SUCH_ROLE: &str = "wamp.error.no_such_role";
    pub const NOT_AUTHORIZED: &str = "wamp.error.not_authorized";
    pub const NO_AUTH_METHOD: &str = "wamp.error.no_auth_method";
    pub const AUTHENTICATION_FAILED: &str = "wamp.error.authentication_failed";
    pub const AUTHENTICATION_DENIED: &str = "wamp.error.authentication_denied";
    pub const PROTOCOL_VIOLATION: &str = "wamp.error.protocol_violation";
    pub const CANCELED: &str = "wamp.error.canceled";
    pub const UNAVAILABLE: &str = "wamp.error.unavailable";
    pub const GOODBYE_AND_OUT: &str = "wamp.close.goodbye_and_out";
    pub const CLOSE_REALM: &str = "wamp.close.close_realm";
    pub const CLOSE_NORMAL: &str = "wamp.close.normal";
    pub const SYSTEM_SHUTDOWN: &str = "wamp.close.system_shutdown";
    pub const KILLED: &str = "wamp.close.killed";
    /// Crossbar.io's: the client's cookie no longer stands for it.
    pub const LOGOUT: &str = "wamp.close.logout";
}
