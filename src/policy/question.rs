//! A question that owns its parts, with something sensible for each part that is left out.

mod lent;

use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::{Map, Value};

use super::{
    CertificateView, ClientView, ConnectionView, CookieView, HelloView, JoinRequest, LoginView,
    RoutingRequest,
};

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
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub upstreams: Vec<String>,
    /// Who the client has become, where the policy chooses an upstream; none: one that has logged in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<Client>,
}

/// Who a client has become.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs, reason = "described item by item in wit/")]
pub struct Client {
    pub authid: String,
    pub authrole: String,
    pub authmethod: String,
    pub authprovider: String,
    pub realm: String,
}

/// A client's certificate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs, reason = "described item by item in wit/")]
pub struct Certificate {
    pub subject: String,
    pub names: Vec<String>,
    pub sha256: String,
}

/// The connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs, reason = "described item by item in wit/")]
pub struct Connection {
    pub id: String,
    pub peer: String,
    pub tls: bool,
    pub host: String,
    pub path: String,
    pub origin: Option<String>,
    pub subprotocol: String,
    #[serde(deserialize_with = "headers")]
    pub headers: Vec<(String, String)>,
}

/// The cookie record. The default is a returning visitor who has never logged in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs, reason = "described item by item in wit/")]
pub struct Cookie {
    pub id: String,
    #[serde(alias = "public-id")]
    pub public_id: String,
    #[serde(alias = "is-new")]
    pub is_new: bool,
    pub created: u64,
    #[serde(alias = "last-seen")]
    pub last_seen: u64,
    #[serde(alias = "max-age")]
    pub max_age: u32,
    pub connections: u32,
    pub authentication: Option<Login>,
}

/// What a login left on a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs, reason = "described item by item in wit/")]
pub struct Login {
    pub authid: String,
    pub authrole: String,
    pub authmethod: String,
    pub authrealm: String,
    pub authextra: Map<String, Value>,
    pub at: u64,
}

/// The HELLO.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs, reason = "described item by item in wit/")]
pub struct Hello {
    pub realm: Option<String>,
    pub authmethods: Vec<String>,
    pub authid: Option<String>,
    pub authrole: Option<String>,
    pub authextra: Map<String, Value>,
}

