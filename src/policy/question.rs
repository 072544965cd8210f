//! A question that owns its parts, with something sensible for each part that is left out.

mod lent;
mod parts;
mod recorded;

use serde::{Deserialize, Deserializer, Serialize, de::Error};

pub use self::parts::{Certificate, Client, Connection, Cookie, Hello, Login};
use super::upstream_names::{self, NamesFault};

/// What a policy is asked. The default is an untracked client that says an ordinary HELLO to a service without
/// authentication.
///
/// ```
/// use wampgate::testkit::Request;
///
/// let request = Request::new().returning("pub-1").offers(["ticket"]).methods(["anonymous", "ticket"]);
/// assert_eq!(request.cookie.unwrap().public_id, "pub-1");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Request {
    /// The connection.
    pub connection: Connection,
    /// The tracked client; none: cookie tracking is off.
    pub cookie: Option<Cookie>,
    /// The HELLO; none where clients are admitted without one.
    pub hello: Option<Hello>,
    /// The names of the configured authentication methods.
    pub methods: Vec<String>,
    /// The names of the realm's roles; empty if any name will do.
    pub roles: Vec<String>,
    /// The time of the question, in milliseconds since the epoch.
    pub now: u64,
    /// The certificate that the client has shown; none: it has shown none.
    pub certificate: Option<Certificate>,
    /// The names of the upstreams of which the policy is to choose; empty: it is asked about a HELLO.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "upstreams")]
    pub upstreams: Vec<String>,
    /// Who the client has become, where the policy chooses an upstream; none: one that has logged in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<Client>,
}

impl Request {
    /// The default request.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the client be tracked, with this record.
    #[must_use]
    pub fn cookie(mut self, cookie: Cookie) -> Self {
        self.cookie = Some(cookie);
        self
    }

    /// Makes the client one that the store knows by this public ID.
    #[must_use]
    pub fn returning(self, public_id: &str) -> Self {
        self.cookie(Cookie { public_id: public_id.to_owned(), ..Cookie::default() })
    }

    /// Makes the client one that has just got its cookie.
    #[must_use]
    pub fn first_visit(self) -> Self {
        self.cookie(Cookie { is_new: true, connections: 1, ..Cookie::default() })
    }

    /// Makes the client one that has logged in with its cookie before.
    #[must_use]
    pub fn logged_in(self, login: Login) -> Self {
        self.cookie(Cookie { authentication: Some(login), ..Cookie::default() })
    }

    /// Sets the HELLO.
    #[must_use]
    pub fn hello(mut self, hello: Hello) -> Self {
        self.hello = Some(hello);
        self
    }

    /// Leaves the HELLO out.
    #[must_use]
    pub fn without_hello(mut self) -> Self {
        self.hello = None;
        self
    }

    /// Lets the HELLO offer these authentication methods.
    #[must_use]
    pub fn offers<T: Into<String>>(mut self, methods: impl IntoIterator<Item = T>) -> Self {
        self.hello.get_or_insert_default().authmethods = methods.into_iter().map(Into::into).collect();
        self
    }

    /// Lets the HELLO ask for this authid.
    #[must_use]
    pub fn authid(mut self, authid: &str) -> Self {
        self.hello.get_or_insert_default().authid = Some(authid.to_owned());
        self
    }

    /// Sets the authentication methods that are configured.
    #[must_use]
    pub fn methods<T: Into<String>>(mut self, methods: impl IntoIterator<Item = T>) -> Self {
        self.methods = methods.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the roles that the realm has.
    #[must_use]
    pub fn roles<T: Into<String>>(mut self, roles: impl IntoIterator<Item = T>) -> Self {
        self.roles = roles.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the time of the question, in milliseconds since the epoch.
    #[must_use]
    pub fn now(mut self, now: u64) -> Self {
        self.now = now;
        self
    }

    /// Lets the client show a certificate.
    #[must_use]
    pub fn certificate(mut self, certificate: Certificate) -> Self {
        self.certificate = Some(certificate);
        self
    }

    /// Has the policy choose among upstreams with these names.
    #[must_use]
    pub fn upstreams<T: Into<String>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.upstreams = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets who the client has become, for the choice of an upstream.
    #[must_use]
    pub fn client(mut self, client: Client) -> Self {
        self.client = Some(client);
        self
    }

    /// Why no gateway would ask this: the request mixes what is asked about a HELLO with what is asked about an upstream, or no path has
    /// such `upstreams`.
    #[cfg(feature = "testkit")]
    pub(crate) fn fault(&self) -> Option<String> {
        if self.upstreams.is_empty() {
            let fault = "`client` is who goes on to one of `upstreams`: name these as well";
            return self.client.is_some().then(|| fault.to_owned());
        }
        if !self.methods.is_empty() || !self.roles.is_empty() || self.hello != Some(Hello::default()) {
            return Some("a request with `upstreams` asks which one a client goes on to: leave `hello`, `methods` and `roles` out, and say who it is in `client`".to_owned());
        }
        self.fault_of_names()
    }

    /// Why no path has such `upstreams`.
    #[cfg(feature = "testkit")]
    pub(crate) fn fault_of_names(&self) -> Option<String> {
        let names: Vec<&str> = self.upstreams.iter().map(String::as_str).collect();
        upstream_names::faults(&names).first().map(|fault| format!("`upstreams`: {fault}"))
    }

    /// Adds a request header; its name in lower case, as policies see it.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.connection.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        self
    }
}

impl Default for Request {
    fn default() -> Self {
        Self {
            connection: Connection::default(),
            cookie: None,
            hello: Some(Hello::default()),
            methods: Vec::new(),
            roles: Vec::new(),
            now: 1_790_000_120_000,
            certificate: None,
            upstreams: Vec::new(),
            client: None,
        }
    }
}

/// Names of which there is one at least: a list that is left out asks about a HELLO, and one without names asks nothing.
fn upstreams<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let names = Vec::deserialize(deserializer)?;
    if names.is_empty() {
        return Err(D::Error::custom(format_args!(
            "`upstreams`: {}, or leave the key out to ask about a HELLO",
            NamesFault::Empty
        )));
    }
    Ok(names)
}

#[cfg(test)]
mod tests;
