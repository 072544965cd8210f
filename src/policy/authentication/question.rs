//! A question to an authenticator that owns its parts, with something sensible for each part that is left out.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{AuthenticationRequest, Credential};
use crate::policy::question::{Certificate, Connection, Cookie, Hello, Request};

/// What an authenticator is asked. The default is an untracked client that shows a ticket.
///
/// ```
/// use wampgate::testkit::AuthenticationQuestion;
///
/// let question = AuthenticationQuestion { authid: Some("ann".to_owned()), ..AuthenticationQuestion::ticket("q7Zr") };
/// assert_eq!((&*question.method, question.ticket.as_deref()), ("ticket", Some("q7Zr")));
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthenticationQuestion {
    /// The method.
    pub method: String,
    /// The realm that the client joins.
    pub realm: String,
    /// The authid that the client claims, or that its login was under.
    pub authid: Option<String>,
    /// For `ticket`: what the client has sent.
    pub ticket: Option<String>,
    /// For `cryptosign`: the public key that the client says it has.
    #[serde(alias = "public-key")]
    pub public_key: Option<String>,
    /// Whether the client's cookie stands for an earlier login, and the client has shown nothing else.
    pub remembered: bool,
    /// Further details of the HELLO.
    pub authextra: Map<String, Value>,
    /// The connection.
    pub connection: Connection,
    /// The tracked client; none: cookie tracking is off.
    pub cookie: Option<Cookie>,
    /// The certificate that the client has shown; none: it has shown none.
    pub certificate: Option<Certificate>,
    /// The names of the realm's roles; empty if any name will do.
    pub roles: Vec<String>,
    /// The time of the question, in milliseconds since the epoch.
    pub now: u64,
}

impl AuthenticationQuestion {
    /// A client that shows this ticket.
    pub fn ticket(ticket: &str) -> Self {
        Self { ticket: Some(ticket.to_owned()), ..Self::default() }
    }

    /// A client of another method, which shows nothing before its challenge.
    pub fn by(method: &str) -> Self {
        Self { method: method.to_owned(), ticket: None, ..Self::default() }
    }

    /// The client of a question to a policy, by a method.
    pub(crate) fn of(request: &Request, method: &str) -> Self {
        let hello = request.hello.clone().unwrap_or_default();
        Self {
            realm: hello.realm.unwrap_or_default(),
            authid: hello.authid,
            authextra: hello.authextra,
            connection: request.connection.clone(),
            cookie: request.cookie.clone(),
            certificate: request.certificate.clone(),
            roles: request.roles.clone(),
            now: request.now,
            ..Self::by(method)
        }
    }

    /// Lends the question in the form in which authenticators are asked.
    pub(crate) fn with<T>(&self, ask: impl FnOnce(&AuthenticationRequest<'_>) -> T) -> T {
        let request = Request {
            connection: self.connection.clone(),
            cookie: self.cookie.clone(),
            hello: Some(Hello { authextra: self.authextra.clone(), ..Hello::default() }),
            roles: self.roles.clone(),
            now: self.now,
            certificate: self.certificate.clone(),
            ..Request::new()
        };
        request.with(|view| {
            ask(&AuthenticationRequest {
                method: &self.method,
                realm: &self.realm,
                authid: self.authid.as_deref(),
                credential: match (&self.ticket, &self.public_key) {
                    _ if self.remembered => Credential::Remembered,
                    (Some(ticket), _) => Credential::Ticket(ticket),
                    (None, Some(key)) => Credential::PublicKey(key),
                    (None, None) => Credential::None,
                },
                authextra: view.hello.as_ref().map_or("{}", |hello| hello.authextra),
                connection: view.connection.clone(),
                cookie: view.cookie.clone(),
                certificate: view.certificate,
                roles: view.roles,
                now: view.now,
            })
        })
    }
}

impl Default for AuthenticationQuestion {
    fn default() -> Self {
        Self {
            method: "ticket".to_owned(),
            realm: "realm1".to_owned(),
            authid: Some("joe".to_owned()),
            ticket: None,
            public_key: None,
            remembered: false,
            authextra: Map::new(),
            connection: Connection::default(),
            cookie: None,
            certificate: None,
            roles: Vec::new(),
            now: Request::default().now,
        }
    }
}
