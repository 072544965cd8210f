//! What a client without a session needs to be let through, and what is told of it.

use http::HeaderName;

use crate::{assertion::AssertionOptions, identity::Name, wamp::Uri};

/// What a request without a session needs to be let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// What it needs before its role counts.
    pub require: Requirement,
    /// Whether the service's policy decides; otherwise the cookie's record does.
    pub asks_policy: bool,
    /// The roles that are let through; none: any, and clients without one.
    pub roles: Option<Vec<Name>>,
    /// The realm whose roles and logins count; none: the one that a client has logged in to.
    pub realm: Option<Uri>,
}

/// What a request needs, before its role counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement {
    /// Nothing: the policy decides.
    Nothing,
    /// A cookie that the store knows.
    Cookie,
    /// A login on its cookie, or one that the policy vouches for.
    Login,
}

/// Where a WebSocket service stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePlace {
    /// The transport's [`id`](super::EdgeOptions::id).
    pub transport: String,
    /// The path, such as `/ws`.
    pub path: String,
}

/// The names of the headers that tell a proxy who the client is. Every answer has all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityHeaders {
    /// The authid, as other clients see it. Default `Wampgate-Authid`.
    pub authid: HeaderName,
    /// The role. Default `Wampgate-Authrole`.
    pub authrole: HeaderName,
    /// The method that vouched. Default `Wampgate-Authmethod`.
    pub authmethod: HeaderName,
    /// The public ID of the cookie. Default `Wampgate-Client`.
    pub client: HeaderName,
    /// What proves all of that: a token that the gateway signs. None: nothing does.
    pub assertion: Option<Box<AssertionOptions>>,
}

impl IdentityHeaders {
    /// Those that are always there.
    pub const fn names(&self) -> [&HeaderName; 4] {
        [&self.authid, &self.authrole, &self.authmethod, &self.client]
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &HeaderName> {
        self.names().into_iter().chain(self.assertion.iter().map(|assertion| &assertion.header))
    }
}

impl Default for IdentityHeaders {
    fn default() -> Self {
        Self {
            authid: HeaderName::from_static("wampgate-authid"),
            authrole: HeaderName::from_static("wampgate-authrole"),
            authmethod: HeaderName::from_static("wampgate-authmethod"),
            client: HeaderName::from_static("wampgate-client"),
            assertion: None,
        }
    }
}
