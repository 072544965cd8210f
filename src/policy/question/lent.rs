//! A question that owns its parts, lent in the forms in which policies are asked.

use serde_json::{Map, Value};

use super::{Client, Connection, Request};
use crate::policy::{
    CertificateView, ClientView, ConnectionView, CookieView, HelloView, JoinRequest, LoginView,
    RoutingRequest,
};

impl Request {
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
}

/// An object as text.
fn text(object: &Map<String, Value>) -> String {
    serde_json::to_string(object).unwrap_or_else(|_| "{}".to_owned())
}