// === impl Request ===

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

    /// Why the request is no question: it mixes what is asked about a HELLO with what is asked about an upstream.
    #[cfg(feature = "testkit")]
    pub(crate) fn is_mixed(&self) -> Option<&'static str> {
        if self.upstreams.is_empty() {
            return self
                .client
                .is_some()
                .then_some("`client` is who goes on to one of `upstreams`: name these as well");
        }
        let has_more =
            !self.methods.is_empty() || !self.roles.is_empty() || self.hello != Some(Hello::default());
        has_more.then_some(
            "a request with `upstreams` asks which one a client goes on to: leave `hello`, `methods` and `roles` out, and say who it is in `client`",
        )
    }

    /// Lends the request in the form in which policies are asked that choose an upstream.
    pub fn with_routing<T>(&self, ask: impl FnOnce(&RoutingRequest<'_>) -> T) -> T {
        let default = Client::default();
        let Client { authid, authrole, authmethod, authprovider, realm } =
            self.client.as_ref().unwrap_or(&default);
        let client = ClientView { authid, authrole, authmethod, authprovider, realm };
        let upstreams: Vec<&str> = self.upstreams.iter().map(String::as_str).collect();
        self.with(|request| {
            let JoinRequest { connection, cookie, certificate, now, .. } = request.clone();
            ask(&RoutingRequest { connection, cookie, certificate, client, upstreams: &upstreams, now })
        })
    }

    /// Adds a request header; its name in lower case, as policies see it.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.connection.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        self
    }

    /// Lends the request in the form in which policies are asked, once or, to measure a policy, a thousand times.
    pub fn with<T>(&self, ask: impl FnOnce(&JoinRequest<'_>) -> T) -> T {
        let headers: Vec<(&str, &str)> =
            self.connection.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let methods: Vec<&str> = self.methods.iter().map(String::as_str).collect();
        let roles: Vec<&str> = self.roles.iter().map(String::as_str).collect();
        let login = self.cookie.as_ref().and_then(|cookie| cookie.authentication.as_ref());
        let login_extra = login.map(|login| text(&login.authextra)).unwrap_or_default();
        let offered: Vec<&str> =
            self.hello.iter().flat_map(|hello| &hello.authmethods).map(String::as_str).collect();
        let authextra = self.hello.as_ref().map(|hello| text(&hello.authextra)).unwrap_or_default();
        let names: Vec<&str> =
            self.certificate.iter().flat_map(|shown| &shown.names).map(String::as_str).collect();
        let Connection { id, peer, tls, host, path, origin, subprotocol, .. } = &self.connection;
        ask(&JoinRequest {
            connection: ConnectionView {
                id,
                peer,
                tls: *tls,
                host,
                path,
                origin: origin.as_deref(),
                subprotocol,
                headers: &headers,
            },
            cookie: self.cookie.as_ref().map(|cookie| CookieView {
                id: &cookie.id,
                public_id: &cookie.public_id,
                is_new: cookie.is_new,
                created: cookie.created,
                last_seen: cookie.last_seen,
                max_age: cookie.max_age,
                connections: cookie.connections,
                authentication: login.map(|login| LoginView {
                    authid: &login.authid,
                    authrole: &login.authrole,
                    authmethod: &login.authmethod,
                    authrealm: &login.authrealm,
                    authextra: &login_extra,
                    at: login.at,
                }),
            }),
            hello: self.hello.as_ref().map(|hello| HelloView {
                realm: hello.realm.as_deref(),
                authmethods: &offered,
                authid: hello.authid.as_deref(),
                authrole: hello.authrole.as_deref(),
                authextra: &authextra,
            }),
            methods: &methods,
            roles: &roles,
            now: self.now,
            certificate: self.certificate.as_ref().map(|shown| CertificateView {
                subject: &shown.subject,
                names: &names,
                sha256: &shown.sha256,
            }),
        })
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

// === impl the parts ===

impl Default for Connection {
    fn default() -> Self {
        Self {
            id: "c1".to_owned(),
            peer: "203.0.113.9:52100".to_owned(),
            tls: true,
            host: "chat.example.org".to_owned(),
            path: "/ws".to_owned(),
            origin: Some("https://chat.example.org".to_owned()),
            subprotocol: "wamp.2.json".to_owned(),
            headers: Vec::new(),
        }
    }
}

impl Default for Certificate {
    fn default() -> Self {
        Self {
            subject: "CN=alice,O=Example".to_owned(),
            names: vec!["email:alice@example.org".to_owned()],
            sha256: "0".repeat(64),
        }
    }
}

impl Default for Client {
    fn default() -> Self {
        let login = Login::default();
        Self {
            authid: login.authid,
            authrole: login.authrole,
            authmethod: login.authmethod,
            authprovider: "static".to_owned(),
            realm: login.authrealm,
        }
    }
}

impl Default for Cookie {
    fn default() -> Self {
        Self {
            id: "test-tracking-id-0001".to_owned(),
            public_id: "test-public-id-0001".to_owned(),
            is_new: false,
            created: 1_790_000_000_000,
            last_seen: 1_790_000_060_000,
            max_age: 86_400,
            connections: 1,
            authentication: None,
        }
    }
}

impl Default for Login {
    fn default() -> Self {
        Self {
            authid: "joe".to_owned(),
            authrole: "frontend".to_owned(),
            authmethod: "ticket".to_owned(),
            authrealm: "realm1".to_owned(),
            authextra: Map::new(),
            at: 1_790_000_030_000,
        }
    }
}

impl Default for Hello {
    fn default() -> Self {
        Self {
            realm: Some("realm1".to_owned()),
            authmethods: Vec::new(),
            authid: None,
            authrole: None,
            authextra: Map::new(),
        }
    }
}

/// An object as text.
fn text(object: &Map<String, Value>) -> String {
    serde_json::to_string(object).unwrap_or_else(|_| "{}".to_owned())
}

/// Headers as an object, or as a list of pairs.
fn headers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, String)>, D::Error> {
    let fault = || D::Error::custom("headers: use {\"name\": \"value\"} or [[\"name\", \"value\"]]");
    let name_and_value = |name: &Value, value: &Value| match (name, value) {
        (Value::String(name), Value::String(value)) => Ok((name.clone(), value.clone())),
        _ => Err(fault()),
    };
    match Value::deserialize(deserializer)? {
        Value::Object(map) => {
            map.into_iter().map(|(name, value)| name_and_value(&Value::String(name), &value)).collect()
        }
        Value::Array(list) => list
            .iter()
            .map(|pair| match pair.as_array().map(Vec::as_slice) {
                Some([name, value]) => name_and_value(name, value),
                _ => Err(fault()),
            })
            .collect(),
        _ => Err(fault()),
    }
}

#[cfg(test)]
mod tests;
