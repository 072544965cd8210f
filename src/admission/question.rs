//! What a policy is asked about a visitor.

use http::header;

use super::{Admission, Application, Visitor};
use crate::{
    policy::{CertificateView, ConnectionView, CookieView, HelloView, JoinRequest, LoginView},
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
    pub(super) fn new(admission: &'a Admission, visitor: &'a Visitor, application: &Application<'a>) -> Self {
        let shown = admission.shown.iter();
        let lines =
            shown.flat_map(|name| visitor.headers.get_all(name).map(move |value| (name.as_str(), value)));
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
            connection: ConnectionView {
                id: &visitor.id,
                peer: &self.peer,
                tls: visitor.tls.is_some(),
                host: visitor.headers.get(&header::HOST).unwrap_or_default(),
                path: &visitor.path,
                origin: visitor.headers.get(&header::ORIGIN),
                subprotocol: visitor.subprotocol.map_or("", Subprotocol::name),
                headers: &self.headers,
            },
            cookie: visitor.tracked.as_ref().map(|tracked| CookieView {
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
            }),
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
            certificate: visitor.certificate().map(|shown| CertificateView {
                subject: &shown.subject,
                names: &self.certified,
                sha256: &shown.sha256,
            }),
        }
    }
}
