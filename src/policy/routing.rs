//! The interface `routing`: which of a path's upstreams a client goes on to, by the policy's choice.
//!
//! The component that decides about a HELLO is asked by this as well, behind the same gate and within the same limits.

use super::{
    CertificateView, ConnectionView, ContractError, CookieView, PolicyError,
    bindings::routing::exports::wampgate::authid::routing as wit,
    lower,
    subject::{Subject, Whom},
    text::clean,
};

/// Bytes that a message quotes of a name.
const NAME_BYTES: usize = 256;

/// What a policy is asked that chooses an upstream. The time is in milliseconds since the epoch.
#[derive(Debug, Clone)]
pub struct RoutingRequest<'a> {
    /// The connection.
    pub connection: ConnectionView<'a>,
    /// The tracked client, if cookie tracking is on.
    pub cookie: Option<CookieView<'a>>,
    /// The certificate that the client has shown.
    pub certificate: Option<CertificateView<'a>>,
    /// Who the client is.
    pub client: ClientView<'a>,
    /// The names of the upstreams.
    pub upstreams: &'a [&'a str],
    /// The time of the question.
    pub now: u64,
}

/// Who a client has become, as a policy sees it.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "described item by item in wit/")]
pub struct ClientView<'a> {
    pub authid: &'a str,
    pub authrole: &'a str,
    pub authmethod: &'a str,
    pub authprovider: &'a str,
    pub realm: &'a str,
}

/// What a policy answered, unchecked. `Debug` does not show it: it may be the tracking ID.
pub struct RawChoice(pub String);

impl RoutingRequest<'_> {
    /// Refuses a question that is larger than the contract says.
    pub(super) fn check_size(&self) -> Result<(), PolicyError> {
        lower::check_headers(self.connection.headers)
    }
}

impl RawChoice {
    /// Checks the answer: it must be the name of an upstream.
    pub fn check(self, request: &RoutingRequest<'_>) -> Result<String, PolicyError> {
        let Self(name) = self;
        if request.upstreams.contains(&name.as_str()) {
            return Ok(name);
        }
        // First of all, because the other error repeats the name.
        if request.whom().is_given_away_by(&name) {
            return Err(ContractError::Leak("choose-upstream").into());
        }
        Err(ContractError::NoSuchUpstream(clean(&name, None, NAME_BYTES)).into())
    }
}

impl std::fmt::Debug for RawChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RawChoice(..)")
    }
}

impl Subject for RoutingRequest<'_> {
    fn whom(&self) -> Whom<'_> {
        Whom { path: Some(self.connection.path), ..Whom::of(&self.connection, self.cookie.as_ref()) }
    }
}

impl<'a> From<&'a RoutingRequest<'a>> for wit::RoutingRequest<'a> {
    fn from(request: &'a RoutingRequest<'a>) -> Self {
        let ClientView { authid, authrole, authmethod, authprovider, realm } = request.client;
        Self {
            connection: (&request.connection).into(),
            cookie: request.cookie.as_ref().map(Into::into),
            certificate: request.certificate.as_ref().map(Into::into),
            client: wit::Client { authid, authrole, authmethod, authprovider, realm },
            upstreams: request.upstreams,
            now: request.now,
        }
    }
}

#[cfg(test)]
mod tests;
