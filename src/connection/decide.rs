//! What a policy is asked about a client.

use serde_json::Value;
use tracing::debug;

use super::client::{Client, Hello};
use crate::{
    auth::Refusal,
    policy::{ConnectionView, CookieView, Decision, HelloView, JoinRequest},
    realm::Realm,
    time::Timestamp,
    wamp::Uri,
};

impl Client {
    /// Asks the policy who the client is.
    pub async fn decide(&self, hello: &Hello, realm: &Realm) -> Result<Decision, Refusal> {
        let service = &self.service;
        let peer = self.peer.to_string();
        let text = |name: http::HeaderName| self.headers.get(name).and_then(|value| value.to_str().ok());
        let seen: Vec<(&str, &str)> = service
            .policy_headers
            .iter()
            .flat_map(|name| self.headers.get_all(name).iter().map(move |value| (name, value)))
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
            .collect();
        let offered: Vec<&str> = hello.details.authmethods.iter().map(String::as_str).collect();
        let roles: Vec<&str> = realm.roles().collect();
        let extra = if hello.details.authextra.is_empty() {
            "{}".to_owned()
        } else {
            Value::Object(hello.details.authextra.clone()).to_string()
        };
        let request = JoinRequest {
            connection: ConnectionView {
                id: &self.id,
                peer: &peer,
                tls: false,
                host: text(http::header::HOST).unwrap_or_default(),
                path: &self.path,
                origin: text(http::header::ORIGIN),
                subprotocol: self.framing.subprotocol().name(),
                headers: &seen,
            },
            cookie: self.tracked.as_ref().map(|tracked| CookieView {
                id: tracked.id.expose(),
                public_id: &tracked.public_id,
                is_new: tracked.is_new,
                created: tracked.record.created.as_millis(),
                last_seen: tracked.record.last_seen.as_millis(),
                max_age: tracked.record.max_age.as_seconds(),
                connections: tracked.connections,
                authentication: tracked.record.authentication.as_deref(),
            }),
            hello: Some(HelloView {
                realm: hello.realm.as_ref().map(Uri::as_str),
                authmethods: &offered,
                authid: hello.details.authid.as_deref(),
                authrole: hello.details.authrole.as_deref(),
                authextra: &extra,
            }),
            methods: &service.methods,
            roles: &roles,
            now: Timestamp::now().as_millis(),
        };
        service.policy.decide(&request).await.map_err(|error| {
            // What went wrong inside of a policy it has logged itself, once and not once for every client.
            debug!(connection = %self.id, policy = service.policy.name(), %error, "no decision");
            Refusal::Policy(error)
        })
    }
}
