//! `auth.ticket` of type `jwt`.

use std::{sync::Arc, time::Duration};

use super::{Algorithm, TokenKeys};
use crate::identity::Name;

/// How a service accepts tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenOptions {
    /// `keys`: what verifies tokens.
    pub keys: Arc<TokenKeys>,
    /// `algorithms`: those that a token may be signed with.
    pub algorithms: Vec<Algorithm>,
    /// `issuer`: what `iss` has to be; none: anything.
    pub issuer: Option<String>,
    /// `audience`: of which `aud` has to name one. Empty: a token must not have the claim.
    pub audience: Vec<String>,
    /// `claims`: which claim says what.
    pub claims: ClaimNames,
    /// `role`: of tokens that name none.
    pub role: Option<Name>,
    /// `leeway`: by how much the clocks of issuer and gateway may differ.
    pub leeway: Duration,
    /// `max_age`: how long after `iat` a token holds at most.
    pub max_age: Option<Duration>,
    /// `end_at_expiry`: whether a session ends when its token does.
    pub end_at_expiry: bool,
    /// `cookie_may_outlive`: whether a login stands on a cookie after its token has ended.
    pub cookie_may_outlive: bool,
    /// `from`: where in a handshake a token may be.
    pub from: TokenPlaces,
}

/// Which claims of a token say what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClaimNames {
    /// `authid`. Default `sub`.
    pub authid: String,
    /// `role`. Default `role`.
    pub role: String,
    /// `realm`; none: a token joins any realm.
    pub realm: Option<String>,
    /// `extra`: those that go into `authextra`.
    pub extra: Vec<String>,
}

/// Where in a handshake a token may be. Nowhere by default: a client then sends it when it is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenPlaces {
    /// In `Authorization: Bearer …`.
    pub header: bool,
    /// In this parameter of the query.
    pub query: Option<String>,
    /// In the cookie of this name.
    pub cookie: Option<String>,
}

impl TokenOptions {
    /// Half a minute: what clocks that a network sets differ by, and some more.
    pub const LEEWAY: Duration = Duration::from_secs(30);
}

impl Default for ClaimNames {
    fn default() -> Self {
        Self { authid: "sub".to_owned(), role: "role".to_owned(), realm: None, extra: Vec::new() }
    }
}
