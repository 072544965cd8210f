//! A visitor: what is known of the other end before it says who it is.

use std::sync::Arc;

use http::HeaderValue;

use super::KeptHeaders;
use crate::{
    auth::Secret,
    store::Authentication,
    stream::PeerAddr,
    tls::{ClientCertificate, Tls},
    traces::{Parent, Place},
    tracking::{Closed, Tracked, Tracker},
    wamp::Subprotocol,
};

/// What a request says of the connection that it came by.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The peer, or the address that a trusted proxy gives.
    pub peer: PeerAddr,
    /// The TLS session of the connection.
    pub tls: Option<&'a Tls>,
    /// The path of the request.
    pub path: &'a str,
    /// Its query, without the question mark.
    pub query: Option<&'a str>,
    /// The WebSocket subprotocol that was agreed on; none where there is no WebSocket.
    pub subprotocol: Option<Subprotocol>,
    /// Whether a client that the store does not know may get a record.
    pub may_be_new: bool,
    /// What the visitor's spans are part of.
    pub(crate) parent: Parent<'a>,
}

/// A client that has come with a request, and is here until this is dropped.
#[derive(Debug)]
pub struct Visitor {
    /// Names the connection in logs and towards the policy: a random number in hexadecimal.
    pub id: Box<str>,
    /// The peer, or the address that a trusted proxy gives.
    pub peer: PeerAddr,
    /// The tracked client, if cookie tracking is on.
    pub tracked: Option<Tracked>,
    /// What its spans are part of.
    pub(crate) place: Place,
    /// What tracks the client.
    pub(super) tracker: Option<Arc<Tracker>>,
    pub(super) tls: Option<Tls>,
    pub(super) path: Box<str>,
    pub(super) subprotocol: Option<Subprotocol>,
    pub(super) headers: KeptHeaders,
    /// The token that the request brought, where `auth.ticket.from` lets it.
    pub(super) token: Option<Secret>,
    /// Through how many gateways it has come, where it goes on to a router.
    pub hops: u8,
    /// Whether it has said HELLO before.
    pub(super) is_greeted: bool,
}

impl Visitor {
    pub(super) fn new(
        facts: Facts<'_>,
        headers: KeptHeaders,
        tracked: Option<Tracked>,
        token: Option<Secret>,
    ) -> Self {
        let Facts { peer, tls, path, query: _, subprotocol, may_be_new: _, parent } = facts;
        Self {
            id: format!("{:016x}", rand::random::<u64>()).into(),
            peer,
            tracked,
            place: Place::of(parent),
            tracker: None,
            tls: tls.cloned(),
            path: path.into(),
            subprotocol,
            headers,
            token,
            hops: 0,
            is_greeted: false,
        }
    }

    /// Whether the visitor's cookie was revoked since the visitor came.
    pub fn is_revoked(&self) -> bool {
        self.tracked.as_ref().is_some_and(|tracked| tracked.presence.is_revoked())
    }

    /// Where the visitor's connection learns that its cookie was revoked, if it has one.
    pub fn revoked(&self) -> Option<Closed> {
        self.tracked.as_ref().map(|tracked| tracked.presence.closed())
    }

    /// The `Set-Cookie` for the reply to the visitor's request, the first time that it is asked for.
    pub fn take_set_cookie(&mut self) -> Option<HeaderValue> {
        self.tracked.as_mut().and_then(|tracked| tracked.set_cookie.take())
    }

    /// Whether the visitor got a record that was made for it.
    pub fn is_new(&self) -> bool {
        self.tracked.as_ref().is_some_and(|tracked| tracked.is_new)
    }

    /// The path of the visitor's request.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The certificate that the visitor has shown.
    pub fn certificate(&self) -> Option<&ClientCertificate> {
        self.tls.as_ref().and_then(Tls::client_certificate)
    }

    /// The headers of the visitor's request that it keeps.
    #[cfg(test)]
    pub const fn headers(&self) -> &KeptHeaders {
        &self.headers
    }

    /// The login that stands on the visitor's cookie.
    pub fn login(&self) -> Option<&Authentication> {
        self.tracked.as_ref()?.record.authentication.as_deref()
    }

    /// The public ID of the visitor's cookie, for logs.
    pub fn public_id(&self) -> Option<&str> {
        self.tracked.as_ref().map(|tracked| &*tracked.public_id)
    }
}
