//! A question that owns its parts, of one that borrows them: for what is recorded.

use serde_json::{Map, Value, json};

use super::{Certificate, Client, Connection, Cookie, Hello, Login, Request};
use crate::policy::{CertificateView, ClientView, ConnectionView, CookieView, JoinRequest, RoutingRequest};

impl From<&JoinRequest<'_>> for Request {
    fn from(request: &JoinRequest<'_>) -> Self {
        Self {
            connection: (&request.connection).into(),
            cookie: request.cookie.as_ref().map(Into::into),
            hello: request.hello.as_ref().map(|hello| Hello {
                realm: hello.realm.map(str::to_owned),
                authmethods: owned(hello.authmethods),
                authid: hello.authid.map(str::to_owned),
                authrole: hello.authrole.map(str::to_owned),
                authextra: object(hello.authextra),
            }),
            methods: owned(request.methods),
            roles: owned(request.roles),
            now: request.now,
            certificate: request.certificate.as_ref().map(Into::into),
            upstreams: Vec::new(),
            client: None,
        }
    }
}

impl From<&RoutingRequest<'_>> for Request {
    fn from(request: &RoutingRequest<'_>) -> Self {
        let ClientView { authid, authrole, authmethod, authprovider, realm } = request.client;
        Self {
            connection: (&request.connection).into(),
            cookie: request.cookie.as_ref().map(Into::into),
            now: request.now,
            certificate: request.certificate.as_ref().map(Into::into),
            upstreams: owned(request.upstreams),
            client: Some(Client {
                authid: authid.to_owned(),
                authrole: authrole.to_owned(),
                authmethod: authmethod.to_owned(),
                authprovider: authprovider.to_owned(),
                realm: realm.to_owned(),
            }),
            ..Self::new()
        }
    }
}

impl Request {
    /// The request as a cases file has it: one that asks for an upstream says nothing of a HELLO.
    pub(in crate::policy) fn to_json(&self) -> Value {
        let mut json = json!(self);
        if let (false, Some(parts)) = (self.upstreams.is_empty(), json.as_object_mut()) {
            for part in ["hello", "methods", "roles"] {
                parts.remove(part);
            }
        }
        json
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

impl From<&ConnectionView<'_>> for Connection {
    fn from(connection: &ConnectionView<'_>) -> Self {
        Self {
            id: connection.id.to_owned(),
            peer: connection.peer.to_owned(),
            tls: connection.tls,
            host: connection.host.to_owned(),
            path: connection.path.to_owned(),
            origin: connection.origin.map(str::to_owned),
            subprotocol: connection.subprotocol.to_owned(),
            headers: connection.headers.iter().map(|&(n, v)| (n.to_owned(), v.to_owned())).collect(),
        }
    }
}

impl From<&CookieView<'_>> for Cookie {
    fn from(cookie: &CookieView<'_>) -> Self {
        Self {
            id: cookie.id.to_owned(),
            public_id: cookie.public_id.to_owned(),
            is_new: cookie.is_new,
            created: cookie.created,
            last_seen: cookie.last_seen,
            max_age: cookie.max_age,
            connections: cookie.connections,
            authentication: cookie.authentication.map(|was| Login {
                authid: was.authid.to_owned(),
                authrole: was.authrole.to_owned(),
                authmethod: was.authmethod.to_owned(),
                authrealm: was.authrealm.to_owned(),
                authextra: object(was.authextra),
                at: was.at,
            }),
        }
    }
}

impl From<&CertificateView<'_>> for Certificate {
    fn from(shown: &CertificateView<'_>) -> Self {
        Self { subject: shown.subject.to_owned(), names: owned(shown.names), sha256: shown.sha256.to_owned() }
    }
}

/// Text as an object. The gateway asks with nothing but objects.
fn object(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap_or_default()
}
