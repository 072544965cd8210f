//! What a policy is asked, borrowed from where it is. `question.rs` owns the same parts.

use std::fmt;

use super::subject::{Subject, Whom};
use crate::identity::{ANONYMOUS, COOKIE};

/// What a policy is asked. Times are milliseconds since the epoch.
#[derive(Debug, Clone)]
pub struct JoinRequest<'a> {
    /// The connection.
    pub connection: ConnectionView<'a>,
    /// The tracked client, if cookie tracking is on.
    pub cookie: Option<CookieView<'a>>,
    /// The HELLO.
    pub hello: Option<HelloView<'a>>,
    /// The names of the configured authentication methods; empty if no authentication is configured.
    pub methods: &'a [&'a str],
    /// The names of the realm's roles; empty if any name will do.
    pub roles: &'a [&'a str],
    /// The time of the question.
    pub now: u64,
    /// The certificate that the client has shown.
    pub certificate: Option<CertificateView<'a>>,
}

/// A client's certificate, as a policy sees it.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "described item by item in wit/")]
pub struct CertificateView<'a> {
    pub subject: &'a str,
    pub names: &'a [&'a str],
    pub sha256: &'a str,
}

/// The connection, as a policy sees it.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "described item by item in wit/")]
pub struct ConnectionView<'a> {
    pub id: &'a str,
    pub peer: &'a str,
    pub tls: bool,
    pub host: &'a str,
    pub path: &'a str,
    pub origin: Option<&'a str>,
    pub subprotocol: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
}

/// The cookie record, as a policy sees it.
#[derive(Clone)]
#[allow(missing_docs, reason = "described item by item in wit/")]
pub struct CookieView<'a> {
    pub id: &'a str,
    pub public_id: &'a str,
    pub is_new: bool,
    pub created: u64,
    pub last_seen: u64,
    pub max_age: u32,
    pub connections: u32,
    pub authentication: Option<LoginView<'a>>,
}

/// What the last login with the cookie left, as a policy sees it.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "described item by item in wit/")]
pub struct LoginView<'a> {
    pub authid: &'a str,
    pub authrole: &'a str,
    pub authmethod: &'a str,
    pub authrealm: &'a str,
    /// A JSON object, as text.
    pub authextra: &'a str,
    pub at: u64,
}

/// The HELLO, as a policy sees it.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "described item by item in wit/")]
pub struct HelloView<'a> {
    pub realm: Option<&'a str>,
    pub authmethods: &'a [&'a str],
    pub authid: Option<&'a str>,
    pub authrole: Option<&'a str>,
    /// A JSON object, as text.
    pub authextra: &'a str,
}

impl JoinRequest<'static> {
    /// A question that says nothing of the client, for tests to fill in.
    pub const EMPTY: Self = Self {
        connection: ConnectionView {
            id: "",
            peer: "",
            tls: false,
            host: "",
            path: "",
            origin: None,
            subprotocol: "",
            headers: &[],
        },
        cookie: None,
        hello: None,
        methods: &[],
        roles: &[],
        now: 0,
        certificate: None,
    };
}

impl JoinRequest<'_> {
    /// The authentication methods that the HELLO offers.
    pub(super) fn offered(&self) -> &[&str] {
        self.hello.as_ref().map_or(&[], |hello| hello.authmethods)
    }

    /// Whether the client offers a method.
    pub(super) fn offers(&self, method: &str) -> bool {
        match &self.hello {
            // A client that offers nothing comes as anonymous.
            Some(HelloView { authmethods: [], .. }) => method == ANONYMOUS,
            Some(hello) => hello.authmethods.contains(&method),
            // A request without a HELLO offers what it brings along.
            None => method == ANONYMOUS || method == COOKIE,
        }
    }
}

impl<'a> Whom<'a> {
    /// The client of a connection, which has this cookie if it is tracked.
    pub(super) fn of(connection: &'a ConnectionView<'_>, cookie: Option<&'a CookieView<'_>>) -> Self {
        Self {
            connection: connection.id,
            peer: connection.peer,
            public_id: cookie.map(|cookie| cookie.public_id),
            tracking_id: cookie.map(|cookie| cookie.id).filter(|id| !id.is_empty()),
            ..Self::default()
        }
    }
}

impl Subject for JoinRequest<'_> {
    fn whom(&self) -> Whom<'_> {
        Whom::of(&self.connection, self.cookie.as_ref())
    }
}

impl Default for HelloView<'_> {
    /// A HELLO that offers and asks for nothing.
    fn default() -> Self {
        Self { realm: None, authmethods: &[], authid: None, authrole: None, authextra: "{}" }
    }
}

impl fmt::Debug for CookieView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CookieView")
            .field("public_id", &self.public_id)
            .field("is_new", &self.is_new)
            .finish_non_exhaustive()
    }
}
