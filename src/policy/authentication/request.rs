//! What an authenticator is asked, borrowed from where it is.

use std::fmt;

use crate::policy::{
    CertificateView, ConnectionView, CookieView, PolicyError,
    bindings::authenticator::exports::wampgate::authid::authentication as wit,
    lower,
    subject::{Subject, Whom},
};

/// The longest ticket, in bytes. A client that has not joined sends 64 KiB at most in all.
const MAX_TICKET: usize = 16 * 1024;

/// What an authenticator is asked. Times are milliseconds since the epoch.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "described item by item in wit/")]
pub(crate) struct AuthenticationRequest<'a> {
    pub(crate) method: &'a str,
    pub(crate) realm: &'a str,
    pub(crate) authid: Option<&'a str>,
    pub(crate) credential: Credential<'a>,
    /// A JSON object, as text.
    pub(crate) authextra: &'a str,
    pub(crate) connection: ConnectionView<'a>,
    pub(crate) cookie: Option<CookieView<'a>>,
    pub(crate) certificate: Option<CertificateView<'a>>,
    pub(crate) roles: &'a [&'a str],
    pub(crate) now: u64,
}

/// What a client has shown of itself.
#[derive(Clone, Copy)]
#[allow(missing_docs, reason = "described item by item in wit/")]
pub(crate) enum Credential<'a> {
    None,
    Ticket(&'a str),
    PublicKey(&'a str),
    Remembered,
}

impl Subject for AuthenticationRequest<'_> {
    fn whom(&self) -> Whom<'_> {
        let credential = match self.credential {
            Credential::Ticket(ticket) => Some(ticket),
            _ => None,
        };
        Whom { credential, ..Whom::of(&self.connection, self.cookie.as_ref()) }
    }
}

/// Refuses a question that is larger than the contract says.
pub(super) fn check_size(question: &AuthenticationRequest<'_>) -> Result<(), PolicyError> {
    lower::check_headers(question.connection.headers)?;
    match question.credential {
        Credential::Ticket(ticket) if ticket.len() > MAX_TICKET => Err(PolicyError::Refused(format!(
            "a ticket of {} bytes, and it is asked about {MAX_TICKET} at most",
            ticket.len()
        ))),
        _ => Ok(()),
    }
}

impl<'a> From<&'a AuthenticationRequest<'a>> for wit::AuthenticationRequest<'a> {
    fn from(request: &'a AuthenticationRequest<'a>) -> Self {
        Self {
            method: request.method,
            realm: request.realm,
            authid: request.authid,
            credential: match request.credential {
                Credential::None => wit::Credential::None,
                Credential::Ticket(ticket) => wit::Credential::Ticket(ticket),
                Credential::PublicKey(key) => wit::Credential::PublicKey(key),
                Credential::Remembered => wit::Credential::Remembered,
            },
            authextra: request.authextra,
            connection: (&request.connection).into(),
            cookie: request.cookie.as_ref().map(Into::into),
            certificate: request.certificate.as_ref().map(Into::into),
            roles: request.roles,
            now: request.now,
        }
    }
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Ticket(_) => "Ticket(..)",
            Self::PublicKey(_) => "PublicKey(..)",
            Self::Remembered => "Remembered",
        })
    }
}
