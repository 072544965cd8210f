//! What a policy is asked about a visitor.

use http::{HeaderName, header};

use super::{Admission, Application, Visitor};
use crate::{
    identity::Identity,
    policy::{
        CertificateView, ClientView, ConnectionView, CookieView, HelloView, JoinRequest, LoginView,
        RoutingRequest,
        authentication::{AuthenticationRequest, Credential},
    },
    realm::Rules,
    time::Timestamp,
    wamp::{Subprotocol, Uri},
};

/// What a [`JoinRequest`] borrows and nothing else holds.
pub(super) struct Question<'a> {
    peer: String,
    headers: Vec<(&'a str, &'a str)>,
    offered: Vec<&'a str>,
    roles: Vec<&'a str>,
    authextra: String,
    certified: Vec<&'a str>,
}

impl<'a> Question<'a> {
    /// The question to a component that may see the headers `shown`.
    pub(super) fn new(shown: &'a [HeaderName], visitor: &'a Visitor, application: &Application<'a>) -> Self {
        let lines = shown
            .iter()
            .flat_map(|name| visitor.headers.get_all(name).map(move |value| (name.as_str(), value)));
        let details = application.hello.map(|hello| &hello.details);
        Self {
            peer: visitor.peer.to_string(),
            headers: lines.collect(),
            offered: details.into_iter().flat_map(|d| d.authmethods.iter().map(String::as_str)).collect(),
            roles: application.rules.into_iter().flat_map(Rules::roles).collect(),
            authextra: details.map(|details| details.authextra.to_json()).unwrap_or_default(),
            certified: visitor
                .certificate()
                .into_iter()
                .flat_map(|shown| shown.names.iter().map(String::as_str))
                .collect(),
        }
    }

    pub(super) fn request(
        &'a self,
        admission: &'a Admission,
        visitor: &'a Visitor,
        application: &Application<'a>,
    ) -> JoinRequest<'a> {
        JoinRequest {
            connection: self.connection(visitor),
            cookie: cookie(visitor),
            hello: application.hello.map(|hello| HelloView {
                realm: hello.realm.as_ref().map(Uri::as_str),
                authmethods: &self.offered,
                authid: hello.details.authid.as_deref(),
                authrole: hello.details.authrole.as_deref(),
                authextra: &self.authextra,
            }),
            methods: &admission.methods,
            roles: &self.roles,
            now: Timestamp::now().as_millis(),
            certificate: self.certificate(visitor),
        }
    }

    /// What an authenticator is asked: about a client that claims `authid`, says `authextra` beside it, and shows `credential`.
    pub(super) fn authentication(
        &'a self,
        visitor: &'a Visitor,
        application: &Application<'a>,
        method: &'a str,
        claim: Claimed<'a>,
        credential: Credential<'a>,
    ) -> AuthenticationRequest<'a> {
        AuthenticationRequest {
            method,
            realm: application.realm.as_str(),
            authid: claim.authid,
            credential,
            authextra: claim
                .authextra
                .or(Some(&*self.authextra))
                .filter(|text| !text.is_empty())
                .unwrap_or("{}"),
            connection: self.connection(visitor),
            cookie: cookie(visitor),
            certificate: self.certificate(visitor),
            roles: &self.roles,
            now: Timestamp::now().as_millis(),
        }
    }

    /// What a policy is asked that chooses among the upstreams of a visitor.
    pub(super) fn routing(
        &'a self,
        visitor: &'a Visitor,
        realm: &'a Uri,
        identity: &'a Identity,
        upstreams: &'a [&'a str],
    ) -> RoutingRequest<'a> {
        RoutingRequest {
            connection: self.connection(visitor),
            cookie: cookie(visitor),
            certificate: self.certificate(visitor),
            client: ClientView {
                authid: identity.authid.public(),
                authrole: &identity.authrole,
                authmethod: identity.authmethod,
                authprovider: identity.authprovider,
                realm: realm.as_str(),
            },
            upstreams,
            now: Timestamp::now().as_millis(),
        }
    }

    fn connection(&'a self, visitor: &'a Visitor) -> ConnectionView<'a> {
        ConnectionView {
            id: &visitor.id,
            peer: &self.peer,
            tls: visitor.tls.is_some(),
            host: visitor.headers.get(&header::HOST).unwrap_or_default(),
            path: &visitor.path,
            origin: visitor.headers.get(&header::ORIGIN),
            subprotocol: visitor.subprotocol.map_or("", Subprotocol::name),
            headers: &self.headers,
        }
    }

    fn certificate(&'a self, visitor: &'a Visitor) -> Option<CertificateView<'a>> {
        visitor.certificate().map(|shown| CertificateView {
            subject: &shown.subject,
            names: &self.certified,
            sha256: &shown.sha256,
        })
    }
}

/// What a client says of itself.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Claimed<'a> {
    pub(super) authid: Option<&'a str>,
    /// None: what the HELLO says.
    pub(super) authextra: Option<&'a str>,
}

fn cookie(visitor: &Visitor) -> Option<CookieView<'_>> {
    visitor.tracked.as_ref().map(|tracked| CookieView {
        id: tracked.id.expose(),
        public_id: &tracked.public_id,
        is_new: tracked.is_new,
        created: tracked.record.created.as_millis(),
        last_seen: tracked.record.last_seen.as_millis(),
        max_age: tracked.record.max_age.as_seconds(),
        connections: tracked.connections,
        authentication: tracked.record.authentication.as_deref().map(|was| LoginView {
            authid: &was.authid,
            authrole: &was.authrole,
            authmethod: &was.authmethod,
            authrealm: &was.authrealm,
            authextra: &was.authextra,
            at: was.at.as_millis(),
        }),
    })
}
